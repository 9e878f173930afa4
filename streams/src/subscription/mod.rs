//! Subscriptions: somebody is woken when streams grow, by a webhook or by a wake stream, and says how far it has come.
//!
//! All state is in the map: what is subscribed, how far each stream was acked, who was woken and until when. A wake-up is a hint with a
//! generation; whoever answers for an older one is fenced. What this process keeps besides is which subscription wants which
//! streams, and hints of what to look at; both are made anew from the map at a start.

mod address;
mod deliver;
pub(crate) mod hints;
mod record;
mod serve;
mod signing;
mod task;
#[cfg(test)]
mod tests;
mod wake;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use protocol::path::StreamPath;
use protocol::time::Clock;
use store::{Batch, CommitError, Conflict, Direction, Entry, Expected, Put, ReadError, Scan};

pub use address::Reach;
pub(crate) use record::{INDEX, Wish, index};
pub(crate) use serve::{Named, Said};

use crate::{Streams, pattern};
use hints::Hints;
use record::{Kind, Link, LinkKind, Record};
use signing::Keys;

/// Most subscriptions.
const MOST: usize = 1_000;
/// Most streams that one request names.
const MOST_NAMED: usize = 1_000;
/// Entries of the map read at once.
const PAGE: usize = 256;
/// How often a change is tried again because another one came first.
const TRIES: u32 = 8;

/// The subscriptions of a service; cheap to clone. [`Subscriptions::run`] wakes the subscribers.
#[derive(Debug, Clone)]
pub struct Subscriptions {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    streams: Streams,
    clock: Arc<dyn Clock>,
    keys: Keys,
    reach: Reach,
    known: RwLock<Known>,
    /// Subscriptions to look at.
    asked: Hints<String>,
}

/// Which subscription wants which streams.
#[derive(Debug, Default)]
struct Known {
    /// How many changes there were.
    round: u64,
    wanted: BTreeMap<String, Wanted>,
}

#[derive(Debug)]
struct Wanted {
    pattern: Option<String>,
    /// Its own wake stream, which never wakes it.
    wake_stream: Option<StreamPath>,
}

impl Wanted {
    fn of(wish: &Wish) -> Self {
        Self { pattern: wish.pattern.clone(), wake_stream: wish.wake_stream.clone() }
    }

    fn fits(&self, path: &StreamPath) -> bool {
        let own = self.wake_stream.as_ref() == Some(path);
        !own && self.pattern.as_ref().is_some_and(|pattern| pattern::fits(pattern, path.as_str()))
    }
}

/// A subscription could not be looked at or changed.
#[derive(Debug, thiserror::Error)]
pub enum SubscriptionError {
    /// The store failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store failed, or others were faster each time.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// What is stored is not what this program writes.
    #[error("the entry {key} cannot be read")]
    Damaged {
        /// Its key.
        key: String,
    },
}

impl Subscriptions {
    /// Reads which subscriptions there are. `seed` makes the key pair that signs wake-ups: keep it, and keep it secret.
    ///
    /// # Errors
    /// [`SubscriptionError`].
    pub async fn open(
        streams: Streams,
        clock: Arc<dyn Clock>,
        seed: &[u8; 32],
        reach: Reach,
    ) -> Result<Self, SubscriptionError> {
        let keys = Keys::new(seed);
        let inner = Inner { streams, clock, keys, reach, known: RwLock::default(), asked: Hints::default() };
        let subscriptions = Self { inner: Arc::new(inner) };
        subscriptions.reload().await?;
        Ok(subscriptions)
    }

    /// Adds to a batch that makes a stream what links it to those whose pattern it fits: they hear of its first message too.
    /// The batch conflicts on a version of the map when patterns have come meanwhile; then try again.
    pub(crate) async fn adopt(&self, batch: &mut Batch, stream: &StreamPath) -> Result<(), SubscriptionError> {
        let (round, ids) = self.fitting(stream);
        batch.push(Put::remove(record::round(round + 1)).expecting(Expected::Absent));
        batch.push(Put::set(index(stream), ""));
        for id in ids {
            let key = record::link(&id, stream);
            // One of an earlier stream under this path is written anew, so that whoever finds that one gone does not drop it.
            let (kind, expected) = match self.inner.streams.get(&key).await? {
                Some(entry) => (read::<Link>(&entry)?.kind, Expected::Version(entry.version)),
                None => (LinkKind::Glob, Expected::Absent),
            };
            batch.push(Put::set(key, record::bytes(&Link { kind, acked: None })).expecting(expected));
        }
        Ok(())
    }

