//! What clients are promised, with the real program and the real demo agent over real sockets and processes.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    dead_code,
    reason = "a test starts the program, and fails when a step of it fails; it uses a part of the world"
)]

mod world;

use std::time::Duration;

use client::socket::{Options, RequestError};
use client::{Api, Remote, SessionFollow, Socket};
use protocol::approval::{Approval, ApprovalState, OptionKind};
use protocol::command::{AnswerContent, CommandBody, CommandRequest, CommandState, PromptContent, StartContent};
use protocol::error::ErrorCode;
use protocol::fact::FeedFact;
use protocol::fold::Transcript;
use protocol::id::{ApprovalId, CommandId, DeviceId, ProjectId, SessionId, TurnId};
use protocol::turn::{Origin, Turn, TurnErrorCode, TurnState};
use tokio::time::{Instant, sleep, timeout};
use world::{PATIENCE, Running, World};

const LISTEN: [&str; 2] = ["--listen", "127.0.0.1:0"];

fn fresh() -> uuid::Uuid {
    uuid::Uuid::now_v7()
}

/// Somebody with a client.
struct Person {
    api: Api,
    remote: Remote,
    socket: Socket,
    host: DeviceId,
    project: ProjectId,
}

impl Person {
    async fn at(world: &World, node: &Running) -> Self {
        let (api, remote) = (world.api(node), world.remote(node));
        let facts = api.lists().await.unwrap().facts;
        let project = facts.iter().find_map(|raw| match FeedFact::parse(raw.get().as_bytes()).unwrap() {
            FeedFact::Project { id, .. } => Some(id),
            _ => None,
        });
        let host = api.me().await.unwrap().host.unwrap();
        Self { socket: Self::socket(&remote), api, remote, host, project: project.unwrap() }
    }

    /// One more connection.
    fn socket(remote: &Remote) -> Socket {
        let seed = fresh().as_u64_pair().1;
        Socket::open(
            remote.clone(),
            Options { client: "promises/0".to_owned(), first_pause: Duration::from_millis(20), seed },
        )
    }

    fn command(&self, body: CommandBody) -> CommandRequest {
        CommandRequest { id: CommandId::from_uuid(fresh()), host: self.host, ttl_ms: None, retry_of: None, body }
    }

    fn prompt(&self, session: SessionId, text: &str) -> CommandRequest {
        self.command(CommandBody::SendPrompt {
            session,
            content: PromptContent { text: text.to_owned(), attachments: Vec::new() },
        })
    }

    fn start(&self, session: SessionId, model: Option<&str>, text: Option<&str>) -> CommandRequest {
        self.command(CommandBody::StartSession {
            session,
            project: self.project,
            new_project: false,
            agent: "demo".to_owned(),
            model: model.map(str::to_owned),
            mode: None,
            effort: None,
            content: StartContent { title: None, text: text.map(str::to_owned), ..StartContent::default() },
        })
    }

    /// Sends a command and waits for its end.
    async fn done(&self, command: CommandRequest) -> protocol::api::CommandAck {
        let id = command.id;
        self.socket.command(command).await.unwrap();
        self.ended(id).await
    }

