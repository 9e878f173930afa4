//! What the SQLite store does with its directory: locks, formats, damage, and a disk that is full.

use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt;
use protocol::path::StreamPath;
use protocol::time::UnixMs;
use store::contract::{TestClock, run};
use store::{
    Append, Batch, CommitError, Create, Direction, Done, OpenError, Operation, Put, Read, ReadError, SqliteStore, Store,
};

fn clock() -> Arc<TestClock> {
    Arc::new(TestClock::at(UnixMs(1_700_000_000_000)))
}

fn open(dir: &Path) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(dir, clock())
}

fn path(text: &str) -> StreamPath {
    text.parse().expect("a path")
}

fn create(stream: &StreamPath) -> Operation {
    Create {
        stream: stream.clone(),
        content_type: "text/plain".to_owned(),
        config: bytes::Bytes::new(),
        messages: Vec::new(),
        close: false,
        or_same: false,
    }
    .into()
}

fn append(stream: &StreamPath, body: impl Into<bytes::Bytes>) -> Append {
    Append::new(stream.clone(), vec![body.into()])
}

fn all(stream: &StreamPath) -> Read {
    Read {
        stream: stream.clone(),
        from: None,
        walk: None,
        direction: Direction::Forwards,
        max_bytes: usize::MAX,
        max_messages: usize::MAX,
    }
}

/// Opens the file behind the store's back.
fn raw(dir: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(dir.join("store.sqlite3")).expect("the file")
}

#[test]
fn one_process_at_a_time() {
    let dir = tempfile::tempdir().expect("a directory");
    let inside = dir.path().join("made/on/demand");
    let first = open(&inside).expect("a store");
    let error = open(&inside).expect_err("in use");
    assert!(matches!(&error, OpenError::InUse { dir } if *dir == inside), "{error:?}");
    assert!(!error.hint().is_empty());
    first.close();
    drop(open(&inside).expect("free again"));
    drop(first);
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a directory");
    let inside = dir.path().join("store");
    let store = open(&inside).expect("a store");
    run(store.commit(Batch::of(Put::set("key", "value")))).expect("a commit");
    let mode = |path: &Path| path.metadata().expect("metadata").permissions().mode() & 0o777;
    assert_eq!(mode(&inside), 0o700);
    let mut files = 0;
    for file in inside.read_dir().expect("a listing") {
        assert_eq!(mode(&file.expect("a file").path()), 0o600);
        files += 1;
    }
    assert!(files >= 3, "database, log, lock");
}

#[test]
fn a_newer_format_is_not_touched() {
    let dir = tempfile::tempdir().expect("a directory");
    drop(open(dir.path()).expect("a store"));
    raw(dir.path()).pragma_update(None, "user_version", 99).expect("a future");
    let error = open(dir.path()).expect_err("newer");
    assert!(matches!(error, OpenError::Newer { found: 99, known: 4, .. }), "{error:?}");
    assert!(error.to_string().contains("format 99"), "{error}");
}

#[test]
fn foreign_files_are_not_touched() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("store.sqlite3");
    let text = "not a database, however long it may be. ".repeat(100);
    std::fs::write(&file, &text).expect("a text file");
    assert!(matches!(open(dir.path()), Err(OpenError::Foreign { .. })));
    assert_eq!(std::fs::read_to_string(&file).expect("the text"), text);
    std::fs::remove_file(&file).expect("removed");
    raw(dir.path()).execute_batch("CREATE TABLE theirs (x)").expect("another program's table");
    assert!(matches!(open(dir.path()), Err(OpenError::Foreign { .. })));
}

#[test]
fn damage_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    drop(open(dir.path()).expect("a store"));
    let file = dir.path().join("store.sqlite3");
    let mut bytes = std::fs::read(&file).expect("the file");
    // The header stays; the schema behind it goes.
    bytes[100..4096].fill(0xff);
    std::fs::write(&file, bytes).expect("written");
    let error = open(dir.path()).expect_err("damaged");
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error:?}");
}

