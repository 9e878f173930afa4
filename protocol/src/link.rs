//! Frames of `/v1/link`: the one connection that a node keeps to another hub, dialled by the node. JSON text frames.
//!
//! Up go what the node's own host says: its place in the lists, its journals and its turn streams, byte for byte and at the node's own
//! offsets. Down comes what is meant for that host: commands, and what people did at the hub. The node speaks first (`hello`); the hub
//! answers `welcome`, or `refused` and closes.
//!
//! * **Lists.** The node follows its own feed and sends the facts about its host in the feed's order. The hub stores, in the commit that
//!   takes them, how far it has got ([`Cursor`]); after a break the node goes on from there. A hub that has no cursor, or one that the
//!   feed no longer reaches, is sent all rows anew with `whole` set.
//! * **Streams.** A [`Piece`] says where it begins and the [`Chain`] of all that precedes. Both must be what the hub has, or nothing of the
//!   push is taken and the hub answers with [`Mismatch`]: the disk of one of the two was restored or copied. Replication then stops and is
//!   shown; nothing is ever merged (W-031).
//! * **Commands.** The hub leases a command to the host and hands it over. From the moment that the node says `taken`, which it says when
//!   the command is on its disk, it alone advances the command, and the hub mirrors the command facts of the node's feed. Handing over
//!   the same command again is harmless: the node knows its id. A command that was handed over and not taken stays leased until the node
//!   has come back and said which it has: only then may it go back to the queue. So it can never run twice.
//! * **News.** Numbered, told again until the node has said `heard`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::command::{CommandBody, CommandState};
use crate::device::Device;
use crate::error::{ErrorCode, Problem};
use crate::host::{HostContent, RemoteAccess};
use crate::id::{AccountId, CommandId, DeviceId, RuleId, SessionId};
use crate::offset::Offset;
use crate::participant::ByParticipant;
use crate::path::StreamPath;
use crate::time::UnixMs;

/// The oldest version of the link's protocol that this program speaks.
pub const LINK_MIN: u32 = 1;
/// The newest version of the link's protocol that this program speaks.
pub const LINK_MAX: u32 = 1;

/// Longest name of a command's kind that is repeated to people, in characters.
const MAX_KIND_CHARS: usize = 60;

/// A capability of a node: once it has compared what it has with what the hub has, it pushes something, be it nothing. Until then the hub
/// hands nothing over to it, because a disk that was restored from an older state must not be given what it may have done before.
pub const COMPARES: &str = "compares";

/// A capability of a node: it understands a `start_session` that makes its project. The hub fails such a command for a node without it.
pub const NEW_PROJECTS: &str = "new_projects";

/// A capability of a node: it checks once more what a participant of a session may do. The hub fails a participant's command for a node
/// without it.
pub const PARTICIPANTS: &str = "participants";

/// The hash of everything that a stream held up to a position: of each message in turn, whatever the batches it came in.
///
/// `after` = SHA-256(before, length of the message as 8 bytes big-endian, the message). It begins with 32 zero bytes. As text: hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ts_rs::TS)]
#[ts(type = "string")]
pub struct Chain([u8; 32]);

impl Chain {
    /// The chain of a stream without a message.
    pub const START: Self = Self([0; 32]);

    /// The chain behind one more message.
    #[must_use]
    pub fn after(self, message: &[u8]) -> Self {
        let length = (message.len() as u64).to_be_bytes();
        Self(Sha256::new().chain_update(self.0).chain_update(length).chain_update(message).finalize().into())
    }
}

impl std::fmt::Display for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A text is not a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a chain: expected 64 hex digits")]
pub struct ParseChainError;

impl std::str::FromStr for Chain {
    type Err = ParseChainError;
    fn from_str(text: &str) -> Result<Self, ParseChainError> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(ParseChainError);
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| ParseChainError)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| ParseChainError)?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Chain {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Chain {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// How far the hub has got in the node's feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The offset in the node's own feed behind the last fact that was considered.
    pub offset: Offset,
    /// The hash of that fact alone, as [`Chain::START`] after it; a node whose feed has another fact there has lost its memory.
    pub last: Chain,
}

/// What the hub has of a stream of the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replica {
    /// Which stream.
    pub stream: StreamPath,
    /// Where it ends there.
    pub tail: Offset,
    /// The chain of all that it holds.
    pub chain: Chain,
    /// Whether it is closed there.
    pub closed: bool,
}

