//! What becomes of commands that are in the hands of a node: the hub writes down what it is told, and says honestly what nobody knows.

use std::collections::{HashMap, HashSet};

use protocol::command::{CommandError, CommandState, Tried};
use protocol::error::ErrorCode;
use protocol::fact::{FeedFact, Operation};
use protocol::id::{CommandId, DeviceId, TurnId};
use protocol::limits::{LINK_ANSWER_MS, LINK_STALE_MS};
use protocol::link::LinkNews;
use store::{Batch, Expected, Put};

use crate::audit::{self, About as _};
use crate::commands::{Step, release, take};
use crate::failure::Failure;
use crate::feed;
use crate::hub::Hub;
use crate::identity::Identity;
use crate::keys::{self, Due};
use crate::rows::{CommandRow, Handover, Row, Stored};

/// What a node says of a command.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) state: CommandState,
    pub(super) turn: Option<TurnId>,
    pub(super) error: Option<CommandError>,
    pub(super) detail: Option<String>,
    pub(super) tried: Option<Tried>,
}

/// Commands as a batch leaves them.
pub(super) type Rows = HashMap<CommandId, Stored<CommandRow>>;

/// The command as the batch so far leaves it, if it is in the hands of this host; `None` for every other.
pub(super) async fn held(
    hub: &Hub,
    rows: &Rows,
    host: DeviceId,
    id: CommandId,
) -> Result<Option<Stored<CommandRow>>, Failure> {
    let stored = match rows.get(&id) {
        Some(row) => Some(row.clone()),
        None => hub.load::<CommandRow>(&keys::command(id)).await?,
    };
    Ok(stored.filter(|row| {
        let CommandRow { command, handover, .. } = &row.value;
        command.host == host && handover.is_some() && command.state != CommandState::Queued
    }))
}

/// Adds to a batch what a node says of a command that it was handed; gives the row as the batch then leaves it when it was changed.
pub(super) fn mirror(
    batch: &mut Batch,
    hub: &Hub,
    mut stored: Stored<CommandRow>,
    told: Told,
) -> Option<Stored<CommandRow>> {
    let before = stored.value.clone();
    let handover = before.handover.unwrap_or_default();
    stored.value.handover = Some(Handover { taken: true, ..handover });
    let Told { state, turn, error, detail, tried } = told;
    let command = &mut stored.value.command;
    if command.state.may_be_told(state) {
        if command.state == CommandState::Indeterminate {
            // That nobody knew is over.
            (command.error, command.content.detail) = (None, None);
        }
        return Some(take(batch, &stored, Step { state, turn, error, detail, tried }, &*hub.inner.clock));
    }
    if command.state == state {
        command.turn = turn.or(command.turn);
        command.error = error.or(command.error.take());
        command.content.detail = detail.or(command.content.detail.take());
    }
    // In the line of the node it may wait for another try, while here it is in the node's hands.
    let waits = command.state == CommandState::Leased && state == CommandState::Queued;
    if command.state == state || waits {
        command.tried = tried.or(command.tried);
    }
    (stored.value != before).then(|| rewrite(batch, &stored, before.command != stored.value.command))
}

/// Adds a row that has changed while its state has not.
fn rewrite(batch: &mut Batch, stored: &Stored<CommandRow>, tell: bool) -> Stored<CommandRow> {
    let row = &stored.value;
    let put = Put::set(keys::command(row.request.id), row.encode());
    batch.push(put.expecting(Expected::Version(stored.version)));
    if tell {
        let fact = FeedFact::from((row.request.id, Operation::Update, row.command.clone()));
        feed::tell(batch, row.account, &fact);
    }
    Stored { value: row.clone(), version: stored.version + 1 }
}

async fn listed(hub: &Hub, prefix: String) -> Result<Vec<Stored<CommandRow>>, Failure> {
    let mut found = Vec::new();
    for entry in hub.every(prefix, |_| Ok(true)).await? {
        let id = std::str::from_utf8(&entry.value).ok().and_then(|id| id.parse::<CommandId>().ok());
        let Some(id) = id else { continue };
        found.extend(hub.load::<CommandRow>(&keys::command(id)).await?);
    }
    Ok(found)
}

/// Commands that were leased to a host and have not begun, as far as anybody knows here.
pub(super) async fn leased(hub: &Hub, host: DeviceId) -> Result<Vec<Stored<CommandRow>>, Failure> {
    let mut rows = listed(hub, keys::all_leased(host)).await?;
    rows.retain(|row| row.value.command.state == CommandState::Leased);
    Ok(rows)
}

