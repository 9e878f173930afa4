//! Ways into a hub that several people share, and the way out.

use protocol::account::{NewInvitation, SecretLink};
use protocol::api::{ClaimRequest, ClaimStatus, ClaimStatusRequest};
use protocol::blob::UploadRequest;
use protocol::device::{DeviceKind, Right};
use protocol::error::ErrorCode;
use protocol::id::{AccountId, DeviceId};
use protocol::limits::{INVITATION_TTL_MS, PAIRING_MAX_TRIES_PER_SOURCE, PAIRING_TTL_MS, SETUP_LINK_TTL_MS};
use protocol::path::StreamPath;
use std::time::Duration;
use store::{Batch, Put};

use crate::keys;
use crate::pairing::ClaimError;
use crate::rows::{Row, SessionRow};
use crate::testing::World;
use crate::{Identity, Via};

fn claim(secret: &str) -> ClaimRequest {
    let kind = DeviceKind::Browser;
    ClaimRequest { code: secret.to_owned(), name: "Phone".into(), platform: "test".into(), kind, public_key: None }
}

/// Comes in by a link; the device, as it is known by its cookie.
async fn enter(world: &World, link: &SecretLink) -> Identity {
    let claimed = world.hub.claim_pairing("10.0.0.9", claim(&link.secret)).await.expect("the link is good");
    let ask = ClaimStatusRequest { pairing: claimed.pairing, claim_token: claimed.claim_token, wait_ms: 0 };
    let told = world.hub.claim_status("10.0.0.9", &ask).await.expect("it is known");
    assert!(matches!(told.status, ClaimStatus::Approved { credential: None, .. }), "{:?}", told.status);
    world.hub.authenticate(&told.cookie.expect("a cookie"), Via::Cookie, "10.0.0.9").await.expect("it is in")
}

async fn refused(world: &World, secret: &str) -> ErrorCode {
    match world.hub.claim_pairing("10.0.0.8", claim(secret)).await {
        Err(ClaimError::Refused(problem)) => problem.code,
        other => panic!("{other:?}"),
    }
}

async fn invite(world: &World, name: Option<&str>) -> SecretLink {
    let new = NewInvitation { name: name.map(str::to_owned) };
    world.hub.invite(&world.owner, new).await.expect("an invitation").link
}

