//! Commands of a host that was revoked: nobody will say any more what became of them, so the hub ends them, each with what is known.

use protocol::command::{CommandError, CommandState};
use protocol::error::ErrorCode;
use protocol::fact::FeedFact;
use protocol::host::Presence;
use protocol::id::{CommandId, DeviceId};
use store::{Batch, Entry};

use crate::commands::{Step, release, take};
use crate::failure::Failure;
use crate::hub::{Hub, TRIES};
use crate::keys;
use crate::rows::{CommandRow, HostRow};

/// Commands looked at in one step.
const PAGE: usize = 64;

/// Ends every command of a host that was revoked; does nothing to the commands of one that is not, or not any more.
pub(crate) async fn end_commands(hub: &Hub, host: DeviceId) -> Result<(), Failure> {
    for prefix in [keys::all_waiting(host), keys::all_leased(host), keys::all_begun(host)] {
        let mut after = None;
        loop {
            let page = hub.scan(prefix.clone(), after.take(), PAGE).await?;
            for entry in &page {
                let id = std::str::from_utf8(&entry.value).ok().and_then(|id| id.parse::<CommandId>().ok());
                let Some(id) = id else { continue };
                if !end(hub, host, id).await? {
                    return Ok(());
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.key.clone()),
                _ => break,
            }
        }
    }
    end_held(hub, host).await
}

/// Ends prompts of participants that nobody has let run: they stand in no queue, and are found in the lists of the host's account.
async fn end_held(hub: &Hub, host: DeviceId) -> Result<(), Failure> {
    let Some(row) = hub.load::<HostRow>(&keys::host(host)).await? else { return Ok(()) };
    let held = |entry: &Entry| match FeedFact::parse(&entry.value) {
        Ok(FeedFact::Command { value: Some(command), .. }) => Ok(command.host == host
            && command.state == CommandState::Queued
            && command.participant.is_some()
            && command.place.is_none()),
        _ => Ok(false),
    };
    for entry in hub.every(keys::rows(row.value.account, "command"), held).await? {
        let Some(id) = entry.key.rsplit('/').next().and_then(|id| id.parse::<CommandId>().ok()) else { continue };
        if !end(hub, host, id).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// Ends a command; tells whether the host is still revoked.
async fn end(hub: &Hub, host: DeviceId, id: CommandId) -> Result<bool, Failure> {
    for _ in 0..TRIES {
        let standing = hub.load::<HostRow>(&keys::host(host)).await?;
        if standing.is_none_or(|row| row.value.host.presence != Presence::Revoked) {
            return Ok(false);
        }
        let Some(stored) = hub.load::<CommandRow>(&keys::command(id)).await? else { return Ok(true) };
        if stored.value.command.state.is_final() {
            return Ok(true);
        }
        let detail = match stored.value.command.state {
            CommandState::Queued => "the host was revoked before it took this, so it never ran",
            _ => "the host was revoked while it had this; whether it ran is to be seen on the machine itself",
        };
        let error = CommandError { code: ErrorCode::HostRevoked, retryable: false };
        let step = Step { error: Some(error), detail: Some(detail.to_owned()), ..Step::to(CommandState::Failed) };
        let mut batch = Batch::new();
        let row = take(&mut batch, &stored, step, &*hub.inner.clock);
        release(hub, &mut batch, &row.value).await?;
        match hub.commit(batch).await {
            Ok(_) => return Ok(true),
            Err(failure) if failure.lost().is_some() => {}
            Err(failure) => return Err(failure),
        }
    }
    Err(Failure::Contended { tries: TRIES })
}
