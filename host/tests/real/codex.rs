//! Codex by its app-server.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use host::agent::codex::{CodexAgent, CodexOptions, NETWORK_PATIENCE};
use host::agent::{Agent, AgentEvent, Answer, OpenError, OpenSpec, Setting, Steered, TurnOutcome};
use host::process::{fresh_tag, reap_marked};
use protocol::agent_health::{LoginKind, VersionStanding};
use protocol::host::AgentState;
use protocol::item::{DeltaPart, ItemContent, ItemStatus};
use protocol::turn::TurnErrorCode;

use crate::model::{FakeModel, environment, program};
use crate::processes::{is_alive, kill, running, wait_until};
use crate::talk::{Talk, answer, end, failed, how, last_words, place, texts};

/// A model server, a Codex home and a project of their own.
pub(crate) struct World {
    codex: OsString,
    model: FakeModel,
    folder: tempfile::TempDir,
}

impl World {
    async fn start() -> Option<Self> {
        Self::start_with("").await
    }

    /// One whose Codex is told something more.
    pub(crate) async fn start_with(more: &str) -> Option<Self> {
        let codex = program("TOWLINE_TEST_CODEX")?;
        // Codex does without its helpers when its home is below /tmp.
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        for name in ["home", "bare", "project"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let world = Self { codex, model: FakeModel::start(folder.path()).await, folder };
        world.configure(&world.model.url, more);
        Some(world)
    }

    /// Names the model server at this address as Codex's provider.
    fn configure(&self, url: &str, more: &str) {
        let config = format!(
            "model = \"gpt-5.5\"\nmodel_provider = \"fake\"\ncheck_for_update_on_startup = false\n\
             [model_providers.fake]\nname = \"Fake\"\nbase_url = \"{url}/v1\"\nwire_api = \"responses\"\n\
             env_key = \"FAKE_MODEL_KEY\"\nrequest_max_retries = 1\nstream_max_retries = 2\n[analytics]\nenabled = false\n{more}"
        );
        std::fs::write(self.folder.path().join("home/config.toml"), config).unwrap();
    }

    fn project(&self) -> PathBuf {
        self.folder.path().join("project").canonicalize().unwrap()
    }

    pub(crate) fn agent(&self) -> CodexAgent {
        self.agent_in("home", NETWORK_PATIENCE)
    }

    fn agent_in(&self, home: &str, network_patience: Duration) -> CodexAgent {
        let home = self.folder.path().join(home);
        let environment =
            environment().with("HOME", self.folder.path()).with("CODEX_HOME", home).with("FAKE_MODEL_KEY", "sk-dummy");
        CodexAgent::new(CodexOptions {
            id: "codex".to_owned(),
            program: self.codex.clone(),
            environment,
            extra_args: Vec::new(),
            allow_bypass: false,
            cwd: self.folder.path().to_owned(),
            network_patience,
        })
    }

    pub(crate) fn spec(&self, mode: Option<&str>) -> OpenSpec {
        OpenSpec {
            cwd: self.project(),
            resume: None,
            model: None,
            mode: mode.map(str::to_owned),
            effort: None,
            tag: fresh_tag("session"),
            lines: None,
        }
    }

    pub(crate) async fn end(self) {
        self.model.end().await;
    }
}

/// A conversation whose options are known.
pub(crate) async fn open(agent: &CodexAgent, spec: OpenSpec) -> Talk {
    let mut talk = Talk::open(agent, spec).await;
    talk.until(|event| matches!(event, AgentEvent::Options { .. })).await;
    talk
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_found_and_its_login_is_known() {
    let Some(world) = World::start().await else { return };
    let entry = world.agent().probe("probe").await;
    assert_eq!(entry.state, AgentState::Ready, "{entry:?}");
    assert!(!entry.models.is_empty() && !entry.efforts.is_empty(), "{entry:?}");
    assert_eq!(entry.health.tested.map(|tested| tested.standing), Some(VersionStanding::Tested));
    let modes: Vec<&str> = entry.modes.iter().map(|mode| mode.id.as_str()).collect();
    assert_eq!(modes, ["auto", "untrusted", "read-only", "plan"]);

    // The vendor's own provider wants a login, which this home does not have.
    let out = world.agent_in("bare", NETWORK_PATIENCE);
    let entry = out.probe("probe").await;
    assert_eq!(entry.state, AgentState::LoggedOut, "{entry:?}");
    assert_eq!(entry.health.login.map(|login| login.kind), Some(LoginKind::None));
    let refused = out.open(world.spec(None)).await.unwrap_err();
    assert!(matches!(refused, OpenError::LoggedOut { .. }), "{refused}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_thinks_and_writes_word_by_word_and_goes_on_in_another_process() {
    let Some(world) = World::start().await else { return };
    let agent = world.agent();
    let mut talk = open(&agent, world.spec(Some("auto"))).await;
    let events = talk.turn("[[usage 500 25]] [[think 3]] [[text 20]]").await;
    assert_eq!(how(&events), &TurnOutcome::Completed);
    let deltas = events.iter().filter(|event| matches!(event, AgentEvent::Delta { part: DeltaPart::Text, .. })).count();
    assert!(deltas > 10, "{deltas}");
    let thought = events.iter().any(|event| {
        matches!(event, AgentEvent::ItemSettled { content: ItemContent::Reasoning { text }, .. } if text.contains("thought"))
    });
    assert!(thought, "{events:?}");
    assert_eq!(texts(&events).len(), 1);
    let usage = end(&events).usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens), (500, 25));
    assert_eq!(end(&events).model.as_deref(), Some("gpt-5.5"));

    // Two requests to the model are one turn.
    let events = talk.turn("[[usage 100 7]] [[tool bash true]] [[say done]]").await;
    let usage = end(&events).usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens), (200, 14));

    for mode in ["plan", "read-only", "untrusted"] {
        talk.driver.set_options(Some("gpt-5.4".to_owned()), Some(mode.to_owned())).await.unwrap();
        talk.driver.set_effort("low").await.unwrap();
        assert_eq!(texts(&talk.turn("[[say changed]]").await), ["changed"]);
        assert_eq!(talk.mode.as_deref(), Some(mode));
    }
    assert_eq!(end(&talk.turn("[[say who]]").await).model.as_deref(), Some("gpt-5.4"));
    talk.driver.to_default(Setting::Model).await.unwrap();
    talk.driver.to_default(Setting::Effort).await.unwrap();
    assert_eq!(end(&talk.turn("[[say who now]]").await).model.as_deref(), Some("gpt-5.5"));
    let (session, first) = (talk.session.clone(), talk.mark.clone());
    assert!(session.is_some());
    talk.driver.close().await;

    // Another host, another process; while the first lives, it keeps the thread for itself. The mode is given again, for Codex does not
    // keep it.
    let other = world.agent();
    let busy = other.open(OpenSpec { resume: session.clone(), ..world.spec(None) }).await.unwrap_err();
    assert!(matches!(&busy, OpenError::Failed { detail, .. } if detail.contains("another Codex")), "{busy}");
    reap_marked(std::slice::from_ref(&first)).await.unwrap();
    let spec = OpenSpec { resume: session.clone(), model: Some("gpt-5.4".into()), ..world.spec(Some("untrusted")) };
    let mut again = open(&other, spec).await;
    assert_ne!(again.mark.pid, first.pid);
    assert_eq!(again.mode.as_deref(), Some("untrusted"));
    let events = again.turn("[[usage 10 1]] [[say still here]]").await;
    assert_eq!(texts(&events), ["still here"]);
    // What was used before is not charged again.
    assert_eq!(end(&events).usage.map(|usage| usage.input_tokens), Some(10));
    assert_eq!(again.session, session);
    again.driver.close().await;

    let unknown = "01a1f9e9-0000-7000-8000-000000000000";
    let refused = other.open(OpenSpec { resume: Some(unknown.to_owned()), ..world.spec(None) }).await.unwrap_err();
    assert!(matches!(&refused, OpenError::NotSaved { session, .. } if session == unknown), "{refused}");
    for mode in ["nonsense", "full-access"] {
        let refused = other.open(world.spec(Some(mode))).await.unwrap_err();
        assert!(matches!(&refused, OpenError::Option { .. }), "{refused}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_writes_a_file_when_it_may_and_not_when_it_may_not() {
    let Some(world) = World::start().await else { return };
    let agent = world.agent();
    let mut talk = open(&agent, world.spec(Some("untrusted"))).await;
    let file = world.project().join("made.txt");
    let (request, ask) = talk.asked("[[tool write made.txt hello there]] [[say written]]").await;
    let AgentEvent::Ask { content, item, .. } = &ask else { unreachable!() };
    assert_eq!(content.detail, file.to_str().unwrap());
    assert!(item.is_some() && !file.exists());
    let events = talk.answer(&request, "accept").await;
    assert_eq!(texts(&events), ["written"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), "hello there");

    let (request, ask) = talk.asked("[[tool bash echo no > refused.txt]] [[say went on]]").await;
    let AgentEvent::Ask { content, .. } = &ask else { unreachable!() };
    assert_eq!(content.detail, "echo no > refused.txt");
    let events = talk.answer(&request, "decline").await;
    assert_eq!((how(&events), texts(&events)), (&TurnOutcome::Completed, vec!["went on"]));
    let denied = events.iter().any(|event| matches!(event, AgentEvent::ItemSettled { status: ItemStatus::Denied, .. }));
    assert!(denied && !world.project().join("refused.txt").exists());

    let (request, _) = talk.asked("[[tool bash touch cancelled.txt]] [[say never]]").await;
    let events = talk.answer(&request, "cancel").await;
    assert_eq!((how(&events), texts(&events)), (&TurnOutcome::Interrupted, vec![]));

    // Allowed for the session: the second time nobody is asked.
    let (request, _) = talk.asked("[[tool bash touch twice.txt]] [[tool bash touch twice.txt]] [[say both]]").await;
    let events = talk.answer(&request, "accept_session").await;
    assert_eq!(texts(&events), ["both"]);
    assert!(!events.iter().any(|event| matches!(event, AgentEvent::Ask { .. })));

    talk.driver.set_options(None, Some("plan".to_owned())).await.unwrap();
    let (request, ask) = talk.asked("[[tool ask Which color?|Red|Blue]]").await;
    let AgentEvent::Ask { content, .. } = &ask else { unreachable!() };
    assert_eq!(content.questions[0].question, "Which color?");
    let given =
        Answer { option: "answer".into(), message: None, answers: vec![("Which color?".into(), "Blue".into())] };
    talk.driver.answer(&request, given).await.unwrap();
    let events = talk.turn_ends().await;
    assert!(texts(&events)[0].contains("Blue"), "{events:?}");
    talk.driver.close().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_stops_within_two_seconds_in_mid_stream_in_a_command_and_while_it_asks() {
    let Some(world) = World::start().await else { return };
    let agent = world.agent();
    let mut talk = open(&agent, world.spec(Some("untrusted"))).await;
    talk.driver.prompt("[[rate 50]] [[text 400]]").await.unwrap();
    talk.until(|event| matches!(event, AgentEvent::Delta { .. })).await;
    let begun = tokio::time::Instant::now();
    talk.driver.interrupt().await.unwrap();
    let events = talk.turn_ends().await;
    assert_eq!(how(&events), &TurnOutcome::Interrupted);
    assert!(begun.elapsed() < Duration::from_secs(2));
    let cut =
        events.iter().any(|event| matches!(event, AgentEvent::ItemSettled { status: ItemStatus::Interrupted, .. }));
    assert!(cut, "{events:?}");

    let (request, _) = talk.asked("[[tool bash touch never; sleep 711]]").await;
    talk.driver.interrupt().await.unwrap();
    let events = talk.turn_ends().await;
    assert_eq!(how(&events), &TurnOutcome::Interrupted);
    assert!(events.contains(&AgentEvent::AskWithdrawn { request: request.clone() }));
    assert!(talk.driver.answer(&request, answer("accept")).await.is_err());

    // Codex would let the command run on.
    let (request, _) = talk.asked("[[tool bash touch once; sleep 712]]").await;
    talk.driver.answer(&request, answer("accept")).await.unwrap();
    wait_until("the command runs", || running(&["sleep", "712"]).len() == 1).await;
    talk.driver.interrupt().await.unwrap();
    assert_eq!(how(&talk.turn_ends().await), &TurnOutcome::Interrupted);
    wait_until("the command is gone", || running(&["sleep", "712"]).is_empty()).await;

    // What is said in mid-turn goes into that turn.
    talk.driver.prompt("[[rate 50]] [[text 40]]").await.unwrap();
    talk.until(|event| matches!(event, AgentEvent::Delta { .. })).await;
    assert_eq!(talk.driver.steer("key", "[[say as you wish]]", &[]).await.unwrap(), Steered::Now);
    assert_eq!(texts(&talk.turn_ends().await).last(), Some(&"as you wish"));
    assert!(talk.driver.steer("late", "[[say too late]]", &[]).await.is_err());

    // A stop that comes before Codex has said that it began.
    talk.driver.prompt("[[rate 50]] [[text 400]]").await.unwrap();
    talk.driver.interrupt().await.unwrap();
    assert_eq!(how(&talk.turn_ends().await), &TurnOutcome::Interrupted);
    assert_eq!(texts(&talk.turn("[[say alive]]").await), ["alive"]);
    talk.driver.close().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_serves_all_sessions_and_none_stops_another() {
    let Some(world) = World::start().await else { return };
    let agent = world.agent();
    let mut slow = open(&agent, world.spec(Some("auto"))).await;
    let mut quick = open(&agent, world.spec(Some("auto"))).await;
    let mut third = open(&agent, world.spec(Some("untrusted"))).await;
    assert_eq!((slow.mark.pid, third.mark.pid), (quick.mark.pid, quick.mark.pid));

    // Nobody listens to the first, which says more than its queue and its lane hold.
    slow.driver.prompt("[[rate 0]] [[text 60000]]").await.unwrap();
    let (request, _) = third.asked("[[tool bash touch third.txt]] [[say third]]").await;
    for round in 0..5 {
        let events = quick.turn(&format!("[[say round {round}]]")).await;
        assert_eq!(texts(&events), [format!("round {round}")]);
    }
    assert_eq!(texts(&third.answer(&request, "accept").await), ["third"]);

    // What it missed of the words it has at their end.
    let events = slow.turn_ends().await;
    assert_eq!(texts(&events)[0].split_whitespace().count(), 60_000);

    // One leaves in the middle of its turn; the others do not notice.
    slow.driver.prompt("[[rate 50]] [[text 4000]]").await.unwrap();
    slow.until(|event| matches!(event, AgentEvent::Delta { .. })).await;
    drop(slow.driver);
    let left = last_words(slow.events).await;
    assert!(matches!(left.last(), Some(AgentEvent::Exited { .. })), "{left:?}");
    assert_eq!(texts(&quick.turn("[[say unmoved]]").await), ["unmoved"]);
    assert!(is_alive(quick.mark.pid));

    // The process dies under two turns: both end in a shown state, and both sessions go on in the next process.
    let sessions = [quick.session.clone(), third.session.clone()];
    let dead = quick.mark.pid;
    for talk in [&mut quick, &mut third] {
        talk.driver.prompt("[[rate 50]] [[text 4000]]").await.unwrap();
        talk.until(|event| matches!(event, AgentEvent::Delta { .. })).await;
    }
    kill(dead);
    for talk in [quick, third] {
        let last = last_words(talk.events).await;
        assert!(matches!(last.last(), Some(AgentEvent::Exited { detail }) if detail.contains("signal")), "{last:?}");
        let closed =
            last.iter().any(|event| matches!(event, AgentEvent::ItemSettled { status: ItemStatus::Interrupted, .. }));
        assert!(closed, "{last:?}");
    }
    for session in sessions {
        let mut again = open(&agent, OpenSpec { resume: session, ..world.spec(Some("auto")) }).await;
        assert_ne!(again.mark.pid, dead);
        assert_eq!(texts(&again.turn("[[say back]]").await), ["back"]);
        again.driver.close().await;
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_it_started_is_reaped_with_it_and_after_a_kill_9() {
    let Some(world) = World::start().await else { return };
    // What has left the group of its command ends with the process only: it may be of any session.
    for (sleep, setsid, way) in
        [("713", "", "close"), ("714", "setsid ", "kill -9 of codex"), ("715", "setsid ", "mark")]
    {
        let agent = world.agent();
        let mut talk = open(&agent, world.spec(Some("untrusted"))).await;
        let (request, _) = talk.asked(&format!("[[tool bashx touch x; {setsid}sleep {sleep}]]")).await;
        talk.driver.answer(&request, answer("accept")).await.unwrap();
        wait_until("the command runs", || !running(&["sleep", sleep]).is_empty()).await;
        let mark = talk.mark.clone();
        match way {
            "close" => {
                let Talk { driver, .. } = talk;
                driver.close().await;
                // The process stays for a while, the command does not.
                assert!(is_alive(mark.pid));
            }
            "mark" => {
                assert!(reap_marked(std::slice::from_ref(&mark)).await.unwrap() >= 2);
                last_words(talk.events).await;
            }
            _ => {
                kill(mark.pid);
                last_words(talk.events).await;
            }
        }
        wait_until("the command is gone", || running(&["sleep", sleep]).is_empty()).await;
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fork_knows_what_came_before_its_place_and_no_more() {
    let Some(world) = World::start().await else { return };
    let agent = world.agent();
    let mut talk = open(&agent, world.spec(Some("untrusted"))).await;
    let first = talk.turn("[[say one]]").await;
    let place = place(&first);
    assert!(place.is_some(), "{first:?}");
    talk.turn("[[say two]]").await;
    let origin = talk.session.clone();
    for (place, known) in [(place, vec!["[[say one]]"]), (None, vec!["[[say one]]", "[[say two]]"])] {
        // The other conversation stays open meanwhile.
        let spec = OpenSpec { resume: origin.clone(), ..world.spec(Some("untrusted")) };
        let mut fork = Talk::of(agent.fork(spec, place).await.unwrap());
        fork.turn("[[say another way]]").await;
        assert!(fork.session.is_some() && fork.session != origin, "it is a conversation of its own");
        assert_eq!(fork.mode.as_deref(), Some("untrusted"));
        fork.driver.close().await;
        assert_eq!(world.model.typed(), [known, vec!["[[say another way]]"]].concat());
    }
    talk.turn("[[say three]]").await;
    assert_eq!(world.model.typed(), ["[[say one]]", "[[say two]]", "[[say three]]"], "the other one stays as it was");
    talk.driver.close().await;
    let spec = OpenSpec { resume: origin, ..world.spec(None) };
    let refused = agent.fork(spec, Some("0199aaaa-0000-7000-8000-000000000000".to_owned())).await;
    assert!(matches!(refused, Err(OpenError::Failed { .. })), "a turn that never was is no place");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_of_the_model_are_told_apart_and_a_wait_for_the_network_ends() {
    let Some(world) = World::start().await else { return };
    let agent = world.agent();
    let mut talk = open(&agent, world.spec(Some("auto"))).await;
    assert_eq!(failed(&talk.turn("[[error 401]]").await), Some(TurnErrorCode::CredentialsExpired));
    assert_eq!(failed(&talk.turn("[[error 404]]").await), Some(TurnErrorCode::ModelUnavailable));
    assert_eq!(failed(&talk.turn("[[error 429]]").await), Some(TurnErrorCode::RateLimited));
    assert_eq!(failed(&talk.turn("[[text 3]] [[error 529]]").await), Some(TurnErrorCode::Overloaded));
    assert_eq!(failed(&talk.turn("[[text 3]] [[disconnect]]").await), Some(TurnErrorCode::AgentError));
    let events = talk.turn("[[text 3]] [[disconnect x1]] [[say recovered]]").await;
    assert_eq!((how(&events), texts(&events)), (&TurnOutcome::Completed, vec!["w1 w2 w3 recovered"]));
    let retried = events.iter().any(|event| matches!(event, AgentEvent::Notice { code, .. } if code == "retrying"));
    assert!(retried, "{events:?}");
    talk.driver.close().await;

    // A port at which nobody listens.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    world.configure(&format!("http://127.0.0.1:{port}"), "");
    let agent = world.agent_in("home", Duration::from_secs(2));
    let mut talk = open(&agent, world.spec(Some("auto"))).await;
    let events = talk.turn("hello?").await;
    let TurnOutcome::Failed { code: TurnErrorCode::AgentError, detail } = how(&events) else { panic!("{events:?}") };
    assert!(detail.contains("no network"), "{detail}");
    talk.driver.close().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_outlives_its_turn_is_told_of_until_it_ends() {
    let Some(world) = World::start().await else { return };
    let agent = world.agent();
    let mut talk = open(&agent, world.spec(None)).await;
    // Codex goes on without a command that takes more than ten seconds.
    talk.driver.prompt("[[tool bash sleep 13]] [[say it runs]]").await.unwrap();
    let events = talk.turn_ends().await;
    println!("{events:?}");
    let told = |tasks: &[String]| AgentEvent::Background { tasks: tasks.to_vec() };
    assert!(events.contains(&told(&["sleep 13".to_owned()])), "{events:?}");
    talk.until(|event| *event == told(&[])).await;
    assert!(running(&["sleep", "13"]).is_empty());
    talk.driver.close().await;
    world.end().await;
}
