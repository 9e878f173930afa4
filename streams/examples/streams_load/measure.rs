//! What is measured.

use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;

use crate::Error;
use crate::server::Server;
use crate::wire::Wire;

/// How long appends are counted.
const SPAN: Duration = Duration::from_secs(4);
/// Size of an append, in bytes.
const SIZE: usize = 256;
/// What is read at once: 32 MiB in pieces of 256 KiB.
const PIECES: usize = 128;
const PIECE: usize = 256 * 1024;
const READS: usize = 10;
/// Events told to all subscribers, and the pause between them.
const EVENTS: usize = 60;
const PAUSE: Duration = Duration::from_millis(50);
const BYTES: &str = "content-type: application/octet-stream\r\n";
const TEXT: &str = "content-type: text/plain\r\n";

/// A rate, and what one of it costs the server.
#[derive(Debug)]
pub(crate) struct Rate {
    pub(crate) per_second: f64,
    pub(crate) cpu_us: f64,
}

/// Latency and cost of telling subscribers.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) cpu_us: f64,
}

/// Appends a second that were acknowledged, each on disk.
pub(crate) async fn appends(server: &Server, connections: usize, streams: usize) -> Result<Rate, Error> {
    let mut wire = Wire::open(server.address).await?;
    for stream in 0..streams {
        wire.ask("PUT", &format!("a{connections}-{streams}-{stream}"), BYTES, b"").await?;
    }
    let mut tasks = JoinSet::new();
    let (began, before) = (Instant::now(), server.cpu()?);
    for connection in 0..connections {
        let mut wire = Wire::open(server.address).await?;
        tasks.spawn(async move {
            let mut count = 0_u32;
            let mut stream = connection;
            while began.elapsed() < SPAN {
                let path = format!("a{connections}-{streams}-{}", stream % streams);
                let answer = wire.ask("POST", &path, BYTES, &[b'x'; SIZE]).await?;
                if !(200..300).contains(&answer.status) {
                    return Err(format!("an append was answered {}", answer.status).into());
                }
                count += 1;
                stream += connections;
            }
            Ok::<u32, Error>(count)
        });
    }
    let mut sum = 0.0;
    while let Some(count) = tasks.join_next().await {
        sum += f64::from(count??);
    }
    let took = began.elapsed().as_secs_f64();
    Ok(Rate { per_second: sum / took, cpu_us: (server.cpu()? - before) * 1e6 / sum })
}

/// Reads a stream from its beginning to its end a few times, and takes the best.
pub(crate) async fn catch_up(server: &Server) -> Result<Rate, Error> {
    let mut wire = Wire::open(server.address).await?;
    wire.ask("PUT", "c", BYTES, b"").await?;
    for _ in 0..PIECES {
        wire.ask("POST", "c", BYTES, &vec![b'x'; PIECE]).await?;
    }
    let (mut best, mut megabytes) = (0.0_f64, 0.0_f64);
    let before = server.cpu()?;
    for _ in 0..READS {
        let (began, mut from, mut bytes) = (Instant::now(), "-1".to_owned(), 0);
        loop {
            let answer = wire.ask("GET", &format!("c?offset={from}"), "", b"").await?;
            bytes += answer.body;
            answer.field("stream-next-offset").ok_or("no offset")?.clone_into(&mut from);
            if answer.field("stream-up-to-date").is_some() {
                break;
            }
        }
        if bytes != PIECES * PIECE {
            return Err(format!("{bytes} bytes were read").into());
        }
        #[expect(clippy::cast_precision_loss, reason = "32 MiB are exact in a float")]
        let read = bytes as f64 / 1e6;
        best = best.max(read / began.elapsed().as_secs_f64());
        megabytes += read;
    }
    Ok(Rate { per_second: best, cpu_us: (server.cpu()? - before) * 1e6 / megabytes })
}

/// Tells events to many subscribers of one stream.
pub(crate) async fn tell(server: &Server, subscribers: usize) -> Result<Told, Error> {
    let mut writer = Wire::open(server.address).await?;
    writer.ask("PUT", "t", TEXT, b"").await?;
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..subscribers {
        let mut wire = Wire::open(server.address).await?;
        wire.send("GET", "t?offset=now&live=sse", "", b"").await?;
        let answer = wire.head().await?;
        if answer.status != 200 {
            return Err(format!("a subscriber was answered {}", answer.status).into());
        }
        tasks.spawn(listen(wire, began));
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = server.cpu()?;
    for _ in 0..EVENTS {
        let body = format!("<{}>", began.elapsed().as_micros());
        writer.ask("POST", "t", TEXT, body.as_bytes()).await?;
        tokio::time::sleep(PAUSE).await;
    }
    let mut all = Vec::new();
    while let Some(found) = tasks.join_next().await {
        all.extend(found??);
    }
    let used = server.cpu()? - before;
    all.sort_unstable();
    let at = |percent: usize| f64::from(all[(all.len() - 1) * percent / 100]) / 1000.0;
    let deliveries = f64::from(u32::try_from(all.len())?);
    Ok(Told { p50_ms: at(50), p99_ms: at(99), cpu_us: used * 1e6 / deliveries })
}

/// Hears all events and tells how long each took, in microseconds.
async fn listen(mut wire: Wire, began: Instant) -> Result<Vec<u32>, Error> {
    let mut heard = Vec::with_capacity(EVENTS);
    while heard.len() < EVENTS {
        let read = tokio::time::timeout(Duration::from_secs(30), wire.io.read_buf(&mut wire.buffer));
        if read.await?? == 0 {
            return Err("a subscriber was hung up on".into());
        }
        let now = began.elapsed().as_micros();
        let mut rest = &wire.buffer[..];
        while let Some(from) = rest.iter().position(|byte| *byte == b'<') {
            let Some(length) = rest[from..].iter().position(|byte| *byte == b'>') else { break };
            let sent: u128 = std::str::from_utf8(&rest[from + 1..from + length])?.parse()?;
            heard.push(u32::try_from(now.saturating_sub(sent))?);
            rest = &rest[from + length + 1..];
        }
        let done = wire.buffer.len() - rest.len();
        wire.buffer.drain(..done);
    }
    Ok(heard)
}

/// Memory that many streams take which nobody uses, in MiB.
pub(crate) async fn idle(server: &Server, streams: usize) -> Result<f64, Error> {
    let mut wire = Wire::open(server.address).await?;
    wire.ask("PUT", "warm", BYTES, b"x").await?;
    let before = server.memory_mib()?;
    for stream in 0..streams {
        wire.ask("PUT", &format!("i{stream}"), BYTES, b"x").await?;
    }
    Ok(server.memory_mib()? - before)
}
