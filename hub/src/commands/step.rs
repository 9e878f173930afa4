//! One step of one command: the row, its indexes, the fact and the audit entry, in one batch.

use protocol::api::AuditEntry;
use protocol::command::{CommandError, CommandKind, CommandState, Tried, may_try_again};
use protocol::error::ErrorCode;
use protocol::fact::{FeedFact, Operation};
use protocol::id::{AuditId, TurnId};
use protocol::limits::{COMMAND_MEMORY_MS, HELD_MEMORY_MS};
use protocol::time::{Clock, UnixMs};
use store::{Batch, Expected, Put};

use crate::audit::{self, OK};
use crate::failure::Failure;
use crate::feed;
use crate::hub::Hub;
use crate::keys::{self, Due};
use crate::rows::{CommandRow, Row, SessionRow, Stored};

/// Where a command goes.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) state: CommandState,
    pub(crate) turn: Option<TurnId>,
    pub(crate) error: Option<CommandError>,
    pub(crate) detail: Option<String>,
    pub(crate) tried: Option<Tried>,
}

impl Step {
    pub(crate) const fn to(state: CommandState) -> Self {
        Self { state, turn: None, error: None, detail: None, tried: None }
    }

    /// What becomes of a leased command that has come to nothing with this code and has not begun: it waits for its next try in its old
    /// place, or fails when there is none (W-013).
    pub(crate) fn not_begun(row: &CommandRow, code: ErrorCode, detail: Option<String>, clock: &dyn Clock) -> Self {
        let failed = Self {
            error: Some(CommandError { code, retryable: code.is_retryable() }),
            detail,
            ..Self::to(CommandState::Failed)
        };
        if !may_try_again(code) {
            return failed;
        }
        let tried = Tried::again(row.command.tried, code, clock.now(), clock.fresh().as_bytes()[15]);
        let step = if tried.next_at_ms.is_some() { Self::to(CommandState::Queued) } else { failed };
        Self { tried: Some(tried), ..step }
    }
}

/// Adds a step to a batch that fails when the command was changed meanwhile, and tells what the row then is.
///
/// The caller has made sure that [`CommandState::may_become`] allows it.
pub(crate) fn take(
    batch: &mut Batch,
    stored: &Stored<CommandRow>,
    step: Step,
    clock: &dyn Clock,
) -> Stored<CommandRow> {
    let now = clock.now();
    let before = stored.value.command.state;
    let mut row = stored.value.clone();
    row.command.state = step.state;
    row.command.place = (step.state == CommandState::Queued && !row.held).then_some(row.arrival);
    row.command.updated_at_ms = now;
    row.command.turn = step.turn.or(row.command.turn);
    row.command.error = step.error.or(row.command.error);
    row.command.content.detail = step.detail.or(row.command.content.detail);
    row.command.tried = step.tried.or(row.command.tried);
    if step.state == CommandState::Leased {
        row.command.attempt += 1;
    }
    if step.state == CommandState::Leased || step.state.is_final() {
        // It is being tried, or is not tried any more.
        row.command.tried = row.command.tried.map(Tried::over);
    }
    unlist(batch, &stored.value, before);
    list(batch, &row, now);
    let put = Put::set(keys::command(row.request.id), row.encode());
    batch.push(put.expecting(Expected::Version(stored.version)));
    let fact = FeedFact::from((row.request.id, Operation::Update, row.command.clone()));
    feed::tell(batch, row.account, &fact);
    if step.state.is_final() {
        audit::push_to(batch, row.account, ended(&row, now, clock));
    }
    Stored { value: row, version: stored.version + 1 }
}

/// Adds a change of a queued command that stays queued to a batch, which fails when the command was changed meanwhile.
pub(crate) fn rewrite(batch: &mut Batch, stored: &Stored<CommandRow>, mut row: CommandRow, now: UnixMs) -> CommandRow {
    row.command.place = (!row.held).then_some(row.arrival);
    row.command.updated_at_ms = now;
    unlist(batch, &stored.value, CommandState::Queued);
    list(batch, &row, now);
    let put = Put::set(keys::command(row.request.id), row.encode());
    batch.push(put.expecting(Expected::Version(stored.version)));
    let fact = FeedFact::from((row.request.id, Operation::Update, row.command.clone()));
    feed::tell(batch, row.account, &fact);
    row
}

