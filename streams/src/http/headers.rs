//! Names and values of the protocol's headers.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::problem::Problem;
use protocol::offset::Offset;
use store::Producer;

/// The names.
pub(super) mod name {
    use http::HeaderName;

    pub(crate) const NEXT_OFFSET: HeaderName = HeaderName::from_static("stream-next-offset");
    pub(crate) const UP_TO_DATE: HeaderName = HeaderName::from_static("stream-up-to-date");
    pub(crate) const CLOSED: HeaderName = HeaderName::from_static("stream-closed");
    pub(crate) const CURSOR: HeaderName = HeaderName::from_static("stream-cursor");
    pub(crate) const SEQ: HeaderName = HeaderName::from_static("stream-seq");
    pub(crate) const TTL: HeaderName = HeaderName::from_static("stream-ttl");
    pub(crate) const EXPIRES_AT: HeaderName = HeaderName::from_static("stream-expires-at");
    pub(crate) const SSE_ENCODING: HeaderName = HeaderName::from_static("stream-sse-data-encoding");
    pub(crate) const FORKED_FROM: HeaderName = HeaderName::from_static("stream-forked-from");
    pub(crate) const FORK_OFFSET: HeaderName = HeaderName::from_static("stream-fork-offset");
    pub(crate) const FORK_SUB_OFFSET: HeaderName = HeaderName::from_static("stream-fork-sub-offset");
    pub(crate) const PRODUCER_ID: HeaderName = HeaderName::from_static("producer-id");
    pub(crate) const PRODUCER_EPOCH: HeaderName = HeaderName::from_static("producer-epoch");
    pub(crate) const PRODUCER_SEQ: HeaderName = HeaderName::from_static("producer-seq");
    pub(crate) const PRODUCER_EXPECTED: HeaderName = HeaderName::from_static("producer-expected-seq");
    pub(crate) const PRODUCER_RECEIVED: HeaderName = HeaderName::from_static("producer-received-seq");
    pub(crate) const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
}

/// The methods of a stream.
pub(super) const METHODS: &str = "GET, HEAD, POST, PUT, DELETE, OPTIONS";

const REQUEST_HEADERS: &str = "authorization, content-type, if-match, if-none-match, stream-seq, stream-ttl, stream-expires-at, \
    stream-closed, stream-forked-from, stream-fork-offset, stream-fork-sub-offset, producer-id, producer-epoch, producer-seq";

const RESPONSE_HEADERS: &str = "etag, location, retry-after, stream-next-offset, stream-up-to-date, stream-closed, stream-cursor, \
    stream-ttl, stream-expires-at, stream-sse-data-encoding, producer-epoch, producer-seq, producer-expected-seq, \
    producer-received-seq";

/// Largest epoch or number of a producer: what JavaScript counts exactly (the protocol, §producers).
const MAX_PRODUCER_NUMBER: u64 = (1 << 53) - 1;

/// Type of a stream whose maker named none.
pub(super) const DEFAULT_TYPE: &str = "application/octet-stream";

/// Lets pages of every origin read the response. What a page may send is asked beforehand, and said only then.
pub(super) fn allow_other_origins(headers: &mut HeaderMap, method: &Method) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(RESPONSE_HEADERS));
    if *method == Method::OPTIONS {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(REQUEST_HEADERS));
        // Two hours: the longest that browsers keep to.
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200"));
    }
}

/// A response under construction.
#[derive(Debug)]
pub(super) struct Reply {
    status: StatusCode,
    headers: HeaderMap,
}

