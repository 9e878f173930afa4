//! The desk of one polled link: on one side the requests of its node, on the other the task that serves it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use bytes::Bytes;
use protocol::error::{ErrorCode, Problem};
use protocol::id::DeviceId;
use protocol::limits::{MAX_POLL_MS, SEND_TIMEOUT_MS};
use protocol::polled::{Hear, Heard, Said, Taken};
use protocol::socket::CloseCode;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::numbers::{Inward, NeverSaid, Outward, Page};
use crate::hub::{Bell, lock};

/// Longest that frames wait for the task, and those of the task to be fetched: as long as a write to a socket may take.
const PATIENCE: Duration = Duration::from_millis(SEND_TIMEOUT_MS);
/// Frames that wait for the task; whoever has more to say waits, as before a socket that is not read.
const ROOM: usize = 1;

/// What both sides share.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(super) device: DeviceId,
    /// Held while the frames of a request are taken.
    inward: tokio::sync::Mutex<Inward>,
    /// The number of the last frame that was taken.
    taken: AtomicU64,
    frames: mpsc::Sender<Utf8Bytes>,
    outward: Mutex<Waiting>,
    /// Rings when there is something to be fetched, or the open request is to be answered.
    answer: Bell,
    /// Rings when frames were named.
    named: Bell,
    /// Rings when the node asks for anything.
    sign: Bell,
    saying: Turns,
    hearing: Turns,
}

#[derive(Debug, Default)]
struct Waiting {
    outward: Outward,
    /// Why nothing more is said.
    end: Option<u16>,
    /// Whether the node was told of the end.
    told: bool,
    /// How often a sign of life was asked for.
    probes: u64,
}

/// Whose turn it is: of two requests the later one, since the earlier one is lost to whoever sent it.
#[derive(Debug, Default)]
struct Turns(Mutex<CancellationToken>);

impl Turns {
    fn begin(&self) -> CancellationToken {
        let own = CancellationToken::new();
        std::mem::replace(&mut *lock(&self.0), own.clone()).cancel();
        own
    }
}

fn over() -> Problem {
    Problem::new(ErrorCode::NotFound)
}

impl Desk {
    /// A desk, and the frames that come over it.
    pub(super) fn new(device: DeviceId) -> (Self, mpsc::Receiver<Utf8Bytes>) {
        let (frames, came) = mpsc::channel(ROOM);
        let desk = Self {
            device,
            inward: tokio::sync::Mutex::default(),
            taken: AtomicU64::new(0),
            frames,
            outward: Mutex::default(),
            answer: Bell::new(),
            named: Bell::new(),
            sign: Bell::new(),
            saying: Turns::default(),
            hearing: Turns::default(),
        };
        (desk, came)
    }

    /// Takes what the node says. The body is read when it is this request's turn, so that no others are held in memory.
    ///
    /// # Errors
    /// `not_found` when the connection is over; those of the body.
    pub(crate) async fn say<E: From<Problem>>(
        &self,
        body: impl Future<Output = Result<Bytes, E>>,
        read: impl Fn(&[u8]) -> Result<Said, E>,
    ) -> Result<Taken, E> {
        let turn = self.saying.begin();
        self.sign.ring();
        let taking = async {
            let mut inward = self.inward.lock().await;
            let said = read(&body.await?)?;
            self.sign.ring();
            let until = Instant::now() + PATIENCE;
            let Some(known) = inward.known(said.first) else { return Ok(Taken { taken: inward.taken() }) };
            for frame in said.frames.into_iter().skip(known) {
                match timeout_at(until, self.frames.reserve()).await {
                    Ok(Ok(room)) => room.send(String::from(Box::<str>::from(frame)).into()),
                    Ok(Err(_)) => return Err(over().into()),
                    Err(_) => break,
                }
                inward.take();
                self.taken.store(inward.taken(), Ordering::Relaxed);
            }
            Ok(Taken { taken: inward.taken() })
        };
        tokio::select! {
            biased;
            // Another request says the same, and more; this answer is for nobody.
            () = turn.cancelled() => Ok(Taken { taken: self.taken.load(Ordering::Relaxed) }),
            taken = taking => taken,
        }
    }

    /// Brings what there is for the node, as soon as there is something, or nothing when it has waited long enough.
    ///
    /// # Errors
    /// `bad_request` for a number that was never said; `not_found` when the connection is over.
    pub(crate) async fn hear(&self, ask: Hear) -> Result<Heard, Problem> {
        let turn = self.hearing.begin();
        let mut answer = self.answer.listen();
        let probes = {
            let mut waiting = lock(&self.outward);
            let named = waiting.outward.name(ask.after);
            named.map_err(|NeverSaid| Problem::new(ErrorCode::BadRequest).detail("`after` was never said"))?;
            waiting.probes
        };
        self.named.ring();
        self.sign.ring();
        let nothing = Heard { first: ask.after + 1, ..Heard::default() };
        let until = Instant::now() + Duration::from_millis(ask.wait_ms.min(MAX_POLL_MS));
        loop {
            if let Some(heard) = self.fetch() {
                return Ok(heard);
            }
            if lock(&self.outward).probes != probes {
                return Ok(nothing);
            }
            tokio::select! {
                biased;
                () = turn.cancelled() => return Ok(nothing),
                _ = answer.changed() => {}
                () = sleep_until(until) => return Ok(nothing),
            }
        }
    }

    fn fetch(&self) -> Option<Heard> {
        let mut waiting = lock(&self.outward);
        let Page { first, frames, all } = waiting.outward.page();
        let end = waiting.end.filter(|_| all);
        if frames.is_empty() && end.is_none() {
            return None;
        }
        waiting.told |= end.is_some();
        drop(waiting);
        if end.is_some() {
            self.named.ring();
        }
        Some(Heard { first, frames, end })
    }

    /// Keeps a frame for the node, once there is room for it; `None` when it does not fetch what waits. Cancellation safe: a dropped call
    /// has said nothing.
    pub(super) async fn put(&self, frame: Box<RawValue>) -> Option<()> {
        let mut named = self.named.listen();
        let room = async {
            while !lock(&self.outward).outward.has_room(frame.get().len()) {
                // This side holds the bell.
                let _rung = named.changed().await;
            }
        };
        timeout(PATIENCE, room).await.ok()?;
        lock(&self.outward).outward.put(frame, Instant::now());
        self.answer.ring();
        Some(())
    }

    /// When the node will have left a frame for too long.
    pub(super) fn due(&self) -> Option<Instant> {
        lock(&self.outward).outward.waits_since().map(|since| since + PATIENCE)
    }

    /// Answers the request that waits, so that the next one is a sign of life.
    pub(super) fn probe(&self) {
        lock(&self.outward).probes += 1;
        self.answer.ring();
    }

    /// Says last words and why nothing comes behind them, and waits until the node was told.
    pub(super) async fn end(&self, last: Option<Box<RawValue>>, code: u16) {
        let mut named = self.named.listen();
        {
            let mut waiting = lock(&self.outward);
            if let Some(frame) = last {
                waiting.outward.put(frame, Instant::now());
            }
            waiting.end = Some(code);
        }
        self.answer.ring();
        while !lock(&self.outward).told {
            let _rung = named.changed().await;
        }
    }

    /// Nobody stands behind the desk any more: whoever waits before it is answered.
    pub(super) fn close(&self) {
        lock(&self.outward).end.get_or_insert(CloseCode::Draining.code());
        self.answer.ring();
    }

    /// Signs of life.
    pub(super) fn signs(&self) -> watch::Receiver<()> {
        self.sign.listen()
    }
}
