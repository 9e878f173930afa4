//! From a directory to an open database of a format that this program knows, held by nobody else.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use protocol::time::UnixMs;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::intake::{Growth, Intake};
use super::tables;

/// "Towl": in the header of every database of ours, so that no other file is taken for one.
const APPLICATION_ID: i32 = 0x546f_776c;
pub(super) const DATABASE: &str = "store.sqlite3";
const LOCK: &str = "store.lock";

/// How large the pages of a new database are. Not part of the format: any size can be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pages {
    /// 4 KiB: small transactions write little. For a hub.
    Small,
    /// 16 KiB: what was written long ago is read with a quarter of the calls. For a server of streams, whose appends rarely get to the
    /// tables one by one.
    Large,
}

impl Pages {
    fn bytes(self) -> u32 {
        match self {
            Self::Small => 4 * 1024,
            Self::Large => 16 * 1024,
        }
    }
}

/// The format, as the steps that lead to it. Only ever added to: a step that was released is never edited.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_log_and_map.sql"),
    include_str!("migrations/0002_forks_and_holes.sql"),
    include_str!("migrations/0003_rows_and_intake.sql"),
    include_str!("migrations/0004_leftovers.sql"),
];

/// The store did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the directory open.
    #[error("the store in {} is in use by another process", dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// A newer program has written the format.
    #[error("the store in {} has format {found}; this program knows {known}", dir.display())]
    Newer {
        /// The directory.
        dir: PathBuf,
        /// The format found.
        found: i64,
        /// The newest known here.
        known: i64,
    },
    /// The file is not one of ours.
    #[error("{} is not a store", file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
    },
    /// The file is ours and damaged.
    #[error("the store {} is damaged: {reason}", file.display())]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// What the engine said.
        reason: String,
    },
    /// The engine failed otherwise.
    #[error("cannot open the store {}", file.display())]
    Engine {
        /// The file.
        file: PathBuf,
        /// What the engine said.
        source: rusqlite::Error,
    },
    /// The file system or the operating system refused.
    #[error("cannot open {}", path.display())]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

impl OpenError {
    /// What the person at the machine can do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::InUse { .. } => "Stop the other process, or choose another data directory.",
            Self::Newer { .. } => "Update this program; a store never goes back to an older format.",
            Self::Foreign { .. } => "Choose another data directory, or move the file away.",
            Self::Corrupt { .. } => "Check the disk and restore the data directory from a backup.",
            Self::Engine { .. } | Self::Io { .. } => "Check that the directory exists, is writable, and has room.",
        }
    }
}

/// The file of the database in a directory and the lock that keeps others out while it lives.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) file: PathBuf,
    // Released when closed; never removed, since a removed lock file can be locked twice.
    _lock: File,
}

/// Makes the directory, locks it, and makes the file, readable by the owner alone.
pub(super) fn claim(dir: &Path) -> Result<Claim, OpenError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::Io { path, source }
    };
    make_dir(dir).map_err(io(dir))?;
    let lock_file = dir.join(LOCK);
    let lock = private(&lock_file).map_err(io(&lock_file))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { dir: dir.to_owned() }),
        Err(TryLockError::Error(source)) => return Err(OpenError::Io { path: lock_file, source }),
    }
    let file = dir.join(DATABASE);
    private(&file).map_err(io(&file))?;
    sync_dir(dir).map_err(io(dir))?;
    Ok(Claim { file, _lock: lock })
}

#[cfg(unix)]
fn make_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

#[cfg(not(unix))]
fn make_dir(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)
}

pub(super) fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

/// The names of new files are data too.
#[cfg(unix)]
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(not(unix))]
pub(super) fn sync_dir(_dir: &Path) -> io::Result<()> {
    Ok(())
}

/// Opens the one connection that writes, and brings the format up to date.
pub(super) fn writer(dir: &Path, file: &Path, now: UnixMs, pages: Pages) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let explain = |source| explain(file, source);
    let mut connection = Connection::open_with_flags(file, flags).map_err(explain)?;
    // Before any write: what is this file?
    let found = format(dir, file, &connection)?;
    if found == 0 {
        // Takes effect with the first page that is written.
        connection.pragma_update(None, "page_size", pages.bytes()).map_err(explain)?;
    }
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(explain)?;
    if mode != "wal" {
        // Network file systems, mostly. Without the log, readers would wait for writers.
        let source = io::Error::new(io::ErrorKind::Unsupported, "the file system cannot hold a write-ahead log");
        return Err(OpenError::Io { path: file.to_owned(), source });
    }
    connection
        .execute_batch(
            "PRAGMA busy_timeout = 1000;
             PRAGMA synchronous = FULL;
             PRAGMA fullfsync = ON;
             PRAGMA checkpoint_fullfsync = ON;
             PRAGMA wal_autocheckpoint = 0;
             PRAGMA journal_size_limit = 67108864;
             PRAGMA mmap_size = 0;
             PRAGMA cache_size = -32768;
             PRAGMA temp_store = MEMORY;
             PRAGMA trusted_schema = OFF;
             PRAGMA cell_size_check = ON;",
        )
        .map_err(explain)?;
    migrate(&mut connection, found, now).map_err(explain)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Opens the intake, and hands out what the tables do not have.