    async fn ended(&self, id: CommandId) -> protocol::api::CommandAck {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Ok(ack) = self.api.command(id).await
                && ack.state.is_final()
            {
                return ack;
            }
            assert!(Instant::now() < until, "{id} never ended");
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn session(&self, text: Option<&str>) -> SessionId {
        let session = SessionId::from_uuid(fresh());
        let ack = self.done(self.start(session, None, text)).await;
        assert_eq!(ack.state, CommandState::Succeeded, "{ack:?}");
        session
    }

    async fn follow(&self, session: SessionId) -> SessionFollow {
        SessionFollow::open(self.api.clone(), &self.socket, session, true).await.unwrap()
    }
}

/// Reads on until something is so.
async fn until<T>(follow: &mut SessionFollow, is_so: impl Fn(&Transcript) -> Option<T>) -> T {
    let read = async {
        loop {
            if let Some(found) = is_so(follow.transcript()) {
                return found;
            }
            follow.next().await.unwrap();
        }
    };
    timeout(PATIENCE, read).await.expect("it becomes so in time")
}

fn of(transcript: &Transcript, command: CommandId) -> Vec<(TurnId, Turn)> {
    let all = transcript.turns().into_iter().filter(|(_, turn)| turn.origin == Origin::Prompt { command });
    all.map(|(id, turn)| (id, turn.clone())).collect()
}

fn in_state(command: CommandId, state: TurnState) -> impl Fn(&Transcript) -> Option<Turn> {
    move |transcript| of(transcript, command).into_iter().map(|(_, turn)| turn).find(|turn| turn.state == state)
}

fn asked(transcript: &Transcript, state: ApprovalState) -> Option<(ApprovalId, Approval)> {
    let found = transcript.approvals().into_iter().find(|(_, approval)| approval.state == state);
    found.map(|(id, approval)| (id, approval.clone()))
}

/// Says something, so that there is a sign of life in the live stream.
fn speaking(transcript: &Transcript) -> Option<()> {
    transcript.canonical().iter().any(|line| line.contains("agent running text")).then_some(())
}

/// W-011, W-020b.
#[tokio::test(flavor = "multi_thread")]
async fn one_command_is_one_turn_over_every_connection_and_every_death() {
    let world = World::new();
    let mut node = world.up(&LISTEN);
    let listen = format!("127.0.0.1:{}", node.port());
    let person = Person::at(&world, &node).await;
    let session = person.session(None).await;
    let mut prompts = Vec::new();
    for round in 0..4 {
        let prompt = person.prompt(session, &format!("[[rate 1]] [[say round {round}]]"));
        // Over another connection each, at once, as after a lost answer.
        let others = [Person::socket(&person.remote), Person::socket(&person.remote)];
        let (a, b, c) = tokio::join!(
            others[0].command(prompt.clone()),
            others[1].command(prompt.clone()),
            person.api.send(&prompt)
        );
        let expires = [a.unwrap().expires_at_ms, b.unwrap().expires_at_ms, c.unwrap().expires_at_ms];
        assert!(expires.iter().all(|at| *at == expires[0]), "{expires:?}: one command, one answer");
        // What was acknowledged is on disk: this is the very next thing that happens.
        node.kill9();
        node = world.up(&["--listen", &listen]);
        assert_eq!(person.api.send(&prompt).await.unwrap().expires_at_ms, expires[0]);
        prompts.push(prompt);
    }
    let mut results = Vec::new();
    for prompt in &prompts {
        let ack = person.ended(prompt.id).await;
        assert_eq!(ack.state, CommandState::Succeeded, "{ack:?}");
        assert_eq!(person.api.send(prompt).await.unwrap(), ack, "the answer stays");
        results.push(ack.turn.unwrap());
        let other = CommandRequest { id: prompt.id, ..person.prompt(session, "something else") };
        assert_eq!(person.api.send(&other).await.unwrap_err().code(), Some(ErrorCode::CommandConflict));
        match person.socket.command(other).await {
            Err(RequestError::Problem(problem)) => assert_eq!(problem.code, ErrorCode::CommandConflict),
            other => panic!("{other:?}"),
        }
    }
    let mut follow = person.follow(session).await;
    let last = prompts.last().unwrap().id;
    until(&mut follow, |transcript| of(transcript, last).into_iter().find(|(_, turn)| turn.state.is_final())).await;
    for (prompt, turn) in prompts.iter().zip(results) {
        let turns = of(follow.transcript(), prompt.id);
        assert_eq!(turns.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [turn]);
    }
    assert_eq!(follow.transcript().turns().len(), prompts.len());
}

/// W-017, W-037, W-042: a long turn holds up no answer, stops within two seconds, and who stopped it is named.
#[tokio::test(flavor = "multi_thread")]
async fn a_turn_stops_within_two_seconds_for_whoever_asks() {
    let world = World::new();
    let node = world.up(&LISTEN);
    let person = Person::at(&world, &node).await;
    let session = person.session(None).await;
    let mut follow = person.follow(session).await;
    for text in ["[[rate 20]] [[words 100000]]", "[[say before]] [[sleep 3600000]]", "[[write a.txt never]]"] {
        let (running, waiting) = (person.prompt(session, text), person.prompt(session, "[[say never]]"));
        person.socket.command(running.clone()).await.unwrap();
        until(&mut follow, |transcript| {
            let turn = of(transcript, running.id).pop()?.1;
            let asks = asked(transcript, ApprovalState::Pending).is_some();
            (turn.state.is_running() && (asks || speaking(transcript).is_some())).then_some(())
        })
        .await;
        let began = Instant::now();
        person.socket.command(waiting.clone()).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(1), "the ack waited {:?}", began.elapsed());
        let queued = until(&mut follow, |transcript| of(transcript, waiting.id).pop()).await.0;

        // Somebody else takes back what waits, then stops what runs: twice, which is once.
        let other = Person::at(&world, &node).await;
        let cancel = |turn| other.command(CommandBody::CancelTurn { session, turn });
        assert_eq!(other.done(cancel(Some(queued))).await.state, CommandState::Succeeded);
        let never = until(&mut follow, in_state(waiting.id, TurnState::Interrupted)).await;
        assert_eq!((never.started_at_ms, never.error.unwrap().code), (None, TurnErrorCode::Cancelled));
        assert_eq!(person.ended(waiting.id).await.state, CommandState::Cancelled);
        let began = Instant::now();
        other.socket.command(cancel(None)).await.unwrap();
        let stopped = until(&mut follow, in_state(running.id, TurnState::Interrupted)).await;
        assert!(began.elapsed() < Duration::from_secs(2), "{text}: it took {:?}", began.elapsed());
        let error = stopped.error.unwrap();
        assert_eq!((error.code, error.by.unwrap().device), (TurnErrorCode::Cancelled, other.host));
        assert_eq!(other.done(cancel(None)).await.state, CommandState::Succeeded, "nothing to stop is no failure");
    }
    assert!(!world.project().join("a.txt").exists());
    assert!(
        !follow.transcript().canonical().iter().any(|line| line.contains("agent done text \"never")),
        "what waited never ran"
    );
}

