//! Records as bytes: numbers of eight bytes, texts with their length before them.

use bytes::Bytes;
use protocol::path::StreamPath;
use protocol::time::UnixMs;

use crate::port::Producer;
use crate::rules::{Place, Stream};

#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn maybe(&mut self, text: Option<&str>) {
        self.0.push(u8::from(text.is_some()));
        self.bytes(text.unwrap_or_default().as_bytes());
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let count = usize::try_from(self.number()?).ok()?;
        self.take(count)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    fn flag(&mut self) -> Option<bool> {
        Some(*self.take(1)?.first()? != 0)
    }

    #[expect(clippy::option_option, reason = "damaged, absent, there")]
    fn maybe(&mut self) -> Option<Option<String>> {
        let there = self.flag()?;
        let text = self.text()?;
        Some(there.then_some(text))
    }
}

/// A record that has a row.
pub(super) fn stream(record: &Stream) -> Vec<u8> {
    let mut to = Writer::default();
    let by = record.closed_by.as_ref();
    for number in [
        record.row.unwrap_or_default().cast_unsigned(),
        record.epoch,
        record.first,
        record.base,
        record.forks,
        record.resume,
        record.compactions,
        record.tail,
        record.created_at.0,
        by.map_or(0, |by| by.epoch),
        by.map_or(0, |by| by.seq),
    ] {
        to.number(number);
    }
    to.0.extend([record.alive, record.retired, record.closed].map(u8::from));
    to.bytes(record.content_type.as_bytes());
    to.bytes(&record.config);
    to.maybe(record.origin.as_ref().map(StreamPath::as_str));
    to.maybe(by.map(|by| by.id.as_str()));
    to.maybe(record.last_seq.as_deref());
    to.0
}

/// What [`stream`] wrote; `None` when it is damaged.
pub(super) fn stream_of(bytes: &[u8]) -> Option<Stream> {
    let mut from = Reader(bytes);
    let mut numbers = [0; 11];
    for number in &mut numbers {
        *number = from.number()?;
    }
    let [row, epoch, first, base, forks, resume, compactions, tail, created_at, by_epoch, by_seq] = numbers;
    let (alive, retired, closed) = (from.flag()?, from.flag()?, from.flag()?);
    let content_type = from.text()?;
    let config = Bytes::copy_from_slice(from.bytes()?);
    let origin = match from.maybe()? {
        Some(path) => Some(path.parse().ok()?),
        None => None,
    };
    let closed_by = from.maybe()?.map(|id| Producer { id, epoch: by_epoch, seq: by_seq });
    Some(Stream {
        row: Some(row.cast_signed()),
        alive,
        epoch,
        content_type,
        config,
        first,
        base,
        origin,
        forks,
        retired,
        resume,
        compactions,
        tail,
        closed,
        closed_by,
        last_seq: from.maybe()?,
        created_at: UnixMs(created_at),
    })
}

pub(super) fn place(place: Place) -> Vec<u8> {
    [place.epoch.to_be_bytes(), place.seq.to_be_bytes()].concat()
}

pub(super) fn place_of(bytes: &[u8]) -> Option<Place> {
    let mut from = Reader(bytes);
    Some(Place { epoch: from.number()?, seq: from.number()? })
}

/// The version of an entry, and its value behind it.
pub(super) fn entry(version: u64, value: &[u8]) -> Vec<u8> {
    [&version.to_be_bytes(), value].concat()
}

pub(super) fn version_of(bytes: &[u8]) -> Option<u64> {
    Reader(bytes).number()
}
