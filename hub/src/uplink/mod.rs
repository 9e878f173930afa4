//! What a link to another hub asks of the node's own: what its host says goes up, what is meant for its host comes down.
//!
//! One host, the node's own device. Nothing of other hosts or accounts that this hub may also serve goes up.

mod feed;
mod files;
mod hand;
mod incoming;
mod memory;
mod news;
mod own;
#[cfg(test)]
mod tests;

use protocol::device::{DeviceKind, Right};
use protocol::error::{ErrorCode, Problem};
use protocol::host::Host;
use protocol::id::{AccountId, DeviceId};
use streams::Watch;
use tokio_util::sync::CancellationToken;

use crate::hub::Hub;
use crate::identity::{Identity, Via};
use crate::keys;
use crate::rows::HostRow;

pub use feed::{FeedPage, Resume, RowPage};
pub(crate) use incoming::Incoming;
pub use own::{OwnPage, OwnStream, Unread};

/// The node's side of the link to one other hub; cheap to clone.
#[derive(Debug, Clone)]
pub struct Uplink {
    hub: Hub,
    /// The account there: no two hubs have the same, so it says which hub it is.
    there: AccountId,
    /// What the audit trail names as the source.
    source: String,
}

impl Hub {
    /// The node's side of the link to a hub, which is known by the account that the node belongs to there; `source` is what the audit
    /// trail says of where things come from.
    pub fn uplink(&self, there: AccountId, source: impl Into<String>) -> Uplink {
        Uplink { hub: self.clone(), there, source: source.into() }
    }

    /// What is known of the host in this node; `None` for a hub without one.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn own_host(&self) -> Result<Option<Host>, Problem> {
        Ok(self.load::<HostRow>(&keys::host(self.node())).await?.map(|row| row.value.host))
    }
}

impl Uplink {
    /// The node's hub.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Notes from now on which streams grow.
    pub fn watch(&self) -> Watch {
        self.hub.streams().watch()
    }

    /// What is known of the host in this node.
    ///
    /// # Errors
    /// `not_found` for a hub without one; failures of the store.
    pub async fn host(&self) -> Result<Host, Problem> {
        self.hub.own_host().await?.ok_or_else(|| Problem::new(ErrorCode::NotFound).detail("this node runs no agents"))
    }

    /// Whether the owner lets nobody beyond the machine in, which whoever is at the other hub is.
    pub fn is_shut(&self) -> bool {
        self.hub.is_shut()
    }

    /// Somebody at the other hub: of this account, since the node is theirs, and known here by nothing but the id.
    fn somebody(&self, device: DeviceId) -> Identity {
        Identity {
            account: self.hub.account(),
            device,
            kind: DeviceKind::Program,
            rights: vec![Right::Read, Right::Prompt, Right::Approve],
            via: Via::Process,
            source: self.source.clone(),
            far: true,
            leash: CancellationToken::new(),
        }
    }
}
