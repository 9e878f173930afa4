//! The file in front of the tables: what streams grew by since the tables were last written, one record per commit.
//!
//! A commit that only appends is one write and one `fdatasync` here, whatever the number of streams; the tables get it later, many
//! commits at once. The records that count are those of the generation that the tables name: writing the tables and moving to the
//! next generation is one transaction, after which the file is written again from its beginning. A record that was cut off by a crash
//! fails its checksum and ends the file.

use std::fs::File;
use std::io;
use std::path::Path;

use bytes::Bytes;
use protocol::path::StreamPath;

use super::open;
use super::rows::{Placed, number, take};
use crate::port::Producer;
use crate::rules::Place;

pub(super) const FILE: &str = "store.intake";
/// Longest file, in bytes. What is in it is in memory too, and writing it to the tables makes commits wait.
const MOST: u64 = 8 << 20;
/// The file grows by so much at once, written with zeros: a record then changes no size and no map of blocks, so `fdatasync` is one write.
const STEP: u64 = 1 << 20;
/// The zeros are written so many bytes at a time: the system may keep what came in one piece as one piece of its cache, and then goes over the
/// whole of that for each small record in it. With pieces of 1 MiB that is 6 of 70 µs, and pieces of 4 KiB are worse for large records
/// (measured, adr/0006).
const PIECE: usize = 64 << 10;
/// Length of the payload, checksum, generation; the payload follows.
const HEAD: usize = 4 + 4 + 8;

/// What one stream grew by in one commit, and how it stands after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Growth {
    pub(super) path: StreamPath,
    pub(super) epoch: u64,
    pub(super) tail: u64,
    pub(super) closed: bool,
    pub(super) closed_by: Option<Producer>,
    pub(super) last_seq: Option<String>,
    pub(super) producers: Vec<(String, Place)>,
    pub(super) messages: Vec<Placed>,
}

/// Why a record was not written.
#[derive(Debug)]
pub(super) enum Refused {
    /// It does not fit: the tables have to be written first.
    NoRoom,
    /// The disk is full; nothing counts of what was written.
    Full(io::Error),
    /// The disk failed.
    Broken(io::Error),
}

#[derive(Debug)]
pub(super) struct Intake {
    file: File,
    generation: u64,
    /// Where the next record goes.
    position: u64,
    /// How long the file is; all of it has been written once.
    length: u64,
    record: Vec<u8>,
}

