//! The only place that writes to the terminal. Results go to standard output, everything else to standard error.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
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
/// Whether it is being said what takes so long: what waits within what waits has nothing to add.
static SAYING: AtomicBool = AtomicBool::new(false);

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
        if SAYING.swap(true, Ordering::Relaxed) {
            return work.await;
        }
        let done = self.saying(what, work.as_mut()).await;
        ask("\r\u{1b}[2K");
        SAYING.store(false, Ordering::Relaxed);
        done
    }

    /// Says what takes so long until it is done, on one line.
    async fn saying<T>(self, what: &str, mut work: std::pin::Pin<&mut impl Future<Output = T>>) -> T {
        let began = tokio::time::Instant::now();
        for picture in ["●─────●", "●━────●", "●─━───●", "●──━──●", "●───━─●", "●────━●"].into_iter().cycle()
        {
            let seconds = (began.elapsed() + QUIET).as_secs();
            // A line that is wider than the terminal would leave a piece of itself behind each time; its last column is the cursor's.
            let room = columns().map_or(usize::MAX, |columns| columns.saturating_sub(1));
            let words: String = format!("{picture}  {what} ({seconds} s)").chars().take(room).collect();
            ask(format!("\r\u{1b}[2K{words}"));
            if let Ok(done) = tokio::time::timeout(TICK, work.as_mut()).await {
                return done;
            }
        }
        work.await
    }

    /// Writes a text for people, folded where the terminal is narrower.
    pub(crate) fn prose(self, text: impl AsRef<str>) -> Result<(), CommandError> {
        self.line(folded(text.as_ref(), columns()))
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
    let _told = writeln!(io::stderr().lock(), "{}", folded(text.as_ref(), columns()));
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

/// How wide the terminal is, in characters; `None` where there is none.
#[cfg(unix)]
pub(crate) fn columns() -> Option<usize> {
    fn width(terminal: impl std::os::fd::AsFd) -> Option<usize> {
        let size = rustix::termios::tcgetwinsize(terminal).ok()?;
        Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
    }
    width(io::stderr()).or_else(|| width(io::stdout()))
}

/// How wide the terminal is: not asked here.
#[cfg(not(unix))]
pub(crate) fn columns() -> Option<usize> {
    None
}

/// A text whose lines fit: what is wider goes on below, at the same indent, broken between words.
fn folded(text: &str, columns: Option<usize>) -> String {
    let Some(columns) = columns else { return text.to_owned() };
    let fold = |line: &str| {
        let words = line.trim_start_matches(' ');
        let indent = line.len().saturating_sub(words.len());
        if line.chars().count() <= columns || words.is_empty() {
            return line.to_owned();
        }
        let mut lines = vec![" ".repeat(indent)];
        let mut is_first = true;
        for word in words.split(' ') {
            let Some(last) = lines.last_mut() else { continue };
            if is_first {
                last.push_str(word);
            } else if last.chars().count() + 1 + word.chars().count() <= columns {
                last.push(' ');
                last.push_str(word);
            } else {
                lines.push(format!("{}{word}", " ".repeat(indent)));
            }
            is_first = false;
        }
        lines.join("\n")
    };
    text.split('\n').map(fold).collect::<Vec<_>>().join("\n")
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
    fn what_is_wider_than_the_terminal_goes_on_below() {
        let text = "  one two three\n\n  four";
        assert_eq!(folded(text, None), text);
        assert_eq!(folded(text, Some(9)), "  one two\n  three\n\n  four");
        assert_eq!(folded("  Code     ABCD", Some(80)), "  Code     ABCD");
        assert_eq!(folded("a-word-that-fits-nowhere b", Some(5)), "a-word-that-fits-nowhere\nb");
    }

    #[test]
    fn what_others_wrote_does_not_steer_the_terminal() {
        assert_eq!(printable("a\tb\n\x1b[2Jc\u{9b}d\r"), "a\tb\n\u{fffd}[2Jc\u{fffd}d\u{fffd}");
    }
}
