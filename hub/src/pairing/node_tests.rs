use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use protocol::api::{ClaimStatus, ClaimStatusRequest, NewPairing, NodeClaimRequest, NodeClaimResponse, fingerprint};
use protocol::device::{DeviceKind, Right};
use protocol::error::ErrorCode;
use protocol::id::DeviceId;
use protocol::time::Clock as _;

use super::ClaimError;
use crate::Via;
use crate::testing::World;

fn signed(seed: u8, device: DeviceId, code: Option<&str>) -> NodeClaimRequest {
    let key = SigningKey::from_bytes(&[seed; 32]);
    let mut request = NodeClaimRequest {
        code: code.map(str::to_owned),
        name: "Desk".to_owned(),
        platform: "linux x86_64".to_owned(),
        device,
        public_key: URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes()),
        signature: String::new(),
    };
    request.signature = URL_SAFE_NO_PAD.encode(key.sign(&request.signed()).to_bytes());
    request
}

fn refused(error: ClaimError) -> ErrorCode {
    match error {
        ClaimError::Refused(problem) => problem.code,
        ClaimError::Limited { .. } => ErrorCode::RateLimited,
    }
}

async fn status(world: &World, claim: &NodeClaimResponse) -> ClaimStatus {
    let request = ClaimStatusRequest { pairing: claim.pairing, claim_token: claim.claim_token.clone(), wait_ms: 0 };
    world.hub.claim_status("10.0.0.9", &request).await.unwrap().status
}

/// Links a node by a code that was made here.
async fn link(world: &World, request: impl FnOnce(&str) -> NodeClaimRequest) -> Result<ClaimStatus, ErrorCode> {
    let offer = world.hub.offer_pairing(&world.owner, NewPairing { once: true }).await.unwrap();
    let claimed = world.hub.claim_node("10.0.0.9", request(&offer.code)).await.map_err(refused)?;
    assert!(matches!(status(world, &claimed).await, ClaimStatus::Pending), "a node is never let in by itself");
    let answer = world.hub.answer_pairing(&world.owner, claimed.pairing, true).await;
    answer.map_err(|problem| problem.code)?;
    Ok(status(world, &claimed).await)
}

#[tokio::test(start_paused = true)]
async fn a_node_keeps_its_id_and_its_key_and_comes_back_with_both_only() {
    let world = World::new().await;
    let device = DeviceId::from_uuid(world.clock.fresh());
    let Ok(ClaimStatus::Approved { device: given, credential: Some(first) }) =
        link(&world, |code| signed(1, device, Some(code))).await
    else {
        panic!("the node is not in");
    };
    assert_eq!(given, device);
    let who = world.hub.authenticate(&first, Via::Bearer, "10.0.0.9").await.unwrap();
    assert_eq!((who.device, who.kind, who.rights.as_slice()), (device, DeviceKind::Node, &[Right::Read][..]));
    // Another key with this id is another machine.
    assert_eq!(link(&world, |code| signed(2, device, Some(code))).await.unwrap_err(), ErrorCode::Forbidden);
    // It has lost its credential, or was removed: the same device again, and the old credential is worth nothing.
    world.hub.revoke(&world.owner, device).await.unwrap();
    let Ok(ClaimStatus::Approved { device: again, credential: Some(second) }) =
        link(&world, |code| signed(1, device, Some(code))).await
    else {
        panic!("the node does not come back");
    };
    assert_eq!(again, device);
    world.hub.authenticate(&first, Via::Bearer, "x").await.unwrap_err();
    world.hub.authenticate(&second, Via::Bearer, "x").await.unwrap();
    // Ids of other accounts, and the hub's own, are not taken.
    let (stranger, _) = world.stranger().await;
    assert_eq!(link(&world, |code| signed(3, stranger.device, Some(code))).await.unwrap_err(), ErrorCode::Forbidden);
    let own = world.hub.node();
    assert_eq!(link(&world, |code| signed(3, own, Some(code))).await.unwrap_err(), ErrorCode::Forbidden);
    // A signature of other words proves nothing.
    let forged = |code: &str| NodeClaimRequest { name: "Other".to_owned(), ..signed(1, device, Some(code)) };
    assert_eq!(link(&world, forged).await.unwrap_err(), ErrorCode::BadRequest);
}

