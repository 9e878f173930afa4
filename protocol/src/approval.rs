//! Approvals: decisions that the agent waits for.

use serde::{Deserialize, Serialize};

use crate::id::{ItemId, RuleId, SessionId, TurnId};
use crate::item::Sender;
use crate::time::UnixMs;

/// The value of an `approval` fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// The version of this shape.
    pub v: u32,
    /// The session.
    pub session: SessionId,
    /// The turn.
    pub turn: TurnId,
    /// The tool call that waits.
    pub item: Option<ItemId>,
    /// Its place in the transcript.
    pub ord: u64,
    /// What sort of decision it is.
    pub kind: ApprovalKind,
    /// Where it stands.
    pub state: ApprovalState,
    /// What can be answered, in the order to show it.
    pub options: Vec<ApprovalOption>,
    /// What was answered, and by whom.
    pub decision: Option<Decision>,
    /// When the agent asked.
    pub created_at_ms: UnixMs,
    /// When it expires if nobody answers; null when it waits for as long as the agent does. An older program says nothing of it.
    #[serde(default)]
    pub expires_at_ms: Option<UnixMs>,
    /// What is asked.
    pub content: ApprovalContent,
}

/// What sort of decision an approval is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalKind {
    /// May the agent use a tool?
    Permission,
    /// The agent asks something.
    Question,
    /// May the agent carry out its plan?
    Plan,
}

/// Where an approval stands: `pending → answered | expired | withdrawn | stale`. Only `pending` can be answered (W-039).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalState {
    /// The agent waits.
    Pending,
    /// Somebody answered; the first answer wins.
    Answered,
    /// Nobody answered in time.
    Expired,
    /// The agent no longer asks: the turn was interrupted.
    Withdrawn,
    /// The agent that asked is gone.
    Stale,
}

/// An answer that can be given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalOption {
    /// What to send back; unique in its approval.
    pub id: String,
    /// What it means.
    pub kind: OptionKind,
}

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum OptionKind {
    /// Yes, this once.
    AllowOnce,
    /// Yes, and do not ask again within the scope that the label names; the agent keeps that to itself.
    AllowAlways,
    /// Yes, and from now on the host answers alike by a standing rule, whose scope the label names and which every device sees and
    /// can revoke.
    AllowRule,
    /// No; the agent goes on.
    Deny,
    /// No, and do not ask again.
    DenyAlways,
    /// An answer to a question.
    Answer,
}

impl OptionKind {
    /// Whether the answer consents: then it must say what it consents to.
    pub const fn consents(self) -> bool {
        matches!(self, Self::AllowOnce | Self::AllowAlways | Self::AllowRule)
    }
}

/// An answer that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The option.
    pub option: String,
    /// Who answered; for a standing rule who made it, for the policy the host itself.
    pub by: Sender,
    /// When.
    pub at_ms: UnixMs,
    /// How it came about. An older program knew only people.
    #[serde(default)]
    pub via: Via,
    /// The standing rule that answered.
    #[serde(default)]
    pub rule: Option<RuleId>,
}

/// How a decision came about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// A person answered.
    #[default]
    Person,
    /// A standing rule answered: nobody was asked.
    Rule,
    /// The policy of the host answered: nobody was asked.
    Policy,
    /// Nobody answered in time.
    Expiry,
}

/// What is asked: what will be done, where, exactly as it will run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalContent {
    /// One line: what the agent wants to do.
    pub title: String,
    /// The command, the path or the plan, exactly as it will run; its beginning, when it is too long to be shown, and `left_out_bytes`
    /// says so.
    pub detail: String,
    /// The directory in which it would happen, as shown to people.
    pub place: String,
    /// Why the agent must ask, when it says so.
    pub reason: Option<String>,
    /// The words of the options, in the same order.
    pub labels: Vec<String>,
    /// The questions, for a question.
    pub questions: Vec<Question>,
    /// The hash of all that is shown, as the host made it: an answer that consents says it, and counts only while it is the same.
    #[serde(default)]
    pub shown: String,
    /// Why this is dangerous, in words, when it looks so.
    #[serde(default)]
    pub danger: Option<String>,
    /// Why it was decided so, or why a person must decide: the rule in words, or the line of the policy.
    #[serde(default)]
    pub because: Option<String>,
    /// Bytes of what is asked that are not shown because they are too many, of its tool call too; `shown` binds them all the same.
    #[serde(default, skip_serializing_if = "crate::item::is_zero")]
    #[ts(optional, as = "Option<u64>")]
    pub left_out_bytes: u64,
}

/// A question of the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// What it asks; also the key of its answer.
    pub question: String,
    /// A word or two to head it.
    pub header: String,
    /// Whether several answers may be chosen.
    pub multiple: bool,
    /// The answers offered.
    pub options: Vec<QuestionOption>,
}

/// An answer offered to a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct QuestionOption {
    /// The answer.
    pub label: String,
    /// What it means.
    pub description: String,
}
