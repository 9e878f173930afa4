//! The way through Towline: prompts sent over a socket, words read from sockets.

use std::time::{Duration, Instant};

use client::Socket;
use client::socket::{Options as SocketOptions, Update as SubscriptionUpdate};
use protocol::command::{CommandBody, CommandRequest, PromptContent, StartContent};
use protocol::fact::{FeedFact, SessionFact};
use protocol::host::AgentState;
use protocol::id::{CommandId, DeviceId, ProjectId, SessionId, TurnId};
use protocol::path::StreamPath;
use protocol::socket::From;
use protocol::turn::TurnState;

use crate::Failure;
use crate::measure::{Spread, now_ms, stamps};
use crate::node::Node;

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// What it took.
pub(crate) struct Through {
    pub(crate) ages: Spread,
    pub(crate) acks: Spread,
    pub(crate) prompts: Spread,
    pub(crate) words: usize,
    pub(crate) frames: usize,
}

/// What one reader saw of one turn.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) ages: Vec<f64>,
    first: Option<f64>,
    /// When the first word came here.
    pub(crate) heard: Option<f64>,
    frames: usize,
}

fn fresh() -> uuid::Uuid {
    uuid::Uuid::now_v7()
}

async fn home(node: &Node) -> Result<(DeviceId, ProjectId), Failure> {
    let lists = node.api()?.lists().await?;
    let mut project = None;
    for fact in &lists.facts {
        if let FeedFact::Project { id, value: Some(value), .. } = FeedFact::parse(fact.get().as_bytes())? {
            project = Some((value.host, id));
        }
    }
    project.ok_or_else(|| "no project".into())
}

