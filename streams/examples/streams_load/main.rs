//! The streams server under load, beside the official one when it is there: the same generator, one after the other, and ratios.
//!
//! `cargo xtask bench streams` builds what it needs. By hand: `TOWLINE_BIN=… [OFFICIAL_STREAMS_BIN=…] cargo run --release -p streams
//! --example streams_load`. The generator shares the machine with the server, so only ratios say something.
#![expect(clippy::disallowed_methods, reason = "a bench is told by its environment what to start, and starts it")]

mod measure;
mod server;
mod wire;

use std::io::Write;
use std::path::PathBuf;

use server::{Kind, Server};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// How often each scenario is measured on each server, in turn; the median counts.
const ROUNDS: usize = 3;
/// The same for telling subscribers: a p99 of 60 events is that of the one or two that came at a bad moment, so one round says little.
const ROUNDS_OF_TELLING: usize = 11;

/// What is measured, one after the other on one server. Words on the command line choose by the beginning of the name.
const SCENARIOS: [&str; 6] = ["appends-1x1", "appends-64x1", "appends-64x1000", "catch-up", "tell", "idle"];

#[tokio::main]
async fn main() -> Result<(), Error> {
    let ours = std::env::var_os("TOWLINE_BIN").map(PathBuf::from).ok_or("TOWLINE_BIN names the program")?;
    let mut programs = vec![(Kind::Towline, ours)];
    programs.extend(std::env::var_os("OFFICIAL_STREAMS_BIN").map(|path| (Kind::Official, path.into())));
    let wishes: Vec<String> = std::env::args().skip(1).collect();
    let wanted = |name: &&str| wishes.is_empty() || wishes.iter().any(|wish| name.starts_with(wish.as_str()));
    let mut out = std::io::stdout();
    writeln!(out, "{:52} {:>12} {:>12} {:>8}", "", "towline", "official", "ratio")?;
    for scenario in SCENARIOS.iter().filter(|name| wanted(name)) {
        // In turn, so that whatever else the machine does meets both alike.
        let mut rounds = vec![Vec::new(); programs.len()];
        let times = if *scenario == "tell" { ROUNDS_OF_TELLING } else { ROUNDS };
        for _ in 0..times {
            for ((kind, program), rounds) in programs.iter().zip(&mut rounds) {
                rounds.push(measure(*kind, program, scenario).await?);
            }
        }
        for (index, (name, _)) in rounds[0][0].iter().enumerate() {
            let ours = median(&rounds[0], index);
            match rounds.get(1).map(|rounds| median(rounds, index)) {
                Some(other) => writeln!(out, "{name:52} {ours:>12.1} {other:>12.1} {:>8.2}", ours / other)?,
                None => writeln!(out, "{name:52} {ours:>12.1}")?,
            }
        }
    }
    Ok(())
}

fn median(rounds: &[Found], index: usize) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(|round| round[index].1).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Names and numbers of one scenario.
type Found = Vec<(String, f64)>;

/// One scenario on a fresh server with a directory of its own.
async fn measure(kind: Kind, program: &std::path::Path, scenario: &str) -> Result<Found, Error> {
    let server = Server::start(kind, program).await?;
    let mut found = Vec::new();
    let mut row = |name: &str, value: f64| found.push((name.to_owned(), value));
    match scenario {
        "catch-up" => {
            let read = measure::catch_up(&server).await?;
            row("catch-up, MB/s", read.per_second);
            row("catch-up, server CPU per MB, us", read.cpu_us);
        }
        "tell" => {
            let told = measure::tell(&server, 1_000).await?;
            row("SSE to 1000 subscribers, p50 ms", told.p50_ms);
            row("SSE to 1000 subscribers, p99 ms", told.p99_ms);
            row("SSE, server CPU per delivery, us", told.cpu_us);
            row("SSE, peak memory, MiB", server.peak_mib()?);
        }
        "idle" => row("memory of 10000 idle streams, MiB", measure::idle(&server, 10_000).await?),
        appends => {
            let (connections, streams) = match appends {
                "appends-1x1" => (1, 1),
                "appends-64x1" => (64, 1),
                _ => (64, 1_000),
            };
            let name = format!("{connections} connections, {streams} streams");
            let made = measure::appends(&server, connections, streams).await?;
            row(&format!("durable appends/s, {name}"), made.per_second);
            row(&format!("server CPU per append, us, {name}"), made.cpu_us);
            row(&format!("peak memory, MiB, {name}"), server.peak_mib()?);
        }
    }
    Ok(found)
}
