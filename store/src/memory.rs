//! The store without a disk: the same laws, durable at once, gone with the process.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use protocol::path::StreamPath;
use protocol::time::Clock;

use crate::draft::{Accepted, Effect, Refusal, Slot, Source, draft};
use crate::keys::bounds;
use crate::paging::{Filling, origin};
use crate::parts::{Part, parts};
use crate::port::{
    Batch, CommitError, Conflict, Cut, Direction, Done, Entry, Head, Later, Page, Read, ReadError, Scan, Store,
};
use crate::rules::{Place, Stream};

/// A store in memory: no thread, no clock of its own, every future ready at the first poll. For simulations and tests.
#[derive(Debug)]
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    // Held for the length of one call, never over an await.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    streams: HashMap<StreamPath, Log>,
    entries: BTreeMap<String, (u64, Option<Bytes>)>,
}

#[derive(Debug)]
struct Log {
    record: Stream,
    messages: BTreeMap<u64, Bytes>,
    producers: HashMap<String, Place>,
}

impl MemoryStore {
    /// An empty store that takes creation times from `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A batch is applied only after it was judged in full and applying cannot fail, so a panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn commit_now(&self, batch: Batch) -> Result<Vec<Done>, CommitError> {
        let now = self.clock.now();
        let mut state = self.state();
        match draft(&mut *state, now, batch) {
            Ok(Accepted { effects, done }) => {
                for effect in effects {
                    state.apply(effect);
                }
                Ok(done)
            }
            Err(Refusal::Conflict { index, conflict }) => Err(CommitError::Conflict { index, conflict }),
            Err(Refusal::Source(never)) => match never {},
        }
    }

    fn trim_now(&self, path: &StreamPath, cut: Cut) -> Result<(), CommitError> {
        let mut state = self.state();
        let Some(log) = state.streams.get_mut(path).filter(|log| log.record.alive) else {
            return Err(CommitError::Conflict { index: 0, conflict: Conflict::NoStream { stream: path.clone() } });
        };
        let before = match cut {
            Cut::Before(before) => before,
            Cut::Holes { epoch, starts, resume } => {
                if log.record.takes_holes(epoch) {
                    for start in starts {
                        log.messages.remove(&start);
                    }
                    log.record.drop_before(resume);
                }
                return Ok(());
            }
        };
        if before.epoch != log.record.epoch {
            return Ok(());
        }
        while let Some(entry) = log.messages.first_entry() {
            let end = *entry.key() + entry.get().len() as u64;
            if end > before.byte {
                break;
            }
            log.record.first = end;
            entry.remove();
        }
        Ok(())
    }

    fn read_now(&self, read: &Read) -> Result<Page, ReadError> {
        let state = self.state();
        let (head, mut parts) =
            state.living(&read.stream)?.ok_or_else(|| ReadError::NoStream { stream: read.stream.clone() })?;
        let from = origin(read, &head)?;
        let owned = |(start, body): (&u64, &Bytes)| Ok((*start, body.clone()));
        let mut page = Filling::new(read, head, from);
        if read.direction == Direction::Backwards {
            parts.reverse();
        }
        for part in parts {
            let Some(Log { messages, .. }) = state.streams.get(&part.path) else { continue };
            let room = match read.direction {
                Direction::Forwards if part.to <= from => true,
                Direction::Forwards => {
                    let holding = messages.range(..=from).next_back().map_or(from, |(start, _)| *start);
                    page.take(&part, messages.range(holding.min(part.to)..part.to).map(owned))?
                }
                Direction::Backwards => page.take(&part, messages.range(..from.min(part.to)).rev().map(owned))?,
            };
            if !room {
                break;
            }
        }
        Ok(page.page())
    }

    fn scan_now(&self, scan: &Scan) -> Vec<Entry> {
        let state = self.state();
        let Some((low, high)) = bounds(scan) else { return Vec::new() };
        let high = match &high {
            Bound::Excluded(high) => Bound::Excluded(high.as_str()),
            Bound::Included(high) => Bound::Included(high.as_str()),
            Bound::Unbounded => Bound::Unbounded,
        };
        let range = state.entries.range::<str, _>((low, high));
        let found = |(key, (version, value)): (&String, &(u64, Option<Bytes>))| {
            value.clone().map(|value| Entry { key: key.clone(), value, version: *version })
        };
        match scan.direction {
            Direction::Forwards => range.filter_map(found).take(scan.limit).collect(),
            Direction::Backwards => range.rev().filter_map(found).take(scan.limit).collect(),
        }
    }
}

