//! A store that is opened again after every change, so that nothing can live in memory alone: after an orderly end, or as a crash
//! leaves it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use protocol::path::StreamPath;
use store::{Batch, CommitError, Cut, Done, Entry, Head, Later, Page, Read, ReadError, Scan, Store};
use tokio::sync::Mutex;

/// Opens a store in a directory; dropping it is its orderly end.
type Open = fn(&Path) -> Box<dyn Store>;

pub(crate) struct Reopening {
    dir: PathBuf,
    open: Open,
    /// Whether it is not closed, but a copy of its files opened: what the disk holds when the process dies.
    crashes: bool,
    /// The store, and the number of the copy.
    store: Mutex<(Option<Box<dyn Store>>, u64)>,
}

impl Reopening {
    pub(crate) fn new(dir: &Path, open: Open, crashes: bool) -> Self {
        let store = open(&dir.join("0"));
        Self { dir: dir.to_owned(), open, crashes, store: Mutex::new((Some(store), 0)) }
    }

    fn reopen(&self, (store, number): &mut (Option<Box<dyn Store>>, u64)) {
        let here = self.dir.join(number.to_string());
        if !self.crashes {
            drop(store.take());
            *store = Some((self.open)(&here));
            return;
        }
        *number += 1;
        let copy = self.dir.join(number.to_string());
        copy_all(&here, &copy);
        *store = Some((self.open)(&copy));
        fs::remove_dir_all(here).expect("removed");
    }
}

/// Copies a directory as a crash leaves it.
pub(crate) fn copy_all(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a directory");
    for file in from.read_dir().expect("a listing") {
        let (path, name) = file.map(|file| (file.path(), file.file_name())).expect("a file");
        if path.is_dir() {
            copy_all(&path, &to.join(name));
        // An index of the log, which does not survive.
        } else if name != "store.sqlite3-shm" {
            copy(&path, &to.join(name));
        }
    }
}

fn copy(from: &Path, to: &Path) {
    write(to, &fs::read(from).expect("a file"));
}

/// Writes a file. One that was given its length ahead is mostly zeros, which need not be written.
pub(crate) fn write(to: &Path, bytes: &[u8]) {
    // Compared in pieces, which is quick in a debug build too.
    const ZEROS: [u8; 4096] = [0; 4096];
    let pieces = bytes.chunks(ZEROS.len());
    let last = pieces.enumerate().rfind(|(_, piece)| **piece != ZEROS[..piece.len()]);
    let end = last.map_or(0, |(at, piece)| at * ZEROS.len() + piece.len());
    fs::write(to, &bytes[..end]).expect("written");
    let file = fs::OpenOptions::new().write(true).open(to).expect("the file");
    file.set_len(bytes.len() as u64).expect("its length");
}

impl fmt::Debug for Reopening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reopening").finish_non_exhaustive()
    }
}

fn there(store: &(Option<Box<dyn Store>>, u64)) -> &dyn Store {
    store.0.as_deref().expect("open between two calls")
}

impl Store for Reopening {
    fn commit(&self, batch: Batch) -> Later<'_, Result<Vec<Done>, CommitError>> {
        Box::pin(async move {
            let mut store = self.store.lock().await;
            let result = there(&store).commit(batch).await;
            self.reopen(&mut store);
            result
        })
    }

    fn read(&self, read: Read) -> Later<'_, Result<Page, ReadError>> {
        Box::pin(async move { there(&*self.store.lock().await).read(read).await })
    }

    fn head<'a>(&'a self, stream: &'a StreamPath) -> Later<'a, Result<Option<Head>, ReadError>> {
        Box::pin(async move { there(&*self.store.lock().await).head(stream).await })
    }

    fn get<'a>(&'a self, key: &'a str) -> Later<'a, Result<Option<Entry>, ReadError>> {
        Box::pin(async move { there(&*self.store.lock().await).get(key).await })
    }

    fn scan(&self, scan: Scan) -> Later<'_, Result<Vec<Entry>, ReadError>> {
        Box::pin(async move { there(&*self.store.lock().await).scan(scan).await })
    }

    fn trim<'a>(&'a self, stream: &'a StreamPath, cut: Cut) -> Later<'a, Result<(), CommitError>> {
        Box::pin(async move {
            let mut store = self.store.lock().await;
            let result = there(&store).trim(stream, cut).await;
            self.reopen(&mut store);
            result
        })
    }
}
