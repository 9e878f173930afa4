//! The feed, as far as it is about this node's host.

use protocol::command::CommandState;
use protocol::error::Problem;
use protocol::fact::FeedFact;
use protocol::id::CommandId;
use protocol::limits::MAX_PAGE_MESSAGES;
use protocol::link::{Chain, Cursor};
use protocol::offset::Offset;
use protocol::path::StreamPath;
use serde_json::value::RawValue;
use store::{Direction, Read, ReadError};

use super::Uplink;
use crate::failure::Failure;
use crate::keys;

/// Types of rows that go up, in the order in which they are told: what others refer to comes first.
const KINDS: [&str; 6] = ["host", "project", "session", "approval", "rule", "command"];
/// Rows read at once.
const PAGE: usize = 500;

/// From where a hub goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// From its cursor.
    Cursor(Cursor),
    /// It has to be sent all rows: it has no cursor, or what stood there is no longer kept.
    Whole,
    /// What stands there is something else, or nothing yet: this node has lost its memory.
    Lost,
}

/// A page of the feed.
#[derive(Debug)]
pub struct FeedPage {
    /// Facts that go up, as they stand there.
    pub facts: Vec<Box<RawValue>>,
    /// Commands that ended with one of them.
    pub ended: Vec<CommandId>,
    /// The place behind the last fact that was looked at, of those that go up or not; `None` when there was none.
    pub cursor: Option<Cursor>,
    /// Bytes of the feed behind that place.
    pub left: u64,
}

/// A page of rows.
#[derive(Debug)]
pub struct RowPage {
    /// The facts.
    pub facts: Vec<Box<RawValue>>,
    /// Commands among them that have ended.
    pub ended: Vec<CommandId>,
    /// Where the next page begins; `None` behind the last.
    pub next: Option<(usize, Option<String>)>,
}

impl Uplink {
    fn feed(&self) -> StreamPath {
        StreamPath::feed(self.hub.account())
    }

    /// Whether a stream is the feed that goes up.
    pub fn is_feed(&self, stream: &StreamPath) -> bool {
        *stream == self.feed()
    }

