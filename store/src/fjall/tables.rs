//! The trees, and what their keys are.

use std::fs::{self, File};
use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions};

/// Which tree. The order is that of [`Tables::trees`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Table {
    /// `path` → the record of a stream, or its tombstone.
    Streams,
    /// `row, first byte` → a message.
    Messages,
    /// `row, id` → how far a producer is.
    Producers,
    /// `k, key` → version and value of an entry.
    Entries,
    /// `k, key` → the last version of an entry that was removed.
    Removed,
    /// What belongs to none of them: [`NEXT_ROW`].
    Meta,
}

const NAMES: [&str; 6] = ["streams", "messages", "producers", "entries", "removed", "meta"];
/// The number that the next new path gets.
pub(super) const NEXT_ROW: &[u8] = b"next row";

/// An open directory; clones share it.
#[derive(Clone)]
pub(super) struct Tables {
    pub(super) database: Database,
    trees: Vec<Keyspace>,
}

impl Tables {
    /// Opens what is in a directory. It is made aside and put in place when it is whole: one whose making was cut off by the death of the
    /// process does not open again.
    pub(super) fn open(dir: &Path) -> fjall::Result<Self> {
        let (home, draft) = (dir.join("data"), dir.join("draft"));
        if !home.try_exists()? {
            if draft.try_exists()? {
                fs::remove_dir_all(&draft)?;
            }
            drop(Self::open_at(&draft)?);
            fs::rename(&draft, &home)?;
            File::open(dir)?.sync_all()?;
        }
        Self::open_at(&home)
    }

    /// With the engine's own settings: compression is off, since SQLite has none either.
    fn open_at(dir: &Path) -> fjall::Result<Self> {
        let database = Database::builder(dir).open()?;
        let tree = |name| database.keyspace(name, KeyspaceCreateOptions::default);
        let trees = NAMES.map(tree).into_iter().collect::<fjall::Result<Vec<_>>>()?;
        Ok(Self { database, trees })
    }

    pub(super) fn tree(&self, table: Table) -> &Keyspace {
        &self.trees[table as usize]
    }
}

/// The key of what belongs to a stream: sorted by stream, then by what follows.
pub(super) fn of_row(row: i64, rest: &[u8]) -> Vec<u8> {
    [&row.to_be_bytes(), rest].concat()
}

/// The key of the message that begins at a byte.
pub(super) fn message(row: i64, start: u64) -> Vec<u8> {
    of_row(row, &start.to_be_bytes())
}

/// Where the message of a key begins.
pub(super) fn start_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(8..16)?.try_into().ok()?))
}

/// The key of an entry; the engine takes no empty ones, and the map does.
pub(super) fn entry(key: &str) -> Vec<u8> {
    [b"k", key.as_bytes()].concat()
}
