//! Devices over HTTP.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::{StatusCode, header};
use protocol::api::DeviceList;
use protocol::id::DeviceId;

use super::error::Refused;
use super::reads::id;
use super::{cookie, proxy};
use crate::hub::Hub;
use crate::identity::Identity;

pub(super) async fn list(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
) -> Result<Json<DeviceList>, Refused> {
    Ok(Json(hub.device_list(who.account).await?))
}

pub(super) async fn revoke(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    device: Result<Path<DeviceId>, PathRejection>,
) -> Result<StatusCode, Refused> {
    hub.revoke(&who, id(device)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn logout(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    request: Request,
) -> Result<Response, Refused> {
    hub.logout(&who).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some(value) = cookie::clear(proxy::is_secure(request.extensions())) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    cookie::forget(response.headers_mut());
    Ok(response)
}