/// Messages for the replica of one stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Piece {
    /// Which stream: a journal or a turn stream.
    pub stream: StreamPath,
    /// Of which session it is.
    pub session: SessionId,
    /// Where the replica has to end before this; the beginning of a stream makes it.
    pub at: Offset,
    /// The chain of all that precedes.
    pub before: Chain,
    /// The messages, exactly as they stand in the stream.
    pub messages: Vec<Box<RawValue>>,
    /// Whether the stream is closed behind them.
    pub close: bool,
}

/// What a node sends to have it stored, in one commit: answered by `pushed`, or by `mismatch`, after which nothing of it was stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Push {
    /// The number that the answer will carry.
    pub req: u32,
    /// Facts of the node's feed about its own host: `host`, `project`, `session`, `approval`, `rule`, and `command`. Those of commands
    /// that this hub has not handed over are ignored.
    pub facts: Vec<Box<RawValue>>,
    /// Whether `facts` are every row there is, or a part of them: what the hub has beside them goes with the last part.
    pub whole: Option<Part>,
    /// How far in the node's feed these facts go; null when the push holds none.
    pub cursor: Option<Cursor>,
    /// Messages of streams.
    pub pieces: Vec<Piece>,
}

/// A part of all rows that a node's lists have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The first, and more follow.
    First,
    /// More follow.
    Middle,
    /// The last one; rows of this host that no part named are removed.
    Last,
    /// First and last.
    Only,
}

/// What a node says first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeHello {
    /// The oldest version that the node speaks.
    pub protocol_min: u32,
    /// The newest version that the node speaks.
    pub protocol_max: u32,
    /// Named things that the node can do; unknown ones are ignored.
    pub capabilities: Vec<String>,
    /// The version of Towline there.
    pub version: String,
    /// The id of its host in its own hub, which its facts name; the hub puts the id of the device there instead.
    pub host: DeviceId,
    /// The generation of its host.
    pub generation: u64,
    /// A random number of this start of the node, in hex: two starts with the same generation are a disk and its copy.
    pub boot: String,
    /// Turns that it runs at once.
    pub turns_at_once: u32,
    /// Whether its owner lets devices beyond the machine in.
    pub remote_access: RemoteAccess,
    /// What the host says of itself.
    pub about: HostContent,
    /// Every command of this hub that the node knows and whose end it has not told yet.
    pub holds: Vec<CommandId>,
}

/// What a node says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum NodeFrame {
    /// Opens the conversation; the first frame, and only that.
    Hello(Box<NodeHello>),
    /// Asks what the hub has of the node's streams, in the order of their paths; answered by `replicas`.
    Replicas {
        /// The number that the answer will carry.
        req: u32,
        /// Those behind this one; null for the first page.
        after: Option<StreamPath>,
    },
    /// See [`Push`]. To be read by [`NodeFrame::parse`] only.
    #[serde(skip_deserializing)]
    Push(Push),
    /// Commands that are on the node's disk now, or were before, whatever became of them.
    Taken {
        /// Which, with the tokens that they were handed over with, and where they stand there.
        commands: Vec<Taken>,
    },
    /// Commands that the node does not know how to take, because they are of a kind, or have a part, that came after it: they are not
    /// on its disk, and never run.
    Declined {
        /// Which, and why.
        commands: Vec<Declined>,
    },
    /// Of the frame of news in which that number was told, everything up to it is done, and on disk.
    Heard {
        /// The number.
        number: u64,
    },
    /// Renews the lease of the host; at least every [`LINK_RENEW_MS`](crate::limits::LINK_RENEW_MS). Answered by `renewed`.
    Renew {
        /// The number that the answer will carry.
        req: u32,
        /// Whether its owner lets devices beyond the machine in.
        remote_access: RemoteAccess,
    },
    /// The node stops, or leaves this hub for now: its host is offline at once.
    Bye,
    /// A frame that this program does not know; to be ignored.
    #[serde(other)]
    Unknown,
}

