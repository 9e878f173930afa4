//! The data directory: who may read it, and the few files in it that are not the store's.
//!
//! | file | what |
//! |---|---|
//! | `store/` | the store |
//! | `node.json` | where the running node is, while it runs |
//! | `local.token` | the credential of the command line on this machine |
//! | `node.key` | the secret half of the node's key pair |
//! | `links/` | other hubs that this machine is linked to, with the credentials there |
//! | `hubs/` | other hubs that the command line talks to, with the credentials there |
//! | `projects.json` | directories to register, besides those that the hub knows |
//! | `hub` | is there where a hub without a host was started last |
//! | `log/` | what the node logs |
//! | `demo/` | what the demo agent remembers |

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use protocol::time::UnixMs;
use serde::{Deserialize, Serialize};

use crate::env::Env;
use crate::error::{CommandError, Kind};
use crate::output;

/// A data directory.
#[derive(Debug, Clone)]
pub(crate) struct DataDir {
    path: PathBuf,
}

/// Where the running node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodeFile {
    /// The plain HTTP address on loopback, for programs on this machine.
    pub(crate) url: String,
    /// The address to open elsewhere.
    pub(crate) public_url: String,
    /// The process.
    pub(crate) pid: u32,
    /// The version of Towline.
    pub(crate) version: String,
}

/// Directories to register.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProjectsFile {
    /// Absolute paths.
    pub(crate) paths: Vec<PathBuf>,
}

impl DataDir {
    /// The directory that the settings or the custom of this system name; nothing is made.
    pub(crate) fn choose(named: Option<PathBuf>, env: &Env) -> Result<Self, CommandError> {
        let usual = || env.data_home.as_ref().map(|home| home.join("towline"));
        let path = named.or_else(usual).ok_or_else(|| {
            CommandError::say(Kind::Config, "there is no home directory to keep data in")
                .hint("Say where to keep it: --data-dir DIRECTORY.")
        })?;
        let path = match (&env.current_dir, path.is_relative()) {
            (Some(current), true) => current.join(path),
            _ => path,
        };
        Ok(Self { path })
    }

