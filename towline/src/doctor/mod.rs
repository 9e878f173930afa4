//! `doctor`: looks at everything that Towline needs of this machine, and says the next step for what is not as it should be. The same
//! findings are the answer of `GET /v1/health`.

mod agents;
mod certificate;
mod data;
mod disk;
mod links;
mod network;
mod policy;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use host::agent::Agent;
use protocol::health::{Finding, FindingLevel};
use protocol::time::Clock;

use crate::clock::SystemClock;
use crate::config::Settings;
use crate::data_dir::DataDir;
use crate::env::Env;
use crate::error::{CommandError, Kind};
use crate::node::Node;
use crate::output::{self, Output, Style, printable};

pub(crate) use disk::size;

/// 2026-01-01: a clock that shows less is wrong.
const EARLIEST_MS: u64 = 1_767_225_600_000;

/// Looks at one machine.
#[derive(Debug)]
pub(crate) struct Doctor {
    settings: Settings,
    dir: DataDir,
    agents: Vec<Arc<dyn Agent>>,
    /// The node that runs: this process, or another one.
    running: Option<Running>,
}

/// Where a node runs.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    /// The address on this machine.
    pub(crate) local_url: String,
    /// The address for others.
    pub(crate) url: String,
    /// The version that runs.
    pub(crate) version: String,
}

impl Doctor {
    /// A doctor for the machine that these settings are for.
    pub(crate) fn new(
        settings: &Settings,
        dir: &DataDir,
        agents: Vec<Arc<dyn Agent>>,
        running: Option<Running>,
    ) -> Self {
        Self { settings: settings.clone(), dir: dir.clone(), agents, running }
    }

    /// Looks at everything; each look is limited in time.
    pub(crate) async fn look(&self) -> Vec<Finding> {
        let (dir, settings, runs) = (self.dir.clone(), self.settings.clone(), self.running.is_some());
        // Disks may take their time, so they are looked at elsewhere.
        let disk = tokio::task::spawn_blocking(move || {
            let mut findings = disk::look(&dir);
            findings.extend(data::look(&dir));
            findings.extend(certificate::look(&settings, SystemClock.now()));
            findings.extend(links::look(&dir, runs));
            findings.push(clock(&dir));
            findings.push(policy::look(&settings));
            findings
        });
        let (disk, network, agents) = tokio::join!(
            disk,
            network::look(&self.settings, self.dir.is_hub(), self.running.as_ref()),
            agents::look(&self.agents)
        );
        let mut findings = disk.unwrap_or_else(|error| {
            vec![
                Finding::new("checks", FindingLevel::Problem, "A look at this machine failed")
                    .detail(error.to_string()),
            ]
        });
        findings.extend(network);
        findings.extend(agents);
        findings
    }
}

impl hub::Health for Doctor {
    fn check(&self) -> Pin<Box<dyn Future<Output = Vec<Finding>> + Send + '_>> {
        Box::pin(self.look())
    }
}

/// Whether the clock can be right: codes and certificates live by it.
fn clock(dir: &DataDir) -> Finding {
    let now = SystemClock.now();
    let ahead = dir.newest_change().map_or(0, |newest| newest.since(now));
    let step = "Set the clock, or let the system do it: `timedatectl set-ntp true` with systemd.";
    if now.0 < EARLIEST_MS {
        Finding::new("clock", FindingLevel::Problem, "The clock is years behind").next(step)
    } else if ahead > 120_000 {
        let minutes = ahead / 60_000;
        let title = format!("The clock is behind: the data directory was changed {minutes} min in the future");
        Finding::new("clock", FindingLevel::Warning, title).next(step)
    } else {
        Finding::new("clock", FindingLevel::Ok, format!("The clock says {}", crate::verbs::time_shown(now)))
    }
}

/// Looks at this machine and says what it found; an error when something does not work.
pub(crate) async fn doctor(
    settings: &Settings,
    wrong: Option<CommandError>,
    dir: &DataDir,
    env: &Env,
    out: Output,
) -> Result<(), CommandError> {
    let running = match Node::find(dir, out) {
        Ok(node) => match node.ask(node.api.me()).await {
            Ok(me) => Some(Running { local_url: node.file.url, url: node.file.public_url, version: me.version }),
            Err(_) => None,
        },
        Err(_) => None,
    };
    let environment = host::process::Environment::cleaned(env.all.iter().cloned());
    let environment = settings.agent_env.iter().fold(environment, |environment, name| match env.get(name) {
        Some(value) => environment.with(name, value),
        None => environment,
    });
    // A hub without a host starts none.
    let agents = if dir.is_hub() { Vec::new() } else { crate::up::all_agents(env, &environment, dir, settings) };
    let doctor = Doctor::new(settings, dir, agents, running);
    let mut findings = vec![configuration(wrong)];
    findings.extend(crate::config::strange_variables(env).into_iter().map(|strange| {
        Finding::new("config.variable", FindingLevel::Warning, strange).next("Correct its name, or unset it.")
    }));
    findings.extend(out.waiting("Looking at this machine", doctor.look()).await);
    show(&findings, out)?;
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let (problems, warnings) = (count(FindingLevel::Problem), count(FindingLevel::Warning));
    if problems > 0 {
        let words = if problems == 1 { "one problem".to_owned() } else { format!("{problems} problems") };
        return Err(CommandError::say(Kind::No, format!("doctor found {words}")).hint("Each has its next step above."));
    }
    if !out.json {
        output::note(match warnings {
            0 => "\nAll is well.".to_owned(),
            1 => "\nIt works; one thing could be better.".to_owned(),
            _ => format!("\nIt works; {warnings} things could be better."),
        });
    }
    Ok(())
}

fn configuration(wrong: Option<CommandError>) -> Finding {
    match wrong {
        None => Finding::new("config", FindingLevel::Ok, "The configuration is right"),
        Some(error) => {
            let (title, detail) = match format!("{:#}", error.source).split_once('\n') {
                Some((title, detail)) => (title.to_owned(), Some(detail.to_owned())),
                None => (format!("{:#}", error.source), None),
            };
            let mut finding = Finding::new("config", FindingLevel::Problem, title);
            (finding.detail, finding.next) = (detail, error.hints.into_iter().next());
            finding
        }
    }
}

fn show(findings: &[Finding], out: Output) -> Result<(), CommandError> {
    findings.iter().try_for_each(|finding| {
        if out.json {
            return out.json(finding);
        }
        let (mark, style) = match finding.level {
            FindingLevel::Ok => ("ok     ", Style::Good),
            FindingLevel::Warning => ("warning", Style::Warning),
            FindingLevel::Problem => ("problem", Style::Bad),
        };
        let indented =
            |text: &str| text.lines().map(|line| format!("\n           {}", line.trim())).collect::<Vec<_>>().concat();
        let mut text = printable(&finding.title);
        if let Some(detail) = &finding.detail {
            text.push_str(&out.paint(Style::Faint, &indented(&printable(detail))));
        }
        if let Some(next) = &finding.next {
            text.extend(["\n         → ", &printable(next)]);
        }
        out.line(format!("{}  {text}", out.paint(style, mark)))
    })
}
