//! Whether the server lives, whether it can work, and what is nowhere.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use protocol::error::ErrorCode;

use super::error::Refused;
use crate::hub::Hub;

/// The process answers.
pub(super) async fn health() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// The hub can do its work.
pub(super) async fn ready(State(hub): State<Hub>) -> Result<StatusCode, Refused> {
    hub.ready().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Nothing is here.
pub(super) async fn nothing() -> Response {
    Refused::from(ErrorCode::NotFound).into_response()
}
