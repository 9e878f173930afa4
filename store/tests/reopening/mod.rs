//! A store that is closed and opened again after every change, so that nothing can live in memory alone.

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
    store: Mutex<SqliteStore>,
}

impl Reopening {
    pub(crate) fn new(dir: &Path, clock: Arc<dyn Clock>) -> Self {
        let store = Mutex::new(SqliteStore::open(dir, Arc::clone(&clock)).expect("a store"));
        Self { dir: dir.to_owned(), clock, store }
    }

    fn reopen(&self, store: &mut SqliteStore) {
        store.close();
        *store = SqliteStore::open(&self.dir, Arc::clone(&self.clock)).expect("the store again");
    }
}

impl Store for Reopening {
    fn commit(&self, batch: Batch) -> Later<'_, Result<Vec<Done>, CommitError>> {
        Box::pin(async move {
            let mut store = self.store.lock().await;
            let result = store.commit(batch).await;
            self.reopen(&mut store);
            result
        })
    }

    fn read(&self, read: Read) -> Later<'_, Result<Page, ReadError>> {
        Box::pin(async move { self.store.lock().await.read(read).await })
    }

    fn head<'a>(&'a self, stream: &'a StreamPath) -> Later<'a, Result<Option<Head>, ReadError>> {
        Box::pin(async move { self.store.lock().await.head(stream).await })
    }

    fn get<'a>(&'a self, key: &'a str) -> Later<'a, Result<Option<Entry>, ReadError>> {
        Box::pin(async move { self.store.lock().await.get(key).await })
    }

    fn scan(&self, scan: Scan) -> Later<'_, Result<Vec<Entry>, ReadError>> {
        Box::pin(async move { self.store.lock().await.scan(scan).await })
    }

    fn trim<'a>(&'a self, stream: &'a StreamPath, cut: Cut) -> Later<'a, Result<(), CommitError>> {
        Box::pin(async move {
            let mut store = self.store.lock().await;
            let result = store.trim(stream, cut).await;
            self.reopen(&mut store);
            result
        })
    }
}
