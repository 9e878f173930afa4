//! The HTTP face: the public Durable Streams protocol below `/v1/stream/`.

mod append;
mod create;
mod cursor;
mod event;
mod fork;
mod headers;
mod lane;
mod live;
mod metrics;
mod pace;
mod problem;
mod quota;
mod read;
mod subscription;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use protocol::path::StreamPath;
use protocol::time::Clock;
use tokio_util::sync::CancellationToken;

use crate::subscription::is_late;
use crate::{Streams, Subscriptions, lifetime};
pub use lane::{Lane, Unusual};
pub use metrics::{Metrics, metrics_router};
pub use pace::Paced;
pub use quota::Quota;

use headers::name;
use problem::Problem;
use quota::Bucket;
use subscription::RESERVED;

/// The path below which streams live, and which the router serves.
const ROOT: &str = "/v1/stream/";

/// What a request wants to do to a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Make it (`PUT`).
    Create,
    /// Add to it or close it (`POST`).
    Append,
    /// Read it or ask for its head (`GET`, `HEAD`).
    Read,
    /// Remove it (`DELETE`).
    Delete,
    /// Read whatever fits a pattern, which stands where the path does (a subscription). See [`crate::pattern::covers`].
    ReadAll,
}

/// Decides whether a request may do something to a stream, and answers it when it may not. It finds who asks in the request's
/// extensions, where middleware has put it, or in `Authorization`; of what comes by a [`Lane`] it may be shown nothing else. Not asked for
/// `OPTIONS`.
pub type Access = dyn Fn(&Parts, &StreamPath, Action) -> Result<(), Box<Response>> + Send + Sync;

/// How the face behaves.
#[derive(Clone)]
pub struct HttpOptions {
    /// Who may do what.
    pub access: Arc<Access>,
    /// Where the time comes from, for cursors and lives of streams.
    pub clock: Arc<dyn Clock>,
    /// How long a long-poll waits for news.
    pub long_poll: Duration,
    /// How long an SSE response lasts before the client is made to come again (the protocol says about 60 s).
    pub sse_lifetime: Duration,
    /// How long an SSE response is silent before it says so with a comment.
    pub keep_alive: Duration,
    /// Largest body of one `PUT` or `POST`, in bytes.
    pub max_append_bytes: usize,
    /// Most bytes of messages in one response or event, in bytes.
    pub page_bytes: usize,
    /// Who is woken when streams grow; `None`: the reserved paths are not served.
    pub subscriptions: Option<Subscriptions>,
    /// How much may be written.
    pub quota: Quota,
    /// Where to count what is done.
    pub metrics: Option<Arc<Metrics>>,
    /// Whether clients reach the server by HTTPS, for `Location`.
    pub secure: bool,
    /// Whether pages of other origins may use the streams.
    pub cors: bool,
    /// Ends long-polls and SSE responses when the server stops.
    pub shutdown: CancellationToken,
}

impl HttpOptions {
    /// Sensible values: 25 s long-poll, 60 s SSE with a sign of life every 15 s, the limits of `protocol`, plain HTTP, no CORS.
    pub fn new(access: Arc<Access>, clock: Arc<dyn Clock>, shutdown: CancellationToken) -> Self {
        Self {
            access,
            clock,
            long_poll: Duration::from_secs(25),
            sse_lifetime: Duration::from_mins(1),
            keep_alive: Duration::from_millis(protocol::limits::HEARTBEAT_MS),
            max_append_bytes: protocol::limits::MAX_APPEND_BYTES,
            page_bytes: protocol::limits::MAX_PAGE_BYTES,
            subscriptions: None,
            quota: Quota::default(),
            metrics: None,
            secure: false,
            cors: false,
            shutdown,
        }
    }
}

impl fmt::Debug for HttpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpOptions")
            .field("long_poll", &self.long_poll)
            .field("sse_lifetime", &self.sse_lifetime)
            .field("keep_alive", &self.keep_alive)
            .field("max_append_bytes", &self.max_append_bytes)
            .field("page_bytes", &self.page_bytes)
            .field("secure", &self.secure)
            .field("cors", &self.cors)
            .finish_non_exhaustive()
    }
}

