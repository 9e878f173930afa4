//! What the agent says and does, and what it becomes.

use protocol::agent_limits::AgentLimits;
use protocol::approval::ApprovalState;
use protocol::error::ErrorCode;
use protocol::fact::{FACT_VERSION, Operation};
use protocol::id::{ItemId, TurnId};
use protocol::item::{Item, ItemContent, ItemStatus, Role};
use protocol::port::StreamStep;
use protocol::turn::{Origin, TurnErrorCode};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::approvals::Ask;
use super::loaded::{Closing, Loaded, Open, Order, Stir};
use super::opening::Unavailable;
use super::turns::Finish;
use super::{GULP, KILL_GRACE, Session, row};
use crate::agent::{AgentEvent, DriveError, Opened, Steered, TurnEnd, TurnOutcome};
use crate::journal::limit;
use crate::journal::live::{Known, Live, LiveItem};
use crate::notes::{self, Held, NOTE_VERSION, ProcessNote};

impl Session {
    /// The agent did something.
    pub(super) fn stirred(&mut self, stir: Stir) {
        match stir {
            Stir::Opened(Ok(opened)) => self.opened(opened),
            Stir::Opened(Err(why)) => self.not_opened(&why),
            Stir::Said(first) => {
                match first {
                    // Of one that leaves only what it still had to say counts; nothing begins any more.
                    Some(event) if matches!(self.agent, Loaded::Closing(_)) => self.hear_last(event),
                    Some(event) => self.hear(event),
                    None => self.agent_gone("the agent ended without a word"),
                }
                // Whatever is taken is heard: nothing is fetched that this gulp has no room for.
                for _ in 1..GULP {
                    let Loaded::Open(open) = &mut self.agent else { break };
                    let Some(event) = open.said() else { break };
                    self.hear(event);
                }
            }
            Stir::Told(order, result) => self.told(order, result),
            Stir::Closed => self.agent_gone("the agent was closed"),
        }
    }

    fn opened(&mut self, opened: Opened) {
        let Opened { driver, events, process, .. } = opened;
        if let Some(mark) = process {
            let note = ProcessNote { v: NOTE_VERSION, mark };
            self.outbox.open().note(notes::process(self.id), Some(notes::encode(&note)));
        }
        self.agent = Loaded::Open(Box::new(Open::new(driver, events)));
        self.tell_left();
        self.dirty.fact = true;
    }

    fn not_opened(&mut self, why: &Unavailable) {
        tracing::warn!(session = %self.id, agent = self.row.agent, code = ?why.codes().0, "the agent does not start");
        self.fail_head(why);
        if why.is_lost() {
            if self.row.fork.take().is_some() && self.row.agent_session.is_none() {
                // It never came to be what it says that it is.
                self.row.from = None;
                self.dirty.fact = true;
            }
            self.row.agent_session = None;
            self.dirty.note = true;
        }
        self.unload();
    }

