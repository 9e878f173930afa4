//! Bodies of the HTTP API. Everything below `/v1/` but streams and the socket.
//!
//! | method and path | right | body → answer |
//! |---|---|---|
//! | `POST /v1/pairings/claim` | none | [`ClaimRequest`] → [`ClaimResponse`] |
//! | `POST /v1/pairings/node` | none | [`NodeClaimRequest`] → [`NodeClaimResponse`]: a node that wants to be linked, with a code or asking for one |
//! | `POST /v1/pairings/status` | the claim's token | [`ClaimStatusRequest`] → [`ClaimStatus`], and the cookie for a browser |
//! | `GET /v1/me` | read | → [`Me`] |
//! | `GET /v1/lists` | read | → [`Lists`] |
//! | `GET /v1/sessions/{session}/transcript?before=&limit=` | read | → [`TranscriptPage`] |
//! | `PATCH /v1/sessions/{session}` | prompt | `SessionEdit` → 204; applied at once |
//! | `DELETE /v1/sessions/{session}` | prompt | → 204; its journal, turn streams, files and the host's notes go, its agent ends |
//! | `PUT /v1/sessions/{session}/read` | read | `ReadTo` → 204; only ever grows |
//! | `POST /v1/uploads` | prompt | `UploadRequest` → `UploadState` |
//! | `PATCH /v1/uploads/{upload}` | prompt | raw bytes, with the header [`UPLOAD_OFFSET`] → `UploadState`; `upload_offset` names the true one |
//! | `GET /v1/uploads/{upload}` | prompt | → `UploadState` |
//! | `GET /v1/blobs/{sha256}?session=` | read | → the bytes, with the type that was found by looking at them |
//! | `POST /v1/commands` | by kind | `CommandRequest` → [`CommandAck`] |
//! | `GET /v1/commands/{command}` | read | → [`CommandAck`] |
//! | `DELETE /v1/commands/{command}` | prompt | → [`CommandAck`] |
//! | `PATCH /v1/commands/{command}` | prompt, and as the kind | [`CommandEdit`] → [`CommandAck`]; while it is queued, else `turn_started` |
//! | `POST /v1/commands/{command}/move` | prompt | [`CommandMove`] → [`CommandAck`]; while both are queued, else `turn_started` |
//! | `POST /v1/commands/{command}/release` | as the kind, in the account of the session's owner | [`CommandRelease`], or nothing → [`CommandAck`]; a participant's prompt may be handed over now |
//! | `POST /v1/sessions/{session}/invitations` | manage, in the account of the session's owner | [`NewSessionInvitation`](crate::participant::NewSessionInvitation) → [`InvitationOffer`](crate::account::InvitationOffer) |
//! | `DELETE /v1/sessions/{session}/invitations/{invitation}` | the same | → 204 |
//! | `GET /v1/sessions/{session}/participants` | read | → [`ParticipantList`](crate::participant::ParticipantList) |
//! | `PATCH /v1/sessions/{session}/participants/{account}` | manage, in the account of the session's owner | [`ParticipantEdit`](crate::participant::ParticipantEdit) → [`Participant`](crate::participant::Participant) |
//! | `DELETE /v1/sessions/{session}/participants/{account}` | the same; of the own account read | → 204; it sees nothing of the session any more |
//! | `POST /v1/participants/join` | read | [`JoinSession`](crate::participant::JoinSession) → [`JoinedSession`](crate::participant::JoinedSession) |
//! | `POST /v1/pairings` | manage | [`NewPairing`] → [`PairingOffer`] |
//! | `GET /v1/pairings` | manage | → [`PairingList`] |
//! | `POST /v1/pairings/accept` | manage | [`NodeCode`] → [`PairingClaim`]: the node that shows this code; still to be answered |
//! | `POST /v1/pairings/{pairing}/answer` | manage | [`PairingAnswer`] → 204 |
//! | `POST /v1/setup-link` | manage, by the node itself | → [`SecretLink`](crate::account::SecretLink) |
//! | `POST /v1/invitations` | manage, in the owner's account | [`NewInvitation`](crate::account::NewInvitation) → [`InvitationOffer`](crate::account::InvitationOffer) |
//! | `GET /v1/invitations` | the same | → [`InvitationList`](crate::account::InvitationList) |
//! | `DELETE /v1/invitations/{invitation}` | the same | → 204 |
//! | `GET /v1/accounts` | the same | → [`AccountList`](crate::account::AccountList) |
//! | `DELETE /v1/accounts/{account}` | the same | → 204; its devices are out at once, and what it kept goes |
//! | `DELETE /v1/rules/{rule}` | approve | → 204; its host does not answer by it any more |
//! | `GET /v1/devices` | read | → [`DeviceList`] |
//! | `DELETE /v1/devices/{device}` | manage, or the device itself | → 204 |
//! | `GET /v1/audit?before=&limit=` | manage | → [`AuditPage`] |
//! | `GET /v1/health` | manage | → [`HealthReport`](crate::health::HealthReport), at most 10 s old |
//! | `GET /v1/access` | read | → [`Access`] |
//! | `PUT /v1/access` | manage, on the machine itself | [`AccessEdit`] → [`Access`] |
//! | `POST /v1/link/polled`, `…/{connection}/say`, `…/{connection}/hear` | the node of another machine | see [`polled`](crate::polled) |
//! | `POST /v1/logout` | any | → 204, revokes the device and clears the cookie |

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::command::CommandState;
use crate::device::{Device, DeviceKind};
use crate::error::ErrorCode;
use crate::host::RemoteAccess;
use crate::id::{AccountId, AuditId, CommandId, DeviceId, PairingId, TurnId};
use crate::offset::Offset;
use crate::time::UnixMs;

