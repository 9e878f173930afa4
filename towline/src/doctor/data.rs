//! The data directory: whose it is, who can read it, whether the store is whole.

use std::fs;
use std::path::Path;
use std::time::Duration;

use protocol::health::{Finding, FindingLevel};

use super::disk::size;
use crate::data_dir::DataDir;

/// Longest that the store is looked at.
const LIMIT: Duration = Duration::from_secs(8);
/// Most files that are counted.
const FILES: usize = 100_000;

/// Looks at it.
pub(super) fn look(dir: &DataDir) -> Vec<Finding> {
    let path = dir.path();
    if !path.exists() {
        let title = format!("The data directory {} is made by the first `towline up`", path.display());
        return vec![Finding::new("data.directory", FindingLevel::Ok, title)];
    }
    if !path.is_dir() {
        let title = format!("{} is in the way of the data directory", path.display());
        return vec![
            Finding::new("data.directory", FindingLevel::Problem, title)
                .next("Move it away, or choose --data-dir DIRECTORY."),
        ];
    }
    let mut findings = vec![access(path)];
    findings.push(whole(dir));
    findings
}

#[cfg(unix)]
fn access(path: &Path) -> Finding {
    use std::os::unix::fs::MetadataExt;
    let me = rustix::process::geteuid().as_raw();
    let mut open = Vec::new();
    for name in ["", "local.token", "node.key", "node.json", "projects.json", "store", "log"] {
        let file = if name.is_empty() { path.to_owned() } else { path.join(name) };
        let Ok(found) = fs::symlink_metadata(&file) else { continue };
        if found.uid() != me {
            let title = format!("{} belongs to another user", file.display());
            return Finding::new("data.owner", FindingLevel::Problem, title)
                .next("Run Towline as that user, or choose a directory of your own: --data-dir DIRECTORY.");
        }
        // Below a closed directory nobody else reaches anything; the two secrets are closed in any case.
        let secret = matches!(name, "" | "local.token" | "node.key");
        if secret && found.mode() & 0o077 != 0 {
            open.push(file.display().to_string());
        }
    }
    if open.is_empty() {
        let title = format!("Only you can read the data directory {}", path.display());
        return Finding::new("data.access", FindingLevel::Ok, title).detail(format!("It holds {}", held(path)));
    }
    Finding::new("data.access", FindingLevel::Problem, "Other users of this machine can read what Towline keeps")
        .detail(open.join("\n"))
        .next(format!("chmod go-rwx {}", open.join(" ")))
}

#[cfg(not(unix))]
fn access(path: &Path) -> Finding {
    let title = format!("The data directory is {}", path.display());
    Finding::new("data.access", FindingLevel::Ok, title).detail(format!("It holds {}", held(path)))
}

/// How much is in a directory.
fn held(path: &Path) -> String {
    let (mut bytes, mut files) = (0_u64, 0_usize);
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
            let Ok(found) = entry.metadata() else { continue };
            if found.is_dir() {
                folders.push(entry.path());
            } else {
                bytes = bytes.saturating_add(found.len());
                files += 1;
            }
            if files >= FILES {
                return format!("more than {} in over {FILES} files", size(bytes));
            }
        }
    }
    format!("{} in {files} {}", size(bytes), if files == 1 { "file" } else { "files" })
}

fn whole(dir: &DataDir) -> Finding {
    match store::check(&dir.store(), LIMIT) {
        Ok(None) => {
            Finding::new("data.store", FindingLevel::Ok, "There is no store yet; the first `towline up` makes it")
        }
        Ok(Some(seen)) if seen.finished => {
            let title = format!("The store is whole: {}, format {}", size(seen.bytes), seen.format);
            Finding::new("data.store", FindingLevel::Ok, title)
        }
        Ok(Some(seen)) => {
            let title = format!("The store opens: {}, format {}", size(seen.bytes), seen.format);
            Finding::new("data.store", FindingLevel::Ok, title)
                .detail(format!("It is too large to look at all of it in {} s", LIMIT.as_secs()))
        }
        Err(error) => {
            let mut words = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                words = format!("{words}: {cause}");
                source = cause.source();
            }
            Finding::new("data.store", FindingLevel::Problem, words).next(error.hint())
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_others_can_read_is_a_problem_with_its_cure() {
        let world = tempfile::tempdir().unwrap();
        let dir = DataDir::at(&world.path().join("data"));
        assert_eq!(look(&dir)[0].level, FindingLevel::Ok, "not made yet is no problem");
        dir.make().unwrap();
        let token = dir.path().join("local.token");
        fs::write(&token, "x").unwrap();
        fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
        let found = &look(&dir)[0];
        assert_eq!((found.id.as_str(), found.level), ("data.access", FindingLevel::Problem));
        assert_eq!(found.next.as_deref(), Some(format!("chmod go-rwx {}", token.display()).as_str()));
        fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(look(&dir).iter().all(|found| found.level == FindingLevel::Ok));
        fs::create_dir(dir.store()).unwrap();
        fs::write(dir.store().join("store.sqlite3"), "this is a text that is not a database at all").unwrap();
        let found = look(&dir).into_iter().find(|found| found.id == "data.store").unwrap();
        assert_eq!((found.level, found.next.is_some()), (FindingLevel::Problem, true), "{found:?}");
    }
}
