//! Laws of forks, and of holes in streams.

use protocol::offset::Offset;
use protocol::path::StreamPath;

use super::{append, at, bodies, conflict, contents, create, done, page, path, refused, stream_of, texts, whole};
use crate::port::Direction::{Backwards, Forwards};
use crate::port::{Batch, Conflict, Create, Cut, Done, Fork, Operation, Read, ReadError, Store};

fn fork(name: &str, source: &StreamPath, content_type: &str, byte: u64) -> Fork {
    Fork { create: create(&path(name), content_type), source: source.clone(), at: at(byte) }
}

async fn delete(store: &dyn Store, stream: &StreamPath) -> bool {
    done(store, Operation::Delete(stream.clone())).await == Done::Deleted { existed: true }
}

/// A fork begins with what its source held, and each goes on alone; positions mean the same in both.
pub async fn forks_share_what_was_and_nothing_else(store: &dyn Store) {
    let source = stream_of(store, "source", "text/plain", &["ab", "cd"]).await;
    let mut made = fork("fork", &source, "text/plain", 4);
    made.create.messages = bodies(&["xy"]);
    assert_eq!(done(store, made).await, Done::Created(at(6)));
    let forked = path("fork");
    done(store, append(&source, &["ef"])).await;
    assert_eq!(contents(store, &source).await, ["ab", "cd", "ef"]);
    assert_eq!(contents(store, &forked).await, ["ab", "cd", "xy"]);
    let back = page(store, whole(&forked, None, Backwards)).await;
    assert_eq!(texts(&back), ["xy", "cd", "ab"]);
    for (from, expected) in [(1, vec!["b", "cd", "xy"]), (2, vec!["cd", "xy"]), (4, vec!["xy"]), (5, vec!["y"])] {
        assert_eq!(texts(&page(store, whole(&forked, Some(at(from)), Forwards)).await), expected, "{from}");
    }
    let one = page(store, Read { max_messages: 1, ..whole(&forked, Some(at(2)), Forwards) }).await;
    assert_eq!((one.next, one.head.tail, one.head.first), (at(4), at(6), at(0)));
}

/// A fork may part inside a message of bytes, and forks can be forked, wherever the position lies.
pub async fn forks_of_forks_read_through(store: &dyn Store) {
    let first = stream_of(store, "1", "text/plain", &["abcdef"]).await;
    done(store, fork("2", &first, "text/plain", 4)).await;
    let second = path("2");
    done(store, append(&second, &["YZ"])).await;
    done(store, fork("3", &second, "text/plain", 2)).await;
    done(store, fork("4", &second, "text/plain", 5)).await;
    done(store, append(&path("4"), &["!"])).await;
    assert_eq!(contents(store, &second).await, ["abcd", "YZ"]);
    assert_eq!(contents(store, &path("3")).await, ["ab"]);
    assert_eq!(contents(store, &path("4")).await, ["abcd", "Y", "!"]);
    let back = page(store, whole(&path("4"), Some(at(5)), Backwards)).await;
    assert_eq!(texts(&back), ["Y", "abcd"]);
}

/// A fork needs a living source and a position of it; the same again is no second one.
pub async fn forks_are_judged(store: &dyn Store) {
    let source = stream_of(store, "source", "text/plain", &["ab"]).await;
    let none = path("none");
    let missing = conflict(store, fork("fork", &none, "text/plain", 0)).await;
    assert_eq!(missing, Conflict::NoStream { stream: none });
    for offset in [at(3), Offset::new(1, 0)] {
        let bad = Fork { at: offset, ..fork("fork", &source, "text/plain", 0) };
        let tail = Conflict::Tail { stream: source.clone(), tail: at(2), expected: offset };
        assert_eq!(conflict(store, bad).await, tail);
    }
    let mut same = fork("fork", &source, "text/plain", 1);
    same.create.or_same = true;
    assert_eq!(done(store, same.clone()).await, Done::Created(at(1)));
    assert_eq!(done(store, same).await, Done::Existed(at(1)));
    assert!(delete(store, &path("fork")).await);
    assert!(delete(store, &source).await);
    assert_eq!(store.head(&source).await, Ok(None), "nothing holds it: neither the refused ones nor the second");
}