/// Waits until an agent can be started, for as long as a slow machine needs to ask it.
pub(crate) async fn offered(node: &Node, agent: &str) -> Result<(), Failure> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        for fact in &node.api()?.lists().await?.facts {
            if let FeedFact::Host { value: Some(value), .. } = FeedFact::parse(fact.get().as_bytes())?
                && value.content.agents.iter().any(|entry| entry.id == agent && entry.state == AgentState::Ready)
            {
                return Ok(());
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Err(format!("{agent} cannot be started").into())
}

fn open(node: &Node, seed: u64) -> Result<Socket, Failure> {
    let options = SocketOptions { client: "latency".to_owned(), first_pause: Duration::from_millis(100), seed };
    Ok(Socket::open(node.remote()?, options))
}

fn request(host: DeviceId, body: CommandBody) -> CommandRequest {
    CommandRequest { id: CommandId::from_uuid(fresh()), host, ttl_ms: None, retry_of: None, body }
}

/// A new session with its first prompt.
fn start(session: SessionId, project: ProjectId, agent: &str, text: &str) -> CommandBody {
    let (title, text) = (Some("latency".to_owned()), Some(text.to_owned()));
    let content = StartContent { title, text, ..StartContent::default() };
    CommandBody::StartSession {
        session,
        project,
        new_project: false,
        agent: agent.to_owned(),
        model: None,
        mode: None,
        effort: None,
        content,
    }
}

/// Starts a session of an agent that does not run yet, and reads its first answer; also how long after the command its first word came.
pub(crate) async fn first(node: &Node, agent: &str, text: &str) -> Result<(f64, Vec<f64>), Failure> {
    let (host, project) = home(node).await?;
    let session = SessionId::from_uuid(fresh());
    let socket = open(node, 1)?;
    socket.live().await?;
    let sent = now_ms();
    socket.command(request(host, start(session, project, agent, text))).await?;
    while node.api()?.transcript(session, None, 1).await.is_err() {
        if now_ms() - sent > 10_000.0 {
            return Err("the session was not made".into());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let seen = watch(socket.clone(), session, From::Start).await?;
    socket.close().await;
    Ok((seen.heard.ok_or("no word came")? - sent, seen.ages))
}

/// Sends as many prompts as `rounds` to one session, each read by as many sockets as `readers`.
pub(crate) async fn run(
    node: &Node,
    (words, pause): (usize, u64),
    readers: usize,
    rounds: usize,
) -> Result<Through, Failure> {
    let (host, project) = home(node).await?;
    let session = SessionId::from_uuid(fresh());
    let sender = open(node, 0)?;
    sender.live().await?;
    sender.command(request(host, start(session, project, "stamps", "1 0"))).await?;
    settled(node, session, 1).await?;
    let mut sockets = Vec::new();
    for n in 0..readers {
        let socket = open(node, n as u64 + 1)?;
        socket.live().await?;
        sockets.push(socket);
    }
    let (mut ages, mut acks, mut prompts, mut frames) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for round in 0..rounds {
        let tail = node.api()?.transcript(session, None, 100).await?.tail;
        let mut watching = Vec::new();
        for socket in &sockets {
            watching.push(tokio::spawn(watch(socket.clone(), session, From::Offset(tail))));
        }
        // The readers have subscribed before the prompt goes.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let text = format!("{} {pause}", words / rounds);
        let sent = now_ms();
        sender
            .command(request(
                host,
                CommandBody::SendPrompt { session, content: PromptContent { text, attachments: Vec::new() } },
            ))
            .await?;
        acks.push(now_ms() - sent);
        for (n, reader) in watching.into_iter().enumerate() {
            let seen = reader.await??;
            ages.extend(seen.ages);
            frames += seen.frames;
            if n == 0 {
                prompts.extend(seen.first.map(|stamp| stamp - sent));
            }
        }
        settled(node, session, round + 2).await?;
    }
    for socket in sockets.iter().chain([&sender]) {
        socket.close().await;
    }
    let words = ages.len();
    Ok(Through { ages: Spread::of(ages), acks: Spread::of(acks), prompts: Spread::of(prompts), words, frames })
}

/// Waits until so many turns of a session have ended.
async fn settled(node: &Node, session: SessionId, turns: usize) -> Result<(), Failure> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Ok(page) = node.api()?.transcript(session, None, 100).await {
            let mut ended = std::collections::BTreeSet::new();
            for fact in &page.facts {
                if let SessionFact::Turn { id, value: Some(turn), .. } = SessionFact::parse(fact.get().as_bytes())?
                    && turn.state.is_final()
                {
                    ended.insert(id);
                }
            }
            if ended.len() >= turns {
                return Ok(());
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err("a turn did not end in time".into())
}

/// Reads one turn over one socket: the journal tells which turn runs, its stream brings the words.
async fn watch(socket: Socket, session: SessionId, from: From) -> Result<Seen, Failure> {
    let mut mailbox = socket.mailbox(64);
    mailbox.subscribe(StreamPath::journal(session), from).await?;
    let mut joined: Option<TurnId> = None;
    let mut seen = Seen::default();
    loop {
        let (_, update) = tokio::time::timeout(PATIENCE, mailbox.next()).await??;
        let SubscriptionUpdate::Batch { messages, .. } = update else { continue };
        let now = now_ms();
        let mut held_words = false;
        for message in messages {
            match SessionFact::parse(message.get().as_bytes())? {
                SessionFact::Turn { id, value: Some(turn), .. } => {
                    if turn.state == TurnState::Running && joined.is_none() {
                        joined = Some(id);
                        mailbox.subscribe(StreamPath::turn(id), From::Start).await?;
                    }
                    if turn.state.is_final() && joined == Some(id) {
                        return Ok(seen);
                    }
                }
                SessionFact::Delta { value: Some(delta), .. } => {
                    held_words = true;
                    note(&mut seen, &delta.content.text, now);
                }
                SessionFact::Item { value: Some(item), .. } if item.settled_at_ms.is_none() => {
                    if let protocol::item::ItemContent::Text { text } = &item.content {
                        held_words = true;
                        note(&mut seen, text, now);
                    }
                }
                _ => {}
            }
        }
        seen.frames += usize::from(held_words);
    }
}

fn note(seen: &mut Seen, text: &str, now: f64) {
    for stamp in stamps(text) {
        match seen.first {
            None => (seen.first, seen.heard) = (Some(stamp), Some(now)),
            Some(_) => seen.ages.push(now - stamp),
        }
    }
}
