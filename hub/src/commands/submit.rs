//! Taking a command in: checked, stored, then acknowledged (W-011, W-020b).

use protocol::api::CommandAck;
use protocol::command::{Command, CommandBody, CommandContent, CommandKind, CommandRequest, CommandState};
use protocol::error::{ErrorCode, Problem};
use protocol::fact::{FACT_VERSION, FeedFact, Operation};
use protocol::host::Presence;
use protocol::id::{AccountId, DeviceId, SessionId};
use protocol::limits::{
    COMMAND_TTL_MS, HELD_TTL_MS, MAX_COMMAND_AGE_MS, MAX_COMMAND_TTL_MS, MAX_HELD_PROMPTS, MAX_QUEUED_COMMANDS,
    MAX_SENT_BY_PARTICIPANT, MAX_SENT_BY_PARTICIPANTS, MAX_WAITING_PROMPTS,
};
use protocol::time::UnixMs;
use store::{Batch, Expected, Put};

use super::answer::ack;
use super::early::unless_taken_back;
use super::step::list;
use crate::audit::{self, About};
use crate::failure::Failure;
use crate::feed;
use crate::hub::{Hub, TRIES, lock};
use crate::identity::Identity;
use crate::keys::{self, Due};
use crate::participants::{Sending, may};
use crate::rows::{CommandRow, HostRow, Row, SessionRow};

impl Hub {
    /// Takes a command in; the answer means that it is on disk. The same id with the same request answers where that command
    /// stands now, however often and from whichever device of the account it comes. One that was taken back before it came is answered as
    /// cancelled, and is not stored.
    ///
    /// Goes on to its end when the caller leaves.
    ///
    /// # Errors
    /// `forbidden`, `invalid`, `not_found` (host or session), `command_conflict`, `command_too_old`, `session_exists`, `queue_full`,
    /// `rate_limited` for a participant, `shutting_down`; failures of the store, after which nothing is acknowledged.
    pub async fn submit(&self, who: &Identity, request: CommandRequest) -> Result<CommandAck, Problem> {
        if self.inner.stop.is_cancelled() {
            return Err(Problem::new(ErrorCode::ShuttingDown));
        }
        let (hub, who) = (self.clone(), who.clone());
        self.whole(async move {
            let result = hub.take_in(&who, &request).await;
            if let Err(problem) = &result
                && problem.code != ErrorCode::RateLimited
            {
                hub.record(hub.about_command(&who, &request).failed(problem.code)).await;
            }
            result
        })
        .await
    }

    fn about_command(&self, who: &Identity, request: &CommandRequest) -> protocol::api::AuditEntry {
        let action = format!("command.{}", kind_word(request.body.kind()));
        self.entry(Some(who), action).about(request.id).on(request.host).sized(words(&request.body))
    }

