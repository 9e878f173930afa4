//! `hello`, `welcome`, and who is not let in.

use tokio::time::Instant;

use super::*;
use protocol::limits::{HELLO_TIMEOUT_MS, MAX_SOCKETS_PER_SOURCE};

#[tokio::test(start_paused = true)]
async fn versions_are_negotiated() {
    let house = House::new().await;
    for (min, max) in [(1, 1), (0, 1), (1, 9), (0, u32::MAX)] {
        let mut client = house.dial().await;
        client.hello_with(min, max).await;
        match client.hear().await {
            ServerFrame::Welcome { protocol: 1, account, host, heartbeat_ms: 15_000, version, .. } => {
                assert_eq!((account, host), (house.world.hub.account(), Some(house.world.hub.node())));
                assert_eq!(version, "0.1.0");
            }
            other => panic!("{other:?}"),
        }
    }
    for (min, max) in [(2, 9), (0, 0), (1, 0), (9, 1)] {
        let mut client = house.dial().await;
        client.hello_with(min, max).await;
        assert_eq!(client.hear_close().await, (Some(4426), Some(ErrorCode::UpgradeRequired)), "{min}..{max}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_greet_is_closed() {
    let house = House::new().await;
    let mut client = house.dial().await;
    client.say(&ClientFrame::Ping { req: 1 }).await;
    assert_eq!(client.hear_close().await, (Some(4400), Some(ErrorCode::BadRequest)));

    let begun = Instant::now();
    let mut client = house.dial().await;
    assert_eq!(client.hear_close().await, (Some(4408), Some(ErrorCode::ResyncRequired)));
    let waited = begun.elapsed().as_millis();
    assert!((u128::from(HELLO_TIMEOUT_MS)..u128::from(HELLO_TIMEOUT_MS) + 100).contains(&waited), "{waited}");

    let mut client = house.connect().await;
    client.hello_with(1, 1).await;
    match client.hear().await {
        ServerFrame::Error { problem, .. } => assert_eq!(problem.code, ErrorCode::BadRequest),
        other => panic!("{other:?}"),
    }
    client.alive(1).await;
}

#[tokio::test(start_paused = true)]
async fn only_devices_get_a_socket_and_only_so_many_from_one_address() {
    let house = House::new().await;
    for credential in ["", "twl_dev_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        match house.dial_as(credential).await {
            Err(WireError::Http(response)) => assert_eq!(response.status(), 401),
            other => panic!("{:?}", other.map(|_| ())),
        }
    }
    let mut clients = Vec::new();
    for _ in 0..MAX_SOCKETS_PER_SOURCE {
        clients.push(house.connect().await);
    }
    match house.dial_as(&house.credential).await {
        Err(WireError::Http(response)) => assert_eq!(response.status(), 429),
        other => panic!("{:?}", other.map(|_| ())),
    }
    drop(clients);
    house.settled().await;
    house.connect().await.alive(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_device_is_connected_for_as_long_as_one_of_its_sockets_lives() {
    let house = House::new().await;
    let connected = async || {
        let list = house.world.hub.device_list(house.world.hub.account()).await.unwrap();
        list.devices.iter().filter(|device| device.connected).count()
    };
    assert_eq!(connected().await, 0);
    let (one, two) = (house.connect().await, house.connect().await);
    assert_eq!(connected().await, 1);
    drop(one);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(connected().await, 1);
    drop(two);
    house.settled().await;
    assert_eq!(connected().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_page_of_another_site_gets_no_socket() {
    let house = House::new().await;
    let cookie = format!("{}={}", protocol::api::COOKIE, house.credential);
    let bearer = format!("Bearer {}", house.credential);
    let own = [(header::COOKIE, cookie.as_str()), (header::ORIGIN, "http://localhost")];
    Client::with(house.line().await, &own).await.expect("our own page").hello().await;
    let development = [(header::COOKIE, cookie.as_str()), (header::ORIGIN, "http://127.0.0.1:5173")];
    Client::with(house.line().await, &development).await.expect("an allowed page").hello().await;
    let refused: [(&[(HeaderName, &str)], u16); 6] = [
        (&[(header::COOKIE, &cookie), (header::ORIGIN, "http://evil.example")], 403),
        (&[(header::COOKIE, &cookie), (header::ORIGIN, "http://localhost.evil.example")], 403),
        (&[(header::COOKIE, &cookie), (header::ORIGIN, "null")], 403),
        // A browser always names its page; whoever does not and has only a cookie is not one of ours.
        (&[(header::COOKIE, &cookie)], 403),
        (&[(header::AUTHORIZATION, &bearer), (header::ORIGIN, "http://evil.example")], 403),
        (&[(header::AUTHORIZATION, &bearer), (header::HOST, "rebound.example")], 421),
    ];
    for (headers, status) in refused {
        match Client::with(house.line().await, headers).await {
            Err(WireError::Http(response)) => assert_eq!(response.status(), status, "{headers:?}"),
            other => panic!("{headers:?}: {:?}", other.map(|_| ())),
        }
    }
}
