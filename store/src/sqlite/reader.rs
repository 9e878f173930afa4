//! Reads: each in one snapshot, on one of a few threads with a read-only connection of its own.
//!
//! A reader of a write-ahead log sees a transaction only after its commit record is on disk, which is rule 2 for free.

use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use protocol::path::StreamPath;
use rusqlite::blob::Blob;
use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection, MAIN_DB, OptionalExtension, Params, Row, Rows};

use super::ledger::{stream_columns, stream_of};
use super::queue::Queue;
use super::recent::{Glimpse, Recent};
use super::rows::Placed;
use super::spare::Spare;
use super::tables::{messages_of, messages_with};
use crate::keys::bounds;
use crate::paging::{Filling, origin};
use crate::parts::{Part, parts};
use crate::port::{Direction, Entry, Head, Page, Read, ReadError, Scan};
use crate::rules::Stream;

/// From so many bytes on, a body is not taken as a column.
const LARGE: i64 = 64 * 1024;

pub(super) type Job = Box<dyn FnOnce(&Connection) + Send>;

/// Serves until the queue is closed and empty.
pub(super) fn run(connection: &Connection, queue: &Queue<Job>) {
    connection.set_prepared_statement_cache_capacity(32);
    while let Some(jobs) = queue.take(1, 1) {
        for job in jobs {
            // A panic is a bug of one read: its caller is told by the reply it drops, the others go on.
            if catch_unwind(AssertUnwindSafe(|| job(connection))).is_err() {
                tracing::error!("a read panicked");
            }
        }
    }
}

fn broken(error: &rusqlite::Error) -> ReadError {
    ReadError::Broken { reason: error.to_string() }
}

fn record(connection: &Connection, path: &StreamPath) -> Result<Option<Stream>, ReadError> {
    let find = || {
        connection
            .prepare_cached(concat!("SELECT ", stream_columns!(), " FROM stream WHERE path = ?1 AND alive = 1"))?
            .query_row([path.as_str()], stream_of)
            .optional()
    };
    find().map_err(|error| broken(&error))
}

/// The head and the parts of a stream that can be read, given what is not in the tables.
fn living(
    connection: &Connection,
    path: &StreamPath,
    newest: Option<&Glimpse>,
) -> Result<Option<(Head, Vec<Part>)>, ReadError> {
    let Some(mut found) = record(connection, path)? else { return Ok(None) };
    if found.retired {
        return Err(ReadError::Retired { stream: path.clone() });
    }
    if let Some(Glimpse { record, .. }) = newest.filter(|newest| newest.adds_to(&found)) {
        found.tail = record.tail;
        found.closed = record.closed;
        found.closed_by.clone_from(&record.closed_by);
    }
    parts(path, &found, |source| record(connection, source)).map(Some)
}

pub(super) fn head(connection: &Connection, recent: &Recent, path: &StreamPath) -> Result<Option<Head>, ReadError> {
    let newest = recent.glimpse(path, None);
    let _snapshot = connection.unchecked_transaction().map_err(|error| broken(&error))?;
    Ok(living(connection, path, newest.as_ref())?.map(|(head, _)| head))
}

pub(super) fn read(
    connection: &Connection,
    recent: &Recent,
    spare: &Arc<Spare>,
    read: &Read,
) -> Result<Page, ReadError> {
    // Before the snapshot: what the tables get in between is in both, and taken once.
    let newest = recent.glimpse(&read.stream, Some(read));
    // Head and messages out of one snapshot; it ends with the transaction, whose drop cannot lose anything.
    let _snapshot = connection.unchecked_transaction().map_err(|error| broken(&error))?;
    let in_tables = record(connection, &read.stream)?;
    let newest = newest.filter(|newest| in_tables.as_ref().is_some_and(|record| newest.adds_to(record)));
    let (head, mut parts) = living(connection, &read.stream, newest.as_ref())?
        .ok_or_else(|| ReadError::NoStream { stream: read.stream.clone() })?;
    let from = origin(read, &head)?;
    let mut page = Filling::new(read, head, from);
    let backwards = read.direction == Direction::Backwards;
    if backwards {
        parts.reverse();
    }
    for part in parts {
        let outside = if backwards { from <= part.from } else { part.to <= from };
        if outside {
            continue;
        }
        // The stream's own part ends with what is not in the tables.
        let newest = newest.as_ref().filter(|_| part.path == read.stream);
        let written = newest.map_or(part.to, |newest| newest.from.min(part.to));
        let own = |message: &Placed| Ok(message.clone());
        let messages = newest.map(|newest| newest.messages.as_slice()).unwrap_or_default();
        let room = if backwards {
            page.take(&part, messages.iter().rev().map(own))?
                && from_tables((connection, spare), &mut page, &part, read, from, written)?
        } else {
            from_tables((connection, spare), &mut page, &part, read, from, written)?
                && page.take(&part, messages.iter().map(own))?
        };
        if !room {
            break;
        }
    }
    Ok(page.page())
}

