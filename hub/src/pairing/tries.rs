//! Wrong tries, counted per source and in all, across connections.

use std::collections::HashMap;

use protocol::limits::PAIRING_MAX_TRIES_PER_SOURCE;
use protocol::time::UnixMs;

/// How long a wrong try is remembered, in milliseconds: as long as a code lives.
const WINDOW_MS: u64 = protocol::limits::PAIRING_TTL_MS;
/// Most sources that are told apart; beyond, the one that has been quiet longest is forgotten.
const MAX_SOURCES: usize = 1_024;
/// Wrong tries in a window of which the audit trail keeps an entry each; more of them are one alarm.
const MAX_AUDITED: u32 = 100;

/// The wrong tries of the last ten minutes.
#[derive(Debug, Default)]
pub(crate) struct Tries {
    sources: HashMap<String, Count>,
    all: Count,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    since: UnixMs,
    wrong: u32,
}

/// What a wrong try was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Noted {
    /// Whether the audit trail should have an entry of it.
    pub(super) audited: bool,
    /// Whether the source reached its limit with it.
    pub(super) alarm: bool,
}

impl Count {
    fn current(self, now: UnixMs) -> Self {
        if now.since(self.since) >= WINDOW_MS { Self { since: now, wrong: 0 } } else { self }
    }
}

impl Tries {
    /// Milliseconds for which a source must wait before its next try; `None` when it may try.
    pub(super) fn wait(&self, source: &str, now: UnixMs) -> Option<u64> {
        let count = self.sources.get(source)?.current(now);
        let left = WINDOW_MS.saturating_sub(now.since(count.since));
        (count.wrong >= PAIRING_MAX_TRIES_PER_SOURCE).then_some(left)
    }

    /// Notes a wrong try.
    pub(super) fn note(&mut self, source: &str, now: UnixMs) -> Noted {
        if !self.sources.contains_key(source) && self.sources.len() >= MAX_SOURCES {
            self.sources.retain(|_, count| now.since(count.since) < WINDOW_MS);
            if self.sources.len() >= MAX_SOURCES {
                let oldest = self.sources.iter().min_by_key(|(_, count)| count.since).map(|(source, _)| source.clone());
                oldest.map(|source| self.sources.remove(&source));
            }
        }
        let count = self.sources.entry(source.to_owned()).or_insert(Count { since: now, wrong: 0 });
        *count = count.current(now);
        count.wrong += 1;
        let alarm = count.wrong == PAIRING_MAX_TRIES_PER_SOURCE;
        self.all = self.all.current(now);
        self.all.wrong += 1;
        Noted { audited: self.all.wrong <= MAX_AUDITED, alarm: alarm && self.all.wrong <= MAX_AUDITED }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_waits_until_its_window_is_over() {
        let mut tries = Tries::default();
        for n in 1..=PAIRING_MAX_TRIES_PER_SOURCE {
            assert_eq!(tries.wait("a", UnixMs(1)), None);
            assert_eq!(tries.note("a", UnixMs(1)).alarm, n == PAIRING_MAX_TRIES_PER_SOURCE);
        }
        assert_eq!(tries.wait("a", UnixMs(101)), Some(WINDOW_MS - 100));
        assert_eq!(tries.wait("b", UnixMs(101)), None);
        assert_eq!(tries.wait("a", UnixMs(1 + WINDOW_MS)), None);
    }

    #[test]
    fn many_sources_do_not_fill_the_memory_nor_the_audit_trail() {
        let mut tries = Tries::default();
        let audited = (0..MAX_SOURCES as u64 * 2).filter(|n| tries.note(&n.to_string(), UnixMs(1 + n / 100)).audited);
        assert_eq!(audited.count(), MAX_AUDITED as usize);
        assert!(tries.sources.len() <= MAX_SOURCES);
    }
}
