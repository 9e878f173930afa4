//! A worker: claims when the wake stream says so and at no other time, and is late, silent or dead to the server now and then.

use bytes::Bytes;
use http::{Method, StatusCode};
use protocol::offset::Offset;
use serde_json::{Value, json};

use super::judge;
use super::ledger::{Asker, Ledger, code, next, request};

const SUB: &str = "__ds/subscriptions/sub";
const JSON: &str = "application/json";
pub(crate) const LEASE_MS: u64 = 2_000;

struct Worker {
    asker: Asker,
    heard: Option<Offset>,
}

/// What a claim gave.
struct Claim {
    generation: u64,
    wake_id: String,
    token: String,
    acks: Vec<(String, Offset)>,
}

pub(crate) async fn run(who: String, seed: u64, ledger: Ledger, first: bool) -> turmoil::Result {
    let mut worker = Worker { asker: Asker::new(who, seed, ledger), heard: None };
    if first {
        worker.subscribe().await;
    }
    worker.asker.subscribed().await;
    while !judge::is_settled(&worker.asker.ledger) {
        if worker.is_woken().await {
            worker.work().await;
        }
    }
    Ok(())
}

impl Worker {
    async fn subscribe(&mut self) {
        let put = || request(Method::PUT, "w").header("content-type", JSON).body(Bytes::new()).expect("a request");
        let made = self.asker.insist(put).await.answer;
        assert!(made.status.is_success(), "{made:?}");
        let wish = json!({"type": "pull-wake", "pattern": "e/**", "wake_stream": "w", "lease_ttl_ms": LEASE_MS});
        let put = || request(Method::PUT, SUB).body(wish.to_string().into()).expect("a request");
        let made = self.asker.insist(put).await.answer;
        assert!(made.status.is_success(), "{made:?}");
        self.asker.ledger.pages().subscribed = true;
    }

    /// Waits for what the wake stream says next, for a while.
    async fn is_woken(&mut self) -> bool {
        let at = self.heard.map_or_else(|| "-1".to_owned(), |at| at.to_string());
        let poll = request(Method::GET, &format!("w?offset={at}&live=long-poll"));
        let Some(answer) = self.asker.once(poll.body(Bytes::new()).expect("a request")).await else { return false };
        match answer.status {
            StatusCode::OK => {
                self.heard = Some(next(&answer));
                true
            }
            StatusCode::NO_CONTENT => false,
            _ => panic!("{answer:?}"),
        }
    }

    async fn work(&mut self) {
        if self.asker.dice.chance(200) {
            let late = self.asker.dice.millis(0..1_500);
            tokio::time::sleep(late).await;
        }
        let Some(claim) = self.claim().await else { return };
        if self.asker.dice.chance(250) {
            // Too late for its lease, often.
            let slow = self.asker.dice.millis(0..LEASE_MS * 2);
            tokio::time::sleep(slow).await;
        }
        if self.asker.dice.chance(200) {
            self.say(&claim, "ack", &[], false).await;
        }
        if self.asker.dice.chance(100) {
            self.say(&claim, "release", &[], false).await;
            return;
        }
        // Now and then not all of it.
        let acks: Vec<_> = claim.acks.iter().filter(|_| !self.asker.dice.chance(100)).cloned().collect();
        let done = !self.asker.dice.chance(100);
        self.say(&claim, "ack", &acks, done).await;
    }

    async fn claim(&mut self) -> Option<Claim> {
        let (answer, floor) = loop {
            let floor = self.asker.ledger.pages().taken.clone();
            let body = json!({"worker": self.asker.who}).to_string();
            let claim = request(Method::POST, &format!("{SUB}/claim")).body(body.into()).expect("a request");
            if let Some(answer) = self.asker.once(claim).await {
                break (answer, floor);
            }
        };
        if answer.status == StatusCode::CONFLICT {
            let code = code(&answer);
            self.asker.note(format_args!("claims: {code}"));
            assert!(matches!(code.as_str(), "ALREADY_CLAIMED" | "NO_PENDING_WORK"), "{answer:?}");
            return None;
        }
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let body: Value = serde_json::from_slice(&answer.body).expect("json");
        let text = |of: &Value| of.as_str().expect("a text").to_owned();
        let generation = body["generation"].as_u64().expect("a number");
        let mut pages = self.asker.ledger.pages();
        assert!(pages.claimed.insert(generation), "generation {generation} was given to two");
        let mut acks = Vec::new();
        for told in body["streams"].as_array().expect("streams") {
            let (path, acked) = (text(&told["path"]), text(&told["acked_offset"]));
            let tail: Offset = text(&told["tail_offset"]).parse().expect("an offset");
            let floor = floor.get(&(path.clone(), tail.epoch)).copied();
            if acked == "-1" {
                assert_eq!(floor, None, "{path} up to {tail} is told anew");
            } else {
                let acked: Offset = acked.parse().expect("an offset");
                assert!(pages.sent.contains(&(path.clone(), acked)), "nobody acked {path} at {acked}");
                assert!(floor.is_none_or(|floor| floor <= acked), "{path} was acked at {floor:?}, not {acked}");
                assert!(acked < tail && acked.epoch == tail.epoch, "{path} has nothing new from {acked} to {tail}");
            }
            acks.push((path, tail));
        }
        drop(pages);
        self.asker.note(format_args!("claims {generation}: {} streams", acks.len()));
        assert!(!acks.is_empty(), "{body}");
        Some(Claim { generation, wake_id: text(&body["wake_id"]), token: text(&body["token"]), acks })
    }

    /// Says something of a claim until it is answered.
    async fn say(&mut self, claim: &Claim, what: &str, acks: &[(String, Offset)], done: bool) {
        let list: Vec<_> =
            acks.iter().map(|(path, offset)| json!({"stream": path, "offset": offset.to_string()})).collect();
        let body =
            json!({"wake_id": claim.wake_id, "generation": claim.generation, "acks": list, "done": done}).to_string();
        self.asker.ledger.pages().sent.extend(acks.iter().cloned());
        loop {
            let newer = self.asker.ledger.pages().claimed.last().is_some_and(|last| *last > claim.generation);
            let said = request(Method::POST, &format!("{SUB}/{what}"))
                .header("authorization", format!("Bearer {}", claim.token))
                .body(body.clone().into())
                .expect("a request");
            let Some(answer) = self.asker.once(said).await else { continue };
            let code = code(&answer);
            self.asker.note(format_args!("{what} of {}: {} {code}", claim.generation, answer.status));
            if answer.status.is_success() {
                assert!(!newer, "generation {} is over", claim.generation);
                let mut pages = self.asker.ledger.pages();
                for (path, offset) in acks {
                    let taken = pages.taken.entry((path.clone(), offset.epoch)).or_insert(*offset);
                    *taken = (*taken).max(*offset);
                }
            } else {
                assert_eq!((answer.status, code.as_str()), (StatusCode::CONFLICT, "FENCED"), "{answer:?}");
            }
            return;
        }
    }
}
