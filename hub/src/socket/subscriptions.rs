//! The subscriptions of one socket: which streams it follows, under which numbers, and which of them have news.

use std::collections::{HashMap, VecDeque};

use axum::extract::ws::Utf8Bytes;
use protocol::error::{ErrorCode, Problem};
use protocol::limits::{MAX_BATCH_BYTES, MAX_PAGE_MESSAGES, MAX_SUBSCRIPTIONS};
use protocol::path::StreamPath;
use protocol::socket::{EndReason, From, ServerFrame};
use streams::{FollowError, Follower, Position, WakeSet};

use super::said;
use crate::hub::Hub;
use crate::identity::Identity;

/// The subscriptions of one socket. Frames are routed by the number alone (W-021).
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    wake: WakeSet,
    open: HashMap<u32, Subscription>,
    /// Who is served in this round, in ascending order of the numbers; whoever has more comes again in the next one.
    round: VecDeque<u32>,
}

#[derive(Debug)]
struct Subscription {
    follower: Follower,
    /// Whether the client knows that it has everything.
    told_end: bool,
}

/// What a subscription has to say.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Messages.
    pub(super) batch: Option<Utf8Bytes>,
    /// Its end.
    pub(super) ended: Option<ServerFrame>,
}

impl Subscriptions {
    /// Begins a subscription, and gives the one frame that answers the request: `subscribed`, `ended` when it is over before it began,
    /// or `error`.
    pub(super) async fn begin(
        &mut self,
        hub: &Hub,
        who: &Identity,
        sub: u32,
        stream: &StreamPath,
        from: From,
    ) -> ServerFrame {
        let refuse = |problem| ServerFrame::Error { req: None, sub: Some(sub), problem };
        if self.open.contains_key(&sub) {
            return refuse(Problem::new(ErrorCode::BadRequest).detail(format!("{sub} is in use on this socket")));
        }
        if self.open.len() >= MAX_SUBSCRIPTIONS {
            let detail = format!("a socket has at most {MAX_SUBSCRIPTIONS} subscriptions");
            return refuse(
                Problem::new(ErrorCode::RateLimited).detail(detail).hint("Release some that are not needed."),
            );
        }
        if let Err(problem) = hub.may_read(who.account, stream).await {
            return refuse(problem);
        }
        let position = match from {
            From::Start => Position::Start,
            From::Now => Position::Now,
            From::Offset(offset) => Position::Offset(offset),
        };
        let streams = hub.streams();
        let mut follower = match streams.follow(stream, position).await {
            Ok(follower) => follower,
            Err(FollowError::Gone { .. }) => return refuse(Problem::new(ErrorCode::NotFound)),
            Err(error) => return over(sub, &error, None),
        };
        // In this order, so that the end is never before the place where the subscription begins.
        let tail = match streams.head(stream).await {
            Ok(Some(head)) => head.tail,
            Ok(None) => return refuse(Problem::new(ErrorCode::NotFound)),
            Err(error) => return over(sub, &error.into(), None),
        };
        follower.hook(&self.wake, sub);
        let next = follower.offset();
        self.open.insert(sub, Subscription { follower, told_end: next == tail });
        ServerFrame::Subscribed { sub, next, tail }
    }

    /// Ends a subscription; one that is not there has ended.
    pub(super) fn end(&mut self, sub: u32) {
        self.open.remove(&sub);
    }

    /// Waits for a subscription that may have news. Cancellation safe.
    pub(super) async fn next(&mut self) -> u32 {
        loop {
            if let Some(sub) = self.round.pop_front() {
                return sub;
            }
            self.round = self.wake.next().await.into();
        }
    }

    /// One page of a subscription's news: nobody gets a second one before all others had theirs.
    pub(super) async fn news(&mut self, sub: u32) -> News {
        // The number may belong to nobody any more, or to another stream by now: then this is an idle look.
        let Some(subscription) = self.open.get_mut(&sub) else { return News::default() };
        let chunk = match subscription.follower.take(MAX_BATCH_BYTES, MAX_PAGE_MESSAGES).await {
            Ok(chunk) => chunk,
            Err(error) => {
                let next = subscription.follower.offset();
                self.open.remove(&sub);
                return News { batch: None, ended: Some(over(sub, &error, Some(next))) };
            }
        };
        let worth_telling = !chunk.messages.is_empty() || chunk.up_to_date != subscription.told_end;
        subscription.told_end = chunk.up_to_date;
        let batch = match worth_telling.then(|| said::batch(sub, &chunk)).transpose() {
            Ok(batch) => batch,
            Err(error) => {
                tracing::error!(stream = %subscription.follower.stream(), %error, "a stream holds what is not text");
                self.open.remove(&sub);
                let ended = ServerFrame::Ended { sub, reason: EndReason::Failed, next: None };
                return News { batch: None, ended: Some(ended) };
            }
        };
        let ended = chunk.closed.then(|| {
            self.open.remove(&sub);
            ServerFrame::Ended { sub, reason: EndReason::Closed, next: Some(chunk.next) }
        });
        News { batch, ended }
    }
}

/// The end of a subscription whose stream cannot be read on.
fn over(sub: u32, error: &FollowError, next: Option<protocol::offset::Offset>) -> ServerFrame {
    let reason = match error {
        FollowError::Gone { .. } => EndReason::Deleted,
        FollowError::BadOffset { .. } | FollowError::Trimmed { .. } => EndReason::Reset,
        FollowError::Broken { reason } => {
            tracing::error!(%reason, "the store is broken");
            EndReason::Failed
        }
    };
    ServerFrame::Ended { sub, reason, next }
}
