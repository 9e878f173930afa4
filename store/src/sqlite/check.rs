//! A look at a store from outside, beside whoever has it open: is it ours, of which format, and whole.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use rusqlite::ErrorCode;

use super::intake;
use super::open::{self, OpenError};

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkup {
    /// The file.
    pub file: PathBuf,
    /// How many bytes it has, with what lies beside it.
    pub bytes: u64,
    /// Its format.
    pub format: usize,
    /// Whether all of it could be looked at in the time there was.
    pub finished: bool,
}

/// A store cannot be looked at, or is not well.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// It does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It opens, and is damaged.
    #[error("the store {} is damaged: {reason}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The first thing that the engine found.
        reason: String,
    },
}

impl CheckError {
    /// What the person at the machine can do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Open(error) => error.hint(),
            Self::Damaged { .. } => "Stop Towline, check the disk, and restore the data directory from a backup.",
        }
    }
}

/// Looks at the store in a directory for at most so long; `None` when there is none. Blocks; nothing is written or locked.
///
/// # Errors
/// [`CheckError`].
pub fn check(dir: &Path, limit: Duration) -> Result<Option<Checkup>, CheckError> {
    let file = dir.join(open::DATABASE);
    let bytes = match std::fs::metadata(&file) {
        // What is not in the file yet is in those beside it.
        Ok(found) => {
            let beside = [format!("{}-wal", open::DATABASE), intake::FILE.to_owned()];
            let length = |name: &String| std::fs::metadata(dir.join(name)).map_or(0, |found| found.len());
            found.len() + beside.iter().map(length).sum::<u64>()
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(OpenError::Io { path: file, source }.into()),
    };
    let connection = open::reader(&file)?;
    let format = open::format(dir, &file, &connection)?;
    let interrupt = connection.get_interrupt_handle();
    let (done, waits) = sync_channel::<()>(1);
    let watch = std::thread::spawn(move || {
        if waits.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            interrupt.interrupt();
        }
    });
    let said = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    drop(done);
    // It waits for nothing any more; a panic in it would have been ours.
    let _ended = watch.join();
    let finished = match said {
        Ok(said) if said == "ok" => true,
        Ok(reason) => return Err(CheckError::Damaged { file, reason }),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => false,
        Err(source) => return Err(open::explain(&file, source).into()),
    };
    Ok(Some(Checkup { file, bytes, format, finished }))
}

#[cfg(all(test, feature = "contract"))]
mod tests {
    use std::io::{Seek, SeekFrom, Write};
    use std::sync::Arc;

    use super::*;
    use crate::SqliteStore;
    use crate::contract::TestClock;

    #[test]
    fn a_store_is_looked_at_beside_its_owner_and_damage_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let limit = Duration::from_secs(30);
        assert_eq!(check(dir.path(), limit).unwrap(), None);
        let store = SqliteStore::open(dir.path(), Arc::new(TestClock::at(protocol::time::UnixMs(1)))).unwrap();
        let seen = check(dir.path(), limit).unwrap().unwrap();
        assert!(seen.finished && seen.format >= 1, "{seen:?}");
        store.close();
        drop(store);
        let whole = check(dir.path(), limit).unwrap().unwrap();
        assert!(whole.bytes > 4096, "{whole:?}");
        // A page that is not what it was.
        let mut file = std::fs::OpenOptions::new().write(true).open(&whole.file).unwrap();
        file.seek(SeekFrom::Start(4096)).unwrap();
        file.write_all(&[0xa5; 4096]).unwrap();
        let error = check(dir.path(), limit).unwrap_err();
        assert!(matches!(error, CheckError::Damaged { .. } | CheckError::Open(OpenError::Corrupt { .. })), "{error:?}");
        std::fs::write(&whole.file, "something else entirely, and long enough to be read as a header of something")
            .unwrap();
        assert!(matches!(check(dir.path(), limit).unwrap_err(), CheckError::Open(OpenError::Foreign { .. })));
    }
}
