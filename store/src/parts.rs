//! Where the messages of a stream lie: its own, and for a fork those of the streams that it goes back to.

use protocol::offset::Offset;
use protocol::path::StreamPath;

use crate::port::Head;
use crate::rules::Stream;

/// A run of a stream's messages that lies under one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) path: StreamPath,
    pub(crate) row: Option<i64>,
    /// The first byte.
    pub(crate) from: u64,
    /// The byte after the last; a message may reach beyond it and is cut there.
    pub(crate) to: u64,
}

/// The head of a stream and its parts, oldest first. `load` finds the record of a path, dead or alive.
pub(crate) fn parts<E>(
    path: &StreamPath,
    record: &Stream,
    mut load: impl FnMut(&StreamPath) -> Result<Option<Stream>, E>,
) -> Result<(Head, Vec<Part>), E> {
    let part = |path: &StreamPath, record: &Stream, to: u64| {
        let from = record.base.max(record.first);
        (from < to).then(|| Part { path: path.clone(), row: record.row, from, to })
    };
    let mut head = record.head();
    let mut found: Vec<Part> = part(path, record, record.tail).into_iter().collect();
    let (mut first, mut base, mut origin) = (record.first, record.base, record.origin.clone());
    let (mut resume, mut compactions) = (record.resume, record.compactions);
    while let Some(path) = origin {
        // A source is there as long as its forks are.
        let Some(source) = load(&path)? else { break };
        first = first.max(source.first.min(base));
        resume = resume.max(source.resume.min(base));
        compactions += source.compactions;
        found.extend(part(&path, &source, base));
        base = base.min(source.base);
        origin = source.origin;
    }
    found.retain(|part| part.to > first);
    found.reverse();
    head.first = Offset::new(record.epoch, first);
    head.resume = Offset::new(record.epoch, resume);
    head.compactions = compactions;
    Ok((head, found))
}
