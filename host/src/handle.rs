//! Starting and stopping a host.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::join_all;
use protocol::id::ProjectId;
use protocol::port::{HubPort, PortError, Started};
use protocol::time::Clock;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::agent::Agent;
use crate::catalogue::{self, Catalogue};
use crate::consent::Rules;
use crate::context::Context;
use crate::executor::Executor;
use crate::news;
use crate::options::Options;
use crate::project::{self, Projects, RegisterError};
use crate::restart;

/// Shortest time that an agent which several sessions used has for its end, also when the sessions have taken all of the budget.
const LAST: Duration = Duration::from_secs(1);

/// The host: `Host::start`.
#[derive(Debug, Clone, Copy)]
pub struct Host;

/// A host could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No turn could ever run.
    #[error("a host must run at least one turn at a time")]
    NoTurns,
    /// Two agents have one id.
    #[error("two agents have the id `{id}`")]
    SameAgent {
        /// The id.
        id: String,
    },
    /// The hub refused, or could not.
    #[error("the hub did not take the host")]
    Port(#[from] PortError),
}

/// A running host. Dropping it kills everything at once, as a crash would; nothing that is durable is lost.
#[derive(Debug)]
pub struct HostHandle {
    context: Arc<Context>,
    work: JoinHandle<()>,
    probes: JoinHandle<()>,
}

impl Host {
    /// Starts a host: takes the next generation, ends what an earlier life left behind, brings its sessions in order, and begins
    /// to work. Agents are asked what they offer meanwhile.
    ///
    /// # Errors
    /// [`StartError`]. Dropping the future leaves no task behind.
    pub async fn start(
        port: Arc<dyn HubPort>,
        clock: Arc<dyn Clock>,
        agents: Vec<Arc<dyn Agent>>,
        options: Options,
    ) -> Result<HostHandle, StartError> {
        if options.turns_at_once == 0 {
            return Err(StartError::NoTurns);
        }
        let mut by_id: BTreeMap<String, Arc<dyn Agent>> = BTreeMap::new();
        for agent in agents {
            let id = agent.id().to_owned();
            if by_id.insert(id.clone(), agent).is_some() {
                return Err(StartError::SameAgent { id });
            }
        }
        let catalogue = Catalogue::default();
        let turns = u32::try_from(options.turns_at_once).unwrap_or(u32::MAX);
        let me = port.start(catalogue.about(&options), turns).await?;
        let projects = Projects::load(&*port).await?;
        let rules = Rules::load(&*port).await?;
        let slots = Arc::new(Semaphore::new(options.turns_at_once.min(Semaphore::MAX_PERMITS)));
        let context = Arc::new(Context {
            port,
            clock,
            me,
            options,
            agents: by_id,
            catalogue,
            projects,
            rules,
            slots,
            stop: CancellationToken::new(),
            dead: CancellationToken::new(),
            failure: OnceLock::new(),
        });
        for agent in context.agents.values() {
            agent.begin(&catalogue::probe_tag(&context));
        }
        // First, so that nothing of a deleted session is brought back.
        news::settle(&context).await?;
        let restart::All { restored, broken } = restart::recover(&context, None).await?;
        project::look(&context).await?;
        let work = tokio::spawn(Executor::new(context.clone(), broken).run(restored));
        let probes = tokio::spawn(probe(context.clone()));
        Ok(HostHandle { context, work, probes })
    }
}

async fn probe(context: Arc<Context>) {
    tokio::select! {
        () = context.stop.cancelled() => {}
        () = catalogue::keep(&context) => {}
        () = catalogue::spread(&context) => {}
    }
}

impl HostHandle {
    /// Who the host is, and which start of it this is.
    pub fn started(&self) -> Started {
        self.context.me
    }

    /// Registers a directory as a project, or finds the one that it is.
    ///
    /// # Errors
    /// [`RegisterError`]: it is not there, not allowed, or could not be written down.
    pub async fn register_project(&self, path: impl Into<PathBuf>) -> Result<ProjectId, RegisterError> {
        project::register(&self.context, path.into()).await
    }

    /// Asks every agent anew what it offers; the answers appear in the host's fact.
    pub fn probe(&self) {
        self.context.catalogue.asked.notify_one();
    }

    /// Waits until the host cannot go on: it was replaced, or the hub is broken. May be dropped and called again.
    pub async fn failed(&self) -> PortError {
        self.context.dead.cancelled().await;
        self.context.failure.get().cloned().unwrap_or(PortError::Broken { reason: "the host was dropped".to_owned() })
    }

    /// Stops gracefully: takes no more commands, interrupts running turns, keeps queued ones for the next start, closes the
    /// agents, gives back what it leased. Takes at most the options' `stop_budget`, and what the hub needs to write.
    ///
    /// # Errors
    /// Why the host had failed before, or why it could not say that it stops.
    pub async fn stop(mut self) -> Result<(), PortError> {
        let until = Instant::now() + self.context.options.stop_budget;
        self.context.stop.cancel();
        for (name, task) in [("executor", &mut self.work), ("probes", &mut self.probes)] {
            if let Err(error) = task.await {
                tracing::error!(name, %error, "a task of the host ended by a bug of ours");
            }
        }
        let shared = join_all(self.context.agents.values().map(|agent| agent.end()));
        if tokio::time::timeout_at(until.max(Instant::now() + LAST), shared).await.is_err() {
            tracing::warn!("what several sessions used did not end in time and is killed");
        }
        match self.context.failure.get() {
            Some(error) => Err(error.clone()),
            None => self.context.port.stop(self.context.me.generation).await,
        }
    }
}

impl Drop for HostHandle {
    fn drop(&mut self) {
        self.context.dead.cancel();
        self.context.stop.cancel();
        self.work.abort();
        self.probes.abort();
    }
}
