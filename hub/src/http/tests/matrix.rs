//! Two accounts never see anything of each other: every route of the table, with what is the owner's in it, asked by the owner, by somebody
//! else, by a device that was revoked, and without a credential (W-019, W-077…W-082). A route that has no case here fails the test.

use std::collections::BTreeSet;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode};
use protocol::account::NewInvitation;
use protocol::approval::{Approval, ApprovalContent, ApprovalKind, ApprovalState};
use protocol::blob::UploadRequest;
use protocol::command::{AnswerContent, CommandBody, CommandRequest, EditContent, PromptContent, StartContent};
use protocol::device::Right;
use protocol::fact::{FACT_VERSION, FeedFact, Operation, SessionFact};
use protocol::id::{ApprovalId, CommandId, DeviceId, ProjectId, RuleId, SessionId, TurnId};
use protocol::item::Sender;
use protocol::path::StreamPath;
use protocol::port::{Report, StreamStep};
use protocol::rule::{Rule, RuleContent, RuleScope};
use protocol::session::{Activity, Session, SessionContent};
use protocol::time::Clock as _;
use protocol::turn::TurnState;
use serde_json::{Value, json};

use super::{Ask, call, code, send};
use crate::http::{Need, ROUTES, Route, router};
use crate::testing::World;

/// What belongs to the owner of a hub, with what it takes to ask for it.
struct Estate {
    world: World,
    app: Router,
    /// Who asks: the owner, somebody else with every right, a device of the owner that was revoked.
    owner: String,
    other: String,
    revoked: String,
    session: SessionId,
    turn: TurnId,
    approval: ApprovalId,
    rule: RuleId,
    command: CommandId,
    device: DeviceId,
    open: String,
    upload: String,
    blob: String,
    pairing: String,
    /// Of a shared hub only.
    invitation: String,
    guest: String,
}

impl Estate {
    /// An estate on somebody's own node, or on a hub that is shared.
    async fn new(shared: bool) -> Self {
        let world = if shared { World::shared().await } else { World::new().await };
        let app = router(world.hub.clone());
        let (device, _) = world.device(&Right::ALL).await;
        let (gone, revoked) = world.device(&Right::ALL).await;
        world.hub.revoke(&world.owner, gone.device).await.unwrap();
        let (_, other) = world.stranger().await;
        let offer = world.hub.offer_pairing(&world.owner, protocol::api::NewPairing::default()).await.unwrap();
        let claim = json!({"code": offer.code, "name": "x", "platform": "x", "kind": "browser", "publicKey": null});
        call(&app, &Ask::default(), Method::POST, "/v1/pairings/claim", claim).await;
        let announce = UploadRequest { name: "a.txt".into(), media_type: "text/plain".into(), size_bytes: 5 };
        let open = world.hub.begin_upload(&world.owner, &announce).await.unwrap().upload;
        let upload = world.hub.begin_upload(&world.owner, &announce).await.unwrap().upload;
        let whole = world.hub.add_piece(&world.owner, upload, 0, Bytes::from_static(b"tides")).await.unwrap();
        let mut estate = Self {
            app,
            owner: world.hub.node_credential().await.unwrap(),
            other,
            revoked,
            session: world.session(),
            turn: world.turn(),
            approval: ApprovalId::from_uuid(world.clock.fresh()),
            rule: RuleId::from_uuid(world.clock.fresh()),
            command: CommandId::from_uuid(world.clock.fresh()),
            device: device.device,
            open: open.to_string(),
            upload: upload.to_string(),
            blob: whole.blob.unwrap().sha256.to_string(),
            pairing: offer.pairing.to_string(),
            invitation: String::new(),
            guest: String::new(),
            world,
        };
        if shared {
            let world = &estate.world;
            let invited = world.hub.invite(&world.owner, NewInvitation::default()).await.unwrap();
            estate.invitation = invited.invitation.to_string();
            estate.guest = world.stranger().await.0.account.to_string();
        } else {
            estate.work().await;
        }
        estate
    }

