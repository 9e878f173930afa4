//! Frames of `/v1/connect`: one WebSocket per client, JSON text frames, any number of subscriptions.
//!
//! The client speaks first (`hello`), the hub answers `welcome` or closes. Every request is answered exactly once. A subscription
//! is named by a number that the client chose; frames are routed by that number and nothing else (W-021, W-043).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::command::{CommandRequest, CommandState};
use crate::error::Problem;
use crate::id::{AccountId, CommandId, DeviceId};
use crate::offset::Offset;
use crate::path::StreamPath;
use crate::time::UnixMs;

/// The oldest version of the socket's protocol that this program speaks.
pub const PROTOCOL_MIN: u32 = 1;
/// The newest version of the socket's protocol that this program speaks.
pub const PROTOCOL_MAX: u32 = 1;

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[expect(
    clippy::large_enum_variant,
    reason = "frames are handled one at a time, and most of them that are large are commands"
)]
pub enum ClientFrame {
    /// Opens the conversation; the first frame, and only that.
    Hello {
        /// The oldest version that the client speaks.
        protocol_min: u32,
        /// The newest version that the client speaks.
        protocol_max: u32,
        /// Named things that the client can do; unknown ones are ignored.
        capabilities: Vec<String>,
        /// The client's program and version, for logs.
        client: String,
    },
    /// Wants a stream from a position on, for as long as the socket lives.
    Subscribe {
        /// The number that frames of this subscription will carry; not in use on this socket.
        sub: u32,
        /// Which stream.
        stream: StreamPath,
        /// From where.
        from: From,
    },
    /// Releases one subscription.
    Unsubscribe {
        /// Which.
        sub: u32,
    },
    /// Sends a command; answered by `ack` once it is on disk, or by `error`.
    Command {
        /// The number that the answer will carry.
        req: u32,
        /// The command.
        command: CommandRequest,
    },
    /// Takes back a command that has not started; answered by `ack` or `error`.
    CancelCommand {
        /// The number that the answer will carry.
        req: u32,
        /// Which command.
        command: CommandId,
    },
    /// Asks for a `pong`.
    Ping {
        /// The number that the answer will carry.
        req: u32,
    },
}

/// From where a subscription begins: `"start"`, `"now"`, or an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ts_rs::TS)]
#[ts(type = "\"start\" | \"now\" | (string & {})")]
pub enum From {
    /// The first message kept.
    Start,
    /// What comes from now on.
    Now,
    /// What follows an offset.
    Offset(Offset),
}

impl Serialize for From {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Start => serializer.serialize_str("start"),
            Self::Now => serializer.serialize_str("now"),
            Self::Offset(offset) => offset.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for From {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        match text.as_ref() {
            "start" => Ok(Self::Start),
            "now" => Ok(Self::Now),
            other => other.parse().map(Self::Offset).map_err(serde::de::Error::custom),
        }
    }
}

/// What the hub says.
#[derive(Debug, Serialize, Deserialize, ts_rs::TS)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum ServerFrame {
    /// Answers `hello`.
    Welcome {
        /// The version that both will speak.
        protocol: u32,
        /// Named things that the hub can do.
        capabilities: Vec<String>,
        /// Whose device the client is.
        account: AccountId,
        /// Which device the client is.
        device: DeviceId,
        /// The host in this node; null for a hub without one.
        host: Option<DeviceId>,
        /// The hub's clock.
        hub_at_ms: UnixMs,
        /// How often the hub says something on a quiet socket, in milliseconds.
        heartbeat_ms: u64,
        /// The version of Towline there; a web page of another version should reload itself.
        version: String,
    },
    /// Answers `subscribe`: batches follow.
    Subscribed {
        /// Which.
        sub: u32,
        /// From where the batches will begin.
        next: Offset,
        /// Where the stream ended at that moment.
        tail: Offset,
    },
    /// Messages of a subscription, in order, without gap or repeat.
    Batch {
        /// Which.
        sub: u32,
        /// The messages, exactly as they stand in the stream.
        #[ts(type = "unknown[]")]
        messages: Vec<Box<RawValue>>,
        /// The offset behind the last of them: from here the subscription goes on after a reconnect.
        next: Offset,
        /// Whether that was the stream's end when it was read.
        up_to_date: bool,
    },
    /// A subscription is over; its number is free again.
    Ended {
        /// Which.
        sub: u32,
        /// Why.
        reason: EndReason,
        /// Where it ended; null when it never began.
        next: Option<Offset>,
    },
    /// Answers `unsubscribe`; nothing of that subscription follows.
    Unsubscribed {
        /// Which.
        sub: u32,
    },
    /// Answers `command` or `cancel_command`: on disk, and where it stands.
    Ack {
        /// The number of the request.
        req: u32,
        /// The command.
        command: CommandId,
        /// Where it stands.
        state: CommandState,
        /// When it expires.
        expires_at_ms: UnixMs,
    },
    /// Answers `ping`.
    Pong {
        /// The number of the request.
        req: u32,
        /// The hub's clock.
        hub_at_ms: UnixMs,
    },
    /// Says that the hub is there.
    Heartbeat {
        /// The hub's clock.
        hub_at_ms: UnixMs,
    },
    /// Answers a request that failed, or says what was wrong before a close.
    Error {
        /// The number of the request; null when it was not one.
        req: Option<u32>,
        /// The number of the subscription, when it was about one.
        sub: Option<u32>,
        /// What was wrong.
        problem: Problem,
    },
    /// A frame that this program does not know; to be ignored.
    #[serde(other)]
    Unknown,
}

