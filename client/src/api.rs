//! The HTTP API of a hub, one method for each route of `protocol::api`.

use bytes::Bytes;
use http::Method;
use protocol::account::{AccountList, InvitationList, InvitationOffer, NewInvitation, SecretLink};
use protocol::api::{
    Access, AccessEdit, AuditPage, ClaimRequest, ClaimResponse, ClaimStatus, ClaimStatusRequest, CommandAck,
    CommandEdit, CommandMove, DeviceList, Lists, Me, NewPairing, NodeClaimRequest, NodeClaimResponse, NodeCode,
    PairingAnswer, PairingClaim, PairingList, PairingOffer, TranscriptPage,
};
use protocol::blob::BlobId;
use protocol::command::CommandRequest;
use protocol::health::HealthReport;
use protocol::id::{AccountId, AuditId, CommandId, DeviceId, InvitationId, PairingId, RuleId, SessionId};
use protocol::offset::Offset;
use protocol::session::SessionEdit;

use crate::error::ApiError;
use crate::http::{call, fetch, tell};
use crate::remote::Remote;

/// For requests without a body.
const NOTHING: Option<&()> = None;

/// Asks a hub, one thing at a time; cheap to clone. Every method fails with an [`ApiError`], and may be dropped at any time:
/// whether the hub has acted is then not known, except that reading changes nothing and that a command is taken once.
#[derive(Debug, Clone)]
pub struct Api {
    remote: Remote,
}

impl Api {
    /// Talks to that hub.
    pub fn new(remote: Remote) -> Self {
        Self { remote }
    }

    /// Which hub this is.
    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    async fn get<A: serde::de::DeserializeOwned>(&self, path: &str) -> Result<A, ApiError> {
        call(&self.remote, Method::GET, path, NOTHING).await
    }

    /// Asks to be enrolled; needs no credential.
    ///
    /// # Errors
    /// `pairing_invalid`, `rate_limited`.
    pub async fn claim(&self, request: &ClaimRequest) -> Result<ClaimResponse, ApiError> {
        call(&self.remote, Method::POST, "/v1/pairings/claim", Some(request)).await
    }

    /// Asks to be linked, as a node; needs no credential.
    ///
    /// # Errors
    /// `pairing_invalid`, `rate_limited`, `forbidden` when the id is another's.
    pub async fn claim_node(&self, request: &NodeClaimRequest) -> Result<NodeClaimResponse, ApiError> {
        call(&self.remote, Method::POST, "/v1/pairings/node", Some(request)).await
    }

    /// Finds the node that shows a code; it waits for an answer from then on.
    ///
    /// # Errors
    /// `pairing_invalid`, `rate_limited`, `forbidden`.
    pub async fn accept_node(&self, code: &NodeCode) -> Result<PairingClaim, ApiError> {
        call(&self.remote, Method::POST, "/v1/pairings/accept", Some(code)).await
    }

    /// Asks what became of a claim, waiting at most as long as the request says; needs no credential.
    ///
    /// # Errors
    /// `pairing_invalid`.
    pub async fn claim_status(&self, request: &ClaimStatusRequest) -> Result<ClaimStatus, ApiError> {
        call(&self.remote, Method::POST, "/v1/pairings/status", Some(request)).await
    }

    /// Asks who this device is.
    ///
    /// # Errors
    /// `unauthenticated`.
    pub async fn me(&self) -> Result<Me, ApiError> {
        self.get("/v1/me").await
    }

    /// Reads the account's lists, and the offset of the feed at which they stand.
    ///
    /// # Errors
    /// `unauthenticated`, `forbidden`.
    pub async fn lists(&self) -> Result<Lists, ApiError> {
        self.get("/v1/lists").await
    }

    /// Reads a page of a session's settled facts: the newest, or the one that ends at `before`.
    ///
    /// # Errors
    /// `not_found`, `offset_invalid`.
    pub async fn transcript(
        &self,
        session: SessionId,
        before: Option<Offset>,
        limit: usize,
    ) -> Result<TranscriptPage, ApiError> {
        let before = before.map(|before| format!("&before={before}")).unwrap_or_default();
        self.get(&format!("/v1/sessions/{session}/transcript?limit={limit}{before}")).await
    }

