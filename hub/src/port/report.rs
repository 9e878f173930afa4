//! Reports: what a host did, in one durable step.

use std::collections::HashMap;

use protocol::command::CommandState;
use protocol::fact::{FeedFact, Operation};
use protocol::host::Project;
use protocol::id::CommandId;
use protocol::port::{Decided, PortError, Report, Reported, StreamStep, Transition};
use store::{Batch, Done, Expected, Put};

use super::steps::Draft;
use super::{Port, write_notes};
use crate::audit::{self, About};
use crate::commands::{Step, expire, release, take};
use crate::failure::Failure;
use crate::feed;
use crate::hub::TRIES;
use crate::keys;
use crate::rows::{CommandRow, EditRow, Stored};

impl Port {
    pub(super) async fn take_report(&self, report: Report) -> Result<Reported, PortError> {
        for _ in 0..TRIES {
            let mut batch = Batch::of(self.fence(report.generation));
            let mut draft = Draft::new(&self.hub, self.host);
            draft.learn_turns(&report.streams).await?;
            for step in &report.streams {
                draft.step(&mut batch, step).await?;
            }
            self.write_feed(&mut batch, &draft, &report.feed).await?;
            let again = self.write_transitions(&mut batch, &draft, &report.commands).await?;
            self.write_files(&mut batch, &draft, &report.files).await?;
            write_notes(&mut batch, self.host, &report.notes)?;
            self.write_audit(&mut batch, &report.audit).await?;
            match self.hub.commit(batch).await {
                Ok(done) => {
                    for (session, row) in &draft.sessions {
                        self.hub.inner.known.learn_session(*session, *row);
                    }
                    for (turn, session) in &draft.turns {
                        self.hub.inner.known.learn_turn(*turn, *session);
                    }
                    if report.streams.iter().any(|step| matches!(step, StreamStep::CloseTurn(_))) {
                        self.hub.inner.due.ring();
                    }
                    if again {
                        self.hub.inner.queue.ring();
                    }
                    return Ok(reported(&draft.ends, &done));
                }
                // A cancellation or an expiry was faster: the transitions are looked at anew, and refused if they no longer fit.
                Err(failure) if failure.lost().is_some_and(retriable) => {}
                Err(failure) => return Err(self.refused(report.generation, failure).await),
            }
        }
        Err(Failure::Contended { tries: TRIES }.into())
    }

    async fn write_feed(&self, batch: &mut Batch, draft: &Draft<'_>, facts: &[FeedFact]) -> Result<(), PortError> {
        let account = self.hub.account();
        let mut here: HashMap<String, bool> = HashMap::new();
        for fact in facts {
            let Some((kind, key, operation)) = feed::row_of(fact) else { return refuse("a fact of an unknown type") };
            if !matches!(kind, "session" | "project" | "approval" | "rule") {
                return refuse(format!("a host does not write {kind} facts"));
            }
            let row = keys::row(account, kind, &key);
            let (exists, expected) = match here.get(&row) {
                Some(exists) => (*exists, Expected::Anything),
                None => match self.hub.inner.streams.get(&row).await.map_err(Failure::from)? {
                    Some(entry) => {
                        let there =
                            FeedFact::parse(&entry.value).map_err(|e| PortError::Refused { reason: e.to_string() })?;
                        self.check_own(draft, &there).await?;
                        (true, Expected::Version(entry.version))
                    }
                    None => (false, Expected::Absent),
                },
            };
            here.insert(row, operation != Operation::Delete);
            let stamped = match fact.clone() {
                // A row that is not there cannot be removed: nothing to say.
                _ if operation == Operation::Delete && !exists => continue,
                deleted if operation == Operation::Delete => deleted,
                // It was revoked while it was used.
                FeedFact::Rule { .. } if operation == Operation::Update && !exists => continue,
                FeedFact::Session { id, value: Some(mut session), .. } => {
                    session.account = draft.own(id).await?.account;
                    // Read after the row was: an edit writes both, so that one in between shows as another version of the row.
                    let edit = self.hub.load::<EditRow>(&keys::edit(id)).await?;
                    edit.map(|edit| edit.value).unwrap_or_default().over(&mut session);
                    batch.push(Put::remove(keys::gone(id)).expecting(Expected::Absent));
                    FeedFact::from((id, write(exists), session))
                }
                FeedFact::Project { id, value: Some(project), .. } => FeedFact::from((id, write(exists), project)),
                FeedFact::Approval { id, value: Some(approval), .. } => FeedFact::from((id, write(exists), approval)),
                FeedFact::Rule { id, value: Some(rule), .. } => FeedFact::from((id, write(exists), rule)),
                _ => return refuse(format!("a {kind} fact without a value")),
            };
            self.check_own(draft, &stamped).await?;
            feed::tell_over(batch, account, &stamped, expected);
        }
        Ok(())
    }

