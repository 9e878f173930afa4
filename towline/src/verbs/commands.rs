//! `commands`: what was sent to the machines lately, what became of it, and what can still be done about it.

use std::cmp::Reverse;
use std::time::Duration;

use protocol::api::{CommandAck, CommandEdit, CommandMove};
use protocol::command::{Command, CommandBody, CommandKind, CommandState, PromptContent, Tried};
use protocol::error::ErrorCode;
use protocol::id::{CommandId, DeviceId, SessionId};
use protocol::limits::MAX_TRIES;
use protocol::participant::ByParticipant;
use protocol::time::UnixMs;
use serde::Serialize;

use super::lists::{time, word};
use super::release::release;
use crate::cli::{CommandVerb, Commands};
use crate::env::Env;
use crate::error::{CommandError, Kind};
use crate::node::{Known, Node};
use crate::output::{Output, Style, printable};
use crate::people::{People, YOU};

/// Longest piece of a command's words in a row, in characters.
const PIECE: usize = 60;

/// A row of `commands --json`; stable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CommandRow<'a> {
    command: CommandId,
    kind: CommandKind,
    state: CommandState,
    host: DeviceId,
    session: SessionId,
    /// Who sent it.
    device: DeviceId,
    device_name: Option<&'a str>,
    /// Of one that somebody sent to a session of another account.
    participant: Option<&'a ByParticipant>,
    /// For whose word it waits before any machine may have it; null for what waits for nobody's.
    waits_for: Option<String>,
    text: Option<&'a str>,
    attempt: u32,
    /// How often it was tried by itself without having started.
    tried: Option<Tried>,
    /// The command that it is another try of.
    retry_of: Option<CommandId>,
    created_at_ms: UnixMs,
    expires_at_ms: UnixMs,
    error: Option<ErrorCode>,
    detail: Option<&'a str>,
}

impl<'a> CommandRow<'a> {
    fn of(id: CommandId, command: &'a Command, known: &'a Known, people: &People<'_>) -> Self {
        Self {
            command: id,
            kind: command.kind,
            state: command.state,
            host: command.host,
            session: command.session,
            device: command.sender.device,
            device_name: known.devices.get(&command.sender.device).map(|device| device.content.name.as_str()),
            participant: command.participant.as_ref(),
            waits_for: people.waits_for(command),
            text: command.content.text.as_deref(),
            attempt: command.attempt,
            tried: command.tried,
            retry_of: command.retry_of,
            created_at_ms: command.created_at_ms,
            expires_at_ms: command.expires_at_ms,
            error: command.error.as_ref().map(|error| error.code),
            detail: command.content.detail.as_deref(),
        }
    }
}

/// Lists the newest commands, or does something about one that waits.
pub(crate) async fn commands(node: &Node, wish: Commands, env: &Env, out: Output) -> Result<(), CommandError> {
    match wish.verb {
        None => list(node, wish.host.as_deref(), wish.limit, out).await,
        Some(CommandVerb::Cancel { command }) => {
            let command = found(&node.known().await?, &command)?;
            said(node.ask(node.api.take_back(command)).await?, "taken back", out)
        }
        Some(CommandVerb::Release { command, yes }) => release(node, &command, yes, env, out).await,
        Some(CommandVerb::Edit { command, text, keep }) => {
            let command = found(&node.known().await?, &command)?;
            let ttl_ms = keep.map(|keep| u64::try_from(keep.as_millis()).unwrap_or(u64::MAX));
            said(node.ask(node.api.edit_command(command, &CommandEdit { text, ttl_ms })).await?, "changed", out)
        }
        Some(CommandVerb::Retry { command, keep }) => retry(node, &command, keep, out).await,
        Some(CommandVerb::Move { command, before }) => {
            let known = node.known().await?;
            let command = found(&known, &command)?;
            let before = before.map(|before| found(&known, &before)).transpose()?;
            said(node.ask(node.api.move_command(command, CommandMove { before })).await?, "moved", out)
        }
    }
}

