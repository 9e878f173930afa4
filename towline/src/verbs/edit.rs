//! `rename`, `archive` and `delete`: what the hub does at once.

use protocol::id::SessionId;
use protocol::limits::MAX_NAME_CHARS;
use protocol::session::SessionEdit;
use serde::Serialize;

use super::pair::asked;
use crate::env::Env;
use crate::error::{CommandError, Kind};
use crate::node::{Known, Node};
use crate::output::{self, Output, printable};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Renamed<'a> {
    session: SessionId,
    title: &'a str,
}

/// Gives a session another title.
pub(crate) async fn rename(node: &Node, session: &str, title: &str, out: Output) -> Result<(), CommandError> {
    let title = title.trim();
    if title.is_empty() || title.chars().count() > MAX_NAME_CHARS || title.chars().any(char::is_control) {
        let words = format!("a title has 1 to {MAX_NAME_CHARS} characters, on one line");
        return Err(CommandError::say(Kind::Usage, words));
    }
    let session = node.known().await?.session(session)?;
    node.ask(node.api.edit_session(session, &SessionEdit { title: Some(title.to_owned()), archived: None })).await?;
    out.either(&Renamed { session, title }, || printable(&format!("renamed: {title}")))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Archived {
    session: SessionId,
    archived: bool,
}

/// Puts a session away, or takes it out again.
pub(crate) async fn archive(node: &Node, session: &str, undo: bool, out: Output) -> Result<(), CommandError> {
    let known = node.known().await?;
    let session = known.session(session)?;
    node.ask(node.api.edit_session(session, &SessionEdit { title: None, archived: Some(!undo) })).await?;
    let title = title(&known, session);
    out.either(&Archived { session, archived: !undo }, || {
        printable(&if undo { format!("taken out again: {title}") } else { format!("put away: {title}") })
    })?;
    if !undo && !out.json {
        output::note(format!("Take it out again: towline archive --undo {session}"));
    }
    Ok(())
}

fn title(known: &Known, session: SessionId) -> String {
    let title = known.sessions.get(&session).map(|session| session.content.title.trim()).unwrap_or_default();
    if title.is_empty() { session.to_string() } else { title.to_owned() }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Deleted {
    session: SessionId,
    deleted: bool,
}

/// Deletes a session, when a person has said so twice.
pub(crate) async fn delete(node: &Node, session: &str, yes: bool, env: &Env, out: Output) -> Result<(), CommandError> {
    let known = node.known().await?;
    let session = known.session(session)?;
    let title = title(&known, session);
    if !yes {
        if !env.stdin_is_terminal {
            return Err(CommandError::say(Kind::Usage, "nobody is here to ask whether it may be deleted for good")
                .hint(format!("To delete \"{title}\" without a question: towline delete --yes {session}"))
                .hint(format!("To put it away instead: towline archive {session}")));
        }
        output::note(printable(&format!(
            "\"{title}\" goes for good: its transcript, its files, its entry on all devices. A running turn is stopped.\n\
             What the agent itself keeps of it on the host stays there."
        )));
        if !asked("Delete it? [y/N] ").await? {
            return out.either(&Deleted { session, deleted: false }, || "kept".to_owned());
        }
    }
    out.waiting("Deleting", node.api.delete_session(session)).await?;
    out.either(&Deleted { session, deleted: true }, || printable(&format!("deleted: {title}")))
}
