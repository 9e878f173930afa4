//! One task per session: takes what Codex said of it out of its lane, makes events of it, and leaves the process in good order.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::codec;
use super::home::Seat;
use super::lane::{Next, Parcel};
use super::mapper::{CodexMapper, Turn};
use crate::agent::AgentEvent;
use crate::agent::link::Step;
use crate::raw_lines::Way;

/// How long a turn may take to end when its session leaves: Codex needs 10 ms (measured); then it is taken to hang.
const LEAVE: Duration = Duration::from_millis(1500);
/// The same for a turn that was told to stop before, and did not.
const LEAVE_NOW: Duration = Duration::from_millis(300);
/// How long Codex may take to let go of a thread.
const LET_GO: Duration = Duration::from_secs(2);
/// How long the end of a process may take to be told: all that it started is ended first.
const END: Duration = Duration::from_secs(10);
/// Longest that the session may take to fetch the last events.
const LAST_EVENTS: Duration = Duration::from_secs(30);

/// What is known of a session, shared by its driver and its pump; never held across an await.
pub(super) type Known = Arc<Mutex<CodexMapper>>;

pub(super) fn known(mapper: &Known) -> MutexGuard<'_, CodexMapper> {
    mapper.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The task of one session.
pub(super) struct Pump {
    pub(super) seat: Arc<Seat>,
    pub(super) mapper: Known,
    pub(super) events: mpsc::Sender<AgentEvent>,
    /// The session leaves.
    pub(super) stop: CancellationToken,
    /// How long Codex may wait for the network in a turn.
    pub(super) patience: Duration,
}

impl Pump {
    pub(super) async fn run(self) {
        let detail = self.serve().await;
        let last = known(&self.mapper).ended();
        let events = self.events;
        let tell = async {
            for event in last.into_iter().chain([AgentEvent::Exited { detail }]) {
                if events.send(event).await.is_err() {
                    return;
                }
            }
        };
        let _: Result<(), _> = timeout(LAST_EVENTS, tell).await;
    }

    /// Works until the session leaves or the process ends, and says why.
    async fn serve(&self) -> String {
        let mut offline: Option<Instant> = None;
        loop {
            let idle = known(&self.mapper).turn == Turn::Idle;
            let next = tokio::select! {
                biased;
                () = self.stop.cancelled() => {
                    self.leave().await;
                    return "its session has left it".to_owned();
                }
                () = self.seat.shared.retired.cancelled(), if idle => {
                    return "its process does not answer any more".to_owned();
                }
                () = until(offline) => {
                    offline = None;
                    let waited = format!("{} s", self.patience.as_secs());
                    let line = known(&self.mapper).give_up(&waited);
                    self.write(line).await;
                    continue;
                }
                next = self.seat.lane.next() => next,
            };
            match next {
                Next::Gone => return self.end().await,
                Next::Overrun => {
                    self.leave().await;
                    return "it said more than this session could take in time".to_owned();
                }
                Next::Parcel(parcel) => {
                    for step in self.steps(parcel) {
                        self.step(step).await;
                    }
                }
            }
            let waits = known(&self.mapper).waits;
            offline = if waits { offline.or_else(|| Some(Instant::now() + self.patience)) } else { None };
        }
    }

    fn steps(&self, parcel: Parcel) -> Vec<Step> {
        match parcel {
            Parcel::Message(message) => {
                if self.seat.record.is_some() {
                    self.seat.keep(Way::Said, &message.to_string());
                }
                known(&self.mapper).message(&message)
            }
            Parcel::Event(event) => known(&self.mapper).noticed(*event),
        }
    }

    async fn step(&self, step: Step) {
        match step {
            Step::Event(event) => {
                let sent = tokio::select! {
                    biased;
                    () = self.stop.cancelled() => return,
                    sent = self.events.send(event) => sent,
                };
                if sent.is_err() {
                    self.stop.cancel();
                }
            }
            Step::Write(line) => self.write(Some(line)).await,
            Step::Response { .. } => {}
        }
    }

    async fn write(&self, line: Option<String>) {
        let Some(line) = line else { return };
        // A process that does not read is noticed by whoever waits for its answer.
        if let Err(error) = self.seat.write(line).await {
            tracing::debug!(%error, "codex was not told something");
        }
    }

    /// How the process ended.
    async fn end(&self) -> String {
        self.seat.shared.link.ended(END).await.unwrap_or_else(|| "it is gone".to_owned())
    }

    /// Stops what still runs of the thread and lets go of it. A process that does not obey is ended, with all that runs in it: it
    /// cannot be relied on by the others either.
    async fn leave(&self) {
        let (line, told_before) = {
            let mut mapper = known(&self.mapper);
            let before = mapper.interrupting;
            (if mapper.turn == Turn::Idle { None } else { mapper.interrupt() }, before)
        };
        self.write(line).await;
        let limit = if told_before { LEAVE_NOW } else { LEAVE };
        if timeout(limit, self.idle()).await.is_err() {
            tracing::warn!("codex does not stop a turn; its process is ended");
            self.seat.shared.link.end_now();
            self.end().await;
            return;
        }
        let thread = known(&self.mapper).thread.clone();
        for method in ["thread/backgroundTerminals/clean", "thread/unsubscribe"] {
            if !self.seat.shared.link.is_alive() {
                return;
            }
            let call = codec::of_thread(method, &thread, json!({}));
            match self.seat.let_go(&thread, &call, LET_GO).await {
                Some(Ok(())) => {}
                Some(Err(error)) => tracing::debug!(%error, "codex does not let go of a thread"),
                // The session is back in another seat.
                None => return,
            }
        }
    }

    /// Listens until no turn runs; what is said meanwhile is about what nobody waits for, but for the end of the turn.
    async fn idle(&self) {
        while known(&self.mapper).turn != Turn::Idle {
            let Next::Parcel(parcel) = self.seat.lane.next().await else { return };
            for step in self.steps(parcel) {
                match step {
                    Step::Event(event) => {
                        let _: Result<(), _> = self.events.try_send(event);
                    }
                    Step::Write(line) => self.write(Some(line)).await,
                    Step::Response { .. } => {}
                }
            }
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
