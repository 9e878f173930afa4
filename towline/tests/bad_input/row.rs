//! What a row of a table came to.

use std::fmt;

/// A row after it was tried.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// What came in, in words.
    pub(crate) input: String,
    /// Which answer is right: a stable code, mostly.
    pub(crate) wanted: String,
    /// Which came.
    pub(crate) got: String,
    /// Whether the answer says what to do next; rows that are cut off below HTTP have none to say.
    pub(crate) next_step: bool,
    /// What became of what was there before.
    pub(crate) unharmed: Result<(), String>,
}

impl Outcome {
    pub(crate) fn is_right(&self) -> bool {
        self.wanted == self.got && self.next_step && self.unharmed.is_ok()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<72} {}", self.input, self.got)?;
        if self.wanted != self.got {
            write!(f, "  WANTED {}", self.wanted)?;
        }
        if !self.next_step {
            write!(f, "  NO NEXT STEP")?;
        }
        match &self.unharmed {
            Ok(()) => Ok(()),
            Err(harm) => write!(f, "  HARM: {harm}"),
        }
    }
}
