//! Prompts that go into the turn that runs instead of waiting for its end.
//!
//! Until the agent has taken one in, its turn is queued and says so. That the agent may have it is on record before it gets it: whatever
//! happens then, it is not run a second time by itself.

use protocol::approval::ApprovalState;
use protocol::command::{CommandKind, CommandState};
use protocol::error::ErrorCode;
use protocol::fact::Operation;
use protocol::id::TurnId;
use protocol::item::Sender;
use protocol::port::Transition;
use protocol::turn::{Steer, TurnError, TurnErrorCode, TurnState};

use super::files::Files;
use super::loaded::Order;
use super::turns::Finish;
use super::{Session, Waiting};
use crate::agent::{DriveError, Steered};
use crate::journal::batch::{After, Batch};
use crate::notes::{self, Held};

impl Session {
    /// Hands a prompt that waits to the agent in the middle of the turn that runs.
    pub(super) fn steer(&mut self, held: Held, turn: TurnId) {
        let runs = self.current.as_ref().is_some_and(|running| running.stop.is_none());
        let Some(waiting) = self.queue.iter().find(|waiting| waiting.accepted && waiting.note.id == turn) else {
            return self.refuse(held, ErrorCode::TurnStarted, "the turn does not wait any more");
        };
        if waiting.note.handed || !runs {
            // It is on its way already, or begins without help.
            return self.hold(held, CommandKind::SteerPrompt);
        }
        let mut note = waiting.note.clone();
        (note.handed, note.fact.steer) = (true, Some(Steer::Handed));
        self.moving = true;
        let mut batch = Batch::moving(held.id);
        self.begun(&mut batch, held, CommandKind::SteerPrompt, None);
        batch.journal(self.id, (turn, Operation::Update, note.fact.clone()));
        batch.note(notes::turn(self.id, turn), Some(notes::encode(&note)));
        batch.after.push(After::Steer(turn, held));
        self.outbox.push(batch);
    }

    /// It is on record that the agent may have it: now it gets it.
    pub(super) fn hand_in(&mut self, turn: TurnId, held: Held) {
        self.moving = false;
        if let Some(waiting) = self.queue.iter_mut().find(|waiting| waiting.note.id == turn) {
            (waiting.note.handed, waiting.note.fact.steer) = (true, Some(Steer::Handed));
        }
        let runs = self.current.as_ref().is_some_and(|running| running.stop.is_none() && running.note.id != turn);
        let Some(waiting) = self.queue.iter_mut().find(|waiting| waiting.note.handed && waiting.note.id == turn) else {
            return self.finish(held, Ok(()));
        };
        let (Some(text), Some(open), true) = (waiting.note.text.clone(), self.agent.running(), runs) else {
            self.give_back(turn);
            return self.finish(held, Ok(()));
        };
        waiting.told = true;
        let files = Files::new(self.context.clone(), self.id, waiting.note.fact.content.attachments.clone());
        open.tell(Order::Steer { held, turn, text, files });
    }

    /// What the agent said when it was handed a prompt in mid-turn.
    pub(super) fn handed_in(
        &mut self,
        held: Held,
        turn: TurnId,
        again: (String, Files),
        result: Result<Steered, DriveError>,
    ) {
        let begun = self.current.as_ref().is_some_and(|running| running.note.id == turn);
        match (result, begun) {
            (Ok(Steered::Now), false) => self.taken_in(turn),
            // It went into the turn that has just ended.
            (Ok(Steered::Now), true) => self.end_turn(Finish::default(), ApprovalState::Withdrawn),
            (Err(DriveError::Refused { detail }), false) => {
                self.give_back(turn);
                return self.finish(held, Err((ErrorCode::Unsupported, detail)));
            }
            // The turn had ended before, and this is the next one: handed over as every other.
            (Err(DriveError::Refused { .. }), true) => {
                let (text, files) = again;
                if let Some(open) = self.agent.running() {
                    open.tell(Order::Prompt { turn, text, files });
                }
            }
            (Err(error), true) => self.not_prompted(turn, &error),
            (Err(error @ DriveError::Timeout { .. }), false) => {
                if let Some(waiting) = self.queue.iter_mut().find(|waiting| waiting.note.id == turn) {
                    waiting.in_doubt = true;
                }
                self.fail_doubted();
                return self.finish(held, Err((ErrorCode::AgentUnavailable, error.to_string())));
            }
            // Of an agent that is gone or hangs its end says what becomes of the prompt.
            (Ok(Steered::Later), _) | (Err(_), false) => {}
        }
        self.finish(held, Ok(()));
    }

    /// Whether the agent was told a prompt that waits.
    pub(super) fn is_told(&self, turn: TurnId) -> bool {
        self.queue.iter().any(|waiting| waiting.told && waiting.note.id == turn)
    }

