//! What an account may do with a session: read it, and send it something. Nobody else decides that.

use protocol::approval::OptionKind;
use protocol::command::{CommandBody, CommandKind};
use protocol::error::{ErrorCode, Problem};
use protocol::fact::FeedFact;
use protocol::id::{AccountId, SessionId};
use protocol::participant::{ByParticipant, ParticipantRole};
use protocol::path::{Owned, StreamPath};
use store::{Batch, Expected, Put};
use tokio_util::sync::CancellationToken;

use super::shared::Leave;
use crate::failure::Failure;
use crate::hub::Hub;
use crate::identity::Identity;
use crate::keys;
use crate::rows::{ParticipantRow, Row as _, SessionRow, Stored};

/// What somebody is to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is its own.
    Owner,
    /// It takes part.
    Participant,
}

/// A session for which a command is, and as what it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Sending {
    /// Whose session it is; of one that is not there whoever asks.
    pub(crate) owner: AccountId,
    /// The participant's row; `None` for what is sent in the owner's own account.
    pub(crate) participant: Option<Stored<ParticipantRow>>,
}

impl Sending {
    /// Whether it waits for the word of the session's owner before any host may take it.
    pub(crate) fn holds(&self, body: &CommandBody) -> bool {
        let trusted = self.participant.as_ref().is_none_or(|row| row.value.about.trusted);
        body.kind() == CommandKind::SendPrompt && !trusted
    }

    /// What goes with the command to its host.
    pub(crate) fn said(&self) -> Option<ByParticipant> {
        let about = &self.participant.as_ref()?.value.about;
        Some(ByParticipant {
            account: about.account,
            name: about.content.name.clone(),
            role: about.role,
            trusted: about.trusted,
            released_by: None,
        })
    }

    /// Adds the participant's row as it was read: whoever changes or removes it meanwhile writes it, and the batch fails.
    pub(crate) fn stay(&self, batch: &mut Batch) {
        if let Some(row) = &self.participant {
            let about = &row.value.about;
            let put = Put::set(keys::participant(about.session, about.account), row.value.encode());
            batch.push(put.expecting(Expected::Version(row.version)));
        }
    }
}

impl Hub {
    /// What an account is to a session that is there; `None` for nothing, and for one that is not there.
    pub(crate) async fn standing(
        &self,
        account: AccountId,
        session: SessionId,
    ) -> Result<Option<(SessionRow, Standing)>, Failure> {
        let Some(home) = self.home(session).await? else { return Ok(None) };
        if home.account == account {
            return Ok(Some((home, Standing::Owner)));
        }
        Ok(self.inner.sharing.leave(account, session).map(|Leave { .. }| (home, Standing::Participant)))
    }

    /// Whether an account may read a stream: its own feed, and the journals and turns of sessions that are its own or that it takes part
    /// in. The one rule for every way to read (W-079); whatever it does not name is refused.
    ///
    /// # Errors
    /// `not_found`; failures of the store.
    pub async fn may_read(&self, account: AccountId, stream: &StreamPath) -> Result<(), Problem> {
        self.reading(account, stream).await.map(drop)
    }

    /// As [`Hub::may_read`]; with what ends the reading when the account does not take part any more.
    pub(crate) async fn reading(
        &self,
        account: AccountId,
        stream: &StreamPath,
    ) -> Result<Option<CancellationToken>, Problem> {
        let session = match stream.owned() {
            Some(Owned::Feed(of)) if of == account => return Ok(None),
            Some(Owned::Journal(session)) => Some(session),
            Some(Owned::Turn(turn)) => self.session_of(turn).await?,
            Some(Owned::Feed(_)) | None => None,
        };
        let Some(session) = session else { return Err(Problem::new(ErrorCode::NotFound)) };
        // Looked at without the leash first, so that who asks for what is not theirs leaves nothing behind.
        match self.standing(account, session).await? {
            Some((_, Standing::Owner)) => Ok(None),
            Some((_, Standing::Participant)) => {
                let leash = self.inner.sharing.leash(account, Some(session));
                match self.inner.sharing.leave(account, session) {
                    Some(_) => Ok(Some(leash)),
                    None => Err(Problem::new(ErrorCode::NotFound)),
                }
            }
            None => Err(Problem::new(ErrorCode::NotFound)),
        }
    }

    /// Whether an account takes part, or has taken part, in a session that is kept here.
    pub(crate) async fn took_part(&self, account: AccountId) -> Result<bool, Failure> {
        Ok(!self.scan(keys::all_once(account), None, 1).await?.is_empty())
    }

