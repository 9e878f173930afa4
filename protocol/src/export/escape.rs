//! Words that others wrote, inside a Markdown document of ours: they may look like anything and must not end what they are in.

use crate::time::UnixMs;

/// A text as one line of plain words.
pub(super) fn inline(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        for c in word.chars() {
            if matches!(c, '\\' | '`' | '*' | '_' | '<' | '>' | '[' | ']' | '#' | '|') {
                line.push('\\');
            }
            line.push(c);
        }
    }
    line
}

/// A text as a block of code, fenced by more backticks than it holds in a row.
pub(super) fn fenced(language: &str, text: &str) -> String {
    let mut longest = 0;
    let mut run = 0;
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(3.max(longest + 1));
    let text = text.strip_suffix('\n').unwrap_or(text);
    format!("{fence}{language}\n{text}\n{fence}")
}

/// A fence that a line opens or closes: its character, how many there are, and whether nothing follows.
fn fence(line: &str) -> Option<(char, usize, bool)> {
    let inner = line.trim_start_matches(' ');
    if line.len() - inner.len() > 3 {
        return None;
    }
    let mark = inner.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let rest = inner.trim_start_matches(mark);
    let count = inner.len() - rest.len();
    // Backticks with a backtick behind them on the same line are code within a line.
    let opens = count >= 3 && !(mark == '`' && rest.contains('`'));
    opens.then(|| (mark, count, rest.trim_matches([' ', '\t', '\r']).is_empty()))
}

/// A text that is Markdown, with the block of code that it may leave open closed: what stands below stays outside of it.
pub(super) fn closed(text: &str) -> String {
    let text = text.trim_end_matches(['\n', '\r', ' ']);
    let mut open: Option<(char, usize)> = None;
    for line in text.split('\n') {
        open = match (open, fence(line)) {
            (None, Some((mark, count, _))) => Some((mark, count)),
            (Some((mark, count)), Some((other, more, true))) if other == mark && more >= count => None,
            (open, _) => open,
        };
    }
    match open {
        None => text.to_owned(),
        Some((mark, count)) => format!("{text}\n{}", mark.to_string().repeat(count)),
    }
}

/// Every line behind as many `>` as it is deep.
pub(super) fn quoted(text: &str, depth: usize) -> String {
    if depth == 0 {
        return text.to_owned();
    }
    let mark = vec![">"; depth].join(" ");
    let lines = text.split('\n').map(|line| if line.is_empty() { mark.clone() } else { format!("{mark} {line}") });
    lines.collect::<Vec<_>>().join("\n")
}

/// A point of time as `2026-11-20 22:30 UTC`.
pub(super) fn time(at: UnixMs) -> String {
    let stamp = i64::try_from(at.0).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
    stamp.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// A count with its thousands apart: `12,345`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, c) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_off_the_calendar() {
        for (ms, text) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_400_000, "2000-02-29 00:00 UTC"),
            (1_767_225_599_999, "2025-12-31 23:59 UTC"),
            (1_795_213_800_000, "2026-11-20 22:30 UTC"),
        ] {
            assert_eq!(time(UnixMs(ms)), text);
        }
    }

    #[test]
    fn an_open_block_is_closed_and_a_closed_one_is_not() {
        for (text, expected) in [
            ("plain\n\n", "plain"),
            ("```rust\nlet a;", "```rust\nlet a;\n```"),
            ("```\na\n```", "```\na\n```"),
            ("~~~~\n~~~\n```", "~~~~\n~~~\n```\n~~~~"),
            ("```not `a fence", "```not `a fence"),
            ("    ```", "    ```"),
            ("````\n```\n````", "````\n```\n````"),
            ("```\n``` x", "```\n``` x\n```"),
        ] {
            assert_eq!(closed(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_block_has_more_backticks_than_its_text() {
        assert_eq!(fenced("", "a\n"), "```\na\n```");
        assert_eq!(fenced("md", "````x"), "`````md\n````x\n`````");
    }

    #[test]
    fn counts_are_easy_to_read() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
    }
}
