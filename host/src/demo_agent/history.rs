//! Conversations, kept in one small file each.

use std::fs;
use std::path::PathBuf;

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
            fs::create_dir_all(folder)?;
        }
        let beside = file.with_extension("new");
        fs::write(&beside, serde_json::to_vec(history)?)?;
        fs::rename(beside, file)
    }
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
}
