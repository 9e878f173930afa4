//! The seam between sessions and agents: one trait, one room per agent, one set of events.
//!
//! An adapter maps what its vendor speaks to items. It, not the session, closes items that never complete; unknown messages become
//! notices; the settled content of an item always replaces its deltas.

pub mod acp;
pub mod claude;
pub mod codex;
mod hidden;
mod ledger;
mod limits;
mod link;
#[cfg(test)]
mod tests;
mod words;

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

use base64::Engine as _;
use bytes::Bytes;
use protocol::agent_limits::LimitWindow;
use protocol::approval::{ApprovalContent, ApprovalKind, ApprovalOption};
use protocol::host::{AgentEntry, SlashCommand};
use protocol::item::{DeltaPart, ItemContent, ItemStatus, NoticeLevel, Role};
use protocol::turn::{TurnErrorCode, Usage};
use tokio::sync::mpsc;

use crate::raw_lines::RawLines;

/// A future on the heap.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Most events of an agent that wait for its session; an adapter that finds the queue full waits, and so, through its pipe, does
/// the agent.
pub const EVENT_QUEUE: usize = 256;

/// A kind of coding agent that this host can run.
pub trait Agent: Send + Sync + fmt::Debug + 'static {
    /// What commands name it by.
    fn id(&self) -> &str;

    /// The host begins, and will look below `tag` for what is left of this life of it. A process that several sessions use has a tag
    /// below this one and never below that of a session, whose end would be its own. Called once, before anything is started.
    fn begin(&self, tag: &str) {
        let _ = tag;
    }

    /// The host has stopped: ends what several sessions used. Returns when nothing of it is left, or after what the adapter allows;
    /// dropping the future ends it at the latest with this.
    fn end(&self) -> Later<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Finds out whether it can be started, and what it offers. Bounded in time by the adapter (10 s, and 30 s for one
    /// that must begin a session to know); never an error: what is wrong
    /// stands in the entry. Every process that is started for it has a tag of its own below `tag` (`{tag}/…`), by which it is found
    /// after our own death.
    fn probe<'a>(&'a self, tag: &'a str) -> Later<'a, AgentEntry>;

    /// Starts the agent for one session and waits until it can take a prompt.
    ///
    /// # Errors
    /// [`OpenError`]; no process is left behind. Dropping the future also leaves none.
    fn open(&self, spec: OpenSpec) -> Later<'_, Result<Opened, OpenError>>;

    /// Starts the agent for a session that goes on from where [`OpenSpec::resume`] stands, or stood when it told of `place`
    /// ([`AgentEvent::Place`]), and leaves that conversation as it is. The new one's id comes with [`AgentEvent::Session`].
    ///
    /// # Errors
    /// As [`Agent::open`]; an agent that cannot says so.
    fn fork(&self, spec: OpenSpec, place: Option<String>) -> Later<'_, Result<Opened, OpenError>> {
        let _ = (spec, place);
        let program = self.id().to_owned();
        let detail = "it cannot go on from another conversation".to_owned();
        Box::pin(std::future::ready(Err(OpenError::NoFork { program, detail })))
    }
}

/// What an agent is started with.
#[derive(Debug, Clone)]
pub struct OpenSpec {
    /// The project's directory, canonical.
    pub cwd: PathBuf,
    /// The agent's own session to go on with.
    pub resume: Option<String>,
    /// The model; `None` for the agent's default.
    pub model: Option<String>,
    /// The permission mode; `None` for the agent's default. Checked by the session beforehand.
    pub mode: Option<String>,
    /// The effort; `None` for the agent's default.
    pub effort: Option<String>,
    /// Recorded with the process, so that it can be found and reaped after our own death.
    pub tag: String,
    /// Where the lines between us and it are kept; `None` for nowhere.
    pub lines: Option<RawLines>,
}

/// A running agent.
#[derive(Debug)]
pub struct Opened {
    /// How to speak to it. Dropping it ends the agent and everything that it started.
    pub driver: Box<dyn Driver>,
    /// What it says, in order; ends after [`AgentEvent::Exited`].
    pub events: mpsc::Receiver<AgentEvent>,
    /// The process to record, when there is one.
    pub process: Option<ProcessMark>,
    /// What the agent offers, when opening it has told more than the probe did.
    pub entry: Option<AgentEntry>,
}

