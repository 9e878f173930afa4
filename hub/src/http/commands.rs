//! Commands over HTTP.

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use protocol::api::{CommandAck, CommandEdit, CommandMove};
use protocol::command::{CommandKind, CommandRequest};
use protocol::error::{ErrorCode, Problem};
use protocol::id::CommandId;
use serde::Deserialize;

use super::body;
use super::error::Refused;
use super::reads::id;
use crate::audit::About;
use crate::hub::Hub;
use crate::identity::Identity;

pub(super) async fn submit(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    request: Body,
) -> Result<Json<CommandAck>, Refused> {
    let bytes = body::from_device_raw(request).await?;
    match body::parse::<CommandRequest>(&bytes) {
        Ok(request) => Ok(Json(hub.submit(&who, request).await?)),
        Err(refused) => {
            let unknown = has_unknown_kind(&bytes);
            let code = if unknown { ErrorCode::Unsupported } else { ErrorCode::BadRequest };
            // A field that a client may not set, such as a sender, is refused and leaves a trace (W-056).
            hub.record(hub.entry(Some(&who), "command.unknown").sized(bytes.len()).failed(code)).await;
            if unknown { Err(Problem::new(code).into()) } else { Err(refused) }
        }
    }
}

/// Whether a body that is not understood is a command of a kind that is not known here.
fn has_unknown_kind(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Kind {
        kind: String,
    }
    #[derive(Deserialize)]
    struct Outline {
        body: Kind,
    }
    let Ok(outline) = serde_json::from_slice::<Outline>(bytes) else { return false };
    serde_json::from_value::<CommandKind>(serde_json::Value::String(outline.body.kind)).is_err()
}

pub(super) async fn show(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    command: Result<Path<CommandId>, PathRejection>,
) -> Result<Json<CommandAck>, Refused> {
    Ok(Json(hub.command(who.account, id(command)?).await?))
}

pub(super) async fn cancel(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    command: Result<Path<CommandId>, PathRejection>,
) -> Result<Json<CommandAck>, Refused> {
    Ok(Json(hub.cancel(&who, id(command)?).await?))
}

pub(super) async fn edit(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    command: Result<Path<CommandId>, PathRejection>,
    request: Body,
) -> Result<Json<CommandAck>, Refused> {
    let edit: CommandEdit = body::from_device(request).await?;
    Ok(Json(hub.edit_command(&who, id(command)?, edit).await?))
}

pub(super) async fn reorder(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    command: Result<Path<CommandId>, PathRejection>,
    request: Body,
) -> Result<Json<CommandAck>, Refused> {
    let CommandMove { before } = body::from_device(request).await?;
    Ok(Json(hub.move_command(&who, id(command)?, before).await?))
}
