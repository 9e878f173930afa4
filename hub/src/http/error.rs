//! Refusals as HTTP says them. The one place where a problem becomes a response (RFC 9457).

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use protocol::error::{ErrorCode, Problem};
use protocol::limits::PARTICIPANT_PAUSE_MS;

use crate::pairing::ClaimError;

/// A refusal of a request.
#[derive(Debug)]
pub struct Refused {
    problem: Problem,
    retry_after_ms: Option<u64>,
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        // Who is not told when by the place that refuses it may come back after the longest pause between two.
        let retry_after_ms = (problem.code == ErrorCode::RateLimited).then_some(PARTICIPANT_PAUSE_MS);
        Self { problem, retry_after_ms }
    }
}

impl From<ErrorCode> for Refused {
    fn from(code: ErrorCode) -> Self {
        Problem::new(code).into()
    }
}

impl From<ClaimError> for Refused {
    fn from(error: ClaimError) -> Self {
        match error {
            ClaimError::Limited { retry_after_ms } => {
                Self { problem: Problem::new(ErrorCode::RateLimited), retry_after_ms: Some(retry_after_ms) }
            }
            ClaimError::Refused(problem) => problem.into(),
        }
    }
}

impl Refused {
    /// The device asks too often, and may come back after so many milliseconds.
    pub(super) fn limited(retry_after_ms: u64) -> Self {
        let problem = Problem::new(ErrorCode::RateLimited).detail("this device asks too often");
        Self { problem, retry_after_ms: Some(retry_after_ms) }
    }

    pub(super) fn bad(detail: impl Into<String>) -> Self {
        Problem::new(ErrorCode::BadRequest).detail(detail).into()
    }
}

impl IntoResponse for Refused {
    /// Leaves the problem in the response's extensions: the outermost layer writes it as the body, with the request's id.
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        if let Some(ms) = self.retry_after_ms {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000)));
        }
        response.extensions_mut().insert(self.problem);
        response
    }
}

/// The problem of a status that a layer below answered without one.
pub(super) fn problem_of(status: StatusCode) -> Problem {
    let code = match status {
        StatusCode::NOT_FOUND => ErrorCode::NotFound,
        StatusCode::PAYLOAD_TOO_LARGE => ErrorCode::BodyTooLarge,
        StatusCode::UNAUTHORIZED => ErrorCode::Unauthenticated,
        StatusCode::FORBIDDEN => ErrorCode::Forbidden,
        StatusCode::UPGRADE_REQUIRED => ErrorCode::UpgradeRequired,
        status if status.is_server_error() => ErrorCode::Internal,
        _ => ErrorCode::BadRequest,
    };
    let mut problem = Problem::new(code);
    problem.status = status.as_u16();
    if status == StatusCode::METHOD_NOT_ALLOWED {
        "This path does not know that method".clone_into(&mut problem.title);
        "Use one of the methods that the Allow header names.".clone_into(&mut problem.hint);
    }
    problem
}

/// Writes a problem as the body of a response, which keeps its own headers.
pub(super) fn write(mut response: Response, problem: &Problem) -> Response {
    let body = serde_json::to_vec(problem).unwrap_or_default();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    *response.body_mut() = axum::body::Body::from(body);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_too_often_is_told_when_to_come_back() {
        let told = |code: ErrorCode| Refused::from(code).into_response().headers().get(header::RETRY_AFTER).cloned();
        assert_eq!(told(ErrorCode::RateLimited), Some(HeaderValue::from_static("10")));
        assert_eq!(told(ErrorCode::QueueFull), None);
    }
}
