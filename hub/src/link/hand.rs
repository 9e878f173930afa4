//! Handing commands over: leased by compare-and-set, in the order of arrival, and told to the node; taken when it says so (W-001, W-002).

use protocol::command::{CommandError, CommandState};
use protocol::error::{ErrorCode, Problem};
use protocol::id::CommandId;
use protocol::link::{Declined, Handed, PARTICIPANTS, Taken};
use store::{Batch, Expected, Put};

use super::admission::Seat;
use super::mirror::{self, Rows, Told};
use super::push::Refusal;
use crate::commands::{Step, expire, release, take, words};
use crate::failure::Failure;
use crate::hub::{PATIENCE, TRIES};
use crate::keys;
use crate::rows::{CommandRow, Handover, Row, Stored};

/// Most commands in one frame.
const MOST: usize = 32;
/// Most commands that a node has and has not begun. The rest waits here, where people can change it, move it and take it back; a
/// node begins what it has within moments.
const AHEAD: usize = 32;
/// Longest words of a node about a command that it does not know, in characters.
const MOST_CHARS: usize = 500;
/// Bytes of words after which no more commands go into one frame: escaped, they stay far below the largest one.
const MOST_BYTES: usize = 2 * 1024 * 1024;

impl Seat {
    /// The next commands for the node; none while some are on their way, while its owner lets nobody in, or before it has compared.
    ///
    /// What was leased and not taken comes first, once per connection, with the same token: the node has not said that it has it.
    pub(super) async fn next_hand(&mut self) -> Result<Vec<Handed>, Refusal> {
        self.drop_over().await?;
        if self.proved && !self.handed_again {
            self.end_recalled().await?;
        }
        if !self.proved || !self.handed.is_empty() || !self.hub.inner.links.is_open(self.host) {
            return Ok(Vec::new());
        }
        let mut rows = Vec::new();
        if !self.handed_again {
            rows = mirror::leased(&self.hub, self.host).await?;
            rows.retain(|row| row.value.handover.is_some_and(|handover| !handover.taken));
            rows = self.understood(rows).await?;
            let fit = fitting(rows.iter().map(|row| &row.value));
            // What does not fit comes after these: they are taken by then.
            self.handed_again = fit >= rows.len();
            rows.truncate(fit);
        }
        if rows.is_empty() {
            rows = self.lease().await?;
        }
        let now = self.hub.now();
        let handed = |row: Stored<CommandRow>| Handed {
            command: row.value.request.id,
            token: row.value.token(),
            sender: row.value.command.sender.device,
            participant: row.value.command.participant.clone(),
            retry_of: row.value.command.retry_of,
            expires_in_ms: row.value.command.expires_at_ms.since(now),
            body: row.value.body().clone(),
        };
        let commands: Vec<Handed> = rows.into_iter().map(handed).collect();
        self.handed.extend(commands.iter().map(|handed| handed.command));
        Ok(commands)
    }

