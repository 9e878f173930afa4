//! What a session tells the hub, and what follows from it.

use protocol::command::CommandState;
use protocol::error::ErrorCode;
use protocol::fact::Operation;
use protocol::id::{CommandId, TurnId};
use protocol::item::{ItemStatus, Role};
use protocol::port::{PortError, Reported, StreamStep, Transition};
use protocol::session::LastTurn;
use protocol::turn::TurnState;
use tokio::time::Instant;

use super::files::Files;
use super::loaded::{Loaded, Order};
use super::{Chosen, DOING_EVERY, End, Session, opening, row};
use crate::agent::Later;
use crate::journal::batch::{After, Batch};
use crate::journal::pipeline::{InFlight, Sent};
use crate::notes::{self, Held};

impl Session {
    /// Sends what is to be said, when nothing is under way.
    pub(super) fn flush(&mut self, now: Instant) {
        if self.in_flight.is_some() || self.end.is_some() {
            return;
        }
        let (mut batch, last) = self.outbox.pop().unwrap_or((Batch::default(), true));
        // The state of now may only go with the last batch: an earlier one must not tell what a later one makes true. And a batch
        // that accepts something may still be lost.
        if batch.accepts.is_none() {
            if last {
                self.render(&mut batch, now);
            } else if !batch.is_empty() {
                // Its facts may have taken places in the transcript, which must not be given away again after a crash.
                batch.note(notes::session(self.id), Some(notes::encode(&self.row)));
            }
        }
        if !batch.is_empty() {
            self.unbegun = self.first_words(&batch);
            self.in_flight = Some(InFlight::send(self.context.clone(), batch));
        }
    }

    /// The commands of which a batch says the first word: without it the hub has only leased them, and no note tells of them.
    fn first_words(&self, batch: &Batch) -> Vec<Held> {
        let is_first = |step: &&Transition| match step.state {
            CommandState::Running => step.tried.is_none(),
            CommandState::Failed => {
                let key = notes::command(self.id, step.id);
                step.turn.is_none() && !batch.report.notes.iter().any(|(noted, _)| *noted == key)
            }
            _ => false,
        };
        batch.report.commands.iter().filter(is_first).map(|step| Held { id: step.id, token: step.token }).collect()
    }

    fn render(&mut self, batch: &mut Batch, now: Instant) {
        if let Some(running) = &mut self.current {
            let before = running.live.unsettled();
            let frames = running.live.frames(now, running.end);
            if !frames.is_empty() {
                batch.step(StreamStep::Turn(running.note.id, frames));
            }
            let low_water = Some(running.live.low_water(running.end));
            let state = if self.approvals.is_empty() { TurnState::Running } else { TurnState::AwaitingApproval };
            let fact = &mut running.note.fact;
            let moved = fact.low_water != low_water || fact.state != state;
            if moved || self.dirty.turn {
                (fact.low_water, fact.state) = (low_water, state);
                batch.journal(self.id, (running.note.id, Operation::Update, fact.clone()));
            }
            let unsettled = running.live.unsettled();
            if moved || self.dirty.turn || before != unsettled || running.note.unsettled != unsettled {
                running.note.unsettled = unsettled;
                batch.note(notes::turn(self.id, running.note.id), Some(notes::encode(&running.note)));
            }
            let told = LastTurn { id: running.note.id, state };
            if self.row.last_turn != Some(told) {
                self.row.last_turn = Some(told);
                self.dirty.fact = true;
            }
        }
        self.dirty.turn = false;
        let doing = self.dirty.doing && self.doing_told.is_none_or(|told| told + DOING_EVERY <= now);
        if self.dirty.fact || doing {
            self.row.updated_at_ms = self.context.now();
            self.doing_told = Some(now);
            self.dirty.note = true;
            let queued = self.queue.len();
            batch.feed(self.fact(queued, Operation::Update));
            (self.dirty.fact, self.dirty.doing) = (false, false);
        }
        if self.dirty.note {
            batch.note(notes::session(self.id), Some(notes::encode(&self.row)));
            self.dirty.note = false;
        }
    }

    /// Goes on after a report.
    pub(super) fn sent(&mut self, sent: Sent) {
        let Some(in_flight) = self.in_flight.take() else { return };
        match sent {
            Sent::Done(reported) => self.done(in_flight, &reported),
            Sent::Lost => self.lost(&in_flight),
            Sent::Failed(error) => {
                if let PortError::Refused { .. } | PortError::NoStream { .. } | PortError::LeaseLost { .. } = error {
                    tracing::error!(session = %self.id, %error, "a session cannot go on from memory");
                }
                // The other errors have stopped the host already.
                while let Some((batch, _)) = self.outbox.pop() {
                    let more = self.first_words(&batch);
                    self.unbegun.extend(more);
                }
                self.end = Some(End::Broken);
            }
        }
    }

