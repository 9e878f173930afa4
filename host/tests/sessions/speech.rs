use std::time::Duration;

use protocol::fact::SessionFact;
use protocol::item::{ItemContent, ItemStatus};
use protocol::path::StreamPath;
use protocol::turn::{Origin, TurnState};

use crate::world::World;

fn live(world: &World, command: protocol::id::CommandId) -> Vec<SessionFact> {
    let hub = world.hub.state();
    let Some((turn, _)) = hub.turn_of(command) else { return Vec::new() };
    let stream = hub.streams.get(&StreamPath::turn(turn));
    stream
        .map(|stream| stream.messages.iter().map(|message| SessionFact::parse(message).unwrap()).collect())
        .unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn the_first_words_go_at_once_and_the_others_in_frames_of_sixteen_milliseconds() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, first) = world.open(Some("say 1000 1"));
    world.turn(first, TurnState::Completed).await;
    let messages = live(&world, first).len();
    // 1000 words over a good second, in frames of 16 ms at the earliest: about 62 and the snapshot.
    assert!((40..=75).contains(&messages), "{messages} messages");
    let said: String = World::words(1000);
    assert_eq!(world.texts(session)[1], said);
    let turn = world.hub.state().turn_of(first).unwrap().0;
    assert!(world.hub.state().streams[&StreamPath::turn(turn)].closed);
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn words_can_be_read_while_they_are_said() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, first) = world.open(Some("say 20 50"));
    world.turn(first, TurnState::Running).await;
    tokio::time::sleep(Duration::from_millis(480)).await;
    let half = world.texts(session)[1].clone();
    assert!(half.starts_with("0 1 2 3 4 5") && half.len() < 40, "{half}");
    world.turn(first, TurnState::Completed).await;
    assert!(world.texts(session)[1].starts_with(&half));
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_of_an_agent_that_speaks_faster_than_it_is_heard() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, first) = world.open(Some("rush 2000"));
    world.turn(first, TurnState::Completed).await;
    let expected: Vec<_> = std::iter::once("rush 2000".into()).chain((0..2000).map(|n| format!("item {n}"))).collect();
    assert_eq!(world.texts(session), expected);
    let done = |status| status == ItemStatus::Done;
    assert!(world.transcript(session).items().iter().all(|(_, item)| done(item.status)));
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_item_disappears() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, first) = world.open(Some("drop"));
    world.turn(first, TurnState::Running).await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert_eq!(world.texts(session), ["drop", "gone"]);
    world.turn(first, TurnState::Completed).await;
    assert_eq!(world.texts(session), ["drop"]);
    assert!(matches!(live(&world, first).last(), Some(SessionFact::Item { value: None, .. })));
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn too_much_output_is_named() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, first) = world.open(Some("flood 600000"));
    world.turn(first, TurnState::Completed).await;
    let transcript = world.transcript(session);
    let call = transcript.items().into_iter().find_map(|(_, item)| match &item.content {
        ItemContent::ToolCall(call) => Some(call.clone()),
        _ => None,
    });
    let call = call.unwrap();
    assert_eq!((call.output.len(), call.output_omitted_bytes), (512 * 1024, 600_000 - 512 * 1024));
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_the_agent_begins_by_itself_is_a_turn() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, first) = world.open(Some("own"));
    world.turn(first, TurnState::Completed).await;
    world
        .until("its own turn", |hub| {
            hub.turns.values().any(|turn| turn.origin == Origin::Agent && turn.state == TurnState::Completed)
        })
        .await;
    assert_eq!(world.texts(session), ["own", "own", "by itself"]);
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn half_written_words_survive_a_crash() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, first) = world.open(Some("say 20 50"));
    world.turn(first, TurnState::Running).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let half = world.texts(session)[1].clone();
    assert!(!half.is_empty());
    drop(host);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let half = if world.texts(session)[1].len() > half.len() { world.texts(session)[1].clone() } else { half };
    let host = world.start().await;
    world.turn(first, TurnState::Interrupted).await;
    assert_eq!(world.texts(session)[1], half);
    let transcript = world.transcript(session);
    assert_eq!(transcript.items()[1].1.status, ItemStatus::Interrupted);
    assert_eq!(world.stage.prompts.lock().unwrap().len(), 1, "never run again by itself");
    world.sound();
    host.stop().await.unwrap();
}