    /// A session with a turn that runs, a question, a rule, and a prompt that waits.
    async fn work(&mut self) {
        let world = &self.world;
        let generation = world.start_host().await;
        self.session = world.live_session(generation).await;
        self.turn = world.running_turn(generation, self.session).await;
        let (session, turn, now) = (self.session, self.turn, world.clock.now());
        let approval = Approval {
            v: FACT_VERSION,
            session,
            turn,
            item: None,
            ord: 2,
            kind: ApprovalKind::Permission,
            state: ApprovalState::Pending,
            options: Vec::new(),
            decision: None,
            created_at_ms: now,
            expires_at_ms: None,
            content: ApprovalContent::default(),
        };
        let rule = Rule {
            v: FACT_VERSION,
            host: world.hub.node(),
            project: ProjectId::from_uuid(world.clock.fresh()),
            session: Some(session),
            by: Sender { account: world.hub.account(), device: self.device },
            created_at_ms: now,
            expires_at_ms: None,
            uses: 0,
            used_at_ms: None,
            content: RuleContent {
                words: "`make`".to_owned(),
                scope: RuleScope::Command { words: vec!["make".to_owned()], exact: true },
            },
        };
        let listed = Session {
            v: FACT_VERSION,
            account: world.hub.account(),
            host: world.hub.node(),
            project: rule.project,
            agent: "demo".to_owned(),
            model: None,
            mode: None,
            effort: None,
            activity: Activity::Working,
            last_turn: None,
            queued_turns: 0,
            background_tasks: 0,
            created_at_ms: now,
            updated_at_ms: now,
            archived_at_ms: None,
            ended_turns: 0,
            from: None,
            content: SessionContent { title: "tides".to_owned(), doing: None },
        };
        let facts = vec![
            world.turn_fact(session, turn, TurnState::Running),
            world.item_fact(session, turn, "spring tide"),
            SessionFact::from((self.approval, Operation::Insert, approval.clone())),
        ];
        let feed = vec![
            FeedFact::from((session, Operation::Insert, listed)),
            FeedFact::from((self.approval, Operation::Insert, approval)),
            FeedFact::from((self.rule, Operation::Insert, rule)),
        ];
        let streams = vec![StreamStep::Journal(session, facts)];
        world.report(Report { generation, streams, feed, ..Report::default() }).await;
        let prompt = CommandRequest { id: self.command, ..world.prompt(session, "neap tide") };
        world.hub.submit(&world.owner, prompt).await.unwrap();
    }

    /// Every id and word of the owner's that nobody else may read.
    fn secrets(&self) -> Vec<String> {
        let world = &self.world;
        let mut all = vec![world.hub.account().to_string(), world.hub.node().to_string(), self.device.to_string()];
        all.extend(
            [&self.open, &self.upload, &self.blob, &self.pairing, &self.invitation, &self.guest].map(Clone::clone),
        );
        all.extend([self.session.to_string(), self.turn.to_string(), self.approval.to_string()]);
        all.extend([self.rule.to_string(), self.command.to_string()]);
        all.extend(["spring tide", "neap tide"].map(str::to_owned));
        all.retain(|secret| !secret.is_empty());
        all
    }

    async fn ask(&self, credential: Option<&str>, method: &Method, path: &str, body: &Value) -> (StatusCode, String) {
        let ask = credential.map(Ask::bearer).unwrap_or_default();
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let mut request: Request<Body> = ask.request(method, path, body);
        request.headers_mut().insert("upload-offset", HeaderValue::from_static("0"));
        let (status, _, text) = send(&self.app, request).await;
        (status, text)
    }
}

/// What is expected of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    /// Its answer is about the caller alone.
    Own,
    /// It names something of the owner's: to anybody else that does not exist, exactly as if it never had.
    Named,
    /// It is the business of whoever runs the hub: to anybody else there is nothing.
    Owners,
}