    /// From where a hub with this cursor goes on.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn resume(&self, cursor: Option<Cursor>) -> Result<Resume, Problem> {
        let Some(cursor) = cursor else { return Ok(Resume::Whole) };
        let streams = self.hub.streams();
        let head = streams.head(&self.feed()).await.map_err(Failure::from)?;
        let tail = head.map_or(Offset::ZERO, |head| head.tail);
        if cursor.offset.epoch != tail.epoch || cursor.offset > tail {
            return Ok(Resume::Lost);
        }
        let read = Read {
            stream: self.feed(),
            from: Some(cursor.offset),
            walk: None,
            direction: Direction::Backwards,
            max_bytes: 1,
            max_messages: 1,
        };
        let before = match streams.page(read).await {
            Ok(page) => page.messages.into_iter().next(),
            Err(ReadError::BadOffset { .. }) => return Ok(Resume::Lost),
            Err(ReadError::Trimmed { .. }) => return Ok(Resume::Whole),
            Err(error) => return Err(Failure::from(error).into()),
        };
        match before.filter(|message| message.end == cursor.offset) {
            Some(message) if Chain::START.after(&message.body) == cursor.last => {
                // Whoever was here before deletions were forgotten has to begin anew.
                match streams.read(&self.feed(), Some(cursor.offset), 1, 1).await {
                    Ok(_) => Ok(Resume::Cursor(cursor)),
                    Err(ReadError::Trimmed { .. }) => Ok(Resume::Whole),
                    Err(error) => Err(Failure::from(error).into()),
                }
            }
            Some(_) => Ok(Resume::Lost),
            None => {
                let cut = streams.compacted_before(&self.feed()).await.map_err(Failure::from)?;
                Ok(if cut.is_some_and(|cut| cursor.offset <= cut) { Resume::Whole } else { Resume::Lost })
            }
        }
    }

    /// The facts behind a place that go up.
    ///
    /// # Errors
    /// Failures of the store; `offset_gone` when the place is no longer kept.
    pub async fn facts_after(&self, place: Offset, max_bytes: usize) -> Result<FeedPage, Problem> {
        let read = self.hub.streams().read(&self.feed(), Some(place), max_bytes, MAX_PAGE_MESSAGES).await;
        let page = read.map_err(Failure::from)?;
        let mut found = FeedPage { facts: Vec::new(), ended: Vec::new(), cursor: None, left: 0 };
        if let Some(last) = page.messages.last() {
            found.cursor = Some(Cursor { offset: page.next, last: Chain::START.after(&last.body) });
        }
        found.left = page.head.tail.byte.saturating_sub(page.next.byte);
        for message in &page.messages {
            let Ok(fact) = FeedFact::parse(&message.body) else { continue };
            if self.goes_up(&fact).await? {
                found.ended.extend(ended(&fact));
                found.facts.push(crate::views::raw(&message.body)?);
            }
        }
        Ok(found)
    }

    /// Where the feed ends, as a cursor: rows that are read after this are at least as new. `None` for an empty feed.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn feed_end(&self) -> Result<Option<Cursor>, Problem> {
        let read = Read {
            stream: self.feed(),
            from: None,
            walk: None,
            direction: Direction::Backwards,
            max_bytes: 1,
            max_messages: 1,
        };
        let page = self.hub.streams().page(read).await.map_err(Failure::from)?;
        let tail = page.head.tail;
        Ok(page
            .messages
            .first()
            .filter(|message| message.end == tail)
            .map(|message| Cursor { offset: tail, last: Chain::START.after(&message.body) }))
    }

    /// A page of the rows of this host; begins at `(0, None)`.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn rows(&self, (kind, after): (usize, Option<String>)) -> Result<RowPage, Problem> {
        let mut found = RowPage { facts: Vec::new(), ended: Vec::new(), next: None };
        let Some(name) = KINDS.get(kind) else { return Ok(found) };
        let page = self.hub.scan(keys::rows(self.hub.account(), name), after, PAGE).await?;
        for entry in &page {
            let Ok(fact) = FeedFact::parse(&entry.value) else { continue };
            if self.goes_up(&fact).await? {
                found.ended.extend(ended(&fact));
                found.facts.push(crate::views::raw(&entry.value)?);
            }
        }
        found.next = match page.last().filter(|_| page.len() == PAGE) {
            Some(last) => Some((kind, Some(last.key.clone()))),
            None => (kind + 1 < KINDS.len()).then_some((kind + 1, None)),
        };
        Ok(found)
    }

    /// The facts of commands that were handed over and run. A hub that took this host for lost says of them that nobody knows, and what
    /// it says is put right by these, since the feed has told of them before.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn running(&self) -> Result<Vec<Box<RawValue>>, Problem> {
        let mut found = Vec::new();
        for entry in self.hub.every(keys::all_handed(self.there), |_| Ok(true)).await? {
            let Some(id) = entry.key.rsplit('/').next() else { continue };
            let row = keys::row(self.hub.account(), "command", id);
            let Some(row) = self.hub.streams().get(&row).await.map_err(Failure::from)? else { continue };
            let runs = matches!(
                FeedFact::parse(&row.value),
                Ok(FeedFact::Command { value: Some(command), .. }) if command.state == CommandState::Running
            );
            if runs {
                found.push(crate::views::raw(&row.value)?);
            }
        }
        Ok(found)
    }

    /// Whether a fact is about this host. A deletion does not say whose it was; the hub knows.
    async fn goes_up(&self, fact: &FeedFact) -> Result<bool, Problem> {
        let node = self.hub.node();
        Ok(match fact {
            FeedFact::Host { id, value, .. } => *id == node && value.is_some(),
            FeedFact::Project { value, .. } => value.as_ref().is_none_or(|project| project.host == node),
            FeedFact::Session { value, .. } => value.as_ref().is_none_or(|session| session.host == node),
            FeedFact::Rule { value, .. } => value.as_ref().is_none_or(|rule| rule.host == node),
            FeedFact::Approval { value: None, .. } => true,
            FeedFact::Approval { value: Some(approval), .. } => self.is_own(approval.session).await?,
            FeedFact::Command { id, value, .. } => value.is_some() && self.was_handed(*id).await?,
            FeedFact::Device { .. }
            | FeedFact::ReadMark { .. }
            | FeedFact::Participant { .. }
            | FeedFact::Unknown { .. } => false,
        })
    }
}

/// The command that has ended with a fact.
fn ended(fact: &FeedFact) -> Option<CommandId> {
    match fact {
        FeedFact::Command { id, value: Some(command), .. } => command.state.is_final().then_some(*id),
        _ => None,
    }
}
