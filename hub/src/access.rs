//! Remote access: the owner's switch for devices that are not on this machine (W-065). It is durable, it is in the feed with its host, and
//! only who is on the machine turns it.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use protocol::api::{Access, AccessEdit};
use protocol::error::{ErrorCode, Problem};
use protocol::fact::{FeedFact, Operation};
use protocol::host::{Host, RemoteAccess};
use protocol::id::DeviceId;
use store::{Batch, Expected, Put};
use tokio_util::sync::CancellationToken;

use crate::audit::{self, About as _};
use crate::failure::Failure;
use crate::feed;
use crate::hub::{Hub, TRIES, lock};
use crate::identity::Identity;
use crate::keys;
use crate::rows::{HostRow, Row};

/// The switch as it was read from or written to the store, and what hangs on it.
#[derive(Debug, Default)]
pub(crate) struct Gatehouse {
    shut: AtomicBool,
    /// What devices beyond this machine have open; each hangs on its device's own leash, too.
    far: Mutex<HashMap<DeviceId, CancellationToken>>,
}

impl Hub {
    /// Whether devices beyond this machine are refused.
    pub(crate) fn is_shut(&self) -> bool {
        self.inner.access.shut.load(Ordering::SeqCst)
    }

    /// How they are refused.
    #[expect(clippy::unused_self, reason = "only a hub says so")]
    pub(crate) fn shut(&self) -> Problem {
        Problem::new(ErrorCode::RemoteAccessDisabled)
    }

    /// What ends when a device is revoked, and when remote access is switched off.
    pub(crate) fn far_leash(&self, who: &Identity) -> CancellationToken {
        lock(&self.inner.access.far).entry(who.device).or_insert_with(|| who.leash.child_token()).clone()
    }

    /// Reads the switch as the last life of this hub left it.
    pub(crate) async fn remember_access(&self) -> Result<(), Failure> {
        let row = self.load::<HostRow>(&keys::host(self.node())).await?;
        let shut = row.is_some_and(|row| row.value.host.remote_access == RemoteAccess::Disabled);
        self.inner.access.shut.store(shut, Ordering::SeqCst);
        Ok(())
    }

    /// Remote access as it is now.
    pub fn access(&self, who: &Identity) -> Access {
        let state = if self.is_shut() { RemoteAccess::Disabled } else { RemoteAccess::Active };
        let clients = u32::try_from(self.inner.sockets.far(who.account)).unwrap_or(u32::MAX);
        Access { state, clients, here: !who.far }
    }

    /// Turns the switch. Off, whatever devices beyond this machine have open ends at once, and they are refused from then on; what
    /// they have sent stays, and what runs goes on.
    ///
    /// # Errors
    /// `forbidden` for who is not on this machine; `not_found` for a hub without a host, and for whoever's node this is not; failures of the store.
    pub async fn set_access(&self, who: &Identity, edit: AccessEdit) -> Result<Access, Problem> {
        let action = match edit.state {
            RemoteAccess::Active => "access.on",
            RemoteAccess::Disabled => "access.off",
        };
        if who.account != self.account() {
            return Err(Problem::new(ErrorCode::NotFound));
        }
        if who.far {
            self.record(self.entry(Some(who), action).failed(ErrorCode::Forbidden)).await;
            let hint = "Turn it on the machine itself: `towline access on` or `towline access off`.";
            return Err(Problem::new(ErrorCode::Forbidden)
                .detail("remote access is not switched from afar")
                .hint(hint));
        }
        let (hub, who) = (self.clone(), who.clone());
        self.whole(async move {
            hub.turn(&who, edit.state, action).await?;
            Ok(hub.access(&who))
        })
        .await
    }

    async fn turn(&self, who: &Identity, state: RemoteAccess, action: &'static str) -> Result<(), Problem> {
        let key = keys::host(self.node());
        for _ in 0..TRIES {
            let row = self.load::<HostRow>(&key).await?.ok_or_else(|| Problem::new(ErrorCode::NotFound))?;
            if row.value.host.remote_access == state {
                return Ok(());
            }
            let HostRow { account, host } = row.value;
            let host = Host { remote_access: state, ..host };
            let mut batch = Batch::new();
            let stored = HostRow { account, host: host.clone() };
            batch.push(Put::set(key.clone(), stored.encode()).expecting(Expected::Version(row.version)));
            feed::tell(&mut batch, account, &FeedFact::from((self.node(), Operation::Update, host)));
            audit::push(&mut batch, who.account, &self.entry(Some(who), action));
            match self.commit(batch).await {
                Ok(_) => {
                    let shut = state == RemoteAccess::Disabled;
                    self.inner.access.shut.store(shut, Ordering::SeqCst);
                    if shut {
                        lock(&self.inner.access.far).drain().for_each(|(_, leash)| leash.cancel());
                    }
                    return Ok(());
                }
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Failure::Contended { tries: TRIES }.into())
    }
}
