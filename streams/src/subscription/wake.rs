//! Waking a subscriber, and what it acks.

use protocol::offset::Offset;
use protocol::path::StreamPath;
use protocol::time::UnixMs;
use store::{Append, Batch, CommitError, Expected, Put, ReadError};

use super::record::{self, Link, LinkKind, Record, Seen, Wake};
use super::{SubscriptionError, Subscriptions, deliver, is_webhook, read, save};

/// Most streams in one wake-up; what is left comes with the next.
pub(super) const MOST_WOKEN: usize = 256;
/// Shortest lease of a webhook under way, in milliseconds: its own limit, and half of that for the disk to take down what came of it. A
/// shorter one would end before a slow answer, whose acks were then those of an older generation: it would be sent without end.
const SENDING_MS: u64 = deliver::LIMIT.as_secs() * 1_500;

/// What a subscription needs now.
#[derive(Debug)]
pub(super) enum Need {
    /// Nothing until something happens.
    Nothing,
    /// Another look at this time.
    At(UnixMs),
    /// A webhook.
    Send(Delivery),
}

/// A webhook to send.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) id: String,
    pub(super) generation: u64,
    pub(super) url: String,
    pub(super) body: String,
    /// What the body says of streams.
    pub(super) seen: Vec<Seen>,
}

