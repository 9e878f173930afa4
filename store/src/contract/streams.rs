//! Laws of creation, plain appends and deletion.

use bytes::Bytes;
use protocol::offset::Offset;

use super::{append, at, bodies, close, conflict, contents, create, done, path, produce, stream_of, whole};
use crate::port::{Append, Batch, Conflict, Create, Cut, Direction, Done, Operation, Put, ReadError, Store};

/// The head tells what creation said.
pub async fn creation_fixes_type_and_config(store: &dyn Store) {
    let made = path("a/b c/ü");
    assert_eq!(store.head(&made).await, Ok(None));
    let config = Bytes::from_static(&[0, 255, 7]);
    assert_eq!(done(store, Create { config: config.clone(), ..create(&made, "x/y") }).await, Done::Created(at(0)));
    let head = store.head(&made).await.expect("a read").expect("a head");
    assert_eq!((head.content_type.as_str(), head.config), ("x/y", config));
    assert_eq!((head.first, head.tail, head.closed, head.closed_by), (at(0), at(0), false, None));
    assert_eq!(conflict(store, create(&made, "x/y")).await, Conflict::Exists { stream: made });
}

/// Creation may bring messages and close at once.
pub async fn creation_takes_first_messages(store: &dyn Store) {
    let made = path("made");
    let all = Create { messages: bodies(&["ab", "c"]), close: true, ..create(&made, "text/plain") };
    assert_eq!(done(store, all).await, Done::Created(at(3)));
    assert_eq!(contents(store, &made).await, ["ab", "c"]);
    assert!(store.head(&made).await.expect("a read").expect("a head").closed);
}

/// `or_same` compares type, config and whether closed; never messages.
pub async fn or_same_follows_the_matrix(store: &dyn Store) {
    for existing in [false, true] {
        for asked in [false, true] {
            let made = path(&format!("s/{existing}/{asked}"));
            done(store, Create { close: existing, messages: bodies(&["abc"]), ..create(&made, "text/plain") }).await;
            let again = Create { or_same: true, close: asked, ..create(&made, "text/plain") };
            if existing == asked {
                assert_eq!(done(store, again.clone()).await, Done::Existed(at(3)));
            } else {
                assert_eq!(conflict(store, again.clone()).await, Conflict::Exists { stream: made.clone() });
            }
            for other in [
                Create { content_type: "text/html".to_owned(), close: existing, ..again.clone() },
                Create { config: Bytes::from_static(b"x"), close: existing, ..again.clone() },
                Create { or_same: false, close: existing, ..again.clone() },
            ] {
                assert_eq!(conflict(store, other).await, Conflict::Exists { stream: made.clone() });
            }
            assert_eq!(contents(store, &made).await, ["abc"]);
        }
    }
}

/// No stream, no append, no page, no trim.
pub async fn a_missing_stream_takes_no_append(store: &dyn Store) {
    let none = path("none");
    assert_eq!(conflict(store, append(&none, &["x"])).await, Conflict::NoStream { stream: none.clone() });
    let error = store.read(whole(&none, None, Direction::Forwards)).await.expect_err("no page");
    assert_eq!(error, ReadError::NoStream { stream: none.clone() });
    assert!(store.trim(&none, Cut::Before(at(0))).await.is_err());
    assert_eq!(done(store, Operation::Delete(none)).await, Done::Deleted { existed: false });
}

/// A message ends at its start plus its length.
pub async fn tails_count_bytes(store: &dyn Store) {
    let log = stream_of(store, "log", "text/plain", &[]).await;
    assert_eq!(done(store, append(&log, &["abc"])).await, Done::Appended(at(3)));
    assert_eq!(done(store, append(&log, &["d", "ü"])).await, Done::Appended(at(6)));
    let big = "x".repeat(300_000);
    assert_eq!(done(store, append(&log, &[&big])).await, Done::Appended(at(300_006)));
    assert_eq!(store.head(&log).await.expect("a read").expect("a head").tail, at(300_006));
    assert_eq!(contents(store, &log).await, ["abc", "d", "ü", &big]);
}

/// A message without a byte has no position: it is left out.
pub async fn empty_messages_leave_no_trace(store: &dyn Store) {
    let log = stream_of(store, "log", "text/plain", &["", "a"]).await;
    assert_eq!(done(store, append(&log, &["", "b", "", ""])).await, Done::Appended(at(2)));
    assert_eq!(done(store, append(&log, &[""])).await, Done::Appended(at(2)));
    assert_eq!(contents(store, &log).await, ["a", "b"]);
}

/// An append that expects another tail does not happen.
pub async fn expected_offsets_guard_appends(store: &dyn Store) {
    let log = stream_of(store, "log", "text/plain", &["abc"]).await;
    for wrong in [at(0), at(2), at(4), Offset::new(1, 3)] {
        let refused = conflict(store, Append { expected: Some(wrong), ..append(&log, &["x"]) }).await;
        assert_eq!(refused, Conflict::Tail { stream: log.clone(), tail: at(3), expected: wrong });
    }
    assert_eq!(done(store, Append { expected: Some(at(3)), ..append(&log, &["d"]) }).await, Done::Appended(at(4)));
    assert_eq!(contents(store, &log).await, ["abc", "d"]);
}

