//! The socket of a link: what is written and heard on it, and how it ends.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use protocol::error::{ErrorCode, Problem};
use protocol::limits::{LINK_ANSWER_MS, LINK_TTL_MS, SEND_TIMEOUT_MS};
use protocol::link::HubFrame;
use protocol::socket::CloseCode;
use tokio::time::{Instant, timeout};

const SEND_TIMEOUT: Duration = Duration::from_millis(SEND_TIMEOUT_MS);
const ANSWER: Duration = Duration::from_millis(LINK_ANSWER_MS);
const IDLE: Duration = Duration::from_millis(LINK_TTL_MS);
/// Longest wait for a node to take the close and to answer it. Together with the cut it stays below the 2 s of W-075.
const PART: Duration = Duration::from_secs(1);

/// Why a link ends.
#[derive(Debug)]
pub(super) enum Ending {
    /// The node closed it, or the path broke.
    Gone,
    /// The hub closes it.
    Close(CloseCode),
    /// The node may not come in, or may no longer stay.
    Refuse(Problem),
}

impl Ending {
    pub(super) fn refuse(code: ErrorCode) -> Self {
        Self::Refuse(Problem::new(code))
    }
}

/// The socket, and when the other side was last heard. Nothing waits here but the one frame that is being written.
pub(super) struct Line<'a> {
    socket: &'a mut WebSocket,
    heard: Instant,
    /// Since when an answer is outstanding.
    awaiting: Option<Instant>,
    /// When a sign of life was asked for last.
    probed: Instant,
}

/// What is due on a line on which nothing is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beat {
    /// Ask for a sign of life: who is busy with what it was asked for is not dead.
    Probe,
    /// Take the path for dead.
    Dead,
}

impl<'a> Line<'a> {
    pub(super) fn new(socket: &'a mut WebSocket) -> Self {
        Self { socket, heard: Instant::now(), awaiting: None, probed: Instant::now() }
    }

    /// The next text; `None` for a sign of life alone. Cancellation safe.
    pub(super) async fn hear(&mut self) -> Result<Option<Utf8Bytes>, Ending> {
        let message = self.socket.recv().await;
        self.heard = Instant::now();
        match message {
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

    /// Writes, and waits until the node's side of the path has taken it.
    pub(super) async fn say(&mut self, frame: &HubFrame) -> Result<(), Ending> {
        self.send(Message::Text(text(frame))).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Ending> {
        match timeout(SEND_TIMEOUT, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a link broke");
                Err(Ending::Gone)
            }
            Err(_) => Err(Ending::Close(CloseCode::ResyncRequired)),
        }
    }

    /// Says whether an answer is outstanding now.
    pub(super) fn awaits(&mut self, outstanding: bool) {
        self.awaiting = outstanding.then(|| self.awaiting.unwrap_or_else(Instant::now));
    }

    /// What is due next, and when, unless something is heard before.
    pub(super) fn next(&self) -> (Instant, Beat) {
        let idle = (self.heard + IDLE, Beat::Dead);
        let Some(since) = self.awaiting else { return idle };
        let quiet = since.max(self.heard);
        let dead = (quiet + ANSWER, Beat::Dead);
        let probe = (quiet.max(self.probed) + ANSWER / 2, Beat::Probe);
        let next = if probe.0 < dead.0 { probe } else { dead };
        if next.0 < idle.0 { next } else { idle }
    }

    /// Asks for a sign of life: a WebSocket ping, which whoever reads answers.
    pub(super) async fn probe(&mut self) -> Result<(), Ending> {
        self.probed = Instant::now();
        self.send(Message::Ping(bytes::Bytes::new())).await
    }
}

/// A frame as text.
fn text(frame: &HubFrame) -> Utf8Bytes {
    serde_json::to_string(frame).map(Utf8Bytes::from).expect("frames are plain structs with string keys")
}

/// Says goodbye, as far as the other side still listens, and waits a moment for its answer: a socket that is dropped with frames unread
/// takes the close with it.
pub(super) async fn part(socket: &mut WebSocket, ending: Ending) {
    let goodbye = async {
        let code = match ending {
            Ending::Gone => None,
            Ending::Close(code) => Some(code),
            Ending::Refuse(problem) => {
                let code = match problem.code {
                    ErrorCode::Unauthenticated => CloseCode::AuthExpired,
                    ErrorCode::UpgradeRequired => CloseCode::UpgradeRequired,
                    ErrorCode::BadRequest => CloseCode::BadFrame,
                    _ => CloseCode::Forbidden,
                };
                socket.send(Message::Text(text(&HubFrame::Refused { problem }))).await?;
                Some(code)
            }
        };
        if let Some(code) = code {
            let frame = CloseFrame { code: code.code(), reason: code.reason().into() };
            socket.send(Message::Close(Some(frame))).await?;
        }
        while let Some(Ok(_)) = socket.recv().await {}
        Ok::<(), axum::Error>(())
    };
    match timeout(PART, goodbye).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a link broke before its close was told"),
        Err(_) => tracing::debug!("a link did not answer its close"),
    }
}
