//! The task that wakes subscribers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::time::Duration;

use protocol::path::StreamPath;
use protocol::time::UnixMs;
use store::Batch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::deliver::{DeliverError, deliver};
use super::hints::Look;
use super::wake::{Delivery, Need};
use super::{SubscriptionError, Subscriptions, save};
use crate::Streams;

/// Most webhooks under way at once.
const MOST_SENT: usize = 64;
/// Longest sleep without a hint, in milliseconds.
const LONGEST_MS: u64 = 60_000;
/// Wait before the first repeat of a webhook, doubled each time up to the longest (the protocol: 1 s to 60 s, 20 % jitter).
const BACKOFF_MS: u64 = 1_000;

impl Subscriptions {
    /// Wakes subscribers until the token is cancelled. Webhooks under way then are dropped and sent again at the next start.
    pub async fn run(&self, stop: CancellationToken) {
        let mut due: BTreeMap<String, UnixMs> = BTreeMap::new();
        let mut sent: JoinSet<String> = JoinSet::new();
        let touched = self.inner.streams.touched();
        for id in self.ids() {
            if let Err(error) = self.backfill(&id).await {
                tracing::warn!(%error, subscription = id, "streams that were there could not be linked");
            }
            due.insert(id, UnixMs(0));
        }
        loop {
            let now = self.inner.clock.now();
            let mut ids: BTreeSet<String> =
                due.iter().filter(|(_, at)| **at <= now).map(|(id, _)| id.clone()).collect();
            if ids.is_empty() {
                let wait = due.values().map(|at| at.since(now)).min().unwrap_or(LONGEST_MS).clamp(1, LONGEST_MS);
                tokio::select! {
                    () = stop.cancelled() => break,
                    look = touched.next() => ids = self.wanting(look).await,
                    look = self.inner.asked.next() => ids = self.named(look),
                    Some(ended) = sent.join_next() => ids.extend(ended.ok()),
                    () = tokio::time::sleep(Duration::from_millis(wait)) => {}
                }
            }
            for id in ids {
                due.remove(&id);
                let now = self.inner.clock.now();
                if sent.len() >= MOST_SENT {
                    due.insert(id, now.plus_ms(100));
                    continue;
                }
                match self.consider(&id).await {
                    Ok(Need::Nothing) => {}
                    Ok(Need::At(at)) => drop(due.insert(id, at.max(now.plus_ms(1)))),
                    Ok(Need::Send(delivery)) => {
                        let subscriptions = self.clone();
                        sent.spawn(async move { subscriptions.send(delivery).await });
                    }
                    Err(error) => {
                        tracing::warn!(%error, subscription = id, "a subscription could not be looked at");
                        due.insert(id, now.plus_ms(5_000));
                    }
                }
            }
        }
        sent.shutdown().await;
    }

    fn named(&self, look: Look<String>) -> BTreeSet<String> {
        match look {
            Look::At(ids) => ids,
            Look::Everywhere => self.ids().into_iter().collect(),
        }
    }

    /// The subscriptions that have one of these streams.
    async fn wanting(&self, look: Look<StreamPath>) -> BTreeSet<String> {
        let Look::At(paths) = look else { return self.ids().into_iter().collect() };
        let mut ids = BTreeSet::new();
        for id in self.ids() {
            let fits = {
                let known = self.inner.known.read().unwrap_or_else(PoisonError::into_inner);
                known.wanted.get(&id).is_some_and(|wanted| paths.iter().any(|path| wanted.fits(path)))
            };
            let mut wants = fits;
            for path in paths.iter().filter(|_| !fits) {
                // Explicit streams are known by their links alone. A look too many costs time only.
                wants |= !matches!(self.inner.streams.get(&super::record::link(&id, path)).await, Ok(None));
            }
            if wants {
                ids.insert(id);
            }
        }
        ids
    }

    /// Sends a webhook and takes down what came of it.
    async fn send(&self, delivery: Delivery) -> String {
        let signature = self.inner.keys.signature(self.inner.clock.now(), &delivery.body);
        let result = deliver(&delivery.url, self.inner.reach, signature, delivery.body.clone()).await;
        if let Err(error) = &result {
            tracing::info!(%error, subscription = delivery.id, "a webhook was not taken");
        }
        if let Err(error) = self.take_down(&delivery, &result).await {
            tracing::warn!(%error, subscription = delivery.id, "what came of a webhook could not be kept");
        }
        delivery.id
    }

    async fn take_down(
        &self,
        delivery: &Delivery,
        result: &Result<bool, DeliverError>,
    ) -> Result<(), SubscriptionError> {
        for _ in 0..super::TRIES {
            let Some((mut found, version)) = self.load(&delivery.id).await? else { return Ok(()) };
            if found.generation != delivery.generation || found.wake.is_none() {
                return Ok(());
            }
            let mut batch = Batch::new();
            if let Ok(done) = result {
                found.failures = 0;
                if *done {
                    found.wake = None;
                    // A stream that was unlinked meanwhile has nothing to ack.
                    for seen in &delivery.seen {
                        let acks = seen.tail.map(|tail| (seen.path.clone(), tail));
                        let puts = self.acks(&delivery.id, &found, acks.as_slice()).await.unwrap_or_default();
                        batch.operations.extend(puts.into_iter().map(Into::into));
                    }
                } else if let Some(wake) = &mut found.wake {
                    // The receiver answers later, and has from now on what was asked for.
                    wake.until = Some(self.inner.clock.now().plus_ms(found.wish.lease_ttl_ms));
                }
            } else {
                found.wake = None;
                found.failures = found.failures.saturating_add(1);
                found.retry_at = Some(self.inner.clock.now().plus_ms(self.backoff(found.failures)));
            }
            batch.push(save(&delivery.id, &found, version));
            match self.inner.streams.commit(batch).await {
                Err(error) if super::is_late(&error) => {}
                other => return Ok(other.map(drop)?),
            }
        }
        Ok(())
    }

    fn backoff(&self, failures: u32) -> u64 {
        let plain = BACKOFF_MS.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST_MS);
        let dice = u64::from(self.inner.clock.fresh().as_bytes()[15]);
        plain * 4 / 5 + plain * 2 / 5 * dice / 255
    }
}

impl Streams {
    /// Streams that grew.
    fn touched(&self) -> &super::Hints<StreamPath> {
        self.heed()
    }
}
