//! `soak`: the loops that are too long for every push, with their number of rounds as a parameter.

use std::time::Duration;

use anyhow::Result;

use crate::run::Step;
use crate::towline;

/// A test that reads its number of rounds from `TOWLINE_ROUNDS`.
struct Loop {
    name: &'static str,
    about: &'static str,
    arguments: &'static [&'static str],
}

const LOOPS: &[Loop] = &[
    Loop {
        name: "crash",
        about: "kill -9 at random moments, restart, compare",
        arguments: &["test", "--release", "--package", "towline", "--test", "crash", "--", "--include-ignored"],
    },
    Loop {
        name: "many",
        about: "commands through a hub while it, the machine and the path between them die at random",
        arguments: &[
            "test",
            "--release",
            "--package",
            "towline",
            "--test",
            "many",
            "whatever_dies",
            "--",
            "--nocapture",
        ],
    },
];

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Which loops; all if none is named
    names: Vec<String>,
    /// How many rounds each
    #[arg(long, default_value_t = 50)]
    rounds: u32,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if let Some(unknown) = options.names.iter().find(|name| LOOPS.iter().all(|entry| entry.name != name.as_str())) {
        anyhow::bail!(
            "there is no loop `{unknown}`: {}",
            LOOPS.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", ")
        );
    }
    let program = towline::release()?;
    let chosen = LOOPS.iter().filter(|entry| options.names.is_empty() || options.names.iter().any(|n| n == entry.name));
    for entry in chosen {
        println!("{}: {}, {} rounds", entry.name, entry.about, options.rounds);
        // A round starts and stops a whole node; a minute each is far beyond what one takes.
        let limit = Duration::from_mins(10) + Duration::from_mins(1) * options.rounds;
        Step::cargo(limit)
            .args(entry.arguments)
            .env("TOWLINE_ROUNDS", options.rounds.to_string())
            .env("TOWLINE_BIN", &program)
            .run()?;
    }
    Ok(())
}
