//! The executor: leases commands, routes each to its session, and keeps the sessions that have something to do.
//!
//! The loop itself waits for nothing but news: whatever takes time for one session (a look at its notes or at a directory, the end of what
//! is left of it) is a chore beside the loop, in the lane of that session. What comes for the session meanwhile waits in its lane, and for
//! nobody else.

mod check;
mod chores;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use protocol::command::Tried;
use protocol::error::ErrorCode;
use protocol::id::SessionId;
use protocol::port::{Leased, PortError, SessionNews};
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};

use crate::agent::Later;
use crate::context::Context;
use crate::notes::{self, Held, NOTE_VERSION, SessionNote};
use crate::restart::{Recovered, Restored};
use crate::session::{End, Ended, Session, Told};
use chores::{Done, Job};

/// Commands leased in one go.
const LEASE_MOST: usize = 32;
/// Commands that wait for one session's task; it takes them at once unless the disk is full.
const MAILBOX: usize = 128;
/// Commands that wait in lanes before no more are leased: as many as a hub keeps for one host.
const MOST_WAITING: usize = protocol::limits::MAX_QUEUED_COMMANDS;
/// Pause after a lease that the hub refused for want of space.
const RETRY: Duration = Duration::from_secs(1);

/// The executor.
#[derive(Debug)]
pub(crate) struct Executor {
    context: Arc<Context>,
    sessions: HashMap<SessionId, Slot>,
    tasks: JoinSet<Ended>,
    /// Whose task is whose, for those that panic.
    names: HashMap<Id, SessionId>,
    generation: u64,
    /// Deleted sessions of which something is still here.
    gone: HashSet<SessionId>,
    /// Sessions of which nothing can be written: their commands are refused until what is durable of them was brought in order.
    broken: HashSet<SessionId>,
    /// What waits for each session that a chore is about, what the chore is about first.
    lanes: HashMap<SessionId, VecDeque<Job>>,
    chores: JoinSet<Done>,
    /// Whose chore is whose, for those that panic.
    chored: HashMap<Id, Option<SessionId>>,
    /// Sessions that are to be made, one after the other: a later one may need an earlier one, or its project.
    births: VecDeque<SessionId>,
    bearing: Option<SessionId>,
    /// News that were heard and are not done, in order; of the first one the end is waited for.
    told: VecDeque<(u64, SessionNews)>,
    /// The number of the last news that is done.
    heard: Option<u64>,
}

/// A session whose task runs.
#[derive(Debug)]
struct Slot {
    /// Which life of the session it is: the end of an earlier one says nothing of this.
    generation: u64,
    task: Id,
    mailbox: mpsc::Sender<Leased>,
    told: watch::Sender<Told>,
    /// Commands that its ending task did not take.
    parked: Vec<Leased>,
    /// Its reports were refused once; the next time it is left alone.
    broken: bool,
}

type News<'a> = Later<'a, Result<Vec<(u64, SessionNews)>, PortError>>;

impl Executor {
    /// An executor without sessions; of the `broken` ones nothing can be written.
    pub(crate) fn new(context: Arc<Context>, broken: Vec<SessionId>) -> Self {
        Self {
            context,
            sessions: HashMap::new(),
            tasks: JoinSet::new(),
            names: HashMap::new(),
            generation: 0,
            gone: HashSet::new(),
            broken: broken.into_iter().collect(),
            lanes: HashMap::new(),
            chores: JoinSet::new(),
            chored: HashMap::new(),
            births: VecDeque::new(),
            bearing: None,
            told: VecDeque::new(),
            heard: None,
        }
    }

