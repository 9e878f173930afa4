//! The policy of a host: a file in which its owner says what agents may do without asking, must ask for, and may not do at all.
//!
//! It is read anew for each decision, so that it counts as soon as it is saved. A file that is not right allows nothing: then
//! everything is asked, whatever standing rules there are, and people are told so. Deny beats ask beats allow, wherever in the file
//! they stand; nobody can allow from afar what it denies.

mod parse;
#[cfg(test)]
mod tests;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use protocol::item::ToolKind;

use super::act::{Act, is_of_files};
use super::{paths, shell};

pub use parse::{KEYS, Mistake, PolicyKey, TOOLS, parse};

/// Largest file that is read, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// What a policy says to an ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Choice {
    /// It is done without asking.
    Allow,
    /// A person is asked, each time.
    Ask,
    /// It is refused without asking.
    Deny,
}

impl Choice {
    /// The word in the file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Deny => "deny",
        }
    }
}

/// One rule of a policy; an empty list takes everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRule {
    /// Where it begins in the file, from 1.
    pub line: usize,
    /// What it says.
    pub decision: Choice,
    /// The sorts of tools.
    pub tools: Vec<ToolKind>,
    /// The agents' own names of tools.
    pub names: Vec<String>,
    /// The first words of commands.
    pub commands: Vec<Vec<String>>,
    /// Whether a command must be these words and no more.
    pub exact: bool,
    /// Files and directories, from the project's directory.
    pub paths: Vec<String>,
    /// Projects, by name or directory.
    pub projects: Vec<String>,
    /// Agents.
    pub agents: Vec<String>,
    /// Why, for people.
    pub reason: Option<String>,
}

/// What the file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Policy {
    /// There is none: standing rules and people decide.
    None,
    /// It cannot be used: everything is asked.
    Broken {
        /// The file.
        file: PathBuf,
        /// What is wrong, in the order of lines.
        mistakes: Vec<Mistake>,
    },
    /// It says this.
    Rules {
        /// The file.
        file: PathBuf,
        /// Its rules, in the order in which they stand.
        rules: Vec<PolicyRule>,
    },
}

impl Policy {
    /// Reads a policy; a file that is not there is none. Blocks on the disk.
    pub fn read(file: &Path) -> Self {
        let broken = |what: String| Self::Broken { file: file.to_owned(), mistakes: vec![Mistake { line: 1, what }] };
        match std::fs::metadata(file) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // A link that leads nowhere was meant to be one.
                if file.symlink_metadata().is_ok() {
                    return broken("it is a link to a file that is not there".to_owned());
                }
                return Self::None;
            }
            Err(error) => return broken(format!("it cannot be read: {error}")),
            Ok(found) if !found.is_file() => return broken("it is not a file".to_owned()),
            Ok(found) if found.len() > MAX_BYTES => return broken("it has more than 1 MiB".to_owned()),
            Ok(_) => {}
        }
        match std::fs::read_to_string(file) {
            Err(error) => broken(format!("it cannot be read: {error}")),
            Ok(text) => match parse(&text) {
                Ok(rules) => Self::Rules { file: file.to_owned(), rules },
                Err(mistakes) => Self::Broken { file: file.to_owned(), mistakes },
            },
        }
    }

    /// The rule that decides, if there is one: the first that denies, else the first that asks, else the first that allows. Blocks on
    /// the disk.
    pub fn rule_for(&self, act: &Act) -> Option<&PolicyRule> {
        let Self::Rules { rules, .. } = self else { return None };
        let first = |choice: Choice| {
            rules.iter().find(|rule| {
                rule.decision == choice
                    && match choice {
                        Choice::Allow => rule.covers(act),
                        Choice::Ask | Choice::Deny => rule.concerns(act),
                    }
            })
        };
        [Choice::Deny, Choice::Ask, Choice::Allow].into_iter().find_map(first)
    }
}

impl PolicyRule {
    fn is_here(&self, act: &Act) -> bool {
        let project = |name: &String| {
            *name == act.project
                || paths::real(&paths::meant(name, Path::new("/"), act.home.as_deref()))
                    .is_some_and(|at| at == act.root)
        };
        (self.agents.is_empty() || self.agents.contains(&act.agent))
            && (self.names.is_empty() || self.names.contains(&act.name))
            && (self.projects.is_empty() || self.projects.iter().any(project))
    }

    /// Whether it allows all that is asked, beyond doubt.
    fn covers(&self, act: &Act) -> bool {
        if !self.is_here(act) {
            return false;
        }
        if act.runs() {
            let tool = self.tools.is_empty() || self.tools.contains(&ToolKind::Execute);
            let begins = |command: &String| self.commands.iter().any(|words| shell::begins(command, words, self.exact));
            let said = !act.commands.is_empty() && act.commands.iter().all(begins);
            // Which files a command touches is not known.
            return tool && self.paths.is_empty() && (self.commands.is_empty() || said) && act.runs_inside();
        }
        if !(self.tools.is_empty() || self.tools.contains(&act.tool)) || !self.commands.is_empty() {
            return false;
        }
        if act.paths.is_empty() && !is_of_files(act.tool) {
            return self.paths.is_empty();
        }
        let Some(real) = act.real_paths() else { return false };
        let allowed: Vec<PathBuf> = if self.paths.is_empty() {
            vec![act.root.clone()]
        } else {
            self.paths.iter().filter_map(|path| paths::real(&base(path, act))).collect()
        };
        real.iter().all(|path| allowed.iter().any(|base| paths::inside(path, base)))
    }

    /// Whether it is about something of what is asked, also when that cannot be said for certain.
    fn concerns(&self, act: &Act) -> bool {
        let runs = act.runs() && self.tools.contains(&ToolKind::Execute);
        if !self.is_here(act) || !(self.tools.is_empty() || self.tools.contains(&act.tool) || runs) {
            return false;
        }
        let says = |command: &String| {
            self.commands.iter().any(|words| {
                if self.exact { shell::begins(command, words, true) } else { shell::mentions(command, words) }
            })
        };
        if !self.commands.is_empty() && !act.commands.iter().any(says) {
            return false;
        }
        if self.paths.is_empty() {
            return true;
        }
        let touched = act.touched();
        self.paths.iter().any(|path| {
            let base = base(path, act);
            let real = paths::real(&base);
            touched
                .iter()
                .any(|path| paths::inside(path, &base) || real.as_ref().is_some_and(|real| paths::inside(path, real)))
        })
    }
}

/// The path of a rule, from the project's directory.
fn base(path: &str, act: &Act) -> PathBuf {
    paths::tidied(&paths::meant(path, &act.root, act.home.as_deref()))
}
