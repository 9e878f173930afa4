//! Durable appends per second of the SQLite store, at 1, 16 and 64 writers at once; one second each.
//!
//! Prints one line of JSON per number of writers. An argument names the directory in which a temporary store is made, so that
//! a real disk can be measured.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use protocol::path::StreamPath;
use protocol::time::{Clock, UnixMs};
use store::contract::TestClock;
use store::{Append, Batch, Create, Producer, SqliteStore, Store};

const TIME: Duration = Duration::from_secs(1);
/// About the size of a delta.
const BODY: usize = 300;

async fn measure(store: Arc<SqliteStore>, writers: usize) -> String {
    let count = Arc::new(AtomicU64::new(0));
    let body = Bytes::from(vec![b'x'; BODY]);
    let mut tasks = Vec::new();
    for writer in 0..writers {
        let stream: StreamPath = format!("rate/{writers}/{writer}").parse().expect("a path");
        let create = Create {
            stream: stream.clone(),
            content_type: "application/json".to_owned(),
            config: Bytes::new(),
            messages: Vec::new(),
            close: false,
            or_same: false,
        };
        store.commit(Batch::of(create)).await.expect("a stream");
        let (store, count, body) = (Arc::clone(&store), Arc::clone(&count), body.clone());
        tasks.push(tokio::spawn(async move {
            let begin = Instant::now();
            let mut slowest = Duration::ZERO;
            let mut seq = 0;
            while begin.elapsed() < TIME {
                let one = Instant::now();
                let producer = Some(Producer { id: "writer".to_owned(), epoch: 0, seq });
                let append = Append { producer, ..Append::new(stream.clone(), vec![body.clone()]) };
                store.commit(Batch::of(append)).await.expect("a commit");
                slowest = slowest.max(one.elapsed());
                seq += 1;
                count.fetch_add(1, Ordering::Relaxed);
            }
            slowest
        }));
    }
    let mut slowest = Duration::ZERO;
    for task in tasks {
        slowest = slowest.max(task.await.expect("a writer"));
    }
    let rate = count.load(Ordering::Relaxed) * 1000 / u64::try_from(TIME.as_millis()).expect("small");
    let slowest = slowest.as_millis();
    format!("{{\"writers\":{writers},\"appendsPerSecond\":{rate},\"bodyBytes\":{BODY},\"slowestMs\":{slowest}}}\n")
}

fn main() -> std::io::Result<()> {
    let dir = match std::env::args_os().nth(1) {
        Some(place) => tempfile::tempdir_in(place)?,
        None => tempfile::tempdir()?,
    };
    let clock: Arc<dyn Clock> = Arc::new(TestClock::at(UnixMs(1_700_000_000_000)));
    let store = Arc::new(SqliteStore::open(dir.path(), clock).map_err(std::io::Error::other)?);
    let runtime = tokio::runtime::Runtime::new()?;
    for writers in [1, 16, 64] {
        let line = runtime.block_on(measure(Arc::clone(&store), writers));
        std::io::stdout().write_all(line.as_bytes())?;
    }
    store.close();
    Ok(())
}
