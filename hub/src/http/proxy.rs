//! Proxies: whose word is taken for where a request comes from.
//!
//! Anybody can write `X-Forwarded-For`. It counts only when the peer of the connection is on the list, and then from the right: each
//! address was written by the one that stands to its right, so the first that is not on the list is where the request comes from, and
//! whatever stands further left is hearsay. `X-Forwarded-Host` is never taken: a proxy hands the name on in `Host`.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, header};

use super::gate::Source;
use crate::hub::Hub;
use crate::network::Network;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// By which scheme a browser made a request, as far as this server may believe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Secure(pub(super) bool);

/// Whether a request came by TLS, all the way that is known.
pub(super) fn is_secure(extensions: &http::Extensions) -> bool {
    extensions.get::<Secure>().is_some_and(|secure| secure.0)
}

/// Puts the true source and the scheme of a request into its extensions.
pub(super) async fn resolve(State(hub): State<Hub>, mut request: Request, next: Next) -> Response {
    let options = &hub.inner.options;
    let peer = request.extensions().get::<Source>().copied();
    let mut secure = options.secure;
    if let Some(peer) = peer
        && trusts(&options.trusted_proxies, peer.0)
    {
        let source = Source(origin(&options.trusted_proxies, peer.0, request.headers()));
        secure = secure || by_tls(request.headers());
        request.extensions_mut().insert(source);
    }
    request.extensions_mut().insert(Secure(secure));
    next.run(request).await
}

/// Whether an address is on the list.
pub(crate) fn trusts(list: &[Network], address: IpAddr) -> bool {
    list.iter().any(|network| network.contains(address))
}

/// Where a request comes from that a proxy of ours handed on. Both headers may be there: then one of them came from outside through a
/// proxy that writes the other, so they must agree, or nobody is believed and the proxy itself is the source.
fn origin(list: &[Network], peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let by_for = rightmost(list, peer, hops(headers, &FOR, Some));
    let by_forwarded = rightmost(list, peer, hops(headers, &header::FORWARDED, |hop| parameter(hop, "for")));
    match (by_for, by_forwarded) {
        (Some(one), None) | (None, Some(one)) => one,
        (Some(one), Some(other)) if one == other => one,
        _ => peer,
    }
}

/// The addresses that a header names, the last one first; `None` stands for what is no address.
fn hops<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    part: impl Fn(&'a str) -> Option<&'a str>,
) -> Vec<Option<IpAddr>> {
    let lines: Vec<&str> = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("?")).collect();
    let each = lines.iter().rev().flat_map(|line| line.rsplit(','));
    each.map(|hop| part(hop.trim()).and_then(address)).collect()
}

/// The first address from the right that is on no list; `None` without the header.
fn rightmost(list: &[Network], peer: IpAddr, hops: Vec<Option<IpAddr>>) -> Option<IpAddr> {
    if hops.is_empty() {
        return None;
    }
    let mut furthest = peer;
    for hop in hops {
        // Who wrote this is trusted, and what it wrote is no address: further than to that one nothing is known.
        let Some(address) = hop else { return Some(furthest) };
        if !trusts(list, address) {
            return Some(address);
        }
        furthest = address;
    }
    Some(furthest)
}

/// An address as proxies write it: alone, with a port, in brackets, in quotes.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let found = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    found.map(|address: IpAddr| address.to_canonical())
}

/// A parameter of a hop in `Forwarded` (RFC 7239 §4).
fn parameter<'a>(hop: &'a str, name: &str) -> Option<&'a str> {
    hop.split(';').find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        key.eq_ignore_ascii_case(name).then_some(value)
    })
}

