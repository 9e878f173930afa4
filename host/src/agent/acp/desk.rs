//! What agents ask of their client: files of the project and terminals. Each request is worked off beside the line, which goes on.

use std::path::PathBuf;

use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::codec;
use super::files::{self, FileError};
use super::mapper::AcpMapper;
use super::terminals::{Exit, TerminalError, Terminals, Watcher};
use crate::agent::link::Handle;
use crate::agent::words::text;
use crate::process::Environment;

/// Requests that wait to be taken up, and those that are worked off at once.
pub(super) const JOBS: usize = 64;

/// An invalid parameter (JSON-RPC 2.0 §5.1), a fault of ours, and a thing that is not there (ACP).
const INVALID_PARAMS: i64 = -32602;
const INTERNAL: i64 = -32603;
const NOT_THERE: i64 = -32002;

/// What an agent asks of its client.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Job {
    /// A request to answer; how many stops there had been before it.
    Request { id: Value, method: String, params: Value, stops: u64 },
}

/// The methods that are worked off here.
pub(super) fn takes(method: &str) -> bool {
    matches!(
        method,
        "fs/read_text_file"
            | "fs/write_text_file"
            | "terminal/create"
            | "terminal/output"
            | "terminal/wait_for_exit"
            | "terminal/kill"
            | "terminal/release"
    )
}

/// Tells the mapper what terminals say.
#[derive(Clone, Debug)]
struct Screen(Handle<AcpMapper>);

impl Watcher for Screen {
    fn began(&self, terminal: &str, command: &str) {
        self.0.with(|mapper| mapper.terminal_began(terminal, command));
    }

    fn said(&self, terminal: &str, text: &str) {
        self.0.with(|mapper| mapper.terminal_said(terminal, text));
    }

    fn ended(&self, terminal: &str, exit: &Exit) {
        self.0.with(|mapper| mapper.terminal_ended(terminal, exit.code));
    }
}

/// A refusal: code and words.
pub(super) type Refused = (i64, String);

/// Works off requests until the agent is gone; then every command that it had started ends.
pub(super) async fn run(
    handle: Handle<AcpMapper>,
    mut jobs: mpsc::Receiver<Job>,
    mut stops: watch::Receiver<u64>,
    root: PathBuf,
    environment: Environment,
    tag: String,
) {
    // Canonical, so that what lies inside can be told; the project's directory is so already.
    let root = root.canonicalize().unwrap_or(root);
    let terminals = std::sync::Arc::new(Terminals::new(root.clone(), environment, tag, Screen(handle.clone())));
    let mut working = JoinSet::new();
    loop {
        let job = tokio::select! {
            biased;
            () = handle.ended() => break,
            // Never behind requests: a stop is counted before this, and none that was made before it begins anything after.
            Ok(()) = stops.changed() => {
                terminals.kill_all();
                continue;
            }
            _ = working.join_next(), if !working.is_empty() => continue,
            job = jobs.recv(), if working.len() < JOBS => job,
        };
        match job {
            None => break,
            Some(Job::Request { id, method, params, stops: before }) => {
                let stops = stops.clone();
                let (handle, terminals, root) = (handle.clone(), std::sync::Arc::clone(&terminals), root.clone());
                working.spawn(async move {
                    let valid = move || *stops.borrow() == before;
                    let result = work(&handle, &terminals, root, &method, params, valid).await;
                    let line = match result {
                        Ok(result) => codec::answer(&id, &result),
                        Err((code, words)) => codec::error(&id, code, &words),
                    };
                    handle.with(|mapper| mapper.reply(line));
                });
            }
        }
    }
    working.shutdown().await;
}

async fn work(
    handle: &Handle<AcpMapper>,
    terminals: &Terminals<Screen>,
    root: PathBuf,
    method: &str,
    params: Value,
    valid: impl Fn() -> bool + Send + 'static,
) -> Result<Value, Refused> {
    match method {
        "fs/read_text_file" => {
            let number = |key: &str| params.get(key).and_then(Value::as_u64);
            let (path, line, limit) = (text(&params, "path").to_owned(), number("line"), number("limit"));
            let read = aside(move || files::read(&root, &path, line, limit)).await?;
            read.map(|content| json!({ "content": content })).map_err(of_file)
        }
        "fs/write_text_file" => {
            let (path, content) = (text(&params, "path").to_owned(), text(&params, "content").to_owned());
            let (place, new) = (path.clone(), content.clone());
            let write =
                move || if valid() { files::write(&root, &place, &new).map_err(of_file) } else { Err(stopped()) };
            let written = aside(write).await??;
            handle.with(|mapper| mapper.wrote(&path, written.old, content));
            Ok(json!({}))
        }
        "terminal/create" => {
            terminals.create(&params, valid).map(|id| json!({ "terminalId": id })).map_err(of_terminal)
        }
        "terminal/output" => terminals.output(&params).map_err(of_terminal),
        "terminal/wait_for_exit" => terminals.wait(&params).await.map_err(of_terminal),
        "terminal/kill" => terminals.kill(&params).map_err(of_terminal),
        "terminal/release" => terminals.release(&params).map_err(of_terminal),
        _ => Err((INTERNAL, format!("`{method}` is not worked off here"))),
    }
}

/// What would begin something after its turn was stopped, or without any turn.
pub(super) fn begins(method: &str) -> bool {
    matches!(method, "terminal/create" | "fs/write_text_file")
}

/// The answer to that.
pub(super) fn stopped() -> Refused {
    (INTERNAL, "no turn runs, or it was stopped".to_owned())
}

/// Disks may take their time.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refused> {
    tokio::task::spawn_blocking(work).await.map_err(|error| (INTERNAL, error.to_string()))
}

#[expect(clippy::needless_pass_by_value, reason = "it maps errors")]
fn of_file(error: FileError) -> Refused {
    let code = match error {
        FileError::Missing { .. } => NOT_THERE,
        FileError::Io { .. } => INTERNAL,
        FileError::Outside { .. }
        | FileError::NoFile { .. }
        | FileError::NoText { .. }
        | FileError::TooLarge { .. } => INVALID_PARAMS,
    };
    (code, error.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "it maps errors")]
fn of_terminal(error: TerminalError) -> Refused {
    let code = match error {
        TerminalError::Unknown { .. } => NOT_THERE,
        TerminalError::TooMany | TerminalError::Stopped | TerminalError::NotStarted { .. } => INTERNAL,
        TerminalError::NoCommand | TerminalError::Outside { .. } | TerminalError::NotFound { .. } => INVALID_PARAMS,
    };
    (code, error.to_string())
}