    /// The directory at a path.
    #[cfg(test)]
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path.join("store")
    }

    /// Whether a hub without a host was started here last.
    pub(crate) fn is_hub(&self) -> bool {
        self.path.join("hub").exists()
    }

    /// Remembers which of the two was started here last.
    pub(crate) fn remember_hub(&self, is_hub: bool) -> Result<(), CommandError> {
        if is_hub {
            return self.write("hub", "");
        }
        // It is only what `towline doctor` looks at when nothing runs.
        let _removed = fs::remove_file(self.path.join("hub"));
        Ok(())
    }

    /// Where the lines between us and agents are kept.
    pub(crate) fn agent_lines(&self) -> PathBuf {
        self.path.join("lines")
    }

    pub(crate) fn demo(&self) -> PathBuf {
        self.path.join("demo")
    }

    /// Makes it if it is missing, and keeps other users of the machine out.
    pub(crate) fn make(&self) -> Result<(), CommandError> {
        make_private(&self.path).map_err(|error| {
            CommandError::new(Kind::Config, error)
                .during(format!("cannot use the data directory {}", self.path.display()))
                .hint("Choose another one with --data-dir, or see who owns it.")
        })
    }

    /// The secret half of the node's key pair, as text.
    pub(crate) fn node_key(&self) -> io::Result<String> {
        Ok(fs::read_to_string(self.path.join("node.key"))?.trim().to_owned())
    }

    /// Keeps the secret half of the node's key pair.
    pub(crate) fn keep_node_key(&self, key: &str) -> Result<(), CommandError> {
        self.write("node.key", key)
    }

    /// Where the running node is; `None` when none has said so.
    pub(crate) fn node(&self) -> Option<NodeFile> {
        serde_json::from_slice(&fs::read(self.path.join("node.json")).ok()?).ok()
    }

    /// The credential of the command line.
    pub(crate) fn token(&self) -> io::Result<String> {
        Ok(fs::read_to_string(self.path.join("local.token"))?.trim().to_owned())
    }

    /// Says where the running node is, and the credential to reach it with.
    pub(crate) fn announce(&self, node: &NodeFile, token: &str) -> Result<(), CommandError> {
        self.write("local.token", token)?;
        let text = serde_json::to_string(node).map_err(|error| CommandError::new(Kind::Bug, error))?;
        self.write("node.json", &text)
    }

    /// Says that the node no longer runs.
    pub(crate) fn retract(&self) {
        // Whoever finds it stale is told that nobody answers there.
        let _removed = fs::remove_file(self.path.join("node.json"));
    }

    /// When something in it was last changed, as far as the system says.
    pub(crate) fn newest_change(&self) -> Option<UnixMs> {
        let files = fs::read_dir(&self.path).ok()?.chain(fs::read_dir(self.store()).into_iter().flatten());
        let changed = files.filter_map(|entry| entry.ok()?.metadata().ok()?.modified().ok());
        let newest = changed.max()?.duration_since(UNIX_EPOCH).ok()?;
        Some(UnixMs(u64::try_from(newest.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The directories to register. A list that cannot be read is not taken for an empty one, which would be written back.
    pub(crate) fn projects(&self) -> Result<ProjectsFile, CommandError> {
        let path = self.path.join("projects.json");
        let bad = |error: anyhow::Error| {
            CommandError::new(Kind::Config, error)
                .during(format!("cannot read the list of projects {}", path.display()))
                .hint("Correct it, or move it away and add the projects again: towline projects add DIRECTORY.")
        };
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| bad(error.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(ProjectsFile::default()),
            Err(error) => Err(bad(error.into())),
        }
    }

    /// Refuses a directory in which an agent would have the data directory's secrets before it.
    pub(crate) fn keep_out(&self, project: &Path) -> Result<(), CommandError> {
        let own = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        if project.starts_with(&own) {
            let words = format!("{} is Towline's own data directory", project.display());
            return Err(CommandError::say(Kind::Usage, words).hint("Choose the directory of the code to work on."));
        }
        if own.starts_with(project) {
            let words = format!("{} contains Towline's data directory {}", project.display(), own.display());
            output::note(format!("warning: {words}: agents that work there can read its credentials."));
        }
        Ok(())
    }

    /// Adds a directory to register.
    pub(crate) fn add_project(&self, path: PathBuf) -> Result<(), CommandError> {
        let mut file = self.projects()?;
        if file.paths.contains(&path) {
            return Ok(());
        }
        file.paths.push(path);
        let text = serde_json::to_string(&file).map_err(|error| CommandError::new(Kind::Bug, error))?;
        self.write("projects.json", &text)
    }

    /// Replaces a file whole, readable by nobody else.
    fn write(&self, name: &str, text: &str) -> Result<(), CommandError> {
        let path = self.path.join(name);
        replace(&path, text.as_bytes()).map_err(|error| {
            CommandError::new(Kind::Config, error)
                .during(format!("cannot write {}", path.display()))
                .hint("Look at the disk, and at who owns the data directory.")
        })
    }
}

/// Replaces a file whole, readable by nobody else, with a newline at its end.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_exactly(path, &[bytes, b"\n"].concat())
}

/// The same without the end of a line, for what is no text in UTF-8.
pub(crate) fn replace_exactly(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension(format!("new-{}", std::process::id()));
    let written = private(&fresh).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let done = written.and_then(|()| fs::rename(&fresh, path));
    if done.is_err() {
        // The first failure is the one to tell.
        let _removed = fs::remove_file(&fresh);
    }
    done
}

#[cfg(unix)]
fn private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    // A file left by a process of the same number that died is in the way, and may be anybody's.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn private(path: &Path) -> io::Result<File> {
    // The directory below the user's profile is theirs alone there.
    OpenOptions::new().write(true).create(true).truncate(true).open(path)
}

#[cfg(unix)]
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let found = fs::metadata(path)?;
    if !found.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user"));
    }
    if found.mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(not(unix))]
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let world = tempfile::tempdir().unwrap();
        let path = world.path().join("a/data");
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let dir = DataDir { path: path.clone() };
        dir.make().unwrap();
        let node = NodeFile { url: "u".into(), public_url: "p".into(), pid: 1, version: "v".into() };
        dir.announce(&node, "old").unwrap();
        dir.announce(&node, "secret").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(&path), mode(&path.join("local.token")), mode(&path.join("node.json"))),
            (0o700, 0o600, 0o600)
        );
        assert_eq!((dir.token().unwrap().as_str(), dir.node()), ("secret", Some(node)));
        assert_eq!(fs::read_dir(&path).unwrap().count(), 2, "nothing else is left");
        dir.retract();
        assert_eq!(dir.node(), None);
    }

    #[test]
    fn a_project_is_remembered_once() {
        let world = tempfile::tempdir().unwrap();
        let dir = DataDir { path: world.path().to_owned() };
        dir.add_project("/a".into()).unwrap();
        dir.add_project("/b".into()).unwrap();
        dir.add_project("/a".into()).unwrap();
        assert_eq!(dir.projects().unwrap().paths, [PathBuf::from("/a"), PathBuf::from("/b")]);
    }
}