    /// Adds to a batch that deletes a stream what drops the links that patterns gave it. The batch conflicts on a version of the map when
    /// one was changed meanwhile; a link that stays is dropped when its subscription is looked at.
    pub(crate) async fn let_go(&self, batch: &mut Batch, stream: &StreamPath) -> Result<(), SubscriptionError> {
        for id in self.fitting(stream).1 {
            let key = record::link(&id, stream);
            let Some(entry) = self.inner.streams.get(&key).await? else { continue };
            if read::<Link>(&entry)?.kind == LinkKind::Glob {
                batch.push(Put::remove(key).expecting(Expected::Version(entry.version)));
            }
        }
        Ok(())
    }

    /// The subscriptions whose pattern a stream fits, as of which round.
    fn fitting(&self, stream: &StreamPath) -> (u64, Vec<String>) {
        let known = self.inner.known.read().unwrap_or_else(PoisonError::into_inner);
        let fitting = known.wanted.iter().filter(|(_, wanted)| wanted.fits(stream));
        (known.round, fitting.map(|(id, _)| id.clone()).collect())
    }

    /// Reads anew which subscriptions there are.
    pub(crate) async fn reload(&self) -> Result<(), SubscriptionError> {
        let newest = Scan { prefix: record::ROUNDS.into(), after: None, direction: Direction::Backwards, limit: 1 };
        // The round first: what comes later is found by the next look at it.
        let round = self.inner.streams.scan(newest).await?;
        let round = round.first().and_then(|entry| entry.key.strip_prefix(record::ROUNDS)?.parse().ok()).unwrap_or(0);
        let mut wanted = BTreeMap::new();
        let mut after = None;
        loop {
            let page = self.page(record::SUBSCRIPTIONS, after.take()).await?;
            for entry in &page {
                let record: Record = read(entry)?;
                wanted.insert(entry.key[record::SUBSCRIPTIONS.len()..].to_owned(), Wanted::of(&record.wish));
            }
            after = page.last().map(|entry| entry.key.clone());
            if page.len() < PAGE {
                break;
            }
        }
        let mut known = self.inner.known.write().unwrap_or_else(PoisonError::into_inner);
        // Looks overlap; an older one must not win.
        if round >= known.round {
            *known = Known { round, wanted };
        }
        Ok(())
    }

    async fn page(&self, prefix: &str, after: Option<String>) -> Result<Vec<Entry>, ReadError> {
        let scan = Scan { prefix: prefix.to_owned(), after, direction: Direction::Forwards, limit: PAGE };
        self.inner.streams.scan(scan).await
    }

    async fn load(&self, id: &str) -> Result<Option<(Record, u64)>, SubscriptionError> {
        let Some(entry) = self.inner.streams.get(&record::key(id)).await? else { return Ok(None) };
        Ok(Some((read(&entry)?, entry.version)))
    }

    fn knows(&self, id: &str) -> bool {
        self.inner.known.read().unwrap_or_else(PoisonError::into_inner).wanted.contains_key(id)
    }

    fn ids(&self) -> Vec<String> {
        self.inner.known.read().unwrap_or_else(PoisonError::into_inner).wanted.keys().cloned().collect()
    }
}

/// The operation that writes a record that nobody changed meanwhile.
fn save(id: &str, record: &Record, version: u64) -> Put {
    Put::set(record::key(id), record::bytes(record)).expecting(Expected::Version(version))
}

fn read<T: serde::de::DeserializeOwned>(entry: &Entry) -> Result<T, SubscriptionError> {
    serde_json::from_slice(&entry.value).map_err(|_| SubscriptionError::Damaged { key: entry.key.clone() })
}

/// Whether a commit came second.
pub(crate) fn is_late(error: &CommitError) -> bool {
    matches!(error, CommitError::Conflict { conflict: Conflict::Version { .. }, .. })
}

fn is_webhook(record: &Record) -> bool {
    record.wish.kind == Kind::Webhook
}
