//! Server-sent events: how chunks of a stream are written.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use store::Message;

use super::headers;
use crate::json;

/// How message bytes become text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// One JSON array per event.
    Json,
    /// The text itself.
    Text,
    /// Base64 of the bytes.
    Base64,
}

impl Encoding {
    pub(super) fn of(content_type: &str) -> Self {
        if headers::is_json(content_type) {
            Self::Json
        } else if headers::media(content_type).starts_with("text/") {
            Self::Text
        } else {
            Self::Base64
        }
    }
}

/// What follows every data event.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Control {
    /// Where to go on.
    pub(super) stream_next_offset: String,
    /// The cursor; absent at the end for ever. (The public protocol leaves fields out, unlike our own wire.)
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stream_cursor: Option<String>,
    /// Whether the reader has everything.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) up_to_date: bool,
    /// Whether that is the end for ever.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) stream_closed: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// A comment that keeps the connection alive.
pub(super) const ALIVE: &[u8] = b":\n\n";

/// Messages as a data event.
pub(super) fn data(encoding: Encoding, messages: &[Message]) -> Vec<u8> {
    let bodies = messages.iter().map(|m| m.body.as_ref());
    match encoding {
        Encoding::Json => event("data", &String::from_utf8_lossy(&json::array(bodies))),
        Encoding::Text => event("data", &String::from_utf8_lossy(&bodies.collect::<Vec<_>>().concat())),
        Encoding::Base64 => event("data", &STANDARD.encode(bodies.collect::<Vec<_>>().concat())),
    }
}

/// A control event.
pub(super) fn control(control: &Control) -> Vec<u8> {
    event("control", &serde_json::to_string(control).expect("a struct of plain fields is JSON"))
}

/// One event. Whatever the text holds, it cannot end the event or begin another: every line of it is a data line of its own.
fn event(kind: &str, text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 32);
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(kind.as_bytes());
    let mut rest = text;
    loop {
        let end = rest.find(['\r', '\n']);
        let line = &rest[..end.unwrap_or(rest.len())];
        // A reader takes one space away after the colon.
        out.extend_from_slice(if line.starts_with(' ') { b"\ndata: " } else { b"\ndata:" });
        out.extend_from_slice(line.as_bytes());
        let Some(end) = end else { break };
        let width = if rest[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = &rest[end + width..];
    }
    out.extend_from_slice(b"\n\n");
    out
}

/// How many bytes at the end of text are the beginning of a character whose rest has not come yet; at most 3.
pub(super) fn unfinished(messages: &[Message]) -> usize {
    let mut end: Vec<u8> = messages.iter().rev().flat_map(|m| m.body.iter().rev().copied()).take(4).collect();
    end.reverse();
    // The window may begin inside a character; skip what cannot begin one.
    let skip = end.iter().take_while(|b| (**b & 0xC0) == 0x80).count();
    match std::str::from_utf8(&end[skip..]) {
        Err(e) if e.error_len().is_none() => end.len() - skip - e.valid_up_to(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use protocol::offset::Offset;

    /// A reader by the rules of the HTML standard, small.
    fn parse(text: &str) -> Vec<(String, String)> {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let blocks = text.split("\n\n").filter(|b| !b.is_empty());
        blocks
            .map(|block| {
                let mut kind = String::new();
                let mut data = Vec::new();
                for line in block.split('\n') {
                    let (field, value) = line.split_once(':').unwrap_or((line, ""));
                    let value = value.strip_prefix(' ').unwrap_or(value);
                    match field {
                        "event" => value.clone_into(&mut kind),
                        "data" => data.push(value.to_owned()),
                        _ => {}
                    }
                }
                (kind, data.join("\n"))
            })
            .collect()
    }

    fn message(body: impl Into<bytes::Bytes>) -> Message {
        let body = body.into();
        Message { start: Offset::ZERO, end: Offset::ZERO.plus(body.len() as u64), body }
    }

    proptest! {
        #[test]
        fn no_payload_breaks_out_of_its_event(text in "([ a:]|data|event|\r|\n){0,20}") {
            let read = parse(&String::from_utf8(event("data", &text)).expect("text"));
            let expected = text.replace("\r\n", "\n").replace('\r', "\n");
            prop_assert_eq!(read, vec![("data".to_owned(), expected)]);
        }

        #[test]
        fn a_cut_never_falls_into_a_character(text in "\\PC{0,12}", cut in 0_usize..48) {
            let cut = cut.min(text.len());
            let left = unfinished(&[message(text.as_bytes()[..cut].to_vec())]);
            prop_assert!(text.is_char_boundary(cut - left));
            prop_assert!(left < 4 && (left == 0) == text.is_char_boundary(cut));
        }
    }

    #[test]
    fn controls_name_only_what_is_so() {
        let open = Control {
            stream_next_offset: Offset::ZERO.to_string(),
            stream_cursor: Some("9".into()),
            up_to_date: false,
            stream_closed: false,
        };
        let text = String::from_utf8(control(&open)).expect("text");
        let next = "0000000000000000_0000000000000000";
        assert_eq!(
            text,
            format!("event: control\ndata:{{\"streamNextOffset\":\"{next}\",\"streamCursor\":\"9\"}}\n\n")
        );
    }

    #[test]
    fn bytes_that_are_no_text_do_not_hold_the_stream_up() {
        for (bytes, expected) in [(&b"\xff\xff"[..], 0), (b"a\x80", 0), (b"", 0), (b"\xf0\x9f", 2), (b"\xe2", 1)] {
            assert_eq!(unfinished(&[message(bytes.to_vec())]), expected, "{bytes:?}");
        }
    }
}
