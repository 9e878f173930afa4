//! `conformance`: the published Durable Streams suite against the release program. The score is compared with a committed
//! floor, so that it can rise but not fall unnoticed.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::run::Step;
use crate::service::Service;
use crate::{npm, prepare, repo, towline};

/// The npm package that holds the suite and its runner.
const FOLDER: &str = "xtask/conformance";
/// The committed score.
const FLOOR: &str = "xtask/conformance/floor.json";
/// How long the server waits in a long-poll, in milliseconds. The suite waits them out, so short is fast (a whole run
/// takes about 20 s).
const LONG_POLL_MS: u32 = 500;
/// How long the server may take to be ready.
const START: Duration = Duration::from_secs(20);
/// Longest time for the whole suite.
const SUITE: Duration = Duration::from_mins(5);

#[derive(clap::Args, Default)]
pub(crate) struct Options {
    /// Does not build: takes the release program that is there
    #[arg(long)]
    pub(crate) no_build: bool,
    /// Tests a server that already runs at this address
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Leaves the tests of subscriptions out, for servers that do not have them
    #[arg(long, requires = "url")]
    pub(crate) no_subscriptions: bool,
    /// Writes this run's score as the floor
    #[arg(long, conflicts_with = "url")]
    pub(crate) raise: bool,
}

/// How many tests of how many passed, and which groups failed with how many of their tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Score {
    pub(crate) passed: usize,
    pub(crate) total: usize,
    failing: BTreeMap<String, Vec<String>>,
}

/// What must be reached.
#[derive(Debug, Serialize, Deserialize)]
struct Floor {
    /// Tests that must pass.
    passed: usize,
    /// Tests there were, so that a suite that found none does not pass.
    total: usize,
}

/// Runs the suite and prints the score.
///
/// # Errors
/// If the suite cannot run, or its score is below the floor.
pub(crate) fn run(options: &Options) -> Result<Score> {
    prepare::node()?;
    npm::install(FOLDER)?;
    let data = tempfile::tempdir().context("cannot make a directory for the server")?;
    let (_server, url) = if let Some(url) = &options.url {
        (None, url.clone())
    } else {
        let program = if options.no_build { towline::built("release")? } else { towline::release()? };
        let (server, url) = serve(&program, data.path())?;
        (Some(server), url)
    };
    let score = measure(&url, !options.no_subscriptions)?;
    for (group, tests) in &score.failing {
        println!("    failing: {group} ({})", tests.len());
        for test in tests {
            println!("        {test}");
        }
    }
    println!("conformance: {} of {}", score.passed, score.total);
    if options.raise {
        let text = serde_json::to_string_pretty(&Floor { passed: score.passed, total: score.total })?;
        std::fs::write(repo::root().join(FLOOR), text + "\n").context("cannot write the floor")?;
    } else if options.url.is_none() {
        let text = std::fs::read_to_string(repo::root().join(FLOOR)).with_context(|| format!("cannot read {FLOOR}"))?;
        judge(&score, &serde_json::from_str(&text).with_context(|| format!("{FLOOR} is malformed"))?)?;
    }
    Ok(score)
}

/// Starts the smallest server that the program has: streams and nothing else, open to everyone on loopback.
fn serve(program: &Path, data: &Path) -> Result<(Service, String)> {
    let step = Step::new(program, Duration::MAX)
        .args(["streams", "--open", "--listen", "127.0.0.1:0", "--json", "--data-dir"])
        .args([data])
        // The suite receives webhooks on this machine.
        .args(["--webhooks-to", "loopback"])
        .args(["--long-poll-timeout", &format!("{LONG_POLL_MS}ms")]);
    let (server, ready) = Service::ready(&step, START)?;
    let url = ready["url"].as_str().context("the server's ready line has no url")?.trim_end_matches('/').to_owned();
    Ok((server, url))
}

fn measure(url: &str, subscriptions: bool) -> Result<Score> {
    let report = tempfile::NamedTempFile::new().context("cannot make a file for the report")?;
    let outcome = Step::new(if cfg!(windows) { "npx.cmd" } else { "npx" }, SUITE)
        .args(["vitest", "run", "--reporter=json"])
        .args([format!("--outputFile={}", report.path().display())])
        .directory(FOLDER)
        .env("CONFORMANCE_URL", url)
        .env("CONFORMANCE_LONG_POLL_MS", LONG_POLL_MS.to_string())
        .env("CONFORMANCE_SUBSCRIPTIONS", if subscriptions { "1" } else { "0" })
        .quiet()
        .judged()
        .outcome()?;
    let text = std::fs::read_to_string(report.path()).context("cannot read the suite's report")?;
    if text.is_empty() {
        bail!("the suite did not report: {}\n{}", outcome.failure.unwrap_or_default(), outcome.output);
    }
    score(&text)
}

/// Reads vitest's JSON report. Skipped tests do not count.
fn score(report: &str) -> Result<Score> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Report {
        test_results: Vec<File>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct File {
        #[serde(default)]
        message: String,
        assertion_results: Vec<Test>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Test {
        ancestor_titles: Vec<String>,
        title: String,
        status: String,
    }
    let report: Report = serde_json::from_str(report).context("the suite's report is malformed")?;
    let mut score = Score { passed: 0, total: 0, failing: BTreeMap::new() };
    for test in report.test_results.iter().flat_map(|file| &file.assertion_results) {
        match test.status.as_str() {
            "passed" => score.passed += 1,
            "failed" => {
                let group = test.ancestor_titles.join(" > ");
                score.failing.entry(group).or_default().push(test.title.clone());
            }
            _ => continue,
        }
        score.total += 1;
    }
    if score.total == 0 {
        let messages: Vec<&str> = report.test_results.iter().map(|file| file.message.as_str()).collect();
        bail!("the suite ran no test: {}", messages.join(" "));
    }
    Ok(score)
}

fn judge(score: &Score, floor: &Floor) -> Result<()> {
    if score.total < floor.total {
        bail!("the suite ran {} tests, and {} before: it has lost some", score.total, floor.total);
    }
    if score.passed < floor.passed {
        bail!("{} tests passed, and {FLOOR} asks for {}", score.passed, floor.passed);
    }
    if score.passed > floor.passed {
        println!("    above the floor of {}: `cargo xtask conformance --raise` commits to it", floor.passed);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"{"testResults":[{"message":"","assertionResults":[
        {"ancestorTitles":["Append"],"title":"a","status":"passed"},
        {"ancestorTitles":["Append"],"title":"b","status":"failed"},
        {"ancestorTitles":["SSE","JSON"],"title":"c","status":"passed"},
        {"ancestorTitles":["Subscriptions"],"title":"d","status":"skipped"}]}]}"#;

    #[test]
    fn the_report_becomes_a_score() {
        let score = score(REPORT).unwrap();
        assert_eq!((score.passed, score.total), (2, 3));
        assert_eq!(score.failing["Append"], ["b"]);
    }

    #[test]
    fn a_suite_that_ran_nothing_is_an_error() {
        assert!(score(r#"{"testResults":[{"message":"no such module","assertionResults":[]}]}"#).is_err());
    }

    #[test]
    fn a_score_below_the_floor_fails() {
        let score = score(REPORT).unwrap();
        assert!(judge(&score, &Floor { passed: 2, total: 3 }).is_ok());
        assert!(judge(&score, &Floor { passed: 3, total: 3 }).is_err());
        assert!(judge(&score, &Floor { passed: 1, total: 4 }).is_err());
    }
}
