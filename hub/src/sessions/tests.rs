//! Named, put away, read, deleted: at once, for good, and for all devices.

use std::sync::Arc;
use std::time::Duration;

use protocol::command::CommandState;
use protocol::error::ErrorCode;
use protocol::fact::{FACT_VERSION, FeedFact, Operation};
use protocol::id::{ApprovalId, ProjectId, SessionId};
use protocol::path::StreamPath;
use protocol::port::{PortError, Report, SessionNews, StreamStep, Transition};
use protocol::session::{Activity, ReadMark, Session, SessionContent, SessionEdit};
use protocol::time::Clock;
use streams::{FollowError, Position};
use tokio::time::{sleep, timeout};

use crate::testing::{TestClock, World, delta};

fn rename(title: &str) -> SessionEdit {
    SessionEdit { title: Some(title.to_owned()), archived: None }
}

const fn put_away(archived: bool) -> SessionEdit {
    SessionEdit { title: None, archived: Some(archived) }
}

/// What the host says of a session.
fn said(world: &World, id: SessionId, title: &str, ended_turns: u64) -> FeedFact {
    let value = Session {
        v: FACT_VERSION,
        account: world.hub.account(),
        host: world.hub.node(),
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
        ended_turns,
        from: None,
        content: SessionContent { title: title.to_owned(), doing: None },
    };
    FeedFact::from((id, Operation::Update, value))
}

async fn tell(world: &World, generation: u64, id: SessionId, title: &str, ended_turns: u64) {
    let feed = vec![said(world, id, title, ended_turns)];
    world.report(Report { generation, feed, ..Report::default() }).await;
}

async fn facts(world: &World) -> Vec<FeedFact> {
    let lists = world.hub.lists(world.hub.account()).await.unwrap();
    lists.facts.iter().map(|fact| FeedFact::parse(fact.get().as_bytes()).unwrap()).collect()
}

async fn listed(world: &World, id: SessionId) -> Option<Session> {
    facts(world).await.into_iter().find_map(|fact| match fact {
        FeedFact::Session { id: of, value, .. } if of == id => value,
        _ => None,
    })
}

async fn mark(world: &World, id: SessionId) -> Option<ReadMark> {
    facts(world).await.into_iter().find_map(|fact| match fact {
        FeedFact::ReadMark { id: of, value, .. } if of == id => value,
        _ => None,
    })
}

