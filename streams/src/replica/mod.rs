//! Replicas: streams that somebody else owns, taken over byte for byte and at the owner's offsets.
//!
//! Beside each of them stands, at `streams/replica/{path}`, where it ends and the [`Chain`] of all that it holds. Both are written in the
//! commit that extends it, so that what is there can be compared with what the owner has by one hash, whatever the batches it came in.
//! Nothing is ever overwritten: what does not fit is a [`Mismatch`], and the caller stops (W-031).

use std::collections::HashMap;

use bytes::Bytes;
use protocol::limits::{MAX_PAGE_BYTES, MAX_PAGE_MESSAGES, MAX_PUSH_BYTES};
use protocol::link::{Chain, Mismatch, Replica};
use protocol::offset::Offset;
use protocol::path::StreamPath;
use serde::{Deserialize, Serialize};
use store::{Append, Batch, Create, Done, Expected, Operation, Put, ReadError};

use crate::Streams;

/// How far behind the end something that comes again may end, in bytes, to be compared with what is there: nobody repeats more than what
/// was on its way when a connection broke.
const MOST_BEHIND: u64 = 8 * MAX_PUSH_BYTES as u64;

/// Messages for a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// Which stream.
    pub stream: StreamPath,
    /// Where it has to end before this; the beginning of a stream makes it.
    pub at: Offset,
    /// The chain of all that precedes.
    pub before: Chain,
    /// The messages; one without a byte has no position and is left out.
    pub messages: Vec<Bytes>,
    /// Whether the stream is closed behind them.
    pub close: bool,
}

/// What an extension does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extended {
    /// Makes the stream, with what the extension holds.
    Made,
    /// Adds to the stream, closes it, or both.
    Grown,
    /// Nothing: all of it is there, byte for byte.
    Same,
}

/// A replica was not extended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExtendError {
    /// What came does not follow on what is there. Nothing may be taken.
    #[error("what came for {} does not fit what is there", .0.stream)]
    Mismatch(Mismatch),
    /// Reading failed.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// What stands beside a replica. This shape is stored: a field is added with `#[serde(default)]`, never renamed.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct State {
    tail: Offset,
    chain: Chain,
    closed: bool,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    state: Option<State>,
    /// What the entry has to be when the batch is committed.
    expected: Expected,
}

/// Extends replicas in one batch; a later extension of a stream sees what an earlier one does.
#[derive(Debug)]
pub struct Replicas<'a> {
    streams: &'a Streams,
    content_type: &'a str,
    here: HashMap<StreamPath, Known>,
}

impl<'a> Replicas<'a> {
    /// Replicas whose streams are made with this type.
    pub fn new(streams: &'a Streams, content_type: &'a str) -> Self {
        Self { streams, content_type, here: HashMap::new() }
    }

    /// Adds an extension to a batch. The batch fails with a version conflict when the replica was extended meanwhile, and with a conflict
    /// about the stream when it was deleted, or is no replica.
    ///
    /// # Errors
    /// [`ExtendError`]; the batch is as it was.
    pub async fn append_at(&mut self, batch: &mut Batch, extension: Extension) -> Result<Extended, ExtendError> {
        let Extension { stream, at, before, messages, close } = extension;
        let messages: Vec<Bytes> = messages.into_iter().filter(|message| !message.is_empty()).collect();
        let known = self.known(&stream).await?;
        let bytes: u64 = messages.iter().map(|message| message.len() as u64).sum();
        let end = at.plus(bytes);
        let after = messages.iter().fold(before, |chain, message| chain.after(message));
        let made = match known.state {
            None if at.byte == 0 && before == Chain::START => true,
            Some(State { tail, chain, closed }) if tail == at && chain == before && (!closed || bytes == 0) => {
                if bytes == 0 && (closed || !close) {
                    return Ok(Extended::Same);
                }
                false
            }
            Some(state) if self.holds(&stream, state, end, after, close).await? => return Ok(Extended::Same),
            other => return Err(ExtendError::Mismatch(mismatch(stream, other))),
        };
        if made {
            batch.push(Create {
                stream: stream.clone(),
                content_type: self.content_type.to_owned(),
                config: Bytes::new(),
                messages: Vec::new(),
                close: false,
                or_same: false,
            });
        }
        if bytes > 0 || close {
            batch.push(Append { expected: Some(at), close, ..Append::new(stream.clone(), messages) });
        }
        let state = State { tail: end, chain: after, closed: close };
        let value = serde_json::to_vec(&state).expect("a plain struct with string keys");
        batch.push(Put::set(key(&stream), value).expecting(known.expected));
        // The batch itself has said what must have been before.
        self.here.insert(stream, Known { state: Some(state), expected: Expected::Anything });
        Ok(if made { Extended::Made } else { Extended::Grown })
    }

