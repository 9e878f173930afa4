//! One connection: greeted, kept within its limits in time, and shared by what goes up and what comes down.

use std::collections::BTreeMap;
use std::time::Duration;

use client::{Api, Backoff, Line, LineError};
use hub::{Hub, Uplink};
use protocol::error::{ErrorCode, Problem};
use protocol::host::RemoteAccess;
use protocol::limits::{LINK_ANSWER_MS, LINK_RENEW_MS};
use protocol::link::{
    COMPARES, Chain, Cursor, Declined, HubFrame, LINK_MAX, LINK_MIN, NEW_PROJECTS, NodeFrame, NodeHello, PARTICIPANTS,
    Piece, Push,
};
use protocol::offset::Offset;
use protocol::path::{Owned, StreamPath};
use protocol::time::Clock;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::run::{Chains, Options};
use crate::state::{LinkState, Phase, Slow, Trouble};
use crate::{down, up};

/// Frames that wait to be written; each is asked for one at a time.
const ROOM: usize = 8;
/// Frames of the hub that wait to be acted on. It hands a few commands at a time, and waits until they are taken.
const MAIL: usize = 64;
/// How soon a switch of remote access is told.
const LOOK: Duration = Duration::from_secs(1);
/// Numbers of renewals, apart from those of other requests.
const RENEWALS: u32 = 1 << 31;

/// Why a connection is over.
#[derive(Debug)]
pub(crate) enum End {
    /// The link was told to stop, and has said goodbye.
    Told,
    /// Nothing has come over it, not even a welcome: in words.
    Mute(String),
    /// Something else.
    Trouble(Trouble),
}

impl From<Problem> for End {
    fn from(problem: Problem) -> Self {
        Self::Trouble(problem.into())
    }
}

/// What a connection has around it.
pub(crate) struct Around<'a> {
    pub(crate) hub: &'a Hub,
    pub(crate) api: Api,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) options: &'a Options,
    /// What is in the way of a WebSocket, where it goes around that.
    pub(crate) barred: Option<String>,
    pub(crate) state: &'a watch::Sender<LinkState>,
}

/// A frame to be written.
pub(crate) struct Outgoing {
    pub(crate) frame: NodeFrame,
    /// The number by which it will be answered.
    pub(crate) req: Option<u32>,
}

/// Where what comes down waits until it is acted on.
struct Mail {
    letters: mpsc::Sender<HubFrame>,
    /// What takes something away from somebody: it waits for no file that is being fetched for a prompt.
    urgent: mpsc::Sender<HubFrame>,
}

impl Mail {
    fn of(&self, frame: &HubFrame) -> &mpsc::Sender<HubFrame> {
        match frame {
            HubFrame::News { news } if news.iter().all(|(_, news)| news.is_urgent()) => &self.urgent,
            _ => &self.letters,
        }
    }
}

/// Serves a connection until it is over.
pub(crate) async fn serve(
    mut line: Line,
    around: &Around<'_>,
    chains: &mut Option<Chains>,
    backoff: &mut Backoff,
    stop: &CancellationToken,
) -> End {
    let greeted = tokio::select! {
        greeted = tokio::time::timeout(Duration::from_millis(LINK_ANSWER_MS), greet(&mut line, around)) => greeted,
        () = stop.cancelled() => return End::Told,
    };
    let (uplink, cursor) = match greeted {
        Ok(Ok(welcome)) => welcome,
        Ok(Err(end)) => return end,
        Err(_) => return End::Mute("the hub did not say welcome in time".to_owned()),
    };
    tracing::info!(hub = %around.options.source, "linked");
    let (out, mut outgoing) = mpsc::channel(ROOM);
    let (answers, answered) = mpsc::channel(MAIL);
    let (mail, letters) = mpsc::channel(MAIL);
    let (urgent, alarms) = mpsc::channel(MAIL);
    let mail = Mail { letters: mail, urgent };
    let newest = down::Newest::default();
    // All of one task: when one ends, the others end with it, in a place where they wait.
    let ended = tokio::select! {
        end = keep(&mut line, &uplink, around, &mut outgoing, &answers, &mail) => end,
        end = up::run(&uplink, around, cursor, chains, backoff, out.clone(), answered) => end,
        end = down::run(&uplink, around, &newest, out.clone(), letters) => end,
        end = down::run(&uplink, around, &newest, out, alarms) => end,
        () = stop.cancelled() => End::Told,
    };
    let last = match &ended {
        End::Told => Some(NodeFrame::Bye),
        End::Mute(_) => None,
        End::Trouble(Trouble { fenced: Some(stream), .. }) => confess(&uplink, stream).await,
        End::Trouble(trouble) => (trouble.code == Some(ErrorCode::LinkRestored)).then_some(NodeFrame::Bye),
    };
    if let Some(Ok(text)) = last.map(|frame| serde_json::to_string(&frame)) {
        // A hub that does not hear it takes the host for lost, a little later.
        let _said = line.send(text).await;
        line.close().await;
    }
    ended
}

