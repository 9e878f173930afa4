//! Agents that speak the Agent Client Protocol, version 1: our own line codec over the protocol's types, one process per session.

mod asks;
mod choices;
mod codec;
mod desk;
mod deviations;
mod driver;
mod files;
mod forms;
mod health;
mod mapper;
mod sessions;
mod shown;
mod terminals;
#[cfg(test)]
mod tests;
mod tools;
mod turns;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::agent_health::AgentHealth;
use protocol::host::{Ability, AgentEntry, AgentState};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use self::choices::Defaults;
use self::codec::Call;
use self::driver::AcpDriver;
use self::mapper::AcpMapper;
use self::sessions::{FORK, offers};
use super::hidden::Hidden;
use super::link::{Link, Refusal};
use super::words::maybe;
use super::{Agent, AgentEvent, DriveError, EVENT_QUEUE, Later, OpenError, OpenSpec, Opened};
use crate::process::{Child, Environment, SpawnSpec, tag_below};
use crate::raw_lines::RawLines;

/// Longest that an agent may take for one step of its start: the slowest known one takes 2 s in all, and took 21 s for the first step right
/// after its installation on a machine with two cores that had much else to do (measured).
const STEP: Duration = Duration::from_secs(45);
/// Longest that a probe takes, in all (the seam's own limit).
const PROBE: Duration = Duration::from_secs(29);
/// How long a probe waits for what an agent takes after a slash: the protocol has no end of that wait, and those that tell of it do so right
/// after they have begun a session. One that is slower is heard in its first session.
const COMMANDS: Duration = Duration::from_millis(300);
/// How long a good and a bad answer to a probe are believed.
const BELIEVED: Duration = Duration::from_mins(10);
const DOUBTED: Duration = Duration::from_secs(5);

/// How an ACP agent is run.
#[derive(Debug, Clone)]
pub struct AcpOptions {
    /// What commands name it by.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The program: a name that is looked for in the `PATH` of the environment, or a path.
    pub program: OsString,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// All that it knows of our environment.
    pub environment: Environment,
    /// Whether modes that never ask may be offered and chosen.
    pub allow_bypass: bool,
    /// Where the probe runs; a directory without a project, such as the data directory.
    pub probe_cwd: PathBuf,
    /// What to do when the program is missing.
    pub install_hint: Option<String>,
}

/// An ACP agent, as a kind of agent.
#[derive(Debug)]
pub struct AcpAgent {
    options: AcpOptions,
    probed: Mutex<Option<(Instant, AgentEntry)>>,
    /// What its sessions begin with, as the newest one told.
    defaults: Mutex<Defaults>,
}

/// A process that has answered `initialize`.
struct Greeted {
    link: Link<AcpMapper>,
    tell: mpsc::Sender<AgentEvent>,
    events: mpsc::Receiver<AgentEvent>,
    mark: super::ProcessMark,
    hello: Value,
}

impl AcpAgent {
    /// An agent that was not looked for yet.
    pub const fn new(options: AcpOptions) -> Self {
        let defaults = Mutex::new(Defaults { model: None, effort: None });
        Self { options, probed: Mutex::new(None), defaults }
    }

    fn defaults(&self) -> MutexGuard<'_, Defaults> {
        // Replaced whole, so a poisoned one is still a good one.
        self.defaults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn program(&self) -> String {
        self.options.program.to_string_lossy().into_owned()
    }

    fn failed(&self, detail: String) -> OpenError {
        OpenError::Failed { program: self.program(), detail }
    }

    fn no_fork(&self, detail: &str) -> OpenError {
        OpenError::NoFork { program: self.program(), detail: detail.to_owned() }
    }

    fn not_now(&self, detail: String) -> OpenError {
        OpenError::NotNow { program: self.program(), detail }
    }

    fn logged_out(&self, hello: &Value, refusal: &Refusal) -> OpenError {
        let ways = health::ways_to_log_in(hello);
        let how =
            if ways.is_empty() { String::new() } else { format!(" Log in on this machine: {}.", ways.join("; or ")) };
        OpenError::LoggedOut {
            program: self.program(),
            detail: format!("{}.{how}", refusal.message.trim_end_matches('.')),
        }
    }

