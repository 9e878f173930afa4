//! The hub port: what a host may ask of the hub in its own process. A direct call, no HTTP; the simulator has another.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::api::AuditContent;
use crate::blob::{Blob, BlobId};
use crate::command::{CommandBody, CommandContent, CommandError, CommandState, Tried};
use crate::error::ErrorCode;
use crate::fact::{FeedFact, SessionFact};
use crate::host::HostContent;
use crate::id::{AccountId, CommandId, DeviceId, RuleId, SessionId, TurnId};
use crate::item::Sender;
use crate::offset::Offset;
use crate::participant::ByParticipant;
use crate::path::StreamPath;
use crate::time::UnixMs;

/// A future on the heap.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a host may ask of the hub in its process.
///
/// Futures may be dropped: a dropped `report` happens whole or not at all.
pub trait HubPort: Send + Sync + fmt::Debug + 'static {
    /// Says that the host has started: takes the next generation by compare-and-set, marks it online, and gives back every command
    /// that an older generation had leased and not started.
    ///
    /// # Errors
    /// [`PortError`].
    fn start(&self, about: HostContent, turns_at_once: u32) -> Later<'_, Result<Started, PortError>>;

    /// Says anew what the host is (an agent was found, a catalogue was read).
    ///
    /// # Errors
    /// [`PortError`].
    fn update(&self, generation: u64, about: HostContent) -> Later<'_, Result<(), PortError>>;

    /// Leases the oldest commands that wait for this host, by compare-and-set; waits until there is one. The lease is renewed by
    /// the hub for as long as the generation is the newest.
    ///
    /// # Errors
    /// [`PortError`].
    fn lease(&self, generation: u64, most: usize) -> Later<'_, Result<Vec<Leased>, PortError>>;

    /// Commits what the host did in one durable step, and answers once it is on disk.
    ///
    /// # Errors
    /// [`PortError`]; nothing of the report happened, except after `Broken`, when nobody knows.
    fn report(&self, report: Report) -> Later<'_, Result<Reported, PortError>>;

    /// Reads the host's private notes whose key starts with a prefix, in the order of their keys, at most `limit` after `after`.
    ///
    /// # Errors
    /// [`PortError`].
    fn notes(&self, prefix: &str, after: Option<&str>, limit: usize) -> Later<'_, Result<Vec<Note>, PortError>>;

    /// Reads a page of one of the host's own streams, forwards.
    ///
    /// # Errors
    /// [`PortError`].
    fn read(
        &self,
        stream: StreamPath,
        from: Option<Offset>,
        max_bytes: usize,
    ) -> Later<'_, Result<StreamPage, PortError>>;

    /// What a file of the account is; `None` when there is none, or none any more.
    ///
    /// # Errors
    /// [`PortError`].
    fn known_file(&self, blob: BlobId) -> Later<'_, Result<Option<Blob>, PortError>>;

    /// The bytes of a file of the account; `None` when there is none, or none any more.
    ///
    /// # Errors
    /// [`PortError`].
    fn file(&self, blob: BlobId) -> Later<'_, Result<Option<Bytes>, PortError>>;

    /// What people did to this host's sessions and the host has not said that it heard, oldest first, each with its number; with
    /// `wait`, waits until there is something. `heard` says that everything up to that number is done, on disk, and need not be told
    /// again. Telling something twice changes nothing.
    ///
    /// # Errors
    /// [`PortError`].
    fn news(
        &self,
        generation: u64,
        heard: Option<u64>,
        wait: bool,
    ) -> Later<'_, Result<Vec<(u64, SessionNews)>, PortError>>;

    /// Says that the host stops: it is offline at once, and what was leased and not started goes back to the queue (W-020e).
    ///
    /// # Errors
    /// [`PortError`].
    fn stop(&self, generation: u64) -> Later<'_, Result<(), PortError>>;
}

/// What a host learns when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// This start's number.
    pub generation: u64,
    /// Which device the host is.
    pub host: DeviceId,
    /// Whose.
    pub account: AccountId,
}

/// What somebody did to a session or a standing rule of a host, by the hub, at once: no command, so it neither waits nor expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum SessionNews {
    /// It has another title.
    Renamed {
        /// Which session.
        session: SessionId,
        /// Its title from now on.
        title: String,
    },
    /// It is gone: whatever runs is to end, and whatever is kept of it is to go.
    Deleted {
        /// Which session.
        session: SessionId,
    },
    /// A standing rule was revoked: nothing is answered by it any more.
    RuleRevoked {
        /// Which.
        rule: RuleId,
    },
}

/// A command in the hands of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leased {
    /// Which.
    pub id: CommandId,
    /// The fencing token of this lease: a transition with another one changes nothing.
    pub token: u64,
    /// Who sent it, as the hub knows.
    pub sender: Sender,
    /// Of a command of a participant: what the host checks once more.
    pub participant: Option<ByParticipant>,
    /// What to do.
    pub body: CommandBody,
    /// When it expires if it has not started.
    pub expires_at_ms: UnixMs,
}

