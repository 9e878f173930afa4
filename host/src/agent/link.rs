//! The line between us and one agent process: a writer with a time limit, a reader that feeds the adapter's mapper, answers found by
//! their id, and one task that owns the process and ends all of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use protocol::limits::MAX_AGENT_LINE_BYTES;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::ChildStdin;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::hidden::Hidden;
use super::{AgentEvent, DriveError, words};
use crate::process::{Child, Line};
use crate::raw_lines::{RawLines, Way};

/// Longest that one line may take to be written: an agent that does not read its stdin for so long hangs.
const WRITE: Duration = Duration::from_secs(10);
/// How long an agent whose stdin was closed may take to end by itself, and again after SIGTERM.
const CLOSE: Duration = Duration::from_secs(2);
/// How long the pipe is read after the agent's own end; a child of it may hold the pipe for ever.
const DRAIN: Duration = Duration::from_millis(250);
/// Longest that the session may take to fetch the last events.
const LAST_EVENTS: Duration = Duration::from_secs(30);
/// Lines that wait to be written.
const WRITE_QUEUE: usize = 32;

/// What a mapper makes of a line.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are events")]
pub(super) enum Step {
    /// To tell the session.
    Event(AgentEvent),
    /// To write to the agent.
    Write(String),
    /// The answer to what we asked.
    Response {
        /// Our id.
        id: String,
        /// What came.
        result: Result<Value, Refusal>,
    },
}

/// The agent's answer is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: Option<i64>,
    pub(super) message: String,
}

/// Makes events of lines; pure, so that recorded transcripts can be replayed through it.
pub(super) trait Mapper: Send + 'static {
    /// One line of the agent.
    fn line(&mut self, line: &str) -> Vec<Step>;
    /// The agent is gone: closes what is open.
    fn ended(&mut self) -> Vec<AgentEvent>;
    /// What has come up beside the line since it was last asked.
    fn pending(&mut self) -> Vec<Step> {
        Vec::new()
    }
}

/// A way into the mapper for work beside the line; it keeps neither the agent nor its line alive.
#[derive(Debug)]
pub(super) struct Handle<M> {
    mapper: Weak<Mutex<M>>,
    nudge: Arc<Notify>,
    end: watch::Receiver<Option<String>>,
}

impl<M> Clone for Handle<M> {
    fn clone(&self) -> Self {
        Self { mapper: Weak::clone(&self.mapper), nudge: Arc::clone(&self.nudge), end: self.end.clone() }
    }
}

impl<M: Mapper> Handle<M> {
    /// Changes the mapper, never while waiting, and has what comes of it told in order. Nothing happens when the agent is gone.
    pub(super) fn with(&self, change: impl FnOnce(&mut M)) {
        if let Some(mapper) = self.mapper.upgrade() {
            change(&mut locked(&mapper));
            self.nudge.notify_one();
        }
    }

    /// Waits until the agent is gone.
    pub(super) async fn ended(&self) {
        // Nobody is left to tell of the end: that is one.
        let _: Result<_, _> = self.end.clone().wait_for(Option::is_some).await;
    }
}

struct Outgoing {
    line: String,
    written: oneshot::Sender<Result<(), String>>,
}

type Pending = Arc<Mutex<BTreeMap<String, oneshot::Sender<Result<Value, Refusal>>>>>;

/// A running agent's line. Dropping it ends the agent and everything that it started, without waiting for that.
pub(super) struct Link<M> {
    mapper: Arc<Mutex<M>>,
    writer: mpsc::Sender<Outgoing>,
    pending: Pending,
    closing: CancellationToken,
    // `None` while the process lives, then how it ended.
    end: watch::Receiver<Option<String>>,
    nudge: Arc<Notify>,
    kept: Arc<OnceLock<RawLines>>,
    hidden: Arc<OnceLock<Hidden>>,
    stop: CancellationToken,
    _stop: DropGuard,
}

impl<M> std::fmt::Debug for Link<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("end", &*self.end.borrow()).finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<M: Mapper> Link<M> {
    /// Takes over a fresh child. `None` when its pipes were taken before.
    pub(super) fn start(mut child: Child, mapper: M, events: mpsc::Sender<AgentEvent>) -> Option<Self> {
        let stdin = child.take_stdin()?;
        let lines = child.take_lines(MAX_AGENT_LINE_BYTES)?;
        let mapper = Arc::new(Mutex::new(mapper));
        let pending = Pending::default();
        let (stop, closing) = (CancellationToken::new(), CancellationToken::new());
        let (writer, queue) = mpsc::channel(WRITE_QUEUE);
        let (ended, end) = watch::channel(None);
        let nudge = Arc::new(Notify::new());
        let kept = Arc::<OnceLock<RawLines>>::default();
        let hidden = Arc::<OnceLock<Hidden>>::default();
        tokio::spawn(write_lines(stdin, queue, closing.clone(), stop.clone(), Arc::clone(&kept)));
        let supervisor = Supervisor {
            mapper: Arc::clone(&mapper),
            pending: Arc::clone(&pending),
            writer: Some(writer.clone()),
            events,
            stop: stop.clone(),
            closing: closing.clone(),
            ended,
            nudge: Arc::clone(&nudge),
            kept: Arc::clone(&kept),
            hidden: Arc::clone(&hidden),
        };
        tokio::spawn(supervisor.run(child, lines));
        Some(Self {
            mapper,
            writer,
            pending,
            closing,
            end,
            nudge,
            kept,
            hidden,
            stop: stop.clone(),
            _stop: stop.drop_guard(),
        })
    }

