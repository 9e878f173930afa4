//! Trying again by itself what provably never started (W-013): which failures prove it, how often, and after which pauses.
//!
//! A machine tries again only what no agent has seen. Whatever may have begun is a person's to send again, as a new command that names the
//! old one. Handing a command to a machine once more after a link was lost is no try: the machine knows it by its id.

use serde::{Deserialize, Serialize};

use crate::error::ErrorCode;
use crate::limits::{MAX_TRIES, RETRY_PAUSES_MS};
use crate::time::UnixMs;

/// How often a command was tried without having started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct Tried {
    /// How many tries came to nothing; grows, and is never forgotten while the command is known.
    pub times: u32,
    /// Why the last one did.
    pub code: ErrorCode,
    /// When the next try is due, by the clock of the machine; null when there is none: it has started, or the last try was the last.
    pub next_at_ms: Option<UnixMs>,
}

/// Whether a command that comes to nothing with this code has provably not started, for a reason that passes.
pub const fn may_try_again(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::AgentNotStarted | ErrorCode::LeaseLost | ErrorCode::QueueFull)
}

impl Tried {
    /// One try more has come to nothing. The pause before the next one is between half and one and a half of its usual length, as `dice`
    /// falls, so that what failed together does not come back together. After a lease that was lost there is none: the host had to start
    /// again first.
    pub fn again(before: Option<Self>, code: ErrorCode, now: UnixMs, dice: u8) -> Self {
        let times = before.map_or(0, |tried| tried.times).saturating_add(1);
        let usual = RETRY_PAUSES_MS.get(times as usize - 1).filter(|_| times < MAX_TRIES && may_try_again(code));
        let started_again = matches!(code, ErrorCode::LeaseLost);
        let jitter = |usual: &u64| if started_again { 0 } else { usual / 2 + usual * u64::from(dice) / 255 };
        let jittered = usual.map(jitter);
        Self { times, code, next_at_ms: jittered.map(|pause| now.plus_ms(pause)) }
    }

    /// The same when no try follows any more.
    #[must_use]
    pub const fn over(self) -> Self {
        Self { next_at_ms: None, ..self }
    }

    /// How long the next try is still to wait, in milliseconds: never longer than the longest pause, whatever a clock has done meanwhile.
    pub fn wait_ms(&self, now: UnixMs) -> u64 {
        let longest = RETRY_PAUSES_MS.iter().copied().max().unwrap_or(0) * 3 / 2;
        self.next_at_ms.map_or(0, |at| at.since(now)).min(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_tries_with_growing_pauses_that_are_never_the_same_for_all() {
        let now = UnixMs(1_000_000);
        for (dice, first, second) in [(0, 500, 2_000), (255, 1_500, 6_000)] {
            let one = Tried::again(None, ErrorCode::AgentNotStarted, now, dice);
            assert_eq!((one.times, one.next_at_ms), (1, Some(now.plus_ms(first))));
            let two = Tried::again(Some(one), ErrorCode::AgentNotStarted, now, dice);
            assert_eq!((two.times, two.next_at_ms), (2, Some(now.plus_ms(second))));
            let three = Tried::again(Some(two), ErrorCode::AgentNotStarted, now, dice);
            assert_eq!((three.times, three.next_at_ms), (MAX_TRIES, None), "the last");
        }
    }

    #[test]
    fn a_host_that_has_started_again_need_not_wait() {
        let tried = Tried::again(None, ErrorCode::LeaseLost, UnixMs(7), 200);
        assert_eq!((tried.next_at_ms, tried.wait_ms(UnixMs(7))), (Some(UnixMs(7)), 0));
    }

    #[test]
    fn what_may_have_started_or_does_not_pass_is_never_tried_again() {
        let again: Vec<_> = ErrorCode::ALL.iter().copied().filter(|code| may_try_again(*code)).collect();
        assert_eq!(again, [ErrorCode::AgentNotStarted, ErrorCode::LeaseLost, ErrorCode::QueueFull]);
        for code in ErrorCode::ALL {
            let tried = Tried::again(None, *code, UnixMs(5), 7);
            assert_eq!(tried.next_at_ms.is_some(), again.contains(code), "{code:?}");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_by_an_hour_makes_nobody_wait_for_an_hour() {
        let tried = Tried::again(None, ErrorCode::QueueFull, UnixMs(3_600_000), 128);
        assert!(tried.wait_ms(UnixMs(3_600_000)) <= 1_500);
        assert_eq!(tried.wait_ms(UnixMs(0)), 6_000);
        assert_eq!(tried.wait_ms(UnixMs(9_999_999)), 0);
    }
}
