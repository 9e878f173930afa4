//! Reads: each in one snapshot of all trees, on one of a few threads.
//!
//! The engine shows a batch to snapshots only after its journal is synced, which is rule 2.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use fjall::{Guard, Readable, Snapshot};
use protocol::path::StreamPath;

use super::tables::{Table, Tables};
use super::{shape, tables};
use crate::keys::bounds;
use crate::paging::{Filling, origin};
use crate::parts::{Part, parts};
use crate::port::{Direction, Entry, Head, Page, Read, ReadError, Scan};
use crate::rules::Stream;
use crate::sqlite::queue::Queue;

pub(super) type Job = Box<dyn FnOnce(&Tables) + Send>;

/// Serves until the queue is closed and empty.
pub(super) fn run(tables: &Tables, queue: &Queue<Job>) {
    while let Some(jobs) = queue.take(1, 1) {
        for job in jobs {
            if catch_unwind(AssertUnwindSafe(|| job(tables))).is_err() {
                tracing::error!("a read panicked");
            }
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
fn broken(error: fjall::Error) -> ReadError {
    ReadError::Broken { reason: error.to_string() }
}

fn damaged() -> ReadError {
    broken(fjall::Error::Unrecoverable)
}

fn record(tables: &Tables, at: &Snapshot, path: &StreamPath) -> Result<Option<Stream>, ReadError> {
    let found = at.get(tables.tree(Table::Streams), path.as_str()).map_err(broken)?;
    found.map(|bytes| shape::stream_of(&bytes).ok_or_else(damaged)).transpose()
}

fn living(tables: &Tables, at: &Snapshot, path: &StreamPath) -> Result<Option<(Head, Vec<Part>)>, ReadError> {
    let Some(found) = record(tables, at, path)?.filter(|record| record.alive) else { return Ok(None) };
    if found.retired {
        return Err(ReadError::Retired { stream: path.clone() });
    }
    parts(path, &found, |source| record(tables, at, source)).map(Some)
}

pub(super) fn head(tables: &Tables, path: &StreamPath) -> Result<Option<Head>, ReadError> {
    Ok(living(tables, &tables.database.snapshot(), path)?.map(|(head, _)| head))
}

pub(super) fn read(tables: &Tables, read: &Read) -> Result<Page, ReadError> {
    let at = tables.database.snapshot();
    let (head, mut parts) =
        living(tables, &at, &read.stream)?.ok_or_else(|| ReadError::NoStream { stream: read.stream.clone() })?;
    let from = origin(read, &head)?;
    let mut page = Filling::new(read, head, from);
    if read.direction == Direction::Backwards {
        parts.reverse();
    }
    let tree = tables.tree(Table::Messages);
    for part in parts {
        let row = part.row.ok_or_else(damaged)?;
        let range = |from: u64, to: u64| at.range(tree, tables::message(row, from)..tables::message(row, to.max(from)));
        let room = match read.direction {
            Direction::Forwards if part.to <= from => true,
            Direction::Forwards => {
                // From the message that holds the position.
                let before = at.range(tree, tables::message(row, 0)..=tables::message(row, from)).next_back();
                let holding = match before {
                    Some(found) => tables::start_of(&found.key().map_err(broken)?).ok_or_else(damaged)?,
                    None => from,
                };
                page.take(&part, range(holding.min(part.to), part.to).map(placed))?
            }
            Direction::Backwards => page.take(&part, range(0, from.min(part.to)).rev().map(placed))?,
        };
        if !room {
            break;
        }
    }
    Ok(page.page())
}

fn placed(found: Guard) -> Result<(u64, Bytes), ReadError> {
    let (key, body) = found.into_inner().map_err(broken)?;
    Ok((tables::start_of(&key).ok_or_else(damaged)?, Bytes::from(body)))
}

pub(super) fn get(tables: &Tables, key: &str) -> Result<Option<Entry>, ReadError> {
    let found = tables.tree(Table::Entries).get(tables::entry(key)).map_err(broken)?;
    found.map(|bytes| entry(key.to_owned(), &Bytes::from(bytes))).transpose()
}

fn entry(key: String, bytes: &Bytes) -> Result<Entry, ReadError> {
    let version = shape::version_of(bytes).ok_or_else(damaged)?;
    Ok(Entry { key, value: bytes.slice(8..), version })
}

pub(super) fn scan(tables: &Tables, scan: &Scan) -> Result<Vec<Entry>, ReadError> {
    let Some((low, high)) = bounds(scan) else { return Ok(Vec::new()) };
    let range = (low.map(tables::entry), high.as_ref().map(|high| tables::entry(high)));
    let at = tables.database.snapshot();
    let found = at.range(tables.tree(Table::Entries), range);
    let of = |found: Guard| {
        let (key, bytes) = found.into_inner().map_err(broken)?;
        let key = key.get(1..).and_then(|key| std::str::from_utf8(key).ok()).ok_or_else(damaged)?;
        entry(key.to_owned(), &Bytes::from(bytes))
    };
    match scan.direction {
        Direction::Forwards => found.take(scan.limit).map(of).collect(),
        Direction::Backwards => found.rev().take(scan.limit).map(of).collect(),
    }
}
