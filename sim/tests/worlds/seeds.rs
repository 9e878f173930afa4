//! One process per seed: the runtime keeps state in the process that a second world would inherit.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sim::History;

use crate::chance;

/// Seeds of an ordinary run.
const SEEDS: u64 = 8;
/// Longest that one world may take in real time, on a machine that builds something else meanwhile.
const LIMIT: Duration = Duration::from_secs(100);
/// Lines of the history that a failure shows; the whole is written where `SIM_HISTORY` says.
const SHOWN: usize = 60;

/// A scenario: makes a world of a seed, lets it pass, and panics when something is not as it must be.
pub(crate) type World = fn(u64, &History);

/// Tries seeds of a scenario. `test` is the path of the test that calls this.
pub(crate) fn try_each(test: &str, world: World) {
    if let Some(seed) = setting("SIM_SEED") {
        return live(test, seed, world);
    }
    let seeds = setting("SIM_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(1);
    let failures = Mutex::new(String::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed > seeds {
                        break;
                    }
                    if let Err(said) = child(test, seed, None) {
                        let mut failures = failures.lock().expect("nobody panics with it");
                        let _written = writeln!(failures, "{said}\n{}", repeat(test, seed));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("nobody panicked");
    assert!(failures.is_empty(), "{failures}");
}

/// Runs one seed in a process of its own, and has its history written to a file.
///
/// # Errors
/// What the process said, when it failed.
#[expect(clippy::disallowed_methods, reason = "a world needs a process of its own, which is this program again")]
pub(crate) fn child(test: &str, seed: u64, history: Option<&Path>) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.args([test, "--exact", "--nocapture"]).env("SIM_SEED", seed.to_string()).env_remove("SIM_HISTORY");
    if let Some(history) = history {
        command.env("SIM_HISTORY", history);
    }
    // Both write at the end of one file, which never fills up as a pipe does.
    let both = std::fs::OpenOptions::new().append(true).open(output.path()).map_err(|error| error.to_string())?;
    let copy = both.try_clone().map_err(|error| error.to_string())?;
    let mut child =
        command.stdin(Stdio::null()).stdout(both).stderr(copy).spawn().map_err(|error| error.to_string())?;
    let begun = Instant::now();
    loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) if status.success() => return Ok(()),
            Some(_) => break,
            None if begun.elapsed() > LIMIT => {
                child.kill().and_then(|()| child.wait()).map_err(|error| error.to_string())?;
                return Err(format!("seed {seed} took more than {} s of real time", LIMIT.as_secs()));
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    Err(std::fs::read_to_string(output.path()).unwrap_or_default())
}

/// One seed in this process.
fn live(test: &str, seed: u64, world: World) {
    // A panic inside a spawned task ends that task only; here none may pass unseen.
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        usual(info);
    }));
    if let Some(filter) = path("SIM_LOG") {
        let filter = tracing_subscriber::EnvFilter::new(filter.to_string_lossy());
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .without_time()
            .with_ansi(false)
            .with_writer(std::io::stderr)
            .init();
    }
    let history = History::new();
    let ended = chance::tamed(seed, || world(seed, &history));
    let lived = history.text();
    if let Some(path) = path("SIM_HISTORY") {
        std::fs::write(path, &lived).expect("the file of SIM_HISTORY can be written");
    }
    if ended.is_err() || PANICS.load(Ordering::Relaxed) > 0 {
        let lines: Vec<&str> = lived.lines().collect();
        let end = lines[lines.len().saturating_sub(SHOWN)..].join("\n");
        panic!("seed {seed} failed; its history ends with\n{end}\n{}", repeat(test, seed));
    }
}

fn repeat(test: &str, seed: u64) -> String {
    format!("repeat with: SIM_SEED={seed} SIM_HISTORY=history.txt cargo test -p sim --test worlds {test} -- --exact")
}

#[expect(clippy::disallowed_methods, reason = "the parameters of a test run")]
fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not `{text}`")))
}

#[expect(clippy::disallowed_methods, reason = "the parameters of a test run")]
fn path(name: &str) -> Option<std::path::PathBuf> {
    std::env::var_os(name).map(Into::into)
}
