//! The HTTP face of the hub: `/v1/…`, the streams, `/healthz` and `/readyz`, behind one gate.
//!
//! Every request passes, in this order: [`proxy`] (whom it is from, and by which scheme), [`finish`] (request id, problem bodies, headers), [`gate::host`] (the name in `Host`),
//! and for every path that exists [`gate::access`] (the table of [`paths`], who asks, the `Origin`, the right). A route that the
//! table does not have is refused, whoever asks.

mod access;
mod accounts;
mod body;
mod commands;
mod cookie;
mod devices;
mod error;
mod finish;
mod gate;
mod link;
mod pairings;
mod participants;
mod paths;
mod probe;
mod proxy;
mod reads;
mod sessions;
mod stream;
#[cfg(test)]
mod tests;
mod uploads;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, patch, post, put};

use crate::hub::Hub;

pub use error::Refused;
pub use gate::Source;
pub use paths::{Need, ROUTES, Route};
pub(crate) use proxy::trusts;

/// The whole face of a hub.
pub fn router(hub: Hub) -> Router {
    guarded(routes(), hub)
}

/// Every route of [`ROUTES`].
fn routes() -> Router<Hub> {
    Router::new()
        .route("/healthz", get(probe::health))
        .route("/readyz", get(probe::ready))
        .route("/v1/pairings/claim", post(pairings::claim))
        .route("/v1/pairings/node", post(pairings::node))
        .route("/v1/pairings/accept", post(pairings::accept))
        .route("/v1/pairings/status", post(pairings::status))
        .route("/v1/pairings", get(pairings::list).post(pairings::offer))
        .route("/v1/pairings/{pairing}/answer", post(pairings::answer))
        .route("/v1/me", get(reads::me))
        .route("/v1/lists", get(reads::lists))
        .route("/v1/sessions/{session}/transcript", get(reads::transcript))
        .route("/v1/sessions/{session}", patch(sessions::edit).delete(sessions::delete))
        .route("/v1/sessions/{session}/read", put(sessions::read))
        .route("/v1/uploads", post(uploads::begin))
        .route("/v1/uploads/{upload}", get(uploads::show).patch(uploads::piece))
        .route("/v1/blobs/{sha256}", get(uploads::blob))
        .route("/v1/audit", get(reads::audit))
        .route("/v1/health", get(reads::health))
        .route("/v1/access", get(access::show).put(access::edit))
        .route("/v1/setup-link", post(accounts::setup_link))
        .route("/v1/invitations", get(accounts::invitations).post(accounts::invite))
        .route("/v1/invitations/{invitation}", delete(accounts::uninvite))
        .route("/v1/accounts", get(accounts::list))
        .route("/v1/accounts/{account}", delete(accounts::close))
        .route("/v1/commands", post(commands::submit))
        .route("/v1/commands/{command}", get(commands::show).patch(commands::edit).delete(commands::cancel))
        .route("/v1/commands/{command}/move", post(commands::reorder))
        .route("/v1/commands/{command}/release", post(participants::release))
        .route("/v1/sessions/{session}/invitations", post(participants::invite))
        .route("/v1/sessions/{session}/invitations/{invitation}", delete(participants::uninvite))
        .route("/v1/sessions/{session}/participants", get(participants::list))
        .route("/v1/sessions/{session}/participants/{account}", patch(participants::edit).delete(participants::remove))
        .route("/v1/participants/join", post(participants::join))
        .route("/v1/rules/{rule}", delete(sessions::revoke_rule))
        .route("/v1/devices", get(devices::list))
        .route("/v1/devices/{device}", delete(devices::revoke))
        .route("/v1/logout", post(devices::logout))
        .route("/v1/connect", get(crate::socket::connect))
        .route("/v1/link", get(crate::link::connect))
        .route("/v1/link/polled", post(link::open))
        .route("/v1/link/polled/{connection}/say", post(link::say))
        .route("/v1/link/polled/{connection}/hear", post(link::hear))
}

/// Puts the gate before routes, and the streams beside them.
fn guarded(routes: Router<Hub>, hub: Hub) -> Router {
    routes
        .merge(stream::router(&hub))
        .route_layer(from_fn_with_state(hub.clone(), gate::access))
        .fallback(crate::web_ui::serve)
        .layer(from_fn_with_state(hub.clone(), gate::host))
        .layer(from_fn_with_state(hub.clone(), finish::finish))
        .layer(from_fn_with_state(hub.clone(), proxy::resolve))
        .with_state(hub)
}
