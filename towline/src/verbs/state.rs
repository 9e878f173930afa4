//! `towline` alone: whether it runs, what waits for a person, and what to do next.

use protocol::api::PairingClaim;
use protocol::approval::ApprovalState;
use protocol::host::{Host, RemoteAccess};
use protocol::id::DeviceId;
use protocol::session::Activity;
use serde::Serialize;

use super::pair::line as claim_line;
use crate::data_dir::{DataDir, NodeFile};
use crate::error::{CommandError, Kind};
use crate::node::{Known, Node};
use crate::output::{Output, Style, printable};
use crate::up::SIGN;
use crate::which_host::standing;

/// Most rows of each sort that are shown.
const ROWS: usize = 8;

/// What `towline --json` prints; stable.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct State {
    running: bool,
    url: Option<String>,
    local_url: Option<String>,
    pid: Option<u32>,
    version: &'static str,
    /// Sessions that wait for a person.
    needs_you: Vec<Needs>,
    /// How many sessions work.
    working: usize,
    /// Whether devices beyond this machine are refused.
    remote_access_disabled: bool,
    /// Devices that ask to be let in.
    asking: Vec<PairingClaim>,
    /// The machines, where there are several.
    machines: Vec<Machine>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Machine {
    host: DeviceId,
    name: String,
    /// How it stands, in a word for people; `hosts --json` has those for programs.
    standing: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Needs {
    session: String,
    title: String,
    /// The machine that it runs on, where there are several.
    machine: Option<String>,
    /// What is asked; null when the session only says that it waits.
    question: Option<String>,
    approval: Option<String>,
}

/// Shows it.
pub(crate) async fn state(dir: &DataDir, out: Output) -> Result<(), CommandError> {
    let asked = match Node::find(dir, out) {
        Ok(node) => out.waiting("Asking Towline", ask(node)).await,
        Err(error) => Err(error),
    };
    let version = env!("CARGO_PKG_VERSION");
    match asked {
        Ok(state) if out.json => out.json(&state),
        Ok(state) => out.line(printable_state(&state, out)),
        // It does not run, or its last life left a file behind: both are an answer here.
        Err(error) if error.kind == Kind::Unreachable => {
            if out.json {
                return out.json(&State { version, ..State::default() });
            }
            let sign = out.paint(Style::Strong, &format!("{SIGN}  Towline {version}"));
            out.line(format!(
                "{sign} does not run here.\n\n{}",
                next(&[
                    ("towline up", "start it, in the directory of a project"),
                    ("towline doctor", "see whether this machine is ready"),
                    ("towline --help", "everything else"),
                ])
            ))
        }
        Err(error) => Err(error),
    }
}

async fn ask(node: Node) -> Result<State, CommandError> {
    let me = node.api.me().await?;
    let known = node.known().await?;
    let asking = node.api.pairings().await?.claims;
    let NodeFile { url, public_url, pid, .. } = node.file;
    let working = known.sessions.values().filter(|session| session.activity == Activity::Working).count();
    let version = env!("CARGO_PKG_VERSION");
    if me.version != version {
        crate::output::note(format!(
            "note: Towline {} runs, and this is {version}; stop it and start it again to upgrade.",
            me.version
        ));
    }
    let needs_you = needs(&known);
    let own = me.host.and_then(|own| known.hosts.get(&own));
    let all = known.hosts.iter().filter(|_| known.hosts.len() > 1);
    let machine =
        |(id, host): (&DeviceId, &Host)| Machine { host: *id, name: known.called(*id), standing: standing(host).0 };
    let machines = all.map(machine).collect();
    Ok(State {
        running: true,
        url: Some(public_url),
        local_url: Some(url),
        pid: Some(pid),
        version,
        needs_you,
        working,
        remote_access_disabled: own.is_some_and(|host| host.remote_access == RemoteAccess::Disabled),
        asking,
        machines,
    })
}

fn needs(known: &Known) -> Vec<Needs> {
    let mut waiting: Vec<_> =
        known.sessions.iter().filter(|(_, session)| session.activity == Activity::NeedsInput).collect();
    waiting.sort_by_key(|(_, session)| session.updated_at_ms);
    let each = waiting.into_iter().map(|(id, session)| {
        let pending = known.approvals.iter();
        let approval = pending
            .filter(|(_, approval)| approval.session == *id && approval.state == ApprovalState::Pending)
            .min_by_key(|(_, approval)| approval.created_at_ms);
        Needs {
            session: id.to_string(),
            title: session.content.title.clone(),
            machine: (known.hosts.len() > 1).then(|| known.called(session.host)),
            question: approval.map(|(_, approval)| approval.content.title.clone()),
            approval: approval.map(|(id, _)| id.to_string()),
        }
    });
    each.collect()
}

fn printable_state(state: &State, out: Output) -> String {
    let url = state.url.as_deref().unwrap_or_default();
    let sign = out.paint(Style::Strong, &format!("{SIGN}  Towline {}", state.version));
    let mut parts = vec![format!("{sign} runs: {url}")];
    let more = |count: usize| if count > ROWS { format!("\n  and {} more", count - ROWS) } else { String::new() };
    if !state.needs_you.is_empty() {
        let rows = state.needs_you.iter().take(ROWS).map(|row| {
            let question = row.question.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
            let answer = row.approval.as_ref().map(|id| format!("\n    towline answer {id} allow"));
            let look = format!("\n    towline tail {}", row.session);
            let machine = row.machine.as_deref().map(|name| format!(" on {name}")).unwrap_or_default();
            printable(&format!("\n  {}{machine}{question}{}", row.title, answer.unwrap_or(look)))
        });
        let heading = out.paint(Style::Bad, "Needs you");
        parts.push(format!("{heading}{}{}", rows.collect::<String>(), more(state.needs_you.len())));
    }
    if !state.asking.is_empty() {
        let rows = state
            .asking
            .iter()
            .take(ROWS)
            .map(|claim| format!("\n  {}\n    towline pair allow {}", claim_line(claim), claim.pairing));
        let heading = out.paint(Style::Bad, "Asks to be let in");
        parts.push(format!("{heading}{}{}", rows.collect::<String>(), more(state.asking.len())));
    }
    match state.working {
        0 => {}
        1 => parts.push("One session works.".to_owned()),
        count => parts.push(format!("{count} sessions work.")),
    }
    if !state.machines.is_empty() {
        let rows = state.machines.iter().map(|row| printable(&format!("{} {}", row.name, row.standing)));
        parts.push(format!("Machines: {}", rows.collect::<Vec<_>>().join(", ")));
    }
    if state.remote_access_disabled {
        parts.push(
            "Remote access is off: devices beyond this machine are refused. `towline access on` lets them in."
                .to_owned(),
        );
    }
    parts.push(next(&[
        ("towline open", "open it here"),
        ("towline pair", "let a phone or another browser in"),
        ("towline send \"…\"", "send a prompt"),
        ("towline sessions", "list the sessions"),
        ("towline --help", "everything else"),
    ]));
    parts.join("\n\n")
}

/// Commands, and what each is for.
fn next(steps: &[(&str, &str)]) -> String {
    let width = steps.iter().map(|(command, _)| command.chars().count()).max().unwrap_or_default();
    let lines: Vec<String> = steps.iter().map(|(command, what)| format!("  {command:<width$}   {what}")).collect();
    lines.join("\n")
}
