//! Claude Code by its own stdio protocol.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use host::agent::claude::{ClaudeAgent, ClaudeOptions};
use host::agent::{Agent, AgentEvent, Answer, DriveError, OpenError, OpenSpec, Setting, Steered, TurnOutcome};
use host::process::{fresh_tag, reap_marked};
use protocol::host::{Ability, AgentState};
use protocol::item::{DeltaPart, ItemContent, ItemStatus};
use protocol::turn::TurnErrorCode;

use crate::model::{FakeModel, environment, program};
use crate::processes::{is_alive, kill, running, wait_until};
use crate::talk::{Talk, answer, how, last_words, place, texts};

/// A model server, a home and a project of their own.
struct World {
    claude: OsString,
    model: FakeModel,
    folder: tempfile::TempDir,
}

impl World {
    async fn start() -> Option<Self> {
        let claude = program("TOWLINE_TEST_CLAUDE")?;
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "project"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        Some(Self { claude, model: FakeModel::start(folder.path()).await, folder })
    }

    fn project(&self) -> PathBuf {
        self.folder.path().join("project").canonicalize().unwrap()
    }

    fn agent(&self, key: Option<&str>) -> ClaudeAgent {
        let mut environment = environment()
            .with("HOME", self.folder.path().join("home"))
            .with("ANTHROPIC_BASE_URL", &self.model.url)
            .with("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
            .with("DISABLE_AUTOUPDATER", "1");
        if let Some(key) = key {
            environment = environment.with("ANTHROPIC_API_KEY", key);
        }
        ClaudeAgent::new(ClaudeOptions {
            id: "claude".to_owned(),
            program: self.claude.clone(),
            environment,
            extra_args: Vec::new(),
            allow_bypass: false,
            probe_cwd: self.folder.path().to_owned(),
        })
    }

    fn spec(&self, tag: &str) -> OpenSpec {
        OpenSpec {
            cwd: self.project(),
            resume: None,
            model: None,
            mode: None,
            effort: None,
            tag: fresh_tag(tag),
            lines: None,
        }
    }

    async fn talk(&self, tag: &str, resume: Option<String>) -> Talk {
        let spec = OpenSpec { resume, ..self.spec(tag) };
        Talk::open(&self.agent(Some("sk-ant-dummy")), spec).await
    }

    async fn end(self) {
        self.model.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_found_and_its_login_is_known() {
    let Some(world) = World::start().await else { return };
    let entry = world.agent(Some("sk-ant-dummy")).probe("probe").await;
    assert_eq!(entry.state, AgentState::Ready, "{entry:?}");
    assert!(entry.version.is_some() && !entry.models.is_empty(), "{entry:?}");
    let modes: Vec<&str> = entry.modes.iter().map(|mode| mode.id.as_str()).collect();
    assert!(
        modes.contains(&"default") && modes.contains(&"plan") && !modes.contains(&"bypassPermissions"),
        "{modes:?}"
    );

    let efforts: Vec<&str> = entry.efforts.iter().map(|effort| effort.id.as_str()).collect();
    assert!(efforts.starts_with(&["low", "medium", "high"]), "{efforts:?}");

    let out = world.agent(None);
    assert_eq!(out.probe("probe").await.state, AgentState::LoggedOut);
    let refused = out.open(world.spec("logged-out")).await.unwrap_err();
    assert!(matches!(refused, OpenError::LoggedOut { .. }), "{refused}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_thinks_and_writes_word_by_word_and_goes_on_after_a_resume() {
    let Some(world) = World::start().await else { return };
    let mut talk = world.talk("words", None).await;
    let events = talk.turn("[[think 3]] [[text 20]]").await;
    assert_eq!(how(&events), &TurnOutcome::Completed);
    let deltas = events.iter().filter(|event| matches!(event, AgentEvent::Delta { part: DeltaPart::Text, .. })).count();
    assert!(deltas > 10, "{deltas}");
    let thought = events.iter().any(|event| {
        matches!(event, AgentEvent::ItemSettled { content: ItemContent::Reasoning { text }, .. } if text.contains("thought"))
    });
    assert!(thought, "{events:?}");
    assert_eq!(texts(&events).len(), 1);
    let Some(AgentEvent::TurnEnded(end)) = events.last() else { unreachable!() };
    assert!(end.usage.is_some_and(|usage| usage.output_tokens > 0) && end.model.is_some(), "{end:?}");

    let own = end.model.clone();
    talk.driver.set_options(Some("haiku".to_owned()), None).await.unwrap();
    let events = talk.turn("[[say small]]").await;
    let Some(AgentEvent::TurnEnded(end)) = events.last() else { unreachable!() };
    assert!(end.model.as_ref().is_some_and(|model| model.contains("haiku")) && end.model != own, "{end:?}");
    talk.driver.to_default(Setting::Model).await.unwrap();
    let events = talk.turn("[[say as before]]").await;
    let Some(AgentEvent::TurnEnded(end)) = events.last() else { unreachable!() };
    assert_eq!(end.model, own);

    let session = talk.session.clone();
    assert!(session.is_some());
    talk.driver.set_options(None, Some("plan".to_owned())).await.unwrap();
    let changed = talk.until(|event| matches!(event, AgentEvent::Options { .. })).await.pop();
    assert!(matches!(changed, Some(AgentEvent::Options { mode: Some(mode), .. }) if mode == "plan"));
    talk.driver.set_effort("high").await.unwrap();
    let never = talk.driver.set_effort("as it likes").await;
    assert_eq!(never, Err(DriveError::Reopen), "what is not taken is not said to be");
    talk.driver.close().await;

    let mut again = world.talk("again", session.clone()).await;
    let events = again.turn("[[say still here]]").await;
    assert_eq!(texts(&events), ["still here"]);
    assert_eq!(again.session, session);
    again.driver.close().await;
    assert!(!is_alive(again.mark.pid));

    let unknown = "99999999-0000-4000-8000-000000000000";
    let spec = OpenSpec { resume: Some(unknown.to_owned()), ..world.spec("unknown") };
    let refused = world.agent(Some("sk-ant-dummy")).open(spec).await.unwrap_err();
    assert!(matches!(&refused, OpenError::NotSaved { session, .. } if session == unknown), "{refused}");
    let spec = OpenSpec { mode: Some("nonsense".to_owned()), ..world.spec("mode") };
    let refused = world.agent(Some("sk-ant-dummy")).open(spec).await.unwrap_err();
    assert!(matches!(&refused, OpenError::Option { .. }), "{refused}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_writes_a_file_when_it_may_and_not_when_it_may_not() {
    let Some(world) = World::start().await else { return };
    let mut talk = world.talk("files", None).await;
    let file = world.project().join("made.txt");
    let prompt = format!("[[tool write {} hello there]] [[say written]]", file.display());
    let (request, ask) = talk.asked(&prompt).await;
    let AgentEvent::Ask { content, item, .. } = &ask else { unreachable!() };
    assert_eq!(content.detail, file.to_str().unwrap());
    assert!(item.is_some() && !file.exists());
    let events = talk.answer(&request, "allow").await;
    assert_eq!(texts(&events), ["written"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), "hello there");

    let refused = world.project().join("refused.txt");
    let (request, _) = talk.asked(&format!("[[tool write {} no]] [[say went on]]", refused.display())).await;
    let events = talk.answer(&request, "deny").await;
    assert_eq!((how(&events), texts(&events)), (&TurnOutcome::Completed, vec!["went on"]));
    let denied = events.iter().any(|event| matches!(event, AgentEvent::ItemSettled { status: ItemStatus::Denied, .. }));
    assert!(denied && !refused.exists());

    let (request, ask) = talk.asked("[[tool ask Which color?|Red|Blue]]").await;
    let AgentEvent::Ask { content, .. } = &ask else { unreachable!() };
    assert_eq!(content.questions[0].question, "Which color?");
    let given =
        Answer { option: "answer".into(), message: None, answers: vec![("Which color?".into(), "Blue".into())] };
    talk.driver.answer(&request, given).await.unwrap();
    let events = talk.until(|event| matches!(event, AgentEvent::TurnEnded(_))).await;
    let told = events.iter().any(|event| {
        matches!(event, AgentEvent::ItemSettled { content: ItemContent::ToolCall(call), .. } if call.output.contains("Blue"))
    });
    assert!(told, "{events:?}");
    talk.driver.close().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_stops_within_two_seconds_in_mid_stream_in_a_command_and_while_it_asks() {
    let Some(world) = World::start().await else { return };
    let mut talk = world.talk("stop", None).await;
    talk.driver.prompt("[[rate 50]] [[text 400]]").await.unwrap();
    talk.until(|event| matches!(event, AgentEvent::Delta { .. })).await;
    let begun = tokio::time::Instant::now();
    talk.driver.interrupt().await.unwrap();
    let events = talk.until(|event| matches!(event, AgentEvent::TurnEnded(_))).await;
    assert_eq!(how(&events), &TurnOutcome::Interrupted);
    assert!(begun.elapsed() < Duration::from_secs(2));
    let cut =
        events.iter().any(|event| matches!(event, AgentEvent::ItemSettled { status: ItemStatus::Interrupted, .. }));
    assert!(cut, "{events:?}");

    let (request, _) = talk.asked("[[tool bash touch never; sleep 611]]").await;
    talk.driver.interrupt().await.unwrap();
    let events = talk.until(|event| matches!(event, AgentEvent::TurnEnded(_))).await;
    assert_eq!(how(&events), &TurnOutcome::Interrupted);
    assert!(events.contains(&AgentEvent::AskWithdrawn { request: request.clone() }));
    assert!(talk.driver.answer(&request, answer("allow")).await.is_err());

    let (request, _) = talk.asked("[[tool bash touch once; sleep 612]]").await;
    talk.driver.answer(&request, answer("allow")).await.unwrap();
    wait_until("the command runs", || running(&["sleep", "612"]).len() == 1).await;
    talk.driver.interrupt().await.unwrap();
    let events = talk.until(|event| matches!(event, AgentEvent::TurnEnded(_))).await;
    assert_eq!(how(&events), &TurnOutcome::Interrupted);
    let events = talk.turn("[[say alive]]").await;
    assert_eq!(texts(&events), ["alive"]);
    talk.driver.close().await;
    wait_until("the command is gone", || running(&["sleep", "612"]).is_empty()).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_left_the_group_is_reaped_with_its_agent_and_after_a_kill_9() {
    let Some(world) = World::start().await else { return };
    for (sleep, way) in [("613", "drop"), ("614", "kill -9 of the agent"), ("615", "mark")] {
        let mut talk = world.talk("reap", None).await;
        // Each shell command of Claude runs in a session of its own already; setsid makes one more.
        let (request, _) = talk.asked(&format!("[[tool bash touch x; setsid sleep {sleep}]]")).await;
        talk.driver.answer(&request, answer("allow")).await.unwrap();
        wait_until("the command runs", || !running(&["sleep", sleep]).is_empty()).await;
        let Talk { driver, events, mark, .. } = talk;
        match way {
            "drop" => drop(driver),
            "mark" => {
                assert!(reap_marked(std::slice::from_ref(&mark)).await.unwrap() >= 2);
                assert_eq!(running(&["sleep", sleep]), [] as [u32; 0]);
            }
            _ => kill(mark.pid),
        }
        let last = last_words(events).await.pop();
        assert!(matches!(last, Some(AgentEvent::Exited { .. })), "{way}: {last:?}");
        assert_eq!(running(&["sleep", sleep]), [] as [u32; 0], "{way}");
        assert!(!is_alive(mark.pid), "{way}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prompt_in_mid_turn_goes_in_at_a_step_or_comes_next_or_is_given_back() {
    let Some(world) = World::start().await else { return };
    let mut talk = world.talk("steer", None).await;
    let is_end = |event: &AgentEvent| matches!(event, AgentEvent::TurnEnded(_));
    let taken = |event: &AgentEvent| matches!(event, AgentEvent::SteerTaken { key } if key == "folded");
    // At the boundary of a tool call, which waits for its permission meanwhile.
    let (request, _) = talk.asked("[[tool bash touch made]] [[say end]]").await;
    let steered = talk.driver.steer("folded", "[[say also]]", &[]).await;
    let abilities = world.agent(Some("sk-ant-dummy")).probe("abilities").await.abilities;
    if !abilities.contains(&Ability::Steer) {
        // A version that does not say what becomes of such a prompt (2.1.197): refused, and the turn goes on as if nothing had been.
        assert!(matches!(steered, Err(DriveError::Refused { .. })), "{steered:?}");
        assert_eq!(texts(&talk.answer(&request, "allow").await), ["end"]);
        talk.driver.close().await;
        return world.end().await;
    }
    assert_eq!(steered, Ok(Steered::Later));
    let mut events = talk.answer(&request, "allow").await;
    if !events.iter().any(is_end) {
        events.extend(talk.until(is_end).await);
    }
    assert!(events.iter().any(taken), "{events:?}");
    assert_eq!(events.iter().filter(|event| is_end(event)).count(), 1);
    // In mid-stream there is no boundary: one is given back, the other comes next by itself.
    talk.driver.prompt("[[rate 50]] [[text 40]]").await.unwrap();
    talk.until(|event| matches!(event, AgentEvent::Delta { .. })).await;
    assert_eq!(talk.driver.steer("next", "[[say came next]]", &[]).await, Ok(Steered::Later));
    assert_eq!(talk.driver.steer("back", "[[say never]]", &[]).await, Ok(Steered::Later));
    assert_eq!(talk.driver.unsteer("back").await, Ok(()));
    let events = talk.until(is_end).await;
    assert!(events.iter().any(|event| matches!(event, AgentEvent::SteerDropped { key } if key == "back")));
    assert_eq!(texts(&talk.until(is_end).await), ["came next"]);
    assert!(matches!(talk.driver.unsteer("next").await, Err(DriveError::Refused { .. })), "it is too late");
    talk.driver.close().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fork_knows_what_came_before_its_place_and_no_more() {
    let Some(world) = World::start().await else { return };
    let mut talk = world.talk("origin", None).await;
    let first = talk.turn("[[say one]]").await;
    let place = place(&first);
    assert!(place.is_some(), "{first:?}");
    talk.turn("[[say two]]").await;
    let origin = talk.session.clone();
    talk.driver.close().await;
    for (place, known) in [(place, vec!["[[say one]]"]), (None, vec!["[[say one]]", "[[say two]]"])] {
        let spec = OpenSpec { resume: origin.clone(), ..world.spec("fork") };
        let mut fork = Talk::of(world.agent(Some("sk-ant-dummy")).fork(spec, place).await.unwrap());
        fork.turn("[[say another way]]").await;
        assert!(fork.session.is_some() && fork.session != origin, "it is a conversation of its own");
        fork.driver.close().await;
        let typed = world.model.typed();
        assert_eq!(typed, [known, vec!["[[say another way]]"]].concat());
    }
    let mut again = world.talk("again", origin.clone()).await;
    again.turn("[[say three]]").await;
    assert_eq!(world.model.typed(), ["[[say one]]", "[[say two]]", "[[say three]]"], "the other one stays as it was");
    again.driver.close().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_of_the_model_are_told_apart_and_a_wrong_key_fails_at_once() {
    let Some(world) = World::start().await else { return };
    let mut talk = world.talk("errors", None).await;
    let begun = tokio::time::Instant::now();
    let events = talk.turn("[[error 401]]").await;
    assert!(matches!(how(&events), TurnOutcome::Failed { code: TurnErrorCode::CredentialsExpired, .. }), "{events:?}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let events = talk.turn("[[error 404]]").await;
    assert!(matches!(how(&events), TurnOutcome::Failed { code: TurnErrorCode::ModelUnavailable, .. }), "{events:?}");
    let events = talk.turn("[[error 529 x1]] [[say recovered]]").await;
    assert_eq!((how(&events), texts(&events)), (&TurnOutcome::Completed, vec!["recovered"]));
    let retried = events.iter().any(|event| matches!(event, AgentEvent::Notice { code, .. } if code == "retrying"));
    assert!(retried);
    talk.driver.close().await;
    world.end().await;
}
