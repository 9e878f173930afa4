//! The clock of a world.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use protocol::time::{Clock, UnixMs};

use crate::dice::Dice;

/// When every world begins: 2026-01-01T00:00:00Z.
const EPOCH_MS: u64 = 1_767_225_600_000;

/// Time since the world began, and ids drawn from its seed.
#[derive(Debug)]
pub struct SimClock {
    // Held for one draw.
    dice: Mutex<Dice>,
    ahead_ms: AtomicU64,
}

impl SimClock {
    /// The clock of one machine in the world of a seed.
    pub fn new(seed: u64, machine: &str) -> Self {
        Self { dice: Mutex::new(Dice::new(seed, machine)), ahead_ms: AtomicU64::new(0) }
    }

    /// Sets the clock forward, as after a sleep of the machine.
    pub fn jump(&self, ms: u64) {
        self.ahead_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now(&self) -> UnixMs {
        let elapsed = turmoil::sim_elapsed().unwrap_or_default().as_millis();
        let elapsed = u64::try_from(elapsed).expect("a world does not last so long");
        UnixMs(EPOCH_MS + elapsed + self.ahead_ms.load(Ordering::Relaxed))
    }

    fn fresh(&self) -> uuid::Uuid {
        let now = self.now().0;
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        let mut random = [0; 10];
        random[..8].copy_from_slice(&dice.draw().to_be_bytes());
        random[8..].copy_from_slice(&dice.draw().to_be_bytes()[..2]);
        uuid::Builder::from_unix_timestamp_millis(now, &random).into_uuid()
    }
}
