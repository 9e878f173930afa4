//! Changing who takes part: one at a time, while no other commit is on its way.

use std::sync::Arc;

use protocol::command::CommandState;
use protocol::fact::{FeedFact, Operation};
use protocol::id::{AccountId, CommandId, ParticipantId, SessionId};
use store::{Batch, Done, Entry, Expected, Put};
use tokio::sync::OwnedRwLockWriteGuard;

use super::fan_out::{Plan, row_session};
use super::shared::{self, Circles};
use crate::commands::{Step, take};
use crate::failure::Failure;
use crate::feed;
use crate::hub::{Hub, decode};
use crate::keys;
use crate::rows::{CommandRow, ParticipantRow, SecretRow, ShareRow, Stored};

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
}

impl Alone {
    /// Waits until no commit is on its way.
    pub(crate) async fn on(hub: &Hub) -> Self {
        let gate = hub.inner.sharing.alone().await;
        Self { hub: hub.clone(), before: hub.inner.sharing.circles(), _gate: gate }
    }

    pub(crate) fn draft(&self) -> Draft {
        Draft { batch: Batch::new(), circles: Circles::clone(&self.before), cut: Vec::new() }
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
        Ok(done)
    }

    /// Adds the end of an account's part in a session: it hears that everything of it is gone, unless it hears nothing any more; its
    /// prompts that no host has taken are taken back.
    pub(super) async fn part(
        &self,
        draft: &mut Draft,
        row: &Stored<ParticipantRow>,
        hears: bool,
    ) -> Result<(), Failure> {
        let about = &row.value.about;
        let key = keys::participant(about.session, about.account);
        draft.batch.push(Put::remove(key).expecting(Expected::Version(row.version)));
        shared::remove(&mut draft.circles, about.session, about.account);
        self.withdraw(draft, about.owner, about.session, about.account).await?;
        let gone = FeedFact::Participant { id: row.value.participant, operation: Operation::Delete, value: None };
        feed::tell(&mut draft.batch, about.owner, &gone);
        if hears {
            self.take_rows(draft, about.account, about.session).await?;
        }
        draft.cut.push((about.account, about.session));
        Ok(())
    }

    /// Adds that what a participant has sent and no host has taken is taken back.
    pub(super) async fn withdraw(
        &self,
        draft: &mut Draft,
        owner: AccountId,
        session: SessionId,
        account: AccountId,
    ) -> Result<(), Failure> {
        let theirs = |entry: &Entry| match FeedFact::parse(&entry.value) {
            Ok(FeedFact::Command { value: Some(command), .. }) => Ok(command.session == session
                && command.sender.account == account
                && command.state == CommandState::Queued),
            _ => Ok(false),
        };
        for entry in self.hub.every(keys::rows(owner, "command"), theirs).await? {
            let Some(id) = last::<CommandId>(&entry.key) else { continue };
            let stored = self.hub.load::<CommandRow>(&keys::command(id)).await?;
            if let Some(stored) = stored.filter(|stored| stored.value.command.state == CommandState::Queued) {
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
                    self.part(draft, &row, false).await?;
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

    /// An invitation by its secret, as it stands; one whose time is over is none.
    pub(super) async fn invitation(&self, hash: &str) -> Result<Option<(SecretRow, Stored<ShareRow>)>, Failure> {
        let Some(found) = self.hub.load::<SecretRow>(&keys::secret(hash)).await? else { return Ok(None) };
        let SecretRow { session, invitation } = found.value;
        let share = self.hub.load::<ShareRow>(&keys::share(session, invitation)).await?;
        Ok(share.filter(|share| self.hub.now() < share.value.expires_at_ms).map(|share| (found.value, share)))
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