/// What is asked of a route, and what the owner is answered; `None` for a route that nobody has thought of.
fn case(estate: &Estate, route: &Route) -> Option<(Case, String, Value, StatusCode)> {
    let (ok, nothing) = (StatusCode::OK, StatusCode::NO_CONTENT);
    let path = route.path;
    let with = |name: &str, id: &str| path.replace(&format!("{{{name}}}"), id);
    let session = || with("session", &estate.session.to_string());
    let command = || with("command", &estate.command.to_string());
    let upload = json!({"name": "b.txt", "mediaType": "text/plain", "sizeBytes": 5});
    let prompt = || serde_json::to_value(estate.world.prompt(estate.session, "theirs")).unwrap();
    Some(match (route.method.as_str(), path) {
        ("GET", "/v1/me" | "/v1/lists" | "/v1/audit" | "/v1/devices" | "/v1/pairings" | "/v1/access") => {
            (Case::Own, path.to_owned(), Value::Null, ok)
        }
        ("POST", "/v1/pairings") => (Case::Own, path.to_owned(), json!({"once": false}), ok),
        ("POST", "/v1/uploads") => (Case::Own, path.to_owned(), upload, ok),
        // A node that asks is nobody's until somebody has its code; without one, all are told the same.
        ("POST", "/v1/pairings/accept") => {
            (Case::Own, path.to_owned(), json!({"code": "AAAA-AAAA"}), StatusCode::FORBIDDEN)
        }
        // For the nodes of other machines alone; of whom they tell, each is held to its own account.
        // The node itself cannot leave.
        ("GET", "/v1/link") | ("POST", "/v1/link/polled" | "/v1/logout") => {
            (Case::Own, path.to_owned(), Value::Null, StatusCode::FORBIDDEN)
        }
        // Only the node that opened one speaks over it: `hub/src/link/tests/polled.rs`.
        ("POST", "/v1/link/polled/{connection}/say" | "/v1/link/polled/{connection}/hear") => {
            let nobodys = estate.world.session().to_string().replace("ses_", "con_");
            (Case::Own, with("connection", &nobodys), json!({}), StatusCode::FORBIDDEN)
        }
        // Its frames have a matrix of their own.
        ("GET", "/v1/connect") => (Case::Own, path.to_owned(), Value::Null, StatusCode::BAD_REQUEST),
        // On the machine alone, and this request is not made there.
        ("PUT", "/v1/access") => (Case::Owners, path.to_owned(), json!({"state": "disabled"}), StatusCode::FORBIDDEN),
        ("POST", "/v1/setup-link") => (Case::Owners, path.to_owned(), Value::Null, StatusCode::FORBIDDEN),
        ("POST", "/v1/invitations") => (Case::Owners, path.to_owned(), json!({"name": "Ada"}), ok),
        ("GET", "/v1/health" | "/v1/invitations" | "/v1/accounts") => (Case::Owners, path.to_owned(), Value::Null, ok),
        ("DELETE", "/v1/invitations/{invitation}") => {
            (Case::Named, with("invitation", &estate.invitation), Value::Null, nothing)
        }
        ("DELETE", "/v1/accounts/{account}") => (Case::Named, with("account", &estate.guest), Value::Null, nothing),
        ("POST", "/v1/pairings/{pairing}/answer") => {
            (Case::Named, with("pairing", &estate.pairing), json!({"allow": true}), nothing)
        }
        ("GET", "/v1/sessions/{session}/transcript") => (Case::Named, session(), Value::Null, ok),
        ("PATCH", "/v1/sessions/{session}") => {
            (Case::Named, session(), json!({"title": "mine now", "archived": null}), nothing)
        }
        ("DELETE", "/v1/sessions/{session}") => (Case::Named, session(), Value::Null, nothing),
        ("PUT", "/v1/sessions/{session}/read") => (Case::Named, session(), json!({"readTurns": 1}), nothing),
        ("GET", "/v1/uploads/{upload}") => (Case::Named, with("upload", &estate.open), Value::Null, ok),
        ("PATCH", "/v1/uploads/{upload}") => (Case::Named, with("upload", &estate.open), json!("abc"), ok),
        ("GET", "/v1/blobs/{sha256}") => (Case::Named, with("sha256", &estate.blob), Value::Null, ok),
        ("POST", "/v1/commands") => (Case::Named, path.to_owned(), prompt(), ok),
        ("GET" | "DELETE", "/v1/commands/{command}") => (Case::Named, command(), Value::Null, ok),
        ("PATCH", "/v1/commands/{command}") => (Case::Named, command(), json!({"text": "mine", "ttlMs": 60_000}), ok),
        ("POST", "/v1/commands/{command}/move") => (Case::Named, command(), json!({"before": null}), ok),
        // Nobody's machine has participants; a hub that is shared has a matrix of its own.
        (_, path) if is_of_participants(path) => {
            let path = path.replace("{session}", &estate.session.to_string());
            let path = path.replace("{command}", &estate.command.to_string());
            let body = if route.method == Method::GET { Value::Null } else { json!({}) };
            (Case::Own, path, body, StatusCode::UNPROCESSABLE_ENTITY)
        }
        ("DELETE", "/v1/rules/{rule}") => (Case::Named, with("rule", &estate.rule.to_string()), Value::Null, nothing),
        ("DELETE", "/v1/devices/{device}") => {
            (Case::Named, with("device", &estate.device.to_string()), Value::Null, nothing)
        }
        ("GET", "/v1/stream/{*path}") => {
            (Case::Named, format!("/v1/stream/{}", StreamPath::journal(estate.session)), Value::Null, ok)
        }
        _ => return None,
    })
}