/// Enough to recognise a process after our own death, without taking another for it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ProcessMark {
    /// The process id.
    pub pid: u32,
    /// When the system says that it started (clock ticks since boot on Linux), so that a reused id is not mistaken.
    pub started: u64,
    /// A word in the environment of the process and of all its descendants; it also names every tag below it (`{tag}/…`).
    pub tag: String,
    /// Whether other sessions use it too: while its host lives, the end of one session does not end it.
    #[serde(default)]
    pub shared: bool,
}

/// How to speak to a running agent. Every call is bounded in time by the adapter.
pub trait Driver: Send + fmt::Debug {
    /// Hands over a prompt. Returns when it was written to the agent.
    ///
    /// # Errors
    /// [`DriveError`]; whether the agent has seen it is unknown only for `Died`.
    fn prompt<'a>(&'a mut self, text: &'a str) -> Later<'a, Result<(), DriveError>>;

    /// Whether the agent looks at images that come with a prompt.
    fn takes_images(&self) -> bool {
        false
    }

    /// Hands over a prompt with images; an agent that takes none gets its words.
    ///
    /// # Errors
    /// As [`Driver::prompt`].
    fn prompt_with<'a>(&'a mut self, text: &'a str, images: &'a [Image]) -> Later<'a, Result<(), DriveError>> {
        let _ = images;
        self.prompt(text)
    }

    /// Hands over a prompt in the middle of the turn that runs; `key` names it in what follows.
    ///
    /// When the turn ends before the agent has taken a prompt in ([`Steered::Later`]), the agent begins with it as its next turn,
    /// by itself.
    ///
    /// # Errors
    /// [`DriveError::Refused`] when the agent takes none now, or none at all: the prompt goes on waiting. Else as [`Driver::prompt`].
    fn steer<'a>(
        &'a mut self,
        key: &'a str,
        text: &'a str,
        images: &'a [Image],
    ) -> Later<'a, Result<Steered, DriveError>> {
        let _ = (key, text, images);
        Box::pin(std::future::ready(Err(DriveError::Refused { detail: "it takes no prompt in mid-turn".to_owned() })))
    }

    /// Takes back a prompt that was handed over in mid-turn and not taken in yet.
    ///
    /// # Errors
    /// [`DriveError::Refused`] when it is too late.
    fn unsteer<'a>(&'a mut self, key: &'a str) -> Later<'a, Result<(), DriveError>> {
        let _ = key;
        Box::pin(std::future::ready(Err(DriveError::Refused { detail: "it gives no prompt back".to_owned() })))
    }

    /// Asks the agent to stop its turn. `TurnEnded` follows, unless the agent does not obey; then the session closes it.
    ///
    /// # Errors
    /// [`DriveError`].
    fn interrupt(&mut self) -> Later<'_, Result<(), DriveError>>;

    /// Answers what the agent asked.
    ///
    /// # Errors
    /// [`DriveError`].
    fn answer<'a>(&'a mut self, request: &'a str, answer: Answer) -> Later<'a, Result<(), DriveError>>;

    /// Changes the model or the permission mode for what follows; `None` leaves a thing as it is.
    ///
    /// # Errors
    /// [`DriveError`].
    fn set_options(&mut self, model: Option<String>, mode: Option<String>) -> Later<'_, Result<(), DriveError>>;

    /// Changes how hard the agent thinks from the next prompt on.
    ///
    /// # Errors
    /// [`DriveError::Reopen`] when only a new process of the agent would do so: the session then closes this one when its turn has
    /// ended, and opens the next with [`OpenSpec::effort`]. That is what an adapter does that has nothing better. Else as the others.
    fn set_effort<'a>(&'a mut self, effort: &'a str) -> Later<'a, Result<(), DriveError>> {
        let _ = effort;
        Box::pin(std::future::ready(Err(DriveError::Reopen)))
    }

    /// Goes back to the agent's own default from the next prompt on, whatever its conversation remembers.
    ///
    /// # Errors
    /// As [`Driver::set_effort`]: a new process, opened without a choice, is what an adapter does that has nothing better.
    fn to_default(&mut self, setting: Setting) -> Later<'_, Result<(), DriveError>> {
        let _ = setting;
        Box::pin(std::future::ready(Err(DriveError::Reopen)))
    }

    /// Ends the agent: asks, then insists (stdin closed, then SIGTERM after 2 s, then SIGKILL to everything it started).
    /// Returns when nothing of it is left.
    fn close(self: Box<Self>) -> Later<'static, ()>;
}

