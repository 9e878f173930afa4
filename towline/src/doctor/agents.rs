//! The agents: which are here, of which version, and whether they have a login; by asking them.

use std::sync::Arc;
use std::time::Duration;

use host::agent::Agent;
use protocol::agent_health::{AgentHealth, LoginKind, VersionStanding};
use protocol::health::{Finding, FindingLevel};
use protocol::host::{AgentEntry, AgentState};
use protocol::time::Clock;

use crate::clock::SystemClock;

/// Longest that one agent is waited for; they are asked at the same time.
const LIMIT: Duration = Duration::from_secs(32);

/// Asks every agent.
pub(super) async fn look(agents: &[Arc<dyn Agent>]) -> Vec<Finding> {
    let asked = agents.iter().map(|agent| {
        let agent = Arc::clone(agent);
        tokio_util::task::AbortOnDropHandle::new(tokio::spawn(async move {
            // By it the processes are found again, should we die in the middle.
            let tag = format!("doctor-{}", SystemClock.fresh().simple());
            let id = agent.id().to_owned();
            match tokio::time::timeout(LIMIT, agent.probe(&tag)).await {
                Ok(entry) => finding(&entry),
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

fn finding(entry: &AgentEntry) -> Finding {
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
    finding.detail = detail(&entry.health);
    if entry.state != AgentState::Ready {
        finding.next = Some(entry.hint.clone().unwrap_or_else(|| "Run it by hand and see what it says.".to_owned()));
    }
    finding
}

/// Where it is, whether it is tested, and how it is logged in, in a line.
fn detail(health: &AgentHealth) -> Option<String> {
    let mut said: Vec<String> = health.program.iter().map(|program| format!("It is {program}")).collect();
    if let Some(tested) = &health.tested {
        let range = if tested.oldest == tested.newest {
            tested.oldest.clone()
        } else {
            format!("{} to {}", tested.oldest, tested.newest)
        };
        said.push(match tested.standing {
            VersionStanding::Tested => format!("Towline is tested with {range}"),
            VersionStanding::Older => format!("it is older than what Towline is tested with ({range})"),
            VersionStanding::Newer => format!("it is newer than what Towline is tested with ({range})"),
            VersionStanding::Unknown => format!("it does not say its version; Towline is tested with {range}"),
        });
    }
    if let Some(login) = &health.login {
        let kind = match login.kind {
            LoginKind::Subscription => "logged in with a plan",
            LoginKind::ApiKey => "logged in with an API key",
            LoginKind::Cloud => "logged in through a cloud",
            LoginKind::None => "not logged in",
            LoginKind::Other => "logged in",
        };
        said.push(match &login.plan {
            Some(plan) => format!("{kind} ({plan})"),
            None => kind.to_owned(),
        });
    }
    (!said.is_empty()).then(|| said.join("; "))
}

fn late(id: &str) -> Finding {
    let title = format!("{id} does not answer within {} s", LIMIT.as_secs());
    Finding::new(format!("agent.{id}"), FindingLevel::Problem, title).next("Run it by hand and see what it waits for.")
}

#[cfg(test)]
mod tests {
    use protocol::agent_health::{Login, TestedVersions};

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
                health: AgentHealth::default(),
                abilities: Vec::new(),
                commands: Vec::new(),
            };
            let found = finding(&entry);
            assert_eq!((found.level, found.next.is_some()), (level, state != AgentState::Ready));
            assert_eq!(found.id, "agent.claude");
            assert!(found.title.starts_with("Claude Code 2.0.1 "), "{}", found.title);
        }
    }
    #[test]
    fn where_it_is_and_how_it_is_logged_in_is_said_in_a_line() {
        let tested = |found: &str| Some(TestedVersions::of(Some(found), "2.1.197", "2.1.329"));
        let login = Some(Login { kind: LoginKind::Subscription, plan: Some("max".to_owned()) });
        let health =
            AgentHealth { program: Some("/bin/claude".to_owned()), tested: tested("2.1.200"), login, limits: None };
        assert_eq!(
            detail(&health).as_deref(),
            Some("It is /bin/claude; Towline is tested with 2.1.197 to 2.1.329; logged in with a plan (max)")
        );
        let health = AgentHealth { tested: tested("3.0.0"), ..AgentHealth::default() };
        assert_eq!(
            detail(&health).as_deref(),
            Some("it is newer than what Towline is tested with (2.1.197 to 2.1.329)")
        );
        assert_eq!(detail(&AgentHealth::default()), None);
    }
}