    /// Ends what was handed over on an earlier connection, never reached the node, as its hello shows, and was taken back before it is
    /// handed over again: of what it does not know the node hears that it is taken back, too, and has nothing to do.
    async fn end_recalled(&mut self) -> Result<(), Refusal> {
        for _ in 0..TRIES {
            let mut batch = Batch::new();
            for stored in mirror::leased(&self.hub, self.host).await? {
                let handover = stored.value.handover.unwrap_or_default();
                let recalled = handover.cancel_by.is_some() && !handover.taken;
                if recalled && !self.handed.contains(&stored.value.request.id) {
                    let over = take(&mut batch, &stored, Step::to(CommandState::Cancelled), &*self.hub.inner.clock);
                    release(&self.hub, &mut batch, &over.value).await?;
                }
            }
            if batch.operations.is_empty() {
                return Ok(());
            }
            self.hold(&mut batch);
            match self.hub.commit(batch).await {
                Ok(_) => {
                    self.held();
                    return Ok(());
                }
                Err(failure) if self.is_replaced(&failure) => return Err(Refusal::Replaced),
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Failure::Contended { tries: TRIES }.into())
    }

    /// What is over need not be answered any more.
    async fn drop_over(&mut self) -> Result<(), Failure> {
        for command in self.handed.clone() {
            let row = self.hub.load::<CommandRow>(&keys::command(command)).await?;
            if row.is_none_or(|row| row.value.command.state != CommandState::Leased) {
                self.handed.remove(&command);
            }
        }
        Ok(())
    }

    async fn lease(&mut self) -> Result<Vec<Stored<CommandRow>>, Refusal> {
        let hub = self.hub.clone();
        let mut turn = None;
        for lost in 0..TRIES {
            if lost == PATIENCE {
                // People who change what waits have to wait for once.
                turn = Some(hub.inner.ordering.lock().await);
            }
            let ahead = self.hub.scan(keys::all_leased(self.host), None, AHEAD).await?.len();
            let room = AHEAD.saturating_sub(ahead).min(MOST);
            if room == 0 {
                return Ok(Vec::new());
            }
            let waiting = self.hub.scan(keys::all_waiting(self.host), None, room).await?;
            if waiting.is_empty() {
                return Ok(Vec::new());
            }
            let (mut batch, mut leased) = (Batch::new(), Vec::new());
            let (mut bytes, mut failed) = (0, 0);
            for entry in waiting {
                let id = std::str::from_utf8(&entry.value).ok().and_then(|id| id.parse::<CommandId>().ok());
                let Some(id) = id else { continue };
                let Some(mut stored) = self.hub.load::<CommandRow>(&keys::command(id)).await? else { continue };
                if stored.value.command.state != CommandState::Queued {
                    continue;
                }
                if self.hub.now() >= stored.value.command.expires_at_ms {
                    expire(&self.hub, id).await?;
                    continue;
                }
                if let Some(need) = self.lacks(&stored.value) {
                    failed += 1;
                    tracing::debug!(command = %id, need, "a command that its node does not understand is not handed over");
                    let over = take(&mut batch, &stored, not_understood(need), &*self.hub.inner.clock);
                    release(&self.hub, &mut batch, &over.value).await?;
                    continue;
                }
                bytes += words(&stored.value.request.body);
                if bytes > MOST_BYTES && !leased.is_empty() {
                    break;
                }
                stored.value.handover = Some(Handover::default());
                leased.push(take(&mut batch, &stored, Step::to(CommandState::Leased), &*self.hub.inner.clock));
            }
            // All of them went, or were too old, since the look at the queue: there may be more behind them.
            if leased.is_empty() && failed == 0 {
                continue;
            }
            self.hold(&mut batch);
            match self.hub.commit(batch).await {
                Ok(_) => {
                    self.held();
                    // Behind what could only fail there may be more.
                    if !leased.is_empty() {
                        return Ok(leased);
                    }
                }
                Err(failure) if self.is_replaced(&failure) => return Err(Refusal::Replaced),
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        drop(turn);
        Err(Failure::Contended { tries: TRIES }.into())
    }

    /// The first capability that a command needs and the node has not named.
    fn lacks(&self, row: &CommandRow) -> Option<&'static str> {
        let of_participant = row.command.participant.as_ref().map(|_| PARTICIPANTS);
        let mut needs = of_participant.into_iter().chain(row.body().needs());
        needs.find(|need| !self.capabilities.iter().any(|named| named == need))
    }

    /// What was leased on an earlier connection and the node still understands; it may have come back with an older program. What it does
    /// not understand ends here.
    async fn understood(&mut self, rows: Vec<Stored<CommandRow>>) -> Result<Vec<Stored<CommandRow>>, Refusal> {
        let (strange, rows): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| self.lacks(&row.value).is_some());
        for stored in strange {
            let Some(need) = self.lacks(&stored.value) else { continue };
            let mut batch = Batch::new();
            let over = take(&mut batch, &stored, not_understood(need), &*self.hub.inner.clock);
            release(&self.hub, &mut batch, &over.value).await?;
            self.hold(&mut batch);
            match self.hub.commit(batch).await {
                Ok(_) => self.held(),
                Err(failure) if self.is_replaced(&failure) => return Err(Refusal::Replaced),
                // Somebody was faster; it is not handed over either way.
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Ok(rows)
    }

    /// The node has these commands now; what it says of them is written down.
    pub(super) async fn take(&mut self, taken: &[Taken]) -> Result<(), Refusal> {
        for _ in 0..TRIES {
            let (mut batch, mut rows) = (Batch::new(), Rows::new());
            for Taken { command, token, state } in taken {
                let Some(stored) = mirror::held(&self.hub, &rows, self.host, *command).await? else { continue };
                if stored.value.token() != *token {
                    continue;
                }
                // How it ended is said by its fact, with all that belongs to it.
                let state = if state.is_final() { stored.value.command.state } else { *state };
                let told = Told { state, turn: None, error: None, detail: None, tried: None };
                if let Some(row) = mirror::mirror(&mut batch, &self.hub, stored, told) {
                    rows.insert(*command, row);
                }
            }
            if batch.operations.is_empty() {
                break;
            }
            self.hold(&mut batch);
            match self.hub.commit(batch).await {
                Ok(_) => {
                    self.held();
                    break;
                }
                Err(failure) if self.is_replaced(&failure) => return Err(Refusal::Replaced),
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        for taken in taken {
            self.handed.remove(&taken.command);
        }
        Ok(())
    }

    /// The node does not know what these ask for: they were not taken, and end here.
    pub(super) async fn decline(&mut self, declined: &[Declined]) -> Result<(), Refusal> {
        for Declined { command, token, code, detail } in declined {
            for _ in 0..TRIES {
                let found = mirror::held(&self.hub, &Rows::new(), self.host, *command).await?;
                let Some(stored) = found.filter(|stored| {
                    let taken = stored.value.handover.is_some_and(|handover| handover.taken);
                    stored.value.token() == *token && !taken && !stored.value.command.state.is_final()
                }) else {
                    break;
                };
                let error = CommandError { code: *code, retryable: false };
                let step =
                    Step { error: Some(error), detail: Some(shortened(detail)), ..Step::to(CommandState::Failed) };
                let mut batch = Batch::new();
                let row = take(&mut batch, &stored, step, &*self.hub.inner.clock);
                release(&self.hub, &mut batch, &row.value).await?;
                self.hold(&mut batch);
                match self.hub.commit(batch).await {
                    Ok(_) => {
                        self.held();
                        break;
                    }
                    Err(failure) if self.is_replaced(&failure) => return Err(Refusal::Replaced),
                    Err(failure) if failure.lost().is_some() => {}
                    Err(failure) => return Err(failure.into()),
                }
            }
            self.handed.remove(command);
        }
        Ok(())
    }

    /// Adds the link's row to a batch, so that the batch fails when a newer connection was let in, or the device was revoked. It stands
    /// first, so that this is what the batch fails on.
    pub(super) fn hold(&self, batch: &mut Batch) {
        let put = Put::set(keys::link(self.host), self.link.value.encode());
        batch.operations.insert(0, put.expecting(Expected::Version(self.link.version)).into());
    }

    /// A batch with the link's row was committed.
    pub(super) fn held(&mut self) {
        self.link.version += 1;
    }

    /// Whether a batch failed because a newer connection was let in.
    pub(super) fn is_replaced(&self, failure: &Failure) -> bool {
        failure.lost() == Some(keys::link(self.host).as_str())
    }
}

/// Words of a node, for people: as many as anybody reads.
fn shortened(words: &str) -> String {
    words.chars().take(MOST_CHARS).collect()
}

/// The end of a command that the node is too old for: handed over, it would end the connection and not the command.
fn not_understood(need: &str) -> Step {
    let code = ErrorCode::Unsupported;
    let what = if need == PARTICIPANTS { "participants of a session" } else { "this kind of command" };
    let detail = format!("the version of Towline on that machine does not know {what}");
    let error = CommandError { code, retryable: code.is_retryable() };
    Step { error: Some(error), detail: Some(detail), ..Step::to(CommandState::Failed) }
}

/// How many of these go into one frame: at least one.
fn fitting<'a>(rows: impl Iterator<Item = &'a CommandRow>) -> usize {
    let mut bytes = 0;
    let fits = |row: &&CommandRow| {
        bytes += words(&row.request.body);
        bytes <= MOST_BYTES
    };
    rows.take(MOST).take_while(fits).count().max(1)
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}
