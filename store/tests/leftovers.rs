//! `kill -9` while what is left of large streams is removed: it is never seen again, and whoever opens the store next removes the rest.
//!
//! The child is this test binary again, running [`child`] alone: it makes a large stream, deletes or cuts it, and makes it anew, round by
//! round. The parent kills it soon after it was told of a round.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::path::StreamPath;
use protocol::time::UnixMs;
use rusqlite::{Connection, OpenFlags};
use store::contract::{TestClock, run};
use store::{Batch, Create, Cut, Direction, Message, Operation, Read, SqliteStore, Store};

const DIR: &str = "STORE_LEFTOVERS_DIR";
/// Bytes of a message: two of them do not share a row.
const LENGTH: usize = 17_000;
/// Messages of the large stream: several steps.
const COUNT: u64 = 700;
const KILLS: u64 = 12;
/// Longest that anything may take.
const PATIENCE: Duration = Duration::from_mins(1);

fn open(dir: &Path) -> SqliteStore {
    SqliteStore::open(dir, Arc::new(TestClock::at(UnixMs(1)))).expect("a store")
}

fn large() -> StreamPath {
    "large".parse().expect("a path")
}

/// The large stream of a round: each message tells which.
async fn make(store: &dyn Store, round: u64, count: u64) {
    let text = bytes::Bytes::from(format!("{round:0LENGTH$}"));
    let create = Create {
        stream: large(),
        content_type: "text/plain".to_owned(),
        config: bytes::Bytes::new(),
        messages: vec![text; usize::try_from(count).expect("small")],
        close: false,
        or_same: false,
    };
    store.commit(Batch::of(create)).await.expect("a stream");
}

/// Everything of the large stream; `None` when there is none.
async fn everything(store: &dyn Store) -> Option<Vec<Message>> {
    store.head(&large()).await.expect("a read")?;
    let read = Read {
        stream: large(),
        from: None,
        walk: None,
        direction: Direction::Forwards,
        max_bytes: usize::MAX,
        max_messages: usize::MAX,
    };
    Some(store.read(read).await.expect("a page").messages)
}

/// Not a test of its own: does nothing unless the parent below has started it.
#[test]
#[expect(clippy::disallowed_methods, reason = "the parent tells its child the directory")]
fn child() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    run(async {
        let store = open(Path::new(&dir));
        // Rounds are numbered as the store numbers what is made under one path.
        if store.head(&large()).await.expect("a read").is_none() {
            make(&store, 0, 0).await;
        }
        let there = store.head(&large()).await.expect("a read").expect("a stream").tail.epoch;
        store.commit(Batch::of(Operation::Delete(large()))).await.expect("a deletion");
        // Bounded, should the parent have gone.
        for round in there + 1..there + 100 {
            make(&store, round, COUNT).await;
            let tail = store.head(&large()).await.expect("a read").expect("a stream").tail;
            let cut = protocol::offset::Offset::new(tail.epoch, tail.byte - LENGTH as u64);
            store.trim(&large(), Cut::Before(cut)).await.expect("a cut");
            tell(&format!("cut {round}"));
            store.commit(Batch::of(Operation::Delete(large()))).await.expect("a deletion");
            tell(&format!("deleted {round}"));
        }
    });
}

/// Not captured by the test harness, and gone in one write.
fn tell(line: &str) {
    std::io::stdout().write_all(format!("told {line}\n").as_bytes()).expect("a pipe");
}

/// Runs the child until it tells something of this kind for the second time, and kills it so long after. Returns what it told last.
#[expect(clippy::disallowed_methods, reason = "the child is this test itself; it is killed and reaped below")]
fn run_and_kill(dir: &Path, kind: &'static str, after: Duration) -> String {
    let mut child = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a child");
    let output = BufReader::new(child.stdout.take().expect("a pipe"));
    let (send, heard) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut last = String::new();
        for line in output.lines().map_while(Result::ok) {
            // The harness prints on the first line too; half a line tells nothing.
            let Some((_, told)) = line.split_once("told ") else { continue };
            if told.split_once(' ').is_some_and(|(what, round)| what == kind && round.parse::<u64>().is_ok()) {
                let _heard = send.send(());
            }
            told.clone_into(&mut last);
        }
        last
    });
    for _ in 0..2 {
        heard.recv_timeout(PATIENCE).expect("something is told");
    }
    std::thread::sleep(after);
    child.kill().expect("killed");
    child.wait().expect("reaped");
    reader.join().expect("the reader")
}

/// How many rows lie in the tables that no living stream has, and how many are known to be left.
fn lying(dir: &Path) -> (i64, i64) {
    let connection = Connection::open_with_flags(dir.join("store.sqlite3"), OpenFlags::SQLITE_OPEN_READ_ONLY);
    let connection = connection.expect("a database");
    let count = |sql| connection.query_row(sql, [], |row| row.get(0)).expect("a count");
    let rows = count(
        "SELECT count(*) FROM message WHERE NOT EXISTS
         (SELECT 1 FROM stream WHERE id = message.stream AND alive = 1 AND first <= message.start)",
    );
    (rows, count("SELECT count(*) FROM leftover"))
}

#[test]
fn what_is_left_of_large_streams_is_removed_after_a_kill() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut found = 0;
    for round in 0..KILLS {
        let kind = if round % 2 == 0 { "deleted" } else { "cut" };
        let last = run_and_kill(dir.path(), kind, Duration::from_millis(round * 7 % 40));
        found += u64::from(lying(dir.path()).1 > 0);
        let store = open(dir.path());
        run(async {
            let (what, told) = last.split_once(' ').expect("two words");
            let told: u64 = told.parse().expect("a round");
            match everything(&store).await {
                None => assert!(what == "deleted" || what == "cut", "{last}"),
                Some(messages) => {
                    let epoch = messages.first().map_or(told, |message| message.start.epoch);
                    assert!(epoch == told && what == "cut" || epoch == told + 1, "{epoch} after {last}");
                    let expected = if epoch == told && what == "cut" { vec![1] } else { vec![COUNT, 1] };
                    assert!(expected.contains(&(messages.len() as u64)), "{} after {last}", messages.len());
                    for message in messages {
                        let text = std::str::from_utf8(&message.body).expect("text");
                        assert_eq!(text.parse::<u64>().expect("a number"), epoch, "nothing of another time");
                    }
                }
            }
        });
        let began = Instant::now();
        while lying(dir.path()) != (0, 0) {
            assert!(began.elapsed() < PATIENCE, "{:?} lie there", lying(dir.path()));
            std::thread::sleep(Duration::from_millis(10));
        }
        drop(store);
    }
    assert!(found >= KILLS / 3, "the kills met something that was left: {found}");
}
