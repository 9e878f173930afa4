//! How often a device may ask, and a participant send: a burst, and then so many in a while, so that one that has run wild leaves the
//! others their turn (W-092).

use std::collections::HashMap;
use std::hash::Hash;

use protocol::id::{AccountId, DeviceId, SessionId};
use protocol::limits::{PARTICIPANT_BURST, PARTICIPANT_PAUSE_MS, REQUEST_BURST, REQUESTS_PER_SECOND};
use protocol::time::UnixMs;

/// Most of those who ask that are remembered; those that have their whole burst again are forgotten first, and lose nothing by it.
const MOST: usize = 4_096;

/// Who has asked how often.
#[derive(Debug)]
pub(crate) struct Rates<K = DeviceId> {
    /// Time that one request takes up, in microseconds.
    each_us: u64,
    /// Time that a whole burst takes up, in microseconds.
    burst_us: u64,
    /// For each who asks, when it will have its whole burst again, in microseconds.
    full_at: HashMap<K, u64>,
}

/// Requests of devices.
impl Default for Rates<DeviceId> {
    fn default() -> Self {
        Self::new(1_000_000 / REQUESTS_PER_SECOND, REQUEST_BURST)
    }
}

/// Commands of participants.
impl Default for Rates<(SessionId, AccountId)> {
    fn default() -> Self {
        Self::new(PARTICIPANT_PAUSE_MS * 1_000, PARTICIPANT_BURST)
    }
}

impl<K: Eq + Hash> Rates<K> {
    fn new(each_us: u64, burst: u64) -> Self {
        Self { each_us, burst_us: each_us * burst, full_at: HashMap::new() }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// How long it has to wait, in milliseconds; the request is not counted then.
    pub(crate) fn ask(&mut self, who: K, now: UnixMs) -> Result<(), u64> {
        let now = now.0.saturating_mul(1_000);
        if self.full_at.len() >= MOST {
            self.full_at.retain(|_, full_at| *full_at > now);
        }
        let full_at = self.full_at.entry(who).or_default();
        let after = (*full_at).max(now) + self.each_us;
        if after > now + self.burst_us {
            return Err((after - now - self.burst_us).div_ceil(1_000));
        }
        *full_at = after;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(n: u8) -> DeviceId {
        DeviceId::from_uuid(uuid::Builder::from_unix_timestamp_millis(1, &[n; 10]).into_uuid())
    }

    #[test]
    fn a_burst_then_so_many_a_second_and_each_device_for_itself() {
        let mut rates = Rates::<DeviceId>::default();
        let mut at = UnixMs(1_790_000_000_000);
        for n in 0..REQUEST_BURST {
            assert_eq!(rates.ask(device(1), at), Ok(()), "{n}");
        }
        let wait = rates.ask(device(1), at).expect_err("the burst is spent");
        assert!((1..=rates.each_us.div_ceil(1_000)).contains(&wait), "{wait} ms");
        assert_eq!(rates.ask(device(2), at), Ok(()), "another has its own");
        at = at.plus_ms(wait);
        assert_eq!(rates.ask(device(1), at), Ok(()), "as it was told");
        assert!(rates.ask(device(1), at).is_err());
        at = at.plus_ms(1_000);
        let taken = (0..10_000).filter(|_| rates.ask(device(1), at).is_ok()).count() as u64;
        assert!(taken.abs_diff(REQUESTS_PER_SECOND) <= 1, "{taken} after a second");
    }

    #[test]
    fn who_has_left_is_forgotten() {
        let mut rates = Rates::<DeviceId>::default();
        for n in 0..20_000_u64 {
            let id = uuid::Builder::from_unix_timestamp_millis(n, &[0; 10]).into_uuid();
            let _: Result<(), u64> = rates.ask(DeviceId::from_uuid(id), UnixMs(1_000 + n));
        }
        assert!(rates.full_at.len() <= MOST, "{}", rates.full_at.len());
    }
}
