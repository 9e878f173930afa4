//! What belongs together in one report, and what may happen once it is durable.

use std::collections::VecDeque;

use bytes::Bytes;
use protocol::fact::{FeedFact, SessionFact};
use protocol::id::{CommandId, RuleId, SessionId, TurnId};
use protocol::port::{Leased, Report, StreamStep, Transition};
use protocol::rule::Rule;
use protocol::time::UnixMs;

use super::limit;
use crate::agent::Answer;
use crate::notes::{Held, TurnNote};
use crate::session::Chosen;

/// What becomes of a session goes out in one report, or not at all.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) report: Report,
    /// What may happen once the report is durable, in order.
    pub(crate) after: Vec<After>,
    /// The turn that it accepts: should the lease be lost, then it never was. Nothing else is put into such a batch.
    pub(crate) accepts: Option<Accepts>,
    /// The standing rules that answer in it, and when; they are counted as it is sent.
    pub(crate) uses: Vec<(RuleId, UnixMs)>,
    weight: usize,
}

/// A turn, a session without one, a change of a prompt, or a command that is only to begin, that a batch accepts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Accepts {
    pub(crate) command: CommandId,
    pub(crate) turn: Option<TurnId>,
    /// The turn whose prompt it changes: should the lease be lost, then the prompt stays as it was.
    pub(crate) edits: Option<TurnId>,
    /// Whether it moves prompts that wait, or hands one over: should the lease be lost, then they stay where they are.
    pub(crate) moves: bool,
    /// Whether its words became the title of the session: should the lease be lost, then they did not.
    pub(crate) titles: bool,
}

/// What may happen once a report is durable.
#[derive(Debug)]
pub(crate) enum After {
    /// A turn is accepted: it may begin.
    Accepted(TurnId),
    /// A command is on record as running, and nobody can take it back any more: what it asks for may be done.
    Begun(Box<Leased>),
    /// A command that makes no turn is done: say so.
    Done(Held),
    /// A prompt was changed: the turn that waits has these words now, and the command is done.
    Edited(Held, TurnId, String),
    /// Prompts were moved: they wait in this order now, and the command is done.
    Moved(Held, Vec<TurnNote>),
    /// A prompt that waits may be handed over in mid-turn; the command that asked for it.
    Steer(TurnId, Held),
    /// The agent may be started.
    Open,
    /// The prompt of a turn may be handed over.
    Prompt(TurnId),
    /// An answer may be handed over; without a command when nobody was asked.
    Answer(Option<Held>, String, Answer),
    /// A standing rule holds.
    Rule(RuleId, Box<Rule>),
    /// Options may be handed over.
    Options(Held, Chosen),
}

impl Batch {
    /// A batch that accepts something.
    pub(crate) fn accepting(command: CommandId, turn: Option<TurnId>) -> Self {
        let accepts = Accepts { command, turn, edits: None, moves: false, titles: false };
        Self { accepts: Some(accepts), ..Self::default() }
    }

    /// A batch that accepts a change of the line of prompts that wait.
    pub(crate) fn moving(command: CommandId) -> Self {
        let mut batch = Self::accepting(command, None);
        batch.accepts = batch.accepts.map(|accepts| Accepts { moves: true, ..accepts });
        batch
    }

    /// Adds a fact to the session's journal.
    pub(crate) fn journal(&mut self, session: SessionId, fact: impl Into<SessionFact>) {
        let fact = fact.into();
        if let SessionFact::Item { value: Some(item), .. } = &fact {
            self.weight += limit::weight(&item.content);
        }
        match self.report.streams.last_mut() {
            Some(StreamStep::Journal(of, facts)) if *of == session => facts.push(fact),
            _ => self.report.streams.push(StreamStep::Journal(session, vec![fact])),
        }
    }

    /// Adds another step.
    pub(crate) fn step(&mut self, step: StreamStep) {
        self.report.streams.push(step);
    }

    /// Adds a fact to the feed.
    pub(crate) fn feed(&mut self, fact: impl Into<FeedFact>) {
        self.report.feed.push(fact.into());
    }

    /// Writes or removes a note; the last word on a key counts.
    pub(crate) fn note(&mut self, key: String, value: Option<Bytes>) {
        match self.report.notes.iter_mut().find(|(known, _)| *known == key) {
            Some((_, old)) => *old = value,
            None => self.report.notes.push((key, value)),
        }
    }

    fn moves(&self, command: CommandId) -> bool {
        self.report.commands.iter().any(|step| step.id == command)
    }

    /// Whether there is nothing to say or do.
    pub(crate) fn is_empty(&self) -> bool {
        let Report { streams, feed, commands, notes, audit, .. } = &self.report;
        audit.is_empty()
            && streams.is_empty()
            && feed.is_empty()
            && commands.is_empty()
            && notes.is_empty()
            && self.after.is_empty()
            && self.uses.is_empty()
    }
}

/// The batches that wait, in order.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    batches: VecDeque<Batch>,
}

impl Outbox {
    /// The batch that takes what happens now.
    pub(crate) fn open(&mut self) -> &mut Batch {
        if self.batches.back().is_none_or(|batch| batch.accepts.is_some()) {
            self.batches.push_back(Batch::default());
        }
        self.batches.back_mut().expect("one was pushed")
    }

    /// Adds a step of a command: one report never moves a command twice.
    pub(crate) fn command(&mut self, step: Transition) -> &mut Batch {
        if self.batches.back().is_some_and(|batch| batch.moves(step.id)) {
            self.batches.push_back(Batch::default());
        }
        let batch = self.open();
        batch.report.commands.push(step);
        batch
    }

    /// Adds a batch that is sent by itself.
    pub(crate) fn push(&mut self, batch: Batch) {
        self.batches.push_back(batch);
    }

    /// The next batch to send, and whether it is the last: only then may the state of now go with it.
    pub(crate) fn pop(&mut self) -> Option<(Batch, bool)> {
        let batch = self.batches.pop_front()?;
        Some((batch, self.batches.is_empty()))
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// About how many bytes wait.
    pub(crate) fn weight(&self) -> usize {
        // A fact without much text still takes its place.
        self.batches.iter().map(|batch| batch.weight + 1024 * batch.report.streams.len()).sum()
    }
}
