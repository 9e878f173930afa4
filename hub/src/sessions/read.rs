//! Read marks: how far an account has read a session, the same on all its devices.

use protocol::error::Problem;
use protocol::fact::{FACT_VERSION, FeedFact, Operation};
use protocol::id::SessionId;
use protocol::session::ReadMark;
use store::{Batch, Expected, Put};

use crate::failure::Failure;
use crate::feed;
use crate::hub::{Hub, TRIES};
use crate::identity::Identity;
use crate::keys;
use crate::participants::Sending;

impl Hub {
    /// Says that an account has read a session up to so many ended turns. The mark only ever grows, and never beyond what has
    /// ended, so that a wrong number hides nothing that comes later.
    ///
    /// # Errors
    /// `not_found`; failures of the store.
    pub async fn mark_read(&self, who: &Identity, session: SessionId, read_turns: u64) -> Result<(), Problem> {
        for _ in 0..TRIES {
            let sending = self.readable(who, session).await?;
            let text = session.to_string();
            let ended = self.fact(&keys::row(who.account, "session", &text)).await?;
            let ended = match ended {
                Some((FeedFact::Session { value: Some(session), .. }, _)) => session.ended_turns,
                _ => 0,
            };
            let stored = self.fact(&keys::row(who.account, "read_mark", &text)).await?;
            let (before, expected, operation) = match &stored {
                Some((FeedFact::ReadMark { value: Some(mark), .. }, version)) => {
                    (mark.read_turns, Expected::Version(*version), Operation::Update)
                }
                Some((_, version)) => (0, Expected::Version(*version), Operation::Update),
                None => (0, Expected::Absent, Operation::Insert),
            };
            let read_turns = read_turns.min(ended);
            if read_turns <= before {
                return Ok(());
            }
            let mark = ReadMark { v: FACT_VERSION, account: who.account, session, read_turns };
            // A mark must not outlive its session.
            let mut batch = Batch::of(Put::remove(keys::gone(session)).expecting(Expected::Absent));
            // Nor the part that its account has in it.
            sending.stay(&mut batch);
            feed::tell_over(&mut batch, who.account, &FeedFact::from((session, operation, mark)), expected);
            match self.commit(batch).await {
                Ok(_) => return Ok(()),
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Failure::Contended { tries: TRIES }.into())
    }

    /// Demands that a session be there for whoever asks: as its owner, or as a participant.
    async fn readable(&self, who: &Identity, session: SessionId) -> Result<Sending, Problem> {
        let sending = self.sending_to(who, session).await?;
        if sending.participant.is_none() {
            self.own_session(who.account, session).await?;
        }
        Ok(sending)
    }

    /// The fact in a row of the lists, and the row's version.
    async fn fact(&self, key: &str) -> Result<Option<(FeedFact, u64)>, Failure> {
        let Some(entry) = self.inner.streams.get(key).await? else { return Ok(None) };
        let bad =
            |error: protocol::fact::ParseFactError| Failure::Row { key: key.to_owned(), reason: error.to_string() };
        Ok(Some((FeedFact::parse(&entry.value).map_err(bad)?, entry.version)))
    }
}
