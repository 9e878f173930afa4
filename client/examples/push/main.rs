//! What it is worth that things are pushed, and not looked for every five seconds: a hub, a machine that is linked to it, and an agent that
//! says what time it is; beside a reader on a socket, readers that look every five seconds by plain HTTP, as the page does on a network that
//! cuts off whatever waits. All look at the same prompts, in one run: read the ratios.
//!
//! `cargo xtask bench push` builds what it needs. By hand: `TOWLINE_BIN=… TOWLINE_STAMP_AGENT=… cargo run --release -p client --example push`.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]
#![expect(
    clippy::disallowed_methods,
    reason = "an example is its own edge: it starts programs and reads the clock and the environment"
)]

#[path = "../latency/measure.rs"]
#[expect(dead_code, reason = "it shows other parts of a spread than the bench that this is from")]
mod measure;
mod poll;
mod yard;

use std::path::PathBuf;
use std::time::Duration;

use measure::{Spread, now_ms};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How many prompts.
const ROUNDS: usize = 15;
/// How many look beside each other, evenly apart: each prompt is met at each of these moments of the five seconds.
const LOOKERS: u32 = 10;
/// How often each looks.
const EVERY: Duration = Duration::from_secs(5);

fn path(variable: &str) -> Result<PathBuf, Failure> {
    std::env::var_os(variable).map(PathBuf::from).ok_or_else(|| format!("{variable} is not set").into())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (program, agent) = (path("TOWLINE_BIN")?, path("TOWLINE_STAMP_AGENT")?);
    let folder = PathBuf::from(format!("/var/tmp/towline-push-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("project"))?;
    let result = run(&program, &agent, &folder).await;
    std::fs::remove_dir_all(&folder)?;
    result
}

async fn run(program: &std::path::Path, agent: &std::path::Path, folder: &std::path::Path) -> Result<(), Failure> {
    let yard = yard::Yard::start(program, agent, folder).await?;
    let (mut started, mut heard, mut taken, mut seen) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let looking = poll::Lookers::start(&yard, LOOKERS, EVERY).await?;
        let sent = now_ms();
        let (command, watching) = yard.prompt(round).await?;
        let told = watching.await??;
        started.push(told.read - sent);
        heard.push(told.heard - told.word);
        for look in looking.saw(command, told.word).await? {
            taken.push(look.command - sent);
            seen.push(look.word - told.word);
        }
    }
    yard.stop().await?;
    let (started, heard, taken, seen) = (Spread::of(started), Spread::of(heard), Spread::of(taken), Spread::of(seen));
    row("prompt sent to agent's stdin, pushed", &started, None);
    row("prompt sent to who looks for it every 5 s", &taken, Some(&started));
    row("agent's first word to the screen, pushed", &heard, None);
    row("agent's first word to who looks every 5 s", &seen, Some(&heard));
    Ok(())
}

/// Prints p50 and p95 in milliseconds, and how many times those of what was pushed they are.
fn row(what: &str, spread: &Spread, pushed: Option<&Spread>) {
    let (middle, high) = (spread.at(0.5), spread.at(0.95));
    let ratio = pushed.map(|pushed| format!("  x{:.0} / x{:.0}", middle / pushed.at(0.5), high / pushed.at(0.95)));
    println!("{what:52} p50 {middle:8.1} ms  p95 {high:8.1} ms{}", ratio.unwrap_or_default());
}
