//! Typed codes: eight letters of Crockford's base 32, 40 bits, shown as `XXXX-XXXX`.

use crate::random::Random;

/// Crockford's letters: no `I`, `L`, `O` or `U`.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Letters of a code (8 × 5 bits = `PAIRING_CODE_BITS`).
const LENGTH: usize = 8;

/// A fresh code, in the form in which it is hashed.
pub(super) fn fresh(random: &dyn Random) -> String {
    let mut bytes = [0_u8; 5];
    random.fill(&mut bytes);
    of_number(bytes.iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte)))
}

/// The code of a number of forty bits.
pub(super) fn of_number(number: u64) -> String {
    (0..LENGTH)
        .rev()
        .map(|place| char::from(LETTERS[usize::try_from((number >> (5 * place)) & 31).unwrap_or(0)]))
        .collect()
}

/// The first half of a code in the form in which it is hashed: it says which code somebody means, the second half that they know it.
pub(super) fn half(code: &str) -> &str {
    code.get(..LENGTH / 2).unwrap_or(code)
}

/// As people see it.
pub(super) fn shown(code: &str) -> String {
    let (left, right) = code.split_at(LENGTH / 2);
    format!("{left}-{right}")
}

/// What somebody typed, in the form in which codes are hashed; `None` when it cannot be a code.
pub(super) fn normal(typed: &str) -> Option<String> {
    let mut code = String::with_capacity(LENGTH);
    for letter in typed.chars().filter(|c| !matches!(c, '-' | ' ' | '\u{2010}'..='\u{2015}' | '\u{a0}')) {
        let letter = match letter.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            letter => letter,
        };
        if code.len() == LENGTH || !u8::try_from(letter).is_ok_and(|byte| LETTERS.contains(&byte)) {
            return None;
        }
        code.push(letter);
    }
    (code.len() == LENGTH).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Fixed([u8; 5]);

    impl Random for Fixed {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.copy_from_slice(&self.0);
        }
    }

    #[test]
    fn a_code_is_the_forty_bits_in_order() {
        assert_eq!(fresh(&Fixed([0; 5])), "00000000");
        assert_eq!(fresh(&Fixed([0xff; 5])), "ZZZZZZZZ");
        // 00001 00010 00011 00100 00101 00110 00111 01000
        assert_eq!(fresh(&Fixed([0x08, 0x86, 0x42, 0x98, 0xe8])), "12345678");
        assert_eq!(protocol::limits::PAIRING_CODE_BITS as usize, LENGTH * 5);
    }

    #[test]
    fn what_people_type_is_understood() {
        for typed in ["10AB-CDEF", "10abcdef", " 1o ab-cd ef ", "LOAB—CDEF", "i0ab cdef"] {
            assert_eq!(normal(typed).as_deref(), Some("10ABCDEF"), "{typed}");
        }
        for typed in ["", "10ABCDE", "10ABCDEF0", "U0ABCDEF", "10ABCDÉF", "10ABCDE!"] {
            assert_eq!(normal(typed), None, "{typed}");
        }
        assert_eq!(normal(&shown("10ABCDEF")).as_deref(), Some("10ABCDEF"));
    }

    #[test]
    fn fuzz_pairing_codes() {
        let corpus = fuzz::words(&["10AB-CDEF", "10abcdef", " 1o ab-cd ef ", "LOAB\u{2014}CDEF"]);
        fuzz::target("pairing-codes", &corpus, |input| {
            let Some(code) = normal(&String::from_utf8_lossy(input)) else { return false };
            assert_eq!(normal(&shown(&code)), Some(code));
            true
        });
    }
}