/// The end of a command in the audit trail.
fn ended(row: &CommandRow, now: UnixMs, clock: &dyn Clock) -> AuditEntry {
    let outcome = match row.command.state {
        CommandState::Failed => audit::word(row.command.error.as_ref().map_or(ErrorCode::Internal, |e| e.code)),
        CommandState::Expired => audit::word(ErrorCode::Expired),
        CommandState::Cancelled => "cancelled".to_owned(),
        _ => OK.to_owned(),
    };
    AuditEntry {
        id: AuditId::from_uuid(clock.fresh()),
        at_ms: now,
        account: Some(row.command.sender.account),
        device: Some(row.command.sender.device),
        source: None,
        action: "command.ended".to_owned(),
        target: Some(row.request.id.to_string()),
        host: Some(row.command.host),
        outcome,
        content_bytes: None,
        content: None,
    }
}

/// Whether a command in this state is a prompt whose turn has not begun: it waits here, or in the line of its session at the host.
const fn waits_in_line(row: &CommandRow, state: CommandState) -> bool {
    matches!(row.command.kind, CommandKind::SendPrompt)
        && !row.held
        && matches!(state, CommandState::Queued | CommandState::Leased | CommandState::Running)
}

/// Whether a command in this state takes up one of the places that its participant has at its host.
const fn takes_place(row: &CommandRow, state: CommandState) -> bool {
    row.command.participant.is_some()
        && !row.held
        && (matches!(state, CommandState::Queued | CommandState::Leased) || waits_in_line(row, state))
}

fn sent(row: &CommandRow) -> String {
    keys::sent(row.command.host, row.command.sender.account, row.request.id)
}

/// Where a prompt stands that nobody has let run.
fn held(row: &CommandRow) -> String {
    keys::held(row.command.session, row.command.sender.account, row.request.id)
}

/// Takes a command out of the indexes of a state.
fn unlist(batch: &mut Batch, row: &CommandRow, state: CommandState) {
    let id = row.request.id;
    match state {
        CommandState::Queued if row.held => batch.push(Put::remove(held(row))),
        CommandState::Queued => batch.push(Put::remove(keys::waiting(row.command.host, row.arrival))),
        CommandState::Leased => batch.push(Put::remove(keys::leased(row.command.host, row.arrival))),
        CommandState::Running | CommandState::Indeterminate if row.handover.is_some() => {
            batch.push(Put::remove(keys::begun(row.command.host, row.arrival)));
        }
        _ => {}
    }
    if waits_in_line(row, state) {
        batch.push(Put::remove(keys::line(row.command.session, id)));
    }
    if takes_place(row, state) {
        batch.push(Put::remove(sent(row)));
    }
    if matches!(state, CommandState::Queued | CommandState::Leased) {
        batch.push(Put::remove(Due::Expire(id).key(row.command.expires_at_ms)));
    }
}

/// Puts a command into the indexes of its state.
pub(crate) fn list(batch: &mut Batch, row: &CommandRow, now: UnixMs) {
    let id = row.request.id;
    match row.command.state {
        CommandState::Queued if row.held => batch.push(Put::set(held(row), "")),
        CommandState::Queued => batch.push(Put::set(keys::waiting(row.command.host, row.arrival), id.to_string())),
        CommandState::Leased => batch.push(Put::set(keys::leased(row.command.host, row.arrival), id.to_string())),
        CommandState::Running | CommandState::Indeterminate if row.handover.is_some() => {
            batch.push(Put::set(keys::begun(row.command.host, row.arrival), id.to_string()));
        }
        state if state.is_final() => {
            // What was held to its end has never run, so that its id need not be kept from running again.
            let memory = if row.held { HELD_MEMORY_MS } else { COMMAND_MEMORY_MS };
            batch.push(Put::set(Due::Forget(id).key(now.plus_ms(memory)), row.account.to_string()));
        }
        _ => {}
    }
    if waits_in_line(row, row.command.state) {
        batch.push(Put::set(keys::line(row.command.session, id), ""));
    }
    if takes_place(row, row.command.state) {
        batch.push(Put::set(sent(row), ""));
    }
    if matches!(row.command.state, CommandState::Queued | CommandState::Leased) {
        batch.push(Put::set(Due::Expire(id).key(row.command.expires_at_ms), ""));
    }
}

/// Adds what a step means for the session that a command was to make: it is free again when the command came to nothing.
pub(crate) async fn release(hub: &Hub, batch: &mut Batch, row: &CommandRow) -> Result<(), Failure> {
    let state = row.command.state;
    if !row.command.kind.makes_session() || !state.is_final() || state == CommandState::Succeeded {
        return Ok(());
    }
    let key = keys::session(row.command.session);
    match hub.load::<SessionRow>(&key).await? {
        Some(found) if !found.value.live && found.value.command == Some(row.request.id) => {
            batch.push(Put::remove(key).expecting(Expected::Version(found.version)));
        }
        _ => {}
    }
    Ok(())
}