#[test]
fn closing_finishes_what_was_taken_in() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path()).expect("a store");
    let log = path("log");
    run(async {
        store.commit(Batch::of(create(&log))).await.expect("a stream");
        let mut commits: Vec<_> = (0..100).map(|_| store.commit(Batch::of(append(&log, "x")))).collect();
        // Polled once: they are in the queue.
        let early: Vec<_> = commits.iter_mut().map(FutureExt::now_or_never).collect();
        store.close();
        for (commit, early) in commits.into_iter().zip(early) {
            let result = match early {
                Some(result) => result,
                None => commit.await,
            };
            result.expect("taken in, so finished");
        }
        let late = store.commit(Batch::of(append(&log, "x"))).await;
        assert!(matches!(late, Err(CommitError::Broken { .. })), "{late:?}");
        assert!(matches!(store.head(&log).await, Err(ReadError::Broken { .. })));
        let again = open(dir.path()).expect("the store again");
        assert_eq!(again.read(all(&log)).await.expect("a page").messages.len(), 100);
    });
}

#[test]
fn a_dropped_commit_happens_whole_or_not_at_all() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path()).expect("a store");
    let log = path("log");
    run(async {
        store.commit(Batch::of(create(&log))).await.expect("a stream");
        for number in 0..50 {
            let mut commit = store.commit(Batch::of(append(&log, "x")).and(Put::set(format!("key/{number}"), "")));
            if number % 2 == 0 {
                drop((&mut commit).now_or_never());
            }
            drop(commit);
        }
        // Behind everything that is in the queue.
        store.commit(Batch::new()).await.expect("a commit");
        let messages = store.read(all(&log)).await.expect("a page").messages.len();
        let scan = store::Scan { prefix: "key/".to_owned(), after: None, direction: Direction::Forwards, limit: 1000 };
        assert_eq!(store.scan(scan).await.expect("a scan").len(), messages);
        assert_eq!(messages, 25, "those that were polled had room in the queue");
    });
}

/// Makes a file system of 4 MiB in a mount namespace of its own, which ends with the child, and runs [`full_disk`] there.
#[cfg(target_os = "linux")]
#[test]
#[expect(clippy::disallowed_methods, reason = "the child is this test itself, and waited for")]
fn a_full_disk_refuses_and_passes() {
    const SCRIPT: &str = r#"mount -t tmpfs -o size=4m tmpfs "$0" || exit 77; exec "$1" --exact full_disk --nocapture"#;
    let dir = tempfile::tempdir().expect("a directory");
    let output = std::process::Command::new("unshare")
        .args(["--map-root-user", "--mount", "--", "sh", "-c", SCRIPT])
        .arg(dir.path())
        .arg(std::env::current_exe().expect("this binary"))
        .env(FULL_DISK, dir.path())
        .output();
    // Some machines give no namespaces; the unit test with a bounded page count runs there all the same.
    let Ok(output) = output else { return };
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let refused = output.status.code() == Some(77) || text.contains("unshare failed");
    assert!(refused || output.status.success(), "{text}");
    assert!(refused || text.contains("1 passed"), "{text}");
}

const FULL_DISK: &str = "STORE_FULL_DISK";

/// Not a test of its own: does nothing unless the one above has started it.
#[test]
#[expect(clippy::disallowed_methods, reason = "the parent tells its child the directory")]
fn full_disk() {
    let Some(dir) = std::env::var_os(FULL_DISK) else { return };
    let dir = Path::new(&dir);
    let store = open(&dir.join("store")).expect("a store");
    let log = path("log");
    let ballast = dir.join("ballast");
    run(async {
        store.commit(Batch::of(create(&log))).await.expect("a stream");
        let mut acked = 0;
        let error = loop {
            match store.commit(Batch::of(append(&log, vec![b'x'; 50_000])).and(Put::set("count", vec![acked]))).await {
                Ok(_) => acked += 1,
                Err(error) => break error,
            }
            assert!(acked < 200, "4 MiB cannot hold this");
            if acked == 20 {
                // As much as fits.
                drop(std::fs::write(&ballast, vec![0; 4 << 20]));
            }
        };
        assert!(matches!(error, CommitError::Full { .. }), "{error:?}");
        assert_eq!(store.read(all(&log)).await.expect("a page").messages.len(), usize::from(acked));
        assert_eq!(store.get("count").await.expect("a read").expect("an entry").version, u64::from(acked));
        std::fs::remove_file(&ballast).expect("room again");
        let tail = store.head(&log).await.expect("a read").expect("a head").tail;
        let done =
            store.commit(Batch::of(Append { expected: Some(tail), ..append(&log, "y") })).await.expect("it passes");
        assert_eq!(done, [Done::Appended(tail.plus(1))]);
    });
}
