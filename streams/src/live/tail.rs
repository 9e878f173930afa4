//! What this process knows of the end of one followed stream.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use protocol::offset::Offset;
use store::{Head, Message};
use tokio::sync::watch;

use super::ring::Ring;
use super::wake::WakeSet;

/// The end of a followed stream: its newest messages and those who wait for more.
#[derive(Debug)]
pub(crate) struct Tail {
    state: Mutex<State>,
    /// Changes after every change of the state.
    news: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    ring: Ring,
    /// The furthest end that was told or read. Whatever is durable beyond it has its publication still to come.
    end: Option<Offset>,
    closed_at: Option<Offset>,
    /// Whether the stream was deleted: nothing is told here any more.
    retired: bool,
    followers: usize,
    bells: HashMap<u64, (WakeSet, u32)>,
    last_bell: u64,
}

/// What the tail knows about a position.
#[derive(Debug)]
pub(crate) enum Glance {
    /// These messages follow.
    Messages { messages: Vec<Message>, next: Offset, up_to_date: bool, closed: bool },
    /// Nothing follows yet.
    End { closed: bool },
    /// Only the store knows.
    Unknown,
    /// The stream was deleted, and perhaps made anew.
    Retired,
}

impl Default for Tail {
    fn default() -> Self {
        Self { state: Mutex::default(), news: watch::Sender::new(()) }
    }
}

impl Tail {
    pub(crate) fn enter(&self) {
        self.lock().followers += 1;
    }

    /// Takes a follower away and tells how many are left.
    pub(crate) fn exit(&self) -> usize {
        let mut state = self.lock();
        state.followers -= 1;
        state.followers
    }

    pub(crate) fn followers(&self) -> usize {
        self.lock().followers
    }

    /// Where changes are announced; seen as of now.
    pub(crate) fn listen(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// Has changes announced in a wake set too, until [`Tail::unhook`].
    pub(crate) fn hook(&self, wake: WakeSet, tag: u32) -> u64 {
        let mut state = self.lock();
        state.last_bell += 1;
        let bell = state.last_bell;
        state.bells.insert(bell, (wake, tag));
        bell
    }

    pub(crate) fn unhook(&self, bell: u64) {
        self.lock().bells.remove(&bell);
    }

    /// Takes in messages that are durable now and end at `end`.
    pub(crate) fn publish(&self, messages: Vec<Bytes>, end: Offset, close: bool) {
        let mut state = self.lock();
        state.ring.push(messages, end);
        state.end = state.end.max(Some(end));
        if close {
            state.closed_at = state.closed_at.max(Some(end));
        }
        self.announce(&state);
    }

    /// Takes note that the stream was deleted.
    pub(crate) fn retire(&self) {
        let mut state = self.lock();
        state.retired = true;
        state.ring.clear();
        self.announce(&state);
    }

    /// Takes in what a read from the store said about the end.
    pub(crate) fn learn(&self, head: &Head) {
        let mut state = self.lock();
        state.end = state.end.max(Some(head.tail));
        if head.closed {
            state.closed_at = state.closed_at.max(Some(head.tail));
        }
    }

    pub(crate) fn glance(&self, at: Offset, max_bytes: usize, max_messages: usize) -> Glance {
        let state = self.lock();
        if state.retired {
            return Glance::Retired;
        }
        if let Some(messages) = state.ring.from(at, max_bytes, max_messages) {
            let next = messages.last().map_or(at, |m| m.end);
            let up_to_date = state.end == Some(next);
            return Glance::Messages { messages, next, up_to_date, closed: state.closed_at == Some(next) };
        }
        if state.end == Some(at) { Glance::End { closed: state.closed_at == Some(at) } } else { Glance::Unknown }
    }

    fn announce(&self, state: &State) {
        self.news.send_replace(());
        for (wake, tag) in state.bells.values() {
            wake.mark(*tag);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is a hint and a copy; followers that it misleads are put right by the store.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
