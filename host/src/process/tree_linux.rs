//! Who descends from an agent, as `/proc` tells.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid};

use super::environment::TAG_VARIABLE;

/// How young a process may be whose environment is read again, in clock ticks: between its fork and its `exec` it has that of its parent.
const YOUNG_TICKS: u64 = 200;
/// How long the environment of a process may take to be read, in clock ticks, before it is not waited for by others: of one that is
/// stuck in the kernel it takes for ever.
const STUCK_TICKS: u64 = 100;

/// What `/proc` says of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) pid: u32,
    pub(super) parent: u32,
    /// The process that leads its session, which may be gone.
    pub(super) session: u32,
    /// Clock ticks since boot; with the pid it names a process for good.
    pub(super) started: u64,
    pub(super) zombie: bool,
}

/// All processes at one time, and the tags of those that carry one.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    all: Vec<Seen>,
    tags: BTreeMap<u32, Vec<u8>>,
}

impl Snapshot {
    /// Looks at all of `/proc`. Blocks, and in the worst case for ever: not for a task.
    pub(super) fn take() -> Self {
        let all = processes();
        let now = uptime();
        let mut tags = BTreeMap::new();
        for seen in all.iter().filter(|seen| !seen.zombie) {
            if let Some(tag) = tag_of(seen, now) {
                tags.insert(seen.pid, tag);
            }
        }
        let here: BTreeSet<(u32, u64)> = all.iter().map(|seen| (seen.pid, seen.started)).collect();
        environments().retain(|process, _| here.contains(process));
        Self { all, tags }
    }

    /// Our own children that are dead and that nobody has waited for.
    pub(super) fn own_zombies(&self) -> impl Iterator<Item = Seen> {
        let own = std::process::id();
        self.all.iter().copied().filter(move |seen| seen.zombie && seen.parent == own)
    }
}

/// What is known of the environment of a process.
#[derive(Debug)]
enum Environ {
    /// Somebody reads it, since then.
    Read(u64),
    /// It has this tag; it may drop it, and is known by then.
    Tagged(Vec<u8>),
    /// It has none.
    Bare,
}

/// Each environment is read once. Held for as long as a look into a map takes, never while reading.
static ENVIRONMENTS: Mutex<BTreeMap<(u32, u64), Environ>> = Mutex::new(BTreeMap::new());

fn environments() -> MutexGuard<'static, BTreeMap<(u32, u64), Environ>> {
    ENVIRONMENTS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tag_of(seen: &Seen, now: u64) -> Option<Vec<u8>> {
    let process = (seen.pid, seen.started);
    {
        let mut known = environments();
        match known.get(&process) {
            Some(Environ::Tagged(tag)) => return Some(tag.clone()),
            Some(Environ::Bare) => return None,
            // Whoever reads it is stuck with it.
            Some(Environ::Read(since)) if since + STUCK_TICKS < now => return None,
            Some(Environ::Read(_)) => {}
            None => drop(known.insert(process, Environ::Read(now))),
        }
    }
    let found = fs::read(format!("/proc/{}/environ", seen.pid)).ok();
    let tag = found.as_deref().and_then(tag_in);
    let mut known = environments();
    match &tag {
        Some(tag) => drop(known.insert(process, Environ::Tagged(tag.clone()))),
        None if seen.started + YOUNG_TICKS < now => drop(known.insert(process, Environ::Bare)),
        None => drop(known.remove(&process)),
    }
    tag
}

fn tag_in(environment: &[u8]) -> Option<Vec<u8>> {
    let mut variables = environment.split(|byte| *byte == 0);
    let tag = variables.find_map(|it| it.strip_prefix(TAG_VARIABLE.as_bytes())?.strip_prefix(b"="))?;
    Some(tag.to_owned())
}

/// Clock ticks since boot. What `/proc/uptime` says in seconds is a hundredth of that everywhere (USER_HZ).
fn uptime() -> u64 {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let (seconds, rest) = text.split_once('.').unwrap_or_default();
    let hundredths = rest.get(..2).unwrap_or_default();
    seconds.parse::<u64>().unwrap_or(0) * 100 + hundredths.parse::<u64>().unwrap_or(0)
}

/// An agent's processes, as far as they have been seen: once seen, a process is not lost, wherever it moves.
#[derive(Debug, Default)]
pub(super) struct Tree {
    tags: Vec<String>,
    known: BTreeMap<u32, u64>,
    /// Whether what is in a session that one of them leads is of it too.
    sessions: bool,
}

