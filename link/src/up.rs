//! What goes up: the facts of the feed, and what is new in journals and turn streams.
//!
//! One push is under way at a time; what gathers meanwhile goes with the next. So a quiet link carries each word at once, and a busy one
//! carries a thousand turns in one frame.

use std::time::Duration;

use client::Backoff;
use hub::{Resume, RowPage, Unread, Uplink};
use protocol::error::{ErrorCode, Problem};
use protocol::id::CommandId;
use protocol::limits::{MAX_PUSH_BYTES, MAX_PUSH_PIECES};
use protocol::link::{Chain, Cursor, HubFrame, NodeFrame, Part, Piece, Push};
use protocol::offset::Offset;
use protocol::path::{Owned, StreamPath};
use serde_json::value::RawValue;
use streams::{Grown, Watch};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::book::{Book, Entry, Step};
use crate::compare::{compare, fenced};
use crate::connection::{Around, End, Outgoing};
use crate::run::Chains;
use crate::state::{Behind, Phase, Trouble};

/// Most bytes of the first push: what a slow line carries well within the time that an answer may take.
const FIRST_PUSH: usize = 64 * 1024;
/// An answer within this time lets the next push be larger, one after more than three times this has it be smaller.
const QUICK: Duration = Duration::from_secs(1);
/// Most bytes of one stream in one push, so that a long one does not hold up the others.
const PIECE_BYTES: usize = 256 * 1024;
/// How often is noted durably how far the hub is. What is not noted is read again after a crash.
const NOTE: Duration = Duration::from_secs(5);

/// What goes up over one connection.
struct Up<'a> {
    uplink: &'a Uplink,
    around: &'a Around<'a>,
    chains: &'a mut Chains,
    book: Book,
    watch: Watch,
    out: mpsc::Sender<Outgoing>,
    answers: mpsc::Receiver<HubFrame>,
    req: u32,
    /// Behind which place the feed has not been sent.
    place: Offset,
    feed_left: u64,
    budget: usize,
    /// Streams whose chains are not noted durably.
    unnoted: Vec<StreamPath>,
    /// Commands whose end the hub has and this disk does not know that it has.
    ended: Vec<CommandId>,
    noted: Instant,
    /// More grew than was noted: everything is compared again.
    anew: bool,
}

/// Sends what there is, until the connection is over.
pub(crate) async fn run(
    uplink: &Uplink,
    around: &Around<'_>,
    cursor: Option<Cursor>,
    chains: &mut Option<Chains>,
    backoff: &mut Backoff,
    out: mpsc::Sender<Outgoing>,
    answers: mpsc::Receiver<HubFrame>,
) -> End {
    // Before anything is compared, so that what grows meanwhile is heard.
    let watch = uplink.watch();
    let remembered = match chains.take() {
        Some(chains) => Ok(chains),
        None => uplink.chains().await,
    };
    let chains = match remembered {
        Ok(remembered) => chains.insert(remembered),
        Err(problem) => return problem.into(),
    };
    let mut up = Up {
        uplink,
        around,
        chains,
        book: Book::default(),
        watch,
        out,
        answers,
        req: 0,
        place: Offset::ZERO,
        feed_left: 0,
        budget: FIRST_PUSH,
        unnoted: Vec::new(),
        ended: Vec::new(),
        noted: Instant::now(),
        anew: false,
    };
    match up.carry(cursor, backoff).await {
        Ok(never) => match never {},
        Err(end) => end,
    }
}

enum Never {}

