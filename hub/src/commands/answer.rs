//! What a client is told of a command.

use protocol::api::CommandAck;
use protocol::error::{ErrorCode, Problem};
use protocol::id::{AccountId, CommandId};

use crate::failure::Failure;
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
        if let Some(stored) = self.load::<CommandRow>(&keys::command(command)).await?
            && self.may_see(account, &stored.value).await?
        {
            return Ok(stored);
        }
        Err(Problem::new(ErrorCode::NotFound))
    }

    /// Whether a command is there for an account: it is of one of its sessions, or it has sent it and still takes part.
    pub(super) async fn may_see(&self, account: AccountId, row: &CommandRow) -> Result<bool, Failure> {
        if row.account == account {
            return Ok(true);
        }
        let sent = row.command.sender.account == account;
        Ok(sent && self.standing(account, row.command.session).await?.is_some())
    }
}
