//! What never started is tried again by itself, three times in all, and nothing that may have begun ever is (W-013).

use std::sync::atomic::Ordering;
use std::time::Duration;

use protocol::command::CommandState;
use protocol::error::ErrorCode;
use protocol::id::CommandId;
use protocol::limits::{MAX_TRIES, RETRY_PAUSES_MS};
use protocol::turn::{TurnErrorCode, TurnState};

use crate::world::World;

async fn tried(world: &World, command: CommandId, times: u32) {
    let is = |tried: &protocol::command::Tried| tried.times == times;
    world.until(&format!("try {times}"), |hub| hub.command(command).tried.as_ref().is_some_and(is)).await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_cannot_be_started_now_is_started_later_and_gets_each_prompt_once_in_order() {
    let world = World::new(1);
    world.stage.not_now.store(2, Ordering::SeqCst);
    let host = world.start().await;
    let (session, first) = world.open(Some("one"));
    let second = world.prompt(session, "two");
    tried(&world, first, 1).await;
    let state = world.hub.state().command(first).clone();
    assert_eq!((state.state, state.error), (CommandState::Running, None), "it waits");
    assert!(state.tried.unwrap().next_at_ms.is_some());
    world.turn(first, TurnState::Queued).await;
    // Its place is free meanwhile: another session runs, although one turn runs at once.
    tried(&world, first, 2).await;
    let (_, other) = world.open(Some("elsewhere"));
    world.turn(other, TurnState::Completed).await;
    world.turn(second, TurnState::Completed).await;
    assert_eq!(*world.stage.prompts.lock().unwrap(), ["elsewhere", "one", "two"]);
    let opens = world.stage.opens.lock().unwrap().clone();
    for (n, usual) in RETRY_PAUSES_MS.into_iter().enumerate() {
        // The other session was started between the second try and the third.
        let after = if n == 1 { opens[3] - opens[1] } else { opens[1] - opens[0] };
        let usual = Duration::from_millis(usual);
        assert!(after >= usual / 2 && after < usual * 2, "pause {n} took {after:?}");
    }
    let state = world.hub.state().command(first).clone();
    assert_eq!(state.state, CommandState::Succeeded);
    let tried = state.tried.unwrap();
    assert_eq!((tried.times, tried.code, tried.next_at_ms), (2, ErrorCode::AgentNotStarted, None), "and says so");
    assert_eq!(world.hub.state().command(second).tried, None);
    assert!(!world.hub.state().notes.keys().any(|key| key.starts_with("tried/")));
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_third_try_is_the_last_and_the_count_outlives_every_restart() {
    let world = World::new(1);
    world.stage.not_now.store(usize::MAX, Ordering::SeqCst);
    let host = world.start().await;
    let (session, first) = world.open(Some("one"));
    tried(&world, first, 1).await;
    // The power goes.
    drop(host);
    let host = world.start().await;
    tried(&world, first, 2).await;
    host.stop().await.unwrap();
    assert!(!world.hub.state().command(first).state.is_final(), "a stop is no end of it");
    let host = world.start().await;
    assert_eq!(world.end(first).await, CommandState::Failed);
    let state = world.hub.state().command(first).clone();
    assert_eq!(state.error, Some(ErrorCode::AgentNotStarted));
    assert_eq!(state.tried.map(|tried| (tried.times, tried.next_at_ms)), Some((MAX_TRIES, None)));
    assert_eq!(world.stage.opens.lock().unwrap().len(), MAX_TRIES as usize);
    let turn = world.turn(first, TurnState::Failed).await;
    let error = world.hub.state().turns[&turn].error.clone().unwrap();
    assert_eq!(error.code, TurnErrorCode::AgentUnavailable);
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(world.stage.opens.lock().unwrap().len(), MAX_TRIES as usize, "nobody tries for ever");
    world.stage.not_now.store(0, Ordering::SeqCst);
    let next = world.prompt(session, "two");
    world.turn(next, TurnState::Completed).await;
    assert_eq!(*world.stage.prompts.lock().unwrap(), ["two"], "what had failed is not run by itself");
    assert!(!world.hub.state().notes.keys().any(|key| key.starts_with("tried/")));
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_takes_a_prompt_back_between_two_tries_has_it_back() {
    let world = World::new(1);
    world.stage.not_now.store(1, Ordering::SeqCst);
    let host = world.start().await;
    let (session, first) = world.open(Some("one"));
    tried(&world, first, 1).await;
    let cancel = world.cancel(session, None);
    assert_eq!(world.end(cancel).await, CommandState::Succeeded);
    assert_eq!(world.end(first).await, CommandState::Cancelled);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(world.stage.opens.lock().unwrap().len(), 1);
    assert_eq!(*world.stage.prompts.lock().unwrap(), [""; 0]);
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_will_not_pass_and_what_has_begun_is_not_tried_again() {
    let world = World::new(1);
    let host = world.start().await;
    let (_, refused) = world.open_with(Some("one"), Some("unopenable"));
    assert_eq!(world.end(refused).await, CommandState::Failed);
    let state = world.hub.state().command(refused).clone();
    assert_eq!((state.error, state.tried), (Some(ErrorCode::AgentUnavailable), None));
    assert_eq!(world.stage.opens.lock().unwrap().len(), 1);
    let (_, dies) = world.open(Some("die"));
    world.turn(dies, TurnState::Failed).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(*world.stage.prompts.lock().unwrap(), ["die"]);
    world.sound();
    host.stop().await.unwrap();
}
