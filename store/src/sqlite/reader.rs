//! Reads: each in one snapshot, on one of a few threads with a read-only connection of its own.
//!
//! A reader of a write-ahead log sees a transaction only after its commit record is on disk, which is rule 2 for free.

use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use protocol::path::StreamPath;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, Row, Rows};

use super::ledger::{stream_columns, stream_of};
use super::queue::Queue;
use crate::keys::bounds;
use crate::paging::{Filling, origin};
use crate::parts::{Part, parts};
use crate::port::{Direction, Entry, Head, Page, Read, ReadError, Scan};
use crate::rules::Stream;

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

/// The head and the parts of a stream that can be read.
fn living(connection: &Connection, path: &StreamPath) -> Result<Option<(Head, Vec<Part>)>, ReadError> {
    let Some(found) = record(connection, path)? else { return Ok(None) };
    if found.retired {
        return Err(ReadError::Retired { stream: path.clone() });
    }
    parts(path, &found, |source| record(connection, source)).map(Some)
}

pub(super) fn head(connection: &Connection, path: &StreamPath) -> Result<Option<Head>, ReadError> {
    Ok(living(connection, path)?.map(|(head, _)| head))
}

pub(super) fn read(connection: &Connection, read: &Read) -> Result<Page, ReadError> {
    // Head and messages out of one snapshot; it ends with the transaction, whose drop cannot lose anything.
    let _snapshot = connection.unchecked_transaction().map_err(|error| broken(&error))?;
    let (head, mut parts) =
        living(connection, &read.stream)?.ok_or_else(|| ReadError::NoStream { stream: read.stream.clone() })?;
    let from = origin(read, &head)?;
    let sql = match read.direction {
        // From the message that holds the position.
        Direction::Forwards => {
            "SELECT start, body FROM message WHERE stream = ?1
             AND start >= coalesce((SELECT max(start) FROM message WHERE stream = ?1 AND start <= ?2), ?2)
             AND start < ?3 ORDER BY start"
        }
        Direction::Backwards => {
            "SELECT start, body FROM message WHERE stream = ?1 AND start < ?2 AND start < ?3 ORDER BY start DESC"
        }
    };
    if read.direction == Direction::Backwards {
        parts.reverse();
    }
    let message =
        |row: &Row<'_>| Ok((row.get::<_, i64>(0)?.cast_unsigned(), Bytes::copy_from_slice(row.get_ref(1)?.as_blob()?)));
    let mut page = Filling::new(read, head, from);
    for part in parts {
        let outside = match read.direction {
            Direction::Forwards => part.to <= from,
            Direction::Backwards => from <= part.from,
        };
        if outside {
            continue;
        }
        let mut statement = connection.prepare_cached(sql).map_err(|error| broken(&error))?;
        let rows = query(&mut statement, (part.row, from.cast_signed(), part.to.cast_signed()))?;
        if !page.take(&part, Each { rows, of: message })? {
            break;
        }
    }
    Ok(page.page())
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