    async fn take_in(&self, who: &Identity, request: &CommandRequest) -> Result<CommandAck, Problem> {
        who.need(request.body.kind().right())?;
        for tries in 0..TRIES {
            if let Some(found) = self.load::<CommandRow>(&keys::command(request.id)).await? {
                return match found.value {
                    row if !self.may_see(who.account, &row).await? => Err(Problem::new(ErrorCode::NotFound)),
                    row if row.request == *request => Ok(ack(&row)),
                    _ => Err(Problem::new(ErrorCode::CommandConflict)),
                };
            }
            if let Some(ack) = self.taken_back(who.account, request.id).await? {
                return Ok(ack);
            }
            let (_place, row, batch) = match self.draft(who, request, tries == 0).await {
                Ok(draft) => draft,
                // The same command came in by another connection since the look above: its own session is none that was there before.
                Err(_) if self.load::<CommandRow>(&keys::command(request.id)).await?.is_some() => continue,
                Err(problem) => return Err(problem),
            };
            match self.commit(batch).await {
                Ok(_) => {
                    self.wake_host(request.host).await;
                    return Ok(ack(&row));
                }
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Failure::Contended { tries: TRIES }.into())
    }

    /// What follows once something stands in a host's queue.
    pub(super) async fn wake_host(&self, host: DeviceId) {
        self.inner.queue.ring();
        self.inner.links.rouse(host);
        if let Err(error) = self.recall(host).await {
            // It waits for its expiry then.
            tracing::warn!(%error, "whether a host was revoked meanwhile is not known");
        }
        self.inner.due.ring();
    }

    async fn draft(
        &self,
        who: &Identity,
        request: &CommandRequest,
        first: bool,
    ) -> Result<(Place<'_>, CommandRow, Batch), Problem> {
        let sending = self.sending(who, &request.body).await?;
        // Before anything of the host is looked at: its queue is nobody else's to know, or to stand in.
        let host = self.host_of(sending.owner, request.host).await?;
        if let Some(row) = &sending.participant {
            if first {
                self.pace(request.body.session(), who.account)?;
            }
            let chosen = self.chosen(sending.owner, &request.body).await?;
            may(row.value.about.role, row.value.about.trusted, &request.body, chosen)?;
        }
        let place = if sending.holds(&request.body) {
            self.place_among_held(request.host, request.body.session(), who.account).await?
        } else {
            let place = self.place_in_queue(request.host).await?;
            if sending.participant.is_some() {
                self.place_of_participant(request.host, who.account, place.coming).await?;
            }
            if request.body.kind() == CommandKind::SendPrompt {
                self.place_in_line(request.body.session(), place.coming).await?;
            }
            place
        };
        let (row, batch) = self.first_batch(who, request, &sending, &host).await?;
        Ok((place, row, batch))
    }

    /// A host of an account.
    async fn host_of(&self, account: AccountId, host: DeviceId) -> Result<HostRow, Problem> {
        let found = self.load::<HostRow>(&keys::host(host)).await?.map(|found| found.value);
        let found = found.filter(|found| found.account == account);
        found.ok_or_else(|| Problem::new(ErrorCode::NotFound).detail("the account has no such host"))
    }

    /// Ends what was queued while its host was being revoked.
    async fn recall(&self, host: DeviceId) -> Result<(), Failure> {
        let row = self.load::<HostRow>(&keys::host(host)).await?;
        if row.is_some_and(|row| row.value.host.presence == Presence::Revoked) {
            self.commit(Batch::of(Put::set(Due::Orphans(host).key(self.now()), ""))).await?;
        }
        Ok(())
    }

    /// Everything that makes a command, checked against what is there.
    async fn first_batch(
        &self,
        who: &Identity,
        request: &CommandRequest,
        sending: &Sending,
        host: &HostRow,
    ) -> Result<(CommandRow, Batch), Problem> {
        if let Err(invalid) = request.body.validate() {
            return Err(Problem::new(ErrorCode::Invalid).detail(invalid.to_string()));
        }
        // It may have run and be forgotten: only its sender can say whether it is to run (again).
        if self.now() > UnixMs(request.id.minted_at_ms()).plus_ms(MAX_COMMAND_AGE_MS) {
            return Err(Problem::new(ErrorCode::CommandTooOld));
        }
        if host.host.presence == Presence::Revoked {
            return Err(Problem::new(ErrorCode::HostRevoked));
        }
        let mut batch = Batch::new();
        let held = sending.holds(&request.body);
        self.check_session(sending.owner, request, held, &mut batch).await?;
        self.check_retry(who, request, sending.participant.is_some(), &mut batch).await?;
        sending.stay(&mut batch);
        let now = self.now();
        let usual = if held { HELD_TTL_MS } else { COMMAND_TTL_MS };
        // What a participant wants of a turn is meant for now, and the owner's queue is not for it to fill.
        let prompt = request.body.kind() == CommandKind::SendPrompt;
        let most = if sending.participant.is_some() && !prompt { COMMAND_TTL_MS } else { MAX_COMMAND_TTL_MS };
        let ttl = request.ttl_ms.unwrap_or(usual).min(most);
        let command = Command {
            v: FACT_VERSION,
            kind: request.body.kind(),
            host: request.host,
            session: request.body.session(),
            turn: None,
            sender: who.sender(),
            participant: sending.said(),
            state: CommandState::Queued,
            attempt: 0,
            retry_of: request.retry_of,
            tried: None,
            place: None,
            created_at_ms: now,
            expires_at_ms: now.plus_ms(ttl),
            updated_at_ms: now,
            error: None,
            content: CommandContent {
                text: request.body.text().map(str::to_owned),
                detail: None,
                attachments: request.body.attachments().to_vec(),
            },
        };
        let arrival = self.arrival();
        let command = Command { place: (!held).then_some(arrival), ..command };
        let row = CommandRow {
            account: sending.owner,
            request: request.clone(),
            command,
            arrival,
            edited: None,
            reworded_at_ms: None,
            handover: None,
            retried_by: None,
            held,
        };
        batch.push(Put::set(keys::command(request.id), row.encode()).expecting(Expected::Absent));
        unless_taken_back(&mut batch, who.account, request.id);
        list(&mut batch, &row, now);
        feed::tell(&mut batch, row.account, &FeedFact::from((request.id, Operation::Insert, row.command.clone())));
        let entry = self.about_command(who, request);
        audit::push(&mut batch, who.account, &entry);
        if row.account != who.account {
            audit::push_to(&mut batch, row.account, entry);
        }
        Ok((row, batch))
    }

    /// A new session takes its id at once, so that two commands cannot make the same one; every other command needs one that is
    /// there, or on its way.
    async fn check_session(
        &self,
        owner: AccountId,
        request: &CommandRequest,
        held: bool,
        batch: &mut Batch,
    ) -> Result<(), Problem> {
        let session = request.body.session();
        let key = keys::session(session);
        let found = self.load::<SessionRow>(&key).await?;
        match (found, request.body.kind()) {
            (Some(found), kind) if kind.makes_session() && found.value.account == owner => {
                Err(Problem::new(ErrorCode::SessionExists))
            }
            (Some(_), kind) if kind.makes_session() => Err(Problem::new(ErrorCode::NotFound)),
            (None, kind) if kind.makes_session() => {
                self.check_origin(owner, request).await?;
                let command = Some(request.id);
                let row = SessionRow { account: owner, host: request.host, command, live: false };
                batch.push(Put::set(key, row.encode()).expecting(Expected::Absent));
                let gone = self.inner.streams.get(&keys::gone(session)).await.map_err(Failure::from)?;
                if gone.as_ref().is_some_and(|gone| gone.value != owner.to_string()) {
                    return Err(Problem::new(ErrorCode::NotFound));
                }
                if gone.is_some() {
                    let detail = "a session with this id was deleted";
                    return Err(Problem::new(ErrorCode::SessionExists).detail(detail));
                }
                Ok(())
            }
            (Some(found), kind) if found.value.account == owner && found.value.host == request.host => {
                if kind == CommandKind::SendPrompt && !held {
                    crate::sessions::take_out(self, batch, owner, session).await?;
                }
                Ok(())
            }
            (_, _) => Err(Problem::new(ErrorCode::NotFound).detail("the host has no such session")),
        }
    }

    /// What is tried again is over, and is tried again once, however many devices ask for that at the same time. One that is forgotten here,
    /// or was never known, cannot be checked; one of another account is the same to whoever asks. What a participant tries again it has
    /// sent itself: people take the other try for what has become of the first.
    async fn check_retry(
        &self,
        who: &Identity,
        request: &CommandRequest,
        participant: bool,
        batch: &mut Batch,
    ) -> Result<(), Problem> {
        let Some(old) = request.retry_of else { return Ok(()) };
        let found = self.load::<CommandRow>(&keys::command(old)).await?;
        let mine = |row: &CommandRow| {
            row.command.sender.account == who.account || (!participant && row.account == who.account)
        };
        let Some(found) = found.filter(|found| mine(&found.value)) else {
            if participant {
                let hint = "Send it as a prompt of its own.";
                let detail = "what is to be tried again is none of yours that is known here";
                return Err(Problem::new(ErrorCode::Invalid).detail(detail).hint(hint));
            }
            return Ok(());
        };
        let state = found.value.command.state;
        if found.value.command.host != request.host || found.value.command.session != request.body.session() {
            let detail = "another try is for the same host and the same session";
            return Err(Problem::new(ErrorCode::Invalid).detail(detail));
        }
        if !state.is_final() && state != CommandState::Indeterminate {
            let detail = "what is to be tried again is not over";
            return Err(Problem::new(ErrorCode::Invalid)
                .detail(detail)
                .hint("Wait for its end, or take it back first."));
        }
        if found.value.retried_by.is_some_and(|by| by != request.id) {
            return Err(Problem::new(ErrorCode::AlreadyRetried));
        }
        let row = CommandRow { retried_by: Some(request.id), ..found.value };
        batch.push(Put::set(keys::command(old), row.encode()).expecting(Expected::Version(found.version)));
        Ok(())
    }

    /// What a session is to go on from is the account's, and on the same host.
    async fn check_origin(&self, owner: AccountId, request: &CommandRequest) -> Result<(), Problem> {
        let CommandBody::ForkSession { from, .. } = request.body else { return Ok(()) };
        let found = self.load::<SessionRow>(&keys::session(from)).await?;
        match found.map(|found| found.value) {
            Some(row) if row.account == owner && row.host == request.host => Ok(()),
            _ => Err(Problem::new(ErrorCode::NotFound).detail("the host has no session to go on from under this id")),
        }
    }

    /// A place in a host's queue, held until the command stands there. The limit is never passed; near it, several at once may be
    /// refused although one of them would have fitted.
    pub(super) async fn place_in_queue(&self, host: DeviceId) -> Result<Place<'_>, Problem> {
        let place = self.place(host);
        let waiting = self.scan(keys::all_waiting(host), None, MAX_QUEUED_COMMANDS).await?.len();
        if waiting + place.coming > MAX_QUEUED_COMMANDS {
            return Err(Problem::new(ErrorCode::QueueFull));
        }
        Ok(place)
    }

