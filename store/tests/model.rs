//! Random batches against a model that is as simple as possible, and the stores against each other.
//!
//! The model keeps plain lists, copies all of it for each batch and throws the copy away on a conflict. It shares nothing with
//! the stores but the words of the port.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use protocol::offset::Offset;
use protocol::path::StreamPath;
use protocol::time::UnixMs;
use store::contract::{TestClock, run};
use store::{
    Append, Batch, Create, Direction, Entry, Expected, FjallStore, Fork, MemoryStore, Operation, Producer, Put, Read,
    ReadError, Scan, SqliteStore, Store,
};

const STREAMS: [&str; 3] = ["a", "b", "c"];
const KEYS: [&str; 4] = ["k", "k/1", "k/2", "m"];

#[derive(Debug, Clone, Default)]
struct Model {
    streams: BTreeMap<String, Log>,
    epochs: BTreeMap<String, u64>,
    entries: BTreeMap<String, (u64, Option<Bytes>)>,
}

#[derive(Debug, Clone, Default)]
struct Log {
    messages: Vec<Bytes>,
    closed: bool,
    seq: Option<String>,
    producers: BTreeMap<String, (u64, u64)>,
    origin: Option<String>,
    forks: u64,
    retired: bool,
}

impl Log {
    fn tail(&self) -> u64 {
        self.messages.iter().map(|body| body.len() as u64).sum()
    }
}

impl Model {
    /// Does a batch, or tells which operation does not hold.
    fn commit(&mut self, batch: &Batch) -> Result<(), usize> {
        let mut copy = self.clone();
        for (index, operation) in batch.operations.iter().enumerate() {
            copy.step(operation).ok_or(index)?;
        }
        *self = copy;
        Ok(())
    }

    fn step(&mut self, operation: &Operation) -> Option<()> {
        match operation {
            Operation::Create(create) => {
                let name = create.stream.as_str();
                if let Some(log) = self.streams.get(name) {
                    return (!log.retired && log.origin.is_none() && create.or_same && log.closed == create.close)
                        .then_some(());
                }
                self.epochs.entry(name.to_owned()).and_modify(|epoch| *epoch += 1).or_insert(0);
                let log = Log { messages: create.messages.clone(), closed: create.close, ..Log::default() };
                self.streams.insert(name.to_owned(), log);
            }
            Operation::Fork(Fork { create, source, at }) => {
                let name = create.stream.as_str();
                if let Some(log) = self.streams.get(name) {
                    let same = create.or_same && create.config == config_of(log) && log.closed == create.close;
                    return (!log.retired && same).then_some(());
                }
                let epoch = *self.epochs.get(source.as_str())?;
                let from = self.streams.get_mut(source.as_str()).filter(|log| !log.retired)?;
                if at.epoch != epoch || at.byte > from.tail() {
                    return None;
                }
                from.forks += 1;
                let mut left = usize::try_from(at.byte).ok()?;
                let mut messages = Vec::new();
                for body in &from.messages {
                    let part = body.slice(..left.min(body.len()));
                    left -= part.len();
                    messages.extend((!part.is_empty()).then_some(part));
                }
                messages.extend(create.messages.iter().cloned());
                let own = self.epochs.get(name).map_or(0, |epoch| epoch + 1);
                self.epochs.insert(name.to_owned(), own.max(epoch));
                let origin = Some(source.as_str().to_owned());
                self.streams.insert(name.to_owned(), Log { messages, closed: create.close, origin, ..Log::default() });
            }
            Operation::Append(append) => {
                let epoch = self.epochs.get(append.stream.as_str()).copied();
                let log = self.streams.get_mut(append.stream.as_str()).filter(|log| !log.retired)?;
                if append.epoch.is_some_and(|meant| Some(meant) != epoch) {
                    return None;
                }
                let known =
                    append.producer.as_ref().and_then(|producer| Some((producer, *log.producers.get(&producer.id)?)));
                if let Some((producer, (epoch, seq))) = known
                    && (producer.epoch == epoch && producer.seq <= seq)
                {
                    return Some(());
                }
                if log.closed {
                    let plain = append.messages.is_empty() && append.close && append.producer.is_none();
                    let expected = append.expected.is_none_or(|at| at == Offset::new(epoch.unwrap_or(0), log.tail()));
                    return (plain && expected).then_some(());
                }
                if let Some(producer) = &append.producer {
                    let next = match known {
                        Some((producer, (epoch, seq))) if producer.epoch == epoch => seq + 1,
                        Some((producer, (epoch, _))) if producer.epoch < epoch => return None,
                        _ => 0,
                    };
                    if producer.seq != next {
                        return None;
                    }
                }
                let tail = Offset::new(epoch?, log.tail());
                if append.expected.is_some_and(|expected| expected != tail) {
                    return None;
                }
                if let (Some(new), Some(old)) = (&append.seq, &log.seq)
                    && new <= old
                {
                    return None;
                }
                log.messages.extend(append.messages.iter().cloned());
                log.closed = append.close;
                log.seq = append.seq.clone().or(log.seq.take());
                if let Some(producer) = &append.producer {
                    log.producers.insert(producer.id.clone(), (producer.epoch, producer.seq));
                }
            }
            Operation::Delete(stream) => {
                let Some(log) = self.streams.get_mut(stream.as_str()).filter(|log| !log.retired) else {
                    return Some(());
                };
                log.retired = log.forks > 0;
                let mut next = (!log.retired).then(|| stream.as_str().to_owned());
                while let Some(log) = next.take().and_then(|name| self.streams.remove(&name)) {
                    let Some(name) = log.origin else { break };
                    let Some(source) = self.streams.get_mut(&name) else { break };
                    source.forks -= 1;
                    next = (source.retired && source.forks == 0).then_some(name);
                }
            }
            Operation::Put(put) => {
                let (last, old) = self.entries.get(&put.key).cloned().unwrap_or_default();
                let actual = old.as_ref().map(|_| last);
                match put.expected {
                    Expected::Anything => {}
                    Expected::Absent if actual.is_none() => {}
                    Expected::Version(version) if actual == Some(version) => {}
                    Expected::Absent | Expected::Version(_) => return None,
                }
                let version = if put.value.is_some() { last + 1 } else { last };
                self.entries.insert(put.key.clone(), (version, put.value.clone()));
            }
        }
        Some(())
    }

