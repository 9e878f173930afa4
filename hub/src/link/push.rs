//! A push: all of it is stored in one commit, or nothing.

use std::collections::{HashMap, HashSet};

use protocol::blob::BlobId;
use protocol::error::{ErrorCode, Problem};
use protocol::host::AwayReason;
use protocol::id::{AccountId, DeviceId, RuleId, SessionId, TurnId};
use protocol::limits::{MAX_PUSH_PIECES, MAX_REPLICAS_PAGE};
use protocol::link::{LinkNews, Mismatch, Part, Push, Replica};
use protocol::path::{Owned, StreamPath};
use protocol::port::PortError;
use store::{Batch, CommitError, Conflict, Expected, Put};
use streams::{ExtendError, Replicas};

use super::admission::Seat;
use super::facts::{Named, Rows};
use super::mirror;
use crate::audit::{self, About as _};
use crate::failure::Failure;
use crate::hub::{Hub, TRIES};
use crate::keys;
use crate::open::CONTENT_TYPE;
use crate::port;
use crate::rows::SessionRow;

/// Why something was not stored.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It does not fit what is here.
    Mismatch(Mismatch),
    /// A newer connection was let in.
    Replaced,
    /// It is not the node's to say.
    Refused(Problem),
    /// The store failed.
    Failure(Failure),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<ExtendError> for Refusal {
    fn from(error: ExtendError) -> Self {
        match error {
            ExtendError::Mismatch(mismatch) => Self::Mismatch(mismatch),
            ExtendError::Read(error) => Self::Failure(error.into()),
        }
    }
}

impl From<PortError> for Refusal {
    fn from(error: PortError) -> Self {
        match error {
            PortError::Broken { reason } => Self::Failure(store::ReadError::Broken { reason }.into()),
            other => Self::Refused(Problem::new(ErrorCode::Invalid).detail(other.to_string())),
        }
    }
}

pub(super) fn refuse<T>(reason: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Refused(Problem::new(ErrorCode::Invalid).detail(reason.into())))
}

/// Whose a session is, as the batch leaves it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Home {
    /// `None` when it was deleted.
    pub(super) row: Option<SessionRow>,
    pub(super) expected: Expected,
    pub(super) changed: bool,
}

/// A push on its way into a batch.
pub(super) struct Draft<'a> {
    pub(super) hub: &'a Hub,
    pub(super) host: DeviceId,
    /// The id of the host in its own hub.
    pub(super) there: DeviceId,
    pub(super) account: AccountId,
    pub(super) batch: Batch,
    pub(super) replicas: Replicas<'a>,
    pub(super) index: port::Draft<'a>,
    pub(super) homes: HashMap<SessionId, Home>,
    pub(super) rows: Rows,
    pub(super) commands: mirror::Rows,
    pub(super) named: Named,
    pub(super) retained: HashSet<BlobId>,
    pub(super) revoked: Option<HashSet<RuleId>>,
    /// Turn streams whose time was over here.
    pub(super) spent: &'a HashSet<TurnId>,
    /// Sessions that were deleted here and that the push speaks of.
    pub(super) gone: HashSet<SessionId>,
    /// Whether something becomes due.
    pub(super) due: bool,
}

impl Seat {
    /// Stores a push. On a mismatch the link is marked: this generation stores nothing more.
    pub(super) async fn push(&mut self, push: &Push) -> Result<(), Refusal> {
        if push.pieces.len() > MAX_PUSH_PIECES {
            return refuse(format!("a push has at most {MAX_PUSH_PIECES} pieces"));
        }
        if matches!(push.whole, Some(Part::First | Part::Only)) {
            self.named = Some(Named::new());
        } else if push.whole.is_some() && self.named.is_none() {
            return refuse("all rows begin with their first part");
        }
        let stored = match self.goes_back(push) {
            Some(mismatch) => Err(Refusal::Mismatch(mismatch)),
            None => self.store(push).await,
        };
        match stored {
            Err(Refusal::Mismatch(mismatch)) => {
                // Whether it can be written down or not: this connection is over, and the next one finds the same.
                if let Err(refusal) = self.fence(&mismatch).await {
                    tracing::error!(?refusal, host = %self.host, "a link that does not fit cannot be marked");
                }
                Err(Refusal::Mismatch(mismatch))
            }
            other => other,
        }
    }

