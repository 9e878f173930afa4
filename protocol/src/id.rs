//! Typed ids: a UUIDv7 behind a prefix that names its kind.
//!
//! The text form (`ses_` and 32 lower-case hex digits) is the only one on the wire, in keys and in logs, so that an id of one
//! kind can never be taken for another and no id is ever a prefix of another of its kind (W-021).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

/// A text is not an id of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {kind} id: expected `{prefix}_` and 32 lower-case hex digits")]
pub struct ParseIdError {
    /// The kind that was expected, in words.
    pub kind: &'static str,
    /// The prefix of that kind.
    pub prefix: &'static str,
    /// What was given, cut to 64 characters.
    pub text: String,
}

fn parse(text: &str, prefix: &'static str, kind: &'static str) -> Result<Uuid, ParseIdError> {
    let bad = || ParseIdError { kind, prefix, text: text.chars().take(64).collect() };
    let hex = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')).ok_or_else(bad)?;
    let canonical = hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if !canonical {
        return Err(bad());
    }
    let id = Uuid::try_parse(hex).map_err(|_| bad())?;
    if id.get_version_num() == 7 { Ok(id) } else { Err(bad()) }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal, $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ts_rs::TS)]
        #[ts(type = "string")]
        pub struct $name(Uuid);

        impl $name {
            /// The prefix of the text form, without the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// Makes an id from a UUID of version 7; the caller brings time and randomness.
            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            /// The UUID behind the id.
            pub const fn uuid(self) -> Uuid {
                self.0
            }

            /// The Unix time in milliseconds that is part of the id.
            pub fn minted_at_ms(self) -> u64 {
                let bytes = self.0.into_bytes();
                bytes[..6].iter().fold(0, |ms, b| (ms << 8) | u64::from(*b))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                parse(text, $prefix, $kind).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// A human principal who owns devices and sessions.
    AccountId = "acc", "account";
    /// An enrolled installation; a host is a device that runs agents, and is named by its device id.
    DeviceId = "dev", "device";
    /// A directory on one host in which sessions run.
    ProjectId = "prj", "project";
    /// A durable conversation, owned by exactly one host at a time.
    SessionId = "ses", "session";
    /// One prompt and the agent's response to it.
    TurnId = "trn", "turn";
    /// The smallest unit of a transcript.
    ItemId = "itm", "item";
    /// A decision that the agent waits for.
    ApprovalId = "apr", "approval";
    /// An instruction from a client to a host; minted by the client.
    CommandId = "cmd", "command";
    /// An enrolment that is under way.
    PairingId = "pai", "pairing";
    /// An invitation to have an account of one's own, or to take part in a session.
    InvitationId = "inv", "invitation";
    /// An account's part in a session of another account.
    ParticipantId = "par", "participant";
    /// A standing rule: what a person allowed for longer.
    RuleId = "rul", "rule";
    /// An entry of the audit trail.
    AuditId = "aud", "audit entry";
    /// A file that is being uploaded.
    UploadId = "upl", "upload";
    /// A link that goes by requests of its own, for as long as the hub knows of it.
    ConnectionId = "con", "connection";
    /// One HTTP request or socket connection, for logs and problems.
    RequestId = "req", "request";
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_v7() -> impl Strategy<Value = Uuid> {
        (0_u64..(1 << 48), any::<[u8; 10]>())
            .prop_map(|(ms, random)| uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid())
    }

    proptest! {
        #[test]
        fn text_form_round_trips(id in any_v7()) {
            let session = SessionId::from_uuid(id);
            prop_assert_eq!(session.to_string().parse::<SessionId>(), Ok(session));
            let json = serde_json::to_string(&session).unwrap();
            prop_assert_eq!(serde_json::from_str::<SessionId>(&json).unwrap(), session);
        }

        #[test]
        fn no_text_panics(text in ".{0,80}") {
            let _ = text.parse::<SessionId>();
        }

        #[test]
        fn time_is_kept(ms in 0_u64..(1 << 48)) {
            let id = uuid::Builder::from_unix_timestamp_millis(ms, &[7; 10]).into_uuid();
            prop_assert_eq!(TurnId::from_uuid(id).minted_at_ms(), ms);
        }
    }

    #[test]
    fn other_kinds_spellings_and_versions_are_refused() {
        let id = uuid::Builder::from_unix_timestamp_millis(1, &[0; 10]).into_uuid();
        let text = SessionId::from_uuid(id).to_string();
        assert!(text.parse::<TurnId>().is_err());
        assert!(text.to_uppercase().parse::<SessionId>().is_err());
        assert!(format!("ses_{}", id.hyphenated()).parse::<SessionId>().is_err());
        assert!(format!("ses_{}", Uuid::nil().simple()).parse::<SessionId>().is_err());
        assert!(text[..text.len() - 1].parse::<SessionId>().is_err());
    }
}
