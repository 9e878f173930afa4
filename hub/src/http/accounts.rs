//! Accounts and the ways into them, over HTTP.

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use http::StatusCode;
use protocol::account::{AccountList, InvitationList, InvitationOffer, NewInvitation, SecretLink};
use protocol::id::{AccountId, InvitationId};

use super::body;
use super::error::Refused;
use super::reads::id;
use crate::hub::Hub;
use crate::identity::Identity;

pub(super) async fn setup_link(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
) -> Result<Json<SecretLink>, Refused> {
    Ok(Json(hub.setup_link(&who).await?))
}

pub(super) async fn invite(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    request: Body,
) -> Result<Json<InvitationOffer>, Refused> {
    let new: NewInvitation = body::from_device(request).await?;
    Ok(Json(hub.invite(&who, new).await?))
}

pub(super) async fn invitations(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
) -> Result<Json<InvitationList>, Refused> {
    Ok(Json(hub.invitation_list(&who).await?))
}

pub(super) async fn uninvite(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    invitation: Result<Path<InvitationId>, PathRejection>,
) -> Result<StatusCode, Refused> {
    hub.uninvite(&who, id(invitation)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn list(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
) -> Result<Json<AccountList>, Refused> {
    Ok(Json(hub.account_list(&who).await?))
}

pub(super) async fn close(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    account: Result<Path<AccountId>, PathRejection>,
) -> Result<StatusCode, Refused> {
    hub.close_account(&who, id(account)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
