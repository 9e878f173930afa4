//! Commands: durable, idempotent instructions from a client to a host, and the states that they go through.

mod retry;
mod state;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::blob::Attachment;
use crate::device::Right;
use crate::error::ErrorCode;
use crate::id::{ApprovalId, CommandId, DeviceId, ProjectId, SessionId, TurnId};
use crate::item::Sender;
use crate::limits::{MAX_ATTACHMENTS, MAX_NAME_CHARS, MAX_PROJECT_NAME_CHARS, MAX_PROMPT_BYTES};
use crate::link::NEW_PROJECTS;
use crate::participant::ByParticipant;
use crate::time::UnixMs;

pub use retry::{Tried, may_try_again};
pub use state::CommandState;

/// A command as a client sends it. Who sends it, when, and what becomes of it are the hub's to say (W-056, W-077).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommandRequest {
    /// Minted by the client; the same id with the same body is the same command, for ever (W-011).
    pub id: CommandId,
    /// The host that is to act; no other will (W-009).
    pub host: DeviceId,
    /// How long the command may wait before it starts, in milliseconds from its arrival; null for the default.
    pub ttl_ms: Option<u64>,
    /// The command that this one is another try of, made by a person (W-013): it must be over, and it is tried again once; a second try
    /// is refused with `already_retried`. Null for what is no try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<CommandId>,
    /// What to do.
    pub body: CommandBody,
}

/// What a command asks for: an explicit allow-list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum CommandBody {
    /// Makes a session, and runs its first prompt if there is one.
    StartSession {
        /// Minted by the client, so that it can open the session at once.
        session: SessionId,
        /// Where it runs; with `new_project` an id that the client has minted, too.
        project: ProjectId,
        /// Whether its host is to make the project, below the directory that it keeps for that (`projects_root` of its fact); a host without
        /// one fails the command with `new_projects_off`. A project of this id that is there is used, so that another try makes no second one.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        new_project: bool,
        /// Which agent, by its id in the host's catalogue.
        agent: String,
        /// Which model; null for the agent's default.
        model: Option<String>,
        /// Which permission mode; null for the agent's default. Modes that bypass approval are refused unless the host allows them.
        mode: Option<String>,
        /// How hard it thinks, one of the efforts that the host's catalogue names for the agent; null for the agent's default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        effort: Option<String>,
        /// The words.
        content: StartContent,
    },
    /// Makes a session that goes on from where a turn of another one ended, and runs its first prompt if there is one. The other session
    /// stays as it is. Project, agent and options are those of the other one. Fails with `unsupported` when the agent cannot, or does not
    /// remember that place.
    ForkSession {
        /// Minted by the client, so that it can open the session at once.
        session: SessionId,
        /// The session that it goes on from.
        from: SessionId,
        /// The turn after which it goes on; null for all that the agent remembers.
        after: Option<TurnId>,
        /// The words.
        content: StartContent,
    },
    /// Sends a prompt to a session; it runs when the ones before it have ended.
    SendPrompt {
        /// Which session.
        session: SessionId,
        /// The words.
        content: PromptContent,
    },
    /// Stops a turn: a queued one never runs, a running one is interrupted. Stopping what has ended is a success without effect.
    CancelTurn {
        /// Which session.
        session: SessionId,
        /// Which turn; null for the running one.
        turn: Option<TurnId>,
    },
    /// Answers an approval. The first answer wins; a later one fails with `approval_not_pending`.
    AnswerApproval {
        /// Which session.
        session: SessionId,
        /// Which approval.
        approval: ApprovalId,
        /// Which of its options.
        option: String,
        /// The words.
        content: AnswerContent,
    },
    /// Changes the words of a prompt that waits; its files stay. Fails with `turn_started` once the agent has it.
    EditPrompt {
        /// Which session.
        session: SessionId,
        /// Which turn.
        turn: TurnId,
        /// The words.
        content: EditContent,
    },
    /// Moves a prompt that waits to another place in the line. Fails with `turn_started` when one of the two does not wait any more.
    MovePrompt {
        /// Which session.
        session: SessionId,
        /// Which turn.
        turn: TurnId,
        /// The turn before which it is to run; null for the end of the line.
        before: Option<TurnId>,
    },
    /// Hands a prompt that waits to the agent in the middle of the turn that runs; when none runs, it begins anyway. The agent takes it in
    /// at its next step, or, when the turn ends before, begins with it next. Fails with `unsupported` when the agent takes nothing in
    /// mid-turn, with `turn_started` when the prompt does not wait any more.
    SteerPrompt {
        /// Which session.
        session: SessionId,
        /// Which turn.
        turn: TurnId,
    },
    /// Changes what the next turns of a session use; null leaves a thing as it is. Fails with `unsupported` where the agent cannot go back
    /// to a default of its own ([`crate::host::Ability::Defaults`]).
    SetOptions {
        /// Which session.
        session: SessionId,
        /// Which model; an empty word goes back to the agent's own default.
        model: Option<String>,
        /// Which permission mode.
        mode: Option<String>,
        /// Which effort; an empty word goes back to the agent's own default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        effort: Option<String>,
    },
}

