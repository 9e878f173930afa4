//! The newest messages of a stream, shared by all who follow it.

use std::collections::VecDeque;

use bytes::Bytes;
use protocol::offset::Offset;
use store::Message;

/// Most bytes of messages kept per live stream; a reader further behind reads from the store.
pub(crate) const RING_BYTES: usize = 256 * 1024;

/// A run of messages without gaps, the newest known, at most [`RING_BYTES`] of them. A copy of what the store has: forgetting is
/// always right.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    messages: VecDeque<Message>,
    bytes: usize,
}

impl Ring {
    /// Adds messages that end at `end`.
    ///
    /// Commits are serial, but their callers learn of them in any order. What comes late is left to the store; what comes
    /// early starts the ring anew.
    pub(crate) fn push(&mut self, messages: Vec<Bytes>, end: Offset) {
        let total: u64 = messages.iter().map(|m| m.len() as u64).sum();
        let Some(first) = end.byte.checked_sub(total) else { return };
        let mut start = Offset::new(end.epoch, first);
        if let Some(last) = self.messages.back().map(|m| m.end) {
            if start < last {
                return;
            }
            if start > last {
                self.clear();
            }
        }
        for body in messages.into_iter().filter(|m| !m.is_empty()) {
            let end = start.plus(body.len() as u64);
            self.bytes += body.len();
            self.messages.push_back(Message { start, end, body });
            start = end;
        }
        while self.bytes > RING_BYTES {
            let Some(oldest) = self.messages.pop_front() else { break };
            self.bytes -= oldest.body.len();
        }
    }

    /// The messages from a position on, at least one; `None` when the ring does not have the position.
    pub(crate) fn from(&self, at: Offset, max_bytes: usize, max_messages: usize) -> Option<Vec<Message>> {
        let index = self.messages.partition_point(|m| m.start < at);
        if self.messages.get(index)?.start != at {
            return None;
        }
        let mut found = Vec::new();
        let mut bytes = 0_usize;
        for message in self.messages.range(index..) {
            bytes = bytes.saturating_add(message.body.len());
            if !found.is_empty() && (bytes > max_bytes || found.len() >= max_messages) {
                break;
            }
            found.push(message.clone());
        }
        Some(found)
    }

    pub(crate) fn clear(&mut self) {
        self.messages.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(found: &[Message]) -> Vec<&[u8]> {
        found.iter().map(|m| m.body.as_ref()).collect()
    }

    #[test]
    fn late_and_early_news_leave_no_gap() {
        let mut ring = Ring::default();
        ring.push(vec!["a".into(), "bc".into()], Offset::new(0, 3));
        ring.push(vec!["ghi".into()], Offset::new(0, 9));
        assert_eq!(ring.from(Offset::new(0, 0), 10, 10), None);
        assert_eq!(texts(&ring.from(Offset::new(0, 6), 10, 10).expect("the newest")), [b"ghi"]);
        ring.push(vec!["def".into()], Offset::new(0, 6));
        assert_eq!(ring.from(Offset::new(0, 3), 10, 10), None);
        ring.push(vec!["j".into()], Offset::new(0, 10));
        assert_eq!(texts(&ring.from(Offset::new(0, 6), 10, 10).expect("two")), [&b"ghi"[..], b"j"]);
        ring.push(vec!["old".into()], Offset::new(0, 3));
        ring.push(vec!["new".into()], Offset::new(1, 3));
        assert_eq!(ring.from(Offset::new(0, 6), 10, 10), None);
        assert_eq!(texts(&ring.from(Offset::new(1, 0), 10, 10).expect("new epoch")), [b"new"]);
    }

    #[test]
    fn pages_hold_at_least_one_message_and_no_more_than_asked() {
        let mut ring = Ring::default();
        ring.push(vec!["abc".into(), "def".into(), "ghi".into()], Offset::new(0, 9));
        for (bytes, messages, expected) in [(0, 9, 1), (1, 0, 1), (6, 9, 2), (5, 9, 1), (99, 2, 2), (99, 9, 3)] {
            assert_eq!(ring.from(Offset::ZERO, bytes, messages).expect("a page").len(), expected);
        }
        assert_eq!(ring.from(Offset::new(0, 1), 9, 9), None, "inside a message");
        assert_eq!(ring.from(Offset::new(0, 9), 9, 9), None, "the end");
    }

    #[test]
    fn the_ring_is_bounded() {
        let mut ring = Ring::default();
        let body = Bytes::from(vec![b'x'; 1000]);
        for n in 1..=1000_u64 {
            ring.push(vec![body.clone()], Offset::new(0, n * 1000));
            assert!(ring.bytes <= RING_BYTES);
        }
        assert_eq!(ring.messages.len(), RING_BYTES / 1000);
        ring.push(vec![Bytes::from(vec![b'x'; RING_BYTES + 1])], Offset::new(0, 1_000_000 + RING_BYTES as u64 + 1));
        assert!(ring.messages.is_empty() && ring.bytes == 0);
    }
}
