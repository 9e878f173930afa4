//! The port: six methods, and what every implementation promises.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use protocol::offset::Offset;
use protocol::path::StreamPath;
use protocol::time::UnixMs;

/// A future on the heap: the one place where the port pays for being a trait object.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One log and one map that commit together.
///
/// Laws, each a function of the contract: a batch happens whole or not at all; commits are serial, and what one
/// committed the next sees; an acknowledged commit survives the death of the process; offsets only grow and never
/// change their meaning; a reader never sees what is not durable.
///
/// Futures may be dropped. A dropped `commit` happens or does not; it never happens by half.
pub trait Store: Send + Sync + fmt::Debug + 'static {
    /// Commits a batch: everything in it, in order, in one durable step.
    ///
    /// # Errors
    /// [`CommitError::Conflict`] when one operation's expectation does not hold, with nothing of the batch done;
    /// [`CommitError::Broken`] when the disk failed: it is unknown whether the batch happened, and no later commit of this
    /// store succeeds (an fsync that failed cannot be trusted when tried again); [`CommitError::Full`] when the disk is full, with
    /// nothing of the batch done.
    fn commit(&self, batch: Batch) -> Later<'_, Result<Vec<Done>, CommitError>>;

    /// Reads a page of a stream, forwards or backwards.
    ///
    /// # Errors
    /// [`ReadError`]; a stream that does not exist is `NoStream`.
    fn read(&self, read: Read) -> Later<'_, Result<Page, ReadError>>;

    /// Tells what a stream is and where it ends; `None` when there is none.
    ///
    /// # Errors
    /// [`ReadError::Broken`] when the disk failed.
    fn head<'a>(&'a self, stream: &'a StreamPath) -> Later<'a, Result<Option<Head>, ReadError>>;

    /// Reads one entry of the map; `None` when there is none.
    ///
    /// # Errors
    /// [`ReadError::Broken`] when the disk failed.
    fn get<'a>(&'a self, key: &'a str) -> Later<'a, Result<Option<Entry>, ReadError>>;

    /// Reads entries of the map whose key starts with a prefix, in the order of their keys.
    ///
    /// # Errors
    /// [`ReadError::Broken`] when the disk failed.
    fn scan(&self, scan: Scan) -> Later<'_, Result<Vec<Entry>, ReadError>>;

    /// Drops messages of a stream; offsets of what stays do not change.
    ///
    /// # Errors
    /// [`CommitError::Conflict`] with [`Conflict::NoStream`]; [`CommitError::Broken`]; [`CommitError::Full`].
    fn trim<'a>(&'a self, stream: &'a StreamPath, cut: Cut) -> Later<'a, Result<(), CommitError>>;
}

/// What a trim drops. What a fork inherited belongs to the stream it was forked from and is dropped there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// The messages that end at or before an offset.
    Before(Offset),
    /// Messages among others, each superseded by a later one or a deletion that nobody has to hear of any more. A stream that was forked, and
    /// a fork, are left as they are.
    Holes {
        /// The incarnation of the stream; another one is left alone.
        epoch: u64,
        /// Where the messages begin; what begins nowhere else is left alone.
        starts: Vec<u64>,
        /// The first byte at which a reader who was here before may go on: behind the last deletion that was dropped. Never moves
        /// back; when it moves, [`Head::compactions`] grows.
        resume: u64,
    },
}

/// Operations that commit together, in order.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// The operations. A later one sees what an earlier one did.
    pub operations: Vec<Operation>,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// A batch of one operation.
    pub fn of(operation: impl Into<Operation>) -> Self {
        Self { operations: vec![operation.into()] }
    }

    /// Adds an operation at the end.
    #[must_use]
    pub fn and(mut self, operation: impl Into<Operation>) -> Self {
        self.operations.push(operation.into());
        self
    }

    /// Adds an operation at the end.
    pub fn push(&mut self, operation: impl Into<Operation>) {
        self.operations.push(operation.into());
    }
}

/// One step of a batch.
#[derive(Debug, Clone)]
pub enum Operation {
    /// Makes a stream.
    Create(Create),
    /// Makes a stream that begins with what another one holds.
    Fork(Fork),
    /// Adds messages to a stream, closes it, or both.
    Append(Append),
    /// Removes a stream with its messages and producers. A stream made later under the same path gets the next epoch.
    ///
    /// A stream that others were forked from is retired: it takes and shows nothing any more, and goes with the last of them.
    Delete(StreamPath),
    /// Writes, or removes, an entry of the map.
    Put(Put),
}

impl From<Create> for Operation {
    fn from(create: Create) -> Self {
        Self::Create(create)
    }
}

impl From<Fork> for Operation {
    fn from(fork: Fork) -> Self {
        Self::Fork(fork)
    }
}

impl From<Append> for Operation {
    fn from(append: Append) -> Self {
        Self::Append(append)
    }
}

impl From<Put> for Operation {
    fn from(put: Put) -> Self {
        Self::Put(put)
    }
}

