//! The hub's socket, played over plain HTTP for a network that lets no WebSocket through: every subscription waits in a long-poll, and
//! where something on the way cuts those off too, it is looked at on a timer. What is said and heard is the same, some moments later.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, Method, StatusCode};
use protocol::api::{CommandAck, Me};
use protocol::error::Problem;
use protocol::offset::Offset;
use protocol::path::StreamPath;
use protocol::socket::{ClientFrame, EndReason, From, ServerFrame};
use protocol::time::UnixMs;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::wire::Cut;
use super::{Closed, Welcome};
use crate::error::is_problem;
use crate::http::{Answer, ask};
use crate::remote::Remote;

/// Longest wait for an answer that the hub gives at once.
const AT_ONCE: Duration = Duration::from_secs(15);
/// Longest wait for a long-poll; the hub answers after 25 s at the latest.
const HOLD: Duration = Duration::from_secs(35);
/// How soon a stream is asked for again that has just brought something: its next words come together, a few times a second.
const PACE: Duration = Duration::from_millis(120);
/// How often a stream is looked at that cannot be waited for, while something moves and while all is quiet.
const LOOK: Duration = Duration::from_millis(500);
const QUIET: Duration = Duration::from_secs(5);
/// How long things count as moving after a stream brought something or somebody asked something.
const MOVING: Duration = Duration::from_secs(15);
/// A long-poll that fails after this time was held by the hub and cut off on the way.
const CUT: Duration = Duration::from_secs(1);
/// Frames that wait to be read; whoever has more to say waits.
const FRAMES: usize = 64;
/// Commands that wait to be sent: more than a socket keeps requests.
const COMMANDS: usize = 512;

/// A connection that is made of requests.
pub(super) struct Polling {
    asking: Asking,
    frames: mpsc::Receiver<Result<ServerFrame, Cut>>,
    following: HashMap<u32, AbortOnDropHandle<()>>,
    /// What is asked about commands, one after the other as on a socket: a prompt is not overtaken by the next, or by its being taken back.
    commands: mpsc::Sender<ClientFrame>,
    in_turn: AbortOnDropHandle<()>,
    pings: JoinSet<()>,
}

/// What everything that asks has in common; cheap to clone.
#[derive(Clone)]
struct Asking {
    remote: Remote,
    frames: mpsc::Sender<Result<ServerFrame, Cut>>,
    /// Whether a long-poll was cut off on its way: then nothing is held any more.
    cut: Arc<AtomicBool>,
    /// When something last moved; who pauses wakes when it is set by a request.
    moved: Arc<watch::Sender<Instant>>,
}

impl Polling {
    /// Asks who this is, which is the welcome; bounded in time.
    pub(super) async fn open(remote: &Remote) -> Result<(Self, Welcome), Cut> {
        let answer = at_once(remote, Method::GET, "/v1/me", None::<&()>).await?;
        let me: Me = serde_json::from_slice(&answer.body)
            .map_err(|error| Cut::Again(format!("{} answered with something else: {error}", remote.authority())))?;
        let (sender, frames) = mpsc::channel(FRAMES);
        let asking = Asking {
            remote: remote.clone(),
            frames: sender,
            cut: Arc::default(),
            moved: Arc::new(watch::Sender::new(Instant::now())),
        };
        let hub_at_ms = hub_at(&answer.headers);
        let Me { account, device, host, version, .. } = me;
        let welcome = Welcome { account, device, host, hub_at_ms, version, slow: true };
        let (commands, mut asked) = mpsc::channel(COMMANDS);
        let one = asking.clone();
        let in_turn = tokio::spawn(async move {
            while let Some(frame) = asked.recv().await {
                one.command(frame).await;
            }
        });
        let (following, in_turn, pings) = (HashMap::new(), AbortOnDropHandle::new(in_turn), JoinSet::new());
        Ok((Self { asking, frames, following, commands, in_turn, pings }, welcome))
    }

