//! A session as a reader sees it: the pages of its settled facts, then the tail of its journal and the live streams of its turns.

use std::collections::{HashMap, HashSet};

use protocol::error::Problem;
use protocol::fact::{ParseFactError, SessionFact};
use protocol::fold::Transcript;
use protocol::id::{SessionId, TurnId};
use protocol::limits::DEFAULT_ITEMS_PAGE;
use protocol::offset::Offset;
use protocol::path::StreamPath;
use protocol::socket::{EndReason, From};
use protocol::turn::Turn;
use serde_json::value::RawValue;

use crate::api::Api;
use crate::error::ApiError;
use crate::socket::{Closed, Mailbox, Socket, SubscriptionKey, Update as Letter};

/// Updates that wait for a slow reader before its subscriptions are held.
const ROOM: usize = 32;

/// A session can no longer be followed.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// A page could not be read.
    #[error("cannot read the session")]
    Page(#[source] ApiError),
    /// The socket is over.
    #[error(transparent)]
    Closed(Closed),
    /// The journal ended: the session was deleted, or may no longer be read.
    #[error("the session {session} can no longer be read: {reason:?}")]
    Ended {
        /// Which.
        session: SessionId,
        /// Why.
        reason: EndReason,
    },
    /// The hub refused the journal.
    #[error(transparent)]
    Refused(Box<Problem>),
    /// A message of a stream is not a fact.
    #[error("a message of {stream} is not understood")]
    Fact {
        /// Which stream.
        stream: StreamPath,
        /// What is wrong.
        #[source]
        source: ParseFactError,
    },
}

/// Where facts come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The journal of the session.
    Journal,
    /// The live stream of a turn.
    Turn(TurnId),
}

/// What has changed in the transcript.
#[derive(Debug)]
pub enum Update {
    /// Facts were taken.
    Facts {
        /// Where they come from.
        source: Source,
        /// The facts, as they stand in the stream.
        facts: Vec<Box<RawValue>>,
        /// The offset behind them; none for the pages at the beginning.
        next: Option<Offset>,
        /// Whether that was the stream's end when it was read.
        up_to_date: bool,
    },
    /// A stream has been read to its present end.
    CaughtUp(Source),
    /// What was known is void; the transcript was read anew.
    Reset,
}

/// Follows a session: keeps its transcript, and tells what changes.
#[derive(Debug)]
pub struct SessionFollow {
    session: SessionId,
    api: Api,
    mailbox: Mailbox,
    transcript: Transcript,
    journal: SubscriptionKey,
    tail: Offset,
    turns: HashMap<TurnId, SubscriptionKey>,
    /// Facts of the pages, to be told first.
    pages: Vec<Box<RawValue>>,
    whole: bool,
    /// Turns whose low-water offset is no longer one of their streams'.
    from_start: HashSet<TurnId>,
    /// Whether the turns that run are to be looked at again.
    unjoined: bool,
    /// Whether everything is to be read anew.
    void: bool,
}

impl SessionFollow {
    /// Reads the newest page of a session, or all of it, and subscribes to what follows.
    ///
    /// # Errors
    /// [`FollowError`].
    pub async fn open(api: Api, socket: &Socket, session: SessionId, whole: bool) -> Result<Self, FollowError> {
        let mailbox = socket.mailbox(ROOM);
        let (transcript, pages, tail) = read(&api, session, whole).await?;
        let stream = StreamPath::journal(session);
        let journal = mailbox.subscribe(stream, From::Offset(tail)).await.map_err(FollowError::Closed)?;
        let (turns, from_start) = (HashMap::new(), HashSet::new());
        let (unjoined, void) = (true, false);
        Ok(Self { session, api, mailbox, transcript, journal, tail, turns, pages, whole, from_start, unjoined, void })
    }

    /// The transcript as far as it is known.
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// The offset in the journal behind what is known.
    pub fn tail(&self) -> Offset {
        self.tail
    }

    /// Whether no turn is queued or runs, as far as the journal was read.
    pub fn is_idle(&self) -> bool {
        self.transcript.turns().iter().all(|(_, turn)| turn.state.is_final())
    }

    /// Waits for the next change; the pages that were read at the beginning come first. Cancellation safe: what a dropped call had
    /// begun, the next one goes on with.
    ///
    /// # Errors
    /// [`FollowError`].
    pub async fn next(&mut self) -> Result<Update, FollowError> {
        if !self.pages.is_empty() {
            let facts = std::mem::take(&mut self.pages);
            return Ok(Update::Facts { source: Source::Journal, facts, next: None, up_to_date: false });
        }
        loop {
            if self.void {
                self.reset().await?;
                return Ok(Update::Reset);
            }
            if self.unjoined {
                self.join_turns().await?;
            }
            let (key, letter) = self.mailbox.next().await.map_err(FollowError::Closed)?;
            // From here to the end nothing is awaited: what was taken out of the mailbox is told.
            let update = if key == self.journal {
                self.journal(letter)?
            } else if let Some(turn) = self.turns.iter().find(|(_, of)| **of == key).map(|(turn, _)| *turn) {
                self.turn(turn, letter)?
            } else {
                None
            };
            if let Some(update) = update {
                return Ok(update);
            }
        }
    }

