//! Who the caller is.

use protocol::api::Me;
use protocol::error::{ErrorCode, Problem};

use crate::hub::Hub;
use crate::identity::Identity;
use crate::keys;
use crate::rows::DeviceRow;

impl Hub {
    /// Who the caller is, and where it has arrived.
    ///
    /// # Errors
    /// `unauthenticated` when the device is gone meanwhile; failures of the store.
    pub async fn me(&self, who: &Identity) -> Result<Me, Problem> {
        let row = self.load::<DeviceRow>(&keys::device(who.account, who.device)).await?;
        let row = row.ok_or_else(|| Problem::new(ErrorCode::Unauthenticated))?;
        Ok(Me {
            account: who.account,
            device: who.device,
            about: row.value.about,
            host: self.host(who.account),
            version: self.version().to_owned(),
            invites: self.may_invite(who.account),
        })
    }
}
