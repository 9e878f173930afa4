//! HTTP over the simulated network: one server, and requests on a connection each.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::Either;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use tower::Service;

use crate::{PORT, net};

/// Serves on this machine until it crashes.
///
/// # Errors
/// When the port is taken, or a connection's task panics.
pub async fn serve<S, B>(service: S) -> turmoil::Result
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let listener = turmoil::net::TcpListener::bind(("0.0.0.0", PORT)).await?;
    let mut connections = JoinSet::new();
    loop {
        let next = if connections.is_empty() {
            Either::Left(std::future::pending())
        } else {
            Either::Right(connections.join_next())
        };
        tokio::select! {
            biased;
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                let service = TowerToHyperService::new(service.clone());
                connections.spawn(async move {
                    let mut builder = http1::Builder::new();
                    builder.timer(TokioTimer::new());
                    if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
                        tracing::debug!(%error, "a connection ended early");
                    }
                });
            }
            Some(ended) = next => ended?,
        }
    }
}

/// A request that failed before its answer was whole; whether it took effect is not known.
#[derive(Debug)]
pub enum ExchangeError {
    /// Nobody listens, or the connection was reset.
    Broken,
    /// Nothing came for too long.
    Late,
}

/// The beginning of an answer, whose body is still to come.
#[derive(Debug)]
pub struct Exchange {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    body: Incoming,
    _connection: AbortOnDropHandle<()>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Exchange {
    /// Sends a request on a connection of its own and waits for the beginning of the answer, at most for the patience.
    /// Dropping it drops the connection; what is under way on the network may still arrive.
    ///
    /// # Errors
    /// [`ExchangeError`].
    pub async fn begin(machine: &str, request: Request<Bytes>, patience: Duration) -> Result<Self, ExchangeError> {
        timeout(patience, Self::attempt(machine, request)).await.unwrap_or(Err(ExchangeError::Late))
    }

    async fn attempt(machine: &str, request: Request<Bytes>) -> Result<Self, ExchangeError> {
        let stream = net::connect(machine, PORT).await.map_err(|_| ExchangeError::Broken)?;
        let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.map_err(|_| ExchangeError::Broken)?;
        let connection = AbortOnDropHandle::new(tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke");
            }
        }));
        let response = sender.send_request(request.map(Full::new)).await.map_err(|_| ExchangeError::Broken)?;
        let (parts, body) = response.into_parts();
        Ok(Self { status: parts.status, headers: parts.headers, body, _connection: connection })
    }

    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// [`ExchangeError`].
    pub async fn piece(&mut self, patience: Duration) -> Result<Option<Bytes>, ExchangeError> {
        loop {
            match timeout(patience, self.body.frame()).await {
                Err(_) => return Err(ExchangeError::Late),
                Ok(None) => return Ok(None),
                Ok(Some(Err(_))) => return Err(ExchangeError::Broken),
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// Sends a request and waits for the whole answer; each part at most for the patience.
    ///
    /// # Errors
    /// [`ExchangeError`].
    pub async fn whole(machine: &str, request: Request<Bytes>, patience: Duration) -> Result<Answer, ExchangeError> {
        let mut exchange = Self::begin(machine, request, patience).await?;
        let mut body = Vec::new();
        while let Some(piece) = exchange.piece(patience).await? {
            body.extend_from_slice(&piece);
        }
        Ok(Answer { status: exchange.status, headers: exchange.headers, body: body.into() })
    }
}

impl Answer {
    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}
