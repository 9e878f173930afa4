//! Participants of a session, over HTTP.

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use http::StatusCode;
use protocol::account::InvitationOffer;
use protocol::api::{CommandAck, CommandRelease};
use protocol::id::{AccountId, CommandId, InvitationId, SessionId};
use protocol::participant::{
    JoinSession, JoinedSession, NewSessionInvitation, Participant, ParticipantEdit, ParticipantList,
};

use super::body;
use super::error::Refused;
use super::reads::id;
use crate::hub::Hub;
use crate::identity::Identity;

pub(super) async fn invite(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    session: Result<Path<SessionId>, PathRejection>,
    request: Body,
) -> Result<Json<InvitationOffer>, Refused> {
    hub.need_shared()?;
    let session = id(session)?;
    let new = body::from_device::<NewSessionInvitation>(request).await?;
    Ok(Json(hub.invite_to_session(&who, session, new).await?))
}

pub(super) async fn uninvite(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    path: Result<Path<(SessionId, InvitationId)>, PathRejection>,
) -> Result<StatusCode, Refused> {
    hub.need_shared()?;
    let (session, invitation) = id(path)?;
    hub.uninvite_from_session(&who, session, invitation).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn list(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    session: Result<Path<SessionId>, PathRejection>,
) -> Result<Json<ParticipantList>, Refused> {
    hub.need_shared()?;
    Ok(Json(hub.participant_list(&who, id(session)?).await?))
}

pub(super) async fn edit(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    path: Result<Path<(SessionId, AccountId)>, PathRejection>,
    request: Body,
) -> Result<Json<Participant>, Refused> {
    hub.need_shared()?;
    let (session, account) = id(path)?;
    let edit = body::from_device::<ParticipantEdit>(request).await?;
    Ok(Json(hub.edit_participant(&who, session, account, edit).await?))
}

pub(super) async fn remove(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    path: Result<Path<(SessionId, AccountId)>, PathRejection>,
) -> Result<StatusCode, Refused> {
    hub.need_shared()?;
    let (session, account) = id(path)?;
    hub.remove_participant(&who, session, account).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn join(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    request: Body,
) -> Result<Json<JoinedSession>, Refused> {
    hub.need_shared()?;
    let join = body::from_device::<JoinSession>(request).await?;
    Ok(Json(hub.join_session(&who, join).await?))
}

pub(super) async fn release(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    command: Result<Path<CommandId>, PathRejection>,
    request: Body,
) -> Result<Json<CommandAck>, Refused> {
    hub.need_shared()?;
    let command = id(command)?;
    let bytes = body::from_device_raw(request).await?;
    let release = if bytes.is_empty() { CommandRelease::default() } else { body::parse(&bytes)? };
    Ok(Json(hub.release_command(&who, command, release).await?))
}
