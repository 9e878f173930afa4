//! A session: one task that owns its queue, its agent and its journal. It exists while there is something to do or an agent is
//! loaded; a dormant session is only its notes.

mod approvals;
mod background;
mod choices;
mod commands;
pub(crate) mod files;
mod loaded;
mod opening;
mod queue;
mod reports;
mod row;
mod silence;
mod speech;
mod steering;
mod turns;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use protocol::approval::ApprovalState;
use protocol::command::Tried;
use protocol::id::{ApprovalId, CommandId, SessionId, TurnId};
use protocol::item::{ItemContent, ItemStatus, NoticeLevel, Role};
use protocol::limits::INTERRUPT_GRACE_MS;
use protocol::offset::Offset;
use protocol::port::Leased;
use protocol::session::Activity;
use protocol::turn::{TurnError, TurnErrorCode};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::Instant;

use crate::agent::Later;
use crate::consent::Judged;
use crate::context::Context;
use crate::journal::batch::Outbox;
use crate::journal::live::Live;
use crate::journal::pipeline::{InFlight, Sent};
use crate::notes::{Held, SessionNote, TurnNote};
use approvals::{Asked, Judging};
use background::Background;
use loaded::{Loaded, Stir};
use turns::Finish;

pub(crate) use choices::Chosen;
pub(crate) use row::fact;

/// Bytes that wait for the disk before the agent is no longer listened to.
const MAX_BACKLOG_BYTES: usize = 4 * 1024 * 1024;
/// Events of an agent taken in one go, so that a flood becomes few reports and other things still get their turn.
const GULP: usize = 64;
/// Longest wait for the end of a killed agent.
const KILL_GRACE: Duration = Duration::from_secs(2);
/// Longest that the turn of a killed agent waits for its last words: with the grace of an interrupt, less than two seconds (W-017).
const LAST_WORDS: Duration = Duration::from_millis(450);
/// Notices that wait for the first turn of this life of a session's task.
const MAX_EARLY: usize = 16;
/// Shortest time between two facts that only say what the session is doing.
const DOING_EVERY: Duration = Duration::from_secs(1);

/// A loaded session.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent things")]
pub(crate) struct Session {
    context: Arc<Context>,
    id: SessionId,
    row: SessionNote,
    /// Whether its journal is still to be made.
    unborn: bool,
    /// The command that makes it, until that is durable.
    making: Option<CommandId>,
    /// That command was lost: there is no such session.
    never: bool,
    /// The word by which the agent's processes are found.
    tag: String,
    mailbox: mpsc::Receiver<Leased>,
    telling: watch::Receiver<Told>,
    queue: VecDeque<Waiting>,
    /// Prompts that wait are being moved: none begins, and nothing else is done to them, until that is durable.
    moving: bool,
    /// Commands that come after that.
    deferred: VecDeque<Leased>,
    current: Option<Running>,
    /// Where the agent said that its conversation stands, for the turn that is about to end.
    place: Option<String>,
    /// The turn that ended last, for what its agent still says of it.
    previous: Option<(TurnId, Live)>,
    /// The agent has begun a turn by itself while one was on its way to it: that one goes on when its own has ended.
    overlaid: bool,
    /// What it does between its turns.
    background: Background,
    /// Notices from before the first turn.
    early: Vec<ItemContent>,
    approvals: BTreeMap<ApprovalId, Asked>,
    /// What the agent asked and is being looked up in policy and rules, in order.
    judging: VecDeque<Judging>,
    /// How the last approvals ended.
    closed: VecDeque<(ApprovalId, ApprovalState)>,
    agent: Loaded,
    /// What the agent took of what was chosen.
    took: Chosen,
    /// What was chosen takes effect only with a new process of the agent: this one is closed once its turn has ended.
    reopen: bool,
    slot: Slot,
    outbox: Outbox,
    in_flight: Option<InFlight>,
    /// Commands of which the first word is in the report under way.
    unbegun: Vec<Held>,
    dirty: Dirty,
    doing_told: Option<Instant>,
    idle_since: Option<Instant>,
    stopping: bool,
    end: Option<End>,
}

/// What people did to a session by the hub.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    /// Its title from now on.
    pub(crate) title: Option<String>,
    /// It was deleted.
    pub(crate) gone: bool,
}

