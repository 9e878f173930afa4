//! `GET`: what a stream holds already. Live reads branch off here.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use http_body::{Frame, SizeHint};
use protocol::limits::MAX_PAGE_MESSAGES;
use protocol::offset::{Offset, ParseOffsetError};
use protocol::path::StreamPath;
use store::{Direction, Head, Message, Read};

use super::Face;
use super::headers::{self, Reply, name};
use super::live::Handed;
use super::problem::Problem;
use crate::{Position, json, lifetime, live};

/// What is read here belongs to somebody: nothing but the reader's own cache may keep it, and asks again with the tag each time,
/// so that an append or a revocation shows at once.
pub(super) const CACHE: &str = "private, no-cache";

/// From so many bytes on, a message is written from where it lies.
const WORTH_A_PIECE: usize = 8 * 1024;

/// What a `GET` asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) from: Option<Position>,
    pub(super) live: Option<Live>,
    pub(super) cursor: Option<String>,
}

/// How to go on at the end of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Live {
    LongPoll,
    Sse,
}

impl Query {
    pub(super) fn parse(query: &str) -> Result<Self, Problem> {
        let mut parsed = Self { from: None, live: None, cursor: None };
        for pair in query.split('&').filter(|p| !p.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let bad = |detail: &str| Problem::bad("query_invalid", "The query is not usable", detail);
            let value = headers::percent_decoded(value).ok_or_else(|| bad("A value is not percent-encoded UTF-8."))?;
            match key {
                "offset" if parsed.from.is_some() => return Err(bad("offset is given twice.")),
                "offset" => parsed.from = Some(position(&value)?),
                // Values that we do not know ask for a plain read, as in the reference server.
                "live" => {
                    parsed.live = match value.as_str() {
                        "long-poll" => Some(Live::LongPoll),
                        "sse" => Some(Live::Sse),
                        _ => None,
                    }
                }
                "cursor" => parsed.cursor = Some(value),
                _ => {}
            }
        }
        Ok(parsed)
    }
}

fn position(text: &str) -> Result<Position, Problem> {
    match text {
        "-1" => Ok(Position::Start),
        "now" => Ok(Position::Now),
        _ => walk(text).map_or_else(|| text.parse().map(Position::Offset), Ok).map_err(|e: ParseOffsetError| {
            Problem::bad("offset_invalid", "Not an offset", e.to_string())
                .hint("Offsets come from Stream-Next-Offset; -1 is the beginning, now the end.")
        }),
    }
}

/// A position below what compaction lets others go on from, as [`crate::live::name`] writes it.
fn walk(text: &str) -> Option<Position> {
    let (at, compactions) = text.rsplit_once('_').filter(|(at, _)| at.contains('_'))?;
    let plain = compactions.len() == 16 && compactions.bytes().all(|byte| byte.is_ascii_digit());
    Some(Position::Walk { at: at.parse().ok()?, compactions: compactions.parse().ok().filter(|_| plain)? })
}

impl Face {
    pub(super) async fn read(&self, parts: &Parts, stream: StreamPath) -> Result<Response, Problem> {
        let query = Query::parse(parts.uri.query().unwrap_or_default())?;
        if query.live.is_some() && query.from.is_none() {
            return Err(Problem::bad("offset_missing", "A live read needs an offset", "offset is missing."));
        }
        let now = self.options.clock.now();
        let found = lifetime::head(&self.streams, &stream, now, true).await?;
        let (head, life) = found.ok_or_else(|| Problem::missing(&stream))?;
        let from = query.from.unwrap_or(Position::Start);
        match query.live {
            Some(Live::LongPoll) => self.long_poll(&stream, &head, from, query.cursor.as_deref()).await,
            Some(Live::Sse) => {
                let handed = parts.extensions.get::<Handed>();
                self.sse(stream, &head, life, from, query.cursor, handed).await
            }
            None => self.catch_up(&parts.headers, &stream, &head, from).await,
        }
    }

