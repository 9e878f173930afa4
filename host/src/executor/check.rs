//! Whether a command may be done at all: unknown or invalid ones fail with a reason, and nothing is executed (W-015).

use protocol::command::{CommandBody, InvalidCommand};
use protocol::error::ErrorCode;
use protocol::host::Ability;
use protocol::id::{SessionId, TurnId};
use protocol::port::{Leased, PortError};
use protocol::session::Forked;

use super::{Unroutable, newborn};
use crate::catalogue;
use crate::consent;
use crate::context::Context;
use crate::notes::{self, ApprovalNote, NOTE_VERSION, PlaceNote, SessionNote};
use crate::project::{self, MakeError};

/// Why a command is not done.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    pub(crate) detail: String,
}

pub(super) fn refusal(code: ErrorCode, detail: impl Into<String>) -> Refusal {
    Refusal { code, detail: detail.into() }
}

pub(super) fn invalid(error: &InvalidCommand) -> Refusal {
    refusal(ErrorCode::Invalid, error.to_string())
}

pub(super) fn exists() -> Refusal {
    refusal(ErrorCode::SessionExists, "a session with this id exists")
}

pub(super) fn no_session() -> Refusal {
    refusal(ErrorCode::NotFound, "this host has no such session")
}

/// Checks what another account than the owner's may do here, before anything comes of its command (W-082, W-083).
pub(super) async fn sender(context: &Context, leased: &Leased) -> Result<(), Unroutable> {
    let Some(by) = &leased.participant else {
        if leased.sender.account == context.me.account {
            return Ok(());
        }
        let detail =
            "it comes from another account, and nothing says that it takes part in this session; update the hub";
        return Err(refusal(ErrorCode::Forbidden, detail).into());
    };
    let chosen = match &leased.body {
        CommandBody::AnswerApproval { session, approval, option, .. } => {
            // What it may be answered stands on record for as long as it is asked, and never changes.
            let asked = notes::get::<ApprovalNote>(&*context.port, &notes::approval(*session, *approval)).await?;
            let mut options = asked.into_iter().flat_map(|asked| asked.fact.options);
            options.find(|offered| offered.id == *option).map(|offered| offered.kind)
        }
        _ => None,
    };
    consent::may(context.options.participants, by, &leased.body, chosen)
        .map_err(|forbidden| refusal(forbidden.code(), forbidden.words(by)).into())
}

/// Checks a `fork_session`, and makes what is known of the session.
async fn fork(
    context: &Context,
    from: SessionId,
    after: Option<TurnId>,
    title: Option<&str>,
) -> Result<SessionNote, Unroutable> {
    let port = &*context.port;
    let Some(origin) = notes::get::<SessionNote>(port, &notes::session(from)).await? else {
        return Err(no_session().into());
    };
    let agent = &origin.agent;
    let unsupported = |detail: &str| refusal(ErrorCode::Unsupported, format!("`{agent}` {detail}"));
    let entry = context.catalogue.entry(agent);
    let abilities = entry.map(|entry| entry.abilities).unwrap_or_default();
    let newest = abilities.contains(&Ability::ForkNewest);
    if !newest && !abilities.contains(&Ability::Fork) {
        return Err(unsupported("cannot go on from another session").into());
    }
    if project::directory(context, origin.project).await?.is_none() {
        return Err(refusal(ErrorCode::ProjectUnavailable, "the directory of the project is not there").into());
    }
    let is_newest = |turn: TurnId| origin.last_turn.as_ref().is_some_and(|last| last.id == turn);
    let place = match after {
        Some(turn) if newest && !is_newest(turn) => {
            return Err(unsupported("goes on from the newest turn of a session only").into());
        }
        Some(turn) if !newest => notes::get::<PlaceNote>(port, &notes::place(from, turn)).await?,
        Some(_) | None => {
            origin.agent_session.clone().map(|agent_session| PlaceNote { v: NOTE_VERSION, agent_session, place: None })
        }
    };
    let Some(place) = place else {
        return Err(unsupported("does not remember where that turn ended").into());
    };
    let (model, mode, effort) = (origin.model.as_deref(), origin.mode.as_deref(), origin.effort.as_deref());
    let fresh = newborn(context, origin.project, agent, model, mode, effort, title);
    Ok(SessionNote {
        from: Some(Forked { session: from, turn: after }),
        fork: Some(place),
        // Its conversation remembers what that of the other one does.
        leaves_model: origin.leaves_model,
        leaves_effort: origin.leaves_effort,
        ..fresh
    })
}

