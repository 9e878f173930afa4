//! A session's settled facts, page by page from its end: Durable Streams reads forwards only.

use std::borrow::Cow;
use std::collections::HashSet;

use bytes::Bytes;
use protocol::api::TranscriptPage;
use protocol::error::Problem;
use protocol::id::{AccountId, SessionId};
use protocol::limits::{DEFAULT_ITEMS_PAGE, MAX_ITEMS_PAGE, MAX_PAGE_BYTES};
use protocol::offset::Offset;
use protocol::path::StreamPath;
use serde::Deserialize;
use store::{Direction, Page, Read};

use super::lists::raw;
use crate::failure::Failure;
use crate::hub::Hub;
use crate::keys;

/// Messages read at once: an item comes with a fact or two beside it.
const STRIDE: usize = 256;
/// Most messages that one page looks at, so that a journal full of other facts cannot make a page endless.
const MOST_MESSAGES: usize = 8 * MAX_ITEMS_PAGE;
/// Most turns and approvals that are not over and are told with a page.
const MOST_OPEN: usize = 256;

#[derive(Debug, Deserialize)]
struct Name<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    key: Cow<'a, str>,
}

/// A page under way, newest fact first.
#[derive(Debug, Default)]
struct Gathered {
    facts: Vec<Bytes>,
    seen: HashSet<(String, String)>,
    items: usize,
    bytes: usize,
    messages: usize,
}

impl Gathered {
    /// Takes a message in; false when it does not belong on this page any more.
    fn take(&mut self, message: &Bytes, limit: usize) -> bool {
        let full = self.items >= limit || self.messages >= MOST_MESSAGES || self.bytes + message.len() > MAX_PAGE_BYTES;
        if full && self.messages > 0 {
            return false;
        }
        self.messages += 1;
        let Ok(name) = serde_json::from_slice::<Name<'_>>(message) else { return true };
        self.items += usize::from(name.kind == "item");
        // A later fact of the same row is on this page already.
        if self.seen.insert((name.kind.into_owned(), name.key.into_owned())) {
            self.bytes += message.len();
            self.facts.push(message.clone());
        }
        true
    }
}

impl Hub {
    /// A page of a session's settled facts that ends at `before`, or at the journal's end. Bounded in items, messages and bytes;
    /// its cost does not depend on the length of the journal.
    ///
    /// The page is read first and what is open afterwards: the open facts are as new as the page or newer, so a client applies
    /// them last, and following the journal from `tail` brings both to the same state.
    ///
    /// # Errors
    /// `not_found`, `offset_invalid`, `offset_gone`; failures of the store.
    pub async fn transcript(
        &self,
        account: AccountId,
        session: SessionId,
        before: Option<Offset>,
        limit: Option<usize>,
    ) -> Result<TranscriptPage, Problem> {
        let stream = StreamPath::journal(session);
        self.may_read(account, &stream).await?;
        let limit = limit.unwrap_or(DEFAULT_ITEMS_PAGE).clamp(1, MAX_ITEMS_PAGE);
        let mut gathered = Gathered::default();
        let mut from = before;
        let mut tail = None;
        let older = loop {
            let page = self.back(&stream, from).await?;
            tail.get_or_insert(page.head.tail);
            let cut = page.messages.iter().find(|message| !gathered.take(&message.body, limit));
            match cut {
                Some(message) => break Some(message.end),
                None if page.messages.is_empty() || page.next <= page.head.first => break None,
                None => from = Some(page.next),
            }
        };
        // Only the first page says what is open: later pages are of the past.
        let open = if before.is_none() { self.open_facts(session).await? } else { Vec::new() };
        gathered.facts.reverse();
        let facts = gathered.facts.iter().map(|m| raw(m)).collect::<Result<_, _>>().map_err(Problem::from)?;
        let open = open.iter().map(|m| raw(m)).collect::<Result<_, _>>().map_err(Problem::from)?;
        Ok(TranscriptPage { facts, before: older, tail: tail.unwrap_or(Offset::ZERO), open })
    }

    async fn back(&self, stream: &StreamPath, from: Option<Offset>) -> Result<Page, Failure> {
        let read = Read {
            stream: stream.clone(),
            from,
            walk: None,
            direction: Direction::Backwards,
            max_bytes: MAX_PAGE_BYTES,
            max_messages: STRIDE,
        };
        Ok(self.inner.streams.page(read).await?)
    }

    async fn open_facts(&self, session: SessionId) -> Result<Vec<Bytes>, Failure> {
        let found = self.scan(keys::all_open(session), None, MOST_OPEN).await?;
        Ok(found.into_iter().map(|entry| entry.value).collect())
    }
}
