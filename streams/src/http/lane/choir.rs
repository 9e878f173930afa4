//! Readers of one stream who wait at its end, told together: what comes is written down once, and one task hands it to all of them.
//!
//! A reader who is in step has no task that wakes, no timer and no allocation of its own; an event costs it one write to its
//! connection. Who cannot take an event whole, or is not where the others are, goes back to its own task and comes again.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use protocol::offset::Offset;
use protocol::path::StreamPath;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::answer::chunk;
use crate::http::event;
use crate::http::live::{Feed, ForMany};

/// From so many followers on, a stream has a choir.
const CROWD: usize = 4;
/// Most choirs of one stream: they tell on several processors at once.
const MOST: usize = 4;
/// After so many readers the others on this processor get their turn.
const BREATH: usize = 32;
/// How often it is looked who has gone, who was told nothing for long, and whose time is over.
const LOOK: Duration = Duration::from_secs(1);

/// The choirs of a face.
#[derive(Debug, Default)]
pub(super) struct Choirs {
    rows: Mutex<Rows>,
}

#[derive(Debug, Default)]
struct Rows {
    choirs: HashMap<(StreamPath, usize), Arc<Choir>>,
    turn: usize,
}

#[derive(Debug, Default)]
struct Choir {
    /// Who has come and is not taken in yet.
    coming: Mutex<Vec<Seat>>,
    bell: Notify,
}

/// A reader in step.
#[derive(Debug)]
struct Seat {
    write: OwnedWriteHalf,
    at: Offset,
    ends: Instant,
    told: Instant,
    back: oneshot::Sender<Left>,
}

/// A reader that goes on by itself.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) write: OwnedWriteHalf,
    /// Where it is, once it has written the rest.
    pub(super) at: Offset,
    /// What of the last piece was not taken.
    pub(super) rest: Bytes,
    /// Whether nothing follows: its time is over, or the stream has ended.
    pub(super) last: bool,
}

impl Choirs {
    /// Hands a reader who waits at the end to a choir of its stream; gives the connection back when there is none to be.
    pub(super) fn join(
        self: &Arc<Self>,
        feed: &Feed,
        at: Offset,
        write: OwnedWriteHalf,
    ) -> Result<oneshot::Receiver<Left>, OwnedWriteHalf> {
        let mut rows = self.lock();
        rows.turn = rows.turn.wrapping_add(1);
        let workers = tokio::runtime::Handle::current().metrics().num_workers().clamp(1, MOST);
        let key = (feed.stream().clone(), rows.turn % workers);
        let choir = match rows.choirs.get(&key) {
            Some(choir) => Arc::clone(choir),
            None if feed.crowd() < CROWD => return Err(write),
            None => {
                let choir = Arc::<Choir>::default();
                rows.choirs.insert(key.clone(), Arc::clone(&choir));
                // It ends with its last reader, or the server.
                tokio::spawn(sing(Arc::clone(self), key, Arc::clone(&choir), feed.of_choir(), at));
                choir
            }
        };
        let (back, left) = oneshot::channel();
        let told = Instant::now();
        choir.coming().push(Seat { write, at, ends: feed.ends(), told, back });
        drop(rows);
        choir.bell.notify_one();
        Ok(left)
    }

    /// Takes a choir out when nobody comes, and tells whether it did; with `all`, whoever comes is handed out too.
    fn leave(&self, key: &(StreamPath, usize), choir: &Choir, all: bool) -> Option<Vec<Seat>> {
        let mut rows = self.lock();
        let mut coming = choir.coming();
        if !all && !coming.is_empty() {
            return None;
        }
        rows.choirs.remove(key);
        Some(std::mem::take(&mut *coming))
    }

    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Choir {
    fn coming(&self) -> MutexGuard<'_, Vec<Seat>> {
        self.coming.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    fn leave(self, rest: Bytes, last: bool) {
        let Self { write, at, back, .. } = self;
        // Its task may have gone.
        drop(back.send(Left { write, at, rest, last }));
    }

    /// Writes a piece, and stays when it was taken whole.
    fn tell(mut self, piece: &Bytes, now: Instant) -> Option<Self> {
        match self.write.try_write(piece) {
            Ok(written) if written == piece.len() => {
                self.told = now;
                return Some(self);
            }
            Ok(written) => self.leave(piece.slice(written..), false),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.leave(piece.clone(), false),
            // Whoever reads there has gone; its task sees that too.
            Err(_) => {}
        }
        None
    }
}

/// Serves a choir until nobody is left.
async fn sing(choirs: Arc<Choirs>, key: (StreamPath, usize), choir: Arc<Choir>, many: ForMany, at: Offset) {
    let mut seats = Vec::new();
    // However it ends, whoever is left is told.
    if let Some(mut feed) = many.begin(at).await {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stopped = feed.stopped();
        let mut stopped = std::pin::pin!(stopped);
        loop {
            let from = feed.at();
            tokio::select! {
                biased;
                () = &mut stopped => break,
                piece = feed.read() => {
                    take_in(&choir, &mut seats, from);
                    let Some(piece) = piece else { break };
                    let Some(event) = piece else { continue };
                    tell_all(&mut seats, from, feed.at(), &Bytes::from(chunk(&event))).await;
                    if feed.is_done() {
                        break;
                    }
                }
                () = choir.bell.notified() => take_in(&choir, &mut seats, from),
                _ = look.tick() => {
                    look_around(&mut seats, feed.keep_alive());
                    if seats.is_empty() && choirs.leave(&key, &choir, false).is_some() {
                        return;
                    }
                }
            }
        }
    }
    seats.extend(choirs.leave(&key, &choir, true).unwrap_or_default());
    for seat in seats {
        seat.leave(Bytes::new(), true);
    }
}

/// Takes in who has come; those that the choir has left behind go on by themselves.
fn take_in(choir: &Choir, seats: &mut Vec<Seat>, at: Offset) {
    for seat in std::mem::take(&mut *choir.coming()) {
        if seat.at < at { seat.leave(Bytes::new(), false) } else { seats.push(seat) }
    }
}

/// Tells what lies between two positions to all who are at the first.
async fn tell_all(seats: &mut Vec<Seat>, from: Offset, to: Offset, piece: &Bytes) {
    let now = Instant::now();
    let mut kept = Vec::with_capacity(seats.len());
    for (index, mut seat) in std::mem::take(seats).into_iter().enumerate() {
        if index % BREATH == BREATH - 1 {
            tokio::task::yield_now().await;
        }
        if seat.at == from {
            seat.at = to;
            kept.extend(seat.tell(piece, now));
        } else if seat.at < to {
            seat.leave(Bytes::new(), false);
        } else {
            // It has read ahead of the choir.
            kept.push(seat);
        }
    }
    *seats = kept;
}

/// Lets go of who has gone and whose time is over, and gives a sign of life to who has heard nothing for long.
fn look_around(seats: &mut Vec<Seat>, keep_alive: Duration) {
    let now = Instant::now();
    let alive = Bytes::from(chunk(event::ALIVE));
    for seat in std::mem::take(seats) {
        if seat.back.is_closed() {
            continue;
        }
        if now >= seat.ends {
            seat.leave(Bytes::new(), true);
        } else if now.saturating_duration_since(seat.told) >= keep_alive {
            seats.extend(seat.tell(&alive, now));
        } else {
            seats.push(seat);
        }
    }
}