/// The name of the cookie that holds a browser's credential: HttpOnly, SameSite=Strict, Path=/, Secure over TLS.
pub const COOKIE: &str = "towline_device";
/// How every device credential begins, for secret scanners; 43 base64url characters (256 bits) follow.
pub const CREDENTIAL_PREFIX: &str = "twl_dev_";

/// The header that says where a piece of an upload begins, and where the upload stands, in bytes from 0.
pub const UPLOAD_OFFSET: &str = "upload-offset";

/// Asks to be enrolled: by the secret of a QR code (from the URL's fragment), or by a typed code.
#[derive(Debug, Clone, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClaimRequest {
    /// The typed code (case, spaces and hyphens do not matter), or the QR code's secret.
    pub code: String,
    /// What the device calls itself.
    pub name: String,
    /// Its system and program.
    pub platform: String,
    /// What it is: `browser` gets a cookie, `program` a bearer credential.
    pub kind: DeviceKind,
    /// Its Ed25519 public key, base64url without padding, where the platform has one.
    pub public_key: Option<String>,
}

/// The request is known; the host must confirm.
#[derive(Debug, Clone, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct ClaimResponse {
    /// The enrolment.
    pub pairing: PairingId,
    /// What proves in `POST /v1/pairings/status` that this device made the claim.
    pub claim_token: String,
    /// Two words that both screens show, so that people can see that it is the same request.
    pub words: String,
    /// Until when it can be confirmed.
    pub expires_at_ms: UnixMs,
}

/// A node wants to be linked: with a code that was made here, or with one that it shows and somebody here types.
#[derive(Debug, Clone, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeClaimRequest {
    /// The typed code, or the QR code's secret; null to be given one to show.
    pub code: Option<String>,
    /// What the node calls itself.
    pub name: String,
    /// Its system and program.
    pub platform: String,
    /// Its own id, which it keeps here.
    pub device: DeviceId,
    /// Its Ed25519 public key, base64url without padding.
    pub public_key: String,
    /// What proves that it has the key: its signature of [`NodeClaimRequest::signed`], base64url without padding.
    pub signature: String,
}

impl NodeClaimRequest {
    /// What is signed: every field but the signature, each with its length before it, so that no two requests look alike.
    pub fn signed(&self) -> Vec<u8> {
        let device = self.device.to_string();
        let code = self.code.as_deref().unwrap_or_default();
        let mut text = b"towline node claim 1\n".to_vec();
        for field in [code, &self.name, &self.platform, &device, &self.public_key] {
            text.extend_from_slice(&(field.len() as u64).to_be_bytes());
            text.extend_from_slice(field.as_bytes());
        }
        text
    }
}

