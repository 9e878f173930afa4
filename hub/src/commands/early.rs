//! What was taken back before it came: a frame that a lost connection still brings is not run after its person saw it go.

use protocol::api::CommandAck;
use protocol::command::CommandState;
use protocol::id::{AccountId, CommandId};
use protocol::limits::{COMMAND_MEMORY_MS, MAX_COMMAND_AGE_MS};
use protocol::time::UnixMs;
use store::{Batch, Entry, Expected, Put};

use crate::failure::Failure;
use crate::hub::Hub;
use crate::keys::{self, Due};

/// How many such marks an account has at once; further ones are not left, and nothing else changes. A person takes back a handful.
pub(super) const MOST: usize = 256;

impl Hub {
    /// Marks an id that no command has as taken back, for as long as a command of that id would be taken in: one that is older is refused
    /// anyway. The mark is of this account only, and says nothing to any other. False when a command came in meanwhile.
    pub(super) async fn mark_taken_back(&self, account: AccountId, command: CommandId) -> Result<bool, Failure> {
        let (key, now) = (keys::back(account, command), self.now());
        let until = UnixMs(command.minted_at_ms()).plus_ms(MAX_COMMAND_AGE_MS).min(now.plus_ms(COMMAND_MEMORY_MS));
        if until < now || self.inner.streams.get(&key).await?.is_some() {
            return Ok(true);
        }
        if self.scan(keys::all_back(account), None, MOST).await?.len() >= MOST {
            return Ok(true);
        }
        let mut batch = Batch::of(Put::set(key, until.0.to_string()).expecting(Expected::Absent));
        batch.push(Put::remove(keys::command(command)).expecting(Expected::Absent));
        batch.push(Put::set(Due::Back(account, command).key(until), ""));
        match self.commit(batch).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.lost().is_some() => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// The answer to a command that was taken back before it came.
    pub(super) async fn taken_back(
        &self,
        account: AccountId,
        command: CommandId,
    ) -> Result<Option<CommandAck>, Failure> {
        let mark = self.inner.streams.get(&keys::back(account, command)).await?;
        let ack = |mark: Entry| CommandAck {
            command,
            state: CommandState::Cancelled,
            turn: None,
            expires_at_ms: UnixMs(std::str::from_utf8(&mark.value).ok().and_then(|at| at.parse().ok()).unwrap_or(0)),
            error: None,
            detail: None,
        };
        Ok(mark.map(ack))
    }
}

/// Adds to the batch that takes a command in: it fails when that was taken back meanwhile.
pub(super) fn unless_taken_back(batch: &mut Batch, account: AccountId, command: CommandId) {
    batch.push(Put::remove(keys::back(account, command)).expecting(Expected::Absent));
}

/// Lets go of a mark whose time is over: from now on a command of that id is refused as too old.
pub(crate) async fn unmark(hub: &Hub, account: AccountId, command: CommandId) -> Result<(), Failure> {
    hub.commit(Batch::of(Put::remove(keys::back(account, command)))).await?;
    Ok(())
}
