//! The bounded queue between the one reader of a Codex process and one session.
//!
//! The reader serves every session of the process, so it never waits for one of them. A session that does not keep up loses what can
//! be lost first: words that stream are joined while they wait, and past [`SOFT_BYTES`] they are left out, from then on all of their item,
//! so that what is shown is always a true beginning; the item's settled content is whole again. What cannot be left out may wait up
//! to [`HARD_BYTES`] or [`HARD_MESSAGES`]; a session that is further behind has its lane closed, which ends its agent in a state that
//! people see, and the next prompt resumes it. No session costs another more than that memory.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::Notify;

use crate::agent::AgentEvent;
use crate::agent::words::text;

/// From here on words that stream are left out, in bytes of the lines that wait: some screens full of them.
const SOFT_BYTES: usize = 256 * 1024;
/// Most that may wait, in bytes of lines: several of the largest results of tools (1 MiB each).
const HARD_BYTES: usize = 16 * 1024 * 1024;
/// Most messages that may wait.
const HARD_MESSAGES: usize = 8192;

/// What waits for a session.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Parcel {
    /// A message of Codex for the session's thread, or for all.
    Message(Value),
    /// Something that was noticed on the way.
    Event(Box<AgentEvent>),
}

/// What the session gets next.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Next {
    /// The oldest that waits.
    Parcel(Parcel),
    /// Nothing waits, and nothing will come: the process is gone.
    Gone,
    /// The session was too far behind; what it missed is lost.
    Overrun,
}

#[derive(Debug, Default)]
struct Waiting {
    parcels: VecDeque<(Parcel, usize)>,
    bytes: usize,
    /// Items of which words were left out.
    quiet: BTreeSet<String>,
    gone: bool,
    overrun: bool,
}

/// A session's queue. The reader puts in, the session takes out.
#[derive(Debug, Default)]
pub(super) struct Lane {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

impl Lane {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Every change below is complete before it can panic.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts in what came in `bytes` bytes; never waits. `false` when it will not be taken any more.
    pub(super) fn put(&self, parcel: Parcel, bytes: usize) -> bool {
        let open = self.waiting().put(parcel, bytes);
        self.changed.notify_one();
        open
    }

    /// Says that nothing more will come.
    pub(super) fn end(&self) {
        self.waiting().gone = true;
        self.changed.notify_one();
    }

    /// Takes out the oldest, if something is there or has happened.
    pub(super) fn poll(&self) -> Option<Next> {
        let mut waiting = self.waiting();
        if waiting.overrun {
            return Some(Next::Overrun);
        }
        match waiting.parcels.pop_front() {
            Some((parcel, bytes)) => {
                waiting.bytes -= bytes;
                Some(Next::Parcel(parcel))
            }
            None => waiting.gone.then_some(Next::Gone),
        }
    }

    /// Waits for the next. Cancellation safe; for one session only.
    pub(super) async fn next(&self) -> Next {
        loop {
            if let Some(next) = self.poll() {
                return next;
            }
            self.changed.notified().await;
        }
    }
}

impl Waiting {
    fn put(&mut self, parcel: Parcel, bytes: usize) -> bool {
        if self.overrun || self.gone {
            return false;
        }
        if let Parcel::Message(message) = &parcel {
            let item = grows(message);
            if !item.is_empty() {
                if self.bytes > SOFT_BYTES || self.quiet.contains(item) {
                    self.quiet.insert(item.to_owned());
                    return true;
                }
                if self.join(message, bytes) {
                    self.bytes += bytes;
                    return true;
                }
            } else if text(message, "method") == "turn/completed" {
                self.quiet.clear();
            }
        }
        self.bytes += bytes;
        self.parcels.push_back((parcel, bytes));
        if self.bytes > HARD_BYTES || self.parcels.len() > HARD_MESSAGES {
            *self = Self { overrun: true, ..Self::default() };
            return false;
        }
        true
    }

    /// Joins words with those that wait last, when they belong together.
    fn join(&mut self, message: &Value, bytes: usize) -> bool {
        let Some((Parcel::Message(last), size)) = self.parcels.back_mut() else { return false };
        let same = ["method", "/params/itemId", "/params/summaryIndex", "/params/threadId"].iter().all(|at| {
            if at.starts_with('/') { last.pointer(at) == message.pointer(at) } else { last.get(at) == message.get(at) }
        });
        if !same {
            return false;
        }
        let more = message.pointer("/params/delta").and_then(Value::as_str).unwrap_or_default();
        let Some(Value::String(words)) = last.pointer_mut("/params/delta") else { return false };
        words.push_str(more);
        *size += bytes;
        true
    }
}

/// The item that a message lets grow; empty for other messages.
fn grows(message: &Value) -> &str {
    match message.get("params") {
        Some(params) if params.get("delta").is_some_and(Value::is_string) => text(params, "itemId"),
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn delta(item: &str, words: &str) -> (Parcel, usize) {
        let message =
            json!({"method": "item/agentMessage/delta", "params": {"itemId": item, "threadId": "t", "delta": words}});
        let size = message.to_string().len();
        (Parcel::Message(message), size)
    }

    fn put(lane: &Lane, (parcel, bytes): (Parcel, usize)) -> bool {
        lane.put(parcel, bytes)
    }

    fn words(next: Option<Next>) -> String {
        match next {
            Some(Next::Parcel(Parcel::Message(message))) => text(&message["params"], "delta").to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn words_that_wait_are_joined() {
        let lane = Lane::default();
        for (item, word) in [("a", "one "), ("a", "two"), ("b", "three")] {
            assert!(put(&lane, delta(item, word)));
        }
        assert_eq!([words(lane.poll()), words(lane.poll())], ["one two", "three"]);
        assert_eq!(lane.poll(), None);
        assert_eq!(lane.waiting().bytes, 0);
    }

    #[test]
    fn a_session_that_sleeps_loses_the_end_of_words_first_and_is_closed_at_last() {
        let lane = Lane::default();
        let word = "x".repeat(1000);
        for at in 0..1000 {
            // Never joined, so that each waits for itself.
            assert!(put(&lane, delta(if at % 2 == 0 { "a" } else { "b" }, &word)));
        }
        assert!(lane.waiting().bytes < SOFT_BYTES + 2000);
        while lane.poll().is_some() {}
        // There is room again, but a hole in the middle would be worse than a missing end.
        assert!(put(&lane, delta("a", "late")));
        assert_eq!(lane.poll(), None);
        let whole = json!({"method": "item/completed", "params": {"item": {"id": "a", "text": "y".repeat(1 << 20)}}});
        let size = whole.to_string().len();
        let mut taken = 0;
        while lane.put(Parcel::Message(whole.clone()), size) {
            taken += 1;
            assert!(taken < 20, "never closed");
        }
        assert!(taken >= 15, "{taken}");
        assert_eq!(lane.poll(), Some(Next::Overrun));
        assert!(!lane.put(Parcel::Message(json!({})), 2));
    }

    #[test]
    fn what_waits_is_told_before_the_end() {
        let lane = Lane::default();
        put(&lane, delta("a", "last"));
        lane.end();
        assert_eq!(words(lane.poll()), "last");
        assert_eq!(lane.poll(), Some(Next::Gone));
    }
}
