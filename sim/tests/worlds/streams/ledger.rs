//! What everybody in the world believes to have happened; the judge compares it with the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use protocol::offset::Offset;
use sim::{Disk, History};

#[derive(Clone)]
pub(crate) struct Ledger {
    pub(crate) disk: Disk,
    pub(crate) history: History,
    pages: Arc<Mutex<Pages>>,
}

#[derive(Default)]
pub(crate) struct Pages {
    /// What each producer was told is durable, in its order.
    pub(crate) acked: BTreeMap<String, Vec<String>>,
    /// Where the stream ended after an append, as its producer was told.
    pub(crate) ends: BTreeMap<Offset, String>,
    /// What was refused and must never show up.
    pub(crate) refused: BTreeSet<String>,
    /// Producers that have nothing more to say.
    pub(crate) finished: usize,
    /// Whether the closer was told that the stream is closed, and where.
    pub(crate) closed_at: Option<Offset>,
    /// What each reader has read.
    pub(crate) read: BTreeMap<String, Copy>,
    /// The stream as it was on the disk at each crash.
    pub(crate) crashes: Vec<Vec<String>>,
}

/// A reader's copy.
#[derive(Default)]
pub(crate) struct Copy {
    pub(crate) messages: Vec<String>,
    /// After how many messages which offset was reached.
    pub(crate) marks: Vec<(usize, Offset)>,
    pub(crate) closed: bool,
}

impl Ledger {
    pub(crate) fn new(disk: Disk, history: History) -> Self {
        Self { disk, history, pages: Arc::default() }
    }

    pub(crate) fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().expect("nobody panics with it")
    }
}
