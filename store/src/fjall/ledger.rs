//! The one thread that writes: groups of batches, each group one batch of the engine with one `fdatasync`.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use fjall::{PersistMode, Slice};
use protocol::path::StreamPath;
use protocol::time::Clock;

use super::tables::{NEXT_ROW, Table, Tables};
use super::{shape, tables};
use crate::draft::{Effect, Refusal, Slot, Source, draft};
use crate::port::{CommitError, Conflict, Cut};
use crate::rules::{Place, Stream};
use crate::sqlite::queue::Queue;
use crate::sqlite::{Request, Work};

/// Most batches of a group and their weight, as the SQLite store has them.
const GROUP_BATCHES: usize = 512;
const GROUP_WEIGHT: u32 = 8 * 1024;
/// Most streams whose record is kept between groups.
const MAX_STREAMS: usize = 4096;

pub(super) struct Ledger {
    tables: Tables,
    clock: Arc<dyn Clock>,
    known: HashMap<StreamPath, Stream>,
    /// What the group writes, each key once: all of a batch of the engine has one number, so two changes of a key would have no order.
    pending: BTreeMap<(Table, Vec<u8>), Option<Bytes>>,
    next_row: i64,
    broken: Option<String>,
}

/// What is there cannot be understood.
fn damaged() -> fjall::Error {
    fjall::Error::Unrecoverable
}

impl Ledger {
    pub(super) fn new(tables: Tables, clock: Arc<dyn Clock>) -> fjall::Result<Self> {
        let (known, pending) = (HashMap::new(), BTreeMap::new());
        let mut ledger = Self { tables, clock, known, pending, next_row: 1, broken: None };
        ledger.next_row = ledger.row_on_disk()?;
        Ok(ledger)
    }

    fn row_on_disk(&self) -> fjall::Result<i64> {
        let found = self.tables.tree(Table::Meta).get(NEXT_ROW)?;
        let number = found.map(|bytes| shape::version_of(&bytes).ok_or_else(damaged)).transpose()?;
        Ok(number.unwrap_or(1).cast_signed())
    }

    /// Serves until the queue is closed and empty.
    pub(super) fn run(&mut self, queue: &Queue<Request>) {
        while let Some(group) = queue.take(GROUP_BATCHES, GROUP_WEIGHT) {
            self.serve(group);
        }
    }

    fn serve(&mut self, group: Vec<Request>) {
        let (works, replies): (Vec<Work>, Vec<_>) = group.into_iter().map(|one| (one.work, one.reply)).unzip();
        let result = match &self.broken {
            Some(reason) => Err(reason.clone()),
            None => self.write(works).map_err(|error| error.to_string()),
        };
        match result {
            Ok(answers) => {
                for (reply, answer) in replies.into_iter().zip(answers) {
                    // Nobody waits any more when the future was dropped.
                    drop(reply.send(answer));
                }
            }
            Err(reason) => {
                self.pending.clear();
                self.known.clear();
                for reply in replies {
                    drop(reply.send(Err(CommitError::Broken { reason: reason.clone() })));
                }
                // The engine takes no write after one that failed, a full disk included.
                self.broken = Some(reason);
            }
        }
    }

    fn write(&mut self, works: Vec<Work>) -> fjall::Result<Vec<super::Answer>> {
        let now = self.clock.now();
        let mut answers = Vec::with_capacity(works.len());
        for work in works {
            let conflict = |index, conflict| Err(CommitError::Conflict { index, conflict });
            answers.push(match work {
                Work::Commit(batch) => match draft(self, now, batch) {
                    Ok(accepted) => {
                        for effect in accepted.effects {
                            self.apply(effect)?;
                        }
                        Ok(accepted.done)
                    }
                    Err(Refusal::Conflict { index, conflict: found }) => conflict(index, found),
                    Err(Refusal::Source(error)) => return Err(error),
                },
                Work::Trim(path, cut) => match self.trim(&path, cut)? {
                    Ok(()) => Ok(Vec::new()),
                    Err(found) => conflict(0, found),
                },
            });
        }
        self.commit()?;
        Ok(answers)
    }

    fn commit(&mut self) -> fjall::Result<()> {
        let mut batch = self.tables.database.batch().durability(Some(PersistMode::SyncData));
        for ((table, key), value) in std::mem::take(&mut self.pending) {
            let tree = self.tables.tree(table);
            match value {
                Some(value) => batch.insert(tree, key, value),
                None => batch.remove(tree, key),
            }
        }
        // An empty one returns at once.
        batch.commit()?;
        if self.known.len() > MAX_STREAMS {
            self.known.clear();
        }
        Ok(())
    }

    fn put(&mut self, table: Table, key: Vec<u8>, value: impl Into<Bytes>) {
        self.pending.insert((table, key), Some(value.into()));
    }

    fn remove(&mut self, table: Table, key: Vec<u8>) {
        self.pending.insert((table, key), None);
    }

    fn get(&self, table: Table, key: Vec<u8>) -> fjall::Result<Option<Bytes>> {
        let tree = self.tables.tree(table);
        match self.pending.get(&(table, key.clone())) {
            Some(value) => Ok(value.clone()),
            None => Ok(tree.get(key)?.map(Bytes::from)),
        }
    }

