//! Turns: one prompt and the agent's response to it.

use serde::{Deserialize, Serialize};

use crate::blob::Attachment;
use crate::id::{CommandId, SessionId, TurnId};
use crate::item::Sender;
use crate::offset::Offset;
use crate::time::UnixMs;

/// The value of a `turn` fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct Turn {
    /// The version of this shape.
    pub v: u32,
    /// The session.
    pub session: SessionId,
    /// The turn's place in the session, in the same numbers as its items'.
    pub ord: u64,
    /// Where it stands.
    pub state: TurnState,
    /// Why there is a turn.
    pub origin: Origin,
    /// Who asked for it, when a person did.
    pub sender: Option<Sender>,
    /// The agent that runs it.
    pub agent: String,
    /// The model that really ran, as the agent reports it; null until it has (W-016).
    pub model: Option<String>,
    /// From where the turn stream (`turns/{id}/live`) is to be read: everything not settled begins there or later. Null before the
    /// turn runs.
    pub low_water: Option<Offset>,
    /// When the host accepted it.
    pub queued_at_ms: UnixMs,
    /// When the agent got it.
    pub started_at_ms: Option<UnixMs>,
    /// When it ended.
    pub ended_at_ms: Option<UnixMs>,
    /// What it used, once the agent has said.
    pub usage: Option<Usage>,
    /// Why it failed or was interrupted.
    pub error: Option<TurnError>,
    /// How far its prompt has got on its way into the turn that ran; null when it has no such way to go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steer: Option<Steer>,
    /// Since when its agent has said nothing, although it is the one that is waited for: nobody is asked and no tool runs. Null until that has
    /// lasted a while, and when it speaks again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_since_ms: Option<UnixMs>,
    /// The words that go with it.
    pub content: TurnContent,
}

/// A prompt that goes into the turn that runs, instead of waiting for its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(tag = "state", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Steer {
    /// The agent has it and takes it in at its next step; it can still be taken back, and no longer be changed or moved.
    Handed,
    /// It was taken in: this turn is completed, and the prompt belongs to another one.
    Taken {
        /// The turn that took it in.
        turn: TurnId,
    },
    /// A state that this program does not know.
    #[serde(other)]
    Unknown,
}

/// Where a turn stands: `queued → running ⇄ awaiting_approval → completed | failed | interrupted`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum TurnState {
    /// Accepted by the host; waits for its place.
    Queued,
    /// The agent has it.
    Running,
    /// The agent waits for a person.
    AwaitingApproval,
    /// The answer is settled.
    Completed,
    /// It ended with an error.
    Failed,
    /// It was stopped: by a person, or because the host stopped.
    Interrupted,
}

impl TurnState {
    /// Whether the turn has ended.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Interrupted)
    }

    /// Whether the agent has the turn now.
    pub const fn is_running(self) -> bool {
        matches!(self, Self::Running | Self::AwaitingApproval)
    }

    /// Whether a turn may go from this state to that one; staying is allowed, so that a fact may be written again.
    pub const fn may_become(self, next: Self) -> bool {
        match self {
            // One that was taken into the turn that ran is completed without having run by itself.
            Self::Queued => !matches!(next, Self::AwaitingApproval),
            Self::Running | Self::AwaitingApproval => !matches!(next, Self::Queued),
            Self::Completed => matches!(next, Self::Completed),
            Self::Failed => matches!(next, Self::Failed),
            Self::Interrupted => matches!(next, Self::Interrupted),
        }
    }
}

/// Why there is a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Origin {
    /// A person asked.
    Prompt {
        /// The command that carried the prompt.
        command: CommandId,
    },
    /// The agent began by itself: a background task of its own finished.
    Agent,
    /// The agent went on with a turn that had been cut off.
    Resume,
}

/// What a turn used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Tokens read, without cached ones.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Tokens read from the vendor's cache.
    pub cached_tokens: u64,
    /// What the agent says it cost, in millionths of a US dollar.
    pub cost_micro_usd: Option<u64>,
}

/// Why a turn failed or was interrupted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct TurnError {
    /// The reason, stable.
    pub code: TurnErrorCode,
    /// Who stopped it, when a person did (W-037).
    pub by: Option<Sender>,
}

/// Why a turn failed or was interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum TurnErrorCode {
    /// The agent ended in the middle.
    AgentDied,
    /// The agent said that it failed.
    AgentError,
    /// The agent could not be started.
    AgentUnavailable,
    /// A person stopped it.
    Cancelled,
    /// The agent is not logged in, or its login has run out.
    CredentialsExpired,
    /// Towline on the host was stopped or killed in the middle; the prompt is never run again by itself.
    HostRestarted,
    /// The model that was asked for is not to be had.
    ModelUnavailable,
    /// The vendor's service has too much to do, or cannot be reached.
    Overloaded,
    /// The vendor's limit is reached.
    RateLimited,
    /// The model declined to answer.
    Refused,
    /// The agent's own session is gone, so the conversation could not go on.
    SessionNotSaved,
    /// The agent said nothing for longer than the host waits.
    Silent,
    /// A reason that this program does not know.
    #[serde(other)]
    Unknown,
}

/// The words that go with a turn.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct TurnContent {
    /// What the agent or the machine said of the error.
    pub detail: Option<String>,
    /// The files that came with its prompt, in the order in which they were attached.
    #[serde(default)]
    pub attachments: Vec<Attachment>,
}