    fn hear(&mut self, event: AgentEvent) {
        self.heard(Instant::now());
        match event {
            AgentEvent::Session { agent_session } => {
                if self.row.agent_session.as_ref() != Some(&agent_session) {
                    self.row.agent_session = Some(agent_session);
                    self.row.fork = None;
                    self.dirty.note = true;
                }
            }
            AgentEvent::Options { model, mode } => self.options(model, mode),
            AgentEvent::TurnStarted => {
                let alive = self.agent.running().is_some();
                match &self.current {
                    None if alive && !self.stopping => self.begin_own(),
                    None => {}
                    Some(_) => self.overlaid = true,
                }
            }
            AgentEvent::ItemStarted { item, parent, role, content } => {
                self.start(item, parent.as_deref(), role, content);
            }
            AgentEvent::ModelWorks { item, works } => {
                if let Some(running) = &mut self.current {
                    running.live.model_works(&item, works);
                }
            }
            AgentEvent::Delta { item, part, text } => {
                if !self.current.as_mut().is_some_and(|running| running.live.grow(&item, part, &text)) {
                    tracing::debug!(session = %self.id, "a piece of nothing that is open");
                }
            }
            AgentEvent::ItemUpdated { item, content } => {
                self.does(&content);
                if let Some(running) = &mut self.current {
                    running.live.update(&item, content);
                }
                self.recheck(&item);
            }
            AgentEvent::ItemSettled { item, parent, role, status, content } => {
                self.settle(item, parent.as_deref(), role, status, content);
            }
            AgentEvent::ItemAbandoned { item } => self.abandon(&item),
            AgentEvent::Notice { level, code, text } => self.remark(level, code, text),
            AgentEvent::Background { tasks } => self.goes_on(tasks),
            AgentEvent::Ask { request, item, kind, options, content } => {
                self.ask(Ask { request, item, kind, options, content });
            }
            AgentEvent::AskWithdrawn { request } => self.withdraw(&request),
            AgentEvent::SteerTaken { key } => {
                if let Ok(turn) = key.parse() {
                    self.taken_in(turn);
                }
            }
            AgentEvent::SteerDropped { key } => {
                if let Ok(turn) = key.parse() {
                    self.give_back(turn);
                }
            }
            AgentEvent::Limits { windows } => {
                let limits = AgentLimits { told_at_ms: self.context.clock.now(), windows };
                self.context.catalogue.learn_limits(&self.row.agent, limits);
            }
            AgentEvent::Commands { commands } => {
                self.context.catalogue.learn_commands(&self.row.agent, commands, self.row.project);
            }
            AgentEvent::Place { place } => self.place = Some(place),
            AgentEvent::TurnEnded(end) => self.ended(end),
            AgentEvent::Exited { detail } => self.agent_gone(&detail),
        }
    }

    fn hear_last(&mut self, event: AgentEvent) {
        match event {
            AgentEvent::Notice { .. } | AgentEvent::ItemSettled { .. } => self.hear(event),
            _ => {}
        }
    }

    fn options(&mut self, model: Option<String>, mode: Option<String>) {
        let (model, mode) = (limit::name(model), limit::name(mode));
        if let (Some(running), Some(model)) = (&mut self.current, model)
            && running.note.fact.model.as_ref() != Some(&model)
        {
            running.note.fact.model = Some(model);
            self.dirty.turn = true;
        }
        if mode.is_some() {
            self.took.mode.clone_from(&mode);
        }
        if mode.is_some() && self.row.mode != mode {
            self.row.mode = mode;
            (self.dirty.fact, self.dirty.note) = (true, true);
        }
    }

    fn does(&mut self, content: &ItemContent) {
        let line = row::doing(content);
        if line.is_some() && self.row.doing != line {
            self.row.doing = line;
            self.dirty.doing = true;
        }
    }

    fn fresh_item(&mut self, parent: Option<ItemId>) -> Known {
        let id = ItemId::from_uuid(self.context.clock.fresh());
        Known { id, ord: self.take_ord(), created_at_ms: self.context.now(), messages: 0, parent }
    }

    fn start(&mut self, key: String, parent: Option<&str>, role: Role, content: ItemContent) {
        let Some(running) = &self.current else { return };
        if running.live.known(&key).is_some() {
            return;
        }
        let parent = parent.and_then(|key| running.live.known(key)).map(|known| known.id);
        self.does(&content);
        let known = self.fresh_item(parent);
        if let Some(running) = &mut self.current {
            running.live.begin(key, known, role, content);
        }
    }

    /// The turn of which the agent speaks: the running one, or, after its end, the last.
    pub(super) fn spoken(&mut self) -> Option<(TurnId, &mut Live)> {
        match (&mut self.current, &mut self.previous) {
            (Some(running), _) => Some((running.note.id, &mut running.live)),
            (None, Some((turn, live))) => Some((*turn, live)),
            (None, None) => None,
        }
    }

