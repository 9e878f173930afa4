//! `up`: a hub and a host in this process, until a signal.

mod agents;
mod browser;
mod pairing;
mod projects;
mod reaction;
mod remote_prompt;
mod screen;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use host::{Host, HostHandle, Reaper, Tonight};
use hub::{Hub, SystemRandom};
use protocol::time::{Clock, UnixMs};
use serde::Serialize;
use store::SqliteStore;
use streams::Streams;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::{self, SystemClock};
use crate::config::Settings;
use crate::data_dir::{DataDir, NodeFile};
use crate::doctor::{Doctor, Running};
use crate::env::Env;
use crate::error::{CommandError, Kind};
use crate::links::Keeper;
use crate::listen::policy::{Plan, Public};
use crate::log_file::LogFile;
use crate::node_key;
use crate::output::{self, Output};
use crate::serving::{Bound, Ground, REQUESTS, Role, Signals, Ways, bind, credential, stop_in_order};
use crate::verbs::pair_url;
use pairing::{Audience, Door};

pub(crate) use agents::all as all_agents;
pub(crate) use browser::open as open_browser;
pub(crate) use projects::shown;
pub(crate) use screen::{SIGN, head};

/// Longest that agents may take when the node stops.
const AGENTS: Duration = Duration::from_secs(4);
/// Longest that stopping may take in all; what is left then is what a crash leaves.
const STOP: Duration = Duration::from_secs(9);
/// How often agents are asked what they offer.
const PROBE: Duration = Duration::from_mins(10);

/// The one line of `up --json`; stable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ready<'a> {
    /// The address to open.
    url: &'a str,
    /// The address on this machine.
    local_url: &'a str,
    /// The address with the pairing secret in its fragment; null when somebody is paired.
    pair_url: Option<String>,
    /// The code to type; null when somebody is paired.
    code: Option<&'a str>,
    /// Until when the code is valid.
    expires_at_ms: Option<UnixMs>,
    version: &'a str,
    data_dir: &'a std::path::Path,
    pid: u32,
}

/// Runs a node until it is asked to stop.
pub(crate) async fn up(
    settings: &Settings,
    dir: &DataDir,
    log: &LogFile,
    env: &Env,
    out: Output,
) -> Result<(), CommandError> {
    let mut ground = Ground::take(Role::Node, settings, dir, log).await?;
    let (plan, acceptor, store) = (ground.plan, ground.acceptor.take(), ground.store.clone());
    let start = Node::start(settings, plan, acceptor, dir, env, &store);
    ground.carry(dir, start, async |node, signals| node.run(settings, plan, dir, env, out, signals).await).await
}

/// By which names and through whom this machine is reached.
pub(crate) fn ways<'a>(settings: &'a Settings, env: &'a Env) -> Ways<'a> {
    Ways {
        host_names: &settings.host_names,
        machine: &env.machine,
        public_url: settings.public_url.as_deref(),
        proxies: &settings.trusted_proxies,
    }
}

/// Everything that runs.
struct Node {
    hub: Hub,
    host: HostHandle,
    bound: Bound,
    registered: Vec<PathBuf>,
    _orphans: Option<host::process::OrphanReaper>,
}

impl Node {
    async fn start(
        settings: &Settings,
        plan: Plan,
        acceptor: Option<tokio_rustls::TlsAcceptor>,
        dir: &DataDir,
        env: &Env,
        store: &Arc<SqliteStore>,
    ) -> Result<Self, CommandError> {
        let bound = bind(plan, acceptor, ways(settings, env)).await?;
        projects::remember(&settings.projects, env, dir)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let platform = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
        let options = hub::Options {
            node_name: settings.name.clone(),
            node_platform: platform.clone(),
            node_public_key: Some(node_key::public(dir, &SystemRandom)?),
            host: true,
            version: version.clone(),
            allowed_hosts: bound.names.clone(),
            allowed_origins: Vec::new(),
            secure: matches!(plan.public, Some(Public::Tls(_))),
            trusted_proxies: settings.trusted_proxies.clone(),
        };
        let streams = Streams::new(store.clone());
        let hub = Hub::open(streams, clock.clone(), Arc::new(SystemRandom), options).await.map_err(|error| {
            let hint = error.hint();
            CommandError::new(Kind::Config, error).hint(hint)
        })?;
        let orphans = host::process::adopt_orphans();
        let orphans =
            orphans.inspect_err(|error| tracing::warn!(%error, "abandoned processes fall to the system")).ok();
        let new_root = projects::new_root(settings, env, dir)?;
        let environment = agents::environment(env, &settings.agent_env);
        let options = host::Options {
            name: settings.name.clone(),
            platform,
            version,
            turns_at_once: settings.turns_at_once,
            allowed_roots: projects::roots(env, dir, new_root.as_deref())?,
            projects_root: new_root,
            home: env.home.as_ref().map(|home| home.canonicalize().unwrap_or_else(|_| home.clone())),
            files_dir: Some(dir.path().join("files")),
            lines_dir: settings.keep_lines.then(|| dir.agent_lines()),
            agent_idle: settings.agent_idle,
            bypass_modes_allowed: settings.bypass_modes_allowed,
            participants: settings.participants,
            policy_file: settings.policy_file.clone(),
            approval_expiry: Some(settings.approval_expiry),
            quiet_after: settings.quiet_after,
            silence_limit: Some(settings.silence_limit),
            tonight: Tonight::new(clock::tonight),
            probe_every: PROBE,
            stop_budget: AGENTS,
            threads: true,
            reaper: Reaper::system(),
        };
        let agents = agents::all(env, &environment, dir, settings);
        let running =
            Running { local_url: bound.local_url.clone(), url: bound.url.clone(), version: hub.version().to_owned() };
        let doctor = Doctor::new(settings, dir, agents.clone(), Some(running));
        hub.watch_health(Arc::new(doctor));
        let port = hub.host_port().ok_or_else(|| CommandError::say(Kind::Bug, "the hub has no port for its host"))?;
        let host = Host::start(port, clock, agents.clone(), options).await;
        let host = host.map_err(|error| CommandError::new(Kind::No, error).during("the host does not start"))?;
        let mut registered = Vec::new();
        projects::register(&host, dir, &mut registered).await;
        Ok(Self { hub, host, bound, registered, _orphans: orphans })
    }