impl Tree {
    /// A tree that grows from these processes and from whatever holds one of these tags.
    pub(super) fn new(roots: impl IntoIterator<Item = (u32, u64)>, tags: Vec<String>) -> Self {
        Self { tags, known: roots.into_iter().collect(), sessions: false }
    }

    /// The same of a child of ours that lives and leads a session. The number of a session is not given away while anybody is in it;
    /// of a process of an earlier life nobody knows for how long it has been empty.
    pub(super) fn of_child(root: (u32, u64), tag: String) -> Self {
        Self { sessions: true, ..Self::new([root], vec![tag]) }
    }

    /// Takes in what was seen, and returns what is there of the tree: the living and the dead that nobody has waited for.
    pub(super) fn take_in(&mut self, snapshot: &Snapshot) -> Vec<Seen> {
        let own = std::process::id();
        let all: BTreeMap<u32, &Seen> = snapshot.all.iter().map(|seen| (seen.pid, seen)).collect();
        let mut here: BTreeMap<u32, Seen> = BTreeMap::new();
        for seen in all.values().filter(|seen| seen.pid != own) {
            let is_known = self.known.get(&seen.pid) == Some(&seen.started);
            let is_tagged = snapshot.tags.get(&seen.pid).is_some_and(|tag| self.names(tag));
            if is_known || is_tagged || self.leads(seen, &all) {
                here.insert(seen.pid, **seen);
            }
        }
        // A child can have a smaller pid than its parent, so go on until nothing is added.
        loop {
            let before = here.len();
            for seen in &snapshot.all {
                if seen.pid != own && here.contains_key(&seen.parent) {
                    here.entry(seen.pid).or_insert(*seen);
                }
            }
            if here.len() == before {
                break;
            }
        }
        self.known.extend(here.values().map(|seen| (seen.pid, seen.started)));
        here.into_values().collect()
    }

    fn names(&self, tag: &[u8]) -> bool {
        self.tags.iter().any(|own| is_of(tag, own.as_bytes()))
    }

    /// Whether a process is in a session that one of the tree leads, or has led.
    fn leads(&self, seen: &Seen, all: &BTreeMap<u32, &Seen>) -> bool {
        let Some(started) = self.known.get(&seen.session).filter(|_| self.sessions) else { return false };
        seen.started >= *started && all.get(&seen.session).is_none_or(|leader| leader.started == *started)
    }
}

/// Whether a tag is this one, or one below it: `probe/3` is below `probe`.
fn is_of(value: &[u8], tag: &[u8]) -> bool {
    value.strip_prefix(tag).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// When a process started; `None` when it is gone.
pub(super) fn started(pid: u32) -> Option<u64> {
    seen(pid).map(|seen| seen.started)
}

/// Sends a signal to that very process; a reused pid is not hit.
pub(super) fn signal(target: Seen, signal: Signal) {
    let Some(pid) = i32::try_from(target.pid).ok().and_then(Pid::from_raw) else { return };
    // The descriptor pins the process; what it pins is checked afterwards.
    let Ok(pinned) = pidfd_open(pid, PidfdFlags::empty()) else { return };
    if started(target.pid) == Some(target.started) {
        // Gone in the meantime, or not ours to end: the next survey tells.
        let _: Result<(), _> = pidfd_send_signal(pinned, signal);
    }
}

/// Takes the exit status of a dead child, so that it disappears. Does nothing for what is not our child.
pub(super) fn collect(zombie: Seen) {
    if zombie.parent == std::process::id()
        && let Some(pid) = i32::try_from(zombie.pid).ok().and_then(Pid::from_raw)
    {
        let _: Result<_, _> = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
    }
}

/// Makes us the parent of what our descendants abandon.
pub(super) fn become_subreaper() -> std::io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

fn processes() -> Vec<Seen> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter_map(seen).collect()
}

