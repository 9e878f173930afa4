//! Changing what a participant may do, and its end: taken out by the owner, or leaving by itself.

use protocol::device::Right;
use protocol::error::{ErrorCode, Problem};
use protocol::fact::{FeedFact, Operation};
use protocol::id::{AccountId, SessionId};
use protocol::participant::{Participant, ParticipantEdit, ParticipantRole};
use store::{Expected, Put};

use super::alone::{Alone, Back};
use super::shared;
use crate::audit::{self, About};
use crate::feed;
use crate::hub::Hub;
use crate::identity::Identity;
use crate::keys;
use crate::rows::{ParticipantRow, Row, Stored};

impl Hub {
    /// Changes what a participant may do from now on. Of what it sent before and no host has begun everything is taken back when it becomes a
    /// viewer, and when it is trusted no longer what it sent while it was, but for what its owner has let run. Goes on to its end when the
    /// caller leaves.
    ///
    /// # Errors
    /// `unsupported` where there are no participants; `forbidden`; `not_found`; failures of the store.
    pub async fn edit_participant(
        &self,
        who: &Identity,
        session: SessionId,
        account: AccountId,
        edit: ParticipantEdit,
    ) -> Result<Participant, Problem> {
        self.need_shared()?;
        who.need(Right::Manage)?;
        let (hub, who) = (self.clone(), who.clone());
        self.whole(async move { hub.edit_participant_now(&who, session, account, &edit).await }).await
    }

    async fn edit_participant_now(
        &self,
        who: &Identity,
        session: SessionId,
        account: AccountId,
        edit: &ParticipantEdit,
    ) -> Result<Participant, Problem> {
        // Looked at before as well, here and below: whoever asks for what is not there keeps nobody from writing.
        self.own_participant(who.account, session, account).await?;
        let alone = Alone::on(self).await;
        let stored = self.own_participant(who.account, session, account).await?;
        let before = &stored.value.about;
        let about = Participant {
            role: edit.role.unwrap_or(before.role),
            trusted: edit.trusted.unwrap_or(before.trusted),
            ..before.clone()
        };
        if about == *before {
            return Ok(about);
        }
        let before_trusted = before.trusted;
        let row = ParticipantRow { about: about.clone(), ..stored.value };
        let mut draft = alone.draft();
        shared::add(&mut draft.circles, &row);
        let put = Put::set(keys::participant(session, account), row.encode());
        draft.batch.push(put.expecting(Expected::Version(stored.version)));
        if about.role == ParticipantRole::Viewer {
            alone.withdraw(&mut draft, &about, Back::All, Some(who.device)).await?;
        } else if before_trusted && !about.trusted {
            alone.withdraw(&mut draft, &about, Back::Trusted, Some(who.device)).await?;
        }
        let fact = FeedFact::from((row.participant, Operation::Update, row.about));
        feed::tell(&mut draft.batch, who.account, &fact);
        audit::push(&mut draft.batch, who.account, &self.entry(Some(who), became(&about)).about(of(session, account)));
        alone.commit(draft).await?;
        Ok(about)
    }

    /// Takes a participant out of a session: the owner anybody, everybody else itself. It sees nothing of the session any more, what it
    /// has open of it is cut, and what it has sent and no host has begun is taken back. Goes on to its end when the caller leaves.
    ///
    /// # Errors
    /// `unsupported` where there are no participants; `forbidden`; `not_found`; failures of the store.
    pub async fn remove_participant(
        &self,
        who: &Identity,
        session: SessionId,
        account: AccountId,
    ) -> Result<(), Problem> {
        self.need_shared()?;
        if account != who.account {
            who.need(Right::Manage)?;
        }
        let (hub, who) = (self.clone(), who.clone());
        self.whole(async move { hub.remove_participant_now(&who, session, account).await }).await
    }

    async fn remove_participant_now(
        &self,
        who: &Identity,
        session: SessionId,
        account: AccountId,
    ) -> Result<(), Problem> {
        let leaves = account == who.account;
        self.leaving(who, session, account).await?;
        let alone = Alone::on(self).await;
        let stored = self.leaving(who, session, account).await?;
        let mut draft = alone.draft();
        alone.part(&mut draft, &stored, Some(who.device)).await?;
        if leaves {
            let entry = self.entry(Some(who), "participant.leave").about(session);
            audit::push(&mut draft.batch, account, &entry);
            audit::push_to(&mut draft.batch, stored.value.about.owner, entry);
        } else {
            let entry = self.entry(Some(who), "participant.remove").about(of(session, account));
            audit::push(&mut draft.batch, who.account, &entry);
        }
        alone.commit(draft).await?;
        Ok(())
    }

    /// A participant that the caller may take out: itself, or one of a session of its own.
    async fn leaving(
        &self,
        who: &Identity,
        session: SessionId,
        account: AccountId,
    ) -> Result<Stored<ParticipantRow>, Problem> {
        if account != who.account {
            return self.own_participant(who.account, session, account).await;
        }
        let stored = self.load::<ParticipantRow>(&keys::participant(session, account)).await?;
        stored.ok_or_else(|| Problem::new(ErrorCode::NotFound))
    }

    /// A participant of a session of this account's.
    async fn own_participant(
        &self,
        owner: AccountId,
        session: SessionId,
        account: AccountId,
    ) -> Result<Stored<ParticipantRow>, Problem> {
        let stored = self.load::<ParticipantRow>(&keys::participant(session, account)).await?;
        let stored = stored.filter(|stored| stored.value.about.owner == owner);
        stored.ok_or_else(|| Problem::new(ErrorCode::NotFound))
    }
}

/// Who in which session, for the audit trail.
fn of(session: SessionId, account: AccountId) -> String {
    format!("{session}/{account}")
}

/// What somebody may do from now on, as the audit trail names it.
const fn became(about: &Participant) -> &'static str {
    match (about.role, about.trusted) {
        (ParticipantRole::Viewer, _) => "participant.make_viewer",
        (ParticipantRole::Editor, false) => "participant.make_editor",
        (ParticipantRole::Editor, true) => "participant.trust",
    }
}
