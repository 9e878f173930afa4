//! One task waiting for any of many followers.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The tags of the followers of one connection that may have something to read.
///
/// Made for one task that waits; clones share the set. It holds at most one mark per hooked follower, however much is
/// appended while the task is busy.
#[derive(Debug, Clone, Default)]
pub struct WakeSet {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    marked: Mutex<BTreeSet<u32>>,
    bell: Notify,
}

impl WakeSet {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits until followers may have something to read, takes their marks, and tells their tags, each once, in ascending order.
    ///
    /// A tag may turn out to have nothing, or to belong to a follower that is gone: it is a hint. A follower whose
    /// [`Follower::take`](crate::Follower::take) ended before the end of the stream marks itself again, so that serving one page
    /// per tag and round is complete and fair. Cancellation safe: marks are taken only when the future completes.
    pub async fn next(&self) -> Vec<u32> {
        loop {
            let bell = self.inner.bell.notified();
            let marked = std::mem::take(&mut *self.lock());
            if !marked.is_empty() {
                return marked.into_iter().collect();
            }
            bell.await;
        }
    }

    /// Marks a tag; also for whatever else the waiting task serves under a tag of its own.
    pub fn mark(&self, tag: u32) {
        if self.lock().insert(tag) {
            self.inner.bell.notify_one();
        }
    }

    /// Takes a mark away.
    pub(crate) fn forget(&self, tag: u32) {
        self.lock().remove(&tag);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<u32>> {
        self.inner.marked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
