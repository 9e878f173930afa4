//! Whether the server lives, and whether it can work.

use axum::extract::State;
use http::StatusCode;

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