/// A command that a node has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Taken {
    /// Which.
    pub command: CommandId,
    /// The token of the lease that it was handed over with.
    pub token: u64,
    /// Where it stands at the node.
    pub state: CommandState,
}

/// A command that a node does not know how to take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Declined {
    /// Which.
    pub command: CommandId,
    /// The token of the lease that it was handed over with.
    pub token: u64,
    /// Why it failed; `unsupported` for what is not known there.
    pub code: ErrorCode,
    /// In words; the hub keeps the first 500 characters.
    pub detail: String,
}

impl NodeFrame {
    /// Reads a frame. To be used instead of `Deserialize`, which cannot keep messages as they stand.
    ///
    /// # Errors
    /// What serde_json says of it; an unknown type is not an error.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Kind {
            r#type: String,
        }
        let kind: Kind = serde_json::from_str(text)?;
        if kind.r#type == "push" { serde_json::from_str(text).map(Self::Push) } else { serde_json::from_str(text) }
    }
}

/// A command that the hub hands over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Handed {
    /// Which.
    pub command: CommandId,
    /// The fencing token of the lease.
    pub token: u64,
    /// The device that sent it, as the hub knows; the node puts it down as the author.
    pub sender: DeviceId,
    /// The participant that it is of; only a node that has named [`PARTICIPANTS`] is handed such a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub participant: Option<ByParticipant>,
    /// The command that it is another try of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<CommandId>,
    /// What to do.
    pub body: CommandBody,
    /// How long it may still wait before it starts, in milliseconds; the two clocks may differ.
    pub expires_in_ms: u64,
}

/// What people did at the hub, for the node: applied at once, and it does not expire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum LinkNews {
    /// A session has another title.
    Renamed {
        /// Which session.
        session: SessionId,
        /// Its title from now on.
        title: String,
    },
    /// A session was put away, or taken out again.
    Archived {
        /// Which session.
        session: SessionId,
        /// Since when; null when it was taken out.
        at_ms: Option<UnixMs>,
    },
    /// A session is gone, also when the node has never told of it.
    Deleted {
        /// Which session.
        session: SessionId,
    },
    /// A standing rule was revoked.
    RuleRevoked {
        /// Which.
        rule: RuleId,
    },
    /// A command that the node has taken is to be taken back if it has not started.
    Cancelled {
        /// Which.
        command: CommandId,
        /// Who took it back.
        by: DeviceId,
    },
    /// A device of the account, so that its name can be shown; revoked ones say so.
    Device {
        /// Which.
        device: DeviceId,
        /// What it is.
        about: Box<Device>,
    },
    /// News of a kind that this program does not know: a node has nothing to do, and has heard of it.
    #[serde(other)]
    Unknown,
}

impl LinkNews {
    /// Whether this takes something away from somebody. The hub tells such news in frames of their own, before all others, and a node
    /// acts on them at once, whatever else it is busy with.
    pub fn is_urgent(&self) -> bool {
        match self {
            Self::RuleRevoked { .. } => true,
            Self::Device { about, .. } => about.revoked_at_ms.is_some(),
            Self::Renamed { .. }
            | Self::Archived { .. }
            | Self::Deleted { .. }
            // It takes back what was handed over before, so it stays behind that.
            | Self::Cancelled { .. }
            | Self::Unknown => false,
        }
    }
}

/// A piece, or a cursor, that does not fit: the disk of one of the two was restored or copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mismatch {
    /// Which stream.
    pub stream: StreamPath,
    /// Where it ends at the hub; null when the hub has none.
    pub tail: Option<Offset>,
    /// The chain of what the hub has.
    pub chain: Option<Chain>,
}

