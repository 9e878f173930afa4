//! A clock that stands where the test puts it.

use std::sync::atomic::{AtomicU64, Ordering};

use protocol::time::{Clock, UnixMs};

/// A clock for tests: stands still until it is set, and mints ids by counting.
#[derive(Debug)]
pub struct TestClock {
    now: AtomicU64,
    minted: AtomicU64,
}

impl TestClock {
    /// A clock that stands at a time.
    pub fn at(now: UnixMs) -> Self {
        Self { now: AtomicU64::new(now.0), minted: AtomicU64::new(0) }
    }

    /// Sets the time.
    pub fn set(&self, now: UnixMs) {
        self.now.store(now.0, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> UnixMs {
        UnixMs(self.now.load(Ordering::Relaxed))
    }

    fn fresh(&self) -> uuid::Uuid {
        let count = self.minted.fetch_add(1, Ordering::Relaxed);
        let mut random = [0; 10];
        random[2..].copy_from_slice(&count.to_be_bytes());
        uuid::Builder::from_unix_timestamp_millis(self.now().0, &random).into_uuid()
    }
}
