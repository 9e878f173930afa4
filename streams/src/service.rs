//! The service: a store whose appends are told to live readers.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use protocol::offset::Offset;
use protocol::path::StreamPath;
use store::{
    Batch, CommitError, Cut, Direction, Done, Entry, Fork, Head, Later, Operation, Page, Read, ReadError, Scan, Store,
};
use tokio_util::task::TaskTracker;

use crate::live::{FollowError, Follower, Position, Registry};
use crate::replica;
use crate::subscription::hints::Hints;
use crate::watch::{Watch, Watches};

/// Durable streams and a map over one store; cheap to clone.
#[derive(Debug, Clone)]
pub struct Streams {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Arc<dyn Store>,
    live: Registry,
    /// Streams that grew, for subscriptions; heard once somebody heeds them.
    touched: Hints<StreamPath>,
    heeded: AtomicBool,
    watches: Watches,
    commits: TaskTracker,
}

impl Streams {
    /// Takes over a store: from here on it must be appended to only through this service and its clones.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            inner: Arc::new(Inner {
                store,
                live: Registry::default(),
                touched: Hints::default(),
                heeded: AtomicBool::new(false),
                watches: Watches::default(),
                commits: TaskTracker::new(),
            }),
        }
    }

    /// Commits a batch and, once it is durable, tells those who follow the streams that it touched.
    ///
    /// Cancellation safe in the sense of the port, and more: a commit whose caller left goes on in a task of its own, because
    /// it may become durable and then somebody has to say so.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn commit(&self, batch: Batch) -> Result<Vec<Done>, CommitError> {
        let inner = Arc::clone(&self.inner);
        let mut batch = batch;
        let asked = batch.operations.len();
        replica::follow_deletions(&mut batch);
        let commit = self.inner.commits.track_future(async move {
            let news: Vec<News> = batch.operations.iter().map(News::of).collect();
            let done = inner.store.commit(batch).await?;
            if inner.heeded.load(Ordering::Relaxed) {
                for news in &news {
                    if let News::Messages { stream, .. } = news {
                        inner.touched.add(stream.clone());
                    }
                }
            }
            if inner.watches.are_some() {
                for news in &news {
                    if let News::Messages { stream, .. } | News::Deleted { stream } = news {
                        inner.watches.tell(stream);
                    }
                }
            }
            inner.live.tell(news, &done);
            Ok(replica::without_deletions(done, asked))
        });
        ToTheEnd(Some(Box::pin(commit))).await
    }

    /// Reads a page forwards.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn read(
        &self,
        stream: &StreamPath,
        from: Option<Offset>,
        max_bytes: usize,
        max_messages: usize,
    ) -> Result<Page, ReadError> {
        let read =
            Read { stream: stream.clone(), from, walk: None, direction: Direction::Forwards, max_bytes, max_messages };
        self.inner.store.read(read).await
    }

    /// Reads a page in either direction.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn page(&self, read: Read) -> Result<Page, ReadError> {
        self.inner.store.read(read).await
    }

    /// Tells what a stream is and where it ends.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub async fn head(&self, stream: &StreamPath) -> Result<Option<Head>, ReadError> {
        self.inner.store.head(stream).await
    }

    /// Reads an entry of the map.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn get(&self, key: &str) -> Result<Option<Entry>, ReadError> {
        self.inner.store.get(key).await
    }

    /// Reads entries of the map by prefix.
    ///
    /// # Errors
    /// As [`Store::scan`].
    pub async fn scan(&self, scan: Scan) -> Result<Vec<Entry>, ReadError> {
        self.inner.store.scan(scan).await
    }

    /// Drops messages of a stream. Followers that may no longer go on from where they are get [`FollowError::Trimmed`].
    ///
    /// # Errors
    /// As [`Store::trim`].
    pub async fn trim(&self, stream: &StreamPath, cut: Cut) -> Result<(), CommitError> {
        self.inner.store.trim(stream, cut).await
    }

    /// Follows a stream from a position on, without loss or repetition between what is stored and what is to come.
    ///
    /// # Errors
    /// [`FollowError::Gone`] when there is no such stream, [`FollowError::BadOffset`], [`FollowError::Trimmed`],
    /// [`FollowError::Broken`].
    pub async fn follow(&self, stream: &StreamPath, from: Position) -> Result<Follower, FollowError> {
        Follower::join(self.clone(), stream.clone(), from).await
    }

    /// Tells whether somebody in this process follows the stream.
    pub fn is_followed(&self, stream: &StreamPath) -> bool {
        self.inner.live.contains(stream)
    }

    /// How many in this process follow a stream.
    pub(crate) fn crowd(&self, stream: &StreamPath) -> usize {
        self.inner.live.crowd(stream)
    }

    /// The number of streams that somebody in this process follows.
    pub fn followed(&self) -> usize {
        self.inner.live.len()
    }

    /// The position before which compaction may have dropped messages from among others; `None` when it never did.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn compacted_before(&self, stream: &StreamPath) -> Result<Option<Offset>, ReadError> {
        crate::keep::cut(self, stream).await
    }

    /// Notes from now on which streams grow.
    pub fn watch(&self) -> Watch {
        self.inner.watches.add()
    }

    /// Waits until the commits whose callers left have ended; for an orderly shutdown, after the last commit was asked for.
    pub async fn drained(&self) {
        self.inner.commits.close();
        self.inner.commits.wait().await;
    }

    /// Has the streams that grow noted from now on.
    pub(crate) fn heed(&self) -> &Hints<StreamPath> {
        self.inner.heeded.store(true, Ordering::Relaxed);
        &self.inner.touched
    }

    pub(crate) fn live(&self) -> &Registry {
        &self.inner.live
    }
}