/// A stream with forks is kept for them when it is deleted, takes and shows nothing, and goes with the last of them.
pub async fn deletion_waits_for_forks(store: &dyn Store) {
    let one = stream_of(store, "1", "text/plain", &["a"]).await;
    let (two, three) = (path("2"), path("3"));
    done(store, fork("2", &one, "text/plain", 1)).await;
    done(store, append(&two, &["b"])).await;
    done(store, fork("3", &two, "text/plain", 2)).await;
    assert!(delete(store, &one).await && delete(store, &two).await);
    assert!(!delete(store, &one).await, "once is enough");
    for gone in [&one, &two] {
        let retired = Conflict::Retired { stream: gone.clone() };
        assert_eq!(conflict(store, append(gone, &["x"])).await, retired);
        assert_eq!(conflict(store, Create { or_same: true, ..create(gone, "text/plain") }).await, retired);
        assert_eq!(conflict(store, fork("4", gone, "text/plain", 0)).await, retired);
        assert_eq!(store.head(gone).await, Err(ReadError::Retired { stream: gone.clone() }));
        assert_eq!(refused(store, whole(gone, None, Forwards)).await, ReadError::Retired { stream: gone.clone() });
    }
    assert_eq!(contents(store, &three).await, ["a", "b"]);
    assert!(delete(store, &three).await);
    for gone in [&one, &two, &three] {
        assert_eq!(store.head(gone).await, Ok(None), "{gone}");
        assert_eq!(done(store, create(gone, "text/plain")).await, Done::Created(Offset::new(1, 0)));
    }
}

/// Making a fork and deleting its source, or the fork itself, in one batch.
pub async fn forks_inside_a_batch(store: &dyn Store) {
    let source = stream_of(store, "source", "text/plain", &["ab"]).await;
    let forked = path("fork");
    let batch = Batch::of(fork("fork", &source, "text/plain", 2))
        .and(append(&forked, &["c"]))
        .and(Operation::Delete(source.clone()));
    store.commit(batch).await.expect("a commit");
    assert_eq!(contents(store, &forked).await, ["ab", "c"]);
    let batch = Batch::of(Operation::Delete(forked.clone())).and(create(&source, "text/plain"));
    store.commit(batch).await.expect("a commit");
    assert_eq!(contents(store, &source).await, Vec::<String>::new());
}

/// A fork has the epoch of its source, or one that its own path never had.
pub async fn a_fork_takes_an_epoch_that_is_new(store: &dyn Store) {
    let source = stream_of(store, "source", "text/plain", &["old"]).await;
    delete(store, &source).await;
    stream_of(store, "source", "text/plain", &["ab"]).await;
    let made = Fork { at: Offset::new(1, 2), ..fork("fresh", &source, "text/plain", 0) };
    assert_eq!(done(store, made).await, Done::Created(Offset::new(1, 2)));
    let used = stream_of(store, "used", "text/plain", &["x"]).await;
    for epoch in 1..4 {
        delete(store, &used).await;
        let made = Fork { at: Offset::new(1, 2), ..fork("used", &source, "text/plain", 0) };
        assert_eq!(done(store, made).await, Done::Created(Offset::new(epoch.max(1), 2)));
        assert_eq!(contents(store, &used).await, ["ab"]);
    }
}

