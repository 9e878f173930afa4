//! What an agent goes on with between its turns: commands and sub-agents in the background.
//!
//! It is shown, it is no idleness, a Stop without a turn ends it, and whatever cuts it off is told.

use std::time::Duration;

use protocol::item::{ItemContent, ItemStatus, NoticeLevel, Role};
use tokio::time::Instant;

use super::{KILL_GRACE, Session};
use crate::notes::Held;

/// How long an agent is kept for what it does in the background after its last turn: a long test run ends by then, and what was
/// forgotten does not stay for ever.
pub(super) const BACKGROUND_LIMIT: Duration = Duration::from_hours(12);
/// Tasks that a notice names.
const NAMED: usize = 5;

/// What an agent does in the background.
#[derive(Debug, Default)]
pub(super) struct Background {
    tasks: Vec<String>,
    /// Commands that ended it.
    stops: Vec<Held>,
}

impl Background {
    /// How much there is.
    pub(super) const fn len(&self) -> usize {
        self.tasks.len()
    }
}

impl Session {
    /// What goes on in the background is known anew.
    pub(super) fn goes_on(&mut self, tasks: Vec<String>) {
        if self.background.tasks.is_empty() != tasks.is_empty() {
            // The pause begins anew, whichever way.
            self.idle_since = None;
        }
        self.dirty.fact |= self.background.len() != tasks.len();
        self.background.tasks = tasks;
    }

    /// How long an agent without a turn is kept.
    pub(super) fn patience(&self) -> Duration {
        let idle = self.context.options.agent_idle;
        if self.background.tasks.is_empty() { idle } else { idle.max(BACKGROUND_LIMIT) }
    }

    /// Ends what goes on in the background, with the agent; a success without effect when it has ended meanwhile, or a turn runs
    /// by now.
    pub(super) fn stop_background(&mut self, held: Held) {
        if self.background.tasks.is_empty() || self.current.is_some() {
            return self.finish(held, Ok(()));
        }
        if let Some(open) = self.agent.running() {
            // Asked to stop one of them, agents begin a turn to speak about that. The next prompt finds the conversation as it is.
            open.kill(Instant::now() + KILL_GRACE);
        }
        self.background.stops.push(held);
    }

    /// The agent is gone: so is what it did in the background.
    pub(super) fn background_gone(&mut self) {
        if !self.background.stops.is_empty() {
            self.cut_off("was stopped");
        }
        self.cut_off("ended with the agent");
        for held in std::mem::take(&mut self.background.stops) {
            self.finish(held, Ok(()));
        }
    }

    /// The agent is closed without having been told to stop anything.
    pub(super) fn background_closed(&mut self) {
        let hours = BACKGROUND_LIMIT.as_secs() / 3600;
        let why = if self.stopping {
            "was ended, because Towline stops".to_owned()
        } else if self.reopen {
            "was ended, because the agent has to start anew for what was chosen".to_owned()
        } else {
            format!("was ended: it had gone on for {hours} hours after the last turn")
        };
        self.cut_off(&why);
    }

    fn cut_off(&mut self, why: &str) {
        let tasks = std::mem::take(&mut self.background.tasks);
        if tasks.is_empty() {
            return;
        }
        self.dirty.fact = true;
        let mut named = tasks.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join("; ");
        if tasks.len() > NAMED {
            named = format!("{named}; and {} more", tasks.len() - NAMED);
        }
        let text = format!("What worked in the background {why}: {named}");
        self.remark(NoticeLevel::Warning, "background_ended", text);
    }

    /// Says something to the people who watch, behind what was said last; before the first turn it waits for that.
    pub(super) fn remark(&mut self, level: NoticeLevel, code: impl Into<String>, text: impl Into<String>) {
        let content = ItemContent::Notice { level, code: code.into(), text: text.into() };
        if self.spoken().is_none() {
            if self.early.len() < super::MAX_EARLY {
                self.early.push(content);
            }
            return;
        }
        let key = format!("notice {}", self.context.clock.fresh().simple());
        self.settle(key, None, Role::System, ItemStatus::Done, content);
    }
}