impl Subscriptions {
    /// The streams of a subscription, those that have something pending or all of them, at most so many.
    pub(super) async fn seen(&self, id: &str, only_pending: bool, most: usize) -> Result<Vec<Seen>, SubscriptionError> {
        let prefix = record::links(id);
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = self.page(&prefix, after.take()).await?;
            let mut gone = Batch::new();
            for entry in &page {
                let Some(path) = entry.key.strip_prefix(&prefix).and_then(|path| path.parse::<StreamPath>().ok())
                else {
                    continue;
                };
                let link: Link = read(entry)?;
                let tail = self.tail(&path).await?;
                if tail.is_none() && link.kind == LinkKind::Glob {
                    // One that is made here later gets a link of its own, of another version.
                    gone.push(Put::remove(entry.key.clone()).expecting(Expected::Version(entry.version)));
                    continue;
                }
                let seen = Seen::of(path, link, tail);
                if !only_pending || seen.pending() {
                    found.push(seen);
                }
                if found.len() >= most {
                    break;
                }
            }
            self.forget(id, gone).await;
            after = page.last().filter(|_| found.len() < most).map(|entry| entry.key.clone());
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    /// Where a stream ends; `None` when there is none, or it is kept only for its forks.
    async fn tail(&self, path: &StreamPath) -> Result<Option<Offset>, ReadError> {
        match self.inner.streams.head(path).await {
            Ok(head) => Ok(head.map(|head| head.tail)),
            Err(ReadError::Retired { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Drops links of streams that are gone, or leaves that to the next look.
    async fn forget(&self, id: &str, gone: Batch) {
        if gone.operations.is_empty() {
            return;
        }
        if let Err(error) = self.inner.streams.commit(gone).await {
            tracing::debug!(%error, subscription = id, "links of streams that are gone stay for now");
        }
    }

    /// Looks at a subscription, and wakes its subscriber when something is pending and nobody answers for it.
    pub(super) async fn consider(&self, id: &str) -> Result<Need, SubscriptionError> {
        let Some((mut found, version)) = self.load(id).await? else { return Ok(Need::Nothing) };
        let now = self.inner.clock.now();
        match &found.wake {
            Some(Wake { until: Some(until), .. }) if now < *until => return Ok(Need::At(*until)),
            // Announced in the wake stream, and there for whoever claims it.
            Some(Wake { until: None, .. }) => return Ok(Need::Nothing),
            _ => {}
        }
        if let Some(at) = found.retry_at.filter(|at| now < *at) {
            return Ok(Need::At(at));
        }
        let pending = self.seen(id, true, MOST_WOKEN).await?;
        if pending.is_empty() {
            if found.wake.take().is_some() {
                return self.settle(id, Batch::of(save(id, &found, version)), now).await;
            }
            return Ok(Need::Nothing);
        }
        let mut batch = Batch::new();
        let event = self.begin(id, &mut found, &pending, now);
        batch.push(save(id, &found, version));
        batch.operations.extend(event.map(Into::into));
        match self.inner.streams.commit(batch).await {
            Ok(_) => {}
            Err(error) if super::is_late(&error) => return Ok(Need::At(now)),
            Err(CommitError::Conflict { conflict, .. }) => {
                tracing::warn!(%conflict, subscription = id, "the wake stream takes nothing");
                return Ok(Need::At(now.plus_ms(60_000)));
            }
            Err(error) => return Err(error.into()),
        }
        let (Some(wake), Some(webhook)) = (&found.wake, &found.wish.webhook) else { return Ok(Need::Nothing) };
        let root = format!("{}/v1/stream/__ds/subscriptions/{id}", found.base_url);
        let body = serde_json::json!({
            "subscription_id": id, "wake_id": wake.id, "generation": found.generation,
            "streams": pending.iter().map(Seen::json).collect::<Vec<_>>(),
            "callback_url": format!("{root}/callback"),
            "callback_token": self.inner.keys.token(id, &wake.id, found.generation, now),
        });
        let url = webhook.url.clone();
        let (id, generation) = (id.to_owned(), found.generation);
        Ok(Need::Send(Delivery { id, generation, url, body: body.to_string(), seen: pending }))
    }

    async fn settle(&self, id: &str, batch: Batch, now: UnixMs) -> Result<Need, SubscriptionError> {
        match self.inner.streams.commit(batch).await {
            Ok(_) => Ok(Need::Nothing),
            Err(error) if super::is_late(&error) => Ok(Need::At(now)),
            Err(error) => {
                tracing::warn!(%error, subscription = id, "a subscription could not be changed");
                Err(error.into())
            }
        }
    }

    /// A new generation: for a webhook it is leased at once, and not for less than it may take to be answered; else it is announced in
    /// the wake stream.
    pub(super) fn begin(&self, id: &str, of: &mut Record, pending: &[Seen], now: UnixMs) -> Option<Append> {
        of.generation += 1;
        of.retry_at = None;
        let until = is_webhook(of).then(|| now.plus_ms(of.wish.lease_ttl_ms.max(SENDING_MS)));
        of.wake = Some(Wake { id: format!("wake_{}", self.inner.clock.fresh()), holder: None, until, let_go: vec![] });
        let stream = of.wish.wake_stream.clone()?;
        let event = serde_json::json!({
            "type": "wake", "subscription_id": id, "stream": pending.first().map(|seen| &seen.path),
            "generation": of.generation, "ts": now,
        });
        Some(Append::new(stream, vec![event.to_string().into()]))
    }

    /// The operations that move links forward to what is acked; never back.
    pub(super) async fn acks(
        &self,
        id: &str,
        found: &Record,
        acks: &[(StreamPath, Offset)],
    ) -> Result<Vec<Put>, AckError> {
        let wanted = super::Wanted::of(&found.wish);
        let mut puts = Vec::new();
        for (path, offset) in acks {
            let key = record::link(id, path);
            let Some(entry) = self.inner.streams.get(&key).await.map_err(SubscriptionError::from)? else {
                let went = wanted.fits(path) || found.wake.as_ref().is_some_and(|wake| wake.let_go.contains(path));
                if went {
                    continue;
                }
                return Err(AckError::NotLinked(path.clone()));
            };
            let link: Link = read(&entry)?;
            // A stream that went meanwhile has nothing left to ack, also when another one is there now.
            let Some(tail) = self.tail(path).await.map_err(SubscriptionError::from)? else { continue };
            if *offset > tail {
                return Err(AckError::BeyondEnd(path.clone()));
            }
            if offset.epoch == tail.epoch && link.acked.is_none_or(|acked| acked < *offset) {
                let link = Link { acked: Some(*offset), ..link };
                puts.push(Put::set(key, record::bytes(&link)).expecting(Expected::Version(entry.version)));
            }
        }
        Ok(puts)
    }

    /// Whether something is pending once these acks hold.
    pub(super) async fn left(&self, id: &str, acks: &[(StreamPath, Offset)]) -> Result<Vec<Seen>, SubscriptionError> {
        let mut found = self.seen(id, true, MOST_WOKEN + acks.len()).await?;
        for seen in &mut found {
            for (_, offset) in acks.iter().filter(|(path, _)| *path == seen.path) {
                seen.link.acked = seen.link.acked.max(Some(*offset));
            }
        }
        found.retain(Seen::pending);
        Ok(found)
    }

    /// Gives the streams that are there already to a pattern that came, from their ends on.
    pub(super) async fn backfill(&self, id: &str) -> Result<(), SubscriptionError> {
        let Some((found, _)) = self.load(id).await?.filter(|(found, _)| !found.backfilled) else { return Ok(()) };
        let wanted = super::Wanted::of(&found.wish);
        let mut after = None;
        loop {
            let page = self.page(record::INDEX, after.take()).await?;
            for path in page.iter().filter_map(|entry| entry.key[record::INDEX.len()..].parse::<StreamPath>().ok()) {
                if wanted.fits(&path) && self.inner.streams.get(&record::link(id, &path)).await?.is_none() {
                    self.link(id, &path, LinkKind::Glob).await?;
                }
            }
            after = page.last().map(|entry| entry.key.clone());
            if after.is_none() {
                break;
            }
        }
        // Again as long as somebody else changes it; a start does it once more.
        for _ in 0..super::TRIES {
            let Some((mut found, version)) = self.load(id).await? else { return Ok(()) };
            found.backfilled = true;
            match self.inner.streams.commit(Batch::of(save(id, &found, version))).await {
                Err(error) if super::is_late(&error) => {}
                other => return Ok(other.map(drop)?),
            }
        }
        Ok(())
    }

    /// Links a stream at its end, unless it is linked.
    pub(super) async fn link(&self, id: &str, path: &StreamPath, kind: LinkKind) -> Result<(), SubscriptionError> {
        let link = self.linking(id, path, kind).await?;
        match self.inner.streams.commit(Batch::of(link)).await {
            Err(error) if super::is_late(&error) => Ok(()),
            other => Ok(other.map(drop)?),
        }
    }

    /// The operation that links a stream at its end; it conflicts when the stream is linked.
    pub(super) async fn linking(&self, id: &str, path: &StreamPath, kind: LinkKind) -> Result<Put, SubscriptionError> {
        let acked = self.tail(path).await?;
        let link = Put::set(record::link(id, path), record::bytes(&Link { kind, acked }));
        Ok(link.expecting(Expected::Absent))
    }
}

/// An ack does not hold.
#[derive(Debug, thiserror::Error)]
pub(super) enum AckError {
    #[error("{0} is not a stream of this subscription")]
    NotLinked(StreamPath),
    #[error("the offset is past the end of {0}")]
    BeyondEnd(StreamPath),
    #[error(transparent)]
    Failed(#[from] SubscriptionError),
}
