//! `send`: a prompt to a session, and its answer.

use std::path::Path;
use std::time::Duration;

use client::{SessionFollow, Update};
use protocol::api::CommandAck;
use protocol::command::{CommandBody, CommandState, PromptContent, StartContent};
use protocol::error::ErrorCode;
use protocol::fold::Transcript;
use protocol::host::{AgentState, Presence};
use protocol::id::{CommandId, DeviceId, ProjectId, SessionId, TurnId};
use protocol::limits::MAX_PROMPT_BYTES;
use protocol::time::Clock;
use protocol::turn::{Origin, Steer, Turn, TurnErrorCode, TurnState};
use serde::Serialize;
use tokio::io::AsyncReadExt;

use super::printer::Printer;
use super::tail;
use crate::cli::Send;
use crate::clock::SystemClock;
use crate::env::Env;
use crate::error::{CommandError, Kind};
use crate::near::{did_you_mean, nearest};
use crate::node::{Known, Node, succeeded};
use crate::output::{self, Output, printable};
use crate::people::People;
use crate::which_host::standing;

/// Between two looks at a command whose turn has not begun.
const LOOK: Duration = Duration::from_millis(100);

/// What `send --json` prints first; stable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    session: SessionId,
    command: CommandId,
    state: CommandState,
}

/// What `send --follow --json` prints last; stable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ended {
    session: SessionId,
    turn: TurnId,
    state: TurnState,
}

/// Sends a prompt.
pub(crate) async fn send(node: &Node, wish: Send, env: &Env, out: Output) -> Result<(), CommandError> {
    let text = if wish.text == "-" { read_prompt().await? } else { wish.text.clone() };
    let own = node.me().await?.host;
    let known = node.known().await?;
    let (host, body) = match (&wish.session, &wish.fork) {
        (_, Some(origin)) => {
            let from = known.session(origin)?;
            let body = CommandBody::ForkSession {
                session: SessionId::from_uuid(SystemClock.fresh()),
                from,
                after: wish.after,
                content: StartContent { title: None, text: Some(text), ..StartContent::default() },
            };
            (known.owner(from, own)?, body)
        }
        (Some(session), None) => {
            let session = known.session(session)?;
            let content = PromptContent { text, attachments: Vec::new() };
            (known.owner(session, own)?, CommandBody::SendPrompt { session, content })
        }
        (None, None) => {
            let host = known.target(wish.host.as_deref(), own)?;
            let new_project = wish.new_project.is_some();
            if new_project {
                makes_projects(&known, host)?;
            }
            let body = CommandBody::StartSession {
                session: SessionId::from_uuid(SystemClock.fresh()),
                project: if new_project {
                    ProjectId::from_uuid(SystemClock.fresh())
                } else {
                    project(&known, host, node.is_here(own, host), wish.project.as_deref(), env)?
                },
                new_project,
                agent: agent(&known, host, wish.agent)?,
                model: wish.model,
                mode: wish.mode,
                effort: wish.effort,
                content: StartContent {
                    project_name: wish.new_project.filter(|name| !name.is_empty()),
                    text: Some(text),
                    ..StartContent::default()
                },
            };
            (host, body)
        }
    };
    let session = body.session();
    let ack = node.send_for(host, body, wish.keep).await?;
    if wish.steer {
        steer(node, host, session, ack.command).await?;
    }
    let sent = Sent { session, command: ack.command, state: ack.state };
    if out.json {
        out.json(&sent)?;
    } else if wish.follow {
        output::note(format!("{session}"));
    } else {
        out.line(format!("sent: {session}"))?;
        output::note(format!("See the answer: towline tail {session}{}", node.at()));
    }
    if !out.json
        && let Some(part) = People::of(node, &known).await?.part_in(session).filter(|part| !part.trusted)
    {
        let (owner, until) = (&part.content.owner_name, super::lists::time(ack.expires_at_ms));
        output::note(printable(&format!(
            "It waits until {owner} lets it run, at most until {until}. Take it back: towline commands cancel {}{}",
            ack.command,
            node.at()
        )));
    }
    if !out.json
        && let Some(away) = known.hosts.get(&host).filter(|away| away.presence != Presence::Online)
    {
        let (name, word) = (known.called(host), standing(away).0);
        let until = super::lists::time(ack.expires_at_ms);
        output::note(format!(
            "It waits for {name} ({word}) until {until}. Take it back: towline commands cancel {}{}",
            ack.command,
            node.at()
        ));
    }
    if wish.follow { follow(node, &ack, session, out).await } else { Ok(()) }
}

