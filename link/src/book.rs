//! How far the hub has each stream, and which have something new.

use std::collections::{BTreeSet, HashMap};

use protocol::id::SessionId;
use protocol::link::Chain;
use protocol::offset::Offset;
use protocol::path::{Owned, StreamPath};

/// A stream that is carried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) session: SessionId,
    /// Where the replica ends.
    pub(crate) at: Offset,
    /// The chain of all that it holds.
    pub(crate) chain: Chain,
    /// Whether the hub has made it.
    pub(crate) there: bool,
    /// Bytes behind `at` when it was last looked at.
    pub(crate) left: u64,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) entries: HashMap<StreamPath, Entry>,
    /// Streams that may have something new.
    pub(crate) dirty: BTreeSet<StreamPath>,
    /// Whether the feed may have something new.
    pub(crate) feed: bool,
}

/// What a push does once it is answered.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) stream: StreamPath,
    pub(crate) at: Offset,
    pub(crate) chain: Chain,
    pub(crate) close: bool,
}

impl Book {
    /// Whether the hub has the journal of a session, so that its turns can be carried before the feed is.
    pub(crate) fn knows(&self, session: SessionId) -> bool {
        self.entries.get(&StreamPath::journal(session)).is_some_and(|entry| entry.there)
    }

    /// The hub has what a push said.
    pub(crate) fn done(&mut self, step: &Step) {
        if step.close {
            // Nothing comes behind it.
            self.entries.remove(&step.stream);
            self.dirty.remove(&step.stream);
        } else if let Some(entry) = self.entries.get_mut(&step.stream) {
            (entry.at, entry.chain, entry.there) = (step.at, step.chain, true);
        }
    }

    /// Streams with something new: turns first, which somebody may be watching.
    pub(crate) fn in_order(&self) -> Vec<StreamPath> {
        let (turns, rest): (Vec<_>, Vec<_>) =
            self.dirty.iter().cloned().partition(|stream| matches!(stream.owned(), Some(Owned::Turn(_))));
        turns.into_iter().chain(rest).collect()
    }

    /// Bytes that the hub does not have, as far as was looked.
    pub(crate) fn left(&self) -> u64 {
        self.dirty.iter().filter_map(|stream| self.entries.get(stream)).map(|entry| entry.left).sum()
    }
}
