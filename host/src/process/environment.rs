//! What a child may know of our environment: a short list, and what its person configured.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// The variable that holds the tag of an agent's process; all its descendants inherit it.
pub const TAG_VARIABLE: &str = "TOWLINE_AGENT";

/// Variables that are passed on as they are. No credential is among them: a key in the environment would override the login that a
/// person chose, so keys must be configured for an agent by name.
const PASSED: &[&str] = &[
    "HOME",
    "LANG",
    "LOGNAME",
    "PATH",
    "SHELL",
    "SSH_AUTH_SOCK",
    "TMPDIR",
    "TZ",
    "USER",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_STATE_HOME",
    // What Windows programs cannot start without.
    "APPDATA",
    "COMSPEC",
    "HOMEDRIVE",
    "HOMEPATH",
    "LOCALAPPDATA",
    "PATHEXT",
    "PROGRAMDATA",
    "PROGRAMFILES",
    "SYSTEMDRIVE",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "USERNAME",
    "USERPROFILE",
];

/// A tag that no other process has, for a child that is not recorded: from our own id and start, and a count.
pub fn fresh_tag(name: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let own = std::process::id();
    let started = super::tree::started(own).unwrap_or(0);
    format!("{name}-{own}-{started}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A tag below another one that no other process has. Ending a process ends all that carries its tag, so no two may share one.
pub fn tag_below(tag: &str) -> String {
    format!("{tag}/{}", fresh_tag("of"))
}

/// A cleaned environment.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
}

impl Environment {
    /// Picks from `all` (the environment of `towline`) what a child may know; sets `TERM=dumb`.
    pub fn cleaned(all: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut variables: BTreeMap<OsString, OsString> = all.into_iter().filter(|(name, _)| is_passed(name)).collect();
        variables.insert("TERM".into(), "dumb".into());
        Self { variables }
    }

    /// Adds a variable that its person configured for an agent.
    #[must_use]
    pub fn with(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// The variables, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.variables.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// Where a program is: `program` itself when it names a directory, else the first in `PATH`.
    pub fn find(&self, program: &OsStr) -> Option<PathBuf> {
        let named = PathBuf::from(program);
        if named.components().count() > 1 {
            return is_program(&named).then_some(named);
        }
        let path = self.variables.get(OsStr::new("PATH"))?;
        std::env::split_paths(path)
            .flat_map(|directory| candidates(&directory.join(&named)))
            .find(|found| is_program(found))
    }
}

impl std::fmt::Debug for Environment {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

fn is_passed(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    if cfg!(windows) {
        let name = name.to_ascii_uppercase();
        return PASSED.contains(&name.as_str());
    }
    name.starts_with("LC_") || PASSED.contains(&name)
}

#[cfg(not(windows))]
fn candidates(program: &std::path::Path) -> Vec<PathBuf> {
    vec![program.to_owned()]
}

#[cfg(windows)]
fn candidates(program: &std::path::Path) -> Vec<PathBuf> {
    vec![program.with_extension("exe"), program.with_extension("cmd"), program.to_owned()]
}

#[cfg(unix)]
fn is_program(path: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &std::path::Path) -> bool {
    path.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn keys_are_never_passed_on_by_themselves() {
        let cleaned = Environment::cleaned(all(&[
            ("PATH", "/bin"),
            ("LC_ALL", "C"),
            ("TERM", "xterm"),
            ("ANTHROPIC_API_KEY", "k"),
            ("ANTHROPIC_AUTH_TOKEN", "k"),
            ("OPENAI_API_KEY", "k"),
            ("CLAUDE_CODE_OAUTH_TOKEN", "k"),
            ("TOWLINE_ANYTHING", "k"),
        ]));
        let names: Vec<_> = cleaned.iter().map(|(name, _)| name.to_str().unwrap().to_owned()).collect();
        assert_eq!(names, ["LC_ALL", "PATH", "TERM"]);
        assert_eq!(cleaned.iter().find(|(name, _)| *name == "TERM").unwrap().1, "dumb");
    }

    #[test]
    fn what_is_configured_is_passed_and_not_printed() {
        let configured = Environment::cleaned(all(&[])).with("ANTHROPIC_API_KEY", "hush");
        assert!(configured.iter().any(|(name, value)| name == "ANTHROPIC_API_KEY" && value == "hush"));
        assert!(!format!("{configured:?}").contains("hush"));
    }

    #[cfg(unix)]
    #[test]
    fn a_program_is_found_in_path_only() {
        let cleaned = Environment::cleaned(all(&[("PATH", "/nowhere:/usr/bin:/bin")]));
        assert!(cleaned.find(OsStr::new("sh")).is_some());
        assert_eq!(cleaned.find(OsStr::new("towline-no-such-program")), None);
        assert_eq!(Environment::default().find(OsStr::new("sh")), None);
        assert_eq!(cleaned.find(OsStr::new("/etc/passwd")), None, "not executable");
    }
}
