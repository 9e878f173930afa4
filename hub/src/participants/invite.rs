//! Invitations to a session: made by its owner, used once by an account of the same hub, over after a day.

use protocol::account::{InvitationOffer, SecretLink};
use protocol::device::Right;
use protocol::error::{ErrorCode, Problem};
use protocol::id::{AccountId, InvitationId, SessionId};
use protocol::limits::{MAX_PARTICIPANTS, SESSION_INVITATION_TTL_MS};
use protocol::participant::{NewSessionInvitation, Participant, ParticipantList, SessionInvitation};
use store::{Batch, Expected, Put};

use super::alone::Alone;
use super::role::Standing;
use crate::audit::{self, About};
use crate::credentials::hash;
use crate::failure::Failure;
use crate::hub::{Hub, decode};
use crate::identity::Identity;
use crate::keys::{self, Due};
use crate::random;
use crate::rows::{ParticipantRow, Row, SecretRow, ShareRow, Stored};

impl Hub {
    /// Makes an invitation to a session of the caller's. Its secret is told here and nowhere else. Goes on to its end when the caller
    /// leaves.
    ///
    /// # Errors
    /// `unsupported` where there are no participants; `forbidden`; `not_found`; `queue_full` at [`MAX_PARTICIPANTS`]; failures of the
    /// store.
    pub async fn invite_to_session(
        &self,
        who: &Identity,
        session: SessionId,
        new: NewSessionInvitation,
    ) -> Result<InvitationOffer, Problem> {
        self.need_shared()?;
        who.need(Right::Manage)?;
        let (hub, who) = (self.clone(), who.clone());
        self.whole(async move { hub.invite_now(&who, session, new).await }).await
    }

    async fn invite_now(
        &self,
        who: &Identity,
        session: SessionId,
        new: NewSessionInvitation,
    ) -> Result<InvitationOffer, Problem> {
        // Looked at before as well: whoever asks for what is not there keeps nobody from writing.
        self.shareable(who.account, session).await?;
        let alone = Alone::on(self).await;
        self.shareable(who.account, session).await?;
        if self.share_rows(session).await?.len() >= MAX_PARTICIPANTS {
            return Err(full("Too many invitations to this session are open", "Take one back, or wait a day."));
        }
        let now = self.now();
        let secret = random::secret(&*self.inner.random);
        let invitation = InvitationId::from_uuid(self.inner.clock.fresh());
        let row = ShareRow {
            secret: hash(&secret),
            owner: who.account,
            role: new.role,
            trusted: new.trusted,
            created_at_ms: now,
            expires_at_ms: now.plus_ms(SESSION_INVITATION_TTL_MS),
        };
        let mut draft = alone.draft();
        let batch = &mut draft.batch;
        batch.push(Put::set(keys::share(session, invitation), row.encode()).expecting(Expected::Absent));
        let found = SecretRow { session, invitation };
        batch.push(Put::set(keys::secret(&row.secret), found.encode()).expecting(Expected::Absent));
        batch.push(Put::set(Due::Share(session, invitation).key(row.expires_at_ms), ""));
        audit::push(batch, who.account, &self.entry(Some(who), "participant.invite").about(session));
        alone.commit(draft).await?;
        self.inner.due.ring();
        let link = SecretLink { secret, expires_at_ms: row.expires_at_ms };
        Ok(InvitationOffer { invitation, link })
    }

