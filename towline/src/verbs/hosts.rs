//! `hosts`: the machines that run agents, how they stand, and why one of them is not there.

use std::cmp::Reverse;

use protocol::agent_limits::{LimitStanding, LimitWindow};
use protocol::command::CommandState;
use protocol::host::{AwayReason, Host, Presence};
use protocol::id::DeviceId;
use protocol::session::Activity;
use protocol::time::{Clock, UnixMs};
use serde::Serialize;

use super::lists::time;
use crate::clock::SystemClock;
use crate::error::CommandError;
use crate::node::{Known, Node};
use crate::output::{Output, Style, printable};
use crate::which_host::standing;

/// A row of `hosts --json`; stable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HostRow<'a> {
    host: DeviceId,
    name: &'a str,
    presence: Presence,
    reason: Option<AwayReason>,
    seen_at_ms: UnixMs,
    platform: &'a str,
    version: &'a str,
    projects: usize,
    /// Sessions that work or need a person.
    running: usize,
    /// Commands that wait at the hub for it.
    waiting: usize,
    /// Whether it is the one of the node that was asked.
    own: bool,
    /// What its agents have said of their vendors' limits, as far as it still holds.
    limits: Vec<LimitRow<'a>>,
}

/// A window of an agent's limits.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LimitRow<'a> {
    agent: &'a str,
    #[serde(flatten)]
    window: &'a LimitWindow,
}

/// Lists the machines: the node's own first, then by name.
pub(crate) async fn hosts(node: &Node, out: Output) -> Result<(), CommandError> {
    let me = node.me().await?;
    let known = node.known().await?;
    let mut rows: Vec<_> = known.hosts.iter().map(|(id, host)| row(&known, *id, host, me.host)).collect();
    rows.sort_by_key(|row| (Reverse(row.own), row.name.to_lowercase(), row.host));
    if out.json {
        return rows.iter().try_for_each(|row| out.json(row));
    }
    if rows.is_empty() {
        return out.line("No machine is linked to this hub yet. On the machine with your code: towline up --link URL");
    }
    let width = rows.iter().map(|row| known.called(row.host).chars().count()).max().unwrap_or_default();
    for row in &rows {
        let Some(host) = known.hosts.get(&row.host) else { continue };
        out.line(line(&known, row, host, width, out))?;
    }
    Ok(())
}

fn row<'a>(known: &Known, id: DeviceId, host: &'a Host, own: Option<DeviceId>) -> HostRow<'a> {
    let runs = |activity| matches!(activity, Activity::Working | Activity::NeedsInput | Activity::Starting);
    let waits = |state| state == CommandState::Queued;
    HostRow {
        host: id,
        name: &host.content.name,
        presence: host.presence,
        reason: host.reason,
        seen_at_ms: host.seen_at_ms,
        platform: &host.content.platform,
        version: &host.content.version,
        projects: known.projects.values().filter(|project| project.host == id).count(),
        running: known.sessions.values().filter(|session| session.host == id && runs(session.activity)).count(),
        waiting: known.commands.values().filter(|command| command.host == id && waits(command.state)).count(),
        own: own == Some(id),
        limits: limits(host, SystemClock.now()),
    }
}

fn limits(host: &Host, now: UnixMs) -> Vec<LimitRow<'_>> {
    let told = host.content.agents.iter().filter_map(|agent| Some((agent, agent.health.limits.as_ref()?)));
    told.flat_map(|(agent, limits)| limits.at(now).map(|window| LimitRow { agent: &agent.name, window })).collect()
}

/// `Claude Code: 5 h limit: 85 % used, resets 2026-11-26 18:00`
fn limit(LimitRow { agent, window }: &LimitRow<'_>) -> String {
    let used = match (window.used_percent, window.standing) {
        (Some(percent), _) => format!("{percent} % used"),
        (None, LimitStanding::Open) => "not reached".to_owned(),
        (None, LimitStanding::Near) => "nearly reached".to_owned(),
        (None, LimitStanding::Reached) => "reached".to_owned(),
        (None, LimitStanding::Unknown) => "of unknown standing".to_owned(),
    };
    let resets = window.resets_at_ms.map(|at| format!(", resets {}", time(at))).unwrap_or_default();
    format!("{agent}: {}: {used}{resets}", window.name())
}

fn line(known: &Known, row: &HostRow<'_>, host: &Host, width: usize, out: Output) -> String {
    let (word, next) = standing(host);
    let style = match word {
        "online" => Style::Good,
        "revoked" | "disk restored" | "needs update" => Style::Bad,
        _ => Style::Warning,
    };
    let some = |count: usize, what: &str| if count == 0 { String::new() } else { format!(", {count} {what}") };
    let seen = if host.presence == Presence::Online || host.seen_at_ms.0 == 0 {
        String::new()
    } else {
        format!(", last seen {}", time(host.seen_at_ms))
    };
    let more = format!("{}{}{seen}", some(row.running, "running"), some(row.waiting, "waiting"));
    let about = [row.platform, row.version].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    let name = known.called(row.host);
    let word = out.paint(style, &format!("{word:<15}"));
    let next = if next.is_empty() { String::new() } else { format!("\n{:width$}  {next}", "") };
    let more_lines: Vec<String> = row.limits.iter().map(|told| format!("\n{:width$}  {}", "", limit(told))).collect();
    let text = printable(&format!("  {}  {about}{more}{next}{}", row.host, more_lines.concat()));
    format!("{}  {word}{text}", printable(&format!("{name:<width$}")))
}
