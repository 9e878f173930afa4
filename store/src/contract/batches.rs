//! Laws of the batch: whole or nothing, in order, one after another.

use futures_util::future::join_all;

use super::{append, at, bodies, contents, create, done, path, stream_of};
use crate::port::{Append, Batch, CommitError, Conflict, Create, Done, Expected, Put, Store};

/// A conflict anywhere leaves nothing of its batch, and names its operation.
pub async fn a_batch_is_whole_or_nothing(store: &dyn Store) {
    let old = stream_of(store, "old", "text/plain", &["one"]).await;
    let new = path("new");
    done(store, Put::set("there", "1")).await;
    let batch = Batch::new()
        .and(Create { messages: bodies(&["x"]), ..create(&new, "text/plain") })
        .and(append(&old, &["two"]))
        .and(Put::set("key", "value"))
        .and(Put::remove("there"))
        .and(Append { expected: Some(at(3)), ..append(&old, &["three"]) });
    let error = store.commit(batch).await.expect_err("a conflict");
    let conflict = Conflict::Tail { stream: old.clone(), tail: at(6), expected: at(3) };
    assert_eq!(error, CommitError::Conflict { index: 4, conflict });
    assert_eq!(store.head(&new).await, Ok(None));
    assert_eq!(contents(store, &old).await, ["one"]);
    assert_eq!(store.get("key").await, Ok(None));
    assert!(store.get("there").await.expect("a read").is_some());
    // Nothing is left that a later batch could stumble on.
    assert_eq!(done(store, Append { expected: Some(at(3)), ..append(&old, &["two"]) }).await, Done::Appended(at(6)));
    assert_eq!(done(store, Put::set("key", "value")).await, Done::Put(1));
    assert_eq!(done(store, create(&new, "text/plain")).await, Done::Created(at(0)));
}

/// Within a batch each operation stands on the ones before it.
pub async fn later_operations_see_earlier_ones(store: &dyn Store) {
    let new = path("new");
    let batch = Batch::new()
        .and(create(&new, "text/plain"))
        .and(append(&new, &["a"]))
        .and(Append { expected: Some(at(1)), close: true, ..append(&new, &["b"]) })
        .and(Put::set("key", "1").expecting(Expected::Absent))
        .and(Put::set("key", "2").expecting(Expected::Version(1)));
    store.commit(batch).await.expect("a commit");
    assert_eq!(contents(store, &new).await, ["a", "b"]);
    let entry = store.get("key").await.expect("a read").expect("an entry");
    assert_eq!((&entry.value[..], entry.version), (&b"2"[..], 2));
}

/// Results answer the operations one by one.
pub async fn results_stand_in_order(store: &dyn Store) {
    let (a, b) = (path("a"), path("b"));
    let batch = Batch::new()
        .and(Create { messages: bodies(&["12"]), ..create(&a, "text/plain") })
        .and(Put::set("key", "1"))
        .and(Create { or_same: true, ..create(&a, "text/plain") })
        .and(create(&b, "text/plain"))
        .and(append(&b, &["x", "yz"]))
        .and(Put::remove("key"));
    let done = store.commit(batch).await.expect("a commit");
    let expected = [
        Done::Created(at(2)),
        Done::Put(1),
        Done::Existed(at(2)),
        Done::Created(at(0)),
        Done::Appended(at(3)),
        Done::Put(0),
    ];
    assert_eq!(done, expected);
}

/// Of commits made at once, each sees the ones before it: a counter under compare-and-set misses none, and of those that expect
/// the same tail one wins.
pub async fn commits_are_serial(store: &dyn Store) {
    let log = stream_of(store, "log", "text/plain", &[]).await;
    let contenders = (0..20).map(|number| {
        let text = format!("{number:02}");
        let batch = Batch::of(Append { expected: Some(at(0)), ..append(&log, &[&text]) }).and(Put::set("winner", text));
        store.commit(batch)
    });
    let results = join_all(contenders).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    let winner = store.get("winner").await.expect("a read").expect("a winner");
    assert_eq!(winner.version, 1);
    assert_eq!(contents(store, &log).await, [String::from_utf8_lossy(&winner.value)]);

    let writers = (0..8).map(|writer| {
        let log = log.clone();
        async move {
            for _ in 0..5 {
                loop {
                    let entry = store.get("count").await.expect("a read");
                    let expected = entry.as_ref().map_or(Expected::Absent, |entry| Expected::Version(entry.version));
                    let next = entry.map_or(1, |entry| entry.value[0] + 1);
                    let text = format!("{writer}");
                    let batch =
                        Batch::of(Put::set("count", vec![next]).expecting(expected)).and(append(&log, &[&text]));
                    match store.commit(batch).await {
                        Ok(_) => break,
                        Err(CommitError::Conflict { index: 0, .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        }
    });
    join_all(writers).await;
    let count = store.get("count").await.expect("a read").expect("a count");
    assert_eq!((count.value[0], count.version), (40, 40));
    assert_eq!(contents(store, &log).await.len(), 41);
}

/// Nothing to do is done.
pub async fn an_empty_batch_is_a_success(store: &dyn Store) {
    assert_eq!(store.commit(Batch::new()).await, Ok(Vec::new()));
}

/// A reader beside writers sees each batch whole, and never less than it has seen.
pub async fn readers_see_whole_batches(store: &dyn Store) {
    let log = stream_of(store, "log", "text/plain", &[]).await;
    let writing = async {
        for _ in 0..50 {
            let batch = Batch::of(append(&log, &["a"])).and(append(&log, &["b", "c"]));
            store.commit(batch).await.expect("a commit");
        }
    };
    let reading = async {
        let mut seen = 0;
        while seen < 150 {
            let now = contents(store, &log).await;
            assert!(now.len() >= seen && now.len().is_multiple_of(3), "{seen}, then {}", now.len());
            seen = now.len();
            tokio::task::yield_now().await;
        }
    };
    futures_util::future::join(writing, reading).await;
}

/// Who was told of a success finds it, whichever way it looks.
pub async fn what_is_acknowledged_is_seen(store: &dyn Store) {
    let log = stream_of(store, "log", "text/plain", &[]).await;
    for number in 1..=20 {
        let batch = Batch::of(append(&log, &["a"])).and(Put::set("key", number.to_string()));
        store.commit(batch).await.expect("a commit");
        assert_eq!(store.head(&log).await.expect("a read").expect("a head").tail, at(number));
        assert_eq!(contents(store, &log).await.len() as u64, number);
        assert_eq!(store.get("key").await.expect("a read").expect("an entry").version, number);
    }
}