fn seen(pid: u32) -> Option<Seen> {
    parse(pid, &fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// Reads a line of `/proc/PID/stat` (proc_pid_stat(5)): the name stands in parentheses and may itself hold parentheses and spaces.
fn parse(pid: u32, stat: &[u8]) -> Option<Seen> {
    let stat = String::from_utf8_lossy(stat);
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    // Field 22; those above are fields 3, 4 and 6.
    let started = fields.nth(15)?.parse().ok()?;
    Some(Seen { pid, parent, session, started, zombie: matches!(state, "Z" | "X") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_is_read_past() {
        let stat = b"17 (a) Z 1 (b) S 42 17 17 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 12345 678 9";
        assert_eq!(parse(17, stat), Some(Seen { pid: 17, parent: 42, session: 17, started: 12345, zombie: false }));
        assert_eq!(parse(17, b"17 (a) S 42"), None);
        assert_eq!(parse(17, b""), None);
    }

    #[test]
    fn a_tag_names_itself_and_what_is_below_it() {
        for (value, is) in
            [("probe", true), ("probe/1", true), ("probes", false), ("prob", false), ("other/probe", false)]
        {
            assert_eq!(is_of(value.as_bytes(), b"probe"), is, "{value}");
        }
    }

    fn seen(pid: u32, parent: u32, session: u32, started: u64) -> Seen {
        Seen { pid, parent, session, started, zombie: false }
    }

    #[test]
    fn what_leaves_its_parents_is_known_by_having_been_seen_by_its_session_or_by_its_tag() {
        let mut tree = Tree::of_child((10, 5), "a".to_owned());
        let pids = |seen: Vec<Seen>| seen.into_iter().map(|seen| seen.pid).collect::<Vec<_>>();
        let look = |all: Vec<Seen>, tags: &[(u32, &str)]| Snapshot {
            all,
            tags: tags.iter().map(|(pid, tag)| (*pid, tag.as_bytes().to_owned())).collect(),
        };
        // 12 is in a session of its own and carries no tag; 13 has lost its parent and is in the session of the child.
        let whole =
            vec![seen(1, 0, 1, 1), seen(10, 1, 10, 5), seen(11, 10, 10, 6), seen(12, 11, 12, 7), seen(13, 1, 10, 8)];
        assert_eq!(pids(tree.take_in(&look(whole, &[]))), [10, 11, 12, 13]);
        // Its parent goes: it was seen. 14 carries the tag; 15 is a stranger; 12 is another process by now.
        let later =
            vec![seen(1, 0, 1, 1), seen(12, 1, 12, 7), seen(13, 1, 10, 8), seen(14, 1, 14, 9), seen(15, 1, 15, 9)];
        assert_eq!(pids(tree.take_in(&look(later, &[(14, "a/1"), (15, "b")]))), [12, 13, 14]);
        assert_eq!(pids(tree.take_in(&look(vec![seen(12, 1, 12, 70)], &[]))), Vec::<u32>::new());
        // Somebody else leads a session of this number.
        assert_eq!(pids(tree.take_in(&look(vec![seen(10, 1, 10, 90), seen(16, 10, 10, 91)], &[]))), Vec::<u32>::new());
        // Of an earlier life a session proves nothing.
        let mut earlier = Tree::new([(10, 5)], vec!["a".to_owned()]);
        assert_eq!(pids(earlier.take_in(&look(vec![seen(13, 1, 10, 8)], &[]))), Vec::<u32>::new());
    }

    #[test]
    fn a_tag_is_found_and_remembered() {
        assert_eq!(tag_in(b"PATH=/bin\0TOWLINE_AGENT=x/1\0"), Some(b"x/1".to_vec()));
        assert_eq!(tag_in(b"TOWLINE_AGENTS=x\0PATH=TOWLINE_AGENT=y"), None);
        let us = super::seen(std::process::id()).unwrap();
        assert_eq!(tag_of(&us, u64::MAX), None);
        assert!(matches!(environments().get(&(us.pid, us.started)), Some(Environ::Bare)));
        // One that is stuck is passed over.
        let stuck = seen(u32::MAX, 1, 1, 3);
        environments().insert((stuck.pid, stuck.started), Environ::Read(10));
        assert_eq!(tag_of(&stuck, 10 + STUCK_TICKS + 1), None);
        // In the same unit, and by the same clock; a test is often over in the tick that it began in.
        assert!((us.started..us.started + 60_000).contains(&uptime()));
    }

    #[test]
    fn we_are_among_the_living() {
        let own = std::process::id();
        assert!(processes().iter().any(|seen| seen.pid == own && !seen.zombie));
        assert_eq!(started(own), started(own));
        assert!(started(own).is_some());
    }
}