    /// Whether one more command of a participant has a place at a host: so many of each wait there, and of all together so many that the
    /// owner's own always have theirs.
    async fn place_of_participant(&self, host: DeviceId, account: AccountId, coming: usize) -> Result<(), Problem> {
        let theirs = self.scan(keys::all_sent_by(host, account), None, MAX_SENT_BY_PARTICIPANT).await?.len();
        if theirs + coming > MAX_SENT_BY_PARTICIPANT {
            return Err(Problem::new(ErrorCode::QueueFull)
                .detail(format!("{theirs} of your commands wait; at most {MAX_SENT_BY_PARTICIPANT} do"))
                .hint("Wait until some have begun, or take some back."));
        }
        let all = self.scan(keys::all_sent(host), None, MAX_SENT_BY_PARTICIPANTS).await?.len();
        if all + coming > MAX_SENT_BY_PARTICIPANTS {
            return Err(Problem::new(ErrorCode::QueueFull)
                .detail(format!("{all} commands of participants wait for this machine"))
                .hint("Wait until some have begun."));
        }
        Ok(())
    }

    /// Counts what a participant sends to a session, or changes there.
    ///
    /// # Errors
    /// `rate_limited`, when it is more than people do.
    pub(super) fn pace(&self, session: SessionId, account: AccountId) -> Result<(), Problem> {
        lock(&self.inner.paces).ask((session, account), self.now()).map_err(|wait_ms| {
            Problem::new(ErrorCode::RateLimited)
                .detail("you send to this session faster than its owner can read")
                .hint(format!("Wait {} s.", wait_ms.div_ceil(1_000)))
        })
    }

