//! The turns of a session: accepted in order, begun one at a time, ended exactly once.

use std::time::Duration;

use protocol::blob::Attachment;
use protocol::command::{CommandState, Tried, may_try_again};
use protocol::error::ErrorCode;
use protocol::fact::{FACT_VERSION, Operation};
use protocol::id::{ItemId, TurnId};
use protocol::item::{Item, ItemContent, ItemStatus, Role, Sender};
use protocol::offset::Offset;
use protocol::port::{StreamStep, Transition};
use protocol::session::LastTurn;
use protocol::turn::{Origin, Turn, TurnContent, TurnError, TurnErrorCode, TurnState, Usage};
use tokio::time::Instant;

use super::loaded::{Loaded, Order};
use super::opening::Unavailable;
use super::{Running, Session, Slot, Stop, Waiting, row};
use crate::agent::ProcessMark;
use crate::journal::batch::{Accepts, After, Batch};
use crate::journal::limit;
use crate::journal::live::{Live, LiveItem};
use crate::notes::{self, Held, NOTE_VERSION, PlaceNote, ProcessNote, TriedNote, TurnNote};
use protocol::approval::ApprovalState;

/// How a turn ended.
#[derive(Debug, Default)]
pub(super) struct Finish {
    pub(super) error: Option<TurnErrorCode>,
    pub(super) interrupted: bool,
    pub(super) detail: Option<String>,
    pub(super) usage: Option<Usage>,
    pub(super) model: Option<String>,
}

impl Finish {
    pub(super) fn failed(code: TurnErrorCode, detail: impl Into<String>) -> Self {
        Self { error: Some(code), detail: Some(detail.into()), ..Self::default() }
    }

    pub(super) fn interrupted() -> Self {
        Self { interrupted: true, ..Self::default() }
    }
}

impl Session {
    fn turn(&mut self, state: TurnState, origin: Origin, sender: Option<Sender>) -> Turn {
        let now = self.context.now();
        let running = state.is_running();
        Turn {
            v: FACT_VERSION,
            session: self.id,
            ord: self.take_ord(),
            state,
            origin,
            sender,
            agent: self.row.agent.clone(),
            model: None,
            low_water: running.then_some(Offset::ZERO),
            queued_at_ms: now,
            started_at_ms: running.then_some(now),
            ended_at_ms: None,
            usage: None,
            error: None,
            steer: None,
            quiet_since_ms: None,
            content: TurnContent::default(),
        }
    }

    /// Accepts a prompt: its turn is queued, and its words are in the journal.
    pub(super) fn accept(&mut self, held: Held, sender: Sender, text: String, attached: Vec<Attachment>) {
        let id = TurnId::from_uuid(self.context.clock.fresh());
        let mut fact = self.turn(TurnState::Queued, Origin::Prompt { command: held.id }, Some(sender));
        let item = self.prompt_item(id, &fact, text.clone());
        let files = attached.iter().map(|attachment| (self.id, attachment.blob)).collect();
        fact.content.attachments = attached;
        let shown = ItemId::from_uuid(self.context.clock.fresh());
        let titles = self.row.title.is_empty();
        self.row.updated_at_ms = fact.queued_at_ms;
        let note = TurnNote {
            v: NOTE_VERSION,
            id,
            fact: fact.clone(),
            command: Some(held),
            text: Some(text),
            shown: Some(shown),
            unsettled: Vec::new(),
            handed: false,
        };
        if titles {
            self.row.title = row::title_by(&note);
        }
        let mut batch = Batch::accepting(held.id, Some(id));
        batch.accepts = batch.accepts.map(|accepts| Accepts { titles, ..accepts });
        batch.report.files = files;
        let operation = if self.unborn { Operation::Insert } else { Operation::Update };
        if std::mem::take(&mut self.unborn) {
            batch.step(StreamStep::CreateJournal(self.id));
            if self.current.is_none() {
                self.row.last_turn = Some(LastTurn { id, state: TurnState::Queued });
            }
        }
        batch.journal(self.id, (id, Operation::Insert, fact));
        batch.journal(self.id, (shown, Operation::Insert, item));
        batch.feed(self.fact(self.queue.len() + 1, operation));
        let mut step = Transition::to(held.id, held.token, CommandState::Running);
        step.turn = Some(id);
        batch.report.commands.push(step);
        batch.note(notes::turn(self.id, id), Some(notes::encode(&note)));
        batch.note(notes::session(self.id), Some(notes::encode(&self.row)));
        batch.after.push(After::Accepted(id));
        self.outbox.push(batch);
        self.queue.push_back(Waiting::new(note, false));
    }

