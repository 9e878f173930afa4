//! What people did at the other hub: done here by the same paths as if they had done it here. Doing it again changes nothing.

use protocol::device::Device;
use protocol::error::{ErrorCode, Problem};
use protocol::fact::{FeedFact, Operation};
use protocol::id::{CommandId, DeviceId, SessionId};
use protocol::link::LinkNews;
use store::{Batch, Expected, Put};

use super::Uplink;
use crate::failure::Failure;
use crate::feed;
use crate::hub::TRIES;
use crate::keys;
use crate::rows::SessionRow;
use crate::sessions::{Archive, Wanted};

impl Uplink {
    /// Does what was told; it is on disk when this returns.
    ///
    /// # Errors
    /// Failures of the store. What is about something that is not here, or not any more, is done.
    pub async fn hear(&self, news: &LinkNews) -> Result<(), Problem> {
        // Who did it is known to the other hub's audit trail; here it is whoever the node is there.
        let who = self.somebody(self.hub.node());
        let done = match news {
            LinkNews::Renamed { session, title } => {
                let wanted = Wanted { title: Some(title.clone()), archive: Archive::Leave };
                self.hub.set_session(&who, *session, wanted).await
            }
            LinkNews::Archived { session, at_ms } => {
                let archive = at_ms.map_or(Archive::Out, Archive::Since);
                let wanted = Wanted { title: None, archive };
                self.hub.set_session(&who, *session, wanted).await
            }
            LinkNews::Deleted { session } => match self.hub.delete_session(&who, *session).await {
                Err(problem) if problem.code == ErrorCode::NotFound => self.never(*session).await,
                done => done,
            },
            LinkNews::RuleRevoked { rule } => self.hub.revoke_rule(&who, *rule).await,
            LinkNews::Cancelled { command, by } => self.cancel(*command, *by).await,
            LinkNews::Device { device, about } => self.note_device(*device, about).await,
            LinkNews::Unknown => Ok(()),
        };
        match done {
            // A name that is not taken here was taken there: it is shown there, and the next thing is done.
            Err(problem) if matches!(problem.code, ErrorCode::NotFound | ErrorCode::BadRequest) => {
                tracing::debug!(%problem, "something that was done at the other hub has nothing to be done to here");
                Ok(())
            }
            done => done,
        }
    }

    async fn cancel(&self, command: CommandId, by: DeviceId) -> Result<(), Problem> {
        let mut incoming = self.hub.inner.incoming.lock().await;
        match self.hub.cancel(&self.somebody(by), command).await {
            // It may still come.
            Err(problem) if problem.code == ErrorCode::NotFound => {
                incoming.recall(command);
                Ok(())
            }
            Err(problem) if problem.code != ErrorCode::CommandNotCancellable => Err(problem),
            // It has begun or ended: its own facts say so.
            _ => Ok(()),
        }
    }

    /// A session that was deleted before it was made here will not be made.
    async fn never(&self, session: SessionId) -> Result<(), Problem> {
        let hub = &self.hub;
        for _ in 0..TRIES {
            let row = hub.load::<SessionRow>(&keys::session(session)).await?;
            if let Some(command) = row.as_ref().and_then(|row| row.value.command) {
                self.cancel(command, hub.node()).await?;
            }
            match hub.load::<SessionRow>(&keys::session(session)).await? {
                // It was made meanwhile, and can be deleted now; or its command is about to make it.
                Some(row) if row.value.live => return hub.delete_session(&self.somebody(hub.node()), session).await,
                _ => {}
            }
            let gone = Put::set(keys::gone(session), hub.account().to_string()).expecting(Expected::Absent);
            match hub.commit(Batch::of(gone)).await {
                Ok(_) => return Ok(()),
                Err(failure) if failure.lost().is_some() => {
                    if hub.streams().get(&keys::gone(session)).await.map_err(Failure::from)?.is_some() {
                        return Ok(());
                    }
                }
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Failure::Contended { tries: TRIES }.into())
    }

    /// Puts a device of the other hub among the facts of this account, so that what it sent can be shown with its name. It gets no
    /// credential and no right by that.
    async fn note_device(&self, device: DeviceId, about: &Device) -> Result<(), Problem> {
        let hub = &self.hub;
        let own = hub.streams().get(&keys::device(hub.account(), device)).await.map_err(Failure::from)?;
        if own.is_some() {
            return Ok(());
        }
        let key = keys::row(hub.account(), "device", &device.to_string());
        for _ in 0..TRIES {
            let found = hub.streams().get(&key).await.map_err(Failure::from)?;
            let operation = if found.is_some() { Operation::Update } else { Operation::Insert };
            let fact = FeedFact::from((device, operation, about.clone()));
            let same = |entry: &store::Entry| matches!(FeedFact::parse(&entry.value), Ok(FeedFact::Device { value: Some(known), .. }) if known == *about);
            if found.as_ref().is_some_and(same) {
                return Ok(());
            }
            let expected = found.map_or(Expected::Absent, |entry| Expected::Version(entry.version));
            let mut batch = Batch::new();
            feed::tell_over(&mut batch, hub.account(), &fact, expected);
            match hub.commit(batch).await {
                Ok(_) => return Ok(()),
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Failure::Contended { tries: TRIES }.into())
    }
}
