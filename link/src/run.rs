//! The one task of a link: dials, serves the connection, waits, dials again.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use client::{Backoff, Line, LineError, Remote};
use hub::Hub;
use protocol::error::{ErrorCode, Problem};
use protocol::limits::{MAX_LINK_FRAME_BYTES, MAX_RECONNECT_MS};
use protocol::link::Chain;
use protocol::offset::Offset;
use protocol::path::StreamPath;
use protocol::time::Clock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::connection::{self, Around, End};
use crate::state::{LinkState, Phase, Trouble};

/// The path of the link.
const PATH: &str = "/v1/link";
/// Pause before a dial that can hardly help: somebody has to update one side, or to change something there.
const SLOW: Duration = Duration::from_mins(5);
/// Shortest pause before a WebSocket is tried for again while the link goes around what bars it; as much again at most is added.
const WEB_SOCKET_AGAIN: Duration = Duration::from_secs(30);
/// What to do where a network lets no WebSocket through, and the hub knows no other way.
const UNBAR: &str = "Update Towline at the hub, which then does without; or let the proxy pass `Upgrade: websocket` on `/v1/link`. It is tried again and again.";

/// How a link behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// A random number of this start of the node, in hex; the same for all its links.
    pub boot: String,
    /// The ceiling of the first pause before dialling again; it doubles up to `MAX_RECONNECT_MS`.
    pub first_pause: Duration,
    /// Where the jitter begins; any number that differs between nodes.
    pub seed: u64,
    /// What the node's audit trail says of where things come from: the address of the hub.
    pub source: String,
}

/// The way to the hub, asked for before each dial, so that each has a fresh credential (W-089). Words say why there is none.
pub type Way = Arc<dyn Fn() -> Result<Remote, String> + Send + Sync>;

/// A link to one hub.
#[derive(Clone)]
pub struct Link {
    hub: Hub,
    way: Way,
    clock: Arc<dyn Clock>,
    options: Options,
    state: watch::Sender<LinkState>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("source", &self.options.source).finish_non_exhaustive()
    }
}

/// What a link knows from one connection to the next: the chain of each own stream up to where a hub last had it.
pub(crate) type Chains = HashMap<StreamPath, (Offset, Chain)>;

/// What to do after a connection has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Dial again after the usual pause.
    Soon,
    /// Dial again after a long one.
    Slowly,
    /// A person has to do something first (W-089).
    Stop,
}

impl Link {
    /// A link from this node's hub to the one that `way` leads to. Nothing is dialled yet.
    pub fn new(hub: Hub, way: Way, clock: Arc<dyn Clock>, options: Options) -> Self {
        let state = watch::Sender::new(LinkState::new(clock.now()));
        Self { hub, way, clock, options, state }
    }

    /// What is to be seen of it, now and from now on.
    pub fn state(&self) -> watch::Receiver<LinkState> {
        self.state.subscribe()
    }

