//! The pipeline of a session: one report under way at a time; what happens meanwhile goes with the next.

use std::fmt;
use std::sync::Arc;

use protocol::fact::Operation;
use protocol::id::{RuleId, TurnId};
use protocol::offset::Offset;
use protocol::port::{PortError, Report, Reported, StreamStep};
use protocol::time::UnixMs;

use super::batch::{Accepts, After, Batch};
use crate::agent::Later;
use crate::context::Context;
use crate::notes::{self, RuleNote};

/// A report under way.
pub(crate) struct InFlight {
    pub(crate) after: Vec<After>,
    pub(crate) accepts: Option<Accepts>,
    /// The turn whose stream it extends last, and the place of that step.
    turn: Option<(TurnId, usize)>,
    pub(crate) sent: Later<'static, Sent>,
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlight").field("after", &self.after).field("accepts", &self.accepts).finish_non_exhaustive()
    }
}

/// What became of a report.
#[derive(Debug)]
pub(crate) enum Sent {
    /// It is durable.
    Done(Reported),
    /// The command that it accepts is in other hands; nothing of it happened.
    Lost,
    /// It cannot be written.
    Failed(PortError),
}

impl InFlight {
    /// Sends a batch.
    pub(crate) fn send(context: Arc<Context>, batch: Batch) -> Self {
        let Batch { report, after, accepts, uses, .. } = batch;
        let turn = report.streams.iter().enumerate().rev().find_map(|(place, step)| match step {
            StreamStep::CreateTurn(turn) | StreamStep::Turn(turn, _) => Some((*turn, place)),
            StreamStep::CreateJournal(_) | StreamStep::Journal(..) | StreamStep::CloseTurn(_) => None,
        });
        Self { after, accepts, turn, sent: Box::pin(send(context, report, accepts, uses)) }
    }

    /// Where the stream of a turn ends now, if the report extended it.
    pub(crate) fn end(&self, reported: &Reported, of: TurnId) -> Option<Offset> {
        let (turn, place) = self.turn?;
        reported.ends.get(place).filter(|_| turn == of).map(|(_, end)| *end)
    }
}

async fn send(
    context: Arc<Context>,
    mut report: Report,
    accepts: Option<Accepts>,
    uses: Vec<(RuleId, UnixMs)>,
) -> Sent {
    if uses.is_empty() {
        return commit(&context, report, accepts).await;
    }
    let counting = context.rules.counting.lock().await;
    let counted = context.rules.with_uses(&uses);
    for (id, rule) in &counted {
        report.feed.push((*id, Operation::Update, rule.clone()).into());
        report.notes.push((notes::rule_use(*id), Some(notes::encode(&RuleNote::of(rule.clone())))));
    }
    let sent = commit(&context, report, accepts).await;
    if let Sent::Done(_) = sent {
        context.rules.count(counted);
    }
    drop(counting);
    sent
}

async fn commit(context: &Context, mut report: Report, accepts: Option<Accepts>) -> Sent {
    loop {
        match context.report(report.clone()).await {
            Ok(reported) => return Sent::Done(reported),
            Err(PortError::LeaseLost { command }) if accepts.is_some_and(|accepts| accepts.command == command) => {
                return Sent::Lost;
            }
            Err(error @ PortError::LeaseLost { command }) => {
                // What the agent said is true whoever holds the command now.
                tracing::warn!(%command, "a command is in other hands");
                let before = report.commands.len();
                report.commands.retain(|step| step.id != command);
                if report.commands.len() == before {
                    return Sent::Failed(error);
                }
            }
            Err(error) => return Sent::Failed(error),
        }
    }
}
