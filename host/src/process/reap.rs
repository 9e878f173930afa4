//! Ends what an agent started, and takes the exit status of what was left to us.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::tree::{self, Seen, Snapshot, Tree};
use crate::agent::ProcessMark;

/// Between SIGTERM and SIGKILL for what an agent left behind: it was given its time with the agent itself.
const GRACE: Duration = Duration::from_millis(300);
/// Longest that the end of a tree is waited for after SIGKILL; only a process stuck in the kernel takes longer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks while waiting for an end.
const LOOK: Duration = Duration::from_millis(15);
/// Longest that one look may take: a process that is stuck in the kernel can hold it up, and the next look passes over that one.
const LOOK_LIMIT: Duration = Duration::from_secs(1);
/// Between two looks at all that live, for what leaves its parents, and for dead orphans.
const SWEEP: Duration = Duration::from_secs(3);

/// Children that we started ourselves and whose exit status tokio waits for: nobody else may take it. A plain set under a plain lock:
/// it is held while forking and while the status of one is taken, never while looking or waiting.
static OWN: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// The trees of the children that live: what they start is seen before its parents go.
static LIVE: Mutex<Vec<Weak<Mutex<Tree>>>> = Mutex::new(Vec::new());

/// A tree that is looked at for as long as somebody holds it.
pub(super) fn watched(tree: Tree) -> Arc<Mutex<Tree>> {
    let tree = Arc::new(Mutex::new(tree));
    let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    live.retain(|tree| tree.strong_count() > 0);
    live.push(Arc::downgrade(&tree));
    tree
}

/// A look at all processes, beside the tasks; `None` when it takes too long.
async fn looked() -> Option<Snapshot> {
    let look = tokio::task::spawn_blocking(Snapshot::take);
    tokio::time::timeout(LOOK_LIMIT, look).await.ok()?.ok()
}

/// What is there of a tree now; `None` when that could not be looked at.
pub(super) async fn survey(tree: &Mutex<Tree>) -> Option<Vec<Seen>> {
    let snapshot = looked().await?;
    Some(locked(tree).take_in(&snapshot))
}

/// Held for as long as a snapshot is taken in, never while waiting.
fn locked(tree: &Mutex<Tree>) -> MutexGuard<'_, Tree> {
    tree.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the exit status of a dead process that is ours and that nobody else waits for.
fn collect(zombie: Seen) {
    // Not what has its number by now.
    if tree::started(zombie.pid) == Some(zombie.started) || !cfg!(target_os = "linux") {
        // Held meanwhile, so that no child of ours can get the number in between.
        let own = own();
        if !own.contains(&zombie.pid) {
            tree::collect(zombie);
        }
    }
}

pub(super) fn own() -> MutexGuard<'static, BTreeSet<u32>> {
    OWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes this process the one to which the abandoned children of agents fall, and waits for their deaths. Once, when the host starts.
/// Must be called within a tokio runtime; does nothing where the system has no such thing.
///
/// # Errors
/// When the system refuses; the host can go on, but zombies then fall to its parent.
pub fn adopt_orphans() -> std::io::Result<OrphanReaper> {
    tree::become_subreaper()?;
    let stop = CancellationToken::new();
    tokio::spawn(sweep(stop.clone()));
    Ok(OrphanReaper { stop })
}

/// Takes the exit status of dead orphans every few seconds until it is dropped.
#[derive(Debug)]
#[must_use = "orphans are waited for only as long as this lives"]
pub struct OrphanReaper {
    stop: CancellationToken,
}

