//! How a page is cut out of a stream, apart from any engine.

use bytes::Bytes;
use protocol::offset::Offset;

use crate::parts::Part;
use crate::port::{Direction, Head, Message, Page, Read, ReadError};

/// Whether messages of this type are whole: a position inside one is no position.
pub(crate) fn is_whole(content_type: &str) -> bool {
    let media = content_type.split_once(';').map_or(content_type, |(media, _)| media);
    media.trim().eq_ignore_ascii_case("application/json")
}

/// The byte from which a read goes, when it is of this stream and still kept.
pub(crate) fn origin(read: &Read, head: &Head) -> Result<u64, ReadError> {
    let from = match (read.from, read.direction) {
        (Some(from), _) => from,
        (None, Direction::Forwards) => return Ok(head.first.byte),
        (None, Direction::Backwards) => head.tail,
    };
    if from.epoch != head.tail.epoch || from.byte > head.tail.byte {
        return Err(bad_offset(read, head, from));
    }
    // Nothing was heard before byte 0, so nothing that was dropped is missed from there.
    let missed = from < head.resume && from.byte > 0 && read.direction == Direction::Forwards;
    if from < head.first || (missed && read.walk != Some(head.compactions)) {
        let Head { first, resume, compactions, .. } = *head;
        return Err(ReadError::Trimmed { stream: read.stream.clone(), first, resume, compactions });
    }
    Ok(from.byte)
}

fn bad_offset(read: &Read, head: &Head, offset: Offset) -> ReadError {
    ReadError::BadOffset { stream: read.stream.clone(), offset, first: head.first, tail: head.tail }
}

/// A page that is being filled.
#[derive(Debug)]
pub(crate) struct Filling<'a> {
    read: &'a Read,
    head: Head,
    from: u64,
    whole: bool,
    bytes: usize,
    messages: Vec<Message>,
    /// Whether there is no room for more.
    full: bool,
}

impl<'a> Filling<'a> {
    pub(crate) fn new(read: &'a Read, head: Head, from: u64) -> Self {
        let whole = is_whole(&head.content_type);
        Self { read, head, from, whole, bytes: 0, messages: Vec::new(), full: false }
    }

    /// Takes messages of one part of the stream, given as (first byte, body) in the order of the direction, and tells whether
    /// there is room for more. Forwards they may begin with the one that holds `from`.
    pub(crate) fn take(
        &mut self,
        part: &Part,
        messages: impl Iterator<Item = Result<(u64, Bytes), ReadError>>,
    ) -> Result<bool, ReadError> {
        for message in messages {
            let (start, mut body) = message?;
            // What lies before the part is dropped, and may be there for a while.
            if start + body.len() as u64 <= part.from {
                match self.read.direction {
                    Direction::Forwards => continue,
                    Direction::Backwards => return Ok(true),
                }
            }
            // A fork may part from its source inside a message.
            let end = (start + body.len() as u64).min(part.to);
            body.truncate(usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX));
            if !body.is_empty() && !self.push(start, end, body)? {
                self.full = true;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn push(&mut self, start: u64, end: u64, body: Bytes) -> Result<bool, ReadError> {
        let (read, from) = (self.read, self.from);
        let epoch = self.head.tail.epoch;
        let outside = match read.direction {
            Direction::Forwards => end <= from,
            Direction::Backwards => start >= from,
        };
        if outside {
            return Ok(true);
        }
        let (start, end, body) = if start < from && from < end {
            if self.whole {
                return Err(bad_offset(read, &self.head, Offset::new(epoch, from)));
            }
            let cut = usize::try_from(from - start).unwrap_or(body.len());
            match read.direction {
                Direction::Forwards => (from, end, body.slice(cut..)),
                Direction::Backwards => (start, from, body.slice(..cut)),
            }
        } else {
            (start, end, body)
        };
        let fits = self.bytes.saturating_add(body.len()) <= read.max_bytes && self.messages.len() < read.max_messages;
        if !self.messages.is_empty() && !fits {
            return Ok(false);
        }
        self.bytes = self.bytes.saturating_add(body.len());
        self.messages.push(Message { start: Offset::new(epoch, start), end: Offset::new(epoch, end), body });
        // Known here already, and it spares the engine one row.
        Ok(self.messages.len() < read.max_messages && self.bytes < read.max_bytes)
    }

    /// The page, given that everything was taken in for which there was room.
    pub(crate) fn page(self) -> Page {
        if !self.full && self.read.direction == Direction::Forwards {
            // What lies between the last message and the tail was dropped: nobody has to come for it again.
            return Page { messages: self.messages, next: self.head.tail, head: self.head };
        }
        let next = self.messages.last().map_or(Offset::new(self.head.tail.epoch, self.from), |last| {
            match self.read.direction {
                Direction::Forwards => last.end,
                Direction::Backwards => last.start,
            }
        });
        Page { messages: self.messages, next, head: self.head }
    }
}

#[cfg(test)]
mod tests {
    use super::is_whole;

    #[test]
    fn json_is_whole_with_any_parameter() {
        for json in ["application/json", "Application/JSON", "application/json; charset=utf-8", "application/json ;x=1"]
        {
            assert!(is_whole(json), "{json}");
        }
        for other in ["application/jsonl", "text/plain", "application/x-json", ""] {
            assert!(!is_whole(other), "{other}");
        }
    }
}
