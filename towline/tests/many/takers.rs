//! Twenty takers: each command is sent by twenty connections at once, and twenty processes reach for it with the same right (W-001, W-011).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::agent::Scribe;
use crate::disks::copy;
use crate::world::{Running, World};
use crate::yard::*;
use client::Api;
use protocol::command::{CommandBody, CommandRequest, CommandState, StartContent};
use protocol::id::{CommandId, SessionId};

const TAKERS: usize = 20;
/// Sessions, and prompts of each.
const SESSIONS: usize = 3;
const PROMPTS: usize = 6;
/// Longest that all of it may take on a busy machine.
const LIMIT: Duration = Duration::from_mins(2);

/// A session with an agent of one's choice, and its first prompt.
fn start(node: &Node, project: protocol::id::ProjectId, mark: &str) -> (SessionId, CommandRequest) {
    let session = SessionId::from_uuid(fresh());
    let content = StartContent { text: Some(mark.to_owned()), ..StartContent::default() };
    let (agent, model, mode, effort) = ("scribe".to_owned(), None, None, None);
    let body = CommandBody::StartSession { session, project, new_project: false, agent, model, mode, effort, content };
    let id = CommandId::from_uuid(fresh());
    (session, CommandRequest { id, host: node.device, ttl_ms: None, retry_of: None, body })
}

/// Sends a command over as many connections at once; each hears the same.
async fn sent_by_all(hub: &Hub, request: &CommandRequest) {
    let running = hub.running.as_ref().unwrap();
    let sending: Vec<_> = (0..TAKERS)
        .map(|_| {
            let (api, request): (Api, _) = (hub.world.api(running), request.clone());
            tokio::spawn(async move { api.send(&request).await.unwrap().command })
        })
        .collect();
    for each in sending {
        assert_eq!(each.await.unwrap(), request.id);
    }
}

/// Twenty copies of the disk of one machine wake at the same moment. All of them have its key and its credential, so each is a taker of what
/// waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_takers_of_the_real_program_one_runs_each_command() {
    let hub = Hub::start();
    let scribe = Scribe::new();
    let mut desk = Node::link(&hub, "desk").await;
    let project = desk.project_of(&known(&hub.api).await).unwrap();
    desk.stop();
    let mut marks = BTreeMap::new();
    for number in 0..SESSIONS {
        let mark = format!("mark-{number}-first-end");
        let (session, first) = start(&desk, project, &mark);
        sent_by_all(&hub, &first).await;
        marks.insert(first.id, mark);
        for prompt in 0..PROMPTS {
            let mark = format!("mark-{number}-{prompt}-end");
            let id = CommandId::from_uuid(fresh());
            let body = Node::prompt(session, &mark);
            sent_by_all(&hub, &CommandRequest { id, host: desk.device, ttl_ms: None, retry_of: None, body }).await;
            marks.insert(id, mark);
        }
    }
    assert_eq!(known(&hub.api).await.commands.len(), SESSIONS * (1 + PROMPTS), "sent by twenty, there once");

    let worlds: Vec<World> = (0..TAKERS).map(|_| World::new()).collect();
    for world in &worlds {
        copy(&desk.world.data(), &world.data());
    }
    let began = std::time::Instant::now();
    let flag = scribe.flag();
    let takers: Vec<Running> = std::thread::scope(|scope| {
        let up = |world: &World| {
            let args = ["--listen", "127.0.0.1:0", "--name", "desk", "--acp-agent", &flag];
            world.up(&args)
        };
        let starting: Vec<_> = worlds.iter().map(|world| scope.spawn(move || up(world))).collect();
        starting.into_iter().map(|started| started.join().unwrap()).collect()
    });
    for id in marks.keys() {
        until("every command has an end", LIMIT, async || {
            let ack = hub.api.command(*id).await.ok()?;
            assert!(!ack.state.is_final() || ack.state == CommandState::Succeeded, "{ack:?}");
            ack.state.is_final().then_some(())
        })
        .await;
    }
    until("every turn has ended", LIMIT, async || {
        let sessions = known(&hub.api).await.sessions;
        (sessions.len() == SESSIONS && sessions.values().all(|session| session.ended_turns == 1 + PROMPTS as u64))
            .then_some(())
    })
    .await;
    let took = began.elapsed();
    let mut got = BTreeMap::new();
    for mark in marks.values() {
        *got.entry(scribe.got(mark)).or_insert(0) += 1;
    }
    assert_eq!(
        got,
        BTreeMap::from([(1, marks.len())]),
        "how often an agent got a prompt, and how many prompts that often"
    );
    let mut phases: BTreeMap<String, usize> = BTreeMap::new();
    for world in &worlds {
        let state = json(&world.run(&["link", "ls", "--json"]).out)["state"].clone();
        let why = state["trouble"]["code"].as_str().unwrap_or_default();
        *phases.entry(format!("{} {why}", state["phase"].as_str().unwrap_or_default())).or_default() += 1;
    }
    println!(
        "{} commands, each sent by {TAKERS} connections and wanted by {TAKERS} processes: each ran once, in {took:?}; the takers: {phases:?}",
        marks.len()
    );
    assert_eq!(phases.get("live "), Some(&1), "{phases:?}");
    for taker in takers {
        taker.kill9();
    }
}