    /// Works until the host stops, and then until every session has stopped or the budget is spent; what then still runs is
    /// dropped, and its agents killed.
    pub(crate) async fn run(mut self, restored: Vec<Restored>) {
        for Restored { id, row, queue } in restored {
            self.spawn(id, row, false, queue, false);
        }
        self.work().await;
        // What they were about is done again at the next start, or given back.
        self.chores.shutdown().await;
        let budget = self.context.options.stop_budget;
        let stopped = tokio::time::timeout(budget, async { while self.tasks.join_next().await.is_some() {} }).await;
        if stopped.is_err() {
            tracing::warn!(sessions = self.tasks.len(), "sessions did not stop in time and are killed");
        }
        self.tasks.shutdown().await;
    }

    async fn work(&mut self) {
        let context = self.context.clone();
        let lease = |pause: Option<Duration>| {
            let context = &context;
            async move {
                if let Some(pause) = pause {
                    tokio::time::sleep(pause).await;
                }
                context.port.lease(context.me.generation, LEASE_MOST).await
            }
        };
        // One call is kept until it answers: what a dropped one had leased would wait for the next start.
        let mut leasing = Box::pin(lease(None));
        let news = |heard, pause: Option<Duration>| -> News<'_> {
            let context = &context;
            Box::pin(async move {
                if let Some(pause) = pause {
                    tokio::time::sleep(pause).await;
                }
                context.port.news(context.me.generation, heard, true).await
            })
        };
        let mut hearing = Some(news(None, None));
        loop {
            let hear = async {
                match &mut hearing {
                    Some(hearing) => hearing.await,
                    None => std::future::pending().await,
                }
            };
            let room = self.waiting() < MOST_WAITING;
            tokio::select! {
                () = context.stop.cancelled() => return,
                told = hear => match told {
                    Ok(told) => {
                        (self.told, hearing) = (told.into(), None);
                        self.next_news();
                    }
                    Err(error) => {
                        if self.is_over(&error) {
                            return;
                        }
                        tracing::warn!(%error, "what was done to sessions could not be heard");
                        hearing = Some(news(None, Some(RETRY)));
                    }
                },
                leased = &mut leasing, if room => {
                    let mut pause = None;
                    match leased {
                        Ok(leased) => leased.into_iter().for_each(|leased| self.take(leased)),
                        Err(error) => {
                            if self.is_over(&error) {
                                return;
                            }
                            tracing::warn!(%error, "no command could be leased");
                            pause = Some(RETRY);
                        }
                    }
                    leasing = Box::pin(lease(pause));
                }
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
                Some(done) = self.chores.join_next_with_id() => {
                    if let Err(error) = self.chored(done) {
                        if self.is_over(&error) {
                            return;
                        }
                        tracing::warn!(%error, "what was done to a session could not be carried out");
                        self.told.clear();
                        hearing = Some(news(self.heard, Some(RETRY)));
                    }
                }
            }
            if hearing.is_none() && self.told.is_empty() {
                hearing = Some(news(self.heard, None));
            }
        }
    }

    /// Whether nothing more can be done after such an error; then the host stops.
    fn is_over(&self, error: &PortError) -> bool {
        let over = matches!(error, PortError::Replaced { .. } | PortError::Broken { .. });
        if over {
            self.context.fail(error.clone());
        }
        over
    }

    /// How many commands wait for something.
    fn waiting(&self) -> usize {
        self.lanes.values().map(VecDeque::len).sum()
    }

    /// Takes a command: it goes behind what waits for its session.
    fn take(&mut self, leased: Leased) {
        let session = leased.body.session();
        if self.gone.contains(&session) {
            return self.refuse(leased.id, leased.token, check::no_session());
        }
        self.queue(session, Job::Command(leased));
    }

    fn hand(&mut self, session: SessionId, leased: Leased) -> Option<(mpsc::Sender<Leased>, Leased)> {
        let slot = self.sessions.get_mut(&session)?;
        match slot.mailbox.try_send(leased) {
            Ok(()) => None,
            // Its task is ending; the next life takes it.
            Err(mpsc::error::TrySendError::Closed(leased)) => {
                slot.parked.push(leased);
                None
            }
            Err(mpsc::error::TrySendError::Full(leased)) => Some((slot.mailbox.clone(), leased)),
        }
    }

    fn spawn(
        &mut self,
        id: SessionId,
        row: SessionNote,
        unborn: bool,
        queue: Vec<(notes::TurnNote, Option<Tried>)>,
        broken: bool,
    ) {
        self.generation += 1;
        let (mailbox, letters) = mpsc::channel(MAILBOX);
        let (told, telling) = watch::channel(Told::default());
        let session = Session::new(self.context.clone(), id, row, unborn, queue, letters, telling);
        let task = self.tasks.spawn(session.run()).id();
        self.names.insert(task, id);
        let slot = Slot { generation: self.generation, task, mailbox, told, parked: Vec::new(), broken };
        tracing::debug!(session = %id, generation = slot.generation, "a session is loaded");
        self.sessions.insert(id, slot);
    }

    fn ended(&mut self, ended: Result<(Id, Ended), JoinError>) {
        let (task, Ended { id, end, left, lost }) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                let task = error.id();
                let Some(id) = self.names.get(&task).copied() else { return };
                tracing::error!(session = %id, %error, "a session ended by a bug of ours");
                (task, Ended { id, end: End::Broken, left: Vec::new(), lost: Vec::new() })
            }
        };
        self.names.remove(&task);
        let Some(slot) = self.sessions.remove(&id) else { return };
        if slot.task != task {
            self.sessions.insert(id, slot);
            return;
        }
        for Held { id, token } in lost {
            let detail = "what was to be written of it was refused, so it has not begun";
            self.refuse(id, token, check::refusal(ErrorCode::Internal, detail));
        }
        let mut first: VecDeque<Job> = left.into_iter().chain(slot.parked).map(Job::Command).collect();
        if end == End::Broken && !self.context.stop.is_cancelled() && !self.gone.contains(&id) {
            first.push_front(Job::Recover { twice: slot.broken });
        }
        self.queue_first(id, first);
        if matches!(self.told.front(), Some((_, SessionNews::Deleted { session })) if *session == id) {
            self.next_news();
        }
    }

    /// A session's notes were brought in order.
    fn recovered(&mut self, id: SessionId, recovered: Recovered) {
        match recovered {
            Recovered::Deleted => {
                self.gone.insert(id);
            }
            Recovered::Whole(restored) => {
                self.broken.remove(&id);
                if let Some(Restored { id, row, queue }) = restored.filter(|_| !self.gone.contains(&id)) {
                    self.spawn(id, row, false, queue, true);
                }
            }
            Recovered::Broken => {
                self.broken.insert(id);
            }
        }
    }
}

/// A command does not reach its session.
#[derive(Debug)]
enum Unroutable {
    Refused(check::Refusal),
    Port(PortError),
}

impl From<check::Refusal> for Unroutable {
    fn from(refusal: check::Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<PortError> for Unroutable {
    fn from(error: PortError) -> Self {
        Self::Port(error)
    }
}

/// What is known of a session that is to be made.
pub(crate) fn newborn(
    context: &Context,
    project: protocol::id::ProjectId,
    agent: &str,
    model: Option<&str>,
    mode: Option<&str>,
    effort: Option<&str>,
    title: Option<&str>,
) -> SessionNote {
    let now = context.now();
    SessionNote {
        v: NOTE_VERSION,
        project,
        agent: agent.to_owned(),
        model: model.map(str::to_owned),
        mode: mode.map(str::to_owned),
        effort: effort.map(str::to_owned),
        title: title.unwrap_or_default().trim().to_owned(),
        doing: None,
        agent_session: None,
        next_ord: 1,
        last_turn: None,
        ended_turns: 0,
        from: None,
        fork: None,
        leaves_model: None,
        leaves_effort: None,
        created_at_ms: now,
        updated_at_ms: now,
    }
}
