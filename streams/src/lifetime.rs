//! How long a stream lives: a time to live that each access renews, or a fixed end.
//!
//! What was asked for is part of the stream's configuration. The deadline is an entry of the map, written in the batch that makes
//! the stream and in that of each append that renews it. Whoever touches a stream past its deadline finds it gone, and a [`sweep`] touches them all.

use bytes::Bytes;
use protocol::offset::Offset;
use protocol::path::StreamPath;
use protocol::time::UnixMs;
use serde::{Deserialize, Serialize};
use store::{Batch, CommitError, Conflict, Direction, Entry, Expected, Head, Operation, Put, ReadError, Scan};

use crate::Streams;

/// What keys of deadlines start with.
const PREFIX: &str = "streams/deadline/";

/// A deadline is written anew by a read only when it moves by more than this part of the time to live: a poller must not turn
/// into a writer. A sliding life may therefore end up to 5 % early after a read.
const READ_GRAIN: u64 = 20;

/// How often a look is repeated because somebody else touched the stream just then.
const TRIES: u32 = 8;

/// Deadlines that a sweep looks at in one read.
const SWEPT_AT_ONCE: usize = 256;

/// What was asked for when the stream was made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Life {
    /// Seconds after the last access.
    pub(crate) ttl_seconds: Option<u64>,
    /// The end, as it was written.
    pub(crate) expires_at: Option<String>,
    /// What it was forked from.
    pub(crate) origin: Option<Origin>,
}

/// Where a fork parted from its source, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Origin {
    pub(crate) source: StreamPath,
    pub(crate) at: Offset,
    /// Messages, or bytes, beyond that position.
    pub(crate) beyond: u64,
}

/// Something that touches an expiring stream failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LifeError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl Life {
    /// The configuration blob: empty for a stream that lives until it is deleted.
    pub(crate) fn encode(&self) -> Bytes {
        if *self == Self::default() {
            return Bytes::new();
        }
        serde_json::to_vec(self).map(Bytes::from).expect("a struct of plain fields is JSON")
    }

    /// Reads a configuration blob; one that somebody else wrote means no end.
    pub(crate) fn decode(config: &[u8]) -> Self {
        serde_json::from_slice(config).unwrap_or_default()
    }

    fn slides(&self) -> Option<u64> {
        self.ttl_seconds.map(|s| s.saturating_mul(1000))
    }

    /// The end of a stream that was made now and never touched.
    fn first_end(&self, now: UnixMs) -> Option<UnixMs> {
        let fixed = self.expires_at.as_deref().and_then(parse_expiry);
        fixed.or_else(|| self.slides().map(|ttl| now.plus_ms(ttl)))
    }

    /// The operation that writes the deadline of a stream that is made.
    pub(crate) fn beginning(&self, stream: &StreamPath, now: UnixMs) -> Option<Operation> {
        Some(Put::set(key(stream), self.first_end(now)?.0.to_string()).into())
    }

    /// The operation that renews a sliding life.
    pub(crate) fn renewal(&self, stream: &StreamPath, now: UnixMs) -> Option<Put> {
        let deadline = now.plus_ms(self.slides()?);
        Some(Put::set(key(stream), deadline.0.to_string()))
    }
}

/// Parses the value of `Stream-TTL`: a decimal integer without sign or leading zero.
pub(crate) fn parse_ttl(text: &str) -> Option<u64> {
    let plain = text == "0" || (!text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()));
    if plain { text.parse().ok() } else { None }
}

/// Parses the value of `Stream-Expires-At`: RFC 3339.
pub(crate) fn parse_expiry(text: &str) -> Option<UnixMs> {
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(UnixMs(u64::try_from(time.as_millisecond()).unwrap_or(0)))
}

/// The operations that delete a stream with its deadline.
pub(crate) fn deletion(stream: &StreamPath) -> Batch {
    Batch::of(Operation::Delete(stream.clone()))
        .and(Put::remove(key(stream)))
        .and(Put::remove(crate::subscription::index(stream)))
}

