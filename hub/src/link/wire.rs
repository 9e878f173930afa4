//! What carries a link: a WebSocket, or requests of its own where none gets through.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use protocol::limits::SEND_TIMEOUT_MS;
use protocol::link::HubFrame;
use protocol::socket::CloseCode;
use tokio::time::{Instant, timeout};

use super::line::Ending;
use super::polled::Polled;

const SEND_TIMEOUT: Duration = Duration::from_millis(SEND_TIMEOUT_MS);

/// A connection, whichever way it goes.
#[derive(Debug)]
pub(super) enum Wire {
    /// The usual way.
    Socket(Box<WebSocket>),
    /// Requests of its own.
    Polled(Polled),
}

impl Wire {
    /// The next text; `None` for a sign of life alone. Cancellation safe.
    pub(super) async fn hear(&mut self) -> Result<Option<Utf8Bytes>, Ending> {
        let socket = match self {
            Self::Socket(socket) => socket,
            Self::Polled(polled) => return polled.hear().await,
        };
        match socket.recv().await {
            Some(Ok(Message::Text(text))) => Ok(Some(text)),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
            Some(Ok(Message::Binary(_))) => Err(Ending::Close(CloseCode::BadFrame)),
            Some(Ok(Message::Close(_))) | None => Err(Ending::Gone),
            Some(Err(error)) if error.to_string().contains("Message too long") => {
                Err(Ending::Close(CloseCode::TooLarge))
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "a link broke");
                Err(Ending::Gone)
            }
        }
    }

    /// Writes, and waits until the node's side of the path has taken it; or keeps it until the node asks for it.
    pub(super) async fn say(&mut self, frame: &HubFrame) -> Result<(), Ending> {
        match self {
            Self::Socket(socket) => send(socket, Message::Text(text(frame))).await,
            Self::Polled(polled) => polled.say(frame).await,
        }
    }

    /// When the node will have left what was said for too long; a socket says so itself.
    pub(super) fn due(&self) -> Option<Instant> {
        match self {
            Self::Socket(_) => None,
            Self::Polled(polled) => polled.due(),
        }
    }

    /// Asks for a sign of life: a WebSocket ping, which whoever reads answers; or an answer without a frame, after which the node asks anew.
    pub(super) async fn probe(&mut self) -> Result<(), Ending> {
        match self {
            Self::Socket(socket) => send(socket, Message::Ping(bytes::Bytes::new())).await,
            Self::Polled(polled) => {
                polled.probe();
                Ok(())
            }
        }
    }

    /// Says last words and why it ends, and waits until both have come; to be limited in time by the caller.
    pub(super) async fn part(&mut self, last: Option<HubFrame>, code: Option<CloseCode>) {
        let parted = match self {
            Self::Socket(socket) => close(socket, last, code).await,
            Self::Polled(polled) => {
                // Who is gone fetches nothing.
                if let Some(code) = code {
                    polled.part(last, code.code()).await;
                }
                Ok(())
            }
        };
        if let Err(error) = parted {
            tracing::debug!(%error, "a link broke before its close was told");
        }
    }
}

async fn send(socket: &mut WebSocket, message: Message) -> Result<(), Ending> {
    match timeout(SEND_TIMEOUT, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a link broke");
            Err(Ending::Gone)
        }
        Err(_) => Err(Ending::Close(CloseCode::ResyncRequired)),
    }
}

/// Closes a socket and waits for the answer: one that is dropped with frames unread takes the close with it.
async fn close(socket: &mut WebSocket, last: Option<HubFrame>, code: Option<CloseCode>) -> Result<(), axum::Error> {
    if let Some(frame) = last {
        socket.send(Message::Text(text(&frame))).await?;
    }
    if let Some(code) = code {
        let frame = CloseFrame { code: code.code(), reason: code.reason().into() };
        socket.send(Message::Close(Some(frame))).await?;
    }
    while let Some(Ok(_)) = socket.recv().await {}
    Ok(())
}

/// A frame as text.
fn text(frame: &HubFrame) -> Utf8Bytes {
    serde_json::to_string(frame).map(Utf8Bytes::from).expect("frames are plain structs with string keys")
}
