//! `/v1/connect`: one WebSocket per client carries any number of subscriptions, and commands with their acks.
//!
//! One task serves a socket and owns all that belongs to it, so that there is one way down: the task ends and everything goes with
//! it (W-023). It reads a page of a stream only when it is about to send it; whoever reads slowly is behind on disk and costs nobody
//! anything (W-036, W-046). Nothing that happens here changes what anybody sees (rule 4).

mod answers;
mod connection;
mod ending;
mod heard;
mod pulse;
mod said;
mod stand_in;
mod subscriptions;
#[cfg(test)]
mod tests;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::Response;
use protocol::error::{ErrorCode, Problem};
use protocol::limits::{MAX_BATCH_BYTES, MAX_SOCKET_FRAME_BYTES, MAX_SOCKET_MESSAGE_BYTES};

use crate::http::Refused;
use crate::hub::Hub;
use crate::identity::Identity;

/// Most bytes that wait inside a socket to be written: one batch with one message of the largest size, and small change for pongs
/// and a close. What would go beyond ends the socket.
const MAX_WRITE_BUFFER_BYTES: usize = MAX_SOCKET_MESSAGE_BYTES + MAX_BATCH_BYTES;

/// Answers `GET /v1/connect`. Whoever gets here has been authenticated, and the request's `Host` and `Origin` have been checked.
///
/// # Errors
/// `rate_limited` when the address holds too many sockets open, `shutting_down`, `bad_request` for what is not a WebSocket.
pub(crate) async fn connect(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refused> {
    let upgrade = upgrade.map_err(|rejection| {
        let hint = "Open this address as a WebSocket.";
        Problem::new(ErrorCode::BadRequest).detail(rejection.to_string()).hint(hint)
    })?;
    if hub.stopping().is_cancelled() {
        return Err(ErrorCode::ShuttingDown.into());
    }
    let pass = hub.admit_socket(&who)?;
    let upgrade = upgrade
        .max_message_size(MAX_SOCKET_FRAME_BYTES)
        .max_frame_size(MAX_SOCKET_FRAME_BYTES)
        .max_write_buffer_size(MAX_WRITE_BUFFER_BYTES);
    Ok(upgrade.on_upgrade(move |socket| {
        let tasks = hub.tasks().clone();
        tasks.track_future(async move {
            connection::serve(hub, who, socket).await;
            drop(pass);
        })
    }))
}
