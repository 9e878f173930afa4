//! Good input, and the pieces of it that damage is made of.

use std::ops::Range;
use std::path::Path;

use crate::span;

/// Good input. Never empty.
#[derive(Debug, Clone)]
pub struct Corpus {
    pub(crate) inputs: Vec<Vec<u8>>,
    /// Values that stand somewhere in the inputs: which input, and where.
    pub(crate) values: Vec<(usize, Range<usize>)>,
}

impl Corpus {
    fn new(inputs: Vec<Vec<u8>>) -> Self {
        assert!(!inputs.is_empty(), "there is good input to begin with");
        let values = inputs.iter().enumerate();
        let values = values.flat_map(|(which, input)| span::values(input).into_iter().map(move |range| (which, range)));
        Self { values: values.collect(), inputs }
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::new(self.inputs.into_iter().chain(other.inputs).collect())
    }
}

/// Short inputs, written where they are used.
pub fn words(inputs: &[&str]) -> Corpus {
    Corpus::new(inputs.iter().map(|input| input.as_bytes().to_vec()).collect())
}

/// The values of the top object of a JSON file, without the spaces between things.
///
/// # Panics
/// When the file cannot be read or holds no object.
pub fn json(file: &Path) -> Corpus {
    let text = compact(&std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display())));
    let all = span::values(&text);
    // A value of the top object is between brackets and not inside another one, but for the whole.
    let objects = all.iter().filter(|range| range.len() < text.len() && matches!(text[range.start], b'{' | b'['));
    let mut top: Vec<Range<usize>> = Vec::new();
    for range in objects {
        top.retain(|inner| inner.start < range.start || inner.end > range.end);
        top.push(range.clone());
    }
    Corpus::new(top.into_iter().map(|range| text[range].to_vec()).collect())
}

/// The lines of every file of a folder whose name begins so.
///
/// # Panics
/// When there is none.
pub fn jsonl(folder: &Path, prefix: &str) -> Corpus {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let wanted =
        |path: &&std::path::PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix));
    let texts = files.iter().filter(wanted).map(|path| std::fs::read(path).unwrap_or_default());
    let lines = |text: Vec<u8>| text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>();
    Corpus::new(texts.flat_map(lines).filter(|line| !line.is_empty()).collect())
}

fn compact(text: &[u8]) -> Vec<u8> {
    let (mut out, mut inside, mut escaped) = (Vec::with_capacity(text.len()), false, false);
    for byte in text {
        if inside || !byte.is_ascii_whitespace() {
            out.push(*byte);
        }
        inside ^= *byte == b'"' && !escaped;
        escaped = inside && *byte == b'\\' && !escaped;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_stay_in_strings_only() {
        assert_eq!(compact(br#"{ "a b" : "c \" d" , "e": 1 }"#), br#"{"a b":"c \" d","e":1}"#);
    }
}
