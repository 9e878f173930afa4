//! Who there is on a hub, as its owner may know it: sizes and times, never what is in an account.

use protocol::account::{Account, AccountList};
use protocol::api::AuditEntry;
use protocol::error::Problem;
use protocol::id::{AccountId, SessionId};
use protocol::path::StreamPath;
use protocol::time::UnixMs;
use store::{Direction, Scan};

use crate::failure::Failure;
use crate::hub::{Hub, decode};
use crate::identity::Identity;
use crate::keys;
use crate::rows::{AccountRow, QuotaRow};

impl Hub {
    /// The accounts of this hub, oldest first.
    ///
    /// # Errors
    /// `forbidden`, `not_found` for whoever does not run this hub; failures of the store.
    pub async fn account_list(&self, who: &Identity) -> Result<AccountList, Problem> {
        self.need_owner(who)?;
        let mut accounts = Vec::new();
        for account in self.account_ids().await? {
            let Some(row) = self.load::<AccountRow>(&keys::account(account)).await? else { continue };
            if row.value.closed_at_ms.is_some() {
                continue;
            }
            accounts.push(Account {
                account,
                name: row.value.name,
                owner: account == self.account(),
                created_at_ms: row.value.created_at_ms,
                devices: row.value.devices,
                seen_at_ms: self.seen(account).await?,
                bytes: self.bytes_of(account).await?,
            });
        }
        Ok(AccountList { accounts })
    }

    async fn seen(&self, account: AccountId) -> Result<Option<UnixMs>, Failure> {
        let devices = self.device_rows(account).await?;
        if devices.iter().any(|row| self.inner.sockets.has(row.device)) {
            return Ok(Some(self.now()));
        }
        let scan = Scan { prefix: keys::all_audit(account), after: None, direction: Direction::Backwards, limit: 1 };
        let newest = self.inner.streams.scan(scan).await?;
        newest.first().map(|entry| Ok(decode::<AuditEntry>(entry)?.value.at_ms)).transpose()
    }

    async fn bytes_of(&self, account: AccountId) -> Result<u64, Failure> {
        let files = self.load::<QuotaRow>(&keys::quota(account)).await?.map_or(0, |row| row.value.bytes);
        let mut bytes = files + self.length(&StreamPath::feed(account)).await?;
        for entry in self.every(keys::rows(account, "session"), |_| Ok(true)).await? {
            let session = entry.key.rsplit('/').next().and_then(|id| id.parse::<SessionId>().ok());
            // What it takes part in is kept by somebody else.
            if let Some(session) = session
                && self.home(session).await?.is_some_and(|home| home.account == account)
            {
                bytes += self.length(&StreamPath::journal(session)).await?;
            }
        }
        Ok(bytes)
    }

    async fn length(&self, stream: &StreamPath) -> Result<u64, Failure> {
        let head = self.inner.streams.head(stream).await?;
        Ok(head.map_or(0, |head| head.tail.byte - head.first.byte))
    }
}
