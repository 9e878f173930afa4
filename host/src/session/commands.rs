//! What a session does with its commands. Whether a command may be done at all was checked by the executor.

use protocol::command::{CommandBody, CommandKind, CommandState};
use protocol::error::ErrorCode;
use protocol::fact::Operation;
use protocol::id::TurnId;
use protocol::item::Sender;
use protocol::limits::MAX_WAITING_PROMPTS;
use protocol::port::{Leased, StreamStep, Transition};
use protocol::turn::{TurnError, TurnErrorCode};

use super::loaded::Loaded;
use super::{Chosen, Session};
use crate::journal::batch::{After, Batch};
use crate::notes::{self, CommandNote, Held, NOTE_VERSION, Todo};

impl Session {
    /// Takes a command.
    pub(super) fn obey(&mut self, leased: Leased) {
        let held = Held { id: leased.id, token: leased.token };
        if self.never {
            return self.refuse(held, ErrorCode::NotFound, "the session was never made");
        }
        match leased.body {
            CommandBody::StartSession { .. } | CommandBody::ForkSession { .. } if !self.unborn => {
                self.refuse(held, ErrorCode::SessionExists, "a session with this id exists");
            }
            CommandBody::StartSession { content, .. } | CommandBody::ForkSession { content, .. } => {
                self.making = Some(held.id);
                match content.text {
                    Some(text) => self.accept(held, leased.sender, text, content.attachments),
                    None => self.make(held),
                }
            }
            CommandBody::SendPrompt { content, .. } if self.queue.len() < MAX_WAITING_PROMPTS => {
                self.accept(held, leased.sender, content.text, content.attachments);
            }
            CommandBody::SendPrompt { .. } => {
                self.refuse(held, ErrorCode::QueueFull, "too many prompts wait in this session");
            }
            CommandBody::CancelTurn { session, turn } => {
                // Which turn is meant, whoever is in its place by the time that this has begun.
                let running = self.current.as_ref().map(|running| running.note.id);
                match turn.or(running).or_else(|| self.queue.front().map(|waiting| waiting.note.id)) {
                    turn @ Some(_) => {
                        self.commence(Leased { body: CommandBody::CancelTurn { session, turn }, ..leased });
                    }
                    None if self.background.len() > 0 => self.commence(leased),
                    // What has ended stays ended: a success without effect.
                    None => self.hold(held, CommandKind::CancelTurn),
                }
            }
            CommandBody::AnswerApproval { approval, ref option, ref content, .. } => {
                match self.may_answer(approval, option, content) {
                    Ok(_) => self.commence(leased),
                    Err((code, why)) => self.refuse(held, code, why),
                }
            }
            CommandBody::EditPrompt { .. } | CommandBody::MovePrompt { .. } | CommandBody::SteerPrompt { .. } => {
                self.rearrange(held, leased);
            }
            CommandBody::SetOptions { .. } => self.commence(leased),
        }
    }

    /// Begins a command of which nothing may be seen unless it began: somebody may take it back, or its time may end, in this
    /// moment. The hub compares that with its beginning, and only what has won is done (W-004, W-017).
    fn commence(&mut self, leased: Leased) {
        let held = Held { id: leased.id, token: leased.token };
        let todo = match &leased.body {
            CommandBody::CancelTurn { turn: Some(turn), .. } => Some(Todo::Cancel { turn: *turn, by: leased.sender }),
            CommandBody::SetOptions { model, mode, effort, .. } => {
                Some(Todo::Choose { model: model.clone(), mode: mode.clone(), effort: effort.clone() })
            }
            _ => None,
        };
        let mut batch = Batch::accepting(held.id, None);
        self.begun(&mut batch, held, leased.body.kind(), todo);
        batch.after.push(After::Begun(Box::new(leased)));
        self.outbox.push(batch);
    }