/// What the hub says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum HubFrame {
    /// Answers `hello`: the host is online here.
    Welcome {
        /// The version that both will speak.
        protocol: u32,
        /// Named things that the hub can do.
        capabilities: Vec<String>,
        /// The version of Towline there.
        version: String,
        /// Whose the node is there.
        account: AccountId,
        /// Which device it is there: its own id.
        device: DeviceId,
        /// The hub's clock.
        hub_at_ms: UnixMs,
        /// How far the hub has got in the node's feed; null when it has nothing of it.
        cursor: Option<Cursor>,
    },
    /// The node may not come in; the hub closes. Also said later, when it may no longer stay.
    Refused {
        /// Why: `link_replaced`, `link_cloned`, `link_restored`, `unauthenticated`, `forbidden`, `upgrade_required`.
        problem: Problem,
    },
    /// Answers `replicas`.
    Replicas {
        /// The number of the request.
        req: u32,
        /// What is there, in the order of the paths.
        streams: Vec<Replica>,
        /// Whether there are more behind the last one.
        more: bool,
    },
    /// Answers `push`: all of it is on disk.
    Pushed {
        /// The number of the request.
        req: u32,
    },
    /// Answers `push`: nothing of it was taken, and nothing more will be until this has been looked into.
    Mismatch {
        /// The number of the request.
        req: u32,
        /// What does not fit.
        mismatch: Mismatch,
    },
    /// Commands for the host; answered by `taken` once they are on the node's disk.
    Hand {
        /// Which, in the order of the queue.
        commands: Vec<Handed>,
    },
    /// What people did, with numbers that only grow; answered by `heard`.
    News {
        /// The number of each, and what.
        news: Vec<(u64, LinkNews)>,
    },
    /// Answers `renew`.
    Renewed {
        /// The number of the request.
        req: u32,
        /// The hub's clock.
        hub_at_ms: UnixMs,
    },
    /// Answers a request that failed for another reason.
    Error {
        /// The number of the request; null when it was not one.
        req: Option<u32>,
        /// What was wrong.
        problem: Problem,
    },
    /// A frame that this program does not know; to be ignored.
    #[serde(other)]
    Unknown,
}

