//! An honest little hub in memory: it refuses what the real one would refuse, and remembers every broken rule.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use protocol::approval::{ApprovalState, Via};
use protocol::blob::{Blob, BlobId};
use protocol::command::{CommandBody, CommandState};
use protocol::fact::{FeedFact, Operation, SessionFact};
use protocol::host::HostContent;
use protocol::id::{AccountId, ApprovalId, CommandId, DeviceId, ItemId, SessionId, TurnId};
use protocol::item::{ItemStatus, Sender};
use protocol::offset::Offset;
use protocol::participant::ByParticipant;
use protocol::path::StreamPath;
use protocol::port::*;
use protocol::time::UnixMs;
use protocol::turn::TurnState;
use tokio::sync::Notify;

pub(crate) fn v7(n: u64) -> uuid::Uuid {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&n.to_be_bytes());
    uuid::Builder::from_unix_timestamp_millis(1_000, &random).into_uuid()
}

pub(crate) fn sender(device: u64) -> Sender {
    Sender { account: AccountId::from_uuid(v7(1)), device: DeviceId::from_uuid(v7(device)) }
}

/// Why a report is refused that a test wants to be.
const WANTED: &str = "it was to be refused";

#[derive(Debug, Default)]
pub(crate) struct Stream {
    pub(crate) messages: Vec<Bytes>,
    pub(crate) closed: bool,
}

impl Stream {
    fn end(&self) -> Offset {
        Offset::new(0, self.messages.iter().map(|message| message.len() as u64).sum())
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) body: CommandBody,
    pub(crate) sender: Sender,
    pub(crate) participant: Option<ByParticipant>,
    pub(crate) state: CommandState,
    pub(crate) token: u64,
    pub(crate) turn: Option<TurnId>,
    pub(crate) error: Option<protocol::error::ErrorCode>,
    /// What was said of it.
    pub(crate) detail: Option<String>,
    pub(crate) tried: Option<protocol::command::Tried>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) generation: u64,
    pub(crate) stopped: bool,
    pub(crate) streams: BTreeMap<StreamPath, Stream>,
    pub(crate) commands: BTreeMap<CommandId, Stored>,
    pub(crate) order: Vec<CommandId>,
    pub(crate) notes: BTreeMap<String, Bytes>,
    pub(crate) feed: Vec<FeedFact>,
    pub(crate) rules: BTreeMap<protocol::id::RuleId, protocol::rule::Rule>,
    pub(crate) audit: Vec<protocol::port::Decided>,
    pub(crate) turns: BTreeMap<TurnId, protocol::turn::Turn>,
    pub(crate) approvals: BTreeMap<ApprovalId, protocol::approval::Approval>,
    pub(crate) about: HostContent,
    pub(crate) full: bool,
    /// How long each of the next updates of what the host says of itself takes; `None` is refused.
    pub(crate) updates: std::collections::VecDeque<Option<std::time::Duration>>,
    pub(crate) broken: Vec<String>,
    pub(crate) reports: usize,
    pub(crate) files: BTreeMap<BlobId, Bytes>,
    /// Which session uses which file.
    pub(crate) used: Vec<(SessionId, BlobId)>,
    pub(crate) news: Vec<(u64, SessionNews)>,
    pub(crate) gone: std::collections::BTreeSet<SessionId>,
    /// Sessions about which so many reports are refused.
    pub(crate) refused: HashMap<SessionId, usize>,
    told: u64,
    live_index: HashMap<ItemId, u64>,
}

/// The hub; lives longer than its hosts.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    state: Mutex<State>,
    changed: Notify,
}

impl Hub {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn send(&self, id: CommandId, sender: Sender, body: CommandBody) {
        self.send_by(id, sender, None, body);
    }

    pub(crate) fn send_by(&self, id: CommandId, sender: Sender, participant: Option<ByParticipant>, body: CommandBody) {
        let stored = Stored {
            body,
            sender,
            participant,
            state: CommandState::Queued,
            token: 0,
            turn: None,
            error: None,
            detail: None,
            tried: None,
        };
        let mut state = self.state();
        state.commands.insert(id, stored);
        state.order.push(id);
        drop(state);
        self.changed.notify_waiters();
    }
}

