//! The gate: which name, which page, who, and what for.

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, header};
use protocol::error::{ErrorCode, Problem};
use std::net::IpAddr;

use super::error::Refused;
use super::paths::{self, Need};
use super::{cookie, proxy};
use crate::hub::{Hub, lock};
use crate::identity::{Identity, Via};
use crate::options::Options;

/// What a proxy adds to what it hands on.
const PROXIES: [&str; 6] =
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

/// Where a connection comes from; put into each request's extensions by whoever accepted the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source(pub IpAddr);

impl Source {
    /// The address as limits count it: whoever has one address of an IPv6 network usually has all of them.
    pub(crate) fn key(self) -> String {
        match self.0.to_canonical() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
        }
    }
}

/// The source of a request; `unknown` is one source for all that nobody named.
pub(super) fn source(extensions: &http::Extensions) -> String {
    extensions.get::<Source>().map_or_else(|| "unknown".to_owned(), |source| source.key())
}

/// Refuses a name in `Host` that is not this server's, on every path: a page that rebinds its own name to this address must get
/// nothing, not even on loopback (W-072).
pub(super) async fn host(State(hub): State<Hub>, request: Request, next: Next) -> Response {
    let name = authority(request.headers(), request.uri()).and_then(name_of);
    let allowed =
        name.is_some_and(|name| hub.inner.options.allowed_hosts.iter().any(|host| host.eq_ignore_ascii_case(name)));
    if allowed { next.run(request).await } else { Refused::from(ErrorCode::HostNotAllowed).into_response() }
}

/// Decides about a request to a path that exists.
pub(super) async fn access(State(hub): State<Hub>, path: MatchedPath, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match judge(&hub, path.as_str(), &mut parts).await {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(refused) => {
            let mut response = refused.into_response();
            // A browser that was signed in until its device was revoked.
            let known = cookie::read(&parts.headers, proxy::is_secure(&parts.extensions)).is_some();
            if known && response.status() == StatusCode::UNAUTHORIZED {
                cookie::forget(response.headers_mut());
            }
            response
        }
    }
}

async fn judge(hub: &Hub, path: &str, parts: &mut Parts) -> Result<(), Refused> {
    let need = match paths::need(&parts.method, path) {
        Ok(need) => need,
        Err(true) => {
            let problem = super::error::problem_of(StatusCode::METHOD_NOT_ALLOWED);
            return Err(problem.into());
        }
        // In the router and not in the table: nobody has said who may.
        Err(false) => return Err(ErrorCode::Forbidden.into()),
    };
    let unsafe_request =
        !matches!(parts.method, Method::GET | Method::HEAD) || parts.headers.contains_key(header::UPGRADE);
    let secure = proxy::is_secure(&parts.extensions);
    let origin = origin(&hub.inner.options, secure, parts);
    if unsafe_request && origin == Some(false) {
        return Err(ErrorCode::OriginNotAllowed.into());
    }
    let far = !is_here(parts);
    if need == Need::Nobody {
        // Nobody comes in by a code, either; whether the server lives is told to all.
        return if far && hub.is_shut() && path.starts_with("/v1/") { Err(hub.shut().into()) } else { Ok(()) };
    }
    let source = source(&parts.extensions);
    let mut identity = identify(hub, &parts.headers, secure, &source).await?;
    if far {
        // In this order: a switch that is turned between the two is seen, or cuts the leash.
        (identity.far, identity.leash) = (true, hub.far_leash(&identity));
        if hub.is_shut() {
            return Err(hub.shut().into());
        }
    }
    lock(&hub.inner.rates).ask(identity.device, hub.now()).map_err(Refused::limited)?;
    // A browser sends its cookie with whatever a page makes it send; only a page of ours may make it change something.
    if unsafe_request && identity.via == Via::Cookie && origin.is_none() {
        return Err(ErrorCode::OriginNotAllowed.into());
    }
    if let Need::Right(right) = need {
        identity.need(right)?;
    }
    parts.extensions.insert(identity);
    Ok(())
}

async fn identify(hub: &Hub, headers: &HeaderMap, secure: bool, source: &str) -> Result<Identity, Problem> {
    let bearer = headers.get(header::AUTHORIZATION).map(|value| {
        let (scheme, credential) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| credential.trim())
    });
    let (credential, via) = match bearer {
        Some(credential) => (credential, Via::Bearer),
        None => (cookie::read(headers, secure), Via::Cookie),
    };
    let credential = credential.ok_or_else(|| Problem::new(ErrorCode::Unauthenticated))?;
    hub.authenticate(credential, via, source).await
}

/// Whether the page that sent a request is one of ours; `None` when no page is named.
fn origin(options: &Options, secure: bool, parts: &Parts) -> Option<bool> {
    let mut origins = parts.headers.get_all(header::ORIGIN).iter();
    let origin = origins.next()?;
    // A browser names one page; who names two is none.
    let (Ok(origin), None) = (origin.to_str(), origins.next()) else { return Some(false) };
    if options.allowed_origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)) {
        return Some(true);
    }
    let here = authority(&parts.headers, &parts.uri);
    let there = match origin.strip_prefix("https://") {
        Some(there) => Some(there),
        // Whoever sits on the way can answer in plain HTTP in the name of a server that has TLS; on this machine nobody does.
        None => origin.strip_prefix("http://").filter(|there| !secure || is_this_machine(there)),
    };
    // The name of this authority has been checked already, so an equal one is this server.
    Some(matches!((here, there), (Some(here), Some(there)) if here.eq_ignore_ascii_case(there)))
}

