//! Making a new project from afar: a directory below the one root that the owner of the machine keeps for that, and nowhere else.
//!
//! Which directory it will be is written down before it is made, so that a host that dies in between goes on with that one: the same
//! project id is one directory, however often its command is taken up.

use std::io;
use std::path::{Path, PathBuf};

use protocol::fact::Operation;
use protocol::id::ProjectId;
use protocol::port::{PortError, Report};

use super::{Known, PlaceError, blocking, fact, name, place};
use crate::context::Context;
use crate::notes::{self, MakingNote, NOTE_VERSION, ProjectNote};

/// Names that are tried before a root is taken for too crowded.
const TRIES: u32 = 1_000;

/// A new project could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MakeError {
    #[error("no `host.projects_root` is set on this machine")]
    Off,
    #[error("`{path}` is there already")]
    Taken { path: String },
    #[error("the directory of the project is not there any more, or not allowed")]
    Gone,
    #[error("`{path}` cannot be made: {source}", path = path.display())]
    Disk {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error("the project could not be written down")]
    Port(#[from] PortError),
}

/// Makes a directory and registers it under an id, or finds the project that this id has already.
///
/// Not cancellation safe in the sense that a directory may be left behind; the next call with the same id goes on with it.
///
/// # Errors
/// [`MakeError`]; what was begun is gone again, unless the hub could not be told.
pub(crate) async fn make(context: &Context, id: ProjectId, named: Option<&str>) -> Result<(), MakeError> {
    if context.projects.place(id).is_some() {
        return super::directory(context, id).await?.map(|_| ()).ok_or(MakeError::Gone);
    }
    let _one = context.projects.registering.lock().await;
    let root = context.options.projects_root.clone().ok_or(MakeError::Off)?;
    let roots = context.options.allowed_roots.clone();
    let root = off(context, root.clone(), move || open_root(&root, &roots)).await??;
    let begun = notes::get::<MakingNote>(&*context.port, &notes::making(id)).await?.map(|note| note.directory);
    let path = claim(context, id, &root, named, begun).await?;
    let made = register(context, id, &path, named).await;
    if let Err(MakeError::Port(PortError::Refused { .. })) = &made {
        // The hub has another project of this id: nothing of this one is to stay. Only an empty directory can be removed so.
        let gone = path.clone();
        let _removed = off(context, path, move || std::fs::remove_dir(gone)).await;
        forget(context, id).await?;
    }
    made
}

/// The directory of the project, made and empty: the one that was begun before, or the first whose name is free.
async fn claim(
    context: &Context,
    id: ProjectId,
    root: &Path,
    named: Option<&str>,
    begun: Option<String>,
) -> Result<PathBuf, MakeError> {
    if let Some(begun) = begun {
        let path = root.join(begun);
        if take(context, path.clone(), true).await? {
            return Ok(path);
        }
    }
    let first = named.map_or_else(|| name::words(id), name::directory);
    // A name that somebody chose is theirs; one that was made up has a number behind it when it is taken.
    let tries = if named.is_some() { 1 } else { TRIES };
    for number in 1..=tries {
        let directory = if number == 1 { first.clone() } else { format!("{first}-{number}") };
        let path = root.join(&directory);
        let free = path.clone();
        if !off(context, path.clone(), move || is_free(&free)).await? {
            continue;
        }
        let note = MakingNote { v: NOTE_VERSION, directory };
        let notes = vec![(notes::making(id), Some(notes::encode(&note)))];
        context.report(Report { notes, ..Report::default() }).await?;
        match take(context, path.clone(), false).await {
            Ok(true) => return Ok(path),
            Ok(false) => {}
            Err(error) => {
                forget(context, id).await?;
                return Err(error);
            }
        }
    }
    forget(context, id).await?;
    Err(MakeError::Taken { path: place::display(&root.join(first), context.options.home.as_deref()) })
}

