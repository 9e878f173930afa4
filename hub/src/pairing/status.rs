//! Telling a device what became of its claim.

use std::time::Duration;

use protocol::api::{ClaimStatus, ClaimStatusRequest};
use protocol::device::DeviceKind;
use protocol::error::{ErrorCode, Problem};
use protocol::id::{DeviceId, PairingId};
use store::{Batch, Expected, Put};

use super::claim::ClaimError;
use crate::audit::About;
use crate::credentials::{give, matches};
use crate::failure::Failure;
use crate::hub::{Hub, TRIES, lock};
use crate::keys;
use crate::rows::{DeviceRow, PairingRow, Row, Stored, Verdict};

/// Longest wait of one request, in milliseconds.
const MAX_WAIT_MS: u64 = 20_000;

/// What a claim's device is told.
#[derive(Debug)]
pub struct ClaimAnswer {
    /// What became of the claim; a browser's credential is not in it.
    pub status: ClaimStatus,
    /// The credential for the cookie, the one time that a browser is told.
    pub cookie: Option<String>,
}

impl From<ClaimStatus> for ClaimAnswer {
    fn from(status: ClaimStatus) -> Self {
        Self { status, cookie: None }
    }
}

impl Hub {
    /// Tells what became of a claim, and waits for a change for up to 20 s. The credential is told once: whoever loses that answer
    /// pairs again. Cancellation safe, except that the credential is lost with the answer that carried it.
    ///
    /// # Errors
    /// [`ClaimError`]; `pairing_invalid` for a wrong token, which counts as a wrong try of its source.
    pub async fn claim_status(&self, source: &str, request: &ClaimStatusRequest) -> Result<ClaimAnswer, ClaimError> {
        let wait = lock(&self.inner.tries).wait(source, self.now());
        if let Some(retry_after_ms) = wait {
            return Err(ClaimError::Limited { retry_after_ms });
        }
        let wait = Duration::from_millis(request.wait_ms.min(MAX_WAIT_MS));
        let until = tokio::time::Instant::now() + wait;
        let stop = self.stopping();
        loop {
            // Before looking, so that a change in between is heard.
            let mut bell = self.inner.pairings.listen();
            let row = self.load::<PairingRow>(&keys::pairing(request.pairing)).await?;
            if row.is_none() && self.is_asking(request).await? {
                // Nobody has typed its code yet.
                if tokio::time::Instant::now() >= until || stop.is_cancelled() {
                    return Ok(ClaimStatus::Pending.into());
                }
                tokio::select! {
                    _ = bell.changed() => {}
                    () = tokio::time::sleep_until(until) => {}
                    () = stop.cancelled() => {}
                }
                continue;
            }
            // Not counted as a try: an old page that still asks must not use up somebody's tries.
            let Some(row) = row else { return Err(Problem::new(ErrorCode::PairingInvalid).into()) };
            if !row.value.claim.as_ref().is_some_and(|claim| matches(&request.claim_token, &claim.token)) {
                lock(&self.inner.tries).note(source, self.now());
                return Err(Problem::new(ErrorCode::PairingInvalid).into());
            }
            let now = self.now();
            let expired = now >= row.value.expires_at_ms;
            match row.value.verdict {
                Verdict::Rejected => return Ok(ClaimStatus::Rejected.into()),
                Verdict::Told { device } => return Ok(ClaimStatus::Approved { device, credential: None }.into()),
                Verdict::Open | Verdict::Approved { .. } if expired => return Ok(ClaimStatus::Expired.into()),
                Verdict::Approved { device } => {
                    let (hub, row) = (self.clone(), row.clone());
                    return Ok(self.whole(async move { hub.hand_over(&row, device).await }).await?);
                }
                Verdict::Open if tokio::time::Instant::now() >= until => return Ok(ClaimStatus::Pending.into()),
                Verdict::Open => {}
            }
            let left = Duration::from_millis(row.value.expires_at_ms.since(now));
            tokio::select! {
                _ = bell.changed() => {}
                () = tokio::time::sleep_until(until) => {}
                () = tokio::time::sleep(left) => {}
                () = stop.cancelled() => return Ok(ClaimStatus::Pending.into()),
            }
        }
    }

    async fn hand_over(&self, stored: &Stored<PairingRow>, device: DeviceId) -> Result<ClaimAnswer, Problem> {
        let account = stored.value.account;
        let again = ClaimStatus::Approved { device, credential: None };
        for _ in 0..TRIES {
            let gone = || Problem::new(ErrorCode::PairingRejected);
            let row = self.load::<DeviceRow>(&keys::device(account, device)).await?.ok_or_else(gone)?;
            if row.value.about.revoked_at_ms.is_some() {
                return Err(gone());
            }
            let credential = self.mint();
            let mut batch = Batch::new();
            give(&mut batch, &row, account, &credential);
            let told = PairingRow { verdict: Verdict::Told { device }, ..stored.value.clone() };
            let key = keys::pairing(told.pairing);
            batch.push(Put::set(key.clone(), told.encode()).expecting(Expected::Version(stored.version)));
            match self.commit(batch).await {
                Ok(_) if row.value.about.kind == DeviceKind::Browser => {
                    return Ok(ClaimAnswer { status: again, cookie: Some(credential) });
                }
                Ok(_) => return Ok(ClaimStatus::Approved { device, credential: Some(credential) }.into()),
                // Another request of the same device was faster, and has it.
                Err(failure) if failure.lost() == Some(key.as_str()) => return Ok(again.into()),
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Failure::Contended { tries: TRIES }.into())
    }
}

/// Ends an enrolment for good; a device that never fetched its credential goes.
pub(crate) async fn finish(hub: &Hub, pairing: PairingId) -> Result<(), Failure> {
    let key = keys::pairing(pairing);
    for _ in 0..TRIES {
        let Some(stored) = hub.load::<PairingRow>(&key).await? else {
            hub.commit(Batch::of(Put::remove(keys::asked(pairing)))).await?;
            return Ok(());
        };
        if let Verdict::Approved { device } = stored.value.verdict {
            let account = stored.value.account;
            let entry = hub.entry_for(account, "device.revoke").about(device);
            if let Err(problem) = hub.withdraw(account, device, entry).await {
                tracing::warn!(%problem, %device, "a device that never came cannot be revoked");
            } else if hub.is_deserted(account).await.unwrap_or(false) {
                let entry = hub.entry_for(hub.account(), "account.close").about(account);
                if let Err(problem) = hub.shut_down(account, &entry).await {
                    tracing::warn!(%problem, %account, "an account that nobody can enter cannot be closed");
                }
            }
        }
        match hub.commit(Batch::of(Put::remove(key.clone()).expecting(Expected::Version(stored.version)))).await {
            Ok(_) => {
                hub.inner.pairings.ring();
                return Ok(());
            }
            Err(failure) if failure.lost().is_some() => {}
            Err(failure) => return Err(failure),
        }
    }
    Err(Failure::Contended { tries: TRIES })
}
