//! A node: writes its streams on its own disk, and pushes them to the hub until the hub has said that it has them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use http::{Request, StatusCode};
use protocol::link::Chain;
use protocol::path::StreamPath;
use serde_json::{Value, json};
use sim::{Answer, Dice, Disk, Exchange};
use store::{Append, Batch, Put};
use streams::Streams;

use super::ledger::{Content, Ledger, State, content, create};
use super::{HUB, paths};

/// Messages of each stream, whoever writes them.
const MESSAGES: usize = 60;

struct Node {
    who: &'static str,
    disk: Disk,
    streams: Streams,
    ledger: Ledger,
    dice: Dice,
    generation: u64,
    life: u64,
}

pub(crate) fn run(
    who: &'static str,
    disk: Disk,
    seed: u64,
    ledger: Ledger,
) -> LocalBoxFuture<'static, turmoil::Result> {
    Box::pin(async move {
        let life = ledger.life();
        let streams = Streams::new(Arc::new(disk.clone()));
        let before = streams.get("generation").await?.map(|entry| String::from_utf8_lossy(&entry.value).into_owned());
        let generation = before.map_or(1, |text| text.parse::<u64>().expect("written below") + 1);
        let mut batch = Batch::of(Put::set("generation", generation.to_string()));
        for path in paths() {
            if streams.head(&path).await?.is_none() {
                batch.push(create(&path));
            }
        }
        streams.commit(batch).await?;
        ledger.history.note(who, format_args!("starts: life {life}, generation {generation}"));
        ledger.set(who, State::Live);
        let dice = Dice::new(seed, &format!("{who}/{life}"));
        let mut node = Node { who, disk, streams, ledger, dice, generation, life };
        let writes = node.writer();
        let (written, state) = tokio::join!(writes, node.push());
        written?;
        node.ledger.history.note(who, format_args!("{state:?}"));
        node.ledger.set(who, state);
        // Its process stays until something ends it.
        std::future::pending().await
    })
}

impl Node {
    /// Fills the streams at its own pace, whatever becomes of the link.
    fn writer(&self) -> LocalBoxFuture<'static, turmoil::Result> {
        let (streams, disk, life, who) = (self.streams.clone(), self.disk.clone(), self.life, self.who);
        let mut dice = self.dice.clone();
        Box::pin(async move {
            for path in paths() {
                loop {
                    let Content { messages, closed } = content(&disk, &path);
                    if closed {
                        break;
                    }
                    let pause = dice.millis(0..250);
                    tokio::time::sleep(pause).await;
                    let count = usize::try_from(dice.within(1..4)).expect("small").min(MESSAGES - messages.len());
                    let pad = usize::try_from(dice.within(0..60)).expect("small");
                    // Two lives never write the same, so two histories that parted are two.
                    let message = |n: usize| {
                        let n = messages.len() + n;
                        Bytes::from(format!(r#"{{"by":"{who}","life":{life},"n":{n},"pad":"{}"}}"#, "x".repeat(pad)))
                    };
                    let close = messages.len() + count == MESSAGES;
                    let append = Append { close, ..Append::new(path.clone(), (0..count).map(message).collect()) };
                    streams.commit(Batch::of(append)).await?;
                }
            }
            Ok(())
        })
    }

    /// Pushes until all is there or the hub will have no more of it.
    async fn push(&mut self) -> State {
        'hello: loop {
            let (status, said) = self.ask("/hello", &json!({})).await;
            match status {
                StatusCode::OK => {}
                StatusCode::GONE => return State::Fenced,
                _ => continue,
            }
            let mut tails: Vec<u64> =
                said["tails"].as_array().expect("tails").iter().map(|tail| tail.as_u64().expect("a number")).collect();
            let hello = said["hello"].clone();
            let mut unanswered: Option<Vec<Piece>> = None;
            loop {
                let pieces = unanswered.take().unwrap_or_else(|| {
                    paths().iter().zip(&tails).map(|(path, tail)| self.piece(path, *tail)).collect()
                });
                let said = pieces.iter().map(|piece| &piece.said).collect::<Vec<_>>();
                let body = json!({ "hello": hello, "pieces": said });
                match self.ask("/push", &body).await.0 {
                    StatusCode::OK => {}
                    StatusCode::GONE => return State::Fenced,
                    StatusCode::CONFLICT => return State::Mismatched,
                    // It may have taken effect. Either the very same again, which a replica knows for what it is, or a look at
                    // what is there: a longer piece from the same place would be of somebody who does not know that.
                    _ if self.dice.chance(500) => {
                        unanswered = Some(pieces);
                        continue;
                    }
                    _ => continue 'hello,
                }
                for (path, piece) in paths().into_iter().zip(&pieces) {
                    let mut pages = self.ledger.pages();
                    let acked = pages.acked.entry(path).or_default();
                    *acked = (*acked).max(piece.end);
                }
                tails = pieces.iter().map(|piece| piece.end).collect();
                if pieces.iter().all(|piece| piece.last) {
                    return State::Done;
                }
                if pieces.iter().all(|piece| piece.is_empty) {
                    let pause = self.dice.millis(20..200);
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// A few messages from where the hub's copy ends; from the own end where that is before it.
    fn piece(&mut self, path: &StreamPath, tail: u64) -> Piece {
        let Content { messages, closed } = content(&self.disk, path);
        let own: u64 = messages.iter().map(|message| message.len() as u64).sum();
        let (mut at, mut before, mut first) = (0, Chain::START, 0);
        while at < tail.min(own) {
            at += messages[first].len() as u64;
            before = before.after(messages[first].as_bytes());
            first += 1;
        }
        let most = usize::try_from(self.dice.within(1..8)).expect("small");
        let some: Vec<&String> = messages[first..].iter().take(most).collect();
        let last = closed && first + some.len() == messages.len();
        let end = at + some.iter().map(|message| message.len() as u64).sum::<u64>();
        let said =
            json!({ "stream": path.as_str(), "at": at, "before": before.to_string(), "messages": some, "close": last });
        Piece { said, end, last, is_empty: some.is_empty() }
    }

    /// Asks once; what could not be said or heard is as if the hub had no time.
    async fn ask(&mut self, path: &str, body: &Value) -> (StatusCode, Value) {
        let mut body = body.clone();
        body["generation"] = self.generation.into();
        body["life"] = self.life.into();
        let request = Request::post(path).header("host", HUB).body(Bytes::from(body.to_string())).expect("a request");
        let patience = self.dice.millis(100..2_000);
        let answer = Exchange::whole(HUB, request, patience).await;
        if let Ok(Answer { status, body, .. }) = answer
            && !status.is_server_error()
        {
            self.ledger.history.note(self.who, format_args!("{path}: {status}"));
            return (status, serde_json::from_slice(&body).expect("the hub speaks JSON"));
        }
        self.ledger.history.note(self.who, format_args!("{path}: no answer"));
        let pause: Duration = self.dice.millis(10..300);
        tokio::time::sleep(pause).await;
        (StatusCode::SERVICE_UNAVAILABLE, Value::Null)
    }
}

struct Piece {
    said: Value,
    /// The byte behind it.
    end: u64,
    /// Whether the stream ends with it.
    last: bool,
    is_empty: bool,
}
