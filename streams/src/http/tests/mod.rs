//! The HTTP face over a memory store, without a network.

mod between;
mod forks;
mod lane;
mod live;
mod lone;
mod plain;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use protocol::time::{Clock, UnixMs};
use store::{MemoryStore, Store};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{HttpOptions, open_access, router};
use crate::Streams;

/// A clock that stands until it is moved.
#[derive(Debug)]
pub(crate) struct ManualClock(AtomicU64);

impl ManualClock {
    pub(crate) fn at(ms: u64) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(ms)))
    }

    pub(crate) fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixMs {
        UnixMs(self.0.load(Ordering::SeqCst))
    }

    fn fresh(&self) -> uuid::Uuid {
        uuid::Builder::from_unix_timestamp_millis(self.now().0, &[7; 10]).into_uuid()
    }
}

/// A face, and what a test wants to reach behind it.
pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) streams: Streams,
    pub(super) shutdown: CancellationToken,
    pub(super) router: Router,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|v| v.to_str().expect("a text"))
    }

    pub(crate) fn next(&self) -> String {
        self.header("stream-next-offset").expect("Stream-Next-Offset").to_owned()
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut HttpOptions)) -> Self {
        let clock = ManualClock::at(1_790_000_000_000);
        let store = MemoryStore::new(clock.clone());
        Self::over(clock, Arc::new(store), change)
    }

    /// A face over any store.
    pub(crate) fn over(clock: Arc<ManualClock>, store: Arc<dyn Store>, change: impl FnOnce(&mut HttpOptions)) -> Self {
        Self::before(clock, Streams::new(store), change)
    }

    /// A face before a service that is there already.
    pub(crate) fn on(streams: Streams) -> Self {
        Self::before(ManualClock::at(1_790_000_000_000), streams, |_| {})
    }

    fn before(clock: Arc<ManualClock>, streams: Streams, change: impl FnOnce(&mut HttpOptions)) -> Self {
        let shutdown = CancellationToken::new();
        let mut options = HttpOptions::new(open_access(), clock.clone(), shutdown.clone());
        change(&mut options);
        let router = router(streams.clone(), options);
        Self { clock, streams, shutdown, router }
    }

    /// The same streams behind another face.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut HttpOptions)) {
        let mut options = HttpOptions::new(open_access(), self.clock.clone(), self.shutdown.clone());
        change(&mut options);
        self.router = router(self.streams.clone(), options);
    }

    /// Sends a request; headers as `name: value`.
    pub(super) async fn send(&self, method: &str, target: &str, headers: &[&str], body: impl Into<Body>) -> Response {
        let mut request = Request::builder().method(method).uri(format!("/v1/stream/{target}"));
        for header in headers {
            let (name, value) = header.split_once(": ").expect("name: value");
            request = request.header(name, value);
        }
        let request = request.body(body.into()).expect("a request");
        self.router.clone().oneshot(request).await.expect("the router is infallible")
    }

    pub(crate) async fn ask(&self, method: &str, target: &str, headers: &[&str], body: impl Into<Body>) -> Answer {
        let (parts, body) = self.send(method, target, headers, body).await.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        let body = String::from_utf8(body.to_vec()).expect("text");
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, &[], "").await
    }
}
