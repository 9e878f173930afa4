//! What a host must be told before it starts; resolved by `towline`, so there is no default here.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use protocol::time::UnixMs;

use crate::agent::{Later, ProcessMark};
use crate::consent::Participants;
use crate::process;

/// How a host behaves. There is no `Default`: whoever starts one says what they want.
#[derive(Debug, Clone)]
pub struct Options {
    /// What people call this host.
    pub name: String,
    /// Its system, such as `linux x86_64`.
    pub platform: String,
    /// The version of the program.
    pub version: String,
    /// Turns that run at once; at least 1. Turns that agents begin by themselves are not held back.
    pub turns_at_once: usize,
    /// Directories below which projects may be registered; nothing is allowed when there are none.
    pub allowed_roots: Vec<PathBuf>,
    /// The directory below which new projects are made, inside one of the allowed roots; `None` when none are.
    pub projects_root: Option<PathBuf>,
    /// Shown as `~` in paths.
    pub home: Option<PathBuf>,
    /// Where agents find the files of prompts that they do not take otherwise, each session's in a directory of its own that others
    /// cannot read; `None` when there is no such place, and such files are not handed over.
    pub files_dir: Option<PathBuf>,
    /// Where the lines between us and each session's agent are kept, for whoever looks for a fault; `None` for nowhere.
    pub lines_dir: Option<PathBuf>,
    /// Pause after which an idle agent is closed; the next prompt resumes it.
    pub agent_idle: Duration,
    /// Whether permission modes that bypass approval may be chosen from afar.
    pub bypass_modes_allowed: bool,
    /// What is done here for participants of sessions.
    pub participants: Participants,
    /// The policy: what agents may do without asking, must ask for, and may not do; read anew for each decision, and none when it is
    /// not there.
    pub policy_file: Option<PathBuf>,
    /// How long an approval waits for an answer before it is refused; `None` for as long as the agent does.
    pub approval_expiry: Option<Duration>,
    /// How long an agent that is waited for may say nothing before that is shown.
    pub quiet_after: Duration,
    /// How long it may say nothing before its turn fails; `None` for as long as it likes.
    pub silence_limit: Option<Duration>,
    /// When "tonight" ends.
    pub tonight: Tonight,
    /// How often agents are asked anew what they offer.
    pub probe_every: Duration,
    /// Longest that a graceful stop may take before everything is killed.
    pub stop_budget: Duration,
    /// Whether looking at directories, which may block, happens on threads of its own; false only in a simulated world, where a
    /// thread beside it would decide by chance what comes first.
    pub threads: bool,
    /// Ends what an earlier life of this host left behind.
    pub reaper: Reaper,
}

/// Knows when the day ends where this machine stands.
#[derive(Clone)]
pub struct Tonight(Arc<dyn Fn(UnixMs) -> UnixMs + Send + Sync>);

impl Tonight {
    /// A clock on the wall that does what the function does: the end of the day of a point of time, later than it.
    pub fn new(end: impl Fn(UnixMs) -> UnixMs + Send + Sync + 'static) -> Self {
        Self(Arc::new(end))
    }

    /// The end of the day of a point of time.
    pub(crate) fn after(&self, now: UnixMs) -> UnixMs {
        (self.0)(now)
    }
}

impl fmt::Debug for Tonight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tonight")
    }
}

type Reap = dyn Fn(Vec<ProcessMark>) -> Later<'static, ()> + Send + Sync;

/// Ends every process that is marked, and everything that it started; bounded in time by whoever supplies it.
///
/// A mark with `pid` 0 was recorded before its process was started: it is found by its tag alone.
#[derive(Clone)]
pub struct Reaper(Arc<Reap>);

impl Reaper {
    /// A reaper that does what the function does.
    pub fn new(reap: impl Fn(Vec<ProcessMark>) -> Later<'static, ()> + Send + Sync + 'static) -> Self {
        Self(Arc::new(reap))
    }

    /// The reaper of this machine: finds processes by pid and start time, and by their tag.
    pub fn system() -> Self {
        Self::new(|marks| {
            Box::pin(async move {
                match process::reap_marked(&marks).await {
                    Ok(0) => {}
                    Ok(count) => tracing::info!(count, "processes of an earlier life were ended"),
                    Err(error) => tracing::error!(%error, "processes of an earlier life are still there"),
                }
            })
        })
    }

    /// Ends what is marked; returns when none of it is left.
    pub(crate) fn reap(&self, marks: Vec<ProcessMark>) -> Later<'static, ()> {
        (self.0)(marks)
    }
}

impl fmt::Debug for Reaper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reaper")
    }
}
