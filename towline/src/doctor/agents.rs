//! The agents: which are here, of which version, and whether they have a login; by asking them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use host::agent::Agent;
use protocol::health::{Finding, FindingLevel};
use protocol::host::{AgentEntry, AgentState};
use protocol::time::Clock;

use crate::clock::SystemClock;
use crate::config::Settings;
use crate::env::Env;

/// Longest that one agent is waited for; they are asked at the same time.
const LIMIT: Duration = Duration::from_secs(12);

/// Asks every agent.
pub(super) async fn look(agents: &[Arc<dyn Agent>], settings: &Settings, env: &Env) -> Vec<Finding> {
    let asked = agents.iter().map(|agent| {
        let agent = Arc::clone(agent);
        let program = program(agent.id(), settings).and_then(|program| find(program, env));
        tokio_util::task::AbortOnDropHandle::new(tokio::spawn(async move {
            // By it the processes are found again, should we die in the middle.
            let tag = format!("doctor-{}", SystemClock.fresh().simple());
            let id = agent.id().to_owned();
            match tokio::time::timeout(LIMIT, agent.probe(&tag)).await {
                Ok(entry) => finding(&entry, program),
                Err(_) => late(&id),
            }
        }))
    });
    let asked: Vec<_> = asked.collect();
    let mut findings = Vec::new();
    for answer in asked {
        findings.extend(answer.await.ok());
    }
    findings
}

/// The program that an agent is started by.
fn program<'a>(id: &'a str, settings: &'a Settings) -> Option<&'a str> {
    match id {
        "demo" => None,
        id => match settings.acp_agents.iter().find(|agent| agent.name == id) {
            Some(agent) => agent.command.first().map(String::as_str),
            None => Some(id),
        },
    }
}

/// Where a program is, as a shell would find it.
fn find(program: &str, env: &Env) -> Option<PathBuf> {
    if program.contains(std::path::MAIN_SEPARATOR) {
        return Some(PathBuf::from(program)).filter(|path| path.is_file());
    }
    let names =
        if cfg!(windows) { vec![format!("{program}.exe"), format!("{program}.cmd")] } else { vec![program.to_owned()] };
    let path = env.get("PATH")?;
    std::env::split_paths(path)
        .flat_map(|dir| names.iter().map(move |name| dir.join(name)).collect::<Vec<_>>())
        .find(|file| file.is_file())
}

fn finding(entry: &AgentEntry, program: Option<PathBuf>) -> Finding {
    let name = match &entry.version {
        Some(version) => format!("{} {version}", entry.name),
        None => entry.name.clone(),
    };
    let id = format!("agent.{}", entry.id);
    let mut finding = match entry.state {
        AgentState::Ready => Finding::new(id, FindingLevel::Ok, format!("{name} is ready")),
        AgentState::LoggedOut => Finding::new(id, FindingLevel::Warning, format!("{name} is here and has no login")),
        AgentState::Broken => Finding::new(id, FindingLevel::Problem, format!("{name} is here and does not work")),
        AgentState::Missing => Finding::new(id, FindingLevel::Warning, format!("{name} is not installed")),
    };
    finding.detail = program.map(|path| format!("It is {}", path.display()));
    if entry.state != AgentState::Ready {
        finding.next = Some(entry.hint.clone().unwrap_or_else(|| "Run it by hand and see what it says.".to_owned()));
    }
    finding
}

fn late(id: &str) -> Finding {
    let title = format!("{id} does not answer within {} s", LIMIT.as_secs());
    Finding::new(format!("agent.{id}"), FindingLevel::Problem, title).next("Run it by hand and see what it waits for.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_its_level_and_its_next_step() {
        for (state, level) in [
            (AgentState::Ready, FindingLevel::Ok),
            (AgentState::LoggedOut, FindingLevel::Warning),
            (AgentState::Missing, FindingLevel::Warning),
            (AgentState::Broken, FindingLevel::Problem),
        ] {
            let entry = AgentEntry {
                id: "claude".to_owned(),
                name: "Claude Code".to_owned(),
                version: Some("2.0.1".to_owned()),
                state,
                hint: None,
                models: Vec::new(),
                modes: Vec::new(),
                efforts: Vec::new(),
            };
            let found = finding(&entry, None);
            assert_eq!((found.level, found.next.is_some()), (level, state != AgentState::Ready));
            assert_eq!(found.id, "agent.claude");
            assert!(found.title.starts_with("Claude Code 2.0.1 "), "{}", found.title);
        }
    }
}