/// A push that does not fit what the hub has of a stream, by which the hub notes for itself that this disk is another one. It holds no
/// message, so there is nothing in it to be taken.
async fn confess(uplink: &Uplink, stream: &StreamPath) -> Option<NodeFrame> {
    let own = uplink.one(stream).await.ok()?;
    let session = match (own.as_ref(), stream.owned()) {
        (Some(own), _) => own.session,
        (None, Some(Owned::Journal(session))) => session,
        (None, _) => return Some(NodeFrame::Bye),
    };
    let at = own.map_or(Offset::ZERO, |own| own.tail);
    let piece = Piece { stream: stream.clone(), session, at, before: Chain::START, messages: Vec::new(), close: false };
    Some(NodeFrame::Push(Push { req: 0, facts: Vec::new(), whole: None, cursor: None, pieces: vec![piece] }))
}

/// Says hello and waits for the welcome.
async fn greet(line: &mut Line, around: &Around<'_>) -> Result<(Uplink, Option<Cursor>), End> {
    let hub = around.hub;
    let missing = || Problem::new(ErrorCode::NotFound).detail("this node runs no agents");
    let host = hub.own_host().await?.ok_or_else(missing)?;
    // Which account the hub will name is not known yet, so everything that any hub has handed over is said; it knows its own.
    let holds = hub.all_handed().await?;
    let hello = NodeHello {
        protocol_min: LINK_MIN,
        protocol_max: LINK_MAX,
        capabilities: [COMPARES, NEW_PROJECTS, PARTICIPANTS].map(str::to_owned).to_vec(),
        version: hub.version().to_owned(),
        host: hub.node(),
        generation: host.generation,
        boot: around.options.boot.clone(),
        turns_at_once: host.turns_at_once,
        remote_access: host.remote_access,
        about: host.content,
        holds,
    };
    line.send(encode(&NodeFrame::Hello(Box::new(hello)))?).await.map_err(End::from)?;
    loop {
        let text = match line.receive().await {
            Ok(Some(text)) => text,
            Ok(None) => continue,
            Err(LineError::Broken(words)) => return Err(End::Mute(words)),
            Err(error) => return Err(error.into()),
        };
        match read(&text).map(|(frame, _)| frame) {
            Some(HubFrame::Welcome { protocol, version, account, cursor, .. }) => {
                if !(LINK_MIN..=LINK_MAX).contains(&protocol) {
                    return Err(Problem::new(ErrorCode::UpgradeRequired).into());
                }
                let now = around.clock.now();
                around.state.send_modify(|state| {
                    (state.phase, state.since_ms, state.trouble) = (Phase::Comparing, now, None);
                    (state.account, state.version) = (Some(account), Some(version));
                    let pushed = line.is_pushed();
                    state.slow = around.barred.clone().map(|words| Slow { words, pushed });
                });
                return Ok((hub.uplink(account, &around.options.source), cursor));
            }
            Some(HubFrame::Refused { problem } | HubFrame::Error { problem, .. }) => return Err(problem.into()),
            _ => {}
        }
    }
}

