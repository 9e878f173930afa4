//! A line that goes by requests of its own: each frame is numbered, and a request that broke is sent again as it was, so that nothing is
//! lost and nothing comes twice.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use protocol::error::{ErrorCode, Problem};
use protocol::limits::{HELLO_TIMEOUT_MS, MAX_POLL_MS, MAX_POLLED_FRAMES, SEND_TIMEOUT_MS};
use protocol::polled::{Hear, Heard, Opened, Said, Taken};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_util::task::AbortOnDropHandle;

use super::hold::Hold;
use super::{LineError, ended};
use crate::error::{is_problem, problem};
use crate::http::{Answer, ask};
use crate::remote::Remote;

/// Longest that requests fail one after the other until the connection counts as lost: as long as a write to a socket may take.
const PATIENCE: Duration = Duration::from_millis(SEND_TIMEOUT_MS);
/// Longest wait for an answer beyond what the hub may wait before it gives it.
const ANSWER: Duration = Duration::from_secs(3);
/// A request that failed after this time was held by the hub and cut off on the way.
const CUT: Duration = Duration::from_secs(1);
/// Shortest time between two requests of one kind: the hub lets a device ask 200 times a second, and a link is not all that it asks.
const PACE: Duration = Duration::from_millis(25);
/// How often is looked for what the hub says where no request may wait: while something moves, and while all is quiet.
const LOOK: Duration = Duration::from_millis(500);
const QUIET: Duration = Duration::from_secs(5);
/// How long things count as moving after something was said or heard.
const MOVING: Duration = Duration::from_secs(15);
/// Pauses before a request that failed is sent again.
const AGAIN: [Duration; 4] =
    [Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(500), Duration::from_secs(1)];

/// A connection that is made of requests.
pub(super) struct Polled {
    path: String,
    remote: Remote,
    /// What was said and not taken, as far as is known.
    said: Said,
    heard: mpsc::Receiver<Result<Utf8Bytes, LineError>>,
    held: watch::Receiver<bool>,
    moved: Arc<Notify>,
    asked: Instant,
    _hearing: AbortOnDropHandle<()>,
}

/// What an answer means for what was asked.
enum Verdict<T> {
    /// It was done.
    Done(T),
    /// Nobody knows; it is to be asked again, after a pause at least.
    Again(String, Duration),
    /// Asking again cannot help.
    Over(LineError),
}

impl Polled {
    /// Opens a connection; bounded in time.
    pub(super) async fn open(remote: &Remote, path: &str) -> Result<Self, LineError> {
        let path = format!("{path}/polled");
        let limit = Duration::from_millis(HELLO_TIMEOUT_MS);
        let opened: Opened = match request(remote, &path, None::<&()>, limit).await {
            Verdict::Done(opened) => opened,
            Verdict::Again(words, _) => return Err(LineError::Broken(words)),
            Verdict::Over(error) => return Err(error),
        };
        let path = format!("{path}/{}", opened.connection);
        let longest = Duration::from_millis(opened.longest_wait_ms.min(MAX_POLL_MS));
        let (heard, came) = mpsc::channel(MAX_POLLED_FRAMES);
        let (sender, held) = watch::channel(!longest.is_zero());
        let moved = Arc::new(Notify::new());
        let hearing = Hearing {
            remote: remote.clone(),
            path: format!("{path}/hear"),
            heard,
            held: sender,
            moved: Arc::clone(&moved),
            hold: Hold::new(longest),
            after: 0,
        };
        let hearing = AbortOnDropHandle::new(tokio::spawn(hearing.run()));
        let said = Said { first: 1, frames: Vec::new() };
        let path = format!("{path}/say");
        Ok(Self {
            path,
            remote: remote.clone(),
            said,
            heard: came,
            held,
            moved,
            asked: Instant::now(),
            _hearing: hearing,
        })
    }

    /// Says a frame, and all that was not taken before it; bounded in time. What a call that was dropped has not said, the next one does.
    pub(super) async fn send(&mut self, text: String) -> Result<(), LineError> {
        let frame = RawValue::from_string(text);
        self.said.frames.push(frame.map_err(|error| LineError::Broken(format!("a frame is no JSON: {error}")))?);
        let limit = timeout(PATIENCE, self.say_all()).await;
        limit.unwrap_or_else(|_| Err(LineError::Broken(format!("nothing could be said for {} s", PATIENCE.as_secs()))))
    }

    async fn say_all(&mut self) -> Result<(), LineError> {
        let mut failed = 0;
        while !self.said.frames.is_empty() {
            sleep_until(self.asked + PACE).await;
            self.asked = Instant::now();
            match request::<_, Taken>(&self.remote, &self.path, Some(&self.said), PATIENCE).await {
                Verdict::Done(Taken { taken }) => {
                    let count = (taken + 1).saturating_sub(self.said.first);
                    let count = usize::try_from(count).unwrap_or(usize::MAX);
                    // The hub has another number of them than were said.
                    if taken + 1 < self.said.first || count > self.said.frames.len() {
                        return Err(LineError::Broken(format!(
                            "the hub has taken {taken} frames, which were not said"
                        )));
                    }
                    self.said.frames.drain(..count);
                    self.said.first = taken + 1;
                    failed = 0;
                    self.moved.notify_one();
                }
                Verdict::Again(words, pause) => {
                    tracing::debug!(%words, "what was said is said again");
                    sleep(pause.max(AGAIN[failed.min(AGAIN.len() - 1)])).await;
                    failed += 1;
                }
                Verdict::Over(error) => return Err(lost(error)),
            }
        }
        Ok(())
    }

