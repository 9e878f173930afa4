//! Agents that say nothing: shown after a while, and in the end no longer waited for.

use std::time::Duration;

use protocol::id::{SessionId, TurnId};
use protocol::turn::{Turn, TurnErrorCode, TurnState};

use crate::world::World;

fn turn(world: &World, session: SessionId, id: TurnId) -> Turn {
    let transcript = world.transcript(session);
    transcript.turns().into_iter().find(|(turn, _)| *turn == id).unwrap().1.clone()
}

#[tokio::test(start_paused = true)]
async fn a_silence_is_shown_and_one_that_lasts_too_long_ends_its_turn() {
    let mut world = World::new(1);
    world.options.silence_limit = Some(Duration::from_mins(20));
    let host = world.start().await;
    let (session, first) = world.open(Some("hang"));
    let id = world.turn(first, TurnState::Running).await;
    tokio::time::sleep(Duration::from_secs(110)).await;
    assert_eq!(turn(&world, session, id).quiet_since_ms, None, "some take their time");
    tokio::time::sleep(Duration::from_secs(20)).await;
    let quiet = turn(&world, session, id);
    assert_eq!(quiet.state, TurnState::Running);
    assert!(quiet.quiet_since_ms.is_some(), "{quiet:?}");
    tokio::time::sleep(Duration::from_mins(16)).await;
    assert_eq!(turn(&world, session, id).state, TurnState::Running);
    tokio::time::sleep(Duration::from_mins(3)).await;
    let over = turn(&world, session, id);
    assert_eq!((over.state, over.quiet_since_ms), (TurnState::Failed, None));
    assert_eq!(over.error.map(|error| (error.code, error.by)), Some((TurnErrorCode::Silent, None)));
    // Its place is free, and the session goes on.
    let next = world.prompt(session, "on");
    world.turn(next, TurnState::Completed).await;
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_speaks_again_is_not_silent_and_who_waits_for_a_person_is_waited_for_by_nobody() {
    let mut world = World::new(1);
    world.options.silence_limit = Some(Duration::from_mins(20));
    let host = world.start().await;
    // A word every three minutes.
    let (session, first) = world.open(Some("say 3 180000"));
    let id = world.turn(first, TurnState::Running).await;
    tokio::time::sleep(Duration::from_secs(150)).await;
    assert!(turn(&world, session, id).quiet_since_ms.is_some());
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(turn(&world, session, id).quiet_since_ms, None);
    tokio::time::sleep(Duration::from_mins(6)).await;
    world.turn(first, TurnState::Completed).await;

    let asks = world.prompt(session, "run npm test");
    let id = world.turn(asks, TurnState::AwaitingApproval).await;
    tokio::time::sleep(Duration::from_hours(2)).await;
    let waits = turn(&world, session, id);
    assert_eq!((waits.state, waits.quiet_since_ms), (TurnState::AwaitingApproval, None));
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_tool_is_waited_for_far_longer_and_a_model_that_writes_its_input_is_not() {
    let mut world = World::new(2);
    world.options.silence_limit = Some(Duration::from_mins(20));
    let host = world.start().await;
    let (writing, writes) = world.open(Some("writes"));
    let (building, builds) = world.open(Some("build"));
    let (w, b) = (world.turn(writes, TurnState::Running).await, world.turn(builds, TurnState::Running).await);
    tokio::time::sleep(Duration::from_mins(3)).await;
    assert!(turn(&world, writing, w).quiet_since_ms.is_some());
    assert_eq!(turn(&world, building, b).quiet_since_ms, None);
    tokio::time::sleep(Duration::from_mins(18)).await;
    assert_eq!(turn(&world, writing, w).error.map(|error| error.code), Some(TurnErrorCode::Silent));
    tokio::time::sleep(Duration::from_hours(7)).await;
    assert_eq!(turn(&world, building, b).state, TurnState::Running);
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(turn(&world, building, b).error.map(|error| error.code), Some(TurnErrorCode::Silent));
    world.sound();
    host.stop().await.unwrap();
}
