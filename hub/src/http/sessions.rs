//! What a person does to a session or a standing rule by itself, over HTTP.

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use http::StatusCode;
use protocol::id::{RuleId, SessionId};
use protocol::session::{ReadTo, SessionEdit};

use super::body;
use super::error::Refused;
use super::reads::id;
use crate::hub::Hub;
use crate::identity::Identity;

pub(super) async fn edit(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    session: Result<Path<SessionId>, PathRejection>,
    request: Body,
) -> Result<StatusCode, Refused> {
    let session = id(session)?;
    let edit = body::from_device::<SessionEdit>(request).await?;
    hub.edit_session(&who, session, edit).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn delete(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    session: Result<Path<SessionId>, PathRejection>,
) -> Result<StatusCode, Refused> {
    hub.delete_session(&who, id(session)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn read(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    session: Result<Path<SessionId>, PathRejection>,
    request: Body,
) -> Result<StatusCode, Refused> {
    let session = id(session)?;
    let to = body::from_device::<ReadTo>(request).await?;
    hub.mark_read(&who, session, to.read_turns).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn revoke_rule(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    rule: Result<Path<RuleId>, PathRejection>,
) -> Result<StatusCode, Refused> {
    hub.revoke_rule(&who, id(rule)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
