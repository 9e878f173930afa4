//! Devices: enrolled, listed, revoked.

use protocol::api::{DeviceList, DeviceRow as Listed};
use protocol::device::{Device, DeviceContent, DeviceKind, Right};
use protocol::error::{ErrorCode, Problem};
use protocol::fact::{FACT_VERSION, FeedFact, Operation};
use protocol::id::{AccountId, DeviceId};
use protocol::limits::{MAX_DEVICES, MAX_NAME_CHARS};
use protocol::time::UnixMs;
use store::{Batch, Expected, Put};

use crate::audit::{self, About};
use crate::failure::Failure;
use crate::feed;
use crate::hub::{Hub, TRIES, decode};
use crate::identity::Identity;
use crate::keys;
use crate::rows::{AccountRow, DeviceRow, Row, Stored};

/// A device to be made.
#[derive(Debug, Clone)]
pub struct NewDevice {
    /// Whose it will be.
    pub account: AccountId,
    /// What it is.
    pub kind: DeviceKind,
    /// What it may do.
    pub rights: Vec<Right>,
    /// What it is called; 1 to 120 characters.
    pub name: String,
    /// Its system and program; at most 120 characters.
    pub platform: String,
    /// Its Ed25519 public key, base64url without padding, where it has one.
    pub public_key: Option<String>,
}

impl NewDevice {
    pub(crate) fn row(self, hub: &Hub) -> DeviceRow {
        let device = DeviceId::from_uuid(hub.inner.clock.fresh());
        self.row_at(device, hub.now())
    }

    pub(crate) fn row_at(self, device: DeviceId, now: UnixMs) -> DeviceRow {
        let about = Device {
            v: FACT_VERSION,
            account: self.account,
            kind: self.kind,
            rights: self.rights,
            public_key: self.public_key,
            created_at_ms: now,
            revoked_at_ms: None,
            content: DeviceContent { name: self.name, platform: self.platform },
        };
        DeviceRow { device, about, credentials: Vec::new() }
    }
}

/// Checks what a device calls itself.
pub(crate) fn check_name(field: &str, text: &str) -> Result<(), Problem> {
    let steers = |c: char| c.is_control() || turns_text(c);
    let fits = !text.trim().is_empty() && text.chars().count() <= MAX_NAME_CHARS && !text.chars().any(steers);
    if fits {
        return Ok(());
    }
    let detail = format!("`{field}` must have 1 to {MAX_NAME_CHARS} characters, none that steers the text around it");
    Err(Problem::new(ErrorCode::BadRequest).detail(detail))
}

