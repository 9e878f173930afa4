//! What the hub keeps in the map, as JSON. These shapes are stored: a field is added with `#[serde(default)]`, never renamed.

use protocol::api::AuditEntry;
use protocol::blob::Blob;
use protocol::command::{Command, CommandBody, CommandRequest};
use protocol::device::{Device, DeviceKind};
use protocol::host::Host;
use protocol::id::{AccountId, CommandId, DeviceId, InvitationId, PairingId, ParticipantId, SessionId, UploadId};
use protocol::link::{Cursor, LinkNews, Mismatch};
use protocol::participant::{Participant, ParticipantRole};
use protocol::port::SessionNews;
use protocol::session::Session;
use protocol::time::UnixMs;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use bytes::Bytes;

/// The layout that this program writes and reads.
pub(crate) const FORMAT: u64 = 1;

/// The account and the device made at the first start.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Owner {
    pub(crate) account: AccountId,
    pub(crate) node: DeviceId,
}

/// An account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountRow {
    pub(crate) created_at_ms: UnixMs,
    /// Devices that are not revoked; each enrolment and revocation writes it, so that both are serial.
    pub(crate) devices: u32,
    /// What its person is called here; empty where nobody said.
    #[serde(default)]
    pub(crate) name: String,
    /// When it was closed: what it kept is on its way out, and nothing comes in any more.
    #[serde(default)]
    pub(crate) closed_at_ms: Option<UnixMs>,
}

/// An invitation that nobody has used. Of its secret only the hash is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InvitationRow {
    pub(crate) invitation: InvitationId,
    /// The SHA-256 of the link's secret, in hex.
    pub(crate) secret: String,
    pub(crate) name: Option<String>,
    pub(crate) created_at_ms: UnixMs,
    pub(crate) expires_at_ms: UnixMs,
}

/// An account that takes part in a session of another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ParticipantRow {
    pub(crate) participant: ParticipantId,
    pub(crate) about: Participant,
}

/// An invitation to a session that nobody has used. Of its secret only the hash is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShareRow {
    /// The SHA-256 of the link's secret, in hex.
    pub(crate) secret: String,
    /// Whose session it is.
    pub(crate) owner: AccountId,
    pub(crate) role: ParticipantRole,
    pub(crate) trusted: bool,
    pub(crate) created_at_ms: UnixMs,
    pub(crate) expires_at_ms: UnixMs,
}

/// Where an invitation to a session is found by its secret.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SecretRow {
    pub(crate) session: SessionId,
    pub(crate) invitation: InvitationId,
}

/// A device.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeviceRow {
    pub(crate) device: DeviceId,
    pub(crate) about: Device,
    /// The SHA-256 of its credentials, in hex.
    pub(crate) credentials: Vec<String>,
}

/// A credential, found by its hash.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CredentialRow {
    pub(crate) account: AccountId,
    pub(crate) device: DeviceId,
}

/// An enrolment. Of its secrets only hashes are kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PairingRow {
    pub(crate) pairing: PairingId,
    pub(crate) account: AccountId,
    /// The SHA-256 of the typed code, in hex; `None` once the code is void.
    pub(crate) code: Option<String>,
    /// The SHA-256 of its first half, in hex: a wrong code with the same one is a try at this code, every other is none.
    #[serde(default)]
    pub(crate) half: Option<String>,
    /// Whether a terminal shows it, which has one code at a time.
    #[serde(default)]
    pub(crate) terminal: bool,
    /// The SHA-256 of the QR code's secret, in hex.
    pub(crate) secret: String,
    pub(crate) once: bool,
    /// Whether it lets the first owner of a hub in, and is void once there is one.
    #[serde(default)]
    pub(crate) setup: bool,
    pub(crate) created_at_ms: UnixMs,
    pub(crate) expires_at_ms: UnixMs,
    /// Wrong tries at the typed code while it was open.
    pub(crate) tries: u32,
    pub(crate) claim: Option<Claim>,
    pub(crate) verdict: Verdict,
}

/// Who used a code.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Claim {
    pub(crate) name: String,
    pub(crate) platform: String,
    pub(crate) kind: DeviceKind,
    pub(crate) public_key: Option<String>,
    /// The id that a node has already and keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<DeviceId>,
    pub(crate) source: String,
    pub(crate) words: String,
    /// The SHA-256 of the claim's token, in hex.
    pub(crate) token: String,
    pub(crate) claimed_at_ms: UnixMs,
}

/// A node that has asked to be linked and shows a code, before anybody has typed it: of no account yet.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AskedRow {
    pub(crate) pairing: PairingId,
    /// The SHA-256 of the code, in hex; `None` once it is void.
    pub(crate) code: Option<String>,
    /// The SHA-256 of its first half, as of a [`PairingRow`].
    #[serde(default)]
    pub(crate) half: Option<String>,
    pub(crate) created_at_ms: UnixMs,
    pub(crate) expires_at_ms: UnixMs,
    /// Wrong tries at the code while it was open.
    pub(crate) tries: u32,
    pub(crate) claim: Claim,
}

