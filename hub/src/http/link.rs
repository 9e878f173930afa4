//! Links of machines that get no WebSocket: opened, spoken over and listened to by requests of their own.

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use protocol::id::ConnectionId;
use protocol::polled::{Heard, Opened, Taken};

use super::body;
use super::error::Refused;
use super::reads::id;
use crate::hub::Hub;
use crate::identity::Identity;

pub(super) async fn open(State(hub): State<Hub>, Extension(who): Extension<Identity>) -> Result<Json<Opened>, Refused> {
    Ok(Json(hub.open_polled(who)?))
}

pub(super) async fn say(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    connection: Result<Path<ConnectionId>, PathRejection>,
    request: Body,
) -> Result<Json<Taken>, Refused> {
    let desk = hub.desk(&who, id(connection)?)?;
    Ok(Json(desk.say(body::of_link(request), body::parse).await?))
}

pub(super) async fn hear(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    connection: Result<Path<ConnectionId>, PathRejection>,
    request: Body,
) -> Result<Json<Heard>, Refused> {
    let desk = hub.desk(&who, id(connection)?)?;
    Ok(Json(desk.hear(body::from_device(request).await?).await?))
}
