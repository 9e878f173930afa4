//! The streams of this node's host: which there are, and what is in them.

use bytes::Bytes;
use protocol::error::Problem;
use protocol::id::{SessionId, TurnId};
use protocol::limits::MAX_PAGE_MESSAGES;
use protocol::offset::Offset;
use protocol::path::{Owned, StreamPath};
use store::ReadError;

use super::Uplink;
use crate::failure::Failure;
use crate::hub::decode;
use crate::keys;
use crate::rows::{SessionRow, TurnRow};

/// Rows read at once.
const PAGE: usize = 1_000;

/// A stream of this node's host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnStream {
    /// Which.
    pub stream: StreamPath,
    /// Of which session it is.
    pub session: SessionId,
    /// Where it ends.
    pub tail: Offset,
    /// Whether it is closed.
    pub closed: bool,
}

/// A page of such a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnPage {
    /// The messages, each with the offset behind it.
    pub messages: Vec<(Offset, Bytes)>,
    /// Where the stream ends.
    pub tail: Offset,
    /// Whether it is closed.
    pub closed: bool,
}

/// A stream could not be read from there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// There is no such stream any more.
    #[error("the stream is gone")]
    Gone,
    /// The offset is no position of it.
    #[error("the offset is no position of the stream")]
    NoPosition,
    /// The store failed.
    #[error(transparent)]
    Failed(#[from] Problem),
}

impl Uplink {
    /// Every journal, and every turn stream that is not deleted yet, in no order.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn own(&self) -> Result<Vec<OwnStream>, Problem> {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = self.hub.scan(keys::SESSIONS.to_owned(), after.take(), PAGE).await?;
            for entry in &page {
                let Some(session) = id_of::<SessionId>(&entry.key) else { continue };
                let row = decode::<SessionRow>(entry)?.value;
                if row.live && row.host == self.hub.node() {
                    found.extend(self.at(StreamPath::journal(session), session).await?);
                }
            }
            after = page.last().filter(|_| page.len() == PAGE).map(|entry| entry.key.clone());
            if after.is_none() {
                break;
            }
        }
        loop {
            let page = self.hub.scan(keys::TURNS.to_owned(), after.take(), PAGE).await?;
            for entry in &page {
                let Some(turn) = id_of::<TurnId>(&entry.key) else { continue };
                let session = decode::<TurnRow>(entry)?.value.session;
                if self.is_own(session).await? {
                    found.extend(self.at(StreamPath::turn(turn), session).await?);
                }
            }
            after = page.last().filter(|_| page.len() == PAGE).map(|entry| entry.key.clone());
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    /// One stream; `None` when it is no journal or turn stream of this host, or not any more.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn one(&self, stream: &StreamPath) -> Result<Option<OwnStream>, Problem> {
        let session = match stream.owned() {
            Some(Owned::Journal(session)) => Some(session),
            Some(Owned::Turn(turn)) => self.hub.session_of(turn).await?,
            Some(Owned::Feed(_)) | None => None,
        };
        match session {
            Some(session) if self.is_own(session).await? => Ok(self.at(stream.clone(), session).await?),
            _ => Ok(None),
        }
    }

    /// Whether a session was deleted here.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn is_gone(&self, session: SessionId) -> Result<bool, Problem> {
        Ok(self.hub.streams().get(&keys::gone(session)).await.map_err(Failure::from)?.is_some())
    }

    /// Reads a stream from a position on: at least one message when there is one.
    ///
    /// # Errors
    /// [`Unread`].
    pub async fn read(&self, stream: &StreamPath, from: Offset, max_bytes: usize) -> Result<OwnPage, Unread> {
        let page = self.hub.streams().read(stream, Some(from), max_bytes, MAX_PAGE_MESSAGES).await;
        let page = page.map_err(|error| match error {
            ReadError::NoStream { .. } | ReadError::Retired { .. } => Unread::Gone,
            ReadError::BadOffset { .. } | ReadError::Trimmed { .. } => Unread::NoPosition,
            error @ ReadError::Broken { .. } => Unread::Failed(Failure::from(error).into()),
        })?;
        let messages = page.messages.into_iter().map(|message| (message.end, message.body)).collect();
        Ok(OwnPage { messages, tail: page.head.tail, closed: page.head.closed })
    }

    pub(super) async fn is_own(&self, session: SessionId) -> Result<bool, Failure> {
        let home = self.hub.home(session).await?;
        Ok(home.is_some_and(|home| home.live && home.host == self.hub.node()))
    }

    async fn at(&self, stream: StreamPath, session: SessionId) -> Result<Option<OwnStream>, Failure> {
        let head = match self.hub.streams().head(&stream).await {
            Ok(head) => head,
            Err(ReadError::Retired { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(head.map(|head| OwnStream { stream, session, tail: head.tail, closed: head.closed }))
    }
}

/// The id at the end of a key.
fn id_of<I: std::str::FromStr>(key: &str) -> Option<I> {
    key.rsplit('/').next()?.parse().ok()
}
