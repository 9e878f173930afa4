//! What a prompt that runs needs of the outside: a way to write, and answers to what it asks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Lines that wait to be written; a prompt that is ahead of its client waits.
const QUEUE: usize = 64;
/// Longest that a client may not read.
const STALLED: Duration = Duration::from_mins(1);

/// What the writer is to do.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// Write a line.
    Line(String),
    /// Tell when everything before this was written.
    Flush(oneshot::Sender<()>),
}

/// Writes lines and finds answers.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    lines: mpsc::Sender<Outgoing>,
    asked: Arc<Mutex<BTreeMap<u64, oneshot::Sender<Value>>>>,
    next: Arc<AtomicU64>,
    /// Cancelled when the agent is to die in the middle.
    pub(super) die: CancellationToken,
}

impl Desk {
    /// A desk, and the lines that it wants written.
    pub(super) fn new() -> (Self, mpsc::Receiver<Outgoing>) {
        let (lines, queue) = mpsc::channel(QUEUE);
        let desk = Self { lines, asked: Arc::default(), next: Arc::default(), die: CancellationToken::new() };
        (desk, queue)
    }

    /// Writes a message; a client that is gone is noticed elsewhere.
    pub(super) async fn write(&self, mut message: Value) {
        message["jsonrpc"] = json!("2.0");
        let _: Result<(), _> = self.lines.send(Outgoing::Line(message.to_string())).await;
    }

    /// Waits until everything is written.
    pub(super) async fn flush(&self) {
        let (told, written) = oneshot::channel();
        if self.lines.send(Outgoing::Flush(told)).await.is_ok() {
            // A writer that is gone writes nothing more.
            let _: Result<(), _> = written.await;
        }
    }

    pub(super) async fn update(&self, session: &str, update: Value) {
        self.write(json!({ "method": "session/update", "params": { "sessionId": session, "update": update } })).await;
    }

    /// Asks the client and waits for its answer; `None` when it is gone.
    pub(super) async fn ask(&self, method: &str, params: Value) -> Option<Value> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(id, answer);
        self.write(json!({ "id": id, "method": method, "params": params })).await;
        answered.await.ok()
    }

    /// Takes an answer of the client.
    pub(super) fn answered(&self, id: &Value, result: Value) {
        let id = id.as_u64().unwrap_or(u64::MAX);
        let waiting = self.asked.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        // A prompt that was cancelled no longer waits.
        let _: Option<Result<(), _>> = waiting.map(|waiting| waiting.send(result));
    }
}

/// Writes lines until there are no more.
pub(super) async fn write_lines(
    mut stdout: impl AsyncWrite + Unpin,
    mut lines: mpsc::Receiver<Outgoing>,
) -> std::io::Result<()> {
    while let Some(next) = lines.recv().await {
        let mut line = match next {
            Outgoing::Line(line) => line,
            Outgoing::Flush(told) => {
                // Whoever waited may be gone.
                let _: Result<(), _> = told.send(());
                continue;
            }
        };
        line.push('\n');
        let write = async {
            stdout.write_all(line.as_bytes()).await?;
            stdout.flush().await
        };
        tokio::time::timeout(STALLED, write)
            .await
            .map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
    }
    Ok(())
}
