//! Prompts that are changed while they wait.

use std::time::Duration;

use protocol::command::CommandState;
use protocol::error::ErrorCode;
use protocol::turn::TurnState;

use crate::world::World;

#[tokio::test(start_paused = true)]
async fn a_prompt_that_waits_is_changed_and_one_that_runs_is_not() {
    let world = World::new(5);
    let host = world.start().await;
    let (session, first) = world.open(Some("say 5 200 first"));
    let running = world.turn(first, TurnState::Running).await;
    let second = world.prompt(session, "say 1 5 second");
    let waiting = world.turn(second, TurnState::Queued).await;
    for words in ["say 1 5 another", "say 1 5 third"] {
        let edit = world.edit(session, waiting, words);
        assert_eq!(world.end(edit).await, CommandState::Succeeded);
    }
    let late = world.edit(session, running, "say 1 5 late");
    assert_eq!(world.end(late).await, CommandState::Failed);
    assert_eq!(world.hub.state().command(late).error, Some(ErrorCode::TurnStarted));
    world.turn(second, TurnState::Completed).await;
    assert_eq!(*world.stage.prompts.lock().unwrap(), ["say 5 200 first", "say 1 5 third"]);
    let prompts = world.transcript(session).items().into_iter().filter(|(_, item)| item.sender.is_some()).count();
    assert_eq!(prompts, 2, "a changed prompt stands where it stood, once");
    assert!(world.texts(session).contains(&"say 1 5 third".to_owned()));
    let ended = world.edit(session, waiting, "say 1 5 too late");
    assert_eq!(world.end(ended).await, CommandState::Failed);
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn of_an_edit_and_a_start_exactly_one_wins_and_the_sender_hears_which() {
    let (mut won, mut lost) = (0, 0);
    for pause in (0..200).step_by(4) {
        let world = World::new(5);
        let host = world.start_on(world.port_on(i64::MAX, false, true)).await;
        let (session, first) = world.open(Some("say 5 20 first"));
        world.turn(first, TurnState::Running).await;
        let second = world.prompt(session, "say 1 5 before");
        let waiting = world.turn(second, TurnState::Queued).await;
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let edit = world.edit(session, waiting, "say 1 5 after");
        let state = world.end(edit).await;
        world.turn(second, TurnState::Completed).await;
        let given = world.stage.prompts.lock().unwrap()[1].clone();
        let shown = world.texts(session);
        let (expected, count) = match state {
            CommandState::Succeeded => ("say 1 5 after", &mut won),
            CommandState::Failed => ("say 1 5 before", &mut lost),
            other => panic!("{other:?}"),
        };
        *count += 1;
        assert_eq!(given, expected, "after {pause} ms");
        assert!(shown.contains(&expected.to_owned()), "after {pause} ms: {shown:?}");
        world.sound();
        host.stop().await.unwrap();
    }
    assert!(won > 0 && lost > 0, "the race is run both ways: {won} won, {lost} lost");
}

#[tokio::test(start_paused = true)]
async fn a_changed_prompt_stays_changed_after_a_crash() {
    let world = World::new(5);
    let host = world.start().await;
    let (session, first) = world.open(Some("say 5 5000 first"));
    world.turn(first, TurnState::Running).await;
    let second = world.prompt(session, "say 1 5 before");
    let waiting = world.turn(second, TurnState::Queued).await;
    let edit = world.edit(session, waiting, "say 1 5 after");
    assert_eq!(world.end(edit).await, CommandState::Succeeded);
    drop(host);
    let host = world.start().await;
    world.turn(second, TurnState::Completed).await;
    assert_eq!(world.stage.prompts.lock().unwrap().last().unwrap(), "say 1 5 after");
    world.sound();
    host.stop().await.unwrap();
}