    /// The entries that are there, in the order of their keys.
    fn present(&self) -> Vec<Entry> {
        let entry = |(key, (version, value)): (&String, &(u64, Option<Bytes>))| {
            Some(Entry { key: key.clone(), value: value.clone()?, version: *version })
        };
        self.entries.iter().filter_map(entry).collect()
    }
}

/// The configuration that forks of the model have: it names the source, so that `or_same` tells forks apart.
fn config_of(log: &Log) -> Bytes {
    log.origin.clone().unwrap_or_default().into()
}

fn stream() -> impl Strategy<Value = StreamPath> {
    proptest::sample::select(&STREAMS[..]).prop_map(|name| name.parse().expect("a path"))
}

fn messages(most: usize) -> impl Strategy<Value = Vec<Bytes>> {
    proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..4).prop_map(Bytes::from), 0..=most)
}

fn operation() -> impl Strategy<Value = Operation> {
    let create = (stream(), messages(2), proptest::bool::weighted(0.1), any::<bool>()).prop_map(
        |(stream, messages, close, or_same)| {
            let content_type = "text/plain".to_owned();
            Operation::Create(Create { stream, content_type, config: Bytes::new(), messages, close, or_same })
        },
    );
    let producer = (proptest::sample::select(vec!["p", "q"]), 0..3_u64, 0..4_u64)
        .prop_map(|(id, epoch, seq)| Producer { id: id.to_owned(), epoch, seq });
    let append = (
        stream(),
        messages(3),
        proptest::option::weighted(0.3, 0..3_u64),
        proptest::option::weighted(0.2, (0..3_u64, 0..6_u64).prop_map(|(epoch, byte)| Offset::new(epoch, byte))),
        proptest::option::weighted(0.5, producer),
        proptest::option::weighted(0.1, "[a-c]{1,2}"),
        proptest::bool::weighted(0.05),
    )
        .prop_map(|(stream, messages, epoch, expected, producer, seq, close)| {
            Operation::Append(Append { stream, messages, epoch, expected, producer, seq, close })
        });
    let expected = prop_oneof![
        4 => Just(Expected::Anything),
        1 => Just(Expected::Absent),
        2 => (1..4_u64).prop_map(Expected::Version),
    ];
    let value = proptest::option::weighted(0.7, proptest::collection::vec(any::<u8>(), 0..3).prop_map(Bytes::from));
    let put = (proptest::sample::select(&KEYS[..]), value, expected)
        .prop_map(|(key, value, expected)| Operation::Put(Put { key: key.to_owned(), value, expected }));
    let fork = (stream(), stream(), 0..2_u64, 0..8_u64, messages(1), any::<bool>()).prop_map(
        |(stream, source, epoch, byte, messages, or_same)| {
            let (content_type, config) = ("text/plain".to_owned(), Bytes::from(source.as_str().to_owned()));
            let create = Create { stream, content_type, config, messages, close: false, or_same };
            Operation::Fork(Fork { create, source, at: Offset::new(epoch, byte) })
        },
    );
    prop_oneof![2 => create, 2 => fork, 8 => append, 2 => stream().prop_map(Operation::Delete), 3 => put]
}

