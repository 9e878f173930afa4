//! The executor: leases commands, routes each to its session, and keeps the sessions that have something to do.

mod check;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use protocol::command::{CommandBody, Tried};
use protocol::id::SessionId;
use protocol::port::{Leased, PortError, Report, SessionNews, Transition};
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};

use crate::context::Context;
use crate::news;
use crate::notes::{self, NOTE_VERSION, SessionNote};
use crate::restart::{self, Restored};
use crate::session::{End, Ended, Session, Told};

/// Commands leased in one go.
const LEASE_MOST: usize = 32;
/// Commands that wait for one session's task; it takes them at once unless the disk is full.
const MAILBOX: usize = 128;
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

impl Executor {
    /// An executor without sessions.
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self {
            context,
            sessions: HashMap::new(),
            tasks: JoinSet::new(),
            names: HashMap::new(),
            generation: 0,
            gone: HashSet::new(),
        }
    }

    /// Works until the host stops, and then until every session has stopped or the budget is spent; what then still runs is
    /// dropped, and its agents killed.
    pub(crate) async fn run(mut self, restored: Vec<Restored>) {
        for Restored { id, row, queue } in restored {
            self.spawn(id, row, false, queue, false);
        }
        self.work().await;
        let budget = self.context.options.stop_budget;
        let stopped = tokio::time::timeout(budget, async { while self.tasks.join_next().await.is_some() {} }).await;
        if stopped.is_err() {
            tracing::warn!(sessions = self.tasks.len(), "sessions did not stop in time and are killed");
        }
        self.tasks.shutdown().await;
    }

    async fn work(&mut self) {
        let context = self.context.clone();
        let lease = || context.port.lease(context.me.generation, LEASE_MOST);
        // One call is kept until it answers: what a dropped one had leased would wait for the next start.
        let mut leasing = lease();
        let news = |heard| context.port.news(context.me.generation, heard, true);
        let mut hearing = news(None);
        loop {
            tokio::select! {
                () = context.stop.cancelled() => return,
                told = &mut hearing => {
                    let heard = match told {
                        Ok(told) => self.hear(told).await,
                        Err(error) => Err(error),
                    };
                    match heard {
                        Ok(heard) => hearing = news(heard),
                        Err(error @ (PortError::Replaced { .. } | PortError::Broken { .. })) => {
                            context.fail(error);
                            return;
                        }
                        Err(error) => {
                            tracing::warn!(%error, "what was done to sessions could not be heard");
                            tokio::time::sleep(RETRY).await;
                            hearing = news(None);
                        }
                    }
                }
                leased = &mut leasing => {
                    match leased {
                        Ok(leased) => {
                            for leased in leased {
                                tokio::select! {
                                    () = context.stop.cancelled() => return,
                                    () = self.take(leased) => {}
                                }
                            }
                        }
                        Err(error @ (PortError::Replaced { .. } | PortError::Broken { .. })) => {
                            context.fail(error);
                            return;
                        }
                        Err(error) => {
                            tracing::warn!(%error, "no command could be leased");
                            tokio::time::sleep(RETRY).await;
                        }
                    }
                    leasing = lease();
                }
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended).await,
            }
        }
    }

    /// Does what people did to sessions, and says up to which number it is done.
    async fn hear(&mut self, told: Vec<(u64, SessionNews)>) -> Result<Option<u64>, PortError> {
        let mut heard = None;
        for (number, news) in told {
            match news {
                SessionNews::Renamed { session, title } => match self.sessions.get(&session) {
                    Some(slot) => slot.told.send_modify(|told| told.title = Some(title)),
                    None => news::rename(&self.context, session, title).await?,
                },
                SessionNews::RuleRevoked { rule } => news::forget_rule(&self.context, rule).await?,
                SessionNews::Deleted { session } => {
                    self.gone.insert(session);
                    if let Some(slot) = self.sessions.get(&session) {
                        slot.told.send_modify(|told| told.gone = true);
                    }
                    while self.sessions.contains_key(&session) {
                        let Some(ended) = self.tasks.join_next_with_id().await else { break };
                        self.ended(ended).await;
                    }
                    news::erase(&self.context, session, news::Life::This).await?;
                    self.gone.remove(&session);
                }
            }
            heard = Some(number);
        }
        Ok(heard)
    }

    /// Takes a command: checks it, and gives it to its session.
    async fn take(&mut self, leased: Leased) {
        let (id, token) = (leased.id, leased.token);
        if let Err(error) = self.route(leased).await {
            match error {
                Unroutable::Refused(refusal) => {
                    let step = Transition::failed(id, token, refusal.code, refusal.detail);
                    if let Err(error) = self.context.report(Report { commands: vec![step], ..Report::default() }).await
                    {
                        tracing::warn!(command = %id, %error, "the end of a command could not be written");
                    }
                }
                Unroutable::Port(error @ (PortError::Replaced { .. } | PortError::Broken { .. })) => {
                    self.context.fail(error);
                }
                Unroutable::Port(error) => tracing::error!(command = %id, %error, "a command could not be taken"),
            }
        }
    }

    async fn route(&mut self, leased: Leased) -> Result<(), Unroutable> {
        let session = leased.body.session();
        leased.body.validate().map_err(|error| check::invalid(&error))?;
        check::attachments(&self.context, &leased.body).await?;
        let starts = leased.body.kind().makes_session();
        if self.gone.contains(&session) {
            return Err(check::no_session().into());
        }
        if !self.sessions.contains_key(&session) {
            let known = notes::get::<SessionNote>(&*self.context.port, &notes::session(session)).await?;
            let row = match (known, starts) {
                (Some(_), true) => return Err(check::exists().into()),
                (None, false) => return Err(check::no_session().into()),
                (Some(row), false) => row,
                (None, true) => check::start(&self.context, &leased.body).await?,
            };
            check::options(&self.context, &row.agent, row.model.as_deref(), &leased.body)?;
            self.spawn(session, row, starts, Vec::new(), false);
        } else if starts {
            return Err(check::exists().into());
        } else if let CommandBody::SetOptions { .. } = leased.body {
            let known = notes::get::<SessionNote>(&*self.context.port, &notes::session(session)).await?;
            if let Some(row) = known {
                check::options(&self.context, &row.agent, row.model.as_deref(), &leased.body)?;
            }
        }
        self.hand(session, leased).await;
        Ok(())
    }

    async fn hand(&mut self, session: SessionId, leased: Leased) {
        let Some(slot) = self.sessions.get_mut(&session) else { return };
        if let Err(refused) = slot.mailbox.send(leased).await {
            // Its task is ending; the next life takes it.
            slot.parked.push(refused.0);
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

    async fn ended(&mut self, ended: Result<(Id, Ended), JoinError>) {
        let (task, Ended { id, end, left }) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                let task = error.id();
                let Some(id) = self.names.get(&task).copied() else { return };
                tracing::error!(session = %id, %error, "a session ended by a bug of ours");
                (task, Ended { id, end: End::Broken, left: Vec::new() })
            }
        };
        self.names.remove(&task);
        let Some(slot) = self.sessions.remove(&id) else { return };
        if slot.task != task {
            self.sessions.insert(id, slot);
            return;
        }
        if end == End::Broken {
            self.again(id, slot.broken).await;
        }
        for leased in left.into_iter().chain(slot.parked) {
            Box::pin(self.take(leased)).await;
        }
    }

    /// Brings a session back from what is durable, once.
    async fn again(&mut self, id: SessionId, twice: bool) {
        if twice || self.context.stop.is_cancelled() || self.gone.contains(&id) {
            return;
        }
        // Its reports are refused when somebody has deleted it: that is no fault.
        if news::is_deleted(&self.context, id).await {
            self.gone.insert(id);
            return;
        }
        match restart::recover(&self.context, Some(id)).await {
            Ok(restored) => {
                for Restored { id, row, queue } in restored {
                    self.spawn(id, row, false, queue, true);
                }
            }
            Err(error) => tracing::error!(session = %id, %error, "a session stays as it is until the next start"),
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
        created_at_ms: now,
        updated_at_ms: now,
    }
}
