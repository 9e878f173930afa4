//! `e2e`: the release program, a headless browser at the size of a phone, and the real agents against a model server of
//! our own.

use std::time::Duration;

use anyhow::Result;

use crate::run::Step;
use crate::tally::{Runner, Tally};
use crate::{npm, prepare, towline};

/// Where the browser tests are.
pub(crate) const FOLDER: &str = "e2e";
/// Longest time to fetch the agents: several hundred megabytes, once.
const FETCH: Duration = Duration::from_mins(15);
/// Longest time for all browser tests.
const BROWSE: Duration = Duration::from_mins(25);

#[derive(clap::Args, Default)]
pub(crate) struct Options {
    /// Does not build: takes the release program that is there
    #[arg(long)]
    pub(crate) no_build: bool,
    /// Runs every pinned agent, and not only those that are quick to fetch and to start
    #[arg(long)]
    pub(crate) all: bool,
    /// Passed on to Playwright, after `--`
    #[arg(last = true)]
    pub(crate) playwright: Vec<String>,
}

/// Fetches the agents that every run needs, or all, and says where the program of each is.
///
/// # Errors
/// If one cannot be fetched.
pub(crate) fn agents(all: bool) -> Result<Vec<(String, String)>> {
    npm::install(FOLDER)?;
    let which: &[&str] = if all { &["--all"] } else { &[] };
    let said = Step::new("node", FETCH).args(["fetch-agents.mjs"]).args(which).directory(FOLDER).run()?;
    let found = said.lines().filter_map(|line| line.split_once('\t'));
    Ok(found.map(|(name, program)| (name.trim().to_owned(), program.trim().to_owned())).collect())
}

/// Runs the browser tests and counts them.
///
/// # Errors
/// If something cannot be prepared, or a test fails.
pub(crate) fn run(options: &Options) -> Result<Tally> {
    let (tally, failure) = outcome(options)?;
    failure.map_or(Ok(tally), |failure| Err(anyhow::anyhow!(failure)))
}

/// Runs the browser tests and counts them also when some fail.
///
/// # Errors
/// If something cannot be prepared.
pub(crate) fn outcome(options: &Options) -> Result<(Tally, Option<String>)> {
    prepare::node()?;
    let browser = prepare::browser()?;
    let program = if options.no_build { towline::built("release")? } else { towline::release()? };
    agents(options.all)?;
    let mut browse = Step::new(if cfg!(windows) { "npx.cmd" } else { "npx" }, BROWSE);
    if options.all {
        browse = browse.env("E2E_ALL", "1");
    }
    let outcome = browse
        .args(["playwright", "test"])
        .args(&options.playwright)
        .directory(FOLDER)
        .env("TOWLINE_BIN", program)
        .env("CHROMIUM_PATH", browser)
        .outcome()?;
    Ok((Runner::Playwright.count(&outcome.output), outcome.failure))
}
