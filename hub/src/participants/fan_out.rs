//! What an owner is told of a session its participants are told in the same step: the one place through which every commit goes.

use std::collections::HashMap;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use protocol::fact::{FeedFact, Operation};
use protocol::id::{AccountId, SessionId};
use protocol::path::{Owned, StreamPath};
use store::{Append, Batch, Done, Operation as Step, Put};
use tokio_util::task::TaskTracker;

use super::Alone;
use super::shared::Circles;
use crate::failure::Failure;
use crate::feed::row_of;
use crate::hub::Hub;
use crate::keys;

/// A fact that somebody else is told, too.
#[derive(Debug)]
struct Copied {
    session: SessionId,
    to: AccountId,
    row: String,
    operation: Operation,
    message: Bytes,
}

/// What a batch means for participants.
#[derive(Debug, Default)]
pub(super) struct Plan {
    copies: Vec<Copied>,
    /// Shared sessions that end with it.
    pub(super) ended: Vec<SessionId>,
}

impl Plan {
    /// Looks at the facts that a batch tells owners of shared sessions.
    pub(super) async fn of(hub: &Hub, batch: &Batch, circles: &Circles) -> Result<Self, Failure> {
        let mut plan = Self::default();
        // Of rows that the batch itself makes; what it removes does not say of which session it was.
        let mut here: HashMap<String, SessionId> = HashMap::new();
        for operation in &batch.operations {
            let Step::Append(append) = operation else { continue };
            let Some(Owned::Feed(owner)) = append.stream.owned() else { continue };
            if !circles.values().any(|circle| circle.owner == owner) {
                continue;
            }
            for message in &append.messages {
                let Ok(fact) = FeedFact::parse(message) else { continue };
                let Some((kind, key, operation)) = row_of(&fact) else { continue };
                if !matches!(kind, "session" | "command" | "approval" | "participant") {
                    continue;
                }
                let row = keys::row(owner, kind, &key);
                let session = match session_of(&fact) {
                    Some(session) => Some(session),
                    None => match here.get(&row) {
                        Some(session) => Some(*session),
                        None => hub.inner.streams.get(&row).await?.and_then(|row| row_session(&row.value)),
                    },
                };
                let Some(session) = session else { continue };
                here.insert(row, session);
                let Some(circle) = circles.get(&session).filter(|circle| circle.owner == owner) else { continue };
                if kind == "session" && operation == Operation::Delete {
                    plan.ended.push(session);
                }
                plan.copies.extend(circle.participants.keys().map(|to| Copied {
                    session,
                    to: *to,
                    row: keys::row(*to, kind, &key),
                    operation,
                    message: message.clone(),
                }));
            }
        }
        plan.copies.retain(|copy| !plan.ended.contains(&copy.session));
        Ok(plan)
    }

    /// Adds what participants are told, behind everything else: what is asked of the batch by its places stays where it is.
    pub(super) fn add_to(self, batch: &mut Batch) {
        for copy in self.copies {
            batch.push(Append::new(StreamPath::feed(copy.to), vec![copy.message.clone()]));
            batch.push(match copy.operation {
                Operation::Insert | Operation::Update => Put::set(copy.row, copy.message),
                Operation::Delete => Put::remove(copy.row),
            });
        }
    }
}

/// The session that a fact is about.
pub(super) fn session_of(fact: &FeedFact) -> Option<SessionId> {
    match fact {
        FeedFact::Session { id, .. } | FeedFact::ReadMark { id, .. } => Some(*id),
        FeedFact::Command { value: Some(command), .. } => Some(command.session),
        FeedFact::Approval { value: Some(approval), .. } => Some(approval.session),
        FeedFact::Participant { value: Some(participant), .. } => Some(participant.session),
        _ => None,
    }
}

/// The session that the fact in a row is about.
pub(super) fn row_session(message: &[u8]) -> Option<SessionId> {
    session_of(&FeedFact::parse(message).ok()?)
}

/// Commits a batch on a hub that several people share, with all that participants are told by it. Goes on to its end when the caller
/// leaves: what is on its way holds the gate until it is done.
pub(crate) async fn commit(hub: &Hub, batch: Batch) -> Result<Vec<Done>, Failure> {
    let tasks = hub.inner.tasks.clone();
    let hub = hub.clone();
    let asked = batch.operations.len();
    let work = Box::pin(async move {
        let mut done = through(&hub, batch).await?;
        done.truncate(asked);
        Ok(done)
    });
    ToTheEnd { work: Some(work), tasks }.await
}

async fn through(hub: &Hub, mut batch: Batch) -> Result<Vec<Done>, Failure> {
    let sharing = &hub.inner.sharing;
    let among = sharing.among().await;
    let circles = sharing.circles();
    if circles.is_empty() {
        return Ok(hub.inner.streams.commit(batch).await?);
    }
    let plan = Plan::of(hub, &batch, &circles).await?;
    if plan.ended.is_empty() {
        plan.add_to(&mut batch);
        return Ok(hub.inner.streams.commit(batch).await?);
    }
    drop(among);
    let alone = Alone::on(hub).await;
    let mut draft = alone.draft();
    draft.batch = batch;
    alone.commit(draft).await
}

type Work = Pin<Box<dyn Future<Output = Result<Vec<Done>, Failure>> + Send>>;

/// Work that goes on in the background when whoever waits for it leaves.
struct ToTheEnd {
    work: Option<Work>,
    tasks: TaskTracker,
}

impl Future for ToTheEnd {
    type Output = Result<Vec<Done>, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Out while it is asked, so that one that panics is not asked once more by whoever drops this.
        let Some(mut work) = self.work.take() else { return Poll::Pending };
        let asked = work.as_mut().poll(context);
        if asked.is_pending() {
            self.work = Some(work);
        }
        asked
    }
}

impl Drop for ToTheEnd {
    fn drop(&mut self) {
        if let Some(work) = self.work.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            self.tasks.spawn_on(work, &runtime);
        }
    }
}