impl Hub {
    /// Refuses so many reports about a session from now on.
    pub(crate) fn refuse(&self, session: SessionId, times: usize) {
        self.state().refused.insert(session, times);
    }

    /// Tells the host what somebody did to a session; a deleted one takes no more reports.
    pub(crate) fn tell(&self, news: SessionNews) {
        let mut state = self.state();
        if let SessionNews::Deleted { session } = news {
            state.gone.insert(session);
        }
        state.told += 1;
        let number = state.told;
        state.news.push((number, news));
        drop(state);
        self.changed.notify_waiters();
    }
}

/// The port of one life of a host. After `fuel` reports it is cut: the host hears nothing any more, as if its power had gone.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) hub: Arc<Hub>,
    pub(crate) fuel: AtomicI64,
    /// Whether the last report before the cut is written.
    pub(crate) written: bool,
    /// Whether the disk takes its time, now more, now less.
    pub(crate) slow: bool,
    pub(crate) cut: Notify,
}

impl Port {
    async fn burn(&self) -> bool {
        let left = self.fuel.fetch_sub(1, Ordering::SeqCst);
        if left > 0 {
            return false;
        }
        self.cut.notify_one();
        if left == 0 && self.written {
            return true;
        }
        std::future::pending().await
    }
}

fn check(ok: bool, why: impl FnOnce() -> String) -> Result<(), PortError> {
    if ok { Ok(()) } else { Err(PortError::Refused { reason: why() }) }
}

impl State {
    fn apply(&mut self, report: &Report) -> Result<Reported, PortError> {
        if report.generation != self.generation {
            return Err(PortError::Replaced { generation: report.generation, current: self.generation });
        }
        if self.full {
            return Err(PortError::Full { reason: "no room".into() });
        }
        for step in &report.streams {
            let session = match step {
                StreamStep::Journal(session, _) | StreamStep::CreateJournal(session) => Some(*session),
                StreamStep::Turn(turn, _) => self.turns.get(turn).map(|turn| turn.session),
                StreamStep::CreateTurn(_) | StreamStep::CloseTurn(_) => None,
            };
            if let Some(session) = session.filter(|session| self.gone.contains(session)) {
                return Err(PortError::NoStream { stream: StreamPath::journal(session) });
            }
        }
        for step in &report.streams {
            if let StreamStep::Journal(session, _) = step
                && let Some(times) = self.refused.get_mut(session).filter(|times| **times > 0)
            {
                *times -= 1;
                return Err(PortError::Refused { reason: WANTED.into() });
            }
        }
        for (session, blob) in &report.files {
            check(self.files.contains_key(blob), || format!("{blob} is not there"))?;
            self.used.push((*session, *blob));
        }
        for step in &report.commands {
            let held = self.commands.get(&step.id).filter(|held| held.token == step.token);
            if held.is_none_or(|held| held.state.is_final() || held.state == CommandState::Queued) {
                return Err(PortError::LeaseLost { command: step.id });
            }
        }
        let mut ends = Vec::new();
        for step in &report.streams {
            let (path, facts, create) = match step {
                StreamStep::CreateJournal(session) => (StreamPath::journal(*session), [].as_slice(), true),
                StreamStep::CreateTurn(turn) => (StreamPath::turn(*turn), [].as_slice(), true),
                StreamStep::Journal(session, facts) => (StreamPath::journal(*session), facts.as_slice(), false),
                StreamStep::Turn(turn, facts) => (StreamPath::turn(*turn), facts.as_slice(), false),
                StreamStep::CloseTurn(turn) => (StreamPath::turn(*turn), [].as_slice(), false),
            };
            if create {
                check(!self.streams.contains_key(&path), || format!("{path} exists"))?;
                self.streams.insert(path.clone(), Stream::default());
            }
            check(self.streams.contains_key(&path), || format!("no {path}"))?;
            for fact in facts {
                match step {
                    StreamStep::Turn(turn, _) => self.live_fact(*turn, fact)?,
                    _ => self.journal_fact(fact)?,
                }
            }
            let stream = self.streams.get_mut(&path).expect("looked at above");
            check(!stream.closed, || format!("{path} is closed"))?;
            let before = stream.end();
            stream.messages.extend(facts.iter().map(|fact| fact.encode().expect("a known fact")));
            stream.closed = matches!(step, StreamStep::CloseTurn(_));
            ends.push((before, stream.end()));
        }
        for step in &report.commands {
            let stored = self.commands.get_mut(&step.id).expect("looked at above");
            let (from, to) = (stored.state, step.state);
            let stays = from == CommandState::Running && to == from && step.tried.is_some();
            check(stays || from.may_become(to), || format!("{} {from:?} to {to:?}", step.id))?;
            stored.tried = step.tried.or(stored.tried);
            stored.state = to;
            stored.turn = step.turn.or(stored.turn);
            stored.error = step.error.as_ref().map(|error| error.code);
            stored.detail.clone_from(&step.detail);
        }
        for fact in &report.feed {
            FeedFact::parse(&fact.encode().expect("a known fact")).expect("it round-trips");
            self.feed.push(fact.clone());
            if let FeedFact::Rule { id, operation, value } = fact {
                match value {
                    Some(rule) if *operation == Operation::Insert || self.rules.contains_key(id) => {
                        self.rules.insert(*id, rule.clone());
                    }
                    Some(_) => {}
                    None => drop(self.rules.remove(id)),
                }
            }
        }
        self.audit.extend(report.audit.iter().cloned());
        for (key, value) in &report.notes {
            match value {
                Some(value) => self.notes.insert(key.clone(), value.clone()),
                None => self.notes.remove(key),
            };
        }
        self.places(report)?;
        self.reports += 1;
        Ok(Reported { ends })
    }