    /// A place among the prompts of a participant that wait for the word of the session's owner.
    async fn place_among_held(
        &self,
        host: DeviceId,
        session: SessionId,
        account: AccountId,
    ) -> Result<Place<'_>, Problem> {
        let place = self.place(host);
        let held = self.scan(keys::all_held_of(session, account), None, MAX_HELD_PROMPTS).await?.len();
        if held + place.coming > MAX_HELD_PROMPTS {
            return Err(Problem::new(ErrorCode::QueueFull)
                .detail(format!(
                    "{held} of your prompts wait for the owner of this session; at most {MAX_HELD_PROMPTS} do"
                ))
                .hint("Wait for the owner, or take some back."));
        }
        Ok(place)
    }

    fn place(&self, host: DeviceId) -> Place<'_> {
        let coming = {
            let mut submits = lock(&self.inner.submits);
            let count = submits.entry(host).or_default();
            *count += 1;
            *count
        };
        Place { hub: self, host, coming }
    }

    /// Whether one more prompt has a place in the line of its session, where all of them stand whose turns have not begun: those that wait
    /// here, and those that the host has accepted.
    pub(super) async fn place_in_line(&self, session: SessionId, coming: usize) -> Result<(), Problem> {
        let line = self.scan(keys::whole_line(session), None, MAX_WAITING_PROMPTS).await?.len();
        if line + coming <= MAX_WAITING_PROMPTS {
            return Ok(());
        }
        Err(Problem::new(ErrorCode::QueueFull)
            .detail(format!("{line} prompts wait in this session; at most {MAX_WAITING_PROMPTS} do"))
            .hint("Wait until some have begun, take some back, or begin another session."))
    }
}