/// Makes a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    /// Where.
    pub stream: StreamPath,
    /// What its messages are, fixed for ever.
    pub content_type: String,
    /// Whatever the layer above wants to keep with the stream (TTL, fork source); opaque here, fixed at creation.
    pub config: Bytes,
    /// The first messages.
    pub messages: Vec<Bytes>,
    /// Whether the stream is closed at once.
    pub close: bool,
    /// Whether a stream that exists with equal type and config, and is closed or open alike, is a success without effect
    /// ([`Done::Existed`]). Messages are not compared.
    pub or_same: bool,
}

/// Makes a stream that begins with what another one holds up to a position; nothing is copied.
///
/// Positions up to there mean the same in both. So the fork has the epoch of its source, or the next one of its own path where that is
/// higher; then positions of the source are not positions of the fork.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    /// What is made; its messages follow what is inherited.
    pub create: Create,
    /// The stream that it begins with.
    pub source: StreamPath,
    /// Where the two part: a position of the source, also inside a message when the stream is not JSON.
    pub at: Offset,
}

/// Adds messages to a stream, closes it, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// Where.
    pub stream: StreamPath,
    /// The messages, in order; may be empty only when `close` is set. A message without a byte has no position and is left out.
    pub messages: Vec<Bytes>,
    /// The epoch of the stream that it is meant for; one that was made later under this path is another. `None`: whichever is there.
    pub epoch: Option<u64>,
    /// The offset at which the stream must end before this append.
    pub expected: Option<Offset>,
    /// Who appends, for exactly once.
    pub producer: Option<Producer>,
    /// The value of `Stream-Seq`: must be greater, byte by byte, than the stream's last one.
    pub seq: Option<String>,
    /// Whether the stream ends with this append. An append without messages and producer that closes a closed stream is a success
    /// without effect.
    pub close: bool,
}

impl Append {
    /// A plain append.
    pub fn new(stream: StreamPath, messages: Vec<Bytes>) -> Self {
        Self { stream, messages, epoch: None, expected: None, producer: None, seq: None, close: false }
    }
}

/// An idempotent producer's place: state is kept per stream and id, and commits with the data it guards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Producer {
    /// The producer's name.
    pub id: String,
    /// Its incarnation.
    pub epoch: u64,
    /// The number of this append in that incarnation, from 0.
    pub seq: u64,
}

/// Writes, or removes, an entry of the map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// The key.
    pub key: String,
    /// The new value; `None` removes the entry.
    pub value: Option<Bytes>,
    /// What must hold before.
    pub expected: Expected,
}

impl Put {
    /// Writes whatever was there before.
    pub fn set(key: impl Into<String>, value: impl Into<Bytes>) -> Self {
        Self { key: key.into(), value: Some(value.into()), expected: Expected::Anything }
    }

    /// Removes whatever was there before.
    pub fn remove(key: impl Into<String>) -> Self {
        Self { key: key.into(), value: None, expected: Expected::Anything }
    }

    /// Demands that the entry be absent, or have this version.
    #[must_use]
    pub fn expecting(mut self, expected: Expected) -> Self {
        self.expected = expected;
        self
    }
}

/// What a put demands of the entry that it replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Nothing.
    Anything,
    /// That there be none.
    Absent,
    /// That it have this version.
    Version(u64),
}

/// What one operation of a batch did; results stand in the order of the operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// A stream was made; it ends at this offset.
    Created(Offset),
    /// A stream of the same kind existed; it ends at this offset.
    Existed(Offset),
    /// Messages were added, or the stream closed; it now ends at this offset.
    Appended(Offset),
    /// The producer had done this append already; nothing was added. `tail` is where the stream ends, `seq` the producer's
    /// highest accepted number.
    Duplicate {
        /// Where the stream ends.
        tail: Offset,
        /// The producer's highest accepted number.
        seq: u64,
        /// Whether the stream is closed.
        closed: bool,
    },
    /// The stream is gone, or was never there.
    Deleted {
        /// Whether there was one.
        existed: bool,
    },
    /// The entry was written and has this version (0 when it was removed).
    Put(u64),
}

