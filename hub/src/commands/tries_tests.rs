//! What was leased and provably never began is tried again by itself, three times in all (W-003, W-013).

use std::time::Duration;

use protocol::command::{Command, CommandState};
use protocol::error::ErrorCode;
use protocol::id::CommandId;
use protocol::limits::MAX_TRIES;
use protocol::port::{Leased, Report, Transition};
use tokio::time::Instant;

use crate::keys;
use crate::rows::CommandRow;
use crate::testing::World;

async fn command(world: &World, id: CommandId) -> Command {
    world.hub.load::<CommandRow>(&keys::command(id)).await.unwrap().expect("a command").value.command
}

async fn leased(world: &World, generation: u64) -> Vec<Leased> {
    world.port().lease(generation, 9).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_host_that_ends_each_time_before_it_begins_is_not_ended_for_ever() {
    let mut world = World::new().await;
    let mut generation = world.start_host().await;
    let session = world.live_session(generation).await;
    let request = world.prompt(session, "one");
    world.hub.submit(&world.owner, request.clone()).await.unwrap();
    for times in 1..=MAX_TRIES {
        assert_eq!(leased(&world, generation).await[0].id, request.id);
        // A stop is no try, however often.
        world.port().stop(generation).await.unwrap();
        generation = world.start_host().await;
        assert_eq!(leased(&world, generation).await[0].id, request.id);
        // The power goes; hub and host are one process.
        world = world.again().await;
        generation = world.start_host().await;
        let now = command(&world, request.id).await;
        let tried = now.tried.unwrap();
        assert_eq!((tried.times, tried.code), (times, ErrorCode::LeaseLost));
        if times < MAX_TRIES {
            assert_eq!((now.state, now.error), (CommandState::Queued, None));
            assert!(tried.next_at_ms.is_some());
        } else {
            assert_eq!(now.state, CommandState::Failed);
            assert_eq!(now.error.map(|error| (error.code, error.retryable)), Some((ErrorCode::LeaseLost, true)));
            assert_eq!(tried.next_at_ms, None);
        }
    }
    let port = world.port();
    let again = tokio::time::timeout(Duration::from_mins(10), port.lease(generation, 9)).await;
    assert!(again.is_err(), "nothing waits: {again:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_host_had_no_room_for_waits_for_its_next_try_and_fails_after_the_third() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    let request = world.prompt(session, "one");
    world.hub.submit(&world.owner, request.clone()).await.unwrap();
    let full = async |lease: &Leased| {
        let full = Transition::failed(lease.id, lease.token, ErrorCode::QueueFull, "too many");
        world.report(Report { generation, commands: vec![full], ..Report::default() }).await;
    };
    full(&leased(&world, generation).await[0]).await;
    let now = command(&world, request.id).await;
    assert_eq!((now.state, now.error.is_none(), now.tried.unwrap().times), (CommandState::Queued, true, 1));
    // What comes after it in its session waits behind it; what is of another one does not.
    let (second, other) = (world.prompt(session, "two"), world.start_session(world.session()));
    for request in [&second, &other] {
        world.hub.submit(&world.owner, request.clone()).await.unwrap();
    }
    let begun = Instant::now();
    let taken = leased(&world, generation).await;
    assert_eq!((taken.len(), taken[0].id), (1, other.id));
    assert!(begun.elapsed() < Duration::from_millis(400), "{:?}", begun.elapsed());
    let taken = leased(&world, generation).await;
    assert_eq!(taken.iter().map(|leased| leased.id).collect::<Vec<_>>(), [request.id, second.id]);
    assert!(begun.elapsed() >= Duration::from_millis(500), "{:?}", begun.elapsed());
    assert_eq!(command(&world, request.id).await.tried.unwrap().next_at_ms, None, "it is being tried");
    full(&taken[0]).await;
    let taken = leased(&world, generation).await;
    assert!(begun.elapsed() >= Duration::from_millis(2_500), "{:?}", begun.elapsed());
    assert_eq!(taken[0].token, 3);
    full(&taken[0]).await;
    let over = command(&world, request.id).await;
    assert_eq!((over.state, over.tried.map(|tried| tried.times)), (CommandState::Failed, Some(MAX_TRIES)));
    assert_eq!(over.error.map(|error| error.code), Some(ErrorCode::QueueFull));
    assert_eq!(over.content.detail.as_deref(), Some("too many"));
}

#[tokio::test(start_paused = true)]
async fn what_fails_for_a_reason_that_does_not_pass_or_has_begun_is_not_tried_again() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    let (refused, begun) = (world.prompt(session, "one"), world.prompt(session, "two"));
    for request in [&refused, &begun] {
        world.hub.submit(&world.owner, request.clone()).await.unwrap();
    }
    let taken = leased(&world, generation).await;
    let never = Transition::failed(taken[0].id, taken[0].token, ErrorCode::AgentUnavailable, "not installed");
    let running = Transition::to(taken[1].id, taken[1].token, CommandState::Running);
    world.report(Report { generation, commands: vec![never, running], ..Report::default() }).await;
    // Even a code that would prove it proves nothing of what has begun.
    let failed = Transition::failed(taken[1].id, taken[1].token, ErrorCode::QueueFull, "too many");
    world.report(Report { generation, commands: vec![failed], ..Report::default() }).await;
    for request in [&refused, &begun] {
        let over = command(&world, request.id).await;
        assert_eq!((over.state, over.tried), (CommandState::Failed, None));
    }
}
