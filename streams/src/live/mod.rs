//! Live streams: those that somebody follows right now.

mod follower;
mod ring;
mod tail;
#[cfg(test)]
pub(crate) mod tests;
mod wake;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::path::StreamPath;
use store::Done;

pub(crate) use follower::name;
pub use follower::{Chunk, FollowError, Follower, Position};
pub use wake::WakeSet;

use crate::service::News;
use tail::Tail;

/// The streams that somebody follows; an entry lives exactly as long as its followers, so their number bounds it.
///
/// Locks are taken in the order registry, tail, wake set, and none is held across an await.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    tails: Mutex<HashMap<StreamPath, Arc<Tail>>>,
}

impl Registry {
    /// The tail of a stream, one follower richer.
    fn join(&self, stream: &StreamPath) -> Arc<Tail> {
        let mut tails = self.lock();
        let tail = tails.entry(stream.clone()).or_default();
        tail.enter();
        Arc::clone(tail)
    }

    /// Takes a follower away, and the entry with the last one.
    fn leave(&self, stream: &StreamPath, tail: &Arc<Tail>) {
        let mut tails = self.lock();
        // A retired tail has left the map already, and its place may belong to a newer one.
        if tail.exit() == 0 && tails.get(stream).is_some_and(|current| Arc::ptr_eq(current, tail)) {
            tails.remove(stream);
        }
    }

    /// Tells followers what a durable batch did.
    pub(crate) fn tell(&self, news: Vec<News>, done: &[Done]) {
        for (news, done) in news.into_iter().zip(done) {
            match (news, done) {
                (News::Messages { stream, messages, close }, Done::Created(end) | Done::Appended(end)) => {
                    let tail = self.lock().get(&stream).cloned();
                    if let Some(tail) = tail {
                        tail.publish(messages, *end, close);
                    }
                }
                (News::Deleted { stream }, Done::Deleted { existed: true }) => {
                    let tail = self.lock().remove(&stream);
                    if let Some(tail) = tail {
                        tail.retire();
                    }
                }
                _ => {}
            }
        }
    }

    pub(crate) fn contains(&self, stream: &StreamPath) -> bool {
        self.lock().contains_key(stream)
    }

    /// How many follow a stream.
    pub(crate) fn crowd(&self, stream: &StreamPath) -> usize {
        self.lock().get(stream).map_or(0, |tail| tail.followers())
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<StreamPath, Arc<Tail>>> {
        // Nothing panics while holding the lock but an allocation; the map is whole either way.
        self.tails.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
