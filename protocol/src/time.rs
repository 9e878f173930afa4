//! Absolute time on the wire: Unix milliseconds by the hub's clock (C-12, W-006).

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z by the hub's clock; field names end in `AtMs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, ts_rs::TS)]
#[serde(transparent)]
#[ts(type = "number")]
pub struct UnixMs(pub u64);

impl UnixMs {
    /// The time `ms` milliseconds later; stops at the largest value.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to `self`; 0 when `earlier` is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Where time and fresh ids come from; the simulator brings its own (rule: no clock in the protocol).
pub trait Clock: Send + Sync + std::fmt::Debug + 'static {
    /// The time now.
    fn now(&self) -> UnixMs;

    /// A fresh UUID of version 7: the time now and 74 random bits.
    fn fresh(&self) -> uuid::Uuid;
}
