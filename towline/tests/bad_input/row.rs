//! What a row of a table came to.

use std::fmt;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

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

/// When these tests began, in milliseconds since 1970.
static BEGAN_AT_MS: LazyLock<u128> =
    LazyLock::new(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis());

/// The id of a command of now: the same door and number are the same command.
pub(crate) fn command_id(door: u16, number: u64) -> String {
    format!("cmd_{:012x}7000{door:04x}{number:012x}", *BEGAN_AT_MS)
}
