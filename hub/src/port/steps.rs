//! What happened to streams: the steps of a report, checked and written into its batch.

use std::collections::HashMap;

use bytes::Bytes;
use protocol::approval::ApprovalState;
use protocol::fact::SessionFact;
use protocol::id::{DeviceId, SessionId, TurnId};
use protocol::limits::TURN_STREAM_MS;
use protocol::path::StreamPath;
use protocol::port::{PortError, StreamStep};
use store::{Append, Batch, Expected, Put};

use crate::hub::Hub;
use crate::keys::{self, Due};
use crate::open::json_stream;
use crate::rows::{Row, SessionRow, TurnRow};

/// What a report makes of sessions and turns, before it is durable.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    hub: &'a Hub,
    host: DeviceId,
    pub(super) sessions: HashMap<SessionId, SessionRow>,
    pub(crate) turns: HashMap<TurnId, SessionId>,
    /// For each step: which operation of the batch says where its stream ends, and the bytes that it adds.
    pub(super) ends: Vec<(usize, u64)>,
}

fn refuse<T>(reason: impl Into<String>) -> Result<T, PortError> {
    Err(PortError::Refused { reason: reason.into() })
}

impl<'a> Draft<'a> {
    pub(crate) fn new(hub: &'a Hub, host: DeviceId) -> Self {
        Self { hub, host, sessions: HashMap::new(), turns: HashMap::new(), ends: Vec::new() }
    }

    /// The session, which must be this host's own and have its journal.
    pub(super) async fn own(&self, session: SessionId) -> Result<SessionRow, PortError> {
        let row = match self.sessions.get(&session) {
            Some(row) => Some(*row),
            None => self.hub.home(session).await?,
        };
        match row {
            Some(row) if row.host == self.host && row.live => Ok(row),
            _ => refuse(format!("{session} is not a session of this host")),
        }
    }

    async fn session_of(&self, turn: TurnId) -> Result<Option<SessionId>, PortError> {
        match self.turns.get(&turn) {
            Some(session) => Ok(Some(*session)),
            None => Ok(self.hub.session_of(turn).await?),
        }
    }

    async fn own_turn(&self, turn: TurnId) -> Result<SessionId, PortError> {
        let Some(session) = self.session_of(turn).await? else { return refuse(format!("{turn} is in no journal")) };
        self.own(session).await?;
        Ok(session)
    }

    /// Turns that the report's journals name for the first time. A stream may be made before the fact that says of which session
    /// its turn is, in the same report.
    pub(super) async fn learn_turns(&mut self, steps: &[StreamStep]) -> Result<(), PortError> {
        for step in steps {
            let StreamStep::Journal(session, facts) = step else { continue };
            for fact in facts {
                self.learn(*session, fact).await?;
            }
        }
        Ok(())
    }

    /// Takes note of the turn that a fact of a journal names, if it is the first to.
    pub(crate) async fn learn(&mut self, session: SessionId, fact: &SessionFact) -> Result<(), PortError> {
        if let SessionFact::Turn { id, .. } = fact
            && self.hub.session_of(*id).await?.is_none()
        {
            self.turns.entry(*id).or_insert(session);
        }
        Ok(())
    }

    pub(super) async fn step(&mut self, batch: &mut Batch, step: &StreamStep) -> Result<(), PortError> {
        match step {
            StreamStep::CreateJournal(session) => self.create_journal(batch, *session).await,
            StreamStep::CreateTurn(turn) => {
                self.own_turn(*turn).await?;
                self.ends.push((batch.operations.len(), 0));
                batch.push(json_stream(StreamPath::turn(*turn)));
                Ok(())
            }
            StreamStep::Journal(session, facts) => {
                self.own(*session).await?;
                for fact in facts {
                    self.index(batch, *session, fact).await?;
                }
                self.append(batch, StreamPath::journal(*session), facts)
            }
            StreamStep::Turn(turn, facts) => {
                let session = self.own_turn(*turn).await?;
                for fact in facts {
                    check_live(session, *turn, fact)?;
                }
                self.append(batch, StreamPath::turn(*turn), facts)
            }
            StreamStep::CloseTurn(turn) => {
                self.own_turn(*turn).await?;
                self.ends.push((batch.operations.len(), 0));
                batch.push(Append { close: true, ..Append::new(StreamPath::turn(*turn), Vec::new()) });
                batch.push(Put::set(Due::Turn(*turn).key(self.hub.now().plus_ms(TURN_STREAM_MS)), ""));
                Ok(())
            }
        }
    }

