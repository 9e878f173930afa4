//! The statements that change the tables.

use bytes::Bytes;
use protocol::path::StreamPath;
use rusqlite::{Connection, OptionalExtension, params};

use super::leftover;
use super::rows::{self, Placed, pack, unpack};
use crate::rules::{Place, Stream};

/// Gets a row for a path that never had one; its columns follow.
pub(super) fn insert_stream(connection: &Connection, path: &StreamPath) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(
            "INSERT INTO stream (path, epoch, alive, content_type, config, first, tail, closed, created_at_ms)
             VALUES (?1, 0, 0, '', x'', 0, 0, 0, 0)",
        )?
        .execute([path.as_str()])?;
    Ok(connection.last_insert_rowid())
}

pub(super) fn save_stream(connection: &Connection, record: &Stream) -> rusqlite::Result<()> {
    let by = record.closed_by.as_ref();
    connection
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
    Ok(())
}

pub(super) fn save_producer(connection: &Connection, row: Option<i64>, id: &str, place: Place) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO producer (stream, id, epoch, seq) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (stream, id) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq",
        )?
        .execute(params![row, id, place.epoch.cast_signed(), place.seq.cast_signed()])?;
    Ok(())
}

/// Adds messages, in order, in as few rows as they fit.
pub(super) fn insert_messages(connection: &Connection, row: Option<i64>, messages: &[Placed]) -> rusqlite::Result<()> {
    if messages.is_empty() {
        return Ok(());
    }
    let mut statement =
        connection.prepare_cached("INSERT INTO message (stream, start, body, lengths) VALUES (?1, ?2, ?3, ?4)")?;
    for rows::Row { start, body, lengths } in pack(messages) {
        statement.execute(params![row, start.cast_signed(), &body[..], lengths])?;
    }
    Ok(())
}

/// Drops the messages that end at or before a byte, and tells where the first that stays begins, which is never before `first`, where it
/// was; `None` when there is nothing to drop. What is dropped may stay in the tables for a while.
pub(super) fn drop_before(connection: &Connection, row: i64, first: u64, before: u64) -> rusqlite::Result<Option<u64>> {
    let Some(messages) = row_with(connection, row, before)? else { return Ok(None) };
    let Some((start, _)) = messages.first() else { return Ok(None) };
    let end = |(start, body): &Placed| start + body.len() as u64;
    let dropped = messages.iter().take_while(|message| end(message) <= before).last().map(end);
    let begins = dropped.unwrap_or(*start);
    // What lies there is left of an earlier time.
    if begins <= first {
        return Ok(None);
    }
    // The rest of a row of which a part was dropped.
    if begins > *start {
        connection
            .prepare_cached("DELETE FROM message WHERE stream = ?1 AND start = ?2")?
            .execute([row, start.cast_signed()])?;
        let kept: Vec<Placed> = messages.into_iter().filter(|(start, _)| *start >= begins).collect();
        insert_messages(connection, Some(row), &kept)?;
    }
    leftover::clear_before(connection, row, begins, begins - first)?;
    Ok(Some(begins))
}

/// Drops the messages that begin at these bytes.
pub(super) fn drop_holes(connection: &Connection, row: i64, mut starts: Vec<u64>) -> rusqlite::Result<()> {
    starts.sort_unstable();
    let mut rest = &starts[..];
    while let Some(&at) = rest.first() {
        let messages = row_with(connection, row, at)?.unwrap_or_default();
        let end = messages.last().map_or(0, |(start, body)| start + body.len() as u64);
        // All that fall into the row that holds the first of them.
        let count = rest.partition_point(|start| *start < end).max(1);
        let (here, after) = rest.split_at(count);
        rest = after;
        let kept: Vec<Placed> =
            messages.iter().filter(|(start, _)| here.binary_search(start).is_err()).cloned().collect();
        if kept.len() == messages.len() {
            continue;
        }
        let first = messages.first().map_or(0, |(start, _)| start.cast_signed());
        connection.prepare_cached("DELETE FROM message WHERE stream = ?1 AND start = ?2")?.execute([row, first])?;
        insert_messages(connection, Some(row), &kept)?;
    }
    Ok(())
}

/// The messages of the row that begins at a byte or last before it.
fn row_with(connection: &Connection, row: i64, at: u64) -> rusqlite::Result<Option<Vec<Placed>>> {
    connection
        .prepare_cached(
            "SELECT start, body, lengths FROM message WHERE stream = ?1 AND start <= ?2 ORDER BY start DESC LIMIT 1",
        )?
        .query_row([row, at.cast_signed()], messages_of)
        .optional()
}

/// The messages of a row of `start, body, lengths`.
pub(super) fn messages_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Vec<Placed>> {
    let body = Bytes::copy_from_slice(row.get_ref(1)?.as_blob()?);
    messages_with(row, &body)
}

/// The messages of a row of `start, _, lengths`, whose body was read apart.
pub(super) fn messages_with(row: &rusqlite::Row<'_>, body: &Bytes) -> rusqlite::Result<Vec<Placed>> {
    let start = row.get::<_, i64>(0)?.cast_unsigned();
    let lengths = row.get_ref(2)?.as_blob_or_null()?;
    unpack(start, body, lengths)
        .map_err(|damaged| rusqlite::Error::FromSqlConversionFailure(2, rusqlite::types::Type::Blob, Box::new(damaged)))
}

pub(super) fn write_entry(connection: &Connection, key: &str, value: &Bytes, version: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO entry (key, value, version) VALUES (?1, ?2, ?3)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version",
        )?
        .execute(params![key, &value[..], version.cast_signed()])?;
    if version > 1 {
        connection.prepare_cached("DELETE FROM removed WHERE key = ?1")?.execute([key])?;
    }
    Ok(())
}

pub(super) fn remove_entry(connection: &Connection, key: &str, version: u64) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM entry WHERE key = ?1")?.execute([key])?;
    connection
        .prepare_cached("INSERT OR REPLACE INTO removed (key, version) VALUES (?1, ?2)")?
        .execute(params![key, version.cast_signed()])?;
    Ok(())
}

/// The generation of the intake whose records the tables do not have.
pub(super) fn generation(connection: &Connection) -> rusqlite::Result<u64> {
    connection.query_row("SELECT generation FROM intake", [], |row| row.get(0)).map(i64::cast_unsigned)
}

pub(super) fn save_generation(connection: &Connection, generation: u64) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE intake SET generation = ?1")?.execute([generation.cast_signed()])?;
    Ok(())
}
