//! What everybody in the world believes to have happened; the judge compares it with the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use protocol::offset::Offset;
use sim::{Answer, Dice, Disk, Exchange, History};

use super::SERVER;

#[derive(Clone)]
pub(crate) struct Ledger {
    pub(crate) disk: Disk,
    pub(crate) history: History,
    pages: Arc<Mutex<Pages>>,
}

#[derive(Default)]
pub(crate) struct Pages {
    /// Whether the subscription is there.
    pub(crate) subscribed: bool,
    /// Those who make and append that have nothing more to say.
    pub(crate) finished: usize,
    /// Every path that was ever to be made.
    pub(crate) names: BTreeSet<String>,
    /// What their makers know of streams that are there, unless their life has ended.
    pub(crate) known: BTreeMap<String, Known>,
    /// Generations that a worker was given.
    pub(crate) claimed: BTreeSet<u64>,
    /// Acks that were sent, and the furthest that was taken of each stream.
    pub(crate) sent: BTreeSet<(String, Offset)>,
    pub(crate) taken: BTreeMap<(String, u64), Offset>,
    /// What was on the disk when it was looked at last.
    pub(crate) seen: BTreeMap<(String, u64), Vec<(Offset, String)>>,
}

/// A stream as its only writer knows it.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) json: bool,
    /// Whether facts of it may have been dropped that newer ones replace.
    pub(crate) folded: bool,
    pub(crate) ttl: Option<Duration>,
    /// When it was renewed at the earliest, in the time of the world.
    pub(crate) touched: Duration,
    pub(crate) tail: Offset,
    pub(crate) texts: Vec<String>,
    /// The number of the next append.
    pub(crate) seq: u64,
}

impl Known {
    /// Whether it may be over by now.
    pub(crate) fn may_be_over(&self, now: Duration) -> bool {
        // A read renews it only when that makes a difference.
        self.ttl.is_some_and(|ttl| now >= self.touched + ttl * 9 / 10)
    }
}

/// Who asks, as somebody in the world.
pub(crate) struct Asker {
    pub(crate) who: String,
    pub(crate) dice: Dice,
    pub(crate) ledger: Ledger,
}

/// A request that was answered: when its last attempt was sent, and whether there were others.
pub(crate) struct Said {
    pub(crate) answer: Answer,
    pub(crate) sent: Duration,
    pub(crate) again: bool,
}

impl Ledger {
    pub(crate) fn new(disk: Disk, history: History) -> Self {
        Self { disk, history, pages: Arc::default() }
    }

    pub(crate) fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().expect("nobody panics with it")
    }
}

impl Asker {
    pub(crate) fn new(who: String, seed: u64, ledger: Ledger) -> Self {
        Self { dice: Dice::new(seed, &who), who, ledger }
    }

    pub(crate) fn note(&self, what: impl std::fmt::Display) {
        self.ledger.history.note(&self.who, what);
    }

    pub(crate) async fn subscribed(&self) {
        while !self.ledger.pages().subscribed {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) async fn once(&mut self, request: Request<Bytes>) -> Option<Answer> {
        let patience = self.dice.millis(500..3_000);
        match Exchange::whole(SERVER, request, patience).await {
            Ok(answer) if !answer.status.is_server_error() && !is_busy(&answer) => return Some(answer),
            Ok(answer) => self.note(format_args!("tries again after {}", answer.status)),
            Err(error) => self.note(format_args!("tries again after {error:?}")),
        }
        let pause = self.dice.millis(10..300);
        tokio::time::sleep(pause).await;
        None
    }

    /// Sends a request until the server has said something final. What was sent in vain before has arrived by then, or never will: a
    /// path that is held lets go after six seconds.
    pub(crate) async fn insist(&mut self, request: impl Fn() -> Request<Bytes>) -> Said {
        let mut again = false;
        loop {
            let sent = now();
            if let Some(answer) = self.once(request()).await {
                if again {
                    tokio::time::sleep(Duration::from_secs(8)).await;
                }
                return Said { answer, sent, again };
            }
            again = true;
        }
    }
}

pub(crate) fn now() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}

fn is_busy(answer: &Answer) -> bool {
    answer.status == StatusCode::CONFLICT && code(answer) == "busy"
}

/// The code of a refusal.
pub(crate) fn code(answer: &Answer) -> String {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let found = body["code"].as_str().or(body["error"]["code"].as_str());
    found.unwrap_or_default().to_owned()
}

pub(crate) fn request(method: Method, target: &str) -> http::request::Builder {
    Request::builder().method(method).uri(format!("/v1/stream/{target}")).header("host", SERVER)
}

pub(crate) fn next(answer: &Answer) -> Offset {
    let text = answer.header("stream-next-offset").expect("an answer names where the stream ends");
    text.parse().expect("an offset")
}
