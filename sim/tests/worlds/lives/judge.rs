//! What must hold at every moment, and when the world has come to its end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use futures_util::FutureExt;
use protocol::offset::Offset;
use store::{Direction, Head, Read, Store};

use super::ledger::Ledger;
use super::{MAKERS, flipper};

/// Looks at the disk: what was there stays as it was, as long as it is the same stream.
pub(crate) fn look(ledger: &Ledger) {
    let names = ledger.pages().names.clone();
    for name in names {
        let Some((head, texts)) = read(ledger, &name) else { continue };
        let json = head.content_type == "application/json";
        for (_, text) in &texts {
            let fits =
                if json { serde_json::from_str::<serde_json::Value>(text).is_ok() } else { text.starts_with("t:") };
            // What begins in a fork may be cut anywhere.
            assert!(fits || name.contains("/f"), "{name} is {} and holds {text}", head.content_type);
        }
        let mut pages = ledger.pages();
        let before = pages.seen.insert((name.clone(), head.tail.epoch), texts.clone()).unwrap_or_default();
        let end = before.last().map_or(Offset::ZERO, |(end, _)| *end);
        let old: Vec<_> = texts.iter().take_while(|(at, _)| !before.is_empty() && *at <= end).cloned().collect();
        if name.ends_with("/k") {
            assert!(old.iter().all(|message| before.contains(message)), "{name} changed: {before:?}\n{texts:?}");
            // Whatever is not there any more gave way to something newer.
            let all = before.iter().chain(&texts[old.len()..]);
            assert_eq!(fold(texts.iter().map(|(_, text)| text)), fold(all.map(|(_, text)| text)), "{name}");
        } else {
            assert_eq!(old, before, "{name} changed");
        }
    }
}

/// Whether nobody has anything more to say, and all of it was acked.
pub(crate) fn is_settled(ledger: &Ledger) -> bool {
    ledger.pages().finished == MAKERS + 2 && unsettled(ledger).is_empty()
}

/// The streams of which something is not acked.
pub(crate) fn unsettled(ledger: &Ledger) -> String {
    let names = ledger.pages().names.clone();
    let mut left = String::new();
    for name in names {
        let Some((head, _)) = read(ledger, &name) else { continue };
        let key = format!("streams/link/sub/{name}");
        let link = ledger.disk.truth().get(&key).now_or_never().expect("memory").expect("memory");
        let link = link.map(|link| serde_json::from_slice::<serde_json::Value>(&link.value).expect("json"));
        let acked = link.as_ref().and_then(|link| link["acked"].as_str());
        if link.is_none() || (head.tail.byte > 0 && acked != Some(head.tail.to_string().as_str())) {
            let _written = writeln!(left, "{name} ends at {} and is acked at {acked:?}", head.tail);
        }
    }
    left
}

pub(crate) fn judge(ledger: &Ledger, now: Duration) {
    let known = ledger.pages().known.clone();
    for (name, known) in known {
        let Some((head, texts)) = read(ledger, &name) else {
            assert!(known.may_be_over(now), "{name} is gone: {known:?}");
            continue;
        };
        assert_eq!(head.tail, known.tail, "{name}");
        let texts: Vec<&String> = texts.iter().map(|(_, text)| text).collect();
        if known.folded {
            assert_eq!(fold(texts.into_iter()), fold(known.texts.iter()), "{name}");
        } else {
            assert_eq!(texts.into_iter().cloned().collect::<String>(), known.texts.concat(), "{name}");
        }
    }
    assert!(ledger.pages().names.contains(flipper::NAME));
    assert!(!ledger.pages().claimed.is_empty(), "somebody was woken");
}

/// The newest value of each key.
fn fold<'a>(texts: impl Iterator<Item = &'a String>) -> BTreeMap<String, String> {
    let fact = |text: &String| {
        let fact: serde_json::Value = serde_json::from_str(text).expect("a fact");
        (fact["key"].to_string(), fact["value"].to_string())
    };
    texts.map(fact).collect()
}

/// What is on the disk; `None` when there is no such stream, or it is there for its forks alone.
fn read(ledger: &Ledger, name: &str) -> Option<(Head, Vec<(Offset, String)>)> {
    let stream = name.parse().expect("a path");
    let head = ledger.disk.truth().head(&stream).now_or_never().expect("memory").ok()??;
    let read = Read {
        stream,
        from: None,
        walk: Some(head.compactions),
        direction: Direction::Forwards,
        max_bytes: usize::MAX,
        max_messages: usize::MAX,
    };
    let page = ledger.disk.truth().read(read).now_or_never().expect("memory").expect("it is there");
    let text = |body: &[u8]| String::from_utf8(body.to_vec()).expect("text");
    Some((head, page.messages.iter().map(|message| (message.end, text(&message.body))).collect()))
}
