//! Projects: directories that were registered on this host, inside the allowed roots. A client names them by id only (W-084).

mod make;
mod name;
pub(crate) mod place;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use protocol::fact::{FACT_VERSION, FeedFact, Operation};
use protocol::host::{Project, ProjectContent};
use protocol::id::{DeviceId, ProjectId};
use protocol::port::{HubPort, PortError, Report};

use crate::context::Context;
use crate::notes::{self, NOTE_VERSION, ProjectNote};
use crate::options::Options;

pub(crate) use make::{MakeError, make};
pub use place::PlaceError;
pub(crate) use place::display;

/// A directory could not be registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// It cannot be a project.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The hub did not take it.
    #[error("the project could not be written down")]
    Port(#[from] PortError),
}

/// The registered directories.
#[derive(Debug)]
pub(crate) struct Projects {
    /// Held for moments only, never across an await.
    known: Mutex<BTreeMap<ProjectId, Known>>,
    /// One registration at a time, so that a directory gets one id.
    registering: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone)]
struct Known {
    note: ProjectNote,
    available: bool,
}

impl Projects {
    /// Reads what was registered before.
    ///
    /// # Errors
    /// What the port says.
    pub(crate) async fn load(port: &dyn HubPort) -> Result<Self, PortError> {
        let found = notes::all::<ProjectNote>(port, "project/").await?;
        let known = found
            .into_iter()
            .filter_map(|(key, note)| {
                Some((key.strip_prefix("project/")?.parse().ok()?, Known { note, available: true }))
            })
            .collect();
        Ok(Self { known: Mutex::new(known), registering: tokio::sync::Mutex::new(()) })
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<ProjectId, Known>> {
        // Rows are replaced whole, so a poisoned map is still a good one.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a project is called, and the directory that was registered.
    pub(crate) fn place(&self, id: ProjectId) -> Option<(String, PathBuf)> {
        self.known().get(&id).map(|known| (known.note.name.clone(), PathBuf::from(&known.note.path)))
    }

    fn ids(&self) -> Vec<ProjectId> {
        self.known().keys().copied().collect()
    }
}

/// Registers a directory, or finds the id that it has.
///
/// # Errors
/// [`RegisterError`].
pub(crate) async fn register(context: &Context, path: PathBuf) -> Result<ProjectId, RegisterError> {
    let _one = context.projects.registering.lock().await;
    let real = resolve(path, &context.options).await?;
    let text = real.to_str().ok_or_else(|| PlaceError::NotText { path: real.clone() })?.to_owned();
    let existing = context.projects.known().iter().find(|(_, known)| known.note.path == text).map(|(id, _)| *id);
    if let Some(id) = existing {
        mark(context, id, true).await?;
        return Ok(id);
    }
    let id = ProjectId::from_uuid(context.clock.fresh());
    let name = real.file_name().map_or_else(|| text.clone(), |name| name.to_string_lossy().into_owned());
    let note = ProjectNote { v: NOTE_VERSION, path: text, name, created_at_ms: context.now(), made: false };
    let known = Known { note, available: true };
    let report = Report {
        feed: vec![fact(id, &known, context.me.host, &context.options, Operation::Insert)],
        notes: vec![(notes::project(id), Some(notes::encode(&known.note)))],
        ..Report::default()
    };
    context.report(report).await?;
    context.projects.known().insert(id, known);
    Ok(id)
}

/// Looks at every project again, and says which are there.
///
/// # Errors
/// What the port says.
pub(crate) async fn look(context: &Context) -> Result<(), PortError> {
    for id in context.projects.ids() {
        directory(context, id).await?;
    }
    Ok(())
}

/// The directory of a project, looked at anew: it must still be the directory that was registered, not a link that took its
/// place, and still inside the roots. `None` when it cannot be used.
///
/// # Errors
/// What the port says.
pub(crate) async fn directory(context: &Context, id: ProjectId) -> Result<Option<PathBuf>, PortError> {
    let known = context.projects.known().get(&id).map(|known| (PathBuf::from(&known.note.path), known.note.made));
    let Some((registered, made)) = known else { return Ok(None) };
    // One that was made here was below a root of its owner's; it stays theirs when they make the next ones elsewhere.
    let own = made.then(|| registered.clone());
    let found = resolve_also(registered.clone(), own, &context.options).await;
    let real = match found {
        Ok(real) if real == registered => Some(real),
        Ok(_) => {
            tracing::warn!(project = %id, "the directory of a project was replaced by a link");
            None
        }
        Err(error) => {
            tracing::debug!(project = %id, %error, "a project cannot be used");
            None
        }
    };
    mark(context, id, real.is_some()).await?;
    Ok(real)
}

async fn mark(context: &Context, id: ProjectId, available: bool) -> Result<(), PortError> {
    let changed = {
        let mut known = context.projects.known();
        known.get_mut(&id).filter(|known| known.available != available).map(|known| {
            known.available = available;
            known.clone()
        })
    };
    let Some(known) = changed else { return Ok(()) };
    let fact = fact(id, &known, context.me.host, &context.options, Operation::Update);
    context.report(Report { feed: vec![fact], ..Report::default() }).await?;
    Ok(())
}

async fn resolve(path: PathBuf, options: &Options) -> Result<PathBuf, PlaceError> {
    resolve_also(path, None, options).await
}

/// Resolves with one more root.
async fn resolve_also(path: PathBuf, own: Option<PathBuf>, options: &Options) -> Result<PathBuf, PlaceError> {
    let roots: Vec<PathBuf> = options.allowed_roots.iter().cloned().chain(own).collect();
    let asked = path.clone();
    let looked = blocking(options, move || place::resolve(&asked, &roots)).await;
    looked.unwrap_or_else(|source| Err(PlaceError::Missing { path, source }))
}

/// Does what may block where that is allowed; fails only when there is no thread for it any more.
async fn blocking<T: Send + 'static>(
    options: &Options,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, std::io::Error> {
    if !options.threads {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)
}

fn fact(id: ProjectId, known: &Known, host: DeviceId, options: &Options, operation: Operation) -> FeedFact {
    let content = ProjectContent {
        name: known.note.name.clone(),
        path: display(Path::new(&known.note.path), options.home.as_deref()),
    };
    let created_at_ms = known.note.created_at_ms;
    (id, operation, Project { v: FACT_VERSION, host, available: known.available, created_at_ms, content }).into()
}
