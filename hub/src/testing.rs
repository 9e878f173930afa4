//! Worlds for tests: a hub in memory, on a clock that follows tokio's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use protocol::command::{CommandBody, CommandRequest, PromptContent, StartContent};
use protocol::device::{DeviceKind, Right};
use protocol::fact::{FACT_VERSION, SessionFact};
use protocol::host::HostContent;
use protocol::id::{AccountId, CommandId, ItemId, ProjectId, SessionId, TurnId};
use protocol::item::{Delta, DeltaContent, DeltaPart, Item, ItemContent, ItemStatus, Role};
use protocol::port::{HubPort, Report, StreamStep};
use protocol::time::{Clock, UnixMs};
use protocol::turn::{Origin, Turn, TurnContent, TurnState};
use store::{Batch, MemoryStore, Store};
use streams::Streams;
use tokio::time::Instant;

use crate::{Hub, Identity, NewDevice, Options, SystemRandom, Via};

/// A clock that goes with tokio's, so that `tokio::time::advance` moves it, and ids that count.
#[derive(Debug)]
pub(crate) struct TestClock {
    start: Instant,
    ids: AtomicU64,
}

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), ids: AtomicU64::new(0) })
    }
}

impl Clock for TestClock {
    fn now(&self) -> UnixMs {
        UnixMs(1_790_000_000_000 + u64::try_from(self.start.elapsed().as_millis()).unwrap())
    }

    fn fresh(&self) -> uuid::Uuid {
        let mut random = [0_u8; 10];
        random[2..].copy_from_slice(&self.ids.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        uuid::Builder::from_unix_timestamp_millis(self.now().0, &random).into_uuid()
    }
}

pub(crate) fn options() -> Options {
    Options {
        node_name: "workshop".to_owned(),
        node_platform: "linux x86_64".to_owned(),
        node_public_key: None,
        host: true,
        version: "0.1.0".to_owned(),
        allowed_hosts: vec!["localhost".to_owned(), "[::1]".to_owned(), "desk.test".to_owned()],
        allowed_origins: vec!["http://127.0.0.1:5173".to_owned()],
        secure: false,
        trusted_proxies: Vec::new(),
    }
}

/// A hub over some store.
pub(crate) async fn open(store: Arc<dyn Store>, clock: Arc<TestClock>) -> Hub {
    open_as(store, clock, options()).await
}

/// A hub over some store that behaves so.
pub(crate) async fn open_as(store: Arc<dyn Store>, clock: Arc<TestClock>, options: Options) -> Hub {
    Hub::open(Streams::new(store), clock, Arc::new(SystemRandom), options).await.expect("the hub opens")
}

/// A hub in memory with what tests do to it.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) hub: Hub,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) owner: Identity,
}

impl World {
    pub(crate) async fn new() -> Self {
        let clock = TestClock::new();
        let store = Arc::new(MemoryStore::new(clock.clone()));
        Self::over(store, clock).await
    }

    /// A hub without a host, which several people may share.
    pub(crate) async fn shared() -> Self {
        Self::with(Options { host: false, ..options() }).await
    }

