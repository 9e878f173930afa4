//! A store that is opened again after every change, so that nothing can live in memory alone: after an orderly end, or as a crash
//! leaves it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::path::StreamPath;
use protocol::time::Clock;
use store::{Batch, CommitError, Cut, Done, Entry, Head, Later, Page, Read, ReadError, Scan, SqliteStore, Store};
use tokio::sync::Mutex;

#[derive(Debug)]
pub(crate) struct Reopening {
    dir: PathBuf,
    clock: Arc<dyn Clock>,
    /// Whether it is not closed, but a copy of its files opened: what the disk holds when the process dies.
    crashes: bool,
    /// The store, and the number of the copy.
    store: Mutex<(SqliteStore, u64)>,
}

impl Reopening {
    pub(crate) fn new(dir: &Path, clock: Arc<dyn Clock>, crashes: bool) -> Self {
        let store = SqliteStore::open(dir.join("0"), Arc::clone(&clock)).expect("a store");
        Self { dir: dir.to_owned(), clock, crashes, store: Mutex::new((store, 0)) }
    }

    fn reopen(&self, (store, number): &mut (SqliteStore, u64)) {
        let here = self.dir.join(number.to_string());
        if !self.crashes {
            store.close();
            *store = SqliteStore::open(&here, Arc::clone(&self.clock)).expect("the store again");
            return;
        }
        *number += 1;
        let copy = self.dir.join(number.to_string());
        std::fs::create_dir(&copy).expect("a directory");
        for file in here.read_dir().expect("a listing") {
            let file = file.expect("a file");
            // An index of the log, which does not survive.
            if file.file_name() != "store.sqlite3-shm" {
                std::fs::copy(file.path(), copy.join(file.file_name())).expect("a copy");
            }
        }
        *store = SqliteStore::open(&copy, Arc::clone(&self.clock)).expect("the store again");
        std::fs::remove_dir_all(here).expect("removed");
    }
}

impl Store for Reopening {
    fn commit(&self, batch: Batch) -> Later<'_, Result<Vec<Done>, CommitError>> {
        Box::pin(async move {
            let mut store = self.store.lock().await;
            let result = store.0.commit(batch).await;
            self.reopen(&mut store);
            result
        })
    }

    fn read(&self, read: Read) -> Later<'_, Result<Page, ReadError>> {
        Box::pin(async move { self.store.lock().await.0.read(read).await })
    }

    fn head<'a>(&'a self, stream: &'a StreamPath) -> Later<'a, Result<Option<Head>, ReadError>> {
        Box::pin(async move { self.store.lock().await.0.head(stream).await })
    }

    fn get<'a>(&'a self, key: &'a str) -> Later<'a, Result<Option<Entry>, ReadError>> {
        Box::pin(async move { self.store.lock().await.0.get(key).await })
    }

    fn scan(&self, scan: Scan) -> Later<'_, Result<Vec<Entry>, ReadError>> {
        Box::pin(async move { self.store.lock().await.0.scan(scan).await })
    }

    fn trim<'a>(&'a self, stream: &'a StreamPath, cut: Cut) -> Later<'a, Result<(), CommitError>> {
        Box::pin(async move {
            let mut store = self.store.lock().await;
            let result = store.0.trim(stream, cut).await;
            self.reopen(&mut store);
            result
        })
    }
}
