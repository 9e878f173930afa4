//! Facts: change messages of the public State Protocol, `{"type","key","value","headers":{"operation"}}`.
//!
//! `value` holds what the hub routes, lists or guards by; whatever people or agents wrote, or the machine betrays, sits in
//! `value.content` (rule 5). A fact of a type that this program does not know is skipped, never an error (rule 10).

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::approval::Approval;
use crate::command::Command;
use crate::device::Device;
use crate::host::{Host, Project};
use crate::id::{ApprovalId, CommandId, DeviceId, ItemId, ParticipantId, ProjectId, RuleId, SessionId, TurnId};
use crate::item::{Delta, Item};
use crate::participant::Participant;
use crate::rule::Rule;
use crate::session::{ReadMark, Session};
use crate::turn::Turn;

/// The version of fact values that this program writes (`value.v`).
pub const FACT_VERSION: u32 = 1;

/// What a change does to the row of its type and key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// The row is new.
    Insert,
    /// The row is replaced whole.
    Update,
    /// The row is gone.
    Delete,
}

/// The headers of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
pub struct Headers {
    /// What the change does.
    pub operation: Operation,
}

/// A change message. `value` is absent exactly when the operation is `delete`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change<V> {
    /// The type of the row.
    #[serde(rename = "type")]
    pub kind: String,
    /// The key of the row among those of its type.
    pub key: String,
    /// The row. The State Protocol's schema wants it absent, not null, on delete.
    #[serde(skip_serializing_if = "Option::is_none", default = "none")]
    pub value: Option<V>,
    /// What the change does.
    pub headers: Headers,
}

fn none<V>() -> Option<V> {
    None
}

/// A message is not a change, or its value is not what its type says.
#[derive(Debug, thiserror::Error)]
pub enum ParseFactError {
    /// Not a change message.
    #[error("not a change message")]
    Shape(#[source] serde_json::Error),
    /// The key is not an id of the right kind.
    #[error("a {kind} fact has the key `{key}`")]
    Key {
        /// The type of the fact.
        kind: String,
        /// Its key.
        key: String,
    },
    /// The value does not fit the type.
    #[error("the value of a {kind} fact does not fit")]
    Value {
        /// The type of the fact.
        kind: String,
        /// What did not fit.
        #[source]
        source: serde_json::Error,
    },
}

macro_rules! facts {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident($id:ty, $value:ty) = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub enum $name {
            $($(#[$vdoc])* $variant {
                /// The key.
                id: $id,
                /// What the change does.
                operation: Operation,
                /// The row; `None` exactly on delete.
                value: Option<$value>,
            },)*
            /// A fact of a type that this program does not know.
            Unknown {
                /// Its type.
                kind: String,
            },
        }

        impl $name {
            /// Reads one message.
            ///
            /// # Errors
            /// [`ParseFactError`]; an unknown type is not an error.
            pub fn parse(message: &[u8]) -> Result<Self, ParseFactError> {
                let change: Change<Box<serde_json::value::RawValue>> =
                    serde_json::from_slice(message).map_err(ParseFactError::Shape)?;
                let operation = change.headers.operation;
                match change.kind.as_str() {
                    $($text => Ok(Self::$variant {
                        id: key(&change)?,
                        operation,
                        value: value(&change)?,
                    }),)*
                    _ => Ok(Self::Unknown { kind: change.kind }),
                }
            }

            /// The message of a fact; an unknown fact has none.
            pub fn encode(&self) -> Option<Bytes> {
                match self {
                    $(Self::$variant { id, operation, value } => Some(encode($text, id.to_string(), *operation, value.as_ref())),)*
                    Self::Unknown { .. } => None,
                }
            }
        }

        $(impl From<($id, Operation, $value)> for $name {
            fn from((id, operation, value): ($id, Operation, $value)) -> Self {
                Self::$variant { id, operation, value: Some(value) }
            }
        })*
    };
}

fn key<I: std::str::FromStr>(change: &Change<Box<serde_json::value::RawValue>>) -> Result<I, ParseFactError> {
    change
        .key
        .parse()
        .map_err(|_| ParseFactError::Key { kind: change.kind.clone(), key: change.key.chars().take(64).collect() })
}

fn value<V: DeserializeOwned>(change: &Change<Box<serde_json::value::RawValue>>) -> Result<Option<V>, ParseFactError> {
    let fail = |source| ParseFactError::Value { kind: change.kind.clone(), source };
    match (&change.value, change.headers.operation) {
        (Some(raw), Operation::Insert | Operation::Update) => serde_json::from_str(raw.get()).map(Some).map_err(fail),
        (None, Operation::Insert | Operation::Update) => Err(fail(serde::de::Error::missing_field("value"))),
        (_, Operation::Delete) => Ok(None),
    }
}

fn encode<V: Serialize>(kind: &str, key: String, operation: Operation, value: Option<&V>) -> Bytes {
    let change = Change { kind: kind.to_owned(), key, value, headers: Headers { operation } };
    serde_json::to_vec(&change).expect("fact values have string keys and finite numbers").into()
}

facts! {
    /// A fact of a session: in its journal, or in the turn stream of one of its turns.
    SessionFact {
        /// A turn (journal).
        Turn(TurnId, Turn) = "turn",
        /// An item: settled in the journal; not settled yet, or abandoned (delete), in a turn stream.
        Item(ItemId, Item) = "item",
        /// A piece that an unsettled item grows by (turn stream); the key is the item's.
        Delta(ItemId, Delta) = "delta",
        /// An approval (journal).
        Approval(ApprovalId, Approval) = "approval",
    }
}

facts! {
    /// A fact of an account's feed.
    FeedFact {
        /// A machine that runs agents.
        Host(DeviceId, Host) = "host",
        /// A directory in which sessions run.
        Project(ProjectId, Project) = "project",
        /// A conversation.
        Session(SessionId, Session) = "session",
        /// A command and its state.
        Command(CommandId, Command) = "command",
        /// A decision that an agent waits for, as the lists need it.
        Approval(ApprovalId, Approval) = "approval",
        /// An enrolled device.
        Device(DeviceId, Device) = "device",
        /// How far the account has read a session.
        ReadMark(SessionId, ReadMark) = "read_mark",
        /// A standing rule.
        Rule(RuleId, Rule) = "rule",
        /// Who takes part in a session.
        Participant(ParticipantId, Participant) = "participant",
    }
}
