//! An agent that does what its prompt says. It lives in this process; real ones are tested elsewhere.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use host::agent::*;
use protocol::agent_health::AgentHealth;
use protocol::agent_limits::{LimitStanding, LimitWindow};
use protocol::approval::{ApprovalContent, ApprovalKind, ApprovalOption, OptionKind};
use protocol::host::{Ability, AgentEntry, AgentState, Choice, Effort};
use protocol::item::{DeltaPart, ItemContent, ItemStatus, NoticeLevel, Role, ToolCall, ToolKind};
use protocol::turn::TurnErrorCode;
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;

/// What all lives of the agent did.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    pub(crate) prompts: Mutex<Vec<String>>,
    pub(crate) resumed: Mutex<Vec<Option<String>>>,
    /// What it was told to go back to its own default of.
    pub(crate) defaults: Mutex<Vec<Setting>>,
    /// Whether it has no default model to go back to.
    pub(crate) no_default: AtomicBool,
    /// What it went on from: the conversation, and the place in it.
    pub(crate) forks: Mutex<Vec<(Option<String>, Option<String>)>>,
    /// What each of its processes was opened with.
    pub(crate) efforts: Mutex<Vec<Option<String>>>,
    pub(crate) running: AtomicUsize,
    pub(crate) most: AtomicUsize,
    pub(crate) processes: AtomicUsize,
    pub(crate) options: Mutex<Vec<(Option<String>, Option<String>)>>,
    /// The model or the mode that it refuses.
    pub(crate) refuses: Mutex<Option<String>>,
    /// Whether it does not answer when it is asked what it offers.
    pub(crate) silent: AtomicBool,
    /// Whether it goes on from the newest turn of a session only, and names no place.
    pub(crate) forks_newest: AtomicBool,
    /// So often it cannot be started, for a reason that passes.
    pub(crate) not_now: AtomicUsize,
    /// How often that was tried, and when.
    pub(crate) opens: Mutex<Vec<tokio::time::Instant>>,
    /// Whether it takes three seconds to go when it is killed.
    pub(crate) lingers: AtomicBool,
    /// Whether all sessions are in one process.
    pub(crate) shared: AtomicBool,
    /// Whether it says something as soon as it is there.
    pub(crate) wordy: AtomicBool,
    /// Whether it takes no images.
    pub(crate) blind: AtomicBool,
    /// The images that it got.
    pub(crate) images: Mutex<Vec<Image>>,
    /// The prompts that it was handed in mid-turn.
    pub(crate) steered: Mutex<Vec<String>>,
    pub(crate) probes: AtomicUsize,
    /// What the processes of the last probe would be tagged below.
    pub(crate) probe_tag: Mutex<String>,
}

#[derive(Debug)]
pub(crate) struct Puppet {
    pub(crate) stage: Arc<Stage>,
}

#[derive(Debug)]
struct Strings {
    stage: Arc<Stage>,
    events: mpsc::Sender<AgentEvent>,
    act: Option<AbortHandle>,
    interrupted: Arc<Notify>,
    answers: mpsc::Sender<Answer>,
    answered: Arc<tokio::sync::Mutex<mpsc::Receiver<Answer>>>,
    /// What it was handed in mid-turn and has not taken in: each key with its words.
    steers: Arc<Mutex<VecDeque<(String, String)>>>,
    stubborn: bool,
    last: bool,
}

impl Drop for Strings {
    fn drop(&mut self) {
        self.act.take().inspect(AbortHandle::abort);
        if self.stage.lingers.load(Ordering::SeqCst) {
            let events = self.events.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(3)).await;
                let _ = events.send(AgentEvent::Exited { detail: "killed at last".into() }).await;
            });
        }
        self.stage.processes.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Turn(Arc<Stage>);

