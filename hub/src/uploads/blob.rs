//! Files that are whole: read, kept for as long as a session uses them, and removed.

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::try_unfold;
use protocol::blob::{Blob, BlobId};
use protocol::error::{ErrorCode, Problem};
use protocol::id::{AccountId, SessionId, UploadId};
use protocol::limits::{MAX_PAGE_BYTES, MAX_PAGE_MESSAGES};
use protocol::path::StreamPath;
use store::{Batch, Expected, Operation, Put};

use super::quota::{self, Change};
use crate::failure::Failure;
use crate::hub::{Hub, TRIES};
use crate::keys::{self, Due};
use crate::rows::{BlobRow, Row};

impl Hub {
    /// A file of an account, and where its bytes are.
    ///
    /// # Errors
    /// `not_found`; failures of the store.
    pub(crate) async fn blob(&self, account: AccountId, blob: BlobId) -> Result<(Blob, UploadId), Problem> {
        let row = self.load::<BlobRow>(&keys::blob(account, blob)).await?;
        row.map(|row| (row.value.blob, row.value.upload)).ok_or_else(|| Problem::new(ErrorCode::NotFound))
    }

    /// A file that a session uses, for whoever may see the session.
    ///
    /// # Errors
    /// `not_found`; failures of the store.
    pub(crate) async fn blob_of(
        &self,
        account: AccountId,
        session: SessionId,
        blob: BlobId,
    ) -> Result<(Blob, UploadId), Problem> {
        let Some((home, _)) = self.standing(account, session).await? else {
            return Err(Problem::new(ErrorCode::NotFound));
        };
        let used = self.inner.streams.get(&keys::file(session, blob)).await.map_err(Failure::from)?.is_some();
        if used { self.blob(home.account, blob).await } else { Err(Problem::new(ErrorCode::NotFound)) }
    }

    /// The bytes of a file, page by page: one page is in memory at a time.
    pub(crate) fn blob_bytes(&self, upload: UploadId) -> impl Stream<Item = Result<Bytes, Failure>> + Send + 'static {
        let (hub, stream) = (self.clone(), StreamPath::upload(upload));
        try_unfold(Some(None), move |from| {
            let (hub, stream) = (hub.clone(), stream.clone());
            async move {
                let Some(from) = from else { return Ok(None) };
                let page = hub.inner.streams.read(&stream, from, MAX_PAGE_BYTES, MAX_PAGE_MESSAGES).await?;
                let bytes: Vec<u8> = page.messages.iter().flat_map(|message| message.body.iter().copied()).collect();
                let next = (page.next != page.head.tail).then_some(Some(page.next));
                Ok(Some((Bytes::from(bytes), next)))
            }
        })
    }
}

/// Adds to a batch that a session uses a file from now on.
///
/// # Errors
/// `None` when there is no such file.
pub(crate) async fn retain(
    hub: &Hub,
    batch: &mut Batch,
    account: AccountId,
    session: SessionId,
    blob: BlobId,
) -> Result<Option<()>, Failure> {
    let key = keys::blob(account, blob);
    let Some(stored) = hub.load::<BlobRow>(&key).await? else { return Ok(None) };
    // Written anew although only the day goes: whoever is about to remove the file finds another version.
    let used = BlobRow { fresh_until_ms: None, ..stored.value };
    batch.push(Put::set(key, used.encode()).expecting(Expected::Version(stored.version)));
    batch.push(Put::set(keys::file(session, blob), ""));
    batch.push(Put::set(keys::user(account, blob, session), ""));
    Ok(Some(()))
}

/// Adds to a batch that a session uses a file no longer; the file goes soon, unless something else uses it.
pub(crate) fn release(hub: &Hub, batch: &mut Batch, account: AccountId, session: SessionId, blob: BlobId) {
    batch.push(Put::remove(keys::file(session, blob)));
    batch.push(Put::remove(keys::user(account, blob, session)));
    batch.push(Put::set(Due::Blob(account, blob).key(hub.now()), ""));
}

/// Removes a file that no session uses and that nobody has uploaded of late.
pub(crate) async fn drop_unused(hub: &Hub, account: AccountId, blob: BlobId) -> Result<(), Failure> {
    for _ in 0..TRIES {
        let key = keys::blob(account, blob);
        let Some(stored) = hub.load::<BlobRow>(&key).await? else { return Ok(()) };
        let row = stored.value;
        // A fresh one has a time of its own at which this is asked again.
        let fresh = row.fresh_until_ms.is_some_and(|until| until > hub.now());
        if fresh || !hub.scan(keys::all_users(account, blob), None, 1).await?.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::of(Put::remove(key).expecting(Expected::Version(stored.version)));
        batch.push(Operation::Delete(StreamPath::upload(row.upload)));
        let change = Change { less_bytes: row.blob.size_bytes, ..Change::default() };
        quota::change(hub, &mut batch, account, change).await?;
        match hub.commit(batch).await {
            Ok(_) => return Ok(()),
            Err(failure) if failure.lost().is_some() => {}
            Err(failure) => return Err(failure),
        }
    }
    Err(Failure::Contended { tries: TRIES })
}
