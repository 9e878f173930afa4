//! The host's private notes: what it must know after a crash and nobody else may read. This page is their whole layout.
//!
//! | key | value | lives |
//! |---|---|---|
//! | `project/{project}` | [`ProjectNote`] | for ever |
//! | `making/{project}` | [`MakingNote`] | from before the directory of a new project is made until it is registered |
//! | `session/{session}` | [`SessionNote`] | as long as the session |
//! | `turn/{session}/{turn}` | [`TurnNote`] | while the turn is queued or running |
//! | `tried/{session}/{turn}` | [`TriedNote`] | while a turn waits whose agent could not be started |
//! | `place/{session}/{turn}` | [`PlaceNote`] | as long as the session |
//! | `approval/{session}/{approval}` | [`ApprovalNote`] | while the approval is pending |
//! | `process/{session}` | [`ProcessNote`] | from before the agent is started until it is gone |
//! | `broken/{session}` | [`BrokenNote`] | while nothing of the session can be written: what waits in it does not go on by itself |
//! | `rule/{rule}` | [`RuleNote`] | until it is revoked or over |
//! | `rule-use/{rule}` | [`RuleNote`] | as the rule was when it answered last; without a `rule/` it says nothing |
//! | `command/{session}/{command}` | [`CommandNote`] | while a command that makes no turn is running |
//!
//! Every value is JSON with a `v`. A note is always written in the report that makes it true. The agent's own session id is here
//! and never in a fact.

use bytes::Bytes;
use protocol::approval::Approval;
use protocol::command::{CommandKind, Tried};
use protocol::id::{ApprovalId, CommandId, ItemId, ProjectId, RuleId, SessionId, TurnId};
use protocol::item::Sender;
use protocol::port::{HubPort, Note, PortError};
use protocol::rule::Rule;
use protocol::session::{Forked, LastTurn};
use protocol::time::UnixMs;
use protocol::turn::Turn;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::agent::ProcessMark;

/// The version of these values.
pub(crate) const NOTE_VERSION: u32 = 1;
/// Notes read at once.
const PAGE: usize = 256;

/// A registered directory.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProjectNote {
    pub(crate) v: u32,
    /// Canonical when it was registered.
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) created_at_ms: UnixMs,
    /// Whether this host made it.
    #[serde(default)]
    pub(crate) made: bool,
}

/// The directory that a new project is about to get.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MakingNote {
    pub(crate) v: u32,
    /// Its name below the root.
    pub(crate) directory: String,
}

/// What is known of a session besides its transcript.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionNote {
    pub(crate) v: u32,
    pub(crate) project: ProjectId,
    pub(crate) agent: String,
    pub(crate) model: Option<String>,
    pub(crate) mode: Option<String>,
    #[serde(default)]
    pub(crate) effort: Option<String>,
    /// The agent is to be told to go back to its own default model: what its conversation remembers is another.
    #[serde(default)]
    pub(crate) leaves_model: Option<Leaves>,
    /// The same of its effort.
    #[serde(default)]
    pub(crate) leaves_effort: Option<Leaves>,
    pub(crate) title: String,
    pub(crate) doing: Option<String>,
    /// The agent's own session id.
    pub(crate) agent_session: Option<String>,
    /// The next place in the transcript.
    pub(crate) next_ord: u64,
    pub(crate) last_turn: Option<LastTurn>,
    /// Turns that have ended.
    #[serde(default)]
    pub(crate) ended_turns: u64,
    /// What it was forked from, as people see it.
    #[serde(default)]
    pub(crate) from: Option<Forked>,
    /// Where the agent is to go on from, until it has a conversation of its own.
    #[serde(default)]
    pub(crate) fork: Option<PlaceNote>,
    pub(crate) created_at_ms: UnixMs,
    pub(crate) updated_at_ms: UnixMs,
}

impl SessionNote {
    /// Takes what was chosen; an empty word leaves a thing to the agent.
    pub(crate) fn choose(&mut self, model: Option<String>, mode: Option<String>, effort: Option<String>) {
        self.mode = mode.or(self.mode.take());
        let settings =
            [(model, &mut self.model, &mut self.leaves_model), (effort, &mut self.effort, &mut self.leaves_effort)];
        for (word, chosen, leaves) in settings {
            match word {
                Some(word) if word.is_empty() => {
                    let before = chosen.take().or_else(|| leaves.take().and_then(|leaves| leaves.before));
                    *leaves = Some(Leaves { before });
                }
                Some(word) => (*chosen, *leaves) = (Some(word), None),
                None => {}
            }
        }
    }
}

/// Something is left to the agent again, and it was not told yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Leaves {
    /// What was chosen before, which stays if the agent does not go back to its own.
    pub(crate) before: Option<String>,
}

/// A turn that has not ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TurnNote {
    pub(crate) v: u32,
    pub(crate) id: TurnId,
    pub(crate) fact: Turn,
    /// The command that is to be moved on when the turn begins; `None` once it has ended.
    pub(crate) command: Option<Held>,
    /// The prompt, while the turn is queued.
    pub(crate) text: Option<String>,
    /// The item that shows the prompt.
    pub(crate) shown: Option<ItemId>,
    /// Items of the turn stream that have not settled.
    pub(crate) unsettled: Vec<ItemId>,
    /// The agent has the prompt, or is being given it, although the turn is queued: it is never run again by itself.
    #[serde(default)]
    pub(crate) handed: bool,
}

