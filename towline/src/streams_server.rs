//! `streams`: Durable Streams over a store and nothing else, for the published suite and for people who want just that.

use std::sync::Arc;
use std::time::Duration;

use hub::{Patient, SystemRandom};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::Serialize;
use store::Pages;
use streams::http::{HttpOptions, Lane, Metrics, Quota, Router, metrics_router, open_access};
use streams::{Keeper, Keeping, Reach, Streams as Service, Subscriptions};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cli::{Near, Streams};
use crate::clock::SystemClock;
use crate::data_dir::DataDir;
use crate::error::{CommandError, Kind};
use crate::listen::Plain;
use crate::node_key;
use crate::output::Output;
use crate::serving::{Signals, busy, open_store};
use crate::streams_access;

/// Most connections at once; more wait to be accepted.
const CONNECTIONS: usize = 1024;
/// As many for whoever scrapes, apart from the others: what is wrong when no place is left stands there.
const SCRAPES: usize = 16;
/// Longest that a connection may take to say what it wants.
const HEAD: Duration = Duration::from_secs(10);
/// Longest that the other side may take nothing of an answer, as the lane has it.
const STALL: Duration = Duration::from_secs(30);
/// Longest that answers under way may take when the server stops.
const BUDGET: Duration = Duration::from_secs(2);
/// However often streams are asked to be looked at, a pause of this length lies between.
const SHORTEST_ROUND: Duration = Duration::from_millis(100);
/// Largest body of one append, in bytes: the published suite sends 50 MiB.
const MAX_APPEND_BYTES: usize = 64 * 1024 * 1024;

/// The ready line; stable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ready {
    url: String,
    /// Where to scrape, when asked for.
    metrics_url: Option<String>,
}

/// Serves until a signal.
pub(crate) async fn serve(wish: Streams, dir: &DataDir, out: Output) -> Result<(), CommandError> {
    if wish.open && !wish.listen.ip().is_loopback() {
        return Err(CommandError::say(Kind::Config, format!("--open on {} would be open to everybody", wish.listen))
            .hint("Listen on 127.0.0.1, or give a --token-file."));
    }
    let access = match &wish.token_file {
        Some(file) => streams_access::from_file(file)?,
        None => open_access(),
    };
    let mut signals = Signals::listen()?;
    dir.make()?;
    let clock = Arc::new(SystemClock);
    let store = open_store(dir, Pages::Large).await?;
    let service = Service::new(store.clone());
    let stop = CancellationToken::new();
    let seed = node_key::for_webhooks(dir, &SystemRandom)?;
    let near = |place| wish.webhooks_to.contains(&place);
    let reach = Reach { loopback: near(Near::Loopback), private: near(Near::Private) };
    let subscriptions = Subscriptions::open(service.clone(), clock.clone(), &seed, reach).await;
    let subscriptions = subscriptions.map_err(|error| CommandError::new(Kind::Config, error))?;
    let keeping_clock = clock.clone();
    let mut options = HttpOptions::new(access, clock, stop.clone());
    options.subscriptions = Some(subscriptions.clone());
    options.long_poll = wish.long_poll_timeout;
    options.cors = true;
    options.max_append_bytes = MAX_APPEND_BYTES;
    options.quota = Quota { writes_per_second: wish.max_writes_per_second, stream_bytes: wish.max_stream_bytes };
    let metrics = Arc::new(Metrics::default());
    options.metrics = Some(Arc::clone(&metrics));
    let numbers = metrics_router(metrics, service.clone());
    let lane = Lane::new(service.clone(), options);
    let router = lane.router();
    let scrapes = match wish.metrics_listen {
        Some(address) => Some(TcpListener::bind(address).await.map_err(|error| busy(address, error))?),
        None => None,
    };
    let listener = TcpListener::bind(wish.listen).await;
    let listener = listener.map_err(|error| busy(wish.listen, error))?;
    let address = listener.local_addr().map_err(|error| CommandError::new(Kind::Config, error))?;
    let scraped_at = scrapes.as_ref().map(TcpListener::local_addr).transpose();
    let scraped_at = scraped_at.map_err(|error| CommandError::new(Kind::Config, error))?;
    let metrics_url = scraped_at.map(|address| format!("http://{address}/metrics"));
    let ready = Ready { url: format!("http://{address}"), metrics_url };
    out.either(&ready, || ready.url.clone())?;

    let keeping = Keeping { age: wish.retain_age, bytes: wish.retain_bytes, compact: wish.compact };
    let keeper = Keeper::new(service.clone(), keeping_clock, keeping).every(wish.keep_every.max(SHORTEST_ROUND));
    let kept = tokio::spawn({
        let stop = stop.clone();
        async move { keeper.run(stop).await }
    });
    let waking = tokio::spawn({
        let stop = stop.clone();
        async move { subscriptions.run(stop).await }
    });
    let connections = TaskTracker::new();
    let told = async {
        match scrapes {
            Some(listener) => accept(listener, SCRAPES, None, numbers, &connections, &stop).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = accept(listener, CONNECTIONS, Some(lane), router, &connections, &stop) => {}
        () = told => {}
        () = signals.next() => {}
    }
    stop.cancel();
    connections.close();
    connections.wait().await;
    // It ends with the token; what it was about to send is sent after the next start.
    drop((waking.await, kept.await));
    service.drained().await;
    tokio::task::spawn_blocking(move || store.close()).await.map_err(|error| CommandError::new(Kind::Bug, error))
}

/// Serves who connects, so many at once, until it is dropped; connections go on until `stop`. Requests go by the lane as long as they are usual.
async fn accept(
    listener: TcpListener,
    most: usize,
    lane: Option<Lane>,
    router: Router,
    connections: &TaskTracker,
    stop: &CancellationToken,
) {
    let (mut listener, places) = (Plain(listener), Arc::new(Semaphore::new(most)));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (io, _) = hub::Listener::accept(&mut listener).await;
        let (lane, router, stop) = (lane.clone(), router.clone(), stop.clone());
        connections.spawn(async move {
            match lane {
                Some(lane) => {
                    let unusual = tokio::select! {
                        biased;
                        unusual = lane.serve(io) => unusual,
                        () = late(&stop) => None,
                    };
                    if let Some(io) = unusual {
                        // Rare, and large: not part of what every connection holds.
                        Box::pin(serve_all(io, router, stop)).await;
                    }
                }
                None => serve_all(io, router, stop).await,
            }
            drop(place);
        });
    }
}