impl Up<'_> {
    async fn carry(&mut self, cursor: Option<Cursor>, backoff: &mut Backoff) -> Result<Never, End> {
        let whole = match self.uplink.resume(cursor).await? {
            Resume::Cursor(cursor) => {
                self.place = cursor.offset;
                false
            }
            Resume::Whole => true,
            Resume::Lost => {
                // A stream that does not fit says more than the feed does.
                self.compare().await?;
                // Said as what it is, so that the hub takes nothing more of this disk and shows why.
                let cursor = cursor.map(|cursor| Cursor { last: Chain::START, ..cursor });
                let confession =
                    Push { req: self.number(), facts: Vec::new(), whole: None, cursor, pieces: Vec::new() };
                self.push(confession, &[]).await?;
                return Err(Problem::new(ErrorCode::LinkRestored).into());
            }
        };
        self.compare().await?;
        if whole {
            self.send_rows().await?;
        } else {
            self.send_running().await?;
        }
        let now = self.around.clock.now();
        self.around.state.send_modify(|state| (state.phase, state.since_ms) = (Phase::Live, now));
        backoff.worked();
        loop {
            if self.noted.elapsed() >= NOTE {
                self.note().await;
            }
            if std::mem::take(&mut self.anew) {
                self.compare().await?;
            }
            let (push, steps, ended) = self.gather().await?;
            self.show();
            if push.facts.is_empty() && push.pieces.is_empty() {
                if !self.book.feed && self.book.dirty.is_empty() && !self.anew {
                    self.wait().await;
                }
                continue;
            }
            self.push(push, &steps).await?;
            self.ended.extend(ended);
            // What grew while it was under way goes with the next one.
            self.look();
        }
    }

    fn show(&self) {
        let behind = Behind {
            streams: self.book.dirty.len() as u64,
            feed_bytes: self.feed_left,
            stream_bytes: self.book.left(),
        };
        self.around.state.send_if_modified(|state| std::mem::replace(&mut state.behind, behind) != behind);
    }

    /// Waits until something grew.
    async fn wait(&mut self) {
        let unnoted = !self.unnoted.is_empty() || !self.ended.is_empty();
        tokio::select! {
            grown = self.watch.next() => self.grew(grown),
            () = sleep_until(self.noted + NOTE), if unnoted => {}
        }
    }

    /// Takes what grew already.
    fn look(&mut self) {
        if let Some(grown) = self.watch.try_next() {
            self.grew(grown);
        }
    }

    fn grew(&mut self, grown: Grown) {
        match grown {
            Grown::These(streams) => {
                for stream in streams {
                    match stream.owned() {
                        Some(Owned::Journal(_) | Owned::Turn(_)) => drop(self.book.dirty.insert(stream)),
                        Some(Owned::Feed(_)) if self.uplink.is_feed(&stream) => self.book.feed = true,
                        Some(Owned::Feed(_)) | None => {}
                    }
                }
            }
            Grown::Any => self.anew = true,
        }
    }

    /// Asks what the hub has, and finds out from where each stream goes on.
    async fn compare(&mut self) -> Result<(), End> {
        let mut replicas = Vec::new();
        let mut after = None;
        loop {
            let req = self.number();
            let frame = NodeFrame::Replicas { req, after: after.take() };
            match self.ask(req, frame).await? {
                HubFrame::Replicas { streams, more, .. } => {
                    after = streams.last().map(|last| last.stream.clone()).filter(|_| more);
                    replicas.extend(streams);
                }
                other => return Err(strange(&other)),
            }
            if after.is_none() {
                break;
            }
        }
        let mut forgotten = Vec::new();
        self.book = compare(self.uplink, replicas, self.chains, &mut forgotten).await?;
        self.unnoted.extend(forgotten);
        self.unnoted
            .extend(self.book.entries.iter().filter(|(_, entry)| entry.there).map(|(stream, _)| stream.clone()));
        Ok(())
    }

    /// Says that what is here fits what is there, from which on the hub hands commands over; and which of those that it handed over
    /// before run: it may have taken this host for lost.
    async fn send_running(&mut self) -> Result<(), End> {
        let (mut parts, mut size) = (vec![Vec::new()], 0);
        for fact in self.uplink.running().await? {
            size += fact.get().len();
            if size > MAX_PUSH_BYTES / 2 && parts.last().is_some_and(|part| !part.is_empty()) {
                parts.push(Vec::new());
                size = fact.get().len();
            }
            parts.last_mut().into_iter().for_each(|part| part.push(fact.clone()));
        }
        for facts in parts {
            let push = Push { req: self.number(), facts, whole: None, cursor: None, pieces: Vec::new() };
            self.push(push, &[]).await?;
        }
        Ok(())
    }

    /// Sends every row there is, in parts.
    async fn send_rows(&mut self) -> Result<(), End> {
        let cursor = self.uplink.feed_end().await?;
        let (mut next, mut first) = (Some((0, None)), true);
        let mut held: Vec<Box<RawValue>> = Vec::new();
        while let Some(place) = next {
            let RowPage { facts, ended, next: following } = self.uplink.rows(place).await?;
            next = following;
            self.ended.extend(ended);
            for fact in facts {
                let size: usize = held.iter().map(|fact| fact.get().len()).sum();
                if size + fact.get().len() > MAX_PUSH_BYTES / 2 && !held.is_empty() {
                    let part = if first { Part::First } else { Part::Middle };
                    first = false;
                    self.send_part(std::mem::take(&mut held), part, None).await?;
                }
                held.push(fact);
            }
        }
        self.send_part(held, if first { Part::Only } else { Part::Last }, cursor).await?;
        self.place = cursor.map_or(Offset::ZERO, |cursor| cursor.offset);
        Ok(())
    }

    async fn send_part(&mut self, facts: Vec<Box<RawValue>>, part: Part, cursor: Option<Cursor>) -> Result<(), End> {
        let req = self.number();
        let push = Push { req, facts, whole: Some(part), cursor, pieces: Vec::new() };
        self.push(push, &[]).await
    }

    /// Puts together what is new, at most as much as one push may be.
    async fn gather(&mut self) -> Result<(Push, Vec<Step>, Vec<CommandId>), End> {
        let req = self.number();
        let mut push = Push { req, facts: Vec::new(), whole: None, cursor: None, pieces: Vec::new() };
        let (mut steps, mut ended) = (Vec::new(), Vec::new());
        let mut room = self.budget;
        let mut unread = self.book.feed;
        let mut told = !unread;
        for stream in self.book.in_order() {
            let Some(entry) = self.entry(&stream).await? else { continue };
            // The lists name a session before its streams come; turns of sessions that the hub has go before the lists.
            if unread && !(self.book.knows(entry.session) && matches!(stream.owned(), Some(Owned::Turn(_)))) {
                told = self.add_facts(&mut push, &mut ended, &mut room).await?;
                unread = false;
            }
            if !told && !self.book.knows(entry.session) {
                continue;
            }
            if room == 0 || push.pieces.len() >= MAX_PUSH_PIECES {
                break;
            }
            self.add_piece(&mut push, &mut steps, &mut room, stream, entry).await?;
        }
        if unread {
            self.add_facts(&mut push, &mut ended, &mut room).await?;
        }
        Ok((push, steps, ended))
    }

    /// The place of a stream in the book; `None` when it is not carried.
    async fn entry(&mut self, stream: &StreamPath) -> Result<Option<Entry>, End> {
        if let Some(entry) = self.book.entries.get(stream) {
            return Ok(Some(*entry));
        }
        let Some(own) = self.uplink.one(stream).await? else {
            self.book.dirty.remove(stream);
            return Ok(None);
        };
        let begin = Offset::new(own.tail.epoch, 0);
        // A stream that ended and is in the book no more was carried to its end.
        if own.closed && self.chains.get(stream).is_some_and(|(at, _)| *at == own.tail) {
            self.book.dirty.remove(stream);
            return Ok(None);
        }
        let entry = Entry { session: own.session, at: begin, chain: Chain::START, there: false, left: own.tail.byte };
        self.book.entries.insert(stream.clone(), entry);
        Ok(Some(entry))
    }

    /// Adds facts behind the last ones; tells whether there are no more.
    async fn add_facts(&mut self, push: &mut Push, ended: &mut Vec<CommandId>, room: &mut usize) -> Result<bool, End> {
        loop {
            let page = self.uplink.facts_after(self.place, (*room).max(FIRST_PUSH)).await?;
            let Some(cursor) = page.cursor else {
                (self.book.feed, self.feed_left) = (false, 0);
                return Ok(true);
            };
            self.place = cursor.offset;
            self.feed_left = page.left;
            let more = page.left > 0;
            if !page.facts.is_empty() {
                let size: usize = page.facts.iter().map(|fact| fact.get().len()).sum();
                *room = room.saturating_sub(size);
                push.facts = page.facts;
                push.cursor = Some(cursor);
                ended.extend(page.ended);
                self.book.feed = more;
                return Ok(!more);
            }
            // Nothing of it is the hub's business: its cursor moves with the next fact that is.
            if !more {
                self.book.feed = false;
                return Ok(true);
            }
        }
    }

    async fn add_piece(
        &mut self,
        push: &mut Push,
        steps: &mut Vec<Step>,
        room: &mut usize,
        stream: StreamPath,
        entry: Entry,
    ) -> Result<(), End> {
        let page = match self.uplink.read(&stream, entry.at, (*room).min(PIECE_BYTES)).await {
            Ok(page) => page,
            Err(Unread::Gone) => {
                self.book.entries.remove(&stream);
                self.book.dirty.remove(&stream);
                self.chains.remove(&stream);
                self.unnoted.push(stream);
                return Ok(());
            }
            Err(Unread::NoPosition) => return Err(fenced(&stream)),
            Err(Unread::Failed(problem)) => return Err(problem.into()),
        };
        let (mut at, mut chain) = (entry.at, entry.chain);
        let mut messages = Vec::with_capacity(page.messages.len());
        for (end, message) in &page.messages {
            (at, chain) = (*end, chain.after(message));
            messages.push(raw(&stream, message)?);
        }
        *room = room.saturating_sub(usize::try_from(at.byte - entry.at.byte).unwrap_or(usize::MAX));
        let all = at == page.tail;
        let close = all && page.closed;
        if all {
            self.book.dirty.remove(&stream);
        }
        if let Some(entry) = self.book.entries.get_mut(&stream) {
            entry.left = page.tail.byte.saturating_sub(at.byte);
        }
        // A stream is made by its first piece, also by one without a message.
        if messages.is_empty() && !close && entry.there {
            return Ok(());
        }
        push.pieces.push(Piece {
            stream: stream.clone(),
            session: entry.session,
            at: entry.at,
            before: entry.chain,
            messages,
            close,
        });
        steps.push(Step { stream, at, chain, close });
        Ok(())
    }

    /// Sends a push and waits until it is on the hub's disk.
    async fn push(&mut self, push: Push, steps: &[Step]) -> Result<(), End> {
        let begun = Instant::now();
        let req = push.req;
        match self.ask(req, NodeFrame::Push(push)).await? {
            HubFrame::Pushed { .. } => {}
            HubFrame::Mismatch { mismatch, .. } => return Err(fenced(&mismatch.stream)),
            other => return Err(strange(&other)),
        }
        let took = begun.elapsed();
        self.budget = if took <= QUICK {
            (self.budget * 2).min(MAX_PUSH_BYTES)
        } else if took > QUICK * 3 {
            (self.budget / 2).max(FIRST_PUSH / 4)
        } else {
            self.budget
        };
        for step in steps {
            self.book.done(step);
            self.chains.insert(step.stream.clone(), (step.at, step.chain));
            self.unnoted.push(step.stream.clone());
        }
        Ok(())
    }

    /// Notes durably how far the hub is; a failure costs reading.
    async fn note(&mut self) {
        self.noted = Instant::now();
        let mut streams = std::mem::take(&mut self.unnoted);
        streams.sort_unstable();
        streams.dedup();
        let mut chains = Vec::with_capacity(streams.len());
        for stream in streams {
            let place = self.chains.get(&stream).copied();
            chains.push((stream, place));
        }
        let ended = std::mem::take(&mut self.ended);
        let noted = async {
            self.uplink.remember(&chains).await?;
            self.uplink.heard_of(&ended).await
        };
        if let Err(problem) = noted.await {
            tracing::warn!(%problem, "how far the hub is could not be noted");
        }
    }

    fn number(&mut self) -> u32 {
        self.req = self.req.wrapping_add(1) & (u32::MAX >> 1);
        self.req
    }

    async fn ask(&mut self, req: u32, frame: NodeFrame) -> Result<HubFrame, End> {
        let over = || End::Trouble(Trouble::network("the connection is over"));
        self.out.send(Outgoing { frame, req: Some(req) }).await.map_err(|_| over())?;
        match self.answers.recv().await.ok_or_else(over)? {
            HubFrame::Error { problem, .. } => Err(problem.into()),
            answer => Ok(answer),
        }
    }
}

fn raw(stream: &StreamPath, message: &bytes::Bytes) -> Result<Box<RawValue>, End> {
    serde_json::from_slice(message)
        .map_err(|_| Problem::new(ErrorCode::Internal).detail(format!("a message of {stream} is not JSON")).into())
}

fn strange(frame: &HubFrame) -> End {
    let kind = match frame {
        HubFrame::Replicas { .. } => "replicas",
        HubFrame::Pushed { .. } => "pushed",
        _ => "something else",
    };
    End::Trouble(Trouble::network(format!("the hub answered with {kind}, which was not asked for")))
}
