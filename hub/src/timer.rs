//! Timed things: one index by time, one task that sleeps until the first of them.

use std::time::Duration;

use protocol::id::TurnId;
use protocol::path::StreamPath;
use protocol::time::UnixMs;
use store::{Batch, Operation, Put};

use crate::accounts;
use crate::commands;
use crate::failure::Failure;
use crate::hub::Hub;
use crate::keys::{self, Due};
use crate::link;
use crate::pairing;
use crate::participants;
use crate::sessions;
use crate::uploads;

/// How many due things are looked at in one round.
const ROUND: usize = 256;
/// Longest sleep while a command is the next to expire, so that a machine that slept notices within the 2 s of W-005.
const SLEEP_BEFORE_EXPIRY: Duration = Duration::from_millis(1_500);
/// Longest sleep before anything else: what becomes due rings, but a ring can be lost with its caller.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);
/// Sleep after a failure of the store.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Does what is due, for as long as the hub runs.
pub(crate) async fn run(hub: Hub) {
    let stop = hub.stopping();
    let mut bell = hub.inner.due.listen();
    loop {
        let sleep = match round(&hub).await {
            Ok(Some((at, due))) => {
                let most = if matches!(due, Due::Expire(_)) { SLEEP_BEFORE_EXPIRY } else { LONGEST_SLEEP };
                Duration::from_millis(at.since(hub.now())).min(most)
            }
            Ok(None) => LONGEST_SLEEP,
            Err(error) => {
                tracing::warn!(%error, "timed work failed; it is tried again");
                AFTER_FAILURE
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            _ = bell.changed() => {}
            () = tokio::time::sleep(sleep) => {}
        }
    }
}

/// Does everything that is due now, and tells what is next, and when.
async fn round(hub: &Hub) -> Result<Option<(UnixMs, Due)>, Failure> {
    loop {
        let found = hub.scan(keys::DUE.to_owned(), None, ROUND).await?;
        let full = found.len() == ROUND;
        for entry in &found {
            let Some((at, due)) = Due::parse(&entry.key) else {
                // Nothing of ours: it would stop the clock if it stayed in front.
                hub.commit(Batch::of(Put::remove(entry.key.clone()))).await?;
                continue;
            };
            if at > hub.now() {
                return Ok(Some((at, due)));
            }
            if hub.inner.stop.is_cancelled() {
                return Ok(None);
            }
            happen(hub, at, due).await?;
            // What was changed meanwhile may have left its old entry behind.
            hub.commit(Batch::of(Put::remove(entry.key.clone()))).await?;
        }
        if !full {
            return Ok(None);
        }
    }
}

async fn happen(hub: &Hub, at: UnixMs, due: Due) -> Result<(), Failure> {
    match due {
        Due::Expire(command) => commands::expire(hub, command).await,
        Due::Forget(command) => commands::forget(hub, command, at).await,
        Due::Back(account, command) => commands::unmark(hub, account, command).await,
        Due::Turn(turn) => delete_turn(hub, turn, at).await,
        Due::Sweep(session) => sessions::sweep(hub, session).await,
        Due::Orphans(host) => link::end_commands(hub, host).await,
        Due::Upload(account, upload) => uploads::give_up(hub, account, upload).await,
        Due::Blob(account, blob) => uploads::drop_unused(hub, account, blob).await,
        Due::Pairing(pairing) => pairing::finish(hub, pairing).await,
        Due::Invitation(invitation) => accounts::lapse(hub, invitation).await,
        Due::Share(session, invitation) => participants::lapse(hub, session, invitation).await,
        Due::Close(account) => accounts::clear(hub, account).await,
    }
}

/// Deletes a turn stream that has been closed for long enough.
async fn delete_turn(hub: &Hub, turn: TurnId, at: UnixMs) -> Result<(), Failure> {
    let mut batch = Batch::of(Operation::Delete(StreamPath::turn(turn)));
    batch.push(Put::remove(keys::turn(turn)));
    batch.push(Put::remove(Due::Turn(turn).key(at)));
    hub.commit(batch).await?;
    hub.inner.known.forget_turn(turn);
    Ok(())
}
