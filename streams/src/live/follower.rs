//! One reader that goes on where it is, whatever happens at the tail.

use std::sync::Arc;

use protocol::offset::Offset;
use protocol::path::StreamPath;
use store::{Direction, Head, Message, Read, ReadError};
use tokio::sync::watch;

use super::tail::{Glance, Tail};
use super::wake::WakeSet;
use crate::Streams;

/// Where to begin to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// At this position.
    Offset(Offset),
    /// At the first position kept.
    Start,
    /// On the way from the beginning, below what compaction lets others go on from: the position, and [`Head::compactions`] when the
    /// reader began.
    Walk {
        /// The position.
        at: Offset,
        /// The number of compactions.
        compactions: u64,
    },
    /// At the end.
    Now,
}

/// What a follower read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The messages in order, without a gap to the chunk before; their bytes are shared with every other reader.
    pub messages: Vec<Message>,
    /// Where the next chunk begins.
    pub next: Offset,
    /// Whether that was the end of the stream when it was read.
    pub up_to_date: bool,
    /// Whether it is the end for ever.
    pub closed: bool,
}

/// Following ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FollowError {
    /// The stream was deleted, made anew, or never there.
    #[error("stream {stream} is gone")]
    Gone {
        /// Which.
        stream: StreamPath,
    },
    /// The offset is not a position of the stream.
    #[error("offset {offset} is not a position of {stream}, which goes from {first} to {tail}")]
    BadOffset {
        /// Which stream.
        stream: StreamPath,
        /// What was asked for.
        offset: Offset,
        /// The first position kept.
        first: Offset,
        /// The end.
        tail: Offset,
    },
    /// What comes next was trimmed away.
    #[error("{stream} is kept from {first} on")]
    Trimmed {
        /// Which stream.
        stream: StreamPath,
        /// The first position kept.
        first: Offset,
        /// [`Head::resume`], and [`Head::compactions`]: who begins at `first` may have to walk.
        resume: Offset,
        /// See there.
        compactions: u64,
    },
    /// The disk failed.
    #[error("the store is broken: {reason}")]
    Broken {
        /// What the disk or the engine said.
        reason: String,
    },
}

/// A reader of one stream that can wait at its end. It holds no messages: a slow one is merely behind.
#[derive(Debug)]
pub struct Follower {
    streams: Streams,
    stream: StreamPath,
    at: Offset,
    tail: Arc<Tail>,
    news: watch::Receiver<()>,
    /// Whether nothing was left to read when we last looked, so that news is worth waiting for.
    caught_up: bool,
    closed: bool,
    /// Whether the store has confirmed our position since we joined this tail. Until then the tail may speak of another
    /// incarnation of the stream.
    confirmed: bool,
    /// The number of compactions when we began at the beginning, and where that begins to matter no more.
    walk: Option<u64>,
    resume: Offset,
    hook: Option<Hook>,
}

#[derive(Debug)]
struct Hook {
    wake: WakeSet,
    tag: u32,
    bell: u64,
}

impl Follower {
    pub(crate) async fn join(streams: Streams, stream: StreamPath, from: Position) -> Result<Self, FollowError> {
        // Listening begins before looking: what commits between the two is found by looking, what commits later is heard.
        let tail = streams.live().join(&stream);
        let mut follower = Self {
            news: tail.listen(),
            tail,
            at: Offset::ZERO,
            caught_up: false,
            closed: false,
            confirmed: false,
            walk: None,
            resume: Offset::ZERO,
            hook: None,
            streams,
            stream,
        };
        let Some(head) = follower.streams.head(&follower.stream).await? else { return Err(follower.gone()) };
        follower.resume = head.resume;
        follower.walk = match from {
            Position::Start => Some(head.compactions),
            Position::Walk { compactions, .. } => Some(compactions),
            Position::Offset(_) | Position::Now => None,
        };
        let walks = follower.walk == Some(head.compactions);
        follower.at = match from {
            Position::Start => head.first,
            Position::Now => head.tail,
            Position::Offset(offset) | Position::Walk { at: offset, .. }
                if offset.epoch == head.tail.epoch && offset <= head.tail =>
            {
                if offset < head.first || (offset < head.resume && offset.byte > 0 && !walks) {
                    let (stream, Head { first, resume, compactions, .. }) = (follower.stream.clone(), head);
                    return Err(FollowError::Trimmed { stream, first, resume, compactions });
                }
                offset
            }
            Position::Offset(offset) | Position::Walk { at: offset, .. } => {
                let stream = follower.stream.clone();
                return Err(FollowError::BadOffset { stream, offset, first: head.first, tail: head.tail });
            }
        };
        Ok(follower)
    }

    /// Which stream this reads.
    pub fn stream(&self) -> &StreamPath {
        &self.stream
    }

    /// Where the next chunk begins.
    pub fn offset(&self) -> Offset {
        self.at
    }

    /// How to name a position so that a reader can go on from there.
    pub fn name(&self, at: Offset) -> String {
        name(at, self.resume, self.walk.unwrap_or_default())
    }

    /// Announces this follower in a wake set under a tag, at once and whenever it may have something to read; ends with the
    /// follower, or when it is hooked again.
    pub fn hook(&mut self, wake: &WakeSet, tag: u32) {
        self.unhook();
        self.hook = Some(Hook { wake: wake.clone(), tag, bell: self.tail.hook(wake.clone(), tag) });
        wake.mark(tag);
    }

