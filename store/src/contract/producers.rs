//! Laws of exactly once: the producer's place commits with the data it guards.

use super::{append, at, conflict, contents, done, produce, stream_of};
use crate::port::{Append, Batch, Conflict, Done, Put, Store};

/// The first contact of a producer has number 0, in any epoch.
pub async fn producers_begin_at_zero(store: &dyn Store) {
    let log = stream_of(store, "log", "text/plain", &[]).await;
    for seq in [1, 7] {
        let gap = Conflict::Gap { stream: log.clone(), expected: 0, received: seq };
        assert_eq!(conflict(store, produce(&log, "p", 0, seq, "x")).await, gap);
    }
    assert_eq!(done(store, produce(&log, "p", 9, 0, "a")).await, Done::Appended(at(1)));
    assert_eq!(done(store, produce(&log, "p", 9, 1, "b")).await, Done::Appended(at(2)));
}

/// A number already accepted adds nothing and tells the highest one.
pub async fn producers_may_repeat(store: &dyn Store) {
    let log = stream_of(store, "log", "text/plain", &[]).await;
    for seq in 0..3 {
        done(store, produce(&log, "p", 0, seq, "a")).await;
    }
    for seq in 0..3 {
        let again = done(store, produce(&log, "p", 0, seq, "other text")).await;
        assert_eq!(again, Done::Duplicate { tail: at(3), seq: 2, closed: false });
    }
    assert_eq!(contents(store, &log).await, ["a", "a", "a"]);
    // The rest of a batch with a repeat in it happens.
    let batch = Batch::of(produce(&log, "p", 0, 2, "a")).and(Put::set("key", "value"));
    store.commit(batch).await.expect("a commit");
    assert!(store.get("key").await.expect("a read").is_some());
}

/// A number that skips one is refused, with the number that was due.
pub async fn producers_leave_no_gap(store: &dyn Store) {
    let log = stream_of(store, "log", "text/plain", &[]).await;
    done(store, produce(&log, "p", 0, 0, "a")).await;
    let gap = Conflict::Gap { stream: log.clone(), expected: 1, received: 3 };
    assert_eq!(conflict(store, produce(&log, "p", 0, 3, "x")).await, gap);
    assert_eq!(done(store, produce(&log, "p", 0, 1, "b")).await, Done::Appended(at(2)));
}

/// Once a newer incarnation has written, older ones are shut out.
pub async fn producers_are_fenced_by_epoch(store: &dyn Store) {
    let log = stream_of(store, "log", "text/plain", &[]).await;
    done(store, produce(&log, "p", 1, 0, "a")).await;
    done(store, produce(&log, "p", 4, 0, "b")).await;
    for (epoch, seq) in [(1, 0), (1, 1), (3, 0), (0, 9)] {
        let fenced = Conflict::Fenced { stream: log.clone(), current: 4 };
        assert_eq!(conflict(store, produce(&log, "p", epoch, seq, "x")).await, fenced);
    }
    assert_eq!(contents(store, &log).await, ["a", "b"]);
}

/// A new incarnation counts from 0.
pub async fn a_new_epoch_begins_at_zero(store: &dyn Store) {
    let log = stream_of(store, "log", "text/plain", &[]).await;
    done(store, produce(&log, "p", 0, 0, "a")).await;
    for seq in [1, 2] {
        let start = Conflict::EpochStart { stream: log.clone(), received: seq };
        assert_eq!(conflict(store, produce(&log, "p", 1, seq, "x")).await, start);
    }
    assert_eq!(
        done(store, produce(&log, "p", 0, 1, "b")).await,
        Done::Appended(at(2)),
        "a refused epoch fences nobody"
    );
    assert_eq!(done(store, produce(&log, "p", 1, 0, "c")).await, Done::Appended(at(3)));
}

/// What was refused, or was in a batch that was refused, may come again with the same number.
pub async fn a_refused_append_moves_no_producer(store: &dyn Store) {
    let log = stream_of(store, "log", "text/plain", &["z"]).await;
    let refused = Append { expected: Some(at(9)), ..produce(&log, "p", 0, 0, "a") };
    conflict(store, refused).await;
    let batch = Batch::of(produce(&log, "p", 0, 0, "a")).and(Append { expected: Some(at(9)), ..append(&log, &["x"]) });
    store.commit(batch).await.expect_err("a conflict");
    assert_eq!(done(store, produce(&log, "p", 0, 0, "a")).await, Done::Appended(at(2)));
    assert_eq!(contents(store, &log).await, ["z", "a"]);
}

/// A retry is not held to the expectations that its first try made false.
pub async fn a_repeat_comes_before_expectations(store: &dyn Store) {
    let log = stream_of(store, "log", "text/plain", &[]).await;
    let guarded = Append { expected: Some(at(0)), seq: Some("1".to_owned()), ..produce(&log, "p", 0, 0, "a") };
    assert_eq!(done(store, guarded.clone()).await, Done::Appended(at(1)));
    assert_eq!(done(store, guarded).await, Done::Duplicate { tail: at(1), seq: 0, closed: false });
}

/// Places are per producer and per stream.
pub async fn producers_are_apart(store: &dyn Store) {
    let a = stream_of(store, "a", "text/plain", &[]).await;
    let b = stream_of(store, "b", "text/plain", &[]).await;
    for (log, id) in [(&a, "p"), (&a, "q"), (&b, "p"), (&a, "")] {
        assert!(matches!(done(store, produce(log, id, 0, 0, "x")).await, Done::Appended(_)));
    }
    // More producers than any cache holds.
    for number in 0..100 {
        done(store, produce(&a, &format!("p{number}"), 0, 0, "x")).await;
    }
    for number in 0..100 {
        let again = done(store, produce(&a, &format!("p{number}"), 0, 0, "x")).await;
        assert!(matches!(again, Done::Duplicate { seq: 0, .. }), "{number}: {again:?}");
    }
}
