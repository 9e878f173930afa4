//! The face: who gets in where, what refusals look like, and what never leaks.

mod access;
mod files;
mod matrix;
mod participants;

use std::io::Write;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use protocol::api::{COOKIE, ClaimStatus};
use protocol::device::Right;
use protocol::error::Problem;
use protocol::limits::{MAX_PREAUTH_FRAME_BYTES, PAIRING_MAX_TRIES_PER_SOURCE};
use protocol::path::StreamPath;
use protocol::port::{Report, StreamStep};
use protocol::turn::TurnState;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

use super::{Need, ROUTES, Source, guarded, router, routes};
use crate::testing::World;

/// How a request is made.
#[derive(Debug, Clone, Default)]
struct Ask {
    bearer: Option<String>,
    cookie: Option<String>,
    origin: Option<&'static str>,
    host: Option<&'static str>,
}

impl Ask {
    fn bearer(credential: &str) -> Self {
        Self { bearer: Some(credential.to_owned()), ..Self::default() }
    }

    fn cookie(credential: &str, origin: Option<&'static str>) -> Self {
        Self { cookie: Some(format!("{COOKIE}={credential}")), origin, ..Self::default() }
    }

    fn request(&self, method: &Method, path: &str, body: impl Into<Body>) -> Request<Body> {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header(header::HOST, self.host.unwrap_or("localhost:7433"));
        if let Some(bearer) = &self.bearer {
            request = request.header(header::AUTHORIZATION, format!("Bearer {bearer}"));
        }
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        if let Some(origin) = self.origin {
            request = request.header(header::ORIGIN, origin);
        }
        let address: IpAddr = "10.0.0.7".parse().unwrap();
        request.extension(Source(address)).body(body.into()).unwrap()
    }
}

