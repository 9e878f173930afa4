//! How much a participant may send, and that none of it is in the way of the session's owner.

use std::time::Duration;

use protocol::api::{CommandEdit, CommandRelease};
use protocol::command::{CommandBody, CommandState};
use protocol::error::ErrorCode;
use protocol::limits::{
    COMMAND_TTL_MS, HELD_MEMORY_MS, MAX_COMMAND_TTL_MS, MAX_QUEUED_COMMANDS, MAX_SENT_BY_PARTICIPANT,
    MAX_SENT_BY_PARTICIPANTS, PARTICIPANT_BURST, PARTICIPANT_PAUSE_MS,
};
use protocol::participant::ParticipantRole::Editor;

use super::*;

fn stop(shared: &Shared) -> CommandRequest {
    let body = CommandBody::CancelTurn { session: shared.session, turn: None };
    CommandRequest { body, ttl_ms: Some(MAX_COMMAND_TTL_MS), ..shared.prompt("") }
}

async fn code(shared: &Shared, who: &Identity, request: CommandRequest) -> Option<ErrorCode> {
    shared.world.hub.submit(who, request).await.err().map(|problem| problem.code)
}

#[tokio::test(start_paused = true)]
async fn participants_leave_the_owner_its_places_and_what_they_want_of_a_turn_is_soon_over() {
    let shared = Shared::new().await;
    let mut sent = 0;
    while sent < MAX_SENT_BY_PARTICIPANTS {
        let (guest, _) = shared.guest(Editor, true).await;
        for n in 0..MAX_SENT_BY_PARTICIPANT.min(MAX_SENT_BY_PARTICIPANTS - sent) {
            let request = if n % 2 == 0 { stop(&shared) } else { shared.prompt("x") };
            assert_eq!(code(&shared, &guest, request).await, None, "{n}");
            sent += 1;
        }
        let refused = shared.world.hub.submit(&guest, stop(&shared)).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::QueueFull);
        assert!(refused.hint.contains("Wait until some have begun"), "{refused:?}");
    }
    for n in sent..MAX_QUEUED_COMMANDS {
        assert_eq!(code(&shared, &shared.owner, shared.prompt("the owner's")).await, None, "{n}");
    }
    tokio::time::sleep(Duration::from_millis(COMMAND_TTL_MS + 2_000)).await;
    let waiting = shared.waiting().await;
    assert!(waiting.is_empty(), "seven days were asked for: {waiting:?}");
    let left = shared.world.hub.scan(crate::keys::all_sent(shared.host), None, 9).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn a_participant_sends_and_rewords_so_often_and_no_more() {
    let shared = Shared::new().await;
    let hub = &shared.world.hub;
    let (guest, _) = shared.guest(Editor, false).await;
    let (other, _) = shared.guest(Editor, false).await;
    let words = |text: &str| CommandEdit { text: Some(text.to_owned()), ttl_ms: None };
    for n in 0..PARTICIPANT_BURST / 3 {
        let request = shared.prompt("x");
        assert_eq!(code(&shared, &guest, request.clone()).await, None, "{n}");
        // The same again is the same, and is not counted.
        assert_eq!(code(&shared, &guest, request.clone()).await, None, "{n}");
        hub.edit_command(&guest, request.id, words("y")).await.unwrap();
        hub.edit_command(&guest, request.id, words("z")).await.unwrap();
        hub.cancel(&guest, request.id).await.unwrap();
    }
    let trail = shared.trail(guest.account).await.len();
    let late = shared.prompt("late");
    assert_eq!(code(&shared, &guest, late.clone()).await, Some(ErrorCode::RateLimited));
    assert_eq!(shared.trail(guest.account).await.len(), trail, "what is refused so leaves nothing behind");
    // Others have their own, and the owner has none.
    let others = shared.prompt("x");
    assert_eq!(code(&shared, &other, others.clone()).await, None);
    hub.edit_command(&shared.owner, others.id, words("y")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(PARTICIPANT_PAUSE_MS)).await;
    assert_eq!(code(&shared, &guest, late.clone()).await, None);
    let refused = hub.edit_command(&guest, late.id, words("y")).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::RateLimited);
    assert!(refused.hint.contains("Wait 10 s"), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_never_let_run_pushes_nothing_out_of_the_lists_and_is_soon_forgotten() {
    let shared = Shared::new().await;
    let hub = &shared.world.hub;
    let owners = shared.prompt("the owner's");
    hub.submit(&shared.owner, owners.clone()).await.unwrap();
    hub.cancel(&shared.owner, owners.id).await.unwrap();
    // All that follows is newer.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (guest, _) = shared.guest(Editor, false).await;
    let mut last = None;
    for n in 0..110 {
        if n >= PARTICIPANT_BURST {
            tokio::time::sleep(Duration::from_millis(PARTICIPANT_PAUSE_MS)).await;
        }
        let request = shared.prompt("noise");
        hub.submit(&guest, request.clone()).await.unwrap();
        hub.cancel(&guest, request.id).await.unwrap();
        last = Some(request.id);
    }
    let lists = hub.lists(shared.owner.account).await.unwrap();
    let told = |id: CommandId| lists.facts.iter().any(|fact| fact.get().contains(&id.to_string()));
    assert!(told(owners.id), "110 of somebody else are newer");
    assert!(told(last.unwrap()));
    tokio::time::sleep(Duration::from_millis(HELD_MEMORY_MS + 2_000)).await;
    let left = hub.every(crate::keys::rows(shared.owner.account, "command"), |_| Ok(true)).await.unwrap();
    assert_eq!(left.len(), 1, "the owner's own is remembered as ever");
}

#[tokio::test(start_paused = true)]
async fn a_participant_tries_again_what_it_has_sent_itself() {
    let shared = Shared::new().await;
    let hub = &shared.world.hub;
    let (guest, _) = shared.guest(Editor, true).await;
    let (owners, theirs) = (shared.prompt("the owner's"), shared.prompt("theirs"));
    hub.submit(&shared.owner, owners.clone()).await.unwrap();
    hub.submit(&guest, theirs.clone()).await.unwrap();
    for id in [owners.id, theirs.id] {
        hub.cancel(&shared.owner, id).await.unwrap();
    }
    let again = |old: CommandId| CommandRequest { retry_of: Some(old), ..shared.prompt("again") };
    let unknown = shared.prompt("").id;
    for old in [owners.id, unknown] {
        assert_eq!(code(&shared, &guest, again(old)).await, Some(ErrorCode::Invalid));
    }
    assert_eq!(code(&shared, &guest, again(theirs.id)).await, None);
    assert_eq!(code(&shared, &shared.owner, again(owners.id)).await, None);
}

#[tokio::test(start_paused = true)]
async fn another_life_of_a_prompt_is_no_other_words() {
    let shared = Shared::new().await;
    let hub = &shared.world.hub;
    let (guest, _) = shared.guest(Editor, false).await;
    let request = shared.prompt("harmless");
    hub.submit(&guest, request.clone()).await.unwrap();
    let edit = |text: Option<&str>| CommandEdit { text: text.map(str::to_owned), ttl_ms: Some(3_600_000) };
    hub.edit_command(&guest, request.id, edit(Some("reworded"))).await.unwrap();
    let shown = shared.command(request.id).await.updated_at_ms;
    for same in [None, Some("reworded"), None] {
        hub.edit_command(&guest, request.id, edit(same)).await.unwrap();
    }
    assert!(shared.command(request.id).await.updated_at_ms > shown);
    let release = CommandRelease { updated_at_ms: Some(shown) };
    hub.release_command(&shared.owner, request.id, release).await.unwrap();
    assert_eq!(shared.waiting().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_queue_of_a_host_is_not_there_for_whom_it_is_not() {
    let shared = Shared::new().await;
    for _ in 0..MAX_QUEUED_COMMANDS {
        assert_eq!(code(&shared, &shared.owner, stop(&shared)).await, None);
    }
    let (stranger, _) = shared.world.stranger().await;
    assert_eq!(code(&shared, &stranger, stop(&shared)).await, Some(ErrorCode::NotFound));
    assert_eq!(code(&shared, &shared.owner, stop(&shared)).await, Some(ErrorCode::QueueFull));
}

#[tokio::test(start_paused = true)]
async fn what_is_held_ends_with_its_host() {
    let shared = Shared::new().await;
    let hub = &shared.world.hub;
    let (guest, _) = shared.guest(Editor, false).await;
    let (held, waits) = (shared.prompt("held"), shared.prompt("waits"));
    hub.submit(&guest, held.clone()).await.unwrap();
    hub.submit(&shared.owner, waits.clone()).await.unwrap();
    hub.revoke(&shared.owner, shared.host).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    for id in [held.id, waits.id] {
        let command = shared.command(id).await;
        assert_eq!(command.state, CommandState::Failed);
        assert_eq!(command.error.map(|error| error.code), Some(ErrorCode::HostRevoked));
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_what_is_not_there_waits_for_nobody_and_keeps_nobody_waiting() {
    let shared = Shared::new().await;
    let hub = &shared.world.hub;
    let (stranger, _) = shared.world.stranger().await;
    // As long as this lives, a commit is on its way.
    let _under_way = hub.inner.sharing.among().await;
    let soon = Duration::from_secs(5);
    let left = hub.remove_participant(&stranger, shared.session, stranger.account);
    let left = tokio::time::timeout(soon, left).await.expect("it does not wait").unwrap_err();
    let new = NewSessionInvitation { role: Editor, trusted: true };
    let invited = hub.invite_to_session(&stranger, shared.session, new);
    let invited = tokio::time::timeout(soon, invited).await.expect("it does not wait").unwrap_err();
    let joined = hub.join_session(&stranger, JoinSession { secret: "a guess".to_owned() });
    let joined = tokio::time::timeout(soon, joined).await.expect("it does not wait").unwrap_err();
    for problem in [left, invited, joined] {
        assert_eq!(problem.code, ErrorCode::NotFound);
    }
}
