//! How long Towline takes, measured through the real program over real sockets and a real disk, beside a bare pipe to the same agent
//! and a bare write to the same disk in the same run: read the ratios, not the milliseconds.
//!
//! With the real agents of their vendors it goes on with these: driven directly over their pipes, and through Towline, in turn.
//!
//! `cargo xtask bench latency` builds and fetches what it needs; with `--all` it runs every pinned agent. By hand: `TOWLINE_BIN=…
//! TOWLINE_STAMP_AGENT=… [TOWLINE_TEST_CLAUDE=…] cargo run --release -p client --example latency`, and so for the other agents (`vendor.rs`).
#![expect(clippy::print_stdout, reason = "its output is what it is for")]
#![expect(
    clippy::disallowed_methods,
    reason = "an example is its own edge: it starts programs and reads the clock and the environment"
)]

mod agents;
mod bare;
mod direct;
mod measure;
mod node;
mod through;
mod vendor;

use std::path::PathBuf;

use measure::{Spread, row};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Words per answer, and the pause between them: slower than the frame of the host, so that no word waits for another.
const SLOW: (usize, u64) = (200, 25_000);
/// A flood: what coalescing is for.
const FLOOD: (usize, u64) = (2_000, 500);

fn path(variable: &str) -> Result<PathBuf, Failure> {
    std::env::var_os(variable).map(PathBuf::from).ok_or_else(|| format!("{variable} is not set").into())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (program, agent) = (path("TOWLINE_BIN")?, path("TOWLINE_STAMP_AGENT")?);
    // Not below /tmp, where Codex does without its helpers.
    let folder = PathBuf::from(format!("/var/tmp/towline-latency-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("project"))?;
    let result = async {
        run(&program, &agent, &folder).await?;
        agents::run(&program, &folder).await
    };
    let result = result.await;
    std::fs::remove_dir_all(&folder)?;
    result
}

async fn run(program: &std::path::Path, agent: &std::path::Path, folder: &std::path::Path) -> Result<(), Failure> {
    let disk = bare::disk(folder, 300)?;
    row("disk: write 300 B and fsync", &disk, None);
    let pipe = bare::pipe(agent, SLOW).await?;
    row("bare pipe: agent's stdout to reader", &pipe.ages, None);
    row("bare pipe: prompt to agent's stdin", &pipe.prompts, None);

    let args = ["--acp-agent".to_owned(), format!("stamps={}", agent.display())];
    let plain = node::Setup { data: folder, folder, programs: None, args: &args, variables: &[] };
    let mut ready = Vec::new();
    for round in 0..5 {
        let begun = std::time::Instant::now();
        let data = folder.join(format!("start-{round}"));
        let node = node::Node::start(program, &node::Setup { data: &data, ..plain }).await?;
        ready.push(begun.elapsed().as_secs_f64() * 1000.0);
        node.stop().await?;
    }
    row("start to ready, empty data directory", &Spread::of(ready), None);

    let data = folder.join("data");
    let node = node::Node::start(program, &node::Setup { data: &data, ..plain }).await?;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let idle = node.usage(std::time::Duration::from_secs(10)).await?;
    println!("idle, no session: {:.1} MB PSS, {:.3} s CPU per 10 s", idle.pss_mb, idle.cpu_s);

    let slow = through::run(&node, SLOW, 1, 20).await?;
    row("agent's stdout to the client's socket, 1 client", &slow.ages, Some(&disk));
    row("prompt sent to its durable ack", &slow.acks, Some(&disk));
    row("prompt sent to agent's stdin, agent loaded", &slow.prompts, Some(&disk));
    let many = through::run(&node, SLOW, 20, 1).await?;
    row("agent's stdout to the client's socket, 20 clients", &many.ages, Some(&slow.ages));
    let flood = through::run(&node, FLOOD, 1, 1).await?;
    row("flood of 2000 words a second, 1 client", &flood.ages, Some(&slow.ages));
    println!("flood: {} words came as {} frames", flood.words, flood.frames);
    let loaded = node.usage(std::time::Duration::from_secs(5)).await?;
    println!("idle, {} sessions with their agents loaded: {:.1} MB PSS of towline", 3, loaded.pss_mb);
    node.stop().await
}
