//! Invitations: made by the owner, used once, over after a week.

use protocol::account::{Invitation, InvitationList, InvitationOffer, NewInvitation, SecretLink};
use protocol::error::{ErrorCode, Problem};
use protocol::id::InvitationId;
use protocol::limits::{INVITATION_TTL_MS, MAX_ACCOUNTS, MAX_INVITATIONS};
use store::{Batch, Expected, Put};

use crate::audit::{self, About};
use crate::credentials::hash;
use crate::devices::check_name;
use crate::failure::Failure;
use crate::hub::{Hub, decode};
use crate::identity::Identity;
use crate::keys::{self, Due};
use crate::random;
use crate::rows::{InvitationRow, Row, Stored};

impl Hub {
    /// Makes an invitation. Its secret is told here and nowhere else.
    ///
    /// # Errors
    /// `forbidden`, `not_found` for whoever does not run this hub; `bad_request` for a name that is none; `queue_full` at
    /// [`MAX_INVITATIONS`] and [`MAX_ACCOUNTS`]; failures of the store.
    pub async fn invite(&self, who: &Identity, new: NewInvitation) -> Result<InvitationOffer, Problem> {
        self.need_owner(who)?;
        let name = new.name.map(|name| name.trim().to_owned());
        if let Some(name) = &name {
            check_name("name", name)?;
        }
        let full = |title: &str, hint: &str| {
            Problem { title: title.to_owned(), ..Problem::new(ErrorCode::QueueFull) }.hint(hint)
        };
        if self.invitation_rows().await?.len() >= MAX_INVITATIONS {
            return Err(full("Too many invitations are open", "Take one back, or wait until it has run out."));
        }
        if self.account_ids().await?.len() >= MAX_ACCOUNTS {
            return Err(full("This hub has too many accounts", "Close one that is no longer used."));
        }
        let now = self.now();
        let secret = random::secret(&*self.inner.random);
        let row = InvitationRow {
            invitation: InvitationId::from_uuid(self.inner.clock.fresh()),
            secret: hash(&secret),
            name,
            created_at_ms: now,
            expires_at_ms: now.plus_ms(INVITATION_TTL_MS),
        };
        let mut batch = Batch::of(Put::set(keys::invitation(row.invitation), row.encode()).expecting(Expected::Absent));
        batch.push(Put::set(Due::Invitation(row.invitation).key(row.expires_at_ms), ""));
        audit::push(&mut batch, self.account(), &self.entry(Some(who), "invitation.create").about(row.invitation));
        self.commit(batch).await?;
        self.inner.due.ring();
        let link = SecretLink { secret, expires_at_ms: row.expires_at_ms };
        Ok(InvitationOffer { invitation: row.invitation, link })
    }

    /// The invitations that nobody has used yet, oldest first.
    ///
    /// # Errors
    /// `forbidden`, `not_found` for whoever does not run this hub; failures of the store.
    pub async fn invitation_list(&self, who: &Identity) -> Result<InvitationList, Problem> {
        self.need_owner(who)?;
        let now = self.now();
        let rows = self.invitation_rows().await?.into_iter().map(|row| row.value);
        let open = rows.filter(|row| now < row.expires_at_ms).map(|row| Invitation {
            invitation: row.invitation,
            name: row.name,
            created_at_ms: row.created_at_ms,
            expires_at_ms: row.expires_at_ms,
        });
        Ok(InvitationList { invitations: open.collect() })
    }

    /// Takes an invitation back: its link is void at once.
    ///
    /// # Errors
    /// `forbidden`, `not_found` (also for one that was used); failures of the store.
    pub async fn uninvite(&self, who: &Identity, invitation: InvitationId) -> Result<(), Problem> {
        self.need_owner(who)?;
        let key = keys::invitation(invitation);
        let stored = self.load::<InvitationRow>(&key).await?.ok_or_else(|| Problem::new(ErrorCode::NotFound))?;
        let mut batch = Batch::of(Put::remove(key).expecting(Expected::Version(stored.version)));
        audit::push(&mut batch, self.account(), &self.entry(Some(who), "invitation.revoke").about(invitation));
        match self.commit(batch).await {
            Ok(_) => Ok(()),
            // Somebody used it, or took it back, at the same time: it is no longer there.
            Err(failure) if failure.lost().is_some() => Err(Problem::new(ErrorCode::NotFound)),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Every invitation that is not forgotten yet, oldest first.
    pub(crate) async fn invitation_rows(&self) -> Result<Vec<Stored<InvitationRow>>, Failure> {
        // Limited before they are made; races may add a few.
        self.scan(keys::INVITATIONS.to_owned(), None, MAX_INVITATIONS * 2).await?.iter().map(decode).collect()
    }
}

/// Forgets an invitation whose time is over.
pub(crate) async fn lapse(hub: &Hub, invitation: InvitationId) -> Result<(), Failure> {
    hub.commit(Batch::of(Put::remove(keys::invitation(invitation)))).await?;
    Ok(())
}
