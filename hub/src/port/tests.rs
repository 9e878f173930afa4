//! The port: one report is one step, of this host's own things, by its newest generation only.

use std::time::Duration;

use bytes::Bytes;
use protocol::command::CommandState;
use protocol::fact::{FACT_VERSION, FeedFact, Operation, SessionFact};
use protocol::host::{HostContent, Presence, Project, ProjectContent};
use protocol::id::{AccountId, DeviceId, ItemId, ProjectId, SessionId};
use protocol::limits::TURN_STREAM_MS;
use protocol::path::StreamPath;
use protocol::port::{PortError, Report, StreamStep, Transition};
use protocol::session::{Activity, Session, SessionContent};
use protocol::time::Clock;
use protocol::turn::TurnState;
use tokio::time::sleep;

use crate::testing::{World, delta};

fn session_fact(world: &World, id: SessionId, host: DeviceId) -> FeedFact {
    let value = Session {
        v: FACT_VERSION,
        account: AccountId::from_uuid(world.clock.fresh()),
        host,
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
        content: SessionContent::default(),
    };
    FeedFact::from((id, Operation::Update, value))
}

async fn presence(world: &World) -> Presence {
    let lists = world.hub.lists(world.hub.account()).await.unwrap();
    let facts = lists.facts.iter().map(|fact| FeedFact::parse(fact.get().as_bytes()).unwrap());
    let mut hosts = facts.filter_map(|fact| match fact {
        FeedFact::Host { value: Some(host), .. } => Some(host.presence),
        _ => None,
    });
    hosts.next().unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_old_generation_can_change_nothing() {
    let world = World::new().await;
    assert_eq!(presence(&world).await, Presence::Offline);
    let old = world.start_host().await;
    let session = world.live_session(old).await;
    let turn = world.running_turn(old, session).await;
    let (port, stale) = (world.port(), old);
    let waiting = tokio::spawn(async move { port.lease(stale, 1).await });
    tokio::task::yield_now().await;
    let new = world.start_host().await;
    assert_eq!(presence(&world).await, Presence::Online);
    let replaced = PortError::Replaced { generation: old, current: new };
    assert_eq!(waiting.await.unwrap().unwrap_err(), replaced);
    let item = ItemId::from_uuid(world.clock.fresh());
    let streams = vec![StreamStep::Turn(turn, vec![delta(item, 0)])];
    let report = Report { generation: old, streams, ..Report::default() };
    assert_eq!(world.port().report(report.clone()).await.unwrap_err(), replaced);
    assert_eq!(world.port().update(old, HostContent::default()).await.unwrap_err(), replaced);
    assert_eq!(world.port().stop(old).await.unwrap_err(), replaced);
    world.report(Report { generation: new, ..report }).await;
    world.port().stop(new).await.unwrap();
    assert_eq!(presence(&world).await, Presence::Offline);
}

#[tokio::test(start_paused = true)]
async fn a_running_command_stays_with_the_host_across_its_restarts() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let request = world.start_session(world.session());
    world.hub.submit(&world.owner, request.clone()).await.unwrap();
    let lease = world.port().lease(generation, 1).await.unwrap().remove(0);
    let running = Transition::to(lease.id, lease.token, CommandState::Running);
    world.report(Report { generation, commands: vec![running], ..Report::default() }).await;
    let world = world.again().await;
    let generation = world.start_host().await;
    let done = Transition::to(lease.id, lease.token, CommandState::Succeeded);
    world.report(Report { generation, commands: vec![done], ..Report::default() }).await;
    let ack = world.hub.command(world.hub.account(), request.id).await.unwrap();
    assert_eq!(ack.state, CommandState::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn a_report_tells_where_each_stream_ends() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    let turn = world.running_turn(generation, session).await;
    let item = ItemId::from_uuid(world.clock.fresh());
    let facts = [delta(item, 0), delta(item, 1)];
    let bytes: usize = facts.iter().map(|fact| fact.encode().unwrap().len()).sum();
    let streams = vec![
        StreamStep::Turn(turn, facts.to_vec()),
        StreamStep::Turn(turn, vec![delta(item, 2)]),
        StreamStep::CloseTurn(turn),
    ];
    let ends = world.report(Report { generation, streams, ..Report::default() }).await.ends;
    assert_eq!(ends[0].0.byte, 0);
    assert_eq!(ends[0].1.byte, bytes as u64);
    assert_eq!(ends[1].0, ends[0].1);
    assert_eq!(ends[2], (ends[1].1, ends[1].1));
    let page = world.port().read(StreamPath::turn(turn), Some(ends[0].1), 1 << 20).await.unwrap();
    assert_eq!((page.messages.len(), page.next, page.up_to_date), (1, ends[1].1, true));
    let strange = StreamPath::feed(world.hub.account());
    assert!(matches!(world.port().read(strange, None, 9).await, Err(PortError::NoStream { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_turn_stream_goes_a_day_after_it_was_closed() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    let (closed, running) =
        (world.running_turn(generation, session).await, world.running_turn(generation, session).await);
    world.report(Report { generation, streams: vec![StreamStep::CloseTurn(closed)], ..Report::default() }).await;
    let account = world.hub.account();
    sleep(Duration::from_millis(TURN_STREAM_MS - 1_000)).await;
    world.hub.may_read(account, &StreamPath::turn(closed)).await.unwrap();
    sleep(Duration::from_secs(62)).await;
    assert!(world.hub.may_read(account, &StreamPath::turn(closed)).await.is_err());
    assert!(world.hub.streams().head(&StreamPath::turn(closed)).await.unwrap().is_none());
    assert!(world.hub.streams().head(&StreamPath::turn(running)).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn what_is_not_this_hosts_own_is_refused_and_nothing_of_the_report_happens() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    let other = world.live_session(generation).await;
    let turn = world.running_turn(generation, session).await;
    let (node, foreign) = (world.hub.node(), DeviceId::from_uuid(world.clock.fresh()));
    let project = |host| {
        let content = ProjectContent { name: "app".to_owned(), path: "~/app".to_owned() };
        let value = Project { v: FACT_VERSION, host, available: true, created_at_ms: world.clock.now(), content };
        FeedFact::from((ProjectId::from_uuid(world.clock.fresh()), Operation::Insert, value))
    };
    let item = ItemId::from_uuid(world.clock.fresh());
    let unknown = world.turn();
    let device = FeedFact::Device { id: foreign, operation: Operation::Delete, value: None };
    let bad = [
        Report {
            streams: vec![StreamStep::Journal(world.session(), vec![world.item_fact(session, turn, "x")])],
            ..Report::default()
        },
        Report {
            streams: vec![StreamStep::Journal(other, vec![world.item_fact(session, turn, "x")])],
            ..Report::default()
        },
        Report {
            streams: vec![StreamStep::Journal(other, vec![world.turn_fact(other, turn, TurnState::Running)])],
            ..Report::default()
        },
        Report { streams: vec![StreamStep::Journal(session, vec![delta(item, 0)])], ..Report::default() },
        Report { streams: vec![StreamStep::Journal(session, vec![])], ..Report::default() },
        Report { streams: vec![StreamStep::Turn(unknown, vec![delta(item, 0)])], ..Report::default() },
        Report { streams: vec![StreamStep::Turn(turn, vec![world.item_fact(other, turn, "x")])], ..Report::default() },
        Report { streams: vec![StreamStep::CreateTurn(unknown)], ..Report::default() },
        Report { streams: vec![StreamStep::CreateTurn(turn)], ..Report::default() },
        Report { streams: vec![StreamStep::CreateJournal(session)], ..Report::default() },
        Report { feed: vec![project(foreign)], ..Report::default() },
        Report { feed: vec![session_fact(&world, session, foreign)], ..Report::default() },
        Report { feed: vec![session_fact(&world, world.session(), node)], ..Report::default() },
        Report { feed: vec![device], ..Report::default() },
        Report { notes: vec![(String::new(), None)], ..Report::default() },
    ];
    let journal = world.hub.streams().head(&StreamPath::journal(session)).await.unwrap().unwrap().tail;
    let good = StreamStep::Journal(session, vec![world.item_fact(session, turn, "good")]);
    for (n, mut report) in bad.into_iter().enumerate() {
        report.generation = generation;
        report.streams.insert(0, good.clone());
        let refused = world.port().report(report).await;
        assert!(matches!(refused, Err(PortError::Refused { .. })), "{n}: {refused:?}");
    }
    assert_eq!(world.hub.streams().head(&StreamPath::journal(session)).await.unwrap().unwrap().tail, journal);
}

#[tokio::test(start_paused = true)]
async fn the_account_of_a_session_is_the_hubs_to_say_and_rows_are_inserted_once() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    for expected in [Operation::Insert, Operation::Update] {
        let feed = vec![session_fact(&world, session, world.hub.node())];
        world.report(Report { generation, feed, ..Report::default() }).await;
        let lists = world.hub.lists(world.hub.account()).await.unwrap();
        let facts: Vec<_> = lists.facts.iter().map(|fact| FeedFact::parse(fact.get().as_bytes()).unwrap()).collect();
        let found = facts.iter().find_map(|fact| match fact {
            FeedFact::Session { id, operation, value: Some(value) } if *id == session => {
                Some((*operation, value.account))
            }
            _ => None,
        });
        assert_eq!(found, Some((expected, world.hub.account())));
    }
}

#[tokio::test(start_paused = true)]
async fn notes_commit_with_the_report_and_are_listed_in_order() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let note = |key: &str, value: &'static str| (key.to_owned(), Some(Bytes::from(value)));
    let notes = vec![note("a/2", "two"), note("a/1", "one"), note("b/1", "other")];
    world.report(Report { generation, notes, ..Report::default() }).await;
    let listed = world.port().notes("a/", None, 10).await.unwrap();
    assert_eq!(listed.iter().map(|note| note.key.as_str()).collect::<Vec<_>>(), ["a/1", "a/2"]);
    assert_eq!(world.port().notes("a/", Some("a/1"), 10).await.unwrap().len(), 1);
    world.report(Report { generation, notes: vec![("a/1".to_owned(), None)], ..Report::default() }).await;
    assert_eq!(world.port().notes("a/", None, 10).await.unwrap()[0].value, "two");
}

#[tokio::test(start_paused = true)]
async fn a_report_of_deltas_reads_nothing_and_appends_once() {
    let clock = crate::testing::TestClock::new();
    let store = std::sync::Arc::new(store::Faulty::new(store::MemoryStore::new(clock.clone())));
    let world = World::over(store.clone(), clock).await;
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    let turn = world.running_turn(generation, session).await;
    let facts: Vec<SessionFact> = vec![delta(ItemId::from_uuid(world.clock.fresh()), 0)];
    // A read would fail: everything that a delta needs to know is known.
    store.plan_read(true);
    let streams = vec![StreamStep::Turn(turn, facts)];
    world.report(Report { generation, streams, ..Report::default() }).await;
}
