//! What every part of a running host shares.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use protocol::port::{HubPort, PortError, Report, Reported, Started};
use protocol::time::{Clock, UnixMs};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::agent::Agent;
use crate::catalogue::Catalogue;
use crate::consent::Rules;
use crate::journal::bound;
use crate::options::Options;
use crate::project::Projects;

/// First pause before a report is tried again when the disk is full.
const FIRST_RETRY: Duration = Duration::from_millis(100);
/// Longest pause between two tries.
const LAST_RETRY: Duration = Duration::from_secs(5);

/// What every part of a running host shares.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) port: Arc<dyn HubPort>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) me: Started,
    pub(crate) options: Options,
    pub(crate) agents: BTreeMap<String, Arc<dyn Agent>>,
    pub(crate) catalogue: Catalogue,
    pub(crate) projects: Projects,
    /// The standing rules.
    pub(crate) rules: Rules,
    /// One permit per turn that may run; tokio's semaphore serves in the order of asking.
    pub(crate) slots: Arc<Semaphore>,
    /// Stop gracefully.
    pub(crate) stop: CancellationToken,
    /// Stop at once: nothing more can be written.
    pub(crate) dead: CancellationToken,
    pub(crate) failure: OnceLock<PortError>,
}

impl Context {
    /// The time now.
    pub(crate) fn now(&self) -> UnixMs {
        self.clock.now()
    }

    /// Stops the host because the hub can no longer be told anything.
    pub(crate) fn fail(&self, error: PortError) {
        let said = error.to_string();
        if self.failure.set(error).is_ok() {
            tracing::error!(error = said, "the host stops");
        }
        self.dead.cancel();
        self.stop.cancel();
    }

    /// Commits a report; waits for as long as the disk is full.
    ///
    /// # Errors
    /// Every other [`PortError`]; `Replaced` and `Broken` also stop the host.
    pub(crate) async fn report(&self, mut report: Report) -> Result<Reported, PortError> {
        report.generation = self.me.generation;
        bound::hold(&mut report);
        let mut pause = FIRST_RETRY;
        loop {
            match self.port.report(report.clone()).await {
                Err(error @ PortError::Full { .. }) => {
                    tracing::warn!(%error, retry_ms = pause.as_millis(), "a report waits");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LAST_RETRY);
                }
                Err(error @ (PortError::Replaced { .. } | PortError::Broken { .. })) => {
                    self.fail(error.clone());
                    return Err(error);
                }
                done => return done,
            }
        }
    }
}
