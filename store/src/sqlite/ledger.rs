//! What the writer knows of streams: a bounded cache of their records over the tables, and the two ways of a group of commits to the disk.
//!
//! A group that only appends is one record of the intake. Any other is a transaction over the tables, which gets what is in the intake
//! first. Either way each stream is written once per group, however many appends it had in it.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use protocol::path::StreamPath;
use protocol::time::UnixMs;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::intake::{Growth, Intake, Refused};
use super::recent::Recent;
use super::rows::Placed;
use super::{leftover, tables};
use crate::draft::{Effect, Slot, Source};
use crate::port::{Conflict, Cut, Producer};
use crate::rules::{Place, Stream};

/// Most streams kept between transactions. About 1 KiB each.
const MAX_STREAMS: usize = 4096;
/// Most producers kept for one stream between transactions.
const MAX_PRODUCERS: usize = 64;

/// Columns of a stream in the order that [`stream_of`] reads.
macro_rules! stream_columns {
    () => {
        "id, epoch, alive, content_type, config, first, tail, closed, closed_by_id, closed_by_epoch, closed_by_seq, \
         last_seq, created_at_ms, base, origin, forks, retired, resume, compactions"
    };
}
pub(super) use stream_columns;

#[derive(Debug)]
pub(super) struct Ledger {
    connection: Connection,
    intake: Intake,
    recent: Arc<Recent>,
    known: HashMap<StreamPath, Known>,
    /// Streams that this group has changed.
    dirty: Vec<StreamPath>,
    /// Whether the group goes to the tables.
    tables: bool,
    /// Counts groups; the age of what is known.
    round: u64,
}

#[derive(Debug)]
struct Known {
    record: Stream,
    producers: HashMap<String, Place>,
    /// Whether `Ledger::dirty` names it.
    listed: bool,
    dirty: bool,
    dirty_producers: Vec<String>,
    /// Messages of this group, which are nowhere yet.
    messages: Vec<Placed>,
    used: u64,
}

/// Why a group is not on disk.
#[derive(Debug)]
pub(super) enum Unwritten {
    Engine(rusqlite::Error),
    /// The disk has no room for the intake.
    Full(std::io::Error),
    /// The disk failed under the intake.
    Broken(std::io::Error),
}

impl From<rusqlite::Error> for Unwritten {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(error)
    }
}

