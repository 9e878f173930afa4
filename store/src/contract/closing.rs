//! Laws of the end of a stream.

use super::{append, at, close, conflict, contents, done, produce, stream_of};
use crate::port::{Append, Conflict, Done, Producer, Store};

/// After the end nothing is added, and the refusal tells the end.
pub async fn a_closed_stream_takes_nothing(store: &dyn Store) {
    let log = stream_of(store, "log", "text/plain", &["abc"]).await;
    done(store, produce(&log, "p", 0, 0, "d")).await;
    assert_eq!(done(store, close(&log)).await, Done::Appended(at(4)));
    let closed = Conflict::Closed { stream: log.clone(), tail: at(4) };
    assert_eq!(conflict(store, append(&log, &["x"])).await, closed);
    assert_eq!(conflict(store, Append { close: true, ..append(&log, &["x"]) }).await, closed);
    assert_eq!(conflict(store, produce(&log, "p", 0, 1, "x")).await, closed);
    assert_eq!(conflict(store, produce(&log, "other", 0, 0, "x")).await, closed);
    // Closed comes before a wrong expectation.
    assert_eq!(conflict(store, Append { expected: Some(at(1)), ..append(&log, &["x"]) }).await, closed);
    assert_eq!(contents(store, &log).await, ["abc", "d"]);
    let head = store.head(&log).await.expect("a read").expect("a head");
    assert_eq!((head.closed, head.closed_by), (true, None));
}

/// Closing what is closed, and nothing else, is done already.
pub async fn closing_twice_is_a_success(store: &dyn Store) {
    let log = stream_of(store, "log", "text/plain", &["abc"]).await;
    assert_eq!(done(store, close(&log)).await, Done::Appended(at(3)));
    assert_eq!(done(store, close(&log)).await, Done::Appended(at(3)));
    assert_eq!(done(store, Append { expected: Some(at(3)), ..close(&log) }).await, Done::Appended(at(3)));
    let producer = Some(Producer { id: "p".to_owned(), epoch: 0, seq: 0 });
    let closed = Conflict::Closed { stream: log.clone(), tail: at(3) };
    assert_eq!(conflict(store, Append { producer, ..close(&log) }).await, closed);
}

/// The last messages and the end come together.
pub async fn closing_with_data_is_one_step(store: &dyn Store) {
    let log = stream_of(store, "log", "text/plain", &["a"]).await;
    assert_eq!(done(store, Append { close: true, ..append(&log, &["b", "c"]) }).await, Done::Appended(at(3)));
    assert_eq!(contents(store, &log).await, ["a", "b", "c"]);
    assert!(store.head(&log).await.expect("a read").expect("a head").closed);
}

/// Who closed is kept, and the same append again is its repeat.
pub async fn the_closing_producer_is_kept(store: &dyn Store) {
    let log = stream_of(store, "log", "text/plain", &[]).await;
    done(store, produce(&log, "p", 3, 0, "a")).await;
    let last = Append { close: true, ..produce(&log, "p", 3, 1, "b") };
    assert_eq!(done(store, last.clone()).await, Done::Appended(at(2)));
    let head = store.head(&log).await.expect("a read").expect("a head");
    assert_eq!(head.closed_by, Some(Producer { id: "p".to_owned(), epoch: 3, seq: 1 }));
    assert_eq!(done(store, last.clone()).await, Done::Duplicate { tail: at(2), seq: 1, closed: true });
    let other = Append { producer: Some(Producer { id: "q".to_owned(), epoch: 3, seq: 1 }), ..last };
    assert_eq!(conflict(store, other).await, Conflict::Closed { stream: log.clone(), tail: at(2) });
    assert_eq!(contents(store, &log).await, ["a", "b"]);
}

/// A retry whose first try went in is told so, even when somebody has closed the stream since.
pub async fn a_producer_may_repeat_on_a_closed_stream(store: &dyn Store) {
    let log = stream_of(store, "log", "text/plain", &[]).await;
    done(store, produce(&log, "p", 0, 0, "a")).await;
    done(store, close(&log)).await;
    let again = done(store, produce(&log, "p", 0, 0, "a")).await;
    assert_eq!(again, Done::Duplicate { tail: at(1), seq: 0, closed: true });
}