/// W-016: the model that ran is the one that was asked for, or the command says that it is not to be had.
#[tokio::test(flavor = "multi_thread")]
async fn the_model_that_was_asked_for_runs_or_none() {
    let world = World::new();
    let node = world.up(&LISTEN);
    let person = Person::at(&world, &node).await;
    let until_known = Instant::now() + PATIENCE;
    let models = loop {
        assert!(Instant::now() < until_known, "the agent never said what it offers");
        let facts = person.api.lists().await.unwrap().facts;
        let host = facts.iter().find_map(|raw| match FeedFact::parse(raw.get().as_bytes()).unwrap() {
            FeedFact::Host { value, .. } => value,
            _ => None,
        });
        let demo = host.unwrap().content.agents.into_iter().find(|agent| agent.id == "demo");
        match demo {
            Some(demo) if demo.models.len() > 1 => break demo.models,
            _ => sleep(Duration::from_millis(20)).await,
        }
    };
    for model in &models {
        let session = SessionId::from_uuid(fresh());
        let start = person.start(session, Some(&model.id), Some("[[rate 1]] [[say yes]]"));
        assert_eq!(person.done(start.clone()).await.state, CommandState::Succeeded);
        let mut follow = person.follow(session).await;
        let ran = until(&mut follow, in_state(start.id, TurnState::Completed)).await;
        assert_eq!(ran.model.as_ref(), Some(&model.id));
        let other = models.iter().find(|other| other.id != model.id).unwrap();
        let change = CommandBody::SetOptions { session, model: Some(other.id.clone()), mode: None, effort: None };
        assert_eq!(person.done(person.command(change)).await.state, CommandState::Succeeded);
        let prompt = person.prompt(session, "[[rate 1]] [[say yes again]]");
        assert_eq!(person.done(prompt.clone()).await.state, CommandState::Succeeded);
        let ran = until(&mut follow, in_state(prompt.id, TurnState::Completed)).await;
        assert_eq!(ran.model.as_ref(), Some(&other.id));
        let change = CommandBody::SetOptions { session, model: Some("moon".to_owned()), mode: None, effort: None };
        let ack = person.done(person.command(change)).await;
        assert_eq!((ack.state, ack.error), (CommandState::Failed, Some(ErrorCode::ModelUnavailable)));
    }
    let session = SessionId::from_uuid(fresh());
    let ack = person.done(person.start(session, Some("moon"), Some("[[say no]]"))).await;
    assert_eq!((ack.state, ack.error), (CommandState::Failed, Some(ErrorCode::ModelUnavailable)));
    let missing = person.api.transcript(session, None, 10).await.unwrap_err();
    assert_eq!(missing.code(), Some(ErrorCode::NotFound), "what could not start left nothing");
}

