//! What goes on behind a turn: in the background, by itself, or as last words.

use std::time::Duration;

use protocol::command::CommandState;
use protocol::id::SessionId;
use protocol::item::ItemContent;
use protocol::session::Activity;
use protocol::turn::TurnState;

use crate::world::World;

fn shown(world: &World, session: SessionId) -> (Activity, u32) {
    let state = world.hub.state();
    let row = state.session(session).unwrap();
    (row.activity, row.background_tasks)
}

fn notices(world: &World, session: SessionId) -> Vec<String> {
    let said = |content: &ItemContent| match content {
        ItemContent::Notice { code, text, .. } => Some(format!("{code}: {text}")),
        _ => None,
    };
    world.transcript(session).items().into_iter().filter_map(|(_, item)| said(&item.content)).collect()
}

#[tokio::test(start_paused = true)]
async fn what_goes_on_in_the_background_is_shown_and_is_no_idleness() {
    let world = World::new(1);
    let host = world.start().await;
    // Forty minutes.
    let (session, first) = world.open(Some("background 2400"));
    world.turn(first, TurnState::Completed).await;
    tokio::time::sleep(Duration::from_mins(30)).await;
    assert_eq!(shown(&world, session), (Activity::Idle, 2));
    tokio::time::sleep(Duration::from_mins(11)).await;
    assert_eq!(shown(&world, session), (Activity::Idle, 0), "it is done, and the pause begins");
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert_eq!(shown(&world, session), (Activity::NotLoaded, 0));
    assert_eq!(notices(&world, session), Vec::<String>::new(), "nothing was cut off");
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_never_ends_in_the_background_is_ended_some_day_and_that_is_told() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, first) = world.open(Some("background 1000000"));
    world.turn(first, TurnState::Completed).await;
    tokio::time::sleep(Duration::from_hours(11)).await;
    assert_eq!(shown(&world, session), (Activity::Idle, 2));
    tokio::time::sleep(Duration::from_mins(61)).await;
    assert_eq!(shown(&world, session), (Activity::NotLoaded, 0));
    let told = notices(&world, session);
    assert!(told[0].starts_with("background_ended: ") && told[0].ends_with("npm test; look around"), "{told:?}");
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stop_without_a_turn_ends_what_goes_on_in_the_background() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, first) = world.open(Some("background 100000"));
    world.turn(first, TurnState::Completed).await;
    world.until("it is shown", |hub| hub.session(session).is_some_and(|row| row.background_tasks == 2)).await;
    let begun = tokio::time::Instant::now();
    let stop = world.cancel(session, None);
    assert_eq!(world.end(stop).await, CommandState::Succeeded);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(world.stage.processes.load(std::sync::atomic::Ordering::SeqCst), 0);
    world.until("nothing is shown", |hub| hub.session(session).is_some_and(|row| row.background_tasks == 0)).await;
    assert_eq!(notices(&world, session).len(), 1, "{:?}", notices(&world, session));
    // The conversation goes on.
    let next = world.prompt(session, "on");
    world.turn(next, TurnState::Completed).await;
    assert!(world.stage.resumed.lock().unwrap()[1].is_some());
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_host_that_stops_says_what_it_cuts_off() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, first) = world.open(Some("background 100000"));
    world.turn(first, TurnState::Completed).await;
    world.until("it is shown", |hub| hub.session(session).is_some_and(|row| row.background_tasks == 2)).await;
    host.stop().await.unwrap();
    assert_eq!(notices(&world, session).len(), 1, "{:?}", notices(&world, session));
    assert_eq!(shown(&world, session), (Activity::NotLoaded, 0));
    world.sound();
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_turn_of_its_own_is_not_the_end_of_the_one_that_was_on_its_way() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, first) = world.open(Some("overlap"));
    world.turn(first, TurnState::Completed).await;
    assert_eq!(world.texts(session), ["overlap", "by itself", "the answer"]);
    let transcript = world.transcript(session);
    let turns = transcript.turns();
    assert_eq!((turns.len(), turns[0].1.model.as_deref()), (1, Some("big-1")), "ended by its own end");
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_said_before_the_first_turn_and_at_the_very_end_is_shown() {
    let world = World::new(1);
    let host = world.start().await;
    world.stage.wordy.store(true, std::sync::atomic::Ordering::SeqCst);
    let (session, first) = world.open(Some("last words"));
    world.turn(first, TurnState::Completed).await;
    assert_eq!(notices(&world, session), ["early: mind"]);
    tokio::time::sleep(Duration::from_mins(11)).await;
    assert_eq!(shown(&world, session).0, Activity::NotLoaded);
    assert_eq!(notices(&world, session), ["early: mind", "background_task: a task failed"]);
    world.sound();
    host.stop().await.unwrap();
}
