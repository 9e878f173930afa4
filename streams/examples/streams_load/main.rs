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

#[tokio::main]
async fn main() -> Result<(), Error> {
    let ours = std::env::var_os("TOWLINE_BIN").map(PathBuf::from).ok_or("TOWLINE_BIN names the program")?;
    let mut programs = vec![(Kind::Towline, ours)];
    programs.extend(std::env::var_os("OFFICIAL_STREAMS_BIN").map(|path| (Kind::Official, path.into())));
    let mut columns: Vec<Vec<(&str, f64)>> = Vec::new();
    for (kind, program) in &programs {
        columns.push(all(*kind, program).await?);
    }
    let mut out = std::io::stdout();
    writeln!(out, "{:44} {:>12} {:>12} {:>8}", "", "towline", "official", "ratio")?;
    for (index, (name, value)) in columns[0].iter().enumerate() {
        match columns.get(1).map(|column| column[index].1) {
            Some(other) => writeln!(out, "{name:44} {value:>12.1} {other:>12.1} {:>8.2}", value / other)?,
            None => writeln!(out, "{name:44} {value:>12.1}")?,
        }
    }
    Ok(())
}

async fn all(kind: Kind, program: &std::path::Path) -> Result<Vec<(&'static str, f64)>, Error> {
    let mut found = Vec::new();
    let server = Server::start(kind, program).await?;
    for (name, connections, streams) in [
        ("durable appends/s, 1 connection", 1, 1),
        ("durable appends/s, 64 connections, 1 stream", 64, 1),
        ("durable appends/s, 64 connections, 1000 streams", 64, 1_000),
    ] {
        found.push((name, measure::appends(&server, connections, streams).await?));
    }
    found.push(("catch-up, MB/s", measure::catch_up(&server).await?));
    let told = measure::tell(&server, 1_000).await?;
    found.push(("SSE to 1000 subscribers, p50 ms", told.p50_ms));
    found.push(("SSE to 1000 subscribers, p99 ms", told.p99_ms));
    found.push(("SSE, server CPU per delivery, us", told.cpu_us));
    found.push(("peak memory, MiB", server.peak_mib()?));
    drop(server);
    let server = Server::start(kind, program).await?;
    found.push(("memory of 10000 idle streams, MiB", measure::idle(&server, 10_000).await?));
    Ok(found)
}