/// One of those who come in for a host at the moment, for as long as it lives.
pub(super) struct Place<'a> {
    hub: &'a Hub,
    host: DeviceId,
    /// How many come in for this host at the moment, this one included.
    pub(super) coming: usize,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut submits = lock(&self.hub.inner.submits);
        if let Some(count) = submits.get_mut(&self.host) {
            *count -= 1;
            if *count == 0 {
                submits.remove(&self.host);
            }
        }
    }
}

/// The kind's word in the audit trail.
pub(crate) const fn kind_word(kind: CommandKind) -> &'static str {
    match kind {
        CommandKind::StartSession => "start_session",
        CommandKind::ForkSession => "fork_session",
        CommandKind::SendPrompt => "send_prompt",
        CommandKind::CancelTurn => "cancel_turn",
        CommandKind::AnswerApproval => "answer_approval",
        CommandKind::EditPrompt => "edit_prompt",
        CommandKind::MovePrompt => "move_prompt",
        CommandKind::SteerPrompt => "steer_prompt",
        CommandKind::SetOptions => "set_options",
    }
}

/// How many bytes of words a command carries.
pub(crate) fn words(body: &CommandBody) -> usize {
    match body {
        CommandBody::StartSession { content, .. } | CommandBody::ForkSession { content, .. } => {
            content.title.as_deref().map_or(0, str::len) + content.text.as_deref().map_or(0, str::len)
        }
        CommandBody::SendPrompt { content, .. } => content.text.len(),
        CommandBody::EditPrompt { content, .. } => content.text.len(),
        CommandBody::AnswerApproval { content, .. } => {
            content.message.as_deref().map_or(0, str::len) + content.answers.values().map(String::len).sum::<usize>()
        }
        CommandBody::CancelTurn { .. }
        | CommandBody::MovePrompt { .. }
        | CommandBody::SteerPrompt { .. }
        | CommandBody::SetOptions { .. } => 0,
    }
}
