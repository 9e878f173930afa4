//! Which devices have a live socket, and how many one address holds open (W-072).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use protocol::error::{ErrorCode, Problem};
use protocol::id::{AccountId, DeviceId};
use protocol::limits::MAX_SOCKETS_PER_SOURCE;

use crate::hub::{Hub, lock};
use crate::identity::Identity;

/// The live sockets; clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sockets(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    devices: HashMap<DeviceId, usize>,
    /// Those of them that are beyond this machine.
    far: HashMap<(AccountId, DeviceId), usize>,
    sources: HashMap<String, usize>,
}

impl Sockets {
    pub(crate) fn has(&self, device: DeviceId) -> bool {
        lock(&self.0).devices.contains_key(&device)
    }

    /// How many devices of an account beyond this machine have one.
    pub(crate) fn far(&self, account: AccountId) -> usize {
        lock(&self.0).far.keys().filter(|(of, _)| *of == account).count()
    }
}

/// Counts a socket for as long as it lives.
#[derive(Debug)]
pub struct SocketPass {
    sockets: Sockets,
    account: AccountId,
    device: DeviceId,
    far: bool,
    source: String,
}

impl Drop for SocketPass {
    fn drop(&mut self) {
        let mut counts = lock(&self.sockets.0);
        less(&mut counts.devices, &self.device);
        if self.far {
            less(&mut counts.far, &(self.account, self.device));
        }
        less(&mut counts.sources, &self.source);
    }
}

fn less<K: Eq + std::hash::Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

impl Hub {
    /// Lets a device open one more socket; the pass is to be kept for as long as the socket lives.
    ///
    /// # Errors
    /// `rate_limited` when its address holds [`MAX_SOCKETS_PER_SOURCE`] open.
    pub fn admit_socket(&self, who: &Identity) -> Result<SocketPass, Problem> {
        let sockets = self.inner.sockets.clone();
        let mut counts = lock(&sockets.0);
        let here = counts.sources.entry(who.source.clone()).or_default();
        if *here >= MAX_SOCKETS_PER_SOURCE {
            let hint = "Close some of the pages that are open.";
            return Err(Problem::new(ErrorCode::RateLimited).detail("too many sockets from this address").hint(hint));
        }
        *here += 1;
        *counts.devices.entry(who.device).or_default() += 1;
        if who.far {
            *counts.far.entry((who.account, who.device)).or_default() += 1;
        }
        drop(counts);
        let (account, device, source) = (who.account, who.device, who.source.clone());
        Ok(SocketPass { sockets, account, device, far: who.far, source })
    }
}
