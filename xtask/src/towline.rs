//! The program itself, built in release: what a person gets from `cargo run --release` is what the tests drive.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::repo;
use crate::run::Step;

/// Longest time for a release build from nothing, on two slow cores.
const BUILD: Duration = Duration::from_mins(40);

/// Builds the release program and names it.
///
/// # Errors
/// If it does not build.
pub(crate) fn release() -> Result<PathBuf> {
    Step::cargo(BUILD).args(["build", "--release", "--package", "towline", "--locked"]).run()?;
    built("release")
}

/// Where cargo leaves the program in a profile's directory.
///
/// # Errors
/// If it is not there.
pub(crate) fn built(profile: &str) -> Result<PathBuf> {
    let path = repo::target()?.join(profile).join(format!("towline{}", std::env::consts::EXE_SUFFIX));
    if path.is_file() { Ok(path) } else { bail!("cargo built no {}", path.display()) }
}