#[tokio::test(start_paused = true)]
async fn what_a_person_set_stands_whatever_the_host_says_later() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    tell(&world, generation, session, "made from a prompt", 0).await;
    world.hub.edit_session(&world.owner, session, rename(" Tides ")).await.unwrap();
    world.hub.edit_session(&world.owner, session, put_away(true)).await.unwrap();
    let away = listed(&world, session).await.unwrap();
    assert_eq!(away.content.title, "Tides");
    let at = away.archived_at_ms.expect("it was put away");
    sleep(Duration::from_secs(5)).await;
    tell(&world, generation, session, "made from a prompt", 1).await;
    world.hub.edit_session(&world.owner, session, put_away(true)).await.unwrap();
    let world = world.again().await;
    let generation = world.start_host().await;
    tell(&world, generation, session, "another", 2).await;
    let still = listed(&world, session).await.unwrap();
    assert_eq!((still.content.title.as_str(), still.archived_at_ms, still.ended_turns), ("Tides", Some(at), 2));
    world.hub.submit(&world.owner, world.prompt(session, "go on")).await.unwrap();
    let back = listed(&world, session).await.unwrap();
    assert_eq!((back.archived_at_ms, back.content.title.as_str()), (None, "Tides"), "a prompt takes it out again");
    tell(&world, generation, session, "another", 3).await;
    assert_eq!(listed(&world, session).await.unwrap().archived_at_ms, None);
    let actions: Vec<String> = world.audited().await.into_iter().map(|entry| entry.action).collect();
    for action in ["session.rename", "session.archive"] {
        assert_eq!(actions.iter().filter(|found| *found == action).count(), 1, "{action}: {actions:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_edit_and_a_report_at_once_both_count() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    tell(&world, generation, session, "made", 0).await;
    for round in 1..=50_u64 {
        let title = format!("title {round}");
        let edit = world.hub.edit_session(&world.owner, session, rename(&title));
        let port = world.port();
        let feed = vec![said(&world, session, "made", round)];
        let report = port.report(Report { generation, feed, ..Report::default() });
        let (edited, reported) = tokio::join!(edit, report);
        edited.unwrap();
        reported.unwrap();
        let row = listed(&world, session).await.unwrap();
        assert_eq!((row.content.title, row.ended_turns), (title, round));
    }
}

#[tokio::test(start_paused = true)]
async fn a_title_that_cannot_be_one_and_a_session_of_somebody_else_are_refused() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    tell(&world, generation, session, "made", 0).await;
    for title in ["", "  ", "a\nb", "\u{202e}evil", &"x".repeat(121)] {
        let refused = world.hub.edit_session(&world.owner, session, rename(title)).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::BadRequest, "{title:?}");
    }
    let (stranger, _) = world.stranger().await;
    assert_eq!(world.hub.edit_session(&stranger, session, rename("mine")).await.unwrap_err().code, ErrorCode::NotFound);
    assert_eq!(world.hub.mark_read(&stranger, session, 1).await.unwrap_err().code, ErrorCode::NotFound);
    assert_eq!(world.hub.delete_session(&stranger, session).await.unwrap_err().code, ErrorCode::NotFound);
    assert_eq!(listed(&world, session).await.unwrap().content.title, "made");
    world.hub.delete_session(&world.owner, session).await.unwrap();
    assert_eq!(world.hub.delete_session(&stranger, session).await.unwrap_err().code, ErrorCode::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_read_mark_only_grows_and_never_beyond_what_has_ended() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    tell(&world, generation, session, "made", 3).await;
    let steps = [(2, Some(2)), (1, Some(2)), (99, Some(3)), (0, Some(3))];
    assert_eq!(listed(&world, session).await.unwrap().unread(None), 3);
    for (said, expected) in steps {
        world.hub.mark_read(&world.owner, session, said).await.unwrap();
        assert_eq!(mark(&world, session).await.map(|mark| mark.read_turns), expected, "after {said}");
    }
    tell(&world, generation, session, "made", 5).await;
    let mark = mark(&world, session).await.unwrap();
    assert_eq!((mark.account, mark.session), (world.hub.account(), session));
    assert_eq!(listed(&world, session).await.unwrap().unread(Some(&mark)), 2);
}

/// A session with a running turn, an approval in the lists, a waiting, a running and an ended command, a name and a mark.
async fn full(world: &World, generation: u64) -> (SessionId, protocol::id::TurnId, protocol::port::Leased) {
    let session = world.live_session(generation).await;
    let turn = world.running_turn(generation, session).await;
    let item = protocol::id::ItemId::from_uuid(world.clock.fresh());
    let streams = vec![
        StreamStep::Journal(session, vec![world.item_fact(session, turn, "CANARY")]),
        StreamStep::Turn(turn, vec![delta(item, 0)]),
    ];
    let approval = protocol::approval::Approval {
        v: FACT_VERSION,
        session,
        turn,
        item: None,
        ord: 2,
        kind: protocol::approval::ApprovalKind::Permission,
        state: protocol::approval::ApprovalState::Pending,
        options: Vec::new(),
        decision: None,
        created_at_ms: world.clock.now(),
        expires_at_ms: None,
        content: protocol::approval::ApprovalContent::default(),
    };
    let approval = FeedFact::from((ApprovalId::from_uuid(world.clock.fresh()), Operation::Insert, approval));
    let feed = vec![said(world, session, "CANARY", 2), approval];
    world.report(Report { generation, streams, feed, ..Report::default() }).await;
    for text in ["CANARY ended", "CANARY running"] {
        world.hub.submit(&world.owner, world.prompt(session, text)).await.unwrap();
    }
    let mut leased = world.port().lease(generation, 2).await.unwrap();
    let to = |leased: &protocol::port::Leased, state| Transition::to(leased.id, leased.token, state);
    let steps = [vec![to(&leased[0], CommandState::Running), to(&leased[1], CommandState::Running)]];
    for commands in steps {
        world.report(Report { generation, commands, ..Report::default() }).await;
    }
    let commands = vec![to(&leased[0], CommandState::Succeeded)];
    world.report(Report { generation, commands, ..Report::default() }).await;
    world.hub.submit(&world.owner, world.prompt(session, "CANARY waiting")).await.unwrap();
    world.hub.edit_session(&world.owner, session, rename("CANARY title")).await.unwrap();
    world.hub.mark_read(&world.owner, session, 1).await.unwrap();
    (session, turn, leased.remove(1))
}