pub(super) fn intake(dir: &Path, file: &Path, connection: &Connection) -> Result<(Intake, Vec<Growth>), OpenError> {
    let generation = tables::generation(connection).map_err(|source| explain(file, source))?;
    Intake::open(dir, generation).map_err(|source| OpenError::Io { path: dir.to_owned(), source })
}

/// Opens one connection that only reads.
pub(super) fn reader(file: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(file, flags)?;
        connection.execute_batch(
            "PRAGMA busy_timeout = 1000;
             PRAGMA mmap_size = 0;
             PRAGMA cache_size = -8192;
             PRAGMA trusted_schema = OFF;",
        )?;
        Ok(connection)
    };
    open().map_err(|source| explain(file, source))
}

/// How many migrations the file has seen; 0 for an empty file.
pub(super) fn format(dir: &Path, file: &Path, connection: &Connection) -> Result<usize, OpenError> {
    let explain = |source| explain(file, source);
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(explain);
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(explain)?;
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    let empty = tables == 0 && application == 0 && version == 0;
    if empty {
        return Ok(0);
    }
    if application != i64::from(APPLICATION_ID) {
        return Err(OpenError::Foreign { file: file.to_owned() });
    }
    let known = MIGRATIONS.len();
    match usize::try_from(version) {
        Ok(found) if (1..=known).contains(&found) => Ok(found),
        Ok(found) if found > known => {
            let known = i64::try_from(known).unwrap_or(i64::MAX);
            Err(OpenError::Newer { dir: dir.to_owned(), found: version, known })
        }
        _ => Err(OpenError::Corrupt { file: file.to_owned(), reason: format!("it names format {version}") }),
    }
}

fn migrate(connection: &mut Connection, found: usize, now: UnixMs) -> rusqlite::Result<()> {
    for (index, step) in MIGRATIONS.iter().enumerate().skip(found) {
        let number = index + 1;
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", i64::try_from(number).unwrap_or(i64::MAX))?;
        transaction.execute(
            "INSERT INTO migration (number, applied_at_ms) VALUES (?1, ?2)",
            (i64::try_from(number).unwrap_or(i64::MAX), now.0.cast_signed()),
        )?;
        transaction.commit()?;
    }
    Ok(())
}

pub(super) fn explain(file: &Path, source: rusqlite::Error) -> OpenError {
    let file = file.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::Foreign { file },
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Corrupt { file, reason: source.to_string() },
        _ => OpenError::Engine { file, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FNV-1a, to notice an edit.
    fn digest(text: &str) -> u64 {
        text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }

    #[test]
    fn released_migrations_are_never_edited() {
        // One line is added per migration; a line that has to change is a migration that was edited.
        let released: &[u64] = &[
            6_856_155_877_415_174_120,
            5_979_045_219_101_171_493,
            16_293_891_479_126_829_748,
            1_474_950_151_051_507_138,
        ];
        let found: Vec<_> = MIGRATIONS.iter().map(|step| digest(step)).collect();
        assert_eq!(found, released);
    }

    #[test]
    fn the_bundled_engine_has_the_wal_reset_fix() {
        // Two connections that write or checkpoint at once could corrupt the database before 3.51.3.
        assert!(rusqlite::version_number() >= 3_051_003, "SQLite {}", rusqlite::version());
    }

    #[test]
    fn pages_are_as_large_as_they_were_made() {
        let dir = tempfile::tempdir().expect("a directory");
        let claim = claim(dir.path()).expect("a directory");
        for asked in [Pages::Large, Pages::Small] {
            let connection = writer(dir.path(), &claim.file, UnixMs(1), asked).expect("a database");
            let found: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0)).expect("a size");
            assert_eq!(found, Pages::Large.bytes(), "{asked:?}");
        }
    }

    #[test]
    fn every_format_opens_into_the_newest() {
        for from in 0..MIGRATIONS.len() {
            let dir = tempfile::tempdir().expect("a directory");
            let file = dir.path().join(DATABASE);
            let mut connection = Connection::open(&file).expect("a file");
            for (index, step) in MIGRATIONS.iter().take(from).enumerate() {
                connection.execute_batch(step).expect("an old step");
                connection.pragma_update(None, "application_id", APPLICATION_ID).expect("the id");
                connection
                    .pragma_update(None, "user_version", i64::try_from(index + 1).expect("small"))
                    .expect("the number");
            }
            migrate(&mut connection, from, UnixMs(1)).expect("the rest");
            let newest: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a number");
            assert_eq!(usize::try_from(newest), Ok(MIGRATIONS.len()));
        }
    }
}
