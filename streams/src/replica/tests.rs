//! A replica is a prefix of what its owner wrote, whatever comes in whatever order.

use std::sync::Arc;

use proptest::prelude::*;
use store::{CommitError, Conflict, MemoryStore, SqliteStore, Store};

use super::*;
use crate::http::tests::ManualClock;

const TYPE: &str = "application/json";

fn path(n: usize) -> StreamPath {
    format!("sessions/{n}/journal").parse().expect("a path")
}

fn clock() -> Arc<ManualClock> {
    ManualClock::at(1)
}

fn memory() -> Streams {
    Streams::new(Arc::new(MemoryStore::new(clock())))
}

async fn put(streams: &Streams, extensions: Vec<Extension>) -> Result<Vec<Extended>, ExtendError> {
    let mut replicas = Replicas::new(streams, TYPE);
    let (mut batch, mut done) = (Batch::new(), Vec::new());
    for extension in extensions {
        done.push(replicas.append_at(&mut batch, extension).await?);
    }
    streams.commit(batch).await.expect("nobody else writes");
    Ok(done)
}

/// What an owner has, message by message.
#[derive(Debug, Clone, Default)]
struct Owner {
    messages: Vec<Bytes>,
    closed: bool,
}

impl Owner {
    fn at(&self, from: usize) -> (Offset, Chain) {
        let before = &self.messages[..from];
        let bytes = before.iter().map(|message| message.len() as u64).sum();
        (Offset::new(0, bytes), before.iter().fold(Chain::START, |chain, message| chain.after(message)))
    }

    /// Its messages in a range; the close goes with the last of them.
    fn piece(&self, stream: usize, from: usize, to: usize) -> Extension {
        let (at, before) = self.at(from);
        let close = self.closed && to == self.messages.len();
        Extension { stream: path(stream), at, before, messages: self.messages[from..to].to_vec(), close }
    }
}

async fn held(streams: &Streams, stream: usize) -> Vec<Bytes> {
    match streams.read(&path(stream), None, usize::MAX, usize::MAX).await {
        Ok(page) => page.messages.into_iter().map(|message| message.body).collect(),
        Err(ReadError::NoStream { .. }) => Vec::new(),
        Err(error) => panic!("{error}"),
    }
}