    /// A place in the node's feed that lies before the one that is known here, or is another one: the node has lost its memory.
    fn goes_back(&self, push: &Push) -> Option<Mismatch> {
        let (known, said) = (self.link.value.cursor?, push.cursor?);
        let goes_on = said.offset > known.offset || said == known || push.whole.is_some();
        let stream = StreamPath::feed(self.account);
        (!goes_on).then_some(Mismatch { stream, tail: Some(known.offset), chain: Some(known.last) })
    }

    async fn store(&mut self, push: &Push) -> Result<(), Refusal> {
        let (hub, mut spent) = (self.hub.clone(), HashSet::new());
        // Each doubt that is resolved leaves one stream less to doubt.
        for _ in 0..TRIES as usize + push.pieces.len() {
            let mut draft = Draft {
                hub: &hub,
                host: self.host,
                there: self.link.value.host,
                account: self.account,
                batch: Batch::new(),
                replicas: Replicas::new(hub.streams(), CONTENT_TYPE),
                index: port::Draft::new(&hub, self.host),
                homes: HashMap::new(),
                rows: Rows::new(),
                commands: mirror::Rows::new(),
                named: self.named.clone().filter(|_| push.whole.is_some()).unwrap_or_default(),
                retained: HashSet::new(),
                revoked: None,
                spent: &spent,
                gone: HashSet::new(),
                due: false,
            };
            let mut trouble = None;
            for piece in &push.pieces {
                match draft.piece(piece).await {
                    Ok(()) => {}
                    Err(Refusal::Mismatch(mismatch)) => {
                        trouble = Some(mismatch);
                        break;
                    }
                    Err(refusal) => return Err(refusal),
                }
            }
            if let Some(mismatch) = trouble {
                drop(draft);
                self.doubt(mismatch, push, &mut spent).await?;
                continue;
            }
            draft.facts(&push.facts, push.whole).await?;
            draft.write_homes();
            let again: Vec<SessionId> = draft.gone.difference(&self.told_gone).copied().collect();
            for session in &again {
                let news = LinkNews::Deleted { session: *session };
                super::news::tell(&hub, &mut draft.batch, self.host, &news);
            }
            let Draft { mut batch, homes, index, named, due, commands, .. } = draft;
            let cursor = self.link.value.cursor;
            // Until all rows have come, the hub has no place in the feed from which it could go on.
            if push.cursor.is_some() && !matches!(push.whole, Some(Part::First | Part::Middle)) {
                self.link.value.cursor = push.cursor;
            }
            self.hold(&mut batch);
            let Err(failure) = hub.commit(batch).await else {
                self.held();
                match push.whole {
                    Some(Part::First | Part::Middle) => self.named = Some(named),
                    Some(Part::Last | Part::Only) => self.named = None,
                    None => {}
                }
                self.told_gone.extend(&again);
                self.advanced = !commands.is_empty();
                learn(&hub, &homes, &index.turns);
                if due {
                    hub.inner.due.ring();
                }
                if !again.is_empty() {
                    hub.inner.links.rouse(self.host);
                }
                return Ok(());
            };
            self.link.value.cursor = cursor;
            if self.is_replaced(&failure) {
                return Err(Refusal::Replaced);
            }
            if failure.lost().is_some() {
                continue;
            }
            let Some(stream) = stream_of(&failure) else { return Err(failure.into()) };
            let there = hub.inner.streams.replica(&stream).await.map_err(Failure::from)?;
            let mismatch = Mismatch {
                stream,
                tail: there.as_ref().map(|replica| replica.tail),
                chain: there.as_ref().map(|replica| replica.chain),
            };
            self.doubt(mismatch, push, &mut spent).await?;
        }
        Err(Failure::Contended { tries: TRIES }.into())
    }

