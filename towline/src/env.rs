//! Everything that Towline takes from its environment, read once at the start. No other file reads it.

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::path::PathBuf;

use etcetera::BaseStrategy;

/// Which configuration file, when no argument says so. The variables of settings are in `config/keys.rs`.
pub(crate) const CONFIG: &str = "TOWLINE_CONFIG";
/// Variables of ours that are neither settings nor read by this program.
pub(crate) const OTHERS: [&str; 1] = ["TOWLINE_BIN"];
/// Which editor, the first that is set.
const EDITORS: [&str; 2] = ["VISUAL", "EDITOR"];
/// Whether colours are unwelcome (no-color.org: set and not empty).
const NO_COLOR: &str = "NO_COLOR";
/// Whether there is a screen to open a browser on (Unix without macOS).
const SCREENS: [&str; 2] = ["DISPLAY", "WAYLAND_DISPLAY"];
/// What Windows calls this machine.
const COMPUTER: &str = "COMPUTERNAME";

/// What the environment says.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the place that we were started in")]
pub(crate) struct Env {
    /// All of it, for children; each of them gets a short list of it.
    pub(crate) all: Vec<(OsString, OsString)>,
    /// The home directory.
    pub(crate) home: Option<PathBuf>,
    /// Where data of programs goes: `$XDG_DATA_HOME`, or what is usual here.
    pub(crate) data_home: Option<PathBuf>,
    /// Where configuration of programs goes: `$XDG_CONFIG_HOME`, or what is usual here.
    pub(crate) config_home: Option<PathBuf>,
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
    /// Whether a person sees what is said beside the result.
    pub(crate) stderr_is_terminal: bool,
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
            config_home: base.as_ref().map(BaseStrategy::config_dir),
            current_dir: current_dir(),
            program: std::env::current_exe().ok(),
            machine,
            stdin_is_terminal: std::io::stdin().is_terminal(),
            stdout_is_terminal: std::io::stdout().is_terminal(),
            stderr_is_terminal: std::io::stderr().is_terminal(),
            has_screen,
            all,
        }
    }

    /// The value of a variable.
    pub(crate) fn get(&self, wanted: &str) -> Option<&OsStr> {
        self.all.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_os_str())
    }

    /// The configuration file that the environment names.
    pub(crate) fn config_file(&self) -> Option<PathBuf> {
        self.get(CONFIG).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// The editor that the person likes.
    pub(crate) fn editor(&self) -> Option<&OsStr> {
        EDITORS.iter().find_map(|name| self.get(name).filter(|value| !value.is_empty()))
    }

    /// Whether what goes to a terminal, if it is one, may have colours.
    pub(crate) fn colours(&self, is_terminal: bool) -> bool {
        let dumb = self.get("TERM").is_some_and(|term| term == "dumb");
        is_terminal && !dumb && self.get(NO_COLOR).is_none_or(OsStr::is_empty)
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
