//! How failures of the store become what people and hosts are told.

use protocol::error::{ErrorCode, Problem};
use protocol::port::PortError;
use store::{CommitError, Conflict, ReadError};

/// Something below the hub failed, or a row is not what it should be.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Failure {
    /// A commit failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// A read failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A row does not have its shape.
    #[error("the row {key} does not have its shape: {reason}")]
    Row {
        /// Its key.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// Others were faster each time.
    #[error("others changed the same rows {tries} times in a row")]
    Contended {
        /// How often it was tried.
        tries: u32,
    },
}

impl Failure {
    /// The key whose version was not as expected, if that is what failed.
    pub(crate) fn lost(&self) -> Option<&str> {
        match self {
            Self::Commit(CommitError::Conflict { conflict: Conflict::Version { key, .. }, .. }) => Some(key),
            _ => None,
        }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        // The text may name paths of this machine; it goes to the log only.
        match &failure {
            Failure::Commit(CommitError::Full { .. }) => {
                tracing::error!(%failure, "the disk is full");
                Self::new(ErrorCode::DiskFull)
            }
            Failure::Commit(CommitError::Broken { .. }) | Failure::Read(ReadError::Broken { .. }) => {
                tracing::error!(%failure, "the store is broken");
                Self::new(ErrorCode::StoreBroken)
            }
            Failure::Read(ReadError::NoStream { .. } | ReadError::Retired { .. }) => Self::new(ErrorCode::NotFound),
            Failure::Read(ReadError::BadOffset { .. }) => Self::new(ErrorCode::OffsetInvalid),
            Failure::Read(ReadError::Trimmed { .. }) => Self::new(ErrorCode::OffsetGone),
            Failure::Commit(CommitError::Conflict { .. }) | Failure::Row { .. } | Failure::Contended { .. } => {
                tracing::error!(%failure, "the hub contradicts itself");
                Self::new(ErrorCode::Internal)
            }
        }
    }
}

impl From<Failure> for PortError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Commit(CommitError::Full { reason }) => Self::Full { reason },
            Failure::Commit(CommitError::Broken { reason }) | Failure::Read(ReadError::Broken { reason }) => {
                Self::Broken { reason }
            }
            Failure::Read(ReadError::NoStream { stream } | ReadError::Retired { stream }) => Self::NoStream { stream },
            Failure::Read(error) => Self::Refused { reason: error.to_string() },
            Failure::Commit(CommitError::Conflict { conflict, .. }) => Self::Refused { reason: conflict.to_string() },
            Failure::Row { .. } | Failure::Contended { .. } => Self::Refused { reason: failure.to_string() },
        }
    }
}