/// Sends a message again. Only the device that asked for another kind of command knows all of it.
async fn retry(node: &Node, wanted: &str, keep: Option<Duration>, out: Output) -> Result<(), CommandError> {
    let known = node.known().await?;
    let old = found(&known, wanted)?;
    let Some(command) = known.commands.get(&old) else {
        return Err(CommandError::say(Kind::No, format!("{old} is not in the lists any more"))
            .hint("Send it anew: towline send \"…\" --session SESSION"));
    };
    let Some(text) = command.content.text.clone().filter(|_| command.kind == CommandKind::SendPrompt) else {
        return Err(CommandError::say(
            Kind::No,
            format!("{old} is no message to a session, and only its sender knows all of it"),
        )
        .hint("Send it again from the device that sent it, or begin anew: towline send \"…\""));
    };
    let content = PromptContent { text, attachments: command.content.attachments.clone() };
    let body = CommandBody::SendPrompt { session: command.session, content };
    let ack = node.send_again(command.host, body, keep, old).await?;
    said(ack, "sent again", out)
}

async fn list(node: &Node, host: Option<&str>, limit: u32, out: Output) -> Result<(), CommandError> {
    let known = node.known().await?;
    let people = People::of(node, &known).await?;
    let host = host.map(|host| known.host(host)).transpose()?;
    let all = known.commands.iter().filter(|(_, command)| host.is_none_or(|host| command.host == host));
    let mut rows: Vec<_> = all.collect();
    rows.sort_by_key(|(id, command)| Reverse((command.created_at_ms, **id)));
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    if rows.is_empty() && !out.json {
        return out.line("Nothing has been sent yet.");
    }
    for (id, command) in rows {
        let row = CommandRow::of(*id, command, &known, &people);
        out.either(&row, || line(&known, &people, &row, command, out))?;
    }
    Ok(())
}

fn line(known: &Known, people: &People<'_>, row: &CommandRow<'_>, command: &Command, out: Output) -> String {
    let style = match row.state {
        CommandState::Succeeded => Style::Good,
        CommandState::Failed | CommandState::Expired => Style::Bad,
        CommandState::Queued | CommandState::Leased | CommandState::Running | CommandState::Indeterminate => {
            Style::Warning
        }
        CommandState::Cancelled => Style::Faint,
    };
    let what = row.text.map_or_else(|| word(&row.kind).replace('_', " "), piece);
    let sender = people.name(row.session, command.sender.account).or(row.device_name);
    let from = sender.map(|name| format!("  from {name}")).unwrap_or_default();
    let to = if known.hosts.len() > 1 { format!("  to {}", known.called(row.host)) } else { String::new() };
    let handed = if row.attempt > 1 { format!("  handed over {} times", row.attempt) } else { String::new() };
    let tries = format!("{handed}{}", row.tried.map(tries).unwrap_or_default());
    let again = if row.retry_of.is_some() { "  sent again" } else { "" };
    let until =
        if row.state == CommandState::Queued { format!("  until {}", time(row.expires_at_ms)) } else { String::new() };
    let waits = row.waits_for.as_ref().map(|whose| format!("  waits for {whose}")).unwrap_or_default();
    let release = match row.waits_for.as_deref() {
        Some(YOU) => format!("\n  Read it and let it run: towline commands release {}", row.command),
        _ => String::new(),
    };
    let state = out.paint(style, &format!("{:<13}", word(&row.state)));
    let head = format!("{}  {}  {state}", row.command, time(row.created_at_ms));
    format!(
        "{head} {}",
        printable(&format!("{what}{to}{from}{waits}{again}{tries}{until}{}{release}", why(known, command)))
    )
}

/// How often it was tried by itself, and whether it is once more.
fn tries(tried: Tried) -> String {
    let times = if tried.times == 1 { "once".to_owned() } else { format!("{} times", tried.times) };
    match tried.next_at_ms {
        Some(_) => {
            format!("  tried {times}, again by itself ({} in all): {}", MAX_TRIES, tried.code.title().to_lowercase())
        }
        None => format!("  tried {times} without a start"),
    }
}

