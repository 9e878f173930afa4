//! Accounts of a hub that several people share. Sign-up is closed: the first owner comes in by the setup link that the machine prints,
//! everybody else by an invitation of the owner. Both links are enrolments that confirm themselves, so they are used by the same page,
//! counted by the same limits, and worth nothing a second time.

mod close;
mod invite;
mod join;
mod list;
mod setup;
#[cfg(test)]
mod tests;

pub(crate) use close::clear;
pub(crate) use invite::lapse;

use protocol::device::Right;
use protocol::error::{ErrorCode, Problem};
use protocol::id::AccountId;

use crate::failure::Failure;
use crate::hub::Hub;
use crate::identity::Identity;

impl Hub {
    /// Whether this hub may have more than one account: a server may, a node that is somebody's machine may not.
    pub fn is_shared(&self) -> bool {
        !self.inner.options.host
    }

    /// Whether an account may invite others and see who else there is.
    pub fn may_invite(&self, account: AccountId) -> bool {
        self.is_shared() && account == self.account()
    }

    /// Refuses whoever does not run this hub. To all others there are no accounts but their own, so nothing is there.
    pub(crate) fn need_owner(&self, who: &Identity) -> Result<(), Problem> {
        who.need(Right::Manage)?;
        if self.may_invite(who.account) { Ok(()) } else { Err(Problem::new(ErrorCode::NotFound)) }
    }

    /// Every account's id, those that are being closed included.
    pub(crate) async fn account_ids(&self) -> Result<Vec<AccountId>, Failure> {
        let rows = self.every(crate::keys::ACCOUNTS.to_owned(), |_| Ok(true)).await?;
        Ok(rows.iter().filter_map(|entry| entry.key.rsplit('/').next()?.parse().ok()).collect())
    }
}