/// Whether a character turns the direction of text (Unicode's bidirectional marks, embeddings, overrides and isolates): in a name
/// it could make the question on the host read otherwise than it is.
const fn turns_text(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Adds a new device to a batch that fails when the account was changed meanwhile.
pub(crate) fn admit(batch: &mut Batch, account: &Stored<AccountRow>, row: &DeviceRow) -> Result<(), Problem> {
    if account.value.closed_at_ms.is_some() {
        return Err(Problem::new(ErrorCode::NotFound).detail("the account was closed"));
    }
    if account.value.devices as usize >= MAX_DEVICES {
        let title = "The account has too many devices".to_owned();
        return Err(
            Problem { title, ..Problem::new(ErrorCode::QueueFull) }.hint("Revoke devices that are no longer used.")
        );
    }
    let counted = AccountRow { devices: account.value.devices + 1, ..account.value.clone() };
    let put = Put::set(keys::account(row.about.account), counted.encode());
    batch.push(put.expecting(Expected::Version(account.version)));
    let put = Put::set(keys::device(row.about.account, row.device), row.encode());
    batch.push(put.expecting(Expected::Absent));
    feed::tell(batch, row.about.account, &FeedFact::from((row.device, Operation::Insert, row.about.clone())));
    if row.about.kind == DeviceKind::Node {
        crate::link::never_came(batch, row, row.about.created_at_ms);
    }
    Ok(())
}

impl Hub {
    pub(crate) async fn account_row(&self, account: AccountId) -> Result<Stored<AccountRow>, Problem> {
        let missing = || Problem::new(ErrorCode::Internal).detail("the account has no row");
        self.load(&keys::account(account)).await?.ok_or_else(missing)
    }

    /// Makes a device with a credential at once, without an enrolment: for programs on this machine.
    ///
    /// # Errors
    /// `bad_request`, `queue_full` at [`MAX_DEVICES`]; failures of the store.
    pub async fn enrol(&self, new: NewDevice) -> Result<(DeviceId, String), Problem> {
        check_name("name", &new.name)?;
        let mut row = new.row(self);
        let credential = self.mint();
        for _ in 0..TRIES {
            let account = self.account_row(row.about.account).await?;
            let mut batch = Batch::new();
            row.credentials = vec![crate::credentials::hash(&credential)];
            admit(&mut batch, &account, &row)?;
            crate::link::tell_device(self, &mut batch, row.about.account, row.device, &row.about).await?;
            let found = crate::rows::CredentialRow { account: row.about.account, device: row.device };
            batch.push(Put::set(keys::credential(&row.credentials[0]), found.encode()).expecting(Expected::Absent));
            let entry = self.entry_for(row.about.account, "device.enrol").about(row.device);
            audit::push(&mut batch, row.about.account, &entry);
            match self.commit(batch).await {
                Ok(_) => {
                    self.rouse_hosts(row.about.account).await;
                    return Ok((row.device, credential));
                }
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Failure::Contended { tries: TRIES }.into())
    }

    pub(crate) async fn device_rows(&self, account: AccountId) -> Result<Vec<DeviceRow>, Failure> {
        // Revoked devices stay, so that what they wrote keeps its author; several pages of them at most.
        let mut rows = Vec::new();
        let mut after = None;
        loop {
            let page = self.scan(keys::devices(account), after.take(), MAX_DEVICES).await?;
            for entry in &page {
                rows.push(decode::<DeviceRow>(entry)?.value);
            }
            match page.last() {
                Some(last) if page.len() == MAX_DEVICES => after = Some(last.key.clone()),
                _ => return Ok(rows),
            }
        }
    }

    /// The account's devices that are not revoked, oldest first.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn device_list(&self, account: AccountId) -> Result<DeviceList, Problem> {
        let rows = self.device_rows(account).await?.into_iter();
        let devices = rows
            .filter(|row| row.about.revoked_at_ms.is_none())
            .map(|row| Listed { device: row.device, about: row.about, connected: self.inner.sockets.has(row.device) })
            .collect();
        Ok(DeviceList { devices })
    }

    /// Revokes a device: its credentials end, what it has open is cut at once, and it cannot come back. Revoking it again is a
    /// success without effect.
    ///
    /// # Errors
    /// `forbidden` for another device without the right to manage, and for the node itself; `not_found`; failures of the store.
    pub async fn revoke(&self, who: &Identity, device: DeviceId) -> Result<(), Problem> {
        self.take_back(who, device, "device.revoke").await
    }

    /// Revokes the caller's own device.
    ///
    /// # Errors
    /// As [`Hub::revoke`].
    pub async fn logout(&self, who: &Identity) -> Result<(), Problem> {
        self.take_back(who, who.device, "device.logout").await
    }

    async fn take_back(&self, who: &Identity, device: DeviceId, action: &'static str) -> Result<(), Problem> {
        let refused = match device {
            _ if device != who.device && !who.may(Right::Manage) => {
                Some("only a device that manages may revoke another")
            }
            _ if device == self.node() && who.account == self.account() => {
                Some("the node cannot be revoked from itself")
            }
            _ => None,
        };
        if let Some(detail) = refused {
            self.record(self.entry(Some(who), action).about(device).failed(ErrorCode::Forbidden)).await;
            return Err(Problem::new(ErrorCode::Forbidden).detail(detail));
        }
        let (hub, who) = (self.clone(), who.clone());
        self.whole(async move {
            let entry = hub.entry(Some(&who), action).about(device);
            hub.withdraw(who.account, device, entry).await
        })
        .await
    }

    pub(crate) async fn withdraw(
        &self,
        account: AccountId,
        device: DeviceId,
        entry: protocol::api::AuditEntry,
    ) -> Result<(), Problem> {
        let key = keys::device(account, device);
        for _ in 0..TRIES {
            let counted = self.account_row(account).await?;
            let Some(stored) = self.load::<DeviceRow>(&key).await? else {
                return Err(Problem::new(ErrorCode::NotFound));
            };
            if stored.value.about.revoked_at_ms.is_some() {
                self.cut(device);
                return Ok(());
            }
            let mut row = stored.value;
            let mut batch = Batch::new();
            for hash in row.credentials.drain(..) {
                batch.push(Put::remove(keys::credential(&hash)));
            }
            row.about.revoked_at_ms = Some(self.now());
            batch.push(Put::set(key.clone(), row.encode()).expecting(Expected::Version(stored.version)));
            let fewer = AccountRow { devices: counted.value.devices.saturating_sub(1), ..counted.value };
            let put = Put::set(keys::account(account), fewer.encode());
            batch.push(put.expecting(Expected::Version(counted.version)));
            crate::link::tell_device(self, &mut batch, account, device, &row.about).await?;
            crate::link::revoked(self, &mut batch, device).await?;
            feed::tell(&mut batch, account, &FeedFact::from((device, Operation::Update, row.about)));
            audit::push(&mut batch, account, &entry);
            match self.commit(batch).await {
                Ok(_) => {
                    self.cut(device);
                    self.inner.due.ring();
                    self.rouse_hosts(account).await;
                    return Ok(());
                }
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Failure::Contended { tries: TRIES }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

    #[test]
    fn a_name_does_not_steer_the_text_around_it() {
        for good in ["Anna's phone", "电话", "هاتف", "a"] {
            assert!(check_name("name", good).is_ok(), "{good}");
        }
        for bad in ["", "  ", "a\u{202e}b", "\u{2067}x", "two\nlines", "\u{200f}"] {
            assert!(check_name("name", bad).is_err(), "{bad:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_has_so_many_devices_and_no_more() {
        let world = World::new().await;
        let account = world.hub.account();
        let new = || NewDevice {
            account,
            kind: DeviceKind::Program,
            rights: vec![Right::Read],
            name: "a device".to_owned(),
            platform: "test".to_owned(),
            public_key: None,
        };
        // The node is one of them.
        let mut last = None;
        for _ in 1..MAX_DEVICES {
            last = Some(world.hub.enrol(new()).await.unwrap().0);
        }
        let refused = world.hub.enrol(new()).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::QueueFull);
        assert_eq!(world.hub.device_list(account).await.unwrap().devices.len(), MAX_DEVICES);
        world.hub.revoke(&world.owner, last.unwrap()).await.unwrap();
        world.hub.enrol(new()).await.unwrap();
    }
}