/// An access policy under which everybody may do everything.
pub fn open_access() -> Arc<Access> {
    Arc::new(|_, _, _| Ok(()))
}

/// The streams of a service below `/v1/stream/`.
pub fn router(streams: Streams, options: HttpOptions) -> Router {
    Face::new(streams, options).router()
}

#[derive(Debug)]
struct Face {
    streams: Streams,
    options: Arc<HttpOptions>,
    bucket: Bucket,
}

async fn serve(State(face): State<Arc<Face>>, request: Request) -> Response {
    face.answer(request).await
}

impl Face {
    fn new(streams: Streams, options: HttpOptions) -> Arc<Self> {
        Arc::new(Self { streams, options: Arc::new(options), bucket: Bucket::default() })
    }

    fn router(self: Arc<Self>) -> Router {
        Router::new().route(&format!("{ROOT}{{*path}}"), any(serve)).with_state(self)
    }

    /// Answers a request, whatever it is.
    async fn answer(&self, request: Request) -> Response {
        let method = request.method().clone();
        let page = may_be_page(&method, request.headers());
        let said = self.dispatch(request).await;
        self.complete(said, &method, page)
    }

    /// Adds an append that the lane has read, whose request was `parts` as far as the access policy is concerned.
    async fn append_short(
        &self,
        parts: &Parts,
        stream: StreamPath,
        wish: append::Wish,
        body: bytes::Bytes,
    ) -> Result<append::Appended, Problem> {
        (self.options.access)(parts, &stream, Action::Append).map_err(Problem::Denied)?;
        self.bucket.take(&self.options.quota, self.options.clock.now())?;
        if body.len() > self.options.max_append_bytes {
            return Err(Problem::too_long(self.options.max_append_bytes));
        }
        let appended = self.add(stream, wish, body).await?;
        if let Some(metrics) = &self.options.metrics {
            metrics.answered(&Method::POST, appended.status().as_u16());
        }
        Ok(appended)
    }

    /// Makes a response of what was said, with the headers that each has.
    fn complete(&self, said: Result<Response, Problem>, method: &Method, page: bool) -> Response {
        let mut response = said.unwrap_or_else(IntoResponse::into_response);
        if let Some(metrics) = &self.options.metrics {
            metrics.answered(method, response.status().as_u16());
        }
        self.mark(response.headers_mut(), method, page);
        response
    }

    /// The headers of every response; `page` for what a page in a browser may have asked.
    fn mark(&self, headers: &mut http::HeaderMap, method: &Method, page: bool) {
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        let origin = if self.options.cors { "cross-origin" } else { "same-origin" };
        headers.insert(name::CORP, HeaderValue::from_static(origin));
        if self.options.cors && page {
            headers::allow_other_origins(headers, method);
        }
    }

    async fn dispatch(&self, request: Request) -> Result<Response, Problem> {
        let (parts, body) = request.into_parts();
        if parts.method == Method::OPTIONS {
            return Ok(preflight());
        }
        if let Some(path) = reserved(&parts) {
            return self.reserved(&parts, path, body).await;
        }
        let (stream, action) = self.let_in(&parts)?;
        if matches!(action, Action::Create | Action::Append) {
            self.bucket.take(&self.options.quota, self.options.clock.now())?;
        }
        match action {
            Action::Create => self.create(&parts, stream, body).await,
            Action::Append => self.append(&parts, stream, body).await,
            Action::Read if parts.method == Method::HEAD => self.describe(&stream).await,
            Action::Read | Action::ReadAll => self.read(&parts, stream).await,
            Action::Delete => self.delete(&stream).await,
        }
    }

    /// Asks the access policy about a request before anything of its body is waited for.
    fn enter(&self, parts: &Parts) -> Result<(), Problem> {
        match reserved(parts) {
            Some(path) => self.let_in_reserved(parts, path).map(drop),
            None => self.let_in(parts).map(drop),
        }
    }