/// The node is known; somebody here must confirm.
#[derive(Debug, Clone, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct NodeClaimResponse {
    /// The enrolment.
    pub pairing: PairingId,
    /// What proves in `POST /v1/pairings/status` that this node made the claim.
    pub claim_token: String,
    /// Two words that both screens show.
    pub words: String,
    /// The code to show, which somebody here types; null for a claim with a code.
    pub code: Option<String>,
    /// Until when it can be confirmed.
    pub expires_at_ms: UnixMs,
}

/// The code that a node shows.
#[derive(Debug, Clone, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeCode {
    /// The code; case, spaces and hyphens do not matter.
    pub code: String,
}

/// Asks what became of a claim.
#[derive(Debug, Clone, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClaimStatusRequest {
    /// The enrolment.
    pub pairing: PairingId,
    /// The claim's token.
    pub claim_token: String,
    /// How long to wait for a change, in milliseconds; at most 20 000.
    pub wait_ms: u64,
}

/// What became of a claim.
#[derive(Debug, Clone, Serialize, Deserialize, ts_rs::TS)]
#[serde(tag = "state", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum ClaimStatus {
    /// Nobody has confirmed yet.
    Pending,
    /// Confirmed. A browser's credential is in the cookie of this answer, a program's in the body; it is told once.
    Approved {
        /// The device.
        device: DeviceId,
        /// The bearer credential, for a program.
        credential: Option<String>,
    },
    /// Refused on the host.
    Rejected,
    /// Nobody confirmed in time.
    Expired,
}

/// Makes a pairing code.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewPairing {
    /// Whether the first claim is confirmed by itself, while the account has no other browser or program yet.
    pub once: bool,
}

/// A pairing code, told once.
#[derive(Debug, Clone, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct PairingOffer {
    /// The enrolment.
    pub pairing: PairingId,
    /// The code to type, `XXXX-XXXX`.
    pub code: String,
    /// The secret of the QR code; belongs in a URL's fragment, never in its query.
    pub secret: String,
    /// Until when it can be used.
    pub expires_at_ms: UnixMs,
}

/// Enrolments that wait for a confirmation.
#[derive(Debug, Clone, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct PairingList {
    /// The claims, oldest first.
    pub claims: Vec<PairingClaim>,
}

/// A device that waits for a confirmation.
#[derive(Debug, Clone, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct PairingClaim {
    /// The enrolment.
    pub pairing: PairingId,
    /// What the device calls itself.
    pub name: String,
    /// Its system and program.
    pub platform: String,
    /// What it is; an older hub lets in no nodes and does not say.
    #[serde(default = "browser")]
    pub kind: DeviceKind,
    /// The fingerprint of its key, where it has one: what both screens show of it.
    #[serde(default)]
    pub fingerprint: Option<String>,
    /// The address it came from.
    pub source: String,
    /// The words that its screen shows.
    pub words: String,
    /// Until when it can be confirmed.
    pub expires_at_ms: UnixMs,
}

const fn browser() -> DeviceKind {
    DeviceKind::Browser
}

/// The fingerprint of a key as people compare it: the first 16 bytes of its SHA-256, in hex, in groups of four digits.
pub fn fingerprint(public_key: &str) -> String {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(public_key.as_bytes());
    let groups: Vec<String> = digest[..16].chunks(2).map(|pair| format!("{:02x}{:02x}", pair[0], pair[1])).collect();
    groups.join(" ")
}

/// Confirms or refuses a device.
#[derive(Debug, Clone, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PairingAnswer {
    /// Whether it may come in.
    pub allow: bool,
}

/// Who the caller is.
#[derive(Debug, Clone, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    /// The account.
    pub account: AccountId,
    /// The device.
    pub device: DeviceId,
    /// What it is.
    pub about: Device,
    /// The host in this node; null for a hub without one.
    pub host: Option<DeviceId>,
    /// The version of Towline.
    pub version: String,
    /// Whether this account may invite others to this hub; an older hub does not say, and has one account only.
    #[serde(default)]
    pub invites: bool,
}

/// Remote access as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// The switch.
    pub state: RemoteAccess,
    /// Devices beyond the machine that have a live socket.
    pub clients: u32,
    /// Whether whoever asks is on the machine itself, where alone the switch is turned.
    pub here: bool,
}

/// Turns the switch of remote access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessEdit {
    /// What it is to be.
    pub state: RemoteAccess,
}

