//! How often a device may ask: a burst, and then so many a second, so that one that has run wild leaves the others their turn (W-092).

use std::collections::HashMap;

use protocol::id::DeviceId;
use protocol::limits::{REQUEST_BURST, REQUESTS_PER_SECOND};
use protocol::time::UnixMs;

/// Time that one request takes up, in microseconds.
const EACH_US: u64 = 1_000_000 / REQUESTS_PER_SECOND;
/// Time that a whole burst takes up, in microseconds.
const BURST_US: u64 = EACH_US * REQUEST_BURST;
/// Most devices remembered; those that have their whole burst again are forgotten first, and lose nothing by it.
const MOST: usize = 4_096;

/// Who has asked how often: for each device, when it will have its whole burst again, in microseconds.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    full_at: HashMap<DeviceId, u64>,
}

impl Rates {
    /// Counts a request.
    ///
    /// # Errors
    /// How long the device has to wait, in milliseconds; the request is not counted then.
    pub(crate) fn ask(&mut self, device: DeviceId, now: UnixMs) -> Result<(), u64> {
        let now = now.0.saturating_mul(1_000);
        if self.full_at.len() >= MOST {
            self.full_at.retain(|_, full_at| *full_at > now);
        }
        let full_at = self.full_at.entry(device).or_default();
        let after = (*full_at).max(now) + EACH_US;
        if after > now + BURST_US {
            return Err((after - now - BURST_US).div_ceil(1_000));
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
        let mut rates = Rates::default();
        let mut at = UnixMs(1_790_000_000_000);
        for n in 0..REQUEST_BURST {
            assert_eq!(rates.ask(device(1), at), Ok(()), "{n}");
        }
        let wait = rates.ask(device(1), at).expect_err("the burst is spent");
        assert!((1..=EACH_US.div_ceil(1_000)).contains(&wait), "{wait} ms");
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
        let mut rates = Rates::default();
        for n in 0..20_000_u64 {
            let id = uuid::Builder::from_unix_timestamp_millis(n, &[0; 10]).into_uuid();
            let _: Result<(), u64> = rates.ask(DeviceId::from_uuid(id), UnixMs(1_000 + n));
        }
        assert!(rates.full_at.len() <= MOST, "{}", rates.full_at.len());
    }
}
