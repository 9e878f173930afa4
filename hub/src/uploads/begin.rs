//! Beginning an upload.

use bytes::Bytes;
use protocol::blob::{UploadRequest, UploadState, is_file_name};
use protocol::error::{ErrorCode, Problem};
use protocol::id::UploadId;
use protocol::limits::{MAX_BLOB_BYTES, UPLOAD_TTL_MS};
use protocol::path::StreamPath;
use store::{Batch, Create, Expected, Put};

use super::quota::{self, Change};
use crate::audit::{self, About};
use crate::failure::Failure;
use crate::hub::{Hub, TRIES};
use crate::identity::Identity;
use crate::keys::{self, Due};
use crate::rows::{Row, UploadRow};

impl Hub {
    /// Begins an upload of a file of a known size. What is not whole after a day is removed.
    ///
    /// # Errors
    /// `bad_request`, `body_too_large`, `quota_exceeded`; failures of the store.
    pub async fn begin_upload(&self, who: &Identity, request: &UploadRequest) -> Result<UploadState, Problem> {
        if !is_file_name(&request.name) {
            return Err(Problem::new(ErrorCode::BadRequest).detail("`name` is not the name of a file"));
        }
        if request.size_bytes == 0 {
            return Err(Problem::new(ErrorCode::BadRequest).detail("the file is empty"));
        }
        if request.size_bytes > MAX_BLOB_BYTES {
            let detail = format!("the file has {} bytes; at most {MAX_BLOB_BYTES} are taken", request.size_bytes);
            return Err(Problem::new(ErrorCode::BodyTooLarge).detail(detail));
        }
        let upload = UploadId::from_uuid(self.inner.clock.fresh());
        for _ in 0..TRIES {
            let mut batch = Batch::new();
            let change = Change { more_bytes: request.size_bytes, opened: 1, ..Change::default() };
            quota::check(quota::change(self, &mut batch, who.account, change).await?)?;
            let now = self.now();
            let row = UploadRow { size_bytes: request.size_bytes, created_at_ms: now, blob: None };
            batch.push(Put::set(keys::upload(who.account, upload), row.encode()).expecting(Expected::Absent));
            batch.push(Create {
                stream: StreamPath::upload(upload),
                content_type: "application/octet-stream".to_owned(),
                config: Bytes::new(),
                messages: Vec::new(),
                close: false,
                or_same: false,
            });
            batch.push(Put::set(Due::Upload(who.account, upload).key(now.plus_ms(UPLOAD_TTL_MS)), ""));
            let size = usize::try_from(request.size_bytes).unwrap_or(usize::MAX);
            let entry = self.entry(Some(who), "upload.begin").about(upload).sized(size);
            audit::push(&mut batch, who.account, &entry);
            match self.commit(batch).await {
                Ok(_) => {
                    self.inner.due.ring();
                    return Ok(UploadState { upload, received_bytes: 0, blob: None });
                }
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Failure::Contended { tries: TRIES }.into())
    }
}