    /// The stream that a request is for and what it wants there, when the access policy lets it.
    fn let_in(&self, parts: &Parts) -> Result<(StreamPath, Action), Problem> {
        let action = match parts.method {
            Method::PUT => Action::Create,
            Method::POST => Action::Append,
            Method::GET | Method::HEAD => Action::Read,
            Method::DELETE => Action::Delete,
            _ => return Err(Problem::method()),
        };
        let stream = path(parts)?;
        (self.options.access)(parts, &stream, action).map_err(Problem::Denied)?;
        Ok((stream, action))
    }

    async fn describe(&self, stream: &StreamPath) -> Result<Response, Problem> {
        let now = self.options.clock.now();
        let (head, life) = lifetime::head(&self.streams, stream, now, false).await?.ok_or(Problem::missing(stream))?;
        let mut reply = headers::Reply::new(StatusCode::OK)
            .set(header::CONTENT_TYPE, &head.content_type)
            .set(header::CACHE_CONTROL, "no-store")
            .set(name::NEXT_OFFSET, &head.tail.to_string())
            .closed(head.closed);
        if let Some(ttl) = life.ttl_seconds {
            reply = reply.set(name::TTL, &ttl.to_string());
        }
        if let Some(end) = &life.expires_at {
            reply = reply.set(name::EXPIRES_AT, end);
        }
        Ok(reply.empty())
    }

    async fn delete(&self, stream: &StreamPath) -> Result<Response, Problem> {
        let now = self.options.clock.now();
        lifetime::head(&self.streams, stream, now, false).await?.ok_or(Problem::missing(stream))?;
        let mut batch = lifetime::deletion(stream);
        if let Some(subscriptions) = &self.options.subscriptions {
            subscriptions.let_go(&mut batch, stream).await?;
        }
        let done = match self.streams.commit(batch).await {
            // Somebody acked it just now. Its links are dropped when they are looked at.
            Err(error) if is_late(&error) => self.streams.commit(lifetime::deletion(stream)).await?,
            done => done?,
        };
        match done.first() {
            Some(store::Done::Deleted { existed: true }) => Ok(headers::Reply::new(StatusCode::NO_CONTENT).empty()),
            _ => Err(Problem::missing(stream)),
        }
    }

    /// Reads a body of limited size, which may not come too slowly.
    async fn body(&self, body: Body) -> Result<bytes::Bytes, Problem> {
        let limit = self.options.max_append_bytes;
        axum::body::to_bytes(Body::new(Paced::new(body)), limit).await.map_err(|e| Problem::body(&e, limit))
    }
}

/// Whether a page in a browser may have asked. An answer to an append is kept by nobody, so who is no page need not be told what pages
/// may do.
fn may_be_page(method: &Method, headers: &http::HeaderMap) -> bool {
    method != Method::POST || headers.contains_key(header::ORIGIN)
}

/// The reserved path that a request names, without what all of them start with.
fn reserved(parts: &Parts) -> Option<&str> {
    parts.uri.path().strip_prefix(ROOT)?.strip_prefix(RESERVED)
}

fn preflight() -> Response {
    headers::Reply::new(StatusCode::NO_CONTENT).set(header::ALLOW, headers::METHODS).empty()
}

/// The stream that a request names.
fn path(parts: &Parts) -> Result<StreamPath, Problem> {
    // The path of the request itself: routers above may have stripped a prefix, but this face is mounted at its root.
    let raw = parts.uri.path().strip_prefix(ROOT).ok_or_else(|| Problem::bad("path_invalid", "No stream named", ""))?;
    named(raw)
}

/// The stream of a path below [`ROOT`].
fn named(raw: &str) -> Result<StreamPath, Problem> {
    let bad = || Problem::bad("path_invalid", "The path cannot name a stream", raw);
    let plain = |path: &str| if path.starts_with(RESERVED) { Err(bad()) } else { path.parse().map_err(|_| bad()) };
    if raw.contains('%') { plain(&headers::percent_decoded(raw).ok_or_else(bad)?) } else { plain(raw) }
}
