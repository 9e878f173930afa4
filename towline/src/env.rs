//! Everything that Towline takes from its environment, read once at the start. No other file reads it.

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::path::PathBuf;

use etcetera::BaseStrategy;

/// Which data directory, when no argument says so.
const DATA_DIR: &str = "TOWLINE_DATA_DIR";
/// What is logged to standard error, in the form of tracing's filters (`debug`, `hub=debug,warn`); `warn` when it is not set.
const LOG: &str = "TOWLINE_LOG";
/// Whether there is a screen to open a browser on (Unix without macOS).
const SCREENS: [&str; 2] = ["DISPLAY", "WAYLAND_DISPLAY"];
/// What Windows calls this machine.
const COMPUTER: &str = "COMPUTERNAME";

/// What the environment says.
#[derive(Debug, Clone)]
pub(crate) struct Env {
    /// All of it, for children; each of them gets a short list of it.
    pub(crate) all: Vec<(OsString, OsString)>,
    /// The home directory.
    pub(crate) home: Option<PathBuf>,
    /// Where data of programs goes: `$XDG_DATA_HOME`, or what is usual here.
    pub(crate) data_home: Option<PathBuf>,
    /// Where we were started.
    pub(crate) current_dir: Option<PathBuf>,
    /// This program.
    pub(crate) program: Option<PathBuf>,
    /// What this machine is called.
    pub(crate) machine: String,
    /// Whether a person can type.
    pub(crate) stdin_is_terminal: bool,
    /// Whether a person reads.
    pub(crate) stdout_is_terminal: bool,
    /// Whether a browser could be shown.
    pub(crate) has_screen: bool,
}

impl Env {
    /// Reads it.
    pub(crate) fn read() -> Self {
        let base = etcetera::choose_base_strategy().ok();
        let all = variables();
        let has = |names: &[&str]| all.iter().any(|(name, value)| names.iter().any(|n| name == n) && !value.is_empty());
        let has_screen = cfg!(any(target_os = "macos", windows)) || has(&SCREENS);
        let machine = machine(&all);
        Self {
            home: base.as_ref().map(|base| base.home_dir().to_owned()),
            data_home: base.as_ref().map(BaseStrategy::data_dir),
            current_dir: current_dir(),
            program: std::env::current_exe().ok(),
            machine,
            stdin_is_terminal: std::io::stdin().is_terminal(),
            stdout_is_terminal: std::io::stdout().is_terminal(),
            has_screen,
            all,
        }
    }

    /// The value of a variable.
    pub(crate) fn get(&self, wanted: &str) -> Option<&OsStr> {
        self.all.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_os_str())
    }

    /// The data directory that the environment names.
    pub(crate) fn data_dir(&self) -> Option<PathBuf> {
        self.get(DATA_DIR).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// What is to be logged.
    pub(crate) fn log(&self) -> &str {
        self.get(LOG).and_then(OsStr::to_str).filter(|text| !text.is_empty()).unwrap_or("warn")
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads it")]
fn variables() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

#[expect(clippy::disallowed_methods, reason = "a command line has a current directory; nothing below it is given one")]
fn current_dir() -> Option<PathBuf> {
    std::env::current_dir().ok()
}

#[cfg(unix)]
fn machine(all: &[(OsString, OsString)]) -> String {
    let node = rustix::system::uname();
    let name = node.nodename().to_string_lossy();
    named(&name).or_else(|| computer(all)).unwrap_or_else(nameless)
}

#[cfg(not(unix))]
fn machine(all: &[(OsString, OsString)]) -> String {
    computer(all).unwrap_or_else(nameless)
}

fn nameless() -> String {
    "This machine".to_owned()
}

fn computer(all: &[(OsString, OsString)]) -> Option<String> {
    all.iter().find(|(name, _)| name == COMPUTER).and_then(|(_, value)| named(value.to_str()?))
}

/// A machine's name without its domain, as far as it is one.
fn named(text: &str) -> Option<String> {
    let name: String = text.split('.').next()?.chars().filter(|c| !c.is_control()).take(60).collect();
    (!name.trim().is_empty() && name != "(none)").then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_called_by_its_name_without_domain() {
        for (text, name) in
            [("desk.local", Some("desk")), ("desk", Some("desk")), ("", None), ("(none)", None), (".x", None)]
        {
            assert_eq!(named(text).as_deref(), name, "{text}");
        }
    }
}