/// The head of a stream that is still alive; deletes one past its deadline.
///
/// A stream that somebody in this process follows does not expire. `renew` is set for reads, which prolong a sliding life.
pub(crate) async fn head(
    streams: &Streams,
    stream: &StreamPath,
    now: UnixMs,
    renew: bool,
) -> Result<Option<(Head, Life)>, LifeError> {
    let mut tries = 0..TRIES;
    loop {
        let Some(head) = streams.head(stream).await? else { return Ok(None) };
        if head.config.is_empty() {
            return Ok(Some((head, Life::default())));
        }
        let life = Life::decode(&head.config);
        if life.ttl_seconds.is_none() && life.expires_at.is_none() {
            return Ok(Some((head, life)));
        }
        let entry = streams.get(&key(stream)).await?;
        // A stream whose life ends has a deadline as long as it is there. Without one, this life ended just now, and whatever is there now
        // has another.
        if entry.is_none() && !is_there(streams, stream, &head).await? && tries.next().is_some() {
            continue;
        }
        let Some(end) = entry.as_ref().and_then(deadline).or_else(|| life.first_end(head.created_at)) else {
            return Ok(Some((head, life)));
        };
        // Only the life that we looked at may be renewed, or end: an append that was acknowledged meanwhile, or another stream made
        // here, has written the deadline anew.
        let seen = entry.map_or(Expected::Absent, |e| Expected::Version(e.version));
        if now < end || streams.is_followed(stream) {
            let due = |ttl: u64| now.plus_ms(ttl).since(end) > ttl / READ_GRAIN;
            if !renew || !life.slides().is_some_and(due) {
                return Ok(Some((head, life)));
            }
            let Some(put) = life.renewal(stream, now) else { return Ok(Some((head, life))) };
            // The deadline belongs to the stream whose life we read when that is still there.
            let same = is_there(streams, stream, &head).await?;
            let renewed = if same { Some(streams.commit(Batch::of(put.expecting(seen))).await) } else { None };
            match renewed {
                // Somebody else has renewed it, or made another stream: looked at again.
                None | Some(Err(CommitError::Conflict { conflict: Conflict::Version { .. }, .. }))
                    if tries.next().is_some() => {}
                // Renewed over and over by others.
                None | Some(Ok(_) | Err(CommitError::Conflict { conflict: Conflict::Version { .. }, .. })) => {
                    return Ok(Some((head, life)));
                }
                Some(Err(error)) => return Err(error.into()),
            }
            continue;
        }
        let end = Batch::of(Put::remove(key(stream)).expecting(seen))
            .and(Operation::Delete(stream.clone()))
            .and(Put::remove(crate::subscription::index(stream)));
        match streams.commit(end).await {
            // Looked at again: forks may keep it, and somebody may have made another.
            Ok(_) | Err(CommitError::Conflict { conflict: Conflict::Version { .. }, .. }) if tries.next().is_some() => {
            }
            Ok(_) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether the stream that was looked at is still the one that is there: a path never has an epoch twice.
async fn is_there(streams: &Streams, stream: &StreamPath, seen: &Head) -> Result<bool, ReadError> {
    Ok(streams.head(stream).await?.is_some_and(|now| now.tail.epoch == seen.tail.epoch))
}

/// Ends the streams that are past their deadlines, whether or not anybody asks for them.
///
/// # Errors
/// [`LifeError`]; streams after the one that failed wait for another sweep.
pub(crate) async fn sweep(streams: &Streams, now: UnixMs) -> Result<(), LifeError> {
    let mut after = None;
    loop {
        let scan = Scan { prefix: PREFIX.into(), after, direction: Direction::Forwards, limit: SWEPT_AT_ONCE };
        let page = streams.scan(scan).await?;
        for entry in page.iter().filter(|entry| deadline(entry).is_some_and(|end| end <= now)) {
            let Ok(stream) = entry.key[PREFIX.len()..].parse() else { continue };
            match head(streams, &stream, now, false).await {
                // Its forks keep it.
                Ok(_) | Err(LifeError::Read(ReadError::Retired { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        after = page.into_iter().last().map(|entry| entry.key);
        if after.is_none() {
            return Ok(());
        }
    }
}

fn deadline(entry: &Entry) -> Option<UnixMs> {
    std::str::from_utf8(&entry.value).ok()?.parse().ok().map(UnixMs)
}

fn key(stream: &StreamPath) -> String {
    format!("{PREFIX}{stream}")
}

#[cfg(test)]
mod tests {
    use store::{Append, Create};

    use super::*;
    use crate::live::tests::{late, path};

    /// An append just before the deadline and a look just after it, in every order that a slow store makes of them.
    #[tokio::test]
    async fn an_acknowledged_append_is_not_expired_away() {
        let (mut kept, mut ended) = (0, 0);
        for seed in 1..=300 {
            let (streams, stream) = (late(seed), path("s"));
            let life = Life { ttl_seconds: Some(10), ..Life::default() };
            let mut create = Batch::of(Create {
                stream: stream.clone(),
                content_type: "text/plain".into(),
                config: life.encode(),
                messages: Vec::new(),
                close: false,
                or_same: true,
            });
            create.operations.extend(life.beginning(&stream, UnixMs(0)));
            streams.commit(create).await.expect("a fresh path");
            let mut append = Batch::of(Append::new(stream.clone(), vec!["x".into()]));
            append.operations.extend(life.renewal(&stream, UnixMs(9_999)).map(Operation::from));
            let (appended, looked) =
                tokio::join!(streams.commit(append), head(&streams, &stream, UnixMs(10_000), true));
            let alive = streams.head(&stream).await.expect("memory").is_some();
            assert_eq!(appended.is_ok(), alive, "seed {seed}");
            assert_eq!(looked.expect("memory").is_some(), alive, "seed {seed}");
            *(if alive { &mut kept } else { &mut ended }) += 1;
        }
        assert!(kept > 20 && ended > 20, "both orders happen: {kept} and {ended}");
    }

    /// A look that renews the life of a stream, while another is made in its place.
    #[tokio::test]
    async fn a_look_renews_only_the_life_that_it_saw() {
        for (seed, (first, second)) in (1..=600).zip([(10, 3_600), (3_600, 10)].into_iter().cycle()) {
            let (streams, stream) = (late(seed), path("s"));
            let made = async |seconds: u64, now: UnixMs| {
                let life = Life { ttl_seconds: Some(seconds), ..Life::default() };
                let mut create = Batch::of(Create {
                    stream: stream.clone(),
                    content_type: "text/plain".into(),
                    config: life.encode(),
                    messages: Vec::new(),
                    close: false,
                    or_same: true,
                });
                create.operations.extend(life.beginning(&stream, now));
                streams.commit(create).await.expect("a fresh path");
            };
            made(first, UnixMs(0)).await;
            // Late enough for a renewal, too early for an end.
            let at = UnixMs(if first == 10 { 5_000 } else { 500_000 });
            let (looked, ()) = tokio::join!(head(&streams, &stream, at, true), async {
                streams.commit(deletion(&stream)).await.expect("a deletion");
                made(second, at).await;
            });
            looked.expect("memory");
            let end = streams.get(&key(&stream)).await.expect("memory").expect("a deadline");
            assert_eq!(end.value, at.plus_ms(second * 1_000).0.to_string(), "seed {seed}");
        }
    }

    /// A look that finds a life over, while another stream is made in its place that has no end.
    #[tokio::test]
    async fn a_look_ends_only_the_life_that_it_saw() {
        let mut both = [0, 0];
        for seed in 1..=300 {
            let (streams, stream) = (late(seed), path("s"));
            let made = async |life: Life, now: UnixMs| {
                let mut create = Batch::of(Create {
                    stream: stream.clone(),
                    content_type: "text/plain".into(),
                    config: life.encode(),
                    messages: Vec::new(),
                    close: false,
                    or_same: false,
                });
                create.operations.extend(life.beginning(&stream, now));
                streams.commit(create).await
            };
            let short = Life { ttl_seconds: Some(10), ..Life::default() };
            made(short.clone(), UnixMs(0)).await.expect("a fresh path");
            let renewed = Batch::of(short.renewal(&stream, UnixMs(9_000)).expect("it slides"));
            streams.commit(renewed).await.expect("memory");
            let (looked, ()) = tokio::join!(head(&streams, &stream, UnixMs(15_000), false), async {
                streams.commit(deletion(&stream)).await.expect("a deletion");
                made(Life::default(), UnixMs(15_000)).await.expect("it is free");
            });
            let looked = looked.expect("memory");
            assert!(streams.head(&stream).await.expect("memory").is_some(), "seed {seed}: {looked:?}");
            both[usize::from(looked.is_some_and(|(_, life)| life == short))] += 1;
        }
        assert!(both.iter().all(|count| *count > 20), "both orders happen: {both:?}");
    }

    #[test]
    fn only_plain_integers_are_a_ttl() {
        for (text, expected) in [("0", Some(0)), ("60", Some(60)), ("18446744073709551615", Some(u64::MAX))] {
            assert_eq!(parse_ttl(text), expected, "{text}");
        }
        for text in ["", "00", "060", "+1", "-1", "1.5", "1e3", " 1", "18446744073709551616", "x"] {
            assert_eq!(parse_ttl(text), None, "{text}");
        }
    }

    #[test]
    fn expiry_is_rfc_3339() {
        assert_eq!(parse_expiry("1970-01-01T00:00:01Z"), Some(UnixMs(1000)));
        assert_eq!(parse_expiry("1970-01-01T01:00:01.5+01:00"), Some(UnixMs(1500)));
        for text in ["", "tomorrow", "1970-01-01", "1970-01-01T00:00:01", "1000"] {
            assert_eq!(parse_expiry(text), None, "{text}");
        }
    }

    #[test]
    fn the_blob_round_trips() {
        let origin = Origin { source: "a".parse().expect("a path"), at: Offset::ZERO, beyond: 1 };
        let life = Life { ttl_seconds: Some(5), expires_at: None, origin: Some(origin) };
        assert_eq!(Life::decode(&life.encode()), life);
        assert!(Life::default().encode().is_empty());
        let old = br#"{"ttlSeconds":5,"expiresAt":null}"#;
        assert_eq!(
            Life::decode(old),
            Life { ttl_seconds: Some(5), ..Life::default() },
            "as it was before there were forks"
        );
    }
}
