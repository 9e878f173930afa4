//! `kill -9` at any moment: what was acknowledged is there, once, and nothing before it has changed.
//!
//! The child is this test binary again, running [`child`] alone. It appends as fast as it can from several writers and prints
//! a line per acknowledgement; the parent kills it, opens the store, and compares.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use protocol::path::StreamPath;
use protocol::time::UnixMs;
use store::contract::{TestClock, run};
use store::{Append, Batch, Create, Direction, Done, FjallStore, Message, Producer, Put, Read, SqliteStore, Store};

const DIR: &str = "STORE_CRASH_DIR";
const ENGINE: &str = "STORE_CRASH_ENGINE";
const WRITERS: usize = 4;
const KILLS: u64 = 15;
/// Longest that a child may take to get anything acknowledged.
const PATIENCE: Duration = Duration::from_mins(1);

/// Opens the store of an engine in a directory; dropping it closes it.
fn open(engine: &str, dir: &Path) -> Arc<dyn Store> {
    let clock = Arc::new(TestClock::at(UnixMs(1)));
    match engine {
        "sqlite" => Arc::new(SqliteStore::open(dir, clock).expect("a store")),
        "fjall" => Arc::new(FjallStore::open(dir, clock).expect("a store")),
        other => panic!("no engine {other}"),
    }
}

fn log(writer: usize) -> StreamPath {
    format!("log/{writer}").parse().expect("a path")
}

/// The append with this number: its text tells the number, its length varies.
fn step(writer: usize, seq: u64) -> Batch {
    let text = format!("{seq};{}", "x".repeat(usize::try_from(seq % 500).expect("small")));
    let producer = Producer { id: "writer".to_owned(), epoch: 0, seq };
    let append = Append { producer: Some(producer), ..Append::new(log(writer), vec![text.into()]) };
    // In the same step, now and then: how far the writer is. Batches that do nothing but append take another way to the disk, and
    // both ways have to meet.
    if told(writer, seq) == Some(seq) {
        Batch::of(append).and(Put::set(format!("writer/{writer}"), seq.to_string()))
    } else {
        Batch::of(append)
    }
}

/// What a writer that came this far has told last.
fn told(writer: usize, seq: u64) -> Option<u64> {
    (writer < 2).then_some(seq - seq % 16)
}

async fn everything(store: &dyn Store, writer: usize) -> Vec<Message> {
    let mut messages = Vec::new();
    let mut from = None;
    loop {
        let read = Read {
            stream: log(writer),
            from,
            walk: None,
            direction: Direction::Forwards,
            max_bytes: 1 << 20,
            max_messages: 4096,
        };
        let page = store.read(read).await.expect("a page");
        from = Some(page.next);
        if page.messages.is_empty() {
            return messages;
        }
        messages.extend(page.messages);
    }
}

fn number(message: &Message) -> u64 {
    let text = std::str::from_utf8(&message.body).expect("text");
    text.split_once(';').expect("a number").0.parse().expect("a number")
}

/// Not a test of its own: does nothing unless the parent below has started it.
#[test]
#[expect(clippy::disallowed_methods, reason = "the parent tells its child the directory")]
fn child() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let engine = std::env::var(ENGINE).expect("the parent tells the engine too");
    run(async {
        let store = open(&engine, Path::new(&dir));
        let writers = (0..WRITERS).map(|writer| {
            let store = Arc::clone(&store);
            async move {
                let create = Create {
                    stream: log(writer),
                    content_type: "text/plain".to_owned(),
                    config: bytes::Bytes::new(),
                    messages: Vec::new(),
                    close: false,
                    or_same: true,
                };
                store.commit(Batch::of(create)).await.expect("a stream");
                let done = everything(&*store, writer).await.len();
                // Bounded, should the parent have gone.
                for seq in done as u64..done as u64 + 100_000 {
                    store.commit(step(writer, seq)).await.expect("a commit");
                    // Not captured by the test harness, and gone in one write.
                    let line = format!("ack {writer} {seq}\n");
                    std::io::stdout().write_all(line.as_bytes()).expect("a pipe");
                }
            }
        });
        futures_util::future::join_all(writers).await;
    });
}

