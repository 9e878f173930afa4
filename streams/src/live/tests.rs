//! Followers under schedules that try to lose, repeat or reorder something.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use protocol::offset::Offset;
use protocol::path::StreamPath;
use store::{
    Append, Batch, CommitError, Create, Done, Entry, Head, Later, Operation, Page, Read, ReadError, Scan, Store,
};
use tokio::task::{JoinSet, yield_now};

use super::{FollowError, Follower, Position, WakeSet};
use crate::Streams;
use crate::http::tests::ManualClock;
use crate::service::News;

/// Small numbers from a seed, so that a failing schedule can be run again (xorshift64*, Vigna 2016).
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides
    }

    async fn dawdle(&mut self) {
        for _ in 0..self.roll(6) {
            yield_now().await;
        }
    }
}

/// A store whose answers come late, each by a different number of turns of the scheduler.
#[derive(Debug)]
struct Late {
    inner: store::MemoryStore,
    dice: std::sync::Mutex<Dice>,
}

impl Late {
    fn pause(&self) -> u64 {
        self.dice.lock().expect("no panic").roll(5)
    }

    async fn after<T>(turns: u64, value: T) -> T {
        for _ in 0..turns {
            yield_now().await;
        }
        value
    }
}

impl Store for Late {
    fn commit(&self, batch: Batch) -> Later<'_, Result<Vec<Done>, CommitError>> {
        Box::pin(async move {
            Self::after(self.pause(), ()).await;
            let done = self.inner.commit(batch).await;
            // Committed, but its caller does not know yet: another's answer may overtake this one.
            Self::after(self.pause(), done).await
        })
    }

    fn read(&self, read: Read) -> Later<'_, Result<Page, ReadError>> {
        Box::pin(async move {
            Self::after(self.pause(), ()).await;
            let page = self.inner.read(read).await;
            Self::after(self.pause(), page).await
        })
    }

    fn head<'a>(&'a self, stream: &'a StreamPath) -> Later<'a, Result<Option<Head>, ReadError>> {
        Box::pin(async move {
            let head = self.inner.head(stream).await;
            Self::after(self.pause(), head).await
        })
    }

    fn get<'a>(&'a self, key: &'a str) -> Later<'a, Result<Option<Entry>, ReadError>> {
        self.inner.get(key)
    }

    fn scan(&self, scan: Scan) -> Later<'_, Result<Vec<Entry>, ReadError>> {
        self.inner.scan(scan)
    }

    fn trim<'a>(&'a self, stream: &'a StreamPath, cut: store::Cut) -> Later<'a, Result<(), CommitError>> {
        self.inner.trim(stream, cut)
    }
}

pub(crate) fn late(seed: u64) -> Streams {
    let inner = store::MemoryStore::new(ManualClock::at(0));
    Streams::new(Arc::new(Late { inner, dice: std::sync::Mutex::new(Dice(seed * 2 + 1)) }))
}

pub(crate) fn path(text: &str) -> StreamPath {
    text.parse().expect("a path")
}

async fn create(streams: &Streams, stream: &StreamPath) {
    let create = Create {
        stream: stream.clone(),
        content_type: "application/json".into(),
        config: Bytes::new(),
        messages: Vec::new(),
        close: false,
        or_same: false,
    };
    streams.commit(Batch::of(create)).await.expect("a fresh path");
}

async fn append(streams: &Streams, stream: &StreamPath, message: impl Into<Bytes>) {
    let append = Append::new(stream.clone(), vec![message.into()]);
    streams.commit(Batch::of(append)).await.expect("the stream is open");
}

async fn close(streams: &Streams, stream: &StreamPath) {
    let mut append = Append::new(stream.clone(), Vec::new());
    append.close = true;
    streams.commit(Batch::of(append)).await.expect("the stream is open");
}

/// Reads to the end for ever, dropping futures half way as an impatient `select!` does.
async fn read_all(mut follower: Follower, mut dice: Dice) -> Vec<Bytes> {
    let mut read = Vec::new();
    // A reader that nobody wakes looks in vain for ever; time does not pass while it does.
    for _ in 0..100_000 {
        let (bytes, messages) = (
            1 + usize::try_from(dice.roll(300_000)).expect("small"),
            1 + usize::try_from(dice.roll(9)).expect("small"),
        );
        let impatience = dice.roll(12);
        let chunk = tokio::select! {
            biased;
            chunk = follower.next(bytes, messages) => chunk.expect("the stream lives"),
            () = Late::after(impatience, ()) => continue,
        };
        let mut at = chunk.messages.first().map_or(chunk.next, |m| m.start);
        for message in &chunk.messages {
            assert_eq!(message.start, at, "a gap inside a chunk");
            at = message.end;
        }
        assert_eq!(at, chunk.next);
        read.extend(chunk.messages.into_iter().map(|m| m.body));
        if chunk.closed {
            return read;
        }
        dice.dawdle().await;
    }
    panic!("no end in sight at {} after {} messages", follower.offset(), read.len());
}

