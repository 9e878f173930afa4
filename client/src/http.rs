//! One request, one connection, one limit in time and size.
//!
//! Connections are not kept: what asks often uses the socket, and a request on a connection of its own is never lost to one that the
//! other side had just closed.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::task::AbortOnDropHandle;

use crate::error::{self, ApiError};
use crate::remote::Remote;

/// Longest wait for an answer; a claim's status may itself wait for 20 s.
const ANSWER: Duration = Duration::from_secs(30);
/// Largest body of an answer, in bytes: the lists of a large account, and a page of the longest items.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// Sends a request with a JSON body, if any, and reads the JSON of the answer.
pub(crate) async fn call<B: Serialize + Sync, A: DeserializeOwned>(
    remote: &Remote,
    method: Method,
    path: &str,
    body: Option<&B>,
) -> Result<A, ApiError> {
    let what = format!("{method} {path}");
    let (_, bytes) = exchange(remote, method, path, body).await?;
    serde_json::from_slice(&bytes).map_err(|source| ApiError::Strange { what, reason: source.to_string() })
}

/// Reads bytes that are no JSON.
pub(crate) async fn fetch(remote: &Remote, path: &str) -> Result<Bytes, ApiError> {
    exchange(remote, Method::GET, path, None::<&()>).await.map(|(_, bytes)| bytes)
}

/// Sends a request whose answer has no body.
pub(crate) async fn tell<B: Serialize + Sync>(
    remote: &Remote,
    method: Method,
    path: &str,
    body: Option<&B>,
) -> Result<(), ApiError> {
    exchange(remote, method, path, body).await.map(drop)
}

async fn exchange<B: Serialize + Sync>(
    remote: &Remote,
    method: Method,
    path: &str,
    body: Option<&B>,
) -> Result<(StatusCode, Bytes), ApiError> {
    let Answer { status, body, .. } = ask(remote, method, path, body, ANSWER).await?;
    if status.is_success() {
        Ok((status, body))
    } else {
        Err(ApiError::Problem(Box::new(error::problem(status.as_u16(), &body))))
    }
}

/// What came back, whatever it says.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Sends a request and reads the answer, within a limit in time; fails only when none came.
pub(crate) async fn ask<B: Serialize + Sync>(
    remote: &Remote,
    method: Method,
    path: &str,
    body: Option<&B>,
    limit: Duration,
) -> Result<Answer, ApiError> {
    let what = format!("{method} {path}");
    let late = ApiError::Late {
        authority: remote.authority(),
        what: what.clone(),
        limit_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
    };
    tokio::time::timeout(limit, attempt(remote, method, path, body, &what)).await.unwrap_or(Err(late))
}

async fn attempt<B: Serialize + Sync>(
    remote: &Remote,
    method: Method,
    path: &str,
    body: Option<&B>,
    what: &str,
) -> Result<Answer, ApiError> {
    let authority = remote.authority();
    let strange = |reason: String| ApiError::Strange { what: what.to_owned(), reason };
    let broken =
        |source: hyper::Error| ApiError::Broken { authority: authority.clone(), what: what.to_owned(), source };
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, &authority)
        .header(header::ACCEPT, "application/json");
    if let Some(authorization) = remote.authorization() {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    let bytes = match body {
        Some(body) => {
            request = request.header(header::CONTENT_TYPE, "application/json");
            serde_json::to_vec(body).map_err(|source| strange(source.to_string()))?.into()
        }
        None => Bytes::new(),
    };
    let request = request.body(Full::new(bytes)).map_err(|source| strange(source.to_string()))?;
    let stream = remote.connect().await;
    let stream = stream.map_err(|source| ApiError::Unreachable { authority: authority.clone(), source })?;
    let (mut send, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let _connection = AbortOnDropHandle::new(tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection broke");
        }
    }));
    let response = send.send_request(request).await.map_err(broken)?;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = Limited::new(response.into_body(), MAX_BODY_BYTES).collect().await;
    let body = body.map_err(|error| match error.downcast::<hyper::Error>() {
        Ok(source) => broken(*source),
        Err(error) if error.is::<LengthLimitError>() => strange(format!("it has more than {MAX_BODY_BYTES} bytes")),
        Err(error) => strange(error.to_string()),
    })?;
    Ok(Answer { status, headers, body: body.to_bytes() })
}
