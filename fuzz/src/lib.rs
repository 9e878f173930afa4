//! Makes damaged input out of good input and feeds a parser with it: deterministic, aware of JSON's structure, without a nightly
//! compiler. For tests only; it depends on nothing.
//!
//! A fuzz target is a test whose name begins with `fuzz_`: it brings a corpus (the golden files) and a function that parses. In a normal
//! test run each target sees [`USUAL`] inputs; `cargo xtask fuzz` gives them a million each. What fails is printed with its seed
//! and number, and comes again with the same.

#![expect(clippy::print_stdout, reason = "a test says what it found")]

mod corpus;
mod mutate;
mod random;
mod span;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use corpus::{Corpus, json, jsonl, words};
pub use mutate::MAX_BYTES;
pub use random::Random;

/// Inputs of a target in a normal test run.
pub const USUAL: u64 = 3_000;
/// Longest that one input may take; what takes longer hangs, for all that a person knows.
const HANG: Duration = Duration::from_secs(10);
/// Most that the process may grow while a target runs, in KiB: a parser that keeps what it was given grows far beyond.
const MOST_KIB: u64 = 512 * 1024;
/// How many inputs pass between two looks at the memory and the time.
const LOOK: u64 = 4_096;

/// How long to run, from the environment: `TOWLINE_FUZZ_COUNT`, `TOWLINE_FUZZ_SEED`, `TOWLINE_FUZZ_MINUTES`.
#[derive(Debug, Clone, Copy)]
struct Wish {
    count: u64,
    seed: u64,
    limit: Option<Duration>,
}

impl Wish {
    #[expect(clippy::disallowed_methods, reason = "a test takes its number of rounds from whoever started it")]
    fn read() -> Self {
        let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
        Self {
            count: number("TOWLINE_FUZZ_COUNT").unwrap_or(USUAL),
            seed: number("TOWLINE_FUZZ_SEED").unwrap_or(1),
            limit: number("TOWLINE_FUZZ_MINUTES").map(|minutes| Duration::from_secs(60 * minutes)),
        }
    }
}

/// What a target has come to.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    /// Inputs that were parsed.
    pub count: u64,
    /// How many of them were understood, as the target says.
    pub understood: u64,
}

/// Feeds a parser. It says whether it understood what it was given; it may do anything but panic, hang, or keep what it got.
///
/// # Panics
/// When the parser panics or takes longer than ten seconds, or when memory grows without bound. Aborts the process when a parser does not
/// come back at all, after saying what it was given.
pub fn target(name: &str, corpus: &Corpus, mut parse: impl FnMut(&[u8]) -> bool) -> Told {
    let wish = Wish::read();
    let mut random = Random::new(wish.seed ^ hash(name));
    let watch = Watch::start(name, wish.seed);
    let (began, before) = (Instant::now(), memory_kib());
    let (mut told, mut largest) = (Told { count: 0, understood: 0 }, 0);
    let mut input = Vec::new();
    while told.count < wish.count {
        mutate::next(&mut random, corpus, &mut input);
        largest = largest.max(input.len());
        watch.begin(told.count, &input);
        match catch_unwind(AssertUnwindSafe(|| parse(&input))) {
            Ok(understood) => told.understood += u64::from(understood),
            Err(panic) => {
                println!("{}", watch.complaint("panicked"));
                resume_unwind(panic);
            }
        }
        let took = watch.end();
        assert!(took < HANG, "{}", watch.complaint("took too long"));
        told.count += 1;
        if told.count.is_multiple_of(LOOK) {
            let grown = memory_kib().saturating_sub(before);
            assert!(grown < MOST_KIB, "{}", watch.complaint(&format!("grew by {grown} KiB")));
            if wish.limit.is_some_and(|limit| began.elapsed() > limit) {
                break;
            }
        }
    }
    let grown = memory_kib().saturating_sub(before);
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let (seconds, share) = (began.elapsed().as_secs_f64(), 100.0 * told.understood as f64 / told.count as f64);
    println!(
        "fuzz {name:<22}{:>9} inputs in {seconds:>6.1} s, {share:>5.1} % understood, largest {largest} bytes, grew {grown} KiB, seed {}",
        told.count, wish.seed
    );
    told
}

/// Says what a parser was given when it does not come back.
struct Watch {
    state: Arc<State>,
}

struct State {
    name: String,
    seed: u64,
    epoch: Instant,
    /// Milliseconds from `epoch` at which the input was given, plus one; 0 between inputs.
    since: AtomicU64,
    number: AtomicU64,
    input: Mutex<Vec<u8>>,
    over: AtomicBool,
}

impl Watch {
    fn start(name: &str, seed: u64) -> Self {
        let state = Arc::new(State {
            name: name.to_owned(),
            seed,
            epoch: Instant::now(),
            since: AtomicU64::new(0),
            number: AtomicU64::new(0),
            input: Mutex::new(Vec::new()),
            over: AtomicBool::new(false),
        });
        let shared = state.clone();
        // Ends by itself soon after `over` was said; it holds nothing that anybody waits for.
        std::thread::spawn(move || {
            while !shared.over.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(200));
                let since = shared.since.load(Ordering::Relaxed);
                if since != 0 && shared.now().saturating_sub(since) > 3 * millis(HANG) {
                    println!("{}", shared.complaint("did not come back"));
                    std::process::abort();
                }
            }
        });
        Self { state }
    }

    fn begin(&self, number: u64, input: &[u8]) {
        let mut kept = self.state.input.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clear();
        kept.extend_from_slice(input);
        drop(kept);
        self.state.number.store(number, Ordering::Relaxed);
        self.state.since.store(self.state.now(), Ordering::Relaxed);
    }

    fn end(&self) -> Duration {
        let since = self.state.since.swap(0, Ordering::Relaxed);
        Duration::from_millis(self.state.now().saturating_sub(since))
    }

    fn complaint(&self, what: &str) -> String {
        self.state.complaint(what)
    }
}

impl State {
    fn now(&self) -> u64 {
        millis(self.epoch.elapsed()) + 1
    }

    fn complaint(&self, what: &str) -> String {
        let input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        let number = self.number.load(Ordering::Relaxed);
        format!("{} {what}: seed {}, input {number}: {}", self.name, self.seed, input.escape_ascii())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::Relaxed);
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What the process holds in memory, in KiB; 0 where the system does not say it in a file.
fn memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// So that targets of one seed do not see the same choices (FNV-1a).
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parser_that_panics_is_found() {
        let corpus = words(&["abc {\"key\":1}"]);
        let found =
            catch_unwind(|| target("careless", &corpus, |input| input.is_empty() || input[0] < 0x80 || panic!()));
        assert!(found.is_err());
    }

    #[test]
    fn every_input_is_counted() {
        let told = target("counting", &words(&["a"]), |input| input == b"a");
        assert!(told.count > 0 && told.understood > 0 && told.understood < told.count);
    }
}
