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

use crate::failure::Failure;
use crate::hub::Hub;
use crate::keys;
use crate::rows::{SessionRow, Stored};

impl Hub {
    /// A session of an account, as it stands: one that has its journal, or that a linked node has listed and whose journal is on its way.
    async fn own_session(&self, account: AccountId, session: SessionId) -> Result<Stored<SessionRow>, Problem> {
        let found = self.load::<SessionRow>(&keys::session(session)).await?;
        let found = found.filter(|found| found.value.account == account);
        let found = found.ok_or_else(|| Problem::new(ErrorCode::NotFound))?;
        if !found.value.live {
            let row = keys::row(account, "session", &session.to_string());
            let listed =
                found.value.host != self.node() && self.inner.streams.get(&row).await.map_err(Failure::from)?.is_some();
            if !listed {
                return Err(Problem::new(ErrorCode::NotFound));
            }
        }
        Ok(found)
    }
}
