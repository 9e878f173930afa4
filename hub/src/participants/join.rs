//! Using an invitation to a session: from one commit on the account sees what is there, and hears what comes.

use std::cmp::Reverse;

use protocol::approval::ApprovalState;
use protocol::error::{ErrorCode, Problem};
use protocol::fact::{FACT_VERSION, FeedFact, Operation};
use protocol::id::{AccountId, ParticipantId, SessionId};
use protocol::limits::MAX_PARTICIPANTS;
use protocol::participant::{JoinSession, JoinedSession, Participant, ParticipantContent};
use protocol::time::UnixMs;
use store::{Entry, Expected, Put};

use super::alone::{Alone, Draft};
use super::fan_out::row_session;
use super::invite::full;
use super::shared;
use crate::audit::{self, About};
use crate::credentials::hash;
use crate::failure::Failure;
use crate::feed;
use crate::hub::Hub;
use crate::identity::Identity;
use crate::keys;
use crate::rows::{AccountRow, HostRow, ParticipantRow, Row};

/// Commands and approvals that are over and are told to whoever joins: the newest of each, as many as lists have.
const MOST_OVER: usize = 100;

impl Hub {
    /// Makes an account a participant of the session that an invitation is to. Joining a session once more leaves the invitation for
    /// somebody else. Goes on to its end when the caller leaves.
    ///
    /// # Errors
    /// `unsupported` where there are no participants; `not_found` for a secret that is wrong, used or over; `bad_request` for a session
    /// of the caller's own; `queue_full` at [`MAX_PARTICIPANTS`]; failures of the store.
    pub async fn join_session(&self, who: &Identity, join: JoinSession) -> Result<JoinedSession, Problem> {
        self.need_shared()?;
        let (hub, who) = (self.clone(), who.clone());
        self.whole(async move {
            let result = hub.join_now(&who, &hash(&join.secret)).await;
            if let Err(problem) = &result {
                hub.record(hub.entry(Some(&who), "participant.join").failed(problem.code)).await;
            }
            result
        })
        .await
    }

    async fn join_now(&self, who: &Identity, secret: &str) -> Result<JoinedSession, Problem> {
        let missing = || Problem::new(ErrorCode::NotFound).detail("this invitation is used, taken back, or over");
        // Without the others' waiting first: whoever guesses keeps nobody from writing.
        self.invitation(secret).await?.ok_or_else(missing)?;
        let alone = Alone::on(self).await;
        let (found, share) = self.invitation(secret).await?.ok_or_else(missing)?;
        let (session, owner) = (found.session, share.value.owner);
        if self.shareable(owner, session).await.is_err() {
            return Err(missing());
        }
        if owner == who.account {
            return Err(Problem::new(ErrorCode::BadRequest).detail("this session is yours already"));
        }
        let rows = self.participant_rows(session).await?;
        if let Some(row) = rows.iter().find(|row| row.value.about.account == who.account) {
            return Ok(JoinedSession { session, role: row.value.about.role });
        }
        if rows.len() >= MAX_PARTICIPANTS {
            return Err(full("This session has too many participants", "Its owner can remove one."));
        }
        let open = async |account: AccountId| {
            let row = self.load::<AccountRow>(&keys::account(account)).await?;
            Ok::<_, Failure>(row.filter(|row| row.value.closed_at_ms.is_none()))
        };
        let Some(account) = open(who.account).await? else { return Err(Problem::new(ErrorCode::Unauthenticated)) };
        let Some(owners) = open(owner).await? else { return Err(missing()) };
        let about = Participant {
            v: FACT_VERSION,
            session,
            account: who.account,
            role: share.value.role,
            trusted: share.value.trusted,
            owner,
            joined_at_ms: self.now(),
            content: ParticipantContent {
                name: account.value.name.clone(),
                owner_name: owners.value.name.clone(),
                host_name: self.host_name(session).await?,
            },
        };
        let role = about.role;
        let row = ParticipantRow { participant: ParticipantId::from_uuid(self.inner.clock.fresh()), about };
        let mut draft = alone.draft();
        let batch = &mut draft.batch;
        let key = keys::share(session, found.invitation);
        batch.push(Put::remove(key).expecting(Expected::Version(share.version)));
        batch.push(Put::remove(keys::secret(secret)));
        batch.push(Put::set(keys::participant(session, who.account), row.encode()).expecting(Expected::Absent));
        // As they are read: whoever closes one of them at the same moment has to look again.
        for (id, row) in [(who.account, &account), (owner, &owners)] {
            let put = Put::set(keys::account(id), row.value.encode());
            batch.push(put.expecting(Expected::Version(row.version)));
        }
        batch.push(Put::set(keys::once(who.account, session), ""));
        self.show(&mut draft, owner, session, who.account).await?;
        shared::add(&mut draft.circles, &row);
        // The newest of all hears of itself with the others.
        let fact = FeedFact::from((row.participant, Operation::Insert, row.about));
        feed::tell(&mut draft.batch, owner, &fact);
        let entry = self.entry(Some(who), "participant.join").about(session);
        audit::push(&mut draft.batch, who.account, &entry);
        audit::push_to(&mut draft.batch, owner, entry);
        alone.commit(draft).await?;
        Ok(JoinedSession { session, role })
    }

    async fn host_name(&self, session: SessionId) -> Result<String, Failure> {
        let Some(home) = self.home(session).await? else { return Ok(String::new()) };
        Ok(self
            .load::<HostRow>(&keys::host(home.host))
            .await?
            .map_or_else(String::new, |row| row.value.host.content.name))
    }

    /// Adds what stands in the owner's lists of a session to somebody else's feed and lists.
    async fn show(
        &self,
        draft: &mut Draft,
        owner: AccountId,
        session: SessionId,
        to: AccountId,
    ) -> Result<(), Failure> {
        for kind in ["session", "participant", "approval", "command"] {
            let of_session = |entry: &Entry| Ok(row_session(&entry.value) == Some(session));
            let (mut open, mut over) = (Vec::new(), Vec::new());
            for entry in self.every(keys::rows(owner, kind), of_session).await? {
                let Some(fact) = FeedFact::parse(&entry.value).ok().and_then(anew) else { continue };
                match over_at(&fact) {
                    Some(at) => over.push((at, fact)),
                    None => open.push(fact),
                }
            }
            over.sort_by_key(|(at, _)| Reverse(*at));
            over.truncate(MOST_OVER);
            for fact in open.iter().chain(over.iter().rev().map(|(_, fact)| fact)) {
                feed::tell(&mut draft.batch, to, fact);
            }
        }
        Ok(())
    }
}

/// A fact as it is told to whoever has none of its row.
fn anew(fact: FeedFact) -> Option<FeedFact> {
    let operation = Operation::Insert;
    Some(match fact {
        FeedFact::Session { id, value: Some(value), .. } => FeedFact::from((id, operation, value)),
        FeedFact::Command { id, value: Some(value), .. } => FeedFact::from((id, operation, value)),
        FeedFact::Approval { id, value: Some(value), .. } => FeedFact::from((id, operation, value)),
        FeedFact::Participant { id, value: Some(value), .. } => FeedFact::from((id, operation, value)),
        _ => return None,
    })
}

/// Since when nothing more comes of a row.
fn over_at(fact: &FeedFact) -> Option<UnixMs> {
    match fact {
        FeedFact::Command { value: Some(command), .. } => command.state.is_final().then_some(command.updated_at_ms),
        FeedFact::Approval { value: Some(approval), .. } => {
            (approval.state != ApprovalState::Pending).then_some(approval.created_at_ms)
        }
        _ => None,
    }
}