    /// Keeps the lines that come and go from here on. Once for each line; nothing happens the second time.
    pub(super) fn keep(&self, lines: Option<RawLines>) {
        if let Some(lines) = lines {
            let _: Result<(), _> = self.kept.set(lines);
        }
    }

    /// What is not to be shown of the agent's last words. Once for each line; nothing happens the second time.
    pub(super) fn hide(&self, hidden: Hidden) {
        let _: Result<(), _> = self.hidden.set(hidden);
    }

    /// A way into the mapper for work beside the line.
    pub(super) fn handle(&self) -> Handle<M> {
        Handle { mapper: Arc::downgrade(&self.mapper), nudge: Arc::clone(&self.nudge), end: self.end.clone() }
    }

    /// Looks into the mapper, or changes it; never while waiting.
    pub(super) fn with<T>(&self, look: impl FnOnce(&mut M) -> T) -> T {
        look(&mut locked(&self.mapper))
    }

    /// Writes one line; returns when the pipe has taken all of it.
    pub(super) async fn write(&self, line: String) -> Result<(), DriveError> {
        let (written, done) = oneshot::channel();
        let sent = timeout(WRITE, async {
            self.writer.send(Outgoing { line, written }).await.ok()?;
            done.await.ok()
        });
        match sent.await {
            Ok(Some(Ok(()))) => Ok(()),
            Ok(Some(Err(detail))) => Err(DriveError::Died { detail }),
            Ok(None) => Err(self.died()),
            Err(_) => Err(DriveError::Timeout { waited_ms: millis(WRITE) }),
        }
    }

    /// Writes a request and waits for its answer. Events are not sent meanwhile when their queue is full, so whoever calls this must
    /// go on fetching them.
    pub(super) async fn request(
        &self,
        id: String,
        line: String,
        limit: Duration,
    ) -> Result<Result<Value, Refusal>, DriveError> {
        let (answer, answered) = oneshot::channel();
        locked(&self.pending).insert(id.clone(), answer);
        let asked = async {
            self.write(line).await?;
            answered.await.map_err(|_| self.died())
        };
        let result = timeout(limit, asked).await;
        locked(&self.pending).remove(&id);
        result.unwrap_or_else(|_| Err(DriveError::Timeout { waited_ms: millis(limit) }))
    }

    /// How the process ended, once everything that it started is gone too; waits for at most `limit`.
    pub(super) async fn ended(&self, limit: Duration) -> Option<String> {
        let mut end = self.end.clone();
        timeout(limit, end.wait_for(Option::is_some)).await.ok()?.ok().and_then(|detail| detail.clone())
    }

    /// Closes stdin, and ends the agent when it does not end by itself. Returns when nothing of it is left.
    pub(super) async fn close(self) {
        self.shut().await;
    }

    /// The same, of a line that several hold.
    pub(super) async fn shut(&self) {
        self.closing.cancel();
        let mut end = self.end.clone();
        // Twice the patience, and what the end of a tree takes at most. Then it is insisted on.
        let _: Result<_, _> = timeout(CLOSE * 2 + Duration::from_secs(10), end.wait_for(Option::is_some)).await;
        self.stop.cancel();
    }

    /// Ends the agent without waiting for it, as dropping does.
    pub(super) fn end_now(&self) {
        self.stop.cancel();
    }

    /// Whether the agent can still be spoken to.
    pub(super) fn is_alive(&self) -> bool {
        self.end.borrow().is_none() && !self.closing.is_cancelled() && !self.stop.is_cancelled()
    }

    fn died(&self) -> DriveError {
        let detail = self.end.borrow().clone().unwrap_or_else(|| "it has closed its stdin".to_owned());
        DriveError::Died { detail }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

async fn write_lines(
    mut stdin: ChildStdin,
    mut queue: mpsc::Receiver<Outgoing>,
    closing: CancellationToken,
    stop: CancellationToken,
    kept: Arc<OnceLock<RawLines>>,
) {
    loop {
        let next = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            next = queue.recv() => next,
            () = closing.cancelled() => return,
        };
        let Some(Outgoing { mut line, written }) = next else { return };
        if let Some(kept) = kept.get() {
            kept.keep(Way::Told, &line);
        }
        line.push('\n');
        let write = async {
            stdin.write_all(line.as_bytes()).await?;
            stdin.flush().await
        };
        let result = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            result = timeout(WRITE, write) => result,
        };
        let result = match result {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("it does not read its stdin".to_owned()),
        };
        let failed = result.is_err();
        // Whoever asked may be gone.
        let _: Result<(), _> = written.send(result);
        if failed {
            // Half a line may have been written: nothing that follows would make sense, so this is the end of the agent. One that ends
            // by itself is heard to its end first.
            tokio::time::sleep(DRAIN * 2).await;
            stop.cancel();
            return;
        }
    }
}

