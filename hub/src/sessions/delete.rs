//! Deleting a session: all that the hub has of it goes in one step; what was on its way is swept up after it; the host hears of it
//! and ends what runs (W-115).

use protocol::blob::BlobId;
use protocol::command::CommandState;
use protocol::error::{ErrorCode, Problem};
use protocol::fact::{FeedFact, Operation};
use protocol::id::{AccountId, ApprovalId, CommandId, RuleId, SessionId, TurnId};
use protocol::path::StreamPath;
use protocol::port::SessionNews;
use store::{Batch, Entry, Expected, Operation as Step, Put};

use crate::audit::{self, About};
use crate::commands::{self, take};
use crate::failure::Failure;
use crate::feed;
use crate::hub::{Hub, TRIES, decode};
use crate::identity::Identity;
use crate::keys::{self, Due};
use crate::rows::{CommandRow, Row, TurnRow};
use crate::uploads;

impl Hub {
    /// Deletes a session: its journal, its turn streams, its rows, its waiting commands, and what people set of it go in one step.
    /// The host is told, ends what runs, and removes what it keeps. The agent's own transcript on the host is the agent's, and
    /// stays. Deleting what was deleted is a success without effect. Goes on to its end when the caller leaves.
    ///
    /// # Errors
    /// `not_found`; failures of the store.
    pub async fn delete_session(&self, who: &Identity, session: SessionId) -> Result<(), Problem> {
        let (hub, who) = (self.clone(), who.clone());
        self.whole(async move { hub.delete_now(&who, session).await }).await
    }

