//! What a client is told of a command.

use protocol::api::CommandAck;
use protocol::error::{ErrorCode, Problem};
use protocol::id::{AccountId, CommandId};

use crate::hub::Hub;
use crate::keys;
use crate::rows::{CommandRow, Stored};

/// Where a command stands.
pub(super) fn ack(row: &CommandRow) -> CommandAck {
    CommandAck {
        command: row.request.id,
        state: row.command.state,
        turn: row.command.turn,
        expires_at_ms: row.command.expires_at_ms,
        error: row.command.error.as_ref().map(|error| error.code),
        detail: row.command.content.detail.clone(),
    }
}

impl Hub {
    /// Where a command of an account stands.
    ///
    /// # Errors
    /// `not_found`, also for a command of another account (W-019); failures of the store.
    pub async fn command(&self, account: AccountId, command: CommandId) -> Result<CommandAck, Problem> {
        Ok(ack(&self.own_command(account, command).await?.value))
    }

    pub(super) async fn own_command(
        &self,
        account: AccountId,
        command: CommandId,
    ) -> Result<Stored<CommandRow>, Problem> {
        let stored = self.load::<CommandRow>(&keys::command(command)).await?;
        stored.filter(|stored| stored.value.account == account).ok_or_else(|| Problem::new(ErrorCode::NotFound))
    }
}
