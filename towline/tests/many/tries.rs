//! What never started is tried again by itself, where everybody sees it, and runs once (W-013).

use std::time::Duration;

use crate::agent::Scribe;
use crate::world::PATIENCE;
use crate::yard::*;
use protocol::command::{CommandBody, CommandState, StartContent, Tried};
use protocol::error::ErrorCode;
use protocol::id::{CommandId, SessionId};

fn again(node: &mut Node, scribe: &Scribe) {
    let args = ["--listen", "127.0.0.1:0", "--name", &node.name, "--acp-agent", &scribe.flag()];
    node.running = Some(node.world.up(&args));
}

async fn start(hub: &Hub, node: &Node, text: &str) -> (SessionId, CommandId) {
    let project = node.project_of(&known(&hub.api).await).unwrap();
    let session = SessionId::from_uuid(fresh());
    let content = StartContent { text: Some(text.to_owned()), ..StartContent::default() };
    let (model, mode, effort) = (None, None, None);
    let agent = "scribe".to_owned();
    let body = CommandBody::StartSession { session, project, new_project: false, agent, model, mode, effort, content };
    (session, node.send(hub, body, None).await)
}

/// Waits until the hub, which is not the machine that tries, shows so many tries.
async fn shown(hub: &Hub, id: CommandId, times: u32) -> Tried {
    until(&format!("try {times} is shown at the hub"), PATIENCE, async || {
        known(&hub.api).await.commands.get(&id)?.tried.filter(|tried| tried.times >= times)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_cannot_be_started_now_is_tried_again_over_a_kill_and_gets_the_prompt_once() {
    let hub = Hub::start();
    let scribe = Scribe::new();
    let mut desk = Node::link(&hub, "desk").await;
    desk.stop();
    again(&mut desk, &scribe);
    desk.is_online(&hub).await;
    scribe.breaks();
    let (session, id) = start(&hub, &desk, "mark-once").await;
    let tried = shown(&hub, id, 1).await;
    assert_eq!(tried.code, ErrorCode::AgentNotStarted);
    let rows = hub.world.run(&["commands"]).out;
    assert!(rows.contains("again by itself (3 in all)"), "{rows}");
    // The machine dies between two tries; the count goes on where it was.
    desk.kill9();
    again(&mut desk, &scribe);
    assert_eq!(shown(&hub, id, 2).await.times, 2);
    scribe.is_mended();
    ended(&hub, id, CommandState::Succeeded).await;
    turns_ended(&hub, session, 1).await;
    assert_eq!((scribe.got("mark-once"), times(&hub, session, "mark-once").await), (1, 1));
    let over = known(&hub.api).await.commands.remove(&id).unwrap().tried.unwrap();
    assert_eq!((over.times, over.next_at_ms), (2, None));

    // One that stays broken is given up, with its code, and nothing of it runs later by itself.
    scribe.breaks();
    let (_, never) = start(&hub, &desk, "mark-never").await;
    ended(&hub, never, CommandState::Failed).await;
    let over = known(&hub.api).await.commands.remove(&never).unwrap();
    assert_eq!(over.error.map(|error| error.code), Some(ErrorCode::AgentNotStarted));
    assert_eq!(over.tried.map(|tried| (tried.times, tried.next_at_ms)), Some((3, None)));
    scribe.is_mended();
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(scribe.got("mark-never"), 0);
    same(&hub, &desk).await;
    desk.stop();
}
