//! What the tests need from the system beside Rust: Node with npm, a Chromium, and clocks that can be wrong. Looks for them, installs the browser
//! where it may, and otherwise says in one sentence what is missing and how to get it.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::run::Step;
use crate::{npm, repo};

/// Oldest Node, as major and minor version: what Vite asks for.
const NODE: (u32, u32) = (20, 19);
/// Longest time for `apt-get`: the browser is about 100 MB.
const APT: Duration = Duration::from_mins(10);
/// The names a Chromium goes by, the one of Debian first.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

/// Checks that Node and npm are there and new enough.
///
/// # Errors
/// One sentence that says what is missing and how to get it.
pub(crate) fn node() -> Result<()> {
    let advice = format!("install Node {}.{} or newer from https://nodejs.org or your package manager", NODE.0, NODE.1);
    let output = Command::new("node").arg("--version").output();
    let Ok(output) = output else { bail!("Node is not in PATH: {advice}") };
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if release(&version).is_none_or(|release| release < NODE) {
        bail!("Node is {version}, which is too old: {advice}");
    }
    if repo::program("npm").is_none() {
        bail!("npm is not in PATH, though Node is: {advice}");
    }
    Ok(())
}

/// The browser that the tests drive; installed by apt-get where that is allowed.
///
/// # Errors
/// One sentence that says what is missing and how to get it.
pub(crate) fn browser() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("CHROMIUM_PATH").map(PathBuf::from) {
        if path.is_file() {
            return Ok(path);
        }
        bail!("CHROMIUM_PATH names {}, which is no file", path.display());
    }
    if let Some(found) = installed() {
        return Ok(found);
    }
    let advice = "there is no Chromium in PATH: install it (Debian: `apt-get install chromium`), \
                  or name one with the environment variable CHROMIUM_PATH";
    install("chromium", advice)?;
    installed().context(advice)
}

/// The programs that the walk in the protocol's reference is typed with; installed by apt-get where that is allowed.
///
/// # Errors
/// One sentence that says what is missing and how to get it.
fn walking() -> Result<()> {
    for name in ["curl", "jq"] {
        if repo::program(name).is_none() {
            install(name, &format!("`{name}` is not in PATH: install it (Debian: `apt-get install {name}`)"))?;
        }
    }
    Ok(())
}

/// libfaketime, with which the tests give a process another time of day; installed by apt-get where that is allowed. Without it their
/// clocks are right, and this and they say so.
pub(crate) fn clocks() {
    if !cfg!(target_os = "linux") || repo::program("faketime").is_some() {
        return;
    }
    let advice = "clocks will not be skewed: install libfaketime (Debian: `apt-get install faketime`)";
    if let Err(error) = install("faketime", advice) {
        println!("    {error:#}");
    }
}

/// Installs a Debian package, where there is `apt-get` and we may use it.
fn install(package: &str, advice: &str) -> Result<()> {
    let Some(become_root) = privilege() else { bail!("{advice}") };
    if repo::program("apt-get").is_none() {
        bail!("{advice}");
    }
    let apt = |arguments: &[&str]| {
        let words: Vec<&str> =
            become_root.iter().copied().chain(["apt-get"]).chain(arguments.iter().copied()).collect();
        Step::new(words[0], APT).args(&words[1..]).env("DEBIAN_FRONTEND", "noninteractive").quiet().run()
    };
    apt(&["update"]).with_context(|| advice.to_owned())?;
    apt(&["install", "--yes", "--no-install-recommends", package]).with_context(|| advice.to_owned())?;
    Ok(())
}

/// Checks everything that the whole test run needs.
///
/// # Errors
/// One sentence that says what is missing and how to get it.
pub(crate) fn all() -> Result<()> {
    node()?;
    walking()?;
    clocks();
    let browser = browser()?;
    println!("    Node, {}, {}", npm::program(), browser.display());
    Ok(())
}

fn installed() -> Option<PathBuf> {
    BROWSERS.iter().find_map(|name| repo::program(name))
}

/// What to put before a command that needs root: nothing, or a sudo that asks no question. None if neither works.
fn privilege() -> Option<&'static [&'static str]> {
    #[cfg(unix)]
    {
        if rustix::process::geteuid().is_root() {
            return Some(&[]);
        }
        let sudo = Command::new("sudo").args(["-n", "true"]).stderr(std::process::Stdio::null()).status();
        if sudo.is_ok_and(|status| status.success()) {
            return Some(&["sudo", "-n"]);
        }
    }
    None
}

/// Major and minor version of what `node --version` prints.
fn release(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.strip_prefix('v')?.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_node_is_read() {
        assert_eq!(release("v20.20.2"), Some((20, 20)));
        assert_eq!(release("v8.1.0"), Some((8, 1)));
        assert_eq!(release("20"), None);
        assert_eq!(release(""), None);
        assert!(release("v20.9.0") < Some(NODE) && release("v22.0.0") > Some(NODE));
    }
}
