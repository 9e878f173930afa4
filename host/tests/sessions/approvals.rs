use protocol::approval::{Approval, ApprovalState};
use protocol::command::CommandState;
use protocol::error::ErrorCode;
use protocol::fact::FeedFact;
use protocol::id::ApprovalId;
use protocol::session::Activity;
use protocol::turn::TurnState;

use crate::port::sender;
use crate::world::World;

async fn asked(world: &World) -> (ApprovalId, Approval) {
    world.until("a question", |hub| hub.approvals.values().any(|asked| asked.state == ApprovalState::Pending)).await;
    let hub = world.hub.state();
    let (id, asked) = hub.approvals.iter().find(|(_, asked)| asked.state == ApprovalState::Pending).unwrap();
    (*id, asked.clone())
}

#[tokio::test(start_paused = true)]
async fn the_first_answer_wins_and_is_recorded_with_its_sender() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, first) = world.open(Some("ask"));
    let (id, approval) = asked(&world).await;
    world.turn(first, TurnState::AwaitingApproval).await;
    world.until("needs input", |hub| hub.session(session).unwrap().activity == Activity::NeedsInput).await;
    assert!(approval.item.is_some_and(|item| world.transcript(session).items().iter().any(|(id, _)| *id == item)));
    let wrong = world.answer(session, id, "perhaps");
    let (yes, no) = (world.answer(session, id, "yes"), world.answer(session, id, "no"));
    assert_eq!(world.end(wrong).await, CommandState::Failed);
    assert_eq!(world.end(yes).await, CommandState::Succeeded);
    assert_eq!(world.end(no).await, CommandState::Failed);
    assert_eq!(world.hub.state().command(no).error, Some(ErrorCode::ApprovalNotPending));
    world.turn(first, TurnState::Completed).await;
    assert_eq!(world.texts(session), ["ask", "answer yes"]);
    {
        let hub = world.hub.state();
        let decision = hub.approvals[&id].decision.clone().unwrap();
        assert_eq!((decision.option.as_str(), decision.by), ("yes", sender(9)));
        let states = hub.feed.iter().filter_map(|fact| match fact {
            FeedFact::Approval { value: Some(approval), .. } => Some(approval.state),
            _ => None,
        });
        assert_eq!(
            states.collect::<Vec<_>>(),
            [ApprovalState::Pending, ApprovalState::Answered],
            "the feed says the same"
        );
    }
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_not_asked_any_more_cannot_be_answered() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, first) = world.open(Some("withdraw"));
    let (id, _) = asked(&world).await;
    world.turn(first, TurnState::Completed).await;
    assert_eq!(world.hub.state().approvals[&id].state, ApprovalState::Withdrawn);
    let second = world.prompt(session, "ask");
    let (id, _) = asked(&world).await;
    world.cancel(session, None);
    world.turn(second, TurnState::Interrupted).await;
    assert_eq!(world.hub.state().approvals[&id].state, ApprovalState::Withdrawn);
    let late = world.answer(session, id, "yes");
    assert_eq!(world.end(late).await, CommandState::Failed);
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_open_questions_are_stale() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, first) = world.open(Some("ask"));
    let (id, _) = asked(&world).await;
    drop(host);
    let host = world.start().await;
    world.turn(first, TurnState::Interrupted).await;
    assert_eq!(world.hub.state().approvals[&id].state, ApprovalState::Stale);
    let late = world.answer(session, id, "yes");
    assert_eq!(world.end(late).await, CommandState::Failed);
    assert_eq!(world.hub.state().command(late).error, Some(ErrorCode::ApprovalNotPending));
    assert!(world.left().iter().any(|mark| mark.pid == 7));
    world.sound();
    host.stop().await.unwrap();
}
