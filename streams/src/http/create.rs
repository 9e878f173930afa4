//! `PUT`: making a stream.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use protocol::offset::Offset;
use protocol::path::StreamPath;
use store::{Batch, CommitError, Conflict, Create, Done, Operation, ReadError};

use super::fork::{self, Wish};
use super::headers::{self, Reply, name};
use super::problem::Problem;
use super::{Face, ROOT};
use crate::json::{self, JsonError};
use crate::lifetime::{self, Life, LifeError, Origin};
use crate::subscription::is_late;

/// How often a stream is tried to be made while patterns of subscriptions come.
const TRIES: u32 = 8;

impl Face {
    pub(super) async fn create(&self, parts: &Parts, stream: StreamPath, body: Body) -> Result<Response, Problem> {
        let wish = Wish::parse(&parts.headers)?;
        let life = life(&parts.headers)?;
        let content_type = headers::content_type(&parts.headers)?;
        let close = headers::wants_close(&parts.headers);
        let body = self.body(body).await?;
        let now = self.options.clock.now();
        // A stream past its deadline gives way.
        let there = match lifetime::head(&self.streams, &stream, now, false).await {
            Err(LifeError::Read(ReadError::Retired { .. })) => return Err(fork::retired(&stream)),
            there => there?,
        };
        let exists = there.is_some();
        let mut inherited_bytes = 0;
        let (first, life) = match &wish {
            None => {
                let content_type = content_type.unwrap_or_else(|| headers::DEFAULT_TYPE.to_owned());
                let life = life.unwrap_or_default();
                (Operation::Create(create(&stream, content_type, &life, body, close)?), life)
            }
            Some(wish) => {
                if let Some((head, found)) = there {
                    let same = found.origin.as_ref().is_some_and(|origin| wish.is(origin))
                        && content_type.is_none_or(|wanted| wanted == head.content_type)
                        && life.is_none_or(|life| life == Life { origin: None, ..found })
                        && head.closed == close;
                    let exists = Conflict::Exists { stream };
                    return if same {
                        Ok(self.made(parts, false, &head.content_type, head.tail, close))
                    } else {
                        Err(exists.into())
                    };
                }
                let (head, inherited) = self.source(parts, wish).await?;
                let content_type = content_type.unwrap_or_else(|| head.content_type.clone());
                if headers::media(&content_type) != headers::media(&head.content_type) {
                    let detail = format!("{} is {}, the fork is to be {content_type}.", wish.source, head.content_type);
                    return Err(Problem::conflict("type_mismatch", "A fork is of its source's type", detail));
                }
                let origin =
                    Origin { source: wish.source.clone(), at: wish.at.unwrap_or(head.tail), beyond: wish.beyond };
                let life = Life { origin: Some(origin), ..life.unwrap_or(inherited) };
                let create = create(&stream, content_type, &life, body, close)?;
                let fork = self.parting(create, wish, &head).await?;
                inherited_bytes = fork.at.byte.saturating_sub(head.first.byte);
                (fork.into(), life)
            }
        };
        let (Operation::Create(create) | Operation::Fork(store::Fork { create, .. })) = &first else {
            return Err(Problem::missing(&stream));
        };
        let content_type = create.content_type.clone();
        // A stream that is there takes nothing of the body.
        if !exists && !create.messages.is_empty() {
            let size = create.messages.iter().map(Bytes::len).sum();
            self.options.quota.fits_beside(inherited_bytes, size)?;
        }
        let mut tries = 0..TRIES;
        loop {
            let mut batch = Batch::of(first.clone());
            batch.operations.extend(life.beginning(&stream, now));
            if let Some(subscriptions) = self.options.subscriptions.as_ref().filter(|_| !exists) {
                subscriptions.adopt(&mut batch, &stream).await?;
            }
            return match self.streams.commit(batch).await {
                // A pattern came meanwhile, or somebody else made the stream: once more, with what is known now.
                Err(error) if is_late(&error) && tries.next().is_some() => {
                    if let Some(subscriptions) = &self.options.subscriptions {
                        subscriptions.reload().await?;
                    }
                    continue;
                }
                Ok(done) => match done.first() {
                    Some(Done::Existed(tail)) => Ok(self.made(parts, false, &content_type, *tail, close)),
                    Some(Done::Created(tail)) => Ok(self.made(parts, true, &content_type, *tail, close)),
                    _ => Err(Problem::missing(&stream)),
                },
                Err(CommitError::Conflict { conflict: Conflict::Retired { stream }, .. }) => {
                    Err(fork::retired(&stream))
                }
                Err(error) => Err(error.into()),
            };
        }
    }

    fn made(&self, parts: &Parts, new: bool, content_type: &str, tail: Offset, closed: bool) -> Response {
        let reply = Reply::new(if new { StatusCode::CREATED } else { StatusCode::OK })
            .set(header::CONTENT_TYPE, content_type)
            .set(name::NEXT_OFFSET, &tail.to_string())
            .closed(closed);
        if new { reply.set(header::LOCATION, &location(parts, self.options.secure)).empty() } else { reply.empty() }
    }
}

fn create(stream: &StreamPath, content_type: String, life: &Life, body: Bytes, close: bool) -> Result<Create, Problem> {
    let messages = first_messages(&content_type, body)?;
    Ok(Create { stream: stream.clone(), content_type, config: life.encode(), messages, close, or_same: true })
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

/// How long the stream is to live; `None` when the request does not say.
fn life(headers: &HeaderMap) -> Result<Option<Life>, Problem> {
    let bad = |detail: &str| Problem::bad("life_invalid", "The life of the stream is not usable", detail);
    let ttl = headers::text(headers, &name::TTL)?;
    let end = headers::text(headers, &name::EXPIRES_AT)?;
    match (ttl, end) {
        (Some(_), Some(_)) => Err(bad("Stream-TTL and Stream-Expires-At exclude each other.")),
        (Some(ttl), None) => {
            let seconds = lifetime::parse_ttl(ttl).ok_or_else(|| bad("Stream-TTL is a plain number of seconds."))?;
            Ok(Some(Life { ttl_seconds: Some(seconds), ..Life::default() }))
        }
        (None, Some(end)) => {
            lifetime::parse_expiry(end).ok_or_else(|| bad("Stream-Expires-At is an RFC 3339 time."))?;
            Ok(Some(Life { expires_at: Some(end.to_owned()), ..Life::default() }))
        }
        (None, None) => Ok(None),
    }
}
