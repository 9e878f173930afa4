//! The log of a running node: one file that never grows beyond its bound, readable by its user only. What people and agents say is
//! not logged (W-124).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

/// Largest file, in bytes.
const MAX_BYTES: u64 = 2 * 1024 * 1024;
/// How many files there are beside the one that is written.
const OLD: usize = 3;

/// The log's file; cheap to clone. Until it is opened, what is written to it is gone.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogFile(Arc<Mutex<Option<Open>>>);

#[derive(Debug)]
struct Open {
    path: PathBuf,
    file: File,
    bytes: u64,
    max_bytes: u64,
}

/// The file in a data directory.
pub(crate) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("log").join("towline.log")
}

/// The file before it, and the ones before that.
pub(crate) fn older(path: &Path, number: usize) -> PathBuf {
    path.with_extension(format!("{number}.log"))
}

impl LogFile {
    /// Begins to write into a data directory, behind what is there.
    pub(crate) fn open(&self, data_dir: &Path) -> io::Result<()> {
        self.open_with(path(data_dir), MAX_BYTES)
    }

    fn open_with(&self, path: PathBuf, max_bytes: u64) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            crate::data_dir::make_private(folder)?;
        }
        let file = private(&path)?;
        let bytes = file.metadata()?.len();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Open { path, file, bytes, max_bytes });
        Ok(())
    }
}

impl Open {
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let more = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if self.bytes > 0 && self.bytes.saturating_add(more) > self.max_bytes {
            for number in (1..OLD).rev() {
                move_over(&older(&self.path, number), &older(&self.path, number + 1))?;
            }
            move_over(&self.path, &older(&self.path, 1))?;
            self.file = private(&self.path)?;
            self.bytes = 0;
        }
        self.file.write_all(line)?;
        self.bytes = self.bytes.saturating_add(more);
        Ok(())
    }
}

fn move_over(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(file)
}

impl Write for LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(open) = self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            // A full disk must not stop what is logged about.
            let _lost = open.write(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for LogFile {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_grows_beyond_its_bound() {
        let world = tempfile::tempdir().unwrap();
        let file = path(world.path());
        let mut log = LogFile::default();
        log.write_all(b"before it is open\n").unwrap();
        log.open_with(file.clone(), 100).unwrap();
        for number in 0..95 {
            log.write_all(format!("line {number:04}\n").as_bytes()).unwrap();
        }
        let files: Vec<_> = fs::read_dir(file.parent().unwrap()).unwrap().map(|entry| entry.unwrap()).collect();
        assert_eq!(files.len(), OLD + 1);
        for entry in files {
            assert!(entry.metadata().unwrap().len() <= 100);
            #[cfg(unix)]
            assert_eq!(
                std::os::unix::fs::PermissionsExt::mode(&entry.metadata().unwrap().permissions()) & 0o777,
                0o600
            );
        }
        assert!(fs::read_to_string(&file).unwrap().ends_with("line 0094\n"));
        assert!(fs::read_to_string(older(&file, 1)).unwrap().contains("line 00"));
        // Opened again it goes on behind what is there.
        let mut again = LogFile::default();
        again.open_with(file.clone(), 100).unwrap();
        again.write_all(b"again\n").unwrap();
        assert!(fs::read_to_string(&file).unwrap().contains("line 0094\nagain\n"));
    }
}