    async fn create_journal(&mut self, batch: &mut Batch, session: SessionId) -> Result<(), PortError> {
        let key = keys::session(session);
        let found = self.hub.load::<SessionRow>(&key).await?;
        let (row, expected) = match found {
            Some(found) if found.value.host == self.host && !found.value.live => {
                (SessionRow { live: true, ..found.value }, Expected::Version(found.version))
            }
            Some(_) => return refuse(format!("{session} exists")),
            None => {
                let account = self.hub.account();
                (SessionRow { account, host: self.host, command: None, live: true }, Expected::Absent)
            }
        };
        batch.push(Put::set(key, row.encode()).expecting(expected));
        batch.push(Put::remove(keys::gone(session)).expecting(Expected::Absent));
        self.sessions.insert(session, row);
        self.ends.push((batch.operations.len(), 0));
        batch.push(json_stream(StreamPath::journal(session)));
        Ok(())
    }

    /// Keeps the newest facts of what is not over beside the journal, so that a page from its end can say what runs.
    pub(crate) async fn index(
        &mut self,
        batch: &mut Batch,
        session: SessionId,
        fact: &SessionFact,
    ) -> Result<(), PortError> {
        let (kind, key, of, open) = match fact {
            SessionFact::Turn { id, value: Some(turn), .. } => {
                if self.session_of(*id).await?.is_some_and(|known| known != session) {
                    return refuse(format!("{id} is a turn of another session"));
                }
                if self.turns.contains_key(id) {
                    batch.push(Put::set(keys::turn(*id), TurnRow { session }.encode()));
                }
                ("turn", id.to_string(), turn.session, !turn.state.is_final())
            }
            SessionFact::Approval { id, value: Some(approval), .. } => {
                ("approval", id.to_string(), approval.session, approval.state == ApprovalState::Pending)
            }
            SessionFact::Item { value: Some(item), .. } if item.session == session => return Ok(()),
            SessionFact::Item { value: Some(_), .. } => return refuse("an item of another session"),
            _ => return refuse("a journal takes turns, settled items and approvals only"),
        };
        if of != session {
            return refuse(format!("the {kind} {key} is of another session"));
        }
        let row = keys::open(session, kind, &key);
        batch.push(match fact.encode() {
            Some(message) if open => Put::set(row, message),
            _ => Put::remove(row),
        });
        Ok(())
    }

    fn append(&mut self, batch: &mut Batch, stream: StreamPath, facts: &[SessionFact]) -> Result<(), PortError> {
        let messages: Option<Vec<Bytes>> = facts.iter().map(SessionFact::encode).collect();
        let Some(messages) = messages else { return refuse("a fact of an unknown type") };
        if messages.is_empty() {
            return refuse(format!("a step for {stream} without a fact"));
        }
        let bytes = messages.iter().map(|message| message.len() as u64).sum();
        self.ends.push((batch.operations.len(), bytes));
        batch.push(Append::new(stream, messages));
        Ok(())
    }
}

/// Whether a fact may stand in the stream of a turn.
fn check_live(session: SessionId, turn: TurnId, fact: &SessionFact) -> Result<(), PortError> {
    match fact {
        SessionFact::Delta { value: Some(_), .. } | SessionFact::Item { value: None, .. } => Ok(()),
        SessionFact::Item { value: Some(item), .. } if item.session == session && item.turn == turn => Ok(()),
        SessionFact::Item { .. } => refuse("an item of another turn"),
        _ => refuse("a turn stream takes items and deltas only"),
    }
}
