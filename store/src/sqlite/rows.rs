//! Rows of messages: what follows one another without a gap shares a row, so that a row costs many messages and not each its own.

use bytes::{Bytes, BytesMut};

/// Most bytes of messages that share a row: few enough that reading one message of it is cheap, enough that a page of the file is full.
const ROW_BYTES: usize = 32 * 1024;
/// Most messages that share a row.
const ROW_MESSAGES: usize = 1024;

/// A message: where it starts, and its bytes.
pub(super) type Placed = (u64, Bytes);

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) start: u64,
    pub(super) body: Bytes,
    /// `None`: one message.
    pub(super) lengths: Option<Vec<u8>>,
}

/// The lengths of a row do not add up to its body: the file is damaged.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a row of messages is damaged: its lengths are not those of its body")]
pub(super) struct Damaged;

/// Messages in order as rows.
pub(super) fn pack(messages: &[Placed]) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut rest = messages;
    while let Some((start, first)) = rest.first() {
        let (mut count, mut bytes) = (1, first.len());
        for (at, body) in &rest[1..] {
            let follows = *at == start + bytes as u64;
            if !follows || bytes + body.len() > ROW_BYTES || count >= ROW_MESSAGES {
                break;
            }
            bytes += body.len();
            count += 1;
        }
        rows.push(join(*start, &rest[..count], bytes));
        rest = &rest[count..];
    }
    rows
}

fn join(start: u64, messages: &[Placed], bytes: usize) -> Row {
    if let [(_, body)] = messages {
        return Row { start, body: body.clone(), lengths: None };
    }
    let mut body = BytesMut::with_capacity(bytes);
    let mut lengths = Vec::with_capacity(messages.len() * 2);
    for (_, message) in messages {
        body.extend_from_slice(message);
        number(&mut lengths, message.len() as u64);
    }
    Row { start, body: body.freeze(), lengths: Some(lengths) }
}

/// The messages of a row, in order.
pub(super) fn unpack(start: u64, body: &Bytes, lengths: Option<&[u8]>) -> Result<Vec<Placed>, Damaged> {
    let Some(mut lengths) = lengths else { return Ok(vec![(start, body.clone())]) };
    let mut messages = Vec::new();
    let mut at = 0_usize;
    while !lengths.is_empty() {
        let length = usize::try_from(take(&mut lengths).ok_or(Damaged)?).map_err(|_| Damaged)?;
        let end = at.checked_add(length).filter(|end| *end <= body.len()).ok_or(Damaged)?;
        messages.push((start + at as u64, body.slice(at..end)));
        at = end;
    }
    if at == body.len() { Ok(messages) } else { Err(Damaged) }
}

/// Writes a number, seven bits a byte, the lowest first (LEB128).
pub(super) fn number(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

/// Takes a number off the front.
pub(super) fn take(from: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = from.split_first()?;
        *from = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn placed(sizes: &[usize], gap_after: usize) -> Vec<Placed> {
        let mut at = 7;
        let mut messages = Vec::new();
        for (index, (size, letter)) in sizes.iter().zip((b'a'..=b'z').cycle()).enumerate() {
            messages.push((at, Bytes::from(vec![letter; *size])));
            at += *size as u64 + u64::from(index == gap_after);
        }
        messages
    }

    proptest! {
        #[test]
        fn rows_open_to_what_was_packed(sizes in proptest::collection::vec(1_usize..20_000, 0..60), gap in 0_usize..60) {
            let messages = placed(&sizes, gap);
            let rows = pack(&messages);
            prop_assert!(rows.iter().all(|row| row.body.len() <= ROW_BYTES || row.lengths.is_none()));
            let opened: Vec<Placed> = rows
                .iter()
                .flat_map(|row| unpack(row.start, &row.body, row.lengths.as_deref()).expect("whole"))
                .collect();
            prop_assert_eq!(opened, messages);
        }

        #[test]
        fn numbers_come_back(value in any::<u64>()) {
            let mut bytes = Vec::new();
            number(&mut bytes, value);
            let mut rest = &bytes[..];
            prop_assert_eq!(take(&mut rest), Some(value));
            prop_assert!(rest.is_empty());
        }
    }

    #[test]
    fn small_messages_share_few_rows() {
        let rows = pack(&placed(&[256; 1000], 5000));
        assert_eq!(rows.len(), 1000_usize.div_ceil(ROW_BYTES / 256));
    }

    #[test]
    fn lengths_that_do_not_fit_are_damage() {
        let body = Bytes::from_static(b"abc");
        for lengths in [&[1_u8, 1][..], &[4], &[1, 3], &[0x80], &[0xff; 11]] {
            assert_eq!(unpack(0, &body, Some(lengths)), Err(Damaged), "{lengths:?}");
        }
    }
}
