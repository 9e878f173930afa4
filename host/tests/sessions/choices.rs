//! What is chosen for a session and left to its agent again.

use std::sync::atomic::Ordering;
use std::time::Duration;

use host::agent::Setting;
use protocol::command::{CommandBody, CommandState};
use protocol::error::ErrorCode;
use protocol::item::ItemContent;
use protocol::session::Activity;
use protocol::turn::TurnState;

use crate::port::State;
use crate::world::World;

#[tokio::test(start_paused = true)]
async fn what_was_chosen_is_left_to_the_agent_again_in_its_process_or_in_the_next() {
    let mut world = World::new(1);
    world.options.agent_idle = Duration::from_secs(5);
    let host = world.start().await;
    let (session, first) = world.open(Some("hello"));
    world.turn(first, TurnState::Completed).await;
    let set = |model: Option<&str>, effort: Option<&str>| {
        let (model, effort) = (model.map(str::to_owned), effort.map(str::to_owned));
        world.command(CommandBody::SetOptions { session, model, mode: None, effort })
    };
    let chosen = || {
        let fact = world.hub.state().session(session).unwrap().clone();
        (fact.model, fact.effort)
    };
    assert_eq!(world.end(set(Some("big"), Some("high"))).await, CommandState::Succeeded);
    world.until("it sleeps", |hub| hub.session(session).unwrap().activity == Activity::NotLoaded).await;
    let next = world.prompt(session, "hello");
    world.turn(next, TurnState::Completed).await;
    assert_eq!(chosen(), (Some("big".to_owned()), Some("high".to_owned())));

    // Its process is there: it is told, and closed where that is not enough.
    assert_eq!(world.end(set(Some(""), Some(""))).await, CommandState::Succeeded);
    assert_eq!(chosen(), (None, None));
    assert_eq!(*world.stage.defaults.lock().unwrap(), [Setting::Model, Setting::Effort]);
    let next = world.prompt(session, "hello");
    world.turn(next, TurnState::Completed).await;
    assert_eq!(world.stage.efforts.lock().unwrap().last(), Some(&None), "a new one, without an effort");
    assert_eq!(world.stage.defaults.lock().unwrap().len(), 2, "said once");

    // It sleeps, and the host ends before it wakes: its conversation may remember what was chosen, so it is told then.
    assert_eq!(world.end(set(Some("small"), None)).await, CommandState::Succeeded);
    world.until("it sleeps", |hub| hub.session(session).unwrap().activity == Activity::NotLoaded).await;
    assert_eq!(world.end(set(Some(""), None)).await, CommandState::Succeeded);
    host.stop().await.unwrap();
    let host = world.start().await;
    let next = world.prompt(session, "hello");
    world.turn(next, TurnState::Completed).await;
    assert_eq!(*world.stage.defaults.lock().unwrap(), [Setting::Model, Setting::Effort, Setting::Model]);
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_default_that_the_agent_refuses_leaves_what_was_chosen() {
    let mut world = World::new(1);
    world.options.agent_idle = Duration::from_secs(5);
    world.stage.no_default.store(true, Ordering::SeqCst);
    let host = world.start().await;
    let (session, first) = world.open(Some("hello"));
    world.turn(first, TurnState::Completed).await;
    let set = |model: &str, effort: Option<&str>| {
        let (model, effort) = (Some(model.to_owned()), effort.map(str::to_owned));
        world.command(CommandBody::SetOptions { session, model, mode: None, effort })
    };
    let big = Some("big".to_owned());
    let has = |model: &Option<String>, effort: Option<&str>| {
        let (model, effort) = (model.clone(), effort.map(str::to_owned));
        move |hub: &State| hub.session(session).is_some_and(|row| row.model == model && row.effort == effort)
    };
    assert_eq!(world.end(set("big", Some("high"))).await, CommandState::Succeeded);
    let next = world.prompt(session, "hello");
    world.turn(next, TurnState::Completed).await;

    // Of two that it was told at once neither is left to it, and the error names what it is about.
    let refused = set("", Some(""));
    assert_eq!(world.end(refused).await, CommandState::Failed);
    assert_eq!(world.hub.state().command(refused).error, Some(ErrorCode::ModelUnavailable));
    world.until("both stay", has(&big, Some("high"))).await;
    assert_eq!(*world.stage.defaults.lock().unwrap(), [Setting::Model]);

    // One that sleeps cannot be asked, and the host ends before it wakes: then it refuses, and that is said in the chat.
    world.until("it sleeps", |hub| hub.session(session).unwrap().activity == Activity::NotLoaded).await;
    assert_eq!(world.end(set("", None)).await, CommandState::Succeeded);
    world.until("it is left to it", has(&None, Some("high"))).await;
    host.stop().await.unwrap();
    let host = world.start().await;
    let next = world.prompt(session, "hello");
    world.turn(next, TurnState::Completed).await;
    world.until("it stays", has(&big, Some("high"))).await;
    let items = world.transcript(session).items().into_iter().map(|(_, item)| item.content.clone()).collect::<Vec<_>>();
    let said = items.iter().any(|item| matches!(item, ItemContent::Notice { code, .. } if code == "choice_stays"));
    assert!(said, "{items:?}");

    // It is not told again by itself.
    world.until("it sleeps", |hub| hub.session(session).unwrap().activity == Activity::NotLoaded).await;
    let next = world.prompt(session, "hello");
    world.turn(next, TurnState::Completed).await;
    assert_eq!(*world.stage.defaults.lock().unwrap(), [Setting::Model; 2]);
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_left_to_a_sleeping_agent_is_told_to_the_one_that_goes_on_from_it_too() {
    let mut world = World::new(1);
    world.options.agent_idle = Duration::from_secs(5);
    let host = world.start().await;
    let (session, first) = world.open(Some("hello"));
    world.turn(first, TurnState::Completed).await;
    let set = |effort: &str| {
        let effort = Some(effort.to_owned());
        world.command(CommandBody::SetOptions { session, model: Some("big".into()), mode: None, effort })
    };
    assert_eq!(world.end(set("high")).await, CommandState::Succeeded);
    world.until("it sleeps", |hub| hub.session(session).unwrap().activity == Activity::NotLoaded).await;
    assert_eq!(world.end(set("")).await, CommandState::Succeeded);
    world.until("it is left", |hub| hub.session(session).unwrap().effort.is_none()).await;
    let (_, forked) = world.fork(session, None, Some("hello"));
    world.turn(forked, TurnState::Completed).await;
    assert_eq!(*world.stage.defaults.lock().unwrap(), [Setting::Effort]);

    // A process that was just opened without an effort needs no other one for that.
    for _ in 0..2 {
        let next = world.prompt(session, "hello");
        world.turn(next, TurnState::Completed).await;
    }
    assert_eq!(*world.stage.defaults.lock().unwrap(), [Setting::Effort; 2]);
    assert_eq!(*world.stage.efforts.lock().unwrap(), [None, None, None]);
    world.sound();
    host.stop().await.unwrap();
}
