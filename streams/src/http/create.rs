//! `PUT`: making a stream.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use protocol::offset::Offset;
use protocol::path::StreamPath;
use store::{Batch, CommitError, Conflict, Create, Done, Head, Operation, ReadError};

use super::append::TRIES;
use super::fork::{self, Wish};
use super::headers::{self, Reply, name};
use super::problem::Problem;
use super::{Face, ROOT};
use crate::json::{self, JsonError};
use crate::lifetime::{self, Life, LifeError, Origin};
use crate::subscription::is_late;

/// What a `PUT` asks for.
#[derive(Debug)]
struct Asked {
    stream: StreamPath,
    fork: Option<Wish>,
    life: Option<Life>,
    content_type: Option<String>,
    body: Bytes,
    close: bool,
}

impl Face {
    pub(super) async fn create(&self, parts: &Parts, stream: StreamPath, body: Body) -> Result<Response, Problem> {
        let asked = Asked {
            stream,
            fork: Wish::parse(&parts.headers)?,
            life: life(&parts.headers)?,
            content_type: headers::content_type(&parts.headers)?,
            close: headers::wants_close(&parts.headers),
            body: self.body(body).await?,
        };
        for _ in 0..TRIES {
            if let Some(response) = self.try_create(parts, &asked).await? {
                return Ok(response);
            }
        }
        Err(Problem::busy())
    }

    /// Answers by a look when the stream is there, or makes it; `None` when others changed meanwhile what the look was at.
    async fn try_create(&self, parts: &Parts, asked: &Asked) -> Result<Option<Response>, Problem> {
        let Asked { stream, fork, close, .. } = asked;
        let now = self.options.clock.now();
        // A stream past its deadline gives way.
        let there = match lifetime::head(&self.streams, stream, now, false).await {
            Err(LifeError::Read(ReadError::Retired { .. })) => return Err(fork::retired(stream)),
            there => there?,
        };
        if let Some((head, found)) = there {
            if !asked.is(&head, found)? {
                return Err(Conflict::Exists { stream: stream.clone() }.into());
            }
            return Ok(Some(self.made(parts, false, &head.content_type, head.tail, *close)));
        }
        let (first, life, content_type) = match fork {
            None => self.plain(asked)?,
            Some(wish) => self.fork(parts, asked, wish).await?,
        };
        let mut batch = Batch::of(first);
        batch.operations.extend(life.beginning(stream, now));
        if let Some(subscriptions) = &self.options.subscriptions {
            subscriptions.adopt(&mut batch, stream).await?;
        }
        match self.streams.commit(batch).await {
            // A pattern came meanwhile, or somebody else made the stream.
            Err(error) if is_late(&error) => {
                if let Some(subscriptions) = &self.options.subscriptions {
                    subscriptions.reload().await?;
                }
                Ok(None)
            }
            // Or the source of a fork was made anew.
            Err(CommitError::Conflict { conflict: Conflict::Exists { .. } | Conflict::Tail { .. }, .. }) => Ok(None),
            Err(CommitError::Conflict { conflict: Conflict::Retired { stream }, .. }) => Err(fork::retired(&stream)),
            Err(error) => Err(error.into()),
            Ok(done) => match done.first() {
                Some(Done::Created(tail)) => Ok(Some(self.made(parts, true, &content_type, *tail, *close))),
                _ => Err(Problem::missing(stream)),
            },
        }
    }

    /// What makes a stream that inherits nothing, its life, and its type.
    fn plain(&self, asked: &Asked) -> Result<(Operation, Life, String), Problem> {
        let (content_type, life) = (asked.type_or(headers::DEFAULT_TYPE), asked.life.clone().unwrap_or_default());
        let create = asked.create(content_type.clone(), &life)?;
        self.fits(0, &create)?;
        Ok((create.into(), life, content_type))
    }

    /// What makes a fork, its life, and its type.
    async fn fork(&self, parts: &Parts, asked: &Asked, wish: &Wish) -> Result<(Operation, Life, String), Problem> {
        let (head, inherited) = self.source(parts, wish).await?;
        let content_type = asked.type_or(&head.content_type);
        if headers::media(&content_type) != headers::media(&head.content_type) {
            let detail = format!("{} is {}, the fork is to be {content_type}.", wish.source, head.content_type);
            return Err(Problem::conflict("type_mismatch", "A fork is of its source's type", detail));
        }
        let origin = Origin { source: wish.source.clone(), at: wish.at.unwrap_or(head.tail), beyond: wish.beyond };
        let life = Life { origin: Some(origin), ..asked.life.clone().unwrap_or(inherited) };
        let fork = self.parting(asked.create(content_type.clone(), &life)?, wish, &head).await?;
        self.fits(fork.at.byte.saturating_sub(head.first.byte), &fork.create)?;
        Ok((fork.into(), life, content_type))
    }

    /// Whether what a stream begins with fits beside what it inherits.
    fn fits(&self, inherited: u64, create: &Create) -> Result<(), Problem> {
        match create.messages.iter().map(Bytes::len).sum() {
            0 => Ok(()),
            size => self.options.quota.fits_beside(inherited, size),
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

impl Asked {
    fn type_or(&self, usual: &str) -> String {
        self.content_type.clone().unwrap_or_else(|| usual.to_owned())
    }

    fn create(&self, content_type: String, life: &Life) -> Result<Create, Problem> {
        let messages = first_messages(&content_type, self.body.clone())?;
        // Not `or_same`: with it, what is committed beside a creation would also be committed where nothing is created.
        let (stream, close) = (self.stream.clone(), self.close);
        Ok(Create { stream, content_type, config: life.encode(), messages, close, or_same: false })
    }

    /// Whether the stream that is there is what is asked for. It takes nothing of the body.
    fn is(&self, head: &Head, found: Life) -> Result<bool, Problem> {
        if let Some(wish) = &self.fork {
            let same = found.origin.as_ref().is_some_and(|origin| wish.is(origin))
                && self.content_type.as_ref().is_none_or(|wanted| *wanted == head.content_type)
                && self.life.as_ref().is_none_or(|life| *life == Life { origin: None, ..found });
            return Ok(same && head.closed == self.close);
        }
        let life = self.life.clone().unwrap_or_default();
        let create = self.create(self.type_or(headers::DEFAULT_TYPE), &life)?;
        let same = head.content_type == create.content_type && head.config == create.config;
        Ok(same && head.closed == self.close)
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
