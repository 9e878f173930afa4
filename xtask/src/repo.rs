//! Where things are: the root of the repository and cargo's target directory.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

static ROOT: OnceLock<PathBuf> = OnceLock::new();

/// The root of the repository, found upwards from the current directory.
///
/// # Panics
/// If the current directory is not inside the repository; nothing that xtask does has a meaning elsewhere.
pub(crate) fn root() -> &'static Path {
    ROOT.get_or_init(|| {
        let here = std::env::current_dir().expect("the current directory exists");
        let found = here.ancestors().find(|dir| dir.join("xtask/Cargo.toml").is_file());
        found.expect("cargo xtask is started inside the repository").to_owned()
    })
}

/// The cargo that started us, so that the pinned toolchain is used throughout.
pub(crate) fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// What `cargo metadata` says about the workspace's own packages.
///
/// # Errors
/// If cargo cannot read the workspace.
pub(crate) fn metadata() -> Result<serde_json::Value> {
    let output = std::process::Command::new(cargo())
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(root())
        .output()
        .context("cannot start cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    serde_json::from_slice(&output.stdout).context("cargo metadata printed something else than JSON")
}

/// Every crate that is built for any system, a line each, as `cargo tree` names them.
///
/// # Errors
/// If cargo cannot resolve the workspace.
pub(crate) fn built() -> Result<String> {
    let output = std::process::Command::new(cargo())
        .args(["tree", "--workspace", "--target", "all", "--edges", "normal,build,dev", "--prefix", "none"])
        .current_dir(root())
        .output()
        .context("cannot start cargo tree")?;
    if !output.status.success() {
        bail!("cargo tree failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).context("cargo tree printed something else than text")
}

/// Cargo's target directory.
///
/// # Errors
/// If cargo cannot read the workspace.
pub(crate) fn target() -> Result<PathBuf> {
    let metadata = metadata()?;
    let path = metadata["target_directory"].as_str().context("cargo metadata names no target directory")?;
    Ok(PathBuf::from(path))
}

/// The program of that name in `PATH`, if there is one.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .flat_map(|dir| [dir.join(name), dir.join(format!("{name}.exe")), dir.join(format!("{name}.cmd"))])
        .find(|candidate| candidate.is_file())
}
