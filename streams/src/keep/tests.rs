//! Compaction and retention over a memory store, read through the face.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::fold::tests::{fact, fold};
use super::*;
use crate::http::tests::World;

const JSON: &str = "content-type: application/json";
const DAY: u64 = 24 * 3_600_000;

fn state_of(body: &str, before: BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let facts: Vec<Value> = serde_json::from_str(body).expect("an array");
    let texts: Vec<String> = facts.iter().map(Value::to_string).collect();
    fold(before, texts.iter().map(String::as_bytes))
}

/// Reads a stream to its end as a client does, page by page.
async fn read(world: &World, from: &str) -> Result<BTreeMap<String, u64>, u16> {
    let (mut state, mut from) = (BTreeMap::new(), from.to_owned());
    loop {
        let page = world.get(&format!("s?offset={from}")).await;
        if page.status != 200 {
            return Err(page.status.as_u16());
        }
        state = state_of(&page.body, state);
        from = page.next();
        if page.header("stream-up-to-date").is_some() {
            return Ok(state);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_compacted_stream_ends_every_reader_in_the_right_state() {
    let mut world = World::new();
    // Small pages, so that a fresh reader has to come again in the part that others may not enter.
    world.change(|options| options.page_bytes = 200);
    let keeper = Keeper::new(world.streams.clone(), world.clock.clone(), Keeping::default());
    keeper.compact("s".parse().expect("a path"));
    world.ask("PUT", "s", &[JSON], "").await;
    let mut offsets = vec![];
    for n in 0..40_u32 {
        let what = if n % 5 == 4 {
            fact("delete", &format!("k{}", n % 10), 0)
        } else {
            fact("upsert", &format!("k{}", n % 10), n)
        };
        offsets.push(world.ask("POST", "s", &[JSON], what).await.next());
    }
    for n in 0..10 {
        offsets.push(world.ask("POST", "s", &[JSON], fact("upsert", &format!("new{n}"), n)).await.next());
    }
    let truth = read(&world, "-1").await.expect("a stream");
    keeper.round().await.expect("memory");
    let young = world.get("s").await.body;
    assert_eq!(read(&world, "-1").await.as_ref(), Ok(&truth));
    assert!(young.len() < 4_000 && read(&world, &offsets[3]).await.is_ok(), "no deletion was dropped yet");
    world.clock.advance(91 * DAY);
    // It has to grow to be looked at again, and the next look finds the deletions old.
    let padding = fact("upsert", &"x".repeat(70_000), 1);
    world.ask("POST", "s", &[JSON], padding).await;
    keeper.round().await.expect("memory");
    let mut truth = truth;
    truth.insert("x".repeat(70_000), 1);
    assert_eq!(read(&world, "-1").await.as_ref(), Ok(&truth), "page by page through the old part");
    assert_eq!(read(&world, &offsets[3]).await, Err(410), "it may have missed a deletion");
    assert!(read(&world, offsets.last().expect("many")).await.is_ok());
    let gone = world.get(&format!("s?offset={}", offsets[3])).await;
    assert_eq!(gone.header("stream-next-offset"), Some("0000000000000000_0000000000000000"), "where to begin");
    let sse = world.get(&format!("s?offset={}&live=sse", offsets[3])).await;
    assert_eq!(sse.status, 410);
    let poll = world.get("s?offset=-1&live=long-poll").await;
    assert_eq!(poll.status, 200);
    assert_eq!(
        world.get(&format!("s?offset={}&live=long-poll", poll.next())).await.status,
        200,
        "a walk goes on live too"
    );
}

/// Has the face keep the index of public streams, by which they are found.
async fn index(world: &mut World) {
    let subscriptions =
        crate::Subscriptions::open(world.streams.clone(), world.clock.clone(), &[1; 32], crate::Reach::default());
    let subscriptions = subscriptions.await.expect("memory");
    world.change(|options| options.subscriptions = Some(subscriptions));
}

#[tokio::test]
async fn old_and_large_streams_lose_their_beginnings() {
    let mut world = World::new();
    index(&mut world).await;
    let keeping = Keeping { age: Some(Duration::from_secs(100)), bytes: Some(5), compact: Vec::new() };
    let keeper = Keeper::new(world.streams.clone(), world.clock.clone(), keeping);
    let text = "content-type: text/plain";
    world.ask("PUT", "old", &[text], "ab").await;
    keeper.round().await.expect("memory");
    world.clock.advance(60_000);
    world.ask("POST", "old", &[text], "cd").await;
    keeper.round().await.expect("memory");
    assert_eq!(world.get("old").await.body, "abcd");
    world.clock.advance(41_000);
    keeper.round().await.expect("memory");
    assert_eq!(world.get("old").await.body, "cd");
    assert_eq!(world.get("old?offset=0000000000000000_0000000000000000").await.status, 410);
    world.clock.advance(60_000);
    keeper.round().await.expect("memory");
    assert_eq!(world.get("old").await.body, "");
    for part in ["123", "456", "789"] {
        world.ask("POST", "old", &[text], part).await;
    }
    keeper.round().await.expect("memory");
    assert_eq!(world.get("old").await.body, "456789", "a message that is only touched stays whole");
}

/// A fork goes on from facts that the source replaces, and keeps its deletions of facts that lie with the source.
#[tokio::test(start_paused = true)]
async fn forks_outlive_the_compaction_of_their_sources() {
    let mut world = World::new();
    let keeping = Keeping { compact: vec!["**".into()], ..Keeping::default() };
    let keeper = Keeper::new(world.streams.clone(), world.clock.clone(), keeping);
    index(&mut world).await;
    let round = async || {
        tokio::time::timeout(Duration::from_mins(1), keeper.round()).await.expect("a round ends").expect("memory");
    };
    world.ask("PUT", "source", &[JSON], "").await;
    world.ask("POST", "source", &[JSON], fact("upsert", "k", 1)).await;
    world.ask("PUT", "s", &["stream-forked-from: source"], "").await;
    world.ask("POST", "source", &[JSON], fact("upsert", "k", 2)).await;
    round().await;
    assert_eq!(read(&world, "-1").await, Ok(BTreeMap::from([("k".into(), 1)])));
    world.ask("POST", "s", &[JSON], fact("delete", "k", 0)).await;
    round().await;
    world.clock.advance(91 * DAY);
    world.ask("POST", "s", &[JSON], fact("upsert", &"x".repeat(70_000), 3)).await;
    round().await;
    assert_eq!(
        read(&world, "-1").await,
        Ok(BTreeMap::from([("x".repeat(70_000), 3)])),
        "what it deleted stays deleted"
    );
}

/// An old deletion that is the last fact leaves a hole at the end.
#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_with_an_old_deletion_is_read_to_its_end() {
    let mut world = World::new();
    index(&mut world).await;
    let keeper = |keeping| Keeper::new(world.streams.clone(), world.clock.clone(), keeping);
    world.ask("PUT", "s", &[JSON], "").await;
    for what in ["upsert", "delete"] {
        world.ask("POST", "s", &[JSON], fact(what, "k", 1)).await;
    }
    let aged = Keeping { age: Some(Duration::from_hours(365 * 24)), ..Keeping::default() };
    keeper(aged.clone()).round().await.expect("memory");
    world.clock.advance(91 * DAY);
    let compacting = keeper(Keeping { compact: vec!["**".into()], ..aged });
    for _ in 0..2 {
        let round = tokio::time::timeout(Duration::from_mins(1), compacting.round()).await;
        round.expect("a round ends").expect("memory");
    }
    let page = world.get("s").await;
    assert_eq!((page.body.as_str(), page.header("stream-up-to-date")), ("[]", Some("true")));
    assert_eq!(world.get(&format!("s?offset={}&live=long-poll", page.next())).await.status, 204);
}

#[tokio::test(start_paused = true)]
async fn where_to_begin_is_a_position_to_begin_at() {
    let world = World::new();
    let stream: StreamPath = "s".parse().expect("a path");
    world.ask("PUT", "s", &[JSON], "").await;
    let mut ends = vec![];
    for n in 0..6 {
        ends.push(world.ask("POST", "s", &[JSON], fact("upsert", "k", n)).await.next());
    }
    let offset = |n: usize| ends[n].parse::<Offset>().expect("an offset");
    world.streams.trim(&stream, Cut::Before(offset(1))).await.expect("memory");
    let holes = Cut::Holes { epoch: 0, starts: vec![offset(2).byte], resume: offset(3).byte };
    world.streams.trim(&stream, holes).await.expect("memory");
    for live in ["", "&live=long-poll", "&live=sse"] {
        for before in [0, 2] {
            let gone = world.get(&format!("s?offset={}{live}", ends[before])).await;
            assert_eq!(gone.status, 410);
            // Closed, so that what is live ends.
            world.ask("POST", "s", &["stream-closed: true"], "").await;
            let found = world.get(&format!("s?offset={}{live}", gone.next())).await;
            assert_eq!(found.status, 200, "{live}: {}", gone.next());
            assert_eq!(found.body.matches("\"key\"").count(), 3, "{live}: {}", found.body);
        }
    }
}

#[tokio::test]
async fn what_nobody_touches_ends_in_time_too() {
    let world = World::new();
    let keeper = Keeper::new(world.streams.clone(), world.clock.clone(), Keeping::default());
    for (name, life) in [("short", "stream-ttl: 5"), ("long", "stream-ttl: 500"), ("source", "stream-ttl: 5")] {
        world.ask("PUT", name, &[life, JSON], "[1]").await;
    }
    world.ask("PUT", "fork", &["stream-forked-from: source", "stream-ttl: 500"], "").await;
    // Whatever ends is enough for more than one page of deadlines.
    for n in 0..600 {
        world.ask("PUT", &format!("many/{n}"), &["stream-ttl: 5", JSON], "").await;
    }
    world.clock.advance(6_000);
    keeper.round().await.expect("memory");
    let head = async |name: &str| world.streams.head(&name.parse().expect("a path")).await;
    assert_eq!(head("short").await, Ok(None));
    assert_eq!(head("many/599").await, Ok(None));
    assert!(matches!(head("source").await, Err(ReadError::Retired { .. })), "its fork goes on");
    assert!(head("long").await.expect("memory").is_some());
    assert_eq!(world.get("fork").await.body, "[1]");
    let scan = Scan { prefix: "streams/deadline/".into(), after: None, direction: Direction::Forwards, limit: 9 };
    let left: Vec<String> = world.streams.scan(scan).await.expect("memory").into_iter().map(|e| e.key).collect();
    assert_eq!(left, ["streams/deadline/fork", "streams/deadline/long"]);
}