    /// Keeps a connection until it is told to stop; then says goodbye, so that the host is offline there at once.
    ///
    /// A lost connection is not an error: it dials again, for ever, with pauses that grow to half a minute. Where the hub says that
    /// dialling cannot help, it stops and shows why, and waits only to be told to stop. When dropped it ends at once, without a word.
    pub async fn run(&self, stop: CancellationToken) {
        let mut backoff = Backoff::new(self.options.first_pause, self.options.seed);
        let mut chains = None;
        loop {
            self.show(Phase::Connecting);
            let trouble = match Box::pin(self.connect(&mut chains, &mut backoff, &stop)).await {
                End::Told => return,
                End::Trouble(trouble) => trouble,
                End::Mute(words) => Trouble::network(words),
            };
            if stop.is_cancelled() {
                return;
            }
            let next = reaction(&trouble);
            tracing::info!(hub = %self.options.source, why = %trouble.words, ?next, "the link has ended");
            let pause = match next {
                Next::Soon => backoff.pause(),
                // Spread, so that many nodes of one hub do not come at once.
                Next::Slowly => SLOW + backoff.pause().min(Duration::from_millis(MAX_RECONNECT_MS)),
                Next::Stop => {
                    self.end(Phase::Stopped, trouble);
                    stop.cancelled().await;
                    return;
                }
            };
            self.end(Phase::Waiting, trouble);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn connect(&self, chains: &mut Option<Chains>, backoff: &mut Backoff, stop: &CancellationToken) -> End {
        let remote = match (self.way)() {
            Ok(remote) => remote,
            Err(words) => {
                let problem = Problem::new(ErrorCode::Unauthenticated).detail(words);
                return End::Trouble(problem.into());
            }
        };
        let opening = Line::open(&remote, PATH, MAX_LINK_FRAME_BYTES);
        let line = tokio::select! {
            opened = opening => opened,
            () = stop.cancelled() => return End::Told,
        };
        let words = match line {
            Ok(line) => match serve(line, &self.around(&remote, None), chains, backoff, stop).await {
                End::Mute(words) => format!("a WebSocket was opened, and nothing came over it: {words}"),
                end => return end,
            },
            Err(LineError::Barred(words)) => words,
            Err(error) => return error.into(),
        };
        Box::pin(self.go_around(&remote, words, chains, backoff, stop)).await
    }

    /// Goes by requests of its own, until that ends or a WebSocket is to be had after all.
    async fn go_around(
        &self,
        remote: &Remote,
        words: String,
        chains: &mut Option<Chains>,
        backoff: &mut Backoff,
        stop: &CancellationToken,
    ) -> End {
        let opened = tokio::select! {
            opened = Line::poll(remote, PATH) => opened,
            () = stop.cancelled() => return End::Told,
        };
        let line = match opened {
            Ok(line) => line,
            Err(error) => return End::Trouble(barred(&words, error)),
        };
        tracing::info!(hub = %self.options.source, why = %words, "the link goes by requests of its own");
        let around = self.around(remote, Some(words));
        let found = tokio::select! {
            end = serve(line, &around, chains, backoff, stop) => Err(end),
            found = self.web_socket_again() => Ok(found),
        };
        let end = match found {
            // The one before it is dropped without a word: this one takes its place at the hub.
            Ok((line, remote)) => {
                tracing::info!(hub = %self.options.source, "a WebSocket gets through again");
                serve(line, &self.around(&remote, None), chains, backoff, stop).await
            }
            Err(end) => end,
        };
        match end {
            End::Mute(words) => End::Trouble(Trouble::network(words)),
            end => end,
        }
    }

    fn around(&self, remote: &Remote, barred: Option<String>) -> Around<'_> {
        Around {
            hub: &self.hub,
            api: client::Api::new(remote.clone()),
            clock: &*self.clock,
            options: &self.options,
            barred,
            state: &self.state,
        }
    }

    /// Waits until a WebSocket is to be had that carries something in both directions; the hub has heard nothing over it yet.
    async fn web_socket_again(&self) -> (Line, Remote) {
        let mut jitter = Backoff::new(WEB_SOCKET_AGAIN, self.options.seed);
        loop {
            tokio::time::sleep(WEB_SOCKET_AGAIN + jitter.pause()).await;
            let Ok(remote) = (self.way)() else { continue };
            let trial = async {
                let mut line = Line::open(&remote, PATH, MAX_LINK_FRAME_BYTES).await?;
                line.prove().await?;
                Ok::<_, LineError>(line)
            };
            match trial.await {
                Ok(line) => return (line, remote),
                Err(error) => tracing::debug!(%error, "there is still no WebSocket to be had"),
            }
        }
    }

    fn show(&self, phase: Phase) {
        let now = self.clock.now();
        self.state.send_modify(|state| (state.phase, state.since_ms, state.slow) = (phase, now, None));
    }

    fn end(&self, phase: Phase, trouble: Trouble) {
        self.show(phase);
        self.state.send_modify(|state| state.trouble = Some(trouble));
    }
}

impl From<LineError> for End {
    fn from(error: LineError) -> Self {
        Self::Trouble(match error {
            LineError::Refused(problem) => (*problem).into(),
            LineError::Broken(words) | LineError::Barred(words) => Trouble::network(words),
        })
    }
}

/// Serves a connection until it is over; on the heap, since what it has under way is large.
fn serve<'a>(
    line: Line,
    around: &'a Around<'_>,
    chains: &'a mut Option<Chains>,
    backoff: &'a mut Backoff,
    stop: &'a CancellationToken,
) -> Pin<Box<impl Future<Output = End> + 'a>> {
    Box::pin(connection::serve(line, around, chains, backoff, stop))
}

