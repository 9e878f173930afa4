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
use super::{Session, row};
use crate::journal::batch::{After, Batch};
use crate::notes::{self, CommandNote, Held, NOTE_VERSION};

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
            CommandBody::CancelTurn { turn, .. } => self.cancel(held, leased.sender, turn),
            CommandBody::AnswerApproval { approval, option, content, .. } => {
                self.answer(held, leased.sender, approval, option, content);
            }
            CommandBody::EditPrompt { .. } | CommandBody::MovePrompt { .. } | CommandBody::SteerPrompt { .. } => {
                self.rearrange(held, leased);
            }
            CommandBody::SetOptions { model, mode, effort, .. } => self.set_options(held, model, mode, effort),
        }
    }

    /// Makes the session without a turn.
    fn make(&mut self, held: Held) {
        self.unborn = false;
        let mut batch = Batch::accepting(held.id, None);
        batch.after.push(After::Done(held));
        batch.step(StreamStep::CreateJournal(self.id));
        batch.feed(row::fact(&self.context, self.id, &self.row, self.activity(), 0, Operation::Insert));
        batch.report.commands.push(Transition::to(held.id, held.token, CommandState::Running));
        batch.note(notes::session(self.id), Some(notes::encode(&self.row)));
        batch.note(notes::command(self.id, held.id), Some(command_note(held, CommandKind::StartSession)));
        self.outbox.push(batch);
    }

    fn cancel(&mut self, held: Held, by: Sender, turn: Option<TurnId>) {
        let error = TurnError { code: TurnErrorCode::Cancelled, by: Some(by) };
        let running = self.current.as_ref().map(|running| running.note.id);
        match turn.or(running).or_else(|| self.queue.front().map(|waiting| waiting.note.id)) {
            Some(turn) if running == Some(turn) => {
                self.hold(held, CommandKind::CancelTurn, None);
                if let Some(running) = &mut self.current {
                    running.cancels.push(held);
                }
                self.interrupt(error);
            }
            Some(turn) if self.is_told(turn) => {
                self.hold(held, CommandKind::CancelTurn, None);
                self.unsteer(held, by, turn);
            }
            Some(turn) => {
                self.cancel_queued(turn, error);
                self.hold(held, CommandKind::CancelTurn, Some(After::Done(held)));
            }
            // What has ended stays ended: a success without effect.
            None => self.hold(held, CommandKind::CancelTurn, Some(After::Done(held))),
        }
    }

    fn set_options(&mut self, held: Held, model: Option<String>, mode: Option<String>, effort: Option<String>) {
        let after =
            if self.agent.running().is_some() { After::Options(held, effort.clone()) } else { After::Done(held) };
        if let Some(model) = model {
            self.row.model = Some(model);
        }
        if let Some(mode) = mode {
            self.row.mode = Some(mode);
        }
        if let Some(effort) = effort {
            self.row.effort = Some(effort);
        }
        // An agent that is on its way was told what was chosen before.
        self.reopen |= matches!(self.agent, Loaded::Opening(_));
        (self.dirty.fact, self.dirty.note) = (true, true);
        self.hold(held, CommandKind::SetOptions, Some(after));
    }

    /// Says that a command that makes no turn has begun.
    pub(super) fn hold(&mut self, held: Held, kind: CommandKind, after: Option<After>) {
        let key = notes::command(self.id, held.id);
        let batch = self.outbox.command(Transition::to(held.id, held.token, CommandState::Running));
        batch.note(key, Some(command_note(held, kind)));
        batch.after.extend(after);
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

pub(super) fn command_note(held: Held, kind: CommandKind) -> bytes::Bytes {
    notes::encode(&CommandNote { v: NOTE_VERSION, held, kind })
}