    /// A prompt as the transcript shows it, at the next place.
    fn prompt_item(&mut self, turn: TurnId, fact: &Turn, text: String) -> Item {
        let ord = self.take_ord();
        self.prompt_at(ord, turn, fact, text)
    }

    /// A prompt as the transcript shows it, at a place that it has.
    pub(super) fn prompt_at(&self, ord: u64, turn: TurnId, fact: &Turn, text: String) -> Item {
        Item {
            v: FACT_VERSION,
            session: self.id,
            turn,
            ord,
            parent: None,
            role: Role::User,
            sender: fact.sender,
            status: ItemStatus::Done,
            index: 0,
            created_at_ms: fact.queued_at_ms,
            settled_at_ms: Some(fact.queued_at_ms),
            left_out_bytes: 0,
            content: ItemContent::Text { text },
        }
    }

    /// Moves a turn that waited, and its prompt, behind what was said meanwhile: a transcript reads in the order in which things
    /// were answered.
    fn replace_prompt(&mut self, note: &mut TurnNote, text: Option<&str>) {
        let moved = self.row.next_ord > note.fact.ord + 2;
        let (Some(shown), Some(text), true) = (note.shown, text, moved) else { return };
        note.fact.ord = self.take_ord();
        let item = self.prompt_item(note.id, &note.fact, text.to_owned());
        self.outbox.open().journal(self.id, (shown, Operation::Update, item));
    }

    /// Brings the head of the queue nearer to its agent: a slot, then an agent, then the turn.
    pub(super) fn begin_next(&mut self) {
        if self.stopping || self.never || self.moving || self.current.is_some() {
            return;
        }
        if self.queue.front().is_none_or(|waiting| !waiting.is_free() || waiting.edits > 0) {
            self.slot = Slot::No;
            return;
        }
        if self.queue.front().and_then(|waiting| waiting.not_before).is_some_and(|at| at > Instant::now()) {
            // Others have its place meanwhile.
            self.slot = Slot::No;
            return;
        }
        match (&self.slot, &self.agent) {
            (Slot::No, _) => {
                let slots = self.context.slots.clone();
                self.slot = Slot::Waiting(Box::pin(async move { slots.acquire_owned().await.ok() }));
            }
            (Slot::Held { .. }, Loaded::No) => self.announce(),
            (Slot::Held { .. }, Loaded::Open(open)) if open.killed.is_none() => self.begin(0, false),
            (Slot::Waiting(_) | Slot::Held { .. }, _) => {}
        }
    }

    /// Writes down by which word the agent's processes will be found, before there are any.
    fn announce(&mut self) {
        self.agent = Loaded::Announced;
        self.tag = self.context.clock.fresh().simple().to_string();
        self.dirty.fact = true;
        let mark = ProcessMark { pid: 0, started: 0, tag: self.tag.clone(), shared: false };
        let note = ProcessNote { v: NOTE_VERSION, mark };
        let batch = self.outbox.open();
        batch.note(notes::process(self.id), Some(notes::encode(&note)));
        batch.after.push(After::Open);
    }

    /// Begins a turn that the agent has already: it cannot be held back, and takes a place if there is one.
    pub(super) fn begin_untold(&mut self, place: usize) {
        self.slot = Slot::Held { _permit: self.context.slots.clone().try_acquire_owned().ok() };
        self.begin(place, true);
    }

    /// Begins a turn of the queue. The agent gets the prompt only once this is durable, so that no prompt is ever handed over twice;
    /// one that it `has` it does not get again.
    fn begin(&mut self, place: usize, has: bool) {
        let Some(Waiting { mut note, tried, .. }) = self.queue.remove(place) else { return };
        self.forget_tries(note.id, tried);
        let mut prompt = note.text.take();
        self.replace_prompt(&mut note, prompt.as_deref());
        (note.handed, note.fact.steer) = (false, None);
        if has {
            prompt = None;
        }
        note.fact.state = TurnState::Running;
        note.fact.started_at_ms = Some(self.context.now());
        note.fact.low_water = Some(Offset::ZERO);
        if let Some(held) = note.command.take() {
            let mut step = Transition::to(held.id, held.token, CommandState::Succeeded);
            (step.turn, step.tried) = (Some(note.id), tried.map(Tried::over));
            self.outbox.command(step);
        }
        self.run_turn(note, prompt, Operation::Update);
        if let Some(running) = self.current.as_mut().filter(|_| has) {
            running.prompted = true;
        }
    }

