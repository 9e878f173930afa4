//! Live reads: long-poll and server-sent events over a follower.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{StatusCode, header};
use protocol::limits::MAX_PAGE_MESSAGES;
use protocol::offset::Offset;
use protocol::path::StreamPath;
use store::Head;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::WaitForCancellationFutureOwned;

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
        handed: Option<&Handed>,
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
        if let Some(handed) = handed {
            handed.put(feed);
            return Ok(reply.empty());
        }
        let next = |mut feed: Feed| async move { feed.next().await.map(|piece| (Ok::<_, Infallible>(piece), feed)) };
        Ok(reply.body(Body::from_stream(stream::unfold(feed, next))))
    }
}

/// Where the body of an SSE response is put, when a request carries it among its extensions: for who writes it by himself.
#[derive(Debug, Clone, Default)]
pub(super) struct Handed(Arc<Mutex<Option<Feed>>>);

impl Handed {
    fn put(&self, feed: Feed) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(feed);
    }

    pub(super) fn take(&self) -> Option<Feed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The body of an SSE response. It reads on only when the connection has taken what was read before.
#[derive(Debug)]
pub(super) struct Feed {
    _open: Option<Open>,
    streams: Streams,
    options: Arc<HttpOptions>,
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
    /// The next piece of the body; `None` at its end.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        if self.done {
            return None;
        }
        let (ends, keep_alive) = (self.ends, self.options.keep_alive);
        let options = Arc::clone(&self.options);
        loop {
            tokio::select! {
                biased;
                () = options.shutdown.cancelled() => return None,
                () = sleep_until(ends) => return None,
                piece = self.read() => if let Some(piece) = piece? {
                    return Some(piece);
                },
                () = sleep(keep_alive) => {
                    self.renew().await;
                    return Some(Bytes::from_static(event::ALIVE));
                }
            }
        }
    }

    /// Reads on, without a limit of time: events, or nothing when all that came is the beginning of a character; `None` when the
    /// stream cannot be read any more. Cancellation safe.
    pub(super) async fn read(&mut self) -> Option<Option<Bytes>> {
        let (mut bytes, mut messages) = (self.options.page_bytes, MAX_PAGE_MESSAGES);
        loop {
            let chunk = match read(&mut self.follower, bytes, messages, self.begun).await {
                Ok(chunk) => chunk,
                // The response has begun, so its end is all that can still be said; the client asks again and is told why.
                Err(error) => {
                    tracing::debug!(%error, "an SSE response ended");
                    return None;
                }
            };
            let (held, all) = (chunk.messages.len(), chunk.up_to_date);
            let piece = self.write(chunk);
            if piece.is_some() || all || messages == held + 1 {
                return Some(piece);
            }
            // The rest of the character is in a message that found no room beside its beginning: that one too, whatever its size.
            (bytes, messages) = (usize::MAX, held + 1);
        }
    }

    pub(super) fn stream(&self) -> &StreamPath {
        &self.stream
    }

    pub(super) fn ends(&self) -> Instant {
        self.ends
    }

    /// Where it reads on.
    pub(super) fn at(&self) -> Offset {
        self.follower.offset()
    }

    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    pub(super) fn keep_alive(&self) -> Duration {
        self.options.keep_alive
    }

    /// How many follow the stream.
    pub(super) fn crowd(&self) -> usize {
        self.streams.crowd(&self.stream)
    }

    /// Ends when the server does.
    pub(super) fn stopped(&self) -> WaitForCancellationFutureOwned {
        self.options.shutdown.clone().cancelled_owned()
    }

    /// Where it waits, when whatever it is told next is what all are told who wait there.
    pub(super) fn in_step(&self) -> Option<Offset> {
        let clock = &*self.options.clock;
        let ahead = self.seen.is_some() && cursor::next(clock, self.seen.as_deref()) != cursor::next(clock, None);
        let common = self.begun && !self.done && !self.slides && !ahead;
        (common && self.follower.waits()).then(|| self.at())
    }

    /// Goes on at a position that others have read up to.
    pub(super) fn go_on(&mut self, at: Offset) {
        self.follower.back_to(at);
        self.follower.look();
    }

    /// What reads for many: it has no end of its own.
    pub(super) fn of_choir(&self) -> ForMany {
        ForMany {
            streams: self.streams.clone(),
            options: Arc::clone(&self.options),
            stream: self.stream.clone(),
            encoding: self.encoding,
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

/// What a feed for many begins from.
#[derive(Debug)]
pub(super) struct ForMany {
    streams: Streams,
    options: Arc<HttpOptions>,
    stream: StreamPath,
    encoding: Encoding,
}

impl ForMany {
    /// A feed that reads on at a position; `None` when the stream has gone.
    pub(super) async fn begin(self, at: Offset) -> Option<Feed> {
        let Self { streams, options, stream, encoding } = self;
        let follower = streams.follow(&stream, Position::Offset(at)).await.ok()?;
        let (ends, seen) = (Instant::now(), None);
        let (begun, done, slides) = (true, false, false);
        Some(Feed { _open: None, streams, options, stream, follower, encoding, seen, ends, begun, done, slides })
    }
}

async fn read(follower: &mut Follower, bytes: usize, messages: usize, wait: bool) -> Result<Chunk, FollowError> {
    if wait { follower.next(bytes, messages).await } else { follower.take(bytes, messages).await }
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
