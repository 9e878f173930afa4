//! The link that lets the first owner of a hub in.

use protocol::account::SecretLink;
use protocol::device::{DeviceKind, Right};
use protocol::error::{ErrorCode, Problem};
use protocol::id::PairingId;
use protocol::limits::SETUP_LINK_TTL_MS;
use store::{Batch, Expected, Put};

use crate::audit::{self, About};
use crate::credentials::hash;
use crate::failure::Failure;
use crate::hub::{Hub, TRIES, decode};
use crate::identity::Identity;
use crate::keys::{self, Due};
use crate::pairing::KNOWN_AFTER_MS;
use crate::random;
use crate::rows::{PairingRow, Row, Verdict};

impl Hub {
    /// Whether the owner has a browser or a program here. Until then, whoever has the setup link becomes the owner.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn has_owner_device(&self) -> Result<bool, Problem> {
        Ok(self.owner_is_in().await?)
    }

    pub(crate) async fn owner_is_in(&self) -> Result<bool, Failure> {
        let devices = self.device_rows(self.account()).await?;
        let counts = |kind: DeviceKind| kind != DeviceKind::Node;
        Ok(devices.iter().any(|row| row.about.revoked_at_ms.is_none() && counts(row.about.kind)))
    }

    /// Makes a setup link when there is none that can be used and nobody owns the hub; `None` when there is nothing to be done.
    ///
    /// # Errors
    /// As [`Hub::setup_link`].
    pub async fn renew_setup_link(&self, who: &Identity) -> Result<Option<SecretLink>, Problem> {
        if self.owner_is_in().await? {
            return Ok(None);
        }
        let now = self.now();
        for entry in self.every(keys::PAIRINGS.to_owned(), |_| Ok(true)).await.map_err(Problem::from)? {
            let row = decode::<PairingRow>(&entry).map_err(Problem::from)?.value;
            // One that is being used is as good as it was, until its device has not come for its credential.
            if row.setup && now < row.expires_at_ms {
                return Ok(None);
            }
        }
        self.setup_link(who).await.map(Some)
    }

    /// Makes a setup link; the ones before it are void. Its secret is told here and nowhere else.
    ///
    /// # Errors
    /// `not_found` for everybody but the machine of a shared hub itself; `forbidden` once the owner is in; failures of the store.
    pub async fn setup_link(&self, who: &Identity) -> Result<SecretLink, Problem> {
        who.need(Right::Manage)?;
        if !self.is_shared() || who.account != self.account() || who.device != self.node() {
            return Err(Problem::new(ErrorCode::NotFound));
        }
        for _ in 0..TRIES {
            // Read before: an enrolment writes the account's row, so one in between is noticed.
            let account = self.account_row(self.account()).await?;
            if self.owner_is_in().await? {
                let hint = "Let one more device in from a device that is in: under Devices, or with `towline pair`.";
                return Err(Problem::new(ErrorCode::Forbidden).detail("the owner is in already").hint(hint));
            }
            let now = self.now();
            let secret = random::secret(&*self.inner.random);
            let row = PairingRow {
                pairing: PairingId::from_uuid(self.inner.clock.fresh()),
                account: self.account(),
                code: None,
                half: None,
                terminal: false,
                secret: hash(&secret),
                once: false,
                setup: true,
                created_at_ms: now,
                expires_at_ms: now.plus_ms(SETUP_LINK_TTL_MS),
                tries: 0,
                claim: None,
                verdict: Verdict::Open,
            };
            let mut batch = Batch::new();
            for entry in self.every(keys::PAIRINGS.to_owned(), |_| Ok(true)).await? {
                let old = decode::<PairingRow>(&entry)?;
                if old.value.setup && old.value.claim.is_none() {
                    batch.push(Put::remove(entry.key).expecting(Expected::Version(old.version)));
                }
            }
            let same = Put::set(keys::account(self.account()), account.value.encode());
            batch.push(same.expecting(Expected::Version(account.version)));
            batch.push(Put::set(keys::pairing(row.pairing), row.encode()).expecting(Expected::Absent));
            batch.push(Put::set(Due::Pairing(row.pairing).key(row.expires_at_ms.plus_ms(KNOWN_AFTER_MS)), ""));
            audit::push(&mut batch, self.account(), &self.entry(Some(who), "setup.link").about(row.pairing));
            match self.commit(batch).await {
                Ok(_) => {
                    self.inner.due.ring();
                    return Ok(SecretLink { secret, expires_at_ms: row.expires_at_ms });
                }
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Failure::Contended { tries: TRIES }.into())
    }
}
