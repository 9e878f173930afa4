//! Lists and transcripts: what a client opens with, and that nothing is lost or turned back where it meets the stream.

use std::collections::HashMap;
use std::sync::Arc;

use protocol::command::CommandState;
use protocol::error::ErrorCode;
use protocol::fact::{FeedFact, SessionFact};
use protocol::limits::MAX_ITEMS_PAGE;
use protocol::path::StreamPath;
use protocol::port::{Report, StreamStep, Transition};
use protocol::turn::TurnState;
use store::{Append, Batch, SqliteStore};

use crate::testing::{TestClock, World};

#[tokio::test(start_paused = true)]
async fn pages_from_the_end_hold_every_item_once_and_in_order() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    let turn = world.running_turn(generation, session).await;
    let mut expected = Vec::new();
    for n in 0..25 {
        let fact = world.item_fact(session, turn, &n.to_string());
        expected.push(fact.encode().unwrap());
        let again = world.turn_fact(session, turn, TurnState::Running);
        let streams = vec![StreamStep::Journal(session, vec![fact, again])];
        world.report(Report { generation, streams, ..Report::default() }).await;
    }
    let account = world.hub.account();
    let tail = world.hub.streams().head(&StreamPath::journal(session)).await.unwrap().unwrap().tail;
    let mut pages = Vec::new();
    let mut before = None;
    loop {
        let page = world.hub.transcript(account, session, before, Some(4)).await.unwrap();
        assert_eq!(page.tail, tail);
        assert_eq!(page.open.len(), usize::from(before.is_none()), "the first page names the turn that runs");
        let items: Vec<String> =
            page.facts.iter().map(|f| f.get().to_owned()).filter(|f| f.contains("\"item\"")).collect();
        let turns = page.facts.iter().filter(|f| f.get().contains("\"type\":\"turn\"")).count();
        assert!(items.len() <= 4 && turns <= 1);
        pages.push(items);
        match page.before {
            Some(older) => before = Some(older),
            None => break,
        }
    }
    let all: Vec<String> = pages.into_iter().rev().flatten().collect();
    assert_eq!(all, expected.iter().map(|b| String::from_utf8(b.to_vec()).unwrap()).collect::<Vec<_>>());

    let over = world.turn_fact(session, turn, TurnState::Completed);
    let streams = vec![StreamStep::Journal(session, vec![over])];
    world.report(Report { generation, streams, ..Report::default() }).await;
    let page = world.hub.transcript(account, session, None, None).await.unwrap();
    assert!(page.open.is_empty());
    let (stranger, _) = world.stranger().await;
    let refused = world.hub.transcript(stranger.account, session, None, None).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::NotFound);
    let nowhere = protocol::offset::Offset::new(0, 3);
    let refused = world.hub.transcript(account, session, Some(nowhere), None).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::OffsetInvalid);
}

#[tokio::test(start_paused = true)]
async fn an_empty_session_is_an_empty_page() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    let page = world.hub.transcript(world.hub.account(), session, None, None).await.unwrap();
    assert!(page.facts.is_empty() && page.open.is_empty() && page.before.is_none());
}

#[tokio::test]
async fn a_hundred_thousand_items_open_from_their_end_in_well_under_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let store = Arc::new(SqliteStore::open(dir.path(), clock.clone()).unwrap());
    let world = World::over(store, clock).await;
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    let turn = world.running_turn(generation, session).await;
    let text = "a line of an answer ".repeat(10);
    for _ in 0..20 {
        let facts: Vec<_> = (0..5_000).map(|_| world.item_fact(session, turn, &text).encode().unwrap()).collect();
        world.hub.commit(Batch::of(Append::new(StreamPath::journal(session), facts))).await.unwrap();
    }
    let began = std::time::Instant::now();
    let page = world.hub.transcript(world.hub.account(), session, None, None).await.unwrap();
    let older = world.hub.transcript(world.hub.account(), session, page.before, Some(MAX_ITEMS_PAGE)).await.unwrap();
    let took = began.elapsed();
    assert_eq!((page.facts.len(), older.facts.len()), (60, MAX_ITEMS_PAGE));
    assert!(took.as_millis() < 300, "{took:?}");
    world.hub.stop().await;
}

/// Folds facts as a client does: the last one of a row stands.
fn fold(rows: &mut HashMap<String, String>, message: &[u8]) {
    let text = String::from_utf8(message.to_vec()).unwrap();
    let change: serde_json::Value = serde_json::from_slice(message).unwrap();
    let key = format!("{}/{}", change["type"], change["key"]);
    if change["headers"]["operation"] == "delete" {
        rows.remove(&key);
    } else {
        rows.insert(key, text);
    }
}