    fn journal(&mut self, letter: Letter) -> Result<Option<Update>, FollowError> {
        match letter {
            Letter::Started { next, tail } => Ok((next == tail).then_some(Update::CaughtUp(Source::Journal))),
            Letter::Batch { messages, .. } if messages.is_empty() => Ok(Some(Update::CaughtUp(Source::Journal))),
            Letter::Batch { messages, next, up_to_date } => {
                for message in &messages {
                    let fact = parse(&StreamPath::journal(self.session), message)?;
                    self.transcript.journal(fact);
                }
                self.tail = next;
                self.unjoined = true;
                Ok(Some(Update::Facts { source: Source::Journal, facts: messages, next: Some(next), up_to_date }))
            }
            Letter::Ended { reason: EndReason::Reset, .. } => {
                self.void = true;
                Ok(None)
            }
            Letter::Ended { reason, .. } => Err(FollowError::Ended { session: self.session, reason }),
            Letter::Refused(problem) => Err(FollowError::Refused(problem)),
        }
    }

    fn turn(&mut self, turn: TurnId, letter: Letter) -> Result<Option<Update>, FollowError> {
        let source = Source::Turn(turn);
        match letter {
            Letter::Started { next, tail } => Ok((next == tail).then_some(Update::CaughtUp(source))),
            Letter::Batch { messages, .. } if messages.is_empty() => Ok(Some(Update::CaughtUp(source))),
            Letter::Batch { messages, next, up_to_date } => {
                for message in &messages {
                    let fact = parse(&StreamPath::turn(turn), message)?;
                    self.transcript.live(turn, fact);
                }
                Ok(Some(Update::Facts { source, facts: messages, next: Some(next), up_to_date }))
            }
            Letter::Ended { reason: EndReason::Reset, .. } => {
                self.turns.remove(&turn);
                self.from_start.insert(turn);
                self.unjoined = true;
                Ok(None)
            }
            // What the turn said is settled in the journal, which has it or will have it.
            Letter::Ended { .. } | Letter::Refused(_) => Ok(None),
        }
    }

    /// Subscribes to the turns that run, and releases those that are over.
    async fn join_turns(&mut self) -> Result<(), FollowError> {
        let mut join = Vec::new();
        let mut leave = Vec::new();
        for (id, turn) in self.transcript.turns() {
            match (running(turn), self.turns.contains_key(&id)) {
                (Some(from), false) => join.push((id, from)),
                (None, true) => leave.push(id),
                (Some(_), true) | (None, false) => {}
            }
        }
        for turn in leave {
            if let Some(key) = self.turns.get(&turn) {
                self.mailbox.unsubscribe(*key).await.map_err(FollowError::Closed)?;
                self.turns.remove(&turn);
            }
        }
        for (turn, from) in join {
            let from = if self.from_start.contains(&turn) { From::Start } else { From::Offset(from) };
            let key = self.mailbox.subscribe(StreamPath::turn(turn), from).await.map_err(FollowError::Closed)?;
            self.turns.insert(turn, key);
        }
        self.unjoined = false;
        Ok(())
    }

    async fn reset(&mut self) -> Result<(), FollowError> {
        let (transcript, pages, tail) = read(&self.api, self.session, self.whole).await?;
        // A mailbox of its own: whatever still comes of the old subscriptions is not of this transcript.
        let mailbox = self.mailbox.socket().mailbox(ROOM);
        let stream = StreamPath::journal(self.session);
        self.journal = mailbox.subscribe(stream, From::Offset(tail)).await.map_err(FollowError::Closed)?;
        (self.transcript, self.pages, self.tail, self.mailbox) = (transcript, pages, tail, mailbox);
        self.turns.clear();
        self.from_start.clear();
        (self.unjoined, self.void) = (true, false);
        Ok(())
    }
}

/// From where the stream of a turn is to be read, while it is of use.
fn running(turn: &Turn) -> Option<Offset> {
    if turn.state.is_final() { None } else { turn.low_water }
}

type Pages = (Transcript, Vec<Box<RawValue>>, Offset);

async fn read(api: &Api, session: SessionId, whole: bool) -> Result<Pages, FollowError> {
    let stream = StreamPath::journal(session);
    let facts = |raw: &[Box<RawValue>]| raw.iter().map(|raw| parse(&stream, raw)).collect::<Result<Vec<_>, _>>();
    let first = api.transcript(session, None, DEFAULT_ITEMS_PAGE).await.map_err(FollowError::Page)?;
    let mut transcript = Transcript::new();
    facts(&first.facts)?.into_iter().for_each(|fact| transcript.journal(fact));
    // Each is the newest of its kind at the tail; what the page says of the same turn is the same or is not there.
    transcript.older(facts(&first.open)?);
    let mut pages = vec![first.facts];
    let mut before = first.before.filter(|_| whole);
    while let Some(end) = before {
        let page =
            api.transcript(session, Some(end), protocol::limits::MAX_ITEMS_PAGE).await.map_err(FollowError::Page)?;
        transcript.older(facts(&page.facts)?);
        pages.push(page.facts);
        // A page that does not come closer to the beginning would be asked for for ever.
        before = page.before.filter(|next| *next < end);
    }
    Ok((transcript, pages.into_iter().rev().flatten().collect(), first.tail))
}

fn parse(stream: &StreamPath, message: &RawValue) -> Result<SessionFact, FollowError> {
    SessionFact::parse(message.get().as_bytes()).map_err(|source| FollowError::Fact { stream: stream.clone(), source })
}
