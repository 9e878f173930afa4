//! Changing who takes part: one at a time, while no other commit is on its way.

use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::command::{Command, CommandState};
use protocol::fact::{FeedFact, Operation};
use protocol::id::{AccountId, CommandId, DeviceId, ParticipantId, SessionId};
use protocol::participant::Participant;
use store::{Batch, Done, Entry, Expected, Put};
use tokio::sync::OwnedRwLockWriteGuard;

use super::fan_out::{Plan, row_session};
use super::shared::{self, Circles};
use crate::commands::{Step, take};
use crate::failure::Failure;
use crate::feed;
use crate::hub::{Hub, decode};
use crate::keys;
use crate::link;
use crate::rows::{CommandRow, ParticipantRow, ShareRow, Stored};

/// Kinds of rows that an account has of a session of somebody else.
pub(super) const KINDS: [&str; 5] = ["session", "command", "approval", "participant", "read_mark"];

/// The only one who writes, as long as it lives: what is read under it stands until it commits.
#[derive(Debug)]
pub(crate) struct Alone {
    hub: Hub,
    before: Arc<Circles>,
    _gate: OwnedRwLockWriteGuard<()>,
}

/// A change on its way into a batch.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) batch: Batch,
    /// The circles as the batch leaves them.
    pub(super) circles: Circles,
    /// Who loses which session.
    cut: Vec<(AccountId, SessionId)>,
    /// Linked hosts that have to hear of it.
    rouse: BTreeSet<DeviceId>,
}

/// What is taken back of that which a participant has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Back {
    /// Everything.
    All,
    /// What only counts since it was trusted: not what its owner has let run, and not what waits for its owner's word.
    Trusted,
}

impl Alone {
    /// Waits until no commit is on its way.
    pub(crate) async fn on(hub: &Hub) -> Self {
        let gate = hub.inner.sharing.alone().await;
        Self { hub: hub.clone(), before: hub.inner.sharing.circles(), _gate: gate }
    }

    pub(crate) fn draft(&self) -> Draft {
        Draft { batch: Batch::new(), circles: Circles::clone(&self.before), cut: Vec::new(), rouse: BTreeSet::new() }
    }

    /// Commits; what follows for memory and for what people have open follows before this returns.
    pub(crate) async fn commit(&self, mut draft: Draft) -> Result<Vec<Done>, Failure> {
        let plan = Plan::of(&self.hub, &draft.batch, &draft.circles).await?;
        for session in &plan.ended {
            self.end(&mut draft, *session, true).await?;
        }
        plan.add_to(&mut draft.batch);
        let done = self.hub.inner.streams.commit(draft.batch).await?;
        self.hub.inner.sharing.set(draft.circles);
        // In this order: whoever comes now is not let in, and whoever came before is cut.
        for (account, session) in draft.cut {
            self.hub.inner.sharing.cut(account, session);
        }
        for host in draft.rouse {
            self.hub.inner.links.rouse(host);
        }
        Ok(done)
    }

    /// Adds the end of an account's part in a session, by whose device: it hears that everything of it is gone, unless it is the end of the
    /// account, which hears nothing any more; what it sent and no host has begun is taken back.
    pub(super) async fn part(
        &self,
        draft: &mut Draft,
        row: &Stored<ParticipantRow>,
        by: Option<DeviceId>,
    ) -> Result<(), Failure> {
        let about = &row.value.about;
        let key = keys::participant(about.session, about.account);
        draft.batch.push(Put::remove(key).expecting(Expected::Version(row.version)));
        shared::remove(&mut draft.circles, about.session, about.account);
        self.withdraw(draft, about, Back::All, by).await?;
        let gone = FeedFact::Participant { id: row.value.participant, operation: Operation::Delete, value: None };
        feed::tell(&mut draft.batch, about.owner, &gone);
        if by.is_some() {
            self.take_rows(draft, about.account, about.session).await?;
        }
        draft.cut.push((about.account, about.session));
        Ok(())
    }

