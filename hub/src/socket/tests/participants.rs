//! Whoever is taken out of a session loses what it has open of it at once, and nobody else does.

use protocol::participant::ParticipantRole::{Editor, Viewer};

use super::*;
use crate::participants::tests::Shared;

#[tokio::test(start_paused = true)]
async fn who_is_taken_out_is_cut_and_comes_back_to_less() {
    let shared = Shared::new().await;
    let (guest, credential) = shared.guest(Editor, true).await;
    let (_, other) = shared.guest(Viewer, false).await;
    let Shared { world, owner, session, turn, .. } = shared;
    let house = House::of(world).await;
    let streams = [StreamPath::journal(session), StreamPath::turn(turn), StreamPath::feed(guest.account)];
    let mut theirs = house.dial_as(&credential).await.unwrap();
    theirs.hello().await;
    for (sub, stream) in (1..).zip(&streams) {
        theirs.subscribe(sub, stream, From::Now).await;
    }
    let mut others = house.dial_as(&other).await.unwrap();
    others.hello().await;
    others.subscribe(1, &streams[0], From::Now).await;
    assert_eq!(others.fail_to_subscribe(2, &streams[2], From::Now).await, Failed::Error(ErrorCode::NotFound));
    let began = tokio::time::Instant::now();
    house.world.hub.remove_participant(&owner, session, guest.account).await.unwrap();
    let (code, _) = theirs.hear_close().await;
    assert_eq!(code, Some(4408), "it comes back by itself");
    assert!(began.elapsed() <= Duration::from_secs(2));
    let mut again = house.dial_as(&credential).await.unwrap();
    again.hello().await;
    for (sub, stream) in (1..).zip(&streams[..2]) {
        assert_eq!(again.fail_to_subscribe(sub, stream, From::Start).await, Failed::Error(ErrorCode::NotFound));
    }
    again.subscribe(9, &streams[2], From::Now).await;
    house.append(&streams[0], &numbers(0..1)).await;
    others.read(1, 1).await;
    again.alive(1).await;
}
