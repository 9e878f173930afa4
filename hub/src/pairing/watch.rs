//! New claims as they come, for the terminal that the node runs in.

use std::collections::BTreeSet;

use protocol::api::PairingClaim;
use protocol::error::Problem;
use protocol::id::PairingId;
use tokio::sync::watch;

use crate::hub::Hub;

/// Tells each claim that waits for a confirmation once.
#[derive(Debug)]
pub struct ClaimWatch {
    hub: Hub,
    bell: watch::Receiver<()>,
    told: BTreeSet<PairingId>,
}

impl Hub {
    /// New claims as they come, beginning with those that wait already.
    pub fn pairing_claims(&self) -> ClaimWatch {
        let mut bell = self.inner.pairings.listen();
        bell.mark_changed();
        ClaimWatch { hub: self.clone(), bell, told: BTreeSet::new() }
    }
}

impl ClaimWatch {
    /// Waits for the next claim; `None` when the hub stops. Cancellation safe.
    ///
    /// # Errors
    /// Failures of the store; the next call tries again.
    pub async fn next(&mut self) -> Result<Option<PairingClaim>, Problem> {
        let stop = self.hub.stopping();
        loop {
            let claims = self.hub.pairing_list(self.hub.account()).await?.claims;
            self.told.retain(|told| claims.iter().any(|claim| claim.pairing == *told));
            if let Some(claim) = claims.into_iter().find(|claim| !self.told.contains(&claim.pairing)) {
                self.told.insert(claim.pairing);
                return Ok(Some(claim));
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(None),
                heard = self.bell.changed() => if heard.is_err() { return Ok(None) },
            }
        }
    }
}
