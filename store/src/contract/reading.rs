//! Laws of pages, positions and trimming.

use protocol::offset::Offset;

use super::{append, at, bodies, contents, done, page, refused, stream_of, texts, whole};
use crate::port::{Cut, Direction, Read, ReadError, Store};

use Direction::{Backwards, Forwards};

/// Walks a stream page by page and returns the texts of each page.
async fn walk(store: &dyn Store, mut read: Read) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    loop {
        let page = page(store, read.clone()).await;
        if page.messages.is_empty() {
            return pages;
        }
        pages.push(texts(&page).into_iter().map(str::to_owned).collect());
        read.from = Some(page.next);
    }
}

/// Forwards: in order, each page where the last one ended.
pub async fn pages_go_forwards(store: &dyn Store) {
    let log = stream_of(store, "log", "text/plain", &["a", "bb", "ccc", "d", "e"]).await;
    let by_count = Read { max_messages: 2, ..whole(&log, None, Forwards) };
    assert_eq!(walk(store, by_count.clone()).await, [vec!["a", "bb"], vec!["ccc", "d"], vec!["e"]]);
    let by_bytes = Read { max_bytes: 4, ..whole(&log, None, Forwards) };
    assert_eq!(walk(store, by_bytes).await, [vec!["a", "bb"], vec!["ccc", "d"], vec!["e"]]);
    let first = page(store, by_count).await;
    let ends: Vec<_> = first.messages.iter().map(|message| (message.start, message.end)).collect();
    assert_eq!(ends, [(at(0), at(1)), (at(1), at(3))]);
    assert_eq!((first.next, first.head.tail), (at(3), at(8)));
}

/// Backwards: newest first, each page where the last one began.
pub async fn pages_go_backwards(store: &dyn Store) {
    let log = stream_of(store, "log", "application/json", &["1", "22", "333", "4", "5"]).await;
    let by_count = Read { max_messages: 2, ..whole(&log, None, Backwards) };
    assert_eq!(walk(store, by_count.clone()).await, [vec!["5", "4"], vec!["333", "22"], vec!["1"]]);
    let by_bytes = Read { max_bytes: 4, ..whole(&log, None, Backwards) };
    assert_eq!(walk(store, by_bytes).await, [vec!["5", "4"], vec!["333"], vec!["22", "1"]]);
    let first = page(store, by_count).await;
    let ends: Vec<_> = first.messages.iter().map(|message| (message.start, message.end)).collect();
    assert_eq!(ends, [(at(7), at(8)), (at(6), at(7))]);
    let middle = page(store, whole(&log, Some(at(3)), Backwards)).await;
    assert_eq!((texts(&middle), middle.next), (vec!["22", "1"], at(0)));
}

/// A limit never makes a page empty that has something to hold.
pub async fn pages_hold_at_least_one_message(store: &dyn Store) {
    let log = stream_of(store, "log", "text/plain", &["long one", "long two"]).await;
    for (max_bytes, max_messages) in [(0, 10), (1, 10), (10, 0), (0, 0)] {
        for (direction, expected) in [(Forwards, "long one"), (Backwards, "long two")] {
            let page = page(store, Read { max_bytes, max_messages, ..whole(&log, None, direction) }).await;
            assert_eq!(texts(&page), [expected]);
        }
    }
}

/// The tail forwards and the first position backwards give nothing, and the same position to go on from.
pub async fn both_ends_are_empty_pages(store: &dyn Store) {
    for content_type in ["text/plain", "application/json"] {
        let log = stream_of(store, content_type, content_type, &["12"]).await;
        for (from, direction) in [(at(2), Forwards), (at(0), Backwards)] {
            let page = page(store, whole(&log, Some(from), direction)).await;
            assert_eq!((page.messages.len(), page.next, page.head.tail), (0, from, at(2)));
        }
        done(store, append(&log, &["3"])).await;
        assert_eq!(texts(&page(store, whole(&log, Some(at(2)), Forwards)).await), ["3"]);
    }
}

/// In a stream of bytes a position inside a message divides it: the rest is read forwards, the beginning backwards.
pub async fn any_byte_is_a_position_of_bytes(store: &dyn Store) {
    for content_type in ["text/plain", "application/octet-stream", "application/jsonl"] {
        let log = stream_of(store, content_type, content_type, &["abc", "defg", "h"]).await;
        let all = "abcdefgh";
        for cut in 0..=all.len() {
            let from = Some(at(cut as u64));
            let after = page(store, whole(&log, from, Forwards)).await;
            assert_eq!(texts(&after).concat(), all[cut..]);
            assert_eq!(after.messages.first().map_or(at(8), |message| message.start), at(cut as u64));
            let mut before = page(store, whole(&log, from, Backwards)).await;
            assert_eq!(before.messages.first().map_or(at(0), |message| message.end), at(cut as u64));
            before.messages.reverse();
            assert_eq!(texts(&before).concat(), all[..cut]);
        }
        let one = page(store, Read { max_messages: 1, ..whole(&log, Some(at(4)), Forwards) }).await;
        assert_eq!((texts(&one), one.next), (vec!["efg"], at(7)));
    }
}