    /// Takes an invitation to a session back: its link is void at once.
    ///
    /// # Errors
    /// `unsupported` where there are no participants; `forbidden`; `not_found`, also for one that was used; failures of the store.
    pub async fn uninvite_from_session(
        &self,
        who: &Identity,
        session: SessionId,
        invitation: InvitationId,
    ) -> Result<(), Problem> {
        self.need_shared()?;
        who.need(Right::Manage)?;
        let key = keys::share(session, invitation);
        let stored = self.load::<ShareRow>(&key).await?.filter(|stored| stored.value.owner == who.account);
        let stored = stored.ok_or_else(|| Problem::new(ErrorCode::NotFound))?;
        let mut batch = Batch::of(Put::remove(key).expecting(Expected::Version(stored.version)));
        batch.push(Put::remove(keys::secret(&stored.value.secret)));
        audit::push(&mut batch, who.account, &self.entry(Some(who), "participant.uninvite").about(session));
        match self.commit(batch).await {
            Ok(_) => Ok(()),
            // Somebody used it, or took it back, at the same time: it is no longer there.
            Err(failure) if failure.lost().is_some() => Err(Problem::new(ErrorCode::NotFound)),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Who takes part in a session, oldest first, as its owner and every participant may know; to the owner also the invitations that
    /// nobody has used.
    ///
    /// # Errors
    /// `unsupported` where there are no participants; `not_found`; failures of the store.
    pub async fn participant_list(&self, who: &Identity, session: SessionId) -> Result<ParticipantList, Problem> {
        self.need_shared()?;
        let Some((_, standing)) = self.standing(who.account, session).await? else {
            return Err(Problem::new(ErrorCode::NotFound));
        };
        let mut participants: Vec<Participant> =
            self.participant_rows(session).await?.into_iter().map(|row| row.value.about).collect();
        participants.sort_by_key(|participant| (participant.joined_at_ms, participant.account));
        if standing != Standing::Owner {
            return Ok(ParticipantList { participants, invitations: Vec::new() });
        }
        let now = self.now();
        let open = self.share_rows(session).await?.into_iter().filter(|(_, row)| now < row.expires_at_ms);
        let invitations = open.map(|(invitation, row)| SessionInvitation {
            invitation,
            role: row.role,
            trusted: row.trusted,
            created_at_ms: row.created_at_ms,
            expires_at_ms: row.expires_at_ms,
        });
        Ok(ParticipantList { participants, invitations: invitations.collect() })
    }

    /// Demands that a session be this account's and be in its lists: participants are shown what stands there.
    pub(super) async fn shareable(&self, account: AccountId, session: SessionId) -> Result<(), Problem> {
        let standing = self.standing(account, session).await?;
        let row = keys::row(account, "session", &session.to_string());
        let listed = self.inner.streams.get(&row).await.map_err(Failure::from)?.is_some();
        match standing {
            Some((_, Standing::Owner)) if listed => Ok(()),
            _ => Err(Problem::new(ErrorCode::NotFound)),
        }
    }

    pub(super) async fn participant_rows(&self, session: SessionId) -> Result<Vec<Stored<ParticipantRow>>, Failure> {
        self.every(keys::all_participants(session), |_| Ok(true)).await?.iter().map(decode).collect()
    }

    /// An invitation by its secret, as it stands; one whose time is over is none.
    pub(super) async fn invitation(&self, hash: &str) -> Result<Option<(SecretRow, Stored<ShareRow>)>, Failure> {
        let Some(found) = self.load::<SecretRow>(&keys::secret(hash)).await? else { return Ok(None) };
        let SecretRow { session, invitation } = found.value;
        let share = self.load::<ShareRow>(&keys::share(session, invitation)).await?;
        Ok(share.filter(|share| self.now() < share.value.expires_at_ms).map(|share| (found.value, share)))
    }

    async fn share_rows(&self, session: SessionId) -> Result<Vec<(InvitationId, ShareRow)>, Failure> {
        let mut rows = Vec::new();
        for entry in self.every(keys::all_shares(session), |_| Ok(true)).await? {
            if let Some(id) = entry.key.rsplit('/').next().and_then(|id| id.parse().ok()) {
                rows.push((id, decode::<ShareRow>(&entry)?.value));
            }
        }
        Ok(rows)
    }
}

/// A limit of a session is reached.
pub(super) fn full(title: &str, hint: &str) -> Problem {
    Problem { title: title.to_owned(), ..Problem::new(ErrorCode::QueueFull) }.hint(hint)
}

/// Forgets an invitation to a session whose time is over.
pub(crate) async fn lapse(hub: &Hub, session: SessionId, invitation: InvitationId) -> Result<(), Failure> {
    let key = keys::share(session, invitation);
    let mut batch = Batch::of(Put::remove(key.clone()));
    if let Some(stored) = hub.load::<ShareRow>(&key).await? {
        batch.push(Put::remove(keys::secret(&stored.value.secret)));
    }
    hub.commit(batch).await?;
    Ok(())
}
