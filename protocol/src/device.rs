//! Enrolled devices.

use serde::{Deserialize, Serialize};

use crate::id::AccountId;
use crate::time::UnixMs;

/// The value of a `device` fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// The version of this shape.
    pub v: u32,
    /// Whose it is.
    pub account: AccountId,
    /// What it is.
    pub kind: DeviceKind,
    /// What it may do.
    pub rights: Vec<Right>,
    /// The Ed25519 public key, base64url without padding; null where the platform has none, which marks it as unable to seal.
    pub public_key: Option<String>,
    /// When it was enrolled.
    pub created_at_ms: UnixMs,
    /// When its credential was taken back.
    pub revoked_at_ms: Option<UnixMs>,
    /// What it is called.
    pub content: DeviceContent,
}

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// Towline itself, as a host, and its command line on the same machine.
    Node,
    /// A browser.
    Browser,
    /// A program with a bearer credential.
    Program,
}

/// What a device may do. Whatever is not listed is denied (W-073).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// Read the account's lists and sessions.
    Read,
    /// Start sessions, send prompts, stop turns.
    Prompt,
    /// Answer approvals.
    Approve,
    /// Enrol and revoke devices, read the audit trail.
    Manage,
}

impl Right {
    /// Every right: what the owner's devices have.
    pub const ALL: [Self; 4] = [Self::Read, Self::Prompt, Self::Approve, Self::Manage];
}

/// What a device is called.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct DeviceContent {
    /// Its name, which its person may change.
    pub name: String,
    /// Its system and program, such as `iPhone · Safari`.
    pub platform: String,
}
