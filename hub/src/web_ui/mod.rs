//! The web UI: a table of files built into the program, and one page for every screen. All of it is the same for everybody and holds
//! nobody's data, so it is there before anybody is known (W-090).

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use protocol::error::ErrorCode;
use web::Asset;

use crate::http::Refused;

const PERMISSIONS: HeaderName = HeaderName::from_static("permissions-policy");
/// What the UI never asks a browser for.
const NO_PERMISSIONS: &str = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()";
/// For files whose path names their content for ever.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// Answers whatever no route takes: a file of the table by its exact path, the page for a screen, or nothing. No path reaches a disk.
pub(crate) async fn serve(request: Request) -> Response {
    let path = request.uri().path();
    let found = match web::asset(path) {
        Some(asset) => Some(asset),
        None if is_screen(path) || (may_be_screen(path) && takes_html(request.headers())) => Some(web::index()),
        None => None,
    };
    let Some(asset) = found else { return Refused::from(ErrorCode::NotFound).into_response() };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response();
    }
    answer(asset, request.method(), request.headers())
}

/// Screens of the UI, which a person may open by their address.
fn is_screen(path: &str) -> bool {
    matches!(path, "/" | "/pair" | "/join" | "/new" | "/archived" | "/devices" | "/health" | "/commands")
        || path.starts_with("/s/")
}

/// Whether a path may be a screen of a later UI: not one of the API's, and not a file's.
fn may_be_screen(path: &str) -> bool {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    !matches!(first, "v1" | "assets" | "healthz" | "readyz")
}

fn takes_html(headers: &HeaderMap) -> bool {
    values(headers, header::ACCEPT).any(|part| part.split(';').next().is_some_and(|kind| kind.trim() == "text/html"))
}

fn answer(asset: &'static Asset, method: &Method, headers: &HeaderMap) -> Response {
    let mut response = Response::new(Body::empty());
    let out = response.headers_mut();
    let caching = if asset.immutable { FOR_EVER } else { "no-cache" };
    for (name, value) in [
        (header::CONTENT_TYPE, asset.mime),
        (header::ETAG, asset.etag),
        (header::CACHE_CONTROL, caching),
        (header::VARY, "accept-encoding"),
        (header::CONTENT_SECURITY_POLICY, web::CONTENT_SECURITY_POLICY),
        (PERMISSIONS, NO_PERMISSIONS),
    ] {
        out.insert(name, HeaderValue::from_static(value));
    }
    if is_known(headers, asset.etag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    let body = match asset.brotli {
        Some(packed) if takes_brotli(headers) => {
            out.insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
            packed
        }
        _ => asset.body,
    };
    out.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    if *method == Method::GET {
        *response.body_mut() = Body::from(body);
    }
    response
}

/// Whether the client has this very content already.
pub(crate) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    values(headers, header::IF_NONE_MATCH).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

fn takes_brotli(headers: &HeaderMap) -> bool {
    values(headers, header::ACCEPT_ENCODING).any(|part| {
        let mut words = part.split(';').map(str::trim);
        let named = words.next().is_some_and(|name| name.eq_ignore_ascii_case("br"));
        let refused = words.any(|word| word.strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()) == Some(0.0));
        named && !refused
    })
}

/// The parts of a header that is a list.
fn values(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .map(str::trim)
}

#[cfg(test)]
mod tests;
