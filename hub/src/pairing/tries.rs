//! Wrong tries, counted per source and in all, across connections.

use std::collections::HashMap;

use protocol::limits::{PAIRING_MAX_TRIES_IN_ALL, PAIRING_MAX_TRIES_PER_SOURCE};
use protocol::time::UnixMs;

/// How long a wrong try is remembered, in milliseconds: as long as a code lives.
const WINDOW_MS: u64 = protocol::limits::PAIRING_TTL_MS;
/// Most sources that are told apart; beyond, the one with the fewest tries is forgotten, so that
/// nobody gets rid of a count by coming from many more.
pub(super) const MAX_SOURCES: usize = 1_024;
/// Wrong tries in a window of which the audit trail keeps an entry each; more of them are one alarm.
const MAX_AUDITED: u32 = 100;

/// What somebody may have guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guess {
    /// A code that people type, of 40 bits.
    Typed,
    /// A secret of 256 bits, which nobody guesses, or nothing at all.
    None,
}

/// The wrong tries of the last ten minutes.
#[derive(Debug, Default)]
pub(crate) struct Tries {
    sources: HashMap<String, Count>,
    all: Count,
    /// Typed codes that were guessed at, from wherever.
    typed: Count,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    since: UnixMs,
    wrong: u32,
}

/// What a try is, as long as it is taken for a wrong one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Noted {
    /// Whether the audit trail should have an entry of it.
    pub(super) audited: bool,
    /// Whether the source reached its limit with it.
    pub(super) alarm: bool,
    /// Whether there are so many tries with it that somebody should know.
    pub(super) storm: bool,
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

    /// Lets a source try, and takes the try for a wrong one until [`Tries::forgive`] says otherwise: tries that are made at the same
    /// time are counted before any of them is answered.
    ///
    /// # Errors
    /// The milliseconds for which the source must wait; with a typed code it must as well while [`PAIRING_MAX_TRIES_IN_ALL`] were made from
    /// everywhere.
    pub(super) fn begin(&mut self, source: &str, guess: Guess, now: UnixMs) -> Result<Noted, u64> {
        if let Some(wait) = self.wait(source, now) {
            return Err(wait);
        }
        if guess == Guess::Typed {
            self.typed = self.typed.current(now);
            if self.typed.wrong >= PAIRING_MAX_TRIES_IN_ALL {
                return Err(WINDOW_MS.saturating_sub(now.since(self.typed.since)));
            }
            self.typed.wrong += 1;
        }
        Ok(self.note(source, now))
    }

    /// Takes back a try that was right, or that nobody could judge.
    pub(super) fn forgive(&mut self, source: &str, guess: Guess) {
        if guess == Guess::Typed {
            self.typed.wrong = self.typed.wrong.saturating_sub(1);
        }
        if let Some(count) = self.sources.get_mut(source) {
            count.wrong = count.wrong.saturating_sub(1);
        }
        self.all.wrong = self.all.wrong.saturating_sub(1);
    }

    /// How many sources are remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.sources.len()
    }

    /// Notes a wrong try.
    pub(super) fn note(&mut self, source: &str, now: UnixMs) -> Noted {
        if !self.sources.contains_key(source) && self.sources.len() >= MAX_SOURCES {
            self.sources.retain(|_, count| now.since(count.since) < WINDOW_MS);
            if self.sources.len() >= MAX_SOURCES {
                let fewest = self.sources.iter().min_by_key(|(_, count)| (count.wrong, count.since));
                let fewest = fewest.map(|(source, _)| source.clone());
                fewest.map(|source| self.sources.remove(&source));
            }
        }
        let count = self.sources.entry(source.to_owned()).or_insert(Count { since: now, wrong: 0 });
        *count = count.current(now);
        count.wrong += 1;
        let alarm = count.wrong == PAIRING_MAX_TRIES_PER_SOURCE;
        self.all = self.all.current(now);
        self.all.wrong += 1;
        let audited = self.all.wrong <= MAX_AUDITED;
        Noted { audited, alarm: alarm && audited, storm: self.all.wrong == MAX_AUDITED }
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
    fn a_try_counts_from_its_beginning_until_it_is_forgiven() {
        let mut tries = Tries::default();
        for _ in 0..PAIRING_MAX_TRIES_PER_SOURCE {
            assert!(tries.begin("a", Guess::Typed, UnixMs(1)).is_ok());
        }
        assert_eq!(tries.begin("a", Guess::Typed, UnixMs(1)), Err(WINDOW_MS));
        tries.forgive("a", Guess::Typed);
        tries.forgive("b", Guess::Typed);
        assert!(tries.begin("a", Guess::Typed, UnixMs(1)).is_ok());
        assert_eq!(tries.begin("a", Guess::Typed, UnixMs(1)), Err(WINDOW_MS));
    }

    /// With the five tries of a code (`guesses_at_the_same_time_are_no_more_guesses`), this is why a million guesses never succeed: from
    /// however many addresses they come, 10,000 are judged in the life of a code, against 2⁴⁰ codes.
    #[test]
    fn of_a_million_tries_few_are_judged() {
        const NOW: UnixMs = UnixMs(1_790_000_000_000);
        let judged = |sources: usize| {
            let mut tries = Tries::default();
            (0..1_000_000).filter(|n| tries.begin(&(n % sources).to_string(), Guess::Typed, NOW).is_ok()).count()
        };
        assert_eq!(judged(100), 100 * PAIRING_MAX_TRIES_PER_SOURCE as usize);
        assert_eq!(judged(20_000), PAIRING_MAX_TRIES_IN_ALL as usize);
        // A link or a QR code is no guess: it goes on meanwhile.
        let mut tries = Tries::default();
        for n in 0..PAIRING_MAX_TRIES_IN_ALL {
            assert!(tries.begin(&n.to_string(), Guess::Typed, NOW).is_ok());
        }
        assert_eq!(tries.begin("a", Guess::Typed, NOW.plus_ms(1)), Err(WINDOW_MS - 1));
        assert!(tries.begin("a", Guess::None, NOW.plus_ms(1)).is_ok());
        assert!(tries.begin("a", Guess::Typed, NOW.plus_ms(WINDOW_MS)).is_ok());
    }

    #[test]
    fn many_sources_do_not_fill_the_memory_nor_the_audit_trail() {
        let mut tries = Tries::default();
        for _ in 0..PAIRING_MAX_TRIES_PER_SOURCE {
            tries.note("limited", UnixMs(0));
        }
        let audited = (0..MAX_SOURCES as u64 * 2).filter(|n| tries.note(&n.to_string(), UnixMs(1 + n / 100)).audited);
        assert_eq!(audited.count(), (MAX_AUDITED - PAIRING_MAX_TRIES_PER_SOURCE) as usize);
        assert!(
            tries.wait("limited", UnixMs(2)).is_some(),
            "a source that must wait is not forgotten for one that came once"
        );
        assert!(tries.sources.len() <= MAX_SOURCES);
    }
}
