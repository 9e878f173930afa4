//! What the executor does for one session beside its loop, one thing at a time for each session.

use std::collections::VecDeque;
use std::sync::Arc;

use protocol::command::CommandBody;
use protocol::error::ErrorCode;
use protocol::id::{AccountId, SessionId};
use protocol::port::{Leased, PortError, Report, SessionNews, Transition};
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError};

use super::{Executor, Unroutable, check};
use crate::context::Context;
use crate::news::{self, Life};
use crate::notes::{self, SessionNote};
use crate::restart::{self, Recovered};

/// Something to do for a session.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are commands")]
pub(super) enum Job {
    /// A command for it.
    Command(Leased),
    /// Its task ended by a fault: what is durable is brought in order; the second time nothing of it goes on by itself.
    Recover {
        /// Whether that happened before.
        twice: bool,
    },
    /// Somebody did something to it; the number of the news.
    News(u64, SessionNews),
}

/// What a chore came to.
#[derive(Debug)]
pub(super) enum Done {
    /// The command at the head of a lane was looked at; the row of a session that was not loaded.
    Looked { session: SessionId, command: protocol::id::CommandId, loaded: bool, found: Result<Looked, Unroutable> },
    /// A full mailbox took a command, or its task has ended and did not.
    Handed(SessionId, Option<Leased>),
    /// What is durable of a session was brought in order.
    Recovered(SessionId, Recovered),
    /// The news with this number were carried out; in the lane of a session, where they are about one.
    Told(u64, Option<SessionId>, Result<(), PortError>),
    /// The end of a command was written.
    Said,
}

/// What is known of a command and its session.
#[derive(Debug)]
pub(super) struct Looked {
    /// The row, where the session is not loaded.
    row: Option<SessionNote>,
    /// Whether what was broken of the session is in order again.
    healed: bool,
}

impl Executor {
    /// Puts something behind what waits for a session, and begins with it when nothing does.
    pub(super) fn queue(&mut self, session: SessionId, job: Job) {
        if let Some(lane) = self.lanes.get_mut(&session) {
            lane.push_back(job);
        } else {
            self.lanes.insert(session, VecDeque::from([job]));
            self.advance(session);
        }
    }

    /// Puts things before what waits for a session; a chore that is under way comes to nothing if it was about the first of them.
    pub(super) fn queue_first(&mut self, session: SessionId, mut jobs: VecDeque<Job>) {
        if jobs.is_empty() {
            return;
        }
        if let Some(lane) = self.lanes.get_mut(&session) {
            jobs.append(lane);
            *lane = jobs;
        } else {
            self.lanes.insert(session, jobs);
            self.advance(session);
        }
    }

    fn chore(&mut self, session: Option<SessionId>, work: impl Future<Output = Done> + Send + 'static) {
        let id = self.chores.spawn(work).id();
        self.chored.insert(id, session);
    }

    /// Does what can be done at once for a session, and begins the next chore.
    fn advance(&mut self, session: SessionId) {
        loop {
            let Some(lane) = self.lanes.get_mut(&session) else { return };
            let Some(job) = lane.front() else {
                self.lanes.remove(&session);
                return;
            };
            match job {
                Job::Command(leased) if self.gone.contains(&session) => {
                    let (id, token) = (leased.id, leased.token);
                    lane.pop_front();
                    self.refuse(id, token, check::no_session());
                }
                Job::Command(leased) => {
                    let loaded = self.sessions.contains_key(&session);
                    let leased = leased.clone();
                    if let Err(error) = leased.body.validate() {
                        lane.pop_front();
                        self.refuse(leased.id, leased.token, check::invalid(&error));
                    } else if loaded && needs_no_look(&leased, self.context.me.account) {
                        lane.pop_front();
                        if self.give(session, leased) {
                            return;
                        }
                    } else {
                        self.look(session, &leased, loaded);
                        return;
                    }
                }
                Job::Recover { twice } => {
                    let (context, twice) = (self.context.clone(), *twice);
                    self.chore(Some(session), async move {
                        Done::Recovered(session, restart::again(&context, session, twice).await)
                    });
                    return;
                }
                Job::News(number, SessionNews::Renamed { title, .. }) => {
                    let (number, title) = (*number, title.clone());
                    if let Some(slot) = self.sessions.get(&session) {
                        slot.told.send_modify(|told| told.title = Some(title));
                        lane.pop_front();
                        self.news_done(number);
                        continue;
                    }
                    let context = self.context.clone();
                    self.chore(Some(session), async move {
                        Done::Told(number, Some(session), news::rename(&context, session, title).await)
                    });
                    return;
                }
                Job::News(number, _) => {
                    let (number, context) = (*number, self.context.clone());
                    self.chore(Some(session), async move {
                        Done::Told(number, Some(session), news::erase(&context, session, Life::This).await)
                    });
                    return;
                }
            }
        }
    }