    pub(super) fn settle(
        &mut self,
        key: String,
        parent: Option<&str>,
        role: Role,
        status: ItemStatus,
        mut content: ItemContent,
    ) {
        let cut = limit::clamp(&mut content);
        self.does(&content);
        let Some((turn, live)) = self.spoken() else { return };
        let open = live.close(&key).map(|item| item.known);
        let before = live.known(&key);
        let parent = parent.and_then(|key| live.known(key)).map(|known| known.id);
        let operation = if before.is_some() && open.is_none() { Operation::Update } else { Operation::Insert };
        let known = match open.or(before) {
            Some(known) => known,
            None => self.fresh_item(parent),
        };
        let fact = Item {
            v: FACT_VERSION,
            session: self.id,
            turn,
            ord: known.ord,
            parent: known.parent,
            role,
            sender: None,
            status,
            index: known.messages,
            created_at_ms: known.created_at_ms,
            settled_at_ms: Some(self.context.now()),
            left_out_bytes: cut.left_out,
            content,
        };
        self.outbox.open().journal(self.id, (known.id, operation, fact));
        self.closed(known.id);
        if let Some((_, live)) = self.spoken() {
            live.remember(key, known);
        }
    }

    fn abandon(&mut self, key: &str) {
        let Some(running) = &mut self.current else { return };
        let Some(item) = running.live.close(key).filter(LiveItem::told) else { return };
        let turn = running.note.id;
        let gone = protocol::fact::SessionFact::Item { id: item.known.id, operation: Operation::Delete, value: None };
        self.outbox.open().step(StreamStep::Turn(turn, vec![gone]));
        self.closed(item.known.id);
    }

    /// Notes, with what closes it, that an item is no longer unsettled: after a crash it must not be settled again.
    fn closed(&mut self, item: ItemId) {
        let Some(running) = &mut self.current else { return };
        let before = running.note.unsettled.len();
        running.note.unsettled.retain(|unsettled| *unsettled != item);
        if running.note.unsettled.len() < before {
            let key = notes::turn(self.id, running.note.id);
            self.outbox.open().note(key, Some(notes::encode(&running.note)));
        }
    }

    fn ended(&mut self, end: TurnEnd) {
        let own = self.current.as_ref().is_some_and(|running| running.note.fact.origin == Origin::Agent);
        if end.own && !own {
            // Its own turn had begun when this one was on its way; the answer to the prompt comes next.
            self.overlaid = false;
            return;
        }
        // An end that comes before the prompt was handed over is that of another turn.
        if self.current.as_ref().is_none_or(|running| !running.prompted) {
            return;
        }
        let TurnEnd { how, usage, model, own: _ } = end;
        self.overlaid = false;
        let finish = match how {
            TurnOutcome::Completed => Finish::default(),
            TurnOutcome::Interrupted => Finish::interrupted(),
            TurnOutcome::Failed { code, detail } => Finish::failed(code, detail),
        };
        self.end_turn(Finish { usage, model, ..finish }, ApprovalState::Withdrawn);
        self.fail_doubted();
        self.begin_told();
    }

    fn told(&mut self, order: Order, result: Result<Option<Steered>, DriveError>) {
        match (order, result) {
            (Order::Steer { held, turn, text, files }, result) => {
                let how = result.map(|how| how.unwrap_or(Steered::Later));
                self.handed_in(held, turn, (text, files), how);
            }
            (Order::Unsteer { held, by, turn }, result) => {
                self.given_back(held, by, turn, &result.map(|_| ()));
            }
            (Order::Prompt { .. } | Order::Interrupt, Ok(_)) => {}
            (Order::Prompt { turn, .. }, Err(error)) => self.not_prompted(turn, &error),
            (Order::Interrupt, Err(error)) => {
                tracing::info!(session = %self.id, code = ?refusal(&error).0, "the agent cannot be interrupted and is killed");
                if let Some(open) = self.agent.running() {
                    open.kill(Instant::now() + KILL_GRACE);
                }
            }
            (Order::Answer { held: Some(held), .. }, result) => {
                self.finish(held, result.map(|_| ()).map_err(|error| refusal(&error)));
            }
            (Order::Answer { held: None, .. }, result) => {
                if let Err(error) = result {
                    let code = refusal(&error).0;
                    tracing::info!(session = %self.id, ?code, "the agent did not take an answer that nobody was asked for");
                }
            }
            (Order::Choose { held, choice, last }, result) => self.chosen(held, choice, last, result.map(|_| ())),
        }
        if let Some(open) = self.agent.running() {
            open.next();
        }
    }