    /// Reads a frame. Cancellation safe.
    pub(super) async fn receive(&mut self) -> Result<Utf8Bytes, LineError> {
        self.heard.recv().await.unwrap_or_else(|| Err(LineError::Broken("the connection ended".to_owned())))
    }

    /// Whether a request waits at the hub for what it says.
    pub(super) fn is_held(&self) -> bool {
        *self.held.borrow()
    }
}

/// The task that hears.
struct Hearing {
    remote: Remote,
    path: String,
    heard: mpsc::Sender<Result<Utf8Bytes, LineError>>,
    held: watch::Sender<bool>,
    /// Rings when something was said, which is usually answered.
    moved: Arc<Notify>,
    hold: Hold,
    /// The number of the last frame that came.
    after: u64,
}

impl Hearing {
    async fn run(mut self) {
        let error = self.hear().await;
        // Without a reader the connection is gone.
        let _heard = self.heard.send(Err(error)).await;
    }

    /// Hears until that is over.
    async fn hear(&mut self) -> LineError {
        let mut failing: Option<Instant> = None;
        let mut failed = 0;
        let mut moved_at = Instant::now();
        loop {
            let (wait, began) = (self.hold.wait(), Instant::now());
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(MAX_POLL_MS);
            let hear = Hear { after: self.after, wait_ms };
            let heard: Heard = match request(&self.remote, &self.path, Some(&hear), wait + ANSWER).await {
                Verdict::Done(heard) => heard,
                // It was held for a while and then cut off: something on the way does not wait so long.
                Verdict::Again(words, _) if !wait.is_zero() && began.elapsed() > CUT => {
                    self.hold.was_cut();
                    tracing::debug!(%words, wait_ms, next = ?self.hold.wait(), "a request that waited was cut off");
                    self.held.send_replace(!self.hold.wait().is_zero());
                    continue;
                }
                Verdict::Again(words, pause) => {
                    if failing.get_or_insert(began).elapsed() > PATIENCE {
                        return LineError::Broken(words);
                    }
                    sleep(pause.max(AGAIN[failed.min(AGAIN.len() - 1)])).await;
                    failed += 1;
                    continue;
                }
                Verdict::Over(error) => return lost(error),
            };
            (failing, failed) = (None, 0);
            if heard.frames.is_empty() && !wait.is_zero() && began.elapsed() >= wait {
                self.hold.waited();
            }
            let something = !heard.frames.is_empty();
            if let Err(error) = self.take(heard).await {
                return error;
            }
            if something {
                moved_at = Instant::now();
            }
            if !self.hold.wait().is_zero() || something {
                sleep_until(began + PACE).await;
                continue;
            }
            let pause = if moved_at.elapsed() < MOVING { LOOK } else { QUIET };
            if timeout(pause, self.moved.notified()).await.is_ok() {
                moved_at = Instant::now();
            }
        }
    }

    /// Gives what came to whoever reads, once.
    async fn take(&mut self, heard: Heard) -> Result<(), LineError> {
        for (number, frame) in (heard.first..).zip(heard.frames) {
            if number <= self.after {
                continue;
            }
            if number != self.after + 1 {
                return Err(LineError::Broken(format!("the hub says frame {number} after {}", self.after)));
            }
            let text = Utf8Bytes::from(String::from(Box::<str>::from(frame)));
            if self.heard.send(Ok(text)).await.is_err() {
                return Err(LineError::Broken("nobody reads".to_owned()));
            }
            self.after = number;
        }
        heard.end.map_or(Ok(()), |code| Err(ended(code, "")))
    }
}

/// Asks, once.
async fn request<B: Serialize + Sync, A: DeserializeOwned>(
    remote: &Remote,
    path: &str,
    body: Option<&B>,
    limit: Duration,
) -> Verdict<A> {
    let Answer { status, headers, body } = match ask(remote, Method::POST, path, body, limit).await {
        Ok(answer) => answer,
        Err(error) => return Verdict::Again(error.to_string(), Duration::ZERO),
    };
    if status.is_success() {
        return match serde_json::from_slice(&body) {
            Ok(answer) => Verdict::Done(answer),
            // A page of something on the way, which may ask people to log in.
            Err(error) => Verdict::Again(format!("an answer is not understood: {error}"), Duration::ZERO),
        };
    }
    if !is_problem(&body) {
        return Verdict::Again(format!("something on the way answered {status}"), Duration::ZERO);
    }
    let problem = problem(status.as_u16(), &body);
    match problem.code {
        ErrorCode::RateLimited if headers.contains_key(http::header::RETRY_AFTER) => {
            Verdict::Again(problem.to_string(), Duration::from_secs(1))
        }
        ErrorCode::Internal => Verdict::Again(problem.to_string(), Duration::ZERO),
        _ => Verdict::Over(refused(problem)),
    }
}

/// A connection that is not there is one that is over: the hub was started anew, or has said why and was not heard.
fn lost(error: LineError) -> LineError {
    match error {
        LineError::Refused(problem) if problem.code == ErrorCode::NotFound => {
            LineError::Broken("the connection is over".to_owned())
        }
        error => error,
    }
}

fn refused(problem: Problem) -> LineError {
    LineError::Refused(Box::new(problem))
}
