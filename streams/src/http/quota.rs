//! How much may be written: how fast by all together, and how much in one stream.

use std::sync::{Mutex, PoisonError};

use http::{StatusCode, header};
use protocol::time::UnixMs;
use store::Head;

use super::problem::Problem;

/// Limits of writing; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quota {
    /// `PUT`s and `POST`s a second, of all clients together; twice as many may come at once after a pause.
    pub writes_per_second: Option<u32>,
    /// Bytes that one stream holds.
    pub stream_bytes: Option<u64>,
}

/// What of the rate is left.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// Thousandths of a write, and when they were counted.
    left: Mutex<Option<(u64, UnixMs)>>,
}

impl Bucket {
    /// Takes one write out, or tells how many seconds to wait.
    pub(super) fn take(&self, quota: &Quota, now: UnixMs) -> Result<(), Problem> {
        let Some(rate) = quota.writes_per_second.map(u64::from) else { return Ok(()) };
        let full = rate.saturating_mul(2_000).max(1_000);
        let mut state = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        // A write is 1000 parts and a second has 1000 milliseconds: each brings `rate` parts.
        let left =
            state.map_or(full, |(left, then)| left.saturating_add(now.since(then).saturating_mul(rate)).min(full));
        if left >= 1_000 {
            *state = Some((left - 1_000, now));
            return Ok(());
        }
        *state = Some((left, now));
        let wait = (1_000 - left).div_ceil(rate.max(1)).div_ceil(1_000);
        let detail = format!("At most {rate} writes a second are taken.");
        Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many writes", detail)
            .with(header::RETRY_AFTER, wait.max(1).to_string()))
    }
}

impl Quota {
    /// Whether so many bytes more fit into a stream. Appends that come at the same moment may together go a little beyond.
    pub(super) fn fits(&self, head: &Head, more: usize) -> Result<(), Problem> {
        self.fits_beside(head.tail.byte.saturating_sub(head.first.byte), more)
    }

    /// Whether so many bytes more fit into a stream that holds `size`.
    pub(super) fn fits_beside(&self, size: u64, more: usize) -> Result<(), Problem> {
        match self.stream_bytes {
            Some(most) if size.saturating_add(more as u64) > most => {
                let detail = format!("The stream holds {size} bytes, and at most {most}.");
                Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "stream_full", "The stream is full", detail))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_kept_and_refills() {
        let quota = Quota { writes_per_second: Some(2), stream_bytes: None };
        let bucket = Bucket::default();
        let taken = |at| (0..10).take_while(|_| bucket.take(&quota, UnixMs(at)).is_ok()).count();
        assert_eq!((taken(0), taken(499), taken(500), taken(1_500)), (4, 0, 1, 2));
        assert_eq!(taken(1_000_000), 4, "a long pause saves up no more than twice the rate");
        let none = Quota::default();
        assert!((0..10_000).all(|_| bucket.take(&none, UnixMs(0)).is_ok()));
    }
}
