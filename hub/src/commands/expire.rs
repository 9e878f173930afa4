//! The end of what was not started in time (W-004, W-005), and of what has been known long enough.

use protocol::command::CommandState;
use protocol::fact::{FeedFact, Operation};
use protocol::id::CommandId;
use protocol::time::UnixMs;
use store::{Batch, Expected, Put};

use super::step::{Step, release, take};
use crate::failure::Failure;
use crate::feed;
use crate::hub::{Hub, TRIES};
use crate::keys::{self, Due};
use crate::rows::CommandRow;

/// Expires a command whose time is over, unless it has started or ended.
pub(crate) async fn expire(hub: &Hub, command: CommandId) -> Result<(), Failure> {
    for _ in 0..TRIES {
        let Some(stored) = hub.load::<CommandRow>(&keys::command(command)).await? else { return Ok(()) };
        let open = matches!(stored.value.command.state, CommandState::Queued | CommandState::Leased);
        if !open || hub.now() < stored.value.command.expires_at_ms {
            return Ok(());
        }
        let mut batch = Batch::new();
        if stored.value.handover.is_some() && stored.value.command.state == CommandState::Leased {
            crate::link::overdue(hub, &mut batch, &stored);
            match hub.commit(batch).await {
                Ok(_) => {
                    hub.inner.due.ring();
                    return Ok(());
                }
                Err(failure) if failure.lost().is_some() => continue,
                Err(failure) => return Err(failure),
            }
        }
        let taken = take(&mut batch, &stored, Step::to(CommandState::Expired), &*hub.inner.clock);
        release(hub, &mut batch, &taken.value).await?;
        match hub.commit(batch).await {
            Ok(_) => return Ok(()),
            Err(failure) if failure.lost().is_some() => {}
            Err(failure) => return Err(failure),
        }
    }
    Err(Failure::Contended { tries: TRIES })
}

/// Forgets a command that ended long ago: its id may be used again, and its row leaves the lists.
pub(crate) async fn forget(hub: &Hub, command: CommandId, due: UnixMs) -> Result<(), Failure> {
    let key = keys::command(command);
    let mut batch = Batch::of(Put::remove(Due::Forget(command).key(due)));
    if let Some(stored) = hub.load::<CommandRow>(&key).await?
        && stored.value.command.state.is_final()
    {
        batch.push(Put::remove(key).expecting(Expected::Version(stored.version)));
        let gone = FeedFact::Command { id: command, operation: Operation::Delete, value: None };
        feed::tell(&mut batch, stored.value.account, &gone);
    }
    hub.commit(batch).await?;
    Ok(())
}