impl ServerFrame {
    /// Reads a frame. To be used instead of `Deserialize`, which cannot keep the messages of a batch as they stand.
    ///
    /// # Errors
    /// What serde_json says of it; an unknown type is not an error.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Kind {
            r#type: String,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Batch {
            sub: u32,
            messages: Vec<Box<RawValue>>,
            next: Offset,
            up_to_date: bool,
        }
        let kind: Kind = serde_json::from_str(text)?;
        if kind.r#type != "batch" {
            return serde_json::from_str(text);
        }
        let Batch { sub, messages, next, up_to_date } = serde_json::from_str(text)?;
        Ok(Self::Batch { sub, messages, next, up_to_date })
    }
}

/// Why a subscription is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The stream is closed and has been read to its end.
    Closed,
    /// The stream was deleted.
    Deleted,
    /// The offset is not of this stream as it is now: start again from its snapshot or start.
    Reset,
    /// The device may no longer read it.
    Forbidden,
    /// The store failed.
    Failed,
}

/// Why the hub closed a socket: codes of the WebSocket's private range. What a client does about each is fixed (W-049).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// 4400: a frame was malformed. The client must not send it again.
    BadFrame,
    /// 4401: the credential is not valid any more. The client pairs again.
    AuthExpired,
    /// 4403: the device may not do this. The client stops.
    Forbidden,
    /// 4408: the client did not keep up, or was silent. It connects again from its offsets.
    ResyncRequired,
    /// 4413: a frame was too large. The client must not send it again.
    TooLarge,
    /// 4426: the versions do not overlap. The client reloads itself.
    UpgradeRequired,
    /// 4503: the hub is shutting down. The client connects again soon, with jitter.
    Draining,
}

impl CloseCode {
    /// The number on the wire.
    pub const fn code(self) -> u16 {
        match self {
            Self::BadFrame => 4400,
            Self::AuthExpired => 4401,
            Self::Forbidden => 4403,
            Self::ResyncRequired => 4408,
            Self::TooLarge => 4413,
            Self::UpgradeRequired => 4426,
            Self::Draining => 4503,
        }
    }

    /// The reason on the wire.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::BadFrame => "bad_frame",
            Self::AuthExpired => "auth_expired",
            Self::Forbidden => "forbidden",
            Self::ResyncRequired => "resync_required",
            Self::TooLarge => "too_large",
            Self::UpgradeRequired => "upgrade_required",
            Self::Draining => "draining",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_messages_of_a_batch_are_kept_as_they_stand() {
        let message = RawValue::from_string(r#"{ "a" : 1.0 }"#.to_owned()).unwrap();
        let frame = ServerFrame::Batch { sub: 7, messages: vec![message], next: Offset::ZERO, up_to_date: true };
        let text = serde_json::to_string(&frame).unwrap();
        let Ok(ServerFrame::Batch { sub: 7, messages, up_to_date: true, .. }) = ServerFrame::parse(&text) else {
            panic!("{text}");
        };
        assert_eq!(messages[0].get(), r#"{ "a" : 1.0 }"#);
    }

    #[test]
    fn other_frames_and_unknown_ones_are_read() {
        let text = serde_json::to_string(&ServerFrame::Unsubscribed { sub: 1 }).unwrap();
        assert!(matches!(ServerFrame::parse(&text), Ok(ServerFrame::Unsubscribed { sub: 1 })));
        assert!(matches!(ServerFrame::parse(r#"{"type":"moon"}"#), Ok(ServerFrame::Unknown)));
        assert!(ServerFrame::parse("[]").is_err());
    }
}
