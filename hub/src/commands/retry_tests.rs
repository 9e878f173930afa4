//! Another try is a command of its own, linked to the old one, and there is one of it (W-013).

use protocol::command::{CommandRequest, CommandState};
use protocol::device::Right;
use protocol::error::ErrorCode;
use protocol::id::CommandId;

use crate::keys;
use crate::rows::CommandRow;
use crate::testing::World;

/// A prompt that was taken back before it ran.
async fn over(world: &World) -> CommandRequest {
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    let request = world.prompt(session, "spring tide");
    world.hub.submit(&world.owner, request.clone()).await.unwrap();
    request
}

fn again(world: &World, old: &CommandRequest) -> CommandRequest {
    CommandRequest { retry_of: Some(old.id), ..world.request(old.body.clone()) }
}

async fn row(world: &World, id: CommandId) -> CommandRow {
    world.hub.load::<CommandRow>(&keys::command(id)).await.unwrap().expect("a command").value
}

#[tokio::test(start_paused = true)]
async fn what_is_over_is_tried_again_once_whoever_asks() {
    let world = World::new().await;
    let old = over(&world).await;
    let early = again(&world, &old);
    let refused = world.hub.submit(&world.owner, early.clone()).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Invalid, "it still waits, and would run twice");
    world.hub.cancel(&world.owner, old.id).await.unwrap();
    let (phone, _) = world.device(&[Right::Read, Right::Prompt]).await;
    // Two devices at the same moment: one is the other try, the other one hears so.
    let (one, two) = (again(&world, &old), again(&world, &old));
    let (first, second) =
        tokio::join!(world.hub.submit(&world.owner, one.clone()), world.hub.submit(&phone, two.clone()));
    let (won, lost) = match (&first, &second) {
        (Ok(_), Err(error)) => (&one, error.code),
        (Err(error), Ok(_)) => (&two, error.code),
        both => panic!("{both:?}"),
    };
    assert_eq!(lost, ErrorCode::AlreadyRetried);
    assert_eq!(row(&world, won.id).await.command.retry_of, Some(old.id));
    assert_eq!(row(&world, old.id).await.command.state, CommandState::Cancelled, "the old one stays what it was");
    // The same command again is the same command.
    assert!(world.hub.submit(&world.owner, won.clone()).await.is_ok());
    // The try can be tried again, in its turn.
    world.hub.cancel(&world.owner, won.id).await.unwrap();
    assert!(world.hub.submit(&world.owner, again(&world, won)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn another_try_is_for_the_same_session_and_says_nothing_of_other_accounts() {
    let world = World::new().await;
    let old = over(&world).await;
    world.hub.cancel(&world.owner, old.id).await.unwrap();
    let elsewhere = CommandRequest { retry_of: Some(old.id), ..world.start_session(world.session()) };
    assert_eq!(world.hub.submit(&world.owner, elsewhere).await.unwrap_err().code, ErrorCode::Invalid);
    // One that nobody knows any more is no reason to refuse what somebody wants to be done.
    let unknown = world.request(old.body.clone()).id;
    let late = CommandRequest { retry_of: Some(unknown), ..world.request(old.body.clone()) };
    assert!(world.hub.submit(&world.owner, late).await.is_ok());
}
