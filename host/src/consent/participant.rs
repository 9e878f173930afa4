//! What another account may do in a session of this machine (W-082, W-083): checked here once more, whatever hub a command came by.
//!
//! What a participant's prompt makes the agent ask goes by the owner's policy and standing rules, as everything in the session does. A
//! prompt runs only when the owner has read and released it, or trusts who sent it with allowing anything once; so a rule gives nobody
//! more than the owner's word has already given. Rules that counted only in turns of the owner would be a fence that is none: what was
//! said stays in the agent's memory, and the owner's next prompt runs with it. What is never asked again is only ever the owner's to
//! say: no answer of a participant makes a rule, of this machine or of the agent, and none of them chooses a mode: what an agent's own
//! `auto` still asks, its name does not say.

use protocol::command::CommandBody;
use protocol::error::ErrorCode;
use protocol::limits::MAX_NAME_CHARS;
use protocol::participant::{ByParticipant, ParticipantRole};

use protocol::approval::OptionKind;

/// Whether this machine does anything for participants of its sessions, whatever their owner lets them do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Participants {
    /// What their owner trusts them with, and what the owner releases.
    Ask,
    /// Nothing: they read.
    ReadOnly,
}

/// Why a command of a participant is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Forbidden {
    /// Nothing is done for anybody.
    #[error(
        "this machine does nothing for participants; its owner can change `host.participants`: `towline config edit`"
    )]
    ReadOnly,
    /// One who reads.
    #[error("a viewer may only read; ask the owner of the session for an invitation as an editor")]
    Viewer,
    /// A prompt that nobody has let run.
    #[error("the owner of the session has not let this run; ask them to release it: `towline commands release`")]
    Held,
    /// What needs trust.
    #[error(
        "only an editor whom the owner trusts may do that; send a prompt, which the owner can release, or ask to be trusted"
    )]
    NotTrusted,
    /// What is the owner's alone.
    #[error("sessions are begun by the owner of the machine alone; ask them to begin one and to share it")]
    Owners,
    /// An answer that would count more than once.
    #[error(
        "an answer of a participant counts once; choose one that does, and leave what lasts to the owner of the session"
    )]
    Lasts,
    /// Words with a refusal, which the agent would take as a prompt.
    #[error(
        "a refusal of an editor who is not trusted goes without words, which would be a prompt; send a prompt instead"
    )]
    Words,
    /// How far the agent asks.
    #[error(
        "how far the agent asks is chosen by the owner of the session alone; choose model and effort without a mode"
    )]
    Mode,
    /// The words of somebody else, under whose name they would go on standing.
    #[error("what somebody else has written is theirs to change; send a prompt instead")]
    NotTheirs,
    /// Files.
    #[error("files are attached by the owner of the session alone; send the prompt without them")]
    Files,
    /// An answer to nothing that is asked now.
    #[error("it was answered already, or its agent is gone; look at the session")]
    NotAsked,
}

impl Forbidden {
    /// The code that goes with it.
    pub(crate) const fn code(self) -> ErrorCode {
        match self {
            Self::ReadOnly
            | Self::Viewer
            | Self::Held
            | Self::NotTrusted
            | Self::Owners
            | Self::Lasts
            | Self::Words
            | Self::Mode
            | Self::NotTheirs => ErrorCode::Forbidden,
            Self::Files => ErrorCode::Unsupported,
            Self::NotAsked => ErrorCode::ApprovalNotPending,
        }
    }

    /// What is said of it: whose command it was, why it is not done, and what to do next.
    pub(crate) fn words(self, by: &ByParticipant) -> String {
        let name: String = by.name.chars().filter(|char| !char.is_control()).take(MAX_NAME_CHARS).collect();
        format!("not done for {}: {self}", if name.trim().is_empty() { "a participant" } else { name.trim() })
    }
}

