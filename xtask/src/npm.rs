//! Node packages inside the repository: installed from their lock file, and only when that is newer.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::repo;
use crate::run::Step;

/// Longest time for `npm ci`: a cold cache on a slow line.
const INSTALL: Duration = Duration::from_mins(10);

/// npm, as it is called on this system.
pub(crate) fn program() -> &'static str {
    if cfg!(windows) { "npm.cmd" } else { "npm" }
}

/// Installs a folder's packages exactly as its lock file says, unless that was done since the lock file changed.
///
/// # Errors
/// If there is no lock file, or npm fails.
pub(crate) fn install(folder: &str) -> Result<()> {
    let folder = repo::root().join(folder);
    if !folder.join("package-lock.json").is_file() {
        bail!("{} has no package-lock.json", folder.display());
    }
    if fresh(&folder) {
        return Ok(());
    }
    Step::new(program(), INSTALL).args(["ci", "--no-audit", "--no-fund"]).directory(folder).run().map(|_| ())
}

/// One `npm run` script of a folder whose packages are installed.
pub(crate) fn script(folder: &str, name: &str, limit: Duration) -> Step {
    Step::new(program(), limit).args(["run", "--silent", name]).directory(folder)
}

/// Whether what is installed is at least as new as the lock file. npm writes the inner file at the end of an installation,
/// so one that broke off does not count.
fn fresh(folder: &Path) -> bool {
    let changed = |path: &str| folder.join(path).metadata().and_then(|file| file.modified()).ok();
    match (changed("node_modules/.package-lock.json"), changed("package-lock.json")) {
        (Some(installed), Some(lock)) => installed >= lock,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_is_fresh_until_the_lock_file_changes() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, at: u64| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let file = std::fs::File::create(path).unwrap();
            file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(at)).unwrap();
        };
        write("package-lock.json", 1000);
        assert!(!fresh(folder.path()), "nothing is installed");
        write("node_modules/.package-lock.json", 2000);
        assert!(fresh(folder.path()));
        write("package-lock.json", 3000);
        assert!(!fresh(folder.path()), "the lock file is newer");
    }
}