impl Reply {
    pub(super) fn new(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new() }
    }

    /// Sets a header; a value that HTTP cannot carry is left out.
    pub(super) fn set(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// Says that the stream is closed, when it is.
    pub(super) fn closed(self, closed: bool) -> Self {
        if closed { self.set(name::CLOSED, "true") } else { self }
    }

    /// Says that this was the end, when it was.
    pub(super) fn up_to_date(self, up_to_date: bool) -> Self {
        if up_to_date { self.set(name::UP_TO_DATE, "true") } else { self }
    }

    pub(super) fn empty(self) -> Response {
        self.body(Body::empty())
    }

    pub(super) fn body(self, body: impl Into<Body>) -> Response {
        let mut response = Response::new(body.into());
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

/// The value of a header as text; `None` when it is absent.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = value.to_str().map_err(|_| Problem::bad("header_invalid", "A header is not text", name.as_str()))?;
    Ok(Some(text.trim()))
}

/// Whether `Stream-Closed: true` is there; every other value means that it is not.
pub(super) fn wants_close(headers: &HeaderMap) -> bool {
    headers.get(name::CLOSED).is_some_and(|v| v.as_bytes().trim_ascii().eq_ignore_ascii_case(b"true"))
}

/// Whether the value of `Stream-Closed` says so.
pub(super) fn is_true(value: &str) -> bool {
    value.eq_ignore_ascii_case("true")
}

/// The type of the body in lower case; `None` when it is absent or empty.
pub(super) fn content_type(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    Ok(text(headers, &header::CONTENT_TYPE)?.filter(|t| !t.is_empty()).map(str::to_ascii_lowercase))
}

/// A type without its parameters.
pub(super) fn media(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// Whether a stream of this type is in JSON mode.
pub(super) fn is_json(content_type: &str) -> bool {
    media(content_type) == "application/json"
}

/// The offset at which the stream must end for an append, by `If-Match: "<offset>"`; `*` asks only that the stream be there.
pub(super) fn expected(headers: &HeaderMap) -> Result<Option<Offset>, Problem> {
    match text(headers, &header::IF_MATCH)? {
        None | Some("*") => Ok(None),
        Some(tag) => tag.trim_matches('"').parse().map(Some).map_err(|_| {
            Problem::bad(
                "if_match_invalid",
                "If-Match is no offset",
                "An append is matched by the Stream-Next-Offset that it follows.",
            )
        }),
    }
}

/// The producer's place; all three headers or none.
pub(super) fn producer(headers: &HeaderMap) -> Result<Option<Producer>, Problem> {
    let id = text(headers, &name::PRODUCER_ID)?;
    let epoch = text(headers, &name::PRODUCER_EPOCH)?;
    let seq = text(headers, &name::PRODUCER_SEQ)?;
    producer_of(id, epoch, seq)
}

/// The producer's place, from the values of its three headers.
pub(super) fn producer_of(
    id: Option<&str>,
    epoch: Option<&str>,
    seq: Option<&str>,
) -> Result<Option<Producer>, Problem> {
    let bad = |detail: &str| Problem::bad("producer_invalid", "The producer headers are not usable", detail);
    let number = |text: &str| {
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = text.parse().ok().filter(|n| plain && *n <= MAX_PRODUCER_NUMBER);
        number.ok_or_else(|| bad("Producer-Epoch and Producer-Seq are integers from 0 to 2^53-1."))
    };
    match (id, epoch, seq) {
        (None, None, None) => Ok(None),
        (Some(""), _, _) => Err(bad("Producer-Id is empty.")),
        (Some(id), Some(epoch), Some(seq)) => {
            Ok(Some(Producer { id: id.to_owned(), epoch: number(epoch)?, seq: number(seq)? }))
        }
        _ => Err(bad("Producer-Id, Producer-Epoch and Producer-Seq come together.")),
    }
}

/// Decodes `%XX`; `None` when a `%` is not followed by two hex digits or the result is not UTF-8.
pub(super) fn percent_decoded(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let (digits, tail) = rest.split_at_checked(2)?;
        let digit = |d: u8| char::from(d).to_digit(16).and_then(|d| u8::try_from(d).ok());
        decoded.push(digit(digits[0])? << 4 | digit(digits[1])?);
        rest = tail;
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_decoding_is_exact() {
        let check =
            |text: &str, expected: Option<&str>| assert_eq!(percent_decoded(text).as_deref(), expected, "{text}");
        check("a/b-c", Some("a/b-c"));
        check("%c3%A9%2F+", Some("é/+"));
        for text in ["%", "%2", "%zz", "%ff", "a%+1"] {
            check(text, None);
        }
    }

    #[test]
    fn close_needs_the_word_true() {
        for (value, expected) in [("true", true), ("TRUE", true), ("1", false), ("false", false), ("", false)] {
            let headers = HeaderMap::from_iter([(name::CLOSED, HeaderValue::from_str(value).expect("a value"))]);
            assert_eq!(wants_close(&headers), expected, "{value}");
        }
        assert!(!wants_close(&HeaderMap::new()));
    }

    #[test]
    fn fuzz_headers() {
        use crate::http::read::Query;
        use crate::lifetime::{parse_expiry, parse_ttl};
        let corpus = fuzz::words(&[
            "writer-1",
            "0",
            "9007199254740991",
            "application/json; charset=utf-8",
            "true",
            "3600",
            "2026-11-20T22:30:00Z",
            "sessions/a%2Fb%c3%a9",
            "offset=0000000000000000_0000000000000000&live=long-poll&cursor=17",
        ]);
        let mut last: Vec<Vec<u8>> = vec![b"writer-1".to_vec(), b"0".to_vec(), b"0".to_vec()];
        fuzz::target("stream-headers", &corpus, |input| {
            last.rotate_left(1);
            last[2] = input.to_vec();
            let mut headers = HeaderMap::new();
            let producer_names = [name::PRODUCER_ID, name::PRODUCER_EPOCH, name::PRODUCER_SEQ];
            let names = producer_names.into_iter().chain([header::CONTENT_TYPE, name::CLOSED, name::SEQ]);
            for (name, value) in names.zip(last.iter().cycle()) {
                if let Ok(value) = HeaderValue::from_bytes(value) {
                    headers.insert(name, value);
                }
            }
            let _ = (content_type(&headers), text(&headers, &name::SEQ).is_ok(), wants_close(&headers));
            if let Ok(text) = std::str::from_utf8(input) {
                let _ = (percent_decoded(text), parse_ttl(text), parse_expiry(text), is_json(text));
                let _ = Query::parse(text).is_ok();
            }
            let Ok(Some(producer)) = producer(&headers) else { return false };
            assert!(producer.epoch.max(producer.seq) <= MAX_PRODUCER_NUMBER && !producer.id.is_empty());
            true
        });
    }
}
