//! What the reserved paths do, apart from HTTP.

use std::collections::BTreeSet;

use http::StatusCode;
use protocol::offset::Offset;
use protocol::path::StreamPath;
use protocol::time::UnixMs;
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Batch, CommitError, Expected, Put};

use super::address::Target;
use super::record::{self, Kind, LEASE_MS, LinkKind, Record, Seen, Wish};
use super::signing::Bad;
use super::wake::{AckError, MOST_WOKEN};
use super::{MOST, MOST_NAMED, SubscriptionError, Subscriptions, TRIES, is_late, save};
use crate::http::Action;
use crate::pattern;

/// Longest name of a subscription or a worker, in bytes.
const MAX_NAME: usize = 128;
/// Longest description, in bytes.
const MAX_DESCRIPTION: usize = 1_024;

/// How many rounds stay in the map. A stream that is being made finds its next round there unless so many subscriptions are made meanwhile.
const ROUNDS_KEPT: u64 = 1_024;

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Said {
    pub(crate) status: StatusCode,
    pub(crate) body: Option<Value>,
}

type Answer = Result<Said, Said>;

impl From<SubscriptionError> for Said {
    fn from(error: SubscriptionError) -> Self {
        tracing::error!(%error, "a subscription could not be served");
        no(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", "The store failed; try again.")
    }
}

impl From<CommitError> for Said {
    fn from(error: CommitError) -> Self {
        SubscriptionError::from(error).into()
    }
}

impl From<AckError> for Said {
    fn from(error: AckError) -> Self {
        match error {
            AckError::Failed(error) => error.into(),
            AckError::NotLinked(_) => invalid(&error.to_string()),
            AckError::BeyondEnd(_) => no(StatusCode::CONFLICT, "INVALID_OFFSET", &error.to_string()),
        }
    }
}

fn no(status: StatusCode, code: &str, message: &str) -> Said {
    Said { status, body: Some(json!({ "error": { "code": code, "message": message } })) }
}

fn invalid(message: &str) -> Said {
    no(StatusCode::BAD_REQUEST, "INVALID_REQUEST", message)
}

fn missing() -> Said {
    no(StatusCode::NOT_FOUND, "SUBSCRIPTION_NOT_FOUND", "There is no such subscription.")
}

fn fenced() -> Said {
    no(StatusCode::CONFLICT, "FENCED", "This wake-up is over.")
}

fn busy() -> Said {
    no(StatusCode::SERVICE_UNAVAILABLE, "BUSY", "Others were faster; try again.")
}

fn yes(status: StatusCode, body: Value) -> Said {
    Said { status, body: Some(body) }
}

fn done() -> Said {
    Said { status: StatusCode::NO_CONTENT, body: None }
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Said> {
    serde_json::from_slice(body).map_err(|error| invalid(&format!("The body cannot be read: {error}.")))
}

#[derive(Debug, Deserialize)]
struct Worker {
    worker: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Named {
    streams: Vec<StreamPath>,
}

impl Named {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Said> {
        parse(body)
    }

    /// What who asks for it must be allowed.
    pub(crate) fn touches(&self) -> impl Iterator<Item = (StreamPath, Action)> {
        self.streams.iter().map(|stream| (stream.clone(), Action::Read))
    }
}

impl Wish {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Said> {
        parse(body)
    }

    /// What who asks for it must be allowed: a subscription tells which streams there are and where they end, and writes wake-ups.
    pub(crate) fn touches(&self) -> impl Iterator<Item = (StreamPath, Action)> {
        // A pattern that cannot be a path fits none, or is refused later.
        let pattern = self.pattern.iter().filter_map(|pattern| Some((pattern.parse().ok()?, Action::ReadAll)));
        let streams = self.streams.iter().map(|stream| (stream.clone(), Action::Read));
        pattern.chain(streams).chain(self.wake_stream.iter().map(|stream| (stream.clone(), Action::Append)))
    }
}

#[derive(Debug, Deserialize)]
struct Ack {
    wake_id: String,
    generation: u64,
    #[serde(default)]
    acks: Vec<Acked>,
    #[serde(default)]
    done: bool,
}

#[derive(Debug, Deserialize)]
struct Acked {
    stream: StreamPath,
    offset: Offset,
}

impl Subscriptions {
    /// The public keys.
    pub(crate) fn jwks(&self) -> Value {
        self.inner.keys.jwks()
    }

    /// Makes a subscription, or confirms it.
    pub(crate) async fn put(&self, id: &str, wish: Wish, base_url: String) -> Answer {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if id.is_empty() || id.len() > MAX_NAME || !id.bytes().all(plain) {
            return Err(invalid("A subscription is named by letters, digits, '-', '_' and '.'."));
        }
        self.judge(&wish).await?;
        for _ in 0..TRIES {
            if let Some((found, _)) = self.load(id).await? {
                if found.wish != wish {
                    let message = "A subscription of this name exists and differs.";
                    return Err(no(StatusCode::CONFLICT, "SUBSCRIPTION_ALREADY_EXISTS", message));
                }
                self.complete(id, &found).await?;
                return Ok(yes(StatusCode::OK, self.describe(id, &found).await?));
            }
            if self.ids().len() >= MOST {
                return Err(no(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY", "There are too many subscriptions."));
            }
            // What one that was removed left, when whoever removed it went away half way.
            self.unlink(id).await?;
            let round = self.inner.known.read().unwrap_or_else(std::sync::PoisonError::into_inner).round;
            let record = Record {
                wish: wish.clone(),
                base_url: base_url.clone(),
                created_at: self.inner.clock.now(),
                backfilled: wish.pattern.is_none(),
                generation: 0,
                wake: None,
                failures: 0,
                retry_at: None,
            };
            let mut batch = Batch::of(Put::set(record::key(id), record::bytes(&record)).expecting(Expected::Absent))
                .and(Put::set(record::round(round + 1), "").expecting(Expected::Absent));
            if let Some(old) = (round + 1).checked_sub(ROUNDS_KEPT) {
                batch.push(Put::remove(record::round(old)));
            }
            for path in wish.streams.iter().collect::<BTreeSet<_>>() {
                batch.push(self.linking(id, path, LinkKind::Explicit).await?);
            }
            let made = self.inner.streams.commit(batch).await;
            self.reload().await?;
            match made {
                Err(error) if is_late(&error) => continue,
                other => drop(other?),
            }
            self.backfill(id).await?;
            self.inner.asked.add(id.to_owned());
            return Ok(yes(StatusCode::CREATED, self.describe(id, &record).await?));
        }
        Err(busy())
    }

    /// Does what is left to do of making a subscription when whoever made it went away half way.
    async fn complete(&self, id: &str, found: &Record) -> Result<(), SubscriptionError> {
        if !found.backfilled || !self.knows(id) {
            self.reload().await?;
            self.backfill(id).await?;
            self.inner.asked.add(id.to_owned());
        }
        Ok(())
    }

    async fn judge(&self, wish: &Wish) -> Result<(), Said> {
        if wish.pattern.is_none() && wish.streams.is_empty() {
            return Err(invalid("A subscription needs a pattern or streams."));
        }
        if wish.pattern.as_ref().is_some_and(|text| !pattern::is_pattern(text)) || wish.streams.len() > MOST_NAMED {
            return Err(invalid("The pattern or the streams are not usable."));
        }
        let wordy = wish.description.as_ref().is_some_and(|text| text.len() > MAX_DESCRIPTION);
        if !LEASE_MS.contains(&wish.lease_ttl_ms) || wordy {
            return Err(invalid("lease_ttl_ms is from 1000 to 600000; a description has at most 1024 bytes."));
        }
        match (wish.kind, &wish.webhook, &wish.wake_stream) {
            (Kind::Webhook, Some(webhook), None) => match Target::parse(&webhook.url, self.inner.reach) {
                Ok(_) => Ok(()),
                Err(error) => Err(no(StatusCode::BAD_REQUEST, "WEBHOOK_URL_REJECTED", &error.to_string())),
            },
            (Kind::PullWake, None, Some(stream)) => {
                let head = self.inner.streams.head(stream).await.map_err(SubscriptionError::from)?;
                let fits = head.is_some_and(|head| head.content_type.starts_with("application/json") && !head.closed);
                if fits { Ok(()) } else { Err(invalid("wake_stream is not an open JSON stream.")) }
            }
            _ => Err(invalid("A webhook has a webhook.url, a pull-wake a wake_stream, and neither both.")),
        }
    }

    async fn describe(&self, id: &str, of: &Record) -> Result<Value, SubscriptionError> {
        let streams = self.seen(id, false, MOST_NAMED).await?;
        let streams = streams.iter().map(|seen| {
            let seen = seen.json();
            json!({ "path": seen["path"], "link_type": seen["link_type"], "acked_offset": seen["acked_offset"] })
        });
        let webhook = of.wish.webhook.as_ref().map(|webhook| {
            let jwks_url = format!("{}/v1/stream/__ds/jwks.json", of.base_url);
            json!({ "url": webhook.url, "signing": { "alg": "ed25519", "kid": self.inner.keys.kid, "jwks_url": jwks_url } })
        });
        let created = jiff::Timestamp::from_millisecond(of.created_at.0.cast_signed()).unwrap_or_default();
        // Ten webhooks in a row that were not taken; it is still tried once a minute.
        let status = if of.failures >= 10 { "failed" } else { "active" };
        Ok(json!({
            "id": id, "subscription_id": id, "type": of.wish.kind, "pattern": of.wish.pattern,
            "streams": streams.collect::<Vec<_>>(), "webhook": webhook, "wake_stream": of.wish.wake_stream,
            "lease_ttl_ms": of.wish.lease_ttl_ms, "description": of.wish.description,
            "created_at": created.to_string(), "status": status,
        }))
    }

    pub(crate) async fn get(&self, id: &str) -> Answer {
        let (found, _) = self.load(id).await?.ok_or_else(missing)?;
        Ok(yes(StatusCode::OK, self.describe(id, &found).await?))
    }

    /// Removes a subscription; wake-ups under way are fenced with it. Who asks again goes on where an earlier request was left.
    pub(crate) async fn remove(&self, id: &str) -> Answer {
        let found = self.load(id).await?;
        if found.is_some() {
            self.inner.streams.commit(Batch::of(Put::remove(record::key(id)))).await?;
            self.reload().await?;
        }
        self.unlink(id).await?;
        if found.is_some() { Ok(done()) } else { Err(missing()) }
    }

    /// Removes the links of a subscription that is no more.
    async fn unlink(&self, id: &str) -> Result<(), SubscriptionError> {
        loop {
            let page = self.page(&record::links(id), None).await?;
            // Asked after the page was read: links of one that was made since are other versions.
            if page.is_empty() || self.load(id).await?.is_some() {
                return Ok(());
            }
            let gone = page.into_iter().map(|link| Put::remove(link.key).expecting(Expected::Version(link.version)));
            match self.inner.streams.commit(Batch { operations: gone.map(Into::into).collect() }).await {
                // Somebody else removed some of them.
                Err(error) if is_late(&error) => {}
                other => drop(other?),
            }
        }
    }

    pub(crate) async fn add(&self, id: &str, named: Named) -> Answer {
        if named.streams.is_empty() || named.streams.len() > MOST_NAMED {
            return Err(invalid("streams names from 1 to 1000 streams."));
        }
        self.load(id).await?.ok_or_else(missing)?;
        for path in &named.streams {
            self.link(id, path, LinkKind::Explicit).await?;
        }
        self.inner.asked.add(id.to_owned());
        Ok(done())
    }

    /// Takes a stream that was named out; one that fits the pattern stays.
    pub(crate) async fn take_out(&self, id: &str, path: &StreamPath) -> Answer {
        for _ in 0..TRIES {
            let (mut found, version) = self.load(id).await?.ok_or_else(missing)?;
            let key = record::link(id, path);
            let entry = self.inner.streams.get(&key).await.map_err(SubscriptionError::from)?;
            let Some(entry) = entry else { return Ok(done()) };
            let link: record::Link = super::read(&entry)?;
            if link.kind != LinkKind::Explicit {
                return Ok(done());
            }
            let mut batch = Batch::of(Put::remove(key).expecting(Expected::Version(entry.version)));
            if let Some(wake) = &mut found.wake {
                wake.let_go.retain(|other| other != path);
                wake.let_go.truncate(MOST_NAMED - 1);
                wake.let_go.push(path.clone());
                batch.push(save(id, &found, version));
            }
            match self.inner.streams.commit(batch).await {
                Err(error) if is_late(&error) => {}
                other => return Ok(other.map(|_| done())?),
            }
        }
        Err(busy())
    }

    /// Gives a worker the lease.
    pub(crate) async fn claim(&self, id: &str, body: &[u8]) -> Answer {
        let Worker { worker } = parse(body)?;
        if worker.is_empty() || worker.len() > MAX_NAME {
            return Err(invalid("worker is a name of 1 to 128 bytes."));
        }
        for _ in 0..TRIES {
            let (mut found, version) = self.load(id).await?.ok_or_else(missing)?;
            if found.wish.kind != Kind::PullWake {
                return Err(invalid("Only pull-wake subscriptions are claimed."));
            }
            let now = self.inner.clock.now();
            let held = found.wake.as_ref().filter(|wake| wake.until.is_some_and(|until| now < until));
            if let Some(wake) = held {
                let error = json!({
                    "code": "ALREADY_CLAIMED", "message": "Another worker has it.",
                    "current_holder": wake.holder, "generation": found.generation,
                });
                return Err(yes(StatusCode::CONFLICT, json!({ "error": error })));
            }
            let pending = self.seen(id, true, MOST_WOKEN).await?;
            if pending.is_empty() {
                // What it was announced for is gone, and an announced wake-up would hold back all later ones.
                if found.wake.take().is_some() {
                    match self.inner.streams.commit(Batch::of(save(id, &found, version))).await {
                        Err(error) if is_late(&error) => continue,
                        other => drop(other?),
                    }
                    // Something may have come since it was looked at.
                    self.inner.asked.add(id.to_owned());
                }
                return Err(no(StatusCode::CONFLICT, "NO_PENDING_WORK", "Nothing is pending."));
            }
            // A wake-up that was announced is taken as it is; an expired lease, or work that nobody announced yet, begins another.
            if found.wake.as_ref().is_none_or(|wake| wake.until.is_some()) {
                drop(self.begin(id, &mut found, &pending, now));
            }
            let until = now.plus_ms(found.wish.lease_ttl_ms);
            let Some(wake) = &mut found.wake else { return Err(busy()) };
            (wake.holder, wake.until) = (Some(worker.clone()), Some(until));
            let answer = json!({
                "wake_id": wake.id, "generation": found.generation,
                "token": self.inner.keys.token(id, &wake.id, found.generation, now),
                "streams": pending.iter().map(Seen::json).collect::<Vec<_>>(),
                "lease_ttl_ms": found.wish.lease_ttl_ms,
            });
            match self.inner.streams.commit(Batch::of(save(id, &found, version))).await {
                Err(error) if is_late(&error) => {}
                other => {
                    other?;
                    self.inner.asked.add(id.to_owned());
                    return Ok(yes(StatusCode::OK, answer));
                }
            }
        }
        Err(busy())
    }

    /// Takes acks of whoever was woken, by callback or by claim; ends the wake-up, or keeps it for another lease.
    pub(crate) async fn ack(&self, id: &str, token: Option<&str>, body: &[u8]) -> Answer {
        let ack: Ack = parse(body)?;
        if ack.acks.len() > MOST_NAMED {
            return Err(invalid("At most 1000 streams are acked at once."));
        }
        let acks: Vec<_> = ack.acks.iter().map(|acked| (acked.stream.clone(), acked.offset)).collect();
        for _ in 0..TRIES {
            let (mut found, version) = self.load(id).await?.ok_or_else(missing)?;
            let now = self.inner.clock.now();
            self.check(id, &found, token, &ack.wake_id, ack.generation, now)?;
            let mut batch = Batch::new();
            batch.operations.extend(self.acks(id, &found, &acks).await?.into_iter().map(Into::into));
            let mut next = false;
            if ack.done {
                let left = self.left(id, &acks).await?;
                next = !left.is_empty();
                found.wake = None;
                found.failures = 0;
            } else if let Some(wake) = &mut found.wake {
                // Never earlier: its webhook may still be under way.
                wake.until = wake.until.max(Some(now.plus_ms(found.wish.lease_ttl_ms)));
            }
            batch.push(save(id, &found, version));
            match self.inner.streams.commit(batch).await {
                Err(error) if is_late(&error) => {}
                other => {
                    other?;
                    // The task wakes again when something is left.
                    self.inner.asked.add(id.to_owned());
                    return Ok(yes(StatusCode::OK, json!({ "ok": true, "next_wake": next })));
                }
            }
        }
        Err(busy())
    }

    /// Gives the lease back; what is pending is announced anew.
    pub(crate) async fn release(&self, id: &str, token: Option<&str>, body: &[u8]) -> Answer {
        let ack: Ack = parse(body)?;
        for _ in 0..TRIES {
            let (mut found, version) = self.load(id).await?.ok_or_else(missing)?;
            self.check(id, &found, token, &ack.wake_id, ack.generation, self.inner.clock.now())?;
            found.wake = None;
            match self.inner.streams.commit(Batch::of(save(id, &found, version))).await {
                Err(error) if is_late(&error) => {}
                other => {
                    other?;
                    self.inner.asked.add(id.to_owned());
                    return Ok(done());
                }
            }
        }
        Err(busy())
    }

    /// Token, wake-up and generation must all be those of now, and the lease not over.
    fn check(
        &self,
        id: &str,
        found: &Record,
        token: Option<&str>,
        wake_id: &str,
        generation: u64,
        now: UnixMs,
    ) -> Result<(), Said> {
        let refused = |code| no(StatusCode::UNAUTHORIZED, code, "The token is not good for this.");
        let claim = match self.inner.keys.read(token.unwrap_or_default(), now) {
            Ok(claim) if claim.sub == id => claim,
            Err(Bad::Expired) => return Err(refused("TOKEN_EXPIRED")),
            _ => return Err(refused("TOKEN_INVALID")),
        };
        let Some(wake) = &found.wake else { return Err(fenced()) };
        let same = wake.id == wake_id
            && wake.id == claim.wake
            && generation == found.generation
            && claim.generation == found.generation
            && wake.until.is_some_and(|until| now < until);
        if same { Ok(()) } else { Err(fenced()) }
    }
}
