//! Hints for one task that looks: a set of names, never longer than a limit.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Most names kept; beyond it, everything is looked at.
const MOST: usize = 65_536;

/// What is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Look<T> {
    At(BTreeSet<T>),
    Everywhere,
}

/// Names that something may have happened to. A hint that is lost costs time, never data: everything is looked at after a start.
#[derive(Debug)]
pub(crate) struct Hints<T> {
    state: Mutex<Look<T>>,
    bell: Notify,
}

impl<T: Ord> Default for Hints<T> {
    fn default() -> Self {
        Self { state: Mutex::new(Look::At(BTreeSet::new())), bell: Notify::new() }
    }
}

impl<T: Ord> Hints<T> {
    pub(crate) fn add(&self, name: T) {
        let mut state = self.lock();
        if let Look::At(names) = &mut *state {
            names.insert(name);
            if names.len() > MOST {
                *state = Look::Everywhere;
            }
        }
        drop(state);
        self.bell.notify_one();
    }

    /// Waits for hints and takes them. Cancellation safe.
    pub(crate) async fn next(&self) -> Look<T> {
        loop {
            let bell = self.bell.notified();
            if let Some(found) = self.try_next() {
                return found;
            }
            bell.await;
        }
    }

    /// Takes the hints that there are; `None` without one.
    pub(crate) fn try_next(&self) -> Option<Look<T>> {
        let found = std::mem::replace(&mut *self.lock(), Look::At(BTreeSet::new()));
        (!matches!(&found, Look::At(names) if names.is_empty())).then_some(found)
    }

    fn lock(&self) -> MutexGuard<'_, Look<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hints_are_kept_once_and_never_without_end() {
        let hints = Hints::default();
        hints.add(1);
        hints.add(1);
        assert_eq!(hints.next().await, Look::At(BTreeSet::from([1])));
        (0..=MOST).for_each(|n| hints.add(n));
        assert_eq!(hints.next().await, Look::Everywhere);
    }
}
