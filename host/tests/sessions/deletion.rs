//! Sessions that people name or delete by the hub.

use std::sync::atomic::Ordering;
use std::time::Duration;

use protocol::command::CommandState;
use protocol::error::ErrorCode;
use protocol::id::RuleId;
use protocol::port::SessionNews;
use protocol::turn::TurnState;

use crate::world::World;

#[tokio::test(start_paused = true)]
async fn a_deleted_session_ends_in_the_middle_and_leaves_nothing() {
    let world = World::new(5);
    let host = world.start().await;
    let (session, first) = world.open(Some("say 500 20 first"));
    let (other, else_where) = world.open(Some("say 5 20 other"));
    world.turn(first, TurnState::Running).await;
    let second = world.prompt(session, "say 1 5 second");
    world.turn(second, TurnState::Queued).await;
    world.until("two agents", |_| world.stage.processes.load(Ordering::SeqCst) == 2).await;
    world.turn(else_where, TurnState::Completed).await;
    world.hub.tell(SessionNews::Deleted { session });
    world.until("the news is heard", |hub| hub.news.is_empty()).await;
    assert_eq!(world.end(second).await, CommandState::Failed);
    assert_eq!(world.hub.state().command(second).error, Some(ErrorCode::NotFound));
    assert_eq!(world.stage.processes.load(Ordering::SeqCst), 1, "its agent is gone, the other one is not");
    let id = session.to_string();
    assert!(world.hub.state().notes.keys().all(|key| !key.contains(&id)), "{:?}", world.hub.state().notes.keys());
    let late = world.prompt(session, "say 1 5 late");
    assert_eq!(world.end(late).await, CommandState::Failed);
    assert_eq!(world.hub.state().command(late).error, Some(ErrorCode::NotFound));
    let again = world.prompt(other, "say 1 5 again");
    world.turn(again, TurnState::Completed).await;
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_process_that_other_sessions_use_too_outlives_one_that_is_deleted() {
    for shared in [true, false] {
        let world = World::new(5);
        world.stage.shared.store(shared, Ordering::SeqCst);
        let host = world.start().await;
        let (session, first) = world.open(Some("say 5 20 first"));
        let (other, going_on) = world.open(Some("say 500 20 other"));
        world.turn(first, TurnState::Completed).await;
        world.turn(going_on, TurnState::Running).await;
        world.hub.tell(SessionNews::Deleted { session });
        world.until("the news is heard", |hub| hub.news.is_empty()).await;
        let ended = world.left().iter().any(|mark| mark.pid == 7);
        assert_eq!(ended, !shared, "the reaper ends what is the session's own, and nothing else: {:?}", world.left());
        world.turn(going_on, TurnState::Completed).await;
        world.sound();
        drop(host);
        // Nobody uses it after a crash, whoever's note tells of it.
        let host = world.start().await;
        let note = world.left().into_iter().filter(|mark| mark.pid == 7).count();
        assert_eq!(note, 1 + usize::from(!shared), "{:?}", world.left());
        let _ = other;
        host.stop().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_what_is_slow_to_end_of_a_deleted_session() {
    let mut world = World::new(5);
    world.options.reaper = host::Reaper::new(|marks| {
        let slow = marks.iter().any(|mark| mark.pid == 7);
        Box::pin(async move { tokio::time::sleep(Duration::from_secs(if slow { 30 } else { 0 })).await })
    });
    let host = world.start().await;
    let (session, first) = world.open(Some("say 5 20 first"));
    let (other, going_on) = world.open(Some("say 5000 20 other"));
    world.turn(first, TurnState::Completed).await;
    world.turn(going_on, TurnState::Running).await;
    world.hub.tell(SessionNews::Deleted { session });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begun = tokio::time::Instant::now();
    let late = world.prompt(session, "say 1 5 late");
    assert_eq!(world.end(late).await, CommandState::Failed);
    let stop = world.cancel(other, None);
    assert_eq!(world.end(stop).await, CommandState::Succeeded);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(!world.hub.state().news.is_empty(), "and it is not said to be done before it is");
    world.until("the news is heard", |hub| hub.news.is_empty()).await;
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn of_a_session_that_cannot_be_written_nothing_goes_on_by_itself_now_or_later() {
    for restart in [false, true] {
        let world = World::new(5);
        let host = world.start().await;
        let (session, first) = world.open(Some("say 500 20 first"));
        world.turn(first, TurnState::Running).await;
        let second = world.prompt(session, "say 1 5 second");
        world.turn(second, TurnState::Queued).await;
        let (_, other) = world.open(Some("say 500 20 other"));
        world.turn(other, TurnState::Running).await;
        world.hub.refuse(session, usize::MAX);
        // Its agent speaks, so it is refused at once; then it is said to whoever comes.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let third = world.prompt(session, "say 1 5 third");
        assert_eq!(world.end(third).await, CommandState::Failed);
        assert_eq!(world.hub.state().command(third).error, Some(ErrorCode::Internal));
        let host = if restart {
            drop(host);
            world.start().await
        } else {
            world.turn(other, TurnState::Completed).await;
            host
        };
        world.hub.refuse(session, 0);
        let fourth = world.prompt(session, "say 1 5 fourth");
        world.turn(fourth, TurnState::Completed).await;
        for turn in [first, second] {
            world.turn(turn, TurnState::Interrupted).await;
        }
        assert_eq!(world.end(second).await, CommandState::Failed);
        let prompts = world.stage.prompts.lock().unwrap().clone();
        assert!(!prompts.iter().any(|prompt| prompt.ends_with("second")), "{prompts:?}");
        assert!(world.hub.state().notes.keys().all(|key| !key.starts_with("broken/")));
        world.sound();
        host.stop().await.unwrap();
        // And after the next start neither.
        let host = world.start().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(world.stage.prompts.lock().unwrap().len(), prompts.len());
        host.stop().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_process_that_other_sessions_use_too_outlives_one_whose_report_is_refused() {
    let world = World::new(5);
    world.stage.shared.store(true, Ordering::SeqCst);
    let host = world.start().await;
    let (session, first) = world.open(Some("say 200 20 first"));
    let (_, going_on) = world.open(Some("say 500 20 other"));
    world.turn(going_on, TurnState::Running).await;
    world.turn(first, TurnState::Running).await;
    world.hub.refuse(session, 1);
    world.turn(first, TurnState::Interrupted).await;
    assert!(world.left().iter().all(|mark| mark.pid != 7), "{:?}", world.left());
    let again = world.prompt(session, "say 5 5 again");
    world.turn(again, TurnState::Completed).await;
    world.turn(going_on, TurnState::Completed).await;
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_deleted_while_the_host_was_away_is_gone_when_it_comes_back() {
    let world = World::new(5);
    let host = world.start().await;
    let (session, first) = world.open(Some("say 500 20 first"));
    world.turn(first, TurnState::Running).await;
    let second = world.prompt(session, "say 1 5 second");
    world.turn(second, TurnState::Queued).await;
    drop(host);
    let note = world.hub.state().notes[&format!("process/{session}")].clone();
    let note = String::from_utf8(note.to_vec()).unwrap();
    world.hub.tell(SessionNews::Deleted { session });
    let host = world.start().await;
    let reaped = world.reaped.lock().unwrap().iter().any(|mark| note.contains(&mark.tag));
    assert!(reaped, "what still ran of it is ended: {note}");
    let id = session.to_string();
    assert!(world.hub.state().notes.keys().all(|key| !key.contains(&id)));
    assert_eq!(world.end(second).await, CommandState::Failed);
    assert!(world.hub.state().news.is_empty());
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_power_may_go_while_a_session_is_deleted() {
    for fuel in 0..12 {
        let world = World::new(5);
        let host = world.start().await;
        let (session, first) = world.open(Some("say 500 20 first"));
        world.turn(first, TurnState::Running).await;
        drop(host);
        world.hub.tell(SessionNews::Deleted { session });
        let port = world.port(fuel, fuel % 2 == 0);
        let cut = port.clone();
        let start = tokio::time::timeout(std::time::Duration::from_mins(1), world.start_on(port));
        tokio::select! {
            started = start => drop(started),
            () = cut.cut.notified() => {}
        }
        let host = world.start().await;
        let id = session.to_string();
        assert!(world.hub.state().notes.keys().all(|key| !key.contains(&id)), "after {fuel} reports");
        assert!(world.hub.state().news.is_empty(), "after {fuel} reports");
        world.sound();
        host.stop().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_a_person_gave_stays() {
    let world = World::new(5);
    let host = world.start().await;
    let (session, first) = world.open(None);
    world.end(first).await;
    world.hub.tell(SessionNews::Renamed { session, title: "Tides".into() });
    world.until("the news is heard", |hub| hub.news.is_empty()).await;
    let second = world.prompt(session, "say 5 20 second");
    world.turn(second, TurnState::Running).await;
    world.hub.tell(SessionNews::Renamed { session, title: "Ebb and flow".into() });
    world.turn(second, TurnState::Completed).await;
    world.until("the name", |hub| hub.session(session).unwrap().content.title == "Ebb and flow").await;
    assert_eq!(world.hub.state().session(session).unwrap().ended_turns, 1);
    let third = world.prompt(session, "say 5 20 third");
    world.turn(third, TurnState::Completed).await;
    world.until("both are counted", |hub| hub.session(session).unwrap().ended_turns == 2).await;
    assert_eq!(world.hub.state().session(session).unwrap().content.title, "Ebb and flow");
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_waits_behind_something_urgent_is_no_fault_of_the_session() {
    // Which of the two the host looks at first is chance, so it is tried often.
    for pause in 0..24 {
        let world = World::new(5);
        let host = world.start_on(world.port_on(i64::MAX, false, true)).await;
        let (session, first) = world.open(Some("say 500 1 first"));
        world.turn(first, TurnState::Running).await;
        tokio::time::sleep(Duration::from_millis(50 + pause)).await;
        let note = world.hub.state().notes[&format!("process/{session}")].clone();
        let note = String::from_utf8(note.to_vec()).unwrap();
        world.hub.tell(SessionNews::RuleRevoked { rule: RuleId::from_uuid(world.fresh()) });
        world.hub.tell(SessionNews::Deleted { session });
        world.until("the news is heard", |hub| hub.news.is_empty()).await;
        let reaped = world.left().iter().filter(|mark| note.contains(&mark.tag)).count();
        assert_eq!(reaped, 1, "it is ended, and not brought back first");
        world.sound();
        host.stop().await.unwrap();
    }
}
