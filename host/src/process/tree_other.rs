//! Without `/proc`: the process group of the agent (its job object on Windows) is all that can be found.

/// What is known of one process: its id only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) pid: u32,
    pub(super) started: u64,
    pub(super) zombie: bool,
}

/// There is nothing to look at but the groups themselves.
#[derive(Debug, Default)]
pub(super) struct Snapshot;

impl Snapshot {
    /// Looks at nothing.
    pub(super) const fn take() -> Self {
        Self
    }

    /// Our own children that are dead: without a subreaper only those that we started, and those are waited for.
    pub(super) fn own_zombies(&self) -> impl Iterator<Item = Seen> {
        std::iter::empty()
    }
}

/// An agent's process group.
#[derive(Debug, Default)]
pub(super) struct Tree {
    groups: Vec<u32>,
}

impl Tree {
    /// The groups that these processes lead. Tags cannot be looked for.
    pub(super) fn new(roots: impl IntoIterator<Item = (u32, u64)>, _tags: Vec<String>) -> Self {
        Self { groups: roots.into_iter().map(|(pid, _)| pid).collect() }
    }

    /// The group of a child.
    pub(super) fn of_child(root: (u32, u64), tag: String) -> Self {
        Self::new([root], vec![tag])
    }

    /// The groups in which somebody lives.
    pub(super) fn take_in(&mut self, _snapshot: &Snapshot) -> Vec<Seen> {
        self.groups.retain(|group| is_alive(*group));
        self.groups.iter().map(|pid| Seen { pid: *pid, started: 0, zombie: false }).collect()
    }
}

/// There is nothing to tell a process by but its id.
pub(super) fn started(_pid: u32) -> Option<u64> {
    None
}

/// Never called: there are no zombies to collect.
pub(super) fn collect(_zombie: Seen) {}

/// Not to be had here.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Linux")]
pub(super) fn become_subreaper() -> std::io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn group(pid: u32) -> Option<rustix::process::Pid> {
    i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw)
}

#[cfg(unix)]
fn is_alive(pid: u32) -> bool {
    group(pid).is_some_and(|group| rustix::process::test_kill_process_group(group).is_ok())
}

/// Sends a signal to the group.
#[cfg(unix)]
pub(super) fn signal(target: Seen, signal: rustix::process::Signal) {
    if let Some(group) = group(target.pid) {
        let _: Result<(), _> = rustix::process::kill_process_group(group, signal);
    }
}

/// The job object ends with its last handle, so there is nothing to look for.
#[cfg(not(unix))]
fn is_alive(_pid: u32) -> bool {
    false
}
