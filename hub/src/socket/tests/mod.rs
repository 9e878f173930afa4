mod bounds;
mod ends;
mod following;
mod greeting;
mod noise;
mod participants;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderName, HeaderValue, header};
use protocol::command::CommandRequest;
use protocol::device::Right;
use protocol::error::ErrorCode;
use protocol::id::{SessionId, TurnId};
use protocol::offset::Offset;
use protocol::path::StreamPath;
use protocol::socket::{ClientFrame, EndReason, From, ServerFrame};
use store::{Append, Batch, Create, Put};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error as WireError, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::rows::{Row as _, SessionRow, TurnRow};
use crate::testing::World;

/// Longest that a test waits for anything; with paused time it passes at once when nothing else can happen.
const PATIENCE: Duration = Duration::from_mins(2);

/// A served hub, reached through memory or loopback, and the credential of a device.
pub(super) struct House {
    pub(super) world: World,
    pub(super) credential: String,
    lines: mpsc::Sender<DuplexStream>,
    serving: Vec<JoinHandle<()>>,
}

struct Doorway(mpsc::Receiver<DuplexStream>);

impl crate::Listener for Doorway {
    type Io = DuplexStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (DuplexStream, SocketAddr) {
        match self.0.recv().await {
            Some(line) => (line, (Ipv4Addr::LOCALHOST, 1).into()),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok((Ipv4Addr::LOCALHOST, 0).into())
    }
}

impl House {
    pub(super) async fn new() -> Self {
        Self::of(World::new().await).await
    }

    pub(super) async fn of(world: World) -> Self {
        let (_, credential) = world.device(&Right::ALL).await;
        let (lines, doorway) = mpsc::channel(16);
        let hub = world.hub.clone();
        let serving = tokio::spawn(async move {
            crate::serve(&hub, Doorway(doorway), std::future::pending(), Duration::from_secs(1)).await;
        });
        Self { world, credential, lines, serving: vec![serving] }
    }

    /// A way in over loopback.
    pub(super) async fn listen(&mut self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let hub = self.world.hub.clone();
        self.serving.push(tokio::spawn(async move {
            crate::serve(&hub, listener, std::future::pending(), Duration::from_secs(1)).await;
        }));
        address
    }

    /// A socket before its `hello`.
    pub(super) async fn dial(&self) -> Client {
        self.dial_as(&self.credential).await.expect("a socket")
    }

    pub(super) async fn dial_as(&self, credential: &str) -> Result<Client, WireError> {
        Client::over(self.line().await, credential).await
    }

    /// A connection on which nothing has been said.
    pub(super) async fn line(&self) -> DuplexStream {
        let (here, there) = tokio::io::duplex(64 * 1024);
        self.lines.send(there).await.unwrap();
        here
    }

    /// A socket after `hello`.
    pub(super) async fn connect(&self) -> Client {
        let mut client = self.dial().await;
        client.hello().await;
        client
    }

    pub(super) async fn session(&self) -> SessionId {
        let session = self.world.session();
        let row =
            SessionRow { account: self.world.hub.account(), host: self.world.hub.node(), command: None, live: true };
        let put = Put::set(crate::keys::session(session), row.encode());
        self.commit(Batch::of(put).and(created(StreamPath::journal(session)))).await;
        session
    }

    /// The path of a journal that exists.
    pub(super) async fn journal(&self) -> StreamPath {
        StreamPath::journal(self.session().await)
    }

    pub(super) async fn turn(&self, session: SessionId) -> TurnId {
        let turn = self.world.turn();
        let put = Put::set(crate::keys::turn(turn), TurnRow { session }.encode());
        self.commit(Batch::of(put).and(created(StreamPath::turn(turn)))).await;
        turn
    }

    pub(super) async fn append(&self, stream: &StreamPath, messages: &[String]) {
        append(&self.world.hub, stream, messages).await;
    }

    pub(super) async fn close(&self, stream: &StreamPath) {
        let append = Append { close: true, ..Append::new(stream.clone(), Vec::new()) };
        self.commit(Batch::of(append)).await;
    }

    pub(super) async fn commit(&self, batch: Batch) {
        self.world.hub.commit(batch).await.expect("it is taken");
    }

    /// Waits until the hub has let go of everything that belonged to sockets.
    pub(super) async fn settled(&self) {
        let settled = async {
            while self.world.hub.streams().followed() > 0 || self.world.hub.tasks().len() > 1 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, settled).await.expect("nothing is left behind");
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.serving.iter().for_each(JoinHandle::abort);
    }
}

pub(super) async fn append(hub: &crate::Hub, stream: &StreamPath, messages: &[String]) {
    let bodies = messages.iter().map(|message| Bytes::from(message.clone())).collect();
    hub.commit(Batch::of(Append::new(stream.clone(), bodies))).await.expect("it is taken");
}

fn created(stream: StreamPath) -> Create {
    Create {
        stream,
        content_type: crate::open::CONTENT_TYPE.to_owned(),
        config: Bytes::new(),
        messages: Vec::new(),
        close: false,
        or_same: false,
    }
}

/// A client of the wire, which knows the contract and nothing of the code.
pub(super) struct Client<S = DuplexStream> {
    pub(super) wire: WebSocketStream<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(super) async fn over(stream: S, credential: &str) -> Result<Self, WireError> {
        Self::with(stream, &[(header::AUTHORIZATION, &format!("Bearer {credential}"))]).await
    }

