//! Enrolment: one code, one device, one yes; and nobody guesses it.

use std::time::Duration;

use protocol::api::{ClaimRequest, ClaimResponse, ClaimStatus, ClaimStatusRequest, NewPairing, PairingOffer};
use protocol::device::{DeviceKind, Right};
use protocol::error::ErrorCode;
use protocol::limits::{PAIRING_MAX_TRIES, PAIRING_MAX_TRIES_PER_SOURCE, PAIRING_TTL_MS};
use tokio::time::sleep;

use super::ClaimError;
use crate::testing::World;
use crate::{Hub, Via};

fn request(code: &str, kind: DeviceKind) -> ClaimRequest {
    ClaimRequest {
        code: code.to_owned(),
        name: "Pocket".to_owned(),
        platform: "a phone".to_owned(),
        kind,
        public_key: None,
    }
}

async fn offer(world: &World, once: bool) -> PairingOffer {
    world.hub.offer_pairing(&world.owner, NewPairing { once }).await.expect("a code")
}

async fn claim(world: &World, code: &str) -> Result<ClaimResponse, ClaimError> {
    world.hub.claim_pairing("10.0.0.1", request(code, DeviceKind::Browser)).await
}

async fn status(hub: &Hub, claim: &ClaimResponse, wait_ms: u64) -> Result<super::ClaimAnswer, ClaimError> {
    let asked = ClaimStatusRequest { pairing: claim.pairing, claim_token: claim.claim_token.clone(), wait_ms };
    hub.claim_status("10.0.0.1", &asked).await
}

fn code_of(error: ClaimError) -> ErrorCode {
    match error {
        ClaimError::Refused(problem) => problem.code,
        ClaimError::Limited { .. } => ErrorCode::RateLimited,
    }
}

