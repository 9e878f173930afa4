//! The one clock of this program.

use std::time::{SystemTime, UNIX_EPOCH};

use protocol::time::{Clock, UnixMs};

/// The system's time, and ids made of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the system for the time")]
    fn now(&self) -> UnixMs {
        // A clock before 1970 is taken for 1970: everything still works, only dates are wrong.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that mints ids from the system")]
    fn fresh(&self) -> uuid::Uuid {
        uuid::Uuid::now_v7()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_minted_now() {
        let (before, id, after) = (SystemClock.now(), SystemClock.fresh(), SystemClock.now());
        let minted = protocol::id::TurnId::from_uuid(id).minted_at_ms();
        assert!((before.0..=after.0).contains(&minted));
    }
}
