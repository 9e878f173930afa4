//! The only writer of some streams: makes them, appends, forks and deletes them, and is surprised by nothing but their ends.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use protocol::offset::Offset;

use super::ledger::{Asker, Known, Ledger, Said, code, next, now, request};

/// What it does, all in all.
const STEPS: usize = 30;
/// Most forks that it makes.
const FORKS: usize = 6;

struct Maker {
    asker: Asker,
    /// Numbers what is ever said, so that nothing is said twice.
    number: u64,
    forks: usize,
}

pub(crate) async fn run(who: String, seed: u64, ledger: Ledger) -> turmoil::Result {
    let mut maker = Maker { asker: Asker::new(who, seed, ledger), number: 0, forks: 0 };
    maker.asker.subscribed().await;
    for _ in 0..STEPS {
        let pause = maker.asker.dice.millis(0..900);
        tokio::time::sleep(pause).await;
        let mut names: Vec<String> = ["k", "p", "q"].iter().map(|name| maker.name(name)).collect();
        names.extend((0..maker.forks).map(|fork| maker.name(&format!("f{fork}"))));
        let name = maker.asker.dice.one(&names).clone();
        let known = maker.asker.ledger.pages().known.get(&name).cloned();
        match (known, maker.asker.dice.within(0..10)) {
            (None, _) if !name.contains("/f") => maker.make(&name).await,
            (None, _) => {}
            (Some(known), 0..6) => maker.append(&name, known).await,
            (Some(known), 6..8) if maker.forks < FORKS => maker.fork(&name, known).await,
            (Some(known), _) => maker.delete(&name, &known).await,
        }
    }
    maker.asker.ledger.pages().finished += 1;
    Ok(())
}

impl Maker {
    fn name(&self, last: &str) -> String {
        format!("e/{}/{last}", self.asker.who)
    }

