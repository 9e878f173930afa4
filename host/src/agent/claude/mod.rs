//! Claude Code through its native stdio protocol: the unmodified command of its vendor, one process per session.

mod asks;
mod blocks;
mod catalogue;
mod driver;
mod health;
mod mapper;
mod probe;
#[cfg(test)]
mod tests;
mod tools;
mod turns;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use protocol::host::{AgentEntry, AgentState};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use self::driver::ClaudeDriver;
use self::mapper::ClaudeMapper;
use super::hidden::Hidden;
use super::link::Link;
use super::{Agent, DriveError, EVENT_QUEUE, Later, OpenError, OpenSpec, Opened};
use crate::process::{Child, Environment, SpawnSpec};

/// Longest that the CLI may take to answer `initialize`: 0.3 s when warm, some seconds right after its installation (measured).
const INITIALIZE: Duration = Duration::from_secs(20);

/// How Claude Code is run.
#[derive(Debug, Clone)]
pub struct ClaudeOptions {
    /// What commands name it by; `claude` as a rule.
    pub id: String,
    /// The program: a name that is looked for in the `PATH` of the environment, or a path.
    pub program: OsString,
    /// All that it knows of our environment.
    pub environment: Environment,
    /// Arguments that its person configured, after ours.
    pub extra_args: Vec<OsString>,
    /// Whether modes that never ask may be offered and chosen.
    pub allow_bypass: bool,
    /// Where the probe runs; a directory without a project, such as the data directory.
    pub probe_cwd: PathBuf,
}

/// A conversation goes on from another one.
#[derive(Debug)]
struct Fork {
    /// The message of the other one after which it does; `None` for its end.
    place: Option<String>,
}

/// Claude Code, as a kind of agent.
#[derive(Debug)]
pub struct ClaudeAgent {
    options: ClaudeOptions,
    probed: Mutex<Option<probe::Probed>>,
}

impl ClaudeAgent {
    /// An agent that was not looked for yet.
    pub const fn new(options: ClaudeOptions) -> Self {
        Self { options, probed: Mutex::new(None) }
    }

    fn spawn(&self, program: PathBuf, args: Vec<OsString>, cwd: PathBuf, tag: &str) -> std::io::Result<Child> {
        let environment = self.options.environment.clone();
        Child::spawn(&SpawnSpec { program, args, cwd, environment, tag: tag.to_owned() })
    }

    fn find(&self) -> Result<PathBuf, OpenError> {
        let missing = || OpenError::NotFound { program: self.options.program.to_string_lossy().into_owned() };
        self.options.environment.find(&self.options.program).ok_or_else(missing)
    }

    fn args(&self, spec: &OpenSpec, fork: Option<&Fork>) -> Vec<OsString> {
        let fixed = [
            "-p",
            "--input-format",
            "stream-json",
            "--output-format",
            "stream-json",
            "--verbose",
            "--include-partial-messages",
            "--permission-prompt-tool",
            "stdio",
        ];
        let mut args: Vec<OsString> = fixed.map(OsString::from).to_vec();
        let chosen = [
            ("--resume", &spec.resume),
            ("--model", &spec.model),
            ("--permission-mode", &spec.mode),
            ("--effort", &spec.effort),
        ];
        for (flag, value) in chosen {
            if let Some(value) = value {
                args.extend([OsString::from(flag), OsString::from(value)]);
            }
        }
        if let Some(Fork { place }) = fork {
            args.push("--fork-session".into());
            if let Some(place) = place {
                args.extend([OsString::from("--resume-session-at"), OsString::from(place)]);
            }
        }
        if self.options.allow_bypass {
            // Does not switch it on; without it the mode could not be chosen later.
            args.push("--allow-dangerously-skip-permissions".into());
        }
        args.extend(self.options.extra_args.iter().cloned());
        args
    }

