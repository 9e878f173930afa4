//! Sessions, as the lists show them.

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, DeviceId, ProjectId, SessionId, TurnId};
use crate::time::UnixMs;
use crate::turn::TurnState;

/// The value of a `session` fact in the feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// The version of this shape.
    pub v: u32,
    /// Who owns it.
    pub account: AccountId,
    /// The host that owns it.
    pub host: DeviceId,
    /// The project in which it runs.
    pub project: ProjectId,
    /// The agent.
    pub agent: String,
    /// The model that the next turn will use, as the agent names it; null for the agent's own default.
    pub model: Option<String>,
    /// The permission mode, as the agent names it; null for the agent's own default.
    pub mode: Option<String>,
    /// The effort that the next turn will use, as the agent names it; null for the agent's own default.
    #[serde(default)]
    pub effort: Option<String>,
    /// What it is doing.
    pub activity: Activity,
    /// Its newest turn.
    pub last_turn: Option<LastTurn>,
    /// Turns that wait behind the running one.
    pub queued_turns: u32,
    /// What its agent goes on with in the background, such as commands and sub-agents; they may outlive the turns that began them.
    #[serde(default)]
    pub background_tasks: u32,
    /// When it was made.
    pub created_at_ms: UnixMs,
    /// When something last happened in it.
    pub updated_at_ms: UnixMs,
    /// When a person put it away; null while it is among the others. A new prompt takes it out again.
    pub archived_at_ms: Option<UnixMs>,
    /// Turns that have ended, however they did: what a person has not read yet is counted from here.
    #[serde(default)]
    pub ended_turns: u64,
    /// What it goes on from, when it was forked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Forked>,
    /// Its words.
    pub content: SessionContent,
}

/// What a forked session goes on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct Forked {
    /// The session; it may have been deleted since.
    pub session: SessionId,
    /// Its turn after which this session goes on; null for all of it.
    pub turn: Option<TurnId>,
}

/// What a session is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// The agent is being started.
    Starting,
    /// Nothing runs; the agent is loaded.
    Idle,
    /// A turn runs.
    Working,
    /// A turn waits for a person.
    NeedsInput,
    /// Nothing runs and no agent is loaded; the next prompt resumes it.
    NotLoaded,
    /// It cannot go on.
    Dead,
    /// Put away.
    Archived,
    /// An activity that this program does not know.
    #[serde(other)]
    Unknown,
}

/// The newest turn of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct LastTurn {
    /// Which.
    pub id: TurnId,
    /// Where it stands.
    pub state: TurnState,
}

/// The words of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct SessionContent {
    /// Its title; made from the first prompt until somebody names it.
    pub title: String,
    /// One line of what is happening now: the last words, the running tool, or what is asked.
    pub doing: Option<String>,
}

/// What a person changes about a session; null leaves a thing as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionEdit {
    /// Its title, from now on: neither the host nor the agent names it again.
    pub title: Option<String>,
    /// Whether it is put away.
    pub archived: Option<bool>,
}

/// The value of a `read_mark` fact: how far an account has read a session. The key is the session's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct ReadMark {
    /// The version of this shape.
    pub v: u32,
    /// Who has read.
    pub account: AccountId,
    /// Which session.
    pub session: SessionId,
    /// Ended turns that were read. What is unread: `max(0, endedTurns - readTurns)`.
    pub read_turns: u64,
}

/// Says how far a person has read a session; a smaller number than before changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReadTo {
    /// Ended turns that were read.
    pub read_turns: u64,
}

impl Session {
    /// Turns that ended after what was read.
    pub fn unread(&self, mark: Option<&ReadMark>) -> u64 {
        self.ended_turns.saturating_sub(mark.map_or(0, |mark| mark.read_turns))
    }
}