    /// What takes a place in the transcript notes, in the same report, that the place is taken.
    fn places(&self, report: &Report) -> Result<(), PortError> {
        for step in &report.streams {
            let (StreamStep::Journal(_, facts) | StreamStep::Turn(_, facts)) = step else { continue };
            for fact in facts {
                let SessionFact::Item { id, value: Some(item), .. } = fact else { continue };
                let note = &self.notes[&format!("session/{}", item.session)];
                let note: serde_json::Value = serde_json::from_slice(note).expect("a note is JSON");
                let next = note["nextOrd"].as_u64().expect("a number");
                check(item.ord < next, || format!("{id} has place {}, the next is {next}", item.ord))?;
            }
        }
        Ok(())
    }

    fn journal_fact(&mut self, fact: &SessionFact) -> Result<(), PortError> {
        match fact {
            SessionFact::Turn { id, value: Some(turn), operation } => {
                let known = self.turns.get(id);
                check((*operation == Operation::Insert) == known.is_none(), || format!("{id} {operation:?}"))?;
                let fits = known.map_or(!turn.state.is_final(), |known| {
                    known.state.may_become(turn.state) && known.low_water <= turn.low_water && !known.state.is_final()
                });
                check(fits, || format!("{id} {known:?} to {turn:?}"))?;
                if let Some(low) = turn.low_water {
                    let end = self.streams.get(&StreamPath::turn(*id)).map(Stream::end);
                    check(end.is_some_and(|end| low <= end), || format!("{id} low water {low:?} of {end:?}"))?;
                }
                self.turns.insert(*id, turn.clone());
            }
            SessionFact::Item { id, value: Some(item), .. } => {
                let settled = item.status != ItemStatus::Running && item.settled_at_ms.is_some();
                check(settled, || format!("{id} is not settled"))?;
                let live = self.live_index.get(id).copied().unwrap_or(0);
                check(item.index == live, || format!("{id} had {live} messages, says {}", item.index))?;
            }
            SessionFact::Approval { id, value: Some(approval), .. } => {
                let fits = match self.approvals.get(id) {
                    // What a rule or the policy answers was never asked of anybody.
                    None => {
                        let via = approval.decision.as_ref().map(|decision| decision.via);
                        let decided = matches!(via, Some(Via::Rule | Via::Policy));
                        approval.state == if decided { ApprovalState::Answered } else { ApprovalState::Pending }
                    }
                    Some(known) => known.state == ApprovalState::Pending && approval.state != ApprovalState::Pending,
                };
                check(fits, || format!("{id} to {approval:?}"))?;
                self.approvals.insert(*id, approval.clone());
            }
            other => check(false, || format!("{other:?} in a journal"))?,
        }
        Ok(())
    }