/// How often the agent of a turn that waits could not be started.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TriedNote {
    pub(crate) v: u32,
    pub(crate) tried: Tried,
}

/// Where the agent's own conversation stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlaceNote {
    pub(crate) v: u32,
    /// The agent's own session id.
    pub(crate) agent_session: String,
    /// The agent's own name of the place; `None` for the end.
    pub(crate) place: Option<String>,
}

/// A pending approval.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApprovalNote {
    pub(crate) v: u32,
    pub(crate) fact: Approval,
}

/// A standing rule.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RuleNote {
    pub(crate) v: u32,
    pub(crate) fact: Rule,
}

impl RuleNote {
    pub(crate) fn of(fact: Rule) -> Self {
        Self { v: NOTE_VERSION, fact }
    }
}

/// An agent that runs, or is about to.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProcessNote {
    pub(crate) v: u32,
    pub(crate) mark: ProcessMark,
}

/// A session of which nothing could be written.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BrokenNote {
    pub(crate) v: u32,
    pub(crate) since_ms: UnixMs,
}

/// A running command that makes no turn.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CommandNote {
    pub(crate) v: u32,
    pub(crate) held: Held,
    pub(crate) kind: CommandKind,
    /// What it asks for that is not on record yet: it has begun, so the next life of the host does it.
    #[serde(default)]
    pub(crate) todo: Option<Todo>,
}

/// What a command that has begun still asks for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Todo {
    /// This turn is not to run; who says so.
    Cancel { turn: TurnId, by: Sender },
    /// From now on these are chosen, where one is named.
    Choose { model: Option<String>, mode: Option<String>, effort: Option<String> },
}

/// A command in our hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    pub(crate) id: CommandId,
    pub(crate) token: u64,
}

pub(crate) fn project(id: ProjectId) -> String {
    format!("project/{id}")
}

pub(crate) fn making(id: ProjectId) -> String {
    format!("making/{id}")
}

pub(crate) fn session(id: SessionId) -> String {
    format!("session/{id}")
}

pub(crate) fn turn(session: SessionId, turn: TurnId) -> String {
    format!("turn/{session}/{turn}")
}

pub(crate) fn tried(session: SessionId, turn: TurnId) -> String {
    format!("tried/{session}/{turn}")
}

pub(crate) fn place(session: SessionId, turn: TurnId) -> String {
    format!("place/{session}/{turn}")
}

pub(crate) fn approval(session: SessionId, approval: ApprovalId) -> String {
    format!("approval/{session}/{approval}")
}

pub(crate) fn rule(id: RuleId) -> String {
    format!("rule/{id}")
}

pub(crate) fn rule_use(id: RuleId) -> String {
    format!("rule-use/{id}")
}

pub(crate) fn process(session: SessionId) -> String {
    format!("process/{session}")
}

pub(crate) fn broken(session: SessionId) -> String {
    format!("broken/{session}")
}

pub(crate) fn command(session: SessionId, command: CommandId) -> String {
    format!("command/{session}/{command}")
}

/// The session that the key of a note below `turn/`, `tried/`, `approval/`, `process/` or `command/` names.
pub(crate) fn session_of(key: &str) -> Option<SessionId> {
    key.split('/').nth(1)?.parse().ok()
}

/// The bytes of a value.
pub(crate) fn encode(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("notes have string keys and finite numbers").into()
}

/// Reads a value; one that does not fit (written by a newer version, or damaged) is logged and left alone.
pub(crate) fn decode<V: DeserializeOwned>(note: &Note) -> Option<V> {
    match serde_json::from_slice(&note.value) {
        Ok(value) => Some(value),
        Err(error) => {
            tracing::error!(key = note.key, %error, "a note of the host cannot be read");
            None
        }
    }
}

/// The note with exactly this key.
///
/// # Errors
/// What the port says.
pub(crate) async fn get<V: DeserializeOwned>(port: &dyn HubPort, key: &str) -> Result<Option<V>, PortError> {
    let found = port.notes(key, None, 1).await?;
    Ok(found.iter().find(|note| note.key == key).and_then(decode))
}

/// The keys of every note below a prefix.
///
/// # Errors
/// What the port says.
pub(crate) async fn keys(port: &dyn HubPort, prefix: &str) -> Result<Vec<String>, PortError> {
    let mut found: Vec<String> = Vec::new();
    loop {
        let page = port.notes(prefix, found.last().map(String::as_str), PAGE).await?;
        let full = page.len() == PAGE;
        found.extend(page.into_iter().map(|note| note.key));
        if !full {
            return Ok(found);
        }
    }
}

/// Every note below a prefix, in the order of keys.
///
/// # Errors
/// What the port says.
pub(crate) async fn all<V: DeserializeOwned>(port: &dyn HubPort, prefix: &str) -> Result<Vec<(String, V)>, PortError> {
    let mut found = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = port.notes(prefix, after.as_deref(), PAGE).await?;
        let full = page.len() == PAGE;
        after = page.last().map(|note| note.key.clone());
        found.extend(page.into_iter().filter_map(|note| decode(&note).map(|value| (note.key, value))));
        if !full {
            return Ok(found);
        }
    }
}