    /// Looks at the command at the head of a lane; sessions are made one after the other.
    fn look(&mut self, session: SessionId, leased: &Leased, loaded: bool) {
        if leased.body.kind().makes_session() && !loaded {
            if self.bearing.is_some_and(|bearing| bearing != session) {
                self.births.push_back(session);
                return;
            }
            self.bearing = Some(session);
        }
        let (context, leased, command) = (self.context.clone(), leased.clone(), leased.id);
        let broken = self.broken.contains(&session);
        self.chore(Some(session), async move {
            let found = look(&context, session, &leased, loaded, broken).await;
            Done::Looked { session, command, loaded, found }
        });
    }

    /// Hands a command to a session that is loaded; `true` when its mailbox is full, and a chore waits for it.
    fn give(&mut self, session: SessionId, leased: Leased) -> bool {
        let Some((mailbox, leased)) = self.hand(session, leased) else { return false };
        self.chore(Some(session), deliver(session, mailbox, leased));
        true
    }

    pub(super) fn refuse(&mut self, id: protocol::id::CommandId, token: u64, refusal: check::Refusal) {
        let context = self.context.clone();
        self.chore(None, async move {
            let step = Transition::failed(id, token, refusal.code, refusal.detail);
            if let Err(error) = context.report(Report { commands: vec![step], ..Report::default() }).await {
                tracing::warn!(command = %id, %error, "the end of a command could not be written");
            }
            Done::Said
        });
    }

    /// Begins with the first of the news that are not done.
    pub(super) fn next_news(&mut self) {
        if let Some((number, news)) = self.told.front().cloned() {
            match news {
                SessionNews::Renamed { session, .. } => self.queue(session, Job::News(number, news)),
                SessionNews::RuleRevoked { rule } => {
                    let context = self.context.clone();
                    self.chore(None, async move { Done::Told(number, None, news::forget_rule(&context, rule).await) });
                }
                SessionNews::Deleted { session } => {
                    self.gone.insert(session);
                    match self.sessions.get(&session) {
                        // Its end begins the rest.
                        Some(slot) => slot.told.send_modify(|told| told.gone = true),
                        None => self.queue(session, Job::News(number, news)),
                    }
                }
            }
        }
    }

    /// News are done. Those that were heard again meanwhile are carried out again, which changes nothing.
    fn news_done(&mut self, number: u64) {
        let Some((number, news)) = self.told.pop_front_if(|(first, _)| *first == number) else { return };
        self.heard = Some(number);
        if let SessionNews::Deleted { session } = news {
            self.gone.remove(&session);
            self.broken.remove(&session);
        }
        self.next_news();
    }