impl Ledger {
    /// Takes over the tables and the intake, of which `left` is what the tables do not have.
    pub(super) fn new(
        connection: Connection,
        intake: Intake,
        left: Vec<Growth>,
        recent: Arc<Recent>,
    ) -> rusqlite::Result<Self> {
        let (known, dirty) = (HashMap::new(), Vec::new());
        let mut ledger = Self { connection, intake, recent, known, dirty, tables: false, round: 0 };
        for growth in left {
            let found = ledger.stream(&growth.path)?.filter(|record| record.alive && record.epoch == growth.epoch);
            // A stream is in the tables before anything of it is in the intake.
            let mut record = found.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
            record.tail = growth.tail;
            record.closed = growth.closed;
            record.closed_by.clone_from(&growth.closed_by);
            record.last_seq.clone_from(&growth.last_seq);
            ledger.recent.absorb(vec![(record, growth)]);
            ledger.known.clear();
        }
        Ok(ledger)
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Begins a group; `appends` says that it does nothing but append.
    pub(super) fn begin(&mut self, appends: bool) -> rusqlite::Result<()> {
        self.round += 1;
        self.tables = !appends;
        if self.tables {
            self.begin_tables()?;
        }
        Ok(())
    }

    fn begin_tables(&mut self) -> rusqlite::Result<()> {
        self.tables = true;
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        if self.intake.is_empty() {
            return Ok(());
        }
        for (record, grown) in self.recent.unwritten() {
            tables::insert_messages(&self.connection, record.row, &grown.messages)?;
            tables::save_stream(&self.connection, &record)?;
            for (id, place) in &grown.producers {
                tables::save_producer(&self.connection, record.row, id, *place)?;
            }
        }
        tables::save_generation(&self.connection, self.intake.generation() + 1)
    }

    /// Writes the group, and waits until all of it is on disk. Tells whether the tables were written.
    pub(super) fn commit(&mut self) -> Result<bool, Unwritten> {
        if !self.tables {
            match self.take_in() {
                Ok(()) => return Ok(false),
                Err(Refused::NoRoom) => self.begin_tables()?,
                Err(Refused::Full(error)) => return Err(Unwritten::Full(error)),
                Err(Refused::Broken(error)) => return Err(Unwritten::Broken(error)),
            }
        }
        for index in 0..self.dirty.len() {
            self.flush(index)?;
        }
        self.recent.unsettle(self.dirty.iter());
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        if !self.intake.is_empty() {
            self.intake.restart(self.intake.generation() + 1);
        }
        let mut settled = Vec::with_capacity(self.dirty.len());
        for path in std::mem::take(&mut self.dirty) {
            let Some(known) = self.known.get_mut(&path) else { continue };
            known.written();
            settled.push((path, known.record.clone()));
        }
        self.recent.settle(settled.into_iter());
        self.forget_old();
        Ok(true)
    }

    /// Writes what is in the intake to the tables.
    pub(super) fn fold(&mut self) -> Result<(), Unwritten> {
        if self.intake.is_empty() {
            return Ok(());
        }
        self.begin(false)?;
        self.commit().map(|_| ())
    }

    /// Removes a part of what is gone and still in the tables, between groups; `None` when there is nothing. What is in the intake is of
    /// streams that are there, and stays where it is.
    pub(super) fn clean(&mut self) -> rusqlite::Result<Option<leftover::Step>> {
        leftover::step(&self.connection)
    }

    /// Makes the group a record of the intake.
    fn take_in(&mut self) -> Result<(), Refused> {
        if self.dirty.is_empty() {
            return Ok(());
        }
        let mut grown = Vec::with_capacity(self.dirty.len());
        for path in &self.dirty {
            let Some(known) = self.known.get_mut(path) else { continue };
            let record = &known.record;
            let place = |id: &String| Some((id.clone(), *known.producers.get(id)?));
            grown.push(Growth {
                path: path.clone(),
                epoch: record.epoch,
                tail: record.tail,
                closed: record.closed,
                closed_by: record.closed_by.clone(),
                last_seq: record.last_seq.clone(),
                producers: known.dirty_producers.iter().filter_map(place).collect(),
                messages: std::mem::take(&mut known.messages),
            });
        }
        if let Err(refused) = self.intake.write(&grown) {
            // The tables may still get them.
            for Growth { path, messages, .. } in grown {
                if let Some(known) = self.known.get_mut(&path) {
                    known.messages = messages;
                }
            }
            return Err(refused);
        }
        let mut records = Vec::with_capacity(grown.len());
        for path in std::mem::take(&mut self.dirty) {
            if let Some(known) = self.known.get_mut(&path) {
                known.written();
                records.push(known.record.clone());
            }
        }
        self.recent.absorb(records.into_iter().zip(grown).collect());
        self.forget_old();
        Ok(())
    }

    /// Goes back to what is on disk.
    pub(super) fn roll_back(&mut self) -> rusqlite::Result<()> {
        self.known.clear();
        self.recent.give_up(self.dirty.iter());
        self.dirty.clear();
        // Some failures end the transaction by themselves.
        if self.connection.is_autocommit() { Ok(()) } else { self.connection.execute_batch("ROLLBACK") }
    }

    pub(super) fn apply(&mut self, effect: Effect) -> rusqlite::Result<()> {
        match effect {
            Effect::Stream(path, record) => self.save(&path, record),
            Effect::Message(path, start, body) => {
                let known = self.known.get_mut(&path).ok_or(rusqlite::Error::QueryReturnedNoRows)?;
                known.messages.push((start, body));
                Ok(())
            }
            Effect::Producer(path, id, place) => {
                let known = self.known.get_mut(&path).ok_or(rusqlite::Error::QueryReturnedNoRows)?;
                if known.producers.insert(id.clone(), place) != Some(place) && !known.dirty_producers.contains(&id) {
                    known.dirty_producers.push(id);
                }
                self.mark(&path);
                Ok(())
            }
            Effect::Clear(path) => {
                let row = self.row(&path)?;
                if let Some(known) = self.known.get_mut(&path) {
                    let bytes = known.record.tail.saturating_sub(known.record.first.max(known.record.base));
                    if let Some(other) = leftover::clear(&self.connection, row, bytes)? {
                        known.record.row = Some(other);
                    }
                    known.producers.clear();
                    known.dirty_producers.clear();
                    known.messages.clear();
                }
                Ok(())
            }
            Effect::Write(key, value, version) => tables::write_entry(&self.connection, &key, &value, version),
            Effect::Remove(key, version) => tables::remove_entry(&self.connection, &key, version),
        }
    }

    /// Drops messages; a stream that is not there is a conflict.
    pub(super) fn trim(&mut self, path: &StreamPath, cut: Cut) -> rusqlite::Result<Result<(), Conflict>> {
        let Some(mut record) = self.stream(path)?.filter(|record| record.alive) else {
            return Ok(Err(Conflict::NoStream { stream: path.clone() }));
        };
        let row = self.row(path)?;
        // What came earlier in this group may be dropped too.
        if let Some(known) = self.known.get_mut(path) {
            tables::insert_messages(&self.connection, Some(row), &known.messages)?;
            known.messages.clear();
        }
        match cut {
            Cut::Holes { epoch, starts, resume } => {
                if record.takes_holes(epoch) {
                    tables::drop_holes(&self.connection, row, starts)?;
                    record.drop_before(resume);
                    self.save(path, record)?;
                }
            }
            Cut::Before(before) if before.epoch == record.epoch && before.byte > record.first => {
                let (first, before) = (record.first, before.byte.min(record.tail));
                let first = tables::drop_before(&self.connection, row, first.max(record.base), before)?;
                if let Some(first) = first {
                    record.first = first;
                    self.save(path, record)?;
                }
            }
            Cut::Before(_) => {}
        }
        Ok(Ok(()))
    }

    fn save(&mut self, path: &StreamPath, mut record: Stream) -> rusqlite::Result<()> {
        // A batch that makes a stream does not know the row yet, and one that deletes it not the other that it may have got.
        let row = self.known.get(path).and_then(|known| known.record.row).or(record.row);
        record.row = Some(match row {
            Some(row) => row,
            None => tables::insert_stream(&self.connection, path)?,
        });
        match self.known.get_mut(path) {
            Some(known) => {
                known.record = record;
                known.dirty = true;
            }
            None => {
                self.known.insert(path.clone(), Known { dirty: true, ..Known::new(record) });
            }
        }
        self.mark(path);
        Ok(())
    }

    fn mark(&mut self, path: &StreamPath) {
        let Some(known) = self.known.get_mut(path) else { return };
        known.used = self.round;
        if !std::mem::replace(&mut known.listed, true) {
            self.dirty.push(path.clone());
        }
    }

    fn row(&self, path: &StreamPath) -> rusqlite::Result<i64> {
        // Judging a batch has loaded the stream, and an earlier effect has given it a row.
        self.known.get(path).and_then(|known| known.record.row).ok_or(rusqlite::Error::QueryReturnedNoRows)
    }

    /// Writes one of the changed streams to the tables. What it is marked with stays until the transaction is through.
    fn flush(&self, index: usize) -> rusqlite::Result<()> {
        let Some(known) = self.known.get(&self.dirty[index]) else { return Ok(()) };
        let row = known.record.row;
        tables::insert_messages(&self.connection, row, &known.messages)?;
        if known.dirty {
            tables::save_stream(&self.connection, &known.record)?;
        }
        for id in &known.dirty_producers {
            if let Some(place) = known.producers.get(id) {
                tables::save_producer(&self.connection, row, id, *place)?;
            }
        }
        Ok(())
    }

    /// Keeps the cache bounded: when it is over its limit, the older half goes. Only between transactions, when nothing is dirty.
    fn forget_old(&mut self) {
        if self.known.len() <= MAX_STREAMS {
            return;
        }
        let mut ages: Vec<u64> = self.known.values().map(|known| known.used).collect();
        let middle = ages.len() / 2;
        let (_, median, _) = ages.select_nth_unstable(middle);
        let median = *median;
        self.known.retain(|_, known| known.used > median);
    }
}

impl Known {
    fn new(record: Stream) -> Self {
        Self {
            record,
            producers: HashMap::new(),
            listed: false,
            dirty: false,
            dirty_producers: Vec::new(),
            messages: Vec::new(),
            used: 0,
        }
    }