/// Three appenders, followers that join at random moments and places, some slower than the ring is long: each reads every message
/// from its place on, once, in the order of the stream (W-025, W-026).
async fn schedule(seed: u64, size: usize) {
    let (streams, stream) = (late(seed), path("s"));
    create(&streams, &stream).await;
    let mut appenders = JoinSet::new();
    for appender in 0..3_u64 {
        let (streams, stream) = (streams.clone(), stream.clone());
        appenders.spawn(async move {
            let mut dice = Dice(seed * 31 + appender + 1);
            for n in 0..30 {
                let body = format!("{{\"a\":{appender},\"n\":{n},\"x\":\"{}\"}}", "x".repeat(size));
                append(&streams, &stream, body).await;
                dice.dawdle().await;
            }
        });
    }
    let mut readers = JoinSet::new();
    for reader in 0..12_u64 {
        let (streams, stream) = (streams.clone(), stream.clone());
        readers.spawn(async move {
            let mut dice = Dice(seed * 37 + reader + 1);
            for _ in 0..dice.roll(120) {
                yield_now().await;
            }
            let from = match dice.roll(3) {
                0 => Position::Start,
                1 => Position::Now,
                _ => {
                    let most = usize::try_from(dice.roll(40)).expect("small");
                    let page = streams.read(&stream, None, usize::MAX, most.max(1)).await.expect("it is there");
                    Position::Offset(page.next)
                }
            };
            let follower = streams.follow(&stream, from).await.expect("it is there");
            (follower.offset(), read_all(follower, dice).await)
        });
    }
    while let Some(done) = appenders.join_next().await {
        done.expect("an appender");
    }
    close(&streams, &stream).await;
    let page = streams.read(&stream, None, usize::MAX, usize::MAX).await.expect("it is there");
    assert_eq!(page.messages.len(), 90);
    while let Some(done) = readers.join_next().await {
        let (from, read) = done.expect("a reader");
        let expected: Vec<Bytes> = page.messages.iter().filter(|m| m.start >= from).map(|m| m.body.clone()).collect();
        assert!(read == expected, "seed {seed}: from {from}: {} of {} messages", read.len(), expected.len());
    }
    assert_eq!(streams.followed(), 0);
}