/// W-024, W-027, W-035: turns do not know who looks, and whoever looks sees all of them.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_and_goes_alters_nothing_and_everybody_sees_the_same() {
    let world = World::new();
    let node = world.up(&LISTEN);
    let (person, other) = (Person::at(&world, &node).await, Person::at(&world, &node).await);
    let session = person.session(None).await;
    let (mut early, mut also) = (person.follow(session).await, other.follow(session).await);
    // Three turns, two of them from the queue, asked for by both.
    let prompts = [&person, &other, &person].map(|who| who.prompt(session, "[[rate 5]] [[words 60]]"));
    for (who, prompt) in [&person, &other, &person].into_iter().zip(&prompts) {
        who.socket.command(prompt.clone()).await.unwrap();
    }
    let stop = tokio_util::sync::CancellationToken::new();
    let visitors = tokio::spawn({
        let (remote, api, stop) = (person.remote.clone(), person.api.clone(), stop.clone());
        async move {
            let mut visits = 0;
            while !stop.is_cancelled() {
                let socket = Person::socket(&remote);
                let mut follow = SessionFollow::open(api.clone(), &socket, session, true).await.unwrap();
                // Some leave politely, some never read, some vanish in the middle of a frame.
                let _read = timeout(Duration::from_millis(visits % 7), follow.next()).await;
                if visits % 2 == 0 {
                    socket.close().await;
                }
                visits += 1;
            }
            visits
        }
    });
    let last = prompts[2].id;
    until(&mut early, in_state(last, TurnState::Completed)).await;
    stop.cancel();
    assert!(visitors.await.unwrap() > 5);
    until(&mut also, in_state(last, TurnState::Completed)).await;
    let mut late = other.follow(session).await;
    until(&mut late, in_state(last, TurnState::Completed)).await;
    let lines = early.transcript().canonical();
    assert_eq!(also.transcript().canonical(), lines);
    assert_eq!(late.transcript().canonical(), lines);
    let states: Vec<_> = early.transcript().turns().iter().map(|(_, turn)| turn.state).collect();
    assert_eq!(states, [TurnState::Completed; 3]);
}

/// W-039: what was asked before a death is not asked again after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_question_whose_agent_is_gone_is_stale_and_takes_no_answer() {
    let world = World::new();
    let node = world.up(&LISTEN);
    let listen = format!("127.0.0.1:{}", node.port());
    let person = Person::at(&world, &node).await;
    let session = person.session(Some("[[write a.txt now]]")).await;
    let mut follow = person.follow(session).await;
    let (id, approval) = until(&mut follow, |transcript| asked(transcript, ApprovalState::Pending)).await;
    node.kill9();
    let _node = world.up(&["--listen", &listen]);
    until(&mut follow, |transcript| asked(transcript, ApprovalState::Stale)).await;
    let option = approval.options.iter().find(|option| option.kind == OptionKind::AllowOnce).unwrap().id.clone();
    let content = AnswerContent { shown: Some(approval.content.shown.clone()), ..AnswerContent::default() };
    let body = CommandBody::AnswerApproval { session, approval: id, option, content };
    let ack = person.done(person.command(body)).await;
    assert_eq!((ack.state, ack.error), (CommandState::Failed, Some(ErrorCode::ApprovalNotPending)));
    let anew = person.follow(session).await;
    assert!(asked(anew.transcript(), ApprovalState::Pending).is_none());
    let turns = anew.transcript().turns();
    assert_eq!(turns[0].1.error.as_ref().unwrap().code, TurnErrorCode::HostRestarted);
    assert!(!world.project().join("a.txt").exists());
}

/// W-125, with as many deaths as `TOWLINE_DEATHS` says (8 if it does not).
#[tokio::test(flavor = "multi_thread")]
async fn deaths_leave_no_process_behind() {
    let deaths: usize = std::env::var("TOWLINE_DEATHS").map_or(8, |text| text.parse().unwrap());
    let world = World::new();
    let mut node = world.up(&LISTEN);
    let listen = format!("127.0.0.1:{}", node.port());
    let person = Person::at(&world, &node).await;
    let session = person.session(None).await;
    for death in 0..deaths {
        let prompt = person.prompt(session, "[[rate 20]] [[words 100000]]");
        let ack = person.done(prompt).await;
        assert_eq!(ack.state, CommandState::Succeeded, "death {death}: {ack:?}");
        node.kill9();
        node = world.up(&["--listen", &listen]);
    }
    let mut follow = person.follow(session).await;
    until(&mut follow, |transcript| transcript.turns().iter().all(|(_, turn)| turn.state.is_final()).then_some(()))
        .await;
    let turns = follow.transcript().turns();
    assert_eq!(turns.len(), deaths);
    assert!(turns.iter().all(|(_, turn)| turn.error.as_ref().unwrap().code == TurnErrorCode::HostRestarted));
    assert_eq!(node.stop().0, Some(0));
    world.expect_nothing_left();
}