#[tokio::test]
async fn lists_taken_while_everything_moves_meet_the_feed_without_loss() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    let (hub, owner, port) = (world.hub.clone(), world.owner.clone(), world.port());
    let requests: Vec<_> = (0..60).map(|n| world.prompt(session, &n.to_string())).collect();
    let mover = tokio::spawn(async move {
        for request in requests {
            hub.submit(&owner, request).await.unwrap();
            let lease = port.lease(generation, 1).await.unwrap().remove(0);
            for state in [CommandState::Running, CommandState::Succeeded] {
                let commands = vec![Transition::to(lease.id, lease.token, state)];
                port.report(Report { generation, commands, ..Report::default() }).await.unwrap();
                // A store in memory never makes anybody wait, so the others would not get their turn.
                tokio::task::yield_now().await;
            }
        }
    });
    let account = world.hub.account();
    let mut joins = Vec::new();
    while !mover.is_finished() {
        joins.push(world.hub.lists(account).await.unwrap());
        tokio::task::yield_now().await;
    }
    mover.await.unwrap();
    let last = world.hub.lists(account).await.unwrap();
    let mut expected = HashMap::new();
    last.facts.iter().for_each(|fact| fold(&mut expected, fact.get().as_bytes()));
    assert!(joins.len() > 10);
    for join in joins {
        let mut rows = HashMap::new();
        join.facts.iter().for_each(|fact| fold(&mut rows, fact.get().as_bytes()));
        let rest =
            world.hub.streams().read(&StreamPath::feed(account), Some(join.offset), 1 << 24, 1 << 20).await.unwrap();
        rest.messages.iter().for_each(|message| fold(&mut rows, &message.body));
        assert_eq!(rows, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn old_commands_leave_the_lists_and_open_ones_stay() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    let open = world.prompt(session, "waits");
    for n in 0..130 {
        let request = world.prompt(session, &n.to_string());
        world.hub.submit(&world.owner, request.clone()).await.unwrap();
        world.hub.cancel(&world.owner, request.id).await.unwrap();
        if n == 0 {
            world.hub.submit(&world.owner, open.clone()).await.unwrap();
        }
    }
    let lists = world.hub.lists(world.hub.account()).await.unwrap();
    let commands: Vec<_> = lists
        .facts
        .iter()
        .filter_map(|fact| match FeedFact::parse(fact.get().as_bytes()) {
            Ok(FeedFact::Command { id, .. }) => Some(id),
            _ => None,
        })
        .collect();
    assert_eq!(commands.len(), 101);
    assert!(commands.contains(&open.id));
}

#[tokio::test(start_paused = true)]
async fn an_approval_that_waits_is_told_with_the_first_page_however_far_back_it_is() {
    use protocol::approval::{Approval, ApprovalContent, ApprovalKind, ApprovalState};
    use protocol::id::ApprovalId;
    use protocol::time::Clock;
    let world = World::new().await;
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    let turn = world.running_turn(generation, session).await;
    let id = ApprovalId::from_uuid(world.clock.fresh());
    let approval = |state| {
        let value = Approval {
            v: 1,
            session,
            turn,
            item: None,
            ord: 2,
            kind: ApprovalKind::Permission,
            state,
            options: Vec::new(),
            decision: None,
            created_at_ms: world.clock.now(),
            expires_at_ms: None,
            content: ApprovalContent::default(),
        };
        SessionFact::from((id, protocol::fact::Operation::Insert, value))
    };
    let mut facts = vec![approval(ApprovalState::Pending)];
    facts.extend((0..80).map(|n| world.item_fact(session, turn, &n.to_string())));
    let streams = vec![StreamStep::Journal(session, facts)];
    world.report(Report { generation, streams, ..Report::default() }).await;
    let page = world.hub.transcript(world.hub.account(), session, None, None).await.unwrap();
    assert_eq!(page.open.iter().filter(|fact| fact.get().contains(&id.to_string())).count(), 1);
    let streams = vec![StreamStep::Journal(session, vec![approval(ApprovalState::Answered)])];
    world.report(Report { generation, streams, ..Report::default() }).await;
    let page = world.hub.transcript(world.hub.account(), session, None, None).await.unwrap();
    assert_eq!(page.open.len(), 1, "only the turn");
}