/// Hands a prompt over in mid-turn, once the host has written it down. That the agent takes none then is said, and no failure: the prompt
/// waits.
async fn steer(node: &Node, host: DeviceId, session: SessionId, prompt: CommandId) -> Result<(), CommandError> {
    let turn = loop {
        let ack = node.api.command(prompt).await?;
        if ack.state.is_final() {
            // It began already, or never will; the verdict comes with the rest.
            return Ok(());
        }
        match ack.turn {
            Some(turn) => break turn,
            None => tokio::time::sleep(LOOK).await,
        }
    };
    let ack = node.send(host, CommandBody::SteerPrompt { session, turn }).await?;
    let ended = node.ended(ack.command).await?;
    if ended.error == Some(ErrorCode::Unsupported) {
        output::note("The agent takes nothing in mid-turn; the prompt waits for its turn.");
    } else if ended.error != Some(ErrorCode::TurnStarted) {
        succeeded(&ended)?;
    }
    Ok(())
}

async fn read_prompt() -> Result<String, CommandError> {
    let mut text = String::new();
    // One byte more than is taken, so that a longer prompt is refused and not cut.
    let limit = u64::try_from(MAX_PROMPT_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let read = tokio::io::stdin().take(limit).read_to_string(&mut text).await;
    read.map_err(|error| CommandError::new(Kind::Usage, error).during("cannot read the prompt from standard input"))?;
    Ok(text)
}

/// The project of a new session, among those of its machine; only on this machine itself is a directory one that can be looked at.
fn project(
    known: &Known,
    host: DeviceId,
    is_here: bool,
    wanted: Option<&str>,
    env: &Env,
) -> Result<ProjectId, CommandError> {
    let theirs = || known.projects.iter().filter(|(_, project)| project.host == host);
    let shown = |path: &Path| {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        crate::up::shown(&real, env.home.as_deref())
    };
    let all = || {
        let names: Vec<_> = theirs().map(|(_, project)| project.content.path.as_str()).collect();
        if names.is_empty() {
            format!("Add one on {}: towline projects add DIRECTORY", known.called(host))
        } else {
            format!("Say which: --project, one of {}.", names.join(", "))
        }
    };
    if let Some(wanted) = wanted {
        let path = shown(Path::new(wanted));
        let mut found = theirs().filter(|(id, project)| {
            let content = &project.content;
            let is_path = content.path == wanted || (is_here && content.path == path);
            id.to_string() == wanted || content.name == wanted || is_path
        });
        return match (found.next(), found.next()) {
            (Some((id, _)), None) => Ok(*id),
            (Some(_), Some(_)) => {
                Err(CommandError::say(Kind::Usage, format!("several projects are called `{wanted}`")).hint(all()))
            }
            (None, _) => {
                let names = theirs().map(|(_, project)| project.content.name.as_str());
                let error = CommandError::say(Kind::Usage, format!("there is no project `{wanted}`"));
                Err(did_you_mean(wanted, names).into_iter().fold(error, CommandError::hint).hint(all()))
            }
        };
    }
    let mut here = env.current_dir.as_deref().into_iter().flat_map(Path::ancestors).map(shown);
    let current =
        if is_here { here.find_map(|path| theirs().find(|(_, project)| project.content.path == path)) } else { None };
    let only = || theirs().next().filter(|_| theirs().count() == 1);
    current.or_else(only).map(|(id, _)| *id).ok_or_else(|| {
        let words = if is_here {
            "the current directory is not in a project".to_owned()
        } else {
            format!("{} does not have exactly one project", known.called(host))
        };
        CommandError::say(Kind::Usage, words).hint(all())
    })
}

/// Whether a machine makes new projects; one of an older version says nothing of them.
fn makes_projects(known: &Known, host: DeviceId) -> Result<(), CommandError> {
    if known.hosts.get(&host).is_some_and(|host| host.content.projects_root.is_some()) {
        return Ok(());
    }
    let name = known.called(host);
    Err(CommandError::say(Kind::No, format!("{name} makes no new projects"))
        .hint(format!(
            "On {name}: set `host.projects_root` (`towline config edit`), or update Towline if it does not know that."
        ))
        .hint("Or begin in a project that is there: --project NAME."))
}

fn agent(known: &Known, host: DeviceId, wanted: Option<String>) -> Result<String, CommandError> {
    let agents = known.hosts.get(&host).map(|host| host.content.agents.as_slice()).unwrap_or_default();
    if let Some(wanted) = wanted {
        let ids: Vec<&str> = agents.iter().map(|agent| agent.id.as_str()).collect();
        // The host lists its agents as it finds them, so one that is missing may still be there: the host decides.
        let near = nearest(&wanted, ids.iter().copied().filter(|id| *id != wanted));
        return match near {
            Some(near) if !ids.contains(&wanted.as_str()) => {
                Err(CommandError::say(Kind::Usage, format!("there is no agent `{wanted}` here"))
                    .hint(format!("Did you mean `{near}`?"))
                    .hint(format!("Say which: --agent, one of {}.", ids.join(", "))))
            }
            _ => Ok(wanted),
        };
    }
    let ready = agents.iter().find(|agent| agent.state == AgentState::Ready);
    ready.map(|agent| agent.id.clone()).ok_or_else(|| {
        CommandError::say(Kind::No, "no agent is ready yet")
            .hint("`towline doctor` says what is missing; the demo agent is always there: --agent demo")
    })
}

/// Shows the turn that comes of a command, until it ends.
async fn follow(node: &Node, ack: &CommandAck, session: SessionId, out: Output) -> Result<(), CommandError> {
    let socket = node.socket();
    let mut follow = open(node, &socket, ack.command, session).await?;
    let mut printer = Printer::default();
    // The command's own end is watched until there is a turn: it may never have one.
    let mut failed = std::pin::pin!(node.ended(ack.command));
    let mut watching = true;
    loop {
        if let Some((id, turn)) = find(follow.transcript(), ack.command) {
            printer.only = Some(id);
            if !out.json {
                out.raw(&printer.news(follow.transcript()))?;
            }
            if turn.state.is_final() {
                out.raw(if out.json { "" } else { printer.finish() })?;
                let ended = Ended { session, turn: id, state: turn.state };
                if out.json {
                    out.json(&ended)?;
                }
                let verdict = verdict(turn);
                socket.close().await;
                return verdict;
            }
        }
        let update = tokio::select! {
            update = follow.next() => Some(update?),
            ended = &mut failed, if watching => {
                watching = false;
                succeeded(&ended?)?;
                None
            }
        };
        if let Some(update) = update.filter(|update| out.json && matches!(update, Update::Facts { .. })) {
            tail::json(&update, out)?;
        }
    }
}

/// Opens the session, which a command that has just been sent may still have to make.
async fn open(
    node: &Node,
    socket: &client::Socket,
    command: CommandId,
    session: SessionId,
) -> Result<SessionFollow, CommandError> {
    loop {
        match SessionFollow::open(node.api.clone(), socket, session, false).await {
            Err(client::FollowError::Page(error)) if error.code() == Some(ErrorCode::NotFound) => {
                let ack = node.api.command(command).await?;
                if ack.state.is_final() {
                    succeeded(&ack)?;
                }
                tokio::time::sleep(LOOK).await;
            }
            done => return Ok(done?),
        }
    }
}

fn find(transcript: &Transcript, command: CommandId) -> Option<(TurnId, &Turn)> {
    let ours = |turn: &Turn| turn.origin == Origin::Prompt { command };
    let turns = transcript.turns();
    let (id, turn) = turns.iter().copied().find(|(_, turn)| ours(turn))?;
    // One that was taken into another turn is answered there.
    let Some(Steer::Taken { turn: into }) = turn.steer else { return Some((id, turn)) };
    turns.into_iter().find(|(id, _)| *id == into)
}

/// Why a turn ended early, in words, and what to do next.
const fn reason(code: TurnErrorCode) -> (&'static str, &'static str) {
    match code {
        TurnErrorCode::AgentDied => {
            ("the agent ended in the middle", "Send the prompt again; what was said is in the session.")
        }
        TurnErrorCode::AgentError => ("the agent says that it failed", "See what it says, and send the prompt again."),
        TurnErrorCode::AgentUnavailable => {
            ("the agent cannot be started", "Install it on the host, or choose another one with --agent.")
        }
        TurnErrorCode::Cancelled => ("somebody stopped it", "Send the next prompt when you are ready."),
        TurnErrorCode::CredentialsExpired => (
            "the agent is not logged in",
            "Log in with the agent's own program on the host, and send the prompt again.",
        ),
        TurnErrorCode::HostRestarted => {
            ("Towline was restarted on the host", "Send the prompt again; it is never run twice by itself.")
        }
        TurnErrorCode::ModelUnavailable => ("the model is not to be had", "Choose another one with --model."),
        TurnErrorCode::Overloaded => {
            ("the vendor's service has too much to do", "Wait a little, and send the prompt again.")
        }
        TurnErrorCode::Refused => ("the model declined to answer", "Change the prompt, and send it again."),
        TurnErrorCode::RateLimited => ("the vendor's limit is reached", "Send the prompt again later."),
        TurnErrorCode::SessionNotSaved => {
            ("the agent no longer knows this conversation", "Start a new session, and tell it what matters.")
        }
        TurnErrorCode::Silent => (
            "the agent said nothing for longer than `host.silence_limit`",
            "Look whether the machine is online, and send the prompt again.",
        ),
        TurnErrorCode::Unknown => ("for a reason that this version does not know", "Update Towline on this side."),
    }
}

fn verdict(turn: &Turn) -> Result<(), CommandError> {
    let code = turn.error.as_ref().map_or(TurnErrorCode::Unknown, |error| error.code);
    let over = |what: &str| {
        let (words, hint) = reason(code);
        let detail = turn.content.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
        Err(CommandError::say(Kind::No, format!("the turn {what}: {words}{detail}")).hint(hint))
    };
    match turn.state {
        TurnState::Failed => over("failed"),
        TurnState::Interrupted => over("was interrupted"),
        TurnState::Queued | TurnState::Running | TurnState::AwaitingApproval | TurnState::Completed => Ok(()),
    }
}
