//! What goes wrong, as HTTP says it: RFC 9457 bodies with a code, and the headers that the protocol attaches to a refusal.

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use protocol::path::StreamPath;
use serde::Serialize;
use store::{CommitError, Conflict, ReadError};

use super::headers::name;
use super::pace::TooSlow;
use crate::lifetime::LifeError;
use crate::{FollowError, SubscriptionError, json::JsonError, live};

/// A refusal.
#[derive(Debug)]
pub(super) enum Problem {
    /// The access policy answered.
    Denied(Box<Response>),
    /// We answer.
    Own(Box<Refusal>),
}

#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    body: Body,
    headers: Vec<(HeaderName, String)>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    code: &'static str,
    title: &'static str,
    detail: String,
    hint: Option<&'static str>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        let body = Body { code, title, detail: detail.into(), hint: None };
        Self::Own(Box::new(Refusal { status, body, headers: Vec::new() }))
    }

    pub(super) fn bad(code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, title, detail)
    }

    pub(super) fn missing(stream: &StreamPath) -> Self {
        Self::new(StatusCode::NOT_FOUND, "stream_not_found", "No such stream", format!("There is no stream {stream}."))
    }

    fn retired(detail: String) -> Self {
        Self::new(StatusCode::GONE, "stream_retired", "The stream was deleted", detail)
    }

    pub(super) fn method() -> Self {
        let title = "A stream does not know this method";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", title, "")
            .with(header::ALLOW, super::headers::METHODS)
    }

    pub(super) fn conflict(code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, title, detail)
    }

    /// Others changed what a request was about, over and over.
    pub(super) fn busy() -> Self {
        Self::conflict("busy", "Somebody else was faster", "The stream was changed meanwhile.").hint("Try again.")
    }

    pub(super) fn closed(tail: protocol::offset::Offset) -> Self {
        Self::conflict("stream_closed", "The stream is closed", format!("It ends at {tail} for ever."))
            .with(name::CLOSED, "true")
            .with(name::NEXT_OFFSET, tail.to_string())
    }

    pub(super) fn body(error: &axum::Error, limit: usize) -> Self {
        let mut causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
        if causes.any(<dyn std::error::Error>::is::<TooSlow>) {
            let title = "The body came too slowly";
            return Self::new(
                StatusCode::REQUEST_TIMEOUT,
                "body_too_slow",
                title,
                "It was waited for at 4 KiB a second.",
            )
            .hint("Send it again when the network is better, or in parts.");
        }
        let too_long = std::error::Error::source(error).is_some_and(|e| e.to_string().contains("length limit"));
        if too_long {
            return Self::too_long(limit);
        }
        Self::bad("body_unreadable", "The body could not be read", error.to_string())
    }

    pub(super) fn too_long(limit: usize) -> Self {
        let detail = format!("At most {limit} bytes are taken at once.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large", detail)
            .hint("Append it in parts.")
    }

    pub(super) fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        if let Self::Own(refusal) = &mut self {
            refusal.headers.push((name, value.into()));
        }
        self
    }

    pub(super) fn hint(mut self, hint: &'static str) -> Self {
        if let Self::Own(refusal) = &mut self {
            refusal.body.hint = Some(hint);
        }
        self
    }

    fn broken(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "the store failed");
        let title = "The store failed";
        // The reason may hold paths of this machine; it is in the log.
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", title, "")
            .hint("Try again; if it stays, look at the server's log.")
    }
}

/// What to do next, where nothing better is known.
fn usual_hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "Check the path; the stream may have been deleted.",
        StatusCode::METHOD_NOT_ALLOWED => "Use one of the methods that the Allow header names.",
        StatusCode::CONFLICT => "Ask for the stream's head, and decide again.",
        StatusCode::GONE => "Begin again from the start of the stream, or make a new one under another path.",
        status if status.is_server_error() => "Try again.",
        _ => "Compare the request with the Durable Streams protocol.",
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let refusal = match self {
            Self::Denied(response) => return *response,
            Self::Own(refusal) => refusal,
        };
        let mut body = refusal.body;
        body.hint = body.hint.or_else(|| Some(usual_hint(refusal.status)));
        let mut response = (refusal.status, axum::Json(&body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in refusal.headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

impl From<JsonError> for Problem {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Invalid(_) => Self::bad("json_invalid", "The body is not JSON", error.to_string()),
            JsonError::TooMany => {
                let title = "The body holds too many messages";
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_messages", title, error.to_string())
                    .hint("Append it in parts.")
            }
            JsonError::Empty => Self::bad("json_empty", "The body holds no message", error.to_string()),
        }
    }
}

