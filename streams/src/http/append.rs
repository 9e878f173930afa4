//! `POST`: adding to a stream, closing it, or both.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use protocol::offset::Offset;
use protocol::path::StreamPath;
use store::{Append, Batch, CommitError, Conflict, Done, Head, Operation, Producer};

use tokio::time::Instant;

use super::Face;
use super::headers::{self, Reply, name};
use super::problem::Problem;
use crate::{json, lifetime};

/// How often a request is judged anew because the stream that it was judged by gave way to another.
pub(super) const TRIES: u32 = 8;

/// What the headers of an append ask.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) producer: Option<Producer>,
    pub(super) close: bool,
    pub(super) seq: Option<String>,
    pub(super) expected: Option<Offset>,
    /// In lower case.
    pub(super) content_type: Option<String>,
}

/// What an append that was accepted is answered.
#[derive(Debug)]
pub(super) struct Appended {
    /// With a producer: what to say, its epoch, and its highest number.
    pub(super) producer: Option<(StatusCode, u64, u64)>,
    pub(super) tail: Offset,
    pub(super) closed: bool,
}

impl Wish {
    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        Ok(Self {
            producer: headers::producer(headers)?,
            close: headers::wants_close(headers),
            seq: headers::text(headers, &name::SEQ)?.map(str::to_owned),
            expected: headers::expected(headers)?,
            content_type: headers::content_type(headers)?,
        })
    }
}

impl Appended {
    pub(super) fn status(&self) -> StatusCode {
        self.producer.map_or(StatusCode::NO_CONTENT, |(status, ..)| status)
    }

    fn reply(&self) -> Response {
        let reply = Reply::new(self.status()).set(name::NEXT_OFFSET, &self.tail.to_string()).closed(self.closed);
        let Some((_, epoch, seq)) = self.producer else { return reply.empty() };
        reply.set(name::PRODUCER_EPOCH, &epoch.to_string()).set(name::PRODUCER_SEQ, &seq.to_string()).empty()
    }
}

impl Face {
    pub(super) async fn append(&self, parts: &Parts, stream: StreamPath, body: Body) -> Result<Response, Problem> {
        let wish = Wish::of(&parts.headers)?;
        let body = self.body(body).await?;
        Ok(self.add(stream, wish, body).await?.reply())
    }

    /// Adds to a stream what a request that was let in brings.
    pub(super) async fn add(&self, stream: StreamPath, wish: Wish, body: Bytes) -> Result<Appended, Problem> {
        for _ in 0..TRIES {
            if let Some(appended) = self.try_add(&stream, &wish, &body).await? {
                return Ok(appended);
            }
        }
        Err(Problem::busy())
    }

    /// Judges by a look what is asked for, and adds it to the stream that was looked at; `None` when another one was made there meanwhile.
    async fn try_add(&self, stream: &StreamPath, wish: &Wish, body: &Bytes) -> Result<Option<Appended>, Problem> {
        let Wish { producer, close, seq, expected, content_type } = wish;
        let (close, now) = (*close, self.options.clock.now());
        let found = lifetime::head(&self.streams, stream, now, false).await?;
        let (head, life) = found.ok_or_else(|| Problem::missing(stream))?;
        if body.is_empty() && !close {
            return Err(Problem::bad("body_empty", "There is nothing to append", "The body is empty."));
        }
        // The order of checks is the protocol's: closed, then type, then what the store guards.
        if head.closed && producer.is_none() {
            let closed = Appended { producer: None, tail: head.tail, closed: true };
            return if body.is_empty() { Ok(Some(closed)) } else { Err(Problem::closed(head.tail)) };
        }
        let messages = messages(&head, content_type.as_deref(), body)?;
        let close_only = messages.is_empty();
        let size = messages.iter().map(bytes::Bytes::len).sum();
        // A producer that repeats itself adds nothing, and is told so by the store.
        if !head.closed {
            self.options.quota.fits(&head, size)?;
        }
        let began = Instant::now();
        let place = producer.as_ref().map(|producer| (producer.epoch, producer.seq));
        let append = Append {
            stream: stream.clone(),
            messages,
            // In another stream, what was judged for this one may be nonsense, or too much.
            epoch: Some(head.tail.epoch),
            expected: *expected,
            producer: producer.clone(),
            seq: seq.clone(),
            close,
        };
        let mut batch = Batch::of(append);
        batch.operations.extend(life.renewal(stream, now).map(Operation::from));
        match self.streams.commit(batch).await {
            Ok(done) => {
                if let (Some(metrics), Some(Done::Appended(_))) = (&self.options.metrics, done.first()) {
                    metrics.appended(size, began.elapsed());
                }
                answer(stream, place, done.first(), close, close_only).map(Some)
            }
            Err(CommitError::Conflict { conflict: Conflict::Epoch { .. }, .. }) => Ok(None),
            Err(CommitError::Conflict { conflict: Conflict::Tail { tail, .. }, .. }) => Err(elsewhere(tail)),
            // Somebody closed it between our look and our commit: closing again is done already.
            Err(CommitError::Conflict { conflict: Conflict::Closed { tail, .. }, .. })
                if close_only && place.is_none() =>
            {
                Ok(Some(Appended { producer: None, tail, closed: true }))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The stream does not end where `If-Match` says.
fn elsewhere(tail: Offset) -> Problem {
    Problem::new(
        StatusCode::PRECONDITION_FAILED,
        "tail_mismatch",
        "The stream ends elsewhere",
        format!("It ends at {tail}."),
    )
    .with(name::NEXT_OFFSET, tail.to_string())
}

/// What a body adds to a stream.
fn messages(head: &Head, content_type: Option<&str>, body: &Bytes) -> Result<Vec<Bytes>, Problem> {
    if body.is_empty() {
        return Ok(Vec::new());
    }
    let Some(content_type) = content_type else {
        return Err(Problem::bad("type_missing", "The body has no type", "Content-Type is missing."));
    };
    if head.closed {
        // Only a producer repeating itself gets here, and what it repeats was looked at the first time.
        return Ok(vec![body.clone()]);
    }
    if headers::media(content_type) != headers::media(&head.content_type) {
        let detail = format!("The stream is {}, the body is {content_type}.", head.content_type);
        return Err(Problem::conflict("type_mismatch", "The body is of another type", detail));
    }
    if headers::is_json(&head.content_type) { Ok(json::messages(body)?) } else { Ok(vec![body.clone()]) }
}

fn answer(
    stream: &StreamPath,
    place: Option<(u64, u64)>,
    done: Option<&Done>,
    close: bool,
    close_only: bool,
) -> Result<Appended, Problem> {
    match (done, place) {
        (Some(Done::Appended(tail)), None) => Ok(Appended { producer: None, tail: *tail, closed: close }),
        (Some(Done::Appended(tail)), Some((epoch, seq))) => {
            let status = if close_only { StatusCode::NO_CONTENT } else { StatusCode::OK };
            Ok(Appended { producer: Some((status, epoch, seq)), tail: *tail, closed: close })
        }
        (Some(Done::Duplicate { tail, seq, closed }), Some((epoch, _))) => {
            Ok(Appended { producer: Some((StatusCode::NO_CONTENT, epoch, *seq)), tail: *tail, closed: *closed })
        }
        _ => Err(Problem::missing(stream)),
    }
}
