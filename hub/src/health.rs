//! The health of the machine, as whoever composed this node finds it; asked for rarely, however often somebody looks.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use protocol::health::{Finding, FindingLevel, HealthReport};

use crate::hub::Hub;

/// How long a report is shown again, in milliseconds.
const FRESH_MS: u64 = 10_000;
/// Longest that a look may take.
const LIMIT: Duration = Duration::from_secs(25);

/// Looks at the machine that a hub runs on.
pub trait Health: Send + Sync + fmt::Debug + 'static {
    /// Looks at everything. May be dropped at any time.
    fn check(&self) -> Pin<Box<dyn Future<Output = Vec<Finding>> + Send + '_>>;
}

/// Who looks, and what was found last.
#[derive(Debug, Default)]
pub(crate) struct Checkup {
    doctor: OnceLock<Arc<dyn Health>>,
    // Held while somebody looks: whoever asks meanwhile waits for that look, which is bounded.
    last: tokio::sync::Mutex<Option<HealthReport>>,
}

impl Hub {
    /// Says who looks at the machine; the first one counts.
    pub fn watch_health(&self, doctor: Arc<dyn Health>) {
        if self.inner.checkup.doctor.set(doctor).is_err() {
            tracing::debug!("somebody looks at this machine already");
        }
    }

    /// How the machine is, at most ten seconds ago; nothing when nobody looks at it.
    pub async fn health(&self) -> HealthReport {
        let checkup = &self.inner.checkup;
        let mut last = checkup.last.lock().await;
        let now = self.now();
        if let Some(report) = last.as_ref().filter(|report| now.since(report.checked_at_ms) < FRESH_MS) {
            return report.clone();
        }
        let findings = match checkup.doctor.get() {
            None => Vec::new(),
            Some(doctor) => tokio::time::timeout(LIMIT, doctor.check()).await.unwrap_or_else(|_| vec![late()]),
        };
        let report = HealthReport { findings, checked_at_ms: self.now() };
        *last = Some(report.clone());
        report
    }
}

fn late() -> Finding {
    Finding::new("checks", FindingLevel::Problem, "Looking at this machine takes too long")
        .next("Run `towline doctor` on the machine: it says what is slow.")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::testing::World;

    #[derive(Debug, Default)]
    struct Doctor {
        looks: AtomicUsize,
        slow: bool,
    }

    impl Health for Doctor {
        fn check(&self) -> Pin<Box<dyn Future<Output = Vec<Finding>> + Send + '_>> {
            Box::pin(async {
                self.looks.fetch_add(1, Ordering::SeqCst);
                if self.slow {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
                vec![Finding::new("disk.space", FindingLevel::Ok, "there is room")]
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_ask_one_looks() {
        let world = World::new().await;
        assert_eq!(world.hub.health().await.findings, []);
        let (world, doctor) = (World::new().await, Arc::new(Doctor::default()));
        world.hub.watch_health(doctor.clone());
        let all = futures_util::future::join_all((0..100).map(|_| world.hub.health())).await;
        assert!(all.iter().all(|report| report.findings.len() == 1));
        assert_eq!(doctor.looks.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_hangs_is_said_to() {
        let world = World::new().await;
        world.hub.watch_health(Arc::new(Doctor { slow: true, ..Doctor::default() }));
        let report = world.hub.health().await;
        assert_eq!(report.findings[0].level, FindingLevel::Problem);
    }
}
