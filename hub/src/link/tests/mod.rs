//! A node on the other side of the wire, which knows the contract and nothing of the code.

mod bounds;
mod commands;
mod disks;
mod leases;
mod lost;
mod news;
mod over_requests;
mod participants;
mod polled;
mod pushes;
mod races;
mod requests;
mod weather;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderValue, header};
use protocol::command::{Command, CommandState};
use protocol::device::{DeviceKind, Right};
use protocol::error::ErrorCode;
use protocol::fact::{FACT_VERSION, FeedFact, Operation};
use protocol::host::{AwayReason, Host, HostContent, Presence, RemoteAccess};
use protocol::id::{AccountId, CommandId, DeviceId, ProjectId, SessionId};
use protocol::link::{Chain, Cursor, Handed, HubFrame, LinkNews, NodeFrame, NodeHello, Part, Piece, Push, Taken};
use protocol::offset::Offset;
use protocol::path::StreamPath;
use protocol::session::{Activity, Session, SessionContent};
use protocol::time::Clock as _;
use serde_json::value::RawValue;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error as WireError, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use self::requests::Requests;
use crate::NewDevice;
use crate::testing::World;

/// Longest that a test waits for anything; with paused time it passes at once when nothing else can happen.
const PATIENCE: Duration = Duration::from_mins(2);

/// A served hub, reached through memory.
pub(super) struct Yard {
    pub(super) world: World,
    lines: mpsc::Sender<DuplexStream>,
    serving: Serving,
    /// Whether its nodes go by requests, and by no WebSocket.
    by_requests: bool,
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

impl Yard {
    pub(super) async fn new() -> Self {
        Self::of(World::new().await)
    }

    pub(super) fn of(world: World) -> Self {
        let (lines, doorway) = mpsc::channel(16);
        let hub = world.hub.clone();
        let serving = tokio::spawn(async move {
            crate::serve(&hub, Doorway(doorway), std::future::pending(), Duration::from_secs(1)).await;
        });
        Self { world, lines, serving: Serving(serving), by_requests: false }
    }

    /// The same data after a restart.
    pub(super) async fn again(self) -> Self {
        drop(self.serving);
        Self::of(self.world.again().await)
    }

    /// Another machine of the owner's, enrolled.
    pub(super) async fn machine(&self) -> Machine {
        self.machine_of(self.world.hub.account()).await
    }

    pub(super) async fn machine_of(&self, account: AccountId) -> Machine {
        let new = NewDevice {
            account,
            kind: DeviceKind::Node,
            rights: Right::ALL.to_vec(),
            name: "laptop".to_owned(),
            platform: "linux".to_owned(),
            public_key: None,
        };
        let (device, credential) = self.world.hub.enrol(new).await.expect("a device");
        let host = DeviceId::from_uuid(self.world.clock.fresh());
        let there = AccountId::from_uuid(self.world.clock.fresh());
        Machine { device, credential, account, host, there, generation: 1, boot: "a".to_owned() }
    }

    pub(super) async fn dial(&self, machine: &Machine) -> Result<Node, WireError> {
        if self.by_requests {
            let wire = Requests::open(self.lines.clone(), &machine.credential).await?;
            return Ok(Node { wire: Wire::Requests(wire), req: 0, place: 0 });
        }
        let (here, there) = tokio::io::duplex(256 * 1024);
        self.lines.send(there).await.expect("it is served");
        let mut request = "ws://localhost/v1/link".into_client_request()?;
        let credential = format!("Bearer {}", machine.credential);
        request.headers_mut().insert(header::AUTHORIZATION, HeaderValue::try_from(credential).expect("a header"));
        let (wire, _) = client_async(request, here).await?;
        Ok(Node { wire: Wire::Socket(Box::new(wire)), req: 0, place: 0 })
    }

