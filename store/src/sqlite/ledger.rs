//! What the writer knows of streams: a bounded cache of their records over the tables, and the statements that change them.
//!
//! Appends go to the table at once; the records of streams and producers are written once per transaction, however many
//! appends they had in it.

use std::collections::HashMap;

use bytes::Bytes;
use protocol::path::StreamPath;
use protocol::time::UnixMs;
use rusqlite::{Connection, OptionalExtension, Row, params};

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
    known: HashMap<StreamPath, Known>,
    /// Streams whose record or producers differ from the tables.
    dirty: Vec<StreamPath>,
    /// Counts transactions; the age of what is known.
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
    used: u64,
}

impl Ledger {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, known: HashMap::new(), dirty: Vec::new(), round: 0 }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn begin(&mut self) -> rusqlite::Result<()> {
        self.round += 1;
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(())
    }

    /// Writes what is left to write, and waits until all of it is on disk.
    pub(super) fn commit(&mut self) -> rusqlite::Result<()> {
        self.flush()?;
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        self.forget_old();
        Ok(())
    }

    /// Goes back to what is on disk.
    pub(super) fn roll_back(&mut self) -> rusqlite::Result<()> {
        self.known.clear();
        self.dirty.clear();
        // Some failures end the transaction by themselves.
        if self.connection.is_autocommit() { Ok(()) } else { self.connection.execute_batch("ROLLBACK") }
    }

    pub(super) fn apply(&mut self, effect: Effect) -> rusqlite::Result<()> {
        match effect {
            Effect::Stream(path, record) => self.save(&path, record),
            Effect::Message(path, start, body) => {
                let row = self.row(&path)?;
                self.connection
                    .prepare_cached("INSERT INTO message (stream, start, body) VALUES (?1, ?2, ?3)")?
                    .execute(params![row, start.cast_signed(), &body[..]])?;
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
                self.connection.prepare_cached("DELETE FROM message WHERE stream = ?1")?.execute([row])?;
                self.connection.prepare_cached("DELETE FROM producer WHERE stream = ?1")?.execute([row])?;
                if let Some(known) = self.known.get_mut(&path) {
                    known.producers.clear();
                    known.dirty_producers.clear();
                }
                Ok(())
            }
            Effect::Write(key, value, version) => self.write(&key, &value, version),
            Effect::Remove(key, version) => {
                self.connection.prepare_cached("DELETE FROM entry WHERE key = ?1")?.execute([&key])?;
                self.connection
                    .prepare_cached("INSERT OR REPLACE INTO removed (key, version) VALUES (?1, ?2)")?
                    .execute(params![key, version.cast_signed()])?;
                Ok(())
            }
        }
    }

    /// Drops messages; a stream that is not there is a conflict.
    pub(super) fn trim(&mut self, path: &StreamPath, cut: Cut) -> rusqlite::Result<Result<(), Conflict>> {
        let Some(mut record) = self.stream(path)?.filter(|record| record.alive) else {
            return Ok(Err(Conflict::NoStream { stream: path.clone() }));
        };
        let row = self.row(path)?;
        let before = match cut {
            Cut::Before(before) => before,
            Cut::Holes { epoch, starts, resume } => {
                if epoch == record.epoch {
                    let mut statement =
                        self.connection.prepare_cached("DELETE FROM message WHERE stream = ?1 AND start = ?2")?;
                    for start in starts {
                        statement.execute([row, start.cast_signed()])?;
                    }
                    drop(statement);
                    record.drop_before(resume);
                    self.save(path, record)?;
                }
                return Ok(Ok(()));
            }
        };
        if before.epoch != record.epoch || before.byte <= record.first {
            return Ok(Ok(()));
        }
        let before = before.byte.min(record.tail);
        let last: Option<(i64, i64)> = self
            .connection
            .prepare_cached(
                "SELECT start, length(body) FROM message WHERE stream = ?1 AND start <= ?2 ORDER BY start DESC LIMIT 1",
            )?
            .query_row([row, before.cast_signed()], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((start, length)) = last else { return Ok(Ok(())) };
        let (start, end) = (start.cast_unsigned(), (start + length).cast_unsigned());
        let first = if end <= before { end } else { start };
        self.connection
            .prepare_cached("DELETE FROM message WHERE stream = ?1 AND start < ?2")?
            .execute([row, first.cast_signed()])?;
        record.first = first;
        self.save(path, record)?;
        Ok(Ok(()))
    }

    fn write(&self, key: &str, value: &Bytes, version: u64) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(
                "INSERT INTO entry (key, value, version) VALUES (?1, ?2, ?3)
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version",
            )?
            .execute(params![key, &value[..], version.cast_signed()])?;
        if version > 1 {
            self.connection.prepare_cached("DELETE FROM removed WHERE key = ?1")?.execute([key])?;
        }
        Ok(())
    }

    fn save(&mut self, path: &StreamPath, mut record: Stream) -> rusqlite::Result<()> {
        // A batch that makes a stream does not know the row yet.
        let row = record.row.or_else(|| self.known.get(path).and_then(|known| known.record.row));
        record.row = Some(match row {
            Some(row) => row,
            None => self.insert(path)?,
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

    /// Gets a row for a path that never had one; its columns follow with the flush.
    fn insert(&self, path: &StreamPath) -> rusqlite::Result<i64> {
        self.connection
            .prepare_cached(
                "INSERT INTO stream (path, epoch, alive, content_type, config, first, tail, closed, created_at_ms)
                 VALUES (?1, 0, 0, '', x'', 0, 0, 0, 0)",
            )?
            .execute([path.as_str()])?;
        Ok(self.connection.last_insert_rowid())
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

    fn flush(&mut self) -> rusqlite::Result<()> {
        for path in std::mem::take(&mut self.dirty) {
            let Some(known) = self.known.get_mut(&path) else { continue };
            known.listed = false;
            let record = &known.record;
            if std::mem::take(&mut known.dirty) {
                let by = record.closed_by.as_ref();
                self.connection
                    .prepare_cached(
                        "UPDATE stream SET epoch = ?2, alive = ?3, content_type = ?4, config = ?5, first = ?6, tail = ?7,
                         closed = ?8, closed_by_id = ?9, closed_by_epoch = ?10, closed_by_seq = ?11, last_seq = ?12,
                         created_at_ms = ?13, base = ?14, origin = ?15, forks = ?16, retired = ?17, resume = ?18,
                         compactions = ?19 WHERE id = ?1",
                    )?
                    .execute(params![
                        record.row,
                        record.epoch.cast_signed(),
                        record.alive,
                        record.content_type,
                        &record.config[..],
                        record.first.cast_signed(),
                        record.tail.cast_signed(),
                        record.closed,
                        by.map(|by| by.id.as_str()),
                        by.map(|by| by.epoch.cast_signed()),
                        by.map(|by| by.seq.cast_signed()),
                        record.last_seq,
                        record.created_at.0.cast_signed(),
                        record.base.cast_signed(),
                        record.origin.as_ref().map(StreamPath::as_str),
                        record.forks.cast_signed(),
                        record.retired,
                        record.resume.cast_signed(),
                        record.compactions.cast_signed(),
                    ])?;
            }
            for id in std::mem::take(&mut known.dirty_producers) {
                let Some(place) = known.producers.get(&id) else { continue };
                self.connection
                    .prepare_cached(
                        "INSERT INTO producer (stream, id, epoch, seq) VALUES (?1, ?2, ?3, ?4)
                         ON CONFLICT (stream, id) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq",
                    )?
                    .execute(params![record.row, id, place.epoch.cast_signed(), place.seq.cast_signed()])?;
            }
            if known.producers.len() > MAX_PRODUCERS {
                known.producers.clear();
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
        Self { record, producers: HashMap::new(), listed: false, dirty: false, dirty_producers: Vec::new(), used: 0 }
    }
}

impl Source for Ledger {
    type Error = rusqlite::Error;

    fn stream(&mut self, path: &StreamPath) -> rusqlite::Result<Option<Stream>> {
        if let Some(known) = self.known.get_mut(path) {
            known.used = self.round;
            return Ok(Some(known.record.clone()));
        }
        let found = self
            .connection
            .prepare_cached(concat!("SELECT ", stream_columns!(), " FROM stream WHERE path = ?1"))?
            .query_row([path.as_str()], stream_of)
            .optional()?;
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
        let found = self
            .connection
            .prepare_cached("SELECT epoch, seq FROM producer WHERE stream = ?1 AND id = ?2")?
            .query_row(params![known.record.row, id], |row| {
                Ok(Place { epoch: row.get::<_, i64>(0)?.cast_unsigned(), seq: row.get::<_, i64>(1)?.cast_unsigned() })
            })
            .optional()?;
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
