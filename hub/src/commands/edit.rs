//! Changing a command while it waits: other words, another life.

use protocol::api::{CommandAck, CommandEdit};
use protocol::command::CommandState;
use protocol::error::{ErrorCode, Problem};
use protocol::id::CommandId;
use protocol::limits::MAX_COMMAND_TTL_MS;
use store::Batch;

use super::answer::ack;
use super::expire;
use super::step::rewrite;
use crate::audit::{self, About};
use crate::failure::Failure;
use crate::hub::{Hub, TRIES};
use crate::identity::Identity;
use crate::rows::{CommandRow, Stored};

impl Hub {
    /// Changes the words of a queued command, or how long it may wait. The host gets it as it is when the host takes it: of a change and
    /// a lease at the same time one wins, and a change that lost says so. Goes on to its end when the caller leaves.
    ///
    /// # Errors
    /// `forbidden` without the right that the kind needs; `not_found`; `turn_started` when it is queued no more; `invalid` for words that
    /// cannot be, or a command that has none; `rate_limited` for a participant; failures of the store.
    pub async fn edit_command(
        &self,
        who: &Identity,
        command: CommandId,
        edit: CommandEdit,
    ) -> Result<CommandAck, Problem> {
        let (hub, who) = (self.clone(), who.clone());
        self.whole(async move {
            let result = hub.edit_queued(&who, command, &edit).await;
            if let Err(problem) = &result
                && problem.code != ErrorCode::RateLimited
            {
                hub.record(hub.entry(Some(&who), "command.edit").about(command).failed(problem.code)).await;
            }
            result
        })
        .await
    }

    async fn edit_queued(&self, who: &Identity, command: CommandId, edit: &CommandEdit) -> Result<CommandAck, Problem> {
        let _one = self.inner.ordering.lock().await;
        for tries in 0..TRIES {
            let stored = self.queued(who, command).await?;
            let mut row = stored.value.clone();
            // Each state of it has a time of its own, by which it can be told that somebody has seen it.
            let (now, at) = (self.now(), self.now().max(row.command.updated_at_ms.plus_ms(1)));
            if row.account != who.account && !row.held {
                return Err(Problem::new(ErrorCode::Forbidden)
                    .detail("the owner of the session has let it run, or trusts you")
                    .hint("Take it back, if it still waits, and send another."));
            }
            if row.account != who.account && tries == 0 {
                self.pace(row.command.session, who.account)?;
            }
            if let Some(text) = &edit.text {
                let invalid = |detail: String| Problem::new(ErrorCode::Invalid).detail(detail);
                let body = row.body().with_text(text).ok_or_else(|| invalid("it has no words to change".to_owned()))?;
                body.validate().map_err(|error| invalid(error.to_string()))?;
                row.command.content.text = body.text().map(str::to_owned);
                if body != *row.body() {
                    row.reworded_at_ms = Some(at);
                }
                row.edited = Some(body);
            }
            if let Some(ttl_ms) = edit.ttl_ms {
                // However often it is prolonged, its files wait no longer than that.
                let last = row.command.created_at_ms.plus_ms(MAX_COMMAND_TTL_MS);
                row.command.expires_at_ms = now.plus_ms(ttl_ms.min(MAX_COMMAND_TTL_MS)).min(last);
            }
            let mut batch = Batch::new();
            let row = rewrite(&mut batch, &stored, row, at);
            let entry = self.entry(Some(who), "command.edit").about(command).on(row.command.host);
            let entry = entry.sized(edit.text.as_deref().map_or(0, str::len));
            audit::push(&mut batch, who.account, &entry);
            if row.account != who.account {
                audit::push_to(&mut batch, row.account, entry);
            }
            match self.commit(batch).await {
                Ok(_) => {
                    // It may expire earlier than it was to.
                    self.inner.due.ring();
                    return Ok(ack(&row));
                }
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Failure::Contended { tries: TRIES }.into())
    }

    /// A command of the caller's account, or that it has sent, that is queued, and that the caller might have sent.
    pub(super) async fn queued(&self, who: &Identity, command: CommandId) -> Result<Stored<CommandRow>, Problem> {
        let mut stored = self.own_command(who.account, command).await?;
        who.need(stored.value.command.kind.right())?;
        if stored.value.command.state == CommandState::Queued && self.now() >= stored.value.command.expires_at_ms {
            // Its time is over, and only the timer has not come to it yet.
            expire(self, command).await?;
            stored = self.own_command(who.account, command).await?;
        }
        let detail = match stored.value.command.state {
            CommandState::Queued => return Ok(stored),
            CommandState::Leased | CommandState::Running => "its host has taken it",
            CommandState::Expired => "it has expired",
            CommandState::Cancelled => "it was taken back",
            _ => "it has ended",
        };
        Err(Problem::new(ErrorCode::TurnStarted).detail(detail))
    }
}
