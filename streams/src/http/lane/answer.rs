//! How an answer is written.

use std::io::{IoSlice, Write};

use bytes::{Buf, Bytes};
use http::response::Parts;
use http::{StatusCode, header};
use protocol::time::UnixMs;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::{Over, moving};

/// How a body goes over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    Empty,
    /// So many bytes.
    Length(u64),
    /// Pieces, each with its length before it, until one of length 0.
    Chunks,
}

/// The text of the date, which changes once a second.
#[derive(Debug, Default)]
pub(super) struct Date {
    second: u64,
    text: String,
}

impl Date {
    pub(super) fn at(&mut self, now: UnixMs) -> &str {
        let second = now.0 / 1000;
        if self.second != second || self.text.is_empty() {
            let time = i64::try_from(second).ok().and_then(|second| jiff::Timestamp::from_second(second).ok());
            let text = time
                .and_then(|time| jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&time).ok());
            (self.second, self.text) = (second, text.unwrap_or_default());
        }
        &self.text
    }
}

/// Writes the head of an answer.
pub(super) fn head(out: &mut Vec<u8>, parts: &Parts, framing: Framing, date: &mut Date, now: UnixMs) {
    status(out, parts.status);
    for (name, value) in &parts.headers {
        if !matches!(*name, header::CONTENT_LENGTH | header::TRANSFER_ENCODING | header::DATE) {
            field(out, name.as_str(), value.as_bytes());
        }
    }
    field(out, "date", date.at(now).as_bytes());
    match framing {
        Framing::Empty => {}
        Framing::Length(length) => field(out, "content-length", length.to_string().as_bytes()),
        Framing::Chunks => field(out, "transfer-encoding", b"chunked"),
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes the first line of an answer.
pub(super) fn status(out: &mut Vec<u8>, status: StatusCode) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Writes a header.
pub(super) fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// How the body of an answer goes, given what is known of its length; `asked_head` for an answer to `HEAD`.
pub(super) fn framing(status: StatusCode, exact: Option<u64>, asked_head: bool) -> Framing {
    if asked_head || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Framing::Empty;
    }
    exact.map_or(Framing::Chunks, Framing::Length)
}

/// What ends a body of chunks.
pub(super) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// One piece of a body of chunks, with its length and its end.
pub(super) fn chunk(piece: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(piece.len() + 20);
    // Writing to a vector cannot fail.
    let _written = write!(out, "{:x}\r\n", piece.len());
    out.extend_from_slice(piece);
    out.extend_from_slice(b"\r\n");
    out
}

/// Writes all pieces, as many at once as the system takes.
pub(super) async fn write_all(io: &mut (impl AsyncWrite + Unpin), pieces: &mut [Bytes]) -> Result<(), Over> {
    let mut rest = pieces;
    while let Some(first) = rest.first() {
        if first.is_empty() {
            rest = &mut rest[1..];
            continue;
        }
        let mut slices = [IoSlice::new(&[]); 16];
        let count = rest.len().min(slices.len());
        for (slice, piece) in slices.iter_mut().zip(rest.iter()) {
            *slice = IoSlice::new(piece);
        }
        let mut written = moving(io.write_vectored(&slices[..count])).await?;
        if written == 0 {
            return Err(Over);
        }
        for piece in rest.iter_mut() {
            let taken = written.min(piece.len());
            piece.advance(taken);
            written -= taken;
            if written == 0 {
                break;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_how_its_body_goes() {
        let (mut parts, ()) = http::Response::new(()).into_parts();
        parts.headers.insert("x", "y".parse().expect("a value"));
        let written = |framing| {
            let mut out = Vec::new();
            head(&mut out, &parts, framing, &mut Date::default(), UnixMs(784_111_777_000));
            String::from_utf8(out).expect("text")
        };
        let start = "HTTP/1.1 200 OK\r\nx: y\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
        assert_eq!(written(Framing::Empty), format!("{start}\r\n"));
        assert_eq!(written(Framing::Length(7)), format!("{start}content-length: 7\r\n\r\n"));
        assert_eq!(written(Framing::Chunks), format!("{start}transfer-encoding: chunked\r\n\r\n"));
        assert_eq!(framing(StatusCode::NO_CONTENT, Some(0), false), Framing::Empty);
        assert_eq!(framing(StatusCode::OK, Some(3), true), Framing::Empty);
        assert_eq!(framing(StatusCode::OK, Some(0), false), Framing::Length(0));
        assert_eq!(framing(StatusCode::OK, None, false), Framing::Chunks);
        assert_eq!(chunk(&[b'a'; 17]), [b"11\r\n", &[b'a'; 17][..], b"\r\n"].concat());
    }

    #[tokio::test]
    async fn pieces_are_written_in_order_however_few_the_system_takes() {
        let (mut here, mut there) = tokio::io::duplex(7);
        let mut pieces: Vec<Bytes> = (0..40_u8).map(|n| Bytes::from(vec![n; usize::from(n % 5)])).collect();
        let expected = pieces.concat();
        let write = tokio::spawn(async move { write_all(&mut here, &mut pieces).await });
        let mut read = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut there, &mut read).await.expect("the other end");
        write.await.expect("no panic").expect("written");
        assert_eq!(read, expected);
    }
}