    async fn known(&self, stream: &StreamPath) -> Result<Known, ReadError> {
        if let Some(known) = self.here.get(stream) {
            return Ok(*known);
        }
        let Some(entry) = self.streams.get(&key(stream)).await? else {
            return Ok(Known { state: None, expected: Expected::Absent });
        };
        Ok(Known { state: Some(parse(&entry)?), expected: Expected::Version(entry.version) })
    }

    /// Whether all that ends at `end` with the chain `after` is there already: with what follows it there, it must make the chain of the
    /// whole.
    async fn holds(
        &self,
        stream: &StreamPath,
        state: State,
        end: Offset,
        after: Chain,
        close: bool,
    ) -> Result<bool, ReadError> {
        let there = end.epoch == state.tail.epoch && end <= state.tail;
        if !there || (close && !(state.closed && end == state.tail)) || state.tail.byte - end.byte > MOST_BEHIND {
            return Ok(false);
        }
        let (mut at, mut chain) = (end, after);
        while at < state.tail {
            let page = match self.streams.read(stream, Some(at), MAX_PAGE_BYTES, MAX_PAGE_MESSAGES).await {
                Ok(page) => page,
                // It begins or ends in the middle of a message, or the stream is not kept that far back.
                Err(ReadError::BadOffset { .. } | ReadError::Trimmed { .. } | ReadError::NoStream { .. }) => {
                    return Ok(false);
                }
                Err(error) => return Err(error),
            };
            if page.next <= at {
                return Ok(false);
            }
            for message in page.messages.iter().filter(|message| message.end <= state.tail) {
                chain = chain.after(&message.body);
            }
            at = page.next;
        }
        Ok(chain == state.chain)
    }
}

impl Streams {
    /// What a replica holds; `None` when there is none.
    ///
    /// # Errors
    /// As [`Streams::get`].
    pub async fn replica(&self, stream: &StreamPath) -> Result<Option<Replica>, ReadError> {
        let Some(entry) = self.get(&key(stream)).await? else { return Ok(None) };
        let State { tail, chain, closed } = parse(&entry)?;
        Ok(Some(Replica { stream: stream.clone(), tail, chain, closed }))
    }
}

/// The key beside a replica.
pub(crate) fn key(stream: &StreamPath) -> String {
    format!("streams/replica/{stream}")
}

/// Has what stands beside a replica go with it.
pub(crate) fn follow_deletions(batch: &mut Batch) {
    let gone: Vec<Operation> = batch
        .operations
        .iter()
        .filter_map(|operation| match operation {
            Operation::Delete(stream) => Some(Put::remove(key(stream)).into()),
            _ => None,
        })
        .collect();
    batch.operations.extend(gone);
}

/// What the caller asked for, without what [`follow_deletions`] added.
pub(crate) fn without_deletions(mut done: Vec<Done>, asked: usize) -> Vec<Done> {
    done.truncate(asked);
    done
}

fn parse(entry: &store::Entry) -> Result<State, ReadError> {
    serde_json::from_slice(&entry.value)
        .map_err(|error| ReadError::Broken { reason: format!("{} does not have its shape: {error}", entry.key) })
}

fn mismatch(stream: StreamPath, state: Option<State>) -> Mismatch {
    Mismatch { stream, tail: state.map(|state| state.tail), chain: state.map(|state| state.chain) }
}

#[cfg(test)]
mod tests;