/// Whether a participant may do that. `chosen` is what the option of an answer means, `None` when nothing like it is asked.
///
/// # Errors
/// [`Forbidden`], the first reason.
pub(crate) fn may(
    setting: Participants,
    by: &ByParticipant,
    body: &CommandBody,
    chosen: Option<OptionKind>,
) -> Result<(), Forbidden> {
    let is = |fine: bool, why: Forbidden| if fine { Ok(()) } else { Err(why) };
    is(setting == Participants::Ask, Forbidden::ReadOnly)?;
    is(by.role == ParticipantRole::Editor, Forbidden::Viewer)?;
    is(body.attachments().is_empty(), Forbidden::Files)?;
    match body {
        CommandBody::StartSession { .. } | CommandBody::ForkSession { .. } => Err(Forbidden::Owners),
        CommandBody::SendPrompt { .. } => is(by.is_let(), Forbidden::Held),
        CommandBody::CancelTurn { .. } => Ok(()),
        CommandBody::AnswerApproval { content, .. } => match chosen {
            None => Err(Forbidden::NotAsked),
            Some(OptionKind::Deny) => {
                let mute = content.message.is_none() && content.answers.is_empty();
                is(by.trusted || mute, Forbidden::Words)
            }
            Some(OptionKind::AllowOnce | OptionKind::Answer) => is(by.trusted, Forbidden::NotTrusted),
            Some(OptionKind::AllowAlways | OptionKind::AllowRule | OptionKind::DenyAlways) => Err(Forbidden::Lasts),
        },
        // To release is to let one prompt run as it stands, and nothing else.
        CommandBody::EditPrompt { .. } | CommandBody::MovePrompt { .. } | CommandBody::SteerPrompt { .. } => {
            is(by.trusted, Forbidden::NotTrusted)
        }
        CommandBody::SetOptions { mode, .. } => {
            is(by.trusted, Forbidden::NotTrusted)?;
            is(mode.is_none(), Forbidden::Mode)
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::blob::{Attachment, BlobId};
    use protocol::command::{AnswerContent, EditContent, PromptContent, StartContent};
    use protocol::id::{AccountId, ApprovalId, DeviceId, ProjectId, SessionId, TurnId};

    use super::*;

    fn v7(n: u64) -> uuid::Uuid {
        uuid::Builder::from_unix_timestamp_millis(n, &[0; 10]).into_uuid()
    }

    fn by(role: ParticipantRole, trusted: bool, released: bool) -> ByParticipant {
        let released_by = released.then(|| DeviceId::from_uuid(v7(3)));
        ByParticipant { account: AccountId::from_uuid(v7(2)), name: "Ada".to_owned(), role, trusted, released_by }
    }

    fn session() -> SessionId {
        SessionId::from_uuid(v7(4))
    }

    fn prompt(files: usize) -> CommandBody {
        let file = Attachment {
            blob: BlobId::from_digest([1; 32]),
            name: "a.txt".to_owned(),
            media_type: "text/plain".to_owned(),
            size_bytes: 1,
        };
        let content = PromptContent { text: "hello".to_owned(), attachments: vec![file; files] };
        CommandBody::SendPrompt { session: session(), content }
    }

    fn answer(message: Option<&str>) -> CommandBody {
        let content = AnswerContent { message: message.map(str::to_owned), ..AnswerContent::default() };
        let approval = ApprovalId::from_uuid(v7(5));
        CommandBody::AnswerApproval { session: session(), approval, option: "x".to_owned(), content }
    }

    fn mode(mode: Option<&str>) -> CommandBody {
        let mode = mode.map(str::to_owned);
        CommandBody::SetOptions { session: session(), model: Some("big".to_owned()), mode, effort: None }
    }

    /// What may be asked for, with the words of a table's row, and what an answer chooses.
    fn acts() -> Vec<(&'static str, CommandBody, Option<OptionKind>)> {
        let (session, turn) = (session(), TurnId::from_uuid(v7(6)));
        let start = CommandBody::StartSession {
            session,
            project: ProjectId::from_uuid(v7(7)),
            new_project: false,
            agent: "claude".to_owned(),
            model: None,
            mode: None,
            effort: None,
            content: StartContent::default(),
        };
        let fork = CommandBody::ForkSession { session, from: session, after: None, content: StartContent::default() };
        vec![
            ("start_session", start, None),
            ("fork_session", fork, None),
            ("send_prompt", prompt(0), None),
            ("send_prompt with a file", prompt(1), None),
            ("cancel_turn", CommandBody::CancelTurn { session, turn: None }, None),
            ("cancel_turn of one", CommandBody::CancelTurn { session, turn: Some(turn) }, None),
            ("answer deny", answer(None), Some(OptionKind::Deny)),
            ("answer deny with words", answer(Some("do this instead")), Some(OptionKind::Deny)),
            ("answer deny_always", answer(None), Some(OptionKind::DenyAlways)),
            ("answer allow_once", answer(None), Some(OptionKind::AllowOnce)),
            ("answer answer", answer(None), Some(OptionKind::Answer)),
            ("answer allow_always", answer(None), Some(OptionKind::AllowAlways)),
            ("answer allow_rule", answer(None), Some(OptionKind::AllowRule)),
            ("answer to nothing", answer(None), None),
            ("edit_prompt", CommandBody::EditPrompt { session, turn, content: EditContent::default() }, None),
            ("move_prompt", CommandBody::MovePrompt { session, turn, before: None }, None),
            ("steer_prompt", CommandBody::SteerPrompt { session, turn }, None),
            ("set_options model", mode(None), None),
            ("set_options asking mode", mode(Some("acceptEdits")), None),
            ("set_options bypass", mode(Some("bypassPermissions")), None),
        ]
    }

    /// The whole table; what is not in a row's list is refused.
    const EDITOR: [&str; 3] = ["cancel_turn", "cancel_turn of one", "answer deny"];
    const TRUSTED: [&str; 11] = [
        "send_prompt",
        "cancel_turn",
        "cancel_turn of one",
        "answer deny",
        "answer deny with words",
        "answer allow_once",
        "answer answer",
        "edit_prompt",
        "move_prompt",
        "steer_prompt",
        "set_options model",
    ];

    #[test]
    fn the_table_is_kept_for_every_role_trust_release_and_kind() {
        for role in [ParticipantRole::Viewer, ParticipantRole::Editor] {
            for (trusted, released) in [(false, false), (false, true), (true, false), (true, true)] {
                let allowed: Vec<&str> = match (role, trusted, released) {
                    (ParticipantRole::Viewer, ..) => Vec::new(),
                    (ParticipantRole::Editor, true, _) => TRUSTED.to_vec(),
                    (ParticipantRole::Editor, false, false) => EDITOR.to_vec(),
                    // A release is about a prompt: nothing else is let by it.
                    (ParticipantRole::Editor, false, true) => [EDITOR.as_slice(), &["send_prompt"]].concat(),
                };
                for (name, body, chosen) in acts() {
                    let by = by(role, trusted, released);
                    let may = |setting| super::may(setting, &by, &body, chosen);
                    let found = may(Participants::Ask);
                    assert_eq!(found.is_ok(), allowed.contains(&name), "{name} of {by:?}: {found:?}");
                    assert_eq!(may(Participants::ReadOnly), Err(Forbidden::ReadOnly), "{name} of {by:?}");
                }
            }
        }
    }

    #[test]
    fn each_refusal_says_why_with_its_code() {
        let why = |by: &ByParticipant, name: &str| {
            let (_, body, chosen) = acts().into_iter().find(|(known, ..)| *known == name).unwrap();
            may(Participants::Ask, by, &body, chosen).unwrap_err()
        };
        let viewer = by(ParticipantRole::Viewer, true, true);
        let editor = by(ParticipantRole::Editor, false, false);
        let trusted = by(ParticipantRole::Editor, true, false);
        for (by, name, expected) in [
            (&viewer, "cancel_turn", Forbidden::Viewer),
            (&viewer, "answer to nothing", Forbidden::Viewer),
            (&editor, "send_prompt", Forbidden::Held),
            (&editor, "answer allow_once", Forbidden::NotTrusted),
            (&editor, "answer deny_always", Forbidden::Lasts),
            (&editor, "answer deny with words", Forbidden::Words),
            (&editor, "steer_prompt", Forbidden::NotTrusted),
            (&editor, "set_options model", Forbidden::NotTrusted),
            (&trusted, "send_prompt with a file", Forbidden::Files),
            (&trusted, "start_session", Forbidden::Owners),
            (&trusted, "fork_session", Forbidden::Owners),
            (&trusted, "answer allow_rule", Forbidden::Lasts),
            (&trusted, "answer allow_always", Forbidden::Lasts),
            (&trusted, "set_options bypass", Forbidden::Mode),
            (&trusted, "set_options asking mode", Forbidden::Mode),
            (&trusted, "answer to nothing", Forbidden::NotAsked),
        ] {
            let found = why(by, name);
            assert_eq!(found, expected, "{name}");
            let code = match found {
                Forbidden::Files => ErrorCode::Unsupported,
                Forbidden::NotAsked => ErrorCode::ApprovalNotPending,
                _ => ErrorCode::Forbidden,
            };
            assert_eq!(found.code(), code);
            let words = found.words(by);
            assert!(words.starts_with("not done for Ada: ") && words.contains("; "), "{words}");
        }
    }

    #[test]
    fn a_name_that_is_none_or_endless_does_not_spoil_what_is_said() {
        let named = |name: &str| ByParticipant { name: name.to_owned(), ..by(ParticipantRole::Viewer, false, false) };
        assert!(Forbidden::Viewer.words(&named(" \n")).starts_with("not done for a participant: a viewer"));
        assert!(Forbidden::Viewer.words(&named("A\u{1b}[1mda")).starts_with("not done for A[1mda: "));
        assert!(Forbidden::Viewer.words(&named(&"x".repeat(1 << 20))).len() < 1_000);
    }
}
