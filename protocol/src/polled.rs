//! Bodies of a link that goes by requests of its own, for a network that lets no WebSocket through. The frames are those of
//! [`link`](crate::link), and each side numbers its own from 1.
//!
//! | method and path | body → answer |
//! |---|---|
//! | `POST /v1/link/polled` | → [`Opened`]; the first frame is to come within `HELLO_TIMEOUT_MS` |
//! | `POST /v1/link/polled/{connection}/say` | [`Said`] → [`Taken`] |
//! | `POST /v1/link/polled/{connection}/hear` | [`Hear`] → [`Heard`] |
//!
//! A request that broke in the middle is sent again as it was: a frame whose number came before is not taken again, and what the hub said
//! is kept until a `hear` names it. So nothing is lost and nothing comes twice. Of two requests of one kind the later one stands for both:
//! the earlier one is answered at once. `not_found` says that the connection is over, or was never this node's.

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::id::ConnectionId;
use crate::limits::MAX_POLLED_FRAMES;

/// A connection that was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Opened {
    /// Which; of use to the device that opened it alone.
    pub connection: ConnectionId,
    /// Longest that a `hear` may wait for something, in milliseconds.
    pub longest_wait_ms: u64,
    /// Largest body of a `say`, in bytes.
    pub max_bytes: usize,
}

/// What a node says: frames, with the number of the first.
#[derive(Debug, Serialize, Deserialize)]
pub struct Said {
    /// The number of the first of them.
    pub first: u64,
    /// Frames, as they stand; at most [`MAX_POLLED_FRAMES`].
    #[serde(deserialize_with = "few")]
    pub frames: Vec<Box<RawValue>>,
}

/// Answers what a node says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The number of the last frame that was taken: what is behind it is to be said again, whether it came too early or there was no room.
    pub taken: u64,
}

/// Asks for what the hub said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hear {
    /// The number of the last frame that came; 0 for none. The hub forgets it, and all before it.
    pub after: u64,
    /// How long the hub may wait until it has something to answer, in milliseconds; 0 for an answer at once.
    pub wait_ms: u64,
}

/// What the hub said.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Heard {
    /// The number of the first frame. More than one behind `after` only in the answer to a request that another one has overtaken.
    pub first: u64,
    /// Frames, as they stand; none when there was nothing for as long as the request waits, or when the hub asks for a sign of life.
    #[serde(deserialize_with = "few")]
    pub frames: Vec<Box<RawValue>>,
    /// The connection is over, and nothing comes behind these frames: why, as a WebSocket is closed.
    pub end: Option<u16>,
}

/// Reads a few frames: each costs more in memory than it may have in the body.
fn few<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Box<RawValue>>, D::Error> {
    struct Few;
    impl<'de> Visitor<'de> for Few {
        type Value = Vec<Box<RawValue>>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "at most {MAX_POLLED_FRAMES} frames")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut frames = Vec::new();
            while let Some(frame) = seq.next_element()? {
                if frames.len() >= MAX_POLLED_FRAMES {
                    return Err(de::Error::custom(format!("more than {MAX_POLLED_FRAMES} frames")));
                }
                frames.push(frame);
            }
            Ok(frames)
        }
    }
    deserializer.deserialize_seq(Few)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_stand_as_they_were_written_and_are_few() {
        let text = r#"{"first":7,"frames":[{ "a" : 1.0 },{"b":"\u0041"}]}"#;
        let said: Said = serde_json::from_str(text).unwrap();
        let frames: Vec<&str> = said.frames.iter().map(|frame| frame.get()).collect();
        assert_eq!((said.first, frames), (7, vec![r#"{ "a" : 1.0 }"#, r#"{"b":"\u0041"}"#]));
        assert_eq!(serde_json::to_string(&said).unwrap(), text);
        let many = |count: usize| format!(r#"{{"first":1,"frames":[{}]}}"#, vec!["{}"; count].join(","));
        assert!(serde_json::from_str::<Said>(&many(MAX_POLLED_FRAMES)).is_ok());
        assert!(serde_json::from_str::<Said>(&many(MAX_POLLED_FRAMES + 1)).is_err());
    }
}
