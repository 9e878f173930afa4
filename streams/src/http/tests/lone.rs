//! Appends that come alone and together: who answers them, and that nobody waits for an answer that has been given.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::sync::Mutex;
use std::time::Duration;

use protocol::path::StreamPath;
use store::{Batch, CommitError, Cut, Done, Entry, Head, Later, Page, Read, ReadError, Scan, SqliteStore, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::yield_now;

use super::lane::{Served, answer, request};
use super::*;

/// A store whose appends wait until the test lets them go, by `true`, or has them panic, by `false`.
#[derive(Debug)]
struct Gated {
    inner: MemoryStore,
    waiting: Arc<Mutex<VecDeque<oneshot::Sender<bool>>>>,
}

impl Store for Gated {
    fn commit(&self, batch: Batch) -> Later<'_, Result<Vec<Done>, CommitError>> {
        let append = matches!(batch.operations[0], store::Operation::Append(_));
        Box::pin(async move {
            if append {
                let (go, gone) = oneshot::channel();
                self.waiting.lock().expect("no panic").push_back(go);
                assert!(gone.await.expect("it is let go"), "a store that ends in no way");
            }
            self.inner.commit(batch).await
        })
    }

    fn read(&self, read: Read) -> Later<'_, Result<Page, ReadError>> {
        self.inner.read(read)
    }

    fn head<'a>(&'a self, stream: &'a StreamPath) -> Later<'a, Result<Option<Head>, ReadError>> {
        self.inner.head(stream)
    }

    fn get<'a>(&'a self, key: &'a str) -> Later<'a, Result<Option<Entry>, ReadError>> {
        self.inner.get(key)
    }

    fn scan(&self, scan: Scan) -> Later<'_, Result<Vec<Entry>, ReadError>> {
        self.inner.scan(scan)
    }

    fn trim<'a>(&'a self, stream: &'a StreamPath, cut: Cut) -> Later<'a, Result<(), CommitError>> {
        self.inner.trim(stream, cut)
    }
}

/// A lane over a gated store with an empty stream `s`, and its gates.
struct Gates {
    served: Served,
    waiting: Arc<Mutex<VecDeque<oneshot::Sender<bool>>>>,
}

impl Gates {
    async fn new() -> Self {
        let waiting = Arc::<Mutex<VecDeque<_>>>::default();
        let inner = MemoryStore::new(ManualClock::at(1_790_000_000_000));
        let served = Served::over(Arc::new(Gated { inner, waiting: Arc::clone(&waiting) }), |_| {}).await;
        served.by_router("PUT", "s", &["content-type: text/plain"], "").await;
        Self { served, waiting }
    }

    /// Sends an append and waits until the store has it.
    async fn begin(&self, io: &mut std::net::TcpStream) -> oneshot::Sender<bool> {
        io.write_all(append("x").as_bytes()).expect("written");
        loop {
            if let Some(go) = self.waiting.lock().expect("no panic").pop_front() {
                return go;
            }
            yield_now().await;
        }
    }

    fn connect(&self) -> std::net::TcpStream {
        let io = std::net::TcpStream::connect(self.served.address).expect("a connection");
        io.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
        io
    }
}

fn append(body: &str) -> String {
    request("POST", "s", &["content-type: text/plain"], body)
}

/// Reads an answer while the runtime, which is this thread, stands.
fn answered(io: &mut std::net::TcpStream) -> String {
    let mut heard = Vec::new();
    while !heard.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        io.read_exact(&mut byte).expect("an answer");
        heard.extend(byte);
    }
    String::from_utf8(heard).expect("text")
}

