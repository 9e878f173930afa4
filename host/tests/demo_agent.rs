//! The demo agent as a real process behind the ACP adapter.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use host::agent::acp::{AcpAgent, AcpOptions};
use host::agent::{Agent, AgentEvent, Answer, Driver, OpenError, OpenSpec, Opened, TurnOutcome};
use host::process::{Environment, fresh_tag};
use protocol::approval::OptionKind;
use protocol::host::AgentState;
use protocol::item::{DeltaPart, ItemContent, ItemStatus, PlanStatus};
use tokio::sync::mpsc;
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(20);

fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let program = own.parent().unwrap().with_file_name("examples").join("demo_agent");
    assert!(
        program.exists(),
        "`cargo build -p host --examples` makes the demo agent, which is not at {}",
        program.display()
    );
    program
}

struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("project")).unwrap();
        std::fs::write(folder.path().join("project/README.md"), "# A project\n").unwrap();
        Self { folder }
    }

    fn project(&self) -> PathBuf {
        self.folder.path().join("project").canonicalize().unwrap()
    }

    fn agent(&self, program: &Path) -> AcpAgent {
        AcpAgent::new(AcpOptions {
            id: "demo".to_owned(),
            name: "Demo".to_owned(),
            program: program.into(),
            args: Vec::new(),
            environment: Environment::default().with("TOWLINE_DEMO_STATE", self.folder.path().join("state")),
            allow_bypass: false,
            probe_cwd: self.folder.path().to_owned(),
            install_hint: Some("build it".to_owned()),
        })
    }

    fn spec(&self) -> OpenSpec {
        OpenSpec {
            cwd: self.project(),
            resume: None,
            model: None,
            mode: None,
            effort: None,
            tag: fresh_tag("demo-test"),
            lines: None,
        }
    }

    async fn talk(&self, spec: OpenSpec) -> Talk {
        let Opened { driver, mut events, .. } = self.agent(&program()).open(spec).await.unwrap();
        let Some(AgentEvent::Session { agent_session }) = events.recv().await else {
            panic!("the session is told first")
        };
        assert!(matches!(events.recv().await, Some(AgentEvent::Options { model: Some(_), mode: Some(_) })));
        Talk { driver, events, session: agent_session }
    }
}

#[derive(Debug)]
struct Talk {
    driver: Box<dyn Driver>,
    events: mpsc::Receiver<AgentEvent>,
    session: String,
}

impl Talk {
    async fn until(&mut self, is_it: impl Fn(&AgentEvent) -> bool) -> Vec<AgentEvent> {
        let mut all = Vec::new();
        loop {
            let event = timeout(LONG, self.events.recv()).await.expect("an event in time").expect("the agent lives");
            let found = is_it(&event);
            all.push(event);
            if found {
                return all;
            }
        }
    }

    async fn end(&mut self) -> Vec<AgentEvent> {
        self.until(|event| matches!(event, AgentEvent::TurnEnded(_))).await
    }

    async fn turn(&mut self, prompt: &str) -> Vec<AgentEvent> {
        self.driver.prompt(prompt).await.unwrap();
        self.end().await
    }

    async fn asked(&mut self, prompt: &str) -> String {
        self.driver.prompt(prompt).await.unwrap();
        let Some(AgentEvent::Ask { request, options, content, .. }) =
            self.until(|event| matches!(event, AgentEvent::Ask { .. })).await.pop()
        else {
            unreachable!()
        };
        assert_eq!(options[0].kind, OptionKind::AllowOnce);
        assert!(!content.detail.is_empty() && content.labels.len() == options.len());
        request
    }

    async fn answer(&mut self, request: &str, option: &str) -> Vec<AgentEvent> {
        let answer = Answer { option: option.to_owned(), message: None, answers: Vec::new() };
        self.driver.answer(request, answer).await.unwrap();
        self.end().await
    }
}

fn how(events: &[AgentEvent]) -> &TurnOutcome {
    let Some(AgentEvent::TurnEnded(end)) = events.last() else { panic!("{events:?}") };
    &end.how
}

