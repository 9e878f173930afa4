//! Saying yes or no to a claim.

use protocol::api::{PairingClaim, PairingList, fingerprint};
use protocol::device::{DeviceKind, Right};
use protocol::error::{ErrorCode, Problem};
use protocol::id::{AccountId, PairingId};
use store::{Batch, Expected, Put};

use crate::audit::{self, About};
use crate::devices::{NewDevice, admit};
use crate::failure::Failure;
use crate::hub::{Hub, TRIES};
use crate::identity::Identity;
use crate::keys;
use crate::rows::{PairingRow, Row, Verdict};

impl Hub {
    /// The claims that wait for a confirmation by an account, oldest first.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn pairing_list(&self, account: AccountId) -> Result<PairingList, Problem> {
        let now = self.now();
        let rows = self.pairing_rows().await?.into_iter().map(|row| row.value);
        let waiting =
            rows.filter(|row| row.account == account && row.verdict == Verdict::Open && now < row.expires_at_ms);
        let claims = waiting.filter_map(|row| {
            let claim = row.claim?;
            Some(PairingClaim {
                pairing: row.pairing,
                name: claim.name,
                platform: claim.platform,
                kind: claim.kind,
                fingerprint: claim.public_key.as_deref().map(fingerprint),
                source: claim.source,
                words: claim.words,
                expires_at_ms: row.expires_at_ms,
            })
        });
        Ok(PairingList { claims: claims.collect() })
    }

    /// Confirms or refuses a claim. The same answer again is a success without effect.
    ///
    /// # Errors
    /// `forbidden` without the right to manage; `not_found` when nothing waits there; `pairing_invalid` when it is over or was
    /// answered otherwise; `queue_full` when the account has too many devices; failures of the store.
    pub async fn answer_pairing(&self, who: &Identity, pairing: PairingId, allow: bool) -> Result<(), Problem> {
        who.need(Right::Manage)?;
        let (hub, who) = (self.clone(), who.clone());
        self.whole(async move { hub.decide(&who, pairing, allow).await }).await
    }

    async fn decide(&self, who: &Identity, pairing: PairingId, allow: bool) -> Result<(), Problem> {
        let key = keys::pairing(pairing);
        for _ in 0..TRIES {
            let stored = self.load::<PairingRow>(&key).await?.filter(|row| row.value.account == who.account);
            let Some(stored) = stored.filter(|row| row.value.claim.is_some()) else {
                return Err(Problem::new(ErrorCode::NotFound));
            };
            let mut row = stored.value;
            match (row.verdict, allow) {
                (Verdict::Open, _) if self.now() < row.expires_at_ms => {}
                (Verdict::Approved { .. } | Verdict::Told { .. }, true) | (Verdict::Rejected, false) => return Ok(()),
                _ => return Err(Problem::new(ErrorCode::PairingInvalid)),
            }
            let mut batch = Batch::new();
            if allow {
                self.approve(&mut batch, &mut row).await?;
            } else {
                row.verdict = Verdict::Rejected;
            }
            let action = if allow { "pairing.approve" } else { "pairing.reject" };
            audit::push(&mut batch, who.account, &self.entry(Some(who), action).about(pairing));
            let put = Put::set(key.clone(), row.encode());
            batch.push(put.expecting(Expected::Version(stored.version)));
            match self.commit(batch).await {
                Ok(_) => {
                    self.inner.pairings.ring();
                    self.rouse_hosts(who.account).await;
                    return Ok(());
                }
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Failure::Contended { tries: TRIES }.into())
    }

    /// Makes the device of a claim. It has no credential until it fetches one.
    async fn approve(&self, batch: &mut Batch, row: &mut PairingRow) -> Result<(), Problem> {
        let Some(claim) = row.claim.clone() else { return Err(Problem::new(ErrorCode::NotFound)) };
        if let Some(device) = claim.device {
            self.approve_node(batch, row.account, device, &claim).await?;
            row.verdict = Verdict::Approved { device };
            return Ok(());
        }
        let account = self.account_row(row.account).await?;
        let device = NewDevice {
            account: row.account,
            kind: claim.kind,
            rights: Right::ALL.to_vec(),
            name: claim.name,
            platform: claim.platform,
            public_key: claim.public_key,
        };
        let device = device.row(self);
        admit(batch, &account, &device)?;
        crate::link::tell_device(self, batch, row.account, device.device, &device.about).await?;
        row.verdict = Verdict::Approved { device: device.device };
        Ok(())
    }

    /// Confirms the claim of a setup link, unless the owner is in meanwhile: then the link is void.
    pub(super) async fn approve_owner(&self, batch: &mut Batch, row: &mut PairingRow) -> Result<bool, Problem> {
        if self.owner_is_in().await? {
            return Ok(false);
        }
        self.approve(batch, row).await?;
        audit::push(batch, row.account, &self.entry_for(row.account, "setup.accept").about(row.pairing));
        Ok(true)
    }

    /// Confirms a claim by itself when the account has no browser or program yet; the account's row, which every new device
    /// writes, makes sure that this happens once.
    pub(super) async fn approve_alone(&self, batch: &mut Batch, row: &mut PairingRow) -> Result<bool, Problem> {
        let account = self.account_row(row.account).await?;
        let devices = self.device_rows(row.account).await?;
        let alone = |kind: DeviceKind, revoked: bool| kind == DeviceKind::Node || revoked;
        if account.value.devices > 1 || !devices.iter().all(|d| alone(d.about.kind, d.about.revoked_at_ms.is_some())) {
            return Ok(false);
        }
        self.approve(batch, row).await?;
        audit::push(batch, row.account, &self.entry_for(row.account, "pairing.approve").about(row.pairing));
        Ok(true)
    }
}