    pub(super) fn not_prompted(&mut self, turn: TurnId, error: &DriveError) {
        if self.current.as_ref().is_none_or(|running| running.note.id != turn) {
            return;
        }
        let code = match error {
            DriveError::Died { .. } => TurnErrorCode::AgentDied,
            DriveError::Refused { .. }
            | DriveError::Timeout { .. }
            | DriveError::NotAsked { .. }
            | DriveError::Reopen => TurnErrorCode::AgentError,
        };
        self.end_turn(Finish::failed(code, error.to_string()), ApprovalState::Stale);
        if !matches!(error, DriveError::Refused { .. })
            && let Some(open) = self.agent.running()
        {
            open.kill(Instant::now() + KILL_GRACE);
        }
    }

    /// Tells something to an agent that is not there any more.
    pub(super) fn untold(&mut self, order: &Order) {
        match order {
            Order::Prompt { turn, .. } => {
                self.not_prompted(*turn, &DriveError::Died { detail: "it is gone".to_owned() });
            }
            Order::Steer { held, turn, .. } => {
                self.give_back(*turn);
                self.finish(*held, Ok(()));
            }
            Order::Unsteer { held, .. } => self.not_given_back(*held),
            Order::Answer { held: Some(held), .. } => self.gone_before(*held),
            Order::Choose { held: Some(held), last: true, .. } => self.finish(*held, Ok(())),
            Order::Interrupt | Order::Answer { held: None, .. } | Order::Choose { .. } => {}
        }
    }

    fn gone_before(&mut self, held: Held) {
        self.finish(held, Err((ErrorCode::AgentDied, "the agent ended before it took the answer".to_owned())));
    }

    /// The agent is gone, whatever was the reason.
    pub(super) fn agent_gone(&mut self, detail: &str) {
        drop(self.part_from_agent(detail));
        self.unload();
    }

    /// The agent was killed and is not gone in time: it counts no more for what was going on, and stays on record until it is.
    pub(super) fn agent_left(&mut self, detail: &str) {
        match self.part_from_agent(detail) {
            Some(events) => self.agent = Loaded::Closing(Closing::left(events)),
            None => self.unload(),
        }
    }

    /// Ends what was going on with the agent; what it still says, where its end is to be waited for.
    fn part_from_agent(&mut self, detail: &str) -> Option<mpsc::Receiver<AgentEvent>> {
        let mut left = None;
        let agent = std::mem::replace(&mut self.agent, Loaded::No);
        if let Loaded::Open(open) = agent {
            let (driver, orders, events) = open.part();
            drop(driver);
            left = Some(events);
            for order in orders {
                match order {
                    Order::Prompt { .. } => {}
                    // It may have got it.
                    Order::Steer { held, .. } => self.finish(held, Ok(())),
                    order => self.untold(&order),
                }
            }
        }
        self.overlaid = false;
        self.lose_told(detail);
        self.end_turn(Finish::failed(TurnErrorCode::AgentDied, detail), ApprovalState::Stale);
        self.background_gone();
        left
    }

    fn unload(&mut self) {
        self.agent = Loaded::No;
        self.reopen = false;
        self.outbox.open().note(notes::process(self.id), None);
        self.dirty.fact = true;
    }

    /// Closes the agent, if it is there.
    pub(super) fn close_agent(&mut self) {
        let Loaded::Open(open) = &self.agent else { return };
        if open.killed.is_some() {
            return;
        }
        let Loaded::Open(open) = std::mem::replace(&mut self.agent, Loaded::No) else { return };
        let (driver, orders, events) = open.part();
        self.background_closed();
        for order in orders {
            self.untold(&order);
        }
        // One that was busy with an order was dropped with it, and is on record until it is gone.
        self.agent = Loaded::Closing(match driver {
            Some(driver) => Closing::new(driver.close(), events),
            None => Closing::left(events),
        });
    }
}

pub(super) fn refusal(error: &DriveError) -> (ErrorCode, String) {
    let code = match error {
        DriveError::Died { .. } => ErrorCode::AgentDied,
        DriveError::NotAsked { .. } => ErrorCode::ApprovalNotPending,
        DriveError::Refused { .. } | DriveError::Reopen => ErrorCode::Invalid,
        DriveError::Timeout { .. } => ErrorCode::AgentUnavailable,
    };
    (code, error.to_string())
}