/// Every entry of the map that names a session, or holds the canary.
async fn traces(world: &World, session: SessionId) -> Vec<String> {
    let all = world.hub.scan(String::new(), None, 10_000).await.unwrap();
    let id = session.to_string();
    let names = |entry: &store::Entry| {
        let text = String::from_utf8_lossy(&entry.value).into_owned();
        entry.key.contains(&id) || text.contains(&id) || text.contains("CANARY")
    };
    all.into_iter().filter(names).map(|entry| entry.key).collect()
}

#[tokio::test(start_paused = true)]
async fn a_deleted_session_leaves_a_tombstone_the_audit_trail_and_nothing_else() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let kept = world.live_session(generation).await;
    tell(&world, generation, kept, "kept", 0).await;
    let (session, turn, running) = full(&world, generation).await;
    let account = world.hub.account();
    let feed_before = world.hub.lists(account).await.unwrap().offset;
    world.hub.delete_session(&world.owner, session).await.unwrap();
    world.hub.delete_session(&world.owner, session).await.unwrap();
    for stream in [StreamPath::journal(session), StreamPath::turn(turn)] {
        assert!(world.hub.streams().head(&stream).await.unwrap().is_none(), "{stream}");
        assert!(world.hub.may_read(account, &stream).await.is_err(), "{stream}");
    }
    assert!(listed(&world, session).await.is_none() && listed(&world, kept).await.is_some());
    let told = world.port().news(generation, None, false).await.unwrap();
    let (last, news) = told.last().unwrap().clone();
    assert_eq!(news, SessionNews::Deleted { session });
    // What the host was doing comes to its end, and then there is nothing more.
    let failed = Transition::failed(running.id, running.token, ErrorCode::NotFound, "deleted");
    world.report(Report { generation, commands: vec![failed], ..Report::default() }).await;
    assert!(world.port().news(generation, Some(last), false).await.unwrap().is_empty());
    sleep(Duration::from_secs(5)).await;
    let left = traces(&world, session).await;
    assert!(left.iter().all(|key| key.starts_with("hub/audit/") || key.starts_with("hub/gone/")), "{left:#?}");
    let page = world.hub.streams().read(&StreamPath::feed(account), Some(feed_before), 1 << 20, 4096).await.unwrap();
    let gone = page.messages.iter().map(|message| FeedFact::parse(&message.body).unwrap());
    let mut gone: Vec<String> = gone
        .filter_map(|fact| {
            let (kind, _, operation) = crate::feed::row_of(&fact)?;
            (operation == Operation::Delete).then(|| kind.to_owned())
        })
        .collect();
    gone.sort_unstable();
    assert_eq!(gone, ["approval", "command", "command", "command", "read_mark", "session"]);
    let again = world.hub.submit(&world.owner, world.start_session(session)).await.unwrap_err();
    assert_eq!(again.code, ErrorCode::SessionExists, "its id is nobody else's");
    assert!(world.audited().await.iter().any(|entry| entry.action == "session.delete" && entry.outcome == "ok"));
}