/// Runs the child and kills it: after a while, or so long after its first acknowledgement, which on a busy machine may take seconds to come.
/// Returns the last acknowledged number of each writer.
#[expect(clippy::disallowed_methods, reason = "the child is this test itself; it is killed and reaped below")]
fn run_and_kill(engine: &str, dir: &Path, after: Duration, under_way: bool) -> HashMap<usize, u64> {
    let mut child = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .env(ENGINE, engine)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a child");
    let output = BufReader::new(child.stdout.take().expect("a pipe"));
    let (send, first) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut acked = HashMap::new();
        for line in output.lines().map_while(Result::ok) {
            // The harness prints on the first line too; a killed child may leave half a line, which is no acknowledgement.
            let words: Vec<_> = line.split_whitespace().collect();
            if let Some(at) = words.iter().position(|word| *word == "ack")
                && let [writer, seq] = words[at + 1..]
                && let (Ok(writer), Ok(seq)) = (writer.parse(), seq.parse())
            {
                acked.insert(writer, seq);
                // Nobody waits for it any more, or nobody ever did.
                let _heard = send.send(());
            }
        }
        acked
    });
    if under_way {
        first.recv_timeout(PATIENCE).expect("something is acknowledged");
    }
    std::thread::sleep(after);
    child.kill().expect("killed");
    child.wait().expect("reaped");
    reader.join().expect("the reader")
}

#[test]
fn what_was_acknowledged_survives_being_killed() {
    kill_again_and_again("sqlite");
}

#[test]
fn what_was_acknowledged_survives_being_killed_on_fjall() {
    kill_again_and_again("fjall");
}

fn kill_again_and_again(engine: &str) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut before: HashMap<usize, Vec<Message>> = HashMap::new();
    let mut ever = 0;
    for round in 0..KILLS {
        // From "just opening" to "well under way", not in step with anything.
        let under_way = round % 3 > 0;
        let after = Duration::from_millis(if under_way { round * 37 % 150 } else { 10 + round * 37 % 300 });
        let acked = run_and_kill(engine, dir.path(), after, under_way);
        let store = open(engine, dir.path());
        run(async {
            for writer in 0..WRITERS {
                if store.head(&log(writer)).await.expect("a read").is_none() {
                    assert_eq!(acked.get(&writer), None);
                    continue;
                }
                let now = everything(&*store, writer).await;
                let numbers: Vec<_> = now.iter().map(number).collect();
                let all: Vec<_> = (0..now.len() as u64).collect();
                assert_eq!(numbers, all, "each once, in order");
                let old = before.remove(&writer).unwrap_or_default();
                assert_eq!(now[..old.len()], old[..], "the prefix is as it was");
                // What commits together is there together.
                let entry = store.get(&format!("writer/{writer}")).await.expect("a read");
                let found = entry.map(|entry| String::from_utf8_lossy(&entry.value).into_owned());
                let expected = numbers.last().and_then(|last| told(writer, *last));
                assert_eq!(found, expected.map(|told| told.to_string()));
                if let Some(&last) = acked.get(&writer) {
                    ever += 1;
                    assert!(last < now.len() as u64, "acknowledged {last}, kept {}", now.len());
                    let again = store.commit(step(writer, last)).await.expect("a repeat");
                    assert!(
                        matches!(again[0], Done::Duplicate { seq, .. } if seq + 1 == now.len() as u64),
                        "{again:?}"
                    );
                    // The repeat's second operation may have put the older number back; set it right for the next round.
                    if let Some(told) = expected {
                        let right = Put::set(format!("writer/{writer}"), told.to_string());
                        store.commit(Batch::of(right)).await.expect("a commit");
                    }
                    assert_eq!(everything(&*store, writer).await.len(), now.len(), "a repeat adds nothing");
                }
                before.insert(writer, now);
            }
        });
        drop(store);
    }
    assert!(ever >= KILLS * 2 / 3, "each round that was under way has been acknowledged something: {ever}");
}