    /// Serves until a signal, or until something breaks; then stops in order.
    async fn run(
        self,
        settings: &Settings,
        plan: Plan,
        dir: &DataDir,
        env: &Env,
        out: Output,
        signals: &mut Signals,
    ) -> Result<(), CommandError> {
        let Self { hub, host, bound, registered, _orphans } = self;
        let Bound { local, public, local_url, url, .. } = bound;
        let file = NodeFile {
            url: local_url.clone(),
            public_url: url.clone(),
            pid: std::process::id(),
            version: hub.version().to_owned(),
        };
        tracing::info!(%url, %local_url, "ready");
        dir.announce(&file, &credential(&hub, dir).await?)?;

        let mut serving = JoinSet::new();
        Bound::serve(local, public, &hub, &mut serving, REQUESTS);

        let shows = !out.json;
        let audience = match (shows, env.stdin_is_terminal) {
            (false, _) => Audience::Program,
            (true, false) => Audience::Reader,
            (true, true) => Audience::Person,
        };
        let public = plan.public;
        let mut door = Door {
            hub: hub.clone(),
            url: url.clone(),
            public,
            once: settings.pair_once,
            audience,
            offer: None,
            paired: false,
            complained: false,
        };
        door.renew().await;
        let offer = door.offer.clone();
        if out.json {
            out.json(&Ready {
                url: &url,
                local_url: &local_url,
                pair_url: offer.as_ref().map(|offer| pair_url(&url, offer)),
                code: offer.as_ref().map(|offer| offer.code.as_str()),
                expires_at_ms: offer.as_ref().map(|offer| offer.expires_at_ms),
                version: hub.version(),
                data_dir: dir.path(),
                pid: std::process::id(),
            })?;
        } else {
            out.prose(screen::head(&url, &local_url))?;
            if let Some(offer) = &offer {
                out.prose(screen::code(&url, public, audience == Audience::Person, offer, hub.now()))?;
            }
            out.prose(format!("{}\n  Ctrl-C stops it.\n", screen::advice(public)))?;
        }
        if shows && settings.open_browser && env.stdout_is_terminal && env.has_screen {
            let page = if offer.is_some() { "/pair" } else { "/" };
            let (stop, page) = (hub.stopping(), format!("{local_url}{page}"));
            serving.spawn(async move {
                tokio::select! {
                    _opened = browser::open(page) => {}
                    () = stop.cancelled() => {}
                }
            });
        }
        serving.spawn(door.keep(hub.stopping()));
        if let Some(reaction) = reaction::Reaction::wanted(settings, env, &local_url, hub.stopping()) {
            let quiet = Output { json: false, colour: false, progress: false };
            let node = crate::node::Node::find(dir, quiet)?;
            serving.spawn(remote_prompt::react(node, reaction, hub.stopping()));
        }
        let unlink = CancellationToken::new();
        let links = tokio::spawn(Keeper::new(hub.clone(), dir).run(settings.clone(), unlink.clone()));

        let ended = tokio::select! {
            () = signals.next() => Ok(()),
            error = host.failed() => Err(CommandError::new(Kind::No, error).during("the host stopped")),
            () = projects::keep(&host, dir, registered) => Ok(()),
        };
        tracing::info!(failed = ended.is_err(), "stopping");
        let stopping = async {
            if !out.json {
                output::note("\nStopping; again to stop at once.");
            }
            if let Err(error) = host.stop().await {
                tracing::warn!(%error, "the host did not stop in order");
            }
            // After the host, so that what it said last is carried; before the hub, which the links read.
            unlink.cancel();
            if let Err(error) = links.await {
                tracing::warn!(%error, "the links did not stop in order");
            }
            hub.stop().await;
            while serving.join_next().await.is_some() {}
        };
        stop_in_order(STOP, stopping, signals).await;
        ended
    }
}