/// The newest fact of each row of the account's feed, and the offset at which they stand: subscribe to the feed from there.
#[derive(Debug, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct Lists {
    /// The feed's facts. Sessions: the newest 500 and every one that is not idle. Commands: the newest 100 and every one that has
    /// not ended. Approvals: the newest 100 and every one that waits.
    #[ts(type = "unknown[]")]
    pub facts: Vec<Box<RawValue>>,
    /// Where they stand.
    pub offset: Offset,
}

/// A page of a session's settled facts, cut from the end.
#[derive(Debug, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct TranscriptPage {
    /// Facts of the journal, in the journal's order. A fact that a later one of the same type and key replaces may be left out.
    #[ts(type = "unknown[]")]
    pub facts: Vec<Box<RawValue>>,
    /// The offset before which the next older page ends; null when there is none.
    pub before: Option<Offset>,
    /// The offset behind the newest fact that was considered: subscribe to the journal from here (first page only).
    pub tail: Offset,
    /// First page only: the newest facts of the turns that are not over and of the approvals that wait, whatever page they are
    /// on, so that their turn streams can be joined. As new as `facts` or newer: apply them after `facts`.
    #[ts(type = "unknown[]")]
    pub open: Vec<Box<RawValue>>,
}

/// Where a command stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct CommandAck {
    /// The command.
    pub command: CommandId,
    /// Where it stands.
    pub state: CommandState,
    /// The turn that came of it.
    pub turn: Option<TurnId>,
    /// When it expires.
    pub expires_at_ms: UnixMs,
    /// Why it failed.
    pub error: Option<ErrorCode>,
    /// What was said of the error.
    pub detail: Option<String>,
}

/// Changes a command that is queued; null leaves a part as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommandEdit {
    /// Other words; files and everything else stay.
    pub text: Option<String>,
    /// How long it may wait from now on, in milliseconds; seven days from its arrival at most.
    pub ttl_ms: Option<u64>,
}

/// Moves a command that is queued to another place in the line of its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommandMove {
    /// The queued command of the same host before which it is to go; null for the end of the line.
    pub before: Option<CommandId>,
}

/// Lets a participant's prompt run. The body may be left out for one whose words are as they were sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommandRelease {
    /// The `updatedAtMs` of the command as it was shown to whoever lets it run; `approval_changed` when its words are others by now. Needed for
    /// one whose words were changed after it was sent.
    #[serde(default)]
    pub updated_at_ms: Option<UnixMs>,
}

/// The account's devices.
#[derive(Debug, Clone, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct DeviceList {
    /// The devices, oldest first.
    pub devices: Vec<DeviceRow>,
}

/// A device of the account.
#[derive(Debug, Clone, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct DeviceRow {
    /// Which.
    pub device: DeviceId,
    /// What it is.
    pub about: Device,
    /// Whether it has a live socket now.
    pub connected: bool,
}

/// Who did what, when, and how it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// The entry.
    pub id: AuditId,
    /// When.
    pub at_ms: UnixMs,
    /// Who; null before anybody is known (a wrong pairing code).
    pub account: Option<AccountId>,
    /// From which device.
    pub device: Option<DeviceId>,
    /// From which address.
    pub source: Option<String>,
    /// What, as a stable word (`command.send_prompt`, `pairing.claim`, `device.revoke`, …).
    pub action: String,
    /// On what: an id.
    pub target: Option<String>,
    /// On which host.
    pub host: Option<DeviceId>,
    /// How it went: `ok`, or an error code.
    pub outcome: String,
    /// The size of what was said, in bytes; the words themselves are not kept (N-20).
    pub content_bytes: Option<u64>,
    /// What a host said of a decision of its own; the hub keeps it and does not look into it. An older program kept none.
    #[serde(default)]
    pub content: Option<AuditContent>,
}

/// What a host says of a decision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct AuditContent {
    /// The hash of what was shown, or would have been.
    pub shown: Option<String>,
    /// What it was decided by: the rule in words, or the line of the policy; null for a person.
    pub because: Option<String>,
}

/// A page of the audit trail, newest first.
#[derive(Debug, Clone, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct AuditPage {
    /// The entries.
    pub entries: Vec<AuditEntry>,
    /// Where the next older page begins; null when there is none.
    pub before: Option<AuditId>,
}
