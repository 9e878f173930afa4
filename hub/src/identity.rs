//! Who asks: stamped from the connection, never taken from a body (W-056, W-080).

use protocol::device::{DeviceKind, Right};
use protocol::error::{ErrorCode, Problem};
use protocol::id::{AccountId, DeviceId};
use protocol::item::Sender;
use tokio_util::sync::CancellationToken;

/// An authenticated device.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Whose it is.
    pub account: AccountId,
    /// Which.
    pub device: DeviceId,
    /// What it is.
    pub kind: DeviceKind,
    /// What it may do.
    pub rights: Vec<Right>,
    /// How it proved itself.
    pub via: Via,
    /// The address that it comes from, for the audit trail.
    pub source: String,
    /// Whether it is beyond this machine.
    pub far: bool,
    /// Cancelled when the device is revoked, or is beyond this machine and remote access is switched off: whatever lives longer than
    /// one answer ends with it.
    pub leash: CancellationToken,
}

/// How a device proved itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// By the cookie of a browser, which other pages can make the browser send.
    Cookie,
    /// By a credential that the program itself put into the request.
    Bearer,
    /// In this process: the terminal that the node runs in.
    Process,
}

impl Identity {
    /// Whether the device may do that.
    pub fn may(&self, right: Right) -> bool {
        self.rights.contains(&right)
    }

    /// Refuses a device that may not do that.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn need(&self, right: Right) -> Result<(), Problem> {
        if self.may(right) { Ok(()) } else { Err(Problem::new(ErrorCode::Forbidden)) }
    }

    /// The device as the author of what it sends.
    pub const fn sender(&self) -> Sender {
        Sender { account: self.account, device: self.device }
    }
}