fn owner(messages: &[&'static str], closed: bool) -> Owner {
    Owner { messages: messages.iter().map(|message| Bytes::from_static(message.as_bytes())).collect(), closed }
}

#[tokio::test]
async fn it_grows_at_its_end_and_what_is_there_may_come_again() {
    let streams = memory();
    let owner = owner(&["1", "22", "333", "4444"], true);
    assert_eq!(
        put(&streams, vec![owner.piece(0, 0, 2), owner.piece(0, 2, 3)]).await,
        Ok(vec![Extended::Made, Extended::Grown])
    );
    for (from, to) in [(0, 0), (0, 1), (1, 2), (0, 3), (3, 3)] {
        assert_eq!(put(&streams, vec![owner.piece(0, from, to)]).await, Ok(vec![Extended::Same]), "{from}..{to}");
    }
    assert_eq!(put(&streams, vec![owner.piece(0, 3, 4)]).await, Ok(vec![Extended::Grown]));
    assert_eq!(put(&streams, vec![owner.piece(0, 3, 4)]).await, Ok(vec![Extended::Same]));
    assert_eq!(put(&streams, vec![owner.piece(0, 4, 4)]).await, Ok(vec![Extended::Same]));
    let replica = streams.replica(&path(0)).await.expect("a look").expect("a replica");
    assert_eq!((replica.tail, replica.chain, replica.closed), (owner.at(4).0, owner.at(4).1, true));
    assert_eq!(held(&streams, 0).await, owner.messages);
}

#[tokio::test]
async fn what_does_not_fit_is_told_with_what_is_there_and_changes_nothing() {
    let streams = memory();
    let here = owner(&["1", "22", "333"], false);
    put(&streams, vec![here.piece(0, 0, 3)]).await.expect("it fits");
    let there = owner(&["1", "xx", "333", "4"], false);
    let closed = owner(&["1", "22"], true);
    let skips = owner(&["1", "22", "333", "4", "5"], false);
    for bad in [
        there.piece(0, 3, 4),
        there.piece(0, 1, 2),
        there.piece(0, 0, 3),
        skips.piece(0, 4, 5),
        // Some of it is there and some is not: whoever sends that does not know what is there.
        skips.piece(0, 2, 4),
        // Closed where it goes on here.
        closed.piece(0, 1, 2),
        Extension { at: Offset::new(1, 6), ..here.piece(0, 3, 3) },
        Extension { before: Chain::START, ..here.piece(0, 3, 3) },
        // In the middle of a message.
        Extension { at: Offset::new(0, 2), messages: vec!["2".into()], ..here.piece(0, 1, 2) },
    ] {
        let expected = Mismatch { stream: path(0), tail: Some(here.at(3).0), chain: Some(here.at(3).1) };
        // Nothing of a batch with it, either.
        let both = vec![owner(&["9"], false).piece(1, 0, 1), bad.clone()];
        assert_eq!(put(&streams, both).await, Err(ExtendError::Mismatch(expected)), "{bad:?}");
    }
    let nothing = Mismatch { stream: path(1), tail: None, chain: None };
    assert_eq!(put(&streams, vec![here.piece(1, 1, 2)]).await, Err(ExtendError::Mismatch(nothing)));
    assert_eq!(held(&streams, 0).await, here.messages);
    assert_eq!(held(&streams, 1).await, Vec::<Bytes>::new());
}

#[tokio::test]
async fn a_closed_one_takes_nothing_more() {
    let streams = memory();
    put(&streams, vec![owner(&["1"], true).piece(0, 0, 1)]).await.expect("it fits");
    let longer = owner(&["1", "2"], true);
    assert!(matches!(put(&streams, vec![longer.piece(0, 1, 2)]).await, Err(ExtendError::Mismatch(_))));
}

#[tokio::test]
async fn what_stands_beside_it_goes_with_it_and_a_second_life_is_another_stream() {
    let streams = memory();
    let owner = owner(&["1", "22"], false);
    put(&streams, vec![owner.piece(0, 0, 2)]).await.expect("it fits");
    let batch = Batch::of(Operation::Delete(path(0)));
    assert_eq!(streams.commit(batch).await.expect("a commit"), [Done::Deleted { existed: true }]);
    assert_eq!(streams.replica(&path(0)).await, Ok(None));
    let (mut replicas, mut batch) = (Replicas::new(&streams, TYPE), Batch::new());
    replicas.append_at(&mut batch, owner.piece(0, 0, 2)).await.expect("a draft");
    // Its offsets would be of another epoch here than at the owner.
    let refused = streams.commit(batch).await.unwrap_err();
    assert!(matches!(refused, CommitError::Conflict { conflict: Conflict::Tail { .. }, .. }), "{refused}");
    assert_eq!(streams.replica(&path(0)).await, Ok(None));
}

#[tokio::test]
async fn two_who_extend_at_once_do_not_both() {
    let streams = memory();
    let owner = owner(&["1", "22"], false);
    put(&streams, vec![owner.piece(0, 0, 1)]).await.expect("it fits");
    let mut batches = Vec::new();
    for _ in 0..2 {
        let (mut replicas, mut batch) = (Replicas::new(&streams, TYPE), Batch::new());
        replicas.append_at(&mut batch, owner.piece(0, 1, 2)).await.expect("a draft");
        batches.push(batch);
    }
    let second = batches.pop().expect("two");
    streams.commit(batches.pop().expect("one")).await.expect("the first");
    assert!(matches!(streams.commit(second).await, Err(CommitError::Conflict { .. })));
    assert_eq!(held(&streams, 0).await, owner.messages);
}

/// What happens to two replicas.
#[derive(Debug, Clone)]
enum Event {
    /// A piece of the owner's, perhaps with another one of the other stream in the same batch.
    Piece { stream: usize, from: usize, to: usize, with: Option<(usize, usize)> },
    /// The same from a disk that went another way after so many messages.
    Clone { stream: usize, parted: usize, from: usize, to: usize },
    /// The process ends and starts.
    Reopen,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let piece = (0..2_usize, 0..9_usize, 0..9_usize, proptest::option::of((0..9_usize, 0..9_usize)))
        .prop_map(|(stream, from, to, with)| Event::Piece { stream, from, to, with });
    let cloned = (0..2_usize, 0..8_usize, 0..9_usize, 0..9_usize).prop_map(|(stream, parted, from, to)| Event::Clone {
        stream,
        parted,
        from,
        to,
    });
    proptest::collection::vec(prop_oneof![6 => piece, 2 => cloned, 1 => Just(Event::Reopen)], 1..24)
}

fn of(seed: &str, closed: bool) -> Owner {
    let messages = (0..8).map(|n| Bytes::from(format!("[\"{seed}{}\"]", "x".repeat(n)))).collect();
    Owner { messages, closed }
}

async fn holds_always(events: &[Event], mut open: impl FnMut() -> Arc<dyn Store>) -> Result<(), TestCaseError> {
    let owners = [of("a", true), of("b", false)];
    let mut streams = Streams::new(open());
    let mut lengths = [0_usize; 2];
    for event in events {
        match event {
            Event::Reopen => {
                drop(streams);
                streams = Streams::new(open());
            }
            Event::Piece { stream, from, to, with } => {
                let (from, to) = (*from.min(to), *from.max(to));
                let mut pieces = vec![owners[*stream].piece(*stream, from, to)];
                if let Some((a, b)) = with {
                    pieces.push(owners[1 - stream].piece(1 - stream, *a.min(b), *a.max(b)));
                }
                let went = put(&streams, pieces).await.is_ok();
                let fits = |have: usize, from: usize, to: usize| from == have || to <= have;
                let mut expected = fits(lengths[*stream], from, to);
                if let Some((a, b)) = with {
                    expected &= fits(lengths[1 - stream], *a.min(b), *a.max(b));
                }
                prop_assert_eq!(went, expected, "{:?} on {:?}", event, lengths);
                if went {
                    lengths[*stream] = lengths[*stream].max(to);
                    if let Some((a, b)) = with {
                        lengths[1 - stream] = lengths[1 - stream].max(*a.max(b));
                    }
                }
            }
            Event::Clone { stream, parted, from, to } => {
                let mut clone = owners[*stream].clone();
                for message in &mut clone.messages[*parted..] {
                    *message = Bytes::from(message.iter().rev().copied().collect::<Vec<u8>>());
                }
                let (from, to) = (*from.min(to), *from.max(to));
                // Before they parted, the clone says what the owner says.
                if to > *parted && put(&streams, vec![clone.piece(*stream, from, to)]).await.is_ok() {
                    // A clone may be first; then it is the owner that does not fit. Nobody can tell, and nothing is merged.
                    prop_assert!(from == lengths[*stream] && from <= *parted);
                    return Ok(());
                }
            }
        }
        for (stream, owner) in owners.iter().enumerate() {
            prop_assert_eq!(&held(&streams, stream).await, &owner.messages[..lengths[stream]].to_vec());
            if let Some(replica) = streams.replica(&path(stream)).await.expect("a look") {
                prop_assert_eq!((replica.tail, replica.chain), owner.at(lengths[stream]));
            }
        }
    }
    Ok(())
}

fn run(work: impl Future<Output = Result<(), TestCaseError>>) -> Result<(), TestCaseError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

proptest! {
    #[test]
    fn a_replica_is_always_a_prefix_of_its_owner(events in events()) {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock()));
        run(holds_always(&events, || store.clone()))?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn and_on_disk_too(events in events()) {
        let dir = tempfile::tempdir().expect("a directory");
        let open = || -> Arc<dyn Store> {
            Arc::new(SqliteStore::open(dir.path().join("db"), clock()).expect("it opens"))
        };
        run(holds_always(&events, open))?;
    }
}