/// Messages that go from the middle leave the others where they were, and who was here before goes on behind the last
/// deletion that was dropped, or begins again.
pub async fn holes_move_nothing(store: &dyn Store) {
    let log = stream_of(store, "log", "application/json", &["11", "22", "33", "44", "55"]).await;
    store.trim(&log, Cut::Holes { epoch: 0, starts: vec![0, 4, 5, 99], resume: 6 }).await.expect("a trim");
    store.trim(&log, Cut::Holes { epoch: 1, starts: vec![2], resume: 10 }).await.expect("a trim of another epoch");
    assert_eq!(contents(store, &log).await, ["22", "44", "55"]);
    let head = store.head(&log).await.expect("a read").expect("a head");
    assert_eq!((head.first, head.resume, head.compactions, head.tail), (at(0), at(6), 1, at(10)));
    for byte in [2, 4, 5] {
        let trimmed = ReadError::Trimmed { stream: log.clone(), first: at(0), resume: at(6), compactions: 1 };
        assert_eq!(refused(store, whole(&log, Some(at(byte)), Forwards)).await, trimmed, "{byte}");
    }
    let walk = |byte| Read { walk: Some(1), max_messages: 1, ..whole(&log, Some(at(byte)), Forwards) };
    for (byte, expected, next) in [(0, "22", 4), (4, "44", 8), (6, "44", 8), (8, "55", 10)] {
        let page = page(store, walk(byte)).await;
        assert_eq!((texts(&page), page.next), (vec![expected], at(next)), "{byte}");
    }
    assert_eq!(texts(&page(store, whole(&log, None, Backwards)).await), ["55", "44", "22"]);
    store.trim(&log, Cut::Holes { epoch: 0, starts: vec![2], resume: 8 }).await.expect("a trim");
    assert!(matches!(refused(store, walk(4)).await, ReadError::Trimmed { .. }), "the walk began before");
    assert_eq!(done(store, append(&log, &["66"])).await, Done::Appended(at(12)));
    assert_eq!(contents(store, &log).await, ["44", "55", "66"]);
}

/// A page forwards that has room left ends at the tail, whatever was dropped before it: else nobody who reads would ever get there.
pub async fn a_hole_at_the_tail_is_read_over(store: &dyn Store) {
    let log = stream_of(store, "log", "application/json", &["11", "22", "33"]).await;
    store.trim(&log, Cut::Holes { epoch: 0, starts: vec![2, 4], resume: 6 }).await.expect("a trim");
    for from in [None, Some(at(0)), Some(at(6))] {
        let page = page(store, whole(&log, from, Forwards)).await;
        assert_eq!((page.next, page.head.tail), (at(6), at(6)), "{from:?}");
    }
    let one = page(store, Read { walk: Some(1), max_messages: 1, ..whole(&log, None, Forwards) }).await;
    assert_eq!((texts(&one), one.next), (vec!["11"], at(2)), "no room: something may follow");
    let rest = page(store, Read { walk: Some(1), ..whole(&log, Some(at(2)), Forwards) }).await;
    assert_eq!((texts(&rest), rest.next), (vec![], at(6)));
    done(store, append(&log, &["44"])).await;
    assert_eq!(contents(store, &log).await, ["11", "44"]);
}

/// What a fork shows lies under two paths, and no fact of one supersedes what the other still needs: neither gets holes.
pub async fn sources_and_forks_get_no_holes(store: &dyn Store) {
    let source = stream_of(store, "source", "application/json", &["11", "22"]).await;
    done(store, fork("fork", &source, "application/json", 4)).await;
    let forked = path("fork");
    done(store, append(&source, &["33"])).await;
    done(store, append(&forked, &["44", "55"])).await;
    let holes = |starts: &[u64]| Cut::Holes { epoch: 0, starts: starts.to_vec(), resume: 6 };
    store.trim(&source, holes(&[0, 4])).await.expect("a trim");
    store.trim(&forked, holes(&[0, 4])).await.expect("a trim");
    assert_eq!(contents(store, &source).await, ["11", "22", "33"]);
    assert_eq!(contents(store, &forked).await, ["11", "22", "44", "55"]);
    for stream in [&source, &forked] {
        let head = store.head(stream).await.expect("a read").expect("a head");
        assert_eq!((head.resume, head.compactions), (at(0), 0), "{stream}");
    }
    assert!(delete(store, &forked).await);
    store.trim(&source, holes(&[0])).await.expect("a trim");
    assert_eq!(contents(store, &source).await, ["22", "33"], "it is alone again");
}
