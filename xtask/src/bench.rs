//! `bench`: a table of programs that measure one thing each and print their numbers. A bench is an example of the crate
//! it measures; to add one, add a row.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::repo;
use crate::run::Step;
use crate::towline;

/// Longest time for one bench, with the release build of its crate.
const LIMIT: Duration = Duration::from_mins(40);

/// The version of the official server that is measured against.
const OFFICIAL: &str = "0.1.5";

struct Bench {
    name: &'static str,
    about: &'static str,
    package: &'static str,
    example: &'static str,
    /// Whether it drives the release program, which is then in `TOWLINE_BIN`.
    program: bool,
    /// Another example that it starts: package, name, and the variable that tells where it is.
    partner: Option<(&'static str, &'static str, &'static str)>,
}

const BENCHES: &[Bench] = &[
    Bench {
        name: "store",
        about: "durable appends by number of writers, reading, opening after a crash, size; SQLite beside fjall",
        package: "store",
        example: "append_rate",
        program: false,
        partner: None,
    },
    Bench {
        name: "latency",
        about: "agent to socket, prompt to agent, start to ready, memory, processor time, beside a bare pipe, disk, and the real agents alone",
        package: "client",
        example: "latency",
        program: true,
        partner: Some(("host", "stamp_agent", "TOWLINE_STAMP_AGENT")),
    },
    Bench {
        name: "push",
        about: "prompt to agent and agent to screen through a hub, beside readers that look every five seconds",
        package: "client",
        example: "push",
        program: true,
        partner: Some(("host", "stamp_agent", "TOWLINE_STAMP_AGENT")),
    },
    Bench {
        name: "links",
        about: "2,000 linked machines that are idle and 200 live turns at one hub: memory, processor time, how long a push takes",
        package: "hub",
        example: "link_load",
        program: false,
        partner: None,
    },
    Bench {
        name: "streams",
        about: "appends, catch-up, SSE, memory of `towline streams`, beside the official server",
        package: "streams",
        example: "streams_load",
        program: true,
        partner: None,
    },
];

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Which benches; all if none is named
    names: Vec<String>,
    /// Says which there are
    #[arg(long)]
    list: bool,
    /// Measures every pinned agent, and not only those that are quick to fetch and to start
    #[arg(long)]
    all: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if options.list {
        for bench in BENCHES {
            println!("{:10} {}", bench.name, bench.about);
        }
        return Ok(());
    }
    let chosen = choose(&options.names)?;
    let program = if chosen.iter().any(|bench| bench.program) { Some(towline::release()?) } else { None };
    for bench in chosen {
        let mut step =
            Step::cargo(LIMIT).args(["run", "--release", "--package", bench.package, "--example", bench.example]);
        if let Some(program) = program.as_ref().filter(|_| bench.program) {
            step = step.env("TOWLINE_BIN", program);
        }
        if bench.name == "streams"
            && let Some(official) = official()?
        {
            step = step.env("OFFICIAL_STREAMS_BIN", official);
        }
        if bench.name == "latency" {
            for (agent, program) in crate::e2e::agents(options.all)? {
                step = step.env(format!("TOWLINE_TEST_{}", agent.replace('-', "_").to_uppercase()), program);
            }
        }
        if let Some((package, example, variable)) = bench.partner {
            Step::cargo(LIMIT).args(["build", "--release", "--package", package, "--example", example]).run()?;
            step = step.env(variable, repo::target()?.join("release/examples").join(example));
        }
        step.run()?;
    }
    Ok(())
}

/// The official streams server, installed once into the user's cache; `None` when the registry does not give it.
///
/// # Errors
/// If there is no place to install it to.
pub(crate) fn official() -> Result<Option<PathBuf>> {
    let home = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let cache = home("XDG_CACHE_HOME").or_else(|| Some(home("HOME")?.join(".cache")));
    let root = cache.context("there is no cache directory: set XDG_CACHE_HOME")?;
    let root = root.join(format!("towline/bench/durable-streams-{OFFICIAL}"));
    let program = root.join("bin/durable-streams-server");
    if !program.exists() {
        let install =
            Step::cargo(LIMIT).args(["install", "durable-streams", "--version", OFFICIAL, "--locked", "--root"]);
        if let Err(error) = install.args([&root]).run() {
            println!("the official server is left out: {error:#}");
            return Ok(None);
        }
    }
    Ok(Some(program))
}

fn choose(names: &[String]) -> Result<Vec<&'static Bench>> {
    if names.is_empty() {
        return Ok(BENCHES.iter().collect());
    }
    let mut chosen = Vec::new();
    for name in names {
        match BENCHES.iter().find(|bench| bench.name == name) {
            Some(bench) => chosen.push(bench),
            None => bail!("there is no bench `{name}`; `cargo xtask bench --list` says which there are"),
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn benches_are_chosen_by_name() {
        assert_eq!(choose(&[]).unwrap().len(), BENCHES.len());
        assert_eq!(choose(&["store".to_owned()]).unwrap()[0].example, "append_rate");
        assert!(choose(&["nothing".to_owned()]).is_err());
    }
}