/// Writes what is to be written, gives what comes to whom it is for, renews, and ends when an answer does not come.
async fn keep(
    line: &mut Line,
    uplink: &Uplink,
    around: &Around<'_>,
    outgoing: &mut mpsc::Receiver<Outgoing>,
    answers: &mpsc::Sender<HubFrame>,
    mail: &Mail,
) -> End {
    let limit = Duration::from_millis(LINK_ANSWER_MS);
    let renewal = Duration::from_millis(LINK_RENEW_MS);
    let mut waiting: BTreeMap<u32, Instant> = BTreeMap::new();
    let (mut renewed, mut renewals, mut looked) = (Instant::now(), RENEWALS, Instant::now());
    let mut access = if uplink.is_shut() { RemoteAccess::Disabled } else { RemoteAccess::Active };
    loop {
        let oldest = waiting.values().min().copied();
        let mut renew = false;
        let next = tokio::select! {
            text = line.receive() => match text {
                Ok(Some(text)) => {
                    let Some((frame, declined)) = read(&text) else { continue };
                    if let Some(end) = give(frame, &mut waiting, answers, mail) {
                        return end;
                    }
                    let decline = || Outgoing { frame: NodeFrame::Declined { commands: declined.clone() }, req: None };
                    (!declined.is_empty()).then(decline)
                }
                Ok(None) => None,
                Err(error) => return error.into(),
            },
            frame = outgoing.recv() => frame,
            () = sleep_until(oldest.unwrap_or(renewed) + limit), if oldest.is_some() => {
                return End::Trouble(Trouble::network(format!("the hub did not answer within {} s", limit.as_secs())));
            }
            () = sleep_until(renewed + renewal) => {
                renew = true;
                None
            }
            () = sleep_until(looked + LOOK) => {
                looked = Instant::now();
                let now = if uplink.is_shut() { RemoteAccess::Disabled } else { RemoteAccess::Active };
                renew = std::mem::replace(&mut access, now) != now;
                let pushed = line.is_pushed();
                around.state.send_if_modified(|state| {
                    state.slow.as_mut().is_some_and(|slow| std::mem::replace(&mut slow.pushed, pushed) != pushed)
                });
                None
            }
        };
        let next = if renew {
            renewed = Instant::now();
            renewals = renewals.wrapping_add(1) | RENEWALS;
            Some(Outgoing { frame: NodeFrame::Renew { req: renewals, remote_access: access }, req: Some(renewals) })
        } else {
            next
        };
        let Some(Outgoing { frame, req }) = next else { continue };
        let text = match encode(&frame) {
            Ok(text) => text,
            Err(end) => return end,
        };
        if let Err(error) = line.send(text).await {
            return error.into();
        }
        // Counted from when it was written: a slow line is not a dead one.
        waiting.extend(req.map(|req| (req, Instant::now())));
    }
}

/// Gives a frame to whom it is for; the end of the connection when it is that, or when nobody has room for it.
fn give(
    frame: HubFrame,
    waiting: &mut BTreeMap<u32, Instant>,
    answers: &mpsc::Sender<HubFrame>,
    mail: &Mail,
) -> Option<End> {
    let full = || Some(End::Trouble(Trouble::network("the hub says more than was asked for")));
    match &frame {
        HubFrame::Refused { problem } | HubFrame::Error { req: None, problem } => return Some(problem.clone().into()),
        HubFrame::Renewed { req, .. } => {
            waiting.remove(req);
        }
        HubFrame::Replicas { req, .. }
        | HubFrame::Pushed { req }
        | HubFrame::Mismatch { req, .. }
        | HubFrame::Error { req: Some(req), .. } => {
            if waiting.remove(req).is_some() && *req < RENEWALS && answers.try_send(frame).is_err() {
                return full();
            }
        }
        HubFrame::Hand { .. } | HubFrame::News { .. } => {
            if mail.of(&frame).try_send(frame).is_err() {
                return full();
            }
        }
        HubFrame::Welcome { .. } | HubFrame::Unknown => {}
    }
    None
}

/// Reads a frame, and the commands in it that this version does not know; one that is not understood is left alone.
fn read(text: &str) -> Option<(HubFrame, Vec<Declined>)> {
    match HubFrame::parse(text) {
        Ok(read) => Some(read),
        Err(error) => {
            tracing::warn!(category = ?error.classify(), "a frame of the hub is not understood");
            None
        }
    }
}

fn encode(frame: &NodeFrame) -> Result<String, End> {
    serde_json::to_string(frame)
        .map_err(|error| End::Trouble(Trouble::network(format!("a frame cannot be written: {error}"))))
}