    /// What ends when an account loses a session of somebody else.
    pub(crate) fn losing(&self, account: AccountId) -> CancellationToken {
        if self.is_shared() { self.inner.sharing.leash(account, None) } else { CancellationToken::new() }
    }

    /// As what somebody sends a command. Of a session that goes on from another one, that one counts.
    pub(crate) async fn sending(&self, who: &Identity, body: &CommandBody) -> Result<Sending, Failure> {
        match body {
            CommandBody::ForkSession { from, .. } => self.sending_to(who, *from).await,
            _ => self.sending_to(who, body.session()).await,
        }
    }

    /// As what somebody does something to a session.
    pub(crate) async fn sending_to(&self, who: &Identity, session: SessionId) -> Result<Sending, Failure> {
        let own = Sending { owner: who.account, participant: None };
        if !self.is_shared() {
            return Ok(own);
        }
        let participant = self.load::<ParticipantRow>(&keys::participant(session, who.account)).await?;
        Ok(match participant {
            Some(row) => Sending { owner: row.value.about.owner, participant: Some(row) },
            None => own,
        })
    }

    /// What an answer to a question of an account's session means, as the lists have it; `None` when nothing like it can be answered.
    pub(crate) async fn chosen(&self, owner: AccountId, body: &CommandBody) -> Result<Option<OptionKind>, Failure> {
        let CommandBody::AnswerApproval { session, approval, option, .. } = body else { return Ok(None) };
        let row = keys::row(owner, "approval", &approval.to_string());
        let Some(entry) = self.inner.streams.get(&row).await? else { return Ok(None) };
        let Ok(FeedFact::Approval { value: Some(fact), .. }) = FeedFact::parse(&entry.value) else { return Ok(None) };
        let offered = fact.options.iter().find(|offered| fact.session == *session && offered.id == *option);
        Ok(offered.map(|offered| offered.kind))
    }
}

/// Whether a participant may send that; a prompt of one who is not trusted may be sent, and waits. `chosen` is what an answer means.
///
/// # Errors
/// `forbidden`, `unsupported` for files, `approval_not_pending` for an answer to nothing that is asked.
pub(crate) fn may(
    role: ParticipantRole,
    trusted: bool,
    body: &CommandBody,
    chosen: Option<OptionKind>,
) -> Result<(), Problem> {
    let forbidden =
        |detail: &str, hint: &str| Err(Problem::new(ErrorCode::Forbidden).detail(detail.to_owned()).hint(hint));
    if role != ParticipantRole::Editor {
        return forbidden("a viewer may only read", "Ask the owner of the session to make you an editor.");
    }
    if !body.attachments().is_empty() {
        let hint = "Send the prompt without them, or ask the owner of the session to attach them.";
        return Err(Problem::new(ErrorCode::Unsupported).detail("files are attached by the owner alone").hint(hint));
    }
    let trust = || {
        if trusted {
            return Ok(());
        }
        let hint = "Send a prompt, which the owner can let run, or ask to be trusted.";
        forbidden("only an editor whom the owner trusts may do that", hint)
    };
    match body {
        CommandBody::StartSession { .. } | CommandBody::ForkSession { .. } => {
            forbidden("sessions are begun by their owner alone", "Ask the owner to begin one and to share it.")
        }
        CommandBody::SendPrompt { .. } | CommandBody::CancelTurn { .. } => Ok(()),
        CommandBody::AnswerApproval { content, .. } => match chosen {
            None => Err(Problem::new(ErrorCode::ApprovalNotPending)),
            Some(OptionKind::Deny) if content.message.is_none() && content.answers.is_empty() => Ok(()),
            // Words with a refusal are a prompt.
            Some(OptionKind::Deny | OptionKind::AllowOnce | OptionKind::Answer) => trust(),
            Some(OptionKind::AllowAlways | OptionKind::AllowRule | OptionKind::DenyAlways) => forbidden(
                "an answer of a participant counts once",
                "Choose one that does, and leave what lasts to the owner of the session.",
            ),
        },
        CommandBody::EditPrompt { .. } | CommandBody::MovePrompt { .. } | CommandBody::SteerPrompt { .. } => trust(),
        CommandBody::SetOptions { mode, .. } => {
            trust()?;
            if mode.is_some() {
                return forbidden(
                    "how far the agent asks is chosen by the owner alone",
                    "Choose model and effort without a mode.",
                );
            }
            Ok(())
        }
    }
}