    async fn delete_now(&self, who: &Identity, session: SessionId) -> Result<(), Problem> {
        for _ in 0..TRIES {
            let account = who.account;
            let gone = self.inner.streams.get(&keys::gone(session)).await.map_err(Failure::from)?;
            if let Some(gone) = gone {
                let mine = gone.value == account.to_string();
                return if mine { Ok(()) } else { Err(Problem::new(ErrorCode::NotFound)) };
            }
            let home = self.own_session(account, session).await?;
            let host = home.value.host;
            let mut batch = Batch::new();
            batch.push(Put::set(keys::gone(session), account.to_string()).expecting(Expected::Absent));
            batch.push(Put::remove(keys::session(session)).expecting(Expected::Version(home.version)));
            batch.push(Put::remove(keys::edit(session)));
            batch.push(Step::Delete(StreamPath::journal(session)));
            self.take_away(&mut batch, account, session).await?;
            let news = SessionNews::Deleted { session };
            batch.push(Put::set(keys::news(host, self.arrival()), news.encode()));
            batch.push(Put::set(Due::Sweep(session).key(self.now()), ""));
            let entry = self.entry(Some(who), "session.delete").about(session).on(host);
            audit::push(&mut batch, account, &entry);
            match self.commit(batch).await {
                Ok(_) => {
                    self.inner.known.forget_session(session);
                    self.inner.news.ring();
                    self.inner.links.rouse(host);
                    self.inner.due.ring();
                    return Ok(());
                }
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Failure::Contended { tries: TRIES }.into())
    }

    /// Adds the end of everything that names a session by now.
    async fn take_away(&self, batch: &mut Batch, account: AccountId, session: SessionId) -> Result<(), Failure> {
        let of_session = |entry: &Entry| Ok(decode::<TurnRow>(entry)?.value.session == session);
        for entry in self.every(keys::TURNS.to_owned(), of_session).await? {
            let Some(turn) = last::<TurnId>(&entry.key) else { continue };
            batch.push(Step::Delete(StreamPath::turn(turn)));
            batch.push(Put::remove(entry.key));
        }
        for entry in self.every(keys::all_open(session), |_| Ok(true)).await? {
            batch.push(Put::remove(entry.key));
        }
        for entry in self.every(keys::all_files(session), |_| Ok(true)).await? {
            if let Some(blob) = last::<BlobId>(&entry.key) {
                uploads::release(self, batch, account, session, blob);
            }
        }
        let of_session = |entry: &Entry| Ok(last::<SessionId>(&entry.key) == Some(session));
        for entry in self.every(keys::ONCE.to_owned(), of_session).await? {
            batch.push(Put::remove(entry.key));
        }
        for kind in ["approval", "rule", "command"] {
            let of_session = |entry: &Entry| Ok(session_of(entry) == Some(session));
            for entry in self.every(keys::rows(account, kind), of_session).await? {
                if let Some(id) = last::<ApprovalId>(&entry.key) {
                    let gone = FeedFact::Approval { id, operation: Operation::Delete, value: None };
                    feed::tell(batch, account, &gone);
                } else if let Some(id) = last::<RuleId>(&entry.key) {
                    let gone = FeedFact::Rule { id, operation: Operation::Delete, value: None };
                    feed::tell(batch, account, &gone);
                } else if let Some(id) = last::<CommandId>(&entry.key) {
                    self.take_command(batch, account, id).await?;
                }
            }
        }
        for (kind, gone) in [
            ("read_mark", FeedFact::ReadMark { id: session, operation: Operation::Delete, value: None }),
            ("session", FeedFact::Session { id: session, operation: Operation::Delete, value: None }),
        ] {
            let row = keys::row(account, kind, &session.to_string());
            if let Some(entry) = self.inner.streams.get(&row).await? {
                feed::tell_over(batch, account, &gone, Expected::Version(entry.version));
            }
        }
        Ok(())
    }

    /// Adds the end of a command. One that the host has begun is the host's to end first: the sweep comes back for it.
    async fn take_command(&self, batch: &mut Batch, account: AccountId, id: CommandId) -> Result<(), Failure> {
        let Some(stored) = self.load::<CommandRow>(&keys::command(id)).await? else { return Ok(()) };
        let state = stored.value.command.state;
        let version = match state {
            CommandState::Queued | CommandState::Leased => {
                let step = commands::Step::to(CommandState::Cancelled);
                take(batch, &stored, step, &*self.inner.clock).version
            }
            state if state.is_final() => stored.version,
            _ => return Ok(()),
        };
        batch.push(Put::remove(keys::command(id)).expecting(Expected::Version(version)));
        feed::tell(batch, account, &FeedFact::Command { id, operation: Operation::Delete, value: None });
        Ok(())
    }
}

/// Takes away what came to stand after a session was deleted: it was on its way, or in the host's hands.
pub(crate) async fn sweep(hub: &Hub, session: SessionId) -> Result<(), Failure> {
    let Some(gone) = hub.inner.streams.get(&keys::gone(session)).await? else { return Ok(()) };
    let Some(account) = std::str::from_utf8(&gone.value).ok().and_then(|text| text.parse().ok()) else {
        return Ok(());
    };
    for _ in 0..TRIES {
        let mut batch = Batch::new();
        hub.take_away(&mut batch, account, session).await?;
        if batch.operations.is_empty() {
            break;
        }
        match hub.commit(batch).await {
            Ok(_) => break,
            Err(failure) if failure.lost().is_some() => {}
            Err(failure) => return Err(failure),
        }
    }
    hub.inner.known.forget_session(session);
    Ok(())
}

/// The session that a fact of the lists is about.
fn session_of(entry: &Entry) -> Option<SessionId> {
    match FeedFact::parse(&entry.value).ok()? {
        FeedFact::Approval { value: Some(approval), .. } => Some(approval.session),
        FeedFact::Command { value: Some(command), .. } => Some(command.session),
        FeedFact::Rule { value: Some(rule), .. } => rule.session,
        _ => None,
    }
}

/// The id at the end of a key.
fn last<I: std::str::FromStr>(key: &str) -> Option<I> {
    key.rsplit('/').next()?.parse().ok()
}