    /// Writes down a turn that the agent began by itself.
    pub(super) fn begin_own(&mut self) {
        // The agent runs already, so it cannot be held back; it takes a place if there is one.
        self.slot = Slot::Held { _permit: self.context.slots.clone().try_acquire_owned().ok() };
        let id = TurnId::from_uuid(self.context.clock.fresh());
        let fact = self.turn(TurnState::Running, Origin::Agent, None);
        let note = TurnNote {
            v: NOTE_VERSION,
            id,
            fact,
            command: None,
            text: None,
            shown: None,
            unsettled: Vec::new(),
            handed: false,
        };
        self.run_turn(note, None, Operation::Insert);
        if let Some(running) = &mut self.current {
            running.prompted = true;
        }
    }

    fn run_turn(&mut self, note: TurnNote, prompt: Option<String>, operation: Operation) {
        let id = note.id;
        let batch = self.outbox.open();
        batch.step(StreamStep::CreateTurn(id));
        batch.journal(self.id, (id, operation, note.fact.clone()));
        batch.note(notes::turn(self.id, id), Some(notes::encode(&note)));
        batch.after.push(After::Prompt(id));
        self.row.last_turn = Some(LastTurn { id, state: TurnState::Running });
        self.dirty.fact = true;
        self.current = Some(Running {
            note,
            prompt,
            prompted: false,
            heard: tokio::time::Instant::now(),
            live: Live::new(self.id, id),
            end: Offset::ZERO,
            stop: None,
            cancels: Vec::new(),
        });
        for content in std::mem::take(&mut self.early) {
            let key = format!("notice {}", self.context.clock.fresh().simple());
            self.settle(key, None, Role::System, ItemStatus::Done, content);
        }
    }

    /// Tells the running turn to stop; the first reason counts.
    pub(super) fn interrupt(&mut self, error: TurnError) {
        let Some(running) = &mut self.current else { return };
        if running.stop.is_some() {
            return;
        }
        running.stop = Some(Stop { error, deadline: Self::grace() });
        let turn = running.note.id;
        let given = running.prompted && !self.agent.running().is_some_and(|open| open.take_back(turn));
        if !given {
            self.end_turn(Finish::interrupted(), ApprovalState::Withdrawn);
            if std::mem::take(&mut self.overlaid) && !self.stopping {
                // What the agent had begun by itself meanwhile goes on.
                self.begin_own();
            }
        } else if let Some(open) = self.agent.running() {
            open.tell(Order::Interrupt);
        }
    }

    /// Ends the running turn: nothing of it stays unsettled, and its stream is closed.
    pub(super) fn end_turn(&mut self, finish: Finish, asked: ApprovalState) {
        let Some(mut running) = self.current.take() else { return };
        self.close_approvals(asked);
        let now = self.context.now();
        for item in running.live.close_all() {
            self.settle_open(running.note.id, item, ItemStatus::Interrupted);
        }
        let fact = &mut running.note.fact;
        let stopped = running.stop.filter(|_| finish.interrupted || finish.error.is_some());
        (fact.state, fact.error) = match (stopped, finish.error) {
            // Who said nothing for too long has failed; nobody stopped it.
            (Some(stop), _) if stop.error.code == TurnErrorCode::Silent => (TurnState::Failed, Some(stop.error)),
            (Some(stop), _) => (TurnState::Interrupted, Some(stop.error)),
            (None, _) if finish.interrupted => {
                (TurnState::Interrupted, Some(TurnError { code: TurnErrorCode::Cancelled, by: None }))
            }
            (None, Some(code)) => (TurnState::Failed, Some(TurnError { code, by: None })),
            (None, None) => (TurnState::Completed, None),
        };
        fact.ended_at_ms = Some(now);
        fact.quiet_since_ms = None;
        fact.low_water = Some(running.end);
        fact.usage = finish.usage.or(fact.usage);
        fact.model = limit::name(finish.model).or(fact.model.take());
        fact.content.detail = finish.detail.map(limit::detail);
        let id = running.note.id;
        let state = fact.state;
        let batch = self.outbox.open();
        batch.journal(self.id, (id, Operation::Update, fact.clone()));
        batch.step(StreamStep::CloseTurn(id));
        batch.note(notes::turn(self.id, id), None);
        if let (Some(place), Some(agent_session)) = (self.place.take(), self.row.agent_session.clone()) {
            let note = PlaceNote { v: NOTE_VERSION, agent_session, place: Some(place) };
            batch.note(notes::place(self.id, id), Some(notes::encode(&note)));
        }
        for held in running.cancels {
            self.finish(held, Ok(()));
        }
        self.row.last_turn = Some(LastTurn { id, state });
        self.row.ended_turns += 1;
        self.dirty.fact = true;
        self.previous = Some((id, running.live));
        self.slot = Slot::No;
        if self.stopping {
            self.close_agent();
        }
    }

