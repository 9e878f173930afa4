//! The bounded queue between tasks, which wait by awaiting, and engine threads, which wait by blocking.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

/// Items with weights, first come first served. A task that finds no room waits; a closed queue hands out what it has, then ends.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    room: Semaphore,
    capacity: u32,
    waiting: Mutex<Waiting<T>>,
    ready: Condvar,
}

#[derive(Debug)]
struct Waiting<T> {
    items: VecDeque<(T, u32)>,
    closed: bool,
}

/// The queue takes nothing more.
#[derive(Debug)]
pub(crate) struct Closed;

impl<T> Queue<T> {
    /// A queue that holds items of this weight together.
    pub(crate) fn new(capacity: u32) -> Self {
        let waiting = Waiting { items: VecDeque::new(), closed: false };
        Self { room: Semaphore::new(capacity as usize), capacity, waiting: Mutex::new(waiting), ready: Condvar::new() }
    }

    /// Adds an item once there is room; one heavier than the queue waits for all of it. Dropped before that, it adds nothing.
    pub(crate) async fn push(&self, item: T, weight: u32) -> Result<(), Closed> {
        let weight = weight.clamp(1, self.capacity);
        let permit = self.room.acquire_many(weight).await.map_err(|_| Closed)?;
        let mut waiting = self.waiting();
        if waiting.closed {
            return Err(Closed);
        }
        // Given back by `take`.
        permit.forget();
        waiting.items.push_back((item, weight));
        drop(waiting);
        self.ready.notify_one();
        Ok(())
    }

    /// Blocks until there is something, then takes what is ready: at least one item, at most `items`, and no more than
    /// `weight` unless the first alone is heavier. `None` when the queue is closed and empty.
    pub(crate) fn take(&self, items: usize, weight: u32) -> Option<Vec<T>> {
        let mut waiting = self.waiting();
        while waiting.items.is_empty() && !waiting.closed {
            waiting = self.ready.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        self.hand_out(waiting, items, weight)
    }

    /// As [`take`](Self::take), for who has something else to do: what is ready may be nothing.
    pub(crate) fn take_ready(&self, items: usize, weight: u32) -> Option<Vec<T>> {
        self.hand_out(self.waiting(), items, weight)
    }

    fn hand_out(&self, mut waiting: MutexGuard<'_, Waiting<T>>, items: usize, weight: u32) -> Option<Vec<T>> {
        if waiting.items.is_empty() && waiting.closed {
            return None;
        }
        let mut taken = Vec::new();
        let mut sum = 0_u32;
        while let Some((_, next)) = waiting.items.front() {
            let over = taken.len() >= items || sum.saturating_add(*next) > weight;
            if over && !taken.is_empty() {
                break;
            }
            sum = sum.saturating_add(*next);
            taken.extend(waiting.items.pop_front().map(|(item, _)| item));
        }
        drop(waiting);
        self.room.add_permits(sum as usize);
        Some(taken)
    }

    /// Takes nothing more; who waits for room is told.
    pub(crate) fn close(&self) {
        self.waiting().closed = true;
        self.room.close();
        self.ready.notify_all();
    }

    /// Drops everything that waits: the thread that would have served it is gone.
    pub(crate) fn abandon(&self) {
        self.close();
        // Dropped outside of the lock: who waits for an item is woken by its end, and may come here again.
        let items = std::mem::take(&mut self.waiting().items);
        drop(items);
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<T>> {
        // Inside the lock items are moved, and none is made, looked into or dropped: nothing there panics half-way.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn a_full_queue_makes_tasks_wait_and_a_closed_one_drains() {
        let queue = Queue::new(10);
        assert!(queue.push('a', 6).now_or_never().expect("room").is_ok());
        assert!(queue.push('b', 6).now_or_never().is_none(), "6 + 6 > 10");
        assert!(queue.push('c', 4).now_or_never().expect("room").is_ok());
        assert_eq!(queue.take(512, 6), Some(vec!['a']));
        assert_eq!((queue.take_ready(512, 6), queue.take_ready(512, 6)), (Some(vec!['c']), Some(vec![])));
        assert!(queue.push('c', 4).now_or_never().expect("room").is_ok());
        queue.close();
        assert!(queue.push('d', 1).now_or_never().expect("an answer").is_err());
        assert_eq!(queue.take(512, 6), Some(vec!['c']));
        assert_eq!((queue.take(512, 6), queue.take_ready(512, 6)), (None, None));
    }

    #[test]
    fn what_is_abandoned_ends_outside_of_the_lock() {
        /// Comes back to the queue when it ends.
        struct Caller(std::sync::Weak<Queue<Caller>>);
        impl Drop for Caller {
            fn drop(&mut self) {
                let queue = self.0.upgrade().expect("a queue");
                assert!(queue.waiting.try_lock().is_ok(), "the lock is held");
            }
        }
        let queue = std::sync::Arc::new(Queue::new(10));
        assert!(queue.push(Caller(std::sync::Arc::downgrade(&queue)), 1).now_or_never().expect("room").is_ok());
        queue.abandon();
        assert!(queue.take(1, 1).is_none());
    }

    #[test]
    fn one_item_heavier_than_the_queue_still_passes() {
        let queue = Queue::new(4);
        assert!(queue.push((), 1000).now_or_never().expect("room").is_ok());
        assert_eq!(queue.take(512, 1), Some(vec![()]));
        assert!(queue.push((), 4).now_or_never().expect("room is back").is_ok());
    }
}
