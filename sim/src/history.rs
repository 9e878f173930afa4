//! What happened, in order, as text: one seed gives the same bytes every time.

use std::fmt::{Display, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The history of a world; clones write into the same one.
#[derive(Debug, Clone, Default)]
pub struct History {
    lines: Arc<Mutex<String>>,
}

impl History {
    /// An empty history.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes down that something happened now.
    pub fn note(&self, who: &str, what: impl Display) {
        self.note_at(turmoil::sim_elapsed().unwrap_or_default(), who, what);
    }

    /// Writes down what happened to the world from outside, where no machine's clock is at hand.
    pub fn note_at(&self, at: Duration, who: &str, what: impl Display) {
        // Writing into a string cannot fail.
        let _written = writeln!(self.lines(), "{:>7} {who:<10} {what}", at.as_millis());
    }

    /// Everything so far.
    pub fn text(&self) -> String {
        self.lines().clone()
    }

    fn lines(&self) -> MutexGuard<'_, String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