/// Adds what the node's own list of commands says of those that were handed to it: it has them, or they never reached it. What never
/// reached it is free to end here.
pub(super) async fn meet(
    hub: &Hub,
    batch: &mut Batch,
    host: DeviceId,
    holds: &HashSet<CommandId>,
) -> Result<(), Failure> {
    let mut rows = leased(hub, host).await?;
    let begun = listed(hub, keys::all_begun(host)).await?;
    rows.extend(begun.into_iter().filter(|row| row.value.command.state == CommandState::Indeterminate));
    for mut stored in rows {
        let handover = stored.value.handover.unwrap_or_default();
        if holds.contains(&stored.value.request.id) {
            if !handover.taken {
                stored.value.handover = Some(Handover { taken: true, ..handover });
                rewrite(batch, &stored, false);
            }
            continue;
        }
        let state = match handover {
            Handover { taken: true, .. } => continue,
            Handover { cancel_by: Some(_), .. } => CommandState::Cancelled,
            _ if hub.now() >= stored.value.command.expires_at_ms => CommandState::Expired,
            // It is handed over again.
            _ => continue,
        };
        (stored.value.command.error, stored.value.command.content.detail) = (None, None);
        let row = take(batch, &stored, Step::to(state), &*hub.inner.clock);
        release(hub, batch, &row.value).await?;
    }
    Ok(())
}

/// Adds to the end of a host's lease that nobody knows what becomes of what it had begun.
pub(super) async fn lose(hub: &Hub, batch: &mut Batch, host: DeviceId) -> Result<(), Failure> {
    for stored in listed(hub, keys::all_begun(host)).await? {
        if stored.value.command.state == CommandState::Running {
            take(batch, &stored, lost(), &*hub.inner.clock);
        }
    }
    Ok(())
}

fn lost() -> Step {
    let error = CommandError { code: ErrorCode::HostLost, retryable: false };
    Step { error: Some(error), ..Step::to(CommandState::Indeterminate) }
}

/// Adds what happens to a command that was handed to a node and whose time is over. While the node is there it is the one to say, and
/// this is looked at again soon; when it is away, nobody knows. Neither does anybody when it is there and has not said for a while that
/// it has it: its owner lets nothing in, or it does not understand it.
pub(crate) fn overdue(hub: &Hub, batch: &mut Batch, stored: &Stored<CommandRow>) {
    let taken = stored.value.handover.is_some_and(|handover| handover.taken);
    let late = hub.now() >= stored.value.command.expires_at_ms.plus_ms(LINK_STALE_MS);
    if hub.inner.links.runs(stored.value.command.host) && (taken || !late) {
        // As it is read, so that what the node says meanwhile is seen.
        let later = Due::Expire(stored.value.request.id).key(hub.now().plus_ms(LINK_ANSWER_MS));
        batch.push(Put::set(later, ""));
    } else {
        take(batch, stored, lost(), &*hub.inner.clock);
    }
}

/// Adds that the node which was handed a command is asked to take it back, and that it is not handed over again if it never came there.
/// False, and nothing is added, when that was asked before.
pub(crate) fn ask_back(hub: &Hub, batch: &mut Batch, stored: &Stored<CommandRow>, by: DeviceId) -> bool {
    let handover = stored.value.handover.unwrap_or_default();
    if handover.cancel_by.is_some() {
        return false;
    }
    let mut asked = stored.clone();
    asked.value.handover = Some(Handover { cancel_by: Some(by), ..handover });
    rewrite(batch, &asked, false);
    let news = LinkNews::Cancelled { command: stored.value.request.id, by };
    super::news::tell(hub, batch, stored.value.command.host, &news);
    true
}

impl Hub {
    /// Asks the node that was handed a command to take it back; who won is the node's to say. A second time changes nothing.
    pub(crate) async fn ask_back(&self, who: &Identity, stored: &Stored<CommandRow>) -> Result<(), Failure> {
        let (id, host) = (stored.value.request.id, stored.value.command.host);
        let mut batch = Batch::new();
        if !ask_back(self, &mut batch, stored, who.device) {
            return Ok(());
        }
        let entry = self.entry(Some(who), "command.cancel").about(id).on(host);
        audit::push(&mut batch, self.account(), &entry);
        if stored.value.account != who.account {
            audit::push_to(&mut batch, stored.value.account, entry);
        }
        self.commit(batch).await?;
        self.inner.links.rouse(host);
        Ok(())
    }
}
