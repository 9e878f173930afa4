//! What is to be seen of a link.

use protocol::error::{ErrorCode, Problem};
use protocol::id::AccountId;
use protocol::path::StreamPath;
use protocol::time::UnixMs;
use serde::{Deserialize, Serialize};

/// Where a link stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkState {
    /// What it does.
    pub phase: Phase,
    /// Since when, by the node's clock.
    pub since_ms: UnixMs,
    /// What went wrong last; null while it is live and nothing did.
    pub trouble: Option<Trouble>,
    /// Whose the node is there, once the hub has said so.
    pub account: Option<AccountId>,
    /// The version of Towline there.
    pub version: Option<String>,
    /// What the hub does not have yet, as far as is known.
    pub behind: Behind,
    /// Why it goes a slower way than by a WebSocket; null when it does not, or is not connected.
    #[serde(default)]
    pub slow: Option<Slow>,
}

/// What a link does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It dials.
    Connecting,
    /// It is connected, and finds out what the hub has.
    Comparing,
    /// It is connected, and carries what is new.
    Live,
    /// It has no connection, and dials again after a pause.
    Waiting,
    /// It dials no more: a person has to look into it.
    Stopped,
}

/// A way around what lets no WebSocket through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Slow {
    /// What is in the way, in words.
    pub words: String,
    /// Whether what the hub says still comes as soon as it is said; if not, it is looked for every few seconds.
    pub pushed: bool,
}

/// Something that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    /// The hub's code; null for the network.
    pub code: Option<ErrorCode>,
    /// In words.
    pub words: String,
    /// What to do next.
    pub hint: Option<String>,
    /// The stream that does not fit, after which nothing more is carried.
    pub fenced: Option<StreamPath>,
}

/// What the hub does not have yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Behind {
    /// Streams with something new.
    pub streams: u64,
    /// Bytes of the lists' feed.
    pub feed_bytes: u64,
    /// Bytes of streams, as far as they were looked at.
    pub stream_bytes: u64,
}

impl LinkState {
    /// A link that has not dialled yet.
    pub fn new(now: UnixMs) -> Self {
        Self {
            phase: Phase::Connecting,
            since_ms: now,
            trouble: None,
            account: None,
            version: None,
            behind: Behind::default(),
            slow: None,
        }
    }
}

impl Trouble {
    /// The network, or a hub that ends without a reason.
    pub fn network(words: impl Into<String>) -> Self {
        Self { code: None, words: words.into(), hint: None, fenced: None }
    }
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        Self { code: Some(problem.code), words: problem.to_string(), hint: Some(problem.hint), fenced: None }
    }
}