fn said(events: &[AgentEvent]) -> String {
    let settled = events.iter().filter_map(|event| match event {
        AgentEvent::ItemSettled { content: ItemContent::Text { text }, .. } => Some(text.as_str()),
        _ => None,
    });
    settled.collect()
}

#[tokio::test]
async fn it_is_found_with_its_models_and_modes() {
    let world = World::new();
    let entry = world.agent(&program()).probe("probe").await;
    assert_eq!(entry.state, AgentState::Ready, "{entry:?}");
    assert_eq!((entry.models.len(), entry.modes.len(), entry.version.is_some()), (2, 2, true));
    let missing = world.agent(Path::new("towline-no-such-agent")).probe("probe").await;
    assert_eq!((missing.state, missing.hint.as_deref()), (AgentState::Missing, Some("build it")));
    let broken = world.agent(Path::new("/bin/false")).probe("probe").await;
    assert_eq!(broken.state, AgentState::Broken, "{broken:?}");
}

#[tokio::test]
async fn it_thinks_plans_looks_around_and_answers_word_by_word() {
    let world = World::new();
    let mut talk = world.talk(world.spec()).await;
    let events = talk.turn("Tell me about this project").await;
    assert_eq!(how(&events), &TurnOutcome::Completed);
    let deltas = events.iter().filter(|event| matches!(event, AgentEvent::Delta { part: DeltaPart::Text, .. })).count();
    assert!(deltas > 30, "{deltas}");
    let settled: Vec<&ItemContent> = events
        .iter()
        .filter_map(|event| if let AgentEvent::ItemSettled { content, .. } = event { Some(content) } else { None })
        .collect();
    assert!(
        settled
            .iter()
            .any(|content| matches!(content, ItemContent::Reasoning { text } if text.contains("this project")))
    );
    let looked =
        settled.iter().any(|content| matches!(content, ItemContent::ToolCall(call) if call.output == "README.md"));
    assert!(looked, "{settled:?}");
    let planned = settled
        .iter()
        .find_map(|content| if let ItemContent::Plan { entries } = content { Some(entries) } else { None });
    assert!(planned.unwrap().iter().all(|entry| entry.status == PlanStatus::Completed));
    assert!(said(&events).contains("README.md"));
    talk.driver.close().await;
}

#[tokio::test]
async fn it_writes_what_it_may_and_leaves_alone_what_it_may_not() {
    let world = World::new();
    let mut talk = world.talk(world.spec()).await;
    let request = talk.asked("create a file hello.txt that says \"good morning\"").await;
    let file = world.project().join("hello.txt");
    assert!(!file.exists());
    let events = talk.answer(&request, "allow").await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "good morning\n");
    assert!(said(&events).contains("hello.txt"));

    let request = talk.asked("[[write no.txt never]] [[say and on]]").await;
    let events = talk.answer(&request, "deny").await;
    assert!(events.iter().any(|event| matches!(event, AgentEvent::ItemSettled { status: ItemStatus::Denied, .. })));
    assert!(!world.project().join("no.txt").exists() && said(&events).ends_with("and on"));

    let events = talk.turn("[[write ../outside.txt x]]").await;
    assert!(said(&events).contains("outside of this project"), "{events:?}");
    std::os::unix::fs::symlink(world.folder.path(), world.project().join("link")).unwrap();
    let events = talk.turn("[[write link/outside.txt x]]").await;
    assert!(said(&events).contains("outside of this project"), "{events:?}");
    assert!(!world.folder.path().join("outside.txt").exists());

    let request = talk.asked("[[write one.txt 1]] [[write two.txt 2]]").await;
    talk.answer(&request, "allow-always").await;
    assert!(
        world.project().join("one.txt").exists() && world.project().join("two.txt").exists(),
        "asked once for the session"
    );
    talk.driver.close().await;
}

