//! Text files of the project, read and written for an agent that asks its client to: nothing outside of the project, whichever links
//! lead there, and nothing without a bound.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::path::{Component, Path, PathBuf};

/// Largest file that is read or written for an agent, in bytes: twice the longest source file that people keep; a line of the protocol
/// holds it.
pub(super) const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;
/// Largest text, in bytes, that is shown as a change; of a larger one only the path is.
pub(super) const MAX_SHOWN_BYTES: usize = 256 * 1024;

/// A file was not read or not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FileError {
    #[error("`{path}` is not inside the project")]
    Outside { path: String },
    // The words by which agents that do not look at the code know it from other errors.
    #[error("Resource not found: `{path}`")]
    Missing { path: String },
    #[error("`{path}` is no regular file")]
    NoFile { path: String },
    #[error("`{path}` is no text in UTF-8")]
    NoText { path: String },
    #[error("`{path}` has {bytes} bytes; at most {MAX_FILE_BYTES} are read or written for an agent")]
    TooLarge { path: String, bytes: u64 },
    #[error("`{path}`: {said}")]
    Io { path: String, said: String },
}

/// What a file held before it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    /// `None` when it was not there.
    pub(super) old: Option<String>,
}

/// Reads a text file, or `limit` lines of it from line `line` on (the first is 1).
///
/// # Errors
/// [`FileError`].
pub(super) fn read(root: &Path, path: &str, line: Option<u64>, limit: Option<u64>) -> Result<String, FileError> {
    let below = below(root, path)?;
    let text = text_of(&mut opened(root, &below, Wish::Read, path)?, path)?;
    if line.is_none() && limit.is_none() {
        return Ok(text);
    }
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let (skip, take) = (count(line.unwrap_or(1).saturating_sub(1)), count(limit.unwrap_or(u64::MAX)));
    Ok(text.split_inclusive('\n').skip(skip).take(take).collect())
}

/// Writes a text file, with the directories that it needs.
///
/// # Errors
/// [`FileError`]; the file is then as it was, unless the disk failed in the middle.
pub(super) fn write(root: &Path, path: &str, text: &str) -> Result<Written, FileError> {
    let below = below(root, path)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(FileError::TooLarge { path: path.to_owned(), bytes: text.len() as u64 });
    }
    let (mut file, is_new) = match opened(root, &below, Wish::Change, path) {
        Ok(file) => (file, false),
        Err(FileError::Missing { .. }) => {
            make_directories(root, &below, path)?;
            (opened(root, &below, Wish::Create, path)?, true)
        }
        Err(other) => return Err(other),
    };
    // What is no text is not shown, and written over all the same.
    let old = if is_new { None } else { Some(text_of(&mut file, path).unwrap_or_default()) };
    let io = |error: std::io::Error| FileError::Io { path: path.to_owned(), said: error.to_string() };
    file.rewind().map_err(io)?;
    file.write_all(text.as_bytes()).map_err(io)?;
    file.set_len(text.len() as u64).map_err(io)?;
    Ok(Written { old })
}

fn text_of(file: &mut File, path: &str) -> Result<String, FileError> {
    let named = || path.to_owned();
    let about = file.metadata().map_err(|error| FileError::Io { path: named(), said: error.to_string() })?;
    if !about.is_file() {
        return Err(FileError::NoFile { path: named() });
    }
    let mut text = String::new();
    // A file may grow while it is read.
    match file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text) {
        Err(error) if error.kind() == ErrorKind::InvalidData => Err(FileError::NoText { path: named() }),
        Err(error) => Err(FileError::Io { path: named(), said: error.to_string() }),
        Ok(_) if text.len() as u64 > MAX_FILE_BYTES => {
            Err(FileError::TooLarge { path: named(), bytes: about.len().max(text.len() as u64) })
        }
        Ok(_) => Ok(text),
    }
}

/// The part of a path below the project, without `.` and `..`.
fn below(root: &Path, path: &str) -> Result<PathBuf, FileError> {
    let outside = || FileError::Outside { path: path.to_owned() };
    let asked = Path::new(path);
    let rest = if asked.is_absolute() { asked.strip_prefix(root).map_err(|_| outside())? } else { asked };
    let mut below = PathBuf::new();
    for part in rest.components() {
        match part {
            Component::Normal(name) => below.push(name),
            Component::CurDir => {}
            Component::ParentDir if below.pop() => {}
            _ => return Err(outside()),
        }
    }
    if below.as_os_str().is_empty() { Err(FileError::NoFile { path: path.to_owned() }) } else { Ok(below) }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Read,
    Change,
    Create,
}

