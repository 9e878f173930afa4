//! `export`: a session as a file, made here from its facts.

use std::io::Write as _;
use std::path::Path;

use client::SessionFollow;
use protocol::export::{Head, json, markdown};
use protocol::id::SessionId;
use protocol::time::Clock;
use serde::Serialize;

use crate::cli::{Export, ExportFormat};
use crate::clock::SystemClock;
use crate::error::{CommandError, Kind};
use crate::node::{Known, Node};
use crate::output::Output;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Exported<'a> {
    session: SessionId,
    path: &'a Path,
    bytes: usize,
}

/// Exports a session.
pub(crate) async fn export(node: &Node, wish: Export, out: Output) -> Result<(), CommandError> {
    let known = node.known().await?;
    let session = known.session(&wish.session)?;
    let head = head(&known, session)?;
    let socket = node.socket();
    let read = SessionFollow::open(node.api.clone(), &socket, session, true);
    let follow = out.waiting("Reading the session", read).await?;
    let text = match wish.format {
        ExportFormat::Markdown => markdown(&head, follow.transcript()),
        ExportFormat::Json => json(&head, follow.transcript()),
    };
    drop(follow);
    socket.close().await;
    match wish.output.filter(|path| path.as_os_str() != "-") {
        None => out.raw(&text),
        Some(path) => {
            write(&path, &text, wish.force)?;
            out.either(&Exported { session, path: &path, bytes: text.len() }, || format!("written: {}", path.display()))
        }
    }
}

fn head(known: &Known, id: SessionId) -> Result<Head, CommandError> {
    let session = known.sessions.get(&id).ok_or_else(|| {
        CommandError::say(Kind::No, format!("there is no session {id}")).hint("`towline sessions --all` lists them.")
    })?;
    let project = known.projects.get(&session.project);
    Ok(Head {
        session: id,
        title: session.content.title.clone(),
        project: project.map(|project| project.content.name.clone()),
        path: project.map(|project| project.content.path.clone()),
        host: known.hosts.get(&session.host).map(|host| host.content.name.clone()),
        agent: session.agent.clone(),
        created_at_ms: session.created_at_ms,
        exported_at_ms: SystemClock.now(),
    })
}

fn write(path: &Path, text: &str, force: bool) -> Result<(), CommandError> {
    let failed = |error: std::io::Error| {
        let exists = error.kind() == std::io::ErrorKind::AlreadyExists;
        let error = CommandError::new(Kind::No, error).during(format!("cannot write {}", path.display()));
        if exists { error.hint("Choose another name, or replace it with --force.") } else { error }
    };
    let mut options = std::fs::OpenOptions::new();
    options.write(true);
    if force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    // What was said in a session is for its owner.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}
