//! Standing rules: what a person allowed for longer than once. A rule lives on the host that it was made on; every device of the
//! account sees it and can revoke it.

use serde::{Deserialize, Serialize};

use crate::id::{DeviceId, ProjectId, SessionId};
use crate::item::{Sender, ToolKind};
use crate::time::UnixMs;

/// The value of a `rule` fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// The version of this shape.
    pub v: u32,
    /// The host that answers by it.
    pub host: DeviceId,
    /// The project in which it holds.
    pub project: ProjectId,
    /// The session in which alone it holds; null for every session of the project.
    pub session: Option<SessionId>,
    /// Who made it, by an answer.
    pub by: Sender,
    /// When it was made.
    pub created_at_ms: UnixMs,
    /// When it ends by itself; null when it holds until somebody revokes it, or the session goes.
    pub expires_at_ms: Option<UnixMs>,
    /// How often it has answered.
    pub uses: u64,
    /// When it answered last.
    pub used_at_ms: Option<UnixMs>,
    /// What it allows.
    pub content: RuleContent,
}

/// What a rule allows, in words and exactly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct RuleContent {
    /// Its scope, in the words of the answer that made it.
    pub words: String,
    /// What it allows.
    pub scope: RuleScope,
}

/// What a rule allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum RuleScope {
    /// Simple commands by their first words.
    Command {
        /// The words.
        words: Vec<String>,
        /// Whether the command must be these words and no more.
        exact: bool,
    },
    /// One sort of tool, on files below a directory or on one file.
    Path {
        /// Which sort.
        tool: ToolKind,
        /// The file or directory, canonical.
        path: String,
    },
    /// A scope that this program does not know: it allows nothing.
    #[serde(other)]
    Unknown,
}
