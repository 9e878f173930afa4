//! What a request asks, as long as it asks for nothing unusual.

use bytes::{Buf, BytesMut};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};

use super::short::Short;
use crate::http::ROOT;

/// Most headers of a usual request.
const HEADERS: usize = 32;
/// Longest head of a usual request, in bytes.
const LONGEST: usize = 16 * 1024;
/// Longest body of a usual request, in bytes: it is held whole.
pub(super) const LONGEST_BODY: usize = 1024 * 1024;

/// What the bytes that have come are the beginning of.
#[derive(Debug)]
pub(super) enum Found {
    /// Of a head whose end is still to come.
    Part,
    /// A head, which was taken off, and the length of the body that follows it.
    Head(Box<Parts>, usize),
    /// The head of a plain append, which was taken off.
    Append(Short),
    /// Something for a whole implementation of HTTP, also to refuse.
    Unusual,
}

/// Looks at what has come. A request is usual when it is of HTTP/1.1, for a stream, and says plainly how long its body is.
pub(super) fn find(input: &mut BytesMut) -> Found {
    if input.is_empty() {
        return Found::Part;
    }
    let mut fields = [httparse::EMPTY_HEADER; HEADERS];
    let mut request = httparse::Request::new(&mut fields);
    let length = match request.parse(input) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if input.len() <= LONGEST => return Found::Part,
        Ok(httparse::Status::Partial) | Err(_) => return Found::Unusual,
    };
    if let Some(short) = Short::of(&request) {
        input.advance(length);
        return Found::Append(short);
    }
    let Some((parts, body)) = parts(&request) else { return Found::Unusual };
    input.advance(length);
    Found::Head(Box::new(parts), body)
}

fn parts(request: &httparse::Request<'_, '_>) -> Option<(Parts, usize)> {
    let method = match request.method? {
        "POST" => Method::POST,
        "GET" => Method::GET,
        "PUT" => Method::PUT,
        "HEAD" => Method::HEAD,
        "DELETE" => Method::DELETE,
        _ => return None,
    };
    let target = request.path.filter(|path| path.starts_with(ROOT) && request.version == Some(1))?;
    let mut headers = HeaderMap::with_capacity(request.headers.len());
    let mut body = None;
    for field in &*request.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        match name {
            header::TRANSFER_ENCODING | header::EXPECT | header::UPGRADE | header::TE => return None,
            header::CONNECTION if !field.value.eq_ignore_ascii_case(b"keep-alive") => return None,
            // Digits and nothing else, once.
            header::CONTENT_LENGTH if body.is_some() => return None,
            header::CONTENT_LENGTH => body = Some(length(field.value)?),
            _ => {}
        }
        headers.append(name, HeaderValue::from_bytes(field.value).ok()?);
    }
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.method = method;
    parts.uri = Uri::try_from(target).ok()?;
    parts.headers = headers;
    Some((parts, body.unwrap_or(0)))
}

/// A length as `Content-Length` says it; `None` unless it is usual.
pub(super) fn length(digits: &[u8]) -> Option<usize> {
    let plain = !digits.is_empty() && digits.len() < 10 && digits.iter().all(u8::is_ascii_digit);
    let length = std::str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok()?;
    (length <= LONGEST_BODY).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(text: &str) -> Found {
        find(&mut BytesMut::from(text))
    }

    #[test]
    fn what_is_usual_is_taken_off_and_its_body_is_left() {
        let mut input = BytesMut::from("POST /v1/stream/a?b HTTP/1.1\r\nHost: h\r\ncontent-length: 3\r\n\r\nabcGET");
        let Found::Head(parts, body) = find(&mut input) else { panic!("a head") };
        assert_eq!((parts.method.as_str(), parts.uri.to_string().as_str(), body), ("POST", "/v1/stream/a?b", 3));
        assert_eq!(parts.headers["host"], "h");
        assert_eq!(&input[..], b"abcGET");
    }

    #[test]
    fn half_a_head_is_waited_for() {
        let whole = "GET /v1/stream/a HTTP/1.1\r\nhost: h\r\n\r\n";
        for end in 0..whole.len() {
            assert!(matches!(look(&whole[..end]), Found::Part), "{end}");
        }
        assert!(matches!(look(whole), Found::Head(_, 0)));
    }

    #[test]
    fn whatever_is_unusual_is_left_whole() {
        for text in [
            "GET /v1/other HTTP/1.1\r\n\r\n",
            "GET /v1/stream/a HTTP/1.0\r\n\r\n",
            "OPTIONS /v1/stream/a HTTP/1.1\r\n\r\n",
            "GET http://h/v1/stream/a HTTP/1.1\r\n\r\n",
            "POST /v1/stream/a HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n",
            "POST /v1/stream/a HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
            "POST /v1/stream/a HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n",
            "POST /v1/stream/a HTTP/1.1\r\ncontent-length: +1\r\n\r\n",
            "POST /v1/stream/a HTTP/1.1\r\ncontent-length: 1, 1\r\n\r\n",
            "POST /v1/stream/a HTTP/1.1\r\ncontent-length: \r\n\r\n",
            "POST /v1/stream/a HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\n",
            "POST /v1/stream/a HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n",
            "GET /v1/stream/a HTTP/1.1\r\nconnection: close\r\n\r\n",
            "GET /v1/stream/a HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
            "GET /v1/stream/a HTTP/1.1\r\nno colon\r\n\r\n",
            "\u{0}",
        ] {
            let mut input = BytesMut::from(text);
            assert!(matches!(find(&mut input), Found::Unusual), "{text:?}");
            assert_eq!(&input[..], text.as_bytes());
        }
        let long = format!("GET /v1/stream/a HTTP/1.1\r\nx: {}", "x".repeat(LONGEST));
        assert!(matches!(look(&long), Found::Unusual));
    }

    #[test]
    fn fuzz_heads() {
        let corpus = fuzz::words(&[
            "POST /v1/stream/a HTTP/1.1\r\nhost: h\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nabc",
            "GET /v1/stream/a?offset=-1&live=sse HTTP/1.1\r\nhost: h\r\nif-none-match: \"x\"\r\n\r\n",
            "PUT /v1/stream/%c3%a9 HTTP/1.1\r\ntransfer-encoding: chunked\r\nconnection: keep-alive\r\n\r\n",
        ]);
        fuzz::target("request-heads", &corpus, |input| {
            let mut left = BytesMut::from(input);
            match find(&mut left) {
                Found::Head(parts, body) => {
                    assert!(body <= LONGEST_BODY && parts.uri.path().starts_with(ROOT));
                    assert!(!parts.headers.contains_key(header::TRANSFER_ENCODING));
                    assert!(left.len() < input.len());
                    true
                }
                Found::Append(short) => {
                    assert!(short.length <= LONGEST_BODY && left.len() < input.len());
                    true
                }
                Found::Part | Found::Unusual => {
                    assert_eq!(&left[..], input);
                    false
                }
            }
        });
    }
}
