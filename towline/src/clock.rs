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

/// The end of the day of a point of time, where this machine stands; a day later when no calendar knows.
pub(crate) fn tonight(now: UnixMs) -> UnixMs {
    let later = now.plus_ms(24 * 60 * 60 * 1000);
    let end = || {
        let stamp = jiff::Timestamp::from_millisecond(i64::try_from(now.0).ok()?).ok()?;
        let day = stamp.to_zoned(jiff::tz::TimeZone::system()).date();
        let midnight = day.tomorrow().ok()?.to_zoned(jiff::tz::TimeZone::system()).ok()?;
        u64::try_from(midnight.timestamp().as_millisecond()).ok().map(UnixMs)
    };
    end().filter(|end| *end > now).unwrap_or(later)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tonight_ends_within_a_day_and_an_hour() {
        for hour in 0..48 {
            let now = UnixMs(1_700_000_000_000 + hour * 3_600_000);
            let end = tonight(now);
            assert!(end > now && end.since(now) <= 25 * 3_600_000, "{now:?} {end:?}");
        }
    }

    #[test]
    fn ids_are_minted_now() {
        let (before, id, after) = (SystemClock.now(), SystemClock.fresh(), SystemClock.now());
        let minted = protocol::id::TurnId::from_uuid(id).minted_at_ms();
        assert!((before.0..=after.0).contains(&minted));
    }
}