impl HubFrame {
    /// Reads a frame; with it come the commands of a `hand` that this program does not know how to take, each as it is to be declined.
    ///
    /// # Errors
    /// What serde_json says of it; an unknown type is not an error.
    pub fn parse(text: &str) -> Result<(Self, Vec<Declined>), serde_json::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Loose {
            command: CommandId,
            token: u64,
            sender: DeviceId,
            #[serde(default)]
            participant: Option<ByParticipant>,
            #[serde(default)]
            retry_of: Option<CommandId>,
            body: Box<RawValue>,
            expires_in_ms: u64,
        }
        #[derive(Deserialize)]
        struct Hand {
            r#type: String,
            commands: Vec<Loose>,
        }
        #[derive(Deserialize)]
        struct Kind {
            kind: String,
        }
        let error = match serde_json::from_str(text) {
            Ok(frame) => return Ok((frame, Vec::new())),
            Err(error) => error,
        };
        let loose = match serde_json::from_str::<Hand>(text) {
            Ok(hand) if hand.r#type == "hand" => hand.commands,
            _ => return Err(error),
        };
        let (mut commands, mut declined) = (Vec::new(), Vec::new());
        for Loose { command, token, sender, participant, retry_of, body, expires_in_ms } in loose {
            if let Ok(body) = serde_json::from_str(body.get()) {
                commands.push(Handed { command, token, sender, participant, retry_of, body, expires_in_ms });
                continue;
            }
            let kind = serde_json::from_str::<Kind>(body.get()).map_or_else(|_| "?".to_owned(), |kind| kind.kind);
            let kind: String = kind.chars().take(MAX_KIND_CHARS).collect();
            let detail = format!("the Towline of this machine does not know `{kind}`, or a part of it");
            declined.push(Declined { command, token, code: ErrorCode::Unsupported, detail });
        }
        Ok((Self::Hand { commands }, declined))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_of_a_later_version_does_not_hide_the_others_and_is_declined() {
        let known = r#"{"command":"cmd_019b76daa80073038303030303030303","token":1,"sender":"dev_019b76daa80072028202020202020202","body":{"kind":"cancel_turn","session":"ses_019b76daa80073038303030303030303","turn":null},"expiresInMs":5}"#;
        let later = known
            .replace("cancel_turn", "paint")
            .replace("cmd_019b76daa80073038303030303030303", "cmd_019b76daa80073038303030303030304");
        let part = known.replace(r#""turn":null"#, r#""turn":null,"colour":"red""#);
        for odd in [later, part] {
            let text = format!(r#"{{"type":"hand","commands":[{known},{odd}]}}"#);
            let (frame, declined) = HubFrame::parse(&text).unwrap();
            assert!(matches!(frame, HubFrame::Hand { commands } if commands.len() == 1));
            assert_eq!(declined.len(), 1);
            assert_eq!((declined[0].token, declined[0].code), (1, ErrorCode::Unsupported));
        }
        assert!(HubFrame::parse(r#"{"type":"hand","commands":[{}]}"#).is_err());
        assert!(
            matches!(HubFrame::parse(r#"{"type":"moon"}"#), Ok((HubFrame::Unknown, declined)) if declined.is_empty())
        );
    }

    #[test]
    fn a_chain_depends_on_every_message_and_on_where_each_ends_but_on_no_batch() {
        let chain = |messages: &[&str]| messages.iter().fold(Chain::START, |chain, m| chain.after(m.as_bytes()));
        assert_eq!(chain(&["a", "b"]), chain(&["a"]).after(b"b"));
        assert_ne!(chain(&["ab"]), chain(&["a", "b"]));
        assert_ne!(chain(&["a", "b"]), chain(&["b", "a"]));
        assert_ne!(chain(&[]), chain(&[""]));
        let text = chain(&["a"]).to_string();
        assert_eq!(text.parse(), Ok(chain(&["a"])));
        for bad in ["", "00", &text.to_uppercase(), &format!("{text}0")] {
            assert_eq!(bad.parse::<Chain>(), Err(ParseChainError), "{bad}");
        }
    }

    #[test]
    fn the_messages_of_a_push_are_kept_as_they_stand() {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let session = SessionId::from_uuid(uuid::Builder::from_unix_timestamp_millis(1, &[0; 10]).into_uuid());
        let piece = Piece {
            stream: StreamPath::journal(session),
            session,
            at: Offset::ZERO,
            before: Chain::START,
            messages: vec![raw(r#"{ "a" : 1.0 }"#)],
            close: false,
        };
        let push = Push { req: 1, facts: vec![raw("{ }")], whole: None, cursor: None, pieces: vec![piece] };
        let text = serde_json::to_string(&NodeFrame::Push(push)).unwrap();
        let Ok(NodeFrame::Push(push)) = NodeFrame::parse(&text) else { panic!("{text}") };
        assert_eq!((push.facts[0].get(), push.pieces[0].messages[0].get()), ("{ }", r#"{ "a" : 1.0 }"#));
        assert!(matches!(NodeFrame::parse(r#"{"type":"moon"}"#), Ok(NodeFrame::Unknown)));
        assert!(matches!(NodeFrame::parse(r#"{"type":"bye"}"#), Ok(NodeFrame::Bye)));
        assert!(NodeFrame::parse("[]").is_err());
    }

    #[test]
    fn news_of_a_later_version_do_not_hide_the_others() {
        let text = r#"{"type":"news","news":[[1,{"type":"moved","to":"moon"}],[2,{"type":"cancelled","command":"cmd_019b76daa80073038303030303030303","by":"dev_019b76daa80072028202020202020202"}]]}"#;
        let Ok(HubFrame::News { news }) = serde_json::from_str(text) else { panic!("{text}") };
        assert_eq!(news[0], (1, LinkNews::Unknown));
        assert!(matches!(news[1], (2, LinkNews::Cancelled { .. })));
    }
}
