//! Where the values of JSON stand in bytes, also in bytes that are no longer JSON.

use std::ops::Range;

/// Most values that are found in one input; more would not make it more interesting.
const MOST: usize = 4_096;

/// Every value: strings (keys too), numbers and words, and everything between brackets that match.
pub(crate) fn values(bytes: &[u8]) -> Vec<Range<usize>> {
    let (mut found, mut open, mut at) = (Vec::new(), Vec::new(), 0);
    while at < bytes.len() && found.len() < MOST {
        let start = at;
        match bytes[at] {
            b'"' => {
                at = string_end(bytes, at);
                found.push(start..at);
            }
            b'{' | b'[' => {
                open.push(at);
                at += 1;
            }
            b'}' | b']' => {
                at += 1;
                if let Some(start) = open.pop() {
                    found.push(start..at);
                }
            }
            byte if is_plain(byte) => {
                while at < bytes.len() && is_plain(bytes[at]) {
                    at += 1;
                }
                found.push(start..at);
            }
            _ => at += 1,
        }
    }
    found
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_also_in_what_is_broken() {
        let check = |text: &str, expected: &[&str]| {
            let found: Vec<&str> = values(text.as_bytes()).into_iter().map(|range| &text[range]).collect();
            assert_eq!(found, expected, "{text}");
        };
        check(r#"{"a":[1,true]}"#, &[r#""a""#, "1", "true", "[1,true]", r#"{"a":[1,true]}"#]);
        check(r#""a\"b" -1e9"#, &[r#""a\"b""#, "-1e9"]);
        check(r#"]"open\"#, &[r#""open\"#]);
        check("", &[]);
    }
}