/// How large a message is makes no difference to how it is read.
pub async fn large_messages_are_read_as_small_ones(store: &dyn Store) {
    let sizes = [3, (64 << 10) - 1, 64 << 10, 5, (64 << 10) + 1, 300_000, 2_000_000, 1];
    let messages: Vec<String> =
        sizes.iter().zip('a'..).map(|(&size, letter)| letter.to_string().repeat(size)).collect();
    let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
    let log = stream_of(store, "log", "text/plain", &messages).await;
    let mut reversed = messages.clone();
    reversed.reverse();
    for max_bytes in [1, 200_000, 1 << 20, 8 << 20] {
        for (direction, expected) in [(Forwards, &messages), (Backwards, &reversed)] {
            let read = Read { max_bytes, ..whole(&log, None, direction) };
            assert!(walk(store, read).await.concat() == *expected, "{max_bytes} {direction:?}");
        }
    }
    let (all, inside) = (messages.concat(), 3 + (64 << 10) + 70_000);
    let after = page(store, Read { max_bytes: 8 << 20, ..whole(&log, Some(at(inside)), Forwards) }).await;
    assert!(texts(&after).concat() == all[usize::try_from(inside).expect("small")..]);
}

/// JSON messages are whole: a position inside one is refused, in either direction.
pub async fn only_boundaries_are_positions_of_json(store: &dyn Store) {
    for content_type in ["application/json", "application/json; charset=utf-8", "Application/JSON"] {
        let log = stream_of(store, content_type, content_type, &["[1]", "{\"a\":2}", "3"]).await;
        let boundaries = [0, 3, 10, 11];
        for byte in 0..=11 {
            for direction in [Forwards, Backwards] {
                let result = store.read(whole(&log, Some(at(byte)), direction)).await;
                if boundaries.contains(&byte) {
                    assert!(result.is_ok(), "{byte} {direction:?}: {result:?}");
                } else {
                    let bad =
                        ReadError::BadOffset { stream: log.clone(), offset: at(byte), first: at(0), tail: at(11) };
                    assert_eq!(result, Err(bad), "{byte} {direction:?}");
                }
            }
        }
    }
}

/// A position past the end, or of another epoch, is refused.
pub async fn foreign_positions_are_refused(store: &dyn Store) {
    let log = stream_of(store, "log", "text/plain", &["abc"]).await;
    for offset in [at(4), Offset::new(1, 0), Offset::new(1, 3), at(u64::MAX)] {
        for direction in [Forwards, Backwards] {
            let bad = ReadError::BadOffset { stream: log.clone(), offset, first: at(0), tail: at(3) };
            assert_eq!(refused(store, whole(&log, Some(offset), direction)).await, bad);
        }
    }
}

/// `head` and the head of a page are the same.
pub async fn heads_tell_what_pages_tell(store: &dyn Store) {
    let log = stream_of(store, "log", "text/plain", &["abc"]).await;
    let page = page(store, whole(&log, None, Forwards)).await;
    assert_eq!(store.head(&log).await, Ok(Some(page.head)));
}

/// What stays keeps its offsets; what went is told as trimmed.
pub async fn trimming_keeps_offsets(store: &dyn Store) {
    let log = stream_of(store, "log", "text/plain", &["ab", "cd", "ef"]).await;
    store.trim(&log, Cut::Before(at(2))).await.expect("a trim");
    let page = page(store, whole(&log, None, Forwards)).await;
    assert_eq!((page.messages[0].start, page.head.first, page.head.tail), (at(2), at(2), at(6)));
    assert_eq!(texts(&page), ["cd", "ef"]);
    for direction in [Forwards, Backwards] {
        let trimmed = ReadError::Trimmed { stream: log.clone(), first: at(2), resume: at(0), compactions: 0 };
        assert_eq!(refused(store, whole(&log, Some(at(1)), direction)).await, trimmed);
    }
    // Less than before, and another epoch, change nothing.
    for offset in [at(0), at(1), Offset::new(7, 5)] {
        store.trim(&log, Cut::Before(offset)).await.expect("a trim");
    }
    done(store, append(&log, &["gh"])).await;
    assert_eq!(contents(store, &log).await, ["cd", "ef", "gh"]);
    assert_eq!(texts(&super::page(store, whole(&log, None, Backwards)).await), ["gh", "ef", "cd"]);
}

/// A message that only begins before the offset stays whole.
pub async fn trimming_keeps_touched_messages(store: &dyn Store) {
    let log = stream_of(store, "log", "text/plain", &["ab", "cd", "ef"]).await;
    store.trim(&log, Cut::Before(at(3))).await.expect("a trim");
    assert_eq!(contents(store, &log).await, ["cd", "ef"]);
    assert_eq!(store.head(&log).await.expect("a read").expect("a head").first, at(2));
}

/// Everything can go; the stream goes on where it was.
pub async fn trimming_everything(store: &dyn Store) {
    let log = stream_of(store, "log", "application/json", &["1", "22"]).await;
    store.trim(&log, Cut::Before(at(100))).await.expect("a trim");
    assert_eq!(contents(store, &log).await, Vec::<String>::new());
    let head = store.head(&log).await.expect("a read").expect("a head");
    assert_eq!((head.first, head.tail), (at(3), at(3)));
    let more = crate::port::Append::new(log.clone(), bodies(&["4"]));
    assert_eq!(done(store, more).await, crate::port::Done::Appended(at(4)));
    assert_eq!(contents(store, &log).await, ["4"]);
}