/// What was decided about an enrolment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// Nothing yet.
    Open,
    /// It may come in, and has not fetched its credential.
    Approved {
        /// The device made for it.
        device: DeviceId,
    },
    /// It has its credential.
    Told {
        /// The device made for it.
        device: DeviceId,
    },
    /// It may not come in.
    Rejected,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CommandRow {
    pub(crate) account: AccountId,
    /// As it was sent: the same id with another request is a conflict.
    pub(crate) request: CommandRequest,
    pub(crate) command: Command,
    /// Its place in its host's queue; kept when a lease is given back.
    pub(crate) arrival: u64,
    /// What it asks for since somebody changed its words; a client that sends it again still sends what it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) edited: Option<CommandBody>,
    /// When its words were changed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reworded_at_ms: Option<UnixMs>,
    /// Once it was leased to a host that is linked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) handover: Option<Handover>,
    /// The command that is another try of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retried_by: Option<CommandId>,
    /// Whether it is a participant's prompt that nobody has let run: while it is queued it stands in no host's queue.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) held: bool,
}

/// How far a command has got on its way to a host that is linked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Handover {
    /// Whether the node has said that it has it: from then on it alone advances it.
    pub(crate) taken: bool,
    /// Who wants it back; whether it comes back is the node's to say.
    pub(crate) cancel_by: Option<DeviceId>,
}

/// The link of a host: what must not be forgotten between two of its connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LinkRow {
    /// The newest generation that was let in.
    pub(crate) generation: u64,
    /// Which start of the node has that generation.
    pub(crate) boot: String,
    /// Grows with each connection that is let in: an older one can store nothing any more.
    pub(crate) seat: u64,
    /// The id of the host in its own hub.
    pub(crate) host: DeviceId,
    /// How far this hub has got in the node's feed.
    pub(crate) cursor: Option<Cursor>,
    /// What did not fit, when something did not: this generation stores nothing more.
    pub(crate) fenced: Option<Mismatch>,
    /// The newest number of the news that the node has heard.
    pub(crate) heard: u64,
    /// Whether the device was revoked since the last connection: it is told nothing until it is linked anew, and of all devices then.
    #[serde(default)]
    pub(crate) out: bool,
}

impl CommandRow {
    /// What it asks for now.
    pub(crate) fn body(&self) -> &CommandBody {
        self.edited.as_ref().unwrap_or(&self.request.body)
    }

    /// The fencing token of the newest lease: how often it was leased.
    pub(crate) fn token(&self) -> u64 {
        u64::from(self.command.attempt)
    }
}

/// A host.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HostRow {
    pub(crate) account: AccountId,
    pub(crate) host: Host,
}

/// Whose a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionRow {
    pub(crate) account: AccountId,
    pub(crate) host: DeviceId,
    /// The command that is to make it.
    pub(crate) command: Option<CommandId>,
    /// Whether its journal exists.
    pub(crate) live: bool,
}

/// What a person has set by hand of a session: it stands, whatever the host says later.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EditRow {
    pub(crate) title: Option<String>,
    pub(crate) archived_at_ms: Option<UnixMs>,
}

impl EditRow {
    /// Puts what was set by hand over what a host says.
    pub(crate) fn over(&self, session: &mut Session) {
        if let Some(title) = &self.title {
            session.content.title.clone_from(title);
        }
        session.archived_at_ms = self.archived_at_ms;
    }
}

/// How much an account keeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QuotaRow {
    /// Bytes of whole files, and of those on their way as they were announced.
    pub(crate) bytes: u64,
    /// Uploads that are not whole.
    pub(crate) open: u32,
}

/// A file on its way. Its name is not kept: whoever attaches it says it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UploadRow {
    /// As announced.
    pub(crate) size_bytes: u64,
    pub(crate) created_at_ms: UnixMs,
    /// The file, once it is whole.
    pub(crate) blob: Option<Blob>,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BlobRow {
    pub(crate) blob: Blob,
    /// The upload in whose stream its bytes are.
    pub(crate) upload: UploadId,
    /// Until when it is kept although no session uses it: it was uploaded, and its prompt may still be on its way.
    pub(crate) fresh_until_ms: Option<UnixMs>,
}

/// Of which session a turn is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TurnRow {
    pub(crate) session: SessionId,
}

/// A stored row with its version.
#[derive(Debug, Clone)]
pub(crate) struct Stored<T> {
    pub(crate) value: T,
    pub(crate) version: u64,
}

pub(crate) trait Row: Serialize + DeserializeOwned {
    /// The bytes to store.
    fn encode(&self) -> Bytes {
        serde_json::to_vec(self).map(Bytes::from).expect("rows are plain structs with string keys")
    }
}

impl Row for Owner {}
impl Row for AccountRow {}
impl Row for InvitationRow {}
impl Row for ParticipantRow {}
impl Row for ShareRow {}
impl Row for SecretRow {}
impl Row for DeviceRow {}
impl Row for CredentialRow {}
impl Row for PairingRow {}
impl Row for AskedRow {}
impl Row for CommandRow {}
impl Row for HostRow {}
impl Row for LinkRow {}
impl Row for LinkNews {}
impl Row for SessionRow {}
impl Row for TurnRow {}
impl Row for EditRow {}
impl Row for QuotaRow {}
impl Row for UploadRow {}
impl Row for BlobRow {}
impl Row for SessionNews {}
impl Row for AuditEntry {}
