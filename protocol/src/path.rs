//! Paths of streams below `/v1/stream/`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::id::{AccountId, SessionId, TurnId, UploadId};
use crate::limits::MAX_STREAM_PATH_BYTES;

/// The path of a stream below `/v1/stream/`, without a leading slash: 1 to 512 bytes of printable ASCII or UTF-8, no empty,
/// `.` or `..` segment, no control character. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, ts_rs::TS)]
#[ts(type = "string")]
pub struct StreamPath(Arc<str>);

/// A text cannot name a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a stream path: 1 to 512 bytes, no empty, `.` or `..` segment, no control character")]
pub struct ParsePathError;

/// What a path below the product's own prefixes names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owned {
    /// The change facts of an account's lists.
    Feed(AccountId),
    /// The settled facts of a session.
    Journal(SessionId),
    /// The deltas of a turn.
    Turn(TurnId),
}

impl StreamPath {
    /// `accounts/{account}/feed`.
    pub fn feed(account: AccountId) -> Self {
        Self(format!("accounts/{account}/feed").into())
    }

    /// `sessions/{session}/journal`.
    pub fn journal(session: SessionId) -> Self {
        Self(format!("sessions/{session}/journal").into())
    }

    /// `turns/{turn}/live`.
    pub fn turn(turn: TurnId) -> Self {
        Self(format!("turns/{turn}/live").into())
    }

    /// `uploads/{upload}/bytes`: a file that somebody attaches. A stream of the hub's own, which no client reads as one.
    pub fn upload(upload: UploadId) -> Self {
        Self(format!("uploads/{upload}/bytes").into())
    }

    /// The text of the path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the path names among the product's own streams; `None` for every other path.
    pub fn owned(&self) -> Option<Owned> {
        let mut parts = self.0.split('/');
        let found = match (parts.next()?, parts.next()?, parts.next()?) {
            ("accounts", id, "feed") => Owned::Feed(id.parse().ok()?),
            ("sessions", id, "journal") => Owned::Journal(id.parse().ok()?),
            ("turns", id, "live") => Owned::Turn(id.parse().ok()?),
            _ => return None,
        };
        parts.next().is_none().then_some(found)
    }
}

impl FromStr for StreamPath {
    type Err = ParsePathError;
    fn from_str(text: &str) -> Result<Self, ParsePathError> {
        let sized = !text.is_empty() && text.len() <= MAX_STREAM_PATH_BYTES;
        let plain = !text.chars().any(char::is_control);
        let walkable = text.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
        if sized && plain && walkable { Ok(Self(text.into())) } else { Err(ParsePathError) }
    }
}

impl fmt::Display for StreamPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StreamPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for StreamPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for StreamPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owned_paths_are_exact() {
        let id = SessionId::from_uuid(uuid::Builder::from_unix_timestamp_millis(5, &[1; 10]).into_uuid());
        let path = StreamPath::journal(id);
        assert_eq!(path.owned(), Some(Owned::Journal(id)));
        for text in
            [format!("{path}/x"), format!("sessions/{id}"), format!("turns/{id}/live"), "sessions/a/journal".into()]
        {
            assert_eq!(text.parse::<StreamPath>().expect("a path").owned(), None, "{text}");
        }
    }

    #[test]
    fn walking_and_empty_paths_are_refused() {
        for text in ["", "/", "a//b", "a/../b", ".", "a/", "/a", "a\nb"] {
            assert!(text.parse::<StreamPath>().is_err(), "{text:?}");
        }
    }
}