    /// Renames a session, puts it away, or takes it out again; applied when this returns.
    ///
    /// # Errors
    /// `invalid`, `not_found`, `forbidden`.
    pub async fn edit_session(&self, session: SessionId, edit: &SessionEdit) -> Result<(), ApiError> {
        tell(&self.remote, Method::PATCH, &format!("/v1/sessions/{session}"), Some(edit)).await
    }

    /// Deletes a session with everything that the hub and the host keep of it.
    ///
    /// # Errors
    /// `not_found`, `forbidden`.
    pub async fn delete_session(&self, session: SessionId) -> Result<(), ApiError> {
        tell(&self.remote, Method::DELETE, &format!("/v1/sessions/{session}"), NOTHING).await
    }

    /// Sends a command; it is on disk when this returns. The same command sent again has the same answer.
    ///
    /// # Errors
    /// `command_conflict`, `command_too_old`, `invalid`, `queue_full`, `forbidden`.
    pub async fn send(&self, command: &CommandRequest) -> Result<CommandAck, ApiError> {
        call(&self.remote, Method::POST, "/v1/commands", Some(command)).await
    }

    /// Asks where a command stands.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn command(&self, command: CommandId) -> Result<CommandAck, ApiError> {
        self.get(&format!("/v1/commands/{command}")).await
    }

    /// Takes back a command that has not started.
    ///
    /// # Errors
    /// `command_not_cancellable`, `not_found`.
    pub async fn take_back(&self, command: CommandId) -> Result<CommandAck, ApiError> {
        call(&self.remote, Method::DELETE, &format!("/v1/commands/{command}"), NOTHING).await
    }

    /// Changes the words of a queued command, or how long it may wait.
    ///
    /// # Errors
    /// `turn_started` when it is queued no more; `invalid`, `not_found`, `forbidden`.
    pub async fn edit_command(&self, command: CommandId, edit: &CommandEdit) -> Result<CommandAck, ApiError> {
        call(&self.remote, Method::PATCH, &format!("/v1/commands/{command}"), Some(edit)).await
    }

    /// Moves a queued command before another one of its host, or to the end of the line.
    ///
    /// # Errors
    /// `turn_started` when one of the two is queued no more; `not_found`, `forbidden`.
    pub async fn move_command(&self, command: CommandId, to: CommandMove) -> Result<CommandAck, ApiError> {
        call(&self.remote, Method::POST, &format!("/v1/commands/{command}/move"), Some(&to)).await
    }

    /// Makes the link that lets the owner of a hub in; for the machine of the hub itself, while nobody owns it.
    ///
    /// # Errors
    /// `not_found`, `forbidden` once the owner is in.
    pub async fn setup_link(&self) -> Result<SecretLink, ApiError> {
        call(&self.remote, Method::POST, "/v1/setup-link", NOTHING).await
    }

    /// Invites somebody to have an account of their own.
    ///
    /// # Errors
    /// `not_found` for whoever does not run this hub; `queue_full`.
    pub async fn invite(&self, new: &NewInvitation) -> Result<InvitationOffer, ApiError> {
        call(&self.remote, Method::POST, "/v1/invitations", Some(new)).await
    }

    /// Lists the invitations that nobody has used yet.
    ///
    /// # Errors
    /// `not_found` for whoever does not run this hub.
    pub async fn invitations(&self) -> Result<InvitationList, ApiError> {
        self.get("/v1/invitations").await
    }

    /// Takes an invitation back.
    ///
    /// # Errors
    /// `not_found`, also for one that was used.
    pub async fn uninvite(&self, invitation: InvitationId) -> Result<(), ApiError> {
        tell(&self.remote, Method::DELETE, &format!("/v1/invitations/{invitation}"), NOTHING).await
    }

    /// Lists the accounts of a hub.
    ///
    /// # Errors
    /// `not_found` for whoever does not run this hub.
    pub async fn accounts(&self) -> Result<AccountList, ApiError> {
        self.get("/v1/accounts").await
    }

    /// Closes an account for good: its devices are out when this returns, and what it keeps goes.
    ///
    /// # Errors
    /// `not_found`, `forbidden` for the owner's own.
    pub async fn close_account(&self, account: AccountId) -> Result<(), ApiError> {
        tell(&self.remote, Method::DELETE, &format!("/v1/accounts/{account}"), NOTHING).await
    }

    /// Reads a file that somebody attached, whole: at most `MAX_BLOB_BYTES`.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn blob(&self, blob: BlobId) -> Result<Bytes, ApiError> {
        fetch(&self.remote, &format!("/v1/blobs/{blob}")).await
    }

    /// Makes a pairing code.
    ///
    /// # Errors
    /// `forbidden`.
    pub async fn offer_pairing(&self, new: &NewPairing) -> Result<PairingOffer, ApiError> {
        call(&self.remote, Method::POST, "/v1/pairings", Some(new)).await
    }

    /// Lists the devices that wait for a confirmation.
    ///
    /// # Errors
    /// `forbidden`.
    pub async fn pairings(&self) -> Result<PairingList, ApiError> {
        self.get("/v1/pairings").await
    }

    /// Confirms or refuses a device.
    ///
    /// # Errors
    /// `forbidden`, `not_found`.
    pub async fn answer_pairing(&self, pairing: PairingId, allow: bool) -> Result<(), ApiError> {
        let path = format!("/v1/pairings/{pairing}/answer");
        tell(&self.remote, Method::POST, &path, Some(&PairingAnswer { allow })).await
    }

    /// Lists the account's devices.
    ///
    /// # Errors
    /// `forbidden`.
    pub async fn devices(&self) -> Result<DeviceList, ApiError> {
        self.get("/v1/devices").await
    }

    /// Revokes a device.
    ///
    /// # Errors
    /// `forbidden`, `not_found`.
    pub async fn revoke(&self, device: DeviceId) -> Result<(), ApiError> {
        tell(&self.remote, Method::DELETE, &format!("/v1/devices/{device}"), NOTHING).await
    }

    /// Revokes a standing rule; the answer means that its host does not answer by it any more.
    ///
    /// # Errors
    /// `forbidden`, `not_found`.
    pub async fn revoke_rule(&self, rule: RuleId) -> Result<(), ApiError> {
        tell(&self.remote, Method::DELETE, &format!("/v1/rules/{rule}"), NOTHING).await
    }

    /// Reads a page of the audit trail, newest first.
    ///
    /// # Errors
    /// `forbidden`.
    pub async fn audit(&self, before: Option<AuditId>, limit: usize) -> Result<AuditPage, ApiError> {
        let before = before.map(|before| format!("&before={before}")).unwrap_or_default();
        self.get(&format!("/v1/audit?limit={limit}{before}")).await
    }

    /// Asks how the machine is that the hub runs on.
    ///
    /// # Errors
    /// `forbidden`.
    pub async fn health(&self) -> Result<HealthReport, ApiError> {
        self.get("/v1/health").await
    }

    /// Asks whether devices beyond the machine may come in, and how many are there.
    ///
    /// # Errors
    /// `forbidden`.
    pub async fn access(&self) -> Result<Access, ApiError> {
        self.get("/v1/access").await
    }

    /// Switches remote access on or off; only on the machine itself.
    ///
    /// # Errors
    /// `forbidden`.
    pub async fn set_access(&self, edit: AccessEdit) -> Result<Access, ApiError> {
        call(&self.remote, Method::PUT, "/v1/access", Some(&edit)).await
    }

    /// Revokes this device itself.
    ///
    /// # Errors
    /// `unauthenticated`.
    pub async fn logout(&self) -> Result<(), ApiError> {
        tell(&self.remote, Method::POST, "/v1/logout", NOTHING).await
    }
}
