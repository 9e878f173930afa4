//! `gen`: the files that are made from the wire types and the settings. The test that guards them also writes them, so that there is one
//! notion of what they contain.

use std::time::Duration;

use anyhow::Result;

use crate::run::Step;

/// A test that compares committed files with what the code says, and rewrites them under `UPDATE=1`.
const GENERATORS: [(&str, &str); 3] = [("protocol", "generated"), ("protocol", "wire"), ("towline", "reference")];

/// Longest time for one generator: the build of its crate from nothing.
const LIMIT: Duration = Duration::from_mins(10);

pub(crate) fn run() -> Result<()> {
    for (package, test) in GENERATORS {
        Step::cargo(LIMIT).args(["test", "--package", package, "--test", test]).env("UPDATE", "1").run()?;
    }
    Ok(())
}
