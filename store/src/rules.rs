//! The rules of one append, apart from any engine: closing, producers, expectations (PROTOCOL.md "Idempotent producers").

use bytes::Bytes;
use protocol::offset::Offset;
use protocol::path::StreamPath;
use protocol::time::UnixMs;

use crate::port::{Append, Conflict, Create, Head, Producer};

/// Everything that an engine keeps about a stream besides its messages and producers.
///
/// A deleted stream stays as a tombstone (`alive` false), because its epoch must never come again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stream {
    /// The engine's own number for the path; `None` until it has one.
    pub(crate) row: Option<i64>,
    pub(crate) alive: bool,
    pub(crate) epoch: u64,
    pub(crate) content_type: String,
    pub(crate) config: Bytes,
    /// The first byte kept of its own messages; 0 as long as nothing was dropped.
    pub(crate) first: u64,
    /// Where its own messages begin: 0, or where it parted from `origin`.
    pub(crate) base: u64,
    pub(crate) origin: Option<StreamPath>,
    /// How many living or retired streams were forked from it.
    pub(crate) forks: u64,
    /// Deleted, and kept for its forks.
    pub(crate) retired: bool,
    /// See [`Head::resume`] and [`Head::compactions`].
    pub(crate) resume: u64,
    pub(crate) compactions: u64,
    pub(crate) tail: u64,
    pub(crate) closed: bool,
    pub(crate) closed_by: Option<Producer>,
    pub(crate) last_seq: Option<String>,
    pub(crate) created_at: UnixMs,
}

/// How far a producer has come on a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) epoch: u64,
    pub(crate) seq: u64,
}

/// What is to be done with an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Do it.
    Do,
    /// The producer has done it; `seq` is its highest number.
    Duplicate {
        /// The producer's highest accepted number.
        seq: u64,
    },
    /// It only closes, and the stream is closed: nothing is left to do.
    AlreadyClosed,
}

impl Stream {
    /// A stream as `create` makes it, before its first messages.
    pub(crate) fn fresh(create: &Create, row: Option<i64>, epoch: u64, now: UnixMs) -> Self {
        Self {
            row,
            alive: true,
            epoch,
            content_type: create.content_type.clone(),
            config: create.config.clone(),
            first: 0,
            base: 0,
            origin: None,
            forks: 0,
            retired: false,
            resume: 0,
            compactions: 0,
            tail: 0,
            closed: create.close,
            closed_by: None,
            last_seq: None,
            created_at: now,
        }
    }

    /// Makes it a tombstone: only the path and the epoch stay.
    pub(crate) fn bury(&mut self) {
        self.alive = false;
        self.content_type = String::new();
        self.config = Bytes::new();
        self.first = 0;
        self.base = 0;
        self.origin = None;
        self.forks = 0;
        self.retired = false;
        self.resume = 0;
        self.compactions = 0;
        self.tail = 0;
        self.closed = false;
        self.closed_by = None;
        self.last_seq = None;
    }

    pub(crate) fn tail(&self) -> Offset {
        Offset::new(self.epoch, self.tail)
    }

    /// Whether messages may be dropped from among others. Of what a fork shows, a part lies with its source, and is shown there too: what one
    /// supersedes the other may still need, and what is deleted in the one is there in the other.
    pub(crate) fn takes_holes(&self, epoch: u64) -> bool {
        self.epoch == epoch && self.forks == 0 && self.origin.is_none()
    }

    /// Takes note that deletions before this byte were dropped.
    pub(crate) fn drop_before(&mut self, resume: u64) {
        let resume = resume.min(self.tail);
        if resume > self.resume {
            self.resume = resume;
            self.compactions += 1;
        }
    }

    /// Whether a create of the `or_same` kind finds what it asks for.
    pub(crate) fn is_same(&self, create: &Create) -> bool {
        self.content_type == create.content_type && self.config == create.config && self.closed == create.close
    }

    /// The face that readers see, when nothing was inherited.
    pub(crate) fn head(&self) -> Head {
        Head {
            content_type: self.content_type.clone(),
            config: self.config.clone(),
            first: Offset::new(self.epoch, self.first),
            resume: Offset::new(self.epoch, self.resume),
            compactions: self.compactions,
            tail: self.tail(),
            closed: self.closed,
            closed_by: self.closed_by.clone(),
            created_at: self.created_at,
        }
    }
}

/// Judges an append to a living stream. `place` is where the append's producer stands.
///
/// A repeat of the producer is told before anything else, so that a retry never meets the expectation that its own first
/// try made false.
pub(crate) fn judge(stream: &Stream, place: Option<Place>, append: &Append) -> Result<Verdict, Conflict> {
    let path = || append.stream.clone();
    let producer = append.producer.as_ref();
    if let (Some(producer), Some(place)) = (producer, place)
        && producer.epoch == place.epoch
        && producer.seq <= place.seq
    {
        return Ok(Verdict::Duplicate { seq: place.seq });
    }
    if stream.closed {
        let only_closes = append.close && append.messages.iter().all(Bytes::is_empty) && producer.is_none();
        let as_expected = append.expected.is_none_or(|expected| expected == stream.tail());
        let closes_again = only_closes && as_expected;
        return if closes_again {
            Ok(Verdict::AlreadyClosed)
        } else {
            Err(Conflict::Closed { stream: path(), tail: stream.tail() })
        };
    }
    if let Some(producer) = producer {
        follows(&append.stream, place, producer)?;
    }
    if let Some(expected) = append.expected
        && expected != stream.tail()
    {
        return Err(Conflict::Tail { stream: path(), tail: stream.tail(), expected });
    }
    match (&append.seq, &stream.last_seq) {
        (Some(new), Some(last)) if new.as_bytes() <= last.as_bytes() => Err(Conflict::Seq { stream: path() }),
        _ => Ok(Verdict::Do),
    }
}

/// Whether `producer` is the next step from `place`; duplicates have been told apart before.
fn follows(stream: &StreamPath, place: Option<Place>, producer: &Producer) -> Result<(), Conflict> {
    let stream = || stream.clone();
    let gap = |expected| Conflict::Gap { stream: stream(), expected, received: producer.seq };
    match place {
        None if producer.seq == 0 => Ok(()),
        None => Err(gap(0)),
        Some(place) if producer.epoch < place.epoch => Err(Conflict::Fenced { stream: stream(), current: place.epoch }),
        Some(place) if producer.epoch > place.epoch => {
            if producer.seq == 0 {
                Ok(())
            } else {
                Err(Conflict::EpochStart { stream: stream(), received: producer.seq })
            }
        }
        Some(place) if producer.seq == place.seq.saturating_add(1) => Ok(()),
        Some(place) => Err(gap(place.seq.saturating_add(1))),
    }
}
