//! `kill -9` of the real program in the middle of a session, again and again: what was acknowledged is there, once.
//!
//! `TOWLINE_ROUNDS` says how often (6 if it does not); `TOWLINE_BIN` names another build.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    dead_code,
    reason = "a test starts the program, and fails when a step of it fails; it uses a part of the world"
)]

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use client::socket::{Options, Update};
use client::{Api, SessionFollow, Socket};
use protocol::approval::{ApprovalState, OptionKind};
use protocol::command::{AnswerContent, CommandBody, CommandRequest, CommandState, PromptContent, StartContent};
use protocol::fact::{FeedFact, Operation, SessionFact};
use protocol::id::{ApprovalId, CommandId, DeviceId, ProjectId, SessionId};
use protocol::path::StreamPath;
use protocol::socket::From;
use protocol::turn::Origin;
use tokio::sync::Mutex;
use world::{PATIENCE, World};

/// A number that nobody chose.
fn random(below: u64) -> u64 {
    std::collections::hash_map::RandomState::new().build_hasher().finish() % below
}

fn fresh() -> uuid::Uuid {
    uuid::Uuid::now_v7()
}

fn options(seed: u64) -> Options {
    Options { client: "crash/0".to_owned(), first_pause: Duration::from_millis(20), seed }
}

fn command(host: DeviceId, body: CommandBody) -> CommandRequest {
    CommandRequest { id: CommandId::from_uuid(fresh()), host, ttl_ms: None, retry_of: None, body }
}

async fn first_project(api: &Api) -> ProjectId {
    let facts = api.lists().await.unwrap().facts;
    let found = facts.iter().find_map(|raw| match FeedFact::parse(raw.get().as_bytes()).unwrap() {
        FeedFact::Project { id, .. } => Some(id),
        _ => None,
    });
    found.expect("the project is registered before the node is ready")
}

