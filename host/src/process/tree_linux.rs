//! Who descends from an agent, as `/proc` tells.

use std::collections::BTreeMap;
use std::fs;

use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid};

use super::environment::TAG_VARIABLE;

/// What `/proc` says of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) pid: u32,
    pub(super) parent: u32,
    /// Clock ticks since boot; with the pid it names a process for good.
    pub(super) started: u64,
    pub(super) zombie: bool,
}

/// An agent's processes, as far as they have been seen: once seen, a process is not lost, wherever it moves.
#[derive(Debug, Default)]
pub(super) struct Tree {
    tags: Vec<String>,
    known: BTreeMap<u32, u64>,
}

impl Tree {
    /// A tree that grows from these processes and from whatever holds one of these tags.
    pub(super) fn new(roots: impl IntoIterator<Item = (u32, u64)>, tags: Vec<String>) -> Self {
        Self { tags, known: roots.into_iter().collect() }
    }

    /// Looks again, and returns what is there of the tree: the living and the dead that nobody has waited for.
    pub(super) fn survey(&mut self) -> Vec<Seen> {
        let own = std::process::id();
        let all = snapshot();
        let mut here: BTreeMap<u32, Seen> = BTreeMap::new();
        for seen in &all {
            let is_known = self.known.get(&seen.pid) == Some(&seen.started);
            if seen.pid != own && (is_known || (!seen.zombie && self.is_tagged(seen.pid))) {
                here.insert(seen.pid, *seen);
            }
        }
        // A child can have a smaller pid than its parent, so go on until nothing is added.
        loop {
            let before = here.len();
            for seen in &all {
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

    fn is_tagged(&self, pid: u32) -> bool {
        let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else { return false };
        environment.split(|byte| *byte == 0).any(|variable| {
            variable
                .strip_prefix(TAG_VARIABLE.as_bytes())
                .and_then(|rest| rest.strip_prefix(b"="))
                .is_some_and(|value| self.tags.iter().any(|tag| is_of(value, tag.as_bytes())))
        })
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

/// Our own children that are dead and that nobody has waited for.
pub(super) fn own_zombies() -> Vec<Seen> {
    let any = waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT);
    if !matches!(any, Ok(Some(_))) {
        return Vec::new();
    }
    let own = std::process::id();
    snapshot().into_iter().filter(|seen| seen.zombie && seen.parent == own).collect()
}

/// Makes us the parent of what our descendants abandon.
pub(super) fn become_subreaper() -> std::io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

fn snapshot() -> Vec<Seen> {
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
    // Field 22; the two above are fields 3 and 4.
    let started = fields.nth(17)?.parse().ok()?;
    Some(Seen { pid, parent, started, zombie: matches!(state, "Z" | "X") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_is_read_past() {
        let stat = b"17 (a) Z 1 (b) S 42 17 17 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 12345 678 9";
        assert_eq!(parse(17, stat), Some(Seen { pid: 17, parent: 42, started: 12345, zombie: false }));
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

    #[test]
    fn we_are_among_the_living() {
        let own = std::process::id();
        assert!(snapshot().iter().any(|seen| seen.pid == own && !seen.zombie));
        assert_eq!(started(own), started(own));
        assert!(started(own).is_some());
    }
}