struct Supervisor<M> {
    mapper: Arc<Mutex<M>>,
    pending: Pending,
    writer: Option<mpsc::Sender<Outgoing>>,
    events: mpsc::Sender<AgentEvent>,
    stop: CancellationToken,
    closing: CancellationToken,
    ended: watch::Sender<Option<String>>,
    nudge: Arc<Notify>,
    kept: Arc<OnceLock<RawLines>>,
    hidden: Arc<OnceLock<Hidden>>,
}

impl<M: Mapper> Supervisor<M> {
    async fn run(mut self, mut child: Child, mut lines: crate::process::Lines<impl tokio::io::AsyncBufRead + Unpin>) {
        let tail = child.tail();
        let far = Instant::now() + Duration::from_hours(24 * 365);
        let (mut exited, mut deadline) = (false, far);
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                () = self.closing.cancelled(), if self.writer.is_some() => {
                    self.writer = None;
                    deadline = deadline.min(Instant::now() + CLOSE);
                }
                () = sleep_until(deadline) => break,
                () = self.nudge.notified() => {
                    let steps = locked(&self.mapper).pending();
                    if !self.take(steps).await {
                        break;
                    }
                }
                line = lines.next() => match line {
                    Ok(Some(line)) => {
                        if !self.step(&line).await {
                            break;
                        }
                    }
                    // A closed pipe is the end only together with the process.
                    Ok(None) | Err(_) if exited => break,
                    Ok(None) | Err(_) => {
                        deadline = deadline.min(Instant::now() + CLOSE);
                        tokio::select! {
                            () = self.stop.cancelled() => {}
                            () = sleep_until(deadline) => {}
                            _ = child.exited() => {}
                        }
                        break;
                    }
                },
                _ = child.exited(), if !exited => {
                    exited = true;
                    deadline = deadline.min(Instant::now() + DRAIN);
                }
            }
        }
        drop(lines);
        self.writer = None;
        // Claude Code ends its shell commands and itself in 150 ms after SIGTERM; a dropped agent and all that it started have 300.
        let stopped = self.stop.is_cancelled();
        let gone = if stopped { child.end_now().await } else { child.end(Duration::ZERO, CLOSE).await };
        let detail = match gone {
            Ok(status) => describe(status, &self.hidden.get().cloned().unwrap_or_default().strike(&tail.text())),
            Err(unreaped) => {
                tracing::error!(error = %unreaped, "an agent could not be ended");
                unreaped.to_string()
            }
        };
        if let Some(kept) = self.kept.get() {
            kept.keep(Way::Remark, &detail);
        }
        locked(&self.pending).clear();
        let last = locked(&self.mapper).ended();
        self.ended.send_replace(Some(detail.clone()));
        let tell = async {
            for event in last.into_iter().chain([AgentEvent::Exited { detail }]) {
                if self.events.send(event).await.is_err() {
                    return;
                }
            }
        };
        let _: Result<(), _> = timeout(LAST_EVENTS, tell).await;
    }

    /// Takes one line; `false` when nobody wants to know more.
    async fn step(&mut self, line: &Line) -> bool {
        if let Some(kept) = self.kept.get() {
            match line {
                Line::Text(text) => kept.keep(Way::Said, text),
                Line::TooLong { bytes } => kept.keep(Way::Remark, &format!("a line of {bytes} bytes was skipped")),
            }
        }
        let steps = match line {
            Line::Text(text) => locked(&self.mapper).line(text),
            Line::TooLong { bytes } => vec![Step::Event(words::skipped_line(*bytes))],
        };
        self.take(steps).await
    }

    /// Does what came of something; `false` when nobody wants to know more.
    async fn take(&mut self, steps: Vec<Step>) -> bool {
        for step in steps {
            match step {
                Step::Event(event) => {
                    let sent = tokio::select! {
                        biased;
                        () = self.stop.cancelled() => return false,
                        sent = self.events.send(event) => sent,
                    };
                    if sent.is_err() {
                        return false;
                    }
                }
                Step::Write(line) => self.write(line).await,
                Step::Response { id, result } => {
                    let waiting = locked(&self.pending).remove(&id);
                    // Nobody waits any longer when the time was up.
                    let _: Option<Result<(), _>> = waiting.map(|waiting| waiting.send(result));
                }
            }
        }
        true
    }

    async fn write(&self, line: String) {
        let Some(writer) = &self.writer else { return };
        let (written, _) = oneshot::channel();
        // An agent that does not read its stdin is noticed by the writer.
        let _: Result<_, _> = timeout(WRITE, writer.send(Outgoing { line, written })).await;
    }
}

fn describe(status: Option<std::process::ExitStatus>, words: &str) -> String {
    let mut detail = status.map_or_else(|| "it was ended".to_owned(), |status| format!("it ended with {status}"));
    if !words.is_empty() {
        detail.push_str(": ");
        detail.push_str(words);
    }
    detail
}
