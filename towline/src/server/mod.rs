//! `hub`: a hub without a host, for a server that several people share, until a signal.

use std::sync::Arc;
use std::time::Duration;

use hub::{Hub, SystemRandom};
use protocol::account::SecretLink;
use protocol::time::{Clock, UnixMs};
use serde::Serialize;
use store::SqliteStore;
use streams::Streams;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::clock::SystemClock;
use crate::config::Settings;
use crate::data_dir::{DataDir, NodeFile};
use crate::doctor::{Doctor, Running};
use crate::env::Env;
use crate::error::{CommandError, Kind};
use crate::listen::policy::{Plan, Public};
use crate::log_file::LogFile;
use crate::node_key;
use crate::output::{self, Output};
use crate::serving::{Bound, Ground, REQUESTS, Role, Signals, bind, credential, stop_in_order};
use crate::up::{head, ways};
use crate::verbs::{secret_picture, secret_url};

/// How often is looked whether the setup link has run out.
const LOOK: Duration = Duration::from_mins(1);
/// Longest that stopping may take in all; what is left then is what a crash leaves.
const STOP: Duration = Duration::from_secs(5);

/// The one line of `hub --json`; stable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ready<'a> {
    /// The address to open.
    url: &'a str,
    /// The address on this machine.
    local_url: &'a str,
    /// The link that lets the owner in, with its secret in the fragment; null once the owner is in.
    setup_url: Option<String>,
    /// Until when that link is valid.
    expires_at_ms: Option<UnixMs>,
    version: &'a str,
    data_dir: &'a std::path::Path,
    pid: u32,
}

/// Runs a hub until it is asked to stop.
pub(crate) async fn serve(
    settings: &Settings,
    dir: &DataDir,
    log: &LogFile,
    env: &Env,
    out: Output,
) -> Result<(), CommandError> {
    let mut ground = Ground::take(Role::Hub, settings, dir, log).await?;
    let (plan, acceptor, store) = (ground.plan, ground.acceptor.take(), ground.store.clone());
    let start = Server::start(settings, plan, acceptor, dir, env, &store);
    ground.carry(dir, start, async |server, signals| server.run(dir, out, signals).await).await
}

/// Everything that runs.
struct Server {
    hub: Hub,
    bound: Bound,
    /// What is not as it should be, though it works.
    warning: Option<&'static str>,
}

impl Server {
    async fn start(
        settings: &Settings,
        plan: Plan,
        acceptor: Option<TlsAcceptor>,
        dir: &DataDir,
        env: &Env,
        store: &Arc<SqliteStore>,
    ) -> Result<Self, CommandError> {
        let bound = bind(plan, acceptor, ways(settings, env)).await?;
        let secure = matches!(plan.public, Some(Public::Tls(_)));
        let options = hub::Options {
            node_name: settings.name.clone(),
            node_platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            node_public_key: Some(node_key::public(dir, &SystemRandom)?),
            host: false,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            allowed_hosts: bound.names.clone(),
            allowed_origins: Vec::new(),
            secure,
            trusted_proxies: settings.trusted_proxies.clone(),
        };
        let hub = Hub::open(Streams::new(store.clone()), Arc::new(SystemClock), Arc::new(SystemRandom), options).await;
        let hub = hub.map_err(|error| {
            let hint = error.hint();
            CommandError::new(Kind::Config, error).hint(hint)
        })?;
        let running =
            Running { local_url: bound.local_url.clone(), url: bound.url.clone(), version: hub.version().to_owned() };
        hub.watch_health(Arc::new(Doctor::new(settings, dir, Vec::new(), Some(running))));
        let by_proxy = bound.url.starts_with("https://") && !secure && settings.trusted_proxies.is_empty();
        let warning = by_proxy.then_some(
            "The proxy before this hub is not believed: everybody who comes through it counts as one. Name it: --trusted-proxy.",
        );
        Ok(Self { hub, bound, warning })
    }

    /// Serves until a signal; then stops in order.
    async fn run(self, dir: &DataDir, out: Output, signals: &mut Signals) -> Result<(), CommandError> {
        let Self { hub, bound, warning } = self;
        let Bound { local, public, local_url, url, .. } = bound;
        let file = NodeFile {
            url: local_url.clone(),
            public_url: url.clone(),
            pid: std::process::id(),
            version: hub.version().to_owned(),
        };
        dir.announce(&file, &credential(&hub, dir).await?)?;
        let mut serving = JoinSet::new();
        Bound::serve(local, public, &hub, &mut serving, REQUESTS);
        tracing::info!(%url, %local_url, "ready");
        let link = setup(&hub).await?;
        if out.json {
            out.json(&Ready {
                url: &url,
                local_url: &local_url,
                setup_url: link.as_ref().map(|link| secret_url(&url, link)),
                expires_at_ms: link.as_ref().map(|link| link.expires_at_ms),
                version: hub.version(),
                data_dir: dir.path(),
                pid: std::process::id(),
            })?;
        } else {
            out.prose(head(&url, &local_url))?;
            out.prose(match &link {
                Some(link) => welcome(&url, link),
                None => "\n  Invite somebody: towline hub invite\n  Ctrl-C stops it.\n".to_owned(),
            })?;
        }
        if let Some(warning) = warning {
            output::note(format!("warning: {warning}"));
        }
        let setup = keep_open(&hub, &url, out);
        tokio::select! {
            () = signals.next() => {}
            never = setup => match never {},
        }
        tracing::info!("stopping");
        let stopping = async {
            hub.stop().await;
            while serving.join_next().await.is_some() {}
        };
        stop_in_order(STOP, stopping, signals).await;
        Ok(())
    }
}

/// A setup link, while nobody owns the hub.
async fn setup(hub: &Hub) -> Result<Option<SecretLink>, CommandError> {
    if hub.has_owner_device().await? {
        return Ok(None);
    }
    Ok(Some(hub.setup_link(&hub.node_identity()).await?))
}

/// Makes a new setup link whenever the last one has run out unused, for as long as nobody owns the hub. With `--json` there is one line and
/// no more: then it says where to get a new one.
async fn keep_open(hub: &Hub, url: &str, out: Output) -> std::convert::Infallible {
    let mut told = false;
    loop {
        tokio::time::sleep(LOOK).await;
        if out.json && told {
            continue;
        }
        match hub.renew_setup_link(&hub.node_identity()).await {
            Ok(None) => {}
            Ok(Some(_)) if out.json => {
                output::note("The setup link has run out. A new one: towline hub setup-link");
                told = true;
            }
            Ok(Some(link)) => {
                tracing::info!("the setup link had run out; a new one was printed");
                // Nobody may read it any more; then there is the verb.
                let _unread = out.prose(welcome(url, &link));
            }
            Err(problem) => tracing::warn!(%problem, "whether the setup link has run out is not known"),
        }
    }
}

/// What a person sees at the first start.
fn welcome(url: &str, link: &SecretLink) -> String {
    let hours = link.expires_at_ms.since(SystemClock.now()).div_ceil(3_600_000);
    format!(
        "\n{}  Nobody owns this hub yet. Whoever opens this link first does:\n\n  {}\n\n  Valid    {hours} h, once; a new one: towline hub setup-link\n  \
         Ctrl-C stops it.\n",
        secret_picture(url, link),
        secret_url(url, link)
    )
}