/// Takes the messages of a part that begin before a byte from the tables, and tells whether there is room for more.
fn from_tables(
    (connection, spare): (&Connection, &Arc<Spare>),
    page: &mut Filling<'_>,
    part: &Part,
    read: &Read,
    from: u64,
    before: u64,
) -> Result<bool, ReadError> {
    let sql = match read.direction {
        // From the row that holds the position.
        Direction::Forwards => {
            "SELECT start, CASE WHEN length(body) < ?4 THEN body END, lengths, rowid FROM message WHERE stream = ?1
             AND start >= coalesce((SELECT max(start) FROM message WHERE stream = ?1 AND start <= ?2), ?2)
             AND start < ?3 ORDER BY start"
        }
        Direction::Backwards => {
            "SELECT start, CASE WHEN length(body) < ?4 THEN body END, lengths, rowid FROM message WHERE stream = ?1
             AND start < ?2 AND start < ?3 ORDER BY start DESC"
        }
    };
    let mut statement = connection.prepare_cached(sql).map_err(|error| broken(&error))?;
    let rows = query(&mut statement, (part.row, from.cast_signed(), before.cast_signed(), LARGE))?;
    let mut large = Large { connection, spare, open: None };
    let in_order = |row: &Row<'_>| {
        let mut messages = match row.get_ref(1)? {
            ValueRef::Null => messages_with(row, &large.body(row.get(3)?)?)?,
            _ => messages_of(row)?,
        };
        if read.direction == Direction::Backwards {
            messages.reverse();
        }
        Ok(messages)
    };
    let messages = Each { rows, of: in_order }.flat_map(|row| match row {
        Ok(messages) => messages.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error)],
    });
    page.take(part, messages)
}

/// Reads large bodies straight to where they stay: a column is a copy that the engine makes first. It took 500 to 600 µs of processor time a
/// megabyte in pieces of 256 KiB, and 800 with that copy.
struct Large<'a> {
    connection: &'a Connection,
    spare: &'a Arc<Spare>,
    /// Opening one costs more than moving it to another row.
    open: Option<Blob<'a>>,
}

impl Large<'_> {
    fn body(&mut self, row: i64) -> rusqlite::Result<Bytes> {
        match &mut self.open {
            Some(open) => open.reopen(row)?,
            none => *none = Some(self.connection.blob_open(MAIN_DB, "message", "body", row, true)?),
        }
        let Some(open) = &self.open else { return Ok(Bytes::new()) };
        self.spare.body(open.len(), |body| open.read_at_exact(body, 0))
    }
}

pub(super) fn get(connection: &Connection, key: &str) -> Result<Option<Entry>, ReadError> {
    let find = || {
        connection
            .prepare_cached("SELECT key, value, version FROM entry WHERE key = ?1")?
            .query_row([key], entry)
            .optional()
    };
    find().map_err(|error| broken(&error))
}

pub(super) fn scan(connection: &Connection, scan: &Scan) -> Result<Vec<Entry>, ReadError> {
    let Some((low, high)) = bounds(scan) else { return Ok(Vec::new()) };
    let (low, low_sign) = match low {
        Bound::Excluded(low) => (low, ">"),
        Bound::Included(low) => (low, ">="),
        Bound::Unbounded => ("", ">="),
    };
    let (high, high_term) = match high {
        Bound::Excluded(high) | Bound::Included(high) => (Some(high), "AND key < ?2"),
        Bound::Unbounded => (None, "AND ?2 IS NULL"),
    };
    let order = match scan.direction {
        Direction::Forwards => "ASC",
        Direction::Backwards => "DESC",
    };
    // One of eight texts, so the statement cache holds them all.
    let sql = format!(
        "SELECT key, value, version FROM entry WHERE key {low_sign} ?1 {high_term} ORDER BY key {order} LIMIT ?3"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(|error| broken(&error))?;
    let limit = i64::try_from(scan.limit).unwrap_or(i64::MAX);
    let rows = query(&mut statement, (low, high, limit))?;
    Each { rows, of: entry }.collect()
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        key: row.get(0)?,
        value: Bytes::copy_from_slice(row.get_ref(1)?.as_blob()?),
        version: row.get::<_, i64>(2)?.cast_unsigned(),
    })
}

fn query<'a>(statement: &'a mut CachedStatement<'_>, params: impl Params) -> Result<Rows<'a>, ReadError> {
    statement.query(params).map_err(|error| broken(&error))
}

/// Rows as an iterator that stops stepping when nobody asks.
struct Each<'a, F> {
    rows: Rows<'a>,
    of: F,
}

impl<T, F: FnMut(&Row<'_>) -> rusqlite::Result<T>> Iterator for Each<'_, F> {
    type Item = Result<T, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = match self.rows.next() {
            Ok(row) => row?,
            Err(error) => return Some(Err(broken(&error))),
        };
        Some((self.of)(row).map_err(|error| broken(&error)))
    }
}
