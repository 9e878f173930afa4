//! Closing an account: its devices are out and its feed is gone in one step; what else it kept goes right after, and goes on going after
//! a restart.

use std::collections::HashSet;

use protocol::error::{ErrorCode, Problem};
use protocol::id::{AccountId, DeviceId, SessionId, TurnId};
use protocol::path::StreamPath;
use store::{Batch, Entry, Expected, Operation, Put};

use crate::audit::{self, About};
use crate::failure::Failure;
use crate::hub::{Hub, TRIES, decode};
use crate::identity::Identity;
use crate::keys::{self, Due};
use crate::participants::Alone;
use crate::rows::{
    AccountRow, BlobRow, CommandRow, DeviceRow, PairingRow, Row, SessionRow, ShareRow, TurnRow, UploadRow,
};

/// Most operations of one batch.
const MOST: usize = 500;

impl Hub {
    /// Closes an account for good. Its devices are revoked when this returns; what it kept goes in the background. Closing what is
    /// being closed is a success without effect; once all of it is gone, it is not found.
    ///
    /// # Errors
    /// `forbidden` for the owner's own account; `not_found`, also for whoever does not run this hub; failures of the store.
    pub async fn close_account(&self, who: &Identity, account: AccountId) -> Result<(), Problem> {
        self.need_owner(who)?;
        if account == self.account() {
            self.record(self.entry(Some(who), "account.close").about(account).failed(ErrorCode::Forbidden)).await;
            return Err(Problem::new(ErrorCode::Forbidden).detail("the account of the hub's owner cannot be closed"));
        }
        let entry = self.entry(Some(who), "account.close").about(account);
        let hub = self.clone();
        self.whole(async move { hub.shut_down(account, &entry).await }).await
    }

    pub(crate) async fn shut_down(&self, account: AccountId, entry: &protocol::api::AuditEntry) -> Result<(), Problem> {
        for _ in 0..TRIES {
            let stored = self.load::<AccountRow>(&keys::account(account)).await?;
            let Some(stored) = stored else { return Err(Problem::new(ErrorCode::NotFound)) };
            if stored.value.closed_at_ms.is_some() {
                return Ok(());
            }
            let now = self.now();
            let closed = AccountRow { closed_at_ms: Some(now), devices: 0, ..stored.value };
            let mut batch = Batch::new();
            let put = Put::set(keys::account(account), closed.encode());
            batch.push(put.expecting(Expected::Version(stored.version)));
            let mut devices = Vec::new();
            for entry in self.every(keys::devices(account), |_| Ok(true)).await? {
                let found = decode::<DeviceRow>(&entry)?;
                let mut row = found.value;
                for hash in row.credentials.drain(..) {
                    batch.push(Put::remove(keys::credential(&hash)));
                }
                row.about.revoked_at_ms = row.about.revoked_at_ms.or(Some(now));
                devices.push(row.device);
                // What the link of a machine has on its way is not stored any more.
                batch.push(Put::remove(keys::link(row.device)));
                batch.push(Put::set(entry.key, row.encode()).expecting(Expected::Version(found.version)));
            }
            // Whatever is still under way for this account tells its feed in its commit, and fails with it from now on.
            batch.push(Operation::Delete(StreamPath::feed(account)));
            batch.push(Put::set(Due::Close(account).key(now), ""));
            audit::push(&mut batch, self.account(), entry);
            match self.commit_close(account, batch).await {
                Ok(()) => {
                    for device in devices {
                        self.cut(device);
                    }
                    self.inner.due.ring();
                    self.inner.pairings.ring();
                    return Ok(());
                }
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Failure::Contended { tries: TRIES }.into())
    }

    /// Commits the end of an account. What it shares, and what it takes part in, ends in the same step; whoever joins meanwhile has
    /// written the account's row.
    async fn commit_close(&self, account: AccountId, batch: Batch) -> Result<(), Failure> {
        if self.takes_part(account) {
            let alone = Alone::on(self).await;
            let mut draft = alone.draft();
            draft.batch = batch;
            alone.close(&mut draft, account).await?;
            alone.commit(draft).await?;
        } else {
            self.commit(batch).await?;
        }
        Ok(())
    }
}

/// Takes away what a closed account kept. Each step may be done again: a stop in the middle loses nothing but time.
pub(crate) async fn clear(hub: &Hub, account: AccountId) -> Result<(), Failure> {
    let Some(row) = hub.load::<AccountRow>(&keys::account(account)).await? else { return Ok(()) };
    if row.value.closed_at_ms.is_none() || account == hub.account() {
        return Ok(());
    }
    let mut sweep = Sweep { hub, batch: Batch::new() };
    sweep.sessions(account).await?;
    let mine = |entry: &Entry| Ok(decode::<CommandRow>(entry)?.value.account == account);
    for entry in hub.every(keys::COMMANDS.to_owned(), mine).await? {
        // What is to happen to it at its time finds nothing then.
        sweep.take(Put::remove(entry.key)).await?;
    }
    let of_account = |entry: &Entry| Ok(decode::<PairingRow>(entry)?.value.account == account);
    for entry in hub.every(keys::PAIRINGS.to_owned(), of_account).await? {
        sweep.take(Put::remove(entry.key)).await?;
    }
    for entry in hub.every(keys::uploads(account), |_| Ok(true)).await? {
        if let (Some(upload), None) = (last(&entry.key), decode::<UploadRow>(&entry)?.value.blob) {
            sweep.take(Operation::Delete(StreamPath::upload(upload))).await?;
        }
        sweep.take(Put::remove(entry.key)).await?;
    }
    for entry in hub.every(keys::blobs(account), |_| Ok(true)).await? {
        let upload = decode::<BlobRow>(&entry)?.value.upload;
        sweep.take(Operation::Delete(StreamPath::upload(upload))).await?;
        sweep.take(Put::remove(entry.key)).await?;
    }
    for entry in hub.every(keys::devices(account), |_| Ok(true)).await? {
        if let Some(device) = last::<DeviceId>(&entry.key) {
            for prefix in keys::all_of_host(device) {
                sweep.all(prefix).await?;
            }
            sweep.take(Put::remove(keys::host(device))).await?;
            sweep.take(Put::remove(keys::link(device))).await?;
        }
    }
    for prefix in [
        keys::every_user(account),
        keys::every_row(account),
        keys::all_audit(account),
        keys::devices(account),
        keys::all_back(account),
        keys::all_once(account),
    ] {
        sweep.all(prefix).await?;
    }
    sweep.take(Put::remove(keys::quota(account))).await?;
    // Last, so that a stop before it begins again here.
    sweep.take(Put::remove(keys::account(account))).await?;
    sweep.flush().await
}

struct Sweep<'a> {
    hub: &'a Hub,
    batch: Batch,
}

