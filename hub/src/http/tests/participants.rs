//! Every route, as those see it who take part in a session of somebody else: who reads, who steers, who is out again, and who never was in.
//! A route that has no case here fails the test.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use protocol::api::CommandRelease;
use protocol::blob::UploadRequest;
use protocol::id::CommandId;
use protocol::participant::ParticipantRole::{Editor, Viewer};
use protocol::path::StreamPath;
use serde_json::{Value, json};
use store::{Batch, Put};
use tower::ServiceExt as _;

use super::{Ask, code, send};
use crate::Identity;
use crate::http::{Need, ROUTES, Route, router};
use crate::participants::tests::Shared;

/// A shared session with all that hangs on it, and everybody who may ask for it.
struct Table {
    shared: Shared,
    app: Router,
    viewer: (Identity, String),
    editor: (Identity, String),
    out: String,
    stranger: String,
    /// The owner's, which waits; and one of the editor's.
    command: CommandId,
    blob: String,
    upload: String,
    /// Ids and words that nobody but the owner may read.
    secrets: Vec<String>,
}

impl Table {
    async fn new() -> Self {
        let shared = Shared::new().await;
        let hub = &shared.world.hub;
        let viewer = shared.guest(Viewer, true).await;
        let editor = shared.guest(Editor, true).await;
        let (gone, out) = shared.guest(Editor, true).await;
        hub.remove_participant(&shared.owner, shared.session, gone.account).await.unwrap();
        let (_, stranger) = shared.world.stranger().await;
        let announce = UploadRequest { name: "a.txt".into(), media_type: "text/plain".into(), size_bytes: 5 };
        let open = hub.begin_upload(&shared.owner, &announce).await.unwrap().upload;
        let upload = hub.begin_upload(&shared.owner, &announce).await.unwrap().upload;
        let whole = hub.add_piece(&shared.owner, upload, 0, Bytes::from_static(b"tides")).await.unwrap();
        let blob = whole.blob.unwrap().sha256;
        let used = Put::set(crate::keys::file(shared.session, blob), "");
        hub.commit(Batch::of(used)).await.unwrap();
        let request = shared.prompt("neap tide");
        hub.submit(&shared.owner, request.clone()).await.unwrap();
        let private = shared.make(&shared.owner, shared.host, "private").await;
        Self {
            app: router(hub.clone()),
            viewer,
            editor,
            out,
            stranger,
            command: request.id,
            blob: blob.to_string(),
            upload: open.to_string(),
            secrets: vec![private.to_string(), "private".to_owned(), open.to_string(), upload.to_string()],
            shared,
        }
    }

    /// What of the shared session itself nobody else may read.
    fn inner(&self) -> Vec<String> {
        let shared = &self.shared;
        let ids = [shared.session.to_string(), shared.turn.to_string(), shared.approval.to_string()];
        let rest = [self.command.to_string(), shared.owner.account.to_string(), shared.host.to_string()];
        ids.into_iter().chain(rest).chain(["neap tide".to_owned()]).collect()
    }

    async fn ask(&self, credential: &str, method: &Method, path: &str, body: &Value) -> (u16, String) {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let mut request: Request<Body> = Ask::bearer(credential).request(method, path, body);
        request.headers_mut().insert("upload-offset", HeaderValue::from_static("0"));
        let (status, _, text) = send(&self.app, request).await;
        (status.as_u16(), text)
    }
}

/// What a route answers.
enum Seen {
    /// About the caller alone: the same for all.
    Own(u16),
    /// To who reads and to who steers; to all others it does not exist.
    Shared(u16, u16),
    /// The owner's alone.
    Nobody,
}

/// What of the shared session stands in the lists of whoever takes part.
fn shared_words(table: &Table) -> String {
    format!("\"key\":\"{}\"", table.shared.session)
}

