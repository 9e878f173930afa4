//! Keeping streams small, in the background: compaction of State Protocol streams in place, retention by age and size, and the end of
//! streams whose life is over.
//!
//! How old a message is follows from notes of where a stream ended when, kept in the map; so no message has to say it, and a clock that
//! jumps forwards can drop things early at most once.

mod fold;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::offset::Offset;
use protocol::path::StreamPath;
use protocol::time::{Clock, UnixMs};
use serde::{Deserialize, Serialize};
use store::{Batch, CommitError, Cut, Direction, Head, Put, Read, ReadError, Scan};
use tokio_util::sync::CancellationToken;

use crate::Streams;
use crate::lifetime::{self, LifeError};
use crate::pattern::fits;
use crate::subscription::INDEX;
use fold::Fold;

/// What keys of notes start with.
const NOTES: &str = "streams/kept/";
/// How long a deletion is told at least, in milliseconds: 90 days (DESIGN.md).
const TOLD_MS: u64 = 90 * 24 * 3_600_000;
/// Most notes of one stream; with 128, the age of a message is known to within a hundredth of what is asked for.
const MOST_MARKS: usize = 128;
/// A stream is compacted once it grew by this many bytes, and by a quarter of what it held.
const GROWN_BYTES: u64 = 64 * 1024;
/// Bytes read at once, and the pause after them: at most 12 MiB a second.
const PAGE_BYTES: usize = 256 * 1024;
const PAUSE: Duration = Duration::from_millis(20);
/// How often all streams are looked at, unless asked otherwise.
const ROUND: Duration = Duration::from_mins(5);

/// What is dropped of public streams. Streams that are named by [`Keeper::compact`] are compacted whatever it says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keeping {
    /// Messages older than this go.
    pub age: Option<Duration>,
    /// The oldest messages go when a stream holds more bytes.
    pub bytes: Option<u64>,
    /// Streams that fit one of these are compacted.
    pub compact: Vec<String>,
}

/// Keeps the streams of a service small.
#[derive(Debug, Clone)]
pub struct Keeper {
    streams: Streams,
    clock: Arc<dyn Clock>,
    keeping: Arc<Keeping>,
    every: Duration,
    named: Arc<Mutex<BTreeSet<StreamPath>>>,
}

/// Where a stream ended when.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Notes {
    marks: Vec<(UnixMs, Offset)>,
    /// The end at the last compaction.
    compacted: Option<Offset>,
    /// Messages that begin before this may have been dropped from among others; written before any is.
    #[serde(default)]
    cut: Option<Offset>,
}

/// A stream could not be kept small; the next round tries again.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The store failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<LifeError> for KeepError {
    fn from(error: LifeError) -> Self {
        match error {
            LifeError::Read(error) => Self::Read(error),
            LifeError::Commit(error) => Self::Commit(error),
        }
    }
}

impl Keeper {
    /// A keeper of public streams, those that the face has noted.
    pub fn new(streams: Streams, clock: Arc<dyn Clock>, keeping: Keeping) -> Self {
        Self { streams, clock, keeping: Arc::new(keeping), every: ROUND, named: Arc::default() }
    }

    /// Looks at all streams this often instead of every five minutes.
    #[must_use]
    pub fn every(self, every: Duration) -> Self {
        Self { every, ..self }
    }

    /// Has a stream compacted too.
    pub fn compact(&self, stream: StreamPath) {
        self.named.lock().unwrap_or_else(PoisonError::into_inner).insert(stream);
    }

