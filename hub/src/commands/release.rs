//! Letting a participant's prompt run: the word of the session's owner (W-083).

use protocol::api::{CommandAck, CommandRelease};
use protocol::command::CommandState;
use protocol::error::{ErrorCode, Problem};
use protocol::host::Presence;
use protocol::id::CommandId;
use store::Batch;

use super::answer::ack;
use super::step::rewrite;
use crate::audit::{self, About};
use crate::failure::Failure;
use crate::hub::{Hub, TRIES};
use crate::identity::Identity;
use crate::keys;
use crate::rows::{CommandRow, HostRow};

impl Hub {
    /// Lets a held prompt run: it stands in its host's queue from now on, behind what waits there. A second time is a success without
    /// effect, and so is what nobody holds. Goes on to its end when the caller leaves.
    ///
    /// Consent is to what was shown: one whose words were changed after it was sent is let run only by whoever says a state of it they saw
    /// that is no older than these words.
    ///
    /// # Errors
    /// `unsupported` where there are no participants; `forbidden`; `not_found`, also for who is not the owner of the session;
    /// `turn_started` when it is queued no more; `approval_changed`; `queue_full`; `host_revoked`; failures of the store.
    pub async fn release_command(
        &self,
        who: &Identity,
        command: CommandId,
        release: CommandRelease,
    ) -> Result<CommandAck, Problem> {
        self.need_shared()?;
        let (hub, who) = (self.clone(), who.clone());
        self.whole(async move {
            let result = hub.release_held(&who, command, release).await;
            if let Err(problem) = &result {
                hub.record(hub.entry(Some(&who), "command.release").about(command).failed(problem.code)).await;
            }
            result
        })
        .await
    }

    async fn release_held(
        &self,
        who: &Identity,
        command: CommandId,
        release: CommandRelease,
    ) -> Result<CommandAck, Problem> {
        let _one = self.inner.ordering.lock().await;
        for _ in 0..TRIES {
            let known = self.own_command(who.account, command).await?;
            if known.value.account != who.account {
                return Err(Problem::new(ErrorCode::NotFound));
            }
            if !known.value.held {
                who.need(known.value.command.kind.right())?;
                return Ok(ack(&known.value));
            }
            let stored = self.queued(who, command).await?;
            let row = &stored.value;
            // By the words and not by the row: another life of it, which its sender can give it at any time, changes nothing that is read.
            let words = row.reworded_at_ms.unwrap_or(row.command.created_at_ms);
            let seen = release
                .updated_at_ms
                .map_or(row.reworded_at_ms.is_none(), |at| words <= at && at <= row.command.updated_at_ms);
            if !seen {
                return Err(Problem::new(ErrorCode::ApprovalChanged)
                    .detail("its words were changed after it was sent")
                    .hint("Nothing was let run. Read it as it is now, and let that run."));
            }
            let host = self.load::<HostRow>(&keys::host(row.command.host)).await?;
            if host.is_none_or(|host| host.value.host.presence == Presence::Revoked) {
                return Err(Problem::new(ErrorCode::HostRevoked));
            }
            let place = self.place_in_queue(row.command.host).await?;
            self.place_in_line(row.command.session, place.coming).await?;
            let mut row = CommandRow { held: false, arrival: self.arrival(), ..row.clone() };
            if let Some(participant) = &mut row.command.participant {
                participant.released_by = Some(who.device);
            }
            debug_assert_eq!(row.command.state, CommandState::Queued);
            let mut batch = Batch::new();
            crate::sessions::take_out(self, &mut batch, who.account, row.command.session).await?;
            let row = rewrite(&mut batch, &stored, row, self.now());
            let entry = self.entry(Some(who), "command.release").about(command).on(row.command.host);
            audit::push(&mut batch, who.account, &entry);
            match self.commit(batch).await {
                Ok(_) => {
                    drop(place);
                    self.wake_host(row.command.host).await;
                    return Ok(ack(&row));
                }
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Failure::Contended { tries: TRIES }.into())
    }
}
