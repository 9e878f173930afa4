//! The embedded store and the candidate beside it: durable appends per second by number of writers, what they weigh on disk and in memory,
//! how fast they are read, and how long opening takes after a crash.
//!
//! Prints one line of JSON per engine and scenario. Each engine runs in a process of its own, one after the other, `ROUNDS` times; the line
//! tells the median of each number. An argument names the directory in which temporary stores are made, so that a real disk can be measured.
#![expect(
    clippy::disallowed_methods,
    reason = "each engine is measured in a process of its own, which is this program again"
)]

mod measure;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use measure::Error;

/// How often each engine is measured, in turn.
const ROUNDS: usize = 3;
const ENGINES: [&str; 2] = ["sqlite", "fjall"];
/// Tells a child what to measure.
const CHILD: &str = "STORE_BENCH_CHILD";

fn main() -> Result<(), Error> {
    let place = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    if let Ok(what) = std::env::var(CHILD) {
        let (engine, step) = what.split_once(' ').ok_or("an engine and a step")?;
        let lines = measure::run(engine, step, &place)?;
        std::io::stdout().write_all(lines.as_bytes())?;
        return Ok(());
    }
    let mut numbers: BTreeMap<(&str, String), Vec<f64>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for engine in ENGINES {
            let dir = tempfile::tempdir_in(&place)?;
            for step in ["append", "open"] {
                for (name, value) in child(engine, step, dir.path())? {
                    numbers.entry((engine, name)).or_default().push(value);
                }
            }
        }
    }
    for ((engine, name), mut values) in numbers {
        values.sort_by(f64::total_cmp);
        let median = values[values.len() / 2];
        let line = format!("{{\"engine\":\"{engine}\",\"what\":\"{name}\",\"median\":{median},\"all\":{values:?}}}\n");
        std::io::stdout().write_all(line.as_bytes())?;
    }
    Ok(())
}

/// Runs a step in a process of its own, which dies as in a crash at its end.
fn child(engine: &str, step: &str, dir: &Path) -> Result<Vec<(String, f64)>, Error> {
    let output = Command::new(std::env::current_exe()?)
        .arg(dir)
        .env(CHILD, format!("{engine} {step}"))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let number = |line: &str| -> Result<(String, f64), Error> {
        let (name, value) = line.split_once(' ').ok_or_else(|| format!("`{line}` has no number"))?;
        Ok((name.to_owned(), value.parse()?))
    };
    text.lines().map(number).collect()
}
