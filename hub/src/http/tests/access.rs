//! Remote access: who is beyond this machine, and what the owner's switch does to them.

use axum::Router;
use axum::body::Body;
use http::{Method, StatusCode};
use protocol::device::Right;
use protocol::fact::FeedFact;
use protocol::host::RemoteAccess;
use serde_json::{Value, json};

use super::super::{Source, router};
use super::{Ask, code, send};
use crate::testing::World;

/// A request from an address by a name, with one more header.
async fn say(
    app: &Router,
    credential: &str,
    (from, name, header): (&str, &'static str, Option<&'static str>),
    (method, path, body): (Method, &str, Value),
) -> (StatusCode, String) {
    let ask = Ask { host: Some(name), ..Ask::bearer(credential) };
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    let mut request = ask.request(&method, path, body);
    request.extensions_mut().insert(Source(from.parse().unwrap()));
    if let Some(header) = header {
        request.headers_mut().insert(header, "for=203.0.113.9".parse().unwrap());
    }
    let (status, _, text) = send(app, request).await;
    (status, text)
}

const HERE: (&str, &str, Option<&str>) = ("127.0.0.1", "localhost:7433", None);
const AWAY: (&str, &str, Option<&str>) = ("10.0.0.7", "localhost:7433", None);

fn turn(state: &str) -> (Method, &'static str, Value) {
    (Method::PUT, "/v1/access", json!({ "state": state }))
}

fn me() -> (Method, &'static str, Value) {
    (Method::GET, "/v1/me", Value::Null)
}

#[tokio::test(start_paused = true)]
async fn off_only_the_machine_itself_is_let_in_and_it_stays_so_over_a_restart() {
    let world = World::new().await;
    world.start_host().await;
    let (_, credential) = world.device(&Right::ALL).await;
    let app = router(world.hub.clone());
    let (status, text) = say(&app, &credential, HERE, turn("disabled")).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), json!({"state": "disabled", "clients": 0, "here": true}));

    let world = world.again().await;
    // The host takes over: the switch is not its to turn.
    world.start_host().await;
    let app = router(world.hub.clone());
    for (place, far) in [
        (HERE, false),
        (("::1", "[::1]:7433", None), false),
        (("::ffff:127.0.0.1", "localhost:7433", None), false),
        (AWAY, true),
        // Whoever asks from here for somebody elsewhere: by another name, or by what proxies add.
        (("127.0.0.1", "desk.test", None), true),
        (("127.0.0.1", "localhost:7433", Some("x-forwarded-for")), true),
        (("127.0.0.1", "localhost:7433", Some("forwarded")), true),
    ] {
        let (status, text) = say(&app, &credential, place, me()).await;
        if far {
            assert_eq!((status, code(&text).as_str()), (StatusCode::FORBIDDEN, "remote_access_disabled"), "{place:?}");
        } else {
            assert_eq!(status, StatusCode::OK, "{place:?}");
        }
    }
    for path in ["/v1/pairings/claim", "/v1/pairings/status"] {
        let (_, text) = say(&app, "", AWAY, (Method::POST, path, json!({}))).await;
        assert_eq!(code(&text), "remote_access_disabled", "{path}");
    }
    assert_eq!(say(&app, "", AWAY, (Method::GET, "/healthz", Value::Null)).await.0, StatusCode::NO_CONTENT);
    let lists = world.hub.lists(world.hub.account()).await.unwrap();
    let hosts: Vec<RemoteAccess> = lists
        .facts
        .iter()
        .filter_map(|fact| match FeedFact::parse(fact.get().as_bytes()).unwrap() {
            FeedFact::Host { value: Some(host), .. } => Some(host.remote_access),
            _ => None,
        })
        .collect();
    assert_eq!(hosts, [RemoteAccess::Disabled], "the feed says so");
    assert_eq!(say(&app, &credential, HERE, turn("active")).await.0, StatusCode::OK);
    assert_eq!(say(&app, &credential, AWAY, me()).await.0, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn the_switch_is_turned_on_the_machine_by_who_manages_and_leaves_a_trace() {
    let world = World::new().await;
    world.start_host().await;
    let (_, credential) = world.device(&Right::ALL).await;
    let (_, viewer) = world.device(&[Right::Read]).await;
    let app = router(world.hub.clone());
    for (credential, place) in [(&credential, AWAY), (&viewer, HERE)] {
        let (status, text) = say(&app, credential, place, turn("disabled")).await;
        assert_eq!((status, code(&text).as_str()), (StatusCode::FORBIDDEN, "forbidden"), "{place:?}");
    }
    assert_eq!(say(&app, &credential, HERE, turn("dance")).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(say(&app, &credential, AWAY, me()).await.0, StatusCode::OK);
    assert_eq!(say(&app, &credential, HERE, turn("disabled")).await.0, StatusCode::OK);
    assert_eq!(say(&app, &credential, HERE, turn("disabled")).await.0, StatusCode::OK, "twice is once");
    let trail = world.hub.audit_page(world.hub.account(), None, None).await.unwrap().entries;
    let turned: Vec<(&str, &str)> = trail
        .iter()
        .filter(|entry| entry.action.starts_with("access."))
        .map(|entry| (entry.action.as_str(), entry.outcome.as_str()))
        .collect();
    assert_eq!(turned, [("access.off", "ok"), ("access.off", "forbidden")]);
}

#[tokio::test(start_paused = true)]
async fn what_is_open_from_elsewhere_ends_at_once_and_what_is_open_here_goes_on() {
    let world = World::new().await;
    world.start_host().await;
    let (device, _) = world.device(&Right::ALL).await;
    let mut away = device.clone();
    (away.far, away.leash) = (true, world.hub.far_leash(&device));
    let pass = world.hub.admit_socket(&away).unwrap();
    assert_eq!(world.hub.access(&device).clients, 1);
    let edit = protocol::api::AccessEdit { state: RemoteAccess::Disabled };
    assert_eq!(world.hub.set_access(&away, edit).await.unwrap_err().code, protocol::error::ErrorCode::Forbidden);
    world.hub.set_access(&device, edit).await.unwrap();
    assert!(away.leash.is_cancelled() && !device.leash.is_cancelled());
    drop(pass);
    assert_eq!(world.hub.access(&device).clients, 0);
    let edit = protocol::api::AccessEdit { state: RemoteAccess::Active };
    world.hub.set_access(&device, edit).await.unwrap();
    let again = world.hub.far_leash(&device);
    assert!(!again.is_cancelled());
    // A revoked device is cut wherever it is.
    world.hub.revoke(&world.owner, device.device).await.unwrap();
    assert!(again.is_cancelled() && device.leash.is_cancelled());
}
