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

#[tokio::test]
async fn old_and_large_streams_lose_their_beginnings() {
    let mut world = World::new();
    let subscriptions =
        crate::Subscriptions::open(world.streams.clone(), world.clock.clone(), &[1; 32], crate::Reach::default());
    let subscriptions = subscriptions.await.expect("memory");
    world.change(|options| options.subscriptions = Some(subscriptions));
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