    /// Asks the agent for a prompt back, for a person who does not want it any more.
    pub(super) fn unsteer(&mut self, held: Held, by: Sender, turn: TurnId) {
        match self.agent.running() {
            Some(open) => open.tell(Order::Unsteer { held, by, turn }),
            None => self.not_given_back(held),
        }
    }

    /// The agent has given a prompt back, or has not.
    pub(super) fn given_back(&mut self, held: Held, by: Sender, turn: TurnId, result: &Result<(), DriveError>) {
        if result.is_err() {
            return self.not_given_back(held);
        }
        let error = TurnError { code: TurnErrorCode::Cancelled, by: Some(by) };
        if let Some(running) = self.current.as_mut().filter(|running| running.note.id == turn) {
            running.cancels.push(held);
            return self.interrupt(error);
        }
        self.cancel_queued(turn, error);
        self.finish(held, Ok(()));
    }

    pub(super) fn not_given_back(&mut self, held: Held) {
        self.finish(held, Err((ErrorCode::TurnStarted, "the agent has taken it in already".to_owned())));
    }

    /// A prompt that the agent will not take in waits as before.
    pub(super) fn give_back(&mut self, turn: TurnId) {
        let Some(waiting) = self.queue.iter_mut().find(|waiting| waiting.note.id == turn) else { return };
        (waiting.note.handed, waiting.told) = (false, false);
        self.say_steer(turn, None);
    }

    /// The prompt belongs to the turn that runs from now on, and stands where it was taken in.
    pub(super) fn taken_in(&mut self, turn: TurnId) {
        let ran = self.current.as_ref().map(|running| running.note.id);
        let Some(into) = ran.or_else(|| self.previous.as_ref().map(|(turn, _)| *turn)) else { return };
        let Some(place) = self.queue.iter().position(|waiting| waiting.note.id == turn) else { return };
        let Some(Waiting { mut note, tried, .. }) = self.queue.remove(place) else { return };
        self.forget_tries(turn, tried);
        // Its prompt stands right behind it, as every prompt does: that is how the files that came with it are found.
        note.fact.ord = self.take_ord();
        let ord = self.take_ord();
        let now = self.context.now();
        note.fact.state = TurnState::Completed;
        (note.fact.started_at_ms, note.fact.ended_at_ms) = (Some(now), Some(now));
        note.fact.steer = Some(Steer::Taken { turn: into });
        if let Some(held) = note.command {
            let mut step = Transition::to(held.id, held.token, CommandState::Succeeded);
            step.turn = Some(turn);
            self.outbox.command(step);
        }
        let shown = note.shown.zip(note.text);
        let shown = shown.map(|(shown, text)| (shown, Operation::Update, self.prompt_at(ord, into, &note.fact, text)));
        let batch = self.outbox.open();
        if let Some(item) = shown {
            batch.journal(self.id, item);
        }
        batch.journal(self.id, (turn, Operation::Update, note.fact));
        batch.note(notes::turn(self.id, turn), None);
        self.row.ended_turns += 1;
        self.dirty.fact = true;
    }

    /// A turn has ended, and the agent begins with what it did not take in.
    pub(super) fn begin_told(&mut self) {
        if self.current.is_some() || self.agent.running().is_none() {
            return;
        }
        if let Some(place) = self.queue.iter().position(|waiting| waiting.told && !waiting.in_doubt) {
            self.begin_untold(place);
        }
    }

    /// The turn into which they were handed has ended, and the agent never said whether it had taken them in: whether they were answered
    /// nobody knows, and it would not begin with them by itself.
    pub(super) fn fail_doubted(&mut self) {
        if self.current.is_some() {
            return;
        }
        let doubted: Vec<TurnId> =
            self.queue.iter().filter(|waiting| waiting.in_doubt).map(|waiting| waiting.note.id).collect();
        for turn in doubted {
            let detail =
                "the agent did not say in time whether it took this in; if the answer does not show it, send it again";
            self.fail_queued(turn, TurnErrorCode::AgentError, detail);
        }
    }

    /// The agent is gone, and whether it has seen what it was told nobody knows: that is not run again by itself.
    pub(super) fn lose_told(&mut self, detail: &str) {
        let told: Vec<TurnId> =
            self.queue.iter().filter(|waiting| waiting.told).map(|waiting| waiting.note.id).collect();
        for turn in told {
            self.fail_queued(turn, TurnErrorCode::AgentDied, detail);
        }
    }

    fn say_steer(&mut self, turn: TurnId, steer: Option<Steer>) {
        let Some(waiting) = self.queue.iter_mut().find(|waiting| waiting.note.id == turn) else { return };
        if waiting.note.fact.steer == steer {
            return;
        }
        waiting.note.fact.steer = steer;
        let note = waiting.note.clone();
        let batch = self.outbox.open();
        batch.journal(self.id, (turn, Operation::Update, note.fact.clone()));
        batch.note(notes::turn(self.id, turn), Some(notes::encode(&note)));
    }
}
