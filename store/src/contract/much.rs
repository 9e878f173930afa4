//! Laws of what is deleted or cut when it is much: an engine may take its time to remove it, and nobody sees anything of that.

use protocol::offset::Offset;
use protocol::path::StreamPath;

use super::{append, at, contents, create, done, page, path, produce, refused, stream_of, texts, whole};
use crate::port::{Batch, Create, Cut, Direction, Done, Fork, Operation, ReadError, Store};

/// Bytes of each message: no two share a row of any engine.
const LENGTH: u64 = 40_000;
const COUNT: u64 = 90;

fn message(number: u64) -> String {
    format!("{number:0width$}", width = usize::try_from(LENGTH).expect("small"))
}

async fn much(store: &dyn Store, name: &str) -> StreamPath {
    let texts: Vec<String> = (0..COUNT).map(message).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    stream_of(store, name, "text/plain", &texts).await
}

/// What a stream shows, from both sides, as the numbers of its messages.
async fn shown(store: &dyn Store, stream: &StreamPath) -> Vec<u64> {
    let mut sides = Vec::new();
    for direction in [Direction::Forwards, Direction::Backwards] {
        let page = page(store, whole(stream, None, direction)).await;
        let mut numbers: Vec<u64> = texts(&page).iter().map(|text| text.parse().expect("a number")).collect();
        if direction == Direction::Backwards {
            numbers.reverse();
        }
        sides.push(numbers);
    }
    let backwards = sides.pop();
    assert_eq!(Some(&sides[0]), backwards.as_ref(), "forwards and backwards");
    sides.remove(0)
}

/// A stream that is made anew has nothing of the large one before it, producers included.
pub async fn much_is_deleted_at_once(store: &dyn Store) {
    let log = much(store, "log").await;
    let mut batch = Batch::new();
    for number in 0..100 {
        batch.push(produce(&log, &format!("p{number}"), 5, 0, "1"));
    }
    store.commit(batch).await.expect("a commit");
    for epoch in 1..3 {
        assert_eq!(done(store, Operation::Delete(log.clone())).await, Done::Deleted { existed: true });
        assert_eq!(store.head(&log).await, Ok(None));
        assert_eq!(done(store, create(&log, "text/plain")).await, Done::Created(Offset::new(epoch, 0)));
        assert_eq!(contents(store, &log).await, [""; 0]);
        // Where rows of the old one begin.
        let texts = [message(1), message(2)];
        let texts = texts.each_ref().map(String::as_str);
        assert_eq!(done(store, append(&log, &texts)).await, Done::Appended(Offset::new(epoch, 2 * LENGTH)));
        assert_eq!(
            done(store, produce(&log, "p7", 0, 0, "3")).await,
            Done::Appended(Offset::new(epoch, 2 * LENGTH + 1))
        );
        assert_eq!(shown(store, &log).await, [1, 2, 3]);
    }
}

/// The same within one batch.
pub async fn much_is_deleted_inside_a_batch(store: &dyn Store) {
    let log = much(store, "log").await;
    let batch = Batch::new()
        .and(append(&log, &["1"]))
        .and(Operation::Delete(log.clone()))
        .and(create(&log, "text/plain"))
        .and(append(&log, &["7"]));
    assert_eq!(store.commit(batch).await.expect("a commit")[3], Done::Appended(Offset::new(1, 1)));
    assert_eq!(done(store, append(&log, &["8"])).await, Done::Appended(Offset::new(1, 2)));
    assert_eq!(shown(store, &log).await, [7, 8]);
}

/// What was cut off is shown by no page in any direction, and what stays is as it was, cut again or deleted.
pub async fn much_is_cut_off_at_once(store: &dyn Store) {
    let log = much(store, "log").await;
    for kept in [80, 85] {
        store.trim(&log, Cut::Before(at(kept * LENGTH + 1))).await.expect("a trim");
        assert_eq!(store.head(&log).await.expect("a read").expect("a head").first, at(kept * LENGTH));
        assert_eq!(shown(store, &log).await, (kept..COUNT).collect::<Vec<_>>());
        let error = refused(store, whole(&log, Some(at((kept - 1) * LENGTH)), Direction::Forwards)).await;
        assert!(matches!(error, ReadError::Trimmed { .. }), "{error:?}");
        let read = whole(&log, Some(at(kept * LENGTH)), Direction::Backwards);
        assert_eq!(page(store, read).await.messages.len(), 0);
    }
    // Back is nowhere.
    store.trim(&log, Cut::Before(at(2 * LENGTH))).await.expect("a trim");
    assert_eq!(shown(store, &log).await, [85, 86, 87, 88, 89]);
    done(store, Operation::Delete(log.clone())).await;
    done(store, Create { ..create(&log, "text/plain") }).await;
    done(store, append(&log, &["7"])).await;
    assert_eq!(shown(store, &log).await, [7]);
}

/// A fork reads what its source keeps, also when the source was cut or deleted, and both go with the last of them.
pub async fn much_is_kept_for_forks(store: &dyn Store) {
    let log = much(store, "log").await;
    let fork = path("fork");
    let parts = Fork { create: create(&fork, "text/plain"), source: log.clone(), at: at(88 * LENGTH) };
    done(store, parts).await;
    done(store, append(&fork, &["7"])).await;
    store.trim(&log, Cut::Before(at(85 * LENGTH))).await.expect("a trim");
    assert_eq!(shown(store, &fork).await, [85, 86, 87, 7]);
    done(store, Operation::Delete(log.clone())).await;
    assert_eq!(shown(store, &fork).await, [85, 86, 87, 7]);
    done(store, Operation::Delete(fork.clone())).await;
    for stream in [&log, &fork] {
        assert_eq!(store.head(stream).await, Ok(None));
        done(store, create(stream, "text/plain")).await;
        done(store, append(stream, &["9"])).await;
        assert_eq!(shown(store, stream).await, [9]);
    }
}
