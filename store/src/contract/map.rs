//! Laws of the map.

use super::{conflict, done};
use crate::port::{Conflict, Direction, Done, Expected, Put, Scan, Store};

/// Each write of a key gives the next version, and a removal in between gives none back.
pub async fn versions_grow_by_one(store: &dyn Store) {
    assert_eq!(store.get("key").await, Ok(None));
    assert_eq!(done(store, Put::set("key", "a")).await, Done::Put(1));
    assert_eq!(done(store, Put::set("key", "")).await, Done::Put(2));
    let entry = store.get("key").await.expect("a read").expect("an entry");
    assert_eq!((entry.key.as_str(), &entry.value[..], entry.version), ("key", &b""[..], 2));
    assert_eq!(done(store, Put::remove("key")).await, Done::Put(0));
    assert_eq!(done(store, Put::remove("key")).await, Done::Put(0));
    assert_eq!(store.get("key").await, Ok(None));
    assert_eq!(done(store, Put::set("key", "c")).await, Done::Put(3));
    assert_eq!(done(store, Put::set("other", "c")).await, Done::Put(1));
}

/// A put that expects another state of its entry does not happen.
pub async fn puts_demand_versions(store: &dyn Store) {
    let refused = |actual| Conflict::Version { key: "key".to_owned(), actual };
    let set = |expected| Put::set("key", "x").expecting(expected);
    let remove = |expected| Put::remove("key").expecting(expected);
    assert_eq!(conflict(store, set(Expected::Version(0))).await, refused(None));
    assert_eq!(conflict(store, set(Expected::Version(1))).await, refused(None));
    assert_eq!(done(store, set(Expected::Absent)).await, Done::Put(1));
    assert_eq!(conflict(store, set(Expected::Absent)).await, refused(Some(1)));
    assert_eq!(conflict(store, remove(Expected::Version(2))).await, refused(Some(1)));
    assert_eq!(done(store, set(Expected::Version(1))).await, Done::Put(2));
    assert_eq!(done(store, remove(Expected::Version(2))).await, Done::Put(0));
    // A version of before the removal is never met again.
    assert_eq!(conflict(store, set(Expected::Version(2))).await, refused(None));
    assert_eq!(done(store, remove(Expected::Absent)).await, Done::Put(0));
    assert_eq!(done(store, set(Expected::Absent)).await, Done::Put(3));
}

async fn keys(store: &dyn Store, prefix: &str, after: Option<&str>, direction: Direction, limit: usize) -> Vec<String> {
    let scan = Scan { prefix: prefix.to_owned(), after: after.map(str::to_owned), direction, limit };
    store.scan(scan).await.expect("a scan").into_iter().map(|entry| entry.key).collect()
}

async fn fill(store: &dyn Store) {
    for key in ["a", "a/", "a/1", "a/2", "a/3", "a/ü", "a0", "b", "z"] {
        done(store, Put::set(key, format!("value of {key}"))).await;
    }
    done(store, Put::remove("a/2")).await;
}

/// Keys in order, after a key, up to a limit.
pub async fn scans_go_forwards(store: &dyn Store) {
    fill(store).await;
    let forwards = Direction::Forwards;
    assert_eq!(keys(store, "a/", None, forwards, 10).await, ["a/", "a/1", "a/3", "a/ü"]);
    assert_eq!(keys(store, "a/", None, forwards, 2).await, ["a/", "a/1"]);
    assert_eq!(keys(store, "a/", Some("a/1"), forwards, 10).await, ["a/3", "a/ü"]);
    // A key that is not there is a place all the same.
    assert_eq!(keys(store, "a/", Some("a/2"), forwards, 1).await, ["a/3"]);
    assert_eq!(keys(store, "a/", Some("a"), forwards, 1).await, ["a/"]);
    assert_eq!(keys(store, "a/", Some("b"), forwards, 10).await, Vec::<String>::new());
    assert_eq!(keys(store, "a/", None, forwards, 0).await, Vec::<String>::new());
    let entry = store.scan(Scan { prefix: "a/3".to_owned(), after: None, direction: forwards, limit: 1 }).await;
    assert_eq!(entry, Ok(vec![store.get("a/3").await.expect("a read").expect("an entry")]));
}

/// Keys from the last one down, before a key, up to a limit.
pub async fn scans_go_backwards(store: &dyn Store) {
    fill(store).await;
    let backwards = Direction::Backwards;
    assert_eq!(keys(store, "a/", None, backwards, 10).await, ["a/ü", "a/3", "a/1", "a/"]);
    assert_eq!(keys(store, "a/", None, backwards, 2).await, ["a/ü", "a/3"]);
    assert_eq!(keys(store, "a/", Some("a/3"), backwards, 10).await, ["a/1", "a/"]);
    assert_eq!(keys(store, "a/", Some("a/2"), backwards, 1).await, ["a/1"]);
    assert_eq!(keys(store, "a/", Some("b"), backwards, 1).await, ["a/ü"]);
    assert_eq!(keys(store, "a/", Some("a"), backwards, 10).await, Vec::<String>::new());
    assert_eq!(keys(store, "a/", Some("a/"), backwards, 10).await, Vec::<String>::new());
}

/// An empty prefix is every key; signs that mean something elsewhere mean nothing here.
pub async fn scans_stay_in_their_prefix(store: &dyn Store) {
    for key in ["%", "%a", "_", "a%", "a_b", "aXb", "\u{10FFFF}", "\u{10FFFF}x"] {
        done(store, Put::set(key, "")).await;
    }
    for direction in [Direction::Forwards, Direction::Backwards] {
        assert_eq!(keys(store, "", None, direction, 100).await.len(), 8);
        assert_eq!(keys(store, "a_", None, direction, 100).await, ["a_b"]);
        assert_eq!(keys(store, "%", None, direction, 100).await.len(), 2);
        assert_eq!(keys(store, "\u{10FFFF}", None, direction, 100).await.len(), 2);
        assert_eq!(keys(store, "none", None, direction, 100).await, Vec::<String>::new());
    }
}
