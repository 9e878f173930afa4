//! Participants of a session, over the HTTP API.

use http::Method;
use protocol::account::InvitationOffer;
use protocol::api::{CommandAck, CommandRelease};
use protocol::id::{AccountId, CommandId, InvitationId, SessionId};
use protocol::participant::{
    JoinSession, JoinedSession, NewSessionInvitation, Participant, ParticipantEdit, ParticipantList,
};

use crate::api::Api;
use crate::error::ApiError;
use crate::http::{call, tell};

/// For requests without a body.
const NOTHING: Option<&()> = None;

impl Api {
    /// Invites somebody who has an account on this hub to a session.
    ///
    /// # Errors
    /// `unsupported` where there are no participants; `not_found` for whoever does not own the session; `queue_full`.
    pub async fn invite_to_session(
        &self,
        session: SessionId,
        new: &NewSessionInvitation,
    ) -> Result<InvitationOffer, ApiError> {
        call(self.remote(), Method::POST, &format!("/v1/sessions/{session}/invitations"), Some(new)).await
    }

    /// Takes an invitation to a session back.
    ///
    /// # Errors
    /// `not_found`, also for one that was used.
    pub async fn uninvite_from_session(&self, session: SessionId, invitation: InvitationId) -> Result<(), ApiError> {
        let path = format!("/v1/sessions/{session}/invitations/{invitation}");
        tell(self.remote(), Method::DELETE, &path, NOTHING).await
    }

    /// Lists who takes part in a session; to its owner also the invitations that nobody has used.
    ///
    /// # Errors
    /// `unsupported` where there are no participants; `not_found`.
    pub async fn participants(&self, session: SessionId) -> Result<ParticipantList, ApiError> {
        call(self.remote(), Method::GET, &format!("/v1/sessions/{session}/participants"), NOTHING).await
    }

    /// Changes what a participant may do.
    ///
    /// # Errors
    /// `not_found` for whoever does not own the session.
    pub async fn edit_participant(
        &self,
        session: SessionId,
        account: AccountId,
        edit: &ParticipantEdit,
    ) -> Result<Participant, ApiError> {
        let path = format!("/v1/sessions/{session}/participants/{account}");
        call(self.remote(), Method::PATCH, &path, Some(edit)).await
    }

    /// Takes a participant out of a session, or leaves it.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn remove_participant(&self, session: SessionId, account: AccountId) -> Result<(), ApiError> {
        let path = format!("/v1/sessions/{session}/participants/{account}");
        tell(self.remote(), Method::DELETE, &path, NOTHING).await
    }

    /// Uses an invitation to a session.
    ///
    /// # Errors
    /// `unsupported` where there are no participants; `not_found` for a secret that is wrong, used or over; `bad_request` for a session of
    /// one's own; `queue_full`.
    pub async fn join_session(&self, join: &JoinSession) -> Result<JoinedSession, ApiError> {
        call(self.remote(), Method::POST, "/v1/participants/join", Some(join)).await
    }

    /// Lets a participant's prompt run.
    ///
    /// # Errors
    /// `approval_changed` when its words are others than those that were shown; `turn_started` when it is queued no more; `not_found`,
    /// `queue_full`.
    pub async fn release(&self, command: CommandId, release: CommandRelease) -> Result<CommandAck, ApiError> {
        call(self.remote(), Method::POST, &format!("/v1/commands/{command}/release"), Some(&release)).await
    }
}