/// An expectation that did not hold. Nothing of the batch was done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// There is no such stream.
    #[error("there is no stream {stream}")]
    NoStream {
        /// Which.
        stream: StreamPath,
    },
    /// The stream was deleted and is kept only for those that were forked from it.
    #[error("stream {stream} was deleted; others go on from it")]
    Retired {
        /// Which.
        stream: StreamPath,
    },
    /// The stream is another one than was meant: it was made anew under this path.
    #[error("stream {stream} is at epoch {current}, another one than was meant")]
    Epoch {
        /// Which.
        stream: StreamPath,
        /// The epoch of the one that is there.
        current: u64,
    },
    /// A stream of another kind exists.
    #[error("stream {stream} exists and differs")]
    Exists {
        /// Which.
        stream: StreamPath,
    },
    /// The stream is closed.
    #[error("stream {stream} is closed at {tail}")]
    Closed {
        /// Which.
        stream: StreamPath,
        /// Its final offset.
        tail: Offset,
    },
    /// The stream does not end where it was expected to.
    #[error("stream {stream} ends at {tail}, not at {expected}")]
    Tail {
        /// Which.
        stream: StreamPath,
        /// Where it ends.
        tail: Offset,
        /// Where it should have ended.
        expected: Offset,
    },
    /// `Stream-Seq` is not greater than the last one.
    #[error("stream {stream} has seen a Stream-Seq that is not smaller")]
    Seq {
        /// Which.
        stream: StreamPath,
    },
    /// A newer incarnation of the producer has written.
    #[error("producer is fenced: epoch {current} has written to {stream}")]
    Fenced {
        /// Which stream.
        stream: StreamPath,
        /// The newest epoch.
        current: u64,
    },
    /// A new incarnation of a producer must begin at 0.
    #[error("producer epoch must begin at 0 on {stream}, not at {received}")]
    EpochStart {
        /// Which stream.
        stream: StreamPath,
        /// The number that came.
        received: u64,
    },
    /// A number of the producer is missing.
    #[error("producer expected {expected} on {stream}, not {received}")]
    Gap {
        /// Which stream.
        stream: StreamPath,
        /// The number that was due.
        expected: u64,
        /// The number that came.
        received: u64,
    },
    /// The entry of the map is not what was expected.
    #[error("entry {key} has version {actual:?}")]
    Version {
        /// Which key.
        key: String,
        /// Its version; `None` when there is none.
        actual: Option<u64>,
    },
}

/// A commit failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// An expectation did not hold; nothing was done.
    #[error("operation {index}: {conflict}")]
    Conflict {
        /// Which operation of the batch, from 0.
        index: usize,
        /// What did not hold.
        conflict: Conflict,
    },
    /// The disk failed; the store takes no more commits.
    #[error("the store is broken: {reason}")]
    Broken {
        /// What the disk or the engine said.
        reason: String,
    },
    /// The disk is full. Nothing was done, and the store takes commits again once there is room.
    #[error("the disk is full: {reason}")]
    Full {
        /// What the engine said.
        reason: String,
    },
}

/// A read failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// There is no such stream.
    #[error("there is no stream {stream}")]
    NoStream {
        /// Which.
        stream: StreamPath,
    },
    /// The stream was deleted and is kept only for those that were forked from it.
    #[error("stream {stream} was deleted; others go on from it")]
    Retired {
        /// Which.
        stream: StreamPath,
    },
    /// The offset is of another epoch, past the end, or inside a message of a stream whose messages are whole.
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
    /// The offset was trimmed away.
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

/// What to read of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Which stream.
    pub stream: StreamPath,
    /// From where. `None`: the first position kept when reading forwards, the tail when reading backwards.
    pub from: Option<Offset>,
    /// For who began at the beginning: [`Head::compactions`] as it was then, which lets the reader through the part where only those
    /// may go on who heard no deletion that was dropped since.
    pub walk: Option<u64>,
    /// Which way.
    pub direction: Direction,
    /// Most bytes of messages; a page holds at least one message when there is one.
    pub max_bytes: usize,
    /// Most messages.
    pub max_messages: usize,
}

/// Which way to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Messages that begin at or after the position, in order.
    Forwards,
    /// Messages that end at or before the position, newest first. In a stream that is not JSON a position inside a message yields
    /// the beginning of that message first.
    Backwards,
}

/// A page of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The messages, each with the offset at which it **ends**, in the order of the direction. Reading forwards from inside a
    /// message of a stream that is not JSON yields the rest of that message.
    pub messages: Vec<Message>,
    /// Where the next page in the same direction begins: the tail, when nothing is left to read forwards.
    pub next: Offset,
    /// The head of the stream at the moment of reading.
    pub head: Head,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it begins.
    pub start: Offset,
    /// Where it ends.
    pub end: Offset,
    /// Its bytes, as they were appended.
    pub body: Bytes,
}

/// What a stream is and where it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its type.
    pub content_type: String,
    /// What the layer above keeps with it.
    pub config: Bytes,
    /// The first position kept.
    pub first: Offset,
    /// The first position at which a reader who was here before may go on; behind `first` when deletions were dropped.
    pub resume: Offset,
    /// How often `resume` has moved.
    pub compactions: u64,
    /// The end.
    pub tail: Offset,
    /// Whether it is closed.
    pub closed: bool,
    /// The producer append that closed it, if one did.
    pub closed_by: Option<Producer>,
    /// When it was made, by the store's clock.
    pub created_at: UnixMs,
}

/// An entry of the map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Bytes,
    /// Grows by one with each write of this key, from 1; goes on after a removal, which is not a write.
    pub version: u64,
}

/// What to read of the map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// What keys start with.
    pub prefix: String,
    /// The key after which to begin (before which, backwards); `None` begins at the first (last).
    pub after: Option<String>,
    /// Which way.
    pub direction: Direction,
    /// Most entries.
    pub limit: usize,
}
