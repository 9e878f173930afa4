//! The planned faults themselves: they do what they say, and the same seed does the same.

use std::sync::Arc;

use futures_util::FutureExt;
use protocol::time::UnixMs;
use store::contract::{TestClock, run};
use store::{Batch, CommitError, CommitFault, Faulty, MemoryStore, Odds, Put, ReadError, Store};

fn faulty(seed: u64, odds: Odds) -> Faulty<MemoryStore> {
    Faulty::seeded(MemoryStore::new(Arc::new(TestClock::at(UnixMs(1)))), seed, odds)
}

fn put(key: &str) -> Batch {
    Batch::of(Put::set(key, "value"))
}

#[test]
fn each_fault_does_what_it_says() {
    let store = faulty(0, Odds::default());
    run(async {
        store.plan_commit(None);
        store.plan_commit(Some(CommitFault::Full));
        store.plan_commit(Some(CommitFault::Before));
        store.commit(put("fine")).await.expect("planned to go well");
        assert!(matches!(store.commit(put("full")).await, Err(CommitError::Full { .. })));
        assert!(matches!(store.commit(put("before")).await, Err(CommitError::Broken { .. })));
        assert!(store.is_broken());
        assert!(matches!(store.commit(put("later")).await, Err(CommitError::Broken { .. })), "broken stays broken");
        store.mend();
        store.plan_commit(Some(CommitFault::After));
        assert!(matches!(store.commit(put("after")).await, Err(CommitError::Broken { .. })));
        for (key, there) in [("fine", true), ("full", false), ("before", false), ("later", false), ("after", true)] {
            assert_eq!(store.get(key).await.expect("a read").is_some(), there, "{key}");
        }
        store.plan_read(true);
        assert!(matches!(store.get("fine").await, Err(ReadError::Broken { .. })));
        assert!(store.get("fine").await.is_ok());
    });
}

#[test]
fn a_stalled_commit_waits_and_may_be_dropped() {
    let store = faulty(0, Odds::default());
    store.plan_commit(Some(CommitFault::Stall));
    store.plan_commit(Some(CommitFault::Stall));
    let mut kept = store.commit(put("kept"));
    let mut dropped = store.commit(put("dropped"));
    assert!((&mut kept).now_or_never().is_none());
    assert!((&mut dropped).now_or_never().is_none());
    assert_eq!(store.stalled(), 2);
    drop(dropped);
    assert_eq!(store.stalled(), 1);
    assert!((&mut kept).now_or_never().is_none());
    store.release();
    run(kept).expect("released");
    assert_eq!(store.stalled(), 0);
    assert!(run(store.get("kept")).expect("a read").is_some());
    assert!(run(store.get("dropped")).expect("a read").is_none());
}

#[test]
fn one_seed_one_story() {
    let odds = Odds { full: 3000, before: 500, after: 500, stall: 0, read: 2000 };
    let story = |seed| {
        let store = faulty(seed, odds);
        run(async {
            let mut lines = Vec::new();
            for number in 0..200 {
                lines.push(format!("{:?}", store.commit(put(&number.to_string())).await));
                lines.push(format!("{:?}", store.get("0").await.map(|entry| entry.is_some())));
                store.mend();
            }
            lines
        })
    };
    assert_eq!(story(7), story(7));
    assert_ne!(story(7), story(8));
    let full = story(7).iter().filter(|line| line.contains("Full")).count();
    assert!((30..90).contains(&full), "about 60 of 200: {full}");
}