    fn live_fact(&mut self, turn: TurnId, fact: &SessionFact) -> Result<(), PortError> {
        let next = |id: &ItemId| self.live_index.get(id).copied().unwrap_or(0);
        match fact {
            SessionFact::Item { id, value: Some(item), operation } => {
                check(item.turn == turn && item.index == next(id), || format!("{id} snapshot {item:?}"))?;
                check((item.index == 0) == (*operation == Operation::Insert), || format!("{id} {operation:?}"))?;
                check(item.status == ItemStatus::Running, || format!("{id} is settled"))?;
                self.live_index.insert(*id, item.index + 1);
            }
            SessionFact::Delta { id, value: Some(delta), .. } => {
                check(delta.index > 0 && delta.index == next(id), || format!("{id} delta {delta:?}"))?;
                self.live_index.insert(*id, delta.index + 1);
            }
            SessionFact::Item { operation: Operation::Delete, .. } => {}
            other => check(false, || format!("{other:?} in a turn stream"))?,
        }
        Ok(())
    }
}

impl HubPort for Port {
    fn start(&self, about: HostContent, _: u32) -> Later<'_, Result<Started, PortError>> {
        let mut state = self.hub.state();
        state.generation += 1;
        state.about = about;
        state.stopped = false;
        for stored in state.commands.values_mut().filter(|stored| stored.state == CommandState::Leased) {
            stored.state = CommandState::Queued;
        }
        let started = Started {
            generation: state.generation,
            host: DeviceId::from_uuid(v7(2)),
            account: AccountId::from_uuid(v7(1)),
        };
        Box::pin(async move { Ok(started) })
    }

    fn update(&self, _: u64, about: HostContent) -> Later<'_, Result<(), PortError>> {
        let takes = self.hub.state().updates.pop_front();
        Box::pin(async move {
            match takes {
                Some(Some(takes)) => tokio::time::sleep(takes).await,
                Some(None) => return Err(PortError::Full { reason: "no room".into() }),
                None => {}
            }
            self.hub.state().about = about;
            Ok(())
        })
    }

    fn lease(&self, generation: u64, most: usize) -> Later<'_, Result<Vec<Leased>, PortError>> {
        Box::pin(async move {
            loop {
                let changed = self.hub.changed.notified();
                {
                    let mut state = self.hub.state();
                    let State { commands, order, generation: current, .. } = &mut *state;
                    if *current != generation {
                        return Err(PortError::Replaced { generation, current: *current });
                    }
                    let queued: Vec<_> = order
                        .iter()
                        .filter(|id| commands[id].state == CommandState::Queued)
                        .take(most)
                        .copied()
                        .collect();
                    if !queued.is_empty() && self.fuel.load(Ordering::SeqCst) >= 0 {
                        let lease = |id: CommandId| {
                            let stored = commands.get_mut(&id).expect("it is in the order");
                            (stored.state, stored.token) = (CommandState::Leased, stored.token + 1);
                            let (token, sender, body) = (stored.token, stored.sender, stored.body.clone());
                            let participant = stored.participant.clone();
                            Leased { id, token, sender, participant, body, expires_at_ms: UnixMs(u64::MAX) }
                        };
                        return Ok(queued.into_iter().map(lease).collect());
                    }
                }
                changed.await;
            }
        })
    }

    fn report(&self, report: Report) -> Later<'_, Result<Reported, PortError>> {
        Box::pin(async move {
            let last = self.burn().await;
            // The disk takes a moment.
            let takes = if self.slow { 1 + 6 * (self.hub.state().reports as u64 % 4) } else { 1 };
            tokio::time::sleep(std::time::Duration::from_millis(takes)).await;
            let result = {
                let mut state = self.hub.state();
                let result = state.apply(&report);
                if let Err(PortError::Refused { reason }) = &result
                    && reason != WANTED
                {
                    let reason = reason.clone();
                    state.broken.push(reason);
                }
                result
            };
            if last { std::future::pending().await } else { result }
        })
    }

    fn notes(&self, prefix: &str, after: Option<&str>, limit: usize) -> Later<'_, Result<Vec<Note>, PortError>> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        Box::pin(async move {
            let state = self.hub.state();
            let fits = |key: &String| key.starts_with(&prefix) && after.as_ref().is_none_or(|after| key > after);
            let found = state.notes.iter().filter(|(key, _)| fits(key)).take(limit);
            Ok(found.map(|(key, value)| Note { key: key.clone(), value: value.clone() }).collect())
        })
    }

    fn read(&self, path: StreamPath, from: Option<Offset>, most: usize) -> Later<'_, Result<StreamPage, PortError>> {
        Box::pin(async move {
            let state = self.hub.state();
            let there = !state.gone.iter().any(|session| path == StreamPath::journal(*session));
            let Some(stream) = state.streams.get(&path).filter(|_| there) else {
                return Err(PortError::NoStream { stream: path });
            };
            let (mut at, mut messages, mut bytes) = (Offset::ZERO, Vec::new(), 0);
            for message in &stream.messages {
                if from.is_none_or(|from| at >= from) {
                    // Small pages, so that paging is really done.
                    if bytes > 0 && bytes + message.len() > most.min(2048) {
                        return Ok(StreamPage { messages, next: at, up_to_date: false });
                    }
                    bytes += message.len();
                    messages.push(message.clone());
                }
                at = at.plus(message.len() as u64);
            }
            Ok(StreamPage { messages, next: at, up_to_date: true })
        })
    }

    fn known_file(&self, blob: BlobId) -> Later<'_, Result<Option<Blob>, PortError>> {
        let known = self.hub.state().files.get(&blob).map(|bytes| {
            let media_type = if bytes.starts_with(b"\x89PNG") { "image/png" } else { "text/plain" };
            Blob { sha256: blob, media_type: media_type.to_owned(), size_bytes: bytes.len() as u64 }
        });
        Box::pin(async move { Ok(known) })
    }

    fn file(&self, blob: BlobId) -> Later<'_, Result<Option<Bytes>, PortError>> {
        let bytes = self.hub.state().files.get(&blob).cloned();
        Box::pin(async move { Ok(bytes) })
    }

    fn news(
        &self,
        generation: u64,
        heard: Option<u64>,
        wait: bool,
    ) -> Later<'_, Result<Vec<(u64, SessionNews)>, PortError>> {
        Box::pin(async move {
            loop {
                let changed = self.hub.changed.notified();
                {
                    let mut state = self.hub.state();
                    if state.generation != generation {
                        return Err(PortError::Replaced { generation, current: state.generation });
                    }
                    // What is urgent is told alone, and numbers mean something among those that were told together only.
                    let urgent = |news: &SessionNews| matches!(news, SessionNews::RuleRevoked { .. });
                    let lane =
                        state.news.iter().find(|(number, _)| Some(*number) == heard).map(|(_, news)| urgent(news));
                    state.news.retain(|(number, news)| {
                        heard.is_none_or(|heard| *number > heard || Some(urgent(news)) != lane)
                    });
                    let first: Vec<_> = state.news.iter().filter(|(_, news)| urgent(news)).cloned().collect();
                    let told = if first.is_empty() { state.news.clone() } else { first };
                    if !told.is_empty() || !wait {
                        return Ok(told);
                    }
                }
                changed.await;
            }
        })
    }

    fn stop(&self, generation: u64) -> Later<'_, Result<(), PortError>> {
        Box::pin(async move {
            let mut state = self.hub.state();
            if state.generation == generation {
                state.stopped = true;
                for stored in state.commands.values_mut().filter(|stored| stored.state == CommandState::Leased) {
                    stored.state = CommandState::Queued;
                }
            }
            Ok(())
        })
    }
}

impl State {
    pub(crate) fn command(&self, id: CommandId) -> &Stored {
        &self.commands[&id]
    }

    pub(crate) fn turn_of(&self, command: CommandId) -> Option<(TurnId, TurnState)> {
        let turn = self.commands[&command].turn?;
        self.turns.get(&turn).map(|fact| (turn, fact.state))
    }

    pub(crate) fn session(&self, id: SessionId) -> Option<&protocol::session::Session> {
        self.feed.iter().rev().find_map(|fact| match fact {
            FeedFact::Session { id: of, value: Some(session), .. } if *of == id => Some(session),
            _ => None,
        })
    }
}
