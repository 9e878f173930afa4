//! Conversations, kept in one small file each.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Exchanges that are remembered of one conversation.
const REMEMBERED: usize = 100;

/// A prompt and what was said to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Exchange {
    pub(super) prompt: String,
    pub(super) answer: String,
}

/// One conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct History {
    pub(super) exchanges: Vec<Exchange>,
}

impl History {
    pub(super) fn remember(&mut self, prompt: &str, answer: &str) {
        self.exchanges.push(Exchange { prompt: prompt.to_owned(), answer: answer.to_owned() });
        let over = self.exchanges.len().saturating_sub(REMEMBERED);
        self.exchanges.drain(..over);
    }
}

/// Where conversations are kept.
#[derive(Debug, Clone)]
pub(super) struct Shelf {
    folder: Option<PathBuf>,
}

impl Shelf {
    pub(super) const fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    fn file(&self, session: &str) -> Option<PathBuf> {
        // The id comes from outside: it must not lead out of the folder.
        let plain = !session.is_empty() && session.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        self.folder.as_ref().filter(|_| plain).map(|folder| folder.join(format!("{session}.json")))
    }

    pub(super) fn load(&self, session: &str) -> Option<History> {
        serde_json::from_slice(&fs::read(self.file(session)?).ok()?).ok()
    }

    /// Writes beside and renames, so that a killed agent leaves the old or the new file.
    pub(super) fn save(&self, session: &str, history: &History) -> std::io::Result<()> {
        let Some(file) = self.file(session) else { return Ok(()) };
        if let Some(folder) = &self.folder {
            make_private(folder)?;
        }
        let beside = file.with_extension("new");
        // What a process that died left there may have other rights.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        private(&beside)?.write_all(&serde_json::to_vec(history)?)?;
        fs::rename(beside, file)
    }
}

/// A new file that nobody else can read: it holds what a person said.
fn private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn make_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_is_found_again_and_only_in_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(Some(folder.path().join("state")));
        let mut history = History::default();
        for turn in 0..REMEMBERED + 5 {
            history.remember(&turn.to_string(), "said");
        }
        shelf.save("demo-1", &history).unwrap();
        assert_eq!(shelf.load("demo-1").unwrap(), history);
        assert_eq!(history.exchanges.len(), REMEMBERED);
        assert_eq!(shelf.load("demo-2"), None);
        std::fs::write(folder.path().join("outside.json"), b"{\"exchanges\":[]}").unwrap();
        assert_eq!(shelf.load("../outside"), None);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_what_was_said() {
        use std::os::unix::fs::PermissionsExt;
        let world = tempfile::tempdir().unwrap();
        let folder = world.path().join("demo");
        let store = Shelf::new(Some(folder.clone()));
        let history = History::default();
        store.save("s", &history).unwrap();
        store.save("s", &history).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join("s.json"))), (0o700, 0o600));
    }
}
