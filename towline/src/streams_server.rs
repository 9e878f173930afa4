//! `streams`: Durable Streams over a store and nothing else, for the published suite and for people who want just that.

use std::sync::Arc;
use std::time::Duration;

use hub::SystemRandom;
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
/// Longest that a connection may take to say what it wants.
const HEAD: Duration = Duration::from_secs(10);
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
    let (connections, places) = (TaskTracker::new(), Arc::new(Semaphore::new(CONNECTIONS)));
    let told = async {
        match scrapes {
            Some(listener) => accept(listener, None, numbers, &connections, &places, &stop).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = accept(listener, Some(lane), router, &connections, &places, &stop) => {}
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

/// Serves who connects, until it is dropped; connections go on until `stop`. Requests go by the lane as long as they are usual.
async fn accept(
    listener: TcpListener,
    lane: Option<Lane>,
    router: Router,
    connections: &TaskTracker,
    places: &Arc<Semaphore>,
    stop: &CancellationToken,
) {
    let mut listener = Plain(listener);
    loop {
        let Ok(place) = Arc::clone(places).acquire_owned().await else { return };
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

/// Serves a connection with all that HTTP/1.1 has.
async fn serve_all(io: impl AsyncRead + AsyncWrite + Unpin, router: Router, stop: CancellationToken) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(io), TowerToHyperService::new(router)));
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
