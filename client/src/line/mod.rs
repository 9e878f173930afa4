//! A connection of text frames to any path of a hub: a WebSocket, or requests of its own where something on the way lets none through.
//! Made within limits, with the reason when it ends.

mod hold;
mod polled;
mod web_socket;

use protocol::error::{ErrorCode, Problem};
use protocol::socket::CloseCode;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::remote::Remote;
use polled::Polled;
use web_socket::WebSocket;

/// A connection is over, or was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The hub refused, and says why.
    #[error(transparent)]
    Refused(Box<Problem>),
    /// The network, or a hub that ends without a reason.
    #[error("{0}")]
    Broken(String),
    /// Somebody answers, and no WebSocket is to be had: what was answered instead, and by whom as far as it says so.
    #[error("{0}")]
    Barred(String),
}

/// A live connection. Dropping it ends it.
pub struct Line {
    wire: Wire,
}

enum Wire {
    WebSocket(Box<WebSocket>),
    Polled(Box<Polled>),
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Line")
    }
}

impl Line {
    /// Connects by a WebSocket, with the credential of the remote; bounded in time. `max_bytes` is the largest frame that is taken.
    ///
    /// # Errors
    /// [`LineError`].
    pub async fn open(remote: &Remote, path: &str, max_bytes: usize) -> Result<Self, LineError> {
        Ok(Self { wire: Wire::WebSocket(Box::new(WebSocket::open(remote, path, max_bytes).await?)) })
    }

    /// Connects by requests of its own, as `protocol::polled` has them below `path`; bounded in time.
    ///
    /// # Errors
    /// [`LineError`]; `not_found` of a hub that knows no such way.
    pub async fn poll(remote: &Remote, path: &str) -> Result<Self, LineError> {
        Ok(Self { wire: Wire::Polled(Box::new(Polled::open(remote, path).await?)) })
    }

    /// Finds out whether something gets through in both directions, before anything is said; bounded in time.
    ///
    /// # Errors
    /// [`LineError`] when nothing comes back.
    pub async fn prove(&mut self) -> Result<(), LineError> {
        match &mut self.wire {
            Wire::WebSocket(wire) => wire.prove().await,
            // It was opened by a request that was answered.
            Wire::Polled(_) => Ok(()),
        }
    }

    /// Writes a frame; bounded in time. Not to be written to any more once it failed; after a call that was dropped, the next one brings
    /// what that one has not.
    ///
    /// # Errors
    /// [`LineError`].
    pub async fn send(&mut self, text: String) -> Result<(), LineError> {
        match &mut self.wire {
            Wire::WebSocket(wire) => wire.send(text).await,
            Wire::Polled(wire) => wire.send(text).await,
        }
    }

    /// Reads a frame; `None` for a sign of life that is not one. Cancellation safe.
    ///
    /// # Errors
    /// [`LineError`].
    pub async fn receive(&mut self) -> Result<Option<Utf8Bytes>, LineError> {
        match &mut self.wire {
            Wire::WebSocket(wire) => wire.receive().await,
            Wire::Polled(wire) => wire.receive().await.map(Some),
        }
    }

    /// Whether what the hub says comes as soon as it is said; if not, it is looked for every few seconds.
    pub fn is_pushed(&self) -> bool {
        match &self.wire {
            Wire::WebSocket(_) => true,
            Wire::Polled(wire) => wire.is_held(),
        }
    }

    /// Says goodbye, without waiting long for an answer.
    pub async fn close(self) {
        match self.wire {
            Wire::WebSocket(wire) => wire.close().await,
            // What was said has been taken, and what is asked ends with it.
            Wire::Polled(_) => {}
        }
    }
}

/// What the code of a close frame says.
fn ended(code: u16, reason: &str) -> LineError {
    let known = [
        (CloseCode::AuthExpired, ErrorCode::Unauthenticated),
        (CloseCode::Forbidden, ErrorCode::Forbidden),
        (CloseCode::UpgradeRequired, ErrorCode::UpgradeRequired),
        (CloseCode::BadFrame, ErrorCode::BadRequest),
        (CloseCode::TooLarge, ErrorCode::BodyTooLarge),
    ];
    match known.into_iter().find(|(known, _)| known.code() == code) {
        Some((_, code)) => LineError::Refused(Box::new(Problem::new(code))),
        None => LineError::Broken(format!("the hub closed the connection: {code} {reason}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_codes_that_say_why_are_refusals() {
        for code in [4400, 4401, 4403, 4413, 4426] {
            assert!(matches!(ended(code, ""), LineError::Refused(_)), "{code}");
        }
        for code in [1000, 1001, 1006, 1011, 4408, 4503, 4999] {
            assert!(matches!(ended(code, ""), LineError::Broken(_)), "{code}");
        }
    }
}