impl Turn {
    fn new(stage: Arc<Stage>) -> Self {
        let now = stage.running.fetch_add(1, Ordering::SeqCst) + 1;
        stage.most.fetch_max(now, Ordering::SeqCst);
        Self(stage)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Agent for Puppet {
    fn id(&self) -> &'static str {
        "puppet"
    }

    fn probe<'a>(&'a self, tag: &'a str) -> Later<'a, AgentEntry> {
        let effort = |id: &str, models: &[&str]| Effort {
            id: id.into(),
            name: id.into(),
            description: None,
            models: models.iter().map(|model| (*model).to_owned()).collect(),
        };
        let choice = |id: &str| Choice { id: id.into(), name: id.into(), description: None };
        Box::pin(async move {
            let silent = self.stage.silent.load(Ordering::SeqCst);
            self.stage.probes.fetch_add(1, Ordering::SeqCst);
            tag.clone_into(&mut self.stage.probe_tag.lock().unwrap());
            AgentEntry {
                id: "puppet".into(),
                name: "Puppet".into(),
                version: None,
                state: if silent { AgentState::Broken } else { AgentState::Ready },
                hint: None,
                models: vec![choice("big"), choice("small")],
                modes: vec![choice("default"), choice("bypassPermissions"), choice("unopenable")],
                efforts: vec![effort("low", &[]), effort("high", &["big"])],
                health: AgentHealth::default(),
                abilities: vec![
                    Ability::Steer,
                    if self.stage.forks_newest.load(Ordering::SeqCst) { Ability::ForkNewest } else { Ability::Fork },
                    Ability::Defaults,
                ],
                commands: Vec::new(),
            }
        })
    }

    fn fork(&self, spec: OpenSpec, place: Option<String>) -> Later<'_, Result<Opened, OpenError>> {
        self.stage.forks.lock().unwrap().push((spec.resume.clone(), place));
        self.open(OpenSpec { resume: None, ..spec })
    }

    fn open(&self, spec: OpenSpec) -> Later<'_, Result<Opened, OpenError>> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            self.stage.opens.lock().unwrap().push(tokio::time::Instant::now());
            let left = |left: usize| left.checked_sub(1);
            if self.stage.not_now.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_ok() {
                return Err(OpenError::NotNow { program: "puppet".into(), detail: "out of memory".into() });
            }
            if spec.mode.as_deref() == Some("unopenable") {
                return Err(OpenError::Failed { program: "puppet".into(), detail: "it will not".into() });
            }
            self.stage.resumed.lock().unwrap().push(spec.resume.clone());
            self.stage.efforts.lock().unwrap().push(spec.effort.clone());
            self.stage.processes.fetch_add(1, Ordering::SeqCst);
            let (events, said) = mpsc::channel(EVENT_QUEUE);
            let (answers, answered) = mpsc::channel(4);
            let name = spec.resume.unwrap_or_else(|| format!("puppet-{}", spec.tag));
            events.send(AgentEvent::Session { agent_session: name }).await.unwrap();
            if self.stage.wordy.load(Ordering::SeqCst) {
                let notice =
                    AgentEvent::Notice { level: NoticeLevel::Warning, code: "early".into(), text: "mind".into() };
                events.send(notice).await.unwrap();
            }
            let driver = Strings {
                stage: self.stage.clone(),
                events,
                act: None,
                interrupted: Arc::default(),
                answers,
                answered: Arc::new(tokio::sync::Mutex::new(answered)),
                steers: Arc::default(),
                stubborn: false,
                last: false,
            };
            let process = Some(ProcessMark {
                pid: 7,
                started: 7,
                tag: spec.tag,
                shared: self.stage.shared.load(Ordering::SeqCst),
            });
            Ok(Opened { driver: Box::new(driver), events: said, process, entry: None })
        })
    }
}

impl Driver for Strings {
    fn takes_images(&self) -> bool {
        !self.stage.blind.load(Ordering::SeqCst)
    }

