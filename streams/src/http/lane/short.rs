//! Appends as clients send them by the thousand: read and answered without the maps of a framework.
//!
//! A request that says more than an append usually says, or anything wrong, is left to the long way, which also words the refusal.

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use protocol::path::StreamPath;
use protocol::time::UnixMs;

use super::answer::{self, Date};
use crate::http::append::{Appended, Wish};
use crate::http::headers::{self, name};
use crate::http::{ROOT, named};

/// An append whose head was read.
#[derive(Debug)]
pub(super) struct Short {
    pub(super) stream: StreamPath,
    pub(super) wish: Wish,
    /// Length of the body, in bytes.
    pub(super) length: usize,
    authorization: Option<HeaderValue>,
}

/// The headers of a short append.
#[derive(Debug, Default)]
struct Fields<'a> {
    length: Option<&'a str>,
    content_type: Option<&'a str>,
    authorization: Option<&'a str>,
    close: Option<&'a str>,
    seq: Option<&'a str>,
    producer: [Option<&'a str>; 3],
}

impl Short {
    /// Reads a request; `None` when it takes the long way.
    pub(super) fn of(request: &httparse::Request<'_, '_>) -> Option<Self> {
        let target = request.path.filter(|_| request.method == Some("POST") && request.version == Some(1))?;
        let path = target.strip_prefix(ROOT).filter(|path| path.bytes().all(is_plain))?;
        let mut fields = Fields::default();
        for field in &*request.headers {
            fields.take(field.name, field.value)?;
        }
        let [id, epoch, seq] = fields.producer;
        let wish = Wish {
            producer: headers::producer_of(id, epoch, seq).ok()?,
            close: fields.close.is_some_and(headers::is_true),
            seq: fields.seq.map(str::to_owned),
            expected: None,
            content_type: fields.content_type.filter(|text| !text.is_empty()).map(str::to_ascii_lowercase),
        };
        let authorization = match fields.authorization {
            Some(text) => Some(HeaderValue::from_str(text).ok()?),
            None => None,
        };
        let length = super::head::length(fields.length.unwrap_or("0").as_bytes())?;
        Some(Self { stream: named(path).ok()?, wish, length, authorization })
    }

    /// What the access policy is shown.
    pub(super) fn parts(&mut self) -> Parts {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        parts.method = Method::POST;
        if let Some(value) = self.authorization.take() {
            parts.headers.insert(header::AUTHORIZATION, value);
        }
        parts
    }
}

impl<'a> Fields<'a> {
    /// Takes a header in; `None` when it comes twice, is no text, or is one that only the long way knows.
    fn take(&mut self, name: &str, value: &'a [u8]) -> Option<()> {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        let place = match name.len() {
            4 if is("host") => return Some(()),
            6 if is("accept") => return Some(()),
            10 if is("user-agent") => return Some(()),
            10 if is("connection") => return value.eq_ignore_ascii_case(b"keep-alive").then_some(()),
            10 if is("stream-seq") => &mut self.seq,
            11 if is("producer-id") => &mut self.producer[0],
            12 if is("content-type") => &mut self.content_type,
            12 if is("producer-seq") => &mut self.producer[2],
            13 if is("authorization") => &mut self.authorization,
            13 if is("stream-closed") => &mut self.close,
            14 if is("content-length") => &mut self.length,
            14 if is("producer-epoch") => &mut self.producer[1],
            14 if is("sec-fetch-mode") => return Some(()),
            15 if is("accept-encoding") || is("accept-language") => return Some(()),
            _ => return None,
        };
        let text =
            std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| matches!(byte, b' '..=b'~')))?;
        place.replace(text.trim()).is_none().then_some(())
    }
}

/// Bytes of a path that mean themselves everywhere; `%` is decoded.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/' | b'%' | b':' | b'@' | b'+' | b',' | b'=')
}

/// What every answer to an append carries, written once.
pub(super) fn common(headers: &HeaderMap) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in headers {
        answer::field(&mut out, name.as_str(), value.as_bytes());
    }
    out
}

/// Writes the answer to an append.
pub(super) fn write(out: &mut Vec<u8>, appended: &Appended, common: &[u8], date: &mut Date, now: UnixMs) {
    let status = appended.status();
    answer::status(out, status);
    answer::field(out, name::NEXT_OFFSET.as_str(), appended.tail.to_string().as_bytes());
    if appended.closed {
        answer::field(out, name::CLOSED.as_str(), b"true");
    }
    if let Some((_, epoch, seq)) = appended.producer {
        answer::field(out, name::PRODUCER_EPOCH.as_str(), epoch.to_string().as_bytes());
        answer::field(out, name::PRODUCER_SEQ.as_str(), seq.to_string().as_bytes());
    }
    out.extend_from_slice(common);
    answer::field(out, header::DATE.as_str(), date.at(now).as_bytes());
    if status != StatusCode::NO_CONTENT {
        answer::field(out, header::CONTENT_LENGTH.as_str(), b"0");
    }
    out.extend_from_slice(b"\r\n");
}
