//! Files that go with handed commands: kept here as if they had been attached here.

use bytes::Bytes;
use protocol::blob::{Attachment, BlobId, UploadRequest};
use protocol::error::{ErrorCode, Problem};
use protocol::limits::MAX_UPLOAD_PIECE_BYTES;

use super::Uplink;
use crate::keys;
use crate::rows::BlobRow;
use crate::uploads::Misplaced;

impl Uplink {
    /// Whether a file is here.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn has_file(&self, blob: BlobId) -> Result<bool, Problem> {
        Ok(self.hub.load::<BlobRow>(&keys::blob(self.hub.account(), blob)).await?.is_some())
    }

    /// Keeps a file that was fetched from the other hub.
    ///
    /// # Errors
    /// `attachment_missing` when the bytes are not those of the file; as an upload otherwise.
    pub async fn keep_file(&self, attachment: &Attachment, bytes: Bytes) -> Result<(), Problem> {
        let who = self.somebody(self.hub.node());
        let request = UploadRequest {
            name: attachment.name.clone(),
            media_type: attachment.media_type.clone(),
            size_bytes: bytes.len() as u64,
        };
        let upload = self.hub.begin_upload(&who, &request).await?.upload;
        let (mut at, mut kept) = (0, None);
        while at < bytes.len() {
            let end = bytes.len().min(at + MAX_UPLOAD_PIECE_BYTES);
            let added = self.hub.add_piece(&who, upload, at as u64, bytes.slice(at..end)).await;
            kept = added
                .map_err(|misplaced| match misplaced {
                    Misplaced::Refused(problem) => problem,
                    Misplaced::Offset { .. } => Problem::new(ErrorCode::UploadOffset),
                })?
                .blob;
            at = end;
        }
        if kept.is_some_and(|blob| blob.sha256 == attachment.blob) {
            return Ok(());
        }
        Err(Problem::new(ErrorCode::AttachmentMissing).detail("the other hub gave another file"))
    }
}
