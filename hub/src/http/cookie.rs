//! The cookie that holds a browser's credential.

use http::{HeaderMap, HeaderName, HeaderValue, header};
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

/// Has a browser that is not signed in any more let go of the answers that it keeps (W3C Clear Site Data). Browsers do so over TLS and on
/// their own machine; the others ask again for each file, and get none.
pub(super) fn forget(headers: &mut HeaderMap) {
    headers.insert(HeaderName::from_static("clear-site-data"), HeaderValue::from_static("\"cache\""));
}

/// The cookie's name. With TLS it has the prefix by which browsers refuse one that a neighbouring domain or a page in plain HTTP has set
/// (RFC 6265bis, `__Host-`).
fn name(secure: bool) -> String {
    if secure { format!("__Host-{COOKIE}") } else { COOKIE.to_owned() }
}

fn cookie(value: &str, max_age: u64, secure: bool) -> Option<HeaderValue> {
    let (name, secure) = (name(secure), if secure { "; Secure" } else { "" });
    let text = format!("{name}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={max_age}{secure}");
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The credential in a request's cookies.
pub(super) fn read(headers: &HeaderMap, secure: bool) -> Option<&str> {
    let wanted = name(secure);
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    pairs.flat_map(|text| text.split(';')).find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == wanted && !value.is_empty()).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_found_among_others_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=b; xtowline_device=no"));
        assert_eq!(read(&headers, false), None);
        headers.append(header::COOKIE, HeaderValue::from_static("c=d;towline_device=yes; e=f"));
        assert_eq!(read(&headers, false), Some("yes"));
    }

    #[test]
    fn with_tls_only_the_cookie_that_nobody_else_can_set_counts() {
        let set = set("secret", true).expect("a header");
        let set = set.to_str().expect("text");
        assert!(set.starts_with("__Host-towline_device=secret; ") && set.ends_with("; Secure"), "{set}");
        assert!(set.contains("; Path=/;") && !set.contains("Domain"), "what the prefix asks for");
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("towline_device=planted"));
        assert_eq!(read(&headers, true), None);
        headers.append(header::COOKIE, HeaderValue::from_static("__Host-towline_device=yes"));
        assert_eq!((read(&headers, true), read(&headers, false)), (Some("yes"), Some("planted")));
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
            let found = [true, false].map(|secure| read(&headers, secure));
            assert!(!found.contains(&Some("")), "an empty credential");
            found.iter().any(Option::is_some)
        });
    }
}
