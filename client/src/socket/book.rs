//! What a socket has promised, apart from any connection: its subscriptions with their offsets, its requests with their deadlines.

use std::collections::{BTreeMap, HashMap};

use protocol::error::ErrorCode;
use protocol::limits::MAX_SUBSCRIPTIONS;
use protocol::path::StreamPath;
use protocol::socket::{ClientFrame, From, ServerFrame};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::{Ack, Answer, Request, RequestError, SubscriptionKey, Update};

/// Most requests that wait for an answer at once.
const MAX_REQUESTS: usize = 256;

/// What the handles of a socket ask of it.
#[derive(Debug)]
pub(super) enum Ask {
    Subscribe {
        key: SubscriptionKey,
        mailbox: Letters,
        stream: StreamPath,
        from: From,
    },
    Unsubscribe {
        key: SubscriptionKey,
    },
    /// A mailbox was dropped: its subscriptions are to end.
    Sweep,
    Request {
        request: Request,
        answer: oneshot::Sender<Result<Answer, RequestError>>,
        deadline: Instant,
    },
}

/// Where updates of a subscription go.
pub(super) type Letters = mpsc::Sender<(SubscriptionKey, Update)>;

#[derive(Debug)]
struct Subscription {
    mailbox: Letters,
    stream: StreamPath,
    /// Behind what was delivered: from here it goes on.
    from: From,
    /// Its number on the present connection; none when it is not subscribed there.
    number: Option<u32>,
    /// Whether its mailbox was full, so that it waits for room.
    held: bool,
}

#[derive(Debug)]
struct Waiting {
    request: Request,
    answer: oneshot::Sender<Result<Answer, RequestError>>,
    deadline: Instant,
    /// Its number on the present connection.
    number: Option<u32>,
}

/// What is to be done about a frame.
#[derive(Debug, Default)]
pub(super) struct Reaction {
    /// Frames to send.
    pub(super) send: Vec<ClientFrame>,
    /// A subscription whose mailbox is full: to be resumed when there is room.
    pub(super) held: Option<(SubscriptionKey, Letters)>,
    /// Whether the connection has proved to be of use.
    pub(super) progress: bool,
}

/// The subscriptions and requests of a socket.
#[derive(Debug, Default)]
pub(super) struct Book {
    subscriptions: BTreeMap<SubscriptionKey, Subscription>,
    numbers: HashMap<u32, SubscriptionKey>,
    waiting: BTreeMap<u64, Waiting>,
    asked: u64,
    last_number: u32,
}

impl Book {
    fn number(&mut self) -> u32 {
        self.last_number = self.last_number.wrapping_add(1);
        self.last_number
    }

    /// Takes what a handle asks for; gives the frames to send when there is a connection.
    pub(super) fn take(&mut self, ask: Ask, live: bool) -> Vec<ClientFrame> {
        match ask {
            Ask::Subscribe { key, mailbox, stream, from } => {
                if self.subscriptions.len() >= MAX_SUBSCRIPTIONS {
                    let detail = format!("a socket carries at most {MAX_SUBSCRIPTIONS} subscriptions");
                    let problem = protocol::error::Problem::new(ErrorCode::QueueFull).detail(detail);
                    // A mailbox without room for this has been left by its reader; there is nobody to tell.
                    let _told = mailbox.try_send((key, Update::Refused(Box::new(problem))));
                    return Vec::new();
                }
                self.subscriptions.insert(key, Subscription { mailbox, stream, from, number: None, held: false });
                if live { self.subscribe(key).into_iter().collect() } else { Vec::new() }
            }
            Ask::Unsubscribe { key } => self.forget(key).into_iter().collect(),
            Ask::Sweep => {
                let left = self.subscriptions.iter().filter(|(_, sub)| sub.mailbox.is_closed());
                let left: Vec<_> = left.map(|(key, _)| *key).collect();
                left.into_iter().filter_map(|key| self.forget(key)).collect()
            }
            Ask::Request { request, answer, deadline } => {
                if self.waiting.len() >= MAX_REQUESTS {
                    // Whoever asked may have left; then nobody misses the answer.
                    let _told = answer.send(Err(RequestError::Busy));
                    return Vec::new();
                }
                self.asked += 1;
                let number = live.then(|| self.number());
                let frame = number.map(|number| request.frame(number));
                self.waiting.insert(self.asked, Waiting { request, answer, deadline, number });
                frame.into_iter().collect()
            }
        }
    }

    /// A new connection: everything is subscribed from its last offset and asked again.
    pub(super) fn connected(&mut self) -> Vec<ClientFrame> {
        self.numbers.clear();
        let keys: Vec<_> = self.subscriptions.iter().filter(|(_, sub)| !sub.held).map(|(key, _)| *key).collect();
        for subscription in self.subscriptions.values_mut() {
            subscription.number = None;
        }
        let mut frames: Vec<_> = keys.into_iter().filter_map(|key| self.subscribe(key)).collect();
        let mut number = self.last_number;
        for waiting in self.waiting.values_mut() {
            number = number.wrapping_add(1);
            waiting.number = Some(number);
            frames.push(waiting.request.frame(number));
        }
        self.last_number = number;
        frames
    }

    /// There is room again in the mailbox of a subscription that was held.
    pub(super) fn resume(&mut self, key: SubscriptionKey) -> Option<ClientFrame> {
        self.subscriptions.get_mut(&key)?.held = false;
        self.subscribe(key)
    }

