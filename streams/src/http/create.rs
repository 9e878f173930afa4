//! `PUT`: making a stream.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use protocol::path::StreamPath;
use store::{Batch, Create, Done};

use super::headers::{self, Reply, name};
use super::problem::Problem;
use super::{Face, ROOT};
use crate::json::{self, JsonError};
use crate::lifetime::{self, Life};

impl Face {
    pub(super) async fn create(&self, parts: &Parts, stream: StreamPath, body: Body) -> Result<Response, Problem> {
        refuse_forks(&parts.headers)?;
        let life = life(&parts.headers)?;
        let content_type = headers::content_type(&parts.headers)?.unwrap_or_else(|| headers::DEFAULT_TYPE.to_owned());
        let close = headers::wants_close(&parts.headers);
        let messages = first_messages(&content_type, self.body(body).await?)?;
        let now = self.options.clock.now();
        // A stream past its deadline gives way.
        lifetime::head(&self.streams, &stream, now, false).await?;
        let mut batch = Batch::of(Create {
            stream: stream.clone(),
            content_type: content_type.clone(),
            config: life.encode(),
            messages,
            close,
            or_same: true,
        });
        batch.operations.extend(life.beginning(&stream, now));
        let done = self.streams.commit(batch).await?;
        let (status, tail) = match done.first() {
            Some(Done::Existed(tail)) => (StatusCode::OK, *tail),
            Some(Done::Created(tail) | Done::Appended(tail)) => (StatusCode::CREATED, *tail),
            _ => return Err(Problem::missing(&stream)),
        };
        let mut reply = Reply::new(status)
            .set(header::CONTENT_TYPE, &content_type)
            .set(name::NEXT_OFFSET, &tail.to_string())
            .closed(close);
        if status == StatusCode::CREATED {
            reply = reply.set(header::LOCATION, &location(parts, self.options.secure));
        }
        Ok(reply.empty())
    }
}

/// Where the stream is, absolute when the request says how it was reached.
fn location(parts: &Parts, secure: bool) -> String {
    let path = parts.uri.path();
    debug_assert!(path.starts_with(ROOT), "the face serves its root only");
    let host = parts.headers.get(header::HOST).and_then(|h| h.to_str().ok());
    let host = host.or_else(|| parts.uri.authority().map(http::uri::Authority::as_str));
    match host {
        Some(host) => format!("{}://{host}{path}", if secure { "https" } else { "http" }),
        None => path.to_owned(),
    }
}

fn first_messages(content_type: &str, body: Bytes) -> Result<Vec<Bytes>, Problem> {
    if body.is_empty() {
        return Ok(Vec::new());
    }
    if !headers::is_json(content_type) {
        return Ok(vec![body]);
    }
    match json::messages(&body) {
        Err(JsonError::Empty) => Ok(Vec::new()),
        other => Ok(other?),
    }
}

fn life(headers: &HeaderMap) -> Result<Life, Problem> {
    let bad = |detail: &str| Problem::bad("life_invalid", "The life of the stream is not usable", detail);
    let ttl = headers::text(headers, &name::TTL)?;
    let end = headers::text(headers, &name::EXPIRES_AT)?;
    match (ttl, end) {
        (Some(_), Some(_)) => Err(bad("Stream-TTL and Stream-Expires-At exclude each other.")),
        (Some(ttl), None) => {
            let seconds = lifetime::parse_ttl(ttl).ok_or_else(|| bad("Stream-TTL is a plain number of seconds."))?;
            Ok(Life { ttl_seconds: Some(seconds), expires_at: None })
        }
        (None, Some(end)) => {
            lifetime::parse_expiry(end).ok_or_else(|| bad("Stream-Expires-At is an RFC 3339 time."))?;
            Ok(Life { ttl_seconds: None, expires_at: Some(end.to_owned()) })
        }
        (None, None) => Ok(Life::default()),
    }
}

/// Forks are not served yet; a request for one must not make an ordinary stream instead.
fn refuse_forks(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(name::FORKED_FROM) {
        let detail = "This server does not make forks.";
        return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, "fork_unsupported", "Forks are not served", detail));
    }
    if headers.contains_key(name::FORK_OFFSET) || headers.contains_key(name::FORK_SUB_OFFSET) {
        return Err(Problem::bad("fork_invalid", "A fork needs a source", "Stream-Forked-From is missing."));
    }
    Ok(())
}
