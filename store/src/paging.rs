//! How a page is cut out of a stream, apart from any engine.

use bytes::Bytes;
use protocol::offset::Offset;

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
        (None, Direction::Forwards) => head.first,
        (None, Direction::Backwards) => head.tail,
    };
    if from.epoch != head.tail.epoch || from.byte > head.tail.byte {
        return Err(bad_offset(read, head, from));
    }
    if from < head.first {
        return Err(ReadError::Trimmed { stream: read.stream.clone(), first: head.first });
    }
    Ok(from.byte)
}

fn bad_offset(read: &Read, head: &Head, offset: Offset) -> ReadError {
    ReadError::BadOffset { stream: read.stream.clone(), offset, first: head.first, tail: head.tail }
}

/// Fills a page from messages given as (first byte, body).
///
/// Forwards they begin with the one that holds `from`; backwards with the last one that begins before `from`.
pub(crate) fn fill(
    read: &Read,
    head: Head,
    from: u64,
    messages: impl Iterator<Item = Result<(u64, Bytes), ReadError>>,
) -> Result<Page, ReadError> {
    let epoch = head.tail.epoch;
    let whole = is_whole(&head.content_type);
    let mut page = Vec::new();
    let mut bytes = 0_usize;
    for message in messages {
        let (start, body) = message?;
        let end = start + body.len() as u64;
        let outside = match read.direction {
            Direction::Forwards => end <= from,
            Direction::Backwards => start >= from,
        };
        if outside {
            continue;
        }
        let (start, end, body) = if start < from && from < end {
            if whole {
                return Err(bad_offset(read, &head, Offset::new(epoch, from)));
            }
            let cut = usize::try_from(from - start).unwrap_or(body.len());
            match read.direction {
                Direction::Forwards => (from, end, body.slice(cut..)),
                Direction::Backwards => (start, from, body.slice(..cut)),
            }
        } else {
            (start, end, body)
        };
        let fits = bytes.saturating_add(body.len()) <= read.max_bytes && page.len() < read.max_messages;
        if !page.is_empty() && !fits {
            break;
        }
        bytes = bytes.saturating_add(body.len());
        page.push(Message { start: Offset::new(epoch, start), end: Offset::new(epoch, end), body });
        // Known here already, and it spares the engine one row.
        if page.len() >= read.max_messages || bytes >= read.max_bytes {
            break;
        }
    }
    let next = page.last().map_or(Offset::new(epoch, from), |last| match read.direction {
        Direction::Forwards => last.end,
        Direction::Backwards => last.start,
    });
    Ok(Page { messages: page, next, head })
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
