//! The end of an upload: it becomes a file, or nothing.

use protocol::blob::{Blob, BlobId, UploadState};
use protocol::error::{ErrorCode, Problem};
use protocol::id::{AccountId, UploadId};
use protocol::limits::{MAX_PAGE_BYTES, MAX_PAGE_MESSAGES, UNUSED_BLOB_MS};
use protocol::path::StreamPath;
use sha2::{Digest, Sha256};
use store::{Append, Batch, Expected, Operation, Put};

use super::quota::{self, Change};
use super::sniff::Sniffer;
use crate::failure::Failure;
use crate::hub::{Hub, TRIES};
use crate::keys::{self, Due};
use crate::rows::{BlobRow, Row, Stored};

impl Hub {
    /// Makes a file of an upload that is whole. Two may do so at once; both get the same answer.
    pub(super) async fn finish_upload(&self, account: AccountId, upload: UploadId) -> Result<UploadState, Problem> {
        for _ in 0..TRIES {
            let stored = self.own_upload(account, upload).await?;
            if stored.value.blob.is_some() {
                return self.state_of(upload, &stored.value).await;
            }
            let Some(blob) = self.look_at(upload).await? else {
                self.abandon(account, upload).await?;
                return Err(Problem::new(ErrorCode::MediaUnsupported));
            };
            let mut row = stored.value;
            row.blob = Some(blob.clone());
            let mut batch = Batch::new();
            let put = Put::set(keys::upload(account, upload), row.encode());
            batch.push(put.expecting(Expected::Version(stored.version)));
            let until = self.now().plus_ms(UNUSED_BLOB_MS);
            let key = keys::blob(account, blob.sha256);
            let stream = StreamPath::upload(upload);
            let mut change = Change { ended: 1, ..Change::default() };
            if let Some(Stored { value, version }) = self.load::<BlobRow>(&key).await? {
                // The same bytes are kept once.
                let again = BlobRow { fresh_until_ms: Some(until), ..value };
                batch.push(Put::set(key, again.encode()).expecting(Expected::Version(version)));
                batch.push(Operation::Delete(stream));
                change.less_bytes = blob.size_bytes;
            } else {
                let new = BlobRow { blob: blob.clone(), upload, fresh_until_ms: Some(until) };
                batch.push(Put::set(key, new.encode()).expecting(Expected::Absent));
                batch.push(Append { close: true, ..Append::new(stream, Vec::new()) });
            }
            batch.push(Put::set(Due::Blob(account, blob.sha256).key(until), ""));
            quota::change(self, &mut batch, account, change).await?;
            match self.commit(batch).await {
                Ok(_) => {
                    self.inner.due.ring();
                    return self.state_of(upload, &row).await;
                }
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Failure::Contended { tries: TRIES }.into())
    }

    /// Reads the whole, and says what it is; `None` for what is not taken.
    async fn look_at(&self, upload: UploadId) -> Result<Option<Blob>, Problem> {
        let stream = StreamPath::upload(upload);
        let (mut hash, mut sniffer, mut size_bytes) = (Sha256::new(), Sniffer::default(), 0);
        let mut from = None;
        loop {
            let read = self.inner.streams.read(&stream, from, MAX_PAGE_BYTES, MAX_PAGE_MESSAGES).await;
            let page = read.map_err(Failure::from)?;
            for message in &page.messages {
                hash.update(&message.body);
                sniffer.add(&message.body);
                size_bytes += message.body.len() as u64;
            }
            if page.next == page.head.tail {
                break;
            }
            from = Some(page.next);
        }
        let sha256 = BlobId::from_digest(hash.finalize().into());
        Ok(sniffer.end().map(|media_type| Blob { sha256, media_type: media_type.to_owned(), size_bytes }))
    }

    /// Removes an upload that will not become a file.
    pub(super) async fn abandon(&self, account: AccountId, upload: UploadId) -> Result<(), Failure> {
        for _ in 0..TRIES {
            let key = keys::upload(account, upload);
            let Some(stored) = self.load::<crate::rows::UploadRow>(&key).await? else { return Ok(()) };
            let mut batch = Batch::of(Put::remove(key).expecting(Expected::Version(stored.version)));
            if stored.value.blob.is_none() {
                batch.push(Operation::Delete(StreamPath::upload(upload)));
                let change = Change { less_bytes: stored.value.size_bytes, ended: 1, ..Change::default() };
                quota::change(self, &mut batch, account, change).await?;
            }
            match self.commit(batch).await {
                Ok(_) => return Ok(()),
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::Contended { tries: TRIES })
    }
}

/// The day of an upload is over: what is not whole goes, and nobody asks for the rest any more.
pub(crate) async fn give_up(hub: &Hub, account: AccountId, upload: UploadId) -> Result<(), Failure> {
    hub.abandon(account, upload).await
}
