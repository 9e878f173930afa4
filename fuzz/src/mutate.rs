//! Damage: to bytes, and to the values of JSON, so that much of what comes out is still nearly good.

use std::ops::Range;

use crate::corpus::Corpus;
use crate::random::Random;
use crate::span;

/// Largest input that is made, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;
/// Most bytes of an input that grows by a single step: only one in a thousand becomes large, or a million would take days.
const USUAL_BYTES: usize = 16 * 1024;

/// What parsers trip over: limits of numbers, endings, brackets, escapes, other scripts, the edges of UTF-8, and paths.
const PIECES: &[&[u8]] = &[
    b"null",
    b"true",
    b"false",
    b"0",
    b"-0",
    b"-1",
    b"1",
    b"255",
    b"256",
    b"65536",
    b"2147483648",
    b"4294967295",
    b"4294967296",
    b"9007199254740991",
    b"9007199254740993",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551615",
    b"18446744073709551616",
    b"-9223372036854775809",
    b"1e308",
    b"1e400",
    b"-1e-400",
    b"0.1",
    b"1.",
    b".1",
    b"01",
    b"NaN",
    b"Infinity",
    b"\"\"",
    b"\"",
    b"''",
    b"[]",
    b"{}",
    b"[",
    b"]",
    b"{",
    b"}",
    b"[[]]",
    b"{\"\":{}}",
    b",",
    b":",
    b";",
    b"=",
    b"_",
    b"-",
    b"/",
    b"\\",
    b"\r\n",
    b"\n",
    b"\r",
    b"\t",
    b"\0",
    b" ",
    b"\x0b",
    b"\x7f",
    b"\\u0000",
    b"\\ud800",
    b"\\udc00\\ud800",
    b"\\uD83D\\uDE00",
    b"\\x",
    b"\xff",
    b"\xfe",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xf0\x9f",
    b"\xef\xbb\xbf",
    "\u{202e}".as_bytes(),
    "\u{2028}".as_bytes(),
    "\u{feff}".as_bytes(),
    "e\u{301}".as_bytes(),
    "👩‍👩‍👧‍👦".as_bytes(),
    "ß".as_bytes(),
    "İ".as_bytes(),
    b"../",
    b"..",
    b"./",
    b"//",
    b"%2e%2e%2f",
    b"%00",
    b"%",
    b"%zz",
    b"%ff",
    b"~",
    b"C:\\",
    b"__proto__",
    b"constructor",
    b"type",
    b"kind",
    b"id",
    b"ses_019b76daa80073038303030303030303",
    b"0000000000000000_0000000000000000",
    b"9999999999999999_9999999999999999",
    b"start",
    b"now",
    b"\x1b[31m",
    b"\x1b]0;x\x07",
];

/// Makes the next input.
pub(crate) fn next(random: &mut Random, corpus: &Corpus, out: &mut Vec<u8>) {
    out.clear();
    if random.one_in(32) {
        let length = random.below(96);
        out.extend(std::iter::repeat_with(|| random.byte()).take(length));
        return;
    }
    if let Some(good) = random.of(&corpus.inputs) {
        out.extend_from_slice(good);
    }
    // Good input in between keeps a parser that remembers going.
    if random.one_in(6) {
        return;
    }
    let most = if random.one_in(1_000) { MAX_BYTES } else { USUAL_BYTES };
    for _ in 0..=random.below(4) {
        if random.one_in(2) { to_values(random, corpus, out, most) } else { to_bytes(random, corpus, out, most) }
    }
    out.truncate(most.max(corpus.inputs.iter().map(Vec::len).max().unwrap_or(0)));
}

