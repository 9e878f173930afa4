//! Who comes in, what may be changed of it, and how it ends.

use std::time::Duration;

use protocol::account::Account;
use protocol::error::ErrorCode;
use protocol::limits::{MAX_PARTICIPANTS, SESSION_INVITATION_TTL_MS};
use protocol::participant::ParticipantEdit;
use protocol::participant::ParticipantRole::{Editor, Viewer};

use super::*;

async fn join(shared: &Shared, who: &Identity, secret: &str) -> Result<(), ErrorCode> {
    let join = JoinSession { secret: secret.to_owned() };
    shared.world.hub.join_session(who, join).await.map(drop).map_err(|problem| problem.code)
}

/// Whether anything in the map names a session and an account together, or an account's lists the session.
async fn traces(shared: &Shared, account: AccountId) -> Vec<String> {
    let (session, account) = (shared.session.to_string(), account.to_string());
    let all = shared.world.hub.every("hub/".to_owned(), |_| Ok(true)).await.expect("the map");
    let named = |key: &str| key.contains(&account) && !key.starts_with("hub/audit/") && !key.starts_with("hub/once/");
    let keys = all.into_iter().filter(|entry| named(&entry.key));
    keys.filter(|entry| entry.key.contains(&session) || String::from_utf8_lossy(&entry.value).contains(&session))
        .map(|entry| entry.key)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_invitation_lets_one_account_in_once_for_a_day() {
    let shared = Shared::new().await;
    let hub = &shared.world.hub;
    let (ada, _) = shared.world.stranger().await;
    let (bob, _) = shared.world.stranger().await;
    let (_, secret) = shared.invite(Viewer, false).await;
    assert_eq!(join(&shared, &shared.owner, &secret).await, Err(ErrorCode::BadRequest));
    // Both at once: one of them.
    let (one, other) = tokio::join!(join(&shared, &ada, &secret), join(&shared, &bob, &secret));
    assert_eq!([one, other].iter().filter(|joined| joined.is_ok()).count(), 1, "{one:?} {other:?}");
    assert_eq!(one.and(other), Err(ErrorCode::NotFound));
    let list = hub.participant_list(&shared.owner, shared.session).await.unwrap();
    assert_eq!((list.participants.len(), list.invitations.len()), (1, 0));
    let inside = if list.participants[0].account == ada.account { &ada } else { &bob };
    let outside = if inside.account == ada.account { &bob } else { &ada };
    assert_eq!(
        (list.participants[0].content.name.as_str(), list.participants[0].content.host_name.as_str()),
        ("somebody else", "laptop")
    );
    assert_eq!(list.participants[0].content.owner_name, "workshop");
    // Who is in stays what it is, and leaves the invitation to somebody else.
    let (invitation, secret) = shared.invite(Editor, true).await;
    assert_eq!(join(&shared, inside, &secret).await, Ok(()));
    let list = hub.participant_list(&shared.owner, shared.session).await.unwrap();
    assert_eq!((list.participants.len(), list.participants[0].role, list.invitations.len()), (1, Viewer, 1));
    assert!(hub.participant_list(inside, shared.session).await.unwrap().invitations.is_empty(), "the owner's alone");
    // Taken back, wrong, over.
    hub.uninvite_from_session(&shared.owner, shared.session, invitation).await.unwrap();
    let again = hub.uninvite_from_session(&shared.owner, shared.session, invitation).await.unwrap_err();
    assert_eq!(again.code, ErrorCode::NotFound);
    assert_eq!(join(&shared, outside, &secret).await, Err(ErrorCode::NotFound));
    assert_eq!(join(&shared, outside, "a guess").await, Err(ErrorCode::NotFound));
    let (_, late) = shared.invite(Editor, true).await;
    tokio::time::sleep(Duration::from_millis(SESSION_INVITATION_TTL_MS + 2_000)).await;
    assert_eq!(join(&shared, outside, &late).await, Err(ErrorCode::NotFound));
    let left = hub.every("hub/s".to_owned(), |entry| Ok(!entry.key.starts_with("hub/session/"))).await.unwrap();
    assert!(left.is_empty(), "no invitation is left, and no secret: {left:?}");
    assert!(shared.trail(inside.account).await.contains(&"participant.join".to_owned()));
    // Where somebody else came from is not the owner's to know.
    let page = hub.audit_page(shared.owner.account, None, Some(500)).await.unwrap();
    let joined = page.entries.iter().find(|entry| entry.action == "participant.join").unwrap();
    assert_eq!((joined.account, &joined.source), (Some(inside.account), &None));
}

#[tokio::test(start_paused = true)]
async fn there_are_so_many_participants_and_invitations_and_no_more() {
    let shared = Shared::new().await;
    for _ in 0..MAX_PARTICIPANTS {
        shared.guest(Viewer, false).await;
    }
    let (late, _) = shared.world.stranger().await;
    let (_, secret) = shared.invite(Viewer, false).await;
    assert_eq!(join(&shared, &late, &secret).await, Err(ErrorCode::QueueFull));
    for _ in 1..MAX_PARTICIPANTS {
        shared.invite(Viewer, false).await;
    }
    let new = NewSessionInvitation { role: Viewer, trusted: false };
    let refused = shared.world.hub.invite_to_session(&shared.owner, shared.session, new).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::QueueFull);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_may_do_changes_with_the_owners_word_and_over_a_restart() {
    let shared = Shared::new().await;
    let (guest, credential) = shared.guest(Viewer, false).await;
    let edit = ParticipantEdit { role: Some(Editor), trusted: Some(true) };
    let hub = &shared.world.hub;
    let about = hub.edit_participant(&shared.owner, shared.session, guest.account, edit.clone()).await.unwrap();
    assert_eq!((about.role, about.trusted), (Editor, true));
    let refused = hub.edit_participant(&guest, shared.session, guest.account, edit).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::NotFound);
    let shared = shared.again().await;
    let hub = &shared.world.hub;
    let guest = hub.authenticate(&credential, crate::Via::Bearer, "10.0.0.1").await.unwrap();
    hub.submit(&guest, shared.prompt("x")).await.unwrap();
    hub.may_read(guest.account, &StreamPath::journal(shared.session)).await.unwrap();
    hub.may_read(guest.account, &StreamPath::turn(shared.turn)).await.unwrap();
    hub.transcript(guest.account, shared.session, None, None).await.unwrap();
    hub.may_read(guest.account, &StreamPath::feed(shared.owner.account)).await.unwrap_err();
    // Who leaves is out for good, and may be invited again.
    hub.remove_participant(&guest, shared.session, guest.account).await.unwrap();
    hub.may_read(guest.account, &StreamPath::journal(shared.session)).await.unwrap_err();
    assert_eq!(traces(&shared, guest.account).await, Vec::<String>::new());
    assert!(shared.trail(guest.account).await.contains(&"participant.leave".to_owned()));
    shared.join(&guest, Viewer, false).await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_session_or_of_either_account_leaves_nothing() {
    // The session; the account of who takes part; the account of its owner.
    for end in 0..3 {
        let shared = Shared::new().await;
        let hub = &shared.world.hub;
        let (guest, _) = shared.guest(Editor, true).await;
        let (other, _) = shared.guest(Viewer, false).await;
        // Also a session of the guest's own in which the other takes part.
        let machine = NewDevice {
            account: guest.account,
            kind: DeviceKind::Node,
            rights: Right::ALL.to_vec(),
            name: "desk".to_owned(),
            platform: "linux".to_owned(),
            public_key: None,
        };
        let (host, _) = hub.enrol(machine).await.unwrap();
        let theirs = shared.make(&guest, host, "theirs").await;
        let new = NewSessionInvitation { role: Viewer, trusted: false };
        let offer = hub.invite_to_session(&guest, theirs, new).await.unwrap();
        hub.join_session(&other, JoinSession { secret: offer.link.secret }).await.unwrap();
        hub.submit(&guest, shared.prompt("waits")).await.unwrap();
        hub.mark_read(&guest, shared.session, 1).await.unwrap();
        let bytes = |accounts: Vec<Account>, of: AccountId| accounts.iter().find(|a| a.account == of).unwrap().bytes;
        let accounts = hub.account_list(&shared.world.owner).await.unwrap().accounts;
        let feed = hub.streams().head(&StreamPath::feed(other.account)).await.unwrap().unwrap().tail.byte;
        assert_eq!(bytes(accounts, other.account), feed, "what it takes part in is kept by others");
        let lost = hub.losing(other.account);
        match end {
            0 => hub.delete_session(&shared.owner, shared.session).await.unwrap(),
            _ => hub.close_account(&shared.world.owner, guest.account).await.unwrap(),
        }
        assert!(lost.is_cancelled(), "what it has open of it is cut: {end}");
        tokio::time::sleep(Duration::from_secs(5)).await;
        let journal = |session| StreamPath::journal(session);
        if end == 0 {
            for who in [&guest, &other] {
                hub.may_read(who.account, &journal(shared.session)).await.unwrap_err();
                assert_eq!(traces(&shared, who.account).await, Vec::<String>::new(), "{end}");
            }
            hub.may_read(other.account, &journal(theirs)).await.unwrap();
            let once = hub.every("hub/once/".to_owned(), |_| Ok(true)).await.unwrap();
            assert_eq!(once.len(), 1, "who took part in what is gone is forgotten: {once:?}");
        } else {
            hub.may_read(other.account, &journal(theirs)).await.unwrap_err();
            hub.may_read(other.account, &journal(shared.session)).await.unwrap();
            let left = hub.participant_list(&shared.owner, shared.session).await.unwrap().participants;
            assert_eq!(left.iter().map(|about| about.account).collect::<Vec<_>>(), [other.account]);
            assert!(shared.waiting().await.is_empty(), "what it sent and nobody took is taken back");
            let names = |entry: &store::Entry| Ok(entry.key.contains(&guest.account.to_string()));
            let left = hub.every("hub/".to_owned(), names).await.unwrap();
            assert!(left.iter().all(|entry| entry.key.starts_with("hub/due/")), "{left:?}");
            // What is told from then on is told to who is left, and fails on nobody.
            hub.submit(&shared.owner, shared.prompt("after")).await.unwrap();
        }
    }
}
