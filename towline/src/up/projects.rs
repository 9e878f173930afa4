//! Which directories agents may work in.

use std::path::{Path, PathBuf};
use std::time::Duration;

use host::{HostHandle, RegisterError};

use crate::config::{Settings, standard_root};
use crate::data_dir::DataDir;
use crate::env::Env;
use crate::error::{CommandError, Kind};
use crate::output;

/// How often the list is looked at for what `towline projects add` wrote.
const LOOK: Duration = Duration::from_secs(1);

/// The path as the hub's lists show it: `~` stands for the home directory.
pub(crate) fn shown(path: &Path, home: Option<&Path>) -> String {
    let below = home.filter(|home| home.components().count() > 1).and_then(|home| path.strip_prefix(home).ok());
    match below {
        Some(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
}

/// Writes down the directories that were asked for, or the current one, so that they are there at every start.
pub(super) fn remember(asked: &[PathBuf], env: &Env, dir: &DataDir) -> Result<(), CommandError> {
    for path in asked {
        let real = path.canonicalize().ok().filter(|real| real.is_dir()).ok_or_else(|| {
            CommandError::say(Kind::Config, format!("there is no directory {} to work in", path.display())).hint(
                "It is named by --project, TOWLINE_PROJECTS or `host.projects`; `towline config show` says which.",
            )
        })?;
        dir.keep_out(&real)?;
        dir.add_project(real)?;
    }
    if asked.is_empty() {
        match env.current_dir.as_deref().and_then(|current| usable(current, env.home.as_deref())) {
            Some(current) => {
                dir.keep_out(&current)?;
                dir.add_project(current)?;
            }
            None if dir.projects()?.paths.is_empty() => {
                output::note("No project yet: start Towline in one, or add one with `towline projects add DIRECTORY`.");
            }
            None => {}
        }
    }
    Ok(())
}

/// A directory that somebody works in: not a home directory, not the root of the file system.
fn usable(current: &Path, home: Option<&Path>) -> Option<PathBuf> {
    let real = current.canonicalize().ok()?;
    let home = home.and_then(|home| home.canonicalize().ok());
    (real.parent().is_some() && Some(&real) != home.as_ref()).then_some(real)
}

/// The directories below which projects may be: the home directory, and each one that a person has named, the root of new projects among
/// them. A root inside the home directory is none of its own, so that a link that takes its place leads nowhere.
pub(super) fn roots(env: &Env, dir: &DataDir, new: Option<&Path>) -> Result<Vec<PathBuf>, CommandError> {
    let home = env.home.as_deref().map(real);
    let new = new.filter(|new| !home.as_ref().is_some_and(|home| new.starts_with(home)));
    Ok(env.home.iter().cloned().chain(dir.projects()?.paths).chain(new.map(Path::to_owned)).collect())
}

/// The directory below which new projects are made, as it really is; it need not be there yet.
pub(super) fn new_root(settings: &Settings, env: &Env, dir: &DataDir) -> Result<Option<PathBuf>, CommandError> {
    let Some(root) = &settings.projects_root else { return Ok(None) };
    let root = match &env.current_dir {
        Some(current) if root.is_relative() => current.join(root),
        _ => root.clone(),
    };
    outside(real(&root), env.home.as_deref(), dir)
}

/// The root of new projects, if it is not in the data directory. Nobody has chosen the standard one, so nobody is kept from starting by it.
fn outside(root: PathBuf, home: Option<&Path>, dir: &DataDir) -> Result<Option<PathBuf>, CommandError> {
    match dir.keep_out(&root) {
        Ok(()) => Ok(Some(root)),
        Err(_) if home.is_some_and(|home| root == real(&standard_root(home))) => {
            output::note(format!(
                "note: no new projects are made, since {} is in Towline's own data directory; set host.projects_root to another one.",
                root.display()
            ));
            Ok(None)
        }
        Err(error) => Err(error.hint("Set host.projects_root to another directory, or to `off`.")),
    }
}

/// The path with all links of what is there of it followed.
fn real(path: &Path) -> PathBuf {
    let known = path.ancestors().find_map(|part| Some((part, part.canonicalize().ok()?)));
    known.map_or_else(
        || path.to_owned(),
        |(part, real)| match path.strip_prefix(part) {
            Ok(rest) if rest.as_os_str().is_empty() => real,
            Ok(rest) => real.join(rest),
            Err(_) => path.to_owned(),
        },
    )
}

/// Registers what is written down and not registered yet.
pub(super) async fn register(host: &HostHandle, dir: &DataDir, done: &mut Vec<PathBuf>) {
    // The start has read it; one that was damaged since is said to whoever adds to it.
    let Ok(projects) = dir.projects() else { return };
    for path in projects.paths {
        if done.contains(&path) {
            continue;
        }
        match host.register_project(&path).await {
            Ok(_) => {}
            Err(RegisterError::Place(error)) => tracing::warn!(%error, "a project cannot be used"),
            Err(error @ RegisterError::Port(_)) => {
                tracing::warn!(%error, "a project could not be registered");
                continue;
            }
        }
        done.push(path);
    }
}

/// Registers what is added while the host runs; never returns.
pub(super) async fn keep(host: &HostHandle, dir: &DataDir, mut done: Vec<PathBuf>) {
    loop {
        tokio::time::sleep(LOOK).await;
        register(host, dir, &mut done).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_of_new_projects_is_where_it_really_is_though_it_is_not_there() {
        let world = tempfile::tempdir().unwrap();
        let there = world.path().canonicalize().unwrap();
        assert_eq!(real(&there.join("a/b")), there.join("a/b"));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&there, there.join("link")).unwrap();
            assert_eq!(real(&there.join("link/a")), there.join("a"));
        }
        assert_eq!(real(&there), there);
    }

    #[test]
    fn a_root_in_the_data_directory_is_refused_to_whoever_chose_it_and_left_out_otherwise() {
        let world = tempfile::tempdir().unwrap();
        let home = world.path().canonicalize().unwrap();
        let dir = DataDir::at(&home.join("towline"));
        std::fs::create_dir_all(dir.path()).unwrap();
        let root = |path: &str| outside(home.join(path), Some(&home), &dir);
        assert_eq!(root("towline").unwrap(), None);
        assert!(root("towline/code").is_err());
        assert_eq!(root("code").unwrap(), Some(home.join("code")));
    }

    #[test]
    fn homes_and_roots_are_not_taken_by_themselves() {
        let world = tempfile::tempdir().unwrap();
        let home = world.path().join("home");
        let project = home.join("project");
        std::fs::create_dir_all(&project).unwrap();
        assert_eq!(usable(&home, Some(&home)), None);
        assert_eq!(usable(Path::new("/"), Some(&home)), None);
        assert_eq!(usable(&project, Some(&home)), Some(project.canonicalize().unwrap()));
    }
}
