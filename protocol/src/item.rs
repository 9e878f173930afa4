//! Items: the smallest units of a transcript.

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, DeviceId, ItemId, SessionId, TurnId};
use crate::time::UnixMs;

/// Who authored a message or command; stamped by the hub from the connection, never taken from a body (W-056).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct Sender {
    /// The account.
    pub account: AccountId,
    /// The device.
    pub device: DeviceId,
}

/// The value of an `item` fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// The version of this shape.
    pub v: u32,
    /// The session.
    pub session: SessionId,
    /// The turn.
    pub turn: TurnId,
    /// The item's place in the transcript: transcripts are ordered by it.
    pub ord: u64,
    /// The tool call of the sub-agent that this item belongs to.
    pub parent: Option<ItemId>,
    /// Who says it.
    pub role: Role,
    /// The device on which it was typed, for what a person said.
    pub sender: Option<Sender>,
    /// Where it stands.
    pub status: ItemStatus,
    /// The number of this message among those that the turn stream carries for the item, snapshots and deltas together, gap-free
    /// from 0. A settled item: how many there were.
    pub index: u64,
    /// When it began.
    pub created_at_ms: UnixMs,
    /// When it settled; null in a turn stream.
    pub settled_at_ms: Option<UnixMs>,
    /// Bytes of its content that were left out because they are beyond the limits of [`crate::limits`], those of a tool's output apart,
    /// which stand with it; they are named, never cut silently.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[ts(optional, as = "Option<u64>")]
    pub left_out_bytes: u64,
    /// What it says.
    pub content: ItemContent,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
pub(crate) const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Who says an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A person.
    User,
    /// The agent.
    Agent,
    /// Towline itself.
    System,
}

/// Where an item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum ItemStatus {
    /// Not settled: more may come.
    Running,
    /// Settled as it should be.
    Done,
    /// Settled with a failure.
    Failed,
    /// Settled because a person refused it.
    Denied,
    /// Settled because the turn was interrupted.
    Interrupted,
    /// A status that this program does not know.
    #[serde(other)]
    Unknown,
}

/// What an item says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum ItemContent {
    /// What a person or the agent says, as Markdown.
    Text {
        /// The text.
        text: String,
    },
    /// What the agent thinks.
    Reasoning {
        /// The text; empty when the vendor keeps it to itself.
        text: String,
    },
    /// A tool that the agent uses.
    ToolCall(ToolCall),
    /// The agent's plan, whole each time.
    Plan {
        /// Its steps, in order.
        entries: Vec<PlanEntry>,
    },
    /// Something worth knowing that is none of the above.
    Notice {
        /// How much it matters.
        level: NoticeLevel,
        /// A stable word for what it is (`unknown_message`, `retrying`, `compacted`, …).
        code: String,
        /// What to show.
        text: String,
    },
    /// Content of a kind that this program does not know.
    #[serde(other)]
    Unknown,
}

/// A tool that the agent uses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct ToolCall {
    /// What sort of tool it is, for the card.
    pub tool: ToolKind,
    /// The agent's own name of it.
    pub name: String,
    /// One line that says what is being done.
    pub title: String,
    /// The input, as JSON text exactly as it runs; a prefix of it while it streams.
    pub input: String,
    /// Files that it is about.
    pub locations: Vec<Location>,
    /// Edits that it makes.
    pub diffs: Vec<Diff>,
    /// What it printed or answered.
    pub output: String,
    /// Bytes of output that were left out of `output` because of the limit; they are named, never cut silently.
    pub output_omitted_bytes: u64,
    /// The exit code, of a command that ended.
    pub exit_code: Option<i32>,
    /// What its sub-agent has used, once the agent says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<TaskUsage>,
}

/// What a sub-agent has used; the turn's own usage holds it too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct TaskUsage {
    /// Tokens read and written.
    pub tokens: u64,
    /// Tools that it used.
    pub tool_calls: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

/// What sort of tool a call uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum ToolKind {
    /// Reads files.
    Read,
    /// Writes or changes files.
    Edit,
    /// Removes files.
    Delete,
    /// Moves files.
    Move,
    /// Searches files.
    Search,
    /// Runs a command.
    Execute,
    /// Reaches out to the web.
    Fetch,
    /// Thinks.
    Think,
    /// Runs a sub-agent.
    Task,
    /// Asks a person.
    Ask,
    /// Anything else.
    #[default]
    #[serde(other)]
    Other,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct Location {
    /// The path as the agent names it.
    pub path: String,
    /// The line, from 1.
    pub line: Option<u32>,
}

/// An edit of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct Diff {
    /// The path as the agent names it.
    pub path: String,
    /// What stood there; null for a new file.
    pub old_text: Option<String>,
    /// What stands there now.
    pub new_text: String,
}

/// A step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct PlanEntry {
    /// What is to be done.
    pub text: String,
    /// Where it stands.
    pub status: PlanStatus,
}

/// Where a step of a plan stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum PlanStatus {
    /// Not begun.
    Pending,
    /// Under way.
    InProgress,
    /// Done.
    Completed,
}

/// How much a notice matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum NoticeLevel {
    /// Good to know.
    Info,
    /// Something may be wrong.
    Warning,
    /// Something is wrong.
    Error,
}

/// The value of a `delta` fact: what an unsettled item grows by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct Delta {
    /// The version of this shape.
    pub v: u32,
    /// The number of this message among those that the turn stream carries for the item, snapshots and deltas together, gap-free
    /// from 0; the first one is always a snapshot.
    pub index: u64,
    /// Which part of the item grows.
    pub part: DeltaPart,
    /// The words.
    pub content: DeltaContent,
}

/// Which part of an item a delta extends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum DeltaPart {
    /// `text` of a text or reasoning item.
    Text,
    /// `input` of a tool call.
    Input,
    /// `output` of a tool call.
    Output,
}

/// The words of a delta.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
pub struct DeltaContent {
    /// What is added at the end.
    pub text: String,
}

/// The order of an item and its id: what a page of settled items is cut by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The item's place.
    pub ord: u64,
    /// The item, for what shares a place.
    pub item: ItemId,
}
