//! What everybody in the world believes to have happened; the judge compares it with the disks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::FutureExt;
use protocol::path::StreamPath;
use sim::{Disk, History};
use store::{Append, Batch, Create, Direction, Operation, Put, Read, ReadError, Scan, Store};

use super::{NODE, paths};

#[derive(Clone)]
pub(crate) struct Ledger {
    /// The hub's.
    pub(crate) there: Disk,
    pub(crate) history: History,
    pages: Arc<Mutex<Pages>>,
}

/// How it goes with a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Its process is not there.
    Down,
    /// It writes and pushes.
    Live,
    /// All is written, and the hub has said that it has it.
    Done,
    /// A newer start of it, or of a copy, is known to the hub.
    Fenced,
    /// What it has does not fit what the hub has.
    Mismatched,
}

#[derive(Default)]
pub(crate) struct Pages {
    pub(crate) states: BTreeMap<&'static str, State>,
    /// Every disk that was ever a node's, the one in use last.
    pub(crate) disks: BTreeMap<&'static str, Vec<Disk>>,
    /// Whether what the hub had was not all on a disk that a node was started on.
    pub(crate) parted: bool,
    /// The hub's streams when they were last looked at, and whether they were closed.
    pub(crate) seen: BTreeMap<StreamPath, Content>,
    /// What the reader has read.
    pub(crate) read: BTreeMap<StreamPath, Content>,
    /// What the hub has said is stored: the first byte behind it.
    pub(crate) acked: BTreeMap<StreamPath, u64>,
    lives: u64,
}

/// What a stream holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) messages: Vec<String>,
    pub(crate) closed: bool,
}

impl Ledger {
    pub(crate) fn new(there: Disk, history: History) -> Self {
        Self { there, history, pages: Arc::default() }
    }

    pub(crate) fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().expect("nobody panics with it")
    }

    pub(crate) fn own(&self, who: &'static str, disk: Disk) {
        let mut pages = self.pages();
        pages.states.insert(who, State::Down);
        pages.disks.entry(who).or_default().push(disk);
    }

    pub(crate) fn set(&self, who: &'static str, state: State) {
        self.pages().states.insert(who, state);
    }

    /// Takes note that a node goes on from an older disk.
    pub(crate) fn parts(&self, who: &'static str, older: &Disk) {
        let beyond = paths().iter().any(|path| {
            let (there, here) = (content(&self.there, path), content(older, path));
            !here.messages.starts_with(&there.messages) || (there.closed && there != here)
        });
        self.own(who, older.clone());
        self.pages().parted |= beyond;
    }

    /// A number that no start of any process had before.
    pub(crate) fn life(&self) -> u64 {
        let mut pages = self.pages();
        pages.lives += 1;
        pages.lives
    }

    /// Whether nothing more will come of any node.
    pub(crate) fn is_over(&self) -> bool {
        let pages = self.pages();
        let over = |state: &State| matches!(state, State::Done | State::Fenced | State::Mismatched);
        pages.states.contains_key(NODE) && pages.states.values().all(over)
    }
}

/// What a stream on a disk holds now.
pub(crate) fn content(disk: &Disk, path: &StreamPath) -> Content {
    let read = Read {
        stream: path.clone(),
        from: None,
        walk: None,
        direction: Direction::Forwards,
        max_bytes: usize::MAX,
        max_messages: usize::MAX,
    };
    match disk.truth().read(read).now_or_never().expect("memory") {
        Ok(page) => {
            let text = |body: &[u8]| String::from_utf8(body.to_vec()).expect("JSON is text");
            let messages = page.messages.iter().map(|message| text(&message.body)).collect();
            Content { messages, closed: page.head.closed }
        }
        Err(ReadError::NoStream { .. }) => Content::default(),
        Err(error) => panic!("{error}"),
    }
}

/// Makes an empty disk hold what another one holds now.
pub(crate) fn copy(from: &Disk, to: &Disk) {
    let mut batch = Batch::new();
    for path in paths() {
        let Content { messages, closed } = content(from, &path);
        if from.truth().head(&path).now_or_never().expect("memory").expect("memory").is_none() {
            continue;
        }
        batch.push(create(&path));
        let messages: Vec<bytes::Bytes> = messages.into_iter().map(Into::into).collect();
        if !messages.is_empty() || closed {
            batch.push(Append { close: closed, ..Append::new(path, messages) });
        }
    }
    let scan = Scan { prefix: String::new(), after: None, direction: Direction::Forwards, limit: usize::MAX };
    for entry in from.truth().scan(scan).now_or_never().expect("memory").expect("memory") {
        batch.push(Put::set(entry.key, entry.value));
    }
    to.truth().commit(batch).now_or_never().expect("memory").expect("an empty disk takes it");
}

pub(crate) fn create(path: &StreamPath) -> Operation {
    Operation::Create(Create {
        stream: path.clone(),
        content_type: "application/json".to_owned(),
        config: bytes::Bytes::new(),
        messages: Vec::new(),
        close: false,
        or_same: false,
    })
}