    /// A link that was let in, with what the hub has of the node's feed.
    pub(super) async fn link(&self, machine: &Machine, holds: &[CommandId]) -> (Node, Option<Cursor>) {
        let mut node = self.dial(machine).await.expect("a socket");
        node.say(&NodeFrame::Hello(Box::new(machine.hello(holds)))).await;
        match node.hear().await {
            HubFrame::Welcome { protocol: 1, account, device, cursor, .. } => {
                assert_eq!((account, device), (machine.account, machine.device));
                node.place = cursor.map_or(0, |cursor: Cursor| cursor.offset.byte);
                (node, cursor)
            }
            other => panic!("{other:?}"),
        }
    }

    /// A link that was let in and has heard of the devices.
    pub(super) async fn linked(&self, machine: &Machine) -> Node {
        let (mut node, _) = self.link(machine, &[]).await;
        if let Some(news) = node.peek_news().await {
            node.say(&NodeFrame::Heard { number: news.last().expect("some").0 }).await;
        }
        node
    }

    /// How a link that is not let in is refused.
    pub(super) async fn refused(&self, machine: &Machine) -> ErrorCode {
        let mut node = self.dial(machine).await.expect("a socket");
        node.say(&NodeFrame::Hello(Box::new(machine.hello(&[])))).await;
        node.hear_end().await.expect("a reason")
    }