    /// Looks whether something that does not fit is only late: its session was deleted here, or it is a turn stream whose time was over.
    /// Then the push is tried again without it.
    async fn doubt(&self, mismatch: Mismatch, push: &Push, spent: &mut HashSet<TurnId>) -> Result<(), Refusal> {
        let piece = push.pieces.iter().find(|piece| piece.stream == mismatch.stream);
        if let Some(piece) = piece {
            let gone = self.hub.inner.streams.get(&keys::gone(piece.session)).await.map_err(Failure::from)?;
            if gone.is_some() {
                self.hub.inner.known.forget_session(piece.session);
                return Ok(());
            }
            if let Some(Owned::Turn(turn)) = piece.stream.owned()
                && mismatch.tail.is_none()
            {
                let open = keys::open(piece.session, "turn", &turn.to_string());
                let open = self.hub.inner.streams.get(&open).await.map_err(Failure::from)?;
                let head = self.hub.inner.streams.head(&piece.stream).await.map_err(Failure::from)?;
                if open.is_none() && head.is_none() && spent.insert(turn) {
                    return Ok(());
                }
            }
        }
        Err(Refusal::Mismatch(mismatch))
    }

    /// Marks the link: what this generation would say does not fit.
    async fn fence(&mut self, mismatch: &Mismatch) -> Result<(), Refusal> {
        tracing::warn!(host = %self.host, stream = %mismatch.stream, "what a linked node has does not fit what is here");
        self.link.value.fenced = Some(mismatch.clone());
        let mut batch = Batch::new();
        self.hold(&mut batch);
        let entry = self.hub.entry(None, "link.push").about(&mismatch.stream).on(self.host);
        let mut entry = entry.failed(ErrorCode::LinkRestored);
        (entry.account, entry.device) = (Some(self.account), Some(self.host));
        audit::push(&mut batch, self.hub.account(), &entry);
        match self.hub.commit(batch).await {
            Ok(_) => self.held(),
            Err(failure) if self.is_replaced(&failure) => return Err(Refusal::Replaced),
            Err(failure) => return Err(failure.into()),
        }
        self.hub.inner.links.leave(self.host, self.link.value.seat, AwayReason::Fenced, self.hub.now());
        self.hub.settle_presence(self.host).await?;
        Ok(())
    }

    /// A page of what is here of the node's streams, in the order of their paths, and whether there is more.
    pub(super) async fn replicas(&self, after: Option<StreamPath>) -> Result<(Vec<Replica>, bool), Refusal> {
        let (mut found, prefix) = (Vec::new(), keys::all_replicas(self.host));
        let mut after = after.map(|stream| keys::replica(self.host, &stream));
        loop {
            let page = self.hub.scan(prefix.clone(), after.take(), MAX_REPLICAS_PAGE + 1).await?;
            let more = page.len() > MAX_REPLICAS_PAGE;
            let mut over = Batch::new();
            for entry in page.iter().take(MAX_REPLICAS_PAGE) {
                let Some(stream) = entry.key.strip_prefix(&prefix).and_then(|path| path.parse().ok()) else { continue };
                match self.hub.inner.streams.replica(&stream).await.map_err(Failure::from)? {
                    Some(replica) => found.push(replica),
                    // It was deleted, and what stood beside it went with it.
                    None => over.push(Put::remove(entry.key.clone())),
                }
            }
            if !over.operations.is_empty() {
                self.hub.commit(over).await?;
            }
            if !found.is_empty() || !more {
                return Ok((found, more));
            }
            after = page.get(MAX_REPLICAS_PAGE - 1).map(|entry| entry.key.clone());
        }
    }
}

/// Takes note of what is durable now.
fn learn(hub: &Hub, homes: &HashMap<SessionId, Home>, turns: &HashMap<TurnId, SessionId>) {
    for (session, home) in homes {
        match home.row {
            Some(row) if row.live => hub.inner.known.learn_session(*session, row),
            Some(_) => {}
            None => hub.inner.known.forget_session(*session),
        }
    }
    for (turn, session) in turns {
        hub.inner.known.learn_turn(*turn, *session);
    }
}

/// The stream that a batch failed on.
fn stream_of(failure: &Failure) -> Option<StreamPath> {
    let Failure::Commit(CommitError::Conflict { conflict, .. }) = failure else { return None };
    match conflict {
        Conflict::NoStream { stream }
        | Conflict::Retired { stream }
        | Conflict::Epoch { stream, .. }
        | Conflict::Exists { stream }
        | Conflict::Closed { stream, .. }
        | Conflict::Tail { stream, .. } => Some(stream.clone()),
        _ => None,
    }
}