    fn apply(&mut self, effect: Effect) -> fjall::Result<()> {
        match effect {
            Effect::Stream(path, record) => self.save(path, record),
            Effect::Message(path, start, body) => {
                let row = self.row(&path)?;
                self.put(Table::Messages, tables::message(row, start), body);
            }
            Effect::Producer(path, id, place) => {
                let row = self.row(&path)?;
                self.put(Table::Producers, tables::of_row(row, id.as_bytes()), shape::place(place));
            }
            Effect::Clear(path) => {
                let row = self.row(&path)?;
                for table in [Table::Messages, Table::Producers] {
                    self.clear(table, row)?;
                }
            }
            Effect::Write(key, value, version) => {
                self.put(Table::Entries, tables::entry(&key), shape::entry(version, &value));
                self.remove(Table::Removed, tables::entry(&key));
            }
            Effect::Remove(key, version) => {
                self.remove(Table::Entries, tables::entry(&key));
                self.put(Table::Removed, tables::entry(&key), shape::entry(version, &[]));
            }
        }
        Ok(())
    }

    fn save(&mut self, path: StreamPath, mut record: Stream) {
        // A batch that makes a stream does not know the row yet.
        let row = record.row.or_else(|| self.known.get(&path)?.row);
        record.row = Some(row.unwrap_or_else(|| {
            let row = self.next_row;
            self.next_row += 1;
            self.put(Table::Meta, NEXT_ROW.to_vec(), shape::entry(self.next_row.cast_unsigned(), &[]));
            row
        }));
        self.put(Table::Streams, path.as_str().as_bytes().to_vec(), shape::stream(&record));
        self.known.insert(path, record);
    }

    fn row(&mut self, path: &StreamPath) -> fjall::Result<i64> {
        self.stream(path)?.and_then(|record| record.row).ok_or_else(damaged)
    }

    /// Every key of a stream, one by one: the engine removes no range.
    fn clear(&mut self, table: Table, row: i64) -> fjall::Result<()> {
        for key in self.keys(table, tables::of_row(row, &[]), tables::of_row(row + 1, &[]))? {
            self.remove(table, key);
        }
        Ok(())
    }

    /// The keys of a range, those of the group among them.
    fn keys(&self, table: Table, from: Vec<u8>, to: Vec<u8>) -> fjall::Result<Vec<Vec<u8>>> {
        let range = (Bound::Included((table, from.clone())), Bound::Excluded((table, to.clone())));
        let mut keys: Vec<Vec<u8>> = self.pending.range(range).map(|((_, key), _)| key.clone()).collect();
        for found in self.tables.tree(table).range(from..to) {
            keys.push(found.key()?.to_vec());
        }
        keys.sort_unstable();
        keys.dedup();
        keys.retain(|key| self.pending.get(&(table, key.clone())).is_none_or(Option::is_some));
        Ok(keys)
    }

    fn trim(&mut self, path: &StreamPath, cut: Cut) -> fjall::Result<Result<(), Conflict>> {
        let Some(mut record) = self.stream(path)?.filter(|record| record.alive) else {
            return Ok(Err(Conflict::NoStream { stream: path.clone() }));
        };
        let row = record.row.ok_or_else(damaged)?;
        match cut {
            Cut::Holes { epoch, starts, resume } if record.takes_holes(epoch) => {
                for start in starts {
                    self.remove(Table::Messages, tables::message(row, start));
                }
                record.drop_before(resume);
                self.save(path.clone(), record);
            }
            Cut::Before(before) if before.epoch == record.epoch && before.byte > record.first => {
                for key in self.keys(Table::Messages, tables::message(row, 0), tables::message(row, before.byte))? {
                    let start = tables::start_of(&key).ok_or_else(damaged)?;
                    let body = self.get(Table::Messages, key.clone())?.ok_or_else(damaged)?;
                    let end = start + body.len() as u64;
                    if end > before.byte {
                        break;
                    }
                    record.first = end;
                    self.remove(Table::Messages, key);
                }
                self.save(path.clone(), record);
            }
            Cut::Holes { .. } | Cut::Before(_) => {}
        }
        Ok(Ok(()))
    }
}

impl Source for Ledger {
    type Error = fjall::Error;

    fn stream(&mut self, path: &StreamPath) -> fjall::Result<Option<Stream>> {
        if let Some(record) = self.known.get(path) {
            return Ok(Some(record.clone()));
        }
        let found: Option<Slice> = self.tables.tree(Table::Streams).get(path.as_str())?;
        let record = found.map(|bytes| shape::stream_of(&bytes).ok_or_else(damaged)).transpose()?;
        if let Some(record) = &record {
            self.known.insert(path.clone(), record.clone());
        }
        Ok(record)
    }

    fn producer(&mut self, path: &StreamPath, id: &str) -> fjall::Result<Option<Place>> {
        // The batch itself may be what makes the stream.
        let Some(row) = self.stream(path)?.and_then(|record| record.row) else { return Ok(None) };
        let found = self.get(Table::Producers, tables::of_row(row, id.as_bytes()))?;
        found.map(|bytes| shape::place_of(&bytes).ok_or_else(damaged)).transpose()
    }

    fn version(&mut self, key: &str) -> fjall::Result<Option<Slot>> {
        for (table, present) in [(Table::Entries, true), (Table::Removed, false)] {
            if let Some(bytes) = self.get(table, tables::entry(key))? {
                let version = shape::version_of(&bytes).ok_or_else(damaged)?;
                return Ok(Some(Slot { version, present }));
            }
        }
        Ok(None)
    }
}
