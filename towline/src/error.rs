//! What went wrong, as a person is told, and the exit code for scripts.

use std::fmt;
use std::process::ExitCode;

use client::ApiError;
use client::socket::{Closed, RequestError};
use protocol::error::{ErrorCode, Problem};

/// Which sort of failure; each has its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Whoever read our output has left: nothing to say and nobody to say it to.
    Unheard,
    /// The result says it all, and the exit code is a part of it.
    Told(u8),
    /// It did not work out, or the answer is no.
    No,
    /// The arguments make no sense.
    Usage,
    /// The configuration or the machine does not allow it.
    Config,
    /// Towline does not run, or cannot be reached.
    Unreachable,
    /// This device may not do that.
    Denied,
    /// A bug of ours.
    Bug,
}

impl Kind {
    /// The exit code; documented in the help.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Unheard => 0,
            Self::Told(code) => code,
            Self::No => 1,
            Self::Usage => 2,
            Self::Config => 3,
            Self::Unreachable => 4,
            Self::Denied => 5,
            Self::Bug => 70,
        }
    }
}

/// A command failed.
pub(crate) struct CommandError {
    /// Which sort of failure.
    pub(crate) kind: Kind,
    /// What happened, with the chain of causes.
    pub(crate) source: anyhow::Error,
    /// What to do next.
    pub(crate) hints: Vec<String>,
}

impl fmt::Debug for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {:#}", self.kind, self.source)
    }
}

impl CommandError {
    /// A failure with its cause.
    pub(crate) fn new(kind: Kind, source: impl Into<anyhow::Error>) -> Self {
        Self { kind, source: source.into(), hints: Vec::new() }
    }

    /// A failure that a sentence says.
    pub(crate) fn say(kind: Kind, words: impl fmt::Display) -> Self {
        Self { kind, source: anyhow::anyhow!("{words}"), hints: Vec::new() }
    }

    /// A result that ends with an exit code of its own.
    pub(crate) fn told(code: u8) -> Self {
        Self::say(Kind::Told(code), "the result was printed")
    }

    /// Adds what to do next.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Says what was being done.
    #[must_use]
    pub(crate) fn during(mut self, what: impl fmt::Display + Send + Sync + 'static) -> Self {
        self.source = self.source.context(what);
        self
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> ExitCode {
        ExitCode::from(self.kind.code())
    }
}

/// What a problem of the hub means for the command line.
fn kind(code: ErrorCode) -> Kind {
    match code {
        ErrorCode::Unauthenticated
        | ErrorCode::Forbidden
        | ErrorCode::HostNotAllowed
        | ErrorCode::OriginNotAllowed
        | ErrorCode::PairingRejected => Kind::Denied,
        ErrorCode::ShuttingDown => Kind::Unreachable,
        ErrorCode::Internal => Kind::Bug,
        _ => Kind::No,
    }
}

impl From<Problem> for CommandError {
    fn from(problem: Problem) -> Self {
        let hint = problem.hint.clone();
        Self::new(kind(problem.code), problem).hint(hint)
    }
}

impl From<ApiError> for CommandError {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Problem(problem) => Self::from(*problem),
            error if error.is_unreachable() => {
                Self::new(Kind::Unreachable, error).hint("See whether it still runs, and start it with `towline up`.")
            }
            error => Self::new(Kind::Bug, error),
        }
    }
}

impl From<Closed> for CommandError {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Refused(problem) => Self::from(*problem),
            Closed::AuthExpired | Closed::Forbidden => {
                Self::new(Kind::Denied, closed).hint("Run this as the user who started Towline.")
            }
            // W-065: version_incompatible.
            Closed::UpgradeRequired => Self::new(Kind::No, closed).hint(format!(
                "This is Towline {}; `towline` says which one runs. Stop that one and start it again, or update this one.",
                env!("CARGO_PKG_VERSION")
            )),
            Closed::Here => Self::new(Kind::No, closed),
            Closed::BadFrame | Closed::TooLarge => Self::new(Kind::Bug, closed),
        }
    }
}

impl From<RequestError> for CommandError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Problem(problem) => Self::from(*problem),
            RequestError::Closed(closed) => Self::from(closed),
            RequestError::Late => Self::new(Kind::Unreachable, error),
            RequestError::Busy => Self::new(Kind::Bug, error),
        }
    }
}

impl From<client::FollowError> for CommandError {
    fn from(error: client::FollowError) -> Self {
        use client::FollowError;
        match error {
            FollowError::Page(error) => Self::from(error),
            FollowError::Closed(closed) => Self::from(closed),
            FollowError::Refused(problem) => Self::from(*problem),
            error @ FollowError::Ended { .. } => Self::new(Kind::No, error),
            error @ FollowError::Fact { .. } => Self::new(Kind::Bug, error),
        }
    }
}
