//! What a node sends is stored whole, as it is, or not at all.

use protocol::fact::SessionFact;
use protocol::id::TurnId;
use protocol::link::Mismatch;
use protocol::turn::TurnState;

use super::*;

/// A journal with a turn that runs, as the node writes it.
fn journal(yard: &Yard, session: SessionId, turn: TurnId) -> Owned {
    let mut journal = Owned::journal(session);
    let fact: SessionFact = yard.world.turn_fact(session, turn, TurnState::Running);
    journal.messages.push(String::from_utf8(fact.encode().expect("a fact").to_vec()).expect("text"));
    // Not as this program would write it.
    journal
        .messages
        .push(r#"{ "type":"weather",  "key":"x","value":{"a" : 1.0},"headers":{"operation":"insert"} }"#.to_owned());
    journal
}

#[tokio::test(start_paused = true)]
async fn lists_and_streams_stand_here_as_they_are_there() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let mut node = yard.linked(&machine).await;
    let (session, turn) = (yard.world.session(), yard.world.turn());
    let mut journal = journal(&yard, session, turn);
    let mut live = Owned { stream: StreamPath::turn(turn), session, messages: vec!["[ 1 ]".to_owned()] };
    let fact = machine.session(&yard.world, session, "one");
    // The turn's stream first: nobody knows it yet.
    node.store(std::slice::from_ref(&fact), vec![live.from(0), journal.from(0)]).await;
    assert_eq!(yard.held(&journal.stream).await, journal.messages);
    assert_eq!(yard.held(&live.stream).await, live.messages);
    yard.world.hub.may_read(machine.account, &live.stream).await.expect("it is the account's");
    let page = yard.world.hub.transcript(machine.account, session, None, None).await.expect("a page");
    assert!(serde_json::to_string(&page).expect("JSON").contains(&turn.to_string()));
    let (_, stranger) = (0, yard.world.stranger().await.0);
    assert!(yard.world.hub.may_read(stranger.account, &live.stream).await.is_err());
    // Over a restart of the hub it goes on where it was.
    let end = yard.feed_end(&machine).await;
    let yard = yard.again().await;
    let (mut node, cursor) = yard.link(&machine, &[]).await;
    assert_eq!(cursor.expect("a cursor").last, Chain::START.after(&fact.encode().expect("a fact")));
    node.say(&NodeFrame::Replicas { req: 70, after: None }).await;
    let streams = match node.hear().await {
        HubFrame::Replicas { req: 70, streams, more: false } => streams,
        other => panic!("{other:?}"),
    };
    let expected = [&journal, &live].map(|owned| {
        let Piece { at, before, .. } = owned.from(owned.messages.len());
        (owned.stream.clone(), at, before, false)
    });
    assert_eq!(streams.into_iter().map(|r| (r.stream, r.tail, r.chain, r.closed)).collect::<Vec<_>>(), expected);
    // What is there already comes again and is no news.
    node.store(&[fact], vec![journal.from(0), live.from(0)]).await;
    assert_eq!(yard.feed_end(&machine).await, end);
    journal.messages.push("[3]".to_owned());
    live.messages.push("[2]".to_owned());
    node.store(&[], vec![journal.from(2), Piece { close: true, ..live.from(1) }]).await;
    assert_eq!(yard.held(&journal.stream).await, journal.messages);
    // A closed turn stream goes after its day, and what comes of it later is no quarrel.
    tokio::time::sleep(Duration::from_millis(protocol::limits::TURN_STREAM_MS + 61_000)).await;
    assert_eq!(yard.held(&live.stream).await, Vec::<String>::new());
    drop(node);
    let ended = yard.world.turn_fact(session, turn, TurnState::Completed).encode().expect("a fact");
    journal.messages.push(String::from_utf8(ended.to_vec()).expect("text"));
    let (mut node, _) = yard.link(&machine, &[]).await;
    node.store(&[], vec![journal.from(3)]).await;
    node.store(&[], vec![live.from(0)]).await;
    node.store(&[], vec![live.from(2)]).await;
    assert_eq!(yard.held(&live.stream).await, Vec::<String>::new());
    node.say(&NodeFrame::Replicas { req: 71, after: None }).await;
    assert!(matches!(node.hear().await, HubFrame::Replicas { streams, more: false, .. } if streams.len() == 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_of_another_host_or_account_refuses_the_whole_push() {
    let yard = Yard::new().await;
    let stranger = yard.world.stranger().await.0;
    let (mine, other, foreign) = (yard.machine().await, yard.machine().await, yard.machine_of(stranger.account).await);
    let theirs: Vec<SessionId> = {
        let mut sessions = Vec::new();
        for machine in [&other, &foreign] {
            let session = yard.world.session();
            let mut journal = Owned::journal(session);
            journal.messages.push("[1]".to_owned());
            let mut node = yard.linked(machine).await;
            node.store(&[machine.session(&yard.world, session, "theirs")], vec![journal.from(0)]).await;
            sessions.push(session);
        }
        sessions
    };
    let mut node = yard.linked(&mine).await;
    let good = yard.world.session();
    let mut journal = Owned::journal(good);
    journal.messages.push("[1]".to_owned());
    for session in theirs {
        let mut theirs = Owned::journal(session);
        theirs.messages.push("[1]".to_owned());
        theirs.messages.push("[2]".to_owned());
        let gone = FeedFact::Session { id: session, operation: Operation::Delete, value: None };
        let bad: [(Vec<FeedFact>, Vec<Piece>); 4] = [
            (vec![mine.session(&yard.world, session, "mine")], vec![]),
            (vec![gone], vec![]),
            (vec![], vec![theirs.from(1)]),
            (vec![other.session(&yard.world, good, "of another")], vec![]),
        ];
        for (facts, mut pieces) in bad {
            // A deletion of what is not in this account's lists is a deletion of nothing.
            let nothing = matches!(facts.first(), Some(FeedFact::Session { value: None, .. }))
                && yard.fact(&mine, "session", &session.to_string()).await.is_none();
            if nothing {
                continue;
            }
            pieces.push(journal.from(0));
            let answer = node.push(&facts, pieces).await;
            assert!(matches!(answer, HubFrame::Error { req: Some(_), .. }), "{answer:?}");
            assert_eq!(yard.held(&journal.stream).await, Vec::<String>::new());
        }
        assert_eq!(yard.held(&theirs.stream).await, ["[1]"]);
    }
    let feed = Piece { stream: StreamPath::feed(mine.account), ..journal.from(0) };
    assert!(matches!(node.push(&[], vec![feed]).await, HubFrame::Error { .. }));
    node.store(&[], vec![journal.from(0)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_does_not_fit_stops_and_is_shown_and_nothing_is_overwritten() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let mut node = yard.linked(&machine).await;
    let session = yard.world.session();
    let mut here = Owned::journal(session);
    here.messages = vec!["[1]".to_owned(), "[2]".to_owned(), "[3]".to_owned()];
    node.store(&[machine.session(&yard.world, session, "one")], vec![here.from(0)]).await;
    drop(node);
    // An hour ago it ended here, and it has gone on otherwise since.
    let mut restored = Owned { messages: here.messages[..1].to_vec(), ..here.clone() };
    restored.messages.push("[\"other\"]".to_owned());
    let machine = Machine { generation: 5, ..machine.started("b") };
    let mut node = yard.linked(&machine).await;
    let mut fresh = Owned::journal(yard.world.session());
    fresh.messages.push("[1]".to_owned());
    let Piece { at, before, .. } = here.from(3);
    match node.push(&[machine.session(&yard.world, fresh.session, "new")], vec![fresh.from(0), restored.from(1)]).await
    {
        HubFrame::Mismatch { mismatch, .. } => {
            let expected = Mismatch { stream: here.stream.clone(), tail: Some(at), chain: Some(before) };
            assert_eq!(mismatch, expected);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(node.hear_end().await, Some(ErrorCode::LinkRestored));
    assert_eq!(yard.presence(&machine).await, (Presence::Offline, Some(AwayReason::Fenced)));
    assert_eq!(yard.held(&here.stream).await, here.messages);
    assert_eq!(yard.held(&fresh.stream).await, Vec::<String>::new());
    assert!(
        yard.world.audited().await.iter().any(|entry| entry.action == "link.push" && entry.outcome == "link_restored")
    );
    // It stays out, also over a restart of the hub, until another disk is started.
    let yard = yard.again().await;
    assert_eq!(yard.refused(&machine).await, ErrorCode::LinkRestored);
    assert_eq!(yard.presence(&machine).await, (Presence::Offline, Some(AwayReason::Fenced)));
    let machine = machine.started("c");
    let mut node = yard.linked(&machine).await;
    here.messages.push("[4]".to_owned());
    node.store(&[], vec![here.from(3)]).await;
    assert_eq!(yard.held(&here.stream).await, here.messages);
}

#[tokio::test(start_paused = true)]
async fn a_list_of_all_rows_takes_away_what_it_does_not_name() {
    let yard = Yard::new().await;
    let (machine, other) = (yard.machine().await, yard.machine().await);
    let ids: Vec<SessionId> = (0..4).map(|_| yard.world.session()).collect();
    let fact = |machine: &Machine, n: usize| machine.session(&yard.world, ids[n], "x");
    let journal = |n: usize| {
        let mut journal = Owned::journal(ids[n]);
        journal.messages.push("[1]".to_owned());
        journal.from(0)
    };
    yard.linked(&other).await.store(&[fact(&other, 3)], vec![journal(3)]).await;
    let mut node = yard.linked(&machine).await;
    node.store(&[fact(&machine, 0), fact(&machine, 1)], vec![journal(0), journal(1)]).await;
    let first = node.push_part(&[fact(&machine, 0)], Some(Part::First), Vec::new()).await;
    assert!(matches!(first, HubFrame::Pushed { .. }), "{first:?}");
    let last = node.push_part(&[fact(&machine, 2)], Some(Part::Last), Vec::new()).await;
    assert!(matches!(last, HubFrame::Pushed { .. }), "{last:?}");
    let mut there = Vec::new();
    for id in &ids {
        there.push(yard.fact(&machine, "session", &id.to_string()).await.is_some());
    }
    assert_eq!(there, [true, false, true, true]);
    assert_eq!(yard.held(&StreamPath::journal(ids[1])).await, Vec::<String>::new());
    // A part without a first one is none.
    let odd = node.push_part(&[], Some(Part::Last), Vec::new()).await;
    assert!(matches!(odd, HubFrame::Error { .. }), "{odd:?}");
}

#[tokio::test]
async fn a_thousand_turns_that_say_something_at_once_go_in_one_commit() {
    let dir = tempfile::tempdir().expect("a directory");
    let clock = crate::testing::TestClock::new();
    let store = store::SqliteStore::open(dir.path().join("db"), clock.clone()).expect("a store");
    let yard = Yard::of(World::over(std::sync::Arc::new(store), clock).await);
    let machine = yard.machine().await;
    let mut node = yard.linked(&machine).await;
    let session = yard.world.session();
    let turns: Vec<TurnId> = (0..1_024).map(|_| yard.world.turn()).collect();
    let mut journal = Owned::journal(session);
    for turn in &turns {
        let fact = yard.world.turn_fact(session, *turn, TurnState::Running).encode().expect("a fact");
        journal.messages.push(String::from_utf8(fact.to_vec()).expect("text"));
    }
    node.store(&[machine.session(&yard.world, session, "one")], vec![journal.from(0)]).await;
    let mut streams: Vec<Owned> =
        turns.iter().map(|turn| Owned { stream: StreamPath::turn(*turn), session, messages: Vec::new() }).collect();
    let mut took = Vec::new();
    for round in 0..5 {
        for stream in &mut streams {
            stream.messages.push(format!("{{\"round\":{round},\"text\":\"{}\"}}", "word ".repeat(20)));
        }
        let start = std::time::Instant::now();
        node.store(&[], streams.iter().map(|stream| stream.from(round)).collect()).await;
        took.push(start.elapsed().as_millis());
    }
    println!("1024 pieces: the first push, which makes the streams, and four more took {took:?} ms");
    for stream in &streams {
        assert_eq!(yard.held(&stream.stream).await, stream.messages);
    }
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_goes_back_is_one_that_has_lost_its_memory() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let mut node = yard.linked(&machine).await;
    let session = yard.world.session();
    let said = |title: &str| machine.session(&yard.world, session, title);
    node.store(&[said("one"), said("two")], Vec::new()).await;
    // The same place with another fact.
    node.place -= 1;
    let answer = node.push(&[said("three")], Vec::new()).await;
    assert!(matches!(answer, HubFrame::Mismatch { .. }), "{answer:?}");
    assert_eq!(node.hear_end().await, Some(ErrorCode::LinkRestored));
    assert_eq!(yard.presence(&machine).await, (Presence::Offline, Some(AwayReason::Fenced)));
    match yard.fact(&machine, "session", &session.to_string()).await {
        Some(FeedFact::Session { value: Some(session), .. }) => assert_eq!(session.content.title, "two"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_made_and_deleted_between_two_pushes_leaves_nothing() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let mut node = yard.linked(&machine).await;
    let session = yard.world.session();
    let gone = FeedFact::Session { id: session, operation: Operation::Delete, value: None };
    let mut journal = Owned::journal(session);
    journal.messages.push("[1]".to_owned());
    let made = machine.session(&yard.world, session, "short");
    node.store(&[made, gone], vec![journal.from(0)]).await;
    assert_eq!(yard.fact(&machine, "session", &session.to_string()).await, None);
    assert_eq!(yard.held(&journal.stream).await, Vec::<String>::new());
    let row = yard.world.hub.load::<crate::rows::SessionRow>(&crate::keys::session(session)).await.expect("a look");
    assert!(row.is_none());
}

#[tokio::test(start_paused = true)]
async fn what_was_listed_is_deleted_although_its_journal_has_not_come() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let mut node = yard.linked(&machine).await;
    let session = yard.world.session();
    node.store(&[machine.session(&yard.world, session, "listed")], Vec::new()).await;
    drop(node);
    yard.world.hub.delete_session(&yard.world.owner, session).await.expect("it is deleted");
    let (mut node, _) = yard.link(&machine, &[]).await;
    let mut journal = Owned::journal(session);
    journal.messages.push("[1]".to_owned());
    node.store(&[], vec![journal.from(0)]).await;
    assert_eq!(yard.held(&journal.stream).await, Vec::<String>::new());
}
