//! What must hold when the world has come to its end.

use std::collections::BTreeMap;

use futures_util::FutureExt;
use protocol::offset::Offset;
use store::{Direction, Message, Read, ReadError, Store};

use super::ledger::Ledger;
use super::{PRODUCERS, READERS, path};

/// Keeps what is on the disk at a crash.
pub(crate) fn remember(ledger: &Ledger) {
    let stream = read(ledger).into_iter().map(|message| text(&message)).collect();
    ledger.pages().crashes.push(stream);
}

pub(crate) fn judge(ledger: &Ledger) {
    let stream = read(ledger);
    let texts: Vec<String> = stream.iter().map(text).collect();
    let pages = ledger.pages();

    assert_eq!(pages.acked.len(), PRODUCERS + 1, "every producer came through");
    for (who, acked) in &pages.acked {
        let mine: Vec<&String> = texts.iter().filter(|text| text.contains(&format!(r#""p":"{who}""#))).collect();
        assert!(mine.iter().copied().eq(acked), "{who} was acknowledged\n{acked:#?}\nand the disk holds\n{mine:#?}");
    }
    let acked: usize = pages.acked.values().map(Vec::len).sum();
    assert_eq!(texts.len(), acked, "nothing is on the disk that nobody wrote");
    for refused in &pages.refused {
        assert!(!texts.contains(refused), "{refused} was refused");
    }

    let by_end: BTreeMap<Offset, String> = stream.iter().map(|message| (message.end, text(message))).collect();
    for (end, last) in &pages.ends {
        assert_eq!(by_end.get(end), Some(last), "an ack said that this ended at {end}");
    }
    for before in &pages.crashes {
        assert!(texts.starts_with(before), "what was durable at a crash changed after it");
    }
    let head = ledger.disk.truth().head(&path()).now_or_never().expect("memory").expect("memory").expect("there");
    assert!(head.closed, "the stream is closed");
    assert_eq!(pages.closed_at, Some(head.tail), "where it was closed it ends");

    assert_eq!(pages.read.len(), READERS, "every reader came through");
    for (who, copy) in &pages.read {
        assert!(copy.closed, "{who} has heard of the end");
        assert_eq!(copy.messages, texts, "{who} read something else than what is there");
        for (count, offset) in &copy.marks {
            let there = count.checked_sub(1).map_or(head.first, |last| stream[last].end);
            assert_eq!(*offset, there, "{who} had {count} messages");
        }
    }
}

fn read(ledger: &Ledger) -> Vec<Message> {
    let (mut messages, mut from) = (Vec::new(), None);
    loop {
        let read = Read {
            stream: path(),
            from,
            walk: None,
            direction: Direction::Forwards,
            max_bytes: usize::MAX,
            max_messages: 1_000,
        };
        match ledger.disk.truth().read(read).now_or_never().expect("memory") {
            Ok(page) if page.messages.is_empty() => return messages,
            Ok(page) => {
                from = Some(page.next);
                messages.extend(page.messages);
            }
            Err(ReadError::NoStream { .. }) => return messages,
            Err(error) => panic!("{error}"),
        }
    }
}

fn text(message: &Message) -> String {
    String::from_utf8(message.body.to_vec()).expect("JSON is text")
}