    async fn start(&self, spec: OpenSpec, fork: Option<Fork>) -> Result<Opened, OpenError> {
        let program = self.find()?;
        let name = self.options.program.to_string_lossy().into_owned();
        let not_now = |detail: String| OpenError::NotNow { program: name.clone(), detail };
        // A value that begins with a dash would be taken for a flag.
        let chosen =
            [("session", &spec.resume), ("model", &spec.model), ("mode", &spec.mode), ("effort", &spec.effort)];
        for (what, value) in chosen {
            if let Some(value) = value.as_ref().filter(|value| value.starts_with('-')) {
                return Err(OpenError::Option {
                    what: format!("{what} `{value}`"),
                    detail: "it begins with a dash".to_owned(),
                });
            }
        }
        let shown = program.to_string_lossy().into_owned();
        let child = self
            .spawn(program, self.args(&spec, fork.as_ref()), spec.cwd.clone(), &spec.tag)
            .map_err(|error| not_now(error.to_string()))?;
        let mark = child.mark().clone();
        let (events_in, events) = mpsc::channel(EVENT_QUEUE);
        let mapper = ClaudeMapper::new(&spec.cwd.to_string_lossy(), self.options.allow_bypass);
        let link = Link::start(child, mapper, events_in).ok_or_else(|| not_now("its pipes are gone".to_owned()))?;
        link.keep(spec.lines.clone());
        link.hide(Hidden::of(&self.options.environment));

        let initialized = match initialize(&link).await {
            Ok(initialized) => initialized,
            Err(error) => {
                let refused = link.with(|mapper| mapper.refused_start.clone());
                return Err(self.explain(&error, refused.as_deref(), &spec));
            }
        };
        let mut entry = catalogue::entry(&self.options.id, AgentState::Ready, None);
        catalogue::fill(&mut entry, &initialized);
        entry.health.program = Some(shown);
        if entry.state == AgentState::LoggedOut {
            link.close().await;
            return Err(OpenError::LoggedOut { program: name, detail: catalogue::LOG_IN.to_owned() });
        }
        if let Some(known) = self.known() {
            entry.modes = known.modes;
            entry.version = entry.version.or(known.version);
            entry.health.tested = Some(health::tested(entry.version.as_deref()));
        }
        let driver = Box::new(ClaudeDriver::new(link, spec.tag));
        Ok(Opened { driver, events, process: Some(mark), entry: Some(entry) })
    }

    /// Why it does not start, from what it wrote.
    fn explain(&self, error: &DriveError, refused: Option<&str>, spec: &OpenSpec) -> OpenError {
        let program = self.options.program.to_string_lossy().into_owned();
        let said = refused.map_or_else(|| error.to_string(), str::to_owned);
        if let Some(session) = &spec.resume
            && said.contains("No conversation found")
        {
            return OpenError::NotSaved { program, session: session.clone() };
        }
        if let Some(mode) = &spec.mode
            && said.contains("--permission-mode")
        {
            return OpenError::Option { what: format!("mode `{mode}`"), detail: said };
        }
        match error {
            DriveError::Refused { .. } => OpenError::Failed { program, detail: said },
            _ if refused.is_some() => OpenError::Failed { program, detail: said },
            DriveError::Died { .. } => OpenError::NotNow { program, detail: said },
            // One that says nothing for so long would keep its person waiting three times as long.
            _ => OpenError::Failed { program, detail: said },
        }
    }
}

/// The first thing that is said: the answer tells what there is to choose from, and whether there is a login.
async fn initialize(link: &Link<ClaudeMapper>) -> Result<Value, DriveError> {
    let (id, request) = link.with(|mapper| mapper.control(&json!({ "subtype": "initialize" })));
    let answered = link.request(id, request, INITIALIZE).await;
    match answered {
        Ok(Ok(initialized)) => Ok(initialized),
        Ok(Err(refusal)) => Err(DriveError::Refused { detail: refusal.message }),
        // What it wrote to stderr is known once it is gone.
        Err(DriveError::Died { detail }) => {
            Err(DriveError::Died { detail: link.ended(Duration::from_secs(10)).await.unwrap_or(detail) })
        }
        Err(error) => Err(error),
    }
}

impl Agent for ClaudeAgent {
    fn id(&self) -> &str {
        &self.options.id
    }

    fn probe<'a>(&'a self, tag: &'a str) -> Later<'a, AgentEntry> {
        Box::pin(self.look(tag))
    }

    fn open(&self, spec: OpenSpec) -> Later<'_, Result<Opened, OpenError>> {
        Box::pin(self.start(spec, None))
    }

    fn fork(&self, spec: OpenSpec, place: Option<String>) -> Later<'_, Result<Opened, OpenError>> {
        Box::pin(self.start(spec, Some(Fork { place })))
    }
}
