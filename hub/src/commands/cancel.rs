//! Taking a command back before it starts (W-017).

use protocol::api::CommandAck;
use protocol::command::CommandState;
use protocol::device::Right;
use protocol::error::{ErrorCode, Problem};
use protocol::id::CommandId;
use store::Batch;

use super::answer::ack;
use super::step::{Step, release, take};
use crate::audit::{self, About};
use crate::failure::Failure;
use crate::hub::{Hub, TRIES};
use crate::identity::Identity;
use crate::keys;
use crate::rows::CommandRow;

impl Hub {
    /// Takes back a command that has not started; a second time is a success without effect. Goes on to its end when the caller
    /// leaves.
    ///
    /// One that is not known may still be on its way, on a connection that its sender has left: it is remembered that it is not wanted, and
    /// it never runs.
    ///
    /// # Errors
    /// `forbidden`, `not_found`, `command_not_cancellable`; failures of the store.
    pub async fn cancel(&self, who: &Identity, command: CommandId) -> Result<CommandAck, Problem> {
        let (hub, who) = (self.clone(), who.clone());
        self.whole(async move {
            let result = hub.take_off(&who, command).await;
            if let Err(problem) = &result {
                hub.record(hub.entry(Some(&who), "command.cancel").about(command).failed(problem.code)).await;
            }
            result
        })
        .await
    }

    async fn take_off(&self, who: &Identity, command: CommandId) -> Result<CommandAck, Problem> {
        who.need(Right::Prompt)?;
        for _ in 0..TRIES {
            let Some(stored) = self.load::<CommandRow>(&keys::command(command)).await? else {
                if self.mark_taken_back(who.account, command).await? {
                    return Err(Problem::new(ErrorCode::NotFound));
                }
                continue;
            };
            if !self.may_see(who.account, &stored.value).await? {
                return Err(Problem::new(ErrorCode::NotFound));
            }
            match stored.value.command.state {
                CommandState::Cancelled => return Ok(ack(&stored.value)),
                CommandState::Leased if stored.value.handover.is_some() => match self.ask_back(who, &stored).await {
                    Ok(()) => return Ok(ack(&stored.value)),
                    Err(failure) if failure.lost().is_some() => continue,
                    Err(failure) => return Err(failure.into()),
                },
                CommandState::Queued | CommandState::Leased => {}
                _ => return Err(Problem::new(ErrorCode::CommandNotCancellable)),
            }
            let mut batch = Batch::new();
            let taken = take(&mut batch, &stored, Step::to(CommandState::Cancelled), &*self.inner.clock);
            release(self, &mut batch, &taken.value).await?;
            let entry = self.entry(Some(who), "command.cancel").about(command).on(taken.value.command.host);
            audit::push(&mut batch, who.account, &entry);
            if taken.value.account != who.account {
                audit::push_to(&mut batch, taken.value.account, entry);
            }
            match self.commit(batch).await {
                Ok(_) => return Ok(ack(&taken.value)),
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Failure::Contended { tries: TRIES }.into())
    }
}
