//! The only place that writes to the terminal. Results go to standard output, everything else to standard error.

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

use crate::error::{CommandError, Kind};

/// Where results go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// Whether results are JSON.
    pub(crate) json: bool,
    /// Whether results may have colours.
    pub(crate) colour: bool,
    /// Whether a person sees what takes long.
    pub(crate) progress: bool,
}

/// What a text is, for those who see colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// A heading.
    Strong,
    /// As it should be.
    Good,
    /// Worth a look.
    Warning,
    /// Wrong, or waiting for a person.
    Bad,
    /// Beside the point.
    Faint,
}

/// How long something may take before it is said what takes so long.
const QUIET: Duration = Duration::from_secs(1);
/// Between two pictures of what moves.
const TICK: Duration = Duration::from_millis(120);

impl Output {
    /// Writes a line of text.
    pub(crate) fn line(self, text: impl AsRef<str>) -> Result<(), CommandError> {
        self.raw(&format!("{}\n", text.as_ref()))
    }

    /// A text in its colour.
    pub(crate) fn paint(self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Strong => "1",
            Style::Good => "32",
            Style::Warning => "33",
            Style::Bad => "31",
            Style::Faint => "2",
        };
        if self.colour && !self.json { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Waits for something; when it takes over a second, a person at a terminal sees for what.
    pub(crate) async fn waiting<T>(self, what: &str, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        if !self.progress {
            return work.await;
        }
        if let Ok(done) = tokio::time::timeout(QUIET, work.as_mut()).await {
            return done;
        }
        let began = tokio::time::Instant::now();
        for picture in ["●─────●", "●━────●", "●─━───●", "●──━──●", "●───━─●", "●────━●"].into_iter().cycle()
        {
            let seconds = (began.elapsed() + QUIET).as_secs();
            ask(format!("\r\u{1b}[2K{picture}  {what} ({seconds} s)"));
            if let Ok(done) = tokio::time::timeout(TICK, work.as_mut()).await {
                ask("\r\u{1b}[2K");
                return done;
            }
        }
        work.await
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
pub(crate) fn error(error: &CommandError, colour: bool) {
    if matches!(error.kind, Kind::Unheard | Kind::Told(_)) {
        return;
    }
    let out = Output { json: false, colour, progress: false };
    let (wrong, hint) = (out.paint(Style::Bad, "error:"), out.paint(Style::Good, "hint:"));
    note(format!("{wrong} {}", printable(&format!("{:#}", error.source))));
    for words in &error.hints {
        note(format!("{hint} {}", printable(words)));
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
