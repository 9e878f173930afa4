//! What people did to sessions and standing rules by the hub, at once: a new name, or the end of all of it.

use protocol::error::ErrorCode;
use protocol::id::{RuleId, SessionId};
use protocol::path::StreamPath;
use protocol::port::{PortError, Report, SessionNews, Transition};

use crate::context::Context;
use crate::notes::{self, CommandNote, Held, ProcessNote, SessionNote, TurnNote};
use crate::raw_lines;
use crate::restart;
use crate::session::files;

/// Does what is outstanding, before any session is loaded. Ends the processes of deleted sessions.
///
/// # Errors
/// What the port says.
pub(crate) async fn settle(context: &Context) -> Result<(), PortError> {
    let mut heard = None;
    loop {
        let told = context.port.news(context.me.generation, heard, false).await?;
        let Some((last, _)) = told.last() else { return Ok(()) };
        heard = Some(*last);
        for (_, news) in told {
            match news {
                SessionNews::Renamed { session, title } => rename(context, session, title).await?,
                SessionNews::Deleted { session } => erase(context, session, Life::Earlier).await?,
                SessionNews::RuleRevoked { rule } => forget_rule(context, rule).await?,
            }
        }
    }
}

/// Whether a session was deleted, and the host has not done its part yet: there are notes of it, and no journal. That is asked and not
/// looked for among the news, of which only some are told at once, what is urgent first.
pub(crate) async fn is_deleted(context: &Context, id: SessionId) -> bool {
    let port = &*context.port;
    let known = notes::get::<SessionNote>(port, &notes::session(id)).await;
    matches!(known, Ok(Some(_)))
        && matches!(port.read(StreamPath::journal(id), None, 1).await, Err(PortError::NoStream { .. }))
}

/// Names a session that is not loaded.
pub(crate) async fn rename(context: &Context, id: SessionId, title: String) -> Result<(), PortError> {
    let key = notes::session(id);
    let Some(row) = notes::get::<SessionNote>(&*context.port, &key).await? else { return Ok(()) };
    let row = SessionNote { title, ..row };
    let notes = vec![(key, Some(notes::encode(&row)))];
    context.report(Report { notes, ..Report::default() }).await.map(|_| ())
}

/// Answers by a standing rule no more.
pub(crate) async fn forget_rule(context: &Context, id: RuleId) -> Result<(), PortError> {
    context.rules.remove(id);
    let notes = vec![(notes::rule(id), None), (notes::rule_use(id), None)];
    context.report(Report { notes, ..Report::default() }).await.map(|_| ())
}

/// Which life of the host started the agent of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// One that is over: nobody uses any of its processes.
    Earlier,
    /// This one: what several sessions use goes on.
    This,
}

/// Removes whatever the host keeps of a session that is not loaded, and ends what still runs of it, which an agent that several
/// sessions use does itself. The agent's own transcript is the agent's.
///
/// # Errors
/// What the port says; then some of it may still be there, and it is to be done again.
pub(crate) async fn erase(context: &Context, id: SessionId, life: Life) -> Result<(), PortError> {
    let port = &*context.port;
    if let Some(ProcessNote { mark, .. }) = notes::get(port, &notes::process(id)).await?
        && (life == Life::Earlier || !mark.shared)
    {
        context.options.reaper.reap(vec![mark]).await;
    }
    files::remove(context, id).await;
    raw_lines::forget(context, id).await;
    let mut report = Report::default();
    let mut fail = |held: Held| {
        let detail = "the session was deleted";
        report.commands.push(Transition::failed(held.id, held.token, ErrorCode::NotFound, detail));
    };
    for (_, note) in notes::all::<TurnNote>(port, &format!("turn/{id}/")).await? {
        if let Some(held) = note.command {
            fail(held);
        }
    }
    for (_, note) in notes::all::<CommandNote>(port, &format!("command/{id}/")).await? {
        fail(note.held);
    }
    for kind in ["turn", "tried", "place", "approval", "command"] {
        let prefix = format!("{kind}/{id}/");
        report.notes.extend(notes::keys(port, &prefix).await?.into_iter().map(|key| (key, None)));
    }
    report.notes.extend([(notes::process(id), None), (notes::broken(id), None), (notes::session(id), None)]);
    for rule in context.rules.of_session(id) {
        context.rules.remove(rule);
        report.notes.extend([(notes::rule(rule), None), (notes::rule_use(rule), None)]);
    }
    restart::commit(context, report).await?;
    tracing::info!(session = %id, "a session was deleted");
    Ok(())
}
