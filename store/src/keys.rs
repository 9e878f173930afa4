//! Which keys a scan may meet.

use std::ops::Bound;

use crate::port::{Direction, Scan};

/// The lowest and the highest key of a scan; `None` when no key can be in it.
pub(crate) fn bounds(scan: &Scan) -> Option<(Bound<&str>, Bound<String>)> {
    let prefix = scan.prefix.as_str();
    let mut low = Bound::Included(prefix);
    let mut high = successor(prefix).map_or(Bound::Unbounded, Bound::Excluded);
    match (scan.direction, scan.after.as_deref()) {
        (Direction::Forwards, Some(after)) if after >= prefix => low = Bound::Excluded(after),
        (Direction::Backwards, Some(after)) if below(after, &high) => high = Bound::Excluded(after.to_owned()),
        _ => {}
    }
    let (Bound::Included(bottom) | Bound::Excluded(bottom)) = low else { return None };
    below(bottom, &high).then_some((low, high))
}

fn below(key: &str, high: &Bound<String>) -> bool {
    match high {
        Bound::Excluded(high) => key < high.as_str(),
        Bound::Included(_) | Bound::Unbounded => true,
    }
}

/// The first text after all texts that begin with `prefix`; `None` when there is no such text. UTF-8 sorts as its characters do.
fn successor(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        let next = match last {
            '\u{D7FF}' => Some('\u{E000}'),
            last => char::from_u32(u32::from(last) + 1),
        };
        if let Some(next) = next {
            text.push(next);
            return Some(text);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::successor;

    #[test]
    fn the_successor_is_above_everything_with_the_prefix() {
        for (prefix, expected) in
            [("a/", Some("a0")), ("", None), ("a\u{10FFFF}", Some("b")), ("\u{D7FF}", Some("\u{E000}"))]
        {
            assert_eq!(successor(prefix).as_deref(), expected, "{prefix:?}");
        }
    }
}
