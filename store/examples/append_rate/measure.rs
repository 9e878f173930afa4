//! What one engine does in one process.
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and milliseconds of a few seconds are exact in a float"
)]

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use protocol::path::StreamPath;
use protocol::time::{Clock, UnixMs};
use store::contract::TestClock;
use store::{Append, Batch, Create, Direction, FjallStore, Producer, Put, Read, SqliteStore, Store};

pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

const TIME: Duration = Duration::from_secs(2);
/// About the size of a delta.
const BODY: usize = 300;
const WRITERS: [usize; 4] = [1, 16, 64, 256];
/// What is read to measure catching up: messages of [`BODY`] bytes, of one stream, among others.
const CATCH_UP: usize = 40_000;

fn open(engine: &str, dir: &Path) -> Result<Arc<dyn Store>, Error> {
    let clock: Arc<dyn Clock> = Arc::new(TestClock::at(UnixMs(1_700_000_000_000)));
    Ok(match engine {
        "sqlite" => Arc::new(SqliteStore::open(dir, clock)?),
        "fjall" => Arc::new(FjallStore::open(dir, clock)?),
        other => return Err(format!("no engine {other}").into()),
    })
}

/// Measures, and tells each number on a line of its own.
pub(crate) fn run(engine: &str, step: &str, dir: &Path) -> Result<String, Error> {
    let dir = dir.join("store");
    let runtime = tokio::runtime::Runtime::new()?;
    let mut out = String::new();
    let began = Instant::now();
    let store = open(engine, &dir)?;
    let opened = began.elapsed();
    if step == "open" {
        writeln!(out, "openAfterCrashMs {:.1}", opened.as_secs_f64() * 1e3)?;
        let megabytes = runtime.block_on(catch_up(&store))?;
        writeln!(out, "catchUpMBPerSecond {megabytes:.0}")?;
        writeln!(out, "memoryAfterCatchUpMiB {:.0}", memory()?)?;
        return Ok(out);
    }
    let mut written = runtime.block_on(fill(&store))?;
    for writers in WRITERS {
        let mut waits = runtime.block_on(append(&store, writers))?;
        waits.sort_unstable();
        written += waits.len() * BODY;
        let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        writeln!(out, "appendsPerSecond/{writers} {:.0}", waits.len() as f64 / TIME.as_secs_f64())?;
        writeln!(out, "p50Ms/{writers} {:.2}", at(0.5))?;
        writeln!(out, "p99Ms/{writers} {:.2}", at(0.99))?;
    }
    let mixed = runtime.block_on(with_an_entry(&store))?;
    written += mixed * BODY;
    writeln!(out, "appendsWithEntryPerSecond/16 {:.0}", mixed as f64 / TIME.as_secs_f64())?;
    writeln!(out, "memoryMiB {:.0}", memory()?)?;
    writeln!(out, "diskBytesPerByte {:.2}", blocks(&dir)? as f64 / written as f64)?;
    writeln!(out, "writtenMiB {:.0}", written as f64 / f64::from(1 << 20))?;
    // As a crash would: nothing is closed.
    std::io::Write::write_all(&mut std::io::stdout(), out.as_bytes())?;
    std::io::Write::flush(&mut std::io::stdout())?;
    std::process::abort();
}

fn path(name: &str) -> Result<StreamPath, Error> {
    Ok(name.parse()?)
}

fn create(stream: StreamPath) -> Create {
    Create {
        stream,
        content_type: "application/json".to_owned(),
        config: Bytes::new(),
        messages: Vec::new(),
        close: false,
        or_same: false,
    }
}

/// The stream that is read later.
async fn fill(store: &Arc<dyn Store>) -> Result<usize, Error> {
    store.commit(Batch::of(create(path("rate/long")?))).await?;
    let body = Bytes::from(vec![b'y'; BODY]);
    for _ in 0..CATCH_UP / 100 {
        store.commit(Batch::of(Append::new(path("rate/long")?, vec![body.clone(); 100]))).await?;
    }
    Ok(CATCH_UP * BODY)
}

async fn append(store: &Arc<dyn Store>, writers: usize) -> Result<Vec<Duration>, Error> {
    let body = Bytes::from(vec![b'x'; BODY]);
    let mut tasks = Vec::new();
    for writer in 0..writers {
        let stream = path(&format!("rate/{writers}/{writer}"))?;
        store.commit(Batch::of(create(stream.clone()))).await?;
        let (store, body) = (Arc::clone(store), body.clone());
        tasks.push(tokio::spawn(async move {
            let begin = Instant::now();
            let mut waits = Vec::new();
            for seq in 0.. {
                if begin.elapsed() >= TIME {
                    break;
                }
                let one = Instant::now();
                let producer = Some(Producer { id: "writer".to_owned(), epoch: 0, seq });
                let append = Append { producer, ..Append::new(stream.clone(), vec![body.clone()]) };
                store.commit(Batch::of(append)).await.map_err(|error| error.to_string())?;
                waits.push(one.elapsed());
            }
            Ok::<_, String>(waits)
        }));
    }
    let mut waits = Vec::new();
    for task in tasks {
        waits.extend(task.await??);
    }
    Ok(waits)
}

/// What the hub does most: an append and an entry of the map in one commit, by 16 at once.
async fn with_an_entry(store: &Arc<dyn Store>) -> Result<usize, Error> {
    let body = Bytes::from(vec![b'x'; BODY]);
    let mut tasks = Vec::new();
    for writer in 0..16 {
        let stream = path(&format!("rate/mixed/{writer}"))?;
        store.commit(Batch::of(create(stream.clone()))).await?;
        let (store, body) = (Arc::clone(store), body.clone());
        tasks.push(tokio::spawn(async move {
            let begin = Instant::now();
            let mut count = 0;
            while begin.elapsed() < TIME {
                let append = Append::new(stream.clone(), vec![body.clone()]);
                let put = Put::set(format!("rate/{writer}/{}", count % 100), body.clone());
                store.commit(Batch::of(append).and(put)).await.map_err(|error| error.to_string())?;
                count += 1;
            }
            Ok::<_, String>(count)
        }));
    }
    let mut count = 0;
    for task in tasks {
        count += task.await??;
    }
    Ok(count)
}

/// Reads the long stream from its beginning in pages of 256 KiB; the second time counts.
async fn catch_up(store: &Arc<dyn Store>) -> Result<f64, Error> {
    let mut took = Duration::ZERO;
    for _ in 0..2 {
        let (began, mut from, mut bytes) = (Instant::now(), None, 0);
        loop {
            let read = Read {
                stream: path("rate/long")?,
                from,
                walk: None,
                direction: Direction::Forwards,
                max_bytes: 256 * 1024,
                max_messages: 10_000,
            };
            let page = store.read(read).await?;
            if page.messages.is_empty() {
                break;
            }
            bytes += page.messages.iter().map(|message| message.body.len()).sum::<usize>();
            from = Some(page.next);
        }
        took = began.elapsed();
        assert_eq!(bytes, CATCH_UP * BODY, "all of it is there after the crash");
    }
    Ok((CATCH_UP * BODY) as f64 / 1e6 / took.as_secs_f64())
}

/// Memory in use, in MiB.
fn memory() -> Result<f64, Error> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no such field")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}

/// Bytes that a directory takes on the disk, holes left out.
fn blocks(dir: &Path) -> Result<u64, Error> {
    use std::os::unix::fs::MetadataExt as _;
    let mut sum = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        sum += if entry.file_type()?.is_dir() { blocks(&entry.path())? } else { entry.metadata()?.blocks() * 512 };
    }
    Ok(sum)
}