    /// Settles an item that never settled by itself.
    pub(super) fn settle_open(&mut self, turn: TurnId, item: LiveItem, status: ItemStatus) {
        let fact = Item {
            v: FACT_VERSION,
            session: self.id,
            turn,
            ord: item.known.ord,
            parent: item.known.parent,
            role: item.role,
            sender: None,
            status,
            index: item.known.messages,
            created_at_ms: item.known.created_at_ms,
            settled_at_ms: Some(self.context.now()),
            left_out_bytes: item.cut.left_out,
            content: item.content,
        };
        self.outbox.open().journal(self.id, (item.known.id, Operation::Insert, fact));
    }

    /// Takes back a turn that has not begun; one that is not queued has ended, and stays as it is.
    pub(super) fn cancel_queued(&mut self, turn: TurnId, error: TurnError) {
        let Some(place) = self.queue.iter().position(|waiting| waiting.note.id == turn) else { return };
        let Some(waiting) = self.queue.remove(place) else { return };
        self.end_queued(waiting, TurnState::Interrupted, error, None, None);
    }

    /// The turn at the first of the queue cannot begin: the agent does not start. Nothing of it has begun, so it is tried again where the
    /// reason may pass, and fails otherwise.
    pub(super) fn fail_head(&mut self, why: &Unavailable) {
        self.slot = Slot::No;
        let (code, command) = why.codes();
        let (now, dice) = (self.context.now(), self.context.clock.fresh().as_bytes()[15]);
        let Some(first) = self.queue.front_mut() else { return };
        if may_try_again(command) {
            first.tried = Some(Tried::again(first.tried, command, now, dice));
        }
        let (tried, held, turn) = (first.tried, first.note.command, first.note.id);
        if let Some(tried) = tried.filter(|tried| tried.next_at_ms.is_some() && may_try_again(command)) {
            first.not_before = Some(Instant::now() + Duration::from_millis(tried.wait_ms(now)));
            let batch = match held {
                Some(held) => self.outbox.command(Transition::again(held.id, held.token, CommandState::Running, tried)),
                None => self.outbox.open(),
            };
            batch.note(notes::tried(self.id, turn), Some(notes::encode(&TriedNote { v: NOTE_VERSION, tried })));
            self.dirty.fact = true;
            return;
        }
        let Some(waiting) = self.queue.pop_front() else { return };
        let (detail, error) = (why.to_string(), TurnError { code, by: None });
        self.end_queued(waiting, TurnState::Failed, error, Some(detail), Some(command));
    }

    /// A turn does not wait any more, and nothing is to be tried again.
    pub(super) fn forget_tries(&mut self, turn: TurnId, tried: Option<Tried>) {
        if tried.is_some() {
            self.outbox.open().note(notes::tried(self.id, turn), None);
        }
    }

    /// A turn that waits fails.
    pub(super) fn fail_queued(&mut self, turn: TurnId, code: TurnErrorCode, detail: &str) {
        let Some(place) = self.queue.iter().position(|waiting| waiting.note.id == turn) else { return };
        let Some(waiting) = self.queue.remove(place) else { return };
        let error = TurnError { code, by: None };
        let died = code == TurnErrorCode::AgentDied;
        let command = Some(if died { ErrorCode::AgentDied } else { ErrorCode::AgentUnavailable });
        self.end_queued(waiting, TurnState::Failed, error, Some(detail.to_owned()), command);
    }

    /// A turn ends that never ran; without a code somebody has taken it back.
    fn end_queued(
        &mut self,
        waiting: Waiting,
        state: TurnState,
        error: TurnError,
        detail: Option<String>,
        code: Option<ErrorCode>,
    ) {
        let Waiting { note, tried, .. } = waiting;
        let detail = detail.map(limit::detail);
        self.forget_tries(note.id, tried);
        if let Some(held) = note.command {
            let mut step = match code {
                Some(code) => Transition::failed(held.id, held.token, code, detail.clone().unwrap_or_default()),
                None => Transition::to(held.id, held.token, CommandState::Cancelled),
            };
            (step.turn, step.tried) = (Some(note.id), tried.map(Tried::over));
            self.outbox.command(step);
        }
        let ended_at_ms = Some(self.context.now());
        let fact = Turn {
            state,
            error: Some(error),
            ended_at_ms,
            steer: None,
            content: TurnContent { detail, ..note.fact.content },
            ..note.fact
        };
        let batch = self.outbox.open();
        batch.journal(self.id, (note.id, Operation::Update, fact));
        batch.note(notes::turn(self.id, note.id), None);
        if self.current.is_none() {
            self.row.last_turn = Some(LastTurn { id: note.id, state });
        }
        self.row.ended_turns += 1;
        self.dirty.fact = true;
    }
}
