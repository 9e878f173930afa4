//! The only place that writes to the terminal. Results go to standard output, everything else to standard error.

use std::io::{self, Write};

use serde::Serialize;

use crate::error::{CommandError, Kind};

/// Where results go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// Whether results are JSON.
    pub(crate) json: bool,
}

impl Output {
    /// Writes a line of text.
    pub(crate) fn line(self, text: impl AsRef<str>) -> Result<(), CommandError> {
        self.raw(&format!("{}\n", text.as_ref()))
    }

    /// Writes text as it comes, and shows it at once.
    #[expect(clippy::unused_self, reason = "whoever writes results was given an output to write them to")]
    pub(crate) fn raw(self, text: &str) -> Result<(), CommandError> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(failed)
    }

    /// Writes a value as one line of JSON.
    pub(crate) fn json(self, value: &impl Serialize) -> Result<(), CommandError> {
        let text = serde_json::to_string(value).map_err(|error| CommandError::new(Kind::Bug, error))?;
        self.line(text)
    }

    /// Writes a value as JSON, or its text.
    pub(crate) fn either(self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), CommandError> {
        if self.json { self.json(value) } else { self.line(text()) }
    }
}

fn failed(error: io::Error) -> CommandError {
    let kind = if error.kind() == io::ErrorKind::BrokenPipe { Kind::Unheard } else { Kind::No };
    CommandError::new(kind, error).during("cannot write the result")
}

/// Says something beside the result.
pub(crate) fn note(text: impl AsRef<str>) {
    // Without a standard error there is nobody to tell.
    let _told = writeln!(io::stderr().lock(), "{}", text.as_ref());
}

/// Asks something; the answer is typed on the same line.
pub(crate) fn ask(text: impl AsRef<str>) {
    let mut err = io::stderr().lock();
    let _told = write!(err, "{}", text.as_ref()).and_then(|()| err.flush());
}

/// Says what went wrong and what to do next.
pub(crate) fn error(error: &CommandError) {
    if error.kind == Kind::Unheard {
        return;
    }
    note(printable(&format!("error: {:#}", error.source)));
    for hint in &error.hints {
        note(printable(&format!("hint: {hint}")));
    }
    if error.kind == Kind::Bug {
        note("hint: This is a bug of Towline. Run it again with TOWLINE_LOG=debug and report what it says.");
    }
}

/// Text that others wrote, without what would steer the terminal: control characters but newline and tab.
pub(crate) fn printable(text: &str) -> String {
    let plain = |c: char| !c.is_control() || c == '\n' || c == '\t';
    text.chars().map(|c| if plain(c) { c } else { '\u{fffd}' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_does_not_steer_the_terminal() {
        assert_eq!(printable("a\tb\n\x1b[2Jc\u{9b}d\r"), "a\tb\n\u{fffd}[2Jc\u{fffd}d\u{fffd}");
    }
}
