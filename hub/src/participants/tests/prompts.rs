//! Prompts of participants whom the owner does not trust: they wait for its word, and for nothing else.

use std::time::Duration;

use protocol::api::{CommandEdit, CommandRelease};
use protocol::command::CommandState;
use protocol::error::ErrorCode;
use protocol::limits::{HELD_TTL_MS, MAX_HELD_PROMPTS};
use protocol::participant::ParticipantEdit;
use protocol::participant::ParticipantRole::{Editor, Viewer};

use protocol::command::CommandBody;

use super::*;

fn words(text: &str) -> CommandEdit {
    CommandEdit { text: Some(text.to_owned()), ttl_ms: None }
}

#[tokio::test(start_paused = true)]
async fn a_held_prompt_stands_in_no_queue_until_the_owner_lets_it_run() {
    let shared = Shared::new().await;
    let hub = &shared.world.hub;
    let (guest, _) = shared.guest(Editor, false).await;
    let (first, second) = (shared.prompt("one"), shared.prompt("two"));
    for request in [&first, &second] {
        assert_eq!(hub.submit(&guest, request.clone()).await.unwrap().state, CommandState::Queued);
    }
    assert!(shared.waiting().await.is_empty());
    assert!(hub.scan(crate::keys::whole_line(shared.session), None, 9).await.unwrap().is_empty());
    let trusted = ParticipantEdit { trusted: Some(true), role: None };
    hub.edit_participant(&shared.owner, shared.session, guest.account, trusted).await.unwrap();
    assert!(shared.waiting().await.is_empty(), "to be trusted lets nothing run that was sent before");
    assert_eq!(hub.move_command(&shared.owner, second.id, None).await.unwrap_err().code, ErrorCode::Invalid);
    assert_eq!(
        hub.release_command(&guest, second.id, CommandRelease::default()).await.unwrap_err().code,
        ErrorCode::NotFound
    );
    hub.release_command(&shared.owner, second.id, CommandRelease::default()).await.unwrap();
    hub.release_command(&shared.owner, second.id, CommandRelease::default()).await.unwrap();
    assert_eq!(shared.waiting().await, [second.id.to_string()], "once, and nothing else");
    let by = shared.command(second.id).await.participant.unwrap();
    assert_eq!((by.released_by, by.trusted), (Some(shared.owner.device), false));
    assert!(by.is_let() && shared.command(second.id).await.place.is_some());
    // What is let run is the owner's to change.
    assert_eq!(hub.edit_command(&guest, second.id, words("other")).await.unwrap_err().code, ErrorCode::Forbidden);
    assert_eq!(hub.move_command(&guest, second.id, None).await.unwrap_err().code, ErrorCode::Forbidden);
    hub.cancel(&shared.owner, first.id).await.unwrap();
    hub.cancel(&guest, second.id).await.unwrap();
    assert!(shared.waiting().await.is_empty());
    let left = hub.every(crate::keys::all_held(shared.session), |_| Ok(true)).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
    let refused = hub.release_command(&shared.owner, first.id, CommandRelease::default()).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::TurnStarted);
    let trail = shared.trail(shared.owner.account).await;
    for action in ["participant.invite", "participant.join", "participant.trust", "command.release", "command.cancel"] {
        assert!(trail.iter().any(|done| done == action), "{action}: {trail:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn consent_is_to_the_words_that_were_shown() {
    let shared = Shared::new().await;
    let hub = &shared.world.hub;
    let (guest, _) = shared.guest(Editor, false).await;
    let request = shared.prompt("harmless");
    hub.submit(&guest, request.clone()).await.unwrap();
    let shown = shared.command(request.id).await.updated_at_ms;
    hub.edit_command(&guest, request.id, words("something else")).await.unwrap();
    for release in [CommandRelease::default(), CommandRelease { updated_at_ms: Some(shown) }] {
        let refused = hub.release_command(&shared.owner, request.id, release).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::ApprovalChanged);
    }
    assert!(shared.waiting().await.is_empty());
    let now = shared.command(request.id).await;
    assert_eq!(now.content.text.as_deref(), Some("something else"));
    let release = CommandRelease { updated_at_ms: Some(now.updated_at_ms) };
    hub.release_command(&shared.owner, request.id, release).await.unwrap();
    assert_eq!(shared.waiting().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_held_prompt_expires_after_a_day_and_there_are_not_too_many() {
    let shared = Shared::new().await;
    let hub = &shared.world.hub;
    let (guest, _) = shared.guest(Editor, false).await;
    let mut sent = Vec::new();
    for n in 0..MAX_HELD_PROMPTS {
        let request = shared.prompt(&n.to_string());
        hub.submit(&guest, request.clone()).await.unwrap();
        sent.push(request.id);
    }
    assert_eq!(hub.submit(&guest, shared.prompt("more")).await.unwrap_err().code, ErrorCode::QueueFull);
    // Others are not in its way.
    hub.submit(&shared.owner, shared.prompt("the owner's")).await.unwrap();
    let (second, _) = shared.guest(Editor, false).await;
    hub.submit(&second, shared.prompt("another's")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(HELD_TTL_MS - 60_000)).await;
    assert_eq!(shared.command(sent[0]).await.state, CommandState::Queued);
    tokio::time::sleep(Duration::from_secs(62)).await;
    for id in sent {
        assert_eq!(shared.command(id).await.state, CommandState::Expired);
    }
    hub.submit(&guest, shared.prompt("again")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_is_taken_out_or_may_only_read_has_nothing_waiting_any_more() {
    for removed in [true, false] {
        let shared = Shared::new().await;
        let hub = &shared.world.hub;
        let (guest, _) = shared.guest(Editor, false).await;
        let (held, running) = (shared.prompt("held"), shared.prompt("let"));
        for request in [&held, &running] {
            hub.submit(&guest, request.clone()).await.unwrap();
        }
        hub.release_command(&shared.owner, running.id, CommandRelease::default()).await.unwrap();
        if removed {
            hub.remove_participant(&shared.owner, shared.session, guest.account).await.unwrap();
            assert_eq!(hub.command(guest.account, held.id).await.unwrap_err().code, ErrorCode::NotFound);
            assert_eq!(hub.submit(&guest, held.clone()).await.unwrap_err().code, ErrorCode::NotFound);
        } else {
            let edit = ParticipantEdit { role: Some(Viewer), trusted: None };
            hub.edit_participant(&shared.owner, shared.session, guest.account, edit).await.unwrap();
            assert_eq!(hub.submit(&guest, shared.prompt("x")).await.unwrap_err().code, ErrorCode::Forbidden);
        }
        for id in [held.id, running.id] {
            assert_eq!(shared.command(id).await.state, CommandState::Cancelled);
        }
        assert!(shared.waiting().await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn trust_that_is_taken_back_takes_back_what_it_sent() {
    let shared = Shared::new().await;
    let hub = &shared.world.hub;
    let (guest, _) = shared.guest(Editor, false).await;
    let (held, let_run) = (shared.prompt("held"), shared.prompt("let run"));
    for request in [&held, &let_run] {
        hub.submit(&guest, request.clone()).await.unwrap();
    }
    hub.release_command(&shared.owner, let_run.id, CommandRelease::default()).await.unwrap();
    let edit = |trusted| ParticipantEdit { trusted: Some(trusted), role: None };
    hub.edit_participant(&shared.owner, shared.session, guest.account, edit(true)).await.unwrap();
    let options =
        CommandBody::SetOptions { session: shared.session, model: Some("large".to_owned()), mode: None, effort: None };
    let (prompt, options) = (shared.prompt("trusted"), CommandRequest { body: options, ..shared.prompt("") });
    for request in [&prompt, &options] {
        hub.submit(&guest, request.clone()).await.unwrap();
    }
    let owners = shared.prompt("the owner's");
    hub.submit(&shared.owner, owners.clone()).await.unwrap();
    hub.edit_participant(&shared.owner, shared.session, guest.account, edit(false)).await.unwrap();
    for id in [prompt.id, options.id] {
        assert_eq!(shared.command(id).await.state, CommandState::Cancelled);
    }
    // What the owner has let run stays so, and what waits for its word waits.
    assert_eq!(shared.waiting().await, [let_run.id.to_string(), owners.id.to_string()]);
    assert_eq!(shared.command(held.id).await.state, CommandState::Queued);
}