#[tokio::test(start_paused = true)]
async fn what_the_host_still_says_of_a_deleted_session_is_refused() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let (session, turn, _) = full(&world, generation).await;
    world.hub.delete_session(&world.owner, session).await.unwrap();
    let item = protocol::id::ItemId::from_uuid(world.clock.fresh());
    let late = [
        Report { streams: vec![StreamStep::Turn(turn, vec![delta(item, 1)])], ..Report::default() },
        Report {
            streams: vec![StreamStep::Journal(session, vec![world.item_fact(session, turn, "late")])],
            ..Report::default()
        },
        Report { streams: vec![StreamStep::CreateJournal(session)], ..Report::default() },
        Report { feed: vec![said(&world, session, "late", 9)], ..Report::default() },
    ];
    for (n, report) in late.into_iter().enumerate() {
        let refused = world.port().report(Report { generation, ..report }).await;
        assert!(matches!(refused, Err(PortError::Refused { .. })), "{n}: {refused:?}");
    }
    assert!(listed(&world, session).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn followers_of_a_deleted_session_hear_its_end() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let (session, turn, _) = full(&world, generation).await;
    let mut waiting = Vec::new();
    for stream in [StreamPath::journal(session), StreamPath::turn(turn)] {
        let mut follower = world.hub.streams().follow(&stream, Position::Now).await.unwrap();
        waiting.push(tokio::spawn(async move { timeout(Duration::from_secs(5), follower.next(1024, 16)).await }));
    }
    tokio::task::yield_now().await;
    world.hub.delete_session(&world.owner, session).await.unwrap();
    for waiting in waiting {
        let heard = waiting.await.unwrap().expect("within its time");
        assert!(matches!(heard, Err(FollowError::Gone { .. })), "{heard:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_in_the_middle_leaves_nothing_half_deleted() {
    for written in [false, true] {
        let clock = TestClock::new();
        let store = Arc::new(store::Faulty::new(store::MemoryStore::new(clock.clone())));
        let world = World::over(store.clone(), clock).await;
        let generation = world.start_host().await;
        let (session, turn, _) = full(&world, generation).await;
        store.plan_commit(Some(if written { store::CommitFault::After } else { store::CommitFault::Before }));
        world.hub.delete_session(&world.owner, session).await.unwrap_err();
        store.mend();
        let world = world.again().await;
        let there = [StreamPath::journal(session), StreamPath::turn(turn)];
        let mut streams = Vec::new();
        for stream in &there {
            streams.push(world.hub.streams().head(stream).await.unwrap().is_some());
        }
        let listed = listed(&world, session).await.is_some();
        let generation = world.start_host().await;
        let news = world.port().news(generation, None, false).await.unwrap();
        let told = news.iter().any(|(_, news)| *news == SessionNews::Deleted { session });
        assert_eq!((streams, listed, told), (vec![!written; 2], !written, written), "written: {written}");
        world.hub.delete_session(&world.owner, session).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn news_wait_for_the_host_until_it_has_heard() {
    let world = World::new().await;
    let old = world.start_host().await;
    let session = world.live_session(old).await;
    tell(&world, old, session, "made", 0).await;
    let port = world.port();
    let waiting = tokio::spawn(async move { port.news(old, None, true).await });
    tokio::task::yield_now().await;
    world.hub.edit_session(&world.owner, session, rename("Tides")).await.unwrap();
    let told = timeout(Duration::from_secs(1), waiting).await.expect("at once").unwrap().unwrap();
    let (number, news) = told[0].clone();
    assert_eq!((told.len(), news), (1, SessionNews::Renamed { session, title: "Tides".to_owned() }));
    let world = world.again().await;
    let new = world.start_host().await;
    assert_eq!(world.port().news(new, None, false).await.unwrap(), told, "it was not said to be heard");
    let replaced = world.port().news(old, Some(number), false).await.unwrap_err();
    assert_eq!(replaced, PortError::Replaced { generation: old, current: new });
    world.hub.edit_session(&world.owner, session, rename("Ebb")).await.unwrap();
    let later = world.port().news(new, Some(number), false).await.unwrap();
    assert_eq!(later.len(), 1, "only what came after");
    assert!(later[0].0 > number, "numbers grow across restarts");
}
