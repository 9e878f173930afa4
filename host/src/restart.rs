//! What a new life of the host makes of what the last one left: running turns are interrupted with all that was durable of them,
//! open questions are stale, queued turns go on. Nothing is ever run again by itself.

use std::collections::{BTreeMap, HashMap};

use protocol::approval::{Approval, ApprovalState};
use protocol::command::{CommandKind, CommandState, Tried};
use protocol::error::ErrorCode;
use protocol::fact::Operation;
use protocol::id::SessionId;
use protocol::item::Sender;
use protocol::port::{PortError, Report, StreamStep, Transition};
use protocol::session::{Activity, LastTurn};
use protocol::time::UnixMs;
use protocol::turn::{Turn, TurnContent, TurnError, TurnErrorCode, TurnState};

use crate::agent::ProcessMark;
use crate::catalogue;
use crate::context::Context;
use crate::journal::batch::Batch;
use crate::journal::salvage;
use crate::news;
use crate::notes::{
    self, ApprovalNote, BrokenNote, CommandNote, Held, NOTE_VERSION, ProcessNote, SessionNote, Todo, TriedNote,
    TurnNote,
};
use crate::session;

/// A session that goes on by itself: prompts wait in it.
#[derive(Debug)]
pub(crate) struct Restored {
    pub(crate) id: SessionId,
    pub(crate) row: SessionNote,
    pub(crate) queue: Vec<(TurnNote, Option<Tried>)>,
}

/// What became of a session whose task ended by a fault.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is handed on once")]
pub(crate) enum Recovered {
    /// It is in order; it goes on by itself where prompts wait in it.
    Whole(Option<Restored>),
    /// Somebody has deleted it: its reports are refused, which is no fault.
    Deleted,
    /// Nothing of it can be written.
    Broken,
}

/// What was left of one session.
#[derive(Debug, Default)]
struct Left {
    turns: Vec<TurnNote>,
    tried: HashMap<String, Tried>,
    approvals: Vec<(String, Approval)>,
    commands: Vec<(String, CommandNote)>,
    process: Option<ProcessMark>,
    /// Nothing of it could be written: the prompts that wait in it may be days old, and are not run.
    broken: bool,
}

/// Brings what is durable of one session in order after its task ended by a fault; the second time (`twice`) nothing of it goes on by
/// itself, so that what is wrong with it cannot come back by itself either.
pub(crate) async fn again(context: &Context, id: SessionId, twice: bool) -> Recovered {
    if news::is_deleted(context, id).await {
        return Recovered::Deleted;
    }
    if twice {
        mark(context, id).await;
    }
    match recover(context, Some(id)).await {
        Ok(All { mut restored, .. }) => Recovered::Whole(restored.pop()),
        Err(error) => {
            tracing::error!(session = %id, %error, "nothing of a session can be written");
            mark(context, id).await;
            Recovered::Broken
        }
    }
}

/// Notes that nothing of a session can be written, which the next life of the host must know.
async fn mark(context: &Context, id: SessionId) {
    let note = BrokenNote { v: NOTE_VERSION, since_ms: context.now() };
    let notes = vec![(notes::broken(id), Some(notes::encode(&note)))];
    if let Err(error) = context.report(Report { notes, ..Report::default() }).await {
        tracing::error!(session = %id, %error, "that nothing of a session can be written could not be noted");
    }
}

/// What a recovery came to.
#[derive(Debug, Default)]
pub(crate) struct All {
    /// The sessions in which prompts wait, the longest waiting first.
    pub(crate) restored: Vec<Restored>,
    /// Those of which nothing can be written.
    pub(crate) broken: Vec<SessionId>,
}

/// Brings what is durable in order, of one session or of all. Ends the processes that were left first.
///
/// # Errors
/// What the port says.
pub(crate) async fn recover(context: &Context, only: Option<SessionId>) -> Result<All, PortError> {
    let left = read(context, only).await?;
    let mut marks: Vec<_> = left.values().filter_map(|left| left.process.clone()).collect();
    // One session of a host that lives: its driver has ended its part of what others use too.
    marks.retain(|mark| only.is_none() || !mark.shared);
    if only.is_none() {
        marks.push(ProcessMark { pid: 0, started: 0, tag: catalogue::probe_tag(context), shared: false });
    }
    if !marks.is_empty() {
        context.options.reaper.reap(marks).await;
    }
    let mut all = All::default();
    for (id, left) in left {
        match one(context, id, left).await {
            Ok(found) => all.restored.extend(found),
            // One session that does not fit must not keep the others from their work.
            Err(error @ (PortError::Refused { .. } | PortError::NoStream { .. })) if only.is_none() => {
                tracing::error!(session = %id, %error, "nothing of a session can be written");
                mark(context, id).await;
                all.broken.push(id);
            }
            Err(error) => return Err(error),
        }
    }
    all.restored.sort_by_key(|session| session.queue.first().map(|(turn, _)| (turn.fact.queued_at_ms, turn.id)));
    Ok(all)
}