    /// Everything of it is on disk.
    fn written(&mut self) {
        self.listed = false;
        self.dirty = false;
        self.dirty_producers.clear();
        self.messages.clear();
        if self.producers.len() > MAX_PRODUCERS {
            self.producers.clear();
        }
    }
}

impl Source for Ledger {
    type Error = rusqlite::Error;

    fn stream(&mut self, path: &StreamPath) -> rusqlite::Result<Option<Stream>> {
        if let Some(known) = self.known.get_mut(path) {
            known.used = self.round;
            return Ok(Some(known.record.clone()));
        }
        let found = match self.recent.record(path) {
            Some(record) => Some(record),
            None => self
                .connection
                .prepare_cached(concat!("SELECT ", stream_columns!(), " FROM stream WHERE path = ?1"))?
                .query_row([path.as_str()], stream_of)
                .optional()?,
        };
        if let Some(record) = &found {
            let mut known = Known::new(record.clone());
            known.used = self.round;
            self.known.insert(path.clone(), known);
        }
        Ok(found)
    }

    fn producer(&mut self, path: &StreamPath, id: &str) -> rusqlite::Result<Option<Place>> {
        let Some(known) = self.known.get_mut(path) else { return Ok(None) };
        if let Some(place) = known.producers.get(id) {
            return Ok(Some(*place));
        }
        let place = |row: &Row<'_>| {
            Ok(Place { epoch: row.get::<_, i64>(0)?.cast_unsigned(), seq: row.get::<_, i64>(1)?.cast_unsigned() })
        };
        // A group that goes to the tables has put there what was taken in, and may have removed it again.
        let taken_in = if self.tables { None } else { self.recent.producer(path, id) };
        let found = match taken_in {
            Some(place) => Some(place),
            None => self
                .connection
                .prepare_cached("SELECT epoch, seq FROM producer WHERE stream = ?1 AND id = ?2")?
                .query_row(params![known.record.row, id], place)
                .optional()?,
        };
        if let Some(place) = found {
            // Dirty ones are in no table yet; the clean ones can be read again.
            if known.producers.len() >= MAX_PRODUCERS && known.dirty_producers.is_empty() {
                known.producers.clear();
            }
            known.producers.insert(id.to_owned(), place);
        }
        Ok(found)
    }

