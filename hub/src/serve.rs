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
use protocol::limits::{HELLO_TIMEOUT_MS, MAX_SOCKETS_PER_SOURCE, SEND_TIMEOUT_MS};
use streams::http::Paced;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::crowd::Crowd;
use crate::http::{Source, router, trusts};
use crate::hub::Hub;
use crate::network::Network;
use crate::stall::Patient;

/// Most connections at once; more wait to be accepted (rule 8).
const MAX_CONNECTIONS: usize = 4_096;
/// Most connections of one source at once; one more is closed at once. Four times as many as sockets of one source, because behind
/// a proxy on this machine all people are one source.
const MAX_CONNECTIONS_PER_SOURCE: usize = 4 * MAX_SOCKETS_PER_SOURCE;
/// Longest that a connection may take to say what it wants (N-25); also how long it may be idle.
const HEADER_TIMEOUT: Duration = Duration::from_millis(HELLO_TIMEOUT_MS);
/// Longest that the other end may take nothing at all: half as long again as a socket waits for one frame, so that a socket ends
/// in its own way first.
const STALL: Duration = Duration::from_millis(SEND_TIMEOUT_MS / 2 * 3);
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
    let trusted = hub.inner.options.trusted_proxies.clone();
    let door = Door { router: router(hub.clone()), trusted, stop: stop.clone(), cut: cut.clone() };
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
    /// Behind these stand many people, each a source of their own once their requests are read.
    trusted: Vec<Network>,
    stop: CancellationToken,
    cut: CancellationToken,
}

impl Door {
    async fn accept<L: Listener<Addr = SocketAddr>>(&self, mut listener: L, connections: &TaskTracker) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let crowd = Crowd::new(MAX_CONNECTIONS_PER_SOURCE);
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let (io, peer) = listener.accept().await;
            let source = Source(peer.ip());
            let one = crowd.enter(source);
            if one.is_none() && !trusts(&self.trusted, peer.ip()) {
                tracing::debug!(source = %peer.ip(), "a connection is closed: its source has too many");
                continue;
            }
            let door = self.clone();
            connections.spawn(async move {
                door.converse(Patient::new(io, STALL), source).await;
                drop((place, one));
            });
        }
    }

    async fn converse<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, io: I, source: Source) {
        let service = self.router.map_request(move |mut request: http::Request<Incoming>| {
            request.extensions_mut().insert(source);
            request.map(|body| Body::new(Paced::new(body)))
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

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::sync::mpsc;
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::testing::World;

    /// Connections from wherever a test wants.
    struct Doorway(mpsc::Receiver<(DuplexStream, SocketAddr)>);

    impl Listener for Doorway {
        type Io = DuplexStream;
        type Addr = SocketAddr;

        async fn accept(&mut self) -> (DuplexStream, SocketAddr) {
            match self.0.recv().await {
                Some(connection) => connection,
                None => pending().await,
            }
        }

        fn local_addr(&self) -> std::io::Result<SocketAddr> {
            Ok((Ipv4Addr::LOCALHOST, 0).into())
        }
    }

    fn open(world: &World) -> mpsc::Sender<(DuplexStream, SocketAddr)> {
        let (send, receive) = mpsc::channel(1);
        let hub = world.hub.clone();
        tokio::spawn(async move { serve(&hub, Doorway(receive), pending(), Duration::from_secs(1)).await });
        send
    }

    /// What `GET path` is answered by a server that closes then.
    async fn ask(line: &mut DuplexStream, path: &str) -> std::io::Result<()> {
        line.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes()).await
    }

    #[tokio::test(start_paused = true)]
    async fn one_source_does_not_take_the_places_of_others() {
        let world = World::new().await;
        let door = open(&world);
        let dial = async |host: u8| {
            let (here, there) = duplex(4_096);
            door.send((there, ([10, 0, 0, host], 1).into())).await.expect("a server");
            here
        };
        let mut silent = Vec::new();
        for _ in 0..MAX_CONNECTIONS_PER_SOURCE {
            silent.push(dial(1).await);
        }
        let mut refused = dial(1).await;
        let mut other = dial(2).await;
        ask(&mut other, "/healthz").await.expect("written");
        let mut answer = String::new();
        timeout(Duration::from_secs(1), other.read_to_string(&mut answer)).await.expect("in time").expect("text");
        assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
        let nothing = timeout(Duration::from_secs(1), refused.read(&mut [0; 8])).await.expect("closed at once");
        assert_eq!(nothing.expect("an end"), 0);
        // Who says nothing is not waited for, and then there is room again.
        sleep(HEADER_TIMEOUT + Duration::from_secs(1)).await;
        let mut again = dial(1).await;
        ask(&mut again, "/healthz").await.expect("written");
        answer.clear();
        timeout(Duration::from_secs(1), again.read_to_string(&mut answer)).await.expect("in time").expect("text");
        assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_and_never_reads_does_not_hold_a_connection() {
        let world = World::new().await;
        let door = open(&world);
        let (mut here, there) = duplex(64);
        door.send((there, ([10, 0, 0, 1], 1).into())).await.expect("a server");
        ask(&mut here, "/").await.expect("written");
        sleep(Duration::from_mins(1)).await;
        let mut rest = Vec::new();
        timeout(Duration::from_secs(1), here.read_to_end(&mut rest)).await.expect("an end").expect("bytes");
        assert_eq!(rest.len(), 64, "the rest was not waited for");
    }

    #[tokio::test(start_paused = true)]
    async fn who_announces_a_body_and_does_not_send_it_does_not_hold_a_connection() {
        let world = World::new().await;
        let door = open(&world);
        for pause in [Duration::from_secs(20), Duration::from_mins(5)] {
            let (mut here, there) = duplex(4_096);
            door.send((there, ([10, 0, 0, 1], 1).into())).await.expect("a server");
            let head = "POST /v1/pairings/claim HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                        Transfer-Encoding: chunked\r\n\r\n";
            here.write_all(head.as_bytes()).await.expect("written");
            let (mut read, mut write) = tokio::io::split(here);
            let trickle = async {
                while write.write_all(b"1\r\n{\r\n").await.is_ok() {
                    sleep(pause).await;
                }
                pending::<()>().await;
            };
            let mut answer = Vec::new();
            let ended = async {
                tokio::select! {
                    ended = read.read_to_end(&mut answer) => ended,
                    () = trickle => unreachable!("it waits for the end"),
                }
            };
            timeout(Duration::from_mins(2), ended).await.expect("an end").expect("bytes");
        }
    }
}