    /// Adds that what a participant has sent and no host has begun is taken back: what waits here at once. What was handed over to a linked
    /// host is its host's to say, and it is asked; if it never came there, it is not handed over again. `by` is whose device wants that,
    /// and the sender's own when nobody does.
    pub(super) async fn withdraw(
        &self,
        draft: &mut Draft,
        about: &Participant,
        back: Back,
        by: Option<DeviceId>,
    ) -> Result<(), Failure> {
        let theirs = |command: &Command| {
            let trusted = command.participant.as_ref().is_some_and(|by| by.trusted && by.released_by.is_none());
            command.session == about.session
                && command.sender.account == about.account
                && matches!(command.state, CommandState::Queued | CommandState::Leased)
                && (back == Back::All || trusted)
        };
        let wanted = |entry: &Entry| match FeedFact::parse(&entry.value) {
            Ok(FeedFact::Command { value: Some(command), .. }) => Ok(theirs(&command)),
            _ => Ok(false),
        };
        for entry in self.hub.every(keys::rows(about.owner, "command"), wanted).await? {
            let Some(id) = last::<CommandId>(&entry.key) else { continue };
            let stored = self.hub.load::<CommandRow>(&keys::command(id)).await?;
            let Some(stored) = stored.filter(|stored| theirs(&stored.value.command)) else { continue };
            let Command { state, sender, host, .. } = &stored.value.command;
            if *state == CommandState::Leased && stored.value.handover.is_some() {
                link::ask_back(&self.hub, &mut draft.batch, &stored, by.unwrap_or(sender.device));
                draft.rouse.insert(*host);
            } else {
                take(&mut draft.batch, &stored, Step::to(CommandState::Cancelled), &*self.hub.inner.clock);
            }
        }
        Ok(())
    }

    /// Adds the end of a shared session. `tells` is whether its owner hears of anything any more.
    pub(crate) async fn end(&self, draft: &mut Draft, session: SessionId, tells: bool) -> Result<(), Failure> {
        let Some(circle) = draft.circles.remove(&session) else { return Ok(()) };
        for entry in self.hub.every(keys::all_participants(session), |_| Ok(true)).await? {
            let row = decode::<ParticipantRow>(&entry)?;
            if circle.participants.contains_key(&row.value.about.account) {
                self.take_rows(draft, row.value.about.account, session).await?;
                draft.cut.push((row.value.about.account, session));
            }
            draft.batch.push(Put::remove(entry.key).expecting(Expected::Version(row.version)));
            if tells {
                let id = row.value.participant;
                let gone = FeedFact::Participant { id, operation: Operation::Delete, value: None };
                feed::tell(&mut draft.batch, circle.owner, &gone);
            }
        }
        for entry in self.hub.every(keys::all_shares(session), |_| Ok(true)).await? {
            draft.batch.push(Put::remove(keys::secret(&decode::<ShareRow>(&entry)?.value.secret)));
            draft.batch.push(Put::remove(entry.key));
        }
        Ok(())
    }

    /// Adds what the end of an account means for sessions: those of its own that it shared, and those of others in which it takes part.
    pub(crate) async fn close(&self, draft: &mut Draft, account: AccountId) -> Result<(), Failure> {
        for (session, circle) in self.before.iter() {
            if circle.owner == account {
                self.end(draft, *session, false).await?;
            } else if circle.participants.contains_key(&account) {
                let row = self.hub.load::<ParticipantRow>(&keys::participant(*session, account)).await?;
                if let Some(row) = row {
                    self.part(draft, &row, None).await?;
                }
            }
        }
        Ok(())
    }

    /// Adds that an account has nothing of a session in its lists any more, and hears so.
    async fn take_rows(&self, draft: &mut Draft, account: AccountId, session: SessionId) -> Result<(), Failure> {
        for kind in KINDS {
            let of_session = |entry: &Entry| Ok(row_session(&entry.value) == Some(session));
            for entry in self.hub.every(keys::rows(account, kind), of_session).await? {
                if let Some(gone) = deletion(kind, &entry.key, session) {
                    feed::tell(&mut draft.batch, account, &gone);
                }
            }
        }
        Ok(())
    }
}

/// The fact that a row is gone.
fn deletion(kind: &str, key: &str, session: SessionId) -> Option<FeedFact> {
    let operation = Operation::Delete;
    Some(match kind {
        "session" => FeedFact::Session { id: session, operation, value: None },
        "read_mark" => FeedFact::ReadMark { id: session, operation, value: None },
        "command" => FeedFact::Command { id: last(key)?, operation, value: None },
        "approval" => FeedFact::Approval { id: last(key)?, operation, value: None },
        "participant" => FeedFact::Participant { id: last::<ParticipantId>(key)?, operation, value: None },
        _ => return None,
    })
}

/// The id at the end of a key.
fn last<I: std::str::FromStr>(key: &str) -> Option<I> {
    key.rsplit('/').next()?.parse().ok()
}
