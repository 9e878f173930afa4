//! What is newest, in memory: streams that were written to lately, and the part of them that is on disk in the intake and not yet in the
//! tables. The writer changes it, only by what is durable; readers see tables and this as one.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use protocol::path::StreamPath;

use super::intake::Growth;
use super::rows::Placed;
use crate::port::{Direction, Head, Read};
use crate::rules::{Place, Stream};

/// Most streams whose record is kept although the tables have all of it. Less than 1 KiB each.
const MAX_STREAMS: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Recent {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    streams: HashMap<StreamPath, Entry>,
    /// Streams that the tables do not have all of.
    unwritten: Vec<StreamPath>,
}

#[derive(Debug)]
struct Entry {
    record: Stream,
    grown: Grown,
    /// A change in the tables is under way: who wants to know looks there.
    moving: bool,
}

/// What the tables do not have.
#[derive(Debug, Clone, Default)]
pub(super) struct Grown {
    pub(super) messages: Vec<Placed>,
    pub(super) producers: HashMap<String, Place>,
    listed: bool,
}

/// What a reader has to add to what it finds in the tables.
#[derive(Debug)]
pub(super) struct Glimpse {
    pub(super) record: Stream,
    /// Where the messages that are not in the tables begin.
    pub(super) from: u64,
    /// As many of them as the page can hold, in order; none when the page is full without them.
    pub(super) messages: Vec<Placed>,
}

impl Glimpse {
    /// Whether the tables, where the stream stands like this, lack it. When they have it, they may have more.
    pub(super) fn adds_to(&self, record: &Stream) -> bool {
        let same = self.record.alive && self.record.epoch == record.epoch;
        let more = self.record.tail > record.tail || (self.record.tail == record.tail && !record.closed);
        same && more
    }
}

impl Recent {
    /// The head of a stream, when it is known without the tables.
    pub(super) fn head(&self, path: &StreamPath) -> Option<Head> {
        let state = self.lock();
        let entry = state.streams.get(path)?;
        // What a fork inherits changes without it.
        let known = !entry.moving && entry.record.alive && !entry.record.retired && entry.record.origin.is_none();
        known.then(|| entry.record.head())
    }

    /// What is not in the tables; taken before looking there, so that nothing falls between.
    pub(super) fn glimpse(&self, path: &StreamPath, read: Option<&Read>) -> Option<Glimpse> {
        let state = self.lock();
        let entry = state.streams.get(path).filter(|entry| entry.grown.listed)?;
        let (record, messages) = (entry.record.clone(), &entry.grown.messages);
        let from = messages.first().map_or(record.tail, |(start, _)| *start);
        let Some(read) = read else { return Some(Glimpse { record, from, messages: Vec::new() }) };
        // The position that the page goes from; one of another epoch is refused later.
        let at = read.from.map(|at| at.byte);
        let holding = |at: u64| messages.partition_point(|(start, body)| start + body.len() as u64 <= at);
        let range = match read.direction {
            Direction::Forwards => {
                let first = at.map_or(0, holding);
                first..first + most(messages[first..].iter(), read)
            }
            Direction::Backwards => {
                let last = at.map_or(messages.len(), |at| messages.partition_point(|(start, _)| *start < at));
                last - most(messages[..last].iter().rev(), read)..last
            }
        };
        Some(Glimpse { record, from, messages: messages[range].to_vec() })
    }

    /// For the writer: the record of a stream.
    pub(super) fn record(&self, path: &StreamPath) -> Option<Stream> {
        self.lock().streams.get(path).map(|entry| entry.record.clone())
    }

    /// For the writer: where a producer stands whose last step the tables do not have.
    pub(super) fn producer(&self, path: &StreamPath, id: &str) -> Option<Place> {
        let state = self.lock();
        state.streams.get(path)?.grown.producers.get(id).copied()
    }

    /// Takes in what is on disk in the intake: how each stream stands now, and what it grew by.
    pub(super) fn absorb(&self, grown: Vec<(Stream, Growth)>) {
        let mut state = self.lock();
        let State { streams, unwritten, .. } = &mut *state;
        for (record, growth) in grown {
            let Growth { path, messages, producers, .. } = growth;
            let entry = match streams.get_mut(&path) {
                Some(entry) => entry,
                None => streams.entry(path.clone()).or_insert(Entry::new(record.clone())),
            };
            entry.record = record;
            entry.grown.messages.extend(messages);
            entry.grown.producers.extend(producers);
            if !std::mem::replace(&mut entry.grown.listed, true) {
                unwritten.push(path);
            }
        }
        state.bound();
    }

    /// What the tables do not have, of each stream.
    pub(super) fn unwritten(&self) -> Vec<(Stream, Grown)> {
        let state = self.lock();
        let entries = state.unwritten.iter().filter_map(|path| state.streams.get(path));
        entries.map(|entry| (entry.record.clone(), entry.grown.clone())).collect()
    }

    /// Sends whoever asks for these streams to the tables, where they are about to change.
    pub(super) fn unsettle<'a>(&self, paths: impl Iterator<Item = &'a StreamPath>) {
        let mut state = self.lock();
        for path in paths {
            if let Some(entry) = state.streams.get_mut(path) {
                entry.moving = true;
            }
        }
    }

    /// The tables have everything; these streams now stand like this.
    pub(super) fn settle(&self, records: impl Iterator<Item = (StreamPath, Stream)>) {
        let mut state = self.lock();
        for path in std::mem::take(&mut state.unwritten) {
            if let Some(entry) = state.streams.get_mut(&path) {
                entry.grown = Grown::default();
            }
        }
        for (path, record) in records {
            if record.alive {
                state.streams.insert(path, Entry::new(record));
            } else {
                state.streams.remove(&path);
            }
        }
        state.bound();
    }

    /// The tables are as they were before [`Recent::unsettle`]; what is known of these streams is asked for anew.
    pub(super) fn give_up<'a>(&self, paths: impl Iterator<Item = &'a StreamPath>) {
        let mut state = self.lock();
        for path in paths {
            if let Some(entry) = state.streams.get_mut(path) {
                entry.moving = false;
            }
        }
    }

    /// Nothing is known from here on: the store is closed.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.streams.values_mut().for_each(|entry| entry.moving = true);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics inside but an allocation, and what is kept is durable either way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Forgets streams that the tables have all of, when there are too many.
    fn bound(&mut self) {
        if self.streams.len() > MAX_STREAMS + self.unwritten.len() {
            self.streams.retain(|_, entry| entry.grown.listed);
        }
    }
}

impl Entry {
    fn new(record: Stream) -> Self {
        Self { record, grown: Grown::default(), moving: false }
    }
}

/// How many messages, counted from the first that is offered, a page can hold.
fn most<'a>(messages: impl Iterator<Item = &'a Placed>, read: &Read) -> usize {
    let mut bytes = 0_usize;
    let mut count = 0;
    for (_, body) in messages {
        // One more than fits: the page decides, and the first may be cut.
        if count > read.max_messages || (count > 1 && bytes > read.max_bytes) {
            break;
        }
        bytes = bytes.saturating_add(body.len());
        count += 1;
    }
    count
}