async fn take(context: &Context, path: PathBuf, begun: bool) -> Result<bool, MakeError> {
    let at = path.clone();
    let done = off(context, path.clone(), move || make_directory(&at, begun)).await?;
    done.map_err(|source| MakeError::Disk { path, source })
}

async fn register(context: &Context, id: ProjectId, path: &Path, named: Option<&str>) -> Result<(), MakeError> {
    let real = super::resolve(path.to_owned(), &context.options).await?;
    if real != path {
        return Err(PlaceError::Outside { path: real }.into());
    }
    let text = real.to_str().ok_or_else(|| PlaceError::NotText { path: real.clone() })?.to_owned();
    let last = real.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = named.map_or(last, |name| name.trim().to_owned());
    let note = ProjectNote { v: NOTE_VERSION, path: text, name, created_at_ms: context.now(), made: true };
    let known = Known { note, available: true };
    let report = Report {
        feed: vec![fact(id, &known, context.me.host, &context.options, Operation::Insert)],
        notes: vec![(notes::project(id), Some(notes::encode(&known.note))), (notes::making(id), None)],
        ..Report::default()
    };
    context.report(report).await?;
    context.projects.known().insert(id, known);
    Ok(())
}

async fn forget(context: &Context, id: ProjectId) -> Result<(), PortError> {
    context.report(Report { notes: vec![(notes::making(id), None)], ..Report::default() }).await?;
    Ok(())
}

async fn off<T: Send + 'static>(
    context: &Context,
    path: PathBuf,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, MakeError> {
    blocking(&context.options, work).await.map_err(|source| MakeError::Disk { path, source })
}

/// Makes the root where it is missing, and says where it really is; it must be inside the allowed roots.
fn open_root(root: &Path, roots: &[PathBuf]) -> Result<PathBuf, MakeError> {
    match private().recursive(true).create(root) {
        Ok(()) => Ok(place::resolve(root, roots)?),
        Err(source) => Err(MakeError::Disk { path: root.to_owned(), source }),
    }
}

/// Whether nothing has the name, not even a link into the void.
fn is_free(path: &Path) -> bool {
    matches!(path.symlink_metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound)
}

/// Makes a directory for its user alone: what is asked for from afar is nobody else's on this machine until somebody says so. Follows no
/// link. False when the name is taken; of one that was `begun` before, an empty directory is it.
fn make_directory(path: &Path, begun: bool) -> io::Result<bool> {
    match private().create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let empty = || Ok::<_, io::Error>(path.read_dir()?.next().is_none());
            return Ok(begun && path.symlink_metadata()?.is_dir() && empty()?);
        }
        Err(error) => return Err(error),
    }
    // Told to the hub only once it outlives a power cut.
    #[cfg(unix)]
    if let Some(root) = path.parent() {
        std::fs::File::open(root)?.sync_all()?;
    }
    Ok(true)
}

fn private() -> std::fs::DirBuilder {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "other systems have no modes"))]
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_made_once_for_its_user_alone_and_through_no_link() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let world = tempfile::tempdir().unwrap();
        let at = |name: &str| world.path().join(name);
        assert!(is_free(&at("new")));
        assert!(make_directory(&at("new"), false).unwrap());
        assert_eq!(at("new").metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert!(!make_directory(&at("new"), false).unwrap(), "somebody has it");
        assert!(make_directory(&at("new"), true).unwrap(), "it was begun");
        std::fs::write(at("new/file"), "x").unwrap();
        assert!(!make_directory(&at("new"), true).unwrap(), "somebody works in it");
        symlink(at("nowhere"), at("void")).unwrap();
        symlink(world.path(), at("loop")).unwrap();
        assert!(!is_free(&at("void")) && !is_free(&at("loop")));
        for link in ["void", "loop"] {
            assert!(!make_directory(&at(link), true).unwrap(), "{link}");
        }
        assert!(!at("nowhere").exists());
    }
}
