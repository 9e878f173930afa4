//! What is gone for every reader and still lies in the tables. Removing the rows of a large stream takes seconds, in which nobody else
//! could write: so the commit that deletes or cuts it only says what is left, and the writer removes that in steps between the commits of
//! others. What is left is written down in the same transaction, and found again by whoever opens the store next.

use rusqlite::{Connection, OptionalExtension};

/// Rows below this number are removed at once: a step costs a commit of its own.
const FEW_ROWS: i64 = 64;
/// And bytes below this.
const FEW_BYTES: u64 = 256 * 1024;
/// Most rows of one step: 10 ms of an unoptimised build where each lies on a page of its own; a quarter of it makes the whole three times as
/// long, since every step is a commit.
const STEP_ROWS: i64 = 256;
/// Most bytes of one step, but for what a single row has: 2 MiB.
const STEP_BYTES: u64 = 2 * 1024 * 1024;
/// Past every byte: all of a stream is gone.
const ALL: i64 = i64::MAX;

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// How much it removed.
    pub(super) bytes: u64,
    pub(super) rows: u64,
}

/// Removes all messages, of so many bytes, and producers of a stream, or leaves them; then the stream has another number, which is told,
/// so that what is made under its path has nothing to do with them.
pub(super) fn clear(connection: &Connection, row: i64, bytes: u64) -> rusqlite::Result<Option<i64>> {
    let many_producers = connection
        .prepare_cached("SELECT 1 FROM producer WHERE stream = ?1 LIMIT 1 OFFSET ?2")?
        .exists([row, FEW_ROWS])?;
    if !many_producers && !is_much(connection, row, ALL, bytes)? {
        for sql in [
            "DELETE FROM message WHERE stream = ?1",
            "DELETE FROM producer WHERE stream = ?1",
            "DELETE FROM leftover WHERE stream = ?1",
        ] {
            connection.prepare_cached(sql)?.execute([row])?;
        }
        return Ok(None);
    }
    leave(connection, row, ALL)?;
    // The highest number never falls, so no number comes twice.
    connection
        .prepare_cached("UPDATE stream SET id = (SELECT max(id) + 1 FROM stream) WHERE id = ?1 RETURNING id")?
        .query_row([row], |row| row.get(0))
        .map(Some)
}

/// Removes the messages, of so many bytes, that begin before a byte, or leaves them; the stream's first byte is not before that one.
pub(super) fn clear_before(connection: &Connection, row: i64, before: u64, bytes: u64) -> rusqlite::Result<()> {
    let before = before.cast_signed();
    if is_much(connection, row, before, bytes)? {
        return leave(connection, row, before);
    }
    connection.prepare_cached("DELETE FROM message WHERE stream = ?1 AND start < ?2")?.execute([row, before])?;
    Ok(())
}

fn is_much(connection: &Connection, row: i64, before: i64, bytes: u64) -> rusqlite::Result<bool> {
    let mut more = connection
        .prepare_cached("SELECT 1 FROM message WHERE stream = ?1 AND start < ?2 ORDER BY start LIMIT 1 OFFSET ?3")?;
    Ok(bytes > FEW_BYTES || more.exists([row, before, FEW_ROWS])?)
}

fn leave(connection: &Connection, row: i64, before: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO leftover (stream, before) VALUES (?1, ?2)
             ON CONFLICT (stream) DO UPDATE SET before = max(before, excluded.before)",
        )?
        .execute([row, before])?;
    Ok(())
}

/// Removes a part of what is left, in a transaction of its own; `None` when nothing is left.
pub(super) fn step(connection: &Connection) -> rusqlite::Result<Option<Step>> {
    let next = connection
        .prepare_cached("SELECT stream, before FROM leftover LIMIT 1")?
        .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
        .optional()?;
    let Some((stream, before)) = next else { return Ok(None) };
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let step = remove(connection, stream, before)?;
    connection.prepare_cached("COMMIT")?.execute([])?;
    Ok(Some(step))
}

fn remove(connection: &Connection, stream: i64, before: i64) -> rusqlite::Result<Step> {
    let mut step = Step { bytes: 0, rows: 0 };
    let mut last = None;
    {
        // How long a body is stands in its row: the body itself is not read.
        let mut found = connection.prepare_cached(
            "SELECT start, length(body) FROM message WHERE stream = ?1 AND start < ?2 ORDER BY start LIMIT ?3",
        )?;
        let mut found = found.query([stream, before, STEP_ROWS])?;
        while let Some(row) = found.next()? {
            let bytes = step.bytes + row.get::<_, i64>(1)?.cast_unsigned();
            if step.rows > 0 && bytes > STEP_BYTES {
                break;
            }
            step = Step { bytes, rows: step.rows + 1 };
            last = Some(row.get::<_, i64>(0)?);
        }
    }
    if let Some(last) = last {
        connection.prepare_cached("DELETE FROM message WHERE stream = ?1 AND start <= ?2")?.execute([stream, last])?;
        return Ok(step);
    }
    if before == ALL {
        let gone = connection
            .prepare_cached(
                "DELETE FROM producer WHERE stream = ?1
                 AND id IN (SELECT id FROM producer WHERE stream = ?1 ORDER BY id LIMIT ?2)",
            )?
            .execute([stream, STEP_ROWS])?;
        step.rows = gone as u64;
    }
    if step.rows == 0 {
        connection.prepare_cached("DELETE FROM leftover WHERE stream = ?1")?.execute([stream])?;
    }
    Ok(step)
}
