//! The task that serves one socket.

use std::time::Duration;

use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use futures_util::FutureExt as _;
use protocol::api::CommandAck;
use protocol::error::{ErrorCode, Problem};
use protocol::limits::{HEARTBEAT_MS, HELLO_TIMEOUT_MS, SEND_TIMEOUT_MS};
use protocol::socket::{ClientFrame, CloseCode, PROTOCOL_MAX, PROTOCOL_MIN, ServerFrame};
use tokio::time::{Instant, sleep_until, timeout};

use super::answers::{Answers, Ask};
use super::ending::{Ending, part};
use super::heard::{Heard, read};
use super::pulse::{Beat, Pulse};
use super::said;
use super::subscriptions::Subscriptions;
use crate::audit::About as _;
use crate::hub::Hub;
use crate::identity::Identity;

const HELLO_TIMEOUT: Duration = Duration::from_millis(HELLO_TIMEOUT_MS);
const SEND_TIMEOUT: Duration = Duration::from_millis(SEND_TIMEOUT_MS);

/// Serves a socket until either side ends it, the device is revoked, or the hub stops.
pub(super) async fn serve(hub: Hub, who: Identity, mut socket: WebSocket) {
    let (leash, stop, far) = (who.leash.clone(), hub.stopping(), who.far);
    // Before anything is asked for: whoever loses a session comes anew, and finds out what is left.
    let lost = hub.losing(who.account);
    let gate = hub.clone();
    let ending = tokio::select! {
        biased;
        () = leash.cancelled() => {
            if far && gate.is_shut() {
                Ending::Close(CloseCode::Forbidden, Some(gate.shut()))
            } else {
                Ending::because(CloseCode::AuthExpired, ErrorCode::Unauthenticated, "the device was revoked")
            }
        }
        () = lost.cancelled() => Ending::Close(CloseCode::ResyncRequired, None),
        () = stop.cancelled() => Ending::Close(CloseCode::Draining, None),
        Err(ending) = talk(hub, who, &mut socket) => ending,
    };
    // The talk is over and with it every subscription; what was being written stands whole before the close.
    tracing::debug!(?ending, "a socket ends");
    part(&mut socket, ending).await;
}

/// The conversation; it goes on until something ends it.
async fn talk(hub: Hub, who: Identity, socket: &mut WebSocket) -> Result<std::convert::Infallible, Ending> {
    let mut line = Line { socket, pulse: Pulse::new(Instant::now()) };
    greet(&hub, &who, &mut line).await?;
    let answers = Answers::new(hub.clone(), who.clone());
    let mut connection = Connection { hub, who, line, subscriptions: Subscriptions::default(), answers };
    loop {
        connection.step().await?;
    }
}

/// Waits for `hello` and answers it.
async fn greet(hub: &Hub, who: &Identity, line: &mut Line<'_>) -> Result<(), Ending> {
    let first = async {
        loop {
            let message = line.socket.recv().await;
            if let Some(text) = line.heard(message)? {
                return Ok::<_, Ending>(text);
            }
        }
    };
    let Ok(first) = timeout(HELLO_TIMEOUT, first).await else {
        return Err(Ending::because(CloseCode::ResyncRequired, ErrorCode::ResyncRequired, "no `hello` came"));
    };
    let (protocol_min, protocol_max) = match read(&first?) {
        Heard::Frame(ClientFrame::Hello { protocol_min, protocol_max, .. }) => (protocol_min, protocol_max),
        Heard::Frame(_) => {
            let detail = "the first frame must be `hello`";
            return Err(Ending::because(CloseCode::BadFrame, ErrorCode::BadRequest, detail));
        }
        Heard::Refused { problem, .. } | Heard::Noise(problem) => {
            return Err(Ending::Close(CloseCode::BadFrame, Some(problem)));
        }
    };
    let protocol = protocol_max.min(PROTOCOL_MAX);
    if protocol < protocol_min.max(PROTOCOL_MIN) {
        let detail = format!("versions {PROTOCOL_MIN} to {PROTOCOL_MAX} are spoken here");
        return Err(Ending::because(CloseCode::UpgradeRequired, ErrorCode::UpgradeRequired, detail));
    }
    line.say(&ServerFrame::Welcome {
        protocol,
        capabilities: Vec::new(),
        account: who.account,
        device: who.device,
        host: hub.host(who.account),
        hub_at_ms: hub.now(),
        heartbeat_ms: HEARTBEAT_MS,
        version: hub.version().to_owned(),
    })
    .await
}

/// The socket with its pulse. Nothing waits here but the one frame that is being written.
struct Line<'a> {
    socket: &'a mut WebSocket,
    pulse: Pulse,
}