/// Whether a route is there for participants of sessions alone.
fn is_of_participants(path: &str) -> bool {
    path.contains("participants") || path.contains("{session}/invitations") || path.ends_with("/release")
}

/// The same request about what never existed.
fn nowhere(estate: &Estate, text: &str) -> String {
    let fresh = |prefix: &str| estate.world.session().to_string().replace("ses_", prefix);
    let mut text = text.to_owned();
    for id in estate.secrets() {
        let prefix = id.split_once('_').map_or(String::new(), |(kind, _)| format!("{kind}_"));
        text = text.replace(&id, &if prefix.is_empty() { "cd".repeat(32) } else { fresh(&prefix) });
    }
    text
}

/// An answer without what differs each time.
fn bare(text: &str) -> Value {
    let mut answer: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    if let Some(answer) = answer.as_object_mut() {
        answer.remove("requestId");
    }
    answer
}

#[tokio::test(start_paused = true)]
async fn every_route_knows_its_own_account_and_no_other() {
    let mut asked = 0;
    for route in ROUTES.iter().filter(|route| route.need != Need::Nobody) {
        let shared =
            ["/v1/setup-link", "/v1/invitations", "/v1/accounts"].iter().any(|path| route.path.starts_with(path));
        // Anew for each route: what the owner does at the end is done.
        let estate = Estate::new(shared).await;
        let name = format!("{} {}", route.method, route.path);
        let Some((case, path, body, owners)) = case(&estate, route) else { panic!("{name} has no case here") };
        for nobody in [None, Some(estate.revoked.as_str())] {
            let (status, text) = estate.ask(nobody, &route.method, &path, &body).await;
            assert_eq!((status.as_u16(), code(&text).as_str()), (401, "unauthenticated"), "{name} {nobody:?}");
        }
        let (status, text) = estate.ask(Some(&estate.other), &route.method, &path, &body).await;
        if case == Case::Own {
            assert!(status.is_success() || status == owners, "{name}: {status} {text}");
        } else {
            assert_eq!((status.as_u16(), code(&text).as_str()), (404, "not_found"), "{name}");
        }
        for secret in estate.secrets() {
            assert!(!text.contains(&secret), "{name} tells somebody else of {secret}");
        }
        if case == Case::Named {
            let never = serde_json::from_str(&nowhere(&estate, &body.to_string())).unwrap();
            let (_, absent) = estate.ask(Some(&estate.other), &route.method, &nowhere(&estate, &path), &never).await;
            assert_eq!(bare(&text), bare(&absent), "{name}: what is somebody else's looks like what never was");
        }
        // Whatever somebody else tried, it is the owner's as before.
        let (status, text) = estate.ask(Some(&estate.owner), &route.method, &path, &body).await;
        assert_eq!(status, owners, "{name}: {text}");
        asked += 1;
    }
    assert!(asked >= 30, "{asked} routes");
}