/// Why there is neither a WebSocket nor another way.
fn barred(words: &str, error: LineError) -> Trouble {
    match error {
        // It answers, and knows no such address: an older hub, and only then somebody can be told what to do about it.
        LineError::Refused(problem) if matches!(problem.code, ErrorCode::NotFound | ErrorCode::BadRequest) => Trouble {
            hint: Some(UNBAR.to_owned()),
            ..Trouble::network(format!("requests reach the hub and no WebSocket does: {words}"))
        },
        LineError::Refused(problem) => (*problem).into(),
        LineError::Broken(other) | LineError::Barred(other) => Trouble::network(format!("{words}; {other}")),
    }
}

fn reaction(trouble: &Trouble) -> Next {
    if trouble.fenced.is_some() {
        return Next::Stop;
    }
    match trouble.code {
        // Deletions were forgotten that the hub had not heard of (`offset_gone`): it is sent all rows. A connection of this very start
        // that the hub still took for alive (`link_replaced`) makes room at the next dial.
        None | Some(ErrorCode::OffsetGone | ErrorCode::LinkReplaced) => Next::Soon,
        Some(
            ErrorCode::Unauthenticated
            | ErrorCode::Forbidden
            | ErrorCode::LinkCloned
            | ErrorCode::LinkRestored
            | ErrorCode::HostNotAllowed
            | ErrorCode::OriginNotAllowed,
        ) => Next::Stop,
        Some(ErrorCode::UpgradeRequired | ErrorCode::NotFound) => Next::Slowly,
        Some(code) if code.is_retryable() => Next::Soon,
        Some(_) => Next::Slowly,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dialling_cannot_help_is_not_tried_for_ever() {
        let next = |code| reaction(&Problem::new(code).into());
        for code in [ErrorCode::Unauthenticated, ErrorCode::Forbidden, ErrorCode::LinkCloned, ErrorCode::LinkRestored] {
            assert_eq!(next(code), Next::Stop, "{code:?}");
        }
        for code in [ErrorCode::ShuttingDown, ErrorCode::Internal, ErrorCode::DiskFull, ErrorCode::RateLimited] {
            assert_eq!(next(code), Next::Soon, "{code:?}");
        }
        for code in [ErrorCode::UpgradeRequired, ErrorCode::NotFound, ErrorCode::BadRequest, ErrorCode::StoreBroken] {
            assert_eq!(next(code), Next::Slowly, "{code:?}");
        }
        assert_eq!(reaction(&Trouble::network("gone")), Next::Soon);
        let fenced = Trouble { fenced: Some("sessions/x/journal".parse().unwrap()), ..Trouble::network("differs") };
        assert_eq!(reaction(&fenced), Next::Stop);
    }

    #[test]
    fn where_an_older_hub_knows_no_way_around_somebody_is_told_what_to_do() {
        let refused = |code| LineError::Refused(Box::new(Problem::new(code)));
        for code in [ErrorCode::NotFound, ErrorCode::BadRequest] {
            let trouble = barred("`lodge` answered 403", refused(code));
            assert!(trouble.hint.is_some() && trouble.words.contains("lodge"), "{trouble:?}");
            assert_eq!(reaction(&trouble), Next::Soon);
        }
        let revoked = barred("`lodge` answered 403", refused(ErrorCode::Unauthenticated));
        assert_eq!(reaction(&revoked), Next::Stop);
        let nobody = barred("`lodge` answered 403", LineError::Broken("nobody is there".to_owned()));
        assert!(nobody.hint.is_none() && nobody.words.contains("nobody is there"));
    }
}
