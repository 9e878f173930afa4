//! What is taken back before it came.

use std::time::Duration;

use protocol::command::CommandState;
use protocol::error::ErrorCode;
use protocol::id::CommandId;
use protocol::limits::{COMMAND_MEMORY_MS, MAX_COMMAND_AGE_MS};
use protocol::time::Clock;
use tokio::time::sleep;

use super::early::MOST;
use crate::keys;
use crate::testing::World;

#[tokio::test(start_paused = true)]
async fn what_was_taken_back_before_it_came_never_runs_and_says_that_it_is_cancelled() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    let (regretted, other) = (world.prompt(session, "no"), world.prompt(session, "yes"));
    // As for any id that is not known here: the answer tells nobody anything.
    for _ in 0..2 {
        let refused = world.hub.cancel(&world.owner, regretted.id).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::NotFound);
    }
    let world = world.again().await;
    let generation = world.start_host().await;
    for _ in 0..2 {
        let ack = world.hub.submit(&world.owner, regretted.clone()).await.unwrap();
        assert_eq!((ack.command, ack.state), (regretted.id, CommandState::Cancelled));
        assert!(ack.expires_at_ms > world.clock.now());
    }
    world.hub.submit(&world.owner, other.clone()).await.unwrap();
    let leased = world.port().lease(generation, 10).await.unwrap();
    assert_eq!(leased.iter().map(|lease| lease.id).collect::<Vec<_>>(), [other.id]);
    // A chat that was to be made is not, and another command may make it.
    let unborn = world.session();
    let start = world.start_session(unborn);
    world.hub.cancel(&world.owner, start.id).await.unwrap_err();
    assert_eq!(world.hub.submit(&world.owner, start).await.unwrap().state, CommandState::Cancelled);
    let again = world.start_session(unborn);
    assert_eq!(world.hub.submit(&world.owner, again).await.unwrap().state, CommandState::Queued);
}

#[tokio::test(start_paused = true)]
async fn it_is_remembered_for_as_long_as_the_command_would_be_taken_in() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    let request = world.prompt(session, "no");
    let minted_ahead = {
        let mut bytes = *world.clock.fresh().as_bytes();
        bytes[..6].fill(0xff);
        CommandId::from_uuid(uuid::Uuid::from_bytes(bytes))
    };
    for id in [request.id, minted_ahead] {
        world.hub.cancel(&world.owner, id).await.unwrap_err();
    }
    sleep(Duration::from_millis(MAX_COMMAND_AGE_MS - 1_000)).await;
    assert_eq!(world.hub.submit(&world.owner, request.clone()).await.unwrap().state, CommandState::Cancelled);
    sleep(Duration::from_mins(2)).await;
    assert_eq!(world.hub.submit(&world.owner, request).await.unwrap_err().code, ErrorCode::CommandTooOld);
    // One of a clock that is far ahead is not kept for ever either.
    sleep(Duration::from_millis(COMMAND_MEMORY_MS)).await;
    assert!(marks(&world).await.is_empty());
    // What would be refused anyway leaves nothing.
    let old = world.prompt(session, "old");
    sleep(Duration::from_millis(MAX_COMMAND_AGE_MS + 1_000)).await;
    world.hub.cancel(&world.owner, old.id).await.unwrap_err();
    assert!(marks(&world).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_one_account_takes_back_is_nothing_to_another_and_nobody_fills_the_disk_with_it() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    let (stranger, _) = world.stranger().await;
    let (ahead, behind) = (world.prompt(session, "ahead"), world.prompt(session, "behind"));
    world.hub.cancel(&stranger, ahead.id).await.unwrap_err();
    assert_eq!(world.hub.submit(&world.owner, ahead.clone()).await.unwrap().state, CommandState::Queued);
    world.hub.submit(&world.owner, behind.clone()).await.unwrap();
    let before = marks(&world).await.len();
    let refused = world.hub.cancel(&stranger, behind.id).await.unwrap_err();
    assert_eq!((refused.code, marks(&world).await.len()), (ErrorCode::NotFound, before));
    for _ in 0..MOST + 20 {
        let guess = CommandId::from_uuid(world.clock.fresh());
        assert_eq!(world.hub.cancel(&stranger, guess).await.unwrap_err().code, ErrorCode::NotFound);
    }
    assert_eq!(marks(&world).await.len(), MOST);
    // The other account has a place of its own.
    let regretted = world.prompt(session, "no");
    world.hub.cancel(&world.owner, regretted.id).await.unwrap_err();
    assert_eq!(world.hub.submit(&world.owner, regretted).await.unwrap().state, CommandState::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn of_a_command_and_its_being_taken_back_at_once_one_wins_and_the_other_knows_it() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    for n in 0..50 {
        let request = world.prompt(session, &n.to_string());
        let (sent, taken_back) =
            tokio::join!(world.hub.submit(&world.owner, request.clone()), world.hub.cancel(&world.owner, request.id));
        let state = sent.unwrap().state;
        match taken_back {
            // It was there, and was ended.
            Ok(ack) => assert_eq!(ack.state, CommandState::Cancelled),
            // It was not there, and never is.
            Err(problem) => assert_eq!((problem.code, state), (ErrorCode::NotFound, CommandState::Cancelled)),
        }
    }
    let last = world.prompt(session, "last");
    world.hub.submit(&world.owner, last.clone()).await.unwrap();
    let leased = world.port().lease(generation, 100).await.unwrap();
    assert_eq!(leased.iter().map(|lease| lease.id).collect::<Vec<_>>(), [last.id]);
}

async fn marks(world: &World) -> Vec<String> {
    let found = world.hub.scan("hub/back/".to_owned(), None, MOST * 2).await.unwrap();
    let due = world.hub.scan(keys::DUE.to_owned(), None, MOST * 4).await.unwrap();
    let of_marks = due.iter().filter(|entry| entry.key.contains("/back/")).count();
    assert_eq!(found.len(), of_marks, "each is let go at its time");
    found.into_iter().map(|entry| entry.key).collect()
}
