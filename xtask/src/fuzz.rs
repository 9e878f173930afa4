//! `fuzz`: feeds every parser with damaged input, a million times each. A target is a test whose name begins with `fuzz_`; it runs in
//! `cargo test` too, with fewer inputs.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::run::Step;

/// Longest time for the build of one crate's tests with everything below it, on two slow cores.
const BUILD: Duration = Duration::from_mins(40);
/// Longest time for one target without a limit of its own: a million inputs take seconds to a few minutes.
const TARGET: Duration = Duration::from_mins(30);

/// Inputs of a target when nothing else is said.
const COUNT: u64 = 1_000_000;

struct Target {
    /// What `--target` calls it.
    name: &'static str,
    package: &'static str,
    /// The test.
    test: &'static str,
}

const fn target(name: &'static str, package: &'static str, test: &'static str) -> Target {
    Target { name, package, test }
}

const TARGETS: &[Target] = &[
    target("client-frames", "protocol", "fuzz_client_frames"),
    target("server-frames", "protocol", "fuzz_server_frames"),
    target("link-frames", "protocol", "fuzz_link_frames"),
    target("polled-links", "protocol", "fuzz_polled_links"),
    target("commands", "protocol", "fuzz_commands"),
    target("http-bodies", "protocol", "fuzz_bodies"),
    target("ids", "protocol", "fuzz_ids"),
    target("offsets", "protocol", "fuzz_offsets"),
    target("paths", "protocol", "fuzz_paths"),
    target("feed-facts", "protocol", "fuzz_feed_facts"),
    target("session-facts", "protocol", "fuzz_session_facts_and_their_fold"),
    target("json-batches", "streams", "fuzz_json_batches"),
    target("stream-headers", "streams", "fuzz_headers"),
    target("request-heads", "streams", "fuzz_heads"),
    target("forks", "streams", "fuzz_forks"),
    target("patterns", "streams", "fuzz_patterns"),
    target("webhook-addresses", "streams", "fuzz_webhook_addresses"),
    target("wake-tokens", "streams", "fuzz_wake_tokens"),
    target("stream-credentials", "towline", "fuzz_stream_credentials"),
    target("heard-frames", "hub", "fuzz_heard_frames"),
    target("cookies", "hub", "fuzz_cookies"),
    target("forwarded-addresses", "hub", "fuzz_forwarded_addresses"),
    target("names-and-origins", "hub", "fuzz_names_and_origins"),
    target("pairing-codes", "hub", "fuzz_pairing_codes"),
    target("lines", "host", "fuzz_lines"),
    target("acp-lines", "host", "fuzz_acp_lines"),
    target("claude-lines", "host", "fuzz_claude_lines"),
    target("codex-lines", "host", "fuzz_codex_lines"),
    target("problems", "client", "fuzz_problems"),
    target("configuration", "towline", "fuzz_configuration"),
];

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Which targets; all if none is named
    #[arg(long = "target", value_name = "TARGET")]
    targets: Vec<String>,
    /// How many inputs each: a million, or with `--minutes` as many as there is time for
    #[arg(long)]
    count: Option<u64>,
    /// What the inputs follow from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many minutes each, at most
    #[arg(long)]
    minutes: Option<u64>,
    /// Says which targets there are
    #[arg(long)]
    list: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if options.list {
        for target in TARGETS {
            println!("{:20} {}", target.name, target.package);
        }
        return Ok(());
    }
    let chosen = choose(&options.targets)?;
    let count = options.count.unwrap_or(if options.minutes.is_some() { u64::MAX } else { COUNT });
    let limit = options.minutes.map_or(TARGET, |minutes| TARGET.max(Duration::from_mins(minutes + 5)));
    let mut packages: Vec<&str> = chosen.iter().map(|target| target.package).collect();
    packages.dedup();
    let (mut lines, mut failures) = (Vec::new(), Vec::new());
    for package in packages {
        let base = ["test", "--profile", "fuzz", "--locked", "--package", package];
        Step::cargo(BUILD).args(base).args(["--no-run"]).run()?;
        let here: Vec<&Target> = chosen.iter().copied().filter(|target| target.package == package).collect();
        // One after the other, so that what a target grows by is its own.
        let mut step = Step::cargo(limit * u32::try_from(here.len()).unwrap_or(u32::MAX))
            .args(base)
            .args(["--", "--nocapture", "--test-threads", "1"])
            .args(here.iter().map(|target| target.test))
            .env("TOWLINE_FUZZ_COUNT", count.to_string())
            .env("TOWLINE_FUZZ_SEED", options.seed.to_string());
        if let Some(minutes) = options.minutes {
            step = step.env("TOWLINE_FUZZ_MINUTES", minutes.to_string());
        }
        let outcome = step.outcome()?;
        let told = told(&outcome.output);
        if let Some(missing) = here.iter().find(|target| !told.iter().any(|line| is_of(line, target.name))) {
            failures.push(format!("{} did not come to its end", missing.name));
        }
        failures.extend(outcome.failure);
        lines.extend(told);
    }
    println!("\n{}", lines.join("\n"));
    if failures.is_empty() {
        println!("\n{} targets, nothing found", lines.len());
        return Ok(());
    }
    bail!("{}", failures.join("; "))
}

