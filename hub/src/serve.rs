//! Serving: connections in, and an orderly end.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use protocol::limits::HELLO_TIMEOUT_MS;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::http::{Source, router};
use crate::hub::Hub;

/// Most connections at once; more wait to be accepted (rule 8).
const MAX_CONNECTIONS: usize = 4_096;
/// Longest that a connection may take to say what it wants (N-25); also how long it may be idle.
const HEADER_TIMEOUT: Duration = Duration::from_millis(HELLO_TIMEOUT_MS);
/// Largest head of a request, in bytes: a cookie, a credential and a long path fit many times.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Serves a hub on a listener until `shutdown` is done or [`Hub::stopping`] is cancelled; either stops the hub's live bodies.
///
/// It ends in order: nothing new is accepted, live bodies and sockets end, requests under way have `budget` to finish, and what
/// is left is cut. Several listeners may serve the same hub; call [`Hub::stop`] when all have returned.
///
/// HTTP/1.1 only: one WebSocket carries everything that a client follows. Dropping the future cuts the connections.
pub async fn serve<L>(hub: &Hub, listener: L, shutdown: impl Future<Output = ()> + Send, budget: Duration)
where
    L: Listener<Addr = SocketAddr>,
{
    let stop = hub.stopping();
    // Cut when this future is dropped, too: no connection outlives it.
    let cut = CancellationToken::new();
    let _guard = cut.clone().drop_guard();
    let connections = TaskTracker::new();
    let door = Door { router: router(hub.clone()), stop: stop.clone(), cut: cut.clone() };
    tokio::select! {
        () = door.accept(listener, &connections) => {}
        () = stop.cancelled() => {}
        () = shutdown => stop.cancel(),
    }
    connections.close();
    if tokio::time::timeout(budget, connections.wait()).await.is_err() {
        tracing::warn!(left = connections.len(), "connections are cut: they did not end in time");
        cut.cancel();
        connections.wait().await;
    }
}

#[derive(Clone)]
struct Door {
    router: Router,
    stop: CancellationToken,
    cut: CancellationToken,
}

impl Door {
    async fn accept<L: Listener<Addr = SocketAddr>>(&self, mut listener: L, connections: &TaskTracker) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let (io, peer) = listener.accept().await;
            let door = self.clone();
            connections.spawn(async move {
                door.converse(io, Source(peer.ip())).await;
                drop(place);
            });
        }
    }

    async fn converse<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, io: I, source: Source) {
        let service = self.router.map_request(move |mut request: http::Request<Incoming>| {
            request.extensions_mut().insert(source);
            request.map(Body::new)
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(MAX_HEAD_BYTES);
        let connection = builder.serve_connection(TokioIo::new(io), TowerToHyperService::new(service)).with_upgrades();
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection => ended,
                    () = self.cut.cancelled() => return,
                }
            }
            () = self.cut.cancelled() => return,
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}