/// When answers under way have had their time to end.
async fn late(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(BUDGET).await;
}

/// Serves a connection with all that HTTP/1.1 has. Who neither sends what it announced nor takes what it asked for is let go, as by the lane.
async fn serve_all(io: impl AsyncRead + AsyncWrite + Unpin, router: Router, stop: CancellationToken) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD);
    let mut connection = std::pin::pin!(
        builder.serve_connection(TokioIo::new(Patient::new(io, STALL)), TowerToHyperService::new(router))
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(BUDGET, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use store::{Batch, Create, MemoryStore};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::net::TcpStream;
    use tokio::time::{sleep, timeout};

    use super::*;

    /// Streams in memory, of which `large` has 4 MiB.
    async fn streams() -> (Service, Router) {
        let service = Service::new(Arc::new(MemoryStore::new(Arc::new(SystemClock))));
        let create = Create {
            stream: "large".parse().expect("a path"),
            content_type: "text/plain".to_owned(),
            config: "".into(),
            messages: vec![vec![b'x'; 4 << 20].into()],
            close: false,
            or_same: false,
        };
        service.commit(Batch::of(create)).await.expect("a stream");
        let options = HttpOptions::new(open_access(), Arc::new(SystemClock), CancellationToken::new());
        (service.clone(), Lane::new(service, options).router())
    }

    #[tokio::test(start_paused = true)]
    async fn who_announces_and_does_not_send_or_asks_and_does_not_take_is_let_go() {
        let (_, router) = streams().await;
        let post = "POST /v1/stream/large HTTP/1.1\r\nhost: h\r\ncontent-type: text/plain\r\n";
        for request in [
            format!("{post}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"),
            format!("{post}content-length: 5000000\r\n\r\nhello"),
            "GET /v1/stream/large?offset=-1 HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n".to_owned(),
        ] {
            let (mut here, there) = duplex(4096);
            let served = tokio::spawn(serve_all(there, router.clone(), CancellationToken::new()));
            here.write_all(request.as_bytes()).await.expect("written");
            timeout(Duration::from_mins(2), served).await.expect("let go").expect("no panic");
            let mut answer = String::new();
            here.read_to_string(&mut answer).await.expect("text");
            let expected = if request.starts_with("GET") { "HTTP/1.1 200" } else { "HTTP/1.1 408" };
            assert!(answer.starts_with(expected), "{request} {answer}");
        }
    }

    #[tokio::test]
    async fn whoever_scrapes_does_not_wait_for_a_place_among_the_others() {
        let (service, router) = streams().await;
        let (connections, stop) = (TaskTracker::new(), CancellationToken::new());
        let bind = async || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let (streams, scrapes) = (bind().await, bind().await);
        let (there, metrics) = (streams.local_addr().expect("an address"), scrapes.local_addr().expect("an address"));
        let numbers = metrics_router(Arc::default(), service);
        let asked = async {
            // Both places, held for nothing.
            let held =
                [TcpStream::connect(there).await.expect("a place"), TcpStream::connect(there).await.expect("a place")];
            sleep(Duration::from_millis(50)).await;
            let mut io = TcpStream::connect(metrics).await.expect("a connection");
            io.write_all(b"GET /metrics HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await.expect("written");
            let mut answer = String::new();
            io.read_to_string(&mut answer).await.expect("text");
            drop(held);
            answer
        };
        let answer = tokio::select! {
            () = accept(streams, 2, None, router, &connections, &stop) => unreachable!("it goes on"),
            () = accept(scrapes, 1, None, numbers, &connections, &stop) => unreachable!("it goes on"),
            answer = timeout(Duration::from_secs(5), asked) => answer.expect("in time"),
        };
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}