fn explained(error: &std::io::Error, path: &str) -> FileError {
    let path = path.to_owned();
    match error.kind() {
        ErrorKind::NotFound => FileError::Missing { path },
        // How the kernel says that a link leads out.
        ErrorKind::CrossesDevices => FileError::Outside { path },
        _ => FileError::Io { path, said: error.to_string() },
    }
}

fn opened(root: &Path, below: &Path, wish: Wish, path: &str) -> Result<File, FileError> {
    let file = open(root, below, wish).map_err(|error| explained(&error, path))?;
    match file.metadata() {
        Ok(about) if about.is_file() => Ok(file),
        Ok(_) => Err(FileError::NoFile { path: path.to_owned() }),
        Err(error) => Err(explained(&error, path)),
    }
}

/// Opens with the kernel's own promise that no link leads out, also not one that is set while we look.
#[cfg(target_os = "linux")]
fn open(root: &Path, below: &Path, wish: Wish) -> std::io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    // Without waiting: a pipe is no file, and must not hold us.
    let flags = OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = match wish {
        Wish::Read => flags | OFlags::RDONLY,
        Wish::Change => flags | OFlags::RDWR,
        Wish::Create => flags | OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
    };
    let mode = if wish == Wish::Create { Mode::from_raw_mode(0o666) } else { Mode::empty() };
    match beneath(root, below, flags, mode) {
        // A kernel or a container without the call.
        Err(error) if matches!(error.raw_os_error(), Some(38 | 1)) => open_checked(root, below, wish),
        opened => opened.map(File::from),
    }
}

#[cfg(target_os = "linux")]
fn beneath(
    root: &Path,
    below: &Path,
    flags: rustix::fs::OFlags,
    mode: rustix::fs::Mode,
) -> std::io::Result<std::os::fd::OwnedFd> {
    use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};
    let project = open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    Ok(openat2(&project, below, flags, mode, ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS)?)
}

#[cfg(not(target_os = "linux"))]
fn open(root: &Path, below: &Path, wish: Wish) -> std::io::Result<File> {
    open_checked(root, below, wish)
}

/// Opens what a path leads to now, after it was seen to lie inside.
fn open_checked(root: &Path, below: &Path, wish: Wish) -> std::io::Result<File> {
    let inside = |path: PathBuf| {
        if path.starts_with(root) { Ok(path) } else { Err(std::io::Error::from(ErrorKind::CrossesDevices)) }
    };
    let full = root.join(below);
    let mut options = std::fs::OpenOptions::new();
    options.read(true);
    if wish == Wish::Create {
        let (Some(parent), Some(name)) = (full.parent(), full.file_name()) else {
            return Err(ErrorKind::NotFound.into());
        };
        return options.write(true).create_new(true).open(inside(parent.canonicalize()?)?.join(name));
    }
    options.write(wish == Wish::Change).open(inside(full.canonicalize()?)?)
}