#[tokio::test(start_paused = true)]
async fn a_node_shows_a_code_and_somebody_here_types_it() {
    let world = World::new().await;
    let device = DeviceId::from_uuid(world.clock.fresh());
    let asked = world.hub.claim_node("10.0.0.9", signed(1, device, None)).await.unwrap();
    let code = asked.code.clone().unwrap();
    assert!(matches!(status(&world, &asked).await, ClaimStatus::Pending));
    assert!(world.hub.pairing_list(world.owner.account).await.unwrap().claims.is_empty(), "of no account yet");
    let (reader, _) = world.device(&[Right::Read, Right::Prompt]).await;
    assert_eq!(refused(world.hub.accept_node(&reader, &code).await.unwrap_err()), ErrorCode::Forbidden);
    let (stranger, _) = world.stranger().await;
    let claim = world.hub.accept_node(&stranger, &code.to_lowercase()).await.unwrap();
    assert_eq!((claim.name.as_str(), claim.kind, claim.pairing), ("Desk", DeviceKind::Node, asked.pairing));
    assert_eq!(claim.fingerprint, Some(fingerprint(&signed(1, device, None).public_key)));
    // The code is used up, and the claim is of whoever typed it.
    assert_eq!(refused(world.hub.accept_node(&world.owner, &code).await.unwrap_err()), ErrorCode::PairingInvalid);
    assert!(matches!(status(&world, &asked).await, ClaimStatus::Pending));
    let other = world.hub.answer_pairing(&world.owner, asked.pairing, true).await.unwrap_err();
    assert_eq!(other.code, ErrorCode::NotFound);
    world.hub.answer_pairing(&stranger, asked.pairing, true).await.unwrap();
    let ClaimStatus::Approved { credential: Some(credential), .. } = status(&world, &asked).await else {
        panic!("it is not in");
    };
    let who = world.hub.authenticate(&credential, Via::Bearer, "x").await.unwrap();
    assert_eq!((who.account, who.device), (stranger.account, device));
}

#[tokio::test(start_paused = true)]
async fn codes_that_nodes_show_are_not_guessed_nor_asked_for_without_end() {
    let world = World::new().await;
    let device = DeviceId::from_uuid(world.clock.fresh());
    let asked = world.hub.claim_node("10.0.0.9", signed(1, device, None)).await.unwrap();
    let code = asked.code.unwrap();
    // Half of it, and a wrong end: a try at this code, and at no other.
    let near = format!("{}{}", &code[..5], if code.ends_with("0000") { "1111" } else { "0000" });
    let other = DeviceId::from_uuid(world.clock.fresh());
    let other = world.hub.claim_node("10.0.0.9", signed(1, other, None)).await.unwrap();
    for _ in 0..protocol::limits::PAIRING_MAX_TRIES {
        let wrong = world.hub.accept_node(&world.owner, &near).await.unwrap_err();
        assert_eq!(refused(wrong), ErrorCode::PairingInvalid);
    }
    world.hub.accept_node(&world.owner, &other.code.unwrap()).await.unwrap();
    let late = world.hub.accept_node(&world.owner, &code).await.unwrap_err();
    assert_eq!(refused(late), ErrorCode::PairingInvalid, "it is void");
    assert!(world.audited().await.iter().any(|entry| entry.action == "pairing.alarm"));
    let mut asked = 0;
    while world.hub.claim_node("10.0.0.7", signed(1, device, None)).await.is_ok() {
        asked += 1;
    }
    assert_eq!(asked, protocol::limits::PAIRING_MAX_TRIES_PER_SOURCE);
}
