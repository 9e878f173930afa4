//! Commands that another hub hands over: on this disk under their own id, before the hub hears that they are taken.

use std::sync::Arc;

use protocol::command::{Command, CommandContent, CommandError, CommandRequest, CommandState};
use protocol::error::{ErrorCode, Problem};
use protocol::fact::{FACT_VERSION, FeedFact, Operation};
use protocol::id::CommandId;
use protocol::link::Handed;
use protocol::time::UnixMs;
use store::{Batch, Expected, Put};

use super::{Incoming, Uplink};
use crate::audit::{self, About};
use crate::commands::list;
use crate::failure::Failure;
use crate::feed;
use crate::hub::{Hub, TRIES};
use crate::keys;
use crate::rows::{CommandRow, Row, SessionRow};

/// Commands read at once.
const PAGE: usize = 1_000;

impl Uplink {
    /// Takes a command: once it returns, the command is on disk and this node alone advances it. One that is known already is left
    /// as it stands, wherever it came from. `arrived` is when it was handed over; what is left of its life is counted from there. With
    /// a `failure` it never runs, and neither does one that was taken back before it came.
    ///
    /// Once begun it goes on to its end when the caller leaves; [`Hub::all_handed`] waits for that.
    ///
    /// # Errors
    /// Failures of the store, after which nothing was taken.
    pub async fn take(
        &self,
        handed: &Handed,
        arrived: UnixMs,
        failure: Option<(ErrorCode, String)>,
    ) -> Result<CommandState, Problem> {
        // Before the work is begun: what has not begun when its connection ends is not done at all.
        let incoming = Arc::clone(&self.hub.inner.incoming).lock_owned().await;
        let (uplink, handed) = (self.clone(), handed.clone());
        self.hub.whole(async move { uplink.take_in(&incoming, &handed, arrived, failure).await }).await
    }