async fn read(context: &Context, only: Option<SessionId>) -> Result<BTreeMap<SessionId, Left>, PortError> {
    let port = &*context.port;
    let prefix = |kind: &str| only.map_or_else(|| format!("{kind}/"), |session| format!("{kind}/{session}"));
    let mut left: BTreeMap<SessionId, Left> = BTreeMap::new();
    for (key, note) in notes::all::<TurnNote>(port, &prefix("turn")).await? {
        if let Some(session) = notes::session_of(&key) {
            left.entry(session).or_default().turns.push(note);
        }
    }
    for (key, note) in notes::all::<TriedNote>(port, &prefix("tried")).await? {
        if let Some(session) = notes::session_of(&key) {
            left.entry(session).or_default().tried.insert(key, note.tried);
        }
    }
    for (key, note) in notes::all::<ApprovalNote>(port, &prefix("approval")).await? {
        if let Some(session) = notes::session_of(&key) {
            left.entry(session).or_default().approvals.push((key, note.fact));
        }
    }
    for (key, note) in notes::all::<CommandNote>(port, &prefix("command")).await? {
        if let Some(session) = notes::session_of(&key) {
            left.entry(session).or_default().commands.push((key, note));
        }
    }
    for (key, note) in notes::all::<ProcessNote>(port, &prefix("process")).await? {
        if let Some(session) = notes::session_of(&key) {
            left.entry(session).or_default().process = Some(note.mark);
        }
    }
    for (key, BrokenNote { .. }) in notes::all(port, &prefix("broken")).await? {
        if let Some(session) = notes::session_of(&key) {
            left.entry(session).or_default().broken = true;
        }
    }
    Ok(left)
}

async fn one(context: &Context, id: SessionId, mut left: Left) -> Result<Option<Restored>, PortError> {
    let Some(mut row) = notes::get::<SessionNote>(&*context.port, &notes::session(id)).await? else {
        tracing::error!(session = %id, "notes of a session that has none itself");
        return Ok(None);
    };
    let now = context.now();
    let mut batch = Batch::default();
    let (mut running, mut queue): (Vec<_>, Vec<_>) =
        left.turns.into_iter().partition(|turn| turn.fact.state.is_running() || turn.handed);
    running.sort_by_key(|turn| turn.fact.ord);
    queue.sort_by_key(|turn| turn.fact.ord);
    let queue: Vec<_> = queue.into_iter().map(|turn| (left.tried.remove(&notes::tried(id, turn.id)), turn)).collect();
    let mut queue: Vec<_> = queue.into_iter().map(|(tried, turn)| (turn, tried)).collect();
    // Of turns that have begun nothing is to be tried any more.
    for key in left.tried.into_keys() {
        batch.note(key, None);
    }
    for note in running {
        let (items, stream) = salvage::unsettled(&*context.port, &note, now).await?;
        for (item, fact) in items {
            batch.journal(id, (item, Operation::Insert, fact));
        }
        if let Some(held) = note.command {
            batch.report.commands.push(Transition { turn: Some(note.id), ..succeeded(held) });
        }
        let fact = Turn {
            state: TurnState::Interrupted,
            ended_at_ms: Some(now),
            error: Some(TurnError { code: TurnErrorCode::HostRestarted, by: None }),
            steer: None,
            quiet_since_ms: None,
            ..note.fact
        };
        batch.journal(id, (note.id, Operation::Update, fact));
        if stream {
            batch.step(StreamStep::CloseTurn(note.id));
        }
        batch.note(notes::turn(id, note.id), None);
        row.last_turn = Some(LastTurn { id: note.id, state: TurnState::Interrupted });
        row.ended_turns += 1;
    }
    for (key, fact) in left.approvals {
        let Some(approval) = key.rsplit('/').next().and_then(|key| key.parse().ok()) else { continue };
        let fact = Approval { state: ApprovalState::Stale, ..fact };
        batch.journal(id, (approval, Operation::Update, fact.clone()));
        batch.feed((approval, Operation::Update, fact));
        batch.note(key, None);
    }
    for (key, CommandNote { held, kind, todo, .. }) in left.commands {
        match todo {
            Some(Todo::Cancel { turn, by }) => {
                if let Some(place) = queue.iter().position(|(waiting, _)| waiting.id == turn) {
                    let (waiting, tried) = queue.remove(place);
                    never_runs(&mut batch, &mut row, waiting, tried, now, by);
                }
            }
            Some(Todo::Choose { model, mode, effort }) => row.choose(model, mode, effort),
            None => {}
        }
        // What these asked for is true by now, but an answer that the agent may never have heard.
        let step = match kind {
            CommandKind::AnswerApproval => Transition::failed(
                held.id,
                held.token,
                ErrorCode::AgentDied,
                "the host restarted before the agent took it",
            ),
            _ => succeeded(held),
        };
        batch.report.commands.push(step);
        batch.note(key, None);
    }
    if left.broken {
        for (turn, tried) in queue.drain(..) {
            if tried.is_some() {
                batch.note(notes::tried(id, turn.id), None);
            }
            not_begun(&mut batch, id, turn, now);
            row.ended_turns += 1;
        }
        batch.note(notes::broken(id), None);
    }
    batch.note(notes::process(id), None);
    batch.feed(session::fact(context, id, &row, Activity::NotLoaded, queue.len(), Operation::Update));
    batch.note(notes::session(id), Some(notes::encode(&row)));
    commit(context, batch.report).await?;
    Ok((!queue.is_empty()).then_some(Restored { id, row, queue }))
}