impl Intake {
    /// Opens the file in a directory, makes it if it is missing, and hands out the records of a generation in order.
    pub(super) fn open(dir: &Path, generation: u64) -> io::Result<(Self, Vec<Growth>)> {
        let file = open::private(&dir.join(FILE))?;
        open::sync_dir(dir)?;
        let length = file.metadata()?.len();
        let mut intake = Self { file, generation, position: 0, length, record: Vec::new() };
        let mut bytes = vec![0; usize::try_from(length.min(MOST)).unwrap_or(0)];
        read_at(&intake.file, &mut bytes)?;
        let mut found = Vec::new();
        let mut rest = &bytes[..];
        while let Some((payload, after)) = intake.record_in(rest) {
            let growths = decode(payload).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
            found.extend(growths);
            intake.position += (rest.len() - after.len()) as u64;
            rest = after;
        }
        Ok((intake, found))
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether there is nothing that the tables have to get.
    pub(super) fn is_empty(&self) -> bool {
        self.position == 0
    }

    /// Writes a record and waits until it is on disk.
    pub(super) fn write(&mut self, growths: &[Growth]) -> Result<(), Refused> {
        let mut record = std::mem::take(&mut self.record);
        record.clear();
        record.resize(HEAD, 0);
        for growth in growths {
            encode(&mut record, growth);
        }
        let result = self.put(&mut record);
        if record.capacity() <= 1 << 20 {
            self.record = record;
        }
        result
    }

    fn put(&mut self, record: &mut [u8]) -> Result<(), Refused> {
        let end = self.position + record.len() as u64;
        let Ok(length) = u32::try_from(record.len() - HEAD) else { return Err(Refused::NoRoom) };
        if end > MOST {
            return Err(Refused::NoRoom);
        }
        if end > self.length {
            self.grow(end)?;
        }
        record[..4].copy_from_slice(&length.to_le_bytes());
        record[8..HEAD].copy_from_slice(&self.generation.to_le_bytes());
        let sum = checksum(self.position, &record[8..]);
        record[4..8].copy_from_slice(&sum.to_le_bytes());
        write_at(&self.file, record, self.position).map_err(refused)?;
        // What an fsync that failed has left on disk, nobody knows.
        self.file.sync_data().map_err(Refused::Broken)?;
        self.position = end;
        Ok(())
    }

    /// Everything is in the tables, which name this generation now.
    pub(super) fn restart(&mut self, generation: u64) {
        self.generation = generation;
        self.position = 0;
    }

    fn grow(&mut self, end: u64) -> Result<(), Refused> {
        let length = end.next_multiple_of(STEP).min(MOST);
        let zeros = vec![0; PIECE];
        let mut at = self.length;
        while at < length {
            let piece = &zeros[..PIECE.min(usize::try_from(length - at).unwrap_or(PIECE))];
            if let Err(error) = write_at(&self.file, piece, at) {
                // What was written of it is given back, so that it is room for others.
                drop(self.file.set_len(self.length));
                return Err(refused(error));
            }
            at += piece.len() as u64;
        }
        self.file.sync_all().map_err(Refused::Broken)?;
        self.length = length;
        Ok(())
    }

    /// The payload of the record at the front, and what follows it.
    fn record_in<'a>(&self, bytes: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let (head, rest) = bytes.split_at_checked(HEAD)?;
        let length = usize::try_from(u32::from_le_bytes(head[..4].try_into().ok()?)).ok()?;
        let sum = u32::from_le_bytes(head[4..8].try_into().ok()?);
        let generation = u64::from_le_bytes(head[8..].try_into().ok()?);
        let (payload, after) = rest.split_at_checked(length)?;
        let whole =
            length > 0 && generation == self.generation && sum == checksum(self.position, &bytes[8..HEAD + length]);
        whole.then_some((payload, after))
    }
}

/// Also of the place, so that an older record that begins elsewhere is none.
fn checksum(position: u64, bytes: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&position.to_le_bytes());
    sum.update(bytes);
    sum.finalize()
}

fn refused(error: io::Error) -> Refused {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Refused::Full(error),
        _ => Refused::Broken(error),
    }
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], position: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, position)
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, 0)
}

#[cfg(not(unix))]
fn write_at(mut file: &File, bytes: &[u8], position: u64) -> io::Result<()> {
    use std::io::{Seek, SeekFrom, Write};
    file.seek(SeekFrom::Start(position))?;
    file.write_all(bytes)
}

#[cfg(not(unix))]
fn read_at(mut file: &File, bytes: &mut [u8]) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(bytes)
}

fn text(out: &mut Vec<u8>, text: &str) {
    number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn bytes<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take(from)?).ok()?;
    let (found, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(found)
}

fn words(from: &mut &[u8]) -> Option<String> {
    String::from_utf8(bytes(from)?.to_vec()).ok()
}

const CLOSED: u64 = 1;
const CLOSED_BY: u64 = 2;
const LAST_SEQ: u64 = 4;

fn encode(out: &mut Vec<u8>, growth: &Growth) {
    text(out, growth.path.as_str());
    number(out, growth.epoch);
    number(out, growth.tail);
    let flag = |set: bool, flag: u64| if set { flag } else { 0 };
    let by = growth.closed_by.as_ref();
    let seq = growth.last_seq.as_ref();
    number(out, flag(growth.closed, CLOSED) | flag(by.is_some(), CLOSED_BY) | flag(seq.is_some(), LAST_SEQ));
    if let Some(by) = by {
        text(out, &by.id);
        number(out, by.epoch);
        number(out, by.seq);
    }
    if let Some(seq) = seq {
        text(out, seq);
    }
    number(out, growth.producers.len() as u64);
    for (id, place) in &growth.producers {
        text(out, id);
        number(out, place.epoch);
        number(out, place.seq);
    }
    number(out, growth.messages.len() as u64);
    for (start, body) in &growth.messages {
        number(out, *start);
        number(out, body.len() as u64);
        out.extend_from_slice(body);
    }
}

