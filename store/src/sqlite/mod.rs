//! The embedded store: SQLite with a write-ahead log, in front of it a file that takes in appends, one writer thread, a few reader threads.
//!
//! Threads stay at this edge. The bundled engine is never older than the one that fixed the log-reset fault (3.51.3), the file
//! is opened by one process only, and no other program's SQLite should touch it while it is open.

mod check;
mod intake;
mod ledger;
mod leftover;
mod open;
pub(crate) mod queue;
mod reader;
mod recent;
mod rows;
mod spare;
mod tables;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use protocol::path::StreamPath;
use protocol::time::Clock;
use rusqlite::Connection;
use tokio::sync::oneshot;

pub use self::check::{CheckError, Checkup, check};
use self::ledger::Ledger;
pub use self::open::{OpenError, Pages};
use self::queue::Queue;
use self::recent::Recent;
use self::spare::Spare;
use self::writer::Writer;
pub(crate) use self::writer::{Answer, Request, Work};
use crate::port::{Batch, CommitError, Cut, Done, Entry, Head, Later, Page, Read, ReadError, Scan, Store};

/// Threads that read. Reads are short and mostly from memory; more than the cores of a small machine gain nothing.
const READERS: usize = 4;
/// Weight of batches that wait, in KiB: 32 MiB, or 4096 small batches.
const WRITE_QUEUE: u32 = 32 * 1024;
/// Reads that wait.
const READ_QUEUE: u32 = 1024;

/// A durable store in one directory.
///
/// `commit` answers after `fsync`. A full disk is [`CommitError::Full`] and passes; any other failure of the disk is
/// [`CommitError::Broken`] for everything in flight and everything later, until the store is opened again.
///
/// Dropping it waits until the batches already taken in are on disk, at most 32 MiB of them, and the intake is in the tables.
pub struct SqliteStore {
    writes: Arc<Queue<Request>>,
    reads: Arc<Queue<reader::Job>>,
    recent: Arc<Recent>,
    spare: Arc<Spare>,
    // Taken out once, to join and to unlock.
    running: Mutex<Option<Running>>,
}

struct Running {
    // The writer last.
    threads: Vec<JoinHandle<()>>,
    // Dropped after the threads are joined: the directory is free when the connections are closed.
    claim: open::Claim,
}

impl SqliteStore {
    /// Opens the store in a directory, which is made if it is missing, and brings its format up to date. Blocks on the disk.
    ///
    /// # Errors
    /// [`OpenError`], with a [`hint`](OpenError::hint) for the person at the machine.
    pub fn open(dir: impl AsRef<Path>, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        Self::open_with(dir, clock, Pages::Small)
    }

    /// Opens the store as [`open`](Self::open) does; one that is made gets pages of this size, one that is there keeps those that it has.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(dir: impl AsRef<Path>, clock: Arc<dyn Clock>, pages: Pages) -> Result<Self, OpenError> {
        let dir = dir.as_ref();
        let claim = open::claim(dir)?;
        let connection = open::writer(dir, &claim.file, clock.now(), pages)?;
        let (intake, left) = open::intake(dir, &claim.file, &connection)?;
        let recent = Arc::<Recent>::default();
        let ledger = Ledger::new(connection, intake, left, Arc::clone(&recent))
            .map_err(|source| open::explain(&claim.file, source))?;
        let readers = (0..READERS).map(|_| open::reader(&claim.file)).collect::<Result<Vec<_>, _>>()?;
        let writes = Arc::new(Queue::new(WRITE_QUEUE));
        let reads = Arc::new(Queue::new(READ_QUEUE));
        let running = Running { threads: Vec::with_capacity(READERS + 1), claim };
        // From here on a failure drops the store, which ends the threads that were started.
        let store = Self {
            writes: Arc::clone(&writes),
            reads: Arc::clone(&reads),
            recent,
            spare: Arc::default(),
            running: Mutex::new(Some(running)),
        };
        for connection in readers {
            let reads = Arc::clone(&reads);
            store.start("store-reader", move || reader::run(&connection, &reads))?;
        }
        let thread = Writer::new(ledger, clock);
        store.start("store-writer", move || thread.run(&writes))?;
        Ok(store)
    }

    /// Finishes the batches already taken in, ends the threads and frees the directory. Blocks; later calls fail or do nothing.
    pub fn close(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Running { mut threads, claim }) = running else { return };
        let join = |thread: JoinHandle<()>| {
            if thread.join().is_err() {
                tracing::error!("a thread of the store panicked");
            }
        };
        let writer = threads.pop();
        self.recent.close();
        self.reads.close();
        threads.into_iter().for_each(join);
        // Last, because only a connection that may write leaves a database without a log behind.
        self.writes.close();
        writer.into_iter().for_each(join);
        drop(claim);
    }

    fn start(&self, name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), OpenError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(running) = running.as_mut() else { return Ok(()) };
        let started = thread::Builder::new().name(name.to_owned()).spawn(body);
        let io = |source| OpenError::Io { path: running.claim.file.clone(), source };
        let thread = started.map_err(io)?;
        running.threads.push(thread);
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
        job: impl FnOnce(&Connection) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let gone = || ReadError::Broken { reason: "the store is closed".to_owned() };
        let (reply, answer) = oneshot::channel();
        let job: reader::Job = Box::new(move |connection| {
            // A reader that has gone away needs no disk.
            if !reply.is_closed() {
                drop(reply.send(job(connection)));
            }
        });
        self.reads.push(job, 1).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.close();
    }
}

impl Store for SqliteStore {
    fn commit(&self, batch: Batch) -> Later<'_, Result<Vec<Done>, CommitError>> {
        Box::pin(self.write(Work::Commit(batch)))
    }

    fn read(&self, read: Read) -> Later<'_, Result<Page, ReadError>> {
        let (recent, spare) = (Arc::clone(&self.recent), Arc::clone(&self.spare));
        Box::pin(self.look(move |connection| reader::read(connection, &recent, &spare, &read)))
    }

    fn head<'a>(&'a self, stream: &'a StreamPath) -> Later<'a, Result<Option<Head>, ReadError>> {
        if let Some(head) = self.recent.head(stream) {
            return Box::pin(std::future::ready(Ok(Some(head))));
        }
        let (recent, stream) = (Arc::clone(&self.recent), stream.clone());
        Box::pin(self.look(move |connection| reader::head(connection, &recent, &stream)))
    }

    fn get<'a>(&'a self, key: &'a str) -> Later<'a, Result<Option<Entry>, ReadError>> {
        let key = key.to_owned();
        Box::pin(self.look(move |connection| reader::get(connection, &key)))
    }

    fn scan(&self, scan: Scan) -> Later<'_, Result<Vec<Entry>, ReadError>> {
        Box::pin(self.look(move |connection| reader::scan(connection, &scan)))
    }

    fn trim<'a>(&'a self, stream: &'a StreamPath, cut: Cut) -> Later<'a, Result<(), CommitError>> {
        Box::pin(async move { self.write(Work::Trim(stream.clone(), cut)).await.map(|_| ()) })
    }
}
