//! A socket that outlives its connections.
//!
//! A lost connection is not an error here: the socket connects again, goes on with every subscription behind the last message that
//! was delivered, and asks again what was not answered; a command that the hub has already taken gets the same answer. Only what
//! connecting again cannot help ends it (W-049), see [`Closed`].

mod book;
mod driver;
mod polling;
mod web_socket;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use protocol::command::{CommandRequest, CommandState};
use protocol::error::Problem;
use protocol::id::{AccountId, CommandId, DeviceId};
use protocol::limits::ACK_TIMEOUT_MS;
use protocol::offset::Offset;
use protocol::path::StreamPath;
use protocol::socket::{ClientFrame, EndReason, From};
use protocol::time::UnixMs;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::remote::Remote;
use book::Ask;
use driver::Driver;

/// Most asks that wait for the socket's task; it takes them at once unless a write stalls.
const ASKS: usize = 64;

/// How a socket behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// The program and its version, for the hub's log.
    pub client: String,
    /// The ceiling of the first pause before connecting again; it doubles up to 5 s.
    pub first_pause: Duration,
    /// Where the jitter begins; any number that differs between clients.
    pub seed: u64,
}

/// Where a socket stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// It connects.
    Connecting,
    /// It is connected, and the hub has said who this is.
    Live(Welcome),
    /// It lost the connection, or did not get one, and tries again after a pause.
    Waiting {
        /// How long the pause is.
        pause: Duration,
        /// What happened.
        why: String,
    },
    /// It is over.
    Closed(Closed),
}

/// What the hub said when it welcomed this client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// Whose device this client is.
    pub account: AccountId,
    /// Which device this client is.
    pub device: DeviceId,
    /// The host in that node.
    pub host: Option<DeviceId>,
    /// The hub's clock then.
    pub hub_at_ms: UnixMs,
    /// The version of Towline there.
    pub version: String,
    /// Whether it goes through requests of their own, since something on the way takes no WebSocket.
    pub slow: bool,
}

/// Why a socket is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// This side ended it.
    #[error("the socket was closed here")]
    Here,
    /// The credential is not valid, or not any more.
    #[error("this device is not enrolled there, or not any more")]
    AuthExpired,
    /// The device may not do this.
    #[error("this device may not connect")]
    Forbidden,
    /// The versions do not overlap.
    #[error("one side is too old to talk to the other")]
    UpgradeRequired,
    /// The hub did not understand a frame.
    #[error("the hub did not understand what was sent")]
    BadFrame,
    /// A frame was too large for the hub.
    #[error("what was sent is larger than the hub takes")]
    TooLarge,
    /// The hub refused the connection, and says why.
    #[error(transparent)]
    Refused(Box<Problem>),
}

/// A request was not answered as hoped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The hub refused, and says why.
    #[error(transparent)]
    Problem(Box<Problem>),
    /// No answer within `ACK_TIMEOUT_MS`: whether the hub has taken a command is not known; sending the same one again is safe.
    #[error("the hub did not answer within {} s", ACK_TIMEOUT_MS / 1000)]
    Late,
    /// Too many requests wait already.
    #[error("too many requests wait for an answer")]
    Busy,
    /// The socket is over.
    #[error(transparent)]
    Closed(Closed),
}

/// A command is on the hub's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    /// Which.
    pub command: CommandId,
    /// Where it stands.
    pub state: CommandState,
    /// When it expires.
    pub expires_at_ms: UnixMs,
}

/// Which subscription; unique in its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionKey(u64);

/// What comes of a subscription.
#[derive(Debug)]
pub enum Update {
    /// It begins; said again after each reconnect.
    Started {
        /// From where messages will come.
        next: Offset,
        /// Where the stream ended then.
        tail: Offset,
    },
    /// Messages, in order, without gap or repeat over all connections.
    Batch {
        /// The messages, as they stand in the stream.
        messages: Vec<Box<RawValue>>,
        /// The offset behind them.
        next: Offset,
        /// Whether that was the stream's end.
        up_to_date: bool,
    },
    /// It is over.
    Ended {
        /// Why.
        reason: EndReason,
        /// Where.
        next: Option<Offset>,
    },
    /// The hub refused it, and says why; it is over.
    Refused(Box<Problem>),
}

#[derive(Debug, Clone)]
enum Request {
    Command(Box<CommandRequest>),
    Cancel(CommandId),
    Ping,
}

impl Request {
    fn frame(&self, req: u32) -> ClientFrame {
        match self {
            Self::Command(command) => ClientFrame::Command { req, command: CommandRequest::clone(command) },
            Self::Cancel(command) => ClientFrame::CancelCommand { req, command: *command },
            Self::Ping => ClientFrame::Ping { req },
        }
    }
}

#[derive(Debug)]
enum Answer {
    Ack(Ack),
    Pong(UnixMs),
}

/// A socket; cheap to clone. It lives until [`Socket::close`], or until every clone and every [`Mailbox`] is dropped.
#[derive(Debug, Clone)]
pub struct Socket {
    asks: mpsc::Sender<Ask>,
    state: watch::Receiver<Connection>,
    stop: CancellationToken,
    keys: Arc<AtomicU64>,
}