/// Writes down that a turn which waits was taken back by somebody.
fn never_runs(
    batch: &mut Batch,
    row: &mut SessionNote,
    waiting: TurnNote,
    tried: Option<Tried>,
    now: UnixMs,
    by: Sender,
) {
    let (id, session) = (waiting.id, waiting.fact.session);
    if let Some(held) = waiting.command {
        let step = Transition::to(held.id, held.token, CommandState::Cancelled);
        batch.report.commands.push(Transition { turn: Some(id), tried: tried.map(Tried::over), ..step });
    }
    let error = Some(TurnError { code: TurnErrorCode::Cancelled, by: Some(by) });
    let fact = Turn { state: TurnState::Interrupted, error, ended_at_ms: Some(now), steer: None, ..waiting.fact };
    batch.journal(session, (id, Operation::Update, fact));
    batch.note(notes::turn(session, id), None);
    if tried.is_some() {
        batch.note(notes::tried(session, id), None);
    }
    row.last_turn = Some(LastTurn { id, state: TurnState::Interrupted });
    row.ended_turns += 1;
}

/// A turn that waited in a session that could not go on: it never began, and does not any more.
fn not_begun(batch: &mut Batch, session: SessionId, note: TurnNote, now: UnixMs) {
    let detail = "this chat could not be written, so what waited in it was not begun";
    if let Some(held) = note.command {
        let step = Transition::failed(held.id, held.token, ErrorCode::Internal, detail);
        batch.report.commands.push(Transition { turn: Some(note.id), ..step });
    }
    let content = TurnContent { detail: Some(detail.to_owned()), ..note.fact.content };
    let fact = Turn {
        state: TurnState::Interrupted,
        ended_at_ms: Some(now),
        error: Some(TurnError { code: TurnErrorCode::HostRestarted, by: None }),
        steer: None,
        content,
        ..note.fact
    };
    batch.journal(session, (note.id, Operation::Update, fact));
    batch.note(notes::turn(session, note.id), None);
}

fn succeeded(held: Held) -> Transition {
    Transition::to(held.id, held.token, CommandState::Succeeded)
}

/// Commits a report; commands that are in other hands by now stay there.
///
/// # Errors
/// What the port says.
pub(crate) async fn commit(context: &Context, mut report: Report) -> Result<(), PortError> {
    loop {
        match context.report(report.clone()).await {
            Err(error @ PortError::LeaseLost { command }) => {
                let before = report.commands.len();
                report.commands.retain(|step| step.id != command);
                if report.commands.len() == before {
                    return Err(error);
                }
            }
            done => return done.map(|_| ()),
        }
    }
}