#[tokio::test]
async fn a_mode_and_a_model_are_chosen_and_unknown_ones_refused() {
    let world = World::new();
    let spec = OpenSpec { mode: Some("accept-edits".to_owned()), model: Some("quick".to_owned()), ..world.spec() };
    let mut talk = world.talk(spec).await;
    let events = talk.turn("create a file quick.txt").await;
    assert!(world.project().join("quick.txt").exists());
    assert!(
        !events.iter().any(|event| matches!(event, AgentEvent::ItemStarted { content: ItemContent::Plan { .. }, .. }))
    );
    assert!(talk.driver.set_options(Some("nonsense".to_owned()), None).await.is_err());
    talk.driver.set_options(None, Some("ask".to_owned())).await.unwrap();
    talk.asked("[[write asked.txt x]]").await;
    drop(talk);
    let spec = OpenSpec { mode: Some("yolo".to_owned()), ..world.spec() };
    let refused = world.agent(&program()).open(spec).await.unwrap_err();
    assert!(matches!(refused, OpenError::Option { .. }), "{refused}");
}

#[tokio::test]
async fn it_stops_in_mid_stream_and_while_it_asks() {
    let world = World::new();
    let mut talk = world.talk(world.spec()).await;
    talk.driver.prompt("[[rate 20]] [[words 500]]").await.unwrap();
    talk.until(|event| matches!(event, AgentEvent::Delta { .. })).await;
    let begun = tokio::time::Instant::now();
    talk.driver.interrupt().await.unwrap();
    let events = talk.end().await;
    assert_eq!(how(&events), &TurnOutcome::Interrupted);
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert!(
        events.iter().any(|event| matches!(event, AgentEvent::ItemSettled { status: ItemStatus::Interrupted, .. }))
    );

    let request = talk.asked("[[write never.txt x]]").await;
    talk.driver.interrupt().await.unwrap();
    let events = talk.end().await;
    assert_eq!(how(&events), &TurnOutcome::Interrupted);
    assert!(events.contains(&AgentEvent::AskWithdrawn { request }));
    assert!(!world.project().join("never.txt").exists());
    assert_eq!(said(&talk.turn("[[say alive]]").await), "alive");
    talk.driver.close().await;
}

#[tokio::test]
async fn a_conversation_goes_on_in_another_process_and_an_unknown_one_does_not() {
    let world = World::new();
    let mut talk = world.talk(world.spec()).await;
    talk.turn("[[rate 0]] [[say the magic word is xyzzy]]").await;
    let session = talk.session.clone();
    // Dies in the middle of the next turn: what came before is kept.
    talk.driver.prompt("[[rate 0]] [[words 3]] [[die]]").await.unwrap();
    let events = talk.until(|event| matches!(event, AgentEvent::Exited { .. })).await;
    assert!(
        events.iter().any(|event| matches!(event, AgentEvent::ItemSettled { status: ItemStatus::Interrupted, .. })),
        "{events:?}"
    );
    assert!(talk.driver.prompt("anybody?").await.is_err());

    let mut again = world.talk(OpenSpec { resume: Some(session.clone()), ..world.spec() }).await;
    assert_eq!(again.session, session);
    let events = again.turn("What did I say before?").await;
    assert!(said(&events).contains("xyzzy"), "{events:?}");
    let begins = events.iter().filter(|event| matches!(event, AgentEvent::ItemStarted { .. })).count();
    assert_eq!(begins, 1, "the old words are not told again");
    again.driver.close().await;

    let spec = OpenSpec { resume: Some("demo-nobody".to_owned()), ..world.spec() };
    let refused = world.agent(&program()).open(spec).await.unwrap_err();
    assert!(matches!(&refused, OpenError::NotSaved { session, .. } if session == "demo-nobody"), "{refused}");
}

#[tokio::test]
async fn a_program_that_is_no_agent_is_told_apart() {
    let world = World::new();
    let refused = world.agent(Path::new("towline-no-such-agent")).open(world.spec()).await.unwrap_err();
    assert!(matches!(refused, OpenError::NotFound { .. }), "{refused}");
    let refused = world.agent(Path::new("/bin/false")).open(world.spec()).await.unwrap_err();
    assert!(matches!(refused, OpenError::NotNow { .. }), "{refused}");
}
