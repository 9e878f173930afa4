//! The outermost layer: a request id, problem bodies for every refusal, the headers that every answer has, one log line.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode, header};
use protocol::error::Problem;
use protocol::id::RequestId;
use tracing::Instrument;

use super::error::{problem_of, write};
use super::{gate, proxy};
use crate::hub::Hub;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
/// What an answer that is not a page of the UI may do in a browser: nothing.
const NO_CONTENT: &str = "default-src 'none'; frame-ancestors 'none'";

/// Headers of every answer that has not set them itself.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CONTENT_SECURITY_POLICY, NO_CONTENT),
    (header::CACHE_CONTROL, "no-store"),
    (RESOURCE, "same-origin"),
];

pub(super) async fn finish(State(hub): State<Hub>, mut request: Request, next: Next) -> Response {
    let id = RequestId::from_uuid(hub.inner.clock.fresh());
    request.extensions_mut().insert(id);
    // The path only: a query is nobody's business in a log.
    let span = tracing::debug_span!("request", %id, method = %request.method(), path = request.uri().path());
    let trusted = proxy::is_secure(request.extensions()) || gate::is_for_this_machine(request.headers(), request.uri());
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    tracing::debug!(parent: &span, status = status.as_u16(), "answered");
    let refused = status.is_client_error() || status.is_server_error();
    if refused && let Some(problem) = problem(&mut response, status) {
        let problem = Problem { request_id: Some(id.to_string()), ..problem };
        response = write(response, &problem);
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::try_from(id.to_string()) {
        headers.insert(REQUEST_ID, value);
    }
    // Browsers take it from origins that they trust only, and warn of it elsewhere.
    if trusted {
        headers.insert(OPENER, HeaderValue::from_static("same-origin"));
    }
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// The problem to write; `None` when the body says it already.
fn problem(response: &mut Response, status: StatusCode) -> Option<Problem> {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return Some(problem);
    }
    let said = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/problem+json");
    (!said).then(|| problem_of(status))
}
