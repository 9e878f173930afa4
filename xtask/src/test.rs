//! `test`: everything CI runs. One failed step does not stop the others, so that one run says all there is to say; the
//! last line counts.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::run::Step;
use crate::tally::{Runner, Tally};
use crate::{conformance, e2e, interrupt, npm, prepare, repo, tidy, towline};

/// Longest time for clippy or the Rust tests with their build from nothing, on two slow cores.
const CARGO: Duration = Duration::from_mins(30);
/// Longest time for one script of a Node package.
const SCRIPT: Duration = Duration::from_mins(5);

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Runs only these steps, and what they need
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Leaves these steps out
    #[arg(long, value_delimiter = ',')]
    skip: Vec<String>,
    /// Says which steps there are
    #[arg(long)]
    list: bool,
}

/// What a step found: its tests, and what was wrong if something was.
type Found = (Tally, Option<String>);

struct Entry {
    name: &'static str,
    /// Steps without which this one cannot mean anything.
    needs: &'static [&'static str],
    run: fn() -> Result<Found>,
}

/// The cheap and the frequent failures first. Clippy and the Rust tests share the dev profile's dependencies; what drives
/// the program itself shares one release build, because that is what a person runs.
const ENTRIES: &[Entry] = &[
    Entry { name: "prerequisites", needs: &[], run: || prepare::all().map(|()| (Tally::ONE, None)) },
    Entry { name: "format", needs: &[], run: || one(&Step::cargo(SCRIPT).args(["fmt", "--all", "--check"])) },
    Entry { name: "tidy", needs: &[], run: tidy_step },
    Entry { name: "clippy", needs: &[], run: clippy },
    Entry { name: "rust", needs: &[], run: rust },
    Entry { name: "real-agents", needs: &["prerequisites"], run: real_agents },
    Entry { name: "web", needs: &["prerequisites"], run: web },
    Entry { name: "fake-model", needs: &["prerequisites"], run: fake_model },
    Entry { name: "release-build", needs: &[], run: || towline::release().map(|_| (Tally::ONE, None)) },
    Entry { name: "conformance", needs: &["prerequisites", "release-build"], run: conformance_step },
    Entry { name: "e2e", needs: &["prerequisites", "release-build"], run: e2e_step },
];

/// One row of the table at the end.
struct Row {
    name: &'static str,
    seconds: f64,
    tally: Tally,
    failure: Option<String>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if options.list {
        for entry in ENTRIES {
            println!("{}", entry.name);
        }
        return Ok(());
    }
    let mut rows: Vec<Row> = Vec::new();
    for entry in choose(&options.only, &options.skip)? {
        println!("\n## {}", entry.name);
        let started = Instant::now();
        let missing =
            entry.needs.iter().find(|need| rows.iter().any(|row| row.name == **need && row.failure.is_some()));
        let found = match missing {
            _ if interrupt::requested() => Err(anyhow::anyhow!("not run: interrupted")),
            Some(need) => Err(anyhow::anyhow!("not run: {need} failed")),
            None => (entry.run)(),
        };
        let (tally, failure) = found.unwrap_or_else(|error| (Tally::default(), Some(format!("{error:#}"))));
        if let Some(failure) = &failure {
            println!("    {}: {failure}", entry.name);
        }
        rows.push(Row {
            name: entry.name,
            seconds: started.elapsed().as_secs_f64(),
            tally: settle(tally, failure.is_some()),
            failure,
        });
    }
    println!("\n{}", table(&rows));
    if rows.iter().any(|row| row.failure.is_some()) {
        return Err(crate::SaidAlready.into());
    }
    Ok(())
}

/// A step that failed without a failing test counts as one.
fn settle(tally: Tally, failed: bool) -> Tally {
    if failed && tally.failed == 0 { tally.plus(Tally { passed: 0, failed: 1 }) } else { tally }
}

fn table(rows: &[Row]) -> String {
    let line = |name: &str, seconds: f64, tally: Tally, failure: Option<&String>| {
        let said = failure.and_then(|failure| failure.lines().next()).unwrap_or_default();
        format!("{name:<16}{seconds:>9.1}{:>8}{:>8}  {said}", tally.passed, tally.failed).trim_end().to_owned()
    };
    let sum = rows.iter().fold(Tally::default(), |sum, row| sum.plus(row.tally));
    let mut lines = vec![format!("{:<16}{:>9}{:>8}{:>8}", "step", "seconds", "passed", "failed")];
    lines.extend(rows.iter().map(|row| line(row.name, row.seconds, row.tally, row.failure.as_ref())));
    lines.push(line("all", rows.iter().map(|row| row.seconds).sum(), sum, None));
    lines.push(String::new());
    lines.push(format!("{} passed, {} failed", sum.passed, sum.failed));
    lines.join("\n")
}

fn choose(only: &[String], skip: &[String]) -> Result<Vec<&'static Entry>> {
    if let Some(unknown) = only.iter().chain(skip).find(|name| ENTRIES.iter().all(|entry| entry.name != name.as_str()))
    {
        bail!("there is no step `{unknown}`; `cargo xtask test --list` says which there are");
    }
    let named = |list: &[String], name: &str| list.iter().any(|given| given == name);
    let wanted = |entry: &Entry| {
        only.is_empty()
            || named(only, entry.name)
            || ENTRIES.iter().any(|other| named(only, other.name) && other.needs.contains(&entry.name))
    };
    Ok(ENTRIES.iter().filter(|entry| wanted(entry) && !named(skip, entry.name)).collect())
}

/// A step that is one test.
fn one(step: &Step) -> Result<Found> {
    let outcome = step.outcome()?;
    Ok((if outcome.failure.is_none() { Tally::ONE } else { Tally::default() }, outcome.failure))
}

