//! How long to wait before connecting again: exponential, with full jitter, so that a thousand clients of a hub that restarts do
//! not come back at once.

use std::time::Duration;

use protocol::limits::MAX_RECONNECT_MS;

/// The pauses between attempts.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    attempt: u32,
    random: u64,
}

impl Backoff {
    /// Begins at that pause; the seed makes clients differ.
    pub fn new(first: Duration, seed: u64) -> Self {
        Self { first, longest: Duration::from_millis(MAX_RECONNECT_MS), attempt: 0, random: seed }
    }

    /// Has no pause be longer than that, nor than `MAX_RECONNECT_MS`.
    #[must_use]
    pub fn at_most(self, longest: Duration) -> Self {
        Self { longest: longest.min(self.longest), ..self }
    }

    /// The pause before the next attempt: anything from nothing to a ceiling that doubles each time.
    pub fn pause(&mut self) -> Duration {
        let ceiling = self.first.saturating_mul(1_u32 << self.attempt.min(20)).min(self.longest);
        self.attempt = self.attempt.saturating_add(1);
        let nanos = u64::try_from(ceiling.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.draw() % nanos.saturating_add(1).max(1))
    }

    /// The connection was of use: the next pause is a short one again.
    pub fn worked(&mut self) {
        self.attempt = 0;
    }

    /// SplitMix64 (Steele, Lea, Flood 2014): even enough for jitter, and it can be replayed.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_limit_and_spread_below_it() {
        let first = Duration::from_millis(250);
        let mut backoff = Backoff::new(first, 7);
        let pauses: Vec<_> = (0..200).map(|_| backoff.pause()).collect();
        assert!(pauses[0] <= first && pauses[1] <= first * 2);
        let limit = Duration::from_millis(MAX_RECONNECT_MS);
        assert!(pauses.iter().all(|pause| *pause <= limit));
        let late = &pauses[20..];
        assert!(late.iter().any(|pause| *pause < limit / 4) && late.iter().any(|pause| *pause > limit / 4 * 3));
        backoff.worked();
        assert!(backoff.pause() <= first);
    }

    #[test]
    fn no_pause_is_longer_than_was_said() {
        let longest = Duration::from_secs(5);
        let mut backoff = Backoff::new(Duration::from_millis(250), 3).at_most(longest);
        let pauses: Vec<_> = (0..200).map(|_| backoff.pause()).collect();
        assert!(pauses.iter().all(|pause| *pause <= longest));
        assert!(pauses.iter().any(|pause| *pause > longest / 2));
    }

    #[test]
    fn two_clients_differ() {
        let pause = |seed| Backoff::new(Duration::from_secs(1), seed).pause();
        assert_ne!(pause(1), pause(2));
    }
}
