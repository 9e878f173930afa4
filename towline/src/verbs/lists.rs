//! `sessions`, `projects` and `devices`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use protocol::id::DeviceId;
use protocol::participant::ParticipantRole;
use protocol::session::Activity;
use protocol::time::UnixMs;
use serde::Serialize;

use crate::data_dir::DataDir;
use crate::env::Env;
use crate::error::{CommandError, Kind};
use crate::node::Node;
use crate::output::{Output, printable};
use crate::people::People;

/// How long a running node has to take a new project; it looks every second.
const TAKEN: Duration = Duration::from_secs(5);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionRow {
    session: String,
    title: String,
    activity: Activity,
    background_tasks: u32,
    host: DeviceId,
    machine: String,
    /// Whose it is; null for one of one's own.
    owner: Option<String>,
    /// As what one takes part in it; null for one of one's own.
    role: Option<ParticipantRole>,
    project: String,
    agent: String,
    model: Option<String>,
    effort: Option<String>,
    doing: Option<String>,
    updated_at_ms: UnixMs,
    archived_at_ms: Option<UnixMs>,
}

/// The word of an enum's value on the wire.
pub(super) fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// A point of time, for people.
pub(crate) fn time(at: UnixMs) -> String {
    let stamp = i64::try_from(at.0).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
    stamp.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}

/// Lists the sessions, the newest first.
pub(crate) async fn sessions(node: &Node, all: bool, out: Output) -> Result<(), CommandError> {
    let known = node.known().await?;
    let people = People::of(node, &known).await?;
    let mut rows: Vec<_> = known
        .sessions
        .iter()
        .filter(|(_, session)| all || session.archived_at_ms.is_none())
        .map(|(id, session)| SessionRow {
            owner: people.owner(*id).map(str::to_owned),
            role: people.part_in(*id).map(|part| part.role),
            session: id.to_string(),
            title: session.content.title.clone(),
            activity: session.activity,
            background_tasks: session.background_tasks,
            host: session.host,
            machine: match people.part_in(*id) {
                Some(part) => part.content.host_name.clone(),
                None => known.called(session.host),
            },
            project: known.projects.get(&session.project).map(|p| p.content.name.clone()).unwrap_or_default(),
            agent: session.agent.clone(),
            model: session.model.clone(),
            effort: session.effort.clone(),
            doing: session.content.doing.clone(),
            updated_at_ms: session.updated_at_ms,
            archived_at_ms: session.archived_at_ms,
        })
        .collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.updated_at_ms));
    if out.json {
        return rows.iter().try_for_each(|row| out.json(row));
    }
    if rows.is_empty() {
        let away = known.sessions.len();
        return out.line(match away {
            0 => "No session yet. Start one: towline send \"…\"".to_owned(),
            _ => format!("No session but {away} put away: towline sessions --all"),
        });
    }
    let several = known.hosts.len() > 1 || rows.iter().any(|row| row.owner.is_some());
    rows.iter().try_for_each(|row| {
        let machine = if several { format!("{:<12} ", row.machine) } else { String::new() };
        let behind = row.activity == Activity::Idle && row.background_tasks > 0;
        let activity = if behind { "background".to_owned() } else { word(&row.activity) };
        let of = row.owner.as_deref().map(|owner| format!("  of {owner}")).unwrap_or_default();
        let what = format!("{machine}{activity:<11} {:<12} {:<8} {}{of}", row.project, row.agent, row.title);
        out.line(printable(&format!("{}  {}  {what}", row.session, time(row.updated_at_ms))))
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProjectRow {
    project: String,
    name: String,
    path: String,
    available: bool,
    host: DeviceId,
}

/// Lists the projects.
pub(crate) async fn projects(node: &Node, out: Output) -> Result<(), CommandError> {
    let known = node.known().await?;
    let rows = known.projects.iter().map(|(id, project)| ProjectRow {
        project: id.to_string(),
        name: project.content.name.clone(),
        path: project.content.path.clone(),
        available: project.available,
        host: project.host,
    });
    let mut is_empty = true;
    for row in rows {
        is_empty = false;
        out.either(&row, || {
            let away = if row.available { "" } else { "  (not there, or not allowed)" };
            let machine =
                if known.hosts.len() > 1 { format!("{:<12} ", known.called(row.host)) } else { String::new() };
            printable(&format!("{}  {machine}{:<16} {}{away}", row.project, row.name, row.path))
        })?;
    }
    if is_empty && !out.json {
        out.line("No project yet. Add one: towline projects add DIRECTORY")?;
    }
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Added {
    path: PathBuf,
    project: Option<String>,
}

/// Adds a project: written down for every start, and taken at once by a node that runs.
pub(crate) async fn add_project(dir: &DataDir, path: &Path, env: &Env, out: Output) -> Result<(), CommandError> {
    let real = path.canonicalize().map_err(|error| {
        CommandError::new(Kind::Usage, error)
            .during(format!("cannot use {} as a project", path.display()))
            .hint("Give a directory that is there and that you may read.")
    })?;
    if !real.is_dir() {
        return Err(CommandError::say(Kind::Usage, format!("{} is not a directory", real.display()))
            .hint("Give the directory that the file is in."));
    }
    dir.make()?;
    dir.keep_out(&real)?;
    dir.add_project(real.clone())?;
    let shown = crate::up::shown(&real, env.home.as_deref());
    let mut project = None;
    if let Ok(node) = Node::find(dir, out) {
        let taken = async {
            let own = node.me().await?.host;
            loop {
                let known = node.known().await?;
                if let Some((id, _)) = known
                    .projects
                    .iter()
                    .find(|(_, project)| project.content.path == shown && own == Some(project.host))
                {
                    return Ok::<_, CommandError>(id.to_string());
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let taken = tokio::time::timeout(TAKEN, taken);
        project = out.waiting("Waiting for Towline to take it", taken).await.ok().and_then(Result::ok);
    }
    let words = || match &project {
        Some(id) => format!("added: {shown} ({id})"),
        None => format!("written down: {shown}; it is there after the next start of Towline"),
    };
    out.either(&Added { path: real.clone(), project: project.clone() }, words)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeviceLine {
    device: String,
    kind: protocol::device::DeviceKind,
    name: String,
    platform: String,
    connected: bool,
    created_at_ms: UnixMs,
}

/// Lists the devices.
pub(crate) async fn devices(node: &Node, out: Output) -> Result<(), CommandError> {
    for row in node.ask(node.api.devices()).await?.devices {
        let line = DeviceLine {
            device: row.device.to_string(),
            kind: row.about.kind,
            name: row.about.content.name,
            platform: row.about.content.platform,
            connected: row.connected,
            created_at_ms: row.about.created_at_ms,
        };
        out.either(&line, || {
            let here = if line.connected { "connected" } else { "" };
            let what = format!("{:<8} {:<20} {:<24} {here}", word(&line.kind), line.name, line.platform);
            printable(&format!("{}  {}  {}", line.device, time(line.created_at_ms), what.trim_end()))
        })?;
    }
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Revoked {
    device: String,
}

/// Revokes a device.
pub(crate) async fn revoke(node: &Node, device: DeviceId, out: Output) -> Result<(), CommandError> {
    node.ask(node.api.revoke(device)).await?;
    out.either(&Revoked { device: device.to_string() }, || format!("revoked: {device}"))
}