#[tokio::test(start_paused = true)]
async fn every_message_once_and_in_order() {
    for seed in 1..=150 {
        // Some worlds are large enough for followers to fall out of the ring.
        let run = schedule(seed, if seed % 5 == 0 { 20_000 } else { 10 });
        tokio::time::timeout(Duration::from_hours(1), run).await.unwrap_or_else(|_| panic!("seed {seed} hangs"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_message_once_and_in_order_on_many_threads() {
    for seed in 1000..1030 {
        let run = schedule(seed, 10);
        tokio::time::timeout(Duration::from_secs(30), run).await.unwrap_or_else(|_| panic!("seed {seed} hangs"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_wake_set_tells_of_every_follower() {
    for seed in 1..=40 {
        let streams = late(seed);
        let wake = WakeSet::new();
        let mut followers = BTreeMap::new();
        for tag in 0..20_u32 {
            let stream = path(&format!("s/{tag}"));
            create(&streams, &stream).await;
            let mut follower = streams.follow(&stream, Position::Start).await.expect("it is there");
            follower.hook(&wake, tag);
            followers.insert(tag, (follower, Vec::new()));
        }
        let mut appenders = JoinSet::new();
        for tag in 0..20_u32 {
            let streams = streams.clone();
            appenders.spawn(async move {
                let (stream, mut dice) = (path(&format!("s/{tag}")), Dice(seed * 41 + u64::from(tag)));
                for n in 0..15 {
                    append(&streams, &stream, format!("{n}")).await;
                    dice.dawdle().await;
                }
                close(&streams, &stream).await;
            });
        }
        while !followers.is_empty() {
            let news = tokio::time::timeout(Duration::from_mins(1), wake.next()).await;
            for tag in news.unwrap_or_else(|_| panic!("seed {seed}: nothing is told of {:?}", followers.keys())) {
                let Some((follower, read)) = followers.get_mut(&tag) else { continue };
                let chunk = follower.take(1, 2).await.expect("it lives");
                read.extend(chunk.messages.into_iter().map(|m| m.body));
                if chunk.closed {
                    assert_eq!(*read, (0..15).map(|n| Bytes::from(n.to_string())).collect::<Vec<_>>());
                    followers.remove(&tag);
                }
            }
        }
        while appenders.join_next().await.is_some() {}
        assert_eq!(streams.followed(), 0);
    }
}

#[tokio::test]
async fn following_leaves_nothing_behind() {
    let (streams, wake) = (late(1), WakeSet::new());
    for n in 0..3 {
        create(&streams, &path(&format!("s/{n}"))).await;
    }
    let stays = streams.follow(&path("s/0"), Position::Start).await.expect("it is there");
    for n in 0..10_000_u32 {
        let mut follower = streams.follow(&path(&format!("s/{}", n % 3)), Position::Now).await.expect("it is there");
        follower.hook(&wake, n);
    }
    assert_eq!(streams.followed(), 1);
    wake.mark(7);
    assert_eq!(wake.next().await, [7], "marks leave with their followers");
    drop(stays);
    assert_eq!(streams.followed(), 0);
    assert_eq!(
        streams.follow(&path("none"), Position::Now).await.err(),
        Some(FollowError::Gone { stream: path("none") })
    );
    assert_eq!(streams.followed(), 0);
}

#[tokio::test(start_paused = true)]
async fn deletion_ends_followers_and_a_new_stream_is_another() {
    for seed in 1..=60 {
        let (streams, stream) = (late(seed), path("s"));
        create(&streams, &stream).await;
        append(&streams, &stream, "1").await;
        let mut readers = JoinSet::new();
        for _ in 0..5 {
            let mut follower = streams.follow(&stream, Position::Start).await.expect("it is there");
            readers.spawn(async move {
                let mut read = Vec::new();
                loop {
                    let look = tokio::time::timeout(Duration::from_mins(1), follower.next(100, 1));
                    match look.await.expect("told of the deletion") {
                        Ok(chunk) => read.extend(chunk.messages.into_iter().map(|m| m.body)),
                        Err(error) => return (read, error),
                    }
                }
            });
        }
        // All at once, so that the deletion may be told before the append, or after the new stream's first message.
        let again = async {
            while streams.head(&stream).await.expect("memory").is_some() {
                yield_now().await;
            }
            create(&streams, &stream).await;
            append(&streams, &stream, "\"new\"").await;
        };
        let late = streams.commit(Batch::of(Append::new(stream.clone(), vec!["2".into()])));
        let (late, deleted, ()) =
            tokio::join!(late, streams.commit(Batch::of(Operation::Delete(stream.clone()))), again);
        deleted.expect("a deletion");
        // It may also have come so late that it is of the new stream.
        let late = late.is_ok_and(|done| matches!(done[..], [Done::Appended(at)] if at.epoch > 0));
        while let Some(ended) = readers.join_next().await {
            let (read, error) = ended.expect("a reader");
            assert_eq!(error, FollowError::Gone { stream: stream.clone() });
            assert!([&b"1"[..], b"2"].starts_with(&read.iter().map(Bytes::as_ref).collect::<Vec<_>>()), "{read:?}");
        }
        let mut follower = streams.follow(&stream, Position::Start).await.expect("the new one");
        let chunk = follower.next(100, 9).await.expect("it lives");
        assert_eq!((chunk.messages.len(), chunk.up_to_date), (1 + usize::from(late), true), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_caller_left_is_still_told() {
    let (streams, stream) = (late(3), path("s"));
    create(&streams, &stream).await;
    let mut follower = streams.follow(&stream, Position::Now).await.expect("it is there");
    assert!(follower.take(1, 1).await.expect("it lives").up_to_date);
    let mut commit = Box::pin(streams.commit(Batch::of(Append::new(stream.clone(), vec!["1".into()]))));
    assert!(futures_util::poll!(&mut commit).is_pending());
    drop(commit);
    let chunk = tokio::time::timeout(Duration::from_mins(1), follower.next(9, 9)).await.expect("told");
    assert_eq!(chunk.expect("it lives").messages.len(), 1);
    streams.drained().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_followers_of_one_stream() {
    let (streams, stream) = (late(5), path("s"));
    create(&streams, &stream).await;
    let mut readers = JoinSet::new();
    for _ in 0..1000 {
        let mut follower = streams.follow(&stream, Position::Now).await.expect("it is there");
        readers.spawn(async move {
            let mut shared = Vec::new();
            loop {
                let look = tokio::time::timeout(Duration::from_mins(1), follower.next(1 << 20, 100));
                let chunk = look.await.expect("told").expect("it lives");
                shared.extend(chunk.messages.into_iter().map(|m| m.body));
                if chunk.closed {
                    return shared;
                }
            }
        });
    }
    for n in 0..100 {
        append(&streams, &stream, format!("{n}")).await;
    }
    close(&streams, &stream).await;
    let expected: Vec<Bytes> = (0..100).map(|n| Bytes::from(n.to_string())).collect();
    while let Some(read) = readers.join_next().await {
        assert_eq!(read.expect("a reader"), expected);
    }
}

#[tokio::test]
async fn readers_at_the_end_share_the_bytes() {
    let (streams, stream) = (late(7), path("s"));
    create(&streams, &stream).await;
    let mut followers = Vec::new();
    for _ in 0..3 {
        let mut follower = streams.follow(&stream, Position::Now).await.expect("it is there");
        follower.take(1, 1).await.expect("it lives");
        followers.push(follower);
    }
    let body = Bytes::from("\"shared\"");
    append(&streams, &stream, body.clone()).await;
    for follower in &mut followers {
        let chunk = follower.take(100, 1).await.expect("it lives");
        assert_eq!(chunk.messages[0].body.as_ptr(), body.as_ptr(), "no copy, and no read from the store");
    }
}

#[tokio::test]
async fn positions_are_checked() {
    let (streams, stream) = (late(9), path("s"));
    create(&streams, &stream).await;
    append(&streams, &stream, "123").await;
    append(&streams, &stream, "456").await;
    streams.trim(&stream, store::Cut::Before(Offset::new(0, 3))).await.expect("a trim");
    let follow = |from| streams.follow(&stream, from);
    assert!(matches!(follow(Position::Offset(Offset::new(0, 9))).await, Err(FollowError::BadOffset { .. })));
    assert!(matches!(follow(Position::Offset(Offset::new(1, 3))).await, Err(FollowError::BadOffset { .. })));
    assert!(matches!(follow(Position::Offset(Offset::ZERO)).await, Err(FollowError::Trimmed { .. })));
    assert_eq!(follow(Position::Start).await.expect("a start").offset(), Offset::new(0, 3));
    let mut inside = follow(Position::Offset(Offset::new(0, 4))).await.expect("a range");
    assert!(matches!(inside.take(9, 9).await, Err(FollowError::BadOffset { .. })));
}

#[tokio::test(start_paused = true)]
async fn what_is_told_too_late_does_not_bring_a_deleted_stream_back() {
    for seed in 1..=60 {
        let (streams, stream) = (late(seed), path("s"));
        create(&streams, &stream).await;
        append(&streams, &stream, "1").await;
        let mut follower = streams.follow(&stream, Position::Start).await.expect("it is there");
        assert!(follower.next(9, 9).await.expect("it lives").up_to_date);
        streams.commit(Batch::of(Operation::Delete(stream.clone()))).await.expect("a deletion");
        create(&streams, &stream).await;
        let _other = streams.follow(&stream, Position::Now).await.expect("the new one");
        // An append to the old stream, durable before the deletion, whose caller hears of it only now.
        let news = News::Messages { stream: stream.clone(), messages: vec!["2".into()], close: false };
        streams.live().tell(vec![news], &[Done::Appended(Offset::new(0, 2))]);
        // Impatience must not end in trust, so the first looks are given up half way.
        for turn in 0.. {
            let look = tokio::select! {
                biased;
                look = follower.take(9, 9) => look,
                () = Late::after(turn, ()) => continue,
            };
            assert_eq!(look, Err(FollowError::Gone { stream: stream.clone() }), "seed {seed}");
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn news_stay_news_until_they_are_read() {
    let (streams, stream) = (late(11), path("s"));
    create(&streams, &stream).await;
    let mut follower = streams.follow(&stream, Position::Now).await.expect("it is there");
    follower.ready().await;
    assert!(follower.take(9, 9).await.expect("it lives").messages.is_empty());
    let minute = Duration::from_mins(1);
    assert!(tokio::time::timeout(minute, follower.ready()).await.is_err(), "nothing to read");
    append(&streams, &stream, "1").await;
    for _ in 0..3 {
        tokio::time::timeout(minute, follower.ready()).await.expect("something to read");
    }
    assert_eq!(follower.take(9, 9).await.expect("it lives").messages.len(), 1);
    assert!(tokio::time::timeout(minute, follower.ready()).await.is_err(), "nothing to read");
}
