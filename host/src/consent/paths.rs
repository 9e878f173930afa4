//! Where a path really leads. Blocks on the disk: call it where blocking is allowed.

use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

/// Names of directories and files whose contents run by themselves or decide what may run: no standing rule covers them.
const KEPT: &[&str] =
    &[".claude", ".codex", ".cursor", ".envrc", ".gemini", ".git", ".husky", ".idea", ".opencode", ".vscode"];

/// The path that a text means, from a directory; `~/` is the home directory. Not looked at.
pub fn meant(text: &str, from: &Path, home: Option<&Path>) -> PathBuf {
    match (text.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ if text == "~" => home.map_or_else(|| from.join(text), Path::to_owned),
        _ => from.join(text),
    }
}

/// The canonical form of a path of which the end may not be there yet; `None` when there is a doubt: a link that leads nowhere, a
/// step back behind what is not there, a directory that cannot be looked at.
pub fn real(path: &Path) -> Option<PathBuf> {
    if !path.is_absolute() || path.as_os_str().as_encoded_bytes().contains(&0) {
        return None;
    }
    let mut rest = Vec::new();
    let mut there = path;
    loop {
        match there.canonicalize() {
            Ok(found) => {
                let mut whole = found;
                for part in rest.iter().rev() {
                    whole.push(part);
                }
                return Some(whole);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(_) => return None,
        }
        // A link that leads nowhere would lead whoever writes to it.
        if there.symlink_metadata().is_ok() {
            return None;
        }
        let Some(Component::Normal(part)) = there.components().next_back() else { return None };
        rest.push(part.to_owned());
        there = there.parent()?;
    }
}

/// The path with its steps back taken, without a look at the disk.
pub fn tidied(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(out.pop()),
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => out.push(part),
        }
    }
    out
}

/// Whether a path is in a directory, or is it; by whole names.
pub fn inside(path: &Path, directory: &Path) -> bool {
    path.starts_with(directory)
}

/// Whether a path below a directory is one that a standing rule never covers.
pub fn is_kept(path: &Path, root: &Path) -> bool {
    let below = path.strip_prefix(root).unwrap_or(path);
    below.components().any(|part| {
        let Component::Normal(name) = part else { return false };
        name.to_str().is_some_and(is_kept_name)
    })
}

/// Whether a name alone is one of them.
pub(crate) fn is_kept_name(name: &str) -> bool {
    KEPT.iter().any(|kept| name.eq_ignore_ascii_case(kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_yet_is_where_it_would_be() {
        let world = tempfile::tempdir().unwrap();
        let root = world.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("in")).unwrap();
        assert_eq!(real(&root.join("in/new/file")), Some(root.join("in/new/file")));
        assert_eq!(real(&root.join("in/../x")), Some(root.join("x")));
        assert_eq!(real(&root.join("new/../../x")), None);
        assert_eq!(real(Path::new("relative")), None);
        assert_eq!(real(&root.join("a\0b")), None);
        assert!(!inside(Path::new("/srv/anna"), Path::new("/srv/ann")));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_judged_by_where_it_leads() {
        use std::os::unix::fs::symlink;
        let world = tempfile::tempdir().unwrap();
        let root = world.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("project/src")).unwrap();
        std::fs::create_dir(root.join("out")).unwrap();
        symlink(root.join("out"), root.join("project/src/escape")).unwrap();
        symlink(root.join("out/nothing"), root.join("project/src/dangling")).unwrap();
        let found = real(&root.join("project/src/escape/new.txt")).unwrap();
        assert!(!inside(&found, &root.join("project")), "{found:?}");
        assert_eq!(real(&root.join("project/src/dangling")), None);
        assert_eq!(real(&root.join("project/src/dangling/x")), None);
    }

    #[test]
    fn what_decides_about_running_is_kept_out() {
        let root = Path::new("/p");
        for kept in ["/p/.git/hooks/pre-commit", "/p/a/.git", "/p/.GIT/config", "/p/.claude/settings.json", "/p/.envrc"]
        {
            assert!(is_kept(Path::new(kept), root), "{kept}");
        }
        for free in ["/p/src/a.rs", "/p/git/x", "/p/.gitignore"] {
            assert!(!is_kept(Path::new(free), root), "{free}");
        }
        assert!(!is_kept(Path::new("/x/.git/p/a"), Path::new("/x/.git/p")));
    }
}