/// What is asked of a route; `None` for one that nobody has thought of.
fn case(table: &Table, route: &Route) -> Option<(Seen, String, Value)> {
    let shared = &table.shared;
    let path = route.path;
    let with = |name: &str, id: &str| path.replace(&format!("{{{name}}}"), id);
    let session = || with("session", &shared.session.to_string());
    let command = || with("command", &table.command.to_string());
    let id = |prefix: &str| shared.world.session().to_string().replace("ses_", prefix);
    let upload = json!({"name": "b.txt", "mediaType": "text/plain", "sizeBytes": 5});
    Some(match (route.method.as_str(), path) {
        ("GET", "/v1/me" | "/v1/lists" | "/v1/audit" | "/v1/devices" | "/v1/pairings" | "/v1/access") => {
            (Seen::Own(200), path.to_owned(), Value::Null)
        }
        ("POST", "/v1/pairings") => (Seen::Own(200), path.to_owned(), json!({"once": false})),
        ("POST", "/v1/uploads") => (Seen::Own(200), path.to_owned(), upload),
        ("POST", "/v1/pairings/accept") => (Seen::Own(403), path.to_owned(), json!({"code": "AAAA-AAAA"})),
        ("GET", "/v1/link") | ("POST", "/v1/link/polled") => (Seen::Own(403), path.to_owned(), Value::Null),
        ("POST", "/v1/link/polled/{connection}/say" | "/v1/link/polled/{connection}/hear") => {
            (Seen::Own(403), with("connection", &id("con_")), json!({}))
        }
        ("POST", "/v1/logout") => (Seen::Own(204), path.to_owned(), Value::Null),
        // Its frames have tests of their own.
        ("GET", "/v1/connect") => (Seen::Own(400), path.to_owned(), Value::Null),
        ("PUT", "/v1/access") => (Seen::Nobody, path.to_owned(), json!({"state": "disabled"})),
        ("POST", "/v1/invitations") => (Seen::Nobody, path.to_owned(), json!({"name": "Ada"})),
        ("POST", "/v1/setup-link") | ("GET", "/v1/health" | "/v1/invitations" | "/v1/accounts") => {
            (Seen::Nobody, path.to_owned(), Value::Null)
        }
        ("DELETE", "/v1/invitations/{invitation}") => (Seen::Nobody, with("invitation", &id("inv_")), Value::Null),
        ("DELETE", "/v1/accounts/{account}") => {
            (Seen::Nobody, with("account", &shared.owner.account.to_string()), Value::Null)
        }
        ("POST", "/v1/pairings/{pairing}/answer") => {
            (Seen::Nobody, with("pairing", &id("pai_")), json!({"allow": true}))
        }
        ("GET", "/v1/sessions/{session}/transcript" | "/v1/sessions/{session}/participants") => {
            (Seen::Shared(200, 200), session(), Value::Null)
        }
        ("PATCH", "/v1/sessions/{session}") => {
            (Seen::Nobody, session(), json!({"title": "mine now", "archived": null}))
        }
        ("DELETE", "/v1/sessions/{session}") => (Seen::Nobody, session(), Value::Null),
        ("PUT", "/v1/sessions/{session}/read") => (Seen::Shared(204, 204), session(), json!({"readTurns": 1})),
        ("POST", "/v1/sessions/{session}/invitations") => {
            (Seen::Nobody, session(), json!({"role": "editor", "trusted": true}))
        }
        ("DELETE", "/v1/sessions/{session}/invitations/{invitation}") => {
            (Seen::Nobody, session().replace("{invitation}", &id("inv_")), Value::Null)
        }
        ("PATCH", "/v1/sessions/{session}/participants/{account}") => {
            // Least of all itself.
            let path = session().replace("{account}", &table.viewer.0.account.to_string());
            (Seen::Nobody, path, json!({"role": "editor", "trusted": true}))
        }
        ("DELETE", "/v1/sessions/{session}/participants/{account}") => {
            (Seen::Nobody, session().replace("{account}", &shared.owner.account.to_string()), Value::Null)
        }
        ("POST", "/v1/participants/join") => (Seen::Nobody, path.to_owned(), json!({"secret": "a guess"})),
        ("GET" | "PATCH", "/v1/uploads/{upload}") => (Seen::Nobody, with("upload", &table.upload), json!("abc")),
        ("GET", "/v1/blobs/{sha256}") => {
            let path = format!("{}?session={}", with("sha256", &table.blob), shared.session);
            (Seen::Shared(200, 200), path, Value::Null)
        }
        ("POST", "/v1/commands") => {
            let prompt = serde_json::to_value(shared.prompt("theirs")).unwrap();
            (Seen::Shared(403, 200), path.to_owned(), prompt)
        }
        ("GET" | "DELETE", "/v1/commands/{command}") | ("POST", "/v1/commands/{command}/release") => {
            (Seen::Nobody, command(), Value::Null)
        }
        ("PATCH", "/v1/commands/{command}") => (Seen::Nobody, command(), json!({"text": "mine", "ttlMs": 60_000})),
        ("POST", "/v1/commands/{command}/move") => (Seen::Nobody, command(), json!({"before": null})),
        ("DELETE", "/v1/rules/{rule}") => (Seen::Nobody, with("rule", &id("rul_")), Value::Null),
        ("DELETE", "/v1/devices/{device}") => {
            (Seen::Nobody, with("device", &shared.owner.device.to_string()), Value::Null)
        }
        ("GET", "/v1/stream/{*path}") => {
            let path = format!("/v1/stream/{}?offset=-1", StreamPath::journal(shared.session));
            (Seen::Shared(200, 200), path, Value::Null)
        }
        _ => return None,
    })
}

