//! Which devices have a live socket, and how many one address holds open (W-072).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use protocol::error::{ErrorCode, Problem};
use protocol::id::{AccountId, DeviceId};
use protocol::limits::{MAX_LINKS_PER_ACCOUNT, MAX_SOCKETS_PER_SOURCE};

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
    /// Links of machines, by account: they have a bound of their own, since those of a household or an office come from one address.
    links: HashMap<AccountId, usize>,
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
    counted: Counted,
}

/// Among what a socket is counted.
#[derive(Debug)]
enum Counted {
    /// Those of its address.
    Source(String),
    /// The links of its account.
    Link,
}

impl Drop for SocketPass {
    fn drop(&mut self) {
        let mut counts = lock(&self.sockets.0);
        less(&mut counts.devices, &self.device);
        if self.far {
            less(&mut counts.far, &(self.account, self.device));
        }
        match &self.counted {
            Counted::Source(source) => less(&mut counts.sources, source),
            Counted::Link => less(&mut counts.links, &self.account),
        }
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
        let sockets = &self.inner.sockets;
        let mut counts = lock(&sockets.0);
        let here = counts.sources.entry(who.source.clone()).or_default();
        if *here >= MAX_SOCKETS_PER_SOURCE {
            let hint = "Close some of the pages that are open.";
            return Err(Problem::new(ErrorCode::RateLimited).detail("too many sockets from this address").hint(hint));
        }
        *here += 1;
        Ok(sockets.admit(&mut counts, who, Counted::Source(who.source.clone())))
    }

    /// Lets a machine open a link; the pass is to be kept for as long as it lives. However many of an account come from one address,
    /// each has been authenticated: before that, the connections of an address are counted.
    ///
    /// # Errors
    /// `rate_limited` when the account's machines hold [`MAX_LINKS_PER_ACCOUNT`] open.
    pub(crate) fn admit_link(&self, who: &Identity) -> Result<SocketPass, Problem> {
        let sockets = &self.inner.sockets;
        let mut counts = lock(&sockets.0);
        let here = counts.links.entry(who.account).or_default();
        if *here >= MAX_LINKS_PER_ACCOUNT {
            let hint = "It dials again by itself; revoke machines that are no longer used.";
            return Err(Problem::new(ErrorCode::RateLimited).detail("too many links of this account").hint(hint));
        }
        *here += 1;
        Ok(sockets.admit(&mut counts, who, Counted::Link))
    }
}

impl Sockets {
    fn admit(&self, counts: &mut Counts, who: &Identity, counted: Counted) -> SocketPass {
        let Identity { account, device, far, .. } = *who;
        *counts.devices.entry(device).or_default() += 1;
        if far {
            *counts.far.entry((account, device)).or_default() += 1;
        }
        SocketPass { sockets: self.clone(), account, device, far, counted }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::device::Right;

    use super::*;
    use crate::testing::World;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// However sockets and links come and go, those are counted that are there (W-066).
        #[test]
        fn who_is_there_is_counted_and_nobody_else(steps in prop::collection::vec((0..4_usize, any::<bool>(), any::<bool>()), 0..60)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let world = World::new().await;
                let mut devices = Vec::new();
                for _ in 0..4 {
                    let (mut device, _) = world.device(&[Right::Read]).await;
                    device.far = true;
                    devices.push(device);
                }
                let mut open: Vec<(usize, SocketPass)> = Vec::new();
                for (at, comes, links) in steps {
                    if comes {
                        let pass = if links { world.hub.admit_link(&devices[at]) } else { world.hub.admit_socket(&devices[at]) };
                        open.push((at, pass.expect("there is room")));
                    } else if let Some(place) = open.iter().position(|(of, _)| *of == at) {
                        open.remove(place);
                    }
                    let there = |device: usize| open.iter().any(|(of, _)| *of == device);
                    for (n, device) in devices.iter().enumerate() {
                        assert_eq!(world.hub.inner.sockets.has(device.device), there(n));
                    }
                    let clients = (0..devices.len()).filter(|n| there(*n)).count();
                    assert_eq!(world.hub.inner.sockets.far(world.hub.account()), clients);
                }
                open.clear();
                let counts = lock(&world.hub.inner.sockets.0);
                let left = (counts.devices.len(), counts.far.len(), counts.sources.len(), counts.links.len());
                assert_eq!(left, (0, 0, 0, 0), "who has left is not remembered");
            });
        }
    }
}
