//! When to say something on a quiet socket, and when to take the other side for gone (W-048).

use std::time::Duration;

use protocol::limits::{HEARTBEAT_MS, SILENCE_MS};
use tokio::time::Instant;

const HEARTBEAT: Duration = Duration::from_millis(HEARTBEAT_MS);
const SILENCE: Duration = Duration::from_millis(SILENCE_MS);

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Beat {
    /// Nothing was heard for too long.
    Dead,
    /// Nothing was heard for a while: ask for a sign of life. A WebSocket ping, which browsers answer even while the page sleeps.
    Probe,
    /// Nothing was said for a while.
    Heartbeat,
}

/// When both sides were last active.
#[derive(Debug)]
pub(super) struct Pulse {
    said: Instant,
    heard: Instant,
    probed: Instant,
}

impl Pulse {
    pub(super) fn new(now: Instant) -> Self {
        Self { said: now, heard: now, probed: now }
    }

    pub(super) fn said(&mut self, now: Instant) {
        self.said = now;
    }

    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    pub(super) fn probed(&mut self, now: Instant) {
        self.probed = now;
    }

    /// What is due next, and when.
    pub(super) fn next(&self) -> (Instant, Beat) {
        let dead = (self.heard + SILENCE, Beat::Dead);
        let probe = (self.heard.max(self.probed) + HEARTBEAT, Beat::Probe);
        let heartbeat = (self.said + HEARTBEAT, Beat::Heartbeat);
        dead.min(probe).min(heartbeat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_path_is_probed_and_then_given_up() {
        let start = Instant::now();
        let mut pulse = Pulse::new(start);
        let mut beats = Vec::new();
        loop {
            let (at, beat) = pulse.next();
            beats.push((at.duration_since(start).as_secs(), beat));
            match beat {
                Beat::Dead => break,
                Beat::Probe => pulse.probed(at),
                Beat::Heartbeat => pulse.said(at),
            }
        }
        let (probe, heartbeat) = (Beat::Probe, Beat::Heartbeat);
        assert_eq!(beats, [(15, probe), (15, heartbeat), (30, probe), (30, heartbeat), (45, Beat::Dead)]);
    }

    #[test]
    fn whoever_is_heard_lives_and_whoever_was_told_is_not_told_again() {
        let start = Instant::now();
        let mut pulse = Pulse::new(start);
        pulse.heard(start + HEARTBEAT);
        pulse.said(start + HEARTBEAT * 2);
        assert_eq!(pulse.next(), (start + HEARTBEAT * 2, Beat::Probe));
        pulse.probed(start + HEARTBEAT * 2);
        assert_eq!(pulse.next(), (start + HEARTBEAT * 3, Beat::Probe));
        pulse.heard(start + HEARTBEAT * 3);
        assert_eq!(pulse.next(), (start + HEARTBEAT * 3, Beat::Heartbeat));
    }
}