/// Every key and value of the map.
async fn everything(world: &World) -> Vec<(String, String)> {
    let all = world.hub.every("hub/".to_owned(), |_| Ok(true)).await.expect("the map");
    all.into_iter().map(|entry| (entry.key, String::from_utf8_lossy(&entry.value).into_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn the_first_owner_comes_in_by_the_setup_link_and_nobody_after() {
    let world = World::shared().await;
    let old = world.hub.setup_link(&world.owner).await.unwrap();
    let link = world.hub.setup_link(&world.owner).await.unwrap();
    assert_eq!(refused(&world, &old.secret).await, ErrorCode::PairingInvalid, "a newer link voids the older");
    assert!(!world.hub.has_owner_device().await.unwrap());
    let owner = enter(&world, &link).await;
    assert_eq!((owner.account, owner.rights.as_slice()), (world.hub.account(), &Right::ALL[..]));
    assert!(world.hub.has_owner_device().await.unwrap());
    assert_eq!(refused(&world, &link.secret).await, ErrorCode::PairingInvalid, "once");
    assert_eq!(world.hub.setup_link(&world.owner).await.unwrap_err().code, ErrorCode::Forbidden);
    // And only the machine itself may make one.
    assert_eq!(world.hub.setup_link(&owner).await.unwrap_err().code, ErrorCode::NotFound);
    world.hub.revoke(&owner, owner.device).await.unwrap();
    world.hub.setup_link(&world.owner).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_setup_link_is_void_once_the_owner_is_in_by_another_way_and_after_a_day() {
    let world = World::shared().await;
    let late = world.hub.setup_link(&world.owner).await.unwrap();
    tokio::time::sleep(Duration::from_millis(SETUP_LINK_TTL_MS)).await;
    assert_eq!(refused(&world, &late.secret).await, ErrorCode::PairingInvalid);
    let link = world.hub.setup_link(&world.owner).await.unwrap();
    world.device(&Right::ALL).await;
    assert_eq!(refused(&world, &link.secret).await, ErrorCode::PairingInvalid);
}

#[tokio::test(start_paused = true)]
async fn a_setup_link_that_ran_out_unused_is_followed_by_a_new_one_and_by_none_before() {
    let world = World::shared().await;
    let first = world.hub.renew_setup_link(&world.owner).await.unwrap().expect("there was none");
    tokio::time::sleep(Duration::from_millis(SETUP_LINK_TTL_MS / 2)).await;
    assert!(world.hub.renew_setup_link(&world.owner).await.unwrap().is_none(), "it can still be used");
    // Somebody asked for a new one meanwhile: that one is not made void when the first would have run out.
    let asked = world.hub.setup_link(&world.owner).await.unwrap();
    tokio::time::sleep(Duration::from_millis(SETUP_LINK_TTL_MS / 2 + 1_000)).await;
    assert!(world.hub.renew_setup_link(&world.owner).await.unwrap().is_none());
    tokio::time::sleep(Duration::from_millis(SETUP_LINK_TTL_MS / 2)).await;
    let second = world.hub.renew_setup_link(&world.owner).await.unwrap().expect("both have run out");
    assert!(second.secret != first.secret && second.secret != asked.secret);
    enter(&world, &second).await;
    tokio::time::sleep(Duration::from_millis(SETUP_LINK_TTL_MS * 2)).await;
    assert!(world.hub.renew_setup_link(&world.owner).await.unwrap().is_none(), "the owner is in");
}

#[tokio::test(start_paused = true)]
async fn two_who_open_the_setup_link_at_once_are_not_both_the_owner() {
    let world = World::shared().await;
    let link = world.hub.setup_link(&world.owner).await.unwrap();
    let (one, other) = tokio::join!(
        world.hub.claim_pairing("10.0.0.1", claim(&link.secret)),
        world.hub.claim_pairing("10.0.0.2", claim(&link.secret))
    );
    assert_ne!(one.is_ok(), other.is_ok());
    let devices = world.hub.device_list(world.hub.account()).await.unwrap().devices;
    assert_eq!(devices.iter().filter(|row| row.about.kind == DeviceKind::Browser).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_invitation_makes_an_account_of_its_own_once() {
    let world = World::shared().await;
    let link = invite(&world, Some("Ada")).await;
    assert!(
        everything(&world)
            .await
            .iter()
            .all(|(key, value)| !key.contains(&link.secret) && !value.contains(&link.secret))
    );
    let ada = enter(&world, &link).await;
    assert_ne!(ada.account, world.hub.account());
    assert_eq!(ada.rights, Right::ALL);
    assert_eq!(refused(&world, &link.secret).await, ErrorCode::PairingInvalid, "once");
    world.hub.may_read(ada.account, &StreamPath::feed(ada.account)).await.unwrap();
    let lists = world.hub.lists(ada.account).await.unwrap();
    assert_eq!(lists.facts.len(), 1, "its own device and nothing else");
    assert!(!world.hub.me(&ada).await.unwrap().invites && world.hub.me(&world.owner).await.unwrap().invites);
    let accounts = world.hub.account_list(&world.owner).await.unwrap().accounts;
    let seen: Vec<_> = accounts.iter().map(|a| (a.name.as_str(), a.owner, a.devices, a.seen_at_ms.is_some())).collect();
    assert_eq!(seen, [("workshop", true, 1, true), ("Ada", false, 1, true)]);
    assert!(accounts[1].bytes > 0);
    assert!(world.hub.invitation_list(&world.owner).await.unwrap().invitations.is_empty());
    // Each further device is let in by one that is in.
    let offer = world.hub.offer_pairing(&ada, protocol::api::NewPairing { once: false }).await.unwrap();
    let claimed = world.hub.claim_pairing("10.0.0.9", claim(&offer.code)).await.unwrap();
    assert!(world.hub.pairing_list(world.hub.account()).await.unwrap().claims.is_empty(), "nobody else's business");
    let foreign = world.hub.answer_pairing(&world.owner, claimed.pairing, true).await.unwrap_err();
    assert_eq!(foreign.code, ErrorCode::NotFound);
    world.hub.answer_pairing(&ada, claimed.pairing, true).await.unwrap();
    assert_eq!(world.hub.device_list(ada.account).await.unwrap().devices.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_invitation_ends_when_it_is_taken_back_and_after_a_week() {
    let world = World::shared().await;
    let (back, late) = (invite(&world, None).await, invite(&world, None).await);
    let first = world.hub.invitation_list(&world.owner).await.unwrap().invitations[0].invitation;
    world.hub.uninvite(&world.owner, first).await.unwrap();
    assert_eq!(world.hub.uninvite(&world.owner, first).await.unwrap_err().code, ErrorCode::NotFound);
    assert_eq!(refused(&world, &back.secret).await, ErrorCode::PairingInvalid);
    tokio::time::sleep(Duration::from_millis(INVITATION_TTL_MS + 1)).await;
    assert_eq!(refused(&world, &late.secret).await, ErrorCode::PairingInvalid);
    assert_eq!(world.hub.account_ids().await.unwrap(), [world.hub.account()]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(everything(&world).await.iter().all(|(key, _)| !key.starts_with(keys::INVITATIONS)));
}

#[tokio::test(start_paused = true)]
async fn guessed_links_are_counted_like_guessed_codes() {
    let world = World::shared().await;
    let link = invite(&world, None).await;
    for _ in 0..PAIRING_MAX_TRIES_PER_SOURCE {
        assert_eq!(refused(&world, "a guess that is as long as a secret would be").await, ErrorCode::PairingInvalid);
    }
    let limited = world.hub.claim_pairing("10.0.0.8", claim(&link.secret)).await;
    assert!(matches!(limited, Err(ClaimError::Limited { .. })), "even the right one: {limited:?}");
    assert!(world.audited().await.iter().any(|entry| entry.action == "pairing.limited"));
    enter(&world, &link).await;
}

#[tokio::test(start_paused = true)]
async fn only_who_runs_the_hub_invites_and_a_persons_own_node_has_no_guests() {
    let world = World::shared().await;
    let (ada, _) = world.stranger().await;
    let (viewer, _) = world.device(&[Right::Read]).await;
    for (who, code) in [(&ada, ErrorCode::NotFound), (&viewer, ErrorCode::Forbidden)] {
        assert_eq!(world.hub.invite(who, NewInvitation::default()).await.unwrap_err().code, code);
        assert_eq!(world.hub.invitation_list(who).await.unwrap_err().code, code);
        assert_eq!(world.hub.account_list(who).await.unwrap_err().code, code);
        assert_eq!(world.hub.close_account(who, world.hub.account()).await.unwrap_err().code, code);
    }
    let own = world.hub.close_account(&world.owner, world.hub.account()).await.unwrap_err();
    assert_eq!(own.code, ErrorCode::Forbidden);
    let node = World::new().await;
    assert_eq!(node.hub.invite(&node.owner, NewInvitation::default()).await.unwrap_err().code, ErrorCode::NotFound);
    assert_eq!(node.hub.setup_link(&node.owner).await.unwrap_err().code, ErrorCode::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_closed_account_is_out_at_once_and_leaves_nothing() {
    let world = World::shared().await;
    let ada = enter(&world, &invite(&world, Some("Ada")).await).await;
    let (again, credential) = world.device_of(ada.account, &Right::ALL).await;
    // What an account has: a file on its way, a session with its journal, a code.
    let file = UploadRequest { name: "a.txt".into(), media_type: "text/plain".into(), size_bytes: 9 };
    let upload = world.hub.begin_upload(&ada, &file).await.unwrap().upload;
    let session = world.session();
    let row = SessionRow { account: ada.account, host: again.device, command: None, live: true };
    let mut batch = Batch::of(Put::set(keys::session(session), row.encode()));
    batch.push(crate::open::json_stream(StreamPath::journal(session)));
    world.hub.commit(batch).await.unwrap();
    world.hub.offer_pairing(&ada, protocol::api::NewPairing { once: false }).await.unwrap();
    let other = enter(&world, &invite(&world, None).await).await;

    world.hub.close_account(&world.owner, ada.account).await.unwrap();
    assert!(ada.leash.is_cancelled() && again.leash.is_cancelled() && !other.leash.is_cancelled());
    assert!(world.hub.authenticate(&credential, Via::Bearer, "10.0.0.9").await.is_err());
    tokio::time::sleep(Duration::from_secs(2)).await;
    for stream in [StreamPath::feed(ada.account), StreamPath::journal(session), StreamPath::upload(upload)] {
        assert!(!matches!(world.hub.streams().head(&stream).await, Ok(Some(_))), "{stream}");
    }
    let id = ada.account.to_string();
    let left: Vec<_> =
        everything(&world).await.into_iter().filter(|(key, value)| key.contains(&id) || value.contains(&id)).collect();
    assert!(left.iter().all(|(key, _)| key.starts_with("hub/audit/") || key.starts_with("hub/due/")), "{left:#?}");
    assert_eq!(world.hub.close_account(&world.owner, ada.account).await.unwrap_err().code, ErrorCode::NotFound);
    assert_eq!(world.hub.lists(other.account).await.unwrap().facts.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_account_whose_device_never_came_for_its_credential_does_not_stay() {
    let world = World::shared().await;
    let link = invite(&world, None).await;
    world.hub.claim_pairing("10.0.0.9", claim(&link.secret)).await.unwrap();
    assert_eq!(world.hub.account_ids().await.unwrap().len(), 2);
    tokio::time::sleep(Duration::from_millis(PAIRING_TTL_MS + 120_000)).await;
    assert_eq!(world.hub.account_ids().await.unwrap(), [world.hub.account()]);
}

#[tokio::test(start_paused = true)]
async fn the_trail_of_an_account_holds_what_concerns_it_and_nothing_else() {
    let world = World::shared().await;
    let ada = enter(&world, &invite(&world, Some("Ada")).await).await;
    let offer = world.hub.offer_pairing(&ada, protocol::api::NewPairing { once: false }).await.unwrap();
    let claimed = world.hub.claim_pairing("10.0.0.9", claim(&offer.secret)).await.unwrap();
    world.hub.answer_pairing(&ada, claimed.pairing, true).await.unwrap();
    let device: DeviceId = world.hub.device_list(ada.account).await.unwrap().devices[1].device;
    world.hub.revoke(&ada, device).await.unwrap();
    refused(&world, "a guess").await;
    let trail = async |account: AccountId| {
        let page = world.hub.audit_page(account, None, Some(500)).await.unwrap();
        let mut words: Vec<String> = page.entries.iter().rev().map(|entry| entry.action.clone()).collect();
        assert!(page.entries.iter().all(|entry| entry.account.is_none_or(|of| of == account)), "{page:?}");
        words.dedup();
        words
    };
    let own = ["account.create", "pairing.create", "pairing.claim", "pairing.approve", "device.revoke"];
    assert_eq!(trail(ada.account).await, own);
    assert_eq!(trail(world.hub.account()).await, ["invitation.create", "invitation.accept", "pairing.claim"]);
}