impl Drop for OrphanReaper {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn sweep(stop: CancellationToken) {
    let mut before: BTreeMap<u32, u64> = BTreeMap::new();
    while stop.run_until_cancelled(tokio::time::sleep(SWEEP)).await.is_some() {
        let Some(snapshot) = looked().await else {
            tracing::warn!("the processes of this machine could not be looked at in time");
            continue;
        };
        let live: Vec<_> = {
            let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
            live.retain(|tree| tree.strong_count() > 0);
            live.iter().filter_map(Weak::upgrade).collect()
        };
        for tree in live {
            locked(&tree).take_in(&snapshot);
        }
        let dead: Vec<Seen> = {
            let own = own();
            snapshot.own_zombies().filter(|zombie| !own.contains(&zombie.pid)).collect()
        };
        // Only what was already dead at the last look: a child that somebody else in this program started gets waited for by then.
        for zombie in dead.iter().filter(|zombie| before.get(&zombie.pid) == Some(&zombie.started)) {
            collect(*zombie);
        }
        before = dead.iter().map(|zombie| (zombie.pid, zombie.started)).collect();
    }
}

/// Finds what agents of an earlier life of this host left behind, by pid and start time and by the tag in its environment, and ends it
/// with everything that descends from it. Returns how many processes were found, once all of them are gone.
///
/// Where there is no `/proc` nothing can be found safely, since pids are used again; the answer is 0.
///
/// # Errors
/// [`Unreaped`] when something is still there after five seconds of SIGKILL.
pub async fn reap_marked(marks: &[ProcessMark]) -> Result<usize, Unreaped> {
    if marks.is_empty() || !cfg!(target_os = "linux") {
        return Ok(0);
    }
    let roots = marks.iter().map(|mark| (mark.pid, mark.started));
    let tags = marks.iter().map(|mark| mark.tag.clone()).collect();
    end(&Mutex::new(Tree::new(roots, tags))).await
}

/// Some of what an agent started could not be ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("processes {pids:?} are still there after SIGKILL")]
pub struct Unreaped {
    /// Those that are left.
    pub pids: Vec<u32>,
}

/// Ends all of a tree: SIGTERM, SIGKILL after a moment, until nothing is left. Returns how many processes there were.
///
/// Cancellation safe in that it can be called again.
pub(super) async fn end(tree: &Mutex<Tree>) -> Result<usize, Unreaped> {
    let begun = Instant::now();
    let mut asked: BTreeSet<u32> = BTreeSet::new();
    loop {
        let alive = look(tree).await;
        let Some(alive) = alive else {
            if begun.elapsed() > GRACE + PATIENCE {
                return Err(Unreaped { pids: Vec::new() });
            }
            tokio::time::sleep(LOOK).await;
            continue;
        };
        if alive.is_empty() {
            return Ok(asked.len());
        }
        if begun.elapsed() > GRACE + PATIENCE {
            return Err(Unreaped { pids: alive.iter().map(|seen| seen.pid).collect() });
        }
        let insist = begun.elapsed() > GRACE;
        for seen in alive {
            // Asked once, then told with every look: a forking process has new children each time.
            if asked.insert(seen.pid) {
                send(seen, insist);
            } else if insist {
                send(seen, true);
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The living of a tree; the dead that fell to us are waited for on the way.
async fn look(tree: &Mutex<Tree>) -> Option<Vec<Seen>> {
    let mut alive = Vec::new();
    for seen in survey(tree).await? {
        if seen.zombie {
            collect(seen);
        } else {
            alive.push(seen);
        }
    }
    Some(alive)
}

#[cfg(unix)]
fn send(to: Seen, insist: bool) {
    tree::signal(to, if insist { rustix::process::Signal::KILL } else { rustix::process::Signal::TERM });
}

/// The job object does it.
#[cfg(not(unix))]
fn send(_to: Seen, _insist: bool) {}

/// Asks one process to end.
#[cfg(unix)]
pub(super) fn ask(pid: u32, started: u64) {
    #[cfg(target_os = "linux")]
    let seen = Seen { pid, parent: 0, session: 0, started, zombie: false };
    #[cfg(not(target_os = "linux"))]
    let seen = Seen { pid, started, zombie: false };
    send(seen, false);
}

/// Windows knows no polite way to end a program without a window.
#[cfg(not(unix))]
pub(super) fn ask(_pid: u32, _started: u64) {}
