//! The order in which commands wait for a host.

use protocol::api::CommandAck;
use protocol::command::CommandState;
use protocol::error::{ErrorCode, Problem};
use protocol::id::{CommandId, DeviceId};
use store::{Batch, Put};

use super::answer::ack;
use super::step::rewrite;
use crate::audit::{self, About};
use crate::failure::Failure;
use crate::hub::{Hub, TRIES};
use crate::identity::Identity;
use crate::keys;
use crate::rows::{CommandRow, Stored};

/// Refuses what stands in no line, and whoever may not change it: a participant's place is what it is.
fn in_line(who: &Identity, row: &CommandRow) -> Result<(), Problem> {
    if row.account != who.account {
        return Err(Problem::new(ErrorCode::Forbidden).detail("the order is the owner's to change"));
    }
    if row.held {
        let hint = "Let it run first, or take it back.";
        return Err(Problem::new(ErrorCode::Invalid).detail("it waits for its release, and not in line").hint(hint));
    }
    Ok(())
}

impl Hub {
    /// Moves a queued command before another one of the same host, or to the end of the line. The places in between change hands, in one
    /// step that fails as a whole when the host takes one of them meanwhile; then it is tried anew. Goes on to its end when the caller
    /// leaves.
    ///
    /// # Errors
    /// `forbidden`; `not_found`, also for a `before` of another host; `turn_started` when one of the two is queued no more; failures of
    /// the store.
    pub async fn move_command(
        &self,
        who: &Identity,
        command: CommandId,
        before: Option<CommandId>,
    ) -> Result<CommandAck, Problem> {
        let (hub, who) = (self.clone(), who.clone());
        self.whole(async move {
            let result = hub.move_queued(&who, command, before).await;
            if let Err(problem) = &result {
                hub.record(hub.entry(Some(&who), "command.move").about(command).failed(problem.code)).await;
            }
            result
        })
        .await
    }

    async fn move_queued(
        &self,
        who: &Identity,
        command: CommandId,
        before: Option<CommandId>,
    ) -> Result<CommandAck, Problem> {
        let _one = self.inner.ordering.lock().await;
        for _ in 0..TRIES {
            let moved = self.queued(who, command).await?;
            in_line(who, &moved.value)?;
            let host = moved.value.command.host;
            if let Some(before) = before {
                let other = self.queued(who, before).await?;
                in_line(who, &other.value)?;
                if other.value.command.host != host {
                    return Err(Problem::new(ErrorCode::NotFound).detail("that one waits for another host"));
                }
            }
            if before == Some(command) {
                return Ok(ack(&moved.value));
            }
            let line = self.line(host).await?;
            // The host may have taken one of them since they were looked at: in a line without it, somebody would lose their place.
            let stands = |id: CommandId| line.iter().any(|row| row.value.request.id == id);
            if !stands(command) || !before.is_none_or(stands) {
                continue;
            }
            let ids = line.iter().map(|row| row.value.request.id);
            let mut order: Vec<CommandId> = ids.filter(|id| *id != command).collect();
            let end = order.len();
            let at = before.and_then(|before| order.iter().position(|id| *id == before)).unwrap_or(end);
            order.insert(at, command);
            // The places stay, and who stands on them changes.
            let places: Vec<u64> = line.iter().map(|row| row.value.arrival).collect();
            let mut batch = Batch::new();
            let mut answer = ack(&moved.value);
            let mut taken = Vec::new();
            for (arrival, id) in places.into_iter().zip(&order) {
                let Some(stored) = line.iter().find(|row| row.value.request.id == *id) else { continue };
                if stored.value.arrival == arrival {
                    continue;
                }
                let row = rewrite(&mut batch, stored, CommandRow { arrival, ..stored.value.clone() }, self.now());
                if *id == command {
                    answer = ack(&row);
                }
                taken.push(Put::set(keys::waiting(host, arrival), id.to_string()));
            }
            if taken.is_empty() {
                return Ok(answer);
            }
            // One leaves a place after another has taken it, so who stands there in the end is written last. Of the others nothing is
            // written: the host may have taken them meanwhile.
            for place in taken {
                batch.push(place);
            }
            let entry = self.entry(Some(who), "command.move").about(command).on(host);
            audit::push(&mut batch, who.account, &entry);
            match self.commit(batch).await {
                Ok(_) => return Ok(answer),
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Failure::Contended { tries: TRIES }.into())
    }

    /// The queued commands of a host, in the order in which it takes them.
    async fn line(&self, host: DeviceId) -> Result<Vec<Stored<CommandRow>>, Failure> {
        let mut line = Vec::new();
        for entry in self.every(keys::all_waiting(host), |_| Ok(true)).await? {
            let id = std::str::from_utf8(&entry.value).ok().and_then(|id| id.parse::<CommandId>().ok());
            let Some(id) = id else { continue };
            let stored = self.load::<CommandRow>(&keys::command(id)).await?;
            line.extend(stored.filter(|row| row.value.command.state == CommandState::Queued));
        }
        Ok(line)
    }
}