async fn send(router: &Router, request: Request<Body>) -> (StatusCode, HeaderMap, String) {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = timeout(Duration::from_mins(2), body.collect()).await.unwrap().unwrap().to_bytes();
    (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

async fn call(router: &Router, ask: &Ask, method: Method, path: &str, body: Value) -> (StatusCode, String) {
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    let (status, _, text) = send(router, ask.request(&method, path, body)).await;
    (status, text)
}

fn code(text: &str) -> String {
    let problem: Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    problem["code"].as_str().unwrap().to_owned()
}

/// The path of a route with ids that exist nowhere.
fn example(world: &World, path: &str) -> String {
    path.replace("{session}", &world.session().to_string())
        .replace("{pairing}", &world.session().to_string().replace("ses_", "pai_"))
        .replace("{command}", &world.session().to_string().replace("ses_", "cmd_"))
        .replace("{invitation}", &world.session().to_string().replace("ses_", "inv_"))
        .replace("{account}", &world.session().to_string().replace("ses_", "acc_"))
        .replace("{device}", &world.session().to_string().replace("ses_", "dev_"))
        .replace("{connection}", &world.session().to_string().replace("ses_", "con_"))
        .replace("{upload}", &world.session().to_string().replace("ses_", "upl_"))
        .replace("{sha256}", &"ab".repeat(32))
        .replace("{*path}", StreamPath::feed(world.hub.account()).as_str())
}

#[tokio::test(start_paused = true)]
async fn every_route_takes_exactly_whom_the_table_says() {
    let world = World::new().await;
    let app = router(world.hub.clone());
    let (_, full) = world.device(&Right::ALL).await;
    let (_, viewer) = world.device(&[Right::Read]).await;
    let (_, nothing) = world.device(&[]).await;
    let (_, gone) = {
        let (device, credential) = world.device(&Right::ALL).await;
        world.hub.revoke(&world.owner, device.device).await.unwrap();
        (device, credential)
    };
    for route in ROUTES {
        // Ends the caller's own credential; has a test of its own.
        if route.path == "/v1/logout" {
            continue;
        }
        let path = example(&world, route.path);
        let ask = async |ask: Ask| call(&app, &ask, route.method.clone(), &path, json!({})).await;
        let passes = |status: StatusCode| !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        let name = format!("{} {path}", route.method);
        let (status, text) = ask(Ask::default()).await;
        assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{name} is in the table and not in the router");
        if route.need == Need::Nobody {
            assert_ne!(status, StatusCode::UNAUTHORIZED, "{name}");
            continue;
        }
        assert_eq!((status, code(&text).as_str()), (StatusCode::UNAUTHORIZED, "unauthenticated"), "{name}");
        for wrong in ["x", "twl_dev_", gone.as_str(), &format!("twl_dev_{}", "A".repeat(43))] {
            assert_eq!(ask(Ask::bearer(wrong)).await.0, StatusCode::UNAUTHORIZED, "{name} {wrong}");
            assert_eq!(
                ask(Ask::cookie(wrong, Some("http://localhost:7433"))).await.0,
                StatusCode::UNAUTHORIZED,
                "{name}"
            );
        }
        // Takes the node of another machine only; has tests of its own.
        if route.path.starts_with("/v1/link") {
            assert_eq!(ask(Ask::bearer(&full)).await.0, StatusCode::FORBIDDEN);
            continue;
        }
        assert!(passes(ask(Ask::bearer(&full)).await.0), "{name}");
        assert!(passes(ask(Ask::cookie(&full, Some("http://localhost:7433"))).await.0), "{name}");
        let reads = matches!(route.need, Need::Right(Right::Read));
        assert_eq!(
            ask(Ask::bearer(&viewer)).await.0 != StatusCode::FORBIDDEN,
            reads || route.path == "/v1/commands",
            "{name}"
        );
        let (status, text) = ask(Ask::bearer(&nothing)).await;
        assert!(status == StatusCode::FORBIDDEN || route.path == "/v1/commands", "{name}: {text}");
        // Another page makes the browser send the cookie.
        let changes = route.method != Method::GET;
        for origin in [Some("http://evil.example"), Some("null"), None] {
            let (status, text) = ask(Ask::cookie(&full, origin)).await;
            let refused = status == StatusCode::FORBIDDEN && code(&text) == "origin_not_allowed";
            assert_eq!(refused, changes, "{name} {origin:?}: {status} {text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_route_that_the_table_does_not_have_is_refused_to_everybody() {
    let world = World::new().await;
    let (_, full) = world.device(&Right::ALL).await;
    let app = guarded(routes().route("/v1/new", get(async || "new")), world.hub.clone());
    let (status, text) = call(&app, &Ask::bearer(&full), Method::GET, "/v1/new", Value::Null).await;
    assert_eq!((status, code(&text).as_str()), (StatusCode::FORBIDDEN, "forbidden"));
}

#[tokio::test(start_paused = true)]
async fn another_name_gets_nothing_on_any_path() {
    let world = World::new().await;
    let app = router(world.hub.clone());
    let paths = ROUTES.iter().map(|route| example(&world, route.path)).chain(["/".to_owned(), "/x".to_owned()]);
    for path in paths {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "localhost@evil.example",
            "localhost:1@evil.example",
            "",
            "127.0.0.1:7433",
        ] {
            let ask = Ask { host: Some(host), ..Ask::default() };
            let (status, text) = call(&app, &ask, Method::GET, &path, Value::Null).await;
            assert_eq!(
                (status, code(&text).as_str()),
                (StatusCode::MISDIRECTED_REQUEST, "host_not_allowed"),
                "{path} {host}"
            );
        }
        for host in ["LOCALHOST", "localhost:1", "[::1]:7433"] {
            let ask = Ask { host: Some(host), ..Ask::default() };
            assert_ne!(
                call(&app, &ask, Method::GET, &path, Value::Null).await.0,
                StatusCode::MISDIRECTED_REQUEST,
                "{path}"
            );
        }
    }
    let twice = Request::get("/healthz").header("host", "localhost").header("host", "evil.example").body(Body::empty());
    assert_eq!(send(&app, twice.unwrap()).await.0, StatusCode::MISDIRECTED_REQUEST);
    let none = Request::get("/healthz").body(Body::empty()).unwrap();
    assert_eq!(send(&app, none).await.0, StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn every_refusal_is_a_problem_with_a_request_id_and_safe_headers() {
    let world = World::new().await;
    let app = router(world.hub.clone());
    let (_, full) = world.device(&Right::ALL).await;
    let ask = Ask::bearer(&full);
    let long = "x".repeat(MAX_PREAUTH_FRAME_BYTES + 1);
    for (method, path, body, status, expected) in [
        (Method::GET, "/v1/nowhere", "", 404, "not_found"),
        (Method::PUT, "/v1/me", "", 405, "bad_request"),
        (Method::POST, "/v1/pairings/claim", "{", 400, "bad_request"),
        (Method::POST, "/v1/pairings/claim", "{\"code\":1}", 400, "bad_request"),
        (Method::POST, "/v1/pairings/claim", &long, 413, "body_too_large"),
        (Method::POST, "/v1/commands", "{}", 400, "bad_request"),
        (Method::GET, "/v1/commands/cmd_1", "", 404, "not_found"),
        (Method::GET, "/v1/audit?limit=x", "", 400, "bad_request"),
        (Method::GET, "/v1/audit?x=1", "", 400, "bad_request"),
    ] {
        let (found, headers, text) = send(&app, ask.request(&method, path, body.to_owned())).await;
        assert_eq!((found.as_u16(), code(&text).as_str()), (status, expected), "{method} {path}");
        assert_eq!(headers["content-type"], "application/problem+json");
        let problem: Problem = serde_json::from_str(&text).unwrap();
        assert_eq!(problem.request_id.as_deref(), headers["x-request-id"].to_str().ok());
        assert_eq!((problem.status, problem.hint.is_empty()), (status, false));
        for (name, value) in
            [("x-content-type-options", "nosniff"), ("cache-control", "no-store"), ("x-frame-options", "DENY")]
        {
            assert_eq!(headers[name], value, "{path}");
        }
        if status == 405 {
            assert!(headers.contains_key("allow"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_opener_policy_is_sent_where_browsers_take_it() {
    let world = World::new().await;
    let app = router(world.hub.clone());
    for (host, sent) in [("localhost:7433", true), ("[::1]:7433", true), ("evil.example", false), ("10.77.0.1", false)]
    {
        let request = Request::get("/").header("host", host).body(Body::empty()).unwrap();
        let (_, headers, _) = send(&app, request).await;
        assert_eq!(headers.contains_key("cross-origin-opener-policy"), sent, "{host}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_kind_and_a_forged_field_are_told_apart_and_audited() {
    let world = World::new().await;
    let app = router(world.hub.clone());
    let (_, full) = world.device(&Right::ALL).await;
    let good = serde_json::to_value(world.start_session(world.session())).unwrap();
    let mut unknown = good.clone();
    unknown["body"]["kind"] = json!("format_disk");
    let mut forged = good.clone();
    forged["sender"] = json!({"account": "me", "device": "mine"});
    for (body, status, expected) in [(unknown, 422, "unsupported"), (forged, 400, "bad_request")] {
        let (found, text) = call(&app, &Ask::bearer(&full), Method::POST, "/v1/commands", body).await;
        assert_eq!((found.as_u16(), code(&text).as_str()), (status, expected));
        let newest = world.audited().await.remove(0);
        assert_eq!((newest.action.as_str(), newest.outcome.as_str()), ("command.unknown", expected));
    }
    let (status, text) = call(&app, &Ask::bearer(&full), Method::POST, "/v1/commands", good.clone()).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    assert_eq!(call(&app, &Ask::bearer(&full), Method::POST, "/v1/commands", good).await, (status, text));
}

#[tokio::test(start_paused = true)]
async fn a_browser_pairs_by_http_and_logs_out() {
    let world = World::new().await;
    let app = router(world.hub.clone());
    let cli = Ask::bearer(&world.hub.node_credential().await.unwrap());
    let (_, offer) = call(&app, &cli, Method::POST, "/v1/pairings", json!({"once": false})).await;
    let offer: Value = serde_json::from_str(&offer).unwrap();
    let page = Ask { origin: Some("http://localhost:7433"), ..Ask::default() };
    let claim =
        json!({"code": offer["code"], "name": "Pocket", "platform": "a phone", "kind": "browser", "publicKey": null});
    let foreign = Ask { origin: Some("http://evil.example"), ..Ask::default() };
    assert_eq!(call(&app, &foreign, Method::POST, "/v1/pairings/claim", claim.clone()).await.0, StatusCode::FORBIDDEN);
    let (status, claimed) = call(&app, &page, Method::POST, "/v1/pairings/claim", claim).await;
    assert_eq!(status, StatusCode::OK, "{claimed}");
    let claimed: Value = serde_json::from_str(&claimed).unwrap();
    let path = format!("/v1/pairings/{}/answer", claimed["pairing"].as_str().unwrap());
    let answered = call(&app, &cli, Method::POST, &path, json!({"allow": true})).await;
    assert_eq!(answered.0, StatusCode::NO_CONTENT, "{}", answered.1);
    let asked = json!({"pairing": claimed["pairing"], "claimToken": claimed["claimToken"], "waitMs": 0});
    let (_, headers, text) = send(&app, page.request(&Method::POST, "/v1/pairings/status", asked.to_string())).await;
    assert!(matches!(serde_json::from_str(&text).unwrap(), ClaimStatus::Approved { credential: None, .. }));
    let cookie = headers[header::SET_COOKIE].to_str().unwrap();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=34560000"] {
        assert!(cookie.split("; ").any(|p| p == part), "{cookie}");
    }
    assert!(!cookie.contains("Secure"));
    let browser = Ask { cookie: cookie.split(';').next().map(str::to_owned), ..page };
    let (status, me) = call(&app, &browser, Method::GET, "/v1/me", Value::Null).await;
    assert_eq!(status, StatusCode::OK);
    let me: Value = serde_json::from_str(&me).unwrap();
    assert_eq!(me["host"], json!(world.hub.node()));
    let (_, headers, _) = send(&app, browser.request(&Method::POST, "/v1/logout", "")).await;
    assert!(headers[header::SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(headers["clear-site-data"], "\"cache\"");
    assert_eq!(call(&app, &browser, Method::GET, "/v1/me", Value::Null).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_guesses_is_told_when_to_come_back() {
    let world = World::new().await;
    let app = router(world.hub.clone());
    let claim = json!({"code": "00000000", "name": "x", "platform": "x", "kind": "browser", "publicKey": null});
    for _ in 0..PAIRING_MAX_TRIES_PER_SOURCE {
        let (status, text) = call(&app, &Ask::default(), Method::POST, "/v1/pairings/claim", claim.clone()).await;
        assert_eq!((status.as_u16(), code(&text).as_str()), (403, "pairing_invalid"));
    }
    let request = Ask::default().request(&Method::POST, "/v1/pairings/claim", claim.to_string());
    let (status, headers, _) = send(&app, request).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((590..=600).contains(&wait), "{wait}");
}

#[tokio::test(start_paused = true)]
async fn streams_are_read_by_their_account_only_and_written_by_nobody() {
    let world = World::new().await;
    let app = router(world.hub.clone());
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    let turn = world.running_turn(generation, session).await;
    let (_, own) = world.device(&[Right::Read]).await;
    let (_, foreign) = world.stranger().await;
    let feed = StreamPath::feed(world.hub.account());
    for stream in [feed.clone(), StreamPath::journal(session), StreamPath::turn(turn)] {
        let path = format!("/v1/stream/{stream}");
        assert_eq!(call(&app, &Ask::bearer(&own), Method::GET, &path, Value::Null).await.0, StatusCode::OK, "{path}");
        assert_eq!(call(&app, &Ask::bearer(&own), Method::HEAD, &path, Value::Null).await.0, StatusCode::OK, "{path}");
        let (status, text) = call(&app, &Ask::bearer(&foreign), Method::GET, &path, Value::Null).await;
        assert_eq!((status.as_u16(), code(&text).as_str()), (404, "not_found"));
        for method in [Method::PUT, Method::POST, Method::DELETE, Method::OPTIONS, Method::PATCH] {
            let status = call(&app, &Ask::bearer(&own), method.clone(), &path, json!({})).await.0;
            assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        }
    }
    let tricks = [
        format!("accounts/{}/../{}/feed", world.hub.account(), world.hub.account()),
        format!("sessions%2F{session}%2Fjournal%00"),
        format!("{feed}/x"),
        "hub/owner".to_owned(),
    ];
    for trick in tricks {
        let (status, _) =
            call(&app, &Ask::bearer(&own), Method::GET, &format!("/v1/stream/{trick}"), Value::Null).await;
        assert!(matches!(status.as_u16(), 400 | 404), "{trick}: {status}");
    }
}

#[tokio::test(start_paused = true)]
async fn somebody_else_finds_nothing_of_the_owners() {
    let world = World::new().await;
    let app = router(world.hub.clone());
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    let request = world.prompt(session, "mine");
    world.hub.submit(&world.owner, request.clone()).await.unwrap();
    let (device, _) = world.device(&Right::ALL).await;
    let offer = world.hub.offer_pairing(&world.owner, protocol::api::NewPairing::default()).await.unwrap();
    let claim = json!({"code": offer.code, "name": "x", "platform": "x", "kind": "browser", "publicKey": null});
    call(&app, &Ask::default(), Method::POST, "/v1/pairings/claim", claim).await;
    let (_, foreign) = world.stranger().await;
    let foreign = Ask::bearer(&foreign);
    for path in ["/v1/lists", "/v1/audit", "/v1/pairings", "/v1/devices", "/v1/me"] {
        let (status, text) = call(&app, &foreign, Method::GET, path, Value::Null).await;
        assert_eq!(status, StatusCode::OK);
        for id in [device.device.to_string(), session.to_string(), request.id.to_string(), offer.pairing.to_string()] {
            assert!(!text.contains(&id), "{path}");
        }
    }
    for (method, path, body) in [
        (Method::GET, format!("/v1/sessions/{session}/transcript"), Value::Null),
        (Method::GET, format!("/v1/commands/{}", request.id), Value::Null),
        (Method::DELETE, format!("/v1/commands/{}", request.id), Value::Null),
        (Method::DELETE, format!("/v1/devices/{}", device.device), Value::Null),
        (Method::DELETE, format!("/v1/devices/{}", world.hub.node()), Value::Null),
        (Method::POST, format!("/v1/pairings/{}/answer", offer.pairing), json!({"allow": true})),
        (Method::POST, "/v1/commands".to_owned(), serde_json::to_value(world.prompt(session, "theirs")).unwrap()),
        (Method::GET, format!("/v1/stream/{}", StreamPath::feed(world.hub.account())), Value::Null),
        (Method::GET, format!("/v1/stream/{}", StreamPath::journal(session)), Value::Null),
    ] {
        let (status, text) = call(&app, &foreign, method.clone(), &path, body).await;
        assert_eq!((status.as_u16(), code(&text).as_str()), (404, "not_found"), "{method} {path}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_live_ends_at_once_when_the_device_is_revoked_or_the_hub_stops() {
    for (live, revoked) in [("sse", true), ("sse", false), ("long-poll", true), ("long-poll", false)] {
        let world = World::new().await;
        let app = router(world.hub.clone());
        let (device, credential) = world.device(&[Right::Read]).await;
        let feed = StreamPath::feed(world.hub.account());
        let tail = world.hub.streams().head(&feed).await.unwrap().unwrap().tail;
        let path = format!("/v1/stream/{feed}?offset={tail}&live={live}");
        let request = Ask::bearer(&credential).request(&Method::GET, &path, Body::empty());
        let reader = tokio::spawn(async move { send(&app, request).await });
        sleep(Duration::from_secs(1)).await;
        assert!(!reader.is_finished(), "{live}");
        if revoked {
            world.hub.revoke(&world.owner, device.device).await.unwrap();
        } else {
            world.hub.stopping().cancel();
        }
        timeout(Duration::from_secs(2), reader).await.expect(live).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn readiness_follows_the_store_and_the_shutdown() {
    let clock = crate::testing::TestClock::new();
    let store = Arc::new(store::Faulty::new(store::MemoryStore::new(clock.clone())));
    let world = World::over(store.clone(), clock).await;
    let app = router(world.hub.clone());
    let ready = async || call(&app, &Ask::default(), Method::GET, "/readyz", Value::Null).await.0.as_u16();
    assert_eq!(ready().await, 204);
    store.plan_commit(Some(store::CommitFault::Before));
    assert_eq!(ready().await, 503);
    assert_eq!(ready().await, 503);
    store.mend();
    assert_eq!(ready().await, 204);
    world.hub.stop().await;
    assert_eq!(ready().await, 503);
    assert_eq!(call(&app, &Ask::default(), Method::GET, "/healthz", Value::Null).await.0.as_u16(), 204);
}

/// A log that a test reads.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn neither_words_nor_secrets_reach_the_log_or_the_audit_trail() {
    const CANARY: &str = "the-canary-sings-at-dawn";
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let world = World::new().await;
    let app = router(world.hub.clone());
    let credential = world.hub.node_credential().await.unwrap();
    let cli = Ask::bearer(&credential);
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    let turn = world.running_turn(generation, session).await;
    let prompt = serde_json::to_value(world.prompt(session, CANARY)).unwrap();
    let mut broken = prompt.clone();
    broken["body"]["content"] = json!(CANARY);
    let mut strange = prompt.clone();
    strange["body"]["kind"] = json!(CANARY);
    for body in [prompt, broken, strange] {
        call(&app, &cli, Method::POST, "/v1/commands", body).await;
    }
    let facts = vec![world.item_fact(session, turn, CANARY), world.turn_fact(session, turn, TurnState::Completed)];
    let streams = vec![StreamStep::Journal(session, facts)];
    world.report(Report { generation, streams, ..Report::default() }).await;
    let (_, offer) = call(&app, &cli, Method::POST, "/v1/pairings", json!({"once": true})).await;
    let offer: Value = serde_json::from_str(&offer).unwrap();
    let claim = json!({"code": offer["secret"], "name": CANARY, "platform": "x", "kind": "program", "publicKey": null});
    let (_, claimed) = call(&app, &Ask::default(), Method::POST, "/v1/pairings/claim", claim).await;
    let claimed: Value = serde_json::from_str(&claimed).unwrap();
    let asked = json!({"pairing": claimed["pairing"], "claimToken": claimed["claimToken"], "waitMs": 0});
    let (_, status) = call(&app, &Ask::default(), Method::POST, "/v1/pairings/status", asked).await;
    let status: Value = serde_json::from_str(&status).unwrap();
    let told = status["credential"].as_str().expect("a credential");
    let wrong = json!({"code": CANARY, "name": "x", "platform": "x", "kind": "program", "publicKey": null});
    call(&app, &Ask::default(), Method::POST, "/v1/pairings/claim", wrong).await;
    call(&app, &cli, Method::GET, &format!("/v1/lists?token={CANARY}"), Value::Null).await;
    let (_, audit) = call(&app, &cli, Method::GET, "/v1/audit", Value::Null).await;
    let written = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(written.contains("/v1/commands"), "the log was written: {written}");
    assert!(audit.contains(&format!("\"contentBytes\":{}", CANARY.len())));
    let code = offer["code"].as_str().unwrap();
    let secrets = [CANARY, &credential, told, code, &code.replace('-', ""), offer["secret"].as_str().unwrap()];
    for secret in secrets.into_iter().chain([claimed["claimToken"].as_str().unwrap()]) {
        assert!(!written.contains(secret), "in the log");
        assert!(!audit.contains(secret), "in the audit trail");
    }
    // Of secrets the store has hashes only.
    for entry in world.hub.scan("hub/".to_owned(), None, 10_000).await.unwrap() {
        let text = String::from_utf8_lossy(&entry.value).into_owned();
        for secret in [&credential, told, code, &code.replace('-', ""), offer["secret"].as_str().unwrap()] {
            assert!(!text.contains(secret), "{}", entry.key);
        }
    }
}

mod connections {
    //! Over real sockets on loopback.

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn exchange(stream: &mut TcpStream, text: &str) -> String {
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let count = stream.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[..count]).into_owned()
    }

    #[tokio::test]
    async fn shutdown_ends_live_streams_and_idle_connections_within_its_budget() {
        let world = World::new().await;
        let credential = world.hub.node_credential().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let hub = world.hub.clone();
        let server = tokio::spawn(async move {
            crate::serve(&hub, listener, async { drop(stopped.await) }, Duration::from_secs(5)).await;
            hub.stop().await;
        });
        let mut idle = TcpStream::connect(address).await.unwrap();
        let answer = exchange(&mut idle, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
        let silent = TcpStream::connect(address).await.unwrap();
        let mut live = TcpStream::connect(address).await.unwrap();
        let feed = StreamPath::feed(world.hub.account());
        let head = format!("Host: localhost\r\nAuthorization: Bearer {credential}\r\n\r\n");
        let answer = exchange(&mut live, &format!("GET /v1/stream/{feed}?offset=-1&live=sse HTTP/1.1\r\n{head}")).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let began = std::time::Instant::now();
        stop.send(()).unwrap();
        timeout(Duration::from_secs(4), server).await.expect("it ends before its budget does").unwrap();
        assert!(began.elapsed() < Duration::from_secs(4));
        let mut rest = Vec::new();
        timeout(Duration::from_secs(1), live.read_to_end(&mut rest)).await.unwrap().unwrap();
        assert!(rest.ends_with(b"0\r\n\r\n"), "the body ended in order");
        drop(silent);
        assert!(TcpStream::connect(address).await.is_err());
    }
}
