//! The files of a prompt on their way to the agent: images as the agent's protocol carries them, everything else as a private copy
//! whose path the agent is told.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use protocol::blob::Attachment;
use protocol::id::SessionId;
use protocol::item::{ItemContent, NoticeLevel};
use protocol::limits::MAX_PROMPT_IMAGE_BYTES;

use crate::agent::{DriveError, Image};
use crate::context::Context;

/// The files of one prompt.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    context: Arc<Context>,
    session: SessionId,
    attached: Vec<Attachment>,
}

/// A prompt as the agent gets it.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) text: String,
    pub(crate) images: Vec<Image>,
}

fn refused(detail: impl Into<String>) -> DriveError {
    DriveError::Refused { detail: detail.into() }
}

impl Files {
    pub(crate) fn new(context: Arc<Context>, session: SessionId, attached: Vec<Attachment>) -> Self {
        Self { context, session, attached }
    }

    fn is_shown(attachment: &Attachment, takes_images: bool) -> bool {
        takes_images && attachment.is_image() && attachment.size_bytes <= MAX_PROMPT_IMAGE_BYTES
    }

    /// What people are told when the agent does not get its images as images.
    pub(crate) fn notice(&self, takes_images: bool) -> Option<ItemContent> {
        let is_unseen = |file: &&Attachment| file.is_image() && !Self::is_shown(file, takes_images);
        let names: Vec<&str> = self.attached.iter().filter(is_unseen).map(|file| file.name.as_str()).collect();
        if names.is_empty() {
            return None;
        }
        let names = names.join(", ");
        let text = match (&self.context.options.files_dir, takes_images) {
            (None, _) => format!("The agent does not get these images: {names}"),
            (Some(_), true) => {
                format!("Too large to be shown to the agent itself, so it is told where they are: {names}")
            }
            (Some(_), false) => format!("This agent takes no images; it is told where they are: {names}"),
        };
        Some(ItemContent::Notice { level: NoticeLevel::Warning, code: "images_by_path".to_owned(), text })
    }

    /// Fetches the files, and writes copies of those that the agent is to open itself.
    ///
    /// # Errors
    /// [`DriveError::Refused`] when one is gone or cannot be written; the agent then got nothing.
    pub(crate) async fn prepare(&self, mut text: String, takes_images: bool) -> Result<Ready, DriveError> {
        let mut images = Vec::new();
        let mut paths = String::new();
        for (place, attachment) in self.attached.iter().enumerate() {
            let bytes = self.context.port.file(attachment.blob).await.map_err(|error| refused(error.to_string()))?;
            let bytes = bytes.ok_or_else(|| refused(format!("`{}` is no longer there", attachment.name)))?;
            if Self::is_shown(attachment, takes_images) {
                images.push(Image { media_type: attachment.media_type.clone(), bytes });
            } else if let Some(dir) = &self.context.options.files_dir {
                let path = self.copy(dir, place, attachment, bytes).await?;
                let _ = write!(paths, "\n- {}", path.display());
            }
        }
        if !paths.is_empty() {
            let gap = if text.is_empty() { "" } else { "\n\n" };
            let _ = write!(text, "{gap}Attached files:{paths}");
        }
        Ok(Ready { text, images })
    }

    async fn copy(
        &self,
        dir: &Path,
        place: usize,
        attachment: &Attachment,
        bytes: Bytes,
    ) -> Result<PathBuf, DriveError> {
        let parent = of_session(dir, self.session).join(&attachment.blob.to_string()[..16]);
        // The name has no separator (checked with the command); where it cannot be a name, the place is one.
        let name = Path::new(&attachment.name).file_name().map_or_else(|| place.to_string().into(), ToOwned::to_owned);
        let path = parent.join(name);
        let write = {
            let path = path.clone();
            let dir = dir.to_owned();
            move || write_private(&dir, &parent, &path, &bytes)
        };
        let written = if self.context.options.threads {
            tokio::task::spawn_blocking(write).await.map_err(|error| refused(error.to_string()))?
        } else {
            write()
        };
        written.map_err(|error| refused(format!("`{}` cannot be written: {error}", attachment.name)))?;
        Ok(path)
    }
}

/// Where the copies of a session's files are.
fn of_session(dir: &Path, session: SessionId) -> PathBuf {
    dir.join(session.to_string())
}

/// Writes a file that only this person can read; one that is there already is the same. A folder on the way, `dir` among them, that is a
/// link is refused: whoever put it there would choose what is written over.
fn write_private(dir: &Path, parent: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut folder = fs::DirBuilder::new();
    let mut file = fs::OpenOptions::new();
    file.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
        folder.mode(0o700);
        file.mode(0o600);
    }
    let mut at = dir.to_owned();
    for name in std::iter::once(None).chain(parent.strip_prefix(dir).map_err(std::io::Error::other)?.iter().map(Some)) {
        at.extend(name);
        match folder.create(&at) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if !fs::symlink_metadata(&at)?.is_dir() {
            return Err(std::io::Error::other(format!("`{}` is no folder, but perhaps a link", at.display())));
        }
    }
    // Under another name first: a crash in the middle leaves nothing that looks whole.
    let half = path.with_extension("part");
    match fs::remove_file(&half) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    file.open(&half)?.write_all(bytes)?;
    fs::rename(&half, path)
}

/// Removes the copies of a deleted session's files.
pub(crate) async fn remove(context: &Context, session: SessionId) {
    let Some(dir) = &context.options.files_dir else { return };
    let dir = of_session(dir, session);
    let removed = if context.options.threads {
        tokio::task::spawn_blocking(move || fs::remove_dir_all(dir))
            .await
            .unwrap_or_else(|e| Err(std::io::Error::other(e)))
    } else {
        fs::remove_dir_all(dir)
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::error!(%session, %error, "copies of a deleted session's files are still there");
        }
        _ => {}
    }
}