    fn text(&mut self, json: bool) -> String {
        self.number += 1;
        let (who, number) = (&self.asker.who, self.number);
        if !json {
            return format!("t:{who}.{number};");
        }
        let pad = "x".repeat(usize::try_from(self.asker.dice.within(0..400)).expect("small"));
        let key = self.asker.dice.within(0..4);
        format!(r#"{{"type":"t","key":"{key}","headers":{{"operation":"upsert"}},"value":"{who}.{number}{pad}"}}"#)
    }

    /// The stream is not there, and may be so.
    fn gone(&self, name: &str, said: &Said) {
        let known = self.asker.ledger.pages().known.remove(name);
        self.asker.note(format_args!("{name} is over"));
        let in_time = known.as_ref().is_none_or(|known| known.may_be_over(now()));
        assert!(in_time, "{name} ended early: {known:?} {:?}", said.answer);
    }

    fn keep(&self, name: &str, known: Known) {
        self.asker.ledger.pages().known.insert(name.to_owned(), known);
    }

    async fn make(&mut self, name: &str) {
        let json = name.ends_with('k') || self.asker.dice.chance(500);
        let ttl = self.asker.dice.chance(500).then(|| self.asker.dice.within(2..12));
        let count = self.asker.dice.within(0..3);
        let texts: Vec<String> = (0..count).map(|_| self.text(json)).collect();
        self.asker.ledger.pages().names.insert(name.to_owned());
        let body = if json { format!("[{}]", texts.join(",")) } else { texts.concat() };
        let said = self
            .asker
            .insist(|| {
                let kind = if json { "application/json" } else { "text/plain" };
                let mut request = request(Method::PUT, name).header("content-type", kind);
                if let Some(seconds) = ttl {
                    request = request.header("stream-ttl", seconds);
                }
                request.body(body.clone().into()).expect("a request")
            })
            .await;
        self.asker.note(format_args!("makes {name}: {} {ttl:?}", said.answer.status));
        match said.answer.status {
            StatusCode::CREATED => {}
            // An earlier attempt has made it.
            StatusCode::OK if said.again => {}
            StatusCode::CONFLICT if code(&said.answer) == "stream_retired" => return,
            _ => panic!("{name} is made: {:?}", said.answer),
        }
        let (tail, ttl) = (next(&said.answer), ttl.map(Duration::from_secs));
        // When an earlier attempt has made it, nobody knows when: what has not been renewed for as long as we have tried may be over.
        let touched = if said.answer.status == StatusCode::OK { Duration::ZERO } else { said.sent };
        let texts = if json || texts.is_empty() { texts } else { vec![texts.concat()] };
        self.keep(name, Known { json, folded: name.ends_with('k'), ttl, touched, tail, texts, seq: 0 });
    }

    async fn append(&mut self, name: &str, mut known: Known) {
        let text = self.text(known.json);
        let said = self
            .asker
            .insist(|| {
                request(Method::POST, name)
                    .header("content-type", if known.json { "application/json" } else { "text/plain" })
                    .header("producer-id", self_id(known.tail))
                    .header("producer-epoch", 0)
                    .header("producer-seq", known.seq)
                    .header("if-match", format!("\"{}\"", known.tail))
                    .body(text.clone().into())
                    .expect("a request")
            })
            .await;
        self.asker.note(format_args!("appends to {name}: {}", said.answer.status));
        match said.answer.status {
            StatusCode::OK => {}
            StatusCode::NO_CONTENT if said.again => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return self.gone(name, &said),
            _ => panic!("{} appends to {name} {known:?}: {:?}", self.asker.who, said.answer),
        }
        (known.touched, known.tail, known.seq) = (said.sent, next(&said.answer), known.seq + 1);
        known.texts.push(text);
        self.keep(name, known);
    }

    async fn fork(&mut self, source: &str, mut known: Known) {
        // At a part of what is there, by sub-offset; what may have been compacted is forked at its end, where the count of messages does not matter.
        let total: usize = if known.json { known.texts.len() } else { known.texts.iter().map(String::len).sum() };
        let part = if known.folded { None } else { Some(self.asker.dice.within(0..total as u64 + 1)) };
        let name = self.name(&format!("f{}", self.forks));
        self.forks += 1;
        self.asker.ledger.pages().names.insert(name.clone());
        let said = self
            .asker
            .insist(|| {
                let at = part.map_or(known.tail, |_| Offset::new(known.tail.epoch, 0));
                let mut request = request(Method::PUT, &name)
                    .header("stream-forked-from", source)
                    .header("stream-fork-offset", at.to_string());
                if let Some(part) = part {
                    request = request.header("stream-fork-sub-offset", part);
                }
                request.body(Bytes::new()).expect("a request")
            })
            .await;
        self.asker.note(format_args!("forks {source} to {name} at {part:?}: {}", said.answer.status));
        match said.answer.status {
            StatusCode::CREATED => {}
            StatusCode::OK if said.again => {}
            StatusCode::NOT_FOUND => return self.gone(source, &said),
            // Its life is over and its forks go on.
            StatusCode::CONFLICT if code(&said.answer) == "stream_retired" => return self.gone(source, &said),
            _ => panic!("{source} {known:?} is forked at {part:?}: {:?}", said.answer),
        }
        if let Some(part) = part {
            let part = usize::try_from(part).expect("small");
            known.texts =
                if known.json { known.texts[..part].to_vec() } else { vec![known.texts.concat()[..part].to_owned()] };
        }
        known.touched = if said.answer.status == StatusCode::OK { Duration::ZERO } else { said.sent };
        (known.tail, known.seq) = (next(&said.answer), 0);
        self.keep(&name, known);
    }

    async fn delete(&mut self, name: &str, known: &Known) {
        // Whatever comes of it, it is gone then.
        self.asker.ledger.pages().known.remove(name);
        let said = self.asker.insist(|| request(Method::DELETE, name).body(Bytes::new()).expect("a request")).await;
        self.asker.note(format_args!("deletes {name}: {}", said.answer.status));
        match said.answer.status {
            StatusCode::NO_CONTENT => {}
            StatusCode::NOT_FOUND | StatusCode::GONE if said.again || known.may_be_over(now()) => {}
            _ => panic!("{name} {known:?} is deleted: {:?}", said.answer),
        }
    }
}

fn self_id(tail: Offset) -> String {
    format!("of-{}", tail.epoch)
}
