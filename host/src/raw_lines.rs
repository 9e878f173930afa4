//! The lines between us and an agent, kept on this machine for whoever looks for a fault: bounded, readable by their owner only, and
//! never sent anywhere.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use protocol::id::SessionId;
use protocol::time::UnixMs;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::context::Context;

/// Longest part of a line that is kept, in bytes: a picture in a prompt is told by its size.
const LINE_BYTES: usize = 16 * 1024;
/// Largest file, in bytes; then it becomes the older one, which is dropped with the next.
const FILE_BYTES: u64 = 4 * 1024 * 1024;
/// Sessions of which lines are kept; those that were silent for longest go first.
const SESSIONS: usize = 100;
/// Lines that wait to be written; more are counted and dropped, for an agent must never wait for its record.
const QUEUE: usize = 1024;

/// Which way a line went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// The agent wrote it.
    Said,
    /// It was written to the agent.
    Told,
    /// Neither: a remark of the record itself.
    Remark,
}

#[derive(Debug)]
struct Kept {
    at: Instant,
    way: Way,
    line: String,
    bytes: usize,
}

/// The record of one agent process. Cheap to clone; it ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct RawLines {
    queue: mpsc::Sender<Kept>,
    dropped: Arc<AtomicU64>,
}

/// Where the lines of a session are, the newer part; the older one has `.1` at its end.
pub fn file_of(dir: &Path, session: SessionId) -> PathBuf {
    dir.join(format!("{session}.jsonl"))
}

/// Where the older part is.
pub fn older(file: &Path) -> PathBuf {
    file.with_extension("jsonl.1")
}

impl RawLines {
    /// Goes on with the record of a session. Files are written on threads of their own; what cannot be written is logged once and
    /// dropped. Must be called within a tokio runtime.
    pub fn start(dir: PathBuf, session: SessionId, now: UnixMs, agent: &str) -> Self {
        let (queue, lines) = mpsc::channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let began = Instant::now();
        tokio::spawn(write_all(dir, session, began, now, lines, Arc::clone(&dropped)));
        let record = Self { queue, dropped };
        record.keep(Way::Remark, &format!("{agent} is started"));
        record
    }

    /// Keeps a line; never waits.
    pub(crate) fn keep(&self, way: Way, line: &str) {
        let kept = line[..line.floor_char_boundary(LINE_BYTES)].to_owned();
        if self.queue.try_send(Kept { at: Instant::now(), way, line: kept, bytes: line.len() }).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn write_all(
    dir: PathBuf,
    session: SessionId,
    began: Instant,
    now: UnixMs,
    mut lines: mpsc::Receiver<Kept>,
    dropped: Arc<AtomicU64>,
) {
    let mut batch = Vec::new();
    let (mut said, mut is_first) = (false, true);
    while lines.recv_many(&mut batch, QUEUE).await > 0 {
        let mut text = String::new();
        for kept in batch.drain(..) {
            text.push_str(&shown(&kept, began, now));
        }
        match dropped.swap(0, Ordering::Relaxed) {
            0 => {}
            count => {
                let line = format!("{count} lines were not kept: they came faster than they could be written");
                let bytes = line.len();
                text.push_str(&shown(&Kept { at: Instant::now(), way: Way::Remark, line, bytes }, began, now));
            }
        }
        let place = dir.clone();
        let written = tokio::task::spawn_blocking(move || append(&place, session, &text, is_first)).await;
        is_first = false;
        let written = written.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        if let (Err(error), false) = (written, std::mem::replace(&mut said, true)) {
            tracing::warn!(%session, %error, "lines of an agent are not kept");
        }
    }
}

fn shown(kept: &Kept, began: Instant, now: UnixMs) -> String {
    let after = u64::try_from(kept.at.duration_since(began).as_millis()).unwrap_or(u64::MAX);
    let way = match kept.way {
        Way::Said => "<",
        Way::Told => ">",
        Way::Remark => "#",
    };
    let at = now.0.saturating_add(after);
    let mut line = if kept.bytes > kept.line.len() {
        json!({ "atMs": at, "way": way, "line": kept.line, "bytes": kept.bytes })
    } else {
        json!({ "atMs": at, "way": way, "line": kept.line })
    }
    .to_string();
    line.push('\n');
    line
}

/// Writes what came; only the first lines of a process make the file, so that a session's last words do not bring back what was deleted
/// with it.
fn append(dir: &Path, session: SessionId, text: &str, is_first: bool) -> std::io::Result<()> {
    let path = file_of(dir, session);
    let mut open = fs::OpenOptions::new();
    open.append(true).create(true);
    let mut folder = fs::DirBuilder::new();
    folder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
        open.mode(0o600);
        folder.mode(0o700);
    }
    folder.create(dir)?;
    let size = match fs::metadata(&path) {
        Ok(about) => about.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !is_first => return Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            make_room(dir)?;
            0
        }
        Err(error) => return Err(error),
    };
    if size > 0 && size + text.len() as u64 > FILE_BYTES {
        fs::rename(&path, older(&path))?;
    }
    open.open(&path)?.write_all(text.as_bytes())
}

