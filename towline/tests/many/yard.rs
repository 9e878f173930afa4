//! A hub, its machines, and what is looked at on both sides.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::path::*;
use crate::world::{PATIENCE, Running, World};
use client::socket::{Options, Update};
use client::{Api, Dialer, Remote, Socket};
use protocol::api::{ClaimRequest, ClaimStatus, ClaimStatusRequest, NewPairing};
use protocol::command::{Command, CommandBody, CommandRequest, CommandState, PromptContent, StartContent};
use protocol::device::DeviceKind;
use protocol::error::ErrorCode;
use protocol::fact::{FeedFact, SessionFact};
use protocol::fold::Transcript;
use protocol::host::{Host, Presence, Project};
use protocol::id::{CommandId, DeviceId, ProjectId, SessionId, TurnId};
use protocol::path::StreamPath;
use protocol::session::Session;
use protocol::socket::From;
use serde_json::Value;

pub(crate) fn fresh() -> uuid::Uuid {
    uuid::Uuid::now_v7()
}

/// The lists of an account.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) hosts: BTreeMap<DeviceId, Host>,
    pub(crate) projects: BTreeMap<ProjectId, Project>,
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    pub(crate) commands: BTreeMap<CommandId, Command>,
}

pub(crate) async fn known(api: &Api) -> Known {
    let mut known = Known::default();
    for raw in api.lists().await.unwrap().facts {
        match FeedFact::parse(raw.get().as_bytes()).unwrap() {
            FeedFact::Host { id, value: Some(value), .. } => drop(known.hosts.insert(id, value)),
            FeedFact::Project { id, value: Some(value), .. } => drop(known.projects.insert(id, value)),
            FeedFact::Session { id, value: Some(value), .. } => drop(known.sessions.insert(id, value)),
            FeedFact::Command { id, value: Some(value), .. } => drop(known.commands.insert(id, value)),
            _ => {}
        }
    }
    known
}