    /// Sends a frame, which is to begin what it asks for.
    pub(super) fn send(&mut self, frame: &ClientFrame) -> Result<(), Cut> {
        let asking = self.asking.clone();
        while self.pings.try_join_next().is_some() {}
        match frame.clone() {
            ClientFrame::Subscribe { sub, stream, from } => {
                let following = tokio::spawn(async move {
                    if let Err(cut) = asking.follow(sub, &stream, from).await {
                        asking.say(Err(cut)).await;
                    }
                });
                self.following.insert(sub, AbortOnDropHandle::new(following));
            }
            ClientFrame::Unsubscribe { sub } => drop(self.following.remove(&sub)),
            frame @ (ClientFrame::Command { .. } | ClientFrame::CancelCommand { .. }) => {
                if self.in_turn.is_finished() || self.commands.try_send(frame).is_err() {
                    return Err(Cut::Again("more is asked than is answered".to_owned()));
                }
            }
            ClientFrame::Ping { req } => drop(self.pings.spawn(async move {
                let answer = at_once(&asking.remote, Method::GET, "/v1/me", None::<&()>).await;
                let pong = |answer: Answer| ServerFrame::Pong { req, hub_at_ms: hub_at(&answer.headers) };
                asking.say(answer.map(pong)).await;
            })),
            // The welcome has come with the connection.
            ClientFrame::Hello { .. } => {}
        }
        Ok(())
    }

    /// Reads a frame. Cancellation safe.
    pub(super) async fn receive(&mut self) -> Result<ServerFrame, Cut> {
        // This end holds a sender.
        self.frames.recv().await.unwrap_or_else(|| Err(Cut::Again("the connection ended".to_owned())))
    }
}

impl Asking {
    async fn say(&self, frame: Result<ServerFrame, Cut>) {
        // Without a reader the connection is gone, and so is this task.
        let _heard = self.frames.send(frame).await;
    }

    /// Reads a stream from a position on, until it ends or nobody wants it.
    async fn follow(&self, sub: u32, stream: &StreamPath, from: From) -> Result<(), Cut> {
        let path = format!("/v1/stream/{stream}");
        let tail = match self.look(&format!("{path}?offset=now"), false).await?.map(|answer| next(&answer)) {
            Ok(Some(tail)) => tail,
            Ok(None) => return Err(Cut::Again(format!("{stream} has no end"))),
            Err(reason) => return self.end(sub, reason, None).await,
        };
        let mut at = match from {
            From::Start => Offset::new(tail.epoch, 0),
            From::Now => tail,
            From::Offset(offset) => offset,
        };
        // What is kept of a stream may begin behind its start.
        let mut position = if from == From::Start { "-1".to_owned() } else { at.to_string() };
        self.say(Ok(ServerFrame::Subscribed { sub, next: at, tail })).await;
        let mut caught_up = false;
        loop {
            let hold = caught_up && !self.cut.load(Ordering::Relaxed);
            let live = if hold { "&live=long-poll" } else { "" };
            let began = Instant::now();
            let answer = match self.look(&format!("{path}?offset={position}{live}"), hold).await {
                // It was held for a while and then cut off: something on the way does not wait so long.
                Err(Cut::Again(_)) if hold && began.elapsed() > CUT => {
                    self.cut.store(true, Ordering::Relaxed);
                    continue;
                }
                Err(cut) => return Err(cut),
                Ok(Err(reason)) => return self.end(sub, reason, None).await,
                Ok(Ok(answer)) => answer,
            };
            let messages: Vec<Box<RawValue>> = if answer.body.is_empty() {
                Vec::new()
            } else {
                serde_json::from_slice(&answer.body)
                    .map_err(|error| Cut::Again(format!("{stream} is not understood: {error}")))?
            };
            caught_up = answer.status == StatusCode::NO_CONTENT || is(&answer, "stream-up-to-date");
            let (closed, moved) = (is(&answer, "stream-closed"), !messages.is_empty());
            let behind = next(&answer).unwrap_or(at);
            if moved || behind != at {
                self.say(Ok(ServerFrame::Batch { sub, messages, next: behind, up_to_date: caught_up })).await;
            }
            at = behind;
            position = at.to_string();
            if moved {
                self.moved.send_if_modified(|at| {
                    *at = Instant::now();
                    false
                });
            }
            if closed {
                return self.end(sub, EndReason::Closed, Some(at)).await;
            }
            if hold && moved {
                tokio::time::sleep(PACE).await;
            } else if hold && began.elapsed() < CUT {
                self.pause(LOOK).await;
            } else if caught_up && self.cut.load(Ordering::Relaxed) {
                let moving = self.moved.borrow().elapsed() < MOVING;
                self.pause(if moving { LOOK } else { QUIET }).await;
            }
        }
    }

