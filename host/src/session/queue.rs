//! What people do to the prompts that wait: changed and moved here, and each says which won when it races the start.

use protocol::command::{CommandBody, CommandKind};
use protocol::error::ErrorCode;
use protocol::fact::Operation;
use protocol::id::TurnId;
use protocol::participant::ByParticipant;
use protocol::port::Leased;

use super::{Session, Waiting};
use crate::consent::Forbidden;
use crate::journal::batch::{Accepts, After, Batch};
use crate::notes::{self, Held, TurnNote};

impl Waiting {
    /// Whether anything may still be done to it: it is on record, and its agent does not have it.
    pub(super) const fn is_free(&self) -> bool {
        self.accepted && !self.note.handed
    }
}

impl Session {
    /// Takes a command about prompts that wait, once no other one is half done: each writes such a prompt down whole.
    pub(super) fn rearrange(&mut self, held: Held, leased: Leased) {
        let edits = matches!(leased.body, CommandBody::EditPrompt { .. });
        if self.moving || (!edits && self.queue.iter().any(|waiting| waiting.edits > 0)) {
            return self.deferred.push_back(leased);
        }
        match leased.body {
            CommandBody::EditPrompt { turn, content, .. } => {
                // Whose words they are stays, so they are changed by nobody else.
                let foreign = |by: &ByParticipant| {
                    self.queue.iter().any(|waiting| {
                        let sender = waiting.note.fact.sender;
                        waiting.note.id == turn && sender.is_none_or(|sender| sender.account != by.account)
                    })
                };
                if let Some(by) = leased.participant.as_ref().filter(|by| foreign(by)) {
                    let no = Forbidden::NotTheirs;
                    return self.refuse(held, no.code(), &no.words(by));
                }
                self.edit(held, turn, content.text);
            }
            CommandBody::MovePrompt { turn, before, .. } => self.move_prompt(held, turn, before),
            CommandBody::SteerPrompt { turn, .. } => self.steer(held, turn),
            _ => self.refuse(held, ErrorCode::Unsupported, "not about a prompt that waits"),
        }
    }

    /// Takes what had to wait for another command.
    pub(super) fn catch_up(&mut self) {
        for leased in std::mem::take(&mut self.deferred) {
            self.obey(leased);
        }
    }

    /// Changes a prompt that waits. Whether it still does is decided here and nowhere else: the same task begins turns, and none
    /// begins while a change of its prompt is on its way to the disk. So the agent gets what the transcript shows.
    fn edit(&mut self, held: Held, turn: TurnId, text: String) {
        let found = self.queue.iter_mut().find(|waiting| waiting.is_free() && waiting.note.id == turn);
        let Some(waiting) = found else {
            return self.refuse(held, ErrorCode::TurnStarted, "the turn does not wait any more");
        };
        waiting.edits += 1;
        let note = TurnNote { text: Some(text.clone()), ..waiting.note.clone() };
        let mut batch = Batch::accepting(held.id, None);
        batch.accepts = batch.accepts.map(|accepts| Accepts { edits: Some(turn), ..accepts });
        self.begun(&mut batch, held, CommandKind::EditPrompt, None);
        batch.note(notes::turn(self.id, turn), Some(notes::encode(&note)));
        if let Some(shown) = note.shown {
            // The prompt took the place behind its turn.
            let item = self.prompt_at(note.fact.ord + 1, turn, &note.fact, text.clone());
            batch.journal(self.id, (shown, Operation::Update, item));
        }
        batch.after.push(After::Edited(held, turn, text));
        self.outbox.push(batch);
    }

    /// Puts a prompt that waits before another one, or at the end. Whatever stands behind the first change takes new places in the
    /// transcript, which only ever grow.
    fn move_prompt(&mut self, held: Held, turn: TurnId, before: Option<TurnId>) {
        let waits = |id: TurnId| self.queue.iter().any(|waiting| waiting.is_free() && waiting.note.id == id);
        if !waits(turn) || !before.is_none_or(waits) {
            return self.refuse(held, ErrorCode::TurnStarted, "one of the two does not wait any more");
        }
        let now: Vec<TurnId> =
            self.queue.iter().filter(|waiting| waiting.is_free()).map(|waiting| waiting.note.id).collect();
        let order = moved(&now, turn, before);
        let Some(first) = now.iter().zip(&order).position(|(was, is)| was != is) else {
            return self.hold(held, CommandKind::MovePrompt);
        };
        self.moving = true;
        let mut batch = Batch::moving(held.id);
        self.begun(&mut batch, held, CommandKind::MovePrompt, None);
        let mut written: Vec<TurnNote> = Vec::new();
        for id in &order[first..] {
            let Some(waiting) = self.queue.iter().find(|waiting| waiting.note.id == *id) else { continue };
            let mut note = waiting.note.clone();
            note.fact.ord = self.take_ord();
            let ord = self.take_ord();
            batch.journal(self.id, (*id, Operation::Update, note.fact.clone()));
            if let (Some(shown), Some(text)) = (note.shown, note.text.clone()) {
                batch.journal(self.id, (shown, Operation::Update, self.prompt_at(ord, *id, &note.fact, text)));
            }
            batch.note(notes::turn(self.id, *id), Some(notes::encode(&note)));
            written.push(note);
        }
        batch.note(notes::session(self.id), Some(notes::encode(&self.row)));
        batch.after.push(After::Moved(held, written));
        self.outbox.push(batch);
    }

    /// The new order is durable: what was written stands at the end of the line in that order, and behind it what came meanwhile.
    pub(super) fn moved(&mut self, held: Held, written: Vec<TurnNote>) {
        self.moving = false;
        let is_written = |waiting: &Waiting| written.iter().any(|note| note.id == waiting.note.id);
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let mut found: Vec<Waiting> = Vec::new();
        for waiting in std::mem::take(&mut self.queue) {
            if is_written(&waiting) {
                found.push(waiting);
            } else if found.is_empty() {
                before.push(waiting);
            } else {
                after.push(waiting);
            }
        }
        // What was taken back meanwhile is not there any more.
        let placed = written.into_iter().filter_map(|note| {
            let place = found.iter().position(|waiting| waiting.note.id == note.id)?;
            let waiting = found.swap_remove(place);
            Some(Waiting { note, ..waiting })
        });
        before.extend(placed);
        self.queue = before.into_iter().chain(after).collect();
        self.finish(held, Ok(()));
    }
}

/// A line in which one stands before another, or at the end.
fn moved(line: &[TurnId], turn: TurnId, before: Option<TurnId>) -> Vec<TurnId> {
    if before == Some(turn) {
        return line.to_vec();
    }
    let mut order: Vec<TurnId> = line.iter().copied().filter(|id| *id != turn).collect();
    let place = before.and_then(|before| order.iter().position(|id| *id == before)).unwrap_or(order.len());
    order.insert(place, turn);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_line_is_moved_and_the_others_keep_their_order() {
        let turn = |number: u128| TurnId::from_uuid(uuid::Uuid::from_u128(number));
        let line = [turn(1), turn(2), turn(3)];
        assert_eq!(moved(&line, turn(3), Some(turn(1))), [turn(3), turn(1), turn(2)]);
        assert_eq!(moved(&line, turn(1), None), [turn(2), turn(3), turn(1)]);
        assert_eq!(moved(&line, turn(1), Some(turn(3))), [turn(2), turn(1), turn(3)]);
        assert_eq!(moved(&line, turn(2), Some(turn(2))), line);
        assert_eq!(moved(&line, turn(2), Some(turn(3))), line);
    }
}
