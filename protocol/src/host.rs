//! Hosts and projects, as the lists show them, and the catalogue of what a host can run.

use serde::{Deserialize, Serialize};

use crate::agent_health::AgentHealth;
use crate::id::{DeviceId, ProjectId};
use crate::time::UnixMs;

/// The value of a `host` fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct Host {
    /// The version of this shape.
    pub v: u32,
    /// Whether it can be reached.
    pub presence: Presence,
    /// Why it cannot, when it cannot and that is known (W-065); a fact of before there were reasons has none.
    #[serde(default)]
    pub reason: Option<AwayReason>,
    /// Its generation: each start takes the next one, and an older one can change nothing (W-053).
    pub generation: u64,
    /// When it was last heard of.
    pub seen_at_ms: UnixMs,
    /// Turns that it runs at once.
    pub turns_at_once: u32,
    /// Whether devices beyond its own machine may come in; a fact of before there was the switch has none.
    #[serde(default)]
    pub remote_access: RemoteAccess,
    /// What it says of itself.
    pub content: HostContent,
}

/// Whether a host can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// Its lease runs.
    Online,
    /// It has missed a renewal.
    Stale,
    /// It is not there.
    Offline,
    /// Remote access was switched off.
    Disabled,
    /// It may not come back.
    Revoked,
}

/// Why a host cannot be reached (W-065). That the hub itself cannot be reached is the client's to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum AwayReason {
    /// It was enrolled and has never come.
    NeverConnected,
    /// It said that it stops.
    Stopped,
    /// It was not heard of for longer than its lease.
    LeaseExpired,
    /// Remote access is switched off at the host.
    RemoteAccessDisabled,
    /// It was revoked.
    Revoked,
    /// Its version of Towline and the hub's do not fit.
    VersionIncompatible,
    /// Its disk was restored from an older state, or copied: what it would say does not fit what the hub has.
    Fenced,
}

/// The owner's switch for devices that are not on the host's own machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum RemoteAccess {
    /// They may come in, as far as the host listens to them at all.
    #[default]
    Active,
    /// They are refused with `remote_access_disabled`; whatever runs goes on, and the machine itself is served as ever.
    Disabled,
}

/// What a host says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct HostContent {
    /// The name that its person gave it.
    pub name: String,
    /// Its system, such as `linux x86_64`.
    pub platform: String,
    /// The version of Towline there.
    pub version: String,
    /// The agents found there: the live catalogue.
    pub agents: Vec<AgentEntry>,
    /// Below which directory it makes new projects, as shown to people; null when it makes none.
    #[serde(default)]
    pub projects_root: Option<String>,
}

/// An agent in a host's catalogue. Names and ids only, never a credential (W-074).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct AgentEntry {
    /// What commands name it by: `claude`, `demo`, or the key of a configured ACP agent.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Its version, as it says.
    pub version: Option<String>,
    /// Whether it can be started.
    pub state: AgentState,
    /// What to do when it cannot.
    pub hint: Option<String>,
    /// The models that it offers, as it reports them; empty until it has been asked.
    pub models: Vec<Choice>,
    /// The permission modes that may be chosen from afar, as it reports them.
    pub modes: Vec<Choice>,
    /// The efforts that may be chosen, from the smallest to the largest, as it reports them; empty when it has no such choice.
    #[serde(default)]
    pub efforts: Vec<Effort>,
    /// Where it is, whether it is tested, and how it is logged in.
    #[serde(default)]
    pub health: AgentHealth,
    /// What it can do beyond a prompt after the other.
    #[serde(default)]
    pub abilities: Vec<Ability>,
    /// What it takes after a slash at the beginning of a prompt, as it reports it: commands and skills, its own and those of projects.
    #[serde(default)]
    pub commands: Vec<SlashCommand>,
}

/// Something that an agent takes after a slash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct SlashCommand {
    /// What to write after the slash.
    pub name: String,
    /// What it does, in a line.
    pub description: String,
    /// What may be written behind it.
    pub hint: Option<String>,
    /// The only project that has it; null when it is there in all of them.
    pub project: Option<ProjectId>,
}

/// Something that not every agent can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum Ability {
    /// Takes a prompt in the middle of a turn.
    Steer,
    /// Goes on from where an earlier turn ended, in a session of its own.
    Fork,
    /// Goes on from where its newest turn ended, in a session of its own, and from no earlier one.
    ForkNewest,
    /// Goes back to its own default of model and effort in a session that has others.
    Defaults,
    /// An ability that this program does not know.
    #[serde(other)]
    Unknown,
}

/// Whether an agent can be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// Found, and it answers.
    Ready,
    /// Found, but it has no login.
    LoggedOut,
    /// Found, but it does not answer or is too old.
    Broken,
    /// Not found.
    Missing,
}

/// A model or mode to choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct Choice {
    /// What to send.
    pub id: String,
    /// What to show.
    pub name: String,
    /// What it is, in a line.
    pub description: Option<String>,
}

/// How hard an agent thinks, to choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct Effort {
    /// What to send.
    pub id: String,
    /// What to show.
    pub name: String,
    /// What it is, in a line.
    pub description: Option<String>,
    /// The models that take it, by id; empty when every model does.
    #[serde(default)]
    pub models: Vec<String>,
}

impl AgentEntry {
    /// The efforts that a model takes; all of them for the agent's own default, of which nothing is known.
    pub fn efforts_of<'a>(&'a self, model: Option<&'a str>) -> impl Iterator<Item = &'a Effort> {
        let takes = move |effort: &&Effort| {
            effort.models.is_empty() || model.is_none_or(|model| effort.models.iter().any(|id| id == model))
        };
        self.efforts.iter().filter(takes)
    }
}

/// The value of a `project` fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct Project {
    /// The version of this shape.
    pub v: u32,
    /// The host on which it is.
    pub host: DeviceId,
    /// Whether the directory is there and allowed.
    pub available: bool,
    /// When it was registered.
    pub created_at_ms: UnixMs,
    /// What it is called.
    pub content: ProjectContent,
}

/// What a project is called.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct ProjectContent {
    /// The last part of its directory, or the name that its person gave it.
    pub name: String,
    /// The directory as shown to people: `~` stands for the home directory.
    pub path: String,
}

/// Words in the names of permission modes that let an agent act without asking, whichever agent names them so; without the case and
/// the signs between their parts, which each agent writes in its own way.
const BYPASS_WORDS: [&str; 6] = ["bypass", "dontask", "yolo", "fullaccess", "dangerous", "skippermissions"];

/// Whether a permission mode lets the agent act without asking a person.
pub fn bypasses_approval(mode: &str) -> bool {
    let plain: String = mode.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    BYPASS_WORDS.iter().any(|word| plain.contains(word))
}
