//! An agent that plays: streams words, asks, dies. It lives in the node's process; what it was told is remembered outside.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use host::agent::{
    Agent, AgentEvent, Answer, DriveError, Driver, EVENT_QUEUE, Later, OpenError, OpenSpec, Opened, TurnEnd,
    TurnOutcome,
};
use protocol::agent_health::AgentHealth;
use protocol::approval::{ApprovalContent, ApprovalKind, ApprovalOption, OptionKind};
use protocol::host::{AgentEntry, AgentState};
use protocol::item::{DeltaPart, ItemContent, ItemStatus, Role, ToolCall};
use sim::Dice;
use std::sync::Arc;
use tokio::sync::{Notify, mpsc};
use tokio_util::task::AbortOnDropHandle;

use super::desk::Desk;

/// What commands name it by.
pub(crate) const ACTOR: &str = "actor";

/// Lives of agents in this process, so that each has another name.
static LIVES: AtomicU64 = AtomicU64::new(0);

pub(crate) struct Actor {
    dice: Mutex<Dice>,
    desk: Desk,
}

impl std::fmt::Debug for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Actor")
    }
}

impl Actor {
    pub(crate) fn new(seed: u64, desk: Desk) -> Self {
        // Another life plays another part.
        let part = LIVES.fetch_add(1, Ordering::SeqCst);
        Self { dice: Mutex::new(Dice::new(seed, &format!("actor{part}"))), desk }
    }
}

impl Agent for Actor {
    fn id(&self) -> &'static str {
        ACTOR
    }

    fn probe<'a>(&'a self, _tag: &'a str) -> Later<'a, AgentEntry> {
        let entry = AgentEntry {
            id: ACTOR.to_owned(),
            name: "Actor".to_owned(),
            version: None,
            state: AgentState::Ready,
            hint: None,
            models: Vec::new(),
            modes: Vec::new(),
            efforts: Vec::new(),
            health: AgentHealth::default(),
            abilities: Vec::new(),
            commands: Vec::new(),
        };
        Box::pin(std::future::ready(entry))
    }

    fn open(&self, spec: OpenSpec) -> Later<'_, Result<Opened, OpenError>> {
        Box::pin(async move {
            let (delay, fails, dice) = {
                let mut dice = self.dice.lock().expect("nobody panics with it");
                (dice.millis(1..1_500), dice.chance(60), Dice::new(dice.draw(), "part"))
            };
            tokio::time::sleep(delay).await;
            if fails {
                return Err(OpenError::Failed {
                    program: ACTOR.to_owned(),
                    detail: "it has no voice today".to_owned(),
                });
            }
            let life = LIVES.fetch_add(1, Ordering::SeqCst);
            let (events, said) = mpsc::channel(EVENT_QUEUE);
            let agent_session = spec.resume.unwrap_or_else(|| format!("actor-{life}"));
            events.send(AgentEvent::Session { agent_session }).await.expect("we hold the other end");
            let play = Play {
                life,
                dice,
                desk: self.desk.clone(),
                events,
                turn: 0,
                act: None,
                interrupted: Arc::default(),
                answers: None,
            };
            Ok(Opened { driver: Box::new(play), events: said, process: None, entry: None })
        })
    }
}

struct Play {
    life: u64,
    dice: Dice,
    desk: Desk,
    events: mpsc::Sender<AgentEvent>,
    turn: u64,
    act: Option<AbortOnDropHandle<()>>,
    interrupted: Arc<Notify>,
    answers: Option<mpsc::Sender<Answer>>,
}

impl std::fmt::Debug for Play {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Play({})", self.life)
    }
}

impl Driver for Play {
    fn prompt<'a>(&'a mut self, text: &'a str) -> Later<'a, Result<(), DriveError>> {
        Box::pin(async move {
            let written = self.dice.millis(0..20);
            tokio::time::sleep(written).await;
            self.desk.history.note("agent", format_args!("{} gets {text:?}", self.life));
            self.desk.pages().handed.push(text.to_owned());
            self.turn += 1;
            let (answers, answered) = mpsc::channel(4);
            self.answers = Some(answers);
            self.interrupted = Arc::default();
            let act = Act {
                name: format!("{}-{}", self.life, self.turn),
                dice: Dice::new(self.dice.draw(), "act"),
                events: self.events.clone(),
                answered,
                _working: Working::new(self.desk.clone()),
            };
            let (interrupted, events) = (self.interrupted.clone(), self.events.clone());
            self.act = Some(AbortOnDropHandle::new(tokio::spawn(async move {
                tokio::select! {
                    biased;
                    () = act.play() => {}
                    () = interrupted.notified() => {
                        let end = TurnEnd { how: TurnOutcome::Interrupted, usage: None, model: None, own: false };
                        drop(events.send(AgentEvent::TurnEnded(end)).await);
                    }
                }
            })));
            Ok(())
        })
    }

