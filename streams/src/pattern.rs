//! Patterns of stream paths: `*` stands for one segment or a part of one, `**` for any number of segments.

/// Longest pattern, in bytes: that of a path.
const MAX_BYTES: usize = protocol::limits::MAX_STREAM_PATH_BYTES;

/// Whether a text can be a pattern.
pub fn is_pattern(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_BYTES
        && !text.chars().any(char::is_control)
        && !text.split('/').any(str::is_empty)
}

/// Whether a path fits a pattern. Takes time in proportion to the product of their segments.
pub fn fits(pattern: &str, path: &str) -> bool {
    walk(pattern, path, |_| true)
}

/// Whether a pattern fits every path that another one fits. Never wrongly says so; `*/**` over `**`, which it takes both parts of
/// to see, it denies.
pub fn covers(pattern: &str, other: &str) -> bool {
    // A star of the other one is taken by a star only, as nothing else here stands for one; but one segment is not any number of them.
    walk(pattern, other, |segment| segment != "**")
}

/// Whether a pattern fits; `single` tells which segments may be taken by a part that stands for one.
fn walk(pattern: &str, path: &str, single: impl Fn(&str) -> bool) -> bool {
    let segments: Vec<&str> = path.split('/').collect();
    // How many segments may be used up by what was seen of the pattern.
    let mut reached = vec![false; segments.len() + 1];
    reached[0] = true;
    for part in pattern.split('/') {
        let mut next = vec![false; segments.len() + 1];
        for (used, _) in reached.iter().enumerate().filter(|(_, reached)| **reached) {
            if part == "**" {
                next[used..].fill(true);
                break;
            }
            let one = segments.get(used).filter(|segment| single(segment));
            if one.is_some_and(|segment| segment_fits(part.as_bytes(), segment.as_bytes())) {
                next[used + 1] = true;
            }
        }
        reached = next;
    }
    reached[segments.len()]
}

fn segment_fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on when what was tried does not fit: after the last star, one byte later each time.
    let mut again = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                again = Some((p + 1, t));
                p += 1;
            }
            Some(byte) if *byte == text[t] => (p, t) = (p + 1, t + 1),
            _ => {
                let Some((after, from)) = again else { return false };
                again = Some((after, from + 1));
                (p, t) = (after, from + 1);
            }
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_segments() {
        for (pattern, path, expected) in [
            ("events/*", "events/a", true),
            ("events/*", "events/a/b", false),
            ("events/*", "events", false),
            ("**", "a/b/c", true),
            ("a/**", "a", true),
            ("a/**/z", "a/z", true),
            ("a/**/z", "a/b/c/z", true),
            ("a/**/z", "a/b/c", false),
            ("a/ev-*-x", "a/ev-1-2-x", true),
            ("a/ev-*-x", "a/ev-x", false),
            ("*/b", "a/b", true),
            ("**/**/**/q", "a/a/a/a/a/a/a/a/a/a/a/a", false),
        ] {
            assert_eq!(fits(pattern, path), expected, "{pattern} {path}");
        }
        assert!(!is_pattern("") && !is_pattern("a//b") && !is_pattern("a\n") && is_pattern("a/**"));
    }

    #[test]
    fn who_may_read_what_a_pattern_fits_may_read_all_of_it() {
        for (pattern, other, expected) in [
            ("**", "**", true),
            ("**", "a/*/b-*", true),
            ("a/**", "a/**", true),
            ("a/**", "a/*", true),
            ("a/**", "a/b/**", true),
            ("a/**", "**", false),
            ("a/**", "*/**", false),
            ("a/**", "a*/**", false),
            ("a/*", "a/*", true),
            ("a/*", "a/b-*", true),
            ("a/*", "a/**", false),
            ("a/*/**", "a/**", false),
            ("a/b-*", "a/*", false),
            ("*", "**", false),
            ("a/***", "a/**", false),
        ] {
            assert_eq!(covers(pattern, other), expected, "{pattern} {other}");
        }
    }

    #[test]
    fn fuzz_patterns() {
        let corpus = fuzz::words(&["events/**/z", "a/ev-*-x", "**/**/q", "*/b*", "rooms/7/talk", "****/*a*b*"]);
        let mut last = String::from("rooms/7/talk");
        fuzz::target("patterns", &corpus, |input| {
            let Ok(text) = std::str::from_utf8(input) else { return false };
            // Whatever is a path may be asked of whatever is a pattern.
            let (pattern, path) = (text, std::mem::replace(&mut last, text.to_owned()));
            if !is_pattern(pattern) || !is_pattern(&path) {
                return false;
            }
            let fitted = fits(pattern, &path);
            assert!(fits("**", &path) && fits(&path, &path) && fits(&format!("{pattern}/**"), &path) >= fitted);
            // What covers a pattern fits what that one fits.
            assert!(covers("**", pattern) && covers(pattern, &path) <= fitted);
            assert_eq!(fitted, fits(&format!("top/{pattern}"), &format!("top/{path}")));
            true
        });
    }
}