    fn version(&mut self, key: &str) -> rusqlite::Result<Option<Slot>> {
        self.connection
            .prepare_cached(
                "SELECT version, 1 FROM entry WHERE key = ?1 UNION ALL SELECT version, 0 FROM removed WHERE key = ?1 LIMIT 1",
            )?
            .query_row([key], |row| Ok(Slot { version: row.get::<_, i64>(0)?.cast_unsigned(), present: row.get(1)? }))
            .optional()
    }
}

/// A stream's record from a row of [`stream_columns`].
pub(super) fn stream_of(row: &Row<'_>) -> rusqlite::Result<Stream> {
    let number = |index: usize| row.get::<_, i64>(index).map(i64::cast_unsigned);
    let closed_by = match row.get::<_, Option<String>>(8)? {
        Some(id) => Some(Producer { id, epoch: number(9)?, seq: number(10)? }),
        None => None,
    };
    Ok(Stream {
        row: Some(row.get(0)?),
        epoch: number(1)?,
        alive: row.get(2)?,
        content_type: row.get(3)?,
        config: Bytes::from(row.get::<_, Vec<u8>>(4)?),
        first: number(5)?,
        tail: number(6)?,
        closed: row.get(7)?,
        closed_by,
        last_seq: row.get(11)?,
        created_at: UnixMs(number(12)?),
        base: number(13)?,
        origin: row.get::<_, Option<String>>(14)?.and_then(|path| path.parse().ok()),
        forks: number(15)?,
        retired: row.get(16)?,
        resume: number(17)?,
        compactions: number(18)?,
    })
}
