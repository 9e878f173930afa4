//! Every store of this crate under the contract.

mod reopening;

use std::path::Path;
use std::sync::Arc;

use protocol::time::UnixMs;
use store::contract::TestClock;
use store::{Faulty, FjallStore, MemoryStore, SqliteStore, Store};

use reopening::Reopening;

fn clock() -> Arc<TestClock> {
    Arc::new(TestClock::at(UnixMs(1_700_000_000_000)))
}

fn sqlite(dir: &Path) -> Box<dyn Store> {
    Box::new(SqliteStore::open(dir, clock()).expect("a store"))
}

fn fjall(dir: &Path) -> Box<dyn Store> {
    Box::new(FjallStore::open(dir, clock()).expect("a store"))
}

store::contract!(memory, (MemoryStore::new(clock()), ()));

store::contract!(faulty_without_faults, (Faulty::new(MemoryStore::new(clock())), ()));

store::contract!(sqlite_open, {
    let dir = tempfile::tempdir().expect("a directory");
    (SqliteStore::open(dir.path(), clock()).expect("a store"), dir)
});

// What is on disk alone must be enough: the store is opened anew after every commit.
store::contract!(sqlite_after_reopen, {
    let dir = tempfile::tempdir().expect("a directory");
    (Reopening::new(dir.path(), sqlite, false), dir)
});

// And what is there when the process dies right after it was told so.
store::contract!(sqlite_after_crash, {
    let dir = tempfile::tempdir().expect("a directory");
    (Reopening::new(dir.path(), sqlite, true), dir)
});

// The candidate that was measured beside it.
store::contract!(fjall_open, {
    let dir = tempfile::tempdir().expect("a directory");
    (FjallStore::open(dir.path(), clock()).expect("a store"), dir)
});

store::contract!(fjall_after_reopen, {
    let dir = tempfile::tempdir().expect("a directory");
    (Reopening::new(dir.path(), fjall, false), dir)
});

store::contract!(fjall_after_crash, {
    let dir = tempfile::tempdir().expect("a directory");
    (Reopening::new(dir.path(), fjall, true), dir)
});