    /// Starts the program and greets it.
    async fn greet(&self, cwd: PathBuf, tag: &str, lines: Option<RawLines>) -> Result<Greeted, OpenError> {
        let found = self.options.environment.find(&self.options.program);
        let program = found.ok_or_else(|| OpenError::NotFound { program: self.program() })?;
        let name = cwd.to_string_lossy().into_owned();
        let (args, environment) = (self.options.args.clone(), self.options.environment.clone());
        let spec = SpawnSpec { program, args, cwd: cwd.clone(), environment: environment.clone(), tag: tag.to_owned() };
        let child = Child::spawn(&spec).map_err(|error| self.not_now(error.to_string()))?;
        let mark = child.mark().clone();
        let (tell, events) = mpsc::channel(EVENT_QUEUE);
        let link = Link::start(child, AcpMapper::new(&name), tell.clone())
            .ok_or_else(|| self.not_now("its pipes are gone".to_owned()))?;
        link.keep(lines);
        link.hide(Hidden::of(&self.options.environment));
        let (desk, jobs) = mpsc::channel(desk::JOBS);
        let stops = link.with(|mapper| {
            mapper.desk = Some(desk);
            mapper.stops.subscribe()
        });
        tokio::spawn(desk::run(link.handle(), jobs, stops, cwd, environment, tag.to_owned()));
        let hello = self.step(&link, &codec::initialize(env!("CARGO_PKG_VERSION"), true), STEP).await?;
        let hello = hello.map_err(|refusal| self.failed(refusal.message))?;
        if deviations::must_read_itself(&hello) {
            let again = self.step(&link, &codec::initialize(env!("CARGO_PKG_VERSION"), false), STEP).await?;
            again.map_err(|refusal| self.failed(refusal.message))?;
        }
        match hello.get("protocolVersion").and_then(Value::as_u64) {
            Some(1) => Ok(Greeted { link, tell, events, mark, hello }),
            Some(other) => Err(self.failed(format!("it speaks version {other} of its protocol, not 1"))),
            None => Err(self.failed("it does not say which version of its protocol it speaks".to_owned())),
        }
    }

    async fn step(
        &self,
        link: &Link<AcpMapper>,
        call: &Call,
        limit: Duration,
    ) -> Result<Result<Value, Refusal>, OpenError> {
        let (id, request) = link.with(|mapper| mapper.request(call));
        match link.request(id, request, limit).await {
            Ok(result) => Ok(result),
            // What it wrote to stderr is known once it is gone.
            Err(DriveError::Died { detail }) => {
                Err(self.not_now(link.ended(Duration::from_secs(10)).await.unwrap_or(detail)))
            }
            // One that says nothing for so long would keep its person waiting three times as long.
            Err(error) => Err(self.failed(error.to_string())),
        }
    }

    async fn start(&self, spec: OpenSpec, fork: bool) -> Result<Opened, OpenError> {
        let Greeted { link, tell, events, mark, hello } =
            self.greet(spec.cwd.clone(), &spec.tag, spec.lines.clone()).await?;
        let session = self.session(&link, &hello, &spec, fork).await?;
        let (model, mode, effort) = (spec.model.as_deref(), spec.mode.as_deref(), spec.effort.as_deref());
        let chosen = driver::choose(&link, &session, model, mode, effort).await;
        chosen.map_err(|(what, error)| OpenError::Option { what, detail: error.to_string() })?;
        let entry = self.entry(&hello, &link);
        for event in [AgentEvent::Session { agent_session: session.clone() }, link.with(|mapper| mapper.options())] {
            // The queue is empty: nothing is told before a prompt.
            let _: Result<(), _> = tell.try_send(event);
        }
        let images = hello.pointer("/agentCapabilities/promptCapabilities/image").and_then(Value::as_bool);
        let driver = Box::new(AcpDriver::new(link, session, images.unwrap_or(false), self.defaults().clone()));
        Ok(Opened { driver, events, process: Some(mark), entry: Some(entry) })
    }