impl State {
    fn living(&self, path: &StreamPath) -> Result<Option<(Head, Vec<Part>)>, ReadError> {
        let Some(log) = self.streams.get(path).filter(|log| log.record.alive) else { return Ok(None) };
        if log.record.retired {
            return Err(ReadError::Retired { stream: path.clone() });
        }
        parts(path, &log.record, |source| Ok(self.streams.get(source).map(|log| log.record.clone()))).map(Some)
    }

    fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::Stream(path, record) => match self.streams.get_mut(&path) {
                Some(log) => log.record = record,
                None => {
                    self.streams.insert(path, Log { record, messages: BTreeMap::new(), producers: HashMap::new() });
                }
            },
            Effect::Message(path, start, body) => {
                if let Some(log) = self.streams.get_mut(&path) {
                    log.messages.insert(start, body);
                }
            }
            Effect::Producer(path, id, place) => {
                if let Some(log) = self.streams.get_mut(&path) {
                    log.producers.insert(id, place);
                }
            }
            Effect::Clear(path) => {
                if let Some(log) = self.streams.get_mut(&path) {
                    log.messages.clear();
                    log.producers.clear();
                }
            }
            Effect::Write(key, value, version) => {
                self.entries.insert(key, (version, Some(value)));
            }
            Effect::Remove(key, version) => {
                self.entries.insert(key, (version, None));
            }
        }
    }
}

impl Source for State {
    type Error = std::convert::Infallible;

    fn stream(&mut self, path: &StreamPath) -> Result<Option<Stream>, Self::Error> {
        Ok(self.streams.get(path).map(|log| log.record.clone()))
    }

    fn producer(&mut self, path: &StreamPath, id: &str) -> Result<Option<Place>, Self::Error> {
        Ok(self.streams.get(path).and_then(|log| log.producers.get(id)).copied())
    }

    fn version(&mut self, key: &str) -> Result<Option<Slot>, Self::Error> {
        Ok(self.entries.get(key).map(|(version, value)| Slot { version: *version, present: value.is_some() }))
    }
}

impl Store for MemoryStore {
    fn commit(&self, batch: Batch) -> Later<'_, Result<Vec<Done>, CommitError>> {
        Box::pin(async move { self.commit_now(batch) })
    }

    fn read(&self, read: Read) -> Later<'_, Result<Page, ReadError>> {
        Box::pin(async move { self.read_now(&read) })
    }

    fn head<'a>(&'a self, stream: &'a StreamPath) -> Later<'a, Result<Option<Head>, ReadError>> {
        Box::pin(async move { Ok(self.state().living(stream)?.map(|(head, _)| head)) })
    }

    fn get<'a>(&'a self, key: &'a str) -> Later<'a, Result<Option<Entry>, ReadError>> {
        Box::pin(async move {
            let state = self.state();
            let found = state.entries.get(key).and_then(|(version, value)| Some((*version, value.clone()?)));
            Ok(found.map(|(version, value)| Entry { key: key.to_owned(), value, version }))
        })
    }

    fn scan(&self, scan: Scan) -> Later<'_, Result<Vec<Entry>, ReadError>> {
        Box::pin(async move { Ok(self.scan_now(&scan)) })
    }

    fn trim<'a>(&'a self, stream: &'a StreamPath, cut: Cut) -> Later<'a, Result<(), CommitError>> {
        Box::pin(async move { self.trim_now(stream, cut) })
    }
}
