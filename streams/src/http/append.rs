//! `POST`: adding to a stream, closing it, or both.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use protocol::offset::Offset;
use protocol::path::StreamPath;
use store::{Append, Batch, CommitError, Conflict, Done, Head, Producer};

use tokio::time::Instant;

use super::Face;
use super::headers::{self, Reply, name};
use super::problem::Problem;
use crate::{json, lifetime};

impl Face {
    pub(super) async fn append(&self, parts: &Parts, stream: StreamPath, body: Body) -> Result<Response, Problem> {
        let producer = headers::producer(&parts.headers)?;
        let close = headers::wants_close(&parts.headers);
        let seq = headers::text(&parts.headers, &name::SEQ)?.map(str::to_owned);
        let expected = headers::expected(&parts.headers)?;
        let content_type = headers::content_type(&parts.headers)?;
        let body = self.body(body).await?;
        let now = self.options.clock.now();
        let found = lifetime::head(&self.streams, &stream, now, false).await?;
        let (head, life) = found.ok_or_else(|| Problem::missing(&stream))?;
        if body.is_empty() && !close {
            return Err(Problem::bad("body_empty", "There is nothing to append", "The body is empty."));
        }
        // The order of checks is the protocol's: closed, then type, then what the store guards.
        if head.closed && producer.is_none() {
            return if body.is_empty() { Ok(appended(None, head.tail, true)) } else { Err(Problem::closed(head.tail)) };
        }
        let messages = messages(&head, content_type.as_deref(), body)?;
        let close_only = messages.is_empty();
        let size = messages.iter().map(bytes::Bytes::len).sum();
        // A producer that repeats itself adds nothing, and is told so by the store.
        if !head.closed {
            self.options.quota.fits(&head, size)?;
        }
        let began = Instant::now();
        let append = Append { stream: stream.clone(), messages, expected, producer, seq, close };
        let producer = append.producer.clone();
        let mut batch = Batch::of(append);
        batch.operations.extend(life.renewal(&stream, now));
        match self.streams.commit(batch).await {
            Ok(done) => {
                if let (Some(metrics), Some(Done::Appended(_))) = (&self.options.metrics, done.first()) {
                    metrics.appended(size, began.elapsed());
                }
                answer(&stream, producer.as_ref(), done.first(), close, close_only)
            }
            Err(CommitError::Conflict { conflict: Conflict::Tail { tail, .. }, .. }) => Err(elsewhere(tail)),
            // Somebody closed it between our look and our commit: closing again is done already.
            Err(CommitError::Conflict { conflict: Conflict::Closed { tail, .. }, .. })
                if close_only && producer.is_none() =>
            {
                Ok(appended(None, tail, true))
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
fn messages(head: &Head, content_type: Option<&str>, body: Bytes) -> Result<Vec<Bytes>, Problem> {
    if body.is_empty() {
        return Ok(Vec::new());
    }
    let Some(content_type) = content_type else {
        return Err(Problem::bad("type_missing", "The body has no type", "Content-Type is missing."));
    };
    if head.closed {
        // Only a producer repeating itself gets here, and what it repeats was looked at the first time.
        return Ok(vec![body]);
    }
    if headers::media(content_type) != headers::media(&head.content_type) {
        let detail = format!("The stream is {}, the body is {content_type}.", head.content_type);
        return Err(Problem::conflict("type_mismatch", "The body is of another type", detail));
    }
    if headers::is_json(&head.content_type) { Ok(json::messages(&body)?) } else { Ok(vec![body]) }
}

fn answer(
    stream: &StreamPath,
    producer: Option<&Producer>,
    done: Option<&Done>,
    close: bool,
    close_only: bool,
) -> Result<Response, Problem> {
    match (done, producer) {
        (Some(Done::Appended(tail)), None) => Ok(appended(None, *tail, close)),
        (Some(Done::Appended(tail)), Some(producer)) => {
            let status = if close_only { StatusCode::NO_CONTENT } else { StatusCode::OK };
            Ok(appended(Some((status, producer.epoch, producer.seq)), *tail, close))
        }
        (Some(Done::Duplicate { tail, seq, closed }), Some(producer)) => {
            Ok(appended(Some((StatusCode::NO_CONTENT, producer.epoch, *seq)), *tail, *closed))
        }
        _ => Err(Problem::missing(stream)),
    }
}

fn appended(producer: Option<(StatusCode, u64, u64)>, tail: Offset, closed: bool) -> Response {
    let status = producer.map_or(StatusCode::NO_CONTENT, |(status, ..)| status);
    let mut reply = Reply::new(status).set(name::NEXT_OFFSET, &tail.to_string()).closed(closed);
    if let Some((_, epoch, seq)) = producer {
        reply = reply.set(name::PRODUCER_EPOCH, &epoch.to_string()).set(name::PRODUCER_SEQ, &seq.to_string());
    }
    reply.empty()
}
