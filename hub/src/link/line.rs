//! The line of a link: what is said and heard on it, when the other side counts as dead, and how it ends.

use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use protocol::error::{ErrorCode, Problem};
use protocol::limits::{LINK_ANSWER_MS, LINK_TTL_MS};
use protocol::link::HubFrame;
use protocol::socket::CloseCode;
use tokio::time::{Instant, timeout};

use super::wire::Wire;

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

/// What carries the link, and when the other side was last heard. Nothing waits here but the one frame that is being written.
pub(super) struct Line<'a> {
    wire: &'a mut Wire,
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
    pub(super) fn new(wire: &'a mut Wire) -> Self {
        Self { wire, heard: Instant::now(), awaiting: None, probed: Instant::now() }
    }

    /// The next text; `None` for a sign of life alone. Cancellation safe.
    pub(super) async fn hear(&mut self) -> Result<Option<Utf8Bytes>, Ending> {
        let heard = self.wire.hear().await;
        self.heard = Instant::now();
        heard
    }

    /// Writes, and waits until the node's side of the path has taken it.
    pub(super) async fn say(&mut self, frame: &HubFrame) -> Result<(), Ending> {
        self.wire.say(frame).await
    }

    /// Says whether an answer is outstanding now.
    pub(super) fn awaits(&mut self, outstanding: bool) {
        self.awaiting = outstanding.then(|| self.awaiting.unwrap_or_else(Instant::now));
    }

    /// What is due next, and when, unless something is heard before.
    pub(super) fn next(&self) -> (Instant, Beat) {
        let idle = self.wire.due().unwrap_or(self.heard + IDLE).min(self.heard + IDLE);
        let Some(since) = self.awaiting else { return (idle, Beat::Dead) };
        let quiet = since.max(self.heard);
        let dead = quiet + ANSWER;
        let probe = quiet.max(self.probed) + ANSWER / 2;
        let next = if probe < dead { (probe, Beat::Probe) } else { (dead, Beat::Dead) };
        if next.0 < idle { next } else { (idle, Beat::Dead) }
    }

    /// Asks for a sign of life.
    pub(super) async fn probe(&mut self) -> Result<(), Ending> {
        self.probed = Instant::now();
        self.wire.probe().await
    }
}

/// Says goodbye, as far as the other side still listens, and waits a moment for its answer.
pub(super) async fn part(wire: &mut Wire, ending: Ending) {
    let (last, code) = match ending {
        Ending::Gone => (None, None),
        Ending::Close(code) => (None, Some(code)),
        Ending::Refuse(problem) => {
            let code = match problem.code {
                ErrorCode::Unauthenticated => CloseCode::AuthExpired,
                ErrorCode::UpgradeRequired => CloseCode::UpgradeRequired,
                ErrorCode::BadRequest => CloseCode::BadFrame,
                _ => CloseCode::Forbidden,
            };
            (Some(HubFrame::Refused { problem }), Some(code))
        }
    };
    if timeout(PART, wire.part(last, code)).await.is_err() {
        tracing::debug!("a link did not answer its close");
    }
}