/// The words of `start_session`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StartContent {
    /// The title; null to make one from the prompt.
    pub title: Option<String>,
    /// What a new project is to be called; null for a name that its host makes up. Letters, digits, spaces and `-_.`, beginning with a letter
    /// or a digit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_name: Option<String>,
    /// The first prompt.
    pub text: Option<String>,
    /// Files that go with the first prompt; without one there are none.
    #[serde(default)]
    pub attachments: Vec<Attachment>,
}

/// The words of `send_prompt`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PromptContent {
    /// The prompt; may be empty when files go with it.
    pub text: String,
    /// Files that go with it.
    #[serde(default)]
    pub attachments: Vec<Attachment>,
}

/// The words of `edit_prompt`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EditContent {
    /// The prompt, as it is to be from now on.
    pub text: String,
}

/// The words of `answer_approval`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AnswerContent {
    /// What to tell the agent, with a refusal.
    pub message: Option<String>,
    /// The answers, by question.
    pub answers: BTreeMap<String, String>,
    /// The hash of what was shown (`content.shown` of the approval): an answer that consents without it is refused, and one with
    /// another fails with `approval_changed`.
    #[serde(default)]
    pub shown: Option<String>,
}

/// A body that no host could carry out, whatever its state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCommand {
    /// A prompt without a word.
    #[error("the prompt is empty")]
    EmptyPrompt,
    /// A prompt over the limit.
    #[error("the prompt has {bytes} bytes; at most {MAX_PROMPT_BYTES} are taken")]
    LongPrompt {
        /// Its size.
        bytes: usize,
    },
    /// More files than a prompt may have.
    #[error("{count} files are attached; at most {MAX_ATTACHMENTS} are taken")]
    ManyAttachments {
        /// How many there are.
        count: usize,
    },
    /// Files without a prompt that they go with.
    #[error("files are attached, and there is no prompt")]
    LoneAttachments,
    /// A file whose name or size cannot be that of an upload.
    #[error("attachment {place} has a name or a size that no upload can have")]
    BadAttachment {
        /// Its place, from 1.
        place: usize,
    },
    /// A name that no directory of a new project can have, or one where no project is to be made.
    #[error(
        "a new project's name has 1 to {MAX_PROJECT_NAME_CHARS} letters, digits, spaces or `-_.`, begins with a letter or digit, and does not end with a dot"
    )]
    BadProjectName,
    /// A name, title or option over its limit.
    #[error("`{field}` is empty or longer than {MAX_NAME_CHARS} characters")]
    BadName {
        /// Which field.
        field: &'static str,
    },
}

impl CommandBody {
    /// The kind, as on the wire.
    pub const fn kind(&self) -> CommandKind {
        match self {
            Self::StartSession { .. } => CommandKind::StartSession,
            Self::ForkSession { .. } => CommandKind::ForkSession,
            Self::SendPrompt { .. } => CommandKind::SendPrompt,
            Self::CancelTurn { .. } => CommandKind::CancelTurn,
            Self::AnswerApproval { .. } => CommandKind::AnswerApproval,
            Self::EditPrompt { .. } => CommandKind::EditPrompt,
            Self::MovePrompt { .. } => CommandKind::MovePrompt,
            Self::SteerPrompt { .. } => CommandKind::SteerPrompt,
            Self::SetOptions { .. } => CommandKind::SetOptions,
        }
    }

    /// The session that it is about.
    pub const fn session(&self) -> SessionId {
        match self {
            Self::StartSession { session, .. }
            | Self::ForkSession { session, .. }
            | Self::SendPrompt { session, .. }
            | Self::CancelTurn { session, .. }
            | Self::AnswerApproval { session, .. }
            | Self::EditPrompt { session, .. }
            | Self::MovePrompt { session, .. }
            | Self::SteerPrompt { session, .. }
            | Self::SetOptions { session, .. } => *session,
        }
    }

