//! A reader: catches up, waits or listens, loses the connection, and goes on from its offset until the stream is closed.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use protocol::offset::Offset;
use serde_json::value::RawValue;
use sim::{Dice, Exchange, ExchangeError};
use store::Store;

use super::ledger::Ledger;
use super::{SERVER, path};

struct Reader {
    who: String,
    dice: Dice,
    ledger: Ledger,
    at: Option<Offset>,
    closed: bool,
}

pub(crate) async fn run(who: String, seed: u64, ledger: Ledger) -> turmoil::Result {
    let mut reader = Reader { dice: Dice::new(seed, &who), who, ledger, at: None, closed: false };
    while !reader.closed {
        let listens = reader.dice.chance(600);
        let ended = if listens { reader.listen().await } else { reader.page().await };
        if let Err(error) = ended {
            reader.ledger.history.note(&reader.who, format_args!("comes again after {error:?}"));
        }
        let pause = reader.dice.millis(1..400);
        tokio::time::sleep(pause).await;
    }
    Ok(())
}

impl Reader {
    fn request(&self, live: &str) -> Request<Bytes> {
        let at = self.at.map_or_else(|| "-1".to_owned(), |at| at.to_string());
        let uri = format!("/v1/stream/{}?offset={at}{live}", path());
        Request::builder().uri(uri).header("host", SERVER).body(Bytes::new()).expect("a request")
    }

    /// One plain read, or one that waits.
    async fn page(&mut self) -> Result<(), ExchangeError> {
        let live = *self.dice.one(&["", "&live=long-poll"]);
        let answer = Exchange::whole(SERVER, self.request(live), Duration::from_secs(4)).await?;
        match answer.status {
            StatusCode::OK | StatusCode::NO_CONTENT => {
                let next =
                    answer.header("stream-next-offset").and_then(|t| t.parse().ok()).expect("a page names its end");
                let closed = answer.header("stream-closed").is_some();
                let messages = if answer.body.is_empty() { Vec::new() } else { parse(&answer.body) };
                self.take(messages, next, closed, "page").await;
            }
            // Before the first producer came.
            StatusCode::NOT_FOUND if self.at.is_none() => {}
            status if status.is_server_error() => {}
            _ => panic!("{} reads at {:?}: {answer:?}", self.who, self.at),
        }
        Ok(())
    }

    /// Listens to events until the connection ends, or until it has had enough.
    async fn listen(&mut self) -> Result<(), ExchangeError> {
        let mut exchange = Exchange::begin(SERVER, self.request("&live=sse"), Duration::from_secs(3)).await?;
        match exchange.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND if self.at.is_none() => return Ok(()),
            status if status.is_server_error() => return Ok(()),
            status => panic!("{} listens at {:?}: {status}", self.who, self.at),
        }
        let mut text = Vec::new();
        let mut waiting = Vec::new();
        // The server is never silent for longer than a second.
        while let Some(piece) = exchange.piece(Duration::from_secs(3)).await? {
            text.extend_from_slice(&piece);
            while let Some(end) = text.windows(2).position(|two| two == b"\n\n") {
                let event: Vec<u8> = text.drain(..end + 2).collect();
                self.event(&String::from_utf8(event).expect("events are text"), &mut waiting).await;
            }
            if self.closed || self.dice.chance(30) {
                break;
            }
            if self.dice.chance(100) {
                let slow = self.dice.millis(1..1_500);
                tokio::time::sleep(slow).await;
            }
        }
        Ok(())
    }

    async fn event(&mut self, event: &str, waiting: &mut Vec<String>) {
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
        let data = field("data:").unwrap_or_default();
        match field("event: ") {
            Some("data") => waiting.append(&mut parse(data.as_bytes())),
            Some("control") => {
                let control: serde_json::Value = serde_json::from_str(data).expect("control is JSON");
                let next =
                    control["streamNextOffset"].as_str().and_then(|t| t.parse().ok()).expect("control names the end");
                let closed = control["streamClosed"].as_bool().unwrap_or_default();
                self.take(std::mem::take(waiting), next, closed, "event").await;
            }
            // A sign of life.
            None if event == ":\n\n" => {}
            _ => panic!("{} heard {event:?}", self.who),
        }
    }

    async fn take(&mut self, messages: Vec<String>, next: Offset, closed: bool, how: &str) {
        let head = self.ledger.disk.truth().head(&path()).await.expect("memory").expect("what is read is there");
        assert!(next <= head.tail, "{} was told of {next}, the disk ends at {}", self.who, head.tail);
        assert!(!closed || head.closed, "{} was told that the stream is closed before it is", self.who);
        assert!(self.at.is_none_or(|at| at <= next), "{} was sent back from {:?} to {next}", self.who, self.at);
        if !messages.is_empty() || closed {
            self.ledger.history.note(&self.who, format_args!("{how}: {} to {next:?}", messages.len()));
        }
        self.at = Some(next);
        self.closed = closed;
        let mut pages = self.ledger.pages();
        let copy = pages.read.entry(self.who.clone()).or_default();
        copy.messages.extend(messages);
        copy.marks.push((copy.messages.len(), next));
        copy.closed = closed;
    }
}

fn parse(array: &[u8]) -> Vec<String> {
    let messages: Vec<Box<RawValue>> = serde_json::from_slice(array).expect("pages are JSON arrays");
    messages.into_iter().map(|message| message.get().to_owned()).collect()
}