impl Sweep<'_> {
    async fn sessions(&mut self, account: AccountId) -> Result<(), Failure> {
        let hub = self.hub;
        let mine = |entry: &Entry| Ok(decode::<SessionRow>(entry)?.value.account == account);
        let sessions = hub.every(keys::SESSIONS.to_owned(), mine).await?;
        let ids: HashSet<SessionId> = sessions.iter().filter_map(|entry| last(&entry.key)).collect();
        let of_them = |entry: &Entry| Ok(ids.contains(&decode::<TurnRow>(entry)?.value.session));
        for entry in hub.every(keys::TURNS.to_owned(), of_them).await? {
            if let Some(turn) = last::<TurnId>(&entry.key) {
                self.take(Operation::Delete(StreamPath::turn(turn))).await?;
            }
            self.take(Put::remove(entry.key)).await?;
        }
        for session in ids {
            for entry in hub.every(keys::all_shares(session), |_| Ok(true)).await? {
                self.take(Put::remove(keys::secret(&decode::<ShareRow>(&entry)?.value.secret))).await?;
            }
            let of_session = [keys::all_open, keys::all_files, keys::all_held, keys::all_shares];
            for prefix in of_session.map(|prefix| prefix(session)) {
                self.all(prefix).await?;
            }
            self.take(Operation::Delete(StreamPath::journal(session))).await?;
            self.take(Put::remove(keys::edit(session))).await?;
            self.take(Put::remove(keys::session(session))).await?;
            hub.inner.known.forget_session(session);
        }
        Ok(())
    }

    async fn all(&mut self, prefix: String) -> Result<(), Failure> {
        for entry in self.hub.every(prefix, |_| Ok(true)).await? {
            self.take(Put::remove(entry.key)).await?;
        }
        Ok(())
    }

    async fn take(&mut self, operation: impl Into<Operation>) -> Result<(), Failure> {
        self.batch.push(operation);
        if self.batch.operations.len() >= MOST { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        let batch = std::mem::take(&mut self.batch);
        if !batch.operations.is_empty() {
            self.hub.commit(batch).await?;
        }
        Ok(())
    }
}

/// The id at the end of a key.
fn last<I: std::str::FromStr>(key: &str) -> Option<I> {
    key.rsplit('/').next()?.parse().ok()
}