impl Line<'_> {
    /// Takes note of what came; gives its text, if it has one.
    fn heard(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<Option<Utf8Bytes>, Ending> {
        self.pulse.heard(Instant::now());
        match message {
            Some(Ok(Message::Text(text))) => Ok(Some(text)),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
            Some(Ok(Message::Binary(_))) => {
                Err(Ending::because(CloseCode::BadFrame, ErrorCode::BadRequest, "frames are text here"))
            }
            Some(Ok(Message::Close(_))) | None => Err(Ending::Gone),
            Some(Err(error)) => Err(Ending::of_read(&error)),
        }
    }

    async fn say(&mut self, frame: &ServerFrame) -> Result<(), Ending> {
        self.send(Message::Text(said::text(frame))).await
    }

    async fn refuse(&mut self, req: Option<u32>, sub: Option<u32>, problem: Problem) -> Result<(), Ending> {
        self.say(&ServerFrame::Error { req, sub, problem }).await
    }

    /// Writes, and waits until the client's side of the path has taken it.
    async fn send(&mut self, message: Message) -> Result<(), Ending> {
        // A page sees only text: to it a ping is silence.
        let speaks = matches!(message, Message::Text(_));
        let sent = timeout(SEND_TIMEOUT, self.socket.send(message)).await;
        if speaks {
            self.pulse.said(Instant::now());
        }
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a socket broke");
                Err(Ending::Gone)
            }
            // No error frame: it would stand behind the frame that is stuck.
            Err(_) => Err(Ending::Close(CloseCode::ResyncRequired, None)),
        }
    }
}

struct Connection<'a> {
    hub: Hub,
    who: Identity,
    line: Line<'a>,
    subscriptions: Subscriptions,
    answers: Answers,
}

impl Connection<'_> {
    /// Waits for one thing to happen and deals with it. Whatever is ready has the same chance: neither a client that asks without
    /// pause nor a stream that never ends keeps the other from its turn.
    async fn step(&mut self) -> Result<(), Ending> {
        let listening = self.answers.has_room();
        if !listening {
            // Whoever is not listened to is not silent.
            self.line.pulse.heard(Instant::now());
        }
        let (at, beat) = self.line.pulse.next();
        tokio::select! {
            message = self.line.socket.recv(), if listening => self.hear(message).await,
            sub = self.subscriptions.next() => self.deliver(sub).await,
            (req, answer) = self.answers.next() => self.answer(req, answer).await,
            () = sleep_until(at) => self.beat(beat).await,
        }
    }

    async fn hear(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), Ending> {
        let Some(text) = self.line.heard(message)? else { return Ok(()) };
        match read(&text) {
            Heard::Frame(frame) => self.follow(frame).await,
            Heard::Refused { req, sub, problem, command } => {
                if command {
                    // A field that a client may not set, such as a sender, is refused and leaves a trace (W-056).
                    let entry = self.hub.entry(Some(&self.who), "command.unknown");
                    self.hub.record(entry.sized(text.len()).failed(problem.code)).await;
                }
                self.line.refuse(req, sub, problem).await
            }
            Heard::Noise(problem) => Err(Ending::Close(CloseCode::BadFrame, Some(problem))),
        }
    }

    async fn follow(&mut self, frame: ClientFrame) -> Result<(), Ending> {
        match frame {
            ClientFrame::Hello { .. } => {
                let problem = Problem::new(ErrorCode::BadRequest).detail("`hello` was said before");
                self.line.refuse(None, None, problem).await
            }
            ClientFrame::Subscribe { sub, stream, from } => {
                let answer = self.subscriptions.begin(&self.hub, &self.who, sub, &stream, from).await;
                self.line.say(&answer).await
            }
            ClientFrame::Unsubscribe { sub } => {
                self.subscriptions.end(sub);
                self.line.say(&ServerFrame::Unsubscribed { sub }).await
            }
            ClientFrame::Command { req, command } => {
                self.answers.push(req, Ask::Submit(Box::new(command)));
                Ok(())
            }
            ClientFrame::CancelCommand { req, command } => {
                self.answers.push(req, Ask::Cancel(command));
                Ok(())
            }
            ClientFrame::Ping { req } => self.line.say(&ServerFrame::Pong { req, hub_at_ms: self.hub.now() }).await,
        }
    }

    async fn deliver(&mut self, sub: u32) -> Result<(), Ending> {
        let news = self.subscriptions.news(sub).await;
        if let Some(batch) = news.batch {
            self.line.send(Message::Text(batch)).await?;
        }
        match news.ended {
            Some(ended) => self.line.say(&ended).await,
            None => Ok(()),
        }
    }

    async fn answer(&mut self, req: u32, answer: Result<CommandAck, Problem>) -> Result<(), Ending> {
        match answer {
            Ok(CommandAck { command, state, expires_at_ms, .. }) => {
                self.line.say(&ServerFrame::Ack { req, command, state, expires_at_ms }).await
            }
            Err(problem) => self.line.refuse(Some(req), None, problem).await,
        }
    }

    async fn beat(&mut self, beat: Beat) -> Result<(), Ending> {
        match beat {
            Beat::Heartbeat => self.line.say(&ServerFrame::Heartbeat { hub_at_ms: self.hub.now() }).await,
            Beat::Probe => {
                self.line.send(Message::Ping(bytes::Bytes::new())).await?;
                self.line.pulse.probed(Instant::now());
                Ok(())
            }
            // A machine that slept wakes to a late clock and to what came meanwhile.
            Beat::Dead => {
                if let Some(message) = self.line.socket.recv().now_or_never() {
                    return self.hear(message).await;
                }
                let detail = "nothing came for too long";
                Err(Ending::because(CloseCode::ResyncRequired, ErrorCode::ResyncRequired, detail))
            }
        }
    }
}
