//! How a socket ends.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use protocol::error::{ErrorCode, Problem};
use protocol::socket::{CloseCode, ServerFrame};

use super::said;

/// Longest wait for a client to take the close and to answer it. Together with the cut it stays below the 2 s of W-075.
const PART: Duration = Duration::from_secs(1);

/// Why a socket ends.
#[derive(Debug)]
pub(super) enum Ending {
    /// The client closed it, or the path broke.
    Gone,
    /// The hub closes it.
    Close(CloseCode, Option<Problem>),
}

impl Ending {
    /// The hub closes a socket and says what was wrong first.
    pub(super) fn because(code: CloseCode, problem: ErrorCode, detail: impl Into<String>) -> Self {
        Self::Close(code, Some(Problem::new(problem).detail(detail)))
    }

    /// What a failed read means. The reader's errors are told apart by their words, because their type is not ours to name; a test
    /// holds each of them.
    pub(super) fn of_read(error: &axum::Error) -> Self {
        let words = error.to_string();
        if words.contains("Message too long") {
            Self::because(CloseCode::TooLarge, ErrorCode::BodyTooLarge, "the frame is larger than 1 MiB")
        } else if words.contains("UTF-8") {
            Self::because(CloseCode::BadFrame, ErrorCode::BadRequest, "the text is not UTF-8")
        } else {
            Self::Gone
        }
    }
}

/// Says goodbye, as far as the other side still listens, and waits a moment for its answer: a socket that is dropped with frames
/// unread takes the close with it.
pub(super) async fn part(socket: &mut WebSocket, ending: Ending) {
    let goodbye = async {
        if let Ending::Close(code, problem) = ending {
            if let Some(problem) = problem {
                let frame = ServerFrame::Error { req: None, sub: None, problem };
                socket.send(Message::Text(said::text(&frame))).await?;
            }
            let frame = CloseFrame { code: code.code(), reason: code.reason().into() };
            socket.send(Message::Close(Some(frame))).await?;
        }
        while let Some(heard) = socket.recv().await {
            match heard.map_err(|error| Ending::of_read(&error)) {
                Ok(_) => {}
                Err(Ending::Gone) => break,
                // After a frame that could not be read nothing can, though the client is there: the wait alone has to do.
                Err(Ending::Close(..)) => return std::future::pending().await,
            }
        }
        Ok::<(), axum::Error>(())
    };
    match tokio::time::timeout(PART, goodbye).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a socket broke before its close was told"),
        Err(_) => tracing::debug!("a socket did not answer its close"),
    }
}