/// What the host did: commits as one.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The generation of the host; an older one is refused.
    pub generation: u64,
    /// What happened to streams, in order.
    pub streams: Vec<StreamStep>,
    /// Change facts for the account's feed. The hub accepts `project`, `session`, `approval` and `rule` facts of this host. An
    /// update of a rule that is not there says nothing: it was revoked meanwhile.
    pub feed: Vec<FeedFact>,
    /// Transitions of commands that this host holds.
    pub commands: Vec<Transition>,
    /// Files that a session uses from now on: they are kept for as long as it is.
    pub files: Vec<(SessionId, BlobId)>,
    /// Private notes: written, or removed with `None`.
    pub notes: Vec<(String, Option<Bytes>)>,
    /// What the host decided, for the audit trail.
    pub audit: Vec<Decided>,
}

/// Something that a host decided, for the audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// What.
    pub what: DecidedWhat,
    /// On what: an id.
    pub target: String,
    /// Who decided; for a rule who made it, for the policy the host.
    pub by: Sender,
    /// What is kept of it and not looked at.
    pub content: AuditContent,
}

/// What a host decides: an explicit allow-list of what it may have in the audit trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecidedWhat {
    /// A person allowed something.
    Allowed,
    /// A person refused something.
    Denied,
    /// A person answered a question.
    Answered,
    /// A standing rule allowed something.
    RuleAllowed,
    /// The policy allowed something.
    PolicyAllowed,
    /// The policy refused something.
    PolicyDenied,
    /// Nobody answered in time.
    Expired,
    /// A person made a standing rule.
    RuleMade,
    /// A standing rule came to its end.
    RuleEnded,
}

impl DecidedWhat {
    /// The stable word of the audit trail.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allowed => "approval.allow",
            Self::Denied => "approval.deny",
            Self::Answered => "approval.answer",
            Self::RuleAllowed => "approval.allow_by_rule",
            Self::PolicyAllowed => "approval.allow_by_policy",
            Self::PolicyDenied => "approval.deny_by_policy",
            Self::Expired => "approval.expire",
            Self::RuleMade => "rule.make",
            Self::RuleEnded => "rule.end",
        }
    }
}

/// What happened to a stream of the host.
#[derive(Debug, Clone)]
pub enum StreamStep {
    /// A session was made: its journal exists from now on.
    CreateJournal(SessionId),
    /// A turn runs: its stream exists from now on.
    CreateTurn(TurnId),
    /// Facts for a session's journal.
    Journal(SessionId, Vec<SessionFact>),
    /// Facts for a turn's stream.
    Turn(TurnId, Vec<SessionFact>),
    /// A turn ended: its stream is closed.
    CloseTurn(TurnId),
}

/// A step of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// Which command.
    pub id: CommandId,
    /// The token of the lease.
    pub token: u64,
    /// Where it stands now.
    pub state: CommandState,
    /// The turn that came of it.
    pub turn: Option<TurnId>,
    /// Why it failed.
    pub error: Option<CommandError>,
    /// What was said of the error; the hub keeps the command's own text.
    pub detail: Option<String>,
    /// How often it was tried without having started. A step that says so may leave the command in the state that it has: `running`
    /// while its turn waits for the next try.
    pub tried: Option<Tried>,
}

impl Transition {
    /// A step without a turn or an error.
    pub fn to(id: CommandId, token: u64, state: CommandState) -> Self {
        Self { id, token, state, turn: None, error: None, detail: None, tried: None }
    }

    /// A step to `failed`.
    pub fn failed(id: CommandId, token: u64, code: ErrorCode, detail: impl Into<String>) -> Self {
        let error = CommandError { code, retryable: code.is_retryable() };
        Self {
            id,
            token,
            state: CommandState::Failed,
            turn: None,
            error: Some(error),
            detail: Some(detail.into()),
            tried: None,
        }
    }

    /// A try has come to nothing and another one follows: back to the queue of the hub when its state is `queued`, or as it is.
    pub fn again(id: CommandId, token: u64, state: CommandState, tried: Tried) -> Self {
        Self { tried: Some(tried), ..Self::to(id, token, state) }
    }

    /// Applies this step to the words of a command.
    pub fn words(&self, content: &mut CommandContent) {
        if self.detail.is_some() {
            content.detail.clone_from(&self.detail);
        }
    }
}

/// Where each stream of a report ends now, in the order of its steps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reported {
    /// For each step: where the stream ended before it, and where it ends after.
    pub ends: Vec<(Offset, Offset)>,
}

/// A private note of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Bytes,
}

/// A page of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamPage {
    /// The messages.
    pub messages: Vec<Bytes>,
    /// Where the next page begins.
    pub next: Offset,
    /// Whether that is the end.
    pub up_to_date: bool,
}

/// The hub refused, or could not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// A newer start of this host has taken over.
    #[error("generation {generation} of this host was replaced by {current}")]
    Replaced {
        /// The caller's generation.
        generation: u64,
        /// The newest one.
        current: u64,
    },
    /// A step of a report does not fit what is there; nothing of the report happened.
    #[error("the hub refused the report: {reason}")]
    Refused {
        /// Why.
        reason: String,
    },
    /// A lease of a report is no longer held; nothing of the report happened.
    #[error("the lease of {command} is no longer held")]
    LeaseLost {
        /// Which command.
        command: CommandId,
    },
    /// There is no such stream.
    #[error("there is no stream {stream}")]
    NoStream {
        /// Which.
        stream: StreamPath,
    },
    /// The disk is full; nothing of the report happened.
    #[error("the disk is full: {reason}")]
    Full {
        /// What was said.
        reason: String,
    },
    /// The store failed, or the hub is gone.
    #[error("the hub is broken: {reason}")]
    Broken {
        /// What was said.
        reason: String,
    },
}
