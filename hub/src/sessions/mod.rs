//! What a person does to a session by itself: named, put away, read, deleted. No commands: the hub does it at once, whether the host
//! is there or not, and the host hears of it.

mod delete;
mod edit;
mod read;
#[cfg(test)]
mod tests;

pub(crate) use delete::sweep;
pub(crate) use edit::{Archive, Wanted, take_out};

use protocol::error::{ErrorCode, Problem};
use protocol::id::{AccountId, SessionId};

use crate::hub::Hub;
use crate::keys;
use crate::rows::{SessionRow, Stored};

impl Hub {
    /// A session of an account, as it stands.
    async fn own_session(&self, account: AccountId, session: SessionId) -> Result<Stored<SessionRow>, Problem> {
        match self.load::<SessionRow>(&keys::session(session)).await? {
            Some(found) if found.value.account == account && found.value.live => Ok(found),
            _ => Err(Problem::new(ErrorCode::NotFound)),
        }
    }
}