fn decode(mut payload: &[u8]) -> Option<Vec<Growth>> {
    let from = &mut payload;
    let mut growths = Vec::new();
    while !from.is_empty() {
        let path = words(from)?.parse().ok()?;
        let (epoch, tail, flags) = (take(from)?, take(from)?, take(from)?);
        let closed_by = if flags & CLOSED_BY == 0 {
            None
        } else {
            Some(Producer { id: words(from)?, epoch: take(from)?, seq: take(from)? })
        };
        let last_seq = if flags & LAST_SEQ == 0 { None } else { Some(words(from)?) };
        let mut producers = Vec::new();
        for _ in 0..take(from)? {
            producers.push((words(from)?, Place { epoch: take(from)?, seq: take(from)? }));
        }
        let mut messages = Vec::new();
        for _ in 0..take(from)? {
            messages.push((take(from)?, Bytes::copy_from_slice(bytes(from)?)));
        }
        let closed = flags & CLOSED != 0;
        growths.push(Growth { path, epoch, tail, closed, closed_by, last_seq, producers, messages });
    }
    Some(growths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn growth(path: &str, start: u64, body: &str) -> Growth {
        let producer = Producer { id: "p".to_owned(), epoch: 1, seq: 2 };
        Growth {
            path: path.parse().expect("a path"),
            epoch: 3,
            tail: start + body.len() as u64,
            closed: start > 5,
            closed_by: (start > 5).then(|| producer.clone()),
            last_seq: (start > 2).then(|| "seq".to_owned()),
            producers: vec![("p".to_owned(), Place { epoch: 1, seq: start })],
            messages: vec![(start, Bytes::copy_from_slice(body.as_bytes()))],
        }
    }

    fn found(dir: &Path, generation: u64) -> Vec<Growth> {
        Intake::open(dir, generation).expect("a file").1
    }

    #[test]
    fn records_of_the_generation_come_back_and_no_others() {
        let dir = tempfile::tempdir().expect("a directory");
        let (mut intake, none) = Intake::open(dir.path(), 7).expect("a file");
        assert!(none.is_empty() && intake.is_empty());
        let first = [growth("a", 0, "one"), growth("b", 9, "two")];
        intake.write(&first).expect("written");
        intake.write(&[growth("a", 3, "three")]).expect("written");
        assert_eq!(found(dir.path(), 7), [&first[..], &[growth("a", 3, "three")]].concat());
        assert!(found(dir.path(), 8).is_empty());
        // Written again from the beginning: what is left of the older generation behind it does not count.
        intake.restart(8);
        intake.write(&first[..1]).expect("written");
        assert_eq!(found(dir.path(), 8), first[..1]);
        let (mut again, _) = Intake::open(dir.path(), 8).expect("a file");
        again.write(&first[1..]).expect("written");
        assert_eq!(found(dir.path(), 8), first);
    }

    #[test]
    fn a_record_that_was_cut_off_ends_the_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let (mut intake, _) = Intake::open(dir.path(), 1).expect("a file");
        intake.write(&[growth("a", 0, "whole")]).expect("written");
        let whole = intake.position;
        intake.write(&[growth("a", 5, "cut")]).expect("written");
        let path = dir.path().join(FILE);
        let bytes = std::fs::read(&path).expect("the file");
        for damaged in whole..intake.position {
            let mut copy = bytes.clone();
            copy[usize::try_from(damaged).expect("small")] ^= 0x40;
            std::fs::write(&path, &copy).expect("written");
            assert_eq!(found(dir.path(), 1), [growth("a", 0, "whole")], "byte {damaged}");
        }
    }

    #[test]
    fn what_does_not_fit_is_not_begun() {
        let dir = tempfile::tempdir().expect("a directory");
        let (mut intake, _) = Intake::open(dir.path(), 1).expect("a file");
        let big = "x".repeat(3 << 20);
        intake.write(&[growth("a", 0, &big)]).expect("written");
        intake.write(&[growth("a", 3 << 20, &big)]).expect("written");
        assert!(matches!(intake.write(&[growth("a", 6 << 20, &big)]), Err(Refused::NoRoom)));
        intake.write(&[growth("a", 6 << 20, "small")]).expect("written");
        assert_eq!(found(dir.path(), 1).len(), 3);
        assert!(dir.path().join(FILE).metadata().expect("metadata").len() <= MOST);
    }
}