/// Why it did not go well, and what to do; on lines of its own.
fn why(known: &Known, command: &Command) -> String {
    let detail = command.content.detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
    let host = known.called(command.host);
    match (&command.error, command.state) {
        (Some(error), _) => format!("\n  {}{detail}. {}", error.code.title(), error.code.hint()),
        (None, CommandState::Expired) => format!("\n  {host} did not take it in time, so it was never run."),
        (None, CommandState::Indeterminate) => {
            format!("\n  Not known yet whether it ran: {host} vanished. It will say when it is back.")
        }
        (None, _) => String::new(),
    }
}

/// The first line of a prompt, cut where it is long.
fn piece(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let cut: String = line.chars().take(PIECE).collect();
    if cut.len() < text.len() { format!("{cut}…") } else { cut }
}

/// The command that a person means: its id, or the end of it that no other ends with.
pub(super) fn found(known: &Known, text: &str) -> Result<CommandId, CommandError> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let ends = |id: &&CommandId| text.len() >= 4 && id.to_string().ends_with(text);
    let mut fitting = known.commands.keys().filter(ends);
    match (fitting.next(), fitting.next()) {
        (Some(id), None) => Ok(*id),
        (Some(_), Some(_)) => Err(CommandError::say(Kind::Usage, format!("several commands end with `{text}`"))
            .hint("`towline commands` lists them; give more of the id.")),
        (None, _) => Err(CommandError::say(Kind::Usage, format!("there is no command `{text}`"))
            .hint("`towline commands` lists them.")),
    }
}

/// What `commands cancel --json` and its like print; stable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    command: CommandId,
    state: CommandState,
    expires_at_ms: UnixMs,
}

#[expect(clippy::needless_pass_by_value, reason = "it is the end of the answer")]
pub(super) fn said(ack: CommandAck, what: &str, out: Output) -> Result<(), CommandError> {
    let said = Said { command: ack.command, state: ack.state, expires_at_ms: ack.expires_at_ms };
    out.either(&said, || format!("{what}: {}", ack.command))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::people;

    #[test]
    fn a_row_says_what_is_tried_again_and_how_often_it_was() {
        let tried = |times, next: Option<u64>| {
            tries(Tried { times, code: ErrorCode::AgentNotStarted, next_at_ms: next.map(UnixMs) })
        };
        assert_eq!(tried(1, Some(5)), "  tried once, again by itself (3 in all): the agent could not be started");
        assert_eq!(tried(3, None), "  tried 3 times without a start");
    }

    #[test]
    fn a_row_says_for_whose_word_it_waits_and_who_asked() {
        let known = people::tests::shared();
        let (id, command) = known.commands.iter().next().unwrap();
        let shown = |n| {
            let people = people::tests::seen_by(&known, n);
            let row = CommandRow::of(*id, command, &known, &people);
            let out = Output { json: false, colour: false, progress: false };
            line(&known, &people, &row, command, out)
        };
        let owner = shown(1);
        assert!(owner.contains(" Fix it  from Bo  waits for you  until "), "{owner}");
        assert!(owner.ends_with(&format!("towline commands release {id}")), "{owner}");
        let sender = shown(2);
        assert!(sender.contains(" Fix it  waits for Ada  until ") && !sender.contains("release"), "{sender}");
        let viewer = shown(3);
        assert!(viewer.contains(" Fix it  from Bo  waits for Ada  until ") && !viewer.contains("release"), "{viewer}");
    }

    #[test]
    fn a_row_has_the_first_line_of_the_words() {
        assert_eq!(piece("Fix it"), "Fix it");
        assert_eq!(piece("Fix it\nplease"), "Fix it…");
        assert_eq!(piece(&"x".repeat(61)), format!("{}…", "x".repeat(60)));
    }
}