    fn interrupt(&mut self) -> Later<'_, Result<(), DriveError>> {
        // Some do not obey, and have to be ended.
        if !self.dice.chance(200) {
            self.interrupted.notify_one();
        }
        Box::pin(async { Ok(()) })
    }

    fn answer<'a>(&'a mut self, request: &'a str, answer: Answer) -> Later<'a, Result<(), DriveError>> {
        Box::pin(async move {
            self.desk.pages().answered.push(format!("{} {request}", self.life));
            let gone = || DriveError::Died { detail: "gone".to_owned() };
            self.answers.as_ref().ok_or_else(gone)?.try_send(answer).map_err(|_| gone())
        })
    }

    fn set_options(&mut self, _: Option<String>, _: Option<String>) -> Later<'_, Result<(), DriveError>> {
        Box::pin(async { Ok(()) })
    }

    fn close(self: Box<Self>) -> Later<'static, ()> {
        Box::pin(async move { drop(self) })
    }
}

/// Counts a turn that is worked on.
struct Working(Desk);

impl Working {
    fn new(desk: Desk) -> Self {
        let mut pages = desk.pages();
        pages.working += 1;
        pages.most = pages.most.max(pages.working);
        drop(pages);
        Self(desk)
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.pages().working -= 1;
    }
}

/// One turn.
struct Act {
    name: String,
    dice: Dice,
    events: mpsc::Sender<AgentEvent>,
    answered: mpsc::Receiver<Answer>,
    _working: Working,
}

impl Act {
    /// Whoever listened may be gone; then there is nobody left to play for.
    async fn say(&self, event: AgentEvent) {
        drop(self.events.send(event).await);
    }

    async fn begin(&self, item: &str, content: ItemContent) {
        self.say(AgentEvent::ItemStarted { item: item.to_owned(), parent: None, role: Role::Agent, content }).await;
    }

    async fn settle(&self, item: &str, status: ItemStatus, content: ItemContent) {
        let (item, role) = (item.to_owned(), Role::Agent);
        self.say(AgentEvent::ItemSettled { item, parent: None, role, status, content }).await;
    }

    async fn play(mut self) {
        for scene in 0..self.dice.within(1..4) {
            match self.dice.within(0..10) {
                0 | 1 => self.ask(scene).await,
                2 => {
                    let item = format!("{}.{scene}", self.name);
                    self.begin(&item, text("never mind")).await;
                    self.pause(300).await;
                    self.say(AgentEvent::ItemAbandoned { item }).await;
                }
                _ => self.speak(scene).await,
            }
            if self.dice.chance(30) {
                let detail = "it fell over".to_owned();
                return self.say(AgentEvent::Exited { detail }).await;
            }
        }
        let how = TurnOutcome::Completed;
        let events = self.events.clone();
        // It has stopped working before it says so.
        drop(self);
        drop(events.send(AgentEvent::TurnEnded(TurnEnd { how, usage: None, model: None, own: false })).await);
    }

    async fn speak(&mut self, scene: u64) {
        let item = format!("{}.{scene}", self.name);
        self.begin(&item, text("")).await;
        let mut whole = String::new();
        for word in 0..self.dice.within(1..40) {
            self.pause(120).await;
            let piece = format!("{}/{scene}/{word} ", self.name);
            whole.push_str(&piece);
            self.say(AgentEvent::Delta { item: item.clone(), part: DeltaPart::Text, text: piece }).await;
        }
        self.settle(&item, ItemStatus::Done, text(&whole)).await;
    }

    async fn ask(&mut self, scene: u64) {
        let item = format!("{}.{scene}", self.name);
        let call = ToolCall { name: "Bash".to_owned(), title: "list".to_owned(), ..ToolCall::default() };
        self.begin(&item, ItemContent::ToolCall(call.clone())).await;
        let options = [("yes", OptionKind::AllowOnce), ("no", OptionKind::Deny)];
        self.say(AgentEvent::Ask {
            request: item.clone(),
            item: Some(item.clone()),
            kind: ApprovalKind::Permission,
            options: options.map(|(id, kind)| ApprovalOption { id: id.to_owned(), kind }).to_vec(),
            content: ApprovalContent { title: "ls".to_owned(), ..ApprovalContent::default() },
        })
        .await;
        let Some(answer) = self.answered.recv().await else { return };
        let status = if answer.option == "yes" { ItemStatus::Done } else { ItemStatus::Denied };
        self.settle(&item, status, ItemContent::ToolCall(call)).await;
    }

    async fn pause(&mut self, most_ms: u64) {
        let pause = self.dice.millis(0..most_ms);
        tokio::time::sleep(pause).await;
    }
}

fn text(text: &str) -> ItemContent {
    ItemContent::Text { text: text.to_owned() }
}