    /// The capability that a linked node must have named to be handed it: an older one would not understand it. `None` for what every node
    /// understands.
    pub const fn needs(&self) -> Option<&'static str> {
        match self {
            Self::StartSession { new_project: true, .. } => Some(NEW_PROJECTS),
            Self::StartSession { .. }
            | Self::ForkSession { .. }
            | Self::SendPrompt { .. }
            | Self::CancelTurn { .. }
            | Self::AnswerApproval { .. }
            | Self::EditPrompt { .. }
            | Self::MovePrompt { .. }
            | Self::SteerPrompt { .. }
            | Self::SetOptions { .. } => None,
        }
    }

    /// The prompt that it carries, for lists.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::StartSession { content, .. } | Self::ForkSession { content, .. } => content.text.as_deref(),
            Self::SendPrompt { content, .. } => Some(&content.text),
            Self::EditPrompt { content, .. } => Some(&content.text),
            Self::CancelTurn { .. }
            | Self::AnswerApproval { .. }
            | Self::MovePrompt { .. }
            | Self::SteerPrompt { .. }
            | Self::SetOptions { .. } => None,
        }
    }

    /// The same with other words; `None` for what has no words that could be changed.
    #[must_use]
    pub fn with_text(&self, text: &str) -> Option<Self> {
        let mut changed = self.clone();
        match &mut changed {
            Self::StartSession { content, .. } | Self::ForkSession { content, .. } => {
                text.clone_into(content.text.as_mut()?);
            }
            Self::SendPrompt { content, .. } => text.clone_into(&mut content.text),
            Self::EditPrompt { content, .. } => text.clone_into(&mut content.text),
            Self::CancelTurn { .. }
            | Self::AnswerApproval { .. }
            | Self::MovePrompt { .. }
            | Self::SteerPrompt { .. }
            | Self::SetOptions { .. } => return None,
        }
        Some(changed)
    }

    /// The files that it carries.
    pub fn attachments(&self) -> &[Attachment] {
        match self {
            Self::StartSession { content, .. } | Self::ForkSession { content, .. } => &content.attachments,
            Self::SendPrompt { content, .. } => &content.attachments,
            Self::CancelTurn { .. }
            | Self::AnswerApproval { .. }
            | Self::EditPrompt { .. }
            | Self::MovePrompt { .. }
            | Self::SteerPrompt { .. }
            | Self::SetOptions { .. } => &[],
        }
    }

    /// Checks what can be checked without knowing any state.
    ///
    /// # Errors
    /// [`InvalidCommand`], the first thing that is wrong.
    pub fn validate(&self) -> Result<(), InvalidCommand> {
        let prompt = |text: &str| match text {
            text if text.trim().is_empty() => Err(InvalidCommand::EmptyPrompt),
            text if text.len() > MAX_PROMPT_BYTES => Err(InvalidCommand::LongPrompt { bytes: text.len() }),
            _ => Ok(()),
        };
        let name = |field: &'static str, text: &Option<String>| match text {
            Some(text) if text.trim().is_empty() || text.chars().count() > MAX_NAME_CHARS => {
                Err(InvalidCommand::BadName { field })
            }
            _ => Ok(()),
        };
        let attached = self.attachments();
        if attached.len() > MAX_ATTACHMENTS {
            return Err(InvalidCommand::ManyAttachments { count: attached.len() });
        }
        if let Some(bad) = attached.iter().position(|attachment| !attachment.is_plausible()) {
            return Err(InvalidCommand::BadAttachment { place: bad + 1 });
        }
        let prompt = |text: &str| if text.is_empty() && !attached.is_empty() { Ok(()) } else { prompt(text) };
        let begins = |content: &StartContent| {
            name("title", &content.title)?;
            match content.text.as_deref() {
                Some(text) => prompt(text),
                None if attached.is_empty() => Ok(()),
                None => Err(InvalidCommand::LoneAttachments),
            }
        };
        match self {
            Self::StartSession { new_project, agent, model, mode, effort, content, .. } => {
                let named = content.project_name.as_deref();
                if named.is_some_and(|name| !new_project || !is_project_name(name)) {
                    return Err(InvalidCommand::BadProjectName);
                }
                name("agent", &Some(agent.clone()))?;
                name("model", model)?;
                name("mode", mode)?;
                name("effort", effort)?;
                begins(content)
            }
            Self::ForkSession { content, .. } if content.project_name.is_some() => Err(InvalidCommand::BadProjectName),
            Self::ForkSession { content, .. } => begins(content),
            Self::SendPrompt { content, .. } => prompt(&content.text),
            Self::EditPrompt { content, .. } => prompt(&content.text),
            Self::CancelTurn { .. } | Self::MovePrompt { .. } | Self::SteerPrompt { .. } => Ok(()),
            Self::AnswerApproval { option, content, .. } => {
                name("option", &Some(option.clone()))?;
                let words = content.message.iter().chain(content.answers.values()).map(String::len).sum::<usize>();
                if words > MAX_PROMPT_BYTES { Err(InvalidCommand::LongPrompt { bytes: words }) } else { Ok(()) }
            }
            Self::SetOptions { model, mode, effort, .. } => {
                // An empty word has a meaning of its own.
                let choice =
                    |field, text: &Option<String>| if text.as_deref() == Some("") { Ok(()) } else { name(field, text) };
                choice("model", model)?;
                name("mode", mode)?;
                choice("effort", effort)
            }
        }
    }
}

