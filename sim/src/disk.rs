//! A disk: what is on it outlives the processes, and getting there takes time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::path::StreamPath;
use store::{
    Batch, CommitError, Cut, Done, Entry, Faulty, Head, Later, MemoryStore, Odds, Page, Read, ReadError, Scan, Store,
};

use crate::clock::SimClock;
use crate::dice::Dice;

/// Longest times a disk takes, in milliseconds; each call draws its own.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// From the call of a commit until it takes effect.
    pub before_ms: u64,
    /// From then until the caller is told. A process that dies in between never learns what it did.
    pub after_ms: u64,
    /// A read.
    pub read_ms: u64,
}

/// A machine's disk; clones are the same disk. It stays when the machine's process dies.
#[derive(Debug, Clone)]
pub struct Disk {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Faulty<MemoryStore>,
    pace: Pace,
    // Held for one draw.
    dice: Mutex<Dice>,
    // Commits take effect in the order in which they were asked for, as through one log.
    turn: tokio::sync::Mutex<()>,
}

impl Disk {
    /// An empty disk of a machine in the world of a seed.
    pub fn new(seed: u64, machine: &str, clock: Arc<SimClock>, pace: Pace, odds: Odds) -> Self {
        let mut dice = Dice::new(seed, &format!("{machine}/disk"));
        let store = Faulty::seeded(MemoryStore::new(clock), dice.draw(), odds);
        Self { inner: Arc::new(Inner { store, pace, dice: Mutex::new(dice), turn: tokio::sync::Mutex::default() }) }
    }

    /// Whether a fault broke it, so that the process on it is of no more use.
    pub fn is_broken(&self) -> bool {
        self.inner.store.is_broken()
    }

    /// Makes a broken disk work again, as a restart of the machine does.
    pub fn mend(&self) {
        self.inner.store.mend();
    }

    /// Has no more faults come.
    pub fn calm(&self) {
        self.inner.store.set_odds(Odds::default());
    }

    /// What is on the disk, for those who judge: at once and without faults.
    pub fn truth(&self) -> &MemoryStore {
        self.inner.store.inner()
    }

    async fn spend(&self, most_ms: u64) {
        if most_ms > 0 {
            let time = self.inner.dice.lock().unwrap_or_else(PoisonError::into_inner).millis(0..most_ms + 1);
            if time > Duration::ZERO {
                tokio::time::sleep(time).await;
            }
        }
    }

    async fn change<T>(&self, change: impl Future<Output = Result<T, CommitError>>) -> Result<T, CommitError> {
        let result = {
            let _turn = self.inner.turn.lock().await;
            self.spend(self.inner.pace.before_ms).await;
            change.await
        };
        self.spend(self.inner.pace.after_ms).await;
        result
    }
}

impl Store for Disk {
    fn commit(&self, batch: Batch) -> Later<'_, Result<Vec<Done>, CommitError>> {
        Box::pin(self.change(self.inner.store.commit(batch)))
    }

    fn read(&self, read: Read) -> Later<'_, Result<Page, ReadError>> {
        Box::pin(async move {
            self.spend(self.inner.pace.read_ms).await;
            self.inner.store.read(read).await
        })
    }

    fn head<'a>(&'a self, stream: &'a StreamPath) -> Later<'a, Result<Option<Head>, ReadError>> {
        Box::pin(async move {
            self.spend(self.inner.pace.read_ms).await;
            self.inner.store.head(stream).await
        })
    }

    fn get<'a>(&'a self, key: &'a str) -> Later<'a, Result<Option<Entry>, ReadError>> {
        Box::pin(async move {
            self.spend(self.inner.pace.read_ms).await;
            self.inner.store.get(key).await
        })
    }

    fn scan(&self, scan: Scan) -> Later<'_, Result<Vec<Entry>, ReadError>> {
        Box::pin(async move {
            self.spend(self.inner.pace.read_ms).await;
            self.inner.store.scan(scan).await
        })
    }

    fn trim<'a>(&'a self, stream: &'a StreamPath, cut: Cut) -> Later<'a, Result<(), CommitError>> {
        Box::pin(self.change(self.inner.store.trim(stream, cut)))
    }
}