#[cfg(target_os = "linux")]
fn make_directories(root: &Path, below: &Path, path: &str) -> Result<(), FileError> {
    use rustix::fs::{Mode, OFlags, mkdirat};
    let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = below.parent().unwrap_or_else(|| Path::new(""));
    let mut made = PathBuf::new();
    for part in parent.components() {
        let above = if made.as_os_str().is_empty() { PathBuf::from(".") } else { made.clone() };
        made.push(part);
        match beneath(root, &made, directory, Mode::empty()) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let above = beneath(root, &above, directory, Mode::empty()).map_err(|error| explained(&error, path))?;
                match mkdirat(&above, part.as_os_str(), Mode::from_raw_mode(0o777)) {
                    // Somebody was faster.
                    Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                    Err(error) => return Err(explained(&error.into(), path)),
                }
            }
            Err(error) if matches!(error.raw_os_error(), Some(38 | 1)) => return make_checked(root, parent, path),
            Err(error) => return Err(explained(&error, path)),
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn make_directories(root: &Path, below: &Path, path: &str) -> Result<(), FileError> {
    make_checked(root, below.parent().unwrap_or_else(|| Path::new("")), path)
}

fn make_checked(root: &Path, parent: &Path, path: &str) -> Result<(), FileError> {
    let full = root.join(parent);
    let there = full.ancestors().find_map(|above| above.canonicalize().ok());
    if !there.is_some_and(|there| there.starts_with(root)) {
        return Err(FileError::Outside { path: path.to_owned() });
    }
    std::fs::create_dir_all(full).map_err(|error| explained(&error, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("project");
        std::fs::create_dir(&root).unwrap();
        std::fs::write(folder.path().join("secret"), "hush").unwrap();
        (folder, root)
    }

    #[test]
    fn a_file_is_written_read_and_read_in_part() {
        let (_folder, root) = world();
        let path = root.join("deep/er/a.txt").to_string_lossy().into_owned();
        assert_eq!(write(&root, &path, "one\ntwo\nthree\n").unwrap(), Written { old: None });
        assert_eq!(read(&root, &path, None, None).unwrap(), "one\ntwo\nthree\n");
        assert_eq!(read(&root, "deep/./er/../er/a.txt", Some(2), Some(1)).unwrap(), "two\n");
        assert_eq!(read(&root, &path, Some(9), None).unwrap(), "");
        assert_eq!(write(&root, &path, "1\n").unwrap().old.as_deref(), Some("one\ntwo\nthree\n"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1\n");
    }

    #[test]
    fn nothing_outside_is_read_or_written() {
        let (folder, root) = world();
        let secret = folder.path().canonicalize().unwrap().join("secret").to_string_lossy().into_owned();
        for path in [secret.as_str(), "../secret", "a/../../secret", "/etc/passwd"] {
            assert!(matches!(read(&root, path, None, None), Err(FileError::Outside { .. })), "{path}");
            assert!(matches!(write(&root, path, "x"), Err(FileError::Outside { .. })), "{path}");
        }
        assert!(matches!(read(&root, "nowhere", None, None), Err(FileError::Missing { .. })));
        assert!(matches!(read(&root, ".", None, None), Err(FileError::NoFile { .. })));
        assert_eq!(std::fs::read_to_string(folder.path().join("secret")).unwrap(), "hush");
    }

    #[cfg(unix)]
    #[test]
    fn no_link_leads_out() {
        use std::os::unix::fs::symlink;
        let (folder, root) = world();
        symlink("../secret", root.join("link")).unwrap();
        symlink("..", root.join("up")).unwrap();
        symlink("../nothing-yet", root.join("dangling")).unwrap();
        for path in ["link", "up/secret", "dangling", "up/new/file"] {
            let (was_read, was_written) = (read(&root, path, None, None), write(&root, path, "x"));
            assert!(was_read.is_err() && was_written.is_err(), "{path}: {was_read:?} {was_written:?}");
            let (was_read, was_written) =
                (open_checked(&root, Path::new(path), Wish::Read), open_checked(&root, Path::new(path), Wish::Create));
            assert!(was_read.is_err() && was_written.is_err(), "{path}: {was_read:?} {was_written:?}");
        }
        assert!(make_checked(&root, Path::new("up/new"), "up/new/file").is_err());
        assert!(!folder.path().join("nothing-yet").exists() && !folder.path().join("new").exists());
        assert_eq!(std::fs::read_to_string(folder.path().join("secret")).unwrap(), "hush");
        // A link that stays inside is a file like any other.
        std::fs::write(root.join("real"), "here").unwrap();
        symlink("real", root.join("inside")).unwrap();
        assert_eq!(read(&root, "inside", None, None).unwrap(), "here");
        write(&root, "inside", "there").unwrap();
        assert_eq!(std::fs::read_to_string(root.join("real")).unwrap(), "there");
        assert!(root.join("inside").is_symlink());
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_text_file_of_a_bounded_size_is_refused() {
        let (_folder, root) = world();
        std::fs::write(root.join("binary"), [0xff, 0xfe, 0]).unwrap();
        assert!(matches!(read(&root, "binary", None, None), Err(FileError::NoText { .. })));
        File::create(root.join("large")).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
        assert!(matches!(read(&root, "large", None, None), Err(FileError::TooLarge { .. })));
        let long = "x".repeat(usize::try_from(MAX_FILE_BYTES).unwrap() + 1);
        assert!(matches!(write(&root, "a", &long), Err(FileError::TooLarge { .. })));
        assert!(!root.join("a").exists());
        std::fs::create_dir(root.join("dir")).unwrap();
        assert!(read(&root, "dir", None, None).is_err() && write(&root, "dir", "x").is_err());
        // A pipe that nobody writes to holds nobody.
        rustix::fs::mknodat(rustix::fs::CWD, root.join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(matches!(read(&root, "pipe", None, None), Err(FileError::NoFile { .. })));
    }
}
