//! One batch on trial: judged in full against an engine's state before anything of it is applied.
//!
//! The engine keeps the state and applies the effects; what a batch means is said here, once for all engines.

use std::collections::HashMap;

use bytes::Bytes;
use protocol::offset::Offset;
use protocol::path::StreamPath;
use protocol::time::UnixMs;

use crate::port::{Append, Batch, Conflict, Create, Done, Expected, Fork, Operation, Put};
use crate::rules::{Place, Stream, Verdict, judge};

/// What a draft asks of an engine. Answers include every batch applied before, durable or about to be.
pub(crate) trait Source {
    /// How a look at the state fails.
    type Error;

    /// The stream or its tombstone.
    fn stream(&mut self, path: &StreamPath) -> Result<Option<Stream>, Self::Error>;

    /// Where a producer stands on a living stream.
    fn producer(&mut self, path: &StreamPath, id: &str) -> Result<Option<Place>, Self::Error>;

    /// The last version of a key, and whether the entry is there now.
    fn version(&mut self, key: &str) -> Result<Option<Slot>, Self::Error>;
}

/// What is known of a key that was written at least once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Its last version.
    pub(crate) version: u64,
    /// Whether the entry is there, or was removed.
    pub(crate) present: bool,
}

impl Slot {
    fn visible(slot: Option<Self>) -> Option<u64> {
        slot.filter(|slot| slot.present).map(|slot| slot.version)
    }
}

/// One change for the engine to make, in order.
#[derive(Debug)]
pub(crate) enum Effect {
    /// The stream's record is now this; a new one has no row yet.
    Stream(StreamPath, Stream),
    /// A message begins at this byte of the stream.
    Message(StreamPath, u64, Bytes),
    /// The producer has come this far.
    Producer(StreamPath, String, Place),
    /// All messages and producers of the stream go; its record follows as a tombstone.
    Clear(StreamPath),
    /// The entry has this value and version.
    Write(String, Bytes, u64),
    /// The entry goes; its last version stays known.
    Remove(String, u64),
}

/// Why a batch was not accepted.
#[derive(Debug)]
pub(crate) enum Refusal<E> {
    /// An expectation did not hold.
    Conflict {
        /// Which operation.
        index: usize,
        /// What did not hold.
        conflict: Conflict,
    },
    /// The engine's state could not be seen.
    Source(E),
}

/// A batch that holds: what it does, and what to tell the caller.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) effects: Vec<Effect>,
    pub(crate) done: Vec<Done>,
}

enum Trouble<E> {
    Conflict(Conflict),
    Source(E),
}

impl<E> From<Conflict> for Trouble<E> {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

struct Draft<'a, S: Source> {
    source: &'a mut S,
    now: UnixMs,
    streams: HashMap<StreamPath, Stream>,
    producers: HashMap<(StreamPath, String), Place>,
    /// Streams deleted in this batch: what the engine knows of their producers is over.
    cleared: Vec<StreamPath>,
    slots: HashMap<String, Slot>,
    effects: Vec<Effect>,
    /// Whether this is the last operation: nobody will ask what it did.
    last: bool,
}

/// Judges a batch in order, each operation seeing the ones before it.
pub(crate) fn draft<S: Source>(source: &mut S, now: UnixMs, batch: Batch) -> Result<Accepted, Refusal<S::Error>> {
    let mut draft = Draft {
        source,
        now,
        streams: HashMap::new(),
        producers: HashMap::new(),
        cleared: Vec::new(),
        slots: HashMap::new(),
        effects: Vec::with_capacity(batch.operations.len() * 2),
        last: false,
    };
    let count = batch.operations.len();
    let mut done = Vec::with_capacity(batch.operations.len());
    for (index, operation) in batch.operations.into_iter().enumerate() {
        draft.last = index + 1 == count;
        let result = match operation {
            Operation::Create(create) => draft.create(create),
            Operation::Fork(fork) => draft.fork(fork),
            Operation::Append(append) => draft.append(append),
            Operation::Delete(path) => draft.delete(path),
            Operation::Put(put) => draft.put(put),
        };
        match result {
            Ok(step) => done.push(step),
            Err(Trouble::Conflict(conflict)) => return Err(Refusal::Conflict { index, conflict }),
            Err(Trouble::Source(error)) => return Err(Refusal::Source(error)),
        }
    }
    Ok(Accepted { effects: draft.effects, done })
}

