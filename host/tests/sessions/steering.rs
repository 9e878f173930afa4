//! Prompts that wait are moved, and go into the turn that runs.

use std::time::Duration;

use protocol::command::CommandState;
use protocol::error::ErrorCode;
use protocol::id::{CommandId, SessionId, TurnId};
use protocol::turn::{Steer, TurnErrorCode, TurnState};

use crate::world::World;

fn steer_of(world: &World, turn: TurnId) -> Option<Steer> {
    world.hub.state().turns[&turn].steer
}

fn code(world: &World, command: CommandId) -> Option<ErrorCode> {
    world.hub.state().command(command).error
}

async fn waiting(world: &World, session: SessionId, text: &str) -> (CommandId, TurnId) {
    let command = world.prompt(session, text);
    (command, world.turn(command, TurnState::Queued).await)
}

fn prompts(world: &World) -> Vec<String> {
    world.stage.prompts.lock().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn prompts_that_wait_run_in_the_order_in_which_they_were_put() {
    let world = World::new(5);
    let host = world.start().await;
    let (session, first) = world.open(Some("say 5 2000 first"));
    let running = world.turn(first, TurnState::Running).await;
    let (_, a) = waiting(&world, session, "say 1 5 a").await;
    let (_, b) = waiting(&world, session, "say 1 5 b").await;
    let (last, c) = waiting(&world, session, "say 1 5 c").await;
    // Both at once, with a change of one of them: each sees what the one before it has made.
    let front = world.move_before(session, c, Some(a));
    let words = world.edit(session, a, "say 1 5 A");
    let back = world.move_before(session, a, None);
    for command in [front, words, back] {
        assert_eq!(world.end(command).await, CommandState::Succeeded);
    }
    let late = world.move_before(session, b, Some(running));
    assert_eq!(world.end(late).await, CommandState::Failed);
    assert_eq!(code(&world, late), Some(ErrorCode::TurnStarted));
    let order = [c, b, a];
    let ords = order.map(|turn| world.hub.state().turns[&turn].ord);
    assert!(ords.is_sorted(), "they stand in the order in which they will run: {ords:?}");
    // The order is on disk.
    drop(host);
    let host = world.start().await;
    world.turn(last, TurnState::Completed).await;
    world.until("all of them", |hub| order.iter().all(|turn| hub.turns[turn].state == TurnState::Completed)).await;
    assert_eq!(prompts(&world)[1..], ["say 1 5 c", "say 1 5 b", "say 1 5 A"]);
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_move_that_races_the_start_says_which_won() {
    let (mut won, mut lost) = (0, 0);
    for pause in (0..200).step_by(4) {
        let world = World::new(5);
        let host = world.start_on(world.port_on(i64::MAX, false, true)).await;
        let (session, first) = world.open(Some("say 5 20 first"));
        world.turn(first, TurnState::Running).await;
        let (a_sent, a) = waiting(&world, session, "say 1 500 a").await;
        let (b_sent, b) = waiting(&world, session, "say 1 5 b").await;
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let moved = world.move_before(session, b, Some(a));
        let (order, count) = match world.end(moved).await {
            CommandState::Succeeded => (["say 1 5 b", "say 1 500 a"], &mut won),
            CommandState::Failed => (["say 1 500 a", "say 1 5 b"], &mut lost),
            other => panic!("{other:?}"),
        };
        *count += 1;
        world.turn(a_sent, TurnState::Completed).await;
        world.turn(b_sent, TurnState::Completed).await;
        assert_eq!(prompts(&world)[1..], order, "after {pause} ms");
        world.sound();
        host.stop().await.unwrap();
    }
    assert!(won > 0 && lost > 0, "the race is run both ways: {won} won, {lost} lost");
}

#[tokio::test(start_paused = true)]
async fn a_prompt_goes_into_the_turn_that_runs_now_or_at_the_next_step() {
    let world = World::new(5);
    let host = world.start().await;
    let (session, first) = world.open(Some("say 5 200 first"));
    let running = world.turn(first, TurnState::Running).await;
    for text in ["now mind the gap", "step by step"] {
        let (sent, turn) = waiting(&world, session, text).await;
        let steer = world.steer(session, turn);
        assert_eq!(world.end(steer).await, CommandState::Succeeded);
        world.turn(sent, TurnState::Completed).await;
        assert_eq!(steer_of(&world, turn), Some(Steer::Taken { turn: running }));
        let shown = world.transcript(session);
        let (_, item) = shown.items().into_iter().rfind(|(_, item)| item.sender.is_some()).unwrap();
        assert_eq!(item.turn, running, "it belongs to the turn that took it in");
        let again = world.steer(session, turn);
        assert_eq!(world.end(again).await, CommandState::Failed);
        assert_eq!(code(&world, again), Some(ErrorCode::TurnStarted));
    }
    world.turn(first, TurnState::Completed).await;
    assert_eq!(prompts(&world), ["say 5 200 first"], "they were no turns of their own");
    assert_eq!(world.hub.state().session(session).unwrap().queued_turns, 0);
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_prompt_that_the_turn_did_not_take_in_is_the_next_turn_and_given_once() {
    let world = World::new(5);
    let host = world.start().await;
    let (session, first) = world.open(Some("say 5 200 first"));
    world.turn(first, TurnState::Running).await;
    let (other_sent, _) = waiting(&world, session, "say 1 5 other").await;
    let (sent, turn) = waiting(&world, session, "say 1 5 next").await;
    let steer = world.steer(session, turn);
    assert_eq!(world.end(steer).await, CommandState::Succeeded);
    assert_eq!(steer_of(&world, turn), Some(Steer::Handed), "it says that it is on its way");
    for command in [world.edit(session, turn, "changed"), world.move_before(session, turn, None)] {
        assert_eq!(world.end(command).await, CommandState::Failed);
        assert_eq!(code(&world, command), Some(ErrorCode::TurnStarted));
    }
    world.turn(sent, TurnState::Completed).await;
    world.turn(other_sent, TurnState::Completed).await;
    assert_eq!(steer_of(&world, turn), None);
    assert_eq!(prompts(&world), ["say 5 200 first", "say 1 5 next", "say 1 5 other"]);
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_prompt_that_is_not_taken_in_mid_turn_waits_as_before() {
    let world = World::new(5);
    let host = world.start().await;
    let (session, first) = world.open(Some("hang"));
    let running = world.turn(first, TurnState::Running).await;
    let (_, refused) = waiting(&world, session, "refused by the agent").await;
    let steer = world.steer(session, refused);
    assert_eq!(world.end(steer).await, CommandState::Failed);
    assert_eq!(code(&world, steer), Some(ErrorCode::Unsupported));
    assert_eq!(steer_of(&world, refused), None);
    // Given back by the agent, to be changed and moved again, when the turn is stopped.
    let (sent, kept) = waiting(&world, session, "say 1 5 kept").await;
    let steer = world.steer(session, kept);
    assert_eq!(world.end(steer).await, CommandState::Succeeded);
    let front = world.cancel(session, Some(running));
    assert_eq!(world.end(front).await, CommandState::Succeeded);
    world.turn(sent, TurnState::Completed).await;
    assert_eq!(prompts(&world), ["hang", "refused by the agent", "say 1 5 kept"], "each once, in its place");
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_prompt_on_its_way_into_the_turn_can_be_taken_back_until_it_is_there() {
    let world = World::new(5);
    let host = world.start().await;
    let (session, first) = world.open(Some("hang"));
    world.turn(first, TurnState::Running).await;
    let (sent, turn) = waiting(&world, session, "say 1 5 no more").await;
    assert_eq!(world.end(world.steer(session, turn)).await, CommandState::Succeeded);
    assert_eq!(world.end(world.cancel(session, Some(turn))).await, CommandState::Succeeded);
    world.turn(sent, TurnState::Interrupted).await;
    let (sent, turn) = waiting(&world, session, "step by step").await;
    assert_eq!(world.end(world.steer(session, turn)).await, CommandState::Succeeded);
    world.turn(sent, TurnState::Completed).await;
    world.cancel(session, None);
    world.turn(first, TurnState::Interrupted).await;
    assert_eq!(prompts(&world), ["hang"], "what was taken back never ran");
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_the_agent_may_have_is_not_given_to_another_one() {
    let world = World::new(5);
    let host = world.start().await;
    let (session, first) = world.open(Some("hang"));
    world.turn(first, TurnState::Running).await;
    let (sent, turn) = waiting(&world, session, "say 1 5 mid-turn").await;
    assert_eq!(world.end(world.steer(session, turn)).await, CommandState::Succeeded);
    let (after, _) = waiting(&world, session, "say 1 5 after").await;
    drop(host);
    let host = world.start().await;
    world.turn(sent, TurnState::Interrupted).await;
    let error = world.hub.state().turns[&turn].error.clone();
    assert_eq!(error.map(|error| error.code), Some(TurnErrorCode::HostRestarted));
    world.turn(after, TurnState::Completed).await;
    assert_eq!(prompts(&world), ["hang", "say 1 5 after"]);
    // Nor when only the agent dies.
    let dying = world.prompt(session, "die");
    world.turn(dying, TurnState::Running).await;
    let (sent, turn) = waiting(&world, session, "say 1 5 again").await;
    world.steer(session, turn);
    world.turn(dying, TurnState::Failed).await;
    let state = |hub: &crate::port::State| hub.turn_of(sent).unwrap().1;
    world.until("its end", |hub| state(hub).is_final()).await;
    if steer_was_told(&world, "say 1 5 again") {
        assert_eq!(state(&world.hub.state()), TurnState::Failed);
    }
    world.sound();
    host.stop().await.unwrap();
}

fn steer_was_told(world: &World, text: &str) -> bool {
    world.stage.steered.lock().unwrap().iter().any(|told| told == text)
}

#[tokio::test(start_paused = true)]
async fn a_prompt_of_which_the_agent_does_not_say_whether_it_took_it_fails_and_holds_nobody_up() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, first) = world.open(Some("say 5 2000 first"));
    world.turn(first, TurnState::Running).await;
    let (doubted, turn) = waiting(&world, session, "slow words").await;
    let (next, _) = waiting(&world, session, "say 1 5 next").await;
    let steer = world.steer(session, turn);
    assert_eq!(world.end(steer).await, CommandState::Failed);
    assert_eq!(code(&world, steer), Some(ErrorCode::AgentUnavailable));
    assert_eq!(world.hub.state().turns[&turn].state, TurnState::Queued, "until the turn has ended");
    world.turn(next, TurnState::Completed).await;
    let over = world.hub.state().turns[&turn].clone();
    assert_eq!((over.state, over.error.map(|error| error.code)), (TurnState::Failed, Some(TurnErrorCode::AgentError)));
    assert_eq!(code(&world, doubted), Some(ErrorCode::AgentUnavailable));
    assert_eq!(prompts(&world), ["say 5 2000 first", "say 1 5 next"], "it is not run a second time by itself");
    world.sound();
    host.stop().await.unwrap();
}