/// One change to a value of JSON.
fn to_values(random: &mut Random, corpus: &Corpus, out: &mut Vec<u8>, most: usize) {
    let values = span::values(out);
    let Some(range) = random.of(&values).cloned() else { return to_bytes(random, corpus, out, most) };
    match random.below(6) {
        // Another value of the corpus in its place: right shapes in wrong places.
        0 | 1 => {
            if let Some((which, from)) = random.of(&corpus.values) {
                let other = corpus.inputs[*which][from.clone()].to_vec();
                out.splice(range, other);
            }
        }
        // Another value of this input: ids and numbers that meet themselves again.
        2 => {
            if let Some(from) = random.of(&values).cloned() {
                let other = out[from].to_vec();
                out.splice(range, other);
            }
        }
        3 => {
            let piece = random.of(PIECES).copied().unwrap_or_default();
            out.splice(range, piece.iter().copied());
        }
        // Gone, with the comma or colon that follows.
        4 => {
            let end = range.end + usize::from(matches!(out.get(range.end), Some(b',' | b':')));
            out.drain(range.start..end);
        }
        _ => deepen(random, out, range, most),
    }
}

/// Puts a value into brackets, often, or makes it long.
fn deepen(random: &mut Random, out: &mut Vec<u8>, range: Range<usize>, most: usize) {
    let times = 1 << random.below(if most > USUAL_BYTES { 15 } else { 9 });
    let value = out[range.clone()].to_vec();
    let longer: Vec<u8> = match random.below(3) {
        0 => [b"[".repeat(times), value, b"]".repeat(times)].concat(),
        1 => [br#"{"a":"#.repeat(times.min(most / 8)), value, b"}".repeat(times.min(most / 8))].concat(),
        _ => {
            let letter = random.byte();
            let middle = value.len() / 2;
            [&value[..middle], &vec![letter; times], &value[middle..]].concat()
        }
    };
    out.splice(range, longer);
}

/// One change to bytes.
fn to_bytes(random: &mut Random, corpus: &Corpus, out: &mut Vec<u8>, most: usize) {
    let at = random.below(out.len() + 1);
    let piece = |random: &mut Random, out: &[u8]| {
        let start = random.below(out.len());
        let end = (start + 1 + random.below(64)).min(out.len());
        start.min(end)..end
    };
    match random.below(8) {
        0 => {
            if let Some(byte) = out.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        1 => {
            if let Some(byte) = out.get_mut(at) {
                *byte = random.byte();
            }
        }
        2 => {
            let piece = random.of(PIECES).copied().unwrap_or_default();
            out.splice(at..at, piece.iter().copied());
        }
        3 => {
            let range = piece(random, out);
            out.drain(range);
        }
        4 => {
            let range = piece(random, out);
            let copy = out[range].to_vec();
            let copy = copy.repeat(1 + random.below(4));
            if out.len() + copy.len() <= most {
                out.splice(at..at, copy);
            }
        }
        5 => out.truncate(at),
        6 => {
            if let Some(other) = random.of(&corpus.inputs) {
                let from = random.below(other.len());
                out.truncate(at);
                out.extend_from_slice(&other[from..]);
            }
        }
        _ => {
            let (one, other) = (random.below(out.len()), random.below(out.len()));
            if one < out.len() && other < out.len() {
                out.swap(one, other);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::words;

    #[test]
    fn the_same_seed_makes_the_same_inputs_and_they_differ() {
        let corpus = words(&[r#"{"type":"ping","req":1}"#, r#"{"type":"x","list":[1,2,{"a":null}]}"#]);
        let inputs = |seed: u64| {
            let (mut random, mut out) = (Random::new(seed), Vec::new());
            let next = |_| {
                next(&mut random, &corpus, &mut out);
                out.clone()
            };
            (0..5_000).map(next).collect::<Vec<_>>()
        };
        let one = inputs(7);
        assert_eq!(one, inputs(7));
        assert!(one.iter().all(|input| input.len() <= MAX_BYTES));
        let mut different = one.clone();
        different.sort();
        different.dedup();
        assert!(different.len() > 3_000, "{}", different.len());
        assert!(
            one.iter().any(|input| input.len() > 1_000) && one.iter().any(|input| std::str::from_utf8(input).is_err())
        );
    }
}
