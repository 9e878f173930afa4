//! How long a file may be, and that a crate has something in it.

use super::tree::File;
use super::{Finding, rust};

/// Most lines of a source file, its tests not counted. The natural length is 150 to 250; the tail is where nobody reads.
const LONGEST: usize = 600;

pub(super) fn long(file: &File) -> Vec<Finding> {
    if !file.is_source() || file.is_test() {
        return Vec::new();
    }
    let text = if file.ending() == "rs" { rust::without_tests(&file.text) } else { &file.text };
    let lines = text.lines().count();
    if lines <= LONGEST {
        return Vec::new();
    }
    vec![Finding::new(file, 0, format!("{lines} lines without tests, {LONGEST} at most: split it by what it is about"))]
}

pub(super) fn empty(file: &File) -> Vec<Finding> {
    let root = file.path.ends_with("/src/lib.rs") || file.path.ends_with("/src/main.rs");
    if !root || file.path.split('/').count() != 3 {
        return Vec::new();
    }
    let says_something = |line: &&str| {
        let line = line.trim();
        !(line.is_empty() || line.starts_with("//") || line.starts_with("#!") || line == "fn main() {}")
    };
    if file.text.lines().any(|line| says_something(&line)) {
        return Vec::new();
    }
    vec![Finding::new(file, 0, "an empty crate: it comes when there is something to put into it")]
}

#[cfg(test)]
mod tests {
    use super::super::tree::file;
    use super::*;

    #[test]
    fn a_long_file_is_found_but_not_a_long_test() {
        let lines = |count| "let a = 1;\n".repeat(count);
        assert_eq!(long(&file("hub/src/a.rs", &lines(601))).len(), 1);
        assert_eq!(long(&file("web/src/a.tsx", &lines(601))).len(), 1);
        assert_eq!(long(&file("hub/src/a.rs", &lines(600))), []);
        assert_eq!(
            long(&file("hub/src/a.rs", &format!("{}#[cfg(test)]\nmod tests {{\n{}}}", lines(600), lines(600)))),
            []
        );
        assert_eq!(long(&file("hub/src/a/tests.rs", &lines(900))), []);
        assert_eq!(long(&file("web/src/protocol/a.ts", &format!("// @generated\n{}", lines(900)))), []);
    }

    #[test]
    fn an_empty_crate_is_found() {
        assert_eq!(empty(&file("link/src/lib.rs", "//! Later.\n\n")).len(), 1);
        assert_eq!(empty(&file("link/src/main.rs", "//! Later.\nfn main() {}\n")).len(), 1);
        assert_eq!(empty(&file("link/src/lib.rs", "//! Now.\nmod a;\n")), []);
    }
}
