//! Revocation, shutdown, silence: one way down, whatever is under way.

use tokio::time::Instant;

use super::*;
use protocol::limits::SILENCE_MS;

#[tokio::test(start_paused = true)]
async fn a_revoked_device_is_cut_at_once_and_stays_out() {
    let house = House::new().await;
    let (identity, credential) = house.world.device(&Right::ALL).await;
    let mut gone = house.dial_as(&credential).await.unwrap();
    gone.hello().await;
    // One that never greeted, and one that takes nothing: neither keeps its socket.
    let mut silent = house.dial_as(&credential).await.unwrap();
    let stream = house.journal().await;
    let mut frozen = house.dial_as(&credential).await.unwrap();
    frozen.hello().await;
    frozen.subscribe(1, &stream, From::Start).await;
    house.append(&stream, &[format!("\"{}\"", "x".repeat(1 << 20))]).await;
    let mut other = house.connect().await;
    tokio::time::sleep(Duration::from_millis(10)).await;

    let revoked = Instant::now();
    house.world.hub.revoke(&house.world.owner, identity.device).await.unwrap();
    assert_eq!(gone.hear_close().await, (Some(4401), Some(ErrorCode::Unauthenticated)));
    assert_eq!(silent.hear_close().await, (Some(4401), Some(ErrorCode::Unauthenticated)));
    drop((gone, silent));
    while house.world.hub.streams().followed() > 0 || house.world.hub.tasks().len() > 2 {
        assert!(revoked.elapsed() <= Duration::from_secs(2), "the frozen socket is kept");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(house.dial_as(&credential).await.is_err());
    other.alive(1).await;
    drop(frozen);
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_stops_says_so() {
    let house = House::new().await;
    let stream = house.journal().await;
    let mut client = house.connect().await;
    client.subscribe(1, &stream, From::Now).await;
    let mut ungreeted = house.dial().await;
    let stopping = tokio::spawn({
        let hub = house.world.hub.clone();
        async move { hub.stop().await }
    });
    assert_eq!(client.hear_close().await, (Some(4503), None));
    assert_eq!(ungreeted.hear_close().await, (Some(4503), None));
    tokio::time::timeout(Duration::from_secs(2), stopping).await.expect("it stops").unwrap();
    assert_eq!(house.world.hub.streams().followed(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_dead_path_is_noticed() {
    let house = House::new().await;
    let mut client = house.connect().await;
    let begun = Instant::now();
    // Nothing is read, so nothing is answered: to the hub that is a path that swallows everything.
    tokio::time::sleep(Duration::from_millis(SILENCE_MS - 100)).await;
    assert!(house.world.hub.tasks().len() > 1, "it still hopes");
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut heartbeats = 0;
    let code = loop {
        match client.hear_any().await {
            Ok(ServerFrame::Heartbeat { .. }) => heartbeats += 1,
            Ok(ServerFrame::Error { problem, .. }) => assert_eq!(problem.code, ErrorCode::ResyncRequired),
            Ok(other) => panic!("{other:?}"),
            Err(code) => break code,
        }
    };
    assert_eq!((code, heartbeats), (Some(4408), 2));
    assert!(begun.elapsed() < Duration::from_millis(SILENCE_MS + 1_000));
    house.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_page_that_sleeps_is_kept_by_the_pongs_of_its_browser() {
    let house = House::new().await;
    let stream = house.journal().await;
    let mut client = house.connect().await;
    client.subscribe(1, &stream, From::Now).await;
    let wrote = async {
        for n in 0..1_200 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            house.append(&stream, &numbers(n..n + 1)).await;
        }
    };
    // Two minutes in which the client says nothing by itself, on a socket that is never quiet.
    let ((), (read, end)) = tokio::join!(wrote, client.read(1, 1_200));
    assert_eq!((read.len(), end), (1_200, None));
    client.alive(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closes_is_answered_and_forgotten() {
    let house = House::new().await;
    let stream = house.journal().await;
    let mut client = house.connect().await;
    client.subscribe(1, &stream, From::Now).await;
    client.wire.close(None).await.unwrap();
    assert_eq!(client.hear_close().await.0, None, "its own close comes back without a code");
    house.settled().await;
}