    pub(super) async fn host(&self, machine: &Machine) -> Host {
        let key = crate::keys::row(machine.account, "host", &machine.device.to_string());
        let entry = self.world.hub.streams().get(&key).await.expect("a look").expect("a row");
        match FeedFact::parse(&entry.value) {
            Ok(FeedFact::Host { value: Some(host), .. }) => host,
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn presence(&self, machine: &Machine) -> (Presence, Option<AwayReason>) {
        let host = self.host(machine).await;
        (host.presence, host.reason)
    }

    pub(super) async fn fact(&self, machine: &Machine, kind: &str, key: &str) -> Option<FeedFact> {
        let key = crate::keys::row(machine.account, kind, key);
        let entry = self.world.hub.streams().get(&key).await.expect("a look")?;
        Some(FeedFact::parse(&entry.value).expect("a fact"))
    }

    pub(super) async fn command(&self, id: CommandId) -> Command {
        let row = self.world.hub.load::<crate::rows::CommandRow>(&crate::keys::command(id)).await.expect("a look");
        row.expect("a command").value.command
    }

    pub(super) async fn state(&self, id: CommandId) -> CommandState {
        self.command(id).await.state
    }

    /// Where the feed ends: it moves when something is told.
    pub(super) async fn feed_end(&self, machine: &Machine) -> Offset {
        let head = self.world.hub.streams().head(&StreamPath::feed(machine.account)).await.expect("a look");
        head.expect("a feed").tail
    }

    pub(super) async fn held(&self, stream: &StreamPath) -> Vec<String> {
        match self.world.hub.streams().read(stream, None, usize::MAX, usize::MAX).await {
            Ok(page) => page.messages.iter().map(|m| String::from_utf8(m.body.to_vec()).expect("text")).collect(),
            Err(store::ReadError::NoStream { .. }) => Vec::new(),
            Err(error) => panic!("{error}"),
        }
    }
}

/// A server that ends with its yard.
struct Serving(JoinHandle<()>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A machine that may link.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    pub(super) device: DeviceId,
    pub(super) credential: String,
    pub(super) account: AccountId,
    /// Its host and account in its own hub.
    pub(super) host: DeviceId,
    pub(super) there: AccountId,
    pub(super) generation: u64,
    pub(super) boot: String,
}

impl Machine {
    pub(super) fn hello(&self, holds: &[CommandId]) -> NodeHello {
        NodeHello {
            protocol_min: 1,
            protocol_max: 1,
            capabilities: vec!["x".to_owned()],
            version: "0.1.0".to_owned(),
            host: self.host,
            generation: self.generation,
            boot: self.boot.clone(),
            turns_at_once: 5,
            remote_access: RemoteAccess::Active,
            about: HostContent { name: "laptop".to_owned(), ..HostContent::default() },
            holds: holds.to_vec(),
        }
    }

    /// Its next start.
    pub(super) fn started(&self, boot: &str) -> Self {
        Self { generation: self.generation + 1, boot: boot.to_owned(), ..self.clone() }
    }

    pub(super) fn session(&self, world: &World, id: SessionId, title: &str) -> FeedFact {
        let value = Session {
            v: FACT_VERSION,
            account: self.there,
            host: self.host,
            project: ProjectId::from_uuid(world.clock.fresh()),
            agent: "demo".to_owned(),
            model: None,
            mode: None,
            effort: None,
            activity: Activity::Idle,
            last_turn: None,
            queued_turns: 0,
            background_tasks: 0,
            created_at_ms: world.clock.now(),
            updated_at_ms: world.clock.now(),
            archived_at_ms: None,
            ended_turns: 0,
            from: None,
            content: SessionContent { title: title.to_owned(), doing: None },
        };
        FeedFact::from((id, Operation::Insert, value))
    }

    /// A command as the node's own feed tells of it.
    pub(super) fn told(&self, command: &Command, id: CommandId, state: CommandState) -> FeedFact {
        let mut value = command.clone();
        (value.host, value.state) = (self.host, state);
        value.sender.account = self.there;
        FeedFact::from((id, Operation::Update, value))
    }
}

/// One connection of a machine.
pub(super) struct Node {
    /// How far its feed goes, in facts.
    place: u64,
    wire: Wire,
    req: u32,
}

/// The way that it goes.
enum Wire {
    Socket(Box<WebSocketStream<DuplexStream>>),
    Requests(Requests),
}

impl Node {
    pub(super) async fn say(&mut self, frame: &NodeFrame) {
        self.say_text(serde_json::to_string(frame).expect("a frame")).await;
    }

    /// Says something, whether or not anybody listens any more.
    pub(super) async fn try_say(&mut self, frame: &NodeFrame) -> bool {
        self.send(serde_json::to_string(frame).expect("a frame")).await
    }

    pub(super) async fn say_text(&mut self, text: String) {
        // Of requests it is known at once that nobody takes them; of a socket when it is read.
        let said = self.send(text).await;
        assert!(said || matches!(self.wire, Wire::Requests(_)), "the socket is open");
    }

    async fn send(&mut self, text: String) -> bool {
        match &mut self.wire {
            Wire::Socket(socket) => socket.send(Message::text(text)).await.is_ok(),
            Wire::Requests(requests) => requests.say(&text).await,
        }
    }

    /// Ends its connection, which of requests nobody sees: there it says what no node says.
    pub(super) async fn hang_up(mut self) {
        if matches!(self.wire, Wire::Requests(_)) {
            self.say_text("{}".to_owned()).await;
            self.hear_end().await;
        }
    }

    pub(super) async fn hear(&mut self) -> HubFrame {
        self.hear_any().await.unwrap_or_else(|code| panic!("closed with {code:?}"))
    }

    async fn hear_any(&mut self) -> Result<HubFrame, Option<u16>> {
        let socket = match &mut self.wire {
            Wire::Socket(socket) => socket,
            Wire::Requests(requests) => {
                return tokio::time::timeout(PATIENCE, requests.hear()).await.expect("something comes");
            }
        };
        loop {
            match tokio::time::timeout(PATIENCE, socket.next()).await.expect("something comes") {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).expect("a frame")),
                Some(Ok(Message::Close(frame))) => return Err(frame.map(|frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// Reads until the end: why the hub refused, if it said so.
    pub(super) async fn hear_end(&mut self) -> Option<ErrorCode> {
        let mut told = None;
        while let Ok(frame) = self.hear_any().await {
            if let HubFrame::Refused { problem } = frame {
                told = Some(problem.code);
            }
        }
        told
    }

    /// The next commands.
    pub(super) async fn hear_hand(&mut self) -> Vec<Handed> {
        loop {
            match self.hear().await {
                HubFrame::Hand { commands } => return commands,
                HubFrame::News { news } => self.say(&NodeFrame::Heard { number: news[news.len() - 1].0 }).await,
                other => panic!("{other:?}"),
            }
        }
    }

    pub(super) async fn hear_news(&mut self) -> Vec<(u64, LinkNews)> {
        match self.hear().await {
            HubFrame::News { news } => news,
            other => panic!("{other:?}"),
        }
    }

    async fn peek_news(&mut self) -> Option<Vec<(u64, LinkNews)>> {
        match self.renewed().await {
            frames if frames.is_empty() => None,
            mut frames => match frames.remove(0) {
                HubFrame::News { news } => Some(news),
                other => panic!("{other:?}"),
            },
        }
    }

    /// Renews, and gives whatever else came before the hub answered that and had looked.
    pub(super) async fn renewed(&mut self) -> Vec<HubFrame> {
        let mut frames = Vec::new();
        for _ in 0..2 {
            self.req += 1;
            let req = self.req;
            self.say(&NodeFrame::Renew { req, remote_access: RemoteAccess::Active }).await;
            loop {
                match self.hear().await {
                    HubFrame::Renewed { req: of, .. } if of == req => break,
                    other => frames.push(other),
                }
            }
        }
        frames
    }

    pub(super) async fn take(&mut self, handed: &[Handed], state: CommandState) {
        let commands = handed.iter().map(|h| Taken { command: h.command, token: h.token, state }).collect();
        self.say(&NodeFrame::Taken { commands }).await;
    }

    pub(super) async fn push(&mut self, facts: &[FeedFact], pieces: Vec<Piece>) -> HubFrame {
        self.push_part(facts, None, pieces).await
    }

    pub(super) async fn push_part(&mut self, facts: &[FeedFact], whole: Option<Part>, pieces: Vec<Piece>) -> HubFrame {
        self.req += 1;
        let facts: Vec<Box<RawValue>> = facts.iter().map(|fact| raw(&fact.encode().expect("a fact"))).collect();
        self.place += facts.len() as u64;
        let place = Offset::new(0, self.place);
        let cursor = facts.last().map(|last| Cursor { offset: place, last: Chain::START.after(last.get().as_bytes()) });
        self.say(&NodeFrame::Push(Push { req: self.req, facts, whole, cursor, pieces })).await;
        loop {
            match self.hear().await {
                HubFrame::News { .. } | HubFrame::Hand { .. } => {}
                frame => return frame,
            }
        }
    }

    /// Pushes what must be taken.
    pub(super) async fn store(&mut self, facts: &[FeedFact], pieces: Vec<Piece>) {
        match self.push(facts, pieces).await {
            HubFrame::Pushed { req } if req == self.req => {}
            other => panic!("{other:?}"),
        }
    }
}

pub(super) fn raw(bytes: &[u8]) -> Box<RawValue> {
    RawValue::from_string(String::from_utf8(bytes.to_vec()).expect("text")).expect("JSON")
}

/// A stream as its owner has it.
#[derive(Debug, Clone)]
pub(super) struct Owned {
    pub(super) stream: StreamPath,
    pub(super) session: SessionId,
    pub(super) messages: Vec<String>,
}

impl Owned {
    pub(super) fn journal(session: SessionId) -> Self {
        Self { stream: StreamPath::journal(session), session, messages: Vec::new() }
    }

    /// Its messages from one on.
    pub(super) fn from(&self, from: usize) -> Piece {
        let before = &self.messages[..from];
        Piece {
            stream: self.stream.clone(),
            session: self.session,
            at: Offset::new(0, before.iter().map(|message| message.len() as u64).sum()),
            before: before.iter().fold(Chain::START, |chain, message| chain.after(message.as_bytes())),
            messages: self.messages[from..].iter().map(|message| raw(message.as_bytes())).collect(),
            close: false,
        }
    }
}