/// A turn that waits.
#[derive(Debug)]
struct Waiting {
    note: TurnNote,
    /// Whether that is durable.
    accepted: bool,
    /// Changes of its prompt that are on their way to the disk: it does not begin meanwhile.
    edits: u32,
    /// The agent was told it in mid-turn: if it does not take it in, it begins with it next.
    told: bool,
    /// The agent did not say whether it took it: it fails when the turn that runs has ended.
    in_doubt: bool,
    /// How often its agent could not be started.
    tried: Option<Tried>,
    /// When that is tried again.
    not_before: Option<Instant>,
}

impl Waiting {
    fn new(note: TurnNote, accepted: bool) -> Self {
        Self { note, accepted, edits: 0, told: false, in_doubt: false, tried: None, not_before: None }
    }
}

/// The turn that runs.
#[derive(Debug)]
struct Running {
    note: TurnNote,
    prompt: Option<String>,
    /// Whether the agent has it, or is being given it.
    prompted: bool,
    /// When the agent said something last, or began to be waited for.
    heard: Instant,
    live: Live,
    /// Where its stream ends.
    end: Offset,
    stop: Option<Stop>,
    /// Commands that asked for its end.
    cancels: Vec<Held>,
}

/// A running turn is to stop.
#[derive(Debug)]
struct Stop {
    error: TurnError,
    deadline: Instant,
}

/// A place among the turns that run at once.
enum Slot {
    No,
    Waiting(Later<'static, Option<OwnedSemaphorePermit>>),
    Held { _permit: Option<OwnedSemaphorePermit> },
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::No => "No",
            Self::Waiting(_) => "Waiting",
            Self::Held { .. } => "Held",
        })
    }
}

/// What must be said anew with the next report.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "four independent things")]
struct Dirty {
    fact: bool,
    doing: bool,
    note: bool,
    turn: bool,
}

/// Why a session's task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing to do.
    Dormant,
    /// It was never made.
    NeverWas,
    /// The hub refused its report: what is durable must be looked at anew.
    Broken,
    /// The host stops.
    Stopped,
    /// It was deleted.
    Gone,
}

/// What a session's task leaves.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) id: SessionId,
    pub(crate) end: End,
    /// Commands that came too late for it.
    pub(crate) left: Vec<Leased>,
    /// Commands of which nothing could be written, not even that they have begun.
    pub(crate) lost: Vec<Held>,
}

enum Wake {
    Command(Leased),
    Agent(Stir),
    Judged(Judged),
    Slot(Option<OwnedSemaphorePermit>),
    Sent(Sent),
    Time,
    Told,
    Stop,
    Dead,
}

impl Session {
    /// A session as its notes have it; `unborn` when the first command is to make it.
    pub(crate) fn new(
        context: Arc<Context>,
        id: SessionId,
        row: SessionNote,
        unborn: bool,
        queue: Vec<(TurnNote, Option<Tried>)>,
        mailbox: mpsc::Receiver<Leased>,
        telling: watch::Receiver<Told>,
    ) -> Self {
        let now = context.now();
        let waiting = |(note, tried): (TurnNote, Option<Tried>)| {
            let wait = tried.map(|tried| Instant::now() + Duration::from_millis(tried.wait_ms(now)));
            Waiting { tried, not_before: wait, ..Waiting::new(note, true) }
        };
        let queue = queue.into_iter().map(waiting).collect();
        Self {
            context,
            id,
            row,
            unborn,
            making: None,
            never: false,
            tag: String::new(),
            mailbox,
            telling,
            queue,
            moving: false,
            deferred: VecDeque::new(),
            current: None,
            place: None,
            previous: None,
            overlaid: false,
            background: Background::default(),
            early: Vec::new(),
            approvals: BTreeMap::new(),
            judging: VecDeque::new(),
            closed: VecDeque::new(),
            agent: Loaded::No,
            took: Chosen::default(),
            reopen: false,
            slot: Slot::No,
            outbox: Outbox::default(),
            in_flight: None,
            unbegun: Vec::new(),
            dirty: Dirty::default(),
            doing_told: None,
            idle_since: None,
            stopping: false,
            end: None,
        }
    }