    async fn take_in(
        &self,
        incoming: &Incoming,
        handed: &Handed,
        arrived: UnixMs,
        failure: Option<(ErrorCode, String)>,
    ) -> Result<CommandState, Problem> {
        let hub = &self.hub;
        let mark = keys::handed(self.there, handed.command);
        for _ in 0..TRIES {
            if let Some(found) = hub.load::<CommandRow>(&keys::command(handed.command)).await? {
                if hub.streams().get(&mark).await.map_err(Failure::from)?.is_some() {
                    return Ok(found.value.command.state);
                }
                // It came here directly as well, or by another hub: this one hears of its end, too. Its fact may have been passed over
                // before, so it is told once more.
                let mut batch = Batch::of(Put::set(mark.clone(), ""));
                let key = keys::command(handed.command);
                batch.push(Put::set(key, found.value.encode()).expecting(Expected::Version(found.version)));
                let fact = FeedFact::from((handed.command, Operation::Update, found.value.command.clone()));
                feed::tell(&mut batch, found.value.account, &fact);
                match hub.commit(batch).await {
                    Ok(_) => return Ok(found.value.command.state),
                    Err(failure) if failure.lost().is_some() => continue,
                    Err(failure) => return Err(failure.into()),
                }
            }
            let mut batch = Batch::of(Put::set(mark.clone(), ""));
            let recalled = incoming.is_recalled(handed.command);
            let failure = match (&failure, handed.body.validate()) {
                _ if recalled => None,
                (Some(failure), _) => Some(failure.clone()),
                (None, Err(invalid)) => Some((ErrorCode::Invalid, invalid.to_string())),
                (None, Ok(())) => self.claim_session(&mut batch, handed).await?,
            };
            let state = match &failure {
                _ if recalled => CommandState::Cancelled,
                Some(_) => CommandState::Failed,
                None => CommandState::Queued,
            };
            let row = self.row(handed, arrived, state, failure);
            let id = handed.command;
            batch.push(Put::set(keys::command(id), row.encode()).expecting(Expected::Absent));
            list(&mut batch, &row, hub.now());
            if let Some(participant) = &handed.participant {
                batch.push(Put::set(keys::once(participant.account, handed.body.session()), ""));
            }
            feed::tell(&mut batch, row.account, &FeedFact::from((id, Operation::Insert, row.command.clone())));
            let who = self.somebody(handed.sender);
            let action = format!("command.{}", crate::commands::kind_word(handed.body.kind()));
            let mut entry = hub.entry(Some(&who), action).about(id).on(hub.node());
            entry.account = Some(row.command.sender.account);
            audit::push_to(&mut batch, hub.account(), entry.sized(crate::commands::words(&handed.body)));
            match hub.commit(batch).await {
                Ok(_) => {
                    hub.inner.queue.ring();
                    hub.inner.due.ring();
                    return Ok(row.command.state);
                }
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Failure::Contended { tries: TRIES }.into())
    }

    /// A new session takes its id at once, as it does for a command that comes here directly; a prompt takes its session out of the
    /// archive.
    async fn claim_session(&self, batch: &mut Batch, handed: &Handed) -> Result<Option<(ErrorCode, String)>, Failure> {
        let hub = &self.hub;
        let session = handed.body.session();
        if !handed.body.kind().makes_session() {
            crate::sessions::take_out(hub, batch, hub.account(), session).await?;
            return Ok(None);
        }
        let key = keys::session(session);
        if hub.load::<SessionRow>(&key).await?.is_some() {
            return Ok(Some((ErrorCode::SessionExists, "a session with this id exists".to_owned())));
        }
        if hub.streams().get(&keys::gone(session)).await?.is_some() {
            return Ok(Some((ErrorCode::SessionExists, "a session with this id was deleted".to_owned())));
        }
        let row = SessionRow { account: hub.account(), host: hub.node(), command: Some(handed.command), live: false };
        batch.push(Put::set(key, row.encode()).expecting(Expected::Absent));
        Ok(None)
    }

    fn row(
        &self,
        handed: &Handed,
        arrived: UnixMs,
        state: CommandState,
        failure: Option<(ErrorCode, String)>,
    ) -> CommandRow {
        let hub = &self.hub;
        let account = hub.account();
        let (code, detail) = failure.unzip();
        let error = code.map(|code| CommandError { code, retryable: code.is_retryable() });
        let arrival = hub.arrival();
        let command = Command {
            v: FACT_VERSION,
            kind: handed.body.kind(),
            host: hub.node(),
            session: handed.body.session(),
            turn: None,
            sender: protocol::item::Sender {
                account: handed.participant.as_ref().map_or(account, |participant| participant.account),
                device: handed.sender,
            },
            participant: handed.participant.clone(),
            state,
            attempt: 0,
            retry_of: handed.retry_of,
            tried: None,
            place: (state == CommandState::Queued).then_some(arrival),
            created_at_ms: hub.now(),
            expires_at_ms: arrived.plus_ms(handed.expires_in_ms),
            updated_at_ms: hub.now(),
            error,
            content: CommandContent {
                text: handed.body.text().map(str::to_owned),
                detail,
                attachments: handed.body.attachments().to_vec(),
            },
        };
        let request = CommandRequest {
            id: handed.command,
            host: hub.node(),
            ttl_ms: Some(handed.expires_in_ms),
            retry_of: handed.retry_of,
            body: handed.body.clone(),
        };
        CommandRow {
            account,
            request,
            command,
            arrival,
            edited: None,
            reworded_at_ms: None,
            handover: None,
            retried_by: None,
            held: false,
        }
    }

    /// Where a command stands here; `None` when it is not known.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn known(&self, command: CommandId) -> Result<Option<CommandState>, Problem> {
        Ok(self.hub.load::<CommandRow>(&keys::command(command)).await?.map(|row| row.value.command.state))
    }

    /// Notes that the hub has heard of the ends of these.
    ///
    /// # Errors
    /// Failures of the store; they are told again then, which changes nothing.
    pub async fn heard_of(&self, ended: &[CommandId]) -> Result<(), Problem> {
        let mut batch = Batch::new();
        for id in ended {
            batch.push(Put::remove(keys::handed(self.there, *id)));
        }
        if !batch.operations.is_empty() {
            self.hub.commit(batch).await?;
        }
        Ok(())
    }

    pub(super) async fn was_handed(&self, command: CommandId) -> Result<bool, Failure> {
        Ok(self.hub.streams().get(&keys::handed(self.there, command)).await?.is_some())
    }
}

impl Hub {
    /// Every command that another hub has handed over and whose end it has not heard yet. What is being taken is waited for, also when the
    /// connection that it came by is over.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn all_handed(&self) -> Result<Vec<CommandId>, Problem> {
        let _nothing_on_its_way = self.inner.incoming.lock().await;
        let mut held = Vec::new();
        let mut after = None;
        loop {
            let page = self.scan(keys::HANDED.to_owned(), after.take(), PAGE).await?;
            held.extend(page.iter().filter_map(|entry| entry.key.rsplit('/').next()?.parse::<CommandId>().ok()));
            after = page.last().filter(|_| page.len() == PAGE).map(|entry| entry.key.clone());
            if after.is_none() {
                return Ok(held);
            }
        }
    }
}