/// A commit that goes on, in a task of its own, when whoever waits for it leaves.
struct ToTheEnd(Option<Later<'static, Result<Vec<Done>, CommitError>>>);

impl Future for ToTheEnd {
    type Output = Result<Vec<Done>, CommitError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Out while it is asked, so that one that panics is not asked once more by whoever drops this.
        let Some(mut commit) = self.0.take() else { return Poll::Pending };
        let asked = commit.as_mut().poll(context);
        if asked.is_pending() {
            self.0 = Some(commit);
        }
        asked
    }
}

impl Drop for ToTheEnd {
    fn drop(&mut self) {
        if let Some(commit) = self.0.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(commit);
        }
    }
}

/// What one operation of a batch means to followers, kept while the store has the batch.
#[derive(Debug)]
pub(crate) enum News {
    Nothing,
    Messages { stream: StreamPath, messages: Vec<Bytes>, close: bool },
    Deleted { stream: StreamPath },
}

impl News {
    fn of(operation: &Operation) -> Self {
        match operation {
            Operation::Create(create) | Operation::Fork(Fork { create, .. }) => {
                Self::Messages { stream: create.stream.clone(), messages: create.messages.clone(), close: create.close }
            }
            Operation::Append(append) => {
                Self::Messages { stream: append.stream.clone(), messages: append.messages.clone(), close: append.close }
            }
            Operation::Delete(stream) => Self::Deleted { stream: stream.clone() },
            Operation::Put(_) => Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::AtomicUsize;

    use futures_util::FutureExt;

    /// A commit that counts how often it is asked, waits the first time, and then ends in some way.
    fn counting(asked: &Arc<AtomicUsize>, end: fn() -> Result<Vec<Done>, CommitError>) -> ToTheEnd {
        let asked = Arc::clone(asked);
        ToTheEnd(Some(Box::pin(std::future::poll_fn(move |context| {
            if asked.fetch_add(1, Ordering::SeqCst) == 0 {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(end())
        }))))
    }

    #[tokio::test]
    async fn a_commit_whose_caller_left_goes_on_to_its_end() {
        let asked = Arc::<AtomicUsize>::default();
        let mut commit = counting(&asked, || Ok(Vec::new()));
        assert_eq!((&mut commit).now_or_never(), None);
        drop(commit);
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_commit_that_panicked_is_not_begun_again() {
        let asked = Arc::<AtomicUsize>::default();
        let mut commit = counting(&asked, || panic!("a commit that ends in no way"));
        assert_eq!((&mut commit).now_or_never(), None);
        assert!(catch_unwind(AssertUnwindSafe(|| (&mut commit).now_or_never())).is_err());
        drop(commit);
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}
