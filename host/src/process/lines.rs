//! Lines of a child's stdout, one at a time, within a bound of memory.

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// A line, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// The line; bytes that are not UTF-8 are replaced.
    Text(String),
    /// The line was longer than allowed and was skipped.
    TooLong {
        /// How long it was, in bytes.
        bytes: u64,
    },
}

/// Reads lines of at most `max_bytes` bytes; a longer one is read past and reported, its bytes are never held.
#[derive(Debug)]
pub struct Lines<R> {
    from: R,
    max_bytes: usize,
    held: Vec<u8>,
    skipped: u64,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    /// A reader with that bound.
    pub const fn new(from: R, max_bytes: usize) -> Self {
        Self { from, max_bytes, held: Vec::new(), skipped: 0 }
    }

    /// The next line; `None` at the end. A last line without an end counts. Empty lines are passed over.
    ///
    /// Cancellation safe: what was read stays for the next call.
    ///
    /// # Errors
    /// Those of the pipe.
    pub async fn next(&mut self) -> std::io::Result<Option<Line>> {
        loop {
            let chunk = self.from.fill_buf().await?;
            if chunk.is_empty() {
                return Ok(self.take());
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let part = &chunk[..end.unwrap_or(chunk.len())];
            if self.skipped > 0 {
                self.skipped += part.len() as u64;
            } else if self.held.len() + part.len() > self.max_bytes {
                self.skipped = (self.held.len() + part.len()) as u64;
                self.held = Vec::new();
            } else {
                self.held.extend_from_slice(part);
            }
            let used = end.map_or(chunk.len(), |end| end + 1);
            self.from.consume(used);
            if end.is_some()
                && let Some(line) = self.take()
            {
                return Ok(Some(line));
            }
        }
    }

    fn take(&mut self) -> Option<Line> {
        if self.skipped > 0 {
            return Some(Line::TooLong { bytes: std::mem::take(&mut self.skipped) });
        }
        let held = std::mem::take(&mut self.held);
        let text =
            String::from_utf8(held).unwrap_or_else(|wrong| String::from_utf8_lossy(wrong.as_bytes()).into_owned());
        let text = text.trim_end_matches('\r');
        (!text.is_empty()).then(|| Line::Text(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(input: &[u8], max: usize) -> Vec<Line> {
        // A reader that hands out three bytes at a time: no line may depend on how the pipe cuts them.
        let mut lines = Lines::new(tokio::io::BufReader::with_capacity(3, input), max);
        let mut found = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            found.push(line);
        }
        found
    }

    fn text(line: &str) -> Line {
        Line::Text(line.to_owned())
    }

    #[tokio::test]
    async fn lines_end_where_they_end() {
        assert_eq!(all(b"one\n\ntwo\r\nthree", 100).await, [text("one"), text("two"), text("three")]);
        assert_eq!(all(b"", 100).await, []);
    }

    #[tokio::test]
    async fn a_line_too_long_is_reported_and_the_next_is_read() {
        assert_eq!(all(b"12345\n123456\n12\n", 5).await, [text("12345"), Line::TooLong { bytes: 6 }, text("12")]);
        assert_eq!(all(b"1234567", 5).await, [Line::TooLong { bytes: 7 }]);
    }

    #[tokio::test]
    async fn wrong_utf8_is_replaced() {
        assert_eq!(all(b"a\xff\xfeb\n", 100).await, [text("a\u{fffd}\u{fffd}b")]);
    }

    #[test]
    fn fuzz_lines() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let corpus = fuzz::words(&[
            "{\"jsonrpc\":\"2.0\"}\n{\"id\":1}\r\n\n",
            "a long line without an end",
            "\n",
            "é\n\u{1f600}\n",
        ]);
        fuzz::target("lines", &corpus, |input| {
            let found = runtime.block_on(all(input, 64));
            let ends = input.split(|byte| *byte == b'\n').count() - 1;
            assert!(found.len() <= ends + 1);
            // A byte that is not UTF-8 becomes three.
            let short = |line: &Line| !matches!(line, Line::Text(text) if text.len() > 3 * 64 || text.contains('\n'));
            assert!(found.iter().all(short));
            !found.is_empty()
        });
    }
}
