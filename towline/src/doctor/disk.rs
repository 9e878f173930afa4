//! The disk: how much room there is, and how long it takes until something is really on it.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use protocol::health::{Finding, FindingLevel};

use crate::data_dir::DataDir;

/// Less room than this is a problem, in bytes: a turn can write that much.
const NO_ROOM: u64 = 100 * 1024 * 1024;
/// Less room than this is worth a warning, in bytes.
const LITTLE_ROOM: u64 = 1024 * 1024 * 1024;
/// How often something is written to measure.
const WRITES: u32 = 10;
/// Everything that is acknowledged waits for the disk once; slower than this is felt.
const SLOW: Duration = Duration::from_millis(50);
/// Slower than this is broken.
const BROKEN: Duration = Duration::from_secs(1);

/// Looks at the disk that the data directory is on, or will be.
pub(super) fn look(dir: &DataDir) -> Vec<Finding> {
    let existing = dir.path().ancestors().find(|path| path.is_dir()).unwrap_or(dir.path());
    let mut findings = space(existing);
    if dir.path().is_dir() {
        findings.push(speed(dir.path()));
    }
    findings
}

#[cfg(unix)]
fn space(path: &Path) -> Vec<Finding> {
    let found = match rustix::fs::statvfs(path) {
        Ok(found) => found,
        Err(error) => {
            let title = format!("It is not known how much room there is in {}", path.display());
            return vec![Finding::new("disk.space", FindingLevel::Warning, title).detail(error.to_string())];
        }
    };
    vec![room(found.f_bavail.saturating_mul(found.f_frsize), path)]
}

#[cfg(not(unix))]
fn space(_path: &Path) -> Vec<Finding> {
    // Without a portable way to ask, nothing is said.
    Vec::new()
}

fn room(free: u64, path: &Path) -> Finding {
    let title = format!("{} free in {}", size(free), path.display());
    let step = "Make room there, or keep the data elsewhere: --data-dir DIRECTORY.";
    match free {
        0..NO_ROOM => Finding::new("disk.space", FindingLevel::Problem, title).next(step),
        NO_ROOM..LITTLE_ROOM => Finding::new("disk.space", FindingLevel::Warning, title).next(step),
        _ => Finding::new("disk.space", FindingLevel::Ok, title),
    }
}

fn speed(path: &Path) -> Finding {
    let file = path.join(format!("doctor-{}.tmp", std::process::id()));
    let measured = measure(&file);
    // Also after a failure: what is there is ours.
    let _removed = fs::remove_file(&file);
    match measured {
        Err(error) => {
            let title = format!("Nothing can be written in {}", path.display());
            Finding::new("disk.speed", FindingLevel::Problem, title)
                .detail(error.to_string())
                .next("See who owns the directory, and whether the disk is full or read-only.")
        }
        Ok(time) => paced(time),
    }
}

fn measure(file: &Path) -> std::io::Result<Duration> {
    let mut open = File::create_new(file)?;
    let mut times = Vec::new();
    let began = Instant::now();
    for _ in 0..WRITES {
        let start = Instant::now();
        open.write_all(&[0; 4096])?;
        open.sync_data()?;
        times.push(start.elapsed());
        if began.elapsed() > BROKEN * 3 {
            break;
        }
    }
    times.sort();
    Ok(times.get(times.len() / 2).copied().unwrap_or_default())
}

fn paced(time: Duration) -> Finding {
    let title = format!("A write is on the disk after {:.1} ms", time.as_secs_f64() * 1000.0);
    let step = "Keep the data on a local disk (no network drive, no USB stick): --data-dir DIRECTORY.";
    if time >= BROKEN {
        Finding::new("disk.speed", FindingLevel::Problem, title).next(step)
    } else if time >= SLOW {
        Finding::new("disk.speed", FindingLevel::Warning, title).next(step)
    } else {
        Finding::new("disk.speed", FindingLevel::Ok, title)
    }
}

/// A number of bytes for people.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KB", "MB", "GB", "TB"];
    let mut unit = 0;
    let mut rest = bytes;
    let mut below = 0;
    while rest >= 1000 && unit + 1 < UNITS.len() {
        below = rest % 1000 / 100;
        rest /= 1000;
        unit += 1;
    }
    if unit > 1 && rest < 100 { format!("{rest}.{below} {}", UNITS[unit]) } else { format!("{rest} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_room_and_slow_disks_are_said() {
        for (free, level) in
            [(0, FindingLevel::Problem), (NO_ROOM, FindingLevel::Warning), (LITTLE_ROOM, FindingLevel::Ok)]
        {
            assert_eq!(room(free, Path::new("/")).level, level);
        }
        for (ms, level) in [(3, FindingLevel::Ok), (50, FindingLevel::Warning), (1000, FindingLevel::Problem)] {
            let found = paced(Duration::from_millis(ms));
            assert_eq!((found.level, found.next.is_some()), (level, level != FindingLevel::Ok));
        }
    }

    #[test]
    fn sizes_are_easy_to_read() {
        for (bytes, text) in
            [(0, "0 bytes"), (999, "999 bytes"), (1_000, "1 KB"), (12_345_678, "12.3 MB"), (5_000_000_000, "5.0 GB")]
        {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn measuring_leaves_nothing() {
        let world = tempfile::tempdir().unwrap();
        let dir = DataDir::at(world.path());
        assert!(look(&dir).iter().any(|finding| finding.id == "disk.speed"));
        assert_eq!(fs::read_dir(world.path()).unwrap().count(), 0);
    }
}
