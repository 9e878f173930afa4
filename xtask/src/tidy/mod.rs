//! `tidy`: the rules of the house that no compiler checks. Each rule is a function of text, so that its tests can show it
//! failing; the test at the end of this file runs all of them over the repository, so `cargo test` checks what CI checks.

mod edges;
mod layers;
mod lock;
mod marks;
mod paths;
mod rust;
mod sizes;
mod tree;
mod words;

use anyhow::{Result, bail};

use crate::repo;
use tree::File;

/// One thing that is not as it should be.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// Counted from 1; 0 when the whole file is meant.
    line: usize,
    message: String,
}

impl Finding {
    fn new(file: &File, line: usize, message: impl Into<String>) -> Self {
        Self { path: file.path.clone(), line, message: message.into() }
    }
}

/// A rule about one file at a time.
struct Rule {
    name: &'static str,
    check: fn(&File) -> Vec<Finding>,
}

const RULES: &[Rule] = &[
    Rule { name: "size", check: sizes::long },
    Rule { name: "empty crate", check: sizes::empty },
    Rule { name: "file name", check: paths::named },
    Rule { name: "machine path", check: paths::machine },
    Rule { name: "marker", check: marks::unfinished },
    Rule { name: "reason", check: marks::reasons },
    Rule { name: "environment", check: layers::environment },
    Rule { name: "sql", check: layers::sql },
    Rule { name: "word", check: words::banned },
    Rule { name: "registry", check: lock::registries },
];

/// Checks the repository and prints what it finds.
///
/// # Errors
/// If it finds anything, or cannot read the repository.
pub(crate) fn run() -> Result<()> {
    let findings = findings()?;
    for (rule, Finding { path, line, message }) in &findings {
        let place = if *line == 0 { path.clone() } else { format!("{path}:{line}") };
        println!("{place}: {rule}: {message}");
    }
    if findings.is_empty() {
        println!("tidy: nothing found");
        return Ok(());
    }
    bail!("tidy found {}", findings.len())
}

fn findings() -> Result<Vec<(&'static str, Finding)>> {
    let mut findings: Vec<_> =
        edges::check(&edges::packages(&repo::metadata()?)?).into_iter().map(|finding| ("edge", finding)).collect();
    findings.extend(lock::crates(&repo::built()?).into_iter().map(|finding| ("crate", finding)));
    for file in tree::read(repo::root())? {
        for rule in RULES {
            findings.extend((rule.check)(&file).into_iter().map(|finding| (rule.name, finding)));
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let findings = findings().unwrap();
        assert!(findings.is_empty(), "{findings:#?}");
    }

    #[test]
    fn the_repository_is_read() {
        let files = tree::read(repo::root()).unwrap();
        for expected in ["Cargo.lock", "README.md", "protocol/src/lib.rs", "xtask/src/tidy/mod.rs"] {
            assert!(files.iter().any(|file| file.path == expected), "{expected} is not read");
        }
        assert!(!files.iter().any(|file| file.path.contains("node_modules")));
    }
}
