//! Leasing: one compare-and-set from `queued` to `leased` with a fencing token, in the order of arrival (W-001).

use std::collections::HashSet;
use std::time::Duration;

use protocol::command::{CommandKind, CommandState};
use protocol::error::Problem;
use protocol::id::{CommandId, SessionId};
use protocol::limits::MAX_QUEUED_COMMANDS;
use protocol::port::{Leased, PortError};
use protocol::time::UnixMs;
use store::Batch;

use super::Port;
use crate::commands::{Step, expire, take};
use crate::failure::Failure;
use crate::hub::{PATIENCE, TRIES};
use crate::keys;
use crate::rows::CommandRow;

/// How often a waiting host looks although nothing rang: a lost ring costs time, never a command (rule 9).
const LOOK_AGAIN: Duration = Duration::from_secs(15);
/// Most commands leased at once.
const MOST: usize = 64;

/// Most that is looked at for it: a queue, and what was leased and given back to it.
const LOOKED_AT: usize = MAX_QUEUED_COMMANDS + MOST;

/// What waits for another try, and what must not overtake it.
#[derive(Debug, Default)]
struct HeldUp {
    due_ms: Option<u64>,
    /// Sessions in which a prompt waits: the ones after it wait, too.
    prompts: HashSet<SessionId>,
    /// Sessions that are not made yet.
    unmade: HashSet<SessionId>,
}

impl HeldUp {
    /// Whether a command has to wait; called in the order of the queue.
    fn up(&mut self, row: &CommandRow, now: UnixMs) -> bool {
        let (session, kind) = (row.command.session, row.command.kind);
        let wait = row.command.tried.map_or(0, |tried| tried.wait_ms(now));
        if wait > 0 {
            self.due_ms = Some(self.due_ms.map_or(wait, |due| due.min(wait)));
            if kind.makes_session() {
                self.unmade.insert(session);
            } else if kind == CommandKind::SendPrompt {
                self.prompts.insert(session);
            }
            return true;
        }
        self.unmade.contains(&session) || (kind == CommandKind::SendPrompt && self.prompts.contains(&session))
    }
}

/// Leases that somebody must take over; those that nobody took go back to the queue when this is dropped.
#[derive(Debug)]
struct Grant {
    port: Port,
    leased: Vec<Leased>,
    /// When the first of those that wait for another try is due, in milliseconds.
    due_ms: Option<u64>,
}

impl Grant {
    fn accept(mut self) -> Vec<Leased> {
        std::mem::take(&mut self.leased)
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        let lost: Vec<(CommandId, u64)> = self.leased.iter().map(|leased| (leased.id, leased.token)).collect();
        if lost.is_empty() {
            return;
        }
        let port = self.port.clone();
        self.port.hub.inner.tasks.spawn(async move {
            for (id, token) in lost {
                if let Err(error) = port.give_back_one(id, token).await {
                    // The next start of the host gives it back.
                    tracing::warn!(%error, command = %id, "a lease that nobody took cannot be given back");
                }
            }
        });
    }
}

/// Why a grant was not made.
enum Refused {
    Port(PortError),
    Problem(Problem),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::Port(failure.into())
    }
}

impl From<Refused> for PortError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Port(error) => error,
            Refused::Problem(problem) => Self::Broken { reason: problem.to_string() },
        }
    }
}

impl Port {
    /// Cancellation safe: a lease whose caller has left goes back to the queue.
    pub(super) async fn wait_for_work(&self, generation: u64, most: usize) -> Result<Vec<Leased>, PortError> {
        let stop = self.hub.stopping();
        loop {
            // Before looking, so that what is queued in between is heard.
            let mut bell = self.hub.inner.queue.listen();
            if stop.is_cancelled() {
                return Err(PortError::Broken { reason: "the hub is shutting down".to_owned() });
            }
            let current = self.generation().await?;
            if current != generation {
                return Err(PortError::Replaced { generation, current });
            }
            let port = self.clone();
            // In a task of its own: once the commit is under way, somebody must see it through.
            let grant = self.hub.whole(async move { port.grant(generation, most.clamp(1, MOST)).await });
            let grant = grant.await.map_err(PortError::from)?;
            let due = grant.due_ms.map_or(LOOK_AGAIN, Duration::from_millis).min(LOOK_AGAIN);
            let leased = grant.accept();
            if !leased.is_empty() {
                return Ok(leased);
            }
            tokio::select! {
                _ = bell.changed() => {}
                () = tokio::time::sleep(due) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    async fn grant(&self, generation: u64, most: usize) -> Result<Grant, Refused> {
        let mut turn = None;
        for lost in 0..TRIES {
            if lost == PATIENCE {
                turn = Some(self.hub.inner.ordering.lock().await);
            }
            let mut batch = Batch::of(self.fence(generation));
            let mut leased = Vec::new();
            let mut held = HeldUp::default();
            let waiting = self.hub.scan(keys::all_waiting(self.host), None, LOOKED_AT).await?;
            if waiting.is_empty() {
                return Ok(Grant { port: self.clone(), leased, due_ms: None });
            }
            for entry in waiting {
                if leased.len() == most {
                    break;
                }
                let id = std::str::from_utf8(&entry.value).ok().and_then(|id| id.parse::<CommandId>().ok());
                let Some(id) = id else { continue };
                let Some(stored) = self.hub.load::<CommandRow>(&keys::command(id)).await? else { continue };
                if stored.value.command.state != CommandState::Queued {
                    continue;
                }
                if self.hub.now() >= stored.value.command.expires_at_ms {
                    expire(&self.hub, id).await?;
                    continue;
                }
                if held.up(&stored.value, self.hub.now()) {
                    continue;
                }
                let row = take(&mut batch, &stored, Step::to(CommandState::Leased), &*self.hub.inner.clock).value;
                leased.push(Leased {
                    id,
                    token: row.token(),
                    sender: row.command.sender,
                    participant: row.command.participant.clone(),
                    expires_at_ms: row.command.expires_at_ms,
                    body: row.body().clone(),
                });
            }
            // All of them went to others, or were too old, since the look at the queue: there may be more behind them.
            if leased.is_empty() {
                if held.due_ms.is_some() {
                    return Ok(Grant { port: self.clone(), leased, due_ms: held.due_ms });
                }
                continue;
            }
            match self.hub.commit(batch).await {
                Ok(_) => return Ok(Grant { port: self.clone(), leased, due_ms: None }),
                Err(failure) if failure.lost().is_some_and(|key| key.starts_with("hub/command/")) => {}
                Err(failure) => return Err(Refused::Port(self.refused(generation, failure).await)),
            }
        }
        drop(turn);
        Err(Failure::Contended { tries: TRIES }.into())
    }
}