#[tokio::test(start_paused = true)]
async fn every_route_knows_who_reads_who_steers_who_is_out_and_who_never_was_in() {
    for route in ROUTES.iter().filter(|route| route.need != Need::Nobody) {
        // Anew for each route: what is done is done.
        let table = Table::new().await;
        let name = format!("{} {}", route.method, route.path);
        let Some((seen, path, body)) = case(&table, route) else { panic!("{name} has no case here") };
        let (viewer, editor, others) = match seen {
            Seen::Own(status) => (status, status, status),
            Seen::Shared(viewer, editor) => (viewer, editor, 404),
            Seen::Nobody => (404, 404, 404),
        };
        for (who, credential, expected) in [
            ("viewer", &table.viewer.1, viewer),
            ("editor", &table.editor.1, editor),
            ("who is out", &table.out, others),
            ("a stranger", &table.stranger, others),
        ] {
            let (status, text) = table.ask(credential, &route.method, &path, &body).await;
            assert_eq!(status, expected, "{name} of {who}: {text}");
            if status == 404 {
                assert_eq!(code(&text), "not_found", "{name} of {who}");
            }
            for secret in &table.secrets {
                assert!(!text.contains(secret), "{name} tells {who} of {secret}");
            }
            // Of the time when it was in, its own trail may tell.
            if expected == others && matches!(seen, Seen::Shared(..)) {
                for secret in table.inner() {
                    assert!(!text.contains(&secret), "{name} tells {who} of {secret}");
                }
            }
        }
        if route.path == "/v1/lists" {
            for (credential, sees) in [(&table.viewer.1, true), (&table.out, false), (&table.stranger, false)] {
                let (_, text) = table.ask(credential, &route.method, &path, &body).await;
                for secret in table.inner() {
                    assert!(sees || !text.contains(&secret), "the lists tell of {secret}");
                }
                assert_eq!(text.contains(&shared_words(&table)), sees);
                let kinds = ["\"type\":\"host\"", "\"type\":\"project\"", "\"type\":\"rule\""];
                assert!(kinds.iter().all(|kind| !text.contains(kind)), "{text}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_stream_and_file_is_asked_for_by_whoever_takes_part() {
    let table = Table::new().await;
    let shared = &table.shared;
    let (journal, turn) = (StreamPath::journal(shared.session), StreamPath::turn(shared.turn));
    let inner = StreamPath::upload(table.upload.parse().unwrap());
    let feed = StreamPath::feed(shared.owner.account);
    for (stream, open) in [(&journal, true), (&turn, true), (&feed, false), (&inner, false)] {
        for way in ["?offset=-1", "?offset=-1&live=long-poll", "?offset=-1&live=sse"] {
            let path = format!("/v1/stream/{stream}{way}");
            for credential in [&table.out, &table.stranger] {
                assert_eq!(table.ask(credential, &Method::GET, &path, &Value::Null).await.0, 404, "{path}");
            }
            if open && way.ends_with("sse") {
                continue;
            }
            let expected = if open { 200 } else { 404 };
            for credential in [&table.viewer.1, &table.editor.1] {
                assert_eq!(table.ask(credential, &Method::GET, &path, &Value::Null).await.0, expected, "{path}");
            }
        }
    }
    // A file is there with the session that uses it, and only with that one.
    let blob = format!("/v1/blobs/{}", table.blob);
    let other = shared.make(&shared.owner, shared.host, "other").await;
    for (path, credential, expected) in [
        (blob.clone(), &table.viewer.1, 404),
        (format!("{blob}?session={other}"), &table.viewer.1, 404),
        (format!("{blob}?session={other}"), &shared.credential, 404),
        (format!("{blob}?session={}", shared.session), &shared.credential, 200),
        (blob.clone(), &shared.credential, 200),
        (format!("{blob}?session=x"), &table.viewer.1, 400),
    ] {
        assert_eq!(table.ask(credential, &Method::GET, &path, &Value::Null).await.0, expected, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_held_prompt_is_let_run_over_http_by_its_owner_alone() {
    let table = Table::new().await;
    let shared = &table.shared;
    let (_, credential) = shared.guest(Editor, false).await;
    let request = shared.prompt("theirs");
    let sent = table.ask(&credential, &Method::POST, "/v1/commands", &json!(request)).await;
    assert_eq!(sent.0, 200, "{}", sent.1);
    let path = format!("/v1/commands/{}/release", request.id);
    for credential in [&credential, &table.editor.1, &table.stranger] {
        assert_eq!(table.ask(credential, &Method::POST, &path, &Value::Null).await.0, 404);
    }
    let (status, text) = table.ask(&shared.credential, &Method::POST, &path, &json!({"what": 1})).await;
    assert_eq!(status, 400, "{text}");
    for body in [Value::Null, json!({}), json!(CommandRelease::default())] {
        let (status, text) = table.ask(&shared.credential, &Method::POST, &path, &body).await;
        assert_eq!(status, 200, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_open_over_http_ends_within_two_seconds_of_a_removal() {
    let table = Table::new().await;
    let shared = &table.shared;
    let path = format!("/v1/stream/{}", StreamPath::journal(shared.session));
    let begin = async |credential: &str, way: &str| {
        let ask = Ask::bearer(credential).request(&Method::GET, &format!("{path}{way}"), Body::empty());
        table.app.clone().oneshot(ask).await.unwrap()
    };
    let read = begin(&table.viewer.1, "?offset=-1").await;
    let next = read.headers()["stream-next-offset"].to_str().unwrap().to_owned();
    let sse = begin(&table.viewer.1, &format!("?offset={next}&live=sse")).await;
    assert_eq!(sse.status(), StatusCode::OK);
    let others = begin(&table.editor.1, &format!("?offset={next}&live=sse")).await;
    // Files that nobody has read a byte of yet: whoever reads slowly is there for long.
    let file = format!("/v1/blobs/{}?session={}", table.blob, shared.session);
    let file_of = async |credential: &str| {
        let ask = Ask::bearer(credential).request(&Method::GET, &file, Body::empty());
        table.app.clone().oneshot(ask).await.unwrap()
    };
    let (cut, whole) = (file_of(&table.viewer.1).await, file_of(&table.editor.1).await);
    assert_eq!((cut.status(), whole.status()), (StatusCode::OK, StatusCode::OK));
    let app = table.app.clone();
    let ask = Ask::bearer(&table.viewer.1);
    let poll = ask.request(&Method::GET, &format!("{path}?offset={next}&live=long-poll"), Body::empty());
    let poll = tokio::spawn(async move { app.oneshot(poll).await.unwrap() });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!poll.is_finished());
    let removed = tokio::time::Instant::now();
    shared.world.hub.remove_participant(&shared.owner, shared.session, table.viewer.0.account).await.unwrap();
    assert_eq!(poll.await.unwrap().status(), StatusCode::NOT_FOUND);
    tokio::time::timeout(Duration::from_secs(2), sse.into_body().collect()).await.expect("it ends").unwrap();
    assert!(removed.elapsed() <= Duration::from_secs(2));
    assert!(cut.into_body().collect().await.unwrap().to_bytes().is_empty(), "nothing more of the file");
    assert_eq!(whole.into_body().collect().await.unwrap().to_bytes(), "tides");
    let goes_on = tokio::time::timeout(Duration::from_secs(2), others.into_body().collect()).await;
    assert!(goes_on.is_err(), "nobody else is cut");
}
