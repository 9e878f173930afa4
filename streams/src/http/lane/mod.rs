//! The short way from a connection to a stream: HTTP/1.1 as clients of streams speak it, without a framework in between.
//!
//! It serves requests as long as they are usual, and hands the connection on, with everything that was read of it, at the first that
//! is not: what HTTP has beyond that (chunked requests, upgrades, older versions, refusing nonsense) is not written twice.

mod answer;
mod choir;
mod head;
mod lone;
mod short;
mod unusual;

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::{Buf, Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use self::answer::{Date, Framing};
use self::choir::{Choirs, Left};
use self::head::Found;
use self::lone::{Count, End, Lone};
use self::short::Short;
pub use self::unusual::Unusual;
use super::live::{Feed, Handed};
use super::pace::{Pace, STALL};
use super::problem::Problem;
use super::{Action, Face, HttpOptions, Router, may_be_page};
use crate::Streams;

/// How often it is looked whether the connection has asked for something; at the second look without, it is closed.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest that somebody who was refused before the body was read has to stop sending it: an end before that could reach them before the
/// answer does.
const LINGER: Duration = Duration::from_secs(5);
/// Bytes of requests that are read ahead while one is served.
const AHEAD: usize = 64 * 1024;
/// Bodies below this are written with their head in one piece.
const SMALL: usize = 8 * 1024;
/// Room for what is read at once.
const READ: usize = 4 * 1024;
/// After so many requests that had come with others before them, the other connections of this processor get their turn.
const BREATH: usize = 16;

/// Serves connections; cheap to clone.
#[derive(Debug, Clone)]
pub struct Lane {
    face: Arc<Face>,
    choirs: Arc<Choirs>,
    /// What every answer to a plain append carries.
    common: Arc<[u8]>,
    /// Plain appends of all connections.
    under_way: Count,
}

/// What a connection asks next.
enum Next {
    /// A request, and the length of its body.
    Usual(Parts, usize),
    Append(Short),
    /// Something for a whole implementation of HTTP.
    Unusual,
}

/// One connection.
#[derive(Debug)]
struct Wire {
    read: OwnedReadHalf,
    /// With a choir, as long as there is none here.
    write: Option<OwnedWriteHalf>,
    input: BytesMut,
    out: Vec<u8>,
    date: Date,
    /// When it is looked next whether anything was asked for. It goes on from request to request, because setting a clock costs
    /// more than reading one.
    look: Pin<Box<Sleep>>,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
    /// From the first plain append on.
    lone: Option<Arc<Lone>>,
}

/// The other side has gone, or is to be gone from.
#[derive(Debug)]
struct Over;

impl From<io::Error> for Over {
    fn from(error: io::Error) -> Self {
        tracing::debug!(%error, "a connection ended early");
        Self
    }
}

impl Lane {
    /// The streams of a service below `/v1/stream/`, as [`router`](super::router) serves them.
    pub fn new(streams: Streams, options: HttpOptions) -> Self {
        let face = Face::new(streams, options);
        let mut headers = HeaderMap::new();
        face.mark(&mut headers, &Method::POST, false);
        Self { face, choirs: Arc::default(), common: short::common(&headers).into(), under_way: Count::default() }
    }

    /// The same face, with the same quotas, for what is unusual.
    pub fn router(&self) -> Router {
        Arc::clone(&self.face).router()
    }

    /// Serves a connection until it ends, or the server stops; gives it back at a request that is for a whole implementation of
    /// HTTP. Dropped, it ends the connection; an append under way happens or does not.
    pub async fn serve(&self, io: TcpStream) -> Option<Unusual> {
        let (read, write) = io.into_split();
        let stopped = Box::pin(self.face.options.shutdown.clone().cancelled_owned());
        let (look, date) = (Box::pin(sleep(PATIENCE)), Date::default());
        let (input, out) = (BytesMut::new(), Vec::new());
        let mut wire = Wire { read, write: Some(write), input, out, date, look, stopped, lone: None };
        let mut at_once = 0;
        loop {
            // Whoever waits for each answer comes here with nothing; whoever sends many requests at once may never have to wait.
            at_once = if wire.input.is_empty() { 0 } else { at_once + 1 };
            if at_once == BREATH {
                at_once = 0;
                tokio::task::yield_now().await;
            }
            let served = match self.next(&mut wire).await {
                Ok(Next::Usual(parts, length)) => self.one(&mut wire, parts, length).await,
                Ok(Next::Append(short)) => self.append(&mut wire, short).await,
                Ok(Next::Unusual) => {
                    // Halves of one connection always fit.
                    let io = wire.read.reunite(wire.write?).ok()?;
                    return Some(Unusual::new(io, wire.input.freeze()));
                }
                Err(Over) => return None,
            };
            if served.is_err() {
                return None;
            }
        }
    }

    /// Waits for a head.
    async fn next(&self, wire: &mut Wire) -> Result<Next, Over> {
        let mut looks = 0;
        loop {
            match head::find(&mut wire.input) {
                Found::Head(parts, length) => return Ok(Next::Usual(*parts, length)),
                Found::Append(short) => return Ok(Next::Append(short)),
                Found::Unusual => return Ok(Next::Unusual),
                Found::Part => {}
            }
            wire.input.reserve(READ);
            tokio::select! {
                biased;
                read = wire.read.read_buf(&mut wire.input) => if read? == 0 { return Err(Over) },
                () = &mut wire.stopped => return Err(Over),
                () = &mut wire.look => {
                    looks += 1;
                    if looks > 1 {
                        return Err(Over);
                    }
                    wire.look.as_mut().reset(Instant::now() + PATIENCE);
                }
            }
        }
    }

    /// Serves one request.
    async fn one(&self, wire: &mut Wire, mut parts: Parts, length: usize) -> Result<(), Over> {
        // What is not there yet is waited for by nobody who may not send it. With the body in hand it is asked once, where it is served.
        if wire.input.len() < length
            && let Err(problem) = self.face.enter(&parts)
        {
            return self.turn_away(wire, problem, &parts.method, may_be_page(&parts.method, &parts.headers)).await;
        }
        let body = body(wire, length).await?;
        let asked_head = parts.method == Method::HEAD;
        let live = parts.uri.query().is_some_and(|query| query.contains("live=sse"));
        let handed = live.then(Handed::default);
        if let Some(handed) = &handed {
            parts.extensions.insert(handed.clone());
        }
        let request = Request::from_parts(parts, Body::from(body));
        let response = {
            let Wire { read, input, .. } = wire;
            let mut served = pin!(self.face.answer(request));
            tokio::select! {
                biased;
                response = served.as_mut() => response,
                Over = left(read, input) => return Err(Over),
            }
        };
        match handed.and_then(|handed| handed.take()) {
            Some(feed) => self.follow(wire, response, feed).await,
            None => self.tell(wire, response, asked_head).await,
        }
    }

    /// Serves a plain append. Who leaves meanwhile gives its place to others; what it appends is done either way.
    async fn append(&self, wire: &mut Wire, mut short: Short) -> Result<(), Over> {
        let parts = short.parts();
        if wire.input.len() < short.length
            && let Err(denied) = (self.face.options.access)(&parts, &short.stream, Action::Append)
        {
            return self.turn_away(wire, Problem::Denied(denied), &Method::POST, false).await;
        }
        let body = body(wire, short.length).await?;
        let face = Arc::clone(&self.face);
        let append = async move { face.append_short(&parts, short.stream, short.wish, body).await };
        let lone = Arc::clone(wire.lone.get_or_insert_with(|| Lone::new(self.clone())));
        match lone.see(wire, append).await? {
            End::Said => Ok(()),
            End::Rest(rest) => put(wire.write.as_mut().ok_or(Over)?, &rest).await,
            End::Refused(problem) => {
                self.tell(wire, self.face.complete(Err(problem), &Method::POST, false), false).await
            }
            End::Over => Err(Over),
        }
    }

    /// Answers who may not send what it announced, and ends the connection.
    async fn turn_away(&self, wire: &mut Wire, problem: Problem, method: &Method, page: bool) -> Result<(), Over> {
        let mut response = self.face.complete(Err(problem), method, page);
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        self.tell(wire, response, *method == Method::HEAD).await?;
        let Wire { read, write, input, .. } = wire;
        write.as_mut().ok_or(Over)?.shutdown().await?;
        let ends = async {
            loop {
                input.clear();
                input.reserve(READ);
                if !matches!(read.read_buf(input).await, Ok(1..)) {
                    return;
                }
            }
        };
        // In time or not.
        let _ended = tokio::time::timeout(LINGER, ends).await;
        Err(Over)
    }

    /// Writes an SSE response: by itself as long as there is something to catch up with, then in a choir.
    async fn follow(&self, wire: &mut Wire, response: Response, mut feed: Feed) -> Result<(), Over> {
        let (parts, _) = response.into_parts();
        wire.out.clear();
        answer::head(&mut wire.out, &parts, Framing::Chunks, &mut wire.date, self.face.options.clock.now());
        loop {
            let piece = tokio::select! {
                biased;
                piece = feed.next() => piece,
                Over = left(&mut wire.read, &mut wire.input) => return Err(Over),
            };
            let mut write = wire.write.take().ok_or(Over)?;
            wire.out.extend_from_slice(piece.as_deref().map(answer::chunk).as_deref().unwrap_or(answer::LAST_CHUNK));
            put(&mut write, &wire.out).await?;
            wire.out = Vec::new();
            let joined = match (&piece, feed.in_step()) {
                (Some(_), Some(at)) => self.choirs.join(&feed, at, write),
                _ => Err(write),
            };
            let joined = match joined {
                Ok(joined) => joined,
                Err(write) => {
                    wire.write = Some(write);
                    match piece {
                        Some(_) => continue,
                        None => return Ok(()),
                    }
                }
            };
            let Left { mut write, at, rest, last } = tokio::select! {
                biased;
                left = joined => left.map_err(|_| Over)?,
                Over = left(&mut wire.read, &mut wire.input) => return Err(Over),
            };
            put(&mut write, &rest).await?;
            if last {
                put(&mut write, answer::LAST_CHUNK).await?;
            }
            wire.write = Some(write);
            if last {
                return Ok(());
            }
            feed.go_on(at);
        }
    }

    /// Writes an answer as it comes.
    async fn tell(&self, wire: &mut Wire, response: Response, asked_head: bool) -> Result<(), Over> {
        let (parts, mut body) = response.into_parts();
        let framing = answer::framing(parts.status, body.size_hint().exact(), asked_head);
        let Wire { read, write, input, out, date, .. } = wire;
        let write = write.as_mut().ok_or(Over)?;
        out.clear();
        answer::head(out, &parts, framing, date, self.face.options.clock.now());
        if framing == Framing::Empty {
            return put(write, out).await;
        }
        let mut pieces: Vec<Bytes> = Vec::new();
        loop {
            let frame = tokio::select! {
                biased;
                frame = body.frame() => frame,
                Over = left(read, input) => return Err(Over),
            };
            // Nothing of ours fails or has trailers; whatever did would show as an answer that is cut off.
            let Some(piece) = frame.map(|frame| frame.map_err(|_| Over)).transpose()? else { break };
            let Ok(piece) = piece.into_data() else { continue };
            match framing {
                Framing::Chunks if !piece.is_empty() => {
                    out.extend_from_slice(&answer::chunk(&piece));
                    put(write, out).await?;
                    out.clear();
                }
                Framing::Length(_) if piece.len() < SMALL && pieces.is_empty() => out.extend_from_slice(&piece),
                _ => pieces.push(piece),
            }
        }
        if framing == Framing::Chunks {
            out.extend_from_slice(answer::LAST_CHUNK);
        }
        if pieces.is_empty() {
            return put(write, out).await;
        }
        pieces.insert(0, Bytes::from(std::mem::take(out)));
        answer::write_all(write, &mut pieces).await
    }
}

/// Reads the body of a request.
async fn body(wire: &mut Wire, length: usize) -> Result<Bytes, Over> {
    let Wire { read, input, .. } = wire;
    let mut pace = Pace::default();
    while input.len() < length {
        input.reserve((length - input.len()).min(AHEAD));
        let began = Instant::now();
        match tokio::time::timeout(pace.limit(), read.read_buf(input)).await.map_err(|_| Over)?? {
            0 => return Err(Over),
            bytes => pace.came(bytes, began.elapsed()),
        }
    }
    if length >= SMALL {
        return Ok(input.split_to(length).freeze());
    }
    // What is kept of it must not keep the whole of what was read.
    let body = Bytes::copy_from_slice(&input[..length]);
    input.advance(length);
    Ok(body)
}

/// Waits for one piece of input or output, as long as there is any hope of it.
async fn moving(piece: impl Future<Output = io::Result<usize>>) -> Result<usize, Over> {
    Ok(tokio::time::timeout(STALL, piece).await.map_err(|_| Over)??)
}

/// Writes all of something.
async fn put(write: &mut OwnedWriteHalf, mut bytes: &[u8]) -> Result<(), Over> {
    while !bytes.is_empty() {
        match moving(write.write(bytes)).await? {
            0 => return Err(Over),
            written => bytes = &bytes[written..],
        }
    }
    Ok(())
}

/// Reads ahead until the other side leaves.
async fn left(read: &mut OwnedReadHalf, input: &mut BytesMut) -> Over {
    while input.len() < AHEAD {
        input.reserve(READ);
        match read.read_buf(input).await {
            Ok(0) | Err(_) => return Over,
            Ok(_) => {}
        }
    }
    std::future::pending().await
}
