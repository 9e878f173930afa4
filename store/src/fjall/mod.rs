//! A candidate for the embedded store, on fjall: log-structured merge trees behind one journal. It is here to be measured and tried under
//! the same contract and crashes as the store that ships (`docs/adr/0007-sqlite-stays.md`), and is in no release.
//!
//! Of its shape: one writer thread that commits in groups, as SQLite's does, and a few threads that read, since a read may wait for the disk.

mod ledger;
mod reader;
mod shape;
mod tables;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use protocol::path::StreamPath;
use protocol::time::Clock;
use tokio::sync::oneshot;

use self::ledger::Ledger;
use self::tables::Tables;
use crate::port::{Batch, CommitError, Cut, Done, Entry, Head, Later, Page, Read, ReadError, Scan, Store};
use crate::sqlite::queue::Queue;
use crate::sqlite::{Answer, Request, Work};

/// As many as the SQLite store has, so that the two can be compared.
const READERS: usize = 4;
/// Weight of batches that wait, in KiB, as the SQLite store has it.
const WRITE_QUEUE: u32 = 32 * 1024;
/// Reads that wait.
const READ_QUEUE: u32 = 1024;

/// The directory does not open.
#[derive(Debug, thiserror::Error)]
pub enum FjallError {
    /// The engine refused.
    #[error("cannot open the store in {}: {reason}", dir.display())]
    Engine {
        /// The directory.
        dir: PathBuf,
        /// What the engine said.
        reason: String,
    },
    /// The system gave no thread.
    #[error("cannot start a thread of the store")]
    Thread(#[source] std::io::Error),
}

/// A durable store in one directory, for measurements.
///
/// `commit` answers after `fdatasync` of the journal. Unlike what the port asks for, a full disk breaks it until it is opened again: the
/// engine takes any failed write for the end.
pub struct FjallStore {
    writes: Arc<Queue<Request>>,
    reads: Arc<Queue<reader::Job>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl FjallStore {
    /// Opens the store in a directory, which is made if it is missing. Blocks on the disk.
    ///
    /// # Errors
    /// [`FjallError`].
    pub fn open(dir: impl AsRef<Path>, clock: Arc<dyn Clock>) -> Result<Self, FjallError> {
        let dir = dir.as_ref();
        let refused = |error: ::fjall::Error| FjallError::Engine { dir: dir.to_owned(), reason: error.to_string() };
        let tables = Tables::open(dir).map_err(refused)?;
        let mut ledger = Ledger::new(tables.clone(), clock).map_err(refused)?;
        let (writes, reads) = (Arc::new(Queue::new(WRITE_QUEUE)), Arc::new(Queue::new(READ_QUEUE)));
        // From here on a failure drops the store, which ends the threads that were started.
        let store = Self { writes: Arc::clone(&writes), reads: Arc::clone(&reads), threads: Mutex::default() };
        for _ in 0..READERS {
            let (tables, reads) = (tables.clone(), Arc::clone(&reads));
            store.start("fjall-reader", move || reader::run(&tables, &reads))?;
        }
        store.start("fjall-writer", move || ledger.run(&writes))?;
        Ok(store)
    }

    /// Finishes the batches already taken in, ends the threads and frees the directory. Blocks; later calls fail or do nothing.
    pub fn close(&self) {
        self.writes.close();
        self.reads.close();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the store panicked");
            }
        }
    }

    fn start(&self, name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), FjallError> {
        let thread = thread::Builder::new().name(name.to_owned()).spawn(body).map_err(FjallError::Thread)?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }

    async fn write(&self, work: Work) -> Answer {
        let gone = || CommitError::Broken { reason: "the store is closed".to_owned() };
        let (reply, answer) = oneshot::channel();
        let weight = work.weight();
        self.writes.push(Request { work, reply }, weight).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    async fn look<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Tables) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let gone = || ReadError::Broken { reason: "the store is closed".to_owned() };
        let (reply, answer) = oneshot::channel();
        let job: reader::Job = Box::new(move |tables| {
            if !reply.is_closed() {
                drop(reply.send(job(tables)));
            }
        });
        self.reads.push(job, 1).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl fmt::Debug for FjallStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FjallStore").finish_non_exhaustive()
    }
}

impl Drop for FjallStore {
    fn drop(&mut self) {
        self.close();
    }
}

impl Store for FjallStore {
    fn commit(&self, batch: Batch) -> Later<'_, Result<Vec<Done>, CommitError>> {
        Box::pin(self.write(Work::Commit(batch)))
    }

    fn read(&self, read: Read) -> Later<'_, Result<Page, ReadError>> {
        Box::pin(self.look(move |tables| reader::read(tables, &read)))
    }

    fn head<'a>(&'a self, stream: &'a StreamPath) -> Later<'a, Result<Option<Head>, ReadError>> {
        let stream = stream.clone();
        Box::pin(self.look(move |tables| reader::head(tables, &stream)))
    }

    fn get<'a>(&'a self, key: &'a str) -> Later<'a, Result<Option<Entry>, ReadError>> {
        let key = key.to_owned();
        Box::pin(self.look(move |tables| reader::get(tables, &key)))
    }

    fn scan(&self, scan: Scan) -> Later<'_, Result<Vec<Entry>, ReadError>> {
        Box::pin(self.look(move |tables| reader::scan(tables, &scan)))
    }

    fn trim<'a>(&'a self, stream: &'a StreamPath, cut: Cut) -> Later<'a, Result<(), CommitError>> {
        Box::pin(async move { self.write(Work::Trim(stream.clone(), cut)).await.map(|_| ()) })
    }
}