    fn prompt_with<'a>(&'a mut self, text: &'a str, images: &'a [Image]) -> Later<'a, Result<(), DriveError>> {
        self.stage.images.lock().unwrap().extend_from_slice(images);
        self.prompt(text)
    }

    fn prompt<'a>(&'a mut self, text: &'a str) -> Later<'a, Result<(), DriveError>> {
        self.stage.prompts.lock().unwrap().push(text.to_owned());
        self.stubborn = text.starts_with("stubborn");
        self.last = text.starts_with("last");
        let turn = Turn::new(self.stage.clone());
        let act = act(turn, self.events.clone(), text.to_owned(), self.answered.clone());
        let (interrupted, events, stubborn) = (self.interrupted.clone(), self.events.clone(), self.stubborn);
        let (steers, stage, answered) = (self.steers.clone(), self.stage.clone(), self.answered.clone());
        let act = tokio::spawn(async move {
            tokio::select! {
                () = act => {}
                () = interrupted.notified(), if !stubborn => {
                    let dropped = std::mem::take(&mut *steers.lock().unwrap());
                    for (key, _) in dropped {
                        let _ = events.send(AgentEvent::SteerDropped { key }).await;
                    }
                    let end = TurnEnd { how: TurnOutcome::Interrupted, usage: None, model: None, own: false };
                    let _ = events.send(AgentEvent::TurnEnded(end)).await;
                }
            }
            // What was not taken in comes next, by itself.
            loop {
                let Some((_, text)) = steers.lock().unwrap().pop_front() else { break };
                stage.prompts.lock().unwrap().push(text.clone());
                self::act(Turn::new(stage.clone()), events.clone(), text, answered.clone()).await;
            }
        });
        self.act = Some(act.abort_handle());
        Box::pin(async { Ok(()) })
    }

    /// `refused`: does not take it. `slow`: does not say whether it has it. `now`: it is part of the turn. `step`: it is, a little later. Anything else: when the turn has ended.
    fn steer<'a>(&'a mut self, key: &'a str, text: &'a str, _: &'a [Image]) -> Later<'a, Result<Steered, DriveError>> {
        Box::pin(async move {
            self.stage.steered.lock().unwrap().push(text.to_owned());
            match text.split_whitespace().next() {
                // It does not say: it may have it.
                Some("slow") => return Err(DriveError::Timeout { waited_ms: 5_000 }),
                Some("refused") => return Err(DriveError::Refused { detail: "not now".into() }),
                Some("now") => return Ok(Steered::Now),
                _ => self.steers.lock().unwrap().push_back((key.to_owned(), text.to_owned())),
            }
            if text.starts_with("step") {
                let (steers, events, key) = (self.steers.clone(), self.events.clone(), key.to_owned());
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    let before = steers.lock().unwrap().len();
                    steers.lock().unwrap().retain(|(known, _)| *known != key);
                    if steers.lock().unwrap().len() < before {
                        let _ = events.send(AgentEvent::SteerTaken { key }).await;
                    }
                });
            }
            Ok(Steered::Later)
        })
    }

    fn unsteer<'a>(&'a mut self, key: &'a str) -> Later<'a, Result<(), DriveError>> {
        Box::pin(async move {
            let before = self.steers.lock().unwrap().len();
            self.steers.lock().unwrap().retain(|(known, _)| known != key);
            if self.steers.lock().unwrap().len() == before {
                return Err(DriveError::Refused { detail: "too late".into() });
            }
            let _ = self.events.send(AgentEvent::SteerDropped { key: key.to_owned() }).await;
            Ok(())
        })
    }

    fn interrupt(&mut self) -> Later<'_, Result<(), DriveError>> {
        if !self.stubborn {
            self.interrupted.notify_one();
        }
        Box::pin(async { Ok(()) })
    }

    fn answer<'a>(&'a mut self, _: &'a str, answer: Answer) -> Later<'a, Result<(), DriveError>> {
        Box::pin(async move { self.answers.send(answer).await.map_err(|_| DriveError::Died { detail: "gone".into() }) })
    }

    fn set_options(&mut self, model: Option<String>, mode: Option<String>) -> Later<'_, Result<(), DriveError>> {
        let not_this = self.stage.refuses.lock().unwrap().clone();
        let refused = not_this.is_some() && [&model, &mode].into_iter().any(|choice| *choice == not_this);
        self.stage.options.lock().unwrap().push((model, mode));
        let result = if refused { Err(DriveError::Refused { detail: "not on this plan".into() }) } else { Ok(()) };
        Box::pin(std::future::ready(result))
    }

    /// Its model it changes itself; for its effort it needs a new process.
    fn to_default(&mut self, setting: Setting) -> Later<'_, Result<(), DriveError>> {
        self.stage.defaults.lock().unwrap().push(setting);
        Box::pin(std::future::ready(match setting {
            Setting::Model if self.stage.no_default.load(Ordering::SeqCst) => {
                Err(DriveError::Refused { detail: "it has none".into() })
            }
            Setting::Model => Ok(()),
            Setting::Effort => Err(DriveError::Reopen),
        }))
    }

    fn close(self: Box<Self>) -> Later<'static, ()> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            if self.last {
                let text = "a task failed".to_owned();
                let notice = AgentEvent::Notice { level: NoticeLevel::Info, code: "background_task".into(), text };
                let _ = self.events.send(notice).await;
            }
            drop(self);
        })
    }
}