/// `Stream-Seq` is compared as bytes and is per stream; an append without one leaves it.
pub async fn stream_seq_grows_byte_by_byte(store: &dyn Store) {
    let log = stream_of(store, "log", "text/plain", &[]).await;
    let other = stream_of(store, "other", "text/plain", &[]).await;
    let with = |seq: &str| Append { seq: Some(seq.to_owned()), ..append(&log, &["x"]) };
    done(store, with("2")).await;
    // As text "10" is smaller than "2".
    for stale in ["2", "1", "10", ""] {
        assert_eq!(conflict(store, with(stale)).await, Conflict::Seq { stream: log.clone() }, "{stale}");
    }
    done(store, append(&log, &["y"])).await;
    assert_eq!(conflict(store, with("2")).await, Conflict::Seq { stream: log.clone() });
    done(store, with("20")).await;
    done(store, with("a")).await;
    done(store, Append { seq: Some("1".to_owned()), ..append(&other, &["x"]) }).await;
    assert_eq!(contents(store, &log).await, ["x", "y", "x", "x"]);
}

/// A path used again gets the next epoch, and old offsets point nowhere.
pub async fn deletion_begins_a_new_epoch(store: &dyn Store) {
    let log = stream_of(store, "log", "text/plain", &["abc"]).await;
    for epoch in 1..4 {
        assert_eq!(done(store, Operation::Delete(log.clone())).await, Done::Deleted { existed: true });
        assert_eq!(done(store, Operation::Delete(log.clone())).await, Done::Deleted { existed: false });
        assert_eq!(store.head(&log).await, Ok(None));
        assert_eq!(conflict(store, append(&log, &["x"])).await, Conflict::NoStream { stream: log.clone() });
        let made = Create { messages: bodies(&["de"]), ..create(&log, "text/html") };
        assert_eq!(done(store, made).await, Done::Created(Offset::new(epoch, 2)));
        assert_eq!(contents(store, &log).await, ["de"]);
        let old = store.read(whole(&log, Some(Offset::new(epoch - 1, 0)), Direction::Forwards)).await;
        assert!(matches!(old, Err(ReadError::BadOffset { .. })), "{old:?}");
    }
}

/// Whoever wrote to the old stream is unknown to the new one.
pub async fn deletion_forgets_producers_and_seq(store: &dyn Store) {
    let log = stream_of(store, "log", "text/plain", &[]).await;
    done(store, Append { seq: Some("z".to_owned()), ..produce(&log, "p", 5, 0, "a") }).await;
    done(store, produce(&log, "p", 5, 1, "b")).await;
    done(store, Operation::Delete(log.clone())).await;
    done(store, create(&log, "text/plain")).await;
    let gap = Conflict::Gap { stream: log.clone(), expected: 0, received: 2 };
    assert_eq!(conflict(store, produce(&log, "p", 5, 2, "c")).await, gap);
    let first = Append { seq: Some("a".to_owned()), ..produce(&log, "p", 0, 0, "c") };
    assert_eq!(done(store, first).await, Done::Appended(Offset::new(1, 1)));
}

/// Deleting and making anew within one batch is the same as in three.
pub async fn deletion_inside_a_batch(store: &dyn Store) {
    let log = stream_of(store, "log", "text/plain", &["old"]).await;
    done(store, produce(&log, "p", 0, 0, "a")).await;
    let batch = Batch::new()
        .and(produce(&log, "p", 0, 1, "b"))
        .and(Operation::Delete(log.clone()))
        .and(Create { messages: bodies(&["new"]), ..create(&log, "text/plain") })
        .and(produce(&log, "p", 0, 0, "c"));
    let results = store.commit(batch).await.expect("a commit");
    assert_eq!(results[3], Done::Appended(Offset::new(1, 4)));
    assert_eq!(contents(store, &log).await, ["new", "c"]);
    assert_eq!(done(store, produce(&log, "p", 0, 1, "d")).await, Done::Appended(Offset::new(1, 5)));
}

/// What is meant for one stream goes to none that was made later under its path, and takes nothing else of its batch along.
pub async fn an_append_may_name_its_epoch(store: &dyn Store) {
    let log = stream_of(store, "log", "text/plain", &["a"]).await;
    let meant = |epoch| Append { epoch: Some(epoch), ..append(&log, &["b"]) };
    assert_eq!(done(store, meant(0)).await, Done::Appended(at(2)));
    done(store, Operation::Delete(log.clone())).await;
    assert_eq!(conflict(store, meant(0)).await, Conflict::NoStream { stream: log.clone() });
    done(store, create(&log, "text/plain")).await;
    let other = Conflict::Epoch { stream: log.clone(), current: 1 };
    assert_eq!(conflict(store, meant(0)).await, other);
    assert_eq!(conflict(store, Append { producer: produce(&log, "p", 0, 0, "").producer, ..meant(0) }).await, other);
    assert_eq!(conflict(store, Append { epoch: Some(0), ..close(&log) }).await, other);
    assert!(store.commit(Batch::of(Put::set("key", "")).and(meant(0))).await.is_err());
    assert_eq!(store.get("key").await, Ok(None));
    assert_eq!(contents(store, &log).await, Vec::<String>::new());
    assert_eq!(done(store, meant(1)).await, Done::Appended(Offset::new(1, 1)));
    // Also where the stream was made in the batch itself.
    let again = Batch::of(Operation::Delete(log.clone())).and(create(&log, "text/plain"));
    assert!(store.commit(again.clone().and(meant(1))).await.is_err());
    assert!(store.commit(again.and(meant(2))).await.is_ok());
    assert_eq!(contents(store, &log).await, ["b"]);
}