/// Whether a new project may be called that: its directory can have the name on every system, and no path hides in it.
pub fn is_project_name(name: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
    name.chars().count() <= MAX_PROJECT_NAME_CHARS
        && name.starts_with(char::is_alphanumeric)
        && !name.ends_with(['.', ' '])
        && name.chars().all(plain)
}

/// The kind of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum CommandKind {
    /// Makes a session.
    StartSession,
    /// Makes a session that goes on from another one.
    ForkSession,
    /// Sends a prompt.
    SendPrompt,
    /// Stops a turn.
    CancelTurn,
    /// Answers an approval.
    AnswerApproval,
    /// Changes a prompt that waits.
    EditPrompt,
    /// Moves a prompt that waits.
    MovePrompt,
    /// Hands a prompt that waits to the agent in mid-turn.
    SteerPrompt,
    /// Changes model, mode or effort.
    SetOptions,
}

impl CommandKind {
    /// Whether it makes the session that it names.
    pub const fn makes_session(self) -> bool {
        matches!(self, Self::StartSession | Self::ForkSession)
    }

    /// The right that a device needs to send it.
    pub const fn right(self) -> Right {
        match self {
            Self::StartSession
            | Self::ForkSession
            | Self::SendPrompt
            | Self::CancelTurn
            | Self::EditPrompt
            | Self::MovePrompt
            | Self::SteerPrompt
            | Self::SetOptions => Right::Prompt,
            Self::AnswerApproval => Right::Approve,
        }
    }
}

/// The value of a `command` fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    /// The version of this shape.
    pub v: u32,
    /// What it asks for.
    pub kind: CommandKind,
    /// The host that is to act.
    pub host: DeviceId,
    /// The session that it is about.
    pub session: SessionId,
    /// The turn that came of it.
    pub turn: Option<TurnId>,
    /// Who sent it.
    pub sender: Sender,
    /// Of a command of a participant: what its host checks. Null for what the owner of the session sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub participant: Option<ByParticipant>,
    /// Where it stands.
    pub state: CommandState,
    /// How often it was leased.
    pub attempt: u32,
    /// The command that it is another try of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<CommandId>,
    /// How often it was tried by itself without having started, and when the next try is due; null while every try has started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tried: Option<Tried>,
    /// Its place in its host's line while it is queued: among the queued commands of one host, the smaller one goes first. Places are
    /// compared and nothing else; null once it is queued no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u64>,
    /// When the hub stored it.
    pub created_at_ms: UnixMs,
    /// When it expires if it has not started.
    pub expires_at_ms: UnixMs,
    /// When its state last changed.
    pub updated_at_ms: UnixMs,
    /// Why it failed.
    pub error: Option<CommandError>,
    /// Its words.
    pub content: CommandContent,
}

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct CommandError {
    /// The reason, stable.
    pub code: ErrorCode,
    /// Whether sending it again as a new command may help.
    pub retryable: bool,
}

/// The words of a command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct CommandContent {
    /// The prompt that it carries.
    pub text: Option<String>,
    /// What was said of the error.
    pub detail: Option<String>,
    /// The files that go with the prompt. A row that an older program has written has none.
    #[serde(default)]
    pub attachments: Vec<Attachment>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_hides_in_the_name_of_a_new_project() {
        for good in ["tides", "Tide tables 2", "gezeiten-für_alle.v2", "潮", "7"] {
            assert!(is_project_name(good), "{good}");
        }
        let long = "x".repeat(MAX_PROJECT_NAME_CHARS + 1);
        for bad in [
            "", " ", ".", "..", ".ssh", "-rf", "a/b", "../a", "a\\b", "a\0", "a\n", "a:", "~", "~/a", "a.", "a ",
            "$(a)", &long,
        ] {
            assert!(!is_project_name(bad), "{bad}");
        }
    }

    #[test]
    fn what_a_client_may_not_say_is_refused() {
        let id = uuid::Builder::from_unix_timestamp_millis(1, &[0; 10]).into_uuid();
        let session = SessionId::from_uuid(id);
        let good = format!(r#"{{"kind":"cancel_turn","session":"{session}","turn":null}}"#);
        assert!(serde_json::from_str::<CommandBody>(&good).is_ok());
        let forged = format!(r#"{{"kind":"cancel_turn","session":"{session}","turn":null,"sender":"me"}}"#);
        assert!(serde_json::from_str::<CommandBody>(&forged).is_err());
        assert!(serde_json::from_str::<CommandBody>(r#"{"kind":"format_disk"}"#).is_err());
    }
}
