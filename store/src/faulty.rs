//! A store with planned faults, for tests of everything above: what happens when the disk fails now?

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use protocol::path::StreamPath;
use tokio::sync::watch;

use crate::port::{Batch, CommitError, Cut, Done, Entry, Head, Later, Page, Read, ReadError, Scan, Store};

/// What goes wrong with one commit (or trim).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitFault {
    /// The disk is full: nothing happens, and the store goes on.
    Full,
    /// The disk fails before the batch took effect; the store is broken.
    Before,
    /// The batch took effect, and then the disk failed: the caller is told that it is unknown; the store is broken.
    After,
    /// The commit waits until it is released, then happens.
    Stall,
}

/// How often each fault comes, in 1 of 10 000 calls; the rest go well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Odds {
    /// Of [`CommitFault::Full`].
    pub full: u16,
    /// Of [`CommitFault::Before`].
    pub before: u16,
    /// Of [`CommitFault::After`].
    pub after: u16,
    /// Of [`CommitFault::Stall`].
    pub stall: u16,
    /// Of a read (`read`, `head`, `get`, `scan`) that fails; the next one may go well.
    pub read: u16,
}

/// Any store with a plan of faults. One seed and one order of calls give the same faults.
///
/// Broken stays broken, as with a real disk, until [`mend`](Self::mend) stands for a restart.
#[derive(Debug)]
pub struct Faulty<S> {
    store: S,
    // Held for the length of one decision, never over an await.
    plan: Mutex<Plan>,
    releases: watch::Sender<u64>,
}

#[derive(Debug)]
struct Plan {
    odds: Odds,
    random: u64,
    commits: VecDeque<Option<CommitFault>>,
    reads: VecDeque<bool>,
    broken: bool,
    stalled: usize,
}

impl<S> Faulty<S> {
    /// A wrapper without faults until some are planned.
    pub fn new(store: S) -> Self {
        Self::seeded(store, 0, Odds::default())
    }

    /// A wrapper with faults at random, by a seed.
    pub fn seeded(store: S, seed: u64, odds: Odds) -> Self {
        let plan =
            Plan { odds, random: seed, commits: VecDeque::new(), reads: VecDeque::new(), broken: false, stalled: 0 };
        Self { store, plan: Mutex::new(plan), releases: watch::Sender::new(0) }
    }

    /// The store inside.
    pub fn inner(&self) -> &S {
        &self.store
    }

    /// Changes the odds from the next call on.
    pub fn set_odds(&self, odds: Odds) {
        self.plan().odds = odds;
    }

    /// Plans the next commit that has no plan yet: a fault, or `None` to go well. Planned commits come before the odds.
    pub fn plan_commit(&self, fault: Option<CommitFault>) {
        self.plan().commits.push_back(fault);
    }

    /// Plans the next read that has no plan yet: whether it fails.
    pub fn plan_read(&self, fails: bool) {
        self.plan().reads.push_back(fails);
    }

    /// Lets every stalled commit go on.
    pub fn release(&self) {
        self.releases.send_modify(|count| *count += 1);
    }

    /// How many commits are stalled now.
    pub fn stalled(&self) -> usize {
        self.plan().stalled
    }

    /// Whether a fault broke the store.
    pub fn is_broken(&self) -> bool {
        self.plan().broken
    }

    /// Makes a broken store work again, as opening it anew would.
    pub fn mend(&self) {
        self.plan().broken = false;
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn stall(&self) {
        let mut releases = self.releases.subscribe();
        let _count = Count::new(self);
        // The sender is ours, so this ends by a release or by being dropped.
        drop(releases.changed().await);
    }

    /// Runs one change under the plan.
    async fn change<T>(&self, change: impl Future<Output = Result<T, CommitError>>) -> Result<T, CommitError> {
        let broken = || CommitError::Broken { reason: "a planned fault of the disk".to_owned() };
        let fault = {
            let mut plan = self.plan();
            if plan.broken {
                return Err(broken());
            }
            let fault = plan.next_commit();
            plan.broken = matches!(fault, Some(CommitFault::Before | CommitFault::After));
            fault
        };
        match fault {
            None => change.await,
            Some(CommitFault::Full) => Err(CommitError::Full { reason: "a planned full disk".to_owned() }),
            Some(CommitFault::Before) => Err(broken()),
            Some(CommitFault::After) => {
                // Whatever it did, the caller does not get to know.
                drop(change.await);
                Err(broken())
            }
            Some(CommitFault::Stall) => {
                self.stall().await;
                change.await
            }
        }
    }

    async fn look<T>(&self, look: impl Future<Output = Result<T, ReadError>>) -> Result<T, ReadError> {
        let fails = self.plan().next_read();
        if fails { Err(ReadError::Broken { reason: "a planned fault of a read".to_owned() }) } else { look.await }
    }
}

impl Plan {
    /// SplitMix64, in 0..10 000.
    fn roll(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % 10_000
    }

    fn next_commit(&mut self) -> Option<CommitFault> {
        if let Some(planned) = self.commits.pop_front() {
            return planned;
        }
        let mut rest = self.roll();
        let odds = [
            (self.odds.full, CommitFault::Full),
            (self.odds.before, CommitFault::Before),
            (self.odds.after, CommitFault::After),
            (self.odds.stall, CommitFault::Stall),
        ];
        for (share, fault) in odds {
            match rest.checked_sub(u64::from(share)) {
                None => return Some(fault),
                Some(less) => rest = less,
            }
        }
        None
    }

    fn next_read(&mut self) -> bool {
        self.reads.pop_front().unwrap_or_else(|| self.roll() < u64::from(self.odds.read))
    }
}

/// Counts a stalled commit while it lives, dropped futures included.
struct Count<'a, S>(&'a Faulty<S>);

impl<'a, S> Count<'a, S> {
    fn new(of: &'a Faulty<S>) -> Self {
        of.plan().stalled += 1;
        Self(of)
    }
}

impl<S> Drop for Count<'_, S> {
    fn drop(&mut self) {
        self.0.plan().stalled -= 1;
    }
}

impl<S: Store> Store for Faulty<S> {
    fn commit(&self, batch: Batch) -> Later<'_, Result<Vec<Done>, CommitError>> {
        Box::pin(self.change(self.store.commit(batch)))
    }

    fn read(&self, read: Read) -> Later<'_, Result<Page, ReadError>> {
        Box::pin(self.look(self.store.read(read)))
    }

    fn head<'a>(&'a self, stream: &'a StreamPath) -> Later<'a, Result<Option<Head>, ReadError>> {
        Box::pin(self.look(self.store.head(stream)))
    }

    fn get<'a>(&'a self, key: &'a str) -> Later<'a, Result<Option<Entry>, ReadError>> {
        Box::pin(self.look(self.store.get(key)))
    }

    fn scan(&self, scan: Scan) -> Later<'_, Result<Vec<Entry>, ReadError>> {
        Box::pin(self.look(self.store.scan(scan)))
    }

    fn trim<'a>(&'a self, stream: &'a StreamPath, cut: Cut) -> Later<'a, Result<(), CommitError>> {
        Box::pin(self.change(self.store.trim(stream, cut)))
    }
}
