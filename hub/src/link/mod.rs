//! `/v1/link`: the hub's side of the one connection that a node keeps to it. What goes over it is in [`protocol::link`].
//!
//! * [`admission`] decides who comes in: one connection per host, fenced by generation, start and seat in a durable row.
//! * [`polled`] carries a connection by requests of its own where no WebSocket gets through; [`line`] and what is above it do not know.
//! * [`presence`] says whether a host is there: a lease by this hub's clock, which a connection renews and its end does not touch.
//! * [`push`] stores what a node sends, in one commit or not at all: [`facts`] into the lists, [`pieces`] into replicas.
//! * [`hand`] gives commands out and [`mirror`] follows what becomes of them; [`orphans`] ends those of a host that was revoked.
//! * [`news`] tells the node what people did here.
//!
//! A connection stores nothing without the row of its link as it left it. Whoever was let in later has written that row, so that an older
//! connection finds out with its next step, and whatever it had on its way is not stored (W-053).

mod admission;
mod connection;
mod facts;
mod hand;
mod line;
mod mirror;
mod news;
mod orphans;
mod pieces;
mod polled;
mod presence;
mod push;
#[cfg(test)]
mod tests;
mod wire;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::Response;
use protocol::device::DeviceKind;
use protocol::error::{ErrorCode, Problem};
use protocol::limits::MAX_LINK_FRAME_BYTES;

use self::wire::Wire;
use crate::http::Refused;
use crate::hub::Hub;
use crate::identity::{Identity, Via};

pub(crate) use mirror::{ask_back, overdue};
pub(crate) use news::tell_device;
pub(crate) use orphans::end_commands;
pub(crate) use polled::{Desks, MAX_SAID_BYTES};
pub(crate) use presence::{Links, never_came, revoked, watch_leases};

/// What a link reads at once, in bytes: most of thousands are idle, and each has this for good.
const READ_BUFFER_BYTES: usize = 8 * 1024;

/// Answers `GET /v1/link`. Whoever gets here has been authenticated, and the request's `Host` and `Origin` have been checked.
///
/// # Errors
/// `forbidden` for what is not the node of another machine, `rate_limited` when the account's machines hold too many links open,
/// `shutting_down`, `bad_request` for what is not a WebSocket.
pub(crate) async fn connect(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refused> {
    only_machines(&hub, &who)?;
    let upgrade = upgrade.map_err(|rejection| {
        let hint = "Open this address as a WebSocket.";
        Problem::new(ErrorCode::BadRequest).detail(rejection.to_string()).hint(hint)
    })?;
    let pass = hub.admit_link(&who)?;
    let upgrade = upgrade
        .max_message_size(MAX_LINK_FRAME_BYTES)
        .max_frame_size(MAX_LINK_FRAME_BYTES)
        .max_write_buffer_size(MAX_LINK_FRAME_BYTES * 2)
        .read_buffer_size(READ_BUFFER_BYTES);
    Ok(upgrade.on_upgrade(move |socket| {
        let tasks = hub.tasks().clone();
        tasks.track_future(async move {
            connection::serve(hub, who, Wire::Socket(Box::new(socket))).await;
            drop(pass);
        })
    }))
}

/// Lets only those in who link: whichever way they come.
fn only_machines(hub: &Hub, who: &Identity) -> Result<(), Problem> {
    if who.kind != DeviceKind::Node || who.device == hub.node() || who.via == Via::Cookie {
        return Err(Problem::new(ErrorCode::Forbidden).detail("only the node of another machine links here"));
    }
    if hub.stopping().is_cancelled() { Err(Problem::new(ErrorCode::ShuttingDown)) } else { Ok(()) }
}