/// Drops the sessions that were silent for longest, until there is room for one more.
fn make_room(dir: &Path) -> std::io::Result<()> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == "jsonl") {
            found.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    found.sort();
    let over = (found.len() + 1).saturating_sub(SESSIONS);
    for (_, path) in found.into_iter().take(over) {
        gone(fs::remove_file(older(&path)))?;
        gone(fs::remove_file(path))?;
    }
    Ok(())
}

fn gone(removed: std::io::Result<()>) -> std::io::Result<()> {
    removed.or_else(|error| if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// Removes what is kept of a deleted session.
pub(crate) async fn forget(context: &Context, session: SessionId) {
    let Some(dir) = context.options.lines_dir.clone() else { return };
    let removed = if context.options.threads {
        tokio::task::spawn_blocking(move || remove(&dir, session))
            .await
            .unwrap_or_else(|error| Err(std::io::Error::other(error)))
    } else {
        remove(&dir, session)
    };
    if let Err(error) = removed {
        tracing::error!(%session, %error, "lines of a deleted session's agent are still there");
    }
}

fn remove(dir: &Path, session: SessionId) -> std::io::Result<()> {
    let path = file_of(dir, session);
    gone(fs::remove_file(older(&path)))?;
    gone(fs::remove_file(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(number: u128) -> SessionId {
        SessionId::from_uuid(uuid::Uuid::from_u128(number))
    }

    async fn written(path: &Path, count: usize) -> Vec<serde_json::Value> {
        loop {
            let text = fs::read_to_string(path).unwrap_or_default();
            if text.lines().count() >= count {
                return text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn lines_are_kept_in_order_for_their_owner_only_and_long_ones_in_part() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("lines");
        let record = RawLines::start(dir.clone(), session(1), UnixMs(1_000), "demo");
        record.keep(Way::Told, r#"{"id":1}"#);
        record.keep(Way::Said, &"é".repeat(LINE_BYTES));
        let path = file_of(&dir, session(1));
        let lines = written(&path, 3).await;
        assert_eq!((&lines[0]["way"], &lines[0]["line"]), (&json!("#"), &json!("demo is started")));
        assert_eq!((&lines[1]["way"], &lines[1]["line"]), (&json!(">"), &json!(r#"{"id":1}"#)));
        assert_eq!((&lines[2]["way"], &lines[2]["bytes"]), (&json!("<"), &json!(2 * LINE_BYTES)));
        assert_eq!(lines[2]["line"].as_str().unwrap().len(), LINE_BYTES);
        assert!(lines.iter().all(|line| line["atMs"].as_u64().unwrap() >= 1_000));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
        }
        remove(&dir, session(1)).unwrap();
        assert!(!path.exists());
        remove(&dir, session(1)).unwrap();
        // The last words of its agent do not bring it back.
        append(&dir, session(1), "last words\n", false).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn files_and_their_number_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let half = "x".repeat(usize::try_from(FILE_BYTES).unwrap() / 2 + 1);
        for _ in 0..5 {
            append(folder.path(), session(0), &half, true).unwrap();
        }
        let path = file_of(folder.path(), session(0));
        let size = |path: &Path| fs::metadata(path).unwrap().len();
        assert!(size(&path) <= FILE_BYTES && size(&older(&path)) <= FILE_BYTES);
        // Silent for longest.
        let long_ago = std::time::SystemTime::UNIX_EPOCH;
        fs::File::options().append(true).open(&path).unwrap().set_modified(long_ago).unwrap();
        for number in 1..=SESSIONS as u128 {
            append(folder.path(), session(number), "x", true).unwrap();
        }
        assert!(!path.exists() && !older(&path).exists());
        let names = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names, SESSIONS);
    }
}
