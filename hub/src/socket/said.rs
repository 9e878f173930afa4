//! What the hub says: frames as text, and batches around the bytes of the stream.

use std::io::Write as _;
use std::str::Utf8Error;

use axum::extract::ws::Utf8Bytes;
use protocol::limits::MAX_SOCKET_MESSAGE_BYTES;
use protocol::socket::ServerFrame;
use streams::Chunk;

use super::stand_in;

/// A frame as text.
pub(super) fn text(frame: &ServerFrame) -> Utf8Bytes {
    serde_json::to_string(frame).map(Utf8Bytes::from).expect("frames are plain structs with string keys")
}

/// A `batch` frame: the messages go out as they stand in the stream, byte by byte, but for one that is too large for a socket.
///
/// # Errors
/// When a message is not text, which no stream of the product holds.
pub(super) fn batch(sub: u32, chunk: &Chunk) -> Result<Utf8Bytes, Utf8Error> {
    let room = |bytes: usize| if bytes > MAX_SOCKET_MESSAGE_BYTES { 0 } else { bytes + 1 };
    let bytes: usize = chunk.messages.iter().map(|message| room(message.body.len())).sum();
    let mut text = Vec::with_capacity(bytes + 128);
    let mut put = |part: std::fmt::Arguments<'_>| text.write_fmt(part).expect("memory takes what is written to it");
    put(format_args!(r#"{{"type":"batch","sub":{sub},"messages":["#));
    for (place, message) in chunk.messages.iter().enumerate() {
        if place > 0 {
            text.push(b',');
        }
        text.extend_from_slice(&stand_in::fitting(&message.body));
    }
    let mut put = |part: std::fmt::Arguments<'_>| text.write_fmt(part).expect("memory takes what is written to it");
    put(format_args!(r#"],"next":"{}","upToDate":{}}}"#, chunk.next, chunk.up_to_date));
    Utf8Bytes::try_from(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use protocol::offset::Offset;
    use store::Message;

    fn chunk(bodies: &[&'static [u8]]) -> Chunk {
        let mut at = Offset::ZERO;
        let messages = bodies
            .iter()
            .map(|body| {
                let start = at;
                at = at.plus(body.len() as u64);
                Message { body: Bytes::from_static(body), start, end: at }
            })
            .collect();
        Chunk { messages, next: at, up_to_date: true, closed: false }
    }

    #[test]
    fn a_batch_is_the_frame_of_the_contract_with_its_messages_untouched() {
        let bodies: [&[u8]; 3] = [br#"{"b" : 1,"a":12345678901234567890.10}"#, b"[ ]", br#""\u00e9""#];
        for bodies in [&bodies[..], &bodies[..1], &[]] {
            let chunk = chunk(bodies);
            let text = batch(7, &chunk).unwrap();
            let frame = ServerFrame::parse(&text).unwrap();
            match &frame {
                ServerFrame::Batch { sub: 7, messages, next, up_to_date: true } => {
                    assert_eq!(*next, chunk.next);
                    assert!(messages.iter().map(|message| message.get().as_bytes()).eq(bodies.iter().copied()));
                }
                other => panic!("{other:?}"),
            }
            // Written by hand, and yet the same text that the contract's own type makes.
            assert_eq!(super::text(&frame), text.as_str());
        }
    }

    #[test]
    fn what_is_not_text_is_refused() {
        assert!(batch(1, &chunk(&[b"\"\xff\""])).is_err());
    }
}
