//! Using an invitation: an account with its feed and its first device, in one commit.

use protocol::device::Right;
use protocol::error::Problem;
use protocol::fact::{FeedFact, Operation};
use protocol::id::{AccountId, PairingId};
use protocol::limits::PAIRING_TTL_MS;
use protocol::path::StreamPath;
use store::{Batch, Expected, Put};

use crate::audit::{self, About};
use crate::devices::NewDevice;
use crate::feed;
use crate::hub::Hub;
use crate::keys::{self, Due};
use crate::open::create_account;
use crate::pairing::KNOWN_AFTER_MS;
use crate::rows::{Claim, InvitationRow, PairingRow, Row, Stored, Verdict};

impl Hub {
    /// Adds to a batch all that an invitation becomes: the account, its feed, its first device, and the enrolment by which that device
    /// fetches its credential. The batch fails when the invitation was used meanwhile.
    pub(crate) fn join(&self, batch: &mut Batch, found: &Stored<InvitationRow>, claim: Claim) -> PairingRow {
        let now = self.now();
        let account = AccountId::from_uuid(self.inner.clock.fresh());
        let invitation = found.value.invitation;
        let device = NewDevice {
            account,
            kind: claim.kind,
            rights: Right::ALL.to_vec(),
            name: claim.name.clone(),
            platform: claim.platform.clone(),
            public_key: claim.public_key.clone(),
        };
        let device = device.row(self);
        let name = found.value.name.clone().unwrap_or_else(|| claim.name.clone());
        batch.push(Put::remove(keys::invitation(invitation)).expecting(Expected::Version(found.version)));
        create_account(batch, account, &name, &*self.inner.clock);
        batch.push(Put::set(keys::device(account, device.device), device.encode()).expecting(Expected::Absent));
        feed::tell(batch, account, &FeedFact::from((device.device, Operation::Insert, device.about.clone())));
        let source = claim.source.clone();
        let row = PairingRow {
            pairing: PairingId::from_uuid(self.inner.clock.fresh()),
            account,
            code: None,
            half: None,
            terminal: false,
            secret: String::new(),
            once: false,
            setup: false,
            created_at_ms: now,
            expires_at_ms: now.plus_ms(PAIRING_TTL_MS),
            tries: 0,
            claim: Some(claim),
            verdict: Verdict::Approved { device: device.device },
        };
        batch.push(Put::set(keys::pairing(row.pairing), row.encode()).expecting(Expected::Absent));
        batch.push(Put::set(Due::Pairing(row.pairing).key(row.expires_at_ms.plus_ms(KNOWN_AFTER_MS)), ""));
        // Each of the two accounts keeps what concerns it.
        let mut used = self.entry(None, "invitation.accept").about(invitation);
        used.source = Some(source.clone());
        audit::push(batch, self.account(), &used);
        let mut made = self.entry(None, "account.create").about(account);
        (made.account, made.device, made.source) = (Some(account), Some(device.device), Some(source));
        audit::push(batch, account, &made);
        row
    }

    /// What follows once an account is durable.
    pub(crate) fn joined(&self, account: AccountId) {
        self.inner.keeper.compact(StreamPath::feed(account));
        self.inner.due.ring();
    }

    /// Whether an account that an invitation made has lost its only device before anybody used it: then nobody can ever come in.
    pub(crate) async fn is_deserted(&self, account: AccountId) -> Result<bool, Problem> {
        if account == self.account() {
            return Ok(false);
        }
        let row = self.account_row(account).await?;
        // A device that was revoked keeps its row: who ever had another one has used the account, and may have something to lose.
        let only_one = self.device_rows(account).await?.len() == 1;
        Ok(only_one && row.value.devices == 0 && row.value.closed_at_ms.is_none())
    }
}