    fn subscribe(&mut self, key: SubscriptionKey) -> Option<ClientFrame> {
        let number = self.number();
        let subscription = self.subscriptions.get_mut(&key)?;
        if subscription.mailbox.is_closed() {
            self.subscriptions.remove(&key);
            return None;
        }
        subscription.number = Some(number);
        self.numbers.insert(number, key);
        Some(ClientFrame::Subscribe { sub: number, stream: subscription.stream.clone(), from: subscription.from })
    }

    fn forget(&mut self, key: SubscriptionKey) -> Option<ClientFrame> {
        let number = self.subscriptions.remove(&key)?.number?;
        self.numbers.remove(&number);
        Some(ClientFrame::Unsubscribe { sub: number })
    }

    /// Takes what the hub says.
    pub(super) fn hear(&mut self, frame: ServerFrame) -> Reaction {
        match frame {
            ServerFrame::Subscribed { sub, next, tail } => self.deliver(sub, Update::Started { next, tail }),
            ServerFrame::Batch { sub, messages, next, up_to_date } => {
                let progress = !messages.is_empty();
                Reaction { progress, ..self.deliver(sub, Update::Batch { messages, next, up_to_date }) }
            }
            ServerFrame::Ended { sub, reason, next } => self.deliver(sub, Update::Ended { reason, next }),
            ServerFrame::Ack { req, command, state, expires_at_ms } => {
                self.answer(req, Ok(Answer::Ack(Ack { command, state, expires_at_ms })));
                Reaction { progress: true, ..Reaction::default() }
            }
            ServerFrame::Pong { req, hub_at_ms } => {
                self.answer(req, Ok(Answer::Pong(hub_at_ms)));
                Reaction::default()
            }
            // A hub that shuts down has taken nothing: the request goes to the next connection.
            ServerFrame::Error { problem, .. } if problem.code == ErrorCode::ShuttingDown => Reaction::default(),
            ServerFrame::Error { req: Some(req), problem, .. } => {
                self.answer(req, Err(RequestError::Problem(Box::new(problem))));
                Reaction::default()
            }
            ServerFrame::Error { sub: Some(sub), problem, .. } => self.deliver(sub, Update::Refused(Box::new(problem))),
            ServerFrame::Error { problem, .. } => {
                tracing::debug!(%problem, "the hub is not content");
                Reaction::default()
            }
            ServerFrame::Unsubscribed { .. }
            | ServerFrame::Heartbeat { .. }
            | ServerFrame::Welcome { .. }
            | ServerFrame::Unknown => Reaction::default(),
        }
    }

    fn deliver(&mut self, number: u32, update: Update) -> Reaction {
        let mut reaction = Reaction::default();
        // Frames of a number that was given up are of no one any more.
        let Some(key) = self.numbers.get(&number).copied() else { return reaction };
        let Some(subscription) = self.subscriptions.get_mut(&key) else { return reaction };
        let over = matches!(update, Update::Ended { .. } | Update::Refused(_));
        let next = match &update {
            Update::Started { next, .. } | Update::Batch { next, .. } => Some(*next),
            Update::Ended { .. } | Update::Refused(_) => None,
        };
        match subscription.mailbox.try_send((key, update)) {
            Ok(()) => {
                if let Some(next) = next {
                    subscription.from = From::Offset(next);
                }
                if over {
                    self.numbers.remove(&number);
                    self.subscriptions.remove(&key);
                }
            }
            // The reader is slow: it falls behind on the hub's disk, not in a queue here.
            Err(mpsc::error::TrySendError::Full(_)) => {
                subscription.held = true;
                subscription.number = None;
                reaction.held = Some((key, subscription.mailbox.clone()));
                self.numbers.remove(&number);
                if !over {
                    reaction.send.push(ClientFrame::Unsubscribe { sub: number });
                }
            }
            Err(mpsc::error::TrySendError::Closed(_)) => {
                let frame = self.forget(key);
                reaction.send.extend(frame.filter(|_| !over));
            }
        }
        reaction
    }

    fn answer(&mut self, number: u32, answer: Result<Answer, RequestError>) {
        let found = self.waiting.iter().find(|(_, waiting)| waiting.number == Some(number)).map(|(asked, _)| *asked);
        if let Some(waiting) = found.and_then(|asked| self.waiting.remove(&asked)) {
            // Whoever asked may have left; then nobody misses the answer.
            let _told = waiting.answer.send(answer);
        }
    }

    /// When the next request runs out of time.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.values().map(|waiting| waiting.deadline).min()
    }

    /// Answers what has run out of time.
    pub(super) fn expire(&mut self, now: Instant) {
        let late: Vec<u64> =
            self.waiting.iter().filter(|(_, waiting)| waiting.deadline <= now).map(|(asked, _)| *asked).collect();
        for waiting in late.into_iter().filter_map(|asked| self.waiting.remove(&asked)) {
            let _told = waiting.answer.send(Err(RequestError::Late));
        }
    }

    /// A number for a request of the socket itself.
    pub(super) fn ping(&mut self) -> ClientFrame {
        ClientFrame::Ping { req: self.number() }
    }

    /// The socket is over: every request is answered, every mailbox ends.
    pub(super) fn close(self, why: &super::Closed) {
        for waiting in self.waiting.into_values() {
            let _told = waiting.answer.send(Err(RequestError::Closed(why.clone())));
        }
    }
}