/// Something that a person chooses, or leaves to the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// The model.
    Model,
    /// How hard it thinks.
    Effort,
}

/// How an agent took a prompt in mid-turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steered {
    /// It belongs to the running turn from now on.
    Now,
    /// It will at the agent's next step: [`AgentEvent::SteerTaken`] follows, or [`AgentEvent::SteerDropped`], or the turn's end.
    Later,
}

/// An image that goes with a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// What it is: `image/png`, `image/jpeg`, `image/gif` or `image/webp`.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Bytes,
}

impl Image {
    /// Its bytes as agents' protocols carry them: base64 with padding.
    pub(crate) fn base64(&self) -> String {
        base64::engine::general_purpose::STANDARD.encode(&self.bytes)
    }
}

/// An answer to what an agent asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The option's id, one of those that the ask offered.
    pub option: String,
    /// What to tell the agent with a refusal.
    pub message: Option<String>,
    /// Answers by question, for questions.
    pub answers: Vec<(String, String)>,
}

/// What a running agent says. `item` keys are the adapter's own, unique within the life of the agent's process.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum AgentEvent {
    /// The agent's own session id is known, or changed; with it the session can be resumed in another process.
    Session {
        /// The id.
        agent_session: String,
    },
    /// The model or mode that the agent uses now, as it reports it.
    Options {
        /// The model.
        model: Option<String>,
        /// The permission mode.
        mode: Option<String>,
    },
    /// The agent began a turn by itself, without a prompt.
    TurnStarted,
    /// What it does beside its turns and may go on with between them, such as commands and sub-agents in the background: all of it, in
    /// words, bounded by the adapter. Told when it changes; nothing any more once it is empty.
    Background {
        /// Each task.
        tasks: Vec<String>,
    },
    /// A prompt that was handed over in mid-turn belongs to the running turn from now on.
    SteerTaken {
        /// The key under which it was handed over.
        key: String,
    },
    /// A prompt that was handed over in mid-turn was given up: the turn was interrupted, or it was taken back.
    SteerDropped {
        /// The key under which it was handed over.
        key: String,
    },
    /// An item began.
    ItemStarted {
        /// Its key.
        item: String,
        /// The key of the tool call of the sub-agent that it belongs to.
        parent: Option<String>,
        /// Who says it.
        role: Role,
        /// What is known of it.
        content: ItemContent,
    },
    /// Whether it is a model for which a tool call that has begun waits: its input is still being written, or a sub-agent works on it.
    /// Without a word about it the tool itself runs.
    ModelWorks {
        /// Its key.
        item: String,
        /// Whether it is.
        works: bool,
    },
    /// An unsettled item grew.
    Delta {
        /// Its key.
        item: String,
        /// Which part.
        part: DeltaPart,
        /// What was added.
        text: String,
    },
    /// An unsettled item is known better: the content replaces what was known, deltas included.
    ItemUpdated {
        /// Its key.
        item: String,
        /// What is known of it.
        content: ItemContent,
    },
    /// An item is settled. It may never have begun: then it begins and settles at once.
    ItemSettled {
        /// Its key.
        item: String,
        /// The key of the tool call of the sub-agent that it belongs to.
        parent: Option<String>,
        /// Who says it.
        role: Role,
        /// How it ended.
        status: ItemStatus,
        /// All of it.
        content: ItemContent,
    },
    /// An item that began will never settle (the vendor dropped it): it disappears.
    ItemAbandoned {
        /// Its key.
        item: String,
    },
    /// Something to tell the people who watch.
    Notice {
        /// How much it matters.
        level: NoticeLevel,
        /// A stable word for what it is.
        code: String,
        /// What to show.
        text: String,
    },
    /// What the vendor's limits are and how much of them is used, all of it; never empty.
    Limits {
        /// The windows.
        windows: Vec<LimitWindow>,
    },
    /// What the agent takes after a slash where it was opened, all of it.
    Commands {
        /// The commands; none names a project.
        commands: Vec<SlashCommand>,
    },
    /// The agent asks.
    Ask {
        /// The agent's own id of what it asked.
        request: String,
        /// The key of the tool call that waits.
        item: Option<String>,
        /// What sort of decision it is.
        kind: ApprovalKind,
        /// What can be answered.
        options: Vec<ApprovalOption>,
        /// What is asked.
        content: ApprovalContent,
    },
    /// The agent no longer asks.
    AskWithdrawn {
        /// The agent's own id of what it asked.
        request: String,
    },
    /// Where the conversation stands, in the agent's own words, right before a turn ends: a fork can begin there.
    Place {
        /// Its name.
        place: String,
    },
    /// The turn ended.
    TurnEnded(TurnEnd),
    /// The process is gone, with everything that it started.
    Exited {
        /// How it ended, in words, with the last lines of its stderr.
        detail: String,
    },
}