impl From<LifeError> for Problem {
    fn from(error: LifeError) -> Self {
        match error {
            LifeError::Read(e) => e.into(),
            LifeError::Commit(e) => e.into(),
        }
    }
}

impl From<SubscriptionError> for Problem {
    fn from(error: SubscriptionError) -> Self {
        match error {
            SubscriptionError::Read(e) => e.into(),
            SubscriptionError::Commit(e) => e.into(),
            SubscriptionError::Damaged { .. } => Self::broken(&error),
        }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match &error {
            ReadError::NoStream { stream } => Self::missing(stream),
            ReadError::Retired { .. } => Self::retired(error.to_string()),
            // The stream was made anew since: what the offset meant is gone, and nothing may be spliced in (W-031).
            ReadError::BadOffset { offset, tail, .. } if offset.epoch < tail.epoch => {
                Self::new(StatusCode::GONE, "offset_gone", "The position is no longer kept", error.to_string())
                    .hint("Begin again with offset=-1.")
            }
            ReadError::BadOffset { .. } => {
                Self::bad("offset_invalid", "Not a position of the stream", error.to_string())
                    .hint("Offsets come from Stream-Next-Offset; begin again with offset=-1.")
            }
            ReadError::Trimmed { first, resume, compactions, .. } => {
                Self::new(StatusCode::GONE, "offset_gone", "The position is no longer kept", error.to_string())
                    .with(name::NEXT_OFFSET, live::name(*first, *resume, *compactions))
                    .hint("Begin again with offset=-1.")
            }
            ReadError::Broken { .. } => Self::broken(&error),
        }
    }
}

impl From<FollowError> for Problem {
    fn from(error: FollowError) -> Self {
        match error {
            FollowError::Gone { stream } => Self::missing(&stream),
            FollowError::BadOffset { stream, offset, first, tail } => {
                ReadError::BadOffset { stream, offset, first, tail }.into()
            }
            FollowError::Trimmed { stream, first, resume, compactions } => {
                ReadError::Trimmed { stream, first, resume, compactions }.into()
            }
            FollowError::Broken { .. } => Self::broken(&error),
        }
    }
}

impl From<CommitError> for Problem {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict { conflict, .. } => conflict.into(),
            CommitError::Broken { .. } => Self::broken(&error),
            CommitError::Full { .. } => {
                tracing::error!(%error, "the store is full");
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "store_full", "The disk is full", "")
            }
        }
    }
}

impl From<Conflict> for Problem {
    fn from(conflict: Conflict) -> Self {
        let detail = conflict.to_string();
        match conflict {
            Conflict::NoStream { stream } => Self::missing(&stream),
            Conflict::Retired { .. } => Self::retired(detail),
            Conflict::Exists { .. } => Self::conflict("stream_exists", "Another stream is there", detail),
            Conflict::Closed { tail, .. } => Self::closed(tail),
            Conflict::Tail { tail, .. } => Self::conflict("tail_mismatch", "The stream ends elsewhere", detail)
                .with(name::NEXT_OFFSET, tail.to_string()),
            Conflict::Seq { .. } => Self::conflict("seq_conflict", "Stream-Seq must grow", detail),
            Conflict::Fenced { current, .. } => {
                Self::new(StatusCode::FORBIDDEN, "producer_fenced", "A newer producer has written", detail)
                    .with(name::PRODUCER_EPOCH, current.to_string())
            }
            Conflict::EpochStart { .. } => Self::bad("producer_epoch_start", "A new epoch begins at 0", detail),
            Conflict::Gap { expected, received, .. } => Self::conflict("producer_gap", "An append is missing", detail)
                .with(name::PRODUCER_EXPECTED, expected.to_string())
                .with(name::PRODUCER_RECEIVED, received.to_string()),
            Conflict::Version { .. } | Conflict::Epoch { .. } => Self::busy(),
        }
    }
}