    fn done(&mut self, in_flight: InFlight, reported: &Reported) {
        self.unbegun.clear();
        if let Some(running) = &mut self.current
            && let Some(end) = in_flight.end(reported, running.note.id)
        {
            running.end = end;
        }
        if in_flight.accepts.is_some_and(|accepts| self.making == Some(accepts.command)) {
            self.making = None;
        }
        for after in in_flight.after {
            match after {
                After::Accepted(turn) => self.accepted(turn),
                After::Begun(leased) => self.act(*leased),
                After::Edited(held, turn, text) => {
                    self.edited(turn, Some(text));
                    self.finish(held, Ok(()));
                }
                After::Moved(held, written) => self.moved(held, written),
                After::Steer(turn, held) => self.hand_in(turn, held),
                After::Done(held) => self.finish(held, Ok(())),
                After::Open => self.open_agent(),
                After::Prompt(turn) => self.hand_over(turn),
                After::Rule(id, rule) => self.context.rules.add(id, *rule),
                After::Answer(held, request, answer) => self.tell(Order::Answer { held, request, answer }),
                After::Options(held, chosen) => self.tell_choices(held, chosen),
            }
        }
        self.catch_up();
    }

    fn accepted(&mut self, turn: TurnId) {
        let Some(waiting) = self.queue.iter_mut().find(|waiting| waiting.note.id == turn) else { return };
        waiting.accepted = true;
        if self.current.is_none() {
            self.row.last_turn = Some(LastTurn { id: turn, state: TurnState::Queued });
        }
        self.dirty.fact = true;
    }

    /// The change of a prompt is durable, or came to nothing.
    fn edited(&mut self, turn: TurnId, text: Option<String>) {
        let Some(waiting) = self.queue.iter_mut().find(|waiting| waiting.note.id == turn) else { return };
        waiting.edits = waiting.edits.saturating_sub(1);
        if text.is_some() {
            waiting.note.text = text;
        }
    }

    fn open_agent(&mut self) {
        if !matches!(self.agent, Loaded::Announced) {
            return;
        }
        let tag = self.tag.clone();
        self.took = Chosen::of(&self.row);
        let opening: Later<'static, _> = Box::pin(opening::open(self.context.clone(), self.id, self.row.clone(), tag));
        self.agent = Loaded::Opening(opening);
    }

    fn hand_over(&mut self, turn: TurnId) {
        let Some(running) = self.current.as_mut().filter(|running| running.note.id == turn) else { return };
        if let (Some(text), None) = (running.prompt.take(), &running.stop) {
            running.prompted = true;
            let attached = running.note.fact.content.attachments.clone();
            let files = Files::new(self.context.clone(), self.id, attached);
            let sight = self.agent.running().is_some_and(|open| open.takes_images);
            if let Some(notice) = files.notice(sight) {
                let key = format!("notice {}", self.context.clock.fresh().simple());
                self.settle(key, None, Role::System, ItemStatus::Done, notice);
            }
            self.tell(Order::Prompt { turn, text, files });
        }
    }

    fn tell(&mut self, order: Order) {
        match self.agent.running() {
            Some(open) => open.tell(order),
            None => self.untold(&order),
        }
    }

    fn lost(&mut self, in_flight: &InFlight) {
        let Some(accepts) = in_flight.accepts else { return };
        tracing::info!(session = %self.id, command = %accepts.command, "a command was taken back before it was accepted");
        if let Some(turn) = accepts.edits {
            self.edited(turn, None);
        }
        if accepts.moves {
            self.moving = false;
        }
        let place = self.queue.iter().position(|waiting| Some(waiting.note.id) == accepts.turn);
        let gone = place.and_then(|place| self.queue.remove(place));
        // Unless somebody has named it since.
        if accepts.titles && gone.is_some_and(|gone| row::title_by(&gone.note) == self.row.title) {
            self.row.title = self.queue.front().map(|next| row::title_by(&next.note)).unwrap_or_default();
            self.dirty.note = true;
        }
        self.dirty.fact = true;
        if self.making == Some(accepts.command) {
            // The session never was, and so is nothing that came after.
            self.queue.clear();
            let mut orphans: Vec<(CommandId, u64)> = Vec::new();
            while let Some((batch, _)) = self.outbox.pop() {
                let begun = batch.report.commands.iter().filter(|step| step.state == CommandState::Running);
                orphans.extend(begun.map(|step| (step.id, step.token)));
            }
            for (id, token) in orphans {
                self.outbox.command(Transition::failed(id, token, ErrorCode::NotFound, "the session was never made"));
            }
            (self.dirty, self.never) = (super::Dirty::default(), true);
        }
        self.catch_up();
    }
}