/// Checks a command that makes a session, and makes what is known of the session.
pub(super) async fn start(context: &Context, body: &CommandBody) -> Result<SessionNote, Unroutable> {
    if let CommandBody::ForkSession { from, after, content, .. } = body {
        return fork(context, *from, *after, content.title.as_deref()).await;
    }
    let CommandBody::StartSession { project, new_project, agent, model, mode, effort, content, .. } = body else {
        return Err(refusal(ErrorCode::Invalid, "not a `start_session`").into());
    };
    if !context.agents.contains_key(agent) {
        return Err(refusal(ErrorCode::AgentUnavailable, format!("this host has no agent `{agent}`")).into());
    }
    if *new_project {
        // Whatever else is wrong is found before anything is made.
        options(context, agent, None, body)?;
        project::make(context, *project, content.project_name.as_deref()).await.map_err(|error| not_made(&error))?;
    } else if project::directory(context, *project).await?.is_none() {
        let detail = "the project is not registered here, or its directory is not there or not allowed";
        return Err(refusal(ErrorCode::ProjectUnavailable, detail).into());
    }
    let (model, mode, effort) = (model.as_deref(), mode.as_deref(), effort.as_deref());
    Ok(newborn(context, *project, agent, model, mode, effort, content.title.as_deref()))
}

/// How a command fails whose project could not be made.
fn not_made(error: &MakeError) -> Unroutable {
    let code = match error {
        MakeError::Off => ErrorCode::NewProjectsOff,
        MakeError::Taken { .. } => ErrorCode::ProjectExists,
        MakeError::Gone | MakeError::Disk { .. } | MakeError::Place(_) => ErrorCode::ProjectUnavailable,
        MakeError::Port(PortError::Refused { .. }) => {
            return refusal(ErrorCode::Invalid, "this id is that of another project").into();
        }
        MakeError::Port(error) => return error.clone().into(),
    };
    refusal(code, error.to_string()).into()
}

/// Checks the files that a command names: each is there, and is what the command says that it is.
pub(super) async fn attachments(context: &Context, body: &CommandBody) -> Result<(), Unroutable> {
    for attachment in body.attachments() {
        let known = context.port.known_file(attachment.blob).await?;
        let Some(known) = known else {
            let detail = format!("there is no file {}", attachment.blob);
            return Err(refusal(ErrorCode::AttachmentMissing, detail).into());
        };
        if known.size_bytes != attachment.size_bytes || known.media_type != attachment.media_type {
            let detail = format!(
                "file {} is {} of {} bytes; the prompt says {} of {} bytes",
                attachment.blob, known.media_type, known.size_bytes, attachment.media_type, attachment.size_bytes
            );
            return Err(refusal(ErrorCode::Invalid, detail).into());
        }
    }
    Ok(())
}

/// Checks the model, the mode and the effort that a command asks for; `now` is the model that the session has, if it is there.
pub(super) fn options(context: &Context, agent: &str, now: Option<&str>, body: &CommandBody) -> Result<(), Refusal> {
    let (CommandBody::StartSession { model, mode, effort, .. } | CommandBody::SetOptions { model, mode, effort, .. }) =
        body
    else {
        return Ok(());
    };
    let entry = context.catalogue.entry(agent);
    let goes_back = |what: &&Option<String>| what.as_deref().is_some_and(str::is_empty);
    if [model, effort].iter().any(goes_back) {
        let can = entry.as_ref().is_some_and(|entry| entry.abilities.contains(&Ability::Defaults));
        if !can || matches!(body, CommandBody::StartSession { .. }) {
            return Err(refusal(ErrorCode::Unsupported, format!("`{agent}` cannot go back to a default of its own")));
        }
    }
    // Of a model that the agent chooses itself it is not known which efforts it takes.
    let then = model.as_deref().or(now).filter(|then| !then.is_empty());
    let [model, effort] = [model, effort].map(|what| what.as_ref().filter(|what| !what.is_empty()));
    if let (Some(effort), Some(entry)) = (effort, &entry)
        && !entry.efforts_of(then).any(|offered| offered.id == *effort)
    {
        let model = then.map_or_else(String::new, |model| format!(" with the model `{model}`"));
        return Err(refusal(ErrorCode::Invalid, format!("`{agent}` does not offer the effort `{effort}`{model}")));
    }
    let (models, ways) = entry.map(|entry| (entry.models, entry.modes)).unwrap_or_default();
    if let Some(mode) = mode {
        let offered = ways.iter().any(|known| known.id == *mode);
        // One that never asks must be allowed here and offered by the agent, too: a name alone says nothing.
        if catalogue::bypasses_approval(mode) && !(context.options.bypass_modes_allowed && offered) {
            return Err(refusal(ErrorCode::ModeNotAllowed, format!("`{mode}` lets the agent act without asking")));
        }
        if !ways.is_empty() && !offered {
            return Err(refusal(ErrorCode::ModeNotAllowed, format!("`{agent}` does not offer the mode `{mode}`")));
        }
    }
    match model {
        // An agent that has not said what it offers is asked when it starts.
        Some(model) if !models.is_empty() && !models.iter().any(|offered| offered.id == *model) => {
            Err(refusal(ErrorCode::ModelUnavailable, format!("`{agent}` does not offer the model `{model}`")))
        }
        Some(_) | None => Ok(()),
    }
}