    /// Keeps streams small until the token is cancelled: one round after another, one stream after another.
    pub async fn run(&self, stop: CancellationToken) {
        let rounds = async {
            loop {
                tokio::time::sleep(self.every).await;
                if let Err(error) = self.round().await {
                    tracing::warn!(%error, "streams could not be kept small");
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = rounds => {}
        }
    }

    /// One look at all streams, those among them that are past their deadlines.
    ///
    /// # Errors
    /// [`KeepError`]; streams after the one that failed wait for the next round.
    pub async fn round(&self) -> Result<(), KeepError> {
        lifetime::sweep(&self.streams, self.clock.now()).await?;
        let named: Vec<_> = self.named.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        for stream in &named {
            self.keep(stream, true, &Keeping::default()).await?;
        }
        if *self.keeping == Keeping::default() {
            return Ok(());
        }
        let mut after = None;
        loop {
            let scan = Scan { prefix: INDEX.into(), after: after.take(), direction: Direction::Forwards, limit: 256 };
            let page = self.streams.scan(scan).await?;
            for path in page.iter().filter_map(|entry| entry.key[INDEX.len()..].parse::<StreamPath>().ok()) {
                let compact = self.keeping.compact.iter().any(|pattern| fits(pattern, path.as_str()));
                self.keep(&path, compact, &self.keeping).await?;
            }
            after = page.last().map(|entry| entry.key.clone());
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn keep(&self, stream: &StreamPath, compact: bool, keeping: &Keeping) -> Result<(), KeepError> {
        let key = format!("{NOTES}{stream}");
        let head = match self.streams.head(stream).await {
            Ok(Some(head)) => head,
            Ok(None) | Err(ReadError::Retired { .. }) => {
                self.streams.commit(Batch::of(Put::remove(key))).await?;
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let entry = self.streams.get(&key).await?;
        let before: Notes = entry.and_then(|entry| serde_json::from_slice(&entry.value).ok()).unwrap_or_default();
        let now = self.clock.now();
        let mut notes = before.clone();
        let longest = keeping.age.map_or(0, ms).max(if compact { TOLD_MS } else { 0 });
        notes.mark(now, head.tail, longest);
        if let Some(cut) = keeping.age.and_then(|age| notes.end_before(now, ms(age))) {
            self.streams.trim(stream, Cut::Before(cut)).await?;
        }
        if let Some(most) = keeping.bytes.filter(|most| head.tail.byte - head.first.byte > *most) {
            let cut = Offset::new(head.tail.epoch, head.tail.byte - most);
            self.streams.trim(stream, Cut::Before(cut)).await?;
        }
        if compact && notes.is_grown(&head) && self.drop_superseded(stream, &key, &mut notes, now).await? {
            notes.compacted = Some(head.tail);
        }
        if notes != before {
            self.write(&key, &notes).await?;
        }
        Ok(())
    }

    async fn write(&self, key: &str, notes: &Notes) -> Result<(), KeepError> {
        let value = serde_json::to_vec(notes).expect("a struct of plain fields is JSON");
        self.streams.commit(Batch::of(Put::set(key, value))).await?;
        Ok(())
    }

    /// Compacts a stream; tells whether nothing was left for another time.
    async fn drop_superseded(
        &self,
        stream: &StreamPath,
        key: &str,
        notes: &mut Notes,
        now: UnixMs,
    ) -> Result<bool, KeepError> {
        let (mut from, mut walk, mut look) = (None, None, Fold::default());
        let end = loop {
            let read = Read {
                stream: stream.clone(),
                from,
                walk,
                direction: Direction::Forwards,
                max_bytes: PAGE_BYTES,
                max_messages: protocol::limits::MAX_PAGE_MESSAGES,
            };
            let page = self.streams.page(read).await?;
            for message in &page.messages {
                if let Err(error) = look.take(message) {
                    tracing::debug!(%error, %stream, "a stream is not compacted");
                    return Ok(true);
                }
            }
            if page.next >= page.head.tail {
                break page.head.tail;
            }
            (from, walk) = (Some(page.next), Some(walk.unwrap_or(page.head.compactions)));
            tokio::time::sleep(PAUSE).await;
        };
        let forgotten = notes.end_before(now, TOLD_MS).unwrap_or(Offset::ZERO);
        let whole = !look.is_overfull();
        if let Some(cut) = look.cut(end.epoch, forgotten) {
            notes.cut = Some(end);
            self.write(key, notes).await?;
            self.streams.trim(stream, cut).await?;
        }
        Ok(whole)
    }
}

/// The position before which messages of a stream may have been dropped from among others; `None` when none ever were.
pub(crate) async fn cut(streams: &Streams, stream: &StreamPath) -> Result<Option<Offset>, ReadError> {
    let entry = streams.get(&format!("{NOTES}{stream}")).await?;
    Ok(entry.and_then(|entry| serde_json::from_slice::<Notes>(&entry.value).ok()).and_then(|notes| notes.cut))
}

impl Notes {
    /// Notes the end, unless one was noted a moment ago; forgets what is older than needed.
    fn mark(&mut self, now: UnixMs, end: Offset, longest: u64) {
        if longest == 0 {
            self.marks.clear();
            return;
        }
        // Ends of an earlier stream under this path say nothing of this one.
        self.marks.retain(|(_, at)| at.epoch == end.epoch);
        let due = self.marks.last().is_none_or(|(then, _)| now.since(*then) >= longest / (MOST_MARKS as u64 - 8));
        if due {
            self.marks.push((now, end));
        }
        // One that is old enough has to stay, the newest of those.
        while self.marks.get(1).is_some_and(|(then, _)| now.since(*then) >= longest) || self.marks.len() > MOST_MARKS {
            self.marks.remove(0);
        }
    }

    /// The furthest end that was noted at least so long ago.
    fn end_before(&self, now: UnixMs, ms: u64) -> Option<Offset> {
        self.marks.iter().rev().find(|(then, _)| now.since(*then) >= ms).map(|(_, end)| *end)
    }

    /// Whether compaction is worth its reading, by what came since the last one.
    fn is_grown(&self, head: &Head) -> bool {
        let Some(last) = self.compacted.filter(|last| last.epoch == head.tail.epoch) else { return true };
        let grown = head.tail.byte.saturating_sub(last.byte);
        grown >= GROWN_BYTES && grown >= (last.byte - head.first.byte.min(last.byte)) / 4
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