    async fn catch_up(
        &self,
        headers: &HeaderMap,
        stream: &StreamPath,
        head: &Head,
        from: Position,
    ) -> Result<Response, Problem> {
        let (from, walk) = match from {
            Position::Start => (None, None),
            Position::Offset(offset) => (Some(offset), None),
            Position::Walk { at, compactions } => (Some(at), Some(compactions)),
            Position::Now => {
                let reply = Reply::new(StatusCode::OK)
                    .set(header::CONTENT_TYPE, &head.content_type)
                    .set(header::CACHE_CONTROL, "no-store")
                    .set(name::NEXT_OFFSET, &head.tail.to_string())
                    .up_to_date(true)
                    .closed(head.closed);
                return Ok(reply.body(body(&head.content_type, &[])));
            }
        };
        let (max_bytes, max_messages) = (self.options.page_bytes, MAX_PAGE_MESSAGES);
        let read = Read { stream: stream.clone(), from, walk, direction: Direction::Forwards, max_bytes, max_messages };
        let page = self.streams.page(read).await?;
        let next = live::name(page.next, page.head.resume, page.head.compactions);
        let up_to_date = page.next == page.head.tail;
        let closed = up_to_date && page.head.closed;
        let tag = tag(from.unwrap_or(page.head.first), page.next, page.messages.len(), closed);
        let unchanged = headers.get_all(header::IF_NONE_MATCH).iter().any(|v| matches(v.as_bytes(), &tag));
        let status = if unchanged { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
        let reply = Reply::new(status)
            .set(header::ETAG, &tag)
            .set(header::CACHE_CONTROL, CACHE)
            .set(name::NEXT_OFFSET, &next)
            .up_to_date(up_to_date)
            .closed(closed);
        if unchanged {
            return Ok(reply.empty());
        }
        let reply = reply.set(header::CONTENT_TYPE, &page.head.content_type);
        Ok(reply.body(body(&page.head.content_type, &page.messages)))
    }
}

/// Messages as the body of a response: one array in JSON mode, else their bytes one after the other.
pub(super) fn body(content_type: &str, messages: &[Message]) -> Body {
    if headers::is_json(content_type) {
        return Body::from(json::array(messages.iter().map(|m| m.body.as_ref())));
    }
    match messages {
        [one] => Body::from(one.body.clone()),
        many => Body::new(Pieces::of(many)),
    }
}

/// A body of shared bytes, of which only what is small is copied together.
#[derive(Debug)]
struct Pieces {
    left: VecDeque<Bytes>,
    bytes: u64,
}

impl Pieces {
    fn of(messages: &[Message]) -> Self {
        let mut left = VecDeque::new();
        let mut small = BytesMut::new();
        for Message { body, .. } in messages {
            if body.len() < WORTH_A_PIECE {
                small.extend_from_slice(body);
                continue;
            }
            if !small.is_empty() {
                left.push_back(small.split().freeze());
            }
            left.push_back(body.clone());
        }
        if !small.is_empty() {
            left.push_back(small.freeze());
        }
        let bytes = left.iter().map(|piece| piece.len() as u64).sum();
        Self { left, bytes }
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.left.pop_front();
        self.bytes -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes)
    }
}

/// The entity tag of a page. A URL names one stream, an epoch one incarnation of it, and compaction only takes messages away, so
/// nothing more is needed.
fn tag(start: Offset, end: Offset, messages: usize, closed: bool) -> String {
    format!("\"{}:{}:{}:{messages}{}\"", start.epoch, start.byte, end.byte, if closed { ":c" } else { "" })
}

/// Whether an `If-None-Match` value lists the tag; weakly compared, as RFC 9110 §13.1.2 says.
fn matches(header: &[u8], tag: &str) -> bool {
    let Ok(header) = std::str::from_utf8(header) else { return false };
    header.split(',').map(str::trim).any(|t| t == "*" || t.strip_prefix("W/").unwrap_or(t) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_strictly_where_it_matters() {
        let query = Query::parse("offset=now&live=sse&cursor=7&x=%20").expect("fine");
        assert_eq!(query, Query { from: Some(Position::Now), live: Some(Live::Sse), cursor: Some("7".into()) });
        let query = Query::parse("offset=0000000000000000_0000000000000005&live=other").expect("fine");
        assert_eq!(query, Query { from: Some(Position::Offset(Offset::new(0, 5))), live: None, cursor: None });
        for bad in ["offset=", "offset", "offset=-1&offset=-1", "offset=1,2", "offset=a%26b", "offset=%00", "offset=%"]
        {
            assert!(Query::parse(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn bodies_are_their_messages_whatever_their_size() {
        use http_body_util::BodyExt;
        let sizes = [1, WORTH_A_PIECE - 1, WORTH_A_PIECE, 2, WORTH_A_PIECE * 3, WORTH_A_PIECE, 5];
        for count in 0..=sizes.len() {
            let message = |(n, size): (u8, &usize)| Message {
                start: Offset::ZERO,
                end: Offset::ZERO,
                body: Bytes::from(vec![n; *size]),
            };
            let messages: Vec<Message> = (0..).zip(&sizes[..count]).map(message).collect();
            let expected = messages.iter().map(|message| message.body.as_ref()).collect::<Vec<_>>().concat();
            let body = body("application/octet-stream", &messages);
            assert_eq!(http_body::Body::size_hint(&body).exact(), Some(expected.len() as u64));
            assert_eq!(body.collect().await.expect("infallible").to_bytes(), expected);
        }
    }

    #[test]
    fn tags_are_compared_one_by_one() {
        let tag = tag(Offset::new(1, 2), Offset::new(1, 9), 3, true);
        assert_eq!(tag, "\"1:2:9:3:c\"");
        for (header, expected) in [
            ("\"1:2:9:3:c\"", true),
            ("W/\"1:2:9:3:c\"", true),
            ("\"x\", \"1:2:9:3:c\"", true),
            ("*", true),
            ("\"1:2:9:3\"", false),
        ] {
            assert_eq!(matches(header.as_bytes(), &tag), expected, "{header}");
        }
    }
}
