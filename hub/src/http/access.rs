//! Remote access, over HTTP.

use axum::body::Body;
use axum::extract::State;
use axum::{Extension, Json};
use protocol::api::{Access, AccessEdit};

use super::body;
use super::error::Refused;
use crate::hub::Hub;
use crate::identity::Identity;

pub(super) async fn show(State(hub): State<Hub>, Extension(who): Extension<Identity>) -> Json<Access> {
    Json(hub.access(&who))
}

pub(super) async fn edit(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    request: Body,
) -> Result<Json<Access>, Refused> {
    let edit = body::from_device::<AccessEdit>(request).await?;
    Ok(Json(hub.set_access(&who, edit).await?))
}
