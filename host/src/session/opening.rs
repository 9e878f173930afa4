//! Starting the agent of a session.

use std::sync::Arc;

use protocol::error::ErrorCode;
use protocol::id::SessionId;
use protocol::port::PortError;
use protocol::session::Forked;
use protocol::turn::TurnErrorCode;

use crate::agent::{OpenError, OpenSpec, Opened};
use crate::catalogue;
use crate::context::Context;
use crate::notes::{self, SessionNote};
use crate::project;
use crate::raw_lines::RawLines;

/// An agent could not be started for a session.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unavailable {
    #[error("the directory of the project is not there, was replaced, or is not allowed")]
    Project,
    #[error("this host has no agent `{agent}`")]
    Agent { agent: String },
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(
        "the session that it was to go on from has gone on meanwhile, and `{agent}` goes on from the newest turn only; \
         the next prompt begins anew"
    )]
    GoneOn { agent: String },
    #[error("the hub could not be asked: {0}")]
    Port(PortError),
}

impl Unavailable {
    /// Whether what was said before will never be known to the agent: said once, and the next prompt begins a new conversation with it.
    pub(crate) const fn is_lost(&self) -> bool {
        matches!(self, Self::GoneOn { .. } | Self::Open(OpenError::NotSaved { .. } | OpenError::NoFork { .. }))
    }

    /// How the turn fails, and how its command fails.
    pub(crate) fn codes(&self) -> (TurnErrorCode, ErrorCode) {
        match self {
            Self::Project => (TurnErrorCode::AgentUnavailable, ErrorCode::ProjectUnavailable),
            Self::GoneOn { .. } | Self::Open(OpenError::NoFork { .. }) => {
                (TurnErrorCode::AgentError, ErrorCode::Unsupported)
            }
            Self::Port(_) => (TurnErrorCode::AgentUnavailable, ErrorCode::Internal),
            Self::Open(OpenError::NotNow { .. }) => (TurnErrorCode::AgentUnavailable, ErrorCode::AgentNotStarted),
            Self::Agent { .. } | Self::Open(OpenError::NotFound { .. } | OpenError::Failed { .. }) => {
                (TurnErrorCode::AgentUnavailable, ErrorCode::AgentUnavailable)
            }
            Self::Open(OpenError::LoggedOut { .. }) => (TurnErrorCode::CredentialsExpired, ErrorCode::AgentUnavailable),
            Self::Open(OpenError::NotSaved { .. }) => (TurnErrorCode::SessionNotSaved, ErrorCode::AgentUnavailable),
            Self::Open(OpenError::Option { what, .. }) if what.starts_with("mode ") || what == "mode" => {
                (TurnErrorCode::AgentError, ErrorCode::ModeNotAllowed)
            }
            Self::Open(OpenError::Option { .. }) => (TurnErrorCode::ModelUnavailable, ErrorCode::ModelUnavailable),
        }
    }
}

/// Starts the agent of a session. Dropping the future leaves no process.
///
/// # Errors
/// [`Unavailable`].
pub(crate) async fn open(
    context: Arc<Context>,
    session: SessionId,
    row: SessionNote,
    tag: String,
) -> Result<Opened, Unavailable> {
    let Some(agent) = context.agents.get(&row.agent) else {
        return Err(Unavailable::Agent { agent: row.agent });
    };
    let cwd =
        project::directory(&context, row.project).await.map_err(Unavailable::Port)?.ok_or(Unavailable::Project)?;
    // What was allowed when it was chosen may not be any more.
    let mode = row.mode.filter(|mode| context.options.bypass_modes_allowed || !catalogue::bypasses_approval(mode));
    let lines =
        context.options.lines_dir.as_ref().map(|dir| RawLines::start(dir.clone(), session, context.now(), &row.agent));
    let spec = OpenSpec { cwd, resume: row.agent_session, model: row.model, mode, effort: row.effort, tag, lines };
    if row.fork.as_ref().is_some_and(|fork| spec.resume.is_none() && fork.place.is_none())
        && gone_on(&context, row.from.as_ref()).await.map_err(Unavailable::Port)?
    {
        return Err(Unavailable::GoneOn { agent: row.agent });
    }
    let mut opened = match row.fork.filter(|_| spec.resume.is_none()) {
        Some(fork) => agent.fork(OpenSpec { resume: Some(fork.agent_session), ..spec }, fork.place).await?,
        None => agent.open(spec).await?,
    };
    if let Some(entry) = opened.entry.take() {
        catalogue::learn(&context, &row.agent, entry, Some(row.project)).await;
    }
    Ok(opened)
}

/// Whether the session that another one is to go on from, behind a turn without a place of its own, has had a later turn since.
async fn gone_on(context: &Context, from: Option<&Forked>) -> Result<bool, PortError> {
    let Some(Forked { session, turn: Some(turn) }) = from else { return Ok(false) };
    // Of a session that was deleted the agent itself says whether it is there.
    let origin = notes::get::<SessionNote>(&*context.port, &notes::session(*session)).await?;
    Ok(origin.and_then(|origin| origin.last_turn).is_some_and(|last| last.id != *turn))
}