    /// A hub that behaves so.
    pub(crate) async fn with(options: Options) -> Self {
        let clock = TestClock::new();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone()));
        let hub = open_as(store.clone(), clock.clone(), options).await;
        let owner = hub.node_identity();
        Self { hub, clock, store, owner }
    }

    pub(crate) async fn over(store: Arc<dyn Store>, clock: Arc<TestClock>) -> Self {
        let hub = open(store.clone(), clock.clone()).await;
        let owner = hub.node_identity();
        Self { hub, clock, store, owner }
    }

    /// The same data after a restart.
    pub(crate) async fn again(self) -> Self {
        self.hub.stop().await;
        Self::over(self.store, self.clock).await
    }

    pub(crate) fn port(&self) -> Arc<dyn HubPort> {
        self.hub.host_port().expect("there is a host")
    }

    pub(crate) async fn start_host(&self) -> u64 {
        self.port().start(HostContent::default(), 5).await.expect("the host starts").generation
    }

    /// A device with these rights, and its credential.
    pub(crate) async fn device(&self, rights: &[Right]) -> (Identity, String) {
        self.device_of(self.hub.account(), rights).await
    }

    pub(crate) async fn device_of(&self, account: AccountId, rights: &[Right]) -> (Identity, String) {
        let new = NewDevice {
            account,
            kind: DeviceKind::Program,
            rights: rights.to_vec(),
            name: "a device".to_owned(),
            platform: "test".to_owned(),
            public_key: None,
        };
        let (_, credential) = self.hub.enrol(new).await.expect("a device");
        let identity = self.hub.authenticate(&credential, Via::Bearer, "10.0.0.1").await.expect("it is known");
        (identity, credential)
    }

    /// Somebody else, with a device that may do everything.
    pub(crate) async fn stranger(&self) -> (Identity, String) {
        let account = AccountId::from_uuid(self.clock.fresh());
        let mut batch = Batch::new();
        crate::open::create_account(&mut batch, account, "somebody else", &*self.clock);
        self.hub.commit(batch).await.expect("an account");
        self.device_of(account, &Right::ALL).await
    }

    pub(crate) fn session(&self) -> SessionId {
        SessionId::from_uuid(self.clock.fresh())
    }

    pub(crate) fn turn(&self) -> TurnId {
        TurnId::from_uuid(self.clock.fresh())
    }

    pub(crate) fn request(&self, body: CommandBody) -> CommandRequest {
        let id = CommandId::from_uuid(self.clock.fresh());
        CommandRequest { id, host: self.hub.node(), ttl_ms: None, retry_of: None, body }
    }

    pub(crate) fn start_session(&self, session: SessionId) -> CommandRequest {
        self.request(CommandBody::StartSession {
            session,
            project: ProjectId::from_uuid(self.clock.fresh()),
            new_project: false,
            agent: "demo".to_owned(),
            model: None,
            mode: None,
            effort: None,
            content: StartContent::default(),
        })
    }

    pub(crate) fn prompt(&self, session: SessionId, text: &str) -> CommandRequest {
        self.request(CommandBody::SendPrompt {
            session,
            content: PromptContent { text: text.to_owned(), attachments: Vec::new() },
        })
    }

    /// A session whose journal exists.
    pub(crate) async fn live_session(&self, generation: u64) -> SessionId {
        let session = self.session();
        self.report(Report { generation, streams: vec![StreamStep::CreateJournal(session)], ..Report::default() })
            .await;
        session
    }

    pub(crate) async fn report(&self, report: Report) -> protocol::port::Reported {
        self.port().report(report).await.expect("the report is taken")
    }

    pub(crate) fn turn_fact(&self, session: SessionId, turn: TurnId, state: TurnState) -> SessionFact {
        let value = Turn {
            v: FACT_VERSION,
            session,
            ord: 1,
            state,
            origin: Origin::Agent,
            sender: None,
            agent: "demo".to_owned(),
            model: None,
            low_water: None,
            steer: None,
            quiet_since_ms: None,
            queued_at_ms: self.clock.now(),
            started_at_ms: None,
            ended_at_ms: None,
            usage: None,
            error: None,
            content: TurnContent::default(),
        };
        SessionFact::from((turn, protocol::fact::Operation::Insert, value))
    }

    pub(crate) fn item_fact(&self, session: SessionId, turn: TurnId, text: &str) -> SessionFact {
        let value = Item {
            v: FACT_VERSION,
            session,
            turn,
            ord: 1,
            parent: None,
            role: Role::Agent,
            sender: None,
            status: ItemStatus::Done,
            index: 0,
            created_at_ms: self.clock.now(),
            settled_at_ms: Some(self.clock.now()),
            left_out_bytes: 0,
            content: ItemContent::Text { text: text.to_owned() },
        };
        SessionFact::from((ItemId::from_uuid(self.clock.fresh()), protocol::fact::Operation::Insert, value))
    }

    /// A turn that runs, with its stream.
    pub(crate) async fn running_turn(&self, generation: u64, session: SessionId) -> TurnId {
        let turn = self.turn();
        let streams = vec![
            StreamStep::CreateTurn(turn),
            StreamStep::Journal(session, vec![self.turn_fact(session, turn, TurnState::Running)]),
        ];
        self.report(Report { generation, streams, ..Report::default() }).await;
        turn
    }

    pub(crate) async fn audited(&self) -> Vec<protocol::api::AuditEntry> {
        self.hub.audit_page(self.hub.account(), None, Some(500)).await.expect("the audit trail").entries
    }
}

pub(crate) fn delta(item: ItemId, index: u64) -> SessionFact {
    let content = DeltaContent { text: "word ".to_owned() };
    let value = Delta { v: FACT_VERSION, index, part: DeltaPart::Text, content };
    SessionFact::from((item, protocol::fact::Operation::Insert, value))
}