    /// Does what a command asks for that is on record as running.
    pub(super) fn act(&mut self, leased: Leased) {
        let held = Held { id: leased.id, token: leased.token };
        match leased.body {
            CommandBody::CancelTurn { turn: Some(turn), .. } => self.cancel(held, leased.sender, turn),
            CommandBody::CancelTurn { turn: None, .. } => self.stop_background(held),
            CommandBody::AnswerApproval { approval, option, content, .. } => {
                self.answer(held, leased.sender, approval, option, content);
            }
            CommandBody::SetOptions { model, mode, effort, .. } => self.set_options(held, model, mode, effort),
            _ => self.finish(held, Ok(())),
        }
    }

    /// Makes the session without a turn.
    fn make(&mut self, held: Held) {
        self.unborn = false;
        let mut batch = Batch::accepting(held.id, None);
        batch.after.push(After::Done(held));
        batch.step(StreamStep::CreateJournal(self.id));
        batch.feed(self.fact(0, Operation::Insert));
        batch.note(notes::session(self.id), Some(notes::encode(&self.row)));
        self.begun(&mut batch, held, CommandKind::StartSession, None);
        self.outbox.push(batch);
    }

    fn cancel(&mut self, held: Held, by: Sender, turn: TurnId) {
        let error = TurnError { code: TurnErrorCode::Cancelled, by: Some(by) };
        if let Some(running) = self.current.as_mut().filter(|running| running.note.id == turn) {
            running.cancels.push(held);
            return self.interrupt(error);
        }
        if self.is_told(turn) {
            return self.unsteer(held, by, turn);
        }
        self.cancel_queued(turn, error);
        self.finish(held, Ok(()));
    }

    fn set_options(&mut self, held: Held, model: Option<String>, mode: Option<String>, effort: Option<String>) {
        let told = Chosen { model: model.clone(), mode: mode.clone(), effort: effort.clone() };
        self.row.choose(model, mode, effort);
        // An agent that is on its way was told what was chosen before.
        self.reopen |= matches!(self.agent, Loaded::Opening(_));
        (self.dirty.fact, self.dirty.note) = (true, true);
        if self.agent.running().is_none() {
            return self.finish(held, Ok(()));
        }
        let key = notes::command(self.id, held.id);
        let batch = self.outbox.open();
        // The note of the session goes with it: what was chosen is on record, and not to be chosen again.
        batch.note(key, Some(command_note(held, CommandKind::SetOptions, None)));
        batch.after.push(After::Options(held, told));
    }

    /// Adds to a batch that a command which makes no turn has begun.
    pub(super) fn begun(&self, batch: &mut Batch, held: Held, kind: CommandKind, todo: Option<Todo>) {
        batch.report.commands.push(Transition::to(held.id, held.token, CommandState::Running));
        batch.note(notes::command(self.id, held.id), Some(command_note(held, kind, todo)));
    }

    /// Says that a command has begun which asks for what is so already: nothing is done, whether or not it is taken back meanwhile.
    pub(super) fn hold(&mut self, held: Held, kind: CommandKind) {
        let key = notes::command(self.id, held.id);
        let batch = self.outbox.command(Transition::to(held.id, held.token, CommandState::Running));
        batch.note(key, Some(command_note(held, kind, None)));
        batch.after.push(After::Done(held));
    }

    /// Says how a command that makes no turn has ended.
    pub(super) fn finish(&mut self, held: Held, result: Result<(), (ErrorCode, String)>) {
        let key = notes::command(self.id, held.id);
        let step = match result {
            Ok(()) => Transition::to(held.id, held.token, CommandState::Succeeded),
            Err((code, detail)) => Transition::failed(held.id, held.token, code, detail),
        };
        self.outbox.command(step).note(key, None);
    }

    /// Says that a command cannot be done; it never began.
    pub(super) fn refuse(&mut self, held: Held, code: ErrorCode, detail: &str) {
        self.outbox.command(Transition::failed(held.id, held.token, code, detail));
    }
}

fn command_note(held: Held, kind: CommandKind, todo: Option<Todo>) -> bytes::Bytes {
    notes::encode(&CommandNote { v: NOTE_VERSION, held, kind, todo })
}