#[tokio::test]
async fn a_lone_append_is_answered_by_whoever_ends_it_and_others_by_their_connections() {
    let gates = Gates::new().await;
    let (mut one, mut two) = (gates.connect(), gates.connect());
    for _ in 0..3 {
        let go = gates.begin(&mut one).await;
        go.send(true).expect("it waits");
        assert!(answered(&mut one).starts_with("HTTP/1.1 204 "));
    }
    let (first, second) = (gates.begin(&mut one).await, gates.begin(&mut two).await);
    first.send(true).expect("it waits");
    one.set_nonblocking(true).expect("an option");
    assert_eq!(one.read(&mut [0]).expect_err("nobody has said it").kind(), ErrorKind::WouldBlock);
    one.set_nonblocking(false).expect("an option");
    // Its task is woken; a pause gives it its turn.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(answered(&mut one).starts_with("HTTP/1.1 204 "));
    second.send(true).expect("it waits");
    assert!(answered(&mut two).starts_with("HTTP/1.1 204 "));
}

#[tokio::test]
async fn who_leaves_meanwhile_leaves_the_append_to_its_end() {
    let gates = Gates::new().await;
    let mut io = gates.connect();
    let go = gates.begin(&mut io).await;
    drop(io);
    tokio::time::sleep(Duration::from_millis(50)).await;
    go.send(true).expect("it waits");
    let stream = "s".parse().expect("a path");
    while gates.served.streams.head(&stream).await.expect("a store").expect("a stream").tail.byte == 0 {
        yield_now().await;
    }
    // The next one is alone again.
    let mut io = gates.connect();
    gates.begin(&mut io).await.send(true).expect("it waits");
    assert!(answered(&mut io).starts_with("HTTP/1.1 204 "));
}

#[tokio::test]
async fn an_append_that_panics_ends_its_connection_and_not_whoever_ended_it() {
    let gates = Gates::new().await;
    let mut io = gates.connect();
    // On this thread.
    gates.begin(&mut io).await.send(false).expect("it waits");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(io.read(&mut [0]).expect("an end"), 0);
    let mut io = gates.connect();
    gates.begin(&mut io).await.send(true).expect("it waits");
    assert!(answered(&mut io).starts_with("HTTP/1.1 204 "));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_asks_for_nothing_more_after_an_append_is_let_go_and_one_of_a_server_that_stops_too() {
    for stops in [false, true] {
        let gates = Gates::new().await;
        let mut io = gates.connect();
        gates.begin(&mut io).await.send(true).expect("it waits");
        answered(&mut io);
        io.set_nonblocking(true).expect("an option");
        let mut io = tokio::net::TcpStream::from_std(io).expect("a connection");
        let begun = tokio::time::Instant::now();
        if stops {
            gates.served.stop.cancel();
        }
        assert_eq!(io.read(&mut [0]).await.expect("an end"), 0);
        let range = if stops { 0..1 } else { 10..31 };
        assert!(range.contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_append_is_answered_once_however_requests_are_cut_and_joined() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = SqliteStore::open(dir.path(), ManualClock::at(1_790_000_000_000)).expect("a store");
    let served = Arc::new(Served::over(Arc::new(store), |_| {}).await);
    served.by_router("PUT", "s", &["content-type: text/plain"], "").await;
    for connections in [1_usize, 3] {
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..connections {
            let served = Arc::clone(&served);
            writers.spawn(async move {
                let mut io = served.connect().await;
                io.set_nodelay(true).expect("an option");
                for round in 0..40 {
                    // One, two or three requests, in two pieces, with or without a pause between them.
                    let many = 1 + round % 3;
                    let all = append("x").repeat(many);
                    let (first, second) = all.as_bytes().split_at(all.len() * (1 + (round * 7 + writer) % 9) / 10);
                    io.write_all(first).await.expect("written");
                    match round % 4 {
                        0 => yield_now().await,
                        1 => tokio::time::sleep(Duration::from_micros(300)).await,
                        _ => {}
                    }
                    io.write_all(second).await.expect("written");
                    for _ in 0..many {
                        assert_eq!(answer(&mut io, false).await.status, 204);
                    }
                }
            });
        }
        while let Some(writer) = writers.join_next().await {
            writer.expect("no panic");
        }
    }
    let tail = served.streams.head(&"s".parse().expect("a path")).await.expect("a store").expect("a stream").tail;
    assert_eq!(tail.byte, 4 * 79);
}
