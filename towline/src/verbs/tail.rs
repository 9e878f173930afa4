//! `tail`: a session as it goes on.

use std::time::Duration;

use client::{SessionFollow, Source, Update};
use protocol::id::{SessionId, TurnId};
use protocol::offset::Offset;
use serde::Serialize;
use serde_json::value::RawValue;

use super::printer::Printer;
use crate::cli::Tail;
use crate::error::CommandError;
use crate::node::Node;
use crate::output::Output;
use crate::people::is_held;

/// Between two looks at the lists once the journal says that nothing runs.
const LOOK: Duration = Duration::from_millis(200);

/// A fact, as `--json` prints it; stable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FactLine<'a> {
    /// `journal` or `turn`.
    pub(super) source: &'static str,
    /// The turn, of a turn stream.
    pub(super) turn: Option<TurnId>,
    /// The offset behind the batch that it came in; null for what was read before the tail.
    pub(super) next: Option<Offset>,
    /// The fact, as it stands in the stream.
    pub(super) fact: &'a RawValue,
}

/// Prints the facts of an update as JSON.
pub(super) fn json(update: &Update, out: Output) -> Result<(), CommandError> {
    let Update::Facts { source, facts, next, .. } = update else { return Ok(()) };
    let (source, turn) = match source {
        Source::Journal => ("journal", None),
        Source::Turn(turn) => ("turn", Some(*turn)),
    };
    facts.iter().try_for_each(|fact| out.json(&FactLine { source, turn, next: *next, fact }))
}

/// Shows a session until it is idle, or until the person has seen enough.
pub(crate) async fn tail(node: &Node, wish: Tail, out: Output) -> Result<(), CommandError> {
    let session = node.known().await?.session(&wish.session)?;
    let socket = node.socket();
    let mut follow = SessionFollow::open(node.api.clone(), &socket, session, true).await?;
    let mut enough = std::pin::pin!(tokio::signal::ctrl_c());
    let mut printer = Printer::default();
    // The lists may say later than the journal that nothing waits any more, and nothing more comes in the journal then.
    let (mut at_end, mut lags) = (false, false);
    loop {
        let update = tokio::select! {
            update = follow.next() => update?,
            () = tokio::time::sleep(LOOK), if lags => {
                if is_idle(node, session, &follow).await? {
                    break;
                }
                continue;
            }
            _signal = &mut enough => break,
        };
        match (out.json, wish.canonical) {
            (true, _) => json(&update, out)?,
            (false, true) => {}
            (false, false) => out.raw(&printer.news(follow.transcript()))?,
        }
        match update {
            Update::CaughtUp(Source::Journal) => at_end = true,
            Update::Facts { source: Source::Journal, up_to_date, .. } => at_end = up_to_date,
            Update::CaughtUp(Source::Turn(_)) | Update::Facts { source: Source::Turn(_), .. } => {}
            Update::Reset => at_end = false,
        }
        lags = wish.until_idle && at_end && follow.is_idle();
        if lags && is_idle(node, session, &follow).await? {
            break;
        }
    }
    if wish.canonical {
        follow.transcript().canonical().iter().try_for_each(|line| out.line(line))?;
    } else if !out.json {
        out.raw(printer.finish())?;
    }
    socket.close().await;
    Ok(())
}

/// Whether nothing waits for the session: no command but those that wait for its owner's word, which may be never, and no turn that our
/// journal does not have yet.
async fn is_idle(node: &Node, session: SessionId, follow: &SessionFollow) -> Result<bool, CommandError> {
    let known = node.known().await?;
    let waits = known
        .commands
        .values()
        .any(|command| command.session == session && !command.state.is_final() && !is_held(command));
    let last = known.sessions.get(&session).and_then(|row| row.last_turn);
    let seen = last.is_none_or(|turn| {
        turn.state.is_final() && follow.transcript().find_turn(turn.id).is_some_and(|turn| turn.state.is_final())
    });
    Ok(!waits && seen)
}