impl<S: Source> Draft<'_, S> {
    fn stream(&mut self, path: &StreamPath) -> Result<Option<Stream>, Trouble<S::Error>> {
        match self.streams.get(path) {
            Some(stream) => Ok(Some(stream.clone())),
            None => self.source.stream(path).map_err(Trouble::Source),
        }
    }

    fn place(&mut self, path: &StreamPath, id: &str) -> Result<Option<Place>, Trouble<S::Error>> {
        if let Some(place) = self.producers.get(&(path.clone(), id.to_owned())) {
            return Ok(Some(*place));
        }
        if self.cleared.contains(path) {
            return Ok(None);
        }
        self.source.producer(path, id).map_err(Trouble::Source)
    }

    fn slot(&mut self, key: &str) -> Result<Option<Slot>, Trouble<S::Error>> {
        match self.slots.get(key) {
            Some(slot) => Ok(Some(*slot)),
            None => self.source.version(key).map_err(Trouble::Source),
        }
    }

    fn save(&mut self, path: StreamPath, stream: Stream) {
        self.effects.push(Effect::Stream(path.clone(), stream.clone()));
        self.streams.insert(path, stream);
    }

    /// As [`save`](Self::save), at the end of an operation.
    fn save_last(&mut self, path: StreamPath, stream: Stream) {
        if self.last {
            self.effects.push(Effect::Stream(path, stream));
        } else {
            self.save(path, stream);
        }
    }

    /// Adds the messages behind the stream's tail; empty ones have no position and are left out.
    fn write(&mut self, path: &StreamPath, stream: &mut Stream, messages: Vec<Bytes>) {
        for body in messages.into_iter().filter(|body| !body.is_empty()) {
            let start = stream.tail;
            stream.tail += body.len() as u64;
            self.effects.push(Effect::Message(path.clone(), start, body));
        }
    }

    fn create(&mut self, create: Create) -> Result<Done, Trouble<S::Error>> {
        match self.place_for(&create)? {
            Ok(stream) => Ok(self.begin(create, stream)),
            Err(existed) => Ok(existed),
        }
    }

    /// The stream as it would be made, without messages; or what is there already, when that is as good.
    fn place_for(&mut self, create: &Create) -> Result<Result<Stream, Done>, Trouble<S::Error>> {
        let path = &create.stream;
        let (row, epoch) = match &self.stream(path)? {
            Some(stream) if stream.retired => return Err(Conflict::Retired { stream: path.clone() }.into()),
            Some(stream) if stream.alive && create.or_same && stream.is_same(create) => {
                return Ok(Err(Done::Existed(stream.tail())));
            }
            Some(stream) if stream.alive => return Err(Conflict::Exists { stream: path.clone() }.into()),
            Some(tombstone) => (tombstone.row, tombstone.epoch + 1),
            None => (None, 0),
        };
        Ok(Ok(Stream::fresh(create, row, epoch, self.now)))
    }

    fn begin(&mut self, mut create: Create, mut stream: Stream) -> Done {
        let path = create.stream.clone();
        // The record first: messages need its row.
        self.effects.push(Effect::Stream(path.clone(), stream.clone()));
        self.write(&path, &mut stream, std::mem::take(&mut create.messages));
        let tail = stream.tail();
        self.save(path, stream);
        Done::Created(tail)
    }

    fn fork(&mut self, fork: Fork) -> Result<Done, Trouble<S::Error>> {
        let Fork { create, source: path, at } = fork;
        let mut stream = match self.place_for(&create)? {
            Ok(stream) => stream,
            Err(existed) => return Ok(existed),
        };
        let mut source = self.living(&path)?;
        if at.epoch != source.epoch || at.byte > source.tail {
            return Err(Conflict::Tail { stream: path, tail: source.tail(), expected: at }.into());
        }
        source.forks += 1;
        stream.epoch = stream.epoch.max(source.epoch);
        stream.base = at.byte;
        stream.tail = at.byte;
        stream.origin = Some(path.clone());
        self.save(path, source);
        Ok(self.begin(create, stream))
    }

    /// A stream that takes part in what happens.
    fn living(&mut self, path: &StreamPath) -> Result<Stream, Trouble<S::Error>> {
        match self.stream(path)? {
            Some(stream) if stream.retired => Err(Conflict::Retired { stream: path.clone() }.into()),
            Some(stream) if stream.alive => Ok(stream),
            _ => Err(Conflict::NoStream { stream: path.clone() }.into()),
        }
    }

    fn append(&mut self, mut append: Append) -> Result<Done, Trouble<S::Error>> {
        let path = append.stream.clone();
        let mut stream = self.living(&path)?;
        if append.epoch.is_some_and(|epoch| epoch != stream.epoch) {
            return Err(Conflict::Epoch { stream: path, current: stream.epoch }.into());
        }
        let place = match &append.producer {
            Some(producer) => self.place(&path, &producer.id)?,
            None => None,
        };
        match judge(&stream, place, &append)? {
            Verdict::Duplicate { seq } => {
                return Ok(Done::Duplicate { tail: stream.tail(), seq, closed: stream.closed });
            }
            Verdict::AlreadyClosed => return Ok(Done::Appended(stream.tail())),
            Verdict::Do => {}
        }
        self.write(&path, &mut stream, std::mem::take(&mut append.messages));
        if append.seq.is_some() {
            stream.last_seq = append.seq;
        }
        if append.close {
            stream.closed = true;
            stream.closed_by.clone_from(&append.producer);
        }
        if let Some(producer) = append.producer {
            let place = Place { epoch: producer.epoch, seq: producer.seq };
            if !self.last {
                self.producers.insert((path.clone(), producer.id.clone()), place);
            }
            self.effects.push(Effect::Producer(path.clone(), producer.id, place));
        }
        let tail: Offset = stream.tail();
        self.save_last(path, stream);
        Ok(Done::Appended(tail))
    }

    fn delete(&mut self, path: StreamPath) -> Result<Done, Trouble<S::Error>> {
        let Some(mut stream) = self.stream(&path)?.filter(|stream| stream.alive && !stream.retired) else {
            return Ok(Done::Deleted { existed: false });
        };
        if stream.forks > 0 {
            stream.retired = true;
            self.save(path, stream);
            return Ok(Done::Deleted { existed: true });
        }
        let mut origin = self.bury(path, stream);
        // Whatever was kept only for this one goes with it.
        while let Some(path) = origin {
            let Some(mut source) = self.stream(&path)? else { break };
            source.forks = source.forks.saturating_sub(1);
            if source.retired && source.forks == 0 {
                origin = self.bury(path, source);
            } else {
                self.save(path, source);
                break;
            }
        }
        Ok(Done::Deleted { existed: true })
    }

    /// Makes a tombstone of a stream and tells what it was forked from.
    fn bury(&mut self, path: StreamPath, mut stream: Stream) -> Option<StreamPath> {
        let origin = stream.origin.take();
        stream.bury();
        self.producers.retain(|(of, _), _| *of != path);
        self.cleared.push(path.clone());
        self.effects.push(Effect::Clear(path.clone()));
        self.save(path, stream);
        origin
    }

    fn put(&mut self, put: Put) -> Result<Done, Trouble<S::Error>> {
        let slot = self.slot(&put.key)?;
        let actual = Slot::visible(slot);
        let holds = match put.expected {
            Expected::Anything => true,
            Expected::Absent => actual.is_none(),
            Expected::Version(version) => actual == Some(version),
        };
        if !holds {
            return Err(Conflict::Version { key: put.key, actual }.into());
        }
        let last = slot.map_or(0, |slot| slot.version);
        if let Some(value) = put.value {
            let version = last + 1;
            self.slots.insert(put.key.clone(), Slot { version, present: true });
            self.effects.push(Effect::Write(put.key, value, version));
            return Ok(Done::Put(version));
        }
        if actual.is_some() {
            self.slots.insert(put.key.clone(), Slot { version: last, present: false });
            self.effects.push(Effect::Remove(put.key, last));
        }
        Ok(Done::Put(0))
    }
}