    /// A handshake with headers of its own.
    pub(super) async fn with(stream: S, headers: &[(HeaderName, &str)]) -> Result<Self, WireError> {
        let mut request = "ws://localhost/v1/connect".into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(name, HeaderValue::try_from(*value).unwrap());
        }
        let (wire, _) = client_async(request, stream).await?;
        Ok(Self { wire })
    }

    pub(super) async fn hello(&mut self) {
        self.hello_with(1, 1).await;
        match self.hear().await {
            ServerFrame::Welcome { protocol: 1, .. } => {}
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn hello_with(&mut self, protocol_min: u32, protocol_max: u32) {
        self.say(&ClientFrame::Hello {
            protocol_min,
            protocol_max,
            capabilities: vec!["x".into()],
            client: "test".into(),
        })
        .await;
    }

    pub(super) async fn say(&mut self, frame: &ClientFrame) {
        self.say_text(serde_json::to_string(frame).unwrap()).await;
    }

    pub(super) async fn say_text(&mut self, text: impl Into<String>) {
        self.wire.send(Message::text(text.into())).await.expect("the socket is open");
    }

    pub(super) async fn command(&mut self, req: u32, command: CommandRequest) {
        self.say(&ClientFrame::Command { req, command }).await;
    }

    /// The next frame that is not a heartbeat.
    pub(super) async fn hear(&mut self) -> ServerFrame {
        loop {
            match self.hear_any().await {
                Ok(ServerFrame::Heartbeat { .. }) => {}
                Ok(frame) => return frame,
                Err(code) => panic!("closed with {code:?}"),
            }
        }
    }

    /// The next frame, or the code of the close; `None` for a socket that broke.
    pub(super) async fn hear_any(&mut self) -> Result<ServerFrame, Option<u16>> {
        loop {
            match tokio::time::timeout(PATIENCE, self.wire.next()).await.expect("something comes") {
                Some(Ok(Message::Text(text))) => {
                    return Ok(ServerFrame::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}")));
                }
                Some(Ok(Message::Close(frame))) => return Err(frame.map(|frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// Reads until the close: its code, and the code of the problem that was told before.
    pub(super) async fn hear_close(&mut self) -> (Option<u16>, Option<ErrorCode>) {
        let mut told = None;
        loop {
            match self.hear_any().await {
                Ok(ServerFrame::Error { problem, .. }) => told = Some(problem.code),
                Ok(_) => {}
                Err(code) => return (code, told),
            }
        }
    }

    pub(super) async fn subscribe(&mut self, sub: u32, stream: &StreamPath, from: From) -> (Offset, Offset) {
        self.say(&ClientFrame::Subscribe { sub, stream: stream.clone(), from }).await;
        match self.hear().await {
            ServerFrame::Subscribed { sub: answered, next, tail } if answered == sub => (next, tail),
            other => panic!("{other:?}"),
        }
    }

    /// Whatever else answers a `subscribe`.
    pub(super) async fn fail_to_subscribe(&mut self, sub: u32, stream: &StreamPath, from: From) -> Failed {
        self.say(&ClientFrame::Subscribe { sub, stream: stream.clone(), from }).await;
        match self.hear().await {
            ServerFrame::Error { req: None, sub: Some(of), problem } if of == sub => Failed::Error(problem.code),
            ServerFrame::Ended { sub: of, reason, next: None } if of == sub => Failed::Ended(reason),
            other => panic!("{other:?}"),
        }
    }

    /// Reads one subscription until it has so many messages or has ended.
    pub(super) async fn read(&mut self, sub: u32, many: usize) -> (Vec<String>, Option<EndReason>) {
        let mut messages = Vec::new();
        while messages.len() < many {
            match self.hear().await {
                ServerFrame::Batch { sub: of, messages: more, .. } if of == sub => {
                    messages.extend(more.iter().map(|message| message.get().to_owned()));
                }
                ServerFrame::Ended { sub: of, reason, .. } if of == sub => return (messages, Some(reason)),
                other => panic!("{other:?}"),
            }
        }
        (messages, None)
    }

    pub(super) async fn ended(&mut self, sub: u32) -> (EndReason, Option<Offset>) {
        match self.hear().await {
            ServerFrame::Ended { sub: of, reason, next } if of == sub => (reason, next),
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn unsubscribe(&mut self, sub: u32) {
        self.say(&ClientFrame::Unsubscribe { sub }).await;
        match self.hear().await {
            ServerFrame::Unsubscribed { sub: of } if of == sub => {}
            other => panic!("{other:?}"),
        }
    }

    /// Asks for a `pong`, which is then the next frame: the socket lives, and nothing else was on its way.
    pub(super) async fn alive(&mut self, req: u32) {
        self.say(&ClientFrame::Ping { req }).await;
        match self.hear().await {
            ServerFrame::Pong { req: of, .. } if of == req => {}
            other => panic!("{other:?}"),
        }
    }
}

/// How a `subscribe` failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failed {
    Error(ErrorCode),
    Ended(EndReason),
}

/// Numbered messages.
pub(super) fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| format!("{{\"n\":{n}}}")).collect()
}

/// A world over a store that fails on demand.
pub(super) async fn faulty() -> (World, Arc<store::Faulty<store::MemoryStore>>) {
    let clock = crate::testing::TestClock::new();
    let store = Arc::new(store::Faulty::new(store::MemoryStore::new(clock.clone())));
    (World::over(store.clone(), clock).await, store)
}
