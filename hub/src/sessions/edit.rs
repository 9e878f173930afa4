//! Naming a session and putting it away.

use bytes::Bytes;
use protocol::error::{ErrorCode, Problem};
use protocol::fact::{FeedFact, Operation};
use protocol::id::{AccountId, SessionId};
use protocol::link::LinkNews;
use protocol::port::SessionNews;
use protocol::session::{Session, SessionEdit};
use protocol::time::UnixMs;
use store::{Batch, Expected, Put};

use crate::audit::{self, About};
use crate::devices::check_name;
use crate::failure::Failure;
use crate::feed;
use crate::hub::{Hub, TRIES};
use crate::identity::Identity;
use crate::keys;
use crate::rows::{EditRow, Row};

/// What is to be set of a session.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// Its title.
    pub(crate) title: Option<String>,
    /// Whether it is put away.
    pub(crate) archive: Archive,
}

/// What is to become of a session's place in the lists.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Archive {
    /// It stays where it is.
    Leave,
    /// It is among the others.
    Out,
    /// It is put away since then, if it is not already.
    Since(UnixMs),
}

/// A row of the feed, and what is to hold when it is written.
struct Listed {
    session: Session,
    expected: Expected,
}

impl Hub {
    /// Names a session, or puts it away, at once and for good: what the host says of it later does not change that. Doing what is
    /// done already is a success without effect. Goes on to its end when the caller leaves.
    ///
    /// # Errors
    /// `not_found`, `bad_request` for a title that is empty, too long, or steers the text around it; failures of the store.
    pub async fn edit_session(&self, who: &Identity, session: SessionId, edit: SessionEdit) -> Result<(), Problem> {
        let archive = match edit.archived {
            Some(true) => Archive::Since(self.now()),
            Some(false) => Archive::Out,
            None => Archive::Leave,
        };
        self.set_session(who, session, Wanted { title: edit.title, archive }).await
    }

    /// As [`Hub::edit_session`], for what was done at a time of its own.
    pub(crate) async fn set_session(&self, who: &Identity, session: SessionId, wanted: Wanted) -> Result<(), Problem> {
        if let Some(title) = &wanted.title {
            check_name("title", title)?;
        }
        let (hub, who) = (self.clone(), who.clone());
        self.whole(async move { hub.edit_now(&who, session, &wanted).await }).await
    }

    async fn edit_now(&self, who: &Identity, session: SessionId, wanted: &Wanted) -> Result<(), Problem> {
        for _ in 0..TRIES {
            let home = self.own_session(who.account, session).await?.value;
            let Some(mut listed) = self.listed(who.account, session).await? else {
                return Err(Problem::new(ErrorCode::NotFound));
            };
            let stored = self.load::<EditRow>(&keys::edit(session)).await?;
            // What nobody has set here is as a linked node says: it may have been put away there.
            let as_listed = EditRow { title: None, archived_at_ms: listed.session.archived_at_ms };
            let before = stored.as_ref().map_or(as_listed, |stored| stored.value.clone());
            let mut after = before.clone();
            if let Some(title) = &wanted.title {
                after.title = Some(title.trim().to_owned());
            }
            after.archived_at_ms = match wanted.archive {
                Archive::Since(at) => before.archived_at_ms.or(Some(at)),
                Archive::Out => None,
                Archive::Leave => before.archived_at_ms,
            };
            if after == before {
                return Ok(());
            }
            let mut batch = Batch::new();
            let expected = stored.map_or(Expected::Absent, |stored| Expected::Version(stored.version));
            batch.push(Put::set(keys::edit(session), after.encode()).expecting(expected));
            after.over(&mut listed.session);
            let fact = FeedFact::from((session, Operation::Update, listed.session));
            feed::tell_over(&mut batch, who.account, &fact, listed.expected);
            if before.title != after.title
                && let Some(title) = &after.title
            {
                let news = SessionNews::Renamed { session, title: title.clone() };
                batch.push(Put::set(keys::news(home.host, self.arrival()), news.encode()));
                let entry = self.entry(Some(who), "session.rename").about(session).on(home.host).sized(title.len());
                audit::push(&mut batch, who.account, &entry);
            }
            if before.archived_at_ms != after.archived_at_ms {
                let action = if after.archived_at_ms.is_some() { "session.archive" } else { "session.unarchive" };
                let entry = self.entry(Some(who), action).about(session).on(home.host);
                audit::push(&mut batch, who.account, &entry);
                if home.host != self.node() {
                    let news = LinkNews::Archived { session, at_ms: after.archived_at_ms };
                    batch.push(Put::set(keys::news(home.host, self.arrival()), news.encode()));
                }
            }
            match self.commit(batch).await {
                Ok(_) => {
                    self.inner.news.ring();
                    self.inner.links.rouse(home.host);
                    return Ok(());
                }
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Failure::Contended { tries: TRIES }.into())
    }

    /// A session as the lists have it; `None` when its host has not told of it yet.
    async fn listed(&self, account: AccountId, session: SessionId) -> Result<Option<Listed>, Failure> {
        let key = keys::row(account, "session", &session.to_string());
        let Some(entry) = self.inner.streams.get(&key).await? else { return Ok(None) };
        let expected = Expected::Version(entry.version);
        Ok(parse(&entry.value).map(|session| Listed { session, expected }))
    }
}

fn parse(message: &Bytes) -> Option<Session> {
    match FeedFact::parse(message) {
        Ok(FeedFact::Session { value, .. }) => value,
        _ => None,
    }
}

/// Adds to a batch that a session which was put away is among the others again: somebody prompts it.
pub(crate) async fn take_out(
    hub: &Hub,
    batch: &mut Batch,
    account: AccountId,
    session: SessionId,
) -> Result<(), Failure> {
    let Some(stored) = hub.load::<EditRow>(&keys::edit(session)).await? else { return Ok(()) };
    if stored.value.archived_at_ms.is_none() {
        return Ok(());
    }
    let after = EditRow { archived_at_ms: None, ..stored.value };
    batch.push(Put::set(keys::edit(session), after.encode()).expecting(Expected::Version(stored.version)));
    if let Some(mut listed) = hub.listed(account, session).await? {
        let host = listed.session.host;
        if host != hub.node() {
            let news = LinkNews::Archived { session, at_ms: None };
            batch.push(Put::set(keys::news(host, hub.arrival()), news.encode()));
        }
        after.over(&mut listed.session);
        let fact = FeedFact::from((session, Operation::Update, listed.session));
        feed::tell_over(batch, account, &fact, listed.expected);
    }
    Ok(())
}