    /// Waits until there may be something to read: messages, the close, or the deletion of the stream. Resolves at once when
    /// something is known to be left. Cancellation safe.
    pub async fn ready(&mut self) {
        if self.caught_up && !self.closed {
            // The sender lives in the tail that we hold, so this cannot fail; if it did, looking would be right too.
            let _heard = self.news.changed().await;
            self.caught_up = false;
        }
    }

    /// Reads on, waiting for something to read: at least one message, or a close. After a closed chunk it answers at once with
    /// an empty closed one. Cancellation safe: the position moves only when the future completes.
    ///
    /// # Errors
    /// [`FollowError`]; the position stays.
    pub async fn next(&mut self, max_bytes: usize, max_messages: usize) -> Result<Chunk, FollowError> {
        loop {
            self.ready().await;
            let chunk = self.take(max_bytes, max_messages).await?;
            if chunk.closed || !chunk.messages.is_empty() {
                return Ok(chunk);
            }
        }
    }

    /// Reads on without waiting for news; the chunk is empty when nothing is left. At least one message when there is one,
    /// even if it is larger than `max_bytes`. Cancellation safe, but a caller that drops the future must call again without
    /// waiting for its wake set.
    ///
    /// # Errors
    /// [`FollowError`]; the position stays.
    pub async fn take(&mut self, max_bytes: usize, max_messages: usize) -> Result<Chunk, FollowError> {
        self.caught_up = false;
        self.news.borrow_and_update();
        let glance = self.tail.glance(self.at, max_bytes, max_messages);
        let chunk = match glance {
            Glance::Messages { messages, next, up_to_date, closed } if self.confirmed => {
                Chunk { messages, next, up_to_date, closed }
            }
            Glance::End { closed } if self.confirmed => {
                Chunk { messages: Vec::new(), next: self.at, up_to_date: true, closed }
            }
            Glance::Retired => {
                self.rejoin();
                self.load(max_bytes, max_messages).await?
            }
            Glance::Messages { .. } | Glance::End { .. } | Glance::Unknown => {
                self.load(max_bytes, max_messages).await?
            }
        };
        self.at = chunk.next;
        self.caught_up = chunk.up_to_date;
        self.closed = chunk.closed;
        if let Some(hook) = self.hook.as_ref().filter(|_| !chunk.up_to_date) {
            hook.wake.mark(hook.tag);
        }
        Ok(chunk)
    }

    /// Goes on at another position: inside the chunk just read, so that its rest comes again together with what follows, or where
    /// somebody else has read up to.
    pub(crate) fn back_to(&mut self, at: Offset) {
        self.at = at;
    }

    /// Whether nothing was left to read at the last look.
    pub(crate) fn waits(&self) -> bool {
        self.caught_up && !self.closed
    }

    /// Has the next read look, whatever was heard.
    pub(crate) fn look(&mut self) {
        self.caught_up = false;
    }

    async fn load(&mut self, max_bytes: usize, max_messages: usize) -> Result<Chunk, FollowError> {
        let (stream, from, walk) = (self.stream.clone(), Some(self.at), self.walk);
        let read = Read { stream, from, walk, direction: Direction::Forwards, max_bytes, max_messages };
        let page = self.streams.page(read).await?;
        self.tail.learn(&page.head);
        self.resume = page.head.resume;
        self.confirmed = true;
        let up_to_date = page.next == page.head.tail;
        Ok(Chunk { messages: page.messages, next: page.next, up_to_date, closed: up_to_date && page.head.closed })
    }

    /// Leaves a retired tail for the current one.
    fn rejoin(&mut self) {
        let hook = self.hook.take();
        if let Some(hook) = &hook {
            self.tail.unhook(hook.bell);
        }
        self.streams.live().leave(&self.stream, &self.tail);
        self.tail = self.streams.live().join(&self.stream);
        self.news = self.tail.listen();
        self.confirmed = false;
        self.hook = hook.map(|hook| Hook { bell: self.tail.hook(hook.wake.clone(), hook.tag), ..hook });
    }

    fn unhook(&mut self) {
        if let Some(hook) = self.hook.take() {
            // In this order: after it nobody can set the mark again.
            self.tail.unhook(hook.bell);
            hook.wake.forget(hook.tag);
        }
    }

    fn gone(&self) -> FollowError {
        FollowError::Gone { stream: self.stream.clone() }
    }
}

/// A position as readers are told it: with the number of compactions behind it where only those may go on who began at the beginning
/// since. It sorts as the position does.
pub(crate) fn name(at: Offset, resume: Offset, compactions: u64) -> String {
    if at.byte > 0 && at < resume { format!("{at}_{compactions:016}") } else { at.to_string() }
}

impl From<ReadError> for FollowError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NoStream { stream } | ReadError::Retired { stream } => FollowError::Gone { stream },
            ReadError::BadOffset { stream, offset, tail, .. } if offset.epoch != tail.epoch => {
                FollowError::Gone { stream }
            }
            ReadError::BadOffset { stream, offset, first, tail } => {
                FollowError::BadOffset { stream, offset, first, tail }
            }
            ReadError::Trimmed { stream, first, resume, compactions } => {
                FollowError::Trimmed { stream, first, resume, compactions }
            }
            ReadError::Broken { reason } => FollowError::Broken { reason },
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.unhook();
        self.streams.live().leave(&self.stream, &self.tail);
    }
}