fn text(text: impl Into<String>) -> ItemContent {
    ItemContent::Text { text: text.into() }
}

fn settled(item: String, content: ItemContent) -> AgentEvent {
    AgentEvent::ItemSettled { item, parent: None, role: Role::Agent, status: ItemStatus::Done, content }
}

/// `build`: a tool runs for ever. `writes`: the input of one is written for ever.
/// `background N`: goes on for N seconds behind its turn. `overlap`: had begun a turn by itself. `last`: says something when it is closed.
/// `run COMMAND`: asks to run it. `change A => B`: asks to run A, and then it is B.
/// `say N MS`: N words, one per MS milliseconds. `die`: ends in the middle. `ask`: waits for an answer. `withdraw`: asks no more.
/// `burst N`: N items, one after the other. `rush N`: N items without a breath. `flood N`: N bytes of tool output. `drop`: begins an item that never was. `stubborn` and `hang`: never end by themselves.
async fn act(
    turn: Turn,
    events: mpsc::Sender<AgentEvent>,
    script: String,
    answers: Arc<tokio::sync::Mutex<mpsc::Receiver<Answer>>>,
) {
    let mut words = script.split_whitespace();
    let verb = words.next().unwrap_or_default();
    let mut number = || words.next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(1);
    let begin =
        |item: &str, content| AgentEvent::ItemStarted { item: item.into(), parent: None, role: Role::Agent, content };
    let mut say = Vec::new();
    match verb {
        "say" => {
            let (count, pause) = (number(), number());
            let _ = events.send(begin("a", text(""))).await;
            let mut whole = String::new();
            for word in 0..count {
                tokio::time::sleep(Duration::from_millis(pause)).await;
                let piece = format!("{word} ");
                whole.push_str(&piece);
                let _ = events.send(AgentEvent::Delta { item: "a".into(), part: DeltaPart::Text, text: piece }).await;
            }
            say.push(settled("a".into(), text(whole)));
        }
        "burst" => {
            for n in 0..number() {
                let key = format!("b{n}");
                if n % 2 == 0 {
                    let _ = events.send(begin(&key, text("part"))).await;
                }
                tokio::time::sleep(Duration::from_millis(3)).await;
                let _ = events.send(settled(key, text(format!("part {n}")))).await;
            }
        }
        "rush" => {
            for n in 0..number() {
                let key = format!("r{n}");
                let _ = events.send(begin(&key, text(""))).await;
                let piece = format!("item {n}");
                let _ = events
                    .send(AgentEvent::Delta { item: key.clone(), part: DeltaPart::Text, text: piece.clone() })
                    .await;
                let _ = events.send(settled(key, text(piece))).await;
            }
        }
        "ask" | "withdraw" => {
            let call = ToolCall { name: "Bash".into(), title: "list".into(), ..ToolCall::default() };
            let _ = events.send(begin("tool", ItemContent::ToolCall(call.clone()))).await;
            let ask = AgentEvent::Ask {
                request: "r1".into(),
                item: Some("tool".into()),
                kind: ApprovalKind::Permission,
                options: vec![
                    ApprovalOption { id: "yes".into(), kind: OptionKind::AllowOnce },
                    ApprovalOption { id: "no".into(), kind: OptionKind::Deny },
                ],
                content: ApprovalContent { title: "ls".into(), ..ApprovalContent::default() },
            };
            let _ = events.send(ask).await;
            if verb == "ask" {
                let answer = answers.lock().await.recv().await;
                say.push(settled(
                    "said".into(),
                    text(format!("answer {}", answer.map(|a| a.option).unwrap_or_default())),
                ));
            } else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                say.push(AgentEvent::AskWithdrawn { request: "r1".into() });
            }
            say.push(settled("tool".into(), ItemContent::ToolCall(call)));
        }
        "run" | "change" => {
            let rest = script.split_once(' ').map_or("", |(_, rest)| rest);
            let (first, second) = rest.split_once(" => ").map_or((rest, None), |(first, second)| (first, Some(second)));
            let call = |command: &str| ToolCall {
                tool: ToolKind::Execute,
                name: "Bash".into(),
                title: "run".into(),
                input: serde_json::json!({ "command": command }).to_string(),
                ..ToolCall::default()
            };
            let option = |id: &str, kind| ApprovalOption { id: id.into(), kind };
            let _ = events.send(begin("tool", ItemContent::ToolCall(call(first)))).await;
            let ask = AgentEvent::Ask {
                request: "r1".into(),
                item: Some("tool".into()),
                kind: ApprovalKind::Permission,
                options: vec![
                    option("yes", OptionKind::AllowOnce),
                    option("always", OptionKind::AllowAlways),
                    option("no", OptionKind::Deny),
                ],
                content: ApprovalContent {
                    title: "Run".into(),
                    detail: first.into(),
                    labels: vec!["Yes".into(), "Always".into(), "No".into()],
                    ..ApprovalContent::default()
                },
            };
            let _ = events.send(ask).await;
            if let Some(second) = second {
                tokio::time::sleep(Duration::from_millis(50)).await;
                let content = ItemContent::ToolCall(call(second));
                let _ = events.send(AgentEvent::ItemUpdated { item: "tool".into(), content }).await;
            }
            let answer = answers.lock().await.recv().await;
            let heard = answer.map(|a| [a.option, a.message.unwrap_or_default()].join(" ")).unwrap_or_default();
            say.push(settled("said".into(), text(format!("answer {}", heard.trim()))));
            say.push(settled("tool".into(), ItemContent::ToolCall(call(second.unwrap_or(first)))));
        }
        "die" => {
            let _ = events.send(begin("a", text("half"))).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            drop(turn);
            let _ = events.send(AgentEvent::Exited { detail: "killed".into() }).await;
            return;
        }
        "fail" => {
            let how = TurnOutcome::Failed { code: TurnErrorCode::RateLimited, detail: "too much".into() };
            drop(turn);
            let _ = events.send(AgentEvent::TurnEnded(TurnEnd { how, usage: None, model: None, own: false })).await;
            return;
        }
        "drop" => {
            let _ = events.send(begin("a", text("gone"))).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            say.push(AgentEvent::ItemAbandoned { item: "a".into() });
        }
        "flood" => {
            let output = "x".repeat(usize::try_from(number()).unwrap());
            let call = ToolCall { output, ..ToolCall::default() };
            say.push(settled("tool".into(), ItemContent::ToolCall(call)));
        }
        "limits" => {
            let window = LimitWindow {
                span_minutes: Some(300),
                about: None,
                used_percent: u32::try_from(number()).ok(),
                resets_at_ms: None,
                standing: LimitStanding::Open,
            };
            let _ = events.send(AgentEvent::Limits { windows: vec![window] }).await;
        }
        "overlap" => {
            // A turn of its own had begun when the prompt came.
            let _ = events.send(AgentEvent::TurnStarted).await;
            let _ = events.send(settled("o".into(), text("by itself"))).await;
            let end = TurnEnd { how: TurnOutcome::Completed, usage: None, model: Some("other".into()), own: true };
            let _ = events.send(AgentEvent::TurnEnded(end)).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            say.push(settled("a".into(), text("the answer")));
        }
        "build" | "writes" => {
            let _ = events.send(begin("tool", ItemContent::ToolCall(ToolCall::default()))).await;
            if verb == "writes" {
                let _ = events.send(AgentEvent::ModelWorks { item: "tool".into(), works: true }).await;
            }
            std::future::pending::<()>().await;
        }
        "hang" | "stubborn" => {
            let _ = events.send(begin("a", text("unfinished"))).await;
            std::future::pending::<()>().await;
        }
        _ => say.push(settled("a".into(), text(script.clone()))),
    }
    for event in say {
        let _ = events.send(event).await;
    }
    drop(turn);
    let _ = events.send(AgentEvent::Place { place: format!("after {script}") }).await;
    let end = TurnEnd { how: TurnOutcome::Completed, usage: None, model: Some("big-1".into()), own: false };
    let _ = events.send(AgentEvent::TurnEnded(end)).await;
    if verb == "own" {
        let _ = events.send(AgentEvent::TurnStarted).await;
        let _ = events.send(settled("b".into(), text("by itself"))).await;
        let end = TurnEnd { how: TurnOutcome::Completed, usage: None, model: None, own: true };
        let _ = events.send(AgentEvent::TurnEnded(end)).await;
    }
    if verb == "background" {
        let pause = number();
        let _ = events.send(AgentEvent::Background { tasks: vec!["npm test".into(), "look around".into()] }).await;
        tokio::time::sleep(Duration::from_secs(pause)).await;
        let _ = events.send(AgentEvent::Background { tasks: Vec::new() }).await;
    }
}
