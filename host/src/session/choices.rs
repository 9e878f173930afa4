//! What a person chooses for a session, and what its agent makes of that: only what it took stays chosen.

use protocol::error::ErrorCode;

use super::loaded::Order;
use super::{Session, speech};
use crate::agent::DriveError;
use crate::notes::{Held, SessionNote};

/// A model, a mode and an effort, each where one is chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) model: Option<String>,
    pub(crate) mode: Option<String>,
    pub(crate) effort: Option<String>,
}

impl Chosen {
    /// What a session has.
    pub(super) fn of(row: &SessionNote) -> Self {
        Self { model: row.model.clone(), mode: row.mode.clone(), effort: row.effort.clone() }
    }

    /// Each of them; the effort last, for which ones there are depends on the model.
    fn each(self) -> impl Iterator<Item = Choice> {
        let Self { model, mode, effort } = self;
        let (model, mode) = (model.map(Choice::Model), mode.map(Choice::Mode));
        [model, mode, effort.map(Choice::Effort)].into_iter().flatten()
    }
}

/// One thing that is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    Model(String),
    Mode(String),
    Effort(String),
}

impl Session {
    /// Tells the agent what a command has chosen.
    pub(super) fn tell_choices(&mut self, held: Held, chosen: Chosen) {
        let mut choices: Vec<Choice> = chosen.each().collect();
        let last = choices.pop();
        match (self.agent.running(), last) {
            (Some(open), Some(last)) => {
                for choice in choices {
                    open.tell(Order::Choose { held, choice, last: false });
                }
                open.tell(Order::Choose { held, choice: last, last: true });
            }
            _ => self.finish(held, Ok(())),
        }
    }

    /// What the agent made of it.
    pub(super) fn chosen(&mut self, held: Held, choice: Choice, last: bool, result: Result<(), DriveError>) {
        let error = match result {
            Ok(()) | Err(DriveError::Reopen) => {
                self.reopen |= result.is_err();
                match choice {
                    Choice::Model(model) => self.took.model = Some(model),
                    Choice::Mode(mode) => self.took.mode = Some(mode),
                    Choice::Effort(effort) => self.took.effort = Some(effort),
                }
                if last {
                    self.finish(held, Ok(()));
                }
                return;
            }
            Err(error) => error,
        };
        let (code, detail) = speech::refusal(&error);
        let code = match (&error, &choice) {
            (DriveError::Refused { .. }, Choice::Model(_)) => ErrorCode::ModelUnavailable,
            (DriveError::Refused { .. }, Choice::Mode(_)) => ErrorCode::ModeNotAllowed,
            _ => code,
        };
        let rest = self.agent.running().map(|open| open.forget_choices(held)).unwrap_or_default();
        // One that is gone has refused nothing: the next one is told when it is opened.
        if !matches!(error, DriveError::Died { .. }) {
            for choice in std::iter::once(choice).chain(rest) {
                self.put_back(&choice);
            }
            // Whether it took what it said nothing of is not known: a new one begins with what stands here.
            self.reopen |= matches!(error, DriveError::Timeout { .. });
        }
        self.finish(held, Err((code, detail)));
    }

    /// What the agent does not take is not chosen any more, unless another choice was made meanwhile.
    fn put_back(&mut self, choice: &Choice) {
        let (chosen, refused, took) = match choice {
            Choice::Model(model) => (&mut self.row.model, model, &self.took.model),
            Choice::Mode(mode) => (&mut self.row.mode, mode, &self.took.mode),
            Choice::Effort(effort) => (&mut self.row.effort, effort, &self.took.effort),
        };
        if chosen.as_ref() == Some(refused) && chosen != took {
            chosen.clone_from(took);
            (self.dirty.fact, self.dirty.note) = (true, true);
        }
    }
}