    /// Adds what the host decided to the audit trail. Who decides is of its owner's account, or has sent something here
    /// as a participant; what was decided is not looked at.
    async fn write_audit(&self, batch: &mut Batch, decided: &[Decided]) -> Result<(), PortError> {
        for Decided { what, target, by, content } in decided {
            if by.account != self.hub.account() && !self.hub.took_part(by.account).await? {
                return refuse("a decision of another account");
            }
            let mut entry = self.hub.entry(None, what.word()).about(target).on(self.host);
            (entry.account, entry.device, entry.content) = (Some(by.account), Some(by.device), Some(content.clone()));
            audit::push_to(batch, self.hub.account(), entry);
        }
        Ok(())
    }

    /// Whether a fact is about something of this host's own.
    async fn check_own(&self, draft: &Draft<'_>, fact: &FeedFact) -> Result<(), PortError> {
        match fact {
            FeedFact::Session { id, value: Some(session), .. } if session.host == self.host => {
                draft.own(*id).await.map(|_| ())
            }
            FeedFact::Project { value: Some(Project { host, .. }), .. } if *host == self.host => Ok(()),
            FeedFact::Rule { value: Some(rule), .. } if rule.host == self.host => Ok(()),
            FeedFact::Approval { value: Some(approval), .. } => draft.own(approval.session).await.map(|_| ()),
            // What it removes was checked by the row that is there.
            FeedFact::Session { value: None, .. }
            | FeedFact::Project { value: None, .. }
            | FeedFact::Approval { value: None, .. }
            | FeedFact::Rule { value: None, .. } => Ok(()),
            _ => refuse("a fact about something that is not this host's"),
        }
    }

    /// Tells whether one of the commands waits again.
    async fn write_transitions(
        &self,
        batch: &mut Batch,
        draft: &Draft<'_>,
        transitions: &[Transition],
    ) -> Result<bool, PortError> {
        let mut again = false;
        let mut rows: HashMap<CommandId, Stored<CommandRow>> = HashMap::new();
        for transition in transitions {
            let id = transition.id;
            let stored = match rows.remove(&id) {
                Some(row) => Some(row),
                None => self.hub.load::<CommandRow>(&keys::command(id)).await?,
            };
            let held =
                stored.filter(|row| row.value.command.host == self.host && row.value.token() == transition.token);
            let Some(stored) = held else { return Err(PortError::LeaseLost { command: id }) };
            let from = stored.value.command.state;
            if matches!(from, CommandState::Queued | CommandState::Expired | CommandState::Cancelled) {
                return Err(PortError::LeaseLost { command: id });
            }
            // Its turn waits for the next try.
            let stays = from == CommandState::Running && transition.state == from && transition.tried.is_some();
            if !(stays || from.may_become(transition.state))
                || matches!(transition.state, CommandState::Leased | CommandState::Expired)
            {
                return refuse(format!("{id} cannot go from {from:?} to {:?}", transition.state));
            }
            let started = from == CommandState::Leased && transition.state == CommandState::Running;
            if started && self.hub.now() >= stored.value.command.expires_at_ms {
                expire(&self.hub, id).await?;
                return Err(PortError::LeaseLost { command: id });
            }
            let step = match (from, &transition.error) {
                (CommandState::Leased, Some(error)) if transition.state == CommandState::Failed => {
                    Step::not_begun(&stored.value, error.code, transition.detail.clone(), &*self.hub.inner.clock)
                }
                _ => Step {
                    state: transition.state,
                    turn: transition.turn,
                    error: transition.error.clone(),
                    detail: transition.detail.clone(),
                    tried: transition.tried,
                },
            };
            let row = take(batch, &stored, step, &*self.hub.inner.clock);
            again |= row.value.command.state == CommandState::Queued;
            if !draft.sessions.contains_key(&row.value.command.session) {
                release(&self.hub, batch, &row.value).await?;
            }
            rows.insert(id, row);
        }
        Ok(again)
    }
}

/// Whether a lost compare-and-set of a report is worth another look.
fn retriable(key: &str) -> bool {
    ["hub/command/", "hub/session/", "hub/row/", "hub/blob/"].iter().any(|prefix| key.starts_with(prefix))
}

fn refuse<T>(reason: impl Into<String>) -> Result<T, PortError> {
    Err(PortError::Refused { reason: reason.into() })
}

const fn write(exists: bool) -> Operation {
    if exists { Operation::Update } else { Operation::Insert }
}

fn reported(ends: &[(usize, u64)], done: &[Done]) -> Reported {
    let end = |(index, bytes): &(usize, u64)| {
        let after = match done.get(*index) {
            Some(Done::Created(end) | Done::Existed(end) | Done::Appended(end)) => *end,
            Some(Done::Duplicate { tail, .. }) => *tail,
            Some(Done::Deleted { .. } | Done::Put(_)) | None => {
                unreachable!("a step's own operation makes or extends a stream")
            }
        };
        let before = protocol::offset::Offset { byte: after.byte.saturating_sub(*bytes), ..after };
        (before, after)
    };
    Reported { ends: ends.iter().map(end).collect() }
}
