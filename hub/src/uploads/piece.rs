//! A piece of an upload.

use bytes::Bytes;
use protocol::blob::UploadState;
use protocol::error::{ErrorCode, Problem};
use protocol::id::UploadId;
use protocol::path::StreamPath;
use store::{Append, Batch, CommitError, Conflict};

use super::sniff;
use crate::failure::Failure;
use crate::hub::Hub;
use crate::identity::Identity;

/// A piece was not taken.
#[derive(Debug)]
pub(crate) enum Misplaced {
    /// It does not begin where the upload stands.
    Offset {
        /// Where it stands.
        received: u64,
    },
    /// Something else is wrong.
    Refused(Problem),
}

impl<T: Into<Problem>> From<T> for Misplaced {
    fn from(problem: T) -> Self {
        Self::Refused(problem.into())
    }
}

impl Hub {
    /// Takes the piece that begins at an offset. It is on disk when this returns; the last one makes the file whole. Goes on to its
    /// end when the caller leaves.
    ///
    /// # Errors
    /// [`Misplaced`]: the true offset, or `not_found`, `body_too_large`, `media_unsupported`; failures of the store.
    pub(crate) async fn add_piece(
        &self,
        who: &Identity,
        upload: UploadId,
        offset: u64,
        piece: Bytes,
    ) -> Result<UploadState, Misplaced> {
        let (hub, account) = (self.clone(), who.account);
        self.whole(async move {
            let stored = hub.own_upload(account, upload).await?;
            let row = stored.value;
            let stream = StreamPath::upload(upload);
            if row.blob.is_some() {
                return Err(Misplaced::Offset { received: row.size_bytes });
            }
            let head = hub.inner.streams.head(&stream).await.map_err(Failure::from)?;
            let Some(head) = head else { return Err(Problem::new(ErrorCode::NotFound).into()) };
            let received = head.tail.byte;
            if offset != received {
                return Err(Misplaced::Offset { received });
            }
            let after = received + piece.len() as u64;
            if after > row.size_bytes {
                let detail = format!("the file was announced with {} bytes", row.size_bytes);
                return Err(Problem::new(ErrorCode::BodyTooLarge).detail(detail).into());
            }
            if received == 0 && !sniff::may_become(&piece) {
                hub.abandon(account, upload).await?;
                return Err(Problem::new(ErrorCode::MediaUnsupported).into());
            }
            if !piece.is_empty() {
                let append = Append { expected: Some(head.tail), ..Append::new(stream, vec![piece]) };
                match hub.commit(Batch::of(append)).await {
                    Ok(_) => {}
                    Err(Failure::Commit(CommitError::Conflict { conflict: Conflict::Tail { tail, .. }, .. })) => {
                        return Err(Misplaced::Offset { received: tail.byte });
                    }
                    Err(failure) => return Err(failure.into()),
                }
            }
            if after == row.size_bytes {
                return Ok(hub.finish_upload(account, upload).await?);
            }
            Ok(UploadState { upload, received_bytes: after, blob: None })
        })
        .await
    }
}
