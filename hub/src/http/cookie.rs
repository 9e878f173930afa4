//! The cookie that holds a browser's credential.

use http::{HeaderMap, HeaderValue, header};
use protocol::api::COOKIE;

/// Life of the cookie, in seconds: 400 days, the longest that browsers allow.
const MAX_AGE_SECONDS: u64 = 400 * 24 * 60 * 60;

/// Sets the cookie.
pub(super) fn set(credential: &str, secure: bool) -> Option<HeaderValue> {
    cookie(credential, MAX_AGE_SECONDS, secure)
}

/// Takes the cookie away.
pub(super) fn clear(secure: bool) -> Option<HeaderValue> {
    cookie("", 0, secure)
}

fn cookie(value: &str, max_age: u64, secure: bool) -> Option<HeaderValue> {
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{COOKIE}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={max_age}{secure}");
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The credential in a request's cookies.
pub(super) fn read(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    pairs.flat_map(|text| text.split(';')).find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == COOKIE && !value.is_empty()).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_found_among_others_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=b; xtowline_device=no"));
        assert_eq!(read(&headers), None);
        headers.append(header::COOKIE, HeaderValue::from_static("c=d;towline_device=yes; e=f"));
        assert_eq!(read(&headers), Some("yes"));
    }

    #[test]
    fn fuzz_cookies() {
        let corpus = fuzz::words(&["a=b; towline_device=yes; c=d", "towline_device=", "__Host-towline_device=yes"]);
        fuzz::target("cookies", &corpus, |input| {
            let mut headers = HeaderMap::new();
            for part in input.split(|byte| *byte == b'\n') {
                if let Ok(value) = HeaderValue::from_bytes(part) {
                    headers.append(header::COOKIE, value);
                }
            }
            read(&headers).is_some_and(|found| !found.is_empty() || panic!("an empty credential"))
        });
    }
}
