//! `soak`: the loops that are too long for every push, with their number of rounds as a parameter.

use std::time::Duration;

use anyhow::Result;

use crate::bench;
use crate::run::Step;
use crate::{prepare, towline};

/// A test, or a program, that reads its number of rounds from `TOWLINE_ROUNDS`.
struct Loop {
    name: &'static str,
    about: &'static str,
    /// How many rounds, unless another number is asked for.
    rounds: u32,
    arguments: &'static [&'static str],
    /// Whether the official streams server goes through the same, to be compared with.
    official: bool,
}

const LOOPS: &[Loop] = &[
    Loop {
        name: "crash",
        about: "kill -9 at random moments, restart, compare",
        rounds: 50,
        arguments: &["test", "--release", "--package", "towline", "--test", "crash", "--", "--include-ignored"],
        official: false,
    },
    Loop {
        name: "many",
        about: "10,000 commands through a hub while it, the machine and the path between them die at random, and clocks are an hour wrong",
        rounds: 834,
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
        official: false,
    },
    Loop {
        name: "streams",
        about: "kill -9 of `towline streams` right after it acknowledged, and a retry; beside the official server",
        rounds: 200,
        arguments: &["run", "--release", "--package", "streams", "--example", "streams_crash"],
        official: true,
    },
];

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Which loops; all if none is named
    names: Vec<String>,
    /// How many rounds each; by default 50 of `crash`, 834 of `many`, which are 10,008 commands, and 200 of `streams`
    #[arg(long)]
    rounds: Option<u32>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if let Some(unknown) = options.names.iter().find(|name| LOOPS.iter().all(|entry| entry.name != name.as_str())) {
        anyhow::bail!(
            "there is no loop `{unknown}`: {}",
            LOOPS.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", ")
        );
    }
    prepare::clocks();
    let program = towline::release()?;
    let chosen = LOOPS.iter().filter(|entry| options.names.is_empty() || options.names.iter().any(|n| n == entry.name));
    for entry in chosen {
        let rounds = options.rounds.unwrap_or(entry.rounds);
        println!("{}: {}, {rounds} rounds", entry.name, entry.about);
        // A round starts and stops a whole node; a minute each is far beyond what one takes.
        let limit = Duration::from_mins(10) + Duration::from_mins(1) * rounds;
        let mut step = Step::cargo(limit)
            .args(entry.arguments)
            .env("TOWLINE_ROUNDS", rounds.to_string())
            .env("TOWLINE_BIN", &program);
        if entry.official
            && let Some(official) = bench::official()?
        {
            step = step.env("OFFICIAL_STREAMS_BIN", official);
        }
        step.run()?;
    }
    Ok(())
}