/// Whether the proxy next to us says that it was asked by TLS; what was asked of a proxy before it, only that one knows.
fn by_tls(headers: &HeaderMap) -> bool {
    let last = |name: &HeaderName| {
        let line = headers.get_all(name).iter().next_back()?.to_str().ok()?;
        line.rsplit(',').next().map(str::trim)
    };
    let by_proto = last(&PROTO);
    let by_forwarded =
        last(&header::FORWARDED).and_then(|hop| parameter(hop, "proto")).map(|proto| proto.trim_matches('"'));
    let tls = |proto: &str| proto.eq_ignore_ascii_case("https") || proto.eq_ignore_ascii_case("wss");
    match (by_proto, by_forwarded) {
        (None, None) => false,
        (one, other) => [one, other].into_iter().flatten().all(tls),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn list() -> Vec<Network> {
        ["127.0.0.1", "10.0.0.0/8", "fd00::/8"].map(|text| text.parse().expect("a network")).to_vec()
    }

    fn from(lines: &[(&'static str, &'static str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        origin(&list(), "127.0.0.1".parse().expect("an address"), &headers).to_string()
    }

    #[test]
    fn the_rightmost_address_that_is_no_proxy_of_ours_counts() {
        let xff = |value: &'static str| from(&[("x-forwarded-for", value)]);
        assert_eq!(from(&[]), "127.0.0.1");
        assert_eq!(xff("203.0.113.9"), "203.0.113.9");
        assert_eq!(xff("1.1.1.1, 203.0.113.9"), "203.0.113.9", "what a client sends along is hearsay");
        assert_eq!(xff("203.0.113.9, 10.1.2.3"), "203.0.113.9");
        assert_eq!(xff("10.1.2.3, 10.9.9.9"), "10.1.2.3", "all of them are ours: the furthest");
        assert_eq!(xff("203.0.113.9:4711"), "203.0.113.9");
        assert_eq!(xff("[2001:db8::1]:80"), "2001:db8::1");
        assert_eq!(xff("2001:db8::1"), "2001:db8::1");
        assert_eq!(xff("203.0.113.9, unknown"), "127.0.0.1", "behind what is no address nothing is known");
        assert_eq!(xff("203.0.113.9, unknown, 10.1.2.3"), "10.1.2.3");
        assert_eq!(xff(""), "127.0.0.1");
        assert_eq!(from(&[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "203.0.113.9")]), "203.0.113.9");
        assert_eq!(from(&[("forwarded", "for=1.1.1.1, for=\"[2001:db8::7]:4711\";proto=https")]), "2001:db8::7");
        assert_eq!(from(&[("forwarded", "proto=https")]), "127.0.0.1");
        let both = |one, other| from(&[("x-forwarded-for", one), ("forwarded", other)]);
        assert_eq!(both("203.0.113.9", "for=203.0.113.9"), "203.0.113.9");
        assert_eq!(both("203.0.113.9", "for=8.8.8.8"), "127.0.0.1", "one of them came from outside");
    }

    #[test]
    fn the_scheme_is_the_one_that_the_last_proxy_says() {
        let tls = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.append(name, HeaderValue::from_static(value));
            by_tls(&headers)
        };
        assert!(tls("x-forwarded-proto", "https") && tls("x-forwarded-proto", "http, https"));
        assert!(!tls("x-forwarded-proto", "http") && !tls("x-forwarded-proto", "https, http") && !tls("x", "https"));
        assert!(tls("forwarded", "for=1.1.1.1;proto=https") && !tls("forwarded", "for=1.1.1.1"));
    }

    #[test]
    fn fuzz_forwarded_addresses() {
        let corpus = fuzz::words(&[
            "203.0.113.9, 10.1.2.3",
            "for=\"[2001:db8::7]:4711\";proto=https",
            "unknown",
            "::ffff:1.2.3.4",
        ]);
        fuzz::target("forwarded-addresses", &corpus, |input| {
            let Ok(value) = HeaderValue::from_bytes(input) else { return false };
            let peer: IpAddr = "127.0.0.1".parse().expect("an address");
            let mut headers = HeaderMap::new();
            headers.insert(FOR, value.clone());
            let one = origin(&list(), peer, &headers);
            headers.insert(header::FORWARDED, value);
            let _both = (origin(&list(), peer, &headers), by_tls(&headers));
            one != peer
        });
    }
}
