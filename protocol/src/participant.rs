//! Participants: other accounts of the same hub that see, or also steer, one session. Its owner is the account that the session belongs to and
//! has no row of its own; whoever else has none sees nothing (W-082).

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, DeviceId, InvitationId, SessionId};
use crate::time::UnixMs;

/// What a participant may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum ParticipantRole {
    /// Sends prompts, stops turns and answers, as far as the owner trusts it.
    Editor,
    /// Reads.
    #[serde(other)]
    Viewer,
}

/// The value of a `participant` fact; it is in the feed of the session's owner and of every participant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct Participant {
    /// The version of this shape.
    pub v: u32,
    /// The session.
    pub session: SessionId,
    /// Who takes part; once for each session.
    pub account: AccountId,
    /// What it may do.
    pub role: ParticipantRole,
    /// Whether what it sends runs without the owner being asked, and whether its answers may allow something.
    pub trusted: bool,
    /// Whose session it is.
    pub owner: AccountId,
    /// When it joined.
    pub joined_at_ms: UnixMs,
    /// What people call them.
    pub content: ParticipantContent,
}

/// The names that go with a participant: to whom a session is shared, its owner's machine is nothing but a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct ParticipantContent {
    /// Of the participant.
    pub name: String,
    /// Of the owner.
    pub owner_name: String,
    /// Of the host that the session runs on.
    pub host_name: String,
}

/// What a command of a participant carries with it to the host, which checks it once more (W-083).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct ByParticipant {
    /// Who sent it.
    pub account: AccountId,
    /// What it is called.
    pub name: String,
    /// What it might do when it sent it.
    pub role: ParticipantRole,
    /// Whether it was trusted then.
    pub trusted: bool,
    /// The owner's device that let it run; null while nobody has, or where nobody has to. As long as it is null and the participant is not
    /// trusted, a prompt stays `queued` and is handed to no host.
    pub released_by: Option<DeviceId>,
}

impl ByParticipant {
    /// Whether the owner has said, once or for all that it sends, that it may run.
    pub const fn is_let(&self) -> bool {
        matches!(self.role, ParticipantRole::Editor) && (self.trusted || self.released_by.is_some())
    }
}

/// Invites somebody who has an account on this hub to a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewSessionInvitation {
    /// As what.
    pub role: ParticipantRole,
    /// Whether what it sends runs without the owner being asked.
    #[serde(default)]
    pub trusted: bool,
}

/// Uses an invitation to a session.
#[derive(Debug, Clone, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JoinSession {
    /// The link's secret.
    pub secret: String,
}

/// The session that an account takes part in now.
#[derive(Debug, Clone, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct JoinedSession {
    /// Which.
    pub session: SessionId,
    /// As what.
    pub role: ParticipantRole,
}

/// Changes what a participant may do; what is null stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ParticipantEdit {
    /// What it may do.
    #[serde(default)]
    pub role: Option<ParticipantRole>,
    /// Whether what it sends runs without the owner being asked.
    #[serde(default)]
    pub trusted: Option<bool>,
}

/// Who takes part in a session.
#[derive(Debug, Clone, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct ParticipantList {
    /// Who joined, oldest first.
    pub participants: Vec<Participant>,
    /// Invitations that nobody has used, oldest first; empty for everybody but the owner.
    pub invitations: Vec<SessionInvitation>,
}

/// An invitation to a session that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct SessionInvitation {
    /// Which.
    pub invitation: InvitationId,
    /// As what.
    pub role: ParticipantRole,
    /// Whether what it sends will run without the owner being asked.
    pub trusted: bool,
    /// When it was made.
    pub created_at_ms: UnixMs,
    /// Until when it can be used.
    pub expires_at_ms: UnixMs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_let_in_words_that_are_known_may_only_read() {
        assert_eq!(serde_json::from_str::<ParticipantRole>("\"editor\"").expect("a role"), ParticipantRole::Editor);
        assert_eq!(serde_json::from_str::<ParticipantRole>("\"auditor\"").expect("a role"), ParticipantRole::Viewer);
    }

    #[test]
    fn a_viewer_is_let_nothing_whatever_else_is_said() {
        let id = uuid::Builder::from_unix_timestamp_millis(1, &[0; 10]).into_uuid();
        let by = |role, trusted, released| ByParticipant {
            account: AccountId::from_uuid(id),
            name: String::new(),
            role,
            trusted,
            released_by: if released { Some(DeviceId::from_uuid(id)) } else { None },
        };
        assert!(!by(ParticipantRole::Viewer, true, true).is_let());
        assert!(!by(ParticipantRole::Editor, false, false).is_let());
        assert!(by(ParticipantRole::Editor, true, false).is_let());
        assert!(by(ParticipantRole::Editor, false, true).is_let());
    }
}
