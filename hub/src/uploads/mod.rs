//! Files that people attach: they come in pieces that may be sent again, are kept by what they are, and go when nothing uses them.
//!
//! The bytes of an upload are an internal stream, so that a piece is on disk before it is acknowledged, an interrupted upload goes on
//! where it stood, and a crash leaves nothing half done. A whole file is the closed stream of its first upload.

mod begin;
mod blob;
mod finish;
mod piece;
mod quota;
mod sniff;
#[cfg(test)]
mod tests;

pub(crate) use blob::{drop_unused, release, retain};
pub(crate) use finish::give_up;
pub(crate) use piece::Misplaced;

use protocol::blob::UploadState;
use protocol::error::{ErrorCode, Problem};
use protocol::id::{AccountId, UploadId};
use protocol::path::StreamPath;

use crate::failure::Failure;
use crate::hub::Hub;
use crate::keys;
use crate::rows::{Stored, UploadRow};

impl Hub {
    /// How far an upload is.
    ///
    /// # Errors
    /// `not_found`; `media_unsupported` when it became whole and is of no kind that is taken; failures of the store.
    pub async fn upload(&self, account: AccountId, upload: UploadId) -> Result<UploadState, Problem> {
        let stored = self.own_upload(account, upload).await?;
        if stored.value.blob.is_none() && self.received(upload).await? == stored.value.size_bytes {
            // Its last piece came, and the hub stopped before it had looked at the whole.
            return self.finish_upload(account, upload).await;
        }
        self.state_of(upload, &stored.value).await
    }

    async fn own_upload(&self, account: AccountId, upload: UploadId) -> Result<Stored<UploadRow>, Problem> {
        self.load(&keys::upload(account, upload)).await?.ok_or_else(|| Problem::new(ErrorCode::NotFound))
    }

    async fn state_of(&self, upload: UploadId, row: &UploadRow) -> Result<UploadState, Problem> {
        let received_bytes = match &row.blob {
            Some(blob) => blob.size_bytes,
            None => self.received(upload).await?,
        };
        Ok(UploadState { upload, received_bytes, blob: row.blob.clone() })
    }

    /// Bytes of an upload that are on disk.
    async fn received(&self, upload: UploadId) -> Result<u64, Problem> {
        let head = self.inner.streams.head(&StreamPath::upload(upload)).await.map_err(Failure::from)?;
        Ok(head.map_or(0, |head| head.tail.byte))
    }
}