/// A command of each kind about what is the owner's.
fn bodies(estate: &Estate) -> Vec<CommandBody> {
    let (session, turn, approval) = (estate.session, estate.turn, estate.approval);
    let text = || "theirs".to_owned();
    let start = || StartContent { title: None, text: Some(text()), ..StartContent::default() };
    let agent = "demo".to_owned();
    let project = ProjectId::from_uuid(estate.world.clock.fresh());
    vec![
        CommandBody::StartSession {
            session,
            project,
            new_project: false,
            agent,
            model: None,
            mode: None,
            effort: None,
            content: start(),
        },
        CommandBody::ForkSession { session: estate.world.session(), from: session, after: None, content: start() },
        CommandBody::SendPrompt { session, content: PromptContent { text: text(), attachments: Vec::new() } },
        CommandBody::CancelTurn { session, turn: Some(turn) },
        CommandBody::AnswerApproval { session, approval, option: text(), content: AnswerContent::default() },
        CommandBody::EditPrompt { session, turn, content: EditContent { text: text() } },
        CommandBody::MovePrompt { session, turn, before: None },
        CommandBody::SteerPrompt { session, turn },
        CommandBody::SetOptions { session, model: None, mode: Some(text()), effort: None },
    ]
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_command_acts_on_its_own_account_and_no_other() {
    let estate = Estate::new(false).await;
    let mut kinds = BTreeSet::new();
    let (_, far) = estate.world.device(&Right::ALL).await;
    for body in bodies(&estate) {
        let kind = serde_json::to_value(body.kind()).unwrap().as_str().unwrap().to_owned();
        for credential in [Some(estate.other.as_str()), Some(estate.revoked.as_str()), None] {
            let request = serde_json::to_value(estate.world.request(body.clone())).unwrap();
            let (status, text) = estate.ask(credential, &Method::POST, "/v1/commands", &request).await;
            let expected = if credential == Some(&estate.other) { 404 } else { 401 };
            assert_eq!(status.as_u16(), expected, "{kind}: {text}");
        }
        kinds.insert(kind);
    }
    // The list of what can be asked for is the one that the protocol has.
    let unknown: Vec<&str> = include_str!("../../../../web/src/protocol/generated.ts")
        .lines()
        .find_map(|line| line.strip_prefix("export type CommandKind = "))
        .unwrap()
        .split('"')
        .filter(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '_') && !word.is_empty())
        .filter(|word| !kinds.contains(*word))
        .collect();
    assert!(unknown.is_empty(), "no case for {unknown:?}");
    // An id that another account used is no way to learn of it, and no way to change it.
    let own = estate.world.hub.command(estate.world.hub.account(), estate.command).await.unwrap();
    let taken = CommandRequest { id: estate.command, ..estate.world.prompt(estate.session, "theirs") };
    let (status, text) = estate.ask(Some(&estate.other), &Method::POST, "/v1/commands", &json!(taken)).await;
    assert_eq!((status.as_u16(), code(&text).as_str()), (404, "not_found"));
    assert_eq!(estate.world.hub.command(estate.world.hub.account(), estate.command).await.unwrap(), own);
    let (status, _) =
        estate.ask(Some(&far), &Method::GET, &format!("/v1/commands/{}", estate.command), &Value::Null).await;
    assert_eq!(status, StatusCode::OK, "another device of the same account");
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_stream_in_every_way_to_read_it_is_its_own_accounts() {
    let estate = Estate::new(false).await;
    let feed = StreamPath::feed(estate.world.hub.account());
    let streams = [feed, StreamPath::journal(estate.session), StreamPath::turn(estate.turn)];
    let inner = StreamPath::upload(estate.upload.parse().unwrap());
    for (stream, own) in streams.iter().map(|stream| (stream, true)).chain([(&inner, false)]) {
        for way in ["?offset=-1", "?offset=-1&live=long-poll", "?offset=-1&live=sse"] {
            let path = format!("/v1/stream/{stream}{way}");
            for (credential, expected) in [(Some(&estate.other), 404), (Some(&estate.revoked), 401), (None, 401)] {
                let (status, text) =
                    estate.ask(credential.map(String::as_str), &Method::GET, &path, &Value::Null).await;
                assert_eq!(status.as_u16(), expected, "{path}: {text}");
            }
            if !own || !way.ends_with('1') {
                continue;
            }
            let (status, _) = estate.ask(Some(&estate.owner), &Method::GET, &path, &Value::Null).await;
            assert_eq!(status, StatusCode::OK, "{path}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_guesses_find_no_command_of_somebody_else() {
    let estate = Estate::new(false).await;
    let (other, _) = estate.world.stranger().await;
    assert!(estate.world.hub.command(other.account, estate.command).await.is_err());
    for _ in 0..100_000 {
        let guess = CommandId::from_uuid(estate.world.clock.fresh());
        let found = estate.world.hub.command(other.account, guess).await;
        assert_eq!(found.unwrap_err().code, protocol::error::ErrorCode::NotFound);
    }
}