    /// A chore is done.
    ///
    /// # Errors
    /// Why news could not be carried out: they are to be heard again.
    pub(super) fn chored(&mut self, done: Result<(Id, Done), JoinError>) -> Result<(), PortError> {
        let (id, done) = match done {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(%error, "a chore ended by a bug of ours");
                if let Some(session) = self.chored.remove(&error.id()).flatten() {
                    self.born(session);
                    self.next(session);
                }
                if !self.told.is_empty() {
                    return Err(PortError::Refused { reason: "a bug of ours".to_owned() });
                }
                return Ok(());
            }
        };
        self.chored.remove(&id);
        match done {
            Done::Looked { session, command, loaded, found } => self.looked(session, command, loaded, found),
            Done::Handed(session, left) => {
                if let (Some(leased), Some(lane)) = (left, self.lanes.get_mut(&session)) {
                    lane.push_front(Job::Command(leased));
                }
                self.advance(session);
            }
            Done::Recovered(session, recovered) => {
                self.recovered(session, recovered);
                self.next(session);
            }
            Done::Told(number, session, result) => {
                if let Some(session) = session {
                    if let Some(lane) = self.lanes.get_mut(&session) {
                        lane.pop_front();
                    }
                    if result.is_ok() {
                        self.news_done(number);
                    }
                    self.advance(session);
                } else if result.is_ok() {
                    self.news_done(number);
                }
                return result;
            }
            Done::Said => {}
        }
        Ok(())
    }

    /// The first job of a lane is done.
    fn next(&mut self, session: SessionId) {
        if let Some(lane) = self.lanes.get_mut(&session) {
            lane.pop_front();
        }
        self.advance(session);
    }

    /// A session was made, or is not: the next one is.
    fn born(&mut self, session: SessionId) {
        if self.bearing == Some(session) {
            self.bearing = None;
            while self.bearing.is_none()
                && let Some(next) = self.births.pop_front()
            {
                self.advance(next);
            }
        }
    }

    fn looked(
        &mut self,
        session: SessionId,
        command: protocol::id::CommandId,
        loaded: bool,
        found: Result<Looked, Unroutable>,
    ) {
        let is_first = matches!(
            self.lanes.get(&session).and_then(VecDeque::front),
            Some(Job::Command(leased)) if leased.id == command
        );
        // What was seen counts only while it is so: else it is looked at again.
        let holds = is_first && loaded == self.sessions.contains_key(&session) && !self.gone.contains(&session);
        let lane = self.lanes.get_mut(&session).filter(|_| holds);
        let Some(Job::Command(leased)) = lane.and_then(VecDeque::pop_front) else {
            self.born(session);
            return self.advance(session);
        };
        let waits = match found {
            Ok(Looked { row, healed }) => {
                if healed {
                    self.broken.remove(&session);
                }
                if let Some(row) = row {
                    self.spawn(session, row, leased.body.kind().makes_session(), Vec::new(), false);
                }
                self.give(session, leased)
            }
            Err(Unroutable::Refused(refusal)) => {
                self.refuse(leased.id, leased.token, refusal);
                false
            }
            Err(Unroutable::Port(error)) => {
                if !self.is_over(&error) {
                    tracing::error!(command = %leased.id, %error, "a command could not be taken");
                }
                false
            }
        };
        self.born(session);
        if !waits {
            self.advance(session);
        }
    }
}

/// Whether a command for a session that is loaded can be handed to it as it is. `owner` is whose machine this is.
fn needs_no_look(leased: &Leased, owner: AccountId) -> bool {
    let body = &leased.body;
    let owners = leased.participant.is_none() && leased.sender.account == owner;
    let plain = !body.kind().makes_session() && !matches!(body, CommandBody::SetOptions { .. });
    owners && plain && body.attachments().is_empty()
}

async fn deliver(session: SessionId, mailbox: mpsc::Sender<Leased>, leased: Leased) -> Done {
    Done::Handed(session, mailbox.send(leased).await.err().map(|refused| refused.0))
}

/// Looks at a command, and at its session where that is not loaded.
async fn look(
    context: &Arc<Context>,
    session: SessionId,
    leased: &Leased,
    loaded: bool,
    broken: bool,
) -> Result<Looked, Unroutable> {
    check::sender(context, leased).await?;
    let body = &leased.body;
    check::attachments(context, body).await?;
    let starts = body.kind().makes_session();
    if loaded && starts {
        return Err(check::exists().into());
    }
    if broken && !loaded {
        match restart::again(context, session, true).await {
            Recovered::Whole(_) => {}
            Recovered::Deleted => return Err(check::no_session().into()),
            Recovered::Broken => {
                let detail = "nothing of this session can be written; what is wrong stands in the log of its machine";
                return Err(check::refusal(ErrorCode::Internal, detail).into());
            }
        }
    }
    let known = notes::get::<SessionNote>(&*context.port, &notes::session(session)).await?;
    let row = match (known, starts) {
        (Some(_), true) => return Err(check::exists().into()),
        (None, false) if loaded => return Ok(Looked { row: None, healed: false }),
        (None, false) => return Err(check::no_session().into()),
        (Some(row), false) => row,
        (None, true) => check::start(context, body).await?,
    };
    check::options(context, &row.agent, row.model.as_deref(), body)?;
    Ok(Looked { row: (!loaded).then_some(row), healed: broken })
}