/// Waits until something holds.
pub(crate) async fn until<T>(what: &str, limit: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "{what}: not within {limit:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A hub that runs.
pub(crate) struct Hub {
    pub(crate) world: World,
    pub(crate) running: Option<Running>,
    pub(crate) api: Api,
    pub(crate) port: String,
}

impl Hub {
    pub(crate) fn start() -> Self {
        Self::start_at(Clock::Right)
    }

    pub(crate) fn start_at(clock: Clock) -> Self {
        let mut world = World::new();
        world.more = clock.environment();
        let running = world.start(&["hub", "--json", "--listen", "127.0.0.1:0"]);
        let (api, port) = (world.api(&running), running.port().to_owned());
        Self { world, running: Some(running), api, port }
    }

    pub(crate) fn kill9(&mut self) {
        self.running.take().unwrap().kill9();
    }

    pub(crate) fn again(&mut self) {
        let listen = format!("127.0.0.1:{}", self.port);
        let running = self.world.start(&["hub", "--json", "--listen", &listen]);
        self.api = self.world.api(&running);
        self.running = Some(running);
    }

    pub(crate) fn socket(&self) -> Socket {
        let options = Options { client: "many/0".to_owned(), first_pause: Duration::from_millis(20), seed: 1 };
        Socket::open(self.world.remote(self.running.as_ref().unwrap()), options)
    }
}

/// Another device of the hub's account: a program somewhere, enrolled by a code. Its way to the hub, and its id.
pub(crate) async fn device(hub: &Hub, name: &str) -> (Api, DeviceId) {
    let url = hub.running.as_ref().unwrap().url().to_owned();
    let api = |credential| Api::new(Remote::new(&url, credential, Dialer::tcp()).unwrap());
    let offer = hub.api.offer_pairing(&NewPairing { once: false }).await.unwrap();
    let asks = ClaimRequest {
        code: offer.code,
        name: name.to_owned(),
        platform: "test".to_owned(),
        kind: DeviceKind::Program,
        public_key: None,
    };
    let claim = api(None).claim(&asks).await.unwrap();
    hub.api.answer_pairing(claim.pairing, true).await.unwrap();
    let ask = ClaimStatusRequest { pairing: claim.pairing, claim_token: claim.claim_token, wait_ms: 10_000 };
    match api(None).claim_status(&ask).await.unwrap() {
        ClaimStatus::Approved { device, credential } => (api(credential), device),
        other => panic!("{other:?}"),
    }
}

/// A machine that is linked.
pub(crate) struct Node {
    pub(crate) world: World,
    pub(crate) running: Option<Running>,
    pub(crate) proxy: Proxy,
    pub(crate) device: DeviceId,
    pub(crate) name: String,
}

impl Node {
    /// Starts a machine and links it by a code that was made at the hub.
    pub(crate) async fn link(hub: &Hub, name: &str) -> Self {
        Self::link_at(hub, name, Clock::Right).await
    }

    pub(crate) async fn link_at(hub: &Hub, name: &str, clock: Clock) -> Self {
        Self::link_through(hub, name, clock, &hub.port).await
    }

    /// The same, on a way that leads through something that listens on that port.
    pub(crate) async fn link_through(hub: &Hub, name: &str, clock: Clock, port: &str) -> Self {
        let mut world = World::new();
        world.more = clock.environment();
        let running = Self::up(&world, name);
        let proxy = Proxy::before(port).await;
        let device = world.api(&running).me().await.unwrap().device;
        assert_eq!(Self::enrol(hub, &world, name, &proxy.url()), device.to_string(), "it keeps its id");
        let node = Self { world, running: Some(running), proxy, device, name: name.to_owned() };
        node.is_online(hub).await;
        node
    }

    /// Links a machine that runs to an address of the hub, by a code that was made there; which device it is there.
    pub(crate) fn enrol(hub: &Hub, world: &World, name: &str, url: &str) -> String {
        let code = json(&hub.world.run(&["pair", "--json"]).out)["code"].as_str().unwrap().to_owned();
        std::thread::scope(|scope| {
            let adding = scope.spawn(|| world.run(&["link", "add", url, "--code", &code, "--json"]));
            let asked = wait(|| {
                let list = hub.world.run(&["pair", "list", "--json"]).out;
                list.lines().map(json).find(|claim| claim["name"] == name)
            });
            assert_eq!((asked["kind"].as_str(), asked["fingerprint"].is_null()), (Some("node"), false));
            let allowed = hub.world.run(&["pair", "allow", asked["pairing"].as_str().unwrap()]);
            assert_eq!(allowed.code, Some(0), "{}", allowed.err);
            let added = adding.join().unwrap();
            assert_eq!(added.code, Some(0), "{}", added.err);
            json(&added.out)["device"].as_str().unwrap().to_owned()
        })
    }

    pub(crate) fn up(world: &World, name: &str) -> Running {
        world.up(&["--listen", "127.0.0.1:0", "--name", name])
    }

    pub(crate) fn again(&mut self) {
        self.running = Some(Self::up(&self.world, &self.name));
    }

    pub(crate) fn kill9(&mut self) {
        self.running.take().unwrap().kill9();
    }

    pub(crate) fn stop(&mut self) {
        assert_eq!(self.running.take().unwrap().stop().0, Some(0));
    }

    pub(crate) fn api(&self) -> Api {
        self.world.api(self.running.as_ref().unwrap())
    }

    pub(crate) fn socket(&self) -> Socket {
        let options = Options { client: "many/1".to_owned(), first_pause: Duration::from_millis(20), seed: 2 };
        Socket::open(self.world.remote(self.running.as_ref().unwrap()), options)
    }

    pub(crate) async fn is_online(&self, hub: &Hub) {
        until("the host is online", PATIENCE, async || {
            let known = known(&hub.api).await;
            let there = known.hosts.get(&self.device)?.presence == Presence::Online;
            (there && self.project_of(&known).is_some()).then_some(())
        })
        .await;
    }

    pub(crate) fn project_of(&self, known: &Known) -> Option<ProjectId> {
        known.projects.iter().find(|(_, project)| project.host == self.device).map(|(id, _)| *id)
    }

    /// Starts a session from the hub.
    pub(crate) async fn session(&self, hub: &Hub, text: &str) -> SessionId {
        let project = self.project_of(&known(&hub.api).await).unwrap();
        let session = SessionId::from_uuid(fresh());
        let content = StartContent { title: None, text: Some(text.to_owned()), ..StartContent::default() };
        let (agent, model, mode, effort) = ("demo".to_owned(), None, None, None);
        let body =
            CommandBody::StartSession { session, project, new_project: false, agent, model, mode, effort, content };
        self.send(hub, body, None).await;
        session
    }

    pub(crate) async fn send(&self, hub: &Hub, body: CommandBody, ttl_ms: Option<u64>) -> CommandId {
        self.send_by(&hub.api, body, ttl_ms).await
    }

    /// The same, by a device of one's choice.
    pub(crate) async fn send_by(&self, api: &Api, body: CommandBody, ttl_ms: Option<u64>) -> CommandId {
        let id = CommandId::from_uuid(fresh());
        api.send(&CommandRequest { id, host: self.device, ttl_ms, retry_of: None, body }).await.unwrap();
        id
    }

    pub(crate) fn prompt(session: SessionId, text: &str) -> CommandBody {
        CommandBody::SendPrompt { session, content: PromptContent { text: text.to_owned(), attachments: Vec::new() } }
    }

    pub(crate) fn link_state(&self) -> Value {
        json(&self.world.run(&["link", "ls", "--json"]).out)
    }
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text.lines().next().unwrap_or_default()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

pub(crate) fn wait<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "it does not happen");
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub(crate) async fn ended(hub: &Hub, command: CommandId, state: CommandState) {
    until(&format!("{command} is {state:?}"), PATIENCE, async || {
        let ack = hub.api.command(command).await.ok()?;
        assert!(!ack.state.is_final() || ack.state == state, "{command}: {ack:?}");
        (ack.state == state).then_some(())
    })
    .await;
}

/// Waits until a session has so many ended turns at the hub.
pub(crate) async fn turns_ended(hub: &Hub, session: SessionId, count: u64) {
    until("the turns have ended", PATIENCE, async || {
        let known = known(&hub.api).await;
        (known.sessions.get(&session)?.ended_turns >= count).then_some(())
    })
    .await;
}

/// A stream from its beginning to its present end: where each batch of messages ends, and the messages as they stand.
pub(crate) async fn whole(socket: &Socket, stream: StreamPath) -> Option<(String, Vec<String>)> {
    let mut mailbox = socket.mailbox(64);
    mailbox.subscribe(stream.clone(), From::Start).await.unwrap();
    let mut all = Vec::new();
    let read = async {
        loop {
            match mailbox.next().await.unwrap().1 {
                Update::Started { next, tail } if next == tail => return Some(next),
                Update::Batch { messages, up_to_date, next } => {
                    all.extend(messages.iter().map(|message| message.get().to_owned()));
                    if up_to_date {
                        return Some(next);
                    }
                }
                Update::Started { .. } => {}
                Update::Refused(problem) if problem.code == ErrorCode::NotFound => return None,
                Update::Ended { next, .. } => return next,
                other @ Update::Refused(_) => panic!("{stream}: {other:?}"),
            }
        }
    };
    let end = tokio::time::timeout(PATIENCE, read).await.expect("the stream can be read")?;
    Some((end.to_string(), all))
}

/// Every journal of a host, and every turn stream that the hub has, are the same bytes at the same offsets on both sides, and fold to the
/// same transcript.
pub(crate) async fn same(hub: &Hub, node: &Node) -> usize {
    let (there, here) = (hub.socket(), node.socket());
    let own = known(&node.api()).await.sessions;
    let mut turns = 0;
    for session in own.keys() {
        let journal = StreamPath::journal(*session);
        until(&format!("{journal} is the same"), PATIENCE, async || {
            let (left, right) = (whole(&here, journal.clone()).await, whole(&there, journal.clone()).await);
            (left.is_some() && left == right).then_some(())
        })
        .await;
        let (_, messages) = whole(&there, journal).await.unwrap();
        let mut transcript = Transcript::new();
        let mut all: Vec<TurnId> = Vec::new();
        for message in &messages {
            let fact = SessionFact::parse(message.as_bytes()).unwrap();
            if let SessionFact::Turn { id, .. } = &fact {
                all.push(*id);
            }
            transcript.journal(fact);
        }
        all.sort();
        all.dedup();
        for turn in all {
            let live = StreamPath::turn(turn);
            let Some(replica) = whole(&there, live.clone()).await else { continue };
            assert_eq!(whole(&here, live.clone()).await, Some(replica), "{live}");
            turns += 1;
        }
    }
    let theirs = known(&hub.api).await.sessions;
    let listed: Vec<_> = theirs.iter().filter(|(_, session)| session.host == node.device).map(|(id, _)| *id).collect();
    assert_eq!(listed, own.keys().copied().collect::<Vec<_>>(), "each session once, and no other");
    turns
}

/// How many turns of a session have a prompt.
pub(crate) async fn times(hub: &Hub, session: SessionId, text: &str) -> usize {
    let (_, messages) = whole(&hub.socket(), StreamPath::journal(session)).await.unwrap();
    let turns = messages.iter().filter_map(|message| match SessionFact::parse(message.as_bytes()) {
        Ok(SessionFact::Item { value: Some(item), .. }) => {
            let asked = item.role == protocol::item::Role::User
                && matches!(&item.content, protocol::item::ItemContent::Text { text: said } if said.contains(text));
            asked.then_some(item.turn)
        }
        _ => None,
    });
    turns.collect::<std::collections::BTreeSet<_>>().len()
}
