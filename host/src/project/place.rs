//! Where a project may be: pure rules of paths, and the one look at the disk that they need.

use std::path::{Path, PathBuf};

/// A directory cannot be a project.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// It is not there, or may not be looked at.
    #[error("`{path}` cannot be opened", path = path.display())]
    Missing {
        /// The path as given.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It is not a directory.
    #[error("`{path}` is not a directory", path = path.display())]
    NotDirectory {
        /// The path, canonical.
        path: PathBuf,
    },
    /// It is outside the allowed roots.
    #[error("`{path}` is outside the allowed directories", path = path.display())]
    Outside {
        /// The path, canonical.
        path: PathBuf,
    },
    /// Its name is not text.
    #[error("`{path}` is not valid UTF-8", path = path.display())]
    NotText {
        /// The path, canonical.
        path: PathBuf,
    },
}

/// The canonical form of a directory inside the roots. Roots are resolved each time too, so that one that was swapped for a link
/// does not widen what is allowed.
///
/// Blocks on the disk: call it where blocking is allowed.
///
/// # Errors
/// [`PlaceError`].
pub(crate) fn resolve(path: &Path, roots: &[PathBuf]) -> Result<PathBuf, PlaceError> {
    let real = path.canonicalize().map_err(|source| PlaceError::Missing { path: path.to_owned(), source })?;
    if !real.is_dir() {
        return Err(PlaceError::NotDirectory { path: real });
    }
    // `Path::starts_with` compares whole components: `/srv/ann` is not below `/srv/an`.
    let inside = roots.iter().filter_map(|root| root.canonicalize().ok()).any(|root| real.starts_with(root));
    if inside { Ok(real) } else { Err(PlaceError::Outside { path: real }) }
}

/// The path as shown to people: `~` stands for the home directory.
pub(crate) fn display(path: &Path, home: Option<&Path>) -> String {
    let below = home.filter(|home| home.components().count() > 1).and_then(|home| path.strip_prefix(home).ok());
    match below {
        Some(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_is_shown_as_a_tilde_by_whole_components() {
        let check = |path: &str, home: &str, shown: &str| {
            assert_eq!(display(Path::new(path), Some(Path::new(home))), shown);
        };
        check("/home/ann/code", "/home/ann", "~/code");
        check("/home/ann", "/home/ann", "~");
        check("/home/anne/code", "/home/ann", "/home/anne/code");
        check("/srv", "/", "/srv");
    }

    #[test]
    fn only_real_directories_below_a_root_are_taken() {
        let world = tempfile::tempdir().unwrap();
        let root = world.path().join("root");
        std::fs::create_dir_all(root.join("in")).unwrap();
        std::fs::create_dir_all(world.path().join("rooted")).unwrap();
        std::fs::write(root.join("file"), "x").unwrap();
        let roots = [root.clone()];
        assert!(resolve(&root.join("in"), &roots).is_ok());
        assert!(resolve(&root, &roots).is_ok());
        assert!(matches!(resolve(&world.path().join("rooted"), &roots), Err(PlaceError::Outside { .. })));
        assert!(matches!(resolve(&root.join("in/../../rooted"), &roots), Err(PlaceError::Outside { .. })));
        assert!(matches!(resolve(&root.join("file"), &roots), Err(PlaceError::NotDirectory { .. })));
        assert!(matches!(resolve(&root.join("none"), &roots), Err(PlaceError::Missing { .. })));
        assert!(matches!(resolve(&root, &[]), Err(PlaceError::Outside { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_judged_by_what_it_points_to() {
        let world = tempfile::tempdir().unwrap();
        let root = world.path().join("root");
        std::fs::create_dir_all(root.join("in")).unwrap();
        std::fs::create_dir_all(world.path().join("out")).unwrap();
        std::os::unix::fs::symlink(world.path().join("out"), root.join("escape")).unwrap();
        std::os::unix::fs::symlink(root.join("in"), world.path().join("entry")).unwrap();
        let roots = [root.clone()];
        assert!(matches!(resolve(&root.join("escape"), &roots), Err(PlaceError::Outside { .. })));
        assert!(resolve(&world.path().join("entry"), &roots).unwrap().ends_with("root/in"));
    }
}
