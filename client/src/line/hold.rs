//! How long a request may wait at the hub, as far as what is on the way lets it.

use std::time::Duration;

/// How long the first one waits: when something on the way swallows what is held, that is found out before an answer is missed.
const FIRST: Duration = Duration::from_secs(2);

/// What is known of a way.
#[derive(Debug)]
pub(super) struct Hold {
    /// How long the next request waits; zero when it does not.
    wait: Duration,
    longest: Duration,
    /// The longest wait that was answered.
    proved: Duration,
    /// Whether one was cut off since the last that was answered.
    cut: bool,
}

impl Hold {
    pub(super) fn new(longest: Duration) -> Self {
        Self { wait: FIRST.min(longest), longest, proved: Duration::ZERO, cut: false }
    }

    /// How long the next request waits.
    pub(super) fn wait(&self) -> Duration {
        self.wait
    }

    /// A request has waited for all of its time, and its answer came: the next one may wait for longer.
    pub(super) fn waited(&mut self) {
        self.proved = self.proved.max(self.wait);
        self.wait = (self.wait * 2).min(self.longest);
        self.cut = false;
    }

    /// A request that waited was cut off, or its answer never came: the next one waits as long as one did before, and if that is cut off
    /// too, none waits any more.
    pub(super) fn was_cut(&mut self) {
        self.longest = if self.cut { Duration::ZERO } else { self.proved };
        self.wait = self.longest;
        self.cut = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(hold: &Hold) -> u64 {
        hold.wait().as_secs()
    }

    #[test]
    fn a_way_that_holds_is_trusted_more_and_more() {
        let mut hold = Hold::new(Duration::from_secs(20));
        let mut waits = Vec::new();
        for _ in 0..6 {
            waits.push(secs(&hold));
            hold.waited();
        }
        assert_eq!(waits, [2, 4, 8, 16, 20, 20]);
        hold.was_cut();
        assert_eq!(secs(&hold), 20, "once is the weather");
        hold.was_cut();
        assert_eq!(secs(&hold), 0, "twice in a row is the way");
    }

    #[test]
    fn a_way_that_holds_for_some_time_is_not_asked_for_more() {
        let mut hold = Hold::new(Duration::from_secs(20));
        hold.waited();
        hold.waited();
        hold.was_cut();
        assert_eq!(secs(&hold), 4);
        for _ in 0..5 {
            hold.waited();
            assert_eq!(secs(&hold), 4);
        }
    }

    #[test]
    fn a_way_that_holds_nothing_is_looked_along() {
        let mut hold = Hold::new(Duration::from_secs(20));
        hold.was_cut();
        assert_eq!(secs(&hold), 0);
        hold.waited();
        assert_eq!(secs(&hold), 0);
        assert_eq!(Hold::new(Duration::ZERO).wait(), Duration::ZERO);
    }
}