/// Every message of a journal, from its start to its present end.
async fn journal(socket: &Socket, session: SessionId) -> Vec<String> {
    let mut mailbox = socket.mailbox(64);
    mailbox.subscribe(StreamPath::journal(session), From::Start).await.unwrap();
    let mut all = Vec::new();
    let read = async {
        loop {
            match mailbox.next().await.unwrap().1 {
                Update::Started { next, tail } if next == tail => return,
                Update::Batch { messages, up_to_date, .. } => {
                    all.extend(messages.iter().map(|message| message.get().to_owned()));
                    if up_to_date {
                        return;
                    }
                }
                Update::Started { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("the journal can be read");
    all
}

/// Watches the session over all deaths of the node, and lets the agent do what it asks for.
async fn watch(
    mut follow: SessionFollow,
    socket: Socket,
    host: DeviceId,
    session: SessionId,
    seen: Arc<Mutex<Vec<String>>>,
) {
    let mut answered: BTreeSet<ApprovalId> = BTreeSet::new();
    loop {
        follow.next().await.unwrap();
        *seen.lock().await = follow.transcript().canonical();
        for (id, approval) in follow.transcript().approvals() {
            if approval.state == ApprovalState::Pending && answered.insert(id) {
                let option =
                    approval.options.iter().find(|option| option.kind == OptionKind::AllowOnce).unwrap().id.clone();
                let content = AnswerContent { shown: Some(approval.content.shown.clone()), ..AnswerContent::default() };
                let body = CommandBody::AnswerApproval { session, approval: id, option, content };
                let (socket, answer) = (socket.clone(), command(host, body));
                // It may come too late, when the agent that asked is gone.
                tokio::spawn(async move { drop(socket.command(answer).await) });
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_once_however_often_it_dies() {
    let rounds: u64 = std::env::var("TOWLINE_ROUNDS").map_or(6, |text| text.parse().unwrap());
    let world = World::new();
    let mut node = world.up(&["--listen", "127.0.0.1:0"]);
    let listen = format!("127.0.0.1:{}", node.port());
    let (api, remote) = (world.api(&node), world.remote(&node));
    let host = api.me().await.unwrap().host.unwrap();
    let project = first_project(&api).await;
    let socket = Socket::open(remote.clone(), options(1));
    let session = SessionId::from_uuid(fresh());
    let content =
        StartContent { title: None, text: Some("[[rate 2]] [[words 20]]".to_owned()), ..StartContent::default() };
    let (agent, model, mode, effort) = ("demo".to_owned(), None, None, None);
    let start = command(
        host,
        CommandBody::StartSession { session, project, new_project: false, agent, model, mode, effort, content },
    );
    let mut sent = vec![start.id];
    socket.command(start.clone()).await.unwrap();
    // Until it is there, a prompt to it is refused for good reason.
    let until = tokio::time::Instant::now() + PATIENCE;
    while !api.command(start.id).await.unwrap().state.is_final() {
        assert!(tokio::time::Instant::now() < until, "the first prompt never started");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let watcher = Socket::open(remote, options(2));
    let follow = SessionFollow::open(api.clone(), &watcher, session, true).await.unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let watching = tokio::spawn(watch(follow, watcher.clone(), host, session, seen.clone()));

    let mut before: Vec<String> = Vec::new();
    let mut acks = Vec::new();
    for round in 0..rounds {
        let text =
            format!("[[rate 4]] [[words 40]] [[write r{round}.txt round {round}]] [[words 10]] [[say done {round}]]");
        let prompt = command(
            host,
            CommandBody::SendPrompt { session, content: PromptContent { text, attachments: Vec::new() } },
        );
        sent.push(prompt.id);
        let socket_of = socket.clone();
        acks.push(tokio::spawn(async move { socket_of.command(prompt).await }));
        tokio::time::sleep(Duration::from_millis(random(900))).await;
        // Sometimes it is read in the very moment before.
        let now = journal(&socket, session).await;
        assert!(now.starts_with(&before), "round {round}: what was read has changed");
        before = now;
        tokio::time::sleep(Duration::from_millis(random(60))).await;
        node.kill9();
        node = world.up(&["--listen", &listen]);
        let after = journal(&socket, session).await;
        assert!(after.starts_with(&before), "round {round}: what was read is gone");
        before = after;
    }

    for ack in acks {
        ack.await.unwrap().expect("every prompt is acknowledged, if not before a death then after it");
    }
    let mut ends = BTreeMap::new();
    for id in &sent {
        let until = tokio::time::Instant::now() + PATIENCE;
        let ack = loop {
            let ack = api.command(*id).await.expect("what was acknowledged is there");
            if ack.state.is_final() {
                break ack;
            }
            assert!(tokio::time::Instant::now() < until, "{id} stays {:?}", ack.state);
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        assert_eq!(ack.state, CommandState::Succeeded, "{id}: {:?} {:?}", ack.error, ack.detail);
        ends.insert(*id, ack);
    }
    let text = world.run(&["tail", &session.to_string(), "--canonical", "--until-idle"]);
    assert_eq!((text.code, text.err.as_str()), (Some(0), ""));
    let all = journal(&socket, session).await;
    assert!(all.starts_with(&before));
    check(&all, &ends);

    let lines: Vec<String> = text.out.lines().map(str::to_owned).collect();
    let until = tokio::time::Instant::now() + PATIENCE;
    while *seen.lock().await != lines {
        assert!(!watching.is_finished(), "the watcher failed");
        assert!(tokio::time::Instant::now() < until, "{:#?} is not {lines:#?}", seen.lock().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    watching.abort();
    let interrupted = lines.iter().filter(|line| line.starts_with("turn ") && line.ends_with(" interrupted")).count();
    println!("{rounds} deaths, {interrupted} of {} turns interrupted, {} facts", sent.len(), all.len());
    socket.close().await;
    watcher.close().await;
    let (code, took) = node.stop();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(10), "{took:?}");
    world.expect_nothing_left();
}

/// Nothing twice, and an end to everything.
fn check(journal: &[String], ends: &BTreeMap<CommandId, protocol::api::CommandAck>) {
    let mut made = BTreeSet::new();
    let mut turns = BTreeMap::new();
    let mut settled = BTreeMap::new();
    for message in journal {
        let fact = SessionFact::parse(message.as_bytes()).unwrap();
        let (key, operation) = match &fact {
            SessionFact::Turn { id, operation, .. } => (id.to_string(), *operation),
            SessionFact::Item { id, operation, .. } => (id.to_string(), *operation),
            SessionFact::Approval { id, operation, .. } => (id.to_string(), *operation),
            other => panic!("{other:?} in a journal"),
        };
        match operation {
            Operation::Insert => assert!(made.insert(key.clone()), "{key} was made twice"),
            Operation::Update => assert!(made.contains(&key), "{key} was changed before it was made"),
            Operation::Delete => panic!("{key} was deleted from a journal"),
        }
        match fact {
            SessionFact::Item { id, value: Some(item), .. } => {
                // A vendor may know better later, and a prompt that waited moves; saying the same again would be a repeat.
                let last = settled.insert(id, item.clone());
                assert_ne!(last, Some(item), "{id} was said twice");
            }
            SessionFact::Turn { id, value: Some(turn), .. } => {
                if let Some(last) = turns.insert(id, turn.clone()) {
                    assert!(last.state.may_become(turn.state), "{id}: {:?} → {:?}", last.state, turn.state);
                }
            }
            _ => {}
        }
    }
    let mut of: BTreeMap<CommandId, usize> = BTreeMap::new();
    for (id, turn) in &turns {
        assert!(turn.state.is_final(), "{id} stays {:?}", turn.state);
        if let Origin::Prompt { command } = turn.origin {
            *of.entry(command).or_default() += 1;
        }
    }
    for (command, ack) in ends {
        assert_eq!(of.remove(command), Some(1), "{command} has one turn: {ack:?}");
    }
    assert!(of.is_empty(), "turns that nobody asked for: {of:?}");
}