#[tokio::test(start_paused = true)]
async fn a_browser_is_enrolled_by_a_typed_code_and_a_yes_on_the_host() {
    let world = World::new().await;
    let mut watch = world.hub.pairing_claims();
    let offer = offer(&world, false).await;
    let typed = offer.code.to_lowercase().replace('-', " ");
    let claim = claim(&world, &typed).await.unwrap();
    let seen = watch.next().await.unwrap().unwrap();
    assert_eq!((seen.pairing, seen.words, seen.source.as_str()), (claim.pairing, claim.words.clone(), "10.0.0.1"));
    assert!(matches!(status(&world.hub, &claim, 0).await.unwrap().status, ClaimStatus::Pending));
    let (hub, asked) = (world.hub.clone(), claim.clone());
    let waiting = tokio::spawn(async move { status(&hub, &asked, 20_000).await });
    sleep(Duration::from_secs(5)).await;
    world.hub.answer_pairing(&world.owner, claim.pairing, true).await.unwrap();
    let answer = waiting.await.unwrap().unwrap();
    let credential = answer.cookie.expect("a browser gets its credential by cookie");
    let ClaimStatus::Approved { device, credential: None } = answer.status else { panic!("{:?}", answer.status) };
    let identity = world.hub.authenticate(&credential, Via::Cookie, "10.0.0.1").await.unwrap();
    assert_eq!((identity.device, identity.kind), (device, DeviceKind::Browser));
    // Told once, and used once.
    assert!(status(&world.hub, &claim, 0).await.unwrap().cookie.is_none());
    for code in [&offer.code, &offer.secret] {
        let again = world.hub.claim_pairing("10.0.0.1", request(code, DeviceKind::Browser)).await.unwrap_err();
        assert_eq!(code_of(again), ErrorCode::PairingInvalid);
    }
    let actions: Vec<_> = world.audited().await.into_iter().map(|entry| entry.action).collect();
    for action in ["pairing.create", "pairing.claim", "pairing.approve"] {
        assert!(actions.iter().any(|a| a == action), "{action}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_program_gets_its_credential_in_the_body_and_survives_a_restart() {
    let world = World::new().await;
    let offer = offer(&world, false).await;
    let claim = world.hub.claim_pairing("10.0.0.1", request(&offer.secret, DeviceKind::Program)).await.unwrap();
    let world = world.again().await;
    world.hub.answer_pairing(&world.owner, claim.pairing, true).await.unwrap();
    let answer = status(&world.hub, &claim, 0).await.unwrap();
    assert!(answer.cookie.is_none());
    let ClaimStatus::Approved { credential: Some(credential), .. } = answer.status else {
        panic!("{:?}", answer.status)
    };
    world.hub.authenticate(&credential, Via::Bearer, "10.0.0.1").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_no_and_a_silence_let_nobody_in() {
    let world = World::new().await;
    let (refused, late) = (offer(&world, false).await, offer(&world, false).await);
    let refused = claim(&world, &refused.code).await.unwrap();
    let late = claim(&world, &late.code).await.unwrap();
    world.hub.answer_pairing(&world.owner, refused.pairing, false).await.unwrap();
    assert!(matches!(status(&world.hub, &refused, 0).await.unwrap().status, ClaimStatus::Rejected));
    let changed = world.hub.answer_pairing(&world.owner, refused.pairing, true).await.unwrap_err();
    assert_eq!(changed.code, ErrorCode::PairingInvalid);
    sleep(Duration::from_millis(PAIRING_TTL_MS)).await;
    assert!(matches!(status(&world.hub, &late, 0).await.unwrap().status, ClaimStatus::Expired));
    let too_late = world.hub.answer_pairing(&world.owner, late.pairing, true).await.unwrap_err();
    assert_eq!(too_late.code, ErrorCode::PairingInvalid);
    sleep(Duration::from_secs(70)).await;
    assert_eq!(world.hub.pairing_rows().await.unwrap().len(), 0);
    assert_eq!(world.hub.device_list(world.hub.account()).await.unwrap().devices.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_never_fetches_its_credential_goes() {
    let world = World::new().await;
    let offer = offer(&world, false).await;
    let claim = claim(&world, &offer.code).await.unwrap();
    world.hub.answer_pairing(&world.owner, claim.pairing, true).await.unwrap();
    assert_eq!(world.hub.device_list(world.hub.account()).await.unwrap().devices.len(), 2);
    sleep(Duration::from_millis(PAIRING_TTL_MS + 61_000)).await;
    assert_eq!(world.hub.device_list(world.hub.account()).await.unwrap().devices.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn once_lets_in_the_first_device_only() {
    let world = World::new().await;
    let (first, second) = (offer(&world, true).await, offer(&world, true).await);
    let (one, other) = tokio::join!(claim(&world, &first.code), claim(&world, &second.code));
    let (one, other) = (one.unwrap(), other.unwrap());
    let mut approved = 0;
    for claim in [&one, &other] {
        approved += usize::from(status(&world.hub, claim, 0).await.unwrap().cookie.is_some());
    }
    assert_eq!(approved, 1);
    assert_eq!(world.hub.pairing_list(world.hub.account()).await.unwrap().claims.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn only_a_device_that_manages_makes_codes_and_answers() {
    let world = World::new().await;
    let (editor, _) = world.device(&[Right::Read, Right::Prompt, Right::Approve]).await;
    let refused = world.hub.offer_pairing(&editor, NewPairing::default()).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Forbidden);
    let offer = offer(&world, false).await;
    let claim = claim(&world, &offer.code).await.unwrap();
    let refused = world.hub.answer_pairing(&editor, claim.pairing, true).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Forbidden);
    let (stranger, _) = world.stranger().await;
    let refused = world.hub.answer_pairing(&stranger, claim.pairing, true).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::NotFound);
}

#[tokio::test(start_paused = true)]
async fn another_token_learns_nothing() {
    let world = World::new().await;
    let offer = offer(&world, true).await;
    let claim = claim(&world, &offer.code).await.unwrap();
    let thief = ClaimResponse { claim_token: "x".repeat(43), ..claim.clone() };
    assert_eq!(code_of(status(&world.hub, &thief, 0).await.unwrap_err()), ErrorCode::PairingInvalid);
    assert!(status(&world.hub, &claim, 0).await.unwrap().cookie.is_some());
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_guesses_from_anywhere_never_succeed_and_are_alarmed() {
    let world = World::new().await;
    let offer = offer(&world, true).await;
    let mut alone = 0;
    for n in 0..10_000_u32 {
        // From one source first, then from as many as there are guesses.
        let source = if n < 1_000 { "10.0.0.1".to_owned() } else { format!("10.1.{}.{}", n / 256, n % 256) };
        let guess = format!("{:08}", n * 7919 % 100_000_000);
        assert_ne!(guess, offer.code.replace('-', ""), "a guess of this test is right by chance");
        match world.hub.claim_pairing(&source, request(&guess, DeviceKind::Browser)).await {
            Err(ClaimError::Limited { retry_after_ms }) => assert!(retry_after_ms <= PAIRING_TTL_MS),
            Err(ClaimError::Refused(problem)) => {
                assert_eq!(problem.code, ErrorCode::PairingInvalid);
                alone += u32::from(n < 1_000);
            }
            Ok(claim) => panic!("{claim:?}"),
        }
    }
    assert_eq!(alone, PAIRING_MAX_TRIES_PER_SOURCE);
    let entries = world.audited().await;
    assert_eq!(entries.iter().filter(|entry| entry.action == "pairing.alarm").count(), 1, "told once");
    assert!(entries.iter().any(|entry| entry.action == "pairing.limited"));
    assert!(entries.len() < 200, "guessing does not fill the audit trail");
    // Nobody has tried at the right code, so it is as good as before.
    world.hub.claim_pairing("10.9.9.9", request(&offer.code, DeviceKind::Browser)).await.unwrap();
}

/// A code with the same first half and another end.
fn near(offer: &PairingOffer) -> String {
    format!("{}{}", &offer.code[..5], if offer.code.ends_with("0000") { "1111" } else { "0000" })
}

#[tokio::test(start_paused = true)]
async fn wrong_codes_void_the_code_that_they_are_tries_at_and_no_other() {
    let world = World::new().await;
    let (tried, other) = (offer(&world, false).await, offer(&world, false).await);
    let (stranger, _) = world.stranger().await;
    let theirs = world.hub.offer_pairing(&stranger, NewPairing::default()).await.expect("a code");
    // A clumsy person, and somebody who guesses from everywhere.
    for n in 0..1_000 {
        let source = format!("10.7.{}.{}", n / 256, n % 256);
        let guess = super::code::shown(&super::code::of_number(n * 0x10_0000));
        let wrong = world.hub.claim_pairing(&source, request(&guess, DeviceKind::Browser)).await.unwrap_err();
        assert_eq!(code_of(wrong), ErrorCode::PairingInvalid);
    }
    for _ in 0..PAIRING_MAX_TRIES {
        assert_eq!(code_of(claim(&world, &near(&tried)).await.unwrap_err()), ErrorCode::PairingInvalid);
    }
    assert_eq!(code_of(claim(&world, &tried.code).await.unwrap_err()), ErrorCode::PairingInvalid, "it is void");
    claim(&world, &tried.secret).await.expect("nobody guesses that");
    claim(&world, &other.code).await.expect("nobody has tried at it");
    claim(&world, &theirs.code).await.expect("nor at what is another account's");
}

#[tokio::test(start_paused = true)]
async fn a_terminal_has_one_code_at_a_time_however_often_it_starts() {
    let mut world = World::new().await;
    let by_hand = offer(&world, false).await;
    let mut last = None;
    for _ in 0..100 {
        let shown = world.hub.offer_at_terminal(NewPairing { once: false }).await.expect("a code");
        if let Some(old) = last.replace(shown.code) {
            assert_eq!(world.hub.pairing_rows().await.unwrap().len(), 2, "{old} is taken back");
        }
        world = world.again().await;
    }
    claim(&world, &last.expect("a code")).await.expect("the newest is good");
    claim(&world, &by_hand.code).await.expect("what somebody asked for is left alone");
    // One that is in use is not taken back.
    world.hub.offer_at_terminal(NewPairing { once: false }).await.expect("a code");
    assert_eq!(world.hub.pairing_list(world.hub.account()).await.unwrap().claims.len(), 2);
}

/// W-070 in full: a million guesses over hours, from one address, from a thousand and from as many as there are guesses, while the owner
/// makes a new code whenever the old one is void or over.
#[tokio::test(start_paused = true)]
async fn of_a_million_guesses_none_succeeds_and_the_owner_is_told_once_for_each_code() {
    const WINDOWS: u32 = 20;
    const GUESSES: u32 = 1_000_000 / WINDOWS;
    let world = World::new().await;
    let (mut judged, mut limited, mut number) = (0_u32, 0_u32, 0_u64);
    for window in 0..WINDOWS {
        let began = world.hub.now();
        let offer = offer(&world, false).await;
        for n in 0..GUESSES {
            // Whoever guesses does not know which letters are right: a walk over all 2⁴⁰ codes that does not come back.
            number = (number + 0x9e_3779_b97f) % (1 << 40);
            let guess = super::code::shown(&super::code::of_number(number));
            assert_ne!(guess, offer.code, "a guess of this test is right by chance: change the walk");
            let source = match n % 16 {
                0..8 => "10.0.0.1".to_owned(),
                8..15 => format!("10.1.{}.{}", n / 16 % 4, n / 64 % 256),
                _ => format!("2001:db8:{window:x}:{n:x}::/64"),
            };
            match world.hub.claim_pairing(&source, request(&guess, DeviceKind::Browser)).await {
                Err(ClaimError::Limited { retry_after_ms }) => {
                    assert!(retry_after_ms <= PAIRING_TTL_MS);
                    limited += 1;
                }
                Err(ClaimError::Refused(problem)) => {
                    assert_eq!(problem.code, ErrorCode::PairingInvalid);
                    judged += 1;
                }
                Ok(claim) => panic!("{claim:?}"),
            }
        }
        assert!(crate::hub::lock(&world.hub.inner.tries).remembered() <= super::tries::MAX_SOURCES);
        // No more typed codes are looked at in these ten minutes, from wherever they come; the QR code, which nobody can guess, is. And the
        // trail is short: the tries that were looked at, one alarm, and one for each address among the first hundred that used up its own.
        let typed = world.hub.claim_pairing("10.9.9.9", request(&offer.code, DeviceKind::Browser)).await.unwrap_err();
        assert_eq!(code_of(typed), ErrorCode::RateLimited);
        world.hub.claim_pairing("10.9.9.9", request(&offer.secret, DeviceKind::Browser)).await.unwrap();
        let trail: Vec<_> = world.audited().await.into_iter().filter(|entry| entry.at_ms >= began).collect();
        assert_eq!(trail.iter().filter(|entry| entry.action == "pairing.alarm").count(), 1, "the owner is told once");
        assert!(trail.len() < 130, "{} entries", trail.len());
        sleep(Duration::from_millis(PAIRING_TTL_MS + 61_000)).await;
        assert_eq!(world.hub.pairing_rows().await.unwrap().len(), 0, "nothing is left of the code");
    }
    assert_eq!(world.hub.device_list(world.hub.account()).await.unwrap().devices.len(), 1, "nobody came in");
    println!("{} guesses: {judged} were compared with a code, {limited} were not, 0 succeeded", judged + limited);
    assert_eq!(judged + limited, 1_000_000);
}

#[tokio::test(start_paused = true)]
async fn guesses_at_the_same_time_are_no_more_guesses() {
    let world = World::new().await;
    let offer = offer(&world, true).await;
    // One address guesses a hundred times at once: ten are judged.
    let guess = |source: String| {
        let hub = world.hub.clone();
        async move { hub.claim_pairing(&source, request("00000000", DeviceKind::Browser)).await.map_err(code_of) }
    };
    let told = futures_util::future::join_all((0..100).map(|_| guess("10.0.0.1".to_owned()))).await;
    let limited = told.iter().filter(|told| matches!(told, Err(ErrorCode::RateLimited))).count();
    assert_eq!(limited, 100 - PAIRING_MAX_TRIES_PER_SOURCE as usize);
    assert!(told.iter().all(|told| matches!(told, Err(ErrorCode::RateLimited | ErrorCode::PairingInvalid))));
    assert_eq!(code_of(claim(&world, &offer.code).await.unwrap_err()), ErrorCode::RateLimited);

    // A hundred addresses try at a new code at once, and one of them is right, but comes behind five that are wrong.
    let offer = world.hub.offer_pairing(&world.owner, NewPairing { once: false }).await.expect("a code");
    let mut guesses: Vec<_> = (0..99).map(|n| (format!("10.2.0.{n}"), near(&offer))).collect();
    guesses.insert(PAIRING_MAX_TRIES as usize, ("10.3.0.1".to_owned(), offer.code.clone()));
    let told = futures_util::future::join_all(guesses.into_iter().map(|(source, code)| {
        let hub = world.hub.clone();
        async move { hub.claim_pairing(&source, request(&code, DeviceKind::Browser)).await.map_err(code_of) }
    }))
    .await;
    assert!(told.iter().all(|told| matches!(told, Err(ErrorCode::PairingInvalid))), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_right_is_not_counted() {
    let world = World::new().await;
    for _ in 0..=PAIRING_MAX_TRIES_PER_SOURCE {
        let offer = offer(&world, false).await;
        let claim = claim(&world, &offer.code).await.unwrap();
        world.hub.answer_pairing(&world.owner, claim.pairing, false).await.unwrap();
        sleep(Duration::from_millis(PAIRING_TTL_MS / 20)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn tries_are_counted_across_restarts() {
    let mut world = World::new().await;
    let offer = offer(&world, false).await;
    for n in 0..PAIRING_MAX_TRIES {
        let source = format!("10.0.0.{n}");
        let wrong = world.hub.claim_pairing(&source, request(&near(&offer), DeviceKind::Browser)).await.unwrap_err();
        assert_eq!(code_of(wrong), ErrorCode::PairingInvalid);
        world = world.again().await;
    }
    assert_eq!(code_of(claim(&world, &offer.code).await.unwrap_err()), ErrorCode::PairingInvalid);
}

#[tokio::test(start_paused = true)]
async fn a_revoked_device_is_cut_and_cannot_come_back() {
    let world = World::new().await;
    let (device, credential) = world.device(&Right::ALL).await;
    let pass = world.hub.admit_socket(&device).unwrap();
    let listed = world.hub.device_list(world.hub.account()).await.unwrap().devices;
    assert!(listed.iter().any(|row| row.device == device.device && row.connected));
    drop(pass);
    world.hub.revoke(&world.owner, device.device).await.unwrap();
    assert!(device.leash.is_cancelled());
    let refused = world.hub.authenticate(&credential, Via::Bearer, "10.0.0.1").await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Unauthenticated);
    world.hub.revoke(&world.owner, device.device).await.unwrap();
    let (viewer, _) = world.device(&[Right::Read]).await;
    let refused = world.hub.revoke(&viewer, world.hub.node()).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Forbidden);
    world.hub.revoke(&viewer, viewer.device).await.unwrap();
    assert!(world.hub.revoke(&world.owner, world.hub.node()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_command_line_has_one_credential_at_a_time() {
    let world = World::new().await;
    let old = world.hub.node_credential().await.unwrap();
    let new = world.hub.node_credential().await.unwrap();
    assert!(world.hub.authenticate(&old, Via::Bearer, "local").await.is_err());
    let identity = world.hub.authenticate(&new, Via::Bearer, "local").await.unwrap();
    assert_eq!(identity.device, world.hub.node());
}
