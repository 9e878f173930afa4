//! What a file is, by its bytes alone: what a client says of it decides nothing.

/// How a file begins that is an image.
fn image(start: &[u8]) -> Option<&'static str> {
    match start {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// Whether what begins like this may be a file that is taken: an early look, so that a film is not sent whole in vain.
pub(super) fn may_become(start: &[u8]) -> bool {
    // Too short to tell: the look at the whole decides.
    start.len() < 16 || image(start).is_some() || Text::default().add(start)
}

/// Looks at a file from its beginning to its end.
#[derive(Debug, Default)]
pub(super) struct Sniffer {
    start: Vec<u8>,
    text: Text,
    no_text: bool,
}

impl Sniffer {
    /// Takes the next bytes.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let missing = 16_usize.saturating_sub(self.start.len()).min(bytes.len());
        self.start.extend_from_slice(&bytes[..missing]);
        self.no_text = self.no_text || !self.text.add(bytes);
    }

    /// What it is; `None` for what is not taken.
    pub(super) fn end(self) -> Option<&'static str> {
        image(&self.start).or_else(|| (!self.no_text && self.text.rest.is_empty()).then_some("text/plain"))
    }
}

/// Whether bytes that come in pieces are text in UTF-8: a character may be cut between two of them.
#[derive(Debug, Default)]
struct Text {
    rest: Vec<u8>,
}

impl Text {
    /// Whether it is still text.
    fn add(&mut self, bytes: &[u8]) -> bool {
        // A byte of zero is in no text that a person writes, and in most files that are none.
        if bytes.contains(&0) {
            return false;
        }
        let joined;
        let all: &[u8] = if self.rest.is_empty() {
            bytes
        } else {
            joined = [self.rest.as_slice(), bytes].concat();
            &joined
        };
        match std::str::from_utf8(all) {
            Ok(_) => self.rest.clear(),
            Err(error) if error.error_len().is_none() => {
                let rest = all[error.valid_up_to()..].to_vec();
                self.rest = rest;
            }
            Err(_) => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: Option<&str>) {
        for piece in [1, 3, 7, bytes.len().max(1)] {
            let mut sniffer = Sniffer::default();
            bytes.chunks(piece).for_each(|piece| sniffer.add(piece));
            assert_eq!(sniffer.end(), expected, "{bytes:?} in pieces of {piece}");
        }
        if expected.is_some() {
            assert!(may_become(bytes), "{bytes:?}");
        }
    }

    #[test]
    fn what_a_file_is_is_seen_in_its_bytes() {
        check(b"\x89PNG\r\n\x1a\nrest\0\0", Some("image/png"));
        check(b"\xff\xd8\xff\xe0\0\x10JFIF\0", Some("image/jpeg"));
        check(b"GIF89a\x01\0\x01\0", Some("image/gif"));
        check(b"RIFF\x24\0\0\0WEBPVP8 ", Some("image/webp"));
        check("Ebbe und Flut: 写真 🌊\n".as_bytes(), Some("text/plain"));
        // What runs in a browser is shown as the text that it is.
        check(b"<svg onload=alert(1)>", Some("text/plain"));
        check(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0", None);
        check(b"%PDF-1.7\n\xe2\xe3\xcf\xd3 and more", None);
        check(b"RIFF\x24\0\0\0WAVEfmt ", None);
        check("cut in a character: é".as_bytes().split_last().expect("bytes").1, None);
    }
}