/// The lines in which targets say what they have come to.
fn told(output: &str) -> Vec<String> {
    // The runner writes `test NAME ... ` before what a test prints.
    output
        .lines()
        .filter_map(|line| Some(line[line.find("fuzz ")?..].to_owned()))
        .filter(|line| line.contains(" inputs in "))
        .collect()
}

fn is_of(line: &str, name: &str) -> bool {
    line.split_whitespace().nth(1) == Some(name)
}

fn choose(names: &[String]) -> Result<Vec<&'static Target>> {
    if let Some(unknown) = names.iter().find(|name| TARGETS.iter().all(|target| target.name != name.as_str())) {
        bail!("there is no target `{unknown}`; `cargo xtask fuzz --list` says which there are");
    }
    Ok(TARGETS.iter().filter(|target| names.is_empty() || names.iter().any(|name| name == target.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_chosen_by_name() {
        assert_eq!(choose(&[]).unwrap().len(), TARGETS.len());
        assert_eq!(choose(&["paths".to_owned()]).unwrap()[0].test, "fuzz_paths");
        assert!(choose(&["nothing".to_owned()]).is_err());
    }

    #[test]
    fn what_a_target_says_is_found() {
        let found = told("running 1 test\ntest tests::fuzz_x ... fuzz paths      10 inputs in 0.1 s\nok\n");
        assert_eq!(found, ["fuzz paths      10 inputs in 0.1 s"]);
        assert!(is_of(&found[0], "paths") && !is_of(&found[0], "path"));
    }

    fn visit(folder: &std::path::Path, look: &mut impl FnMut(&str)) {
        for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                visit(&path, look);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                look(&std::fs::read_to_string(&path).unwrap());
            }
        }
    }

    /// A target that nobody runs a million times is forgotten in silence.
    #[test]
    fn every_target_of_the_sources_is_in_the_table() {
        let mut found = 0;
        for package in ["protocol", "streams", "hub", "host", "client", "towline"] {
            for folder in ["src", "tests"] {
                visit(&crate::repo::root().join(package).join(folder), &mut |text| {
                    for name in text.lines().filter_map(|line| line.trim().strip_prefix("fn fuzz_")) {
                        let Some(name) = name.strip_suffix("() {") else { continue };
                        let test = format!("fuzz_{name}");
                        let known = TARGETS.iter().any(|target| target.test == test && target.package == package);
                        assert!(known, "{package}: {test}");
                        found += 1;
                    }
                });
            }
        }
        assert_eq!(found, TARGETS.len());
    }
}
