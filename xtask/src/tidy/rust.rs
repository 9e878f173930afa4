//! Just enough of Rust's lexical rules to look at the right part of a file: its code without tests, its strings.

/// The part of a file before its test module, which by habit is the last thing in it.
pub(super) fn without_tests(text: &str) -> &str {
    let mut at = 0;
    let mut pending = None;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        if trimmed.starts_with("#[cfg(") && trimmed.contains("test") && !trimmed.contains("not(test") {
            pending.get_or_insert(at);
        } else if trimmed.starts_with("mod ") && trimmed.ends_with('{') {
            if let Some(start) = pending {
                return &text[..start];
            }
        } else if !trimmed.starts_with('#') {
            pending = None;
        }
        at += line.len();
    }
    text
}

/// A line without its `//` comment. A `//` inside a string ends it too, which can only make a rule miss something.
pub(super) fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

/// The string literals of a text, each with the number of the line it starts on, counted from 1.
pub(super) fn strings(text: &str) -> Vec<(usize, String)> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let rest = &chars[at..];
        let step = match rest {
            ['/', '/', ..] => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
            ['/', '*', ..] => {
                2 + rest[2..].windows(2).position(|pair| pair == ['*', '/']).map_or(rest.len() - 2, |end| end + 2)
            }
            ['\'', '\\', _, '\'', ..] => 4,
            ['\'', _, '\'', ..] => 3,
            ['r', '"' | '#', ..] if at == 0 || !chars[at - 1].is_alphanumeric() => match raw(rest) {
                Some((string, length)) => {
                    found.push((line, string));
                    length
                }
                None => 1,
            },
            ['"', ..] => {
                let (string, length) = quoted(rest);
                found.push((line, string));
                length
            }
            _ => 1,
        };
        line += chars[at..at + step].iter().filter(|c| **c == '\n').count();
        at += step;
    }
    found
}

fn quoted(rest: &[char]) -> (String, usize) {
    let mut string = String::new();
    let mut at = 1;
    while at < rest.len() && rest[at] != '"' {
        if rest[at] == '\\' && at + 1 < rest.len() {
            at += 1;
        }
        string.push(rest[at]);
        at += 1;
    }
    (string, (at + 1).min(rest.len()))
}

fn raw(rest: &[char]) -> Option<(String, usize)> {
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return None;
    }
    let body = &rest[2 + hashes..];
    let end = body.iter().enumerate().position(|(at, c)| {
        *c == '"' && body.len() > at + hashes && body[at + 1..=at + hashes].iter().all(|c| *c == '#')
    })?;
    Some((body[..end].iter().collect(), 2 + hashes + end + 1 + hashes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_module_is_cut_off() {
        let text = "fn a() {}\n\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n";
        assert_eq!(without_tests(text), "fn a() {}\n\n");
        let unix = "fn a() {}\n#[cfg(all(test, unix))]\nmod tests {\n}\n";
        assert_eq!(without_tests(unix), "fn a() {}\n");
        let declared = "#[cfg(test)]\nmod tests;\nfn a() {}\n";
        assert_eq!(without_tests(declared), declared);
    }

    #[test]
    fn strings_are_found_and_nothing_else() {
        let text = "let a = \"one\"; // \"no\"\nlet q = '\"'; let b = r#\"two \"x\"\"#;\n/* \"no\" */ let c = \"th\\\"ree\\n\";";
        let expected = [(1, "one"), (2, "two \"x\""), (3, "th\"reen")];
        assert_eq!(strings(text), expected.map(|(line, string)| (line, string.to_owned())));
    }

    #[test]
    fn an_unfinished_string_does_not_hang() {
        assert_eq!(strings("\"abc").len(), 1);
        assert_eq!(strings("r#\"abc").len(), 1);
    }
}
