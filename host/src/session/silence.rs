//! An agent that says nothing: shown after a while, and in the end no longer waited for.
//!
//! A model may hang without an end, and no vendor's program tells of that. An agent is waited for while its turn runs and nobody is asked.
//! How long a tool takes is the tool's own affair: its silence is not shown, and lasts far longer before it is no longer waited for.

use std::time::Duration;

use protocol::turn::{TurnError, TurnErrorCode};
use tokio::time::Instant;

use super::{Running, Session};

/// How many times as long a tool that runs is waited for without a word: a long build or download prints something within a day.
const TOOL_TIMES: u32 = 24;

impl Session {
    /// The agent has said something.
    pub(super) fn heard(&mut self, now: Instant) {
        let Some(running) = &mut self.current else { return };
        running.heard = now;
        self.dirty.turn |= running.note.fact.quiet_since_ms.take().is_some();
    }

    /// Begins to wait anew where it is not the agent that is waited for.
    pub(super) fn wait_anew(&mut self, now: Instant) {
        if self.current.is_some() && self.waited_for().is_none() {
            self.heard(now);
        }
    }

    /// When to look at the silence next.
    pub(super) fn silence_deadline(&self) -> Option<Instant> {
        let running = self.waited_for()?;
        let options = &self.context.options;
        if running.live.tool_runs() {
            return self.limit(running).map(|limit| running.heard + limit);
        }
        if running.note.fact.quiet_since_ms.is_none() {
            return Some(running.heard + options.quiet_after);
        }
        options.silence_limit.map(|limit| running.heard + limit)
    }

    /// Shows a silence that lasts, and ends one that lasts too long.
    pub(super) fn look_at_silence(&mut self, now: Instant) {
        let Some(running) = self.waited_for() else { return };
        let silence = now.saturating_duration_since(running.heard);
        let tool = running.live.tool_runs();
        if self.limit(running).is_some_and(|limit| limit <= silence) {
            tracing::warn!(session = %self.id, agent = self.row.agent, "the agent says nothing and is stopped");
            self.interrupt(TurnError { code: TurnErrorCode::Silent, by: None });
            return;
        }
        let quiet = !tool && self.context.options.quiet_after <= silence;
        let now_ms = self.context.now();
        if let Some(running) = self.current.as_mut().filter(|_| quiet)
            && running.note.fact.quiet_since_ms.is_none()
        {
            let since = now_ms.0.saturating_sub(u64::try_from(silence.as_millis()).unwrap_or(u64::MAX));
            running.note.fact.quiet_since_ms = Some(protocol::time::UnixMs(since));
            self.dirty.turn = true;
        }
    }

    /// The running turn, while it is its agent that is waited for.
    fn waited_for(&self) -> Option<&Running> {
        let running = self.current.as_ref().filter(|running| running.prompted && running.stop.is_none())?;
        (self.approvals.is_empty() && self.judging.is_empty()).then_some(running)
    }

    /// How long it is waited for without a word.
    fn limit(&self, running: &Running) -> Option<Duration> {
        let limit = self.context.options.silence_limit?;
        Some(if running.live.tool_runs() { limit * TOOL_TIMES } else { limit })
    }
}
