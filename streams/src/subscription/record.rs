//! What is kept of a subscription in the map, and under which keys.
//!
//! | key | value |
//! |---|---|
//! | `streams/sub/{id}` | [`Record`] |
//! | `streams/link/{id}/{path}` | [`Link`]: a stream of the subscription and how far it was acked |
//! | `streams/index/{path}` | nothing; a stream that exists, for patterns that come later |
//! | `streams/round/{n}` | nothing; there were `n` changes of which patterns there are; the last thousand stay, for those who knew an older one |

use protocol::offset::Offset;
use protocol::path::StreamPath;
use protocol::time::UnixMs;
use serde::{Deserialize, Serialize};

/// What keys of subscriptions start with.
pub(super) const SUBSCRIPTIONS: &str = "streams/sub/";
/// What keys of existing streams start with.
pub(crate) const INDEX: &str = "streams/index/";
/// What keys of rounds start with.
pub(super) const ROUNDS: &str = "streams/round/";

/// Shortest and longest lease, and the one of who names none, in milliseconds (the protocol).
pub(super) const LEASE_MS: std::ops::RangeInclusive<u64> = 1_000..=600_000;
const DEFAULT_LEASE_MS: u64 = 30_000;

/// What somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wish {
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    #[serde(default)]
    pub(super) pattern: Option<String>,
    #[serde(default)]
    pub(super) streams: Vec<StreamPath>,
    #[serde(default)]
    pub(super) webhook: Option<Webhook>,
    #[serde(default)]
    pub(super) wake_stream: Option<StreamPath>,
    #[serde(default = "default_lease")]
    pub(super) lease_ttl_ms: u64,
    #[serde(default)]
    pub(super) description: Option<String>,
}

fn default_lease() -> u64 {
    DEFAULT_LEASE_MS
}

/// How a subscriber is woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    Webhook,
    PullWake,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Webhook {
    pub(super) url: String,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) wish: Wish,
    /// How its maker reached the server, for the addresses in wake-ups.
    pub(super) base_url: String,
    pub(super) created_at: UnixMs,
    /// Whether the streams that were there have their links.
    pub(super) backfilled: bool,
    /// Grows with each wake-up; older ones are fenced.
    pub(super) generation: u64,
    pub(super) wake: Option<Wake>,
    /// Webhooks in a row that were not taken.
    pub(super) failures: u32,
    /// When to try again after a failure.
    pub(super) retry_at: Option<UnixMs>,
}

/// A wake-up that somebody answers for, or may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Wake {
    pub(super) id: String,
    /// Who claimed it; a webhook is claimed by its receiver.
    pub(super) holder: Option<String>,
    /// Until when; `None` as long as nobody has claimed it.
    pub(super) until: Option<UnixMs>,
    /// Streams that were taken out of the subscription meanwhile: whoever was told of them may still ack them.
    #[serde(default)]
    pub(super) let_go: Vec<StreamPath>,
}

/// A stream of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Link {
    pub(super) kind: LinkKind,
    /// Everything before it was dealt with; `None`: nothing yet.
    pub(super) acked: Option<Offset>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum LinkKind {
    Glob,
    Explicit,
}

/// A stream of a subscription as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) path: StreamPath,
    pub(super) link: Link,
    /// `None`: there is no such stream now.
    pub(super) tail: Option<Offset>,
}

impl Seen {
    /// What was acked of another stream that was here before is nothing of this one.
    pub(super) fn of(path: StreamPath, mut link: Link, tail: Option<Offset>) -> Self {
        link.acked = link.acked.filter(|acked| tail.is_none_or(|tail| tail.epoch == acked.epoch));
        Self { path, link, tail }
    }

    pub(super) fn pending(&self) -> bool {
        match (self.tail, self.link.acked) {
            (Some(tail), Some(acked)) if tail.epoch == acked.epoch => tail > acked,
            (Some(tail), _) => tail.byte > 0,
            (None, _) => false,
        }
    }

    pub(super) fn json(&self) -> serde_json::Value {
        let text = |offset: Option<Offset>| offset.map_or_else(|| "-1".to_owned(), |offset| offset.to_string());
        serde_json::json!({
            "path": self.path, "link_type": self.link.kind, "acked_offset": text(self.link.acked),
            "tail_offset": text(self.tail), "has_pending": self.pending(),
        })
    }
}

pub(super) fn key(id: &str) -> String {
    format!("{SUBSCRIPTIONS}{id}")
}

/// What keys of a subscription's links start with.
pub(super) fn links(id: &str) -> String {
    format!("streams/link/{id}/")
}

pub(super) fn link(id: &str, path: &StreamPath) -> String {
    format!("streams/link/{id}/{path}")
}

/// The key that says that a stream exists.
pub(crate) fn index(path: &StreamPath) -> String {
    format!("{INDEX}{path}")
}

pub(super) fn round(number: u64) -> String {
    format!("{ROUNDS}{number:016}")
}

pub(super) fn bytes(value: &impl Serialize) -> bytes::Bytes {
    serde_json::to_vec(value).map(bytes::Bytes::from).expect("a struct of plain fields is JSON")
}
