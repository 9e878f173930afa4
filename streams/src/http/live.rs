//! Live reads: long-poll and server-sent events over a follower.

use std::convert::Infallible;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{StatusCode, header};
use protocol::limits::MAX_PAGE_MESSAGES;
use protocol::path::StreamPath;
use store::Head;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::event::{self, Control, Encoding};
use super::headers::{Reply, name};
use super::metrics::{Metrics, Open};
use super::problem::Problem;
use super::read::{CACHE, body};
use super::{Face, HttpOptions, cursor};
use crate::lifetime::{self, Life};
use crate::{Chunk, FollowError, Follower, Position, Streams};

impl Face {
    pub(super) async fn long_poll(
        &self,
        stream: &StreamPath,
        head: &Head,
        from: Position,
        seen: Option<&str>,
    ) -> Result<Response, Problem> {
        let options = &self.options;
        let _open = options.metrics.as_ref().map(Metrics::opened);
        let mut follower = self.streams.follow(stream, from).await?;
        let mut chunk = follower.take(options.page_bytes, MAX_PAGE_MESSAGES).await?;
        if chunk.messages.is_empty() && !chunk.closed {
            tokio::select! {
                biased;
                () = options.shutdown.cancelled() => {}
                found = timeout(options.long_poll, follower.next(options.page_bytes, MAX_PAGE_MESSAGES)) => {
                    if let Ok(found) = found {
                        chunk = found?;
                    }
                }
            }
        }
        let status = if chunk.messages.is_empty() { StatusCode::NO_CONTENT } else { StatusCode::OK };
        let mut reply = Reply::new(status)
            .set(header::CACHE_CONTROL, CACHE)
            .set(name::NEXT_OFFSET, &follower.name(chunk.next))
            .up_to_date(chunk.up_to_date)
            .closed(chunk.closed);
        if !chunk.closed {
            reply = reply.set(name::CURSOR, &cursor::next(&*options.clock, seen).to_string());
        }
        if chunk.messages.is_empty() {
            return Ok(reply.empty());
        }
        Ok(reply.set(header::CONTENT_TYPE, &head.content_type).body(body(&head.content_type, &chunk.messages)))
    }

    pub(super) async fn sse(
        &self,
        stream: StreamPath,
        head: &Head,
        life: Life,
        from: Position,
        seen: Option<String>,
    ) -> Result<Response, Problem> {
        let follower = self.streams.follow(&stream, from).await?;
        let encoding = Encoding::of(&head.content_type);
        let feed = Feed {
            ends: Instant::now() + self.options.sse_lifetime,
            _open: self.options.metrics.as_ref().map(Metrics::opened),
            streams: self.streams.clone(),
            options: self.options.clone(),
            begun: false,
            done: false,
            slides: life.ttl_seconds.is_some(),
            stream,
            follower,
            encoding,
            seen,
        };
        let mut reply = Reply::new(StatusCode::OK)
            .set(header::CONTENT_TYPE, "text/event-stream")
            .set(header::CACHE_CONTROL, "no-cache")
            // Proxies of the nginx family hold responses back unless told not to.
            .set(http::HeaderName::from_static("x-accel-buffering"), "no");
        if encoding == Encoding::Base64 {
            reply = reply.set(name::SSE_ENCODING, "base64");
        }
        Ok(reply.body(Body::from_stream(stream::unfold(feed, Feed::step))))
    }
}

/// The body of an SSE response. It reads on only when the connection has taken what was read before.
#[derive(Debug)]
struct Feed {
    _open: Option<Open>,
    streams: Streams,
    options: HttpOptions,
    stream: StreamPath,
    follower: Follower,
    encoding: Encoding,
    /// The cursor that the client came with.
    seen: Option<String>,
    ends: Instant,
    /// Whether the first control event, which comes even when there is nothing to read, has been written.
    begun: bool,
    done: bool,
    /// Whether the stream's life slides, so that reading has to renew it.
    slides: bool,
}

impl Feed {
    async fn step(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if self.done {
            return None;
        }
        let shutdown = self.options.shutdown.clone();
        loop {
            let chunk = tokio::select! {
                biased;
                () = shutdown.cancelled() => return None,
                () = sleep_until(self.ends) => return None,
                chunk = read(&mut self.follower, self.options.page_bytes, self.begun) => chunk,
                () = sleep(self.options.keep_alive) => {
                    self.renew().await;
                    return Some((Ok(Bytes::from_static(event::ALIVE)), self));
                }
            };
            match chunk {
                Ok(chunk) => {
                    if let Some(written) = self.write(chunk) {
                        return Some((Ok(written), self));
                    }
                }
                // The response has begun, so its end is all that can still be said; the client asks again and is told why.
                Err(error) => {
                    tracing::debug!(%error, "an SSE response ended");
                    return None;
                }
            }
        }
    }

    /// A chunk as a data event and a control event; `None` when all it holds is the beginning of a character.
    fn write(&mut self, mut chunk: Chunk) -> Option<Bytes> {
        if self.encoding == Encoding::Text && !chunk.closed {
            let unfinished = event::unfinished(&chunk.messages);
            if unfinished > 0 {
                hold_back(&mut chunk, unfinished);
                self.follower.back_to(chunk.next);
                if chunk.messages.is_empty() && self.begun {
                    return None;
                }
            }
        }
        let mut out = Vec::new();
        if !chunk.messages.is_empty() {
            out = event::data(self.encoding, &chunk.messages);
        }
        let cursor = cursor::next(&*self.options.clock, self.seen.as_deref()).to_string();
        out.extend(event::control(&Control {
            stream_next_offset: self.follower.name(chunk.next),
            stream_cursor: (!chunk.closed).then_some(cursor),
            up_to_date: chunk.up_to_date,
            stream_closed: chunk.closed,
        }));
        self.begun = true;
        self.done = chunk.closed;
        Some(Bytes::from(out))
    }

    async fn renew(&self) {
        if !self.slides {
            return;
        }
        let renewed = lifetime::head(&self.streams, &self.stream, self.options.clock.now(), true).await;
        if let Err(error) = renewed {
            tracing::warn!(%error, "the life of a followed stream could not be renewed");
        }
    }
}

async fn read(follower: &mut Follower, bytes: usize, wait: bool) -> Result<Chunk, FollowError> {
    if wait { follower.next(bytes, MAX_PAGE_MESSAGES).await } else { follower.take(bytes, MAX_PAGE_MESSAGES).await }
}

/// Takes the last bytes off a chunk, for the next one.
fn hold_back(chunk: &mut Chunk, mut bytes: usize) {
    chunk.next.byte -= bytes as u64;
    chunk.up_to_date = false;
    while let Some(last) = chunk.messages.last_mut().filter(|_| bytes > 0) {
        let taken = bytes.min(last.body.len());
        last.body.truncate(last.body.len() - taken);
        last.end.byte -= taken as u64;
        bytes -= taken;
        if last.body.is_empty() {
            chunk.messages.pop();
        }
    }
}
