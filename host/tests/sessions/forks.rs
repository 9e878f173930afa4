//! Sessions that go on from where a turn of another one ended.

use std::sync::atomic::Ordering;

use protocol::command::CommandState;
use protocol::error::ErrorCode;
use protocol::id::{SessionId, TurnId};
use protocol::session::Forked;
use protocol::turn::TurnState;

use crate::port::v7;
use crate::world::World;

#[tokio::test(start_paused = true)]
async fn a_fork_goes_on_from_an_earlier_turn_and_the_other_session_stays_as_it_is() {
    let world = World::new(5);
    let host = world.start().await;
    let (session, first) = world.open(Some("first"));
    let earlier = world.turn(first, TurnState::Completed).await;
    let second = world.prompt(session, "second");
    world.turn(second, TurnState::Completed).await;
    let before = world.texts(session);
    let (forked, made) = world.fork(session, Some(earlier), Some("another way"));
    world.turn(made, TurnState::Completed).await;
    let (resumed, place) = world.stage.forks.lock().unwrap()[0].clone();
    assert!(resumed.is_some_and(|name| name.starts_with("puppet-")));
    assert_eq!(place.as_deref(), Some("after first"));
    assert_eq!(world.texts(session), before, "nothing of it was changed or cut");
    assert_eq!(world.texts(forked), ["another way", "another way"]);
    let fact = world.hub.state().session(forked).unwrap().clone();
    assert_eq!(fact.from, Some(Forked { session, turn: Some(earlier) }));
    assert_eq!((fact.agent.as_str(), fact.project), ("puppet", world.project.lock().unwrap().unwrap()));
    // It has a conversation of its own from now on, also for another life.
    drop(host);
    let host = world.start().await;
    let next = world.prompt(forked, "third");
    world.turn(next, TurnState::Completed).await;
    assert_eq!(world.stage.forks.lock().unwrap().len(), 1);
    assert!(world.stage.resumed.lock().unwrap().last().unwrap().is_some(), "it resumes its own");
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_fork_without_a_prompt_waits_for_one_over_a_crash() {
    let world = World::new(5);
    let host = world.start().await;
    let (session, first) = world.open(Some("first"));
    world.turn(first, TurnState::Completed).await;
    let (forked, made) = world.fork(session, None, None);
    assert_eq!(world.end(made).await, CommandState::Succeeded);
    assert!(world.stage.forks.lock().unwrap().is_empty(), "no agent is started before there is something to do");
    drop(host);
    let host = world.start().await;
    let next = world.prompt(forked, "on");
    world.turn(next, TurnState::Completed).await;
    assert_eq!(world.stage.forks.lock().unwrap()[0].1, None, "from the end");
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_gone_on_from_is_said_and_makes_nothing() {
    let world = World::new(5);
    let host = world.start().await;
    let (session, first) = world.open(Some("first"));
    world.turn(first, TurnState::Completed).await;
    let failing = world.prompt(session, "fail");
    let failed = world.turn(failing, TurnState::Failed).await;
    let (empty, made) = world.open(None);
    assert_eq!(world.end(made).await, CommandState::Succeeded);
    let nobody = SessionId::from_uuid(v7(77));
    let refused = [
        (world.fork(nobody, None, None), ErrorCode::NotFound),
        (world.fork(session, Some(failed), None), ErrorCode::Unsupported),
        (world.fork(session, Some(TurnId::from_uuid(v7(78))), None), ErrorCode::Unsupported),
        (world.fork(empty, None, None), ErrorCode::Unsupported),
    ];
    for ((made, command), code) in refused {
        assert_eq!(world.end(command).await, CommandState::Failed);
        assert_eq!(world.hub.state().command(command).error, Some(code));
        assert!(world.hub.state().session(made).is_none());
    }
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_goes_on_from_the_newest_turn_only_never_knows_more_than_was_meant() {
    let world = World::new(5);
    world.stage.forks_newest.store(true, Ordering::SeqCst);
    let host = world.start().await;
    let (session, first) = world.open(Some("first"));
    let earlier = world.turn(first, TurnState::Completed).await;
    let second = world.prompt(session, "second");
    let newest = world.turn(second, TurnState::Completed).await;

    let (made, command) = world.fork(session, Some(earlier), None);
    assert_eq!(world.end(command).await, CommandState::Failed);
    assert_eq!(world.hub.state().command(command).error, Some(ErrorCode::Unsupported));
    assert!(world.hub.state().session(made).is_none());

    let (forked, made) = world.fork(session, Some(newest), Some("another way"));
    world.turn(made, TurnState::Completed).await;
    assert_eq!(world.stage.forks.lock().unwrap().last().unwrap().1, None, "from the end");
    assert_eq!(world.hub.state().session(forked).unwrap().from, Some(Forked { session, turn: Some(newest) }));

    // Made in time and begun too late: the other session has gone on.
    let (late, made) = world.fork(session, Some(newest), None);
    assert_eq!(world.end(made).await, CommandState::Succeeded);
    let third = world.prompt(session, "third");
    world.turn(third, TurnState::Completed).await;
    let forks = world.stage.forks.lock().unwrap().len();
    let begun = world.prompt(late, "on");
    assert_eq!(world.end(begun).await, CommandState::Failed);
    assert_eq!(world.hub.state().command(begun).error, Some(ErrorCode::Unsupported));
    assert_eq!(world.stage.forks.lock().unwrap().len(), forks, "no agent is started for it");
    // Said once. What follows is a chat of its own, which does not say that it came from there.
    assert_eq!(world.hub.state().session(late).unwrap().from, None);
    let anew = world.prompt(late, "anew");
    world.turn(anew, TurnState::Completed).await;
    assert_eq!(world.stage.forks.lock().unwrap().len(), forks);
    assert_eq!(world.stage.resumed.lock().unwrap().last().unwrap(), &None);
    world.sound();
    host.stop().await.unwrap();
}
