//! Cursors: numbers of intervals that let a shared cache tell one live request from the next.

use protocol::time::{Clock, UnixMs};

/// Length of an interval, in milliseconds (the protocol's recommendation).
const INTERVAL_MS: u64 = 20_000;
/// 2024-10-09T00:00:00Z, where counting begins, in Unix milliseconds (the protocol's recommendation).
const EPOCH_MS: u64 = 1_728_432_000_000;
/// Most intervals of jitter: an hour (the protocol says 1 to 3600 s).
const MAX_JITTER: u64 = 3_600_000 / INTERVAL_MS;

/// The cursor to answer with: the current interval, or one beyond the client's when that is not behind, so that the client
/// never asks the same URL twice.
pub(super) fn next(clock: &dyn Clock, client: Option<&str>) -> u64 {
    let current = clock.now().since(UnixMs(EPOCH_MS)) / INTERVAL_MS;
    match client.and_then(|c| c.parse::<u64>().ok()) {
        Some(seen) if seen >= current => {
            let random = u64::from_be_bytes(clock.fresh().as_bytes()[8..].try_into().expect("a UUID has 16 bytes"));
            seen.saturating_add(1 + random % MAX_JITTER)
        }
        _ => current,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::tests::ManualClock;

    #[test]
    fn a_cursor_is_the_interval_and_always_beyond_the_clients() {
        let clock = ManualClock::at(EPOCH_MS + 5 * INTERVAL_MS + 1);
        assert_eq!(next(&*clock, None), 5);
        assert_eq!(next(&*clock, Some("4")), 5);
        assert_eq!(next(&*clock, Some("x")), 5);
        for seen in [5, 6, 1000] {
            let cursor = next(&*clock, Some(&seen.to_string()));
            assert!(cursor > seen && cursor <= seen + MAX_JITTER, "{cursor}");
        }
    }
}
