//! Writes a long session into a data directory, the way a host would: for benches and for looking at long transcripts.
//!
//! `cargo run --release -p hub --example long_session -- STORE_DIR PROJECT_PATH [ITEMS]` prints one line of JSON with the session's id.
//! Start `towline up` on that data directory afterwards.
#![expect(clippy::print_stdout, reason = "its one line of output is what it is for")]

use std::path::PathBuf;
use std::sync::Arc;

use protocol::fact::{FeedFact, Operation, SessionFact};
use protocol::host::{HostContent, Project, ProjectContent};
use protocol::id::{DeviceId, ItemId, ProjectId, SessionId, TurnId};
use protocol::item::{Item, ItemContent, ItemStatus, Role, ToolCall, ToolKind};
use protocol::offset::Offset;
use protocol::port::{HubPort, Report, StreamStep};
use protocol::session::{Activity, LastTurn, Session, SessionContent};
use protocol::time::{Clock, UnixMs};
use protocol::turn::{Origin, Turn, TurnContent, TurnState};

/// Items of one turn, its prompt among them.
const ITEMS_PER_TURN: u64 = 50;

#[derive(Debug)]
struct Wall;

impl Clock for Wall {
    #[expect(clippy::disallowed_methods, reason = "an example is its own edge")]
    fn now(&self) -> UnixMs {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        UnixMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    #[expect(clippy::disallowed_methods, reason = "an example is its own edge")]
    fn fresh(&self) -> uuid::Uuid {
        uuid::Uuid::now_v7()
    }
}

/// What the session's facts have in common.
struct Writer {
    session: SessionId,
    ord: u64,
}

impl Writer {
    fn place(&mut self) -> u64 {
        self.ord += 1;
        self.ord
    }

    fn turn(&mut self) -> Turn {
        Turn {
            v: 1,
            session: self.session,
            ord: self.place(),
            state: TurnState::Completed,
            origin: Origin::Agent,
            sender: None,
            agent: "demo".to_owned(),
            model: Some("demo".to_owned()),
            low_water: Some(Offset::ZERO),
            steer: None,
            quiet_since_ms: None,
            queued_at_ms: Wall.now(),
            started_at_ms: Some(Wall.now()),
            ended_at_ms: Some(Wall.now()),
            usage: None,
            error: None,
            content: TurnContent::default(),
        }
    }

    fn item(&mut self, turn: TurnId, n: u64) -> SessionFact {
        let ord = self.place();
        let (role, content) = match n % 5 {
            0 => (Role::User, ItemContent::Text { text: format!("Question {ord}: what stands at place {ord}?") }),
            1 => (Role::Agent, ItemContent::Reasoning { text: format!("I count to {ord}.") }),
            2 | 3 => (
                Role::Agent,
                ItemContent::ToolCall(ToolCall {
                    tool: ToolKind::Execute,
                    name: "Bash".to_owned(),
                    title: format!("sed -n {ord}p notes.txt"),
                    input: format!("{{\"command\":\"sed -n {ord}p notes.txt\"}}"),
                    output: format!("line {ord}\n").repeat(8),
                    exit_code: Some(0),
                    ..ToolCall::default()
                }),
            ),
            _ => (Role::Agent, ItemContent::Text { text: format!("At place {ord} stands **line {ord}**, as always.") }),
        };
        let item = Item {
            v: 1,
            session: self.session,
            turn,
            ord,
            parent: None,
            role,
            sender: None,
            status: ItemStatus::Done,
            index: 0,
            created_at_ms: Wall.now(),
            settled_at_ms: Some(Wall.now()),
            left_out_bytes: 0,
            content,
        };
        (ItemId::from_uuid(Wall.fresh()), Operation::Insert, item).into()
    }
}

fn lists(
    hub: &hub::Hub,
    host: DeviceId,
    session: SessionId,
    last: TurnId,
    path: &std::path::Path,
    items: u64,
) -> Vec<FeedFact> {
    let project = ProjectId::from_uuid(Wall.fresh());
    let name = path.file_name().map_or_else(|| "project".into(), |name| name.to_string_lossy().into_owned());
    let content = ProjectContent { name, path: path.display().to_string() };
    let listed = Project { v: 1, host, available: true, created_at_ms: Wall.now(), content };
    let row = Session {
        v: 1,
        account: hub.account(),
        host,
        project,
        agent: "demo".to_owned(),
        model: None,
        mode: None,
        effort: None,
        activity: Activity::NotLoaded,
        last_turn: Some(LastTurn { id: last, state: TurnState::Completed }),
        queued_turns: 0,
        background_tasks: 0,
        created_at_ms: Wall.now(),
        updated_at_ms: Wall.now(),
        archived_at_ms: None,
        ended_turns: 0,
        from: None,
        content: SessionContent { title: format!("A session of {items} items"), doing: None },
    };
    vec![(project, Operation::Insert, listed).into(), (session, Operation::Insert, row).into()]
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(store), Some(project)) = (arguments.next(), arguments.next()) else {
        return Err("usage: long_session STORE_DIR PROJECT_PATH [ITEMS]".into());
    };
    let items: u64 = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    let clock: Arc<dyn Clock> = Arc::new(Wall);
    let sqlite = store::SqliteStore::open(PathBuf::from(store), Arc::clone(&clock))?;
    let streams = streams::Streams::new(Arc::new(sqlite));
    let options = hub::Options {
        node_name: "long".to_owned(),
        node_platform: "none".to_owned(),
        node_public_key: None,
        host: true,
        version: "0".to_owned(),
        allowed_hosts: Vec::new(),
        allowed_origins: Vec::new(),
        secure: false,
        trusted_proxies: Vec::new(),
    };
    let hub = hub::Hub::open(streams, clock, Arc::new(hub::SystemRandom), options).await?;
    let port: Arc<dyn HubPort> = hub.host_port().ok_or("a hub without a host")?;
    let started = port.start(HostContent::default(), 1).await?;
    let session = SessionId::from_uuid(Wall.fresh());
    let mut writer = Writer { session, ord: 0 };
    let mut last = None;
    let mut streams = vec![StreamStep::CreateJournal(session)];
    let mut written = 0;
    while written < items {
        let turn = TurnId::from_uuid(Wall.fresh());
        let mut facts: Vec<SessionFact> = vec![(turn, Operation::Insert, writer.turn()).into()];
        for n in 0..ITEMS_PER_TURN.min(items - written) {
            facts.push(writer.item(turn, n));
            written += 1;
        }
        streams.push(StreamStep::Journal(session, facts));
        last = Some(turn);
        let steps = std::mem::take(&mut streams);
        port.report(Report { generation: started.generation, streams: steps, ..Report::default() }).await?;
    }
    let last = last.ok_or("a session of no items")?;
    let feed = lists(&hub, started.host, session, last, &PathBuf::from(project), items);
    port.report(Report { generation: started.generation, feed, ..Report::default() }).await?;
    port.stop(started.generation).await?;
    hub.stop().await;
    println!("{{\"session\":\"{session}\",\"items\":{items}}}");
    Ok(())
}
