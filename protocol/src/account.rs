//! Accounts of a hub that several people share: how they begin, who there is, how they end.

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, InvitationId};
use crate::time::UnixMs;

/// A link whose secret is told once: it belongs behind the `#` of `/pair`, or of `/join` for an invitation, never into a query.
#[derive(Debug, Clone, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct SecretLink {
    /// The secret.
    pub secret: String,
    /// Until when it can be used, once.
    pub expires_at_ms: UnixMs,
}

/// Invites somebody to have an account of their own.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewInvitation {
    /// What the account will be called; null for the name of its first device. At most 120 characters.
    pub name: Option<String>,
}

/// An invitation, told once.
#[derive(Debug, Clone, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct InvitationOffer {
    /// Which.
    pub invitation: InvitationId,
    /// The way in, which makes the account and its first device.
    pub link: SecretLink,
}

/// Invitations that nobody has used yet, oldest first.
#[derive(Debug, Clone, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct InvitationList {
    /// The invitations.
    pub invitations: Vec<Invitation>,
}

/// An invitation that waits.
#[derive(Debug, Clone, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct Invitation {
    /// Which.
    pub invitation: InvitationId,
    /// What the account will be called, if that was said.
    pub name: Option<String>,
    /// When it was made.
    pub created_at_ms: UnixMs,
    /// Until when it can be used.
    pub expires_at_ms: UnixMs,
}

/// The accounts of a hub, oldest first.
#[derive(Debug, Clone, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct AccountList {
    /// The accounts.
    pub accounts: Vec<Account>,
}

/// An account as the owner of its hub sees it: what it takes, never what is in it.
#[derive(Debug, Clone, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Which.
    pub account: AccountId,
    /// What it is called; empty where nobody said.
    pub name: String,
    /// Whether it is the owner's own.
    pub owner: bool,
    /// When it was made.
    pub created_at_ms: UnixMs,
    /// Devices that are not revoked.
    pub devices: u32,
    /// When it was last there: now while one of its devices has a live socket, else its newest entry in the audit trail; null
    /// for never.
    pub seen_at_ms: Option<UnixMs>,
    /// Bytes that the hub keeps of it: its feed, its journals and its files.
    pub bytes: u64,
}