fn batches() -> impl Strategy<Value = Vec<Batch>> {
    let batch = proptest::collection::vec(operation(), 1..4).prop_map(|operations| Batch { operations });
    proptest::collection::vec(batch, 1..30)
}

fn scan(direction: Direction) -> Scan {
    Scan { prefix: String::new(), after: None, direction, limit: usize::MAX }
}

async fn same_state(model: &Model, memory: &MemoryStore, other: &dyn Store) {
    for name in STREAMS {
        let stream: StreamPath = name.parse().expect("a path");
        let head = memory.head(&stream).await;
        assert_eq!(head, other.head(&stream).await);
        let log = model.streams.get(name);
        if log.is_some_and(|log| log.retired) {
            assert_eq!(head, Err(ReadError::Retired { stream }));
            continue;
        }
        let head = head.expect("a read");
        let told = head.map(|head| (head.tail, head.closed));
        assert_eq!(told, log.map(|log| (Offset::new(model.epochs[name], log.tail()), log.closed)));
        let Some(log) = log else { continue };
        for direction in [Direction::Forwards, Direction::Backwards] {
            let read = Read {
                stream: stream.clone(),
                from: None,
                walk: None,
                direction,
                max_bytes: usize::MAX,
                max_messages: usize::MAX,
            };
            let page = memory.read(read.clone()).await.expect("a page");
            assert_eq!(page, other.read(read).await.expect("a page"));
            let mut bodies: Vec<_> = page.messages.into_iter().map(|message| message.body).collect();
            if direction == Direction::Backwards {
                bodies.reverse();
            }
            assert_eq!(bodies, log.messages);
        }
    }
    let mut present = model.present();
    for direction in [Direction::Forwards, Direction::Backwards] {
        assert_eq!(memory.scan(scan(direction)).await.as_ref(), Ok(&present));
        assert_eq!(other.scan(scan(direction)).await.as_ref(), Ok(&present));
        present.reverse();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn stores_do_what_the_model_does(batches in batches()) {
        let dir = tempfile::tempdir().expect("a directory");
        let clock = || Arc::new(TestClock::at(UnixMs(1_700_000_000_000)));
        let (memory, sqlite) = (MemoryStore::new(clock()), SqliteStore::open(dir.path(), clock()).expect("a store"));
        let candidate = tempfile::tempdir().expect("a directory");
        let fjall = FjallStore::open(candidate.path(), clock()).expect("a store");
        let mut model = Model::default();
        run(async {
            for (index, batch) in batches.iter().enumerate() {
                let expected = model.commit(batch);
                let done = memory.commit(batch.clone()).await;
                assert_eq!(done, sqlite.commit(batch.clone()).await);
                assert_eq!(done, fjall.commit(batch.clone()).await);
                let conflict = match &done {
                    Ok(_) => Ok(()),
                    Err(store::CommitError::Conflict { index, .. }) => Err(*index),
                    Err(error) => panic!("{error}"),
                };
                assert_eq!(conflict, expected);
                // What is new lies elsewhere than what is older.
                if index % 3 == 0 {
                    same_state(&model, &memory, &sqlite).await;
                }
            }
            same_state(&model, &memory, &sqlite).await;
            same_state(&model, &memory, &fjall).await;
            // What is on disk is all of it.
            sqlite.close();
            let again = SqliteStore::open(dir.path(), clock()).expect("the store again");
            same_state(&model, &memory, &again).await;
            drop(fjall);
            let again = FjallStore::open(candidate.path(), clock()).expect("the store again");
            same_state(&model, &memory, &again).await;
        });
    }

    /// The same batches all at once: the writer makes groups of them, and the outcome is that of one after another.
    #[test]
    fn groups_do_what_single_commits_do(batches in batches()) {
        let (dir, candidate) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let clock = || Arc::new(TestClock::at(UnixMs(1_700_000_000_000)));
        let sqlite = SqliteStore::open(dir.path(), clock()).expect("a store");
        let fjall = FjallStore::open(candidate.path(), clock()).expect("a store");
        for store in [&sqlite as &dyn Store, &fjall] {
            let (memory, mut model) = (MemoryStore::new(clock()), Model::default());
            run(async {
                // Polled in order, so queued in order.
                let each = batches.iter().map(|batch| store.commit(batch.clone()));
                let together = futures_util::future::join_all(each).await;
                for (batch, done) in batches.iter().zip(together) {
                    assert_eq!(model.commit(batch).is_ok(), done.is_ok());
                    assert_eq!(memory.commit(batch.clone()).await, done);
                }
                same_state(&model, &memory, store).await;
            });
        }
    }
}