/// Whether a request was made on this machine: from its own address, by a name that is only its own, and by no proxy, which would
/// stand here for somebody elsewhere.
fn is_here(parts: &Parts) -> bool {
    let near = parts.extensions.get::<Source>().is_some_and(|source| source.0.to_canonical().is_loopback());
    let handed_on = PROXIES.iter().any(|name| parts.headers.contains_key(*name));
    near && !handed_on && is_for_this_machine(&parts.headers, &parts.uri)
}

/// Whether a request is for this machine by a name that is only its own, which browsers trust without TLS.
pub(super) fn is_for_this_machine(headers: &HeaderMap, uri: &http::Uri) -> bool {
    authority(headers, uri).is_some_and(is_this_machine)
}

/// Whether an authority is of this machine, whatever network it is on.
fn is_this_machine(authority: &str) -> bool {
    let Some(name) = name_of(authority) else { return false };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The authority that a request is for: of its target, as HTTP/2 says it, or of its one `Host` header.
fn authority<'a>(headers: &'a HeaderMap, uri: &'a http::Uri) -> Option<&'a str> {
    if let Some(authority) = uri.authority() {
        return Some(authority.as_str());
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next()?.to_str().ok()?;
    hosts.next().is_none().then_some(host)
}

/// The name in an authority, without its port; `None` when something else stands there, such as a user's name.
fn name_of(authority: &str) -> Option<&str> {
    let end = if authority.starts_with('[') {
        authority.find(']')? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (name, rest) = authority.split_at(end);
    let is_port = |rest: &str| rest.strip_prefix(':').is_some_and(|port| port.bytes().all(|c| c.is_ascii_digit()));
    (rest.is_empty() || is_port(rest)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_port_only() {
        for (authority, expected) in [
            ("localhost", Some("localhost")),
            ("127.0.0.1:80", Some("127.0.0.1")),
            ("[::1]:80", Some("[::1]")),
            ("[::1]", Some("[::1]")),
            ("[x", None),
            ("[::1]x", None),
            ("localhost:80@evil.example", None),
            ("localhost:x", None),
            ("localhost:80:80", None),
        ] {
            assert_eq!(name_of(authority), expected, "{authority}");
        }
    }

    #[test]
    fn with_tls_a_page_in_plain_http_is_ours_on_this_machine_only() {
        let judge = |secure: bool, host: &str, origins: &[&str]| {
            let options = crate::testing::options();
            let mut request = Request::get("/").header(header::HOST, host);
            for origin in origins {
                request = request.header(header::ORIGIN, *origin);
            }
            origin(&options, secure, &request.body(axum::body::Body::empty()).expect("a request").into_parts().0)
        };
        for (secure, host, origins, expected) in [
            (false, "desk.test", vec!["http://desk.test"], Some(true)),
            // A proxy on this machine may speak TLS for us.
            (false, "desk.test", vec!["https://desk.test"], Some(true)),
            (true, "desk.test", vec!["https://desk.test"], Some(true)),
            (true, "desk.test", vec!["http://desk.test"], Some(false)),
            (true, "localhost:4437", vec!["http://localhost:4437"], Some(true)),
            (true, "127.0.0.1:4437", vec!["http://127.0.0.1:4437"], Some(true)),
            (true, "[::1]:4437", vec!["http://[::1]:4437"], Some(true)),
            (true, "localhost.desk.test", vec!["http://localhost.desk.test"], Some(false)),
            (false, "desk.test", vec!["http://desk.test", "http://evil.example"], Some(false)),
            (false, "desk.test", vec!["null"], Some(false)),
            (false, "desk.test", vec![], None),
        ] {
            assert_eq!(judge(secure, host, &origins), expected, "{secure} {host} {origins:?}");
        }
    }

    #[test]
    fn an_ipv6_network_is_one_source_and_a_mapped_address_is_its_ipv4_address() {
        let source = |text: &str| Source(text.parse().expect("an address")).key();
        assert_eq!(source("2001:db8:1:2:3::4"), source("2001:db8:1:2:ffff::5"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_eq!(source("::ffff:10.0.0.1"), "10.0.0.1");
    }

    #[test]
    fn fuzz_names_and_origins() {
        let corpus = fuzz::words(&["localhost:4437", "[::1]:80", "http://127.0.0.1:5173", "https://desk.test", "null"]);
        fuzz::target("names-and-origins", &corpus, |input| {
            let Ok(value) = http::HeaderValue::from_bytes(input) else { return false };
            let mut request = Request::get("/").body(axum::body::Body::empty()).expect("a request");
            request.headers_mut().insert(header::HOST, value.clone());
            let named = authority(request.headers(), request.uri()).and_then(name_of).is_some();
            request.headers_mut().insert(header::HOST, http::HeaderValue::from_static("desk.test"));
            request.headers_mut().insert(header::ORIGIN, value);
            let parts = request.into_parts().0;
            let ours = [true, false].map(|secure| origin(&crate::testing::options(), secure, &parts));
            let text = std::str::from_utf8(input).unwrap_or_default().to_ascii_lowercase();
            let expected = ["http://desk.test", "https://desk.test", "http://127.0.0.1:5173"].contains(&text.as_str());
            assert!(expected || !ours.contains(&Some(true)), "{text}");
            named
        });
    }
}