    /// Works until there is nothing to do, or the host stops. Dropping the future kills the agent and loses nothing that is
    /// durable.
    pub(crate) async fn run(mut self) -> Ended {
        loop {
            self.advance();
            if let Some(end) = self.end {
                return self.leave(end);
            }
            match self.wake().await {
                Wake::Command(leased) => self.obey(leased),
                Wake::Agent(stir) => self.stirred(stir),
                Wake::Judged(judged) => self.judged(judged),
                Wake::Slot(permit) => self.slot = Slot::Held { _permit: permit },
                Wake::Sent(sent) => self.sent(sent),
                Wake::Time => self.tick(Instant::now()),
                Wake::Told => {
                    let Told { title, gone } = self.telling.borrow_and_update().clone();
                    if gone {
                        // What it still had to say is about nothing any more; leaving kills the agent.
                        return self.leave(End::Gone);
                    }
                    if let Some(title) = title {
                        self.row.title = title;
                        (self.dirty.fact, self.dirty.note) = (true, true);
                    }
                }
                Wake::Stop => self.stop(),
                Wake::Dead => return self.leave(End::Stopped),
            }
        }
    }

    async fn wake(&mut self) -> Wake {
        let now = Instant::now();
        let deadline = self.deadline(now);
        let listen = self.has_room();
        let Self { context, mailbox, telling, agent, slot, in_flight, judging, stopping, .. } = self;
        let stopping = *stopping;
        let slot = async {
            match slot {
                Slot::Waiting(asked) => asked.await,
                Slot::No | Slot::Held { .. } => std::future::pending().await,
            }
        };
        let judged = async {
            match judging.front_mut() {
                Some(first) => (&mut first.judged).await,
                None => std::future::pending().await,
            }
        };
        let sent = async {
            match in_flight {
                Some(in_flight) => (&mut in_flight.sent).await,
                None => std::future::pending().await,
            }
        };
        let time = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = context.dead.cancelled() => Wake::Dead,
            () = context.stop.cancelled(), if !stopping => Wake::Stop,
            Ok(()) = telling.changed() => Wake::Told,
            sent = sent => Wake::Sent(sent),
            Some(leased) = mailbox.recv(), if !stopping && listen => Wake::Command(leased),
            judged = judged => Wake::Judged(judged),
            stir = agent.stir(listen) => Wake::Agent(stir),
            permit = slot => Wake::Slot(permit),
            () = time => Wake::Time,
        }
    }

    /// Whether more may be said before the disk has taken what was.
    fn has_room(&self) -> bool {
        let live = self.current.as_ref().map_or(0, |running| running.live.backlog());
        self.outbox.weight() + live < MAX_BACKLOG_BYTES
    }

    /// Takes every step that can be taken now.
    fn advance(&mut self) {
        let now = Instant::now();
        if self.reopen && self.current.is_none() {
            self.close_agent();
        }
        self.begin_next();
        self.wait_anew(now);
        let idle = self.current.is_none() && self.queue.is_empty() && matches!(self.agent, Loaded::Open(_));
        self.idle_since = if idle { self.idle_since.or(Some(now)) } else { None };
        self.flush(now);
        if self.end.is_none() && self.in_flight.is_none() && self.outbox.is_empty() && self.current.is_none() {
            let gone = matches!(self.agent, Loaded::No);
            if self.never {
                self.end = Some(End::NeverWas);
            } else if self.stopping && gone {
                self.end = Some(End::Stopped);
            } else if gone && self.queue.is_empty() && self.mailbox.is_empty() {
                self.end = Some(End::Dormant);
            }
        }
    }

    fn leave(mut self, end: End) -> Ended {
        self.mailbox.close();
        let mut left: Vec<Leased> = self.deferred.into_iter().collect();
        while let Ok(leased) = self.mailbox.try_recv() {
            left.push(leased);
        }
        let lost = if end == End::Broken { self.unbegun } else { Vec::new() };
        Ended { id: self.id, end, left, lost }
    }

    fn activity(&self) -> Activity {
        match (&self.current, &self.agent) {
            (Some(_), _) if !self.approvals.is_empty() => Activity::NeedsInput,
            (Some(_), _) => Activity::Working,
            (None, Loaded::Announced | Loaded::Opening(_)) => Activity::Starting,
            // One that is leaving is still there.
            (None, Loaded::Open(_) | Loaded::Closing(_)) => Activity::Idle,
            (None, Loaded::No) => Activity::NotLoaded,
        }
    }

    fn take_ord(&mut self) -> u64 {
        let ord = self.row.next_ord;
        self.row.next_ord += 1;
        self.dirty.note = true;
        ord
    }

    fn deadline(&self, now: Instant) -> Option<Instant> {
        let quiet = self.in_flight.is_none();
        let frame = self.current.as_ref().filter(|_| quiet).and_then(|running| running.live.next_frame(now));
        let doing = (quiet && self.dirty.doing).then(|| self.doing_told.map_or(now, |told| told + DOING_EVERY));
        let idle = self.idle_since.map(|since| since + self.patience());
        let killed = match &self.agent {
            Loaded::Open(open) => open.killed,
            Loaded::No | Loaded::Announced | Loaded::Opening(_) | Loaded::Closing(_) => None,
        };
        let stop = self.current.as_ref().and_then(|running| running.stop.as_ref());
        let expiry = self.approval_deadline();
        let again = self.queue.front().and_then(|waiting| waiting.not_before).filter(|_| self.current.is_none());
        let again = again.filter(|at| !self.stopping && *at > now);
        let silence = self.silence_deadline();
        let stop = stop.map(|stop| stop.deadline);
        [again, frame, doing, idle, killed, expiry, silence, stop].into_iter().flatten().min()
    }

    fn tick(&mut self, now: Instant) {
        self.expire_approvals(now);
        self.look_at_silence(now);
        if self.idle_since.is_some_and(|since| since + self.patience() <= now) {
            self.close_agent();
        }
        let stop = self.current.as_mut().and_then(|running| running.stop.as_mut()).filter(|stop| stop.deadline <= now);
        match (&mut self.agent, stop) {
            (Loaded::Open(open), stop) => match (open.killed, stop) {
                (Some(until), _) if until <= now => self.agent_left("the agent did not end in time"),
                (Some(_), Some(_)) => self.end_unproven(),
                (None, Some(stop)) => {
                    tracing::info!(session = %self.id, "the agent does not stop and is killed");
                    stop.deadline = now + LAST_WORDS;
                    open.kill(now + KILL_GRACE);
                }
                (Some(_) | None, None) => {}
            },
            (_, Some(_)) => self.agent_gone("the agent is gone"),
            (_, None) => {}
        }
    }

    /// Stops gracefully: the running turn is interrupted, queued ones stay, the agent is closed.
    fn stop(&mut self) {
        self.stopping = true;
        self.slot = match std::mem::replace(&mut self.slot, Slot::No) {
            held @ Slot::Held { .. } if self.current.is_some() => held,
            Slot::No | Slot::Waiting(_) | Slot::Held { .. } => Slot::No,
        };
        match self.agent {
            Loaded::Announced => self.agent_gone("the host stops"),
            // It ends without being waited for, and stays on record: the next life looks whether anything is left of it.
            Loaded::Opening(_) => {
                self.agent = Loaded::No;
                self.dirty.fact = true;
            }
            Loaded::No | Loaded::Open(_) | Loaded::Closing(_) => {}
        }
        if self.current.is_some() {
            self.interrupt(TurnError { code: TurnErrorCode::HostRestarted, by: None });
        }
        if self.current.is_none() {
            self.close_agent();
        }
    }

    /// The time is up, and the system has not said that all of a killed agent is gone: the turn ends, and says so.
    fn end_unproven(&mut self) {
        let text = "The agent was ended by force; the system has not confirmed yet that everything it started is gone.";
        let (level, code) = (NoticeLevel::Warning, "still_ending".to_owned());
        let key = format!("notice {}", self.context.clock.fresh().simple());
        let notice = ItemContent::Notice { level, code, text: text.to_owned() };
        self.settle(key, None, Role::System, ItemStatus::Done, notice);
        self.end_turn(Finish::interrupted(), ApprovalState::Withdrawn);
    }

    /// When a turn that is told to stop is stopped by force.
    fn grace() -> Instant {
        Instant::now() + Duration::from_millis(INTERRUPT_GRACE_MS)
    }
}
