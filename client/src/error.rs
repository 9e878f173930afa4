//! What can go wrong with one request.

use std::io;

use protocol::error::{ErrorCode, Problem};

/// A request to a hub failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// There is nobody at the address, or the path broke.
    #[error("cannot reach {authority}")]
    Unreachable {
        /// Host and port.
        authority: String,
        /// What the network said.
        #[source]
        source: io::Error,
    },
    /// The connection broke before the answer was whole.
    #[error("the connection to {authority} broke during {what}")]
    Broken {
        /// Host and port.
        authority: String,
        /// The request.
        what: String,
        /// What was said of it.
        #[source]
        source: hyper::Error,
    },
    /// The hub did not answer in time.
    #[error("{authority} did not answer {what} within {limit_ms} ms")]
    Late {
        /// Host and port.
        authority: String,
        /// The request.
        what: String,
        /// How long was waited.
        limit_ms: u64,
    },
    /// The hub refused, and says why.
    #[error(transparent)]
    Problem(Box<Problem>),
    /// What came back is not what a hub says.
    #[error("{what} was answered with something that is not understood: {reason}")]
    Strange {
        /// The request.
        what: String,
        /// What is wrong with the answer.
        reason: String,
    },
}

impl ApiError {
    /// The code, when the hub refused.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Problem(problem) => Some(problem.code),
            _ => None,
        }
    }

    /// Whether nobody could be reached.
    pub const fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Broken { .. } | Self::Late { .. })
    }
}

/// Whether a body is the word of a hub, of whichever version, and not a page of something on the way: it has a code.
pub(crate) fn is_problem(body: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(body).is_ok_and(|value| value["code"].is_string())
}

/// Reads a problem; a code that this program does not know becomes the one that its status suggests.
pub(crate) fn problem(status: u16, body: &[u8]) -> Problem {
    if let Ok(problem) = serde_json::from_slice::<Problem>(body) {
        return problem;
    }
    let code = match status {
        401 => ErrorCode::Unauthenticated,
        403 => ErrorCode::Forbidden,
        404 => ErrorCode::NotFound,
        413 => ErrorCode::BodyTooLarge,
        421 => ErrorCode::HostNotAllowed,
        426 => ErrorCode::UpgradeRequired,
        429 => ErrorCode::RateLimited,
        503 => ErrorCode::ShuttingDown,
        400..500 => ErrorCode::BadRequest,
        _ => ErrorCode::Internal,
    };
    let value = serde_json::from_slice::<serde_json::Value>(body).unwrap_or_default();
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    let mut problem = Problem::new(code);
    problem.status = status;
    problem.title = text("title").unwrap_or(problem.title);
    problem.hint = text("hint").unwrap_or(problem.hint);
    problem.detail = text("detail");
    problem.request_id = text("requestId");
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_of_newer_and_of_no_hubs_are_understood() {
        let known = Problem::new(ErrorCode::QueueFull).detail("100 wait");
        assert_eq!(problem(429, &serde_json::to_vec(&known).unwrap()), known);
        let newer = problem(429, br#"{"status":429,"code":"moon_full","title":"Moon","hint":"Wait.","detail":null}"#);
        assert_eq!((newer.code, newer.title.as_str(), newer.hint.as_str()), (ErrorCode::RateLimited, "Moon", "Wait."));
        assert_eq!(problem(502, b"<html>").code, ErrorCode::Internal);
    }

    #[test]
    fn a_page_of_something_on_the_way_is_no_word_of_a_hub() {
        assert!(is_problem(br#"{"status":429,"code":"moon_full"}"#));
        for page in [&b""[..], b"<html>Log in</html>", b"{}", b"[]", br#"{"code":7}"#, br#"{"error":"forbidden"}"#] {
            assert!(!is_problem(page));
        }
    }

    #[test]
    fn fuzz_problems() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/fixtures/wire/http-bodies.json");
        let newer = r#"{"status":429,"code":"moon_full","title":"Moon","hint":"Wait."}"#;
        let corpus = fuzz::json(&file).and(fuzz::words(&[newer]));
        fuzz::target("problems", &corpus, |input| problem(429, input).code != ErrorCode::RateLimited);
    }
}