/// How a turn ended.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TurnEnd {
    /// Whether it was done, failed or was interrupted.
    pub how: TurnOutcome,
    /// What it used.
    pub usage: Option<Usage>,
    /// The model that ran, as the agent reports it.
    pub model: Option<String>,
    /// Whether it is the end of a turn that the agent began by itself ([`AgentEvent::TurnStarted`]): a prompt that went out meanwhile is
    /// answered by another.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub own: bool,
}

/// Whether a turn was done.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnOutcome {
    /// The answer is complete.
    Completed,
    /// It was stopped because somebody asked.
    Interrupted,
    /// It failed.
    Failed {
        /// Why.
        code: TurnErrorCode,
        /// What the agent said.
        detail: String,
    },
}

/// An agent could not be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The program is not there.
    #[error("`{program}` was not found")]
    NotFound {
        /// What was looked for.
        program: String,
    },
    /// The program could not be started this time: the system refused, or it ended at once. That may pass.
    #[error("`{program}` did not start: {detail}")]
    NotNow {
        /// Which program.
        program: String,
        /// What the system or the program said.
        detail: String,
    },
    /// The program said no, says nothing, or does not speak its protocol.
    #[error("`{program}` did not start: {detail}")]
    Failed {
        /// Which program.
        program: String,
        /// What it said.
        detail: String,
    },
    /// The agent has no login.
    #[error("`{program}` is not logged in: {detail}")]
    LoggedOut {
        /// Which program.
        program: String,
        /// What it said, and how to log in.
        detail: String,
    },
    /// The agent has not saved the session that was to be resumed.
    #[error("`{program}` has not saved session {session}")]
    NotSaved {
        /// Which program.
        program: String,
        /// The agent's own session id.
        session: String,
    },
    /// The agent will never go on from where it was to be forked from.
    #[error("`{program}` does not begin there: {detail}")]
    NoFork {
        /// Which program.
        program: String,
        /// Why not.
        detail: String,
    },
    /// The model or the mode is not to be had.
    #[error("{what} is not available: {detail}")]
    Option {
        /// `model` or `mode`, and which.
        what: String,
        /// What the agent said.
        detail: String,
    },
}

/// A running agent did not take what it was told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DriveError {
    /// The agent is gone.
    #[error("the agent is gone: {detail}")]
    Died {
        /// How it ended.
        detail: String,
    },
    /// The agent refused.
    #[error("the agent refused: {detail}")]
    Refused {
        /// What it said.
        detail: String,
    },
    /// The agent did not answer in time.
    #[error("the agent did not answer within {waited_ms} ms")]
    Timeout {
        /// How long was waited, in milliseconds.
        waited_ms: u64,
    },
    /// The agent can do it only when it is opened anew.
    #[error("the agent must be opened anew for it")]
    Reopen,
    /// What was answered is not open.
    #[error("the agent does not wait for {request}")]
    NotAsked {
        /// The agent's own id of what it asked.
        request: String,
    },
}
