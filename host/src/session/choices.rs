//! What a person chooses for a session, and what its agent makes of that: only what it took stays chosen.

use protocol::error::ErrorCode;
use protocol::item::NoticeLevel;

use super::loaded::Order;
use super::{Session, speech};
use crate::agent::{DriveError, Setting};
use crate::notes::{Held, Leaves, SessionNote};

/// A model, a mode and an effort, each where one is chosen; an empty word is the agent's own default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) model: Option<String>,
    pub(crate) mode: Option<String>,
    pub(crate) effort: Option<String>,
}

impl Chosen {
    /// What a session has, or what its conversation remembers that its agent was not told to leave yet.
    pub(super) fn of(row: &SessionNote) -> Self {
        let before = |chosen: &Option<String>, leaves: &Option<Leaves>| {
            chosen.clone().or_else(|| leaves.as_ref().and_then(|leaves| leaves.before.clone()))
        };
        Self {
            model: before(&row.model, &row.leaves_model),
            mode: row.mode.clone(),
            effort: before(&row.effort, &row.leaves_effort),
        }
    }

    /// Each of them; the effort last, for which ones there are depends on the model.
    fn each(self) -> impl Iterator<Item = Choice> {
        let Self { model, mode, effort } = self;
        let or_own = |word: String, named: fn(String) -> Choice, setting| {
            if word.is_empty() { Choice::Default(setting) } else { named(word) }
        };
        let model = model.map(|model| or_own(model, Choice::Model, Setting::Model));
        let effort = effort.map(|effort| or_own(effort, Choice::Effort, Setting::Effort));
        [model, mode.map(Choice::Mode), effort].into_iter().flatten()
    }
}

/// One thing that is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    Model(String),
    Mode(String),
    Effort(String),
    /// The agent's own.
    Default(Setting),
}

impl Session {
    /// Tells the agent what a command has chosen.
    pub(super) fn tell_choices(&mut self, held: Held, chosen: Chosen) {
        let mut choices: Vec<Choice> = chosen.each().collect();
        let last = choices.pop();
        match (self.agent.running(), last) {
            (Some(open), Some(last)) => {
                let held = Some(held);
                for choice in choices {
                    open.tell(Order::Choose { held, choice, last: false });
                }
                open.tell(Order::Choose { held, choice: last, last: true });
            }
            _ => self.finish(held, Ok(())),
        }
    }

    /// Tells an agent that was just opened what was left to it while it was not there: of that its conversation knows nothing.
    pub(super) fn tell_left(&mut self) {
        let settings = [(&self.row.leaves_model, Setting::Model), (&self.row.leaves_effort, Setting::Effort)];
        let Some(open) = self.agent.running() else { return };
        for (leaves, setting) in settings {
            if leaves.is_some() {
                open.tell(Order::Choose { held: None, choice: Choice::Default(setting), last: true });
            }
        }
    }

    /// What the agent made of it.
    pub(super) fn chosen(&mut self, held: Option<Held>, choice: Choice, last: bool, result: Result<(), DriveError>) {
        match result {
            Ok(()) | Err(DriveError::Reopen) => {
                // One that was just opened without a choice is the new process that this takes.
                self.reopen |= result.is_err() && held.is_some();
                self.taken(choice);
                if let Some(held) = held.filter(|_| last) {
                    self.finish(held, Ok(()));
                }
            }
            Err(error) => self.not_taken(held, choice, &error),
        }
    }

    fn taken(&mut self, choice: Choice) {
        match choice {
            Choice::Model(model) => self.took.model = Some(model),
            Choice::Mode(mode) => self.took.mode = Some(mode),
            Choice::Effort(effort) => self.took.effort = Some(effort),
            Choice::Default(setting) => {
                let (took, leaves) = match setting {
                    Setting::Model => (&mut self.took.model, &mut self.row.leaves_model),
                    Setting::Effort => (&mut self.took.effort, &mut self.row.leaves_effort),
                };
                *took = None;
                self.dirty.note |= leaves.take().is_some();
            }
        }
    }

    fn not_taken(&mut self, held: Option<Held>, choice: Choice, error: &DriveError) {
        let (code, detail) = speech::refusal(error);
        let code = match (error, &choice) {
            (DriveError::Refused { .. }, Choice::Model(_) | Choice::Default(Setting::Model)) => {
                ErrorCode::ModelUnavailable
            }
            (DriveError::Refused { .. }, Choice::Mode(_)) => ErrorCode::ModeNotAllowed,
            _ => code,
        };
        let running = self.agent.running();
        let rest = held.and_then(|held| Some(running?.forget_choices(held))).unwrap_or_default();
        // One that is gone has refused nothing: the next one is told when it is opened.
        let gone = matches!(error, DriveError::Died { .. });
        if !gone {
            for choice in std::iter::once(choice).chain(rest) {
                self.put_back(choice);
            }
            // Whether it took what it said nothing of is not known: a new one begins with what stands here.
            self.reopen |= matches!(error, DriveError::Timeout { .. });
        }
        match held {
            Some(held) => self.finish(held, Err((code, detail))),
            // The command has succeeded long ago.
            None if !gone => {
                let what = "The agent did not go back to its own default, and what was chosen before stays";
                self.remark(NoticeLevel::Warning, "choice_stays", format!("{what}: {detail}"));
            }
            None => {}
        }
    }

    /// What the agent does not take is not chosen any more, unless another choice was made meanwhile.
    fn put_back(&mut self, choice: Choice) {
        let Session { row, took, dirty, .. } = self;
        let (refused, chosen, took, leaves) = match choice {
            Choice::Model(model) => (Some(model), &mut row.model, &took.model, None),
            Choice::Mode(mode) => (Some(mode), &mut row.mode, &took.mode, None),
            Choice::Effort(effort) => (Some(effort), &mut row.effort, &took.effort, None),
            Choice::Default(Setting::Model) => (None, &mut row.model, &took.model, Some(&mut row.leaves_model)),
            Choice::Default(Setting::Effort) => (None, &mut row.effort, &took.effort, Some(&mut row.leaves_effort)),
        };
        if *chosen != refused {
            return;
        }
        // What it does not go back to it is not told again by itself.
        dirty.note |= leaves.and_then(Option::take).is_some();
        if chosen != took {
            chosen.clone_from(took);
            (dirty.fact, dirty.note) = (true, true);
        }
    }
}