impl Socket {
    /// Begins to connect, and returns at once. To be called inside a runtime: the socket keeps one task.
    pub fn open(remote: Remote, options: Options) -> Self {
        let (asks, receiver) = mpsc::channel(ASKS);
        let (sender, state) = watch::channel(Connection::Connecting);
        let stop = CancellationToken::new();
        let driver = Driver { remote, options, asks: receiver, state: sender, stop: stop.clone() };
        tokio::spawn(driver.run());
        Self { asks, state, stop, keys: Arc::default() }
    }

    /// Where the socket stands, and news of it.
    pub fn state(&self) -> watch::Receiver<Connection> {
        self.state.clone()
    }

    /// Waits until the socket is connected. Cancellation safe.
    ///
    /// # Errors
    /// [`Closed`] when it ended instead.
    pub async fn live(&self) -> Result<Welcome, Closed> {
        let mut state = self.state.clone();
        loop {
            match &*state.borrow_and_update() {
                Connection::Live(welcome) => return Ok(welcome.clone()),
                Connection::Closed(why) => return Err(why.clone()),
                Connection::Connecting | Connection::Waiting { .. } => {}
            }
            if state.changed().await.is_err() {
                return Err(self.why());
            }
        }
    }

    /// A place for updates of subscriptions; at most `room` wait in it, whatever is behind them waits at the hub.
    pub fn mailbox(&self, room: usize) -> Mailbox {
        let (sender, letters) = mpsc::channel(room.max(1));
        Mailbox { socket: self.clone(), sender, letters }
    }

    /// Sends a command and waits until it is on the hub's disk, over as many connections as it takes. When this is dropped the
    /// command may still be sent.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn command(&self, command: CommandRequest) -> Result<Ack, RequestError> {
        self.acked(Request::Command(Box::new(command))).await
    }

    /// Takes back a command that has not started.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn cancel_command(&self, command: CommandId) -> Result<Ack, RequestError> {
        self.acked(Request::Cancel(command)).await
    }

    /// Asks for the hub's clock, which proves that the path works.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn ping(&self) -> Result<UnixMs, RequestError> {
        match self.request(Request::Ping).await? {
            Answer::Pong(at) => Ok(at),
            Answer::Ack(_) => Err(RequestError::Closed(Closed::BadFrame)),
        }
    }

    /// Ends the socket and waits until it has ended.
    pub async fn close(&self) {
        self.stop.cancel();
        self.asks.closed().await;
    }

    async fn acked(&self, request: Request) -> Result<Ack, RequestError> {
        match self.request(request).await? {
            Answer::Ack(ack) => Ok(ack),
            Answer::Pong(_) => Err(RequestError::Closed(Closed::BadFrame)),
        }
    }

    async fn request(&self, request: Request) -> Result<Answer, RequestError> {
        let (answer, answered) = oneshot::channel();
        let deadline = Instant::now() + Duration::from_millis(ACK_TIMEOUT_MS);
        let ask = Ask::Request { request, answer, deadline };
        // The task takes asks at once; only a stalled write makes it wait, and that is bounded.
        self.asks.send(ask).await.map_err(|_| RequestError::Closed(self.why()))?;
        answered.await.unwrap_or_else(|_| Err(RequestError::Closed(self.why())))
    }

    fn why(&self) -> Closed {
        match &*self.state.borrow() {
            Connection::Closed(why) => why.clone(),
            _ => Closed::Here,
        }
    }
}

/// Receives the updates of any number of subscriptions of one socket. Dropping it ends them.
#[derive(Debug)]
pub struct Mailbox {
    socket: Socket,
    sender: book::Letters,
    letters: mpsc::Receiver<(SubscriptionKey, Update)>,
}

impl Mailbox {
    /// The socket that it belongs to.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Subscribes to a stream; updates follow in [`Mailbox::next`].
    ///
    /// # Errors
    /// [`Closed`] when the socket is over.
    pub async fn subscribe(&self, stream: StreamPath, from: From) -> Result<SubscriptionKey, Closed> {
        let key = SubscriptionKey(self.socket.keys.fetch_add(1, Ordering::Relaxed));
        let ask = Ask::Subscribe { key, mailbox: self.sender.clone(), stream, from };
        self.socket.asks.send(ask).await.map_err(|_| self.socket.why())?;
        Ok(key)
    }

    /// Releases one subscription; updates that are in the mailbox already still come.
    ///
    /// # Errors
    /// [`Closed`] when the socket is over.
    pub async fn unsubscribe(&self, key: SubscriptionKey) -> Result<(), Closed> {
        self.socket.asks.send(Ask::Unsubscribe { key }).await.map_err(|_| self.socket.why())
    }

    /// The next update. Cancellation safe.
    ///
    /// # Errors
    /// [`Closed`] when the socket is over and everything that came before has been taken.
    pub async fn next(&mut self) -> Result<(SubscriptionKey, Update), Closed> {
        tokio::select! {
            biased;
            letter = self.letters.recv() => letter.ok_or_else(|| self.socket.why()),
            () = self.socket.asks.closed() => {
                let mut state = self.socket.state.clone();
                // The task says why as the last thing it does; when it is gone without a word, nothing is to be waited for.
                let _said = state.wait_for(|state| matches!(state, Connection::Closed(_))).await;
                self.letters.try_recv().map_err(|_| self.socket.why())
            }
        }
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.letters.close();
        // When the socket's task is busy it finds out by itself, with the next message for this mailbox.
        let _told = self.socket.asks.try_send(Ask::Sweep);
    }
}
