//! What a node has in its hands before it is one: where it will listen, its log, and its store, which nobody else has meanwhile.

use std::sync::Arc;

use store::{Pages, SqliteStore};
use tokio_rustls::TlsAcceptor;

use super::Signals;
use crate::clock::SystemClock;
use crate::config::Settings;
use crate::data_dir::DataDir;
use crate::error::{CommandError, Kind};
use crate::listen::policy::{self, Plan, Wish};
use crate::listen::{lan, tls};
use crate::log_file::LogFile;

/// What a data directory serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A hub and a host.
    Node,
    /// A hub without a host.
    Hub,
}

/// See the module.
pub(crate) struct Ground {
    pub(crate) plan: Plan,
    pub(crate) acceptor: Option<TlsAcceptor>,
    pub(crate) store: Arc<SqliteStore>,
    signals: Signals,
}

impl Ground {
    /// Takes it up. Nothing is written before it is clear that the settings can be served.
    pub(crate) async fn take(
        role: Role,
        settings: &Settings,
        dir: &DataDir,
        log: &LogFile,
    ) -> Result<Self, CommandError> {
        let signals = Signals::listen()?;
        let (listen, tls) = (settings.listen, settings.tls.is_some());
        let plan = match role {
            Role::Node => policy::plan(Wish { listen, lan: settings.lan, tls, proxied: false }, lan::private_address)?,
            Role::Hub => {
                let proxied = !settings.trusted_proxies.is_empty();
                policy::plan(Wish { listen, lan: false, tls, proxied }, || None)?
            }
        };
        let acceptor = settings.tls.as_ref().map(|(certificate, key)| tls::acceptor(certificate, key)).transpose()?;
        dir.make()?;
        log.open(dir.path()).map_err(|error| {
            CommandError::new(Kind::Config, error)
                .during(format!("cannot write the log in the data directory {}", dir.path().display()))
                .hint("Look at the disk, and at who owns the data directory; or choose another one with --data-dir.")
        })?;
        dir.remember_hub(role == Role::Hub)?;
        tracing::info!(version = env!("CARGO_PKG_VERSION"), pid = std::process::id(), ?role, "starting");
        let store = open_store(dir, Pages::Small).await?;
        Ok(Self { plan, acceptor, store, signals })
    }

    /// Starts something on it and runs it to its end, then closes the store, which blocks for one fsync at most. A signal stops the
    /// start; what runs is given the signals.
    pub(crate) async fn carry<T>(
        self,
        dir: &DataDir,
        start: impl Future<Output = Result<T, CommandError>>,
        run: impl AsyncFnOnce(T, &mut Signals) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        let Self { store, mut signals, .. } = self;
        let started = tokio::select! {
            started = start => started,
            () = signals.next() => Err(CommandError::say(Kind::No, "stopped before it was ready")),
        };
        let ran = match started {
            Ok(started) => {
                let ran = run(started, &mut signals).await;
                dir.retract();
                ran
            }
            Err(error) => Err(error),
        };
        let closed = tokio::task::spawn_blocking(move || store.close()).await;
        ran.and(closed.map_err(|error| CommandError::new(Kind::Bug, error)))
    }
}

/// Opens the store of a data directory; a new one gets pages of this size.
pub(crate) async fn open_store(dir: &DataDir, pages: Pages) -> Result<Arc<SqliteStore>, CommandError> {
    let path = dir.store();
    let opened = tokio::task::spawn_blocking(move || SqliteStore::open_with(path, Arc::new(SystemClock), pages)).await;
    let opened = opened.map_err(|error| CommandError::new(Kind::Bug, error))?;
    opened.map(Arc::new).map_err(|error| store_error(error, dir))
}

/// Why a store did not open, and what to do.
fn store_error(error: store::OpenError, dir: &DataDir) -> CommandError {
    if matches!(error, store::OpenError::InUse { .. }) {
        let who = match dir.node() {
            Some(node) => {
                format!("Towline runs already with this data directory: {} (process {})", node.public_url, node.pid)
            }
            None => format!("another process uses the data directory {}", dir.path().display()),
        };
        return CommandError::say(Kind::Config, who).hint("Use that one, or start another with --data-dir DIRECTORY.");
    }
    let hint = error.hint();
    CommandError::new(Kind::Config, error).hint(hint)
}