    fn bare(&self, state: AgentState, hint: Option<String>) -> AgentEntry {
        let (id, name) = (self.options.id.clone(), self.options.name.clone());
        let program = self.options.environment.find(&self.options.program);
        let program = program.map(|path| path.to_string_lossy().into_owned());
        let health = AgentHealth { program, ..AgentHealth::default() };
        AgentEntry {
            id,
            name,
            version: None,
            state,
            hint,
            models: Vec::new(),
            modes: Vec::new(),
            efforts: Vec::new(),
            health,
            abilities: Vec::new(),
            commands: Vec::new(),
        }
    }

    fn entry(&self, hello: &Value, link: &Link<AcpMapper>) -> AgentEntry {
        let mut entry = self.bare(AgentState::Ready, None);
        entry.version = hello.get("agentInfo").and_then(|info| maybe(info, "version"));
        (entry.models, entry.modes) = link
            .with(|mapper| (mapper.offer.models.choices.clone(), mapper.offer.remote_modes(self.options.allow_bypass)));
        entry.efforts = link.with(|mapper| mapper.offer.effort_choices());
        let goes_back = link.with(|mapper| mapper.offer.has(&self.defaults()));
        entry.abilities = offers(hello, FORK).then_some(Ability::ForkNewest).into_iter().collect();
        entry.abilities.extend(goes_back.then_some(Ability::Defaults));
        entry.health.tested = health::tested(hello);
        entry.health.login = link.with(|mapper| mapper.login.clone());
        entry.commands = link.with(|mapper| mapper.commands.clone()).unwrap_or_default();
        entry
    }

    async fn look(&self, tag: &str) -> AgentEntry {
        if let Some((at, entry)) = &*self.probed.lock().unwrap_or_else(PoisonError::into_inner)
            && at.elapsed() < if entry.state == AgentState::Ready { BELIEVED } else { DOUBTED }
        {
            return entry.clone();
        }
        let entry = match timeout(PROBE, self.ask(tag)).await {
            Ok(Ok(entry)) => entry,
            Ok(Err(OpenError::NotFound { .. })) => self.bare(AgentState::Missing, self.options.install_hint.clone()),
            Ok(Err(OpenError::LoggedOut { detail, .. })) => self.bare(AgentState::LoggedOut, Some(detail)),
            Ok(Err(error)) => self.bare(AgentState::Broken, Some(error.to_string())),
            Err(_) => self.bare(AgentState::Broken, Some(format!("`{}` takes too long to start", self.program()))),
        };
        *self.probed.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), entry.clone()));
        entry
    }

    /// Models and modes are told with a session only, so the probe begins one; nothing is said in it, so that agents do not keep it.
    async fn ask(&self, tag: &str) -> Result<AgentEntry, OpenError> {
        let spec = OpenSpec {
            cwd: self.options.probe_cwd.clone(),
            resume: None,
            model: None,
            mode: None,
            effort: None,
            tag: tag_below(tag),
            lines: None,
        };
        let Greeted { link, hello, mut events, tell, .. } =
            self.greet(spec.cwd.clone(), &spec.tag, spec.lines.clone()).await?;
        self.session(&link, &hello, &spec, false).await?;
        // Ends with the agent.
        drop(tell);
        let told = async {
            while let Some(event) = events.recv().await {
                if let AgentEvent::Commands { .. } = event {
                    return;
                }
            }
        };
        // An agent that tells of none has none.
        let _: Result<(), _> = timeout(COMMANDS, told).await;
        let entry = self.entry(&hello, &link);
        link.close().await;
        Ok(entry)
    }
}

impl Agent for AcpAgent {
    fn id(&self) -> &str {
        &self.options.id
    }

    fn probe<'a>(&'a self, tag: &'a str) -> Later<'a, AgentEntry> {
        Box::pin(self.look(tag))
    }

    fn open(&self, spec: OpenSpec) -> Later<'_, Result<Opened, OpenError>> {
        Box::pin(self.start(spec, false))
    }

    fn fork(&self, spec: OpenSpec, place: Option<String>) -> Later<'_, Result<Opened, OpenError>> {
        Box::pin(async move {
            match place {
                None => self.start(spec, true).await,
                // The protocol has no word for an earlier place, and none is ever told of.
                Some(_) => Err(self.no_fork("it goes on from the end of a conversation only")),
            }
        })
    }
}