/// A step whose output counts tests. A runner that found none has lost them.
fn counted(step: &Step, runner: Runner) -> Result<Found> {
    let outcome = step.outcome()?;
    let tally = runner.count(&outcome.output);
    let none = (tally == Tally::default()).then(|| format!("`{}` ran no test", step.line()));
    Ok((tally, outcome.failure.or(none)))
}

fn both(first: Found, second: Found) -> Found {
    (first.0.plus(second.0), first.1.or(second.1))
}

fn tidy_step() -> Result<Found> {
    tidy::run().map(|()| (Tally::ONE, None))
}

fn clippy() -> Result<Found> {
    one(&Step::cargo(CARGO).args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))
}

fn rust() -> Result<Found> {
    if repo::program("cargo-nextest").is_none() {
        println!("    cargo-nextest is not there; `cargo test` runs the same tests, slower");
        return counted(
            &Step::cargo(CARGO).args(["test", "--workspace", "--locked", "--no-fail-fast"]),
            Runner::CargoTest,
        );
    }
    let arguments = ["nextest", "run", "--workspace", "--locked", "--no-fail-fast", "--status-level", "slow"];
    let tests = counted(&Step::cargo(CARGO).args(arguments), Runner::Nextest)?;
    // nextest does not run the examples in the documentation, of which there may be none.
    let docs = Step::cargo(CARGO).args(["test", "--workspace", "--locked", "--doc"]).quiet().outcome()?;
    Ok(both(tests, (Runner::CargoTest.count(&docs.output), docs.failure)))
}

/// The host's own tests with the real Claude Code and the real Codex, which skip themselves where nobody names them; once with the newest and
/// once with the oldest version that is supported.
fn real_agents() -> Result<Found> {
    let found = e2e::agents(false)?;
    let program = |agent: &str| match found.iter().find(|(name, _)| name == agent) {
        Some((_, program)) => Ok(program.clone()),
        None => bail!("fetch-agents.mjs does not say where `{agent}` is"),
    };
    let runner = repo::program("cargo-nextest").map_or(Runner::CargoTest, |_| Runner::Nextest);
    let verb: &[&str] = if matches!(runner, Runner::Nextest) { &["nextest", "run"] } else { &["test"] };
    let step = |filter: &[&str]| {
        let args = ["-p", "host", "--test", "real", "--locked", "--no-fail-fast"];
        Step::cargo(CARGO).args(verb).args(args).args(filter)
    };
    let newest = step(&[]).env("TOWLINE_TEST_CLAUDE", program("claude")?).env("TOWLINE_TEST_CODEX", program("codex")?);
    let oldest = step(&[])
        .env("TOWLINE_TEST_CLAUDE", program("claude-oldest")?)
        .env("TOWLINE_TEST_CODEX", program("codex-oldest")?);
    Ok(both(counted(&newest, runner)?, counted(&oldest, runner)?))
}

fn web() -> Result<Found> {
    npm::install("web")?;
    let check = one(&npm::script("web", "check", SCRIPT))?;
    Ok(both(check, counted(&npm::script("web", "test", SCRIPT), Runner::Vitest)?))
}

fn fake_model() -> Result<Found> {
    npm::install(e2e::FOLDER)?;
    let check = one(&npm::script(e2e::FOLDER, "check", SCRIPT))?;
    Ok(both(check, counted(&npm::script(e2e::FOLDER, "test", SCRIPT), Runner::NodeTest)?))
}

fn conformance_step() -> Result<Found> {
    let score = conformance::run(&conformance::Options { no_build: true, ..Default::default() })?;
    Ok((Tally { passed: score.passed, failed: 0 }, None))
}

fn e2e_step() -> Result<Found> {
    e2e::outcome(&e2e::Options { no_build: true, ..Default::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(only: &[&str], skip: &[&str]) -> Vec<&'static str> {
        let owned = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        choose(&owned(only), &owned(skip)).unwrap().iter().map(|entry| entry.name).collect()
    }

    #[test]
    fn steps_are_chosen_with_what_they_need() {
        assert_eq!(names(&[], &[]).len(), ENTRIES.len());
        assert_eq!(names(&["web"], &[]), ["prerequisites", "web"]);
        assert_eq!(names(&["format", "tidy"], &["tidy"]), ["format"]);
        assert!(choose(&["nothing".to_owned()], &[]).is_err());
    }

    #[test]
    fn a_step_needs_only_steps_before_it() {
        for (at, entry) in ENTRIES.iter().enumerate() {
            assert!(
                entry.needs.iter().all(|need| ENTRIES[..at].iter().any(|earlier| earlier.name == *need)),
                "{}",
                entry.name
            );
        }
    }

    #[test]
    fn the_last_line_counts_tests_and_failed_steps() {
        let row = |name, passed, failed, failure: Option<&str>| Row {
            name,
            seconds: 1.0,
            tally: settle(Tally { passed, failed }, failure.is_some()),
            failure: failure.map(str::to_owned),
        };
        let rows = [row("rust", 40, 2, Some("2 tests")), row("clippy", 0, 0, Some("ended")), row("tidy", 1, 0, None)];
        assert_eq!(table(&rows).lines().last(), Some("41 passed, 3 failed"));
        assert_eq!(table(&rows[2..]).lines().last(), Some("1 passed, 0 failed"));
    }

    #[test]
    fn a_runner_that_found_no_test_has_failed() {
        let silent = Step::cargo(Duration::from_secs(20)).args(["--version"]).quiet();
        assert!(counted(&silent, Runner::NodeTest).unwrap().1.is_some());
    }
}