    async fn end(&self, sub: u32, reason: EndReason, next: Option<Offset>) -> Result<(), Cut> {
        self.say(Ok(ServerFrame::Ended { sub, reason, next })).await;
        Ok(())
    }

    /// One look at a stream, or why there is nothing to be seen any more. Who asks too often is let in some time later.
    async fn look(&self, path: &str, hold: bool) -> Result<Result<Answer, EndReason>, Cut> {
        loop {
            let limit = if hold { HOLD } else { AT_ONCE };
            let answer = ask(&self.remote, Method::GET, path, None::<&()>, limit).await.map_err(again)?;
            return match answer.status.as_u16() {
                200..300 => Ok(Ok(answer)),
                // A page of some proxy is no answer of the hub.
                _ if !is_problem(&answer.body) => Err(lost(&answer)),
                // An offset of another epoch, or one that is not kept any more, begins anew.
                400 | 410 => Ok(Err(EndReason::Reset)),
                403 => Ok(Err(EndReason::Forbidden)),
                404 => Ok(Err(EndReason::Deleted)),
                429 => {
                    self.pause(QUIET).await;
                    continue;
                }
                _ => Err(lost(&answer)),
            };
        }
    }

    /// Waits, until something was asked at the most.
    async fn pause(&self, time: Duration) {
        let mut asked = self.moved.subscribe();
        // Both ends mean the same.
        let _woken = timeout(time, asked.changed()).await;
    }

    async fn command(&self, frame: ClientFrame) {
        let remote = &self.remote;
        let (req, answer) = match frame {
            ClientFrame::Command { req, command } => {
                (req, ask(remote, Method::POST, "/v1/commands", Some(&command), AT_ONCE).await)
            }
            ClientFrame::CancelCommand { req, command } => {
                let path = format!("/v1/commands/{command}");
                (req, ask(remote, Method::DELETE, &path, None::<&()>, AT_ONCE).await)
            }
            _ => return,
        };
        let frame = match answer {
            Err(error) => Err(again(error)),
            Ok(answer) if answer.status.is_success() => match serde_json::from_slice::<CommandAck>(&answer.body) {
                Ok(CommandAck { command, state, expires_at_ms, .. }) => {
                    Ok(ServerFrame::Ack { req, command, state, expires_at_ms })
                }
                Err(error) => Err(Cut::Again(format!("an answer is not understood: {error}"))),
            },
            Ok(answer) => match serde_json::from_slice::<Problem>(&answer.body) {
                Ok(problem) if answer.status.is_client_error() && answer.status != StatusCode::UNAUTHORIZED => {
                    Ok(ServerFrame::Error { req: Some(req), sub: None, problem })
                }
                // A page of some proxy is no answer of the hub: the command is sent again, by its id.
                _ => Err(lost(&answer)),
            },
        };
        // What was asked for shows up in the streams: whoever pauses looks now.
        self.moved.send_replace(Instant::now());
        self.say(frame).await;
    }
}

/// Asks for something that is there; anything but a success is the end of the connection.
async fn at_once<B: Serialize + Sync>(
    remote: &Remote,
    method: Method,
    path: &str,
    body: Option<&B>,
) -> Result<Answer, Cut> {
    let answer = ask(remote, method, path, body, AT_ONCE).await.map_err(again)?;
    if answer.status.is_success() { Ok(answer) } else { Err(lost(&answer)) }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands where errors are mapped")]
fn again(error: crate::error::ApiError) -> Cut {
    Cut::Again(error.to_string())
}

fn lost(answer: &Answer) -> Cut {
    match answer.status.as_u16() {
        401 if is_problem(&answer.body) => Cut::Over(Closed::AuthExpired),
        status => Cut::Again(format!("the hub, or something on the way, answered {status}")),
    }
}

fn is(answer: &Answer, header: &str) -> bool {
    answer.headers.get(header).is_some_and(|value| value == "true")
}

fn next(answer: &Answer) -> Option<Offset> {
    answer.headers.get("stream-next-offset")?.to_str().ok()?.parse().ok()
}

/// The hub's clock when it answered; an answer without a date is of no known time.
fn hub_at(headers: &HeaderMap) -> UnixMs {
    let date = headers.get(http::header::DATE).and_then(|date| date.to_str().ok());
    let at = date.and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or(SystemTime::UNIX_EPOCH);
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMs(since.as_millis().try_into().unwrap_or_default())
}
