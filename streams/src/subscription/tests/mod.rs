//! Subscriptions over a memory store, through the face, with a receiver on loopback.

mod breaks;
mod gone;
mod leases;
mod rights;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::{Reach, Subscriptions};
use crate::http::HttpOptions;
use crate::http::tests::{Answer, World};

const JSON: &str = "content-type: application/json";

struct Woken {
    world: World,
    subscriptions: Subscriptions,
    _task: AbortOnDropHandle<()>,
}

impl Woken {
    async fn new() -> Self {
        Self::of(World::new()).await
    }

    async fn of(world: World) -> Self {
        Self::with(world, |_| {}).await
    }

    async fn with(mut world: World, change: impl FnOnce(&mut HttpOptions)) -> Self {
        let reach = Reach { loopback: true, private: false };
        let subscriptions = Subscriptions::open(world.streams.clone(), world.clock.clone(), &[5; 32], reach);
        let subscriptions = subscriptions.await.expect("an empty store");
        world.change(|options| {
            options.subscriptions = Some(subscriptions.clone());
            change(options);
        });
        let runs = subscriptions.clone();
        let task = tokio::spawn(async move { runs.run(CancellationToken::new()).await });
        Self { world, subscriptions, _task: AbortOnDropHandle::new(task) }
    }

    async fn ask(&self, method: &str, target: &str, token: Option<&str>, body: Value) -> (u16, Value) {
        let bearer = token.map(|token| format!("authorization: Bearer {token}"));
        let mut headers = vec![JSON, "host: h"];
        headers.extend(bearer.as_deref());
        let answer: Answer = self.world.ask(method, target, &headers, body.to_string()).await;
        (answer.status.as_u16(), serde_json::from_str(&answer.body).unwrap_or_default())
    }

    async fn sub(&self, method: &str, step: &str, token: Option<&str>, body: Value) -> (u16, Value) {
        self.ask(method, &format!("__ds/subscriptions/{step}"), token, body).await
    }

    /// A pull-wake subscription `p` on `e/*`, announced in `w`.
    async fn pull(&self) {
        self.ask("PUT", "w", None, json!([])).await;
        let wish = json!({"type": "pull-wake", "pattern": "e/*", "wake_stream": "w", "lease_ttl_ms": 1000});
        assert_eq!(self.sub("PUT", "p", None, wish).await.0, 201);
    }

    async fn claim(&self, worker: &str) -> (u16, Value) {
        self.sub("POST", "p/claim", None, json!({ "worker": worker })).await
    }

    async fn announced(&self, generations: &[u64]) {
        for _ in 0..500 {
            let events: Value = serde_json::from_str(&self.world.get("w").await.body).expect("json");
            let found: Vec<_> = events.as_array().expect("events").iter().map(|e| e["generation"].as_u64()).collect();
            if found == generations.iter().copied().map(Some).collect::<Vec<_>>() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{generations:?} are not announced: {}", self.world.get("w").await.body);
    }
}

fn code(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["error"]["code"].as_str().unwrap_or_default())
}

fn reply(claim: &Value, acks: &Value, done: bool) -> Value {
    json!({"wake_id": claim["wake_id"], "generation": claim["generation"], "acks": acks, "done": done})
}

#[tokio::test]
async fn one_worker_at_a_time_and_older_ones_are_fenced() {
    let woken = Woken::new().await;
    woken.ask("PUT", "e/old", None, json!({"n": 0})).await;
    woken.pull().await;
    assert_eq!(code(&woken.claim("a").await), (409, "NO_PENDING_WORK"), "what was there is behind");
    woken.ask("PUT", "e/new", None, json!({"n": 1})).await;
    woken.announced(&[1]).await;
    let (status, first) = woken.claim("a").await;
    assert_eq!((status, &first["streams"][0]["path"], &first["generation"]), (200, &json!("e/new"), &json!(1)));
    assert_eq!(first["streams"][0]["acked_offset"], "-1", "its first message too");
    let busy = woken.claim("b").await;
    assert_eq!((code(&busy), &busy.1["error"]["current_holder"]), ((409, "ALREADY_CLAIMED"), &json!("a")));
    let token = first["token"].as_str();
    let heartbeat = reply(&first, &json!([]), false);
    woken.world.clock.advance(900);
    assert_eq!(woken.sub("POST", "p/ack", token, heartbeat.clone()).await.0, 200);
    woken.world.clock.advance(900);
    assert_eq!(code(&woken.claim("b").await).0, 409, "the heartbeat kept the lease");
    woken.world.clock.advance(200);
    let (status, second) = woken.claim("b").await;
    assert_eq!((status, &second["generation"]), (200, &json!(2)), "a lease that is over goes to the next");
    assert_eq!(code(&woken.sub("POST", "p/ack", token, heartbeat).await), (409, "FENCED"));
    let token = second["token"].as_str();
    for (offset, expected) in
        [("0000000000000000_0000000000000099", (409, "INVALID_OFFSET")), ("x", (400, "INVALID_REQUEST"))]
    {
        let bad = reply(&second, &json!([{"stream": "e/new", "offset": offset}]), true);
        assert_eq!(code(&woken.sub("POST", "p/ack", token, bad).await), expected, "{offset}");
    }
    let stranger = reply(&second, &json!([{"stream": "w", "offset": "0000000000000000_0000000000000000"}]), true);
    assert_eq!(code(&woken.sub("POST", "p/ack", token, stranger).await), (400, "INVALID_REQUEST"));
    let all = reply(&second, &json!([{"stream": "e/new", "offset": second["streams"][0]["tail_offset"]}]), true);
    for bad in [None, Some("x"), first["token"].as_str()] {
        let status = woken.sub("POST", "p/ack", bad, all.clone()).await.0;
        assert!(status == 401 || status == 409, "{bad:?} {status}");
    }
    woken.ask("POST", "e/old", None, json!({"n": 2})).await;
    assert_eq!(woken.sub("POST", "p/ack", token, all).await.1, json!({"ok": true, "next_wake": true}));
    woken.announced(&[1, 3]).await;
    let (_, third) = woken.claim("c").await;
    let back = woken.sub("POST", "p/release", third["token"].as_str(), reply(&third, &json!([]), false)).await;
    assert_eq!(back.0, 204);
    woken.announced(&[1, 3, 4]).await;
    assert_eq!(woken.sub("DELETE", "p", None, json!({})).await.0, 204);
    assert_eq!(code(&woken.claim("d").await), (404, "SUBSCRIPTION_NOT_FOUND"));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let woken = Woken::new().await;
    woken.ask("PUT", "w", None, json!([])).await;
    let hook = json!({"url": "https://example.com/"});
    for (wish, expected) in [
        (json!({}), "INVALID_REQUEST"),
        (json!({"type": "webhook", "webhook": hook}), "INVALID_REQUEST"),
        (json!({"type": "webhook", "pattern": "a//b", "webhook": hook}), "INVALID_REQUEST"),
        (json!({"type": "webhook", "pattern": "a", "webhook": hook, "lease_ttl_ms": 999}), "INVALID_REQUEST"),
        (json!({"type": "webhook", "pattern": "a", "webhook": {"url": "http://example.com/"}}), "WEBHOOK_URL_REJECTED"),
        (json!({"type": "webhook", "pattern": "a", "webhook": {"url": "https://10.1.1.1/"}}), "WEBHOOK_URL_REJECTED"),
        (json!({"type": "pull-wake", "pattern": "a", "wake_stream": "none"}), "INVALID_REQUEST"),
        (json!({"type": "pull-wake", "pattern": "a", "wake_stream": "w", "webhook": hook}), "INVALID_REQUEST"),
    ] {
        assert_eq!(code(&woken.sub("PUT", "x", None, wish.clone()).await), (400, expected), "{wish}");
    }
    let wish = json!({"type": "webhook", "streams": ["a"], "webhook": hook});
    assert_eq!(woken.sub("PUT", "x", None, wish.clone()).await.0, 201);
    assert_eq!(woken.sub("PUT", "x", None, wish).await.0, 200);
    let other = json!({"type": "webhook", "streams": ["b"], "webhook": hook});
    assert_eq!(code(&woken.sub("PUT", "x", None, other).await), (409, "SUBSCRIPTION_ALREADY_EXISTS"));
    assert_eq!(woken.ask("PUT", "__ds/anything", None, json!([])).await.0, 404);
    assert_eq!(woken.ask("PUT", "__ds%2Fanything", None, json!([])).await.0, 400);
    assert_eq!(World::new().get("__ds/jwks.json").await.status, 404, "not served unless asked for");
}

/// A receiver that answers each request with the next of its answers, and the last one for ever.
async fn receiver(answers: Vec<&'static str>) -> (String, mpsc::Receiver<String>) {
    let (url, requests, gate) = held(answers).await;
    gate.add_permits(Semaphore::MAX_PERMITS);
    (url, requests)
}

/// The same, which answers only as often as it is let to.
async fn held(answers: Vec<&'static str>) -> (String, mpsc::Receiver<String>, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let open = Arc::clone(&gate);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
    let (send, receive) = mpsc::channel(16);
    tokio::spawn(async move {
        for turn in 0.. {
            let Ok((mut io, _)) = listener.accept().await else { return };
            let mut seen = Vec::new();
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = io.read(&mut buffer).await {
                seen.extend_from_slice(&buffer[..n]);
                let text = String::from_utf8_lossy(&seen).into_owned();
                let length = text
                    .to_ascii_lowercase()
                    .split_once("content-length: ")
                    .and_then(|(_, rest)| rest.split("\r\n").next()?.parse::<usize>().ok());
                if text.split_once("\r\n\r\n").is_some_and(|(_, body)| Some(body.len()) == length) {
                    break;
                }
            }
            let answer = answers.get(turn).or(answers.last()).copied().unwrap_or_default();
            if send.send(String::from_utf8_lossy(&seen).into_owned()).await.is_err() {
                return;
            }
            let Ok(once) = open.acquire().await else { return };
            once.forget();
            drop(io.write_all(answer.as_bytes()).await);
        }
    });
    (url, receive, gate)
}

async fn next(receive: &mut mpsc::Receiver<String>) -> Value {
    let text =
        tokio::time::timeout(Duration::from_secs(10), receive.recv()).await.expect("in time").expect("a request");
    let (head, body) = text.split_once("\r\n\r\n").expect("a request");
    assert!(head.to_ascii_lowercase().contains("webhook-signature: t="), "{head}");
    serde_json::from_str(body).expect("json")
}

const LATER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
const DONE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n{\"done\":true}";
const ELSEWHERE: &str = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";

#[tokio::test]
async fn a_webhook_is_sent_until_it_is_taken() {
    let woken = Woken::new().await;
    let (url, mut requests) = receiver(vec![ELSEWHERE, LATER, DONE]).await;
    let wish = json!({"type": "webhook", "pattern": "e/**", "webhook": {"url": url}, "lease_ttl_ms": 1000});
    assert_eq!(woken.sub("PUT", "h", None, wish).await.0, 201);
    woken.ask("PUT", "e/a/b", None, json!({"n": 1})).await;
    let first = next(&mut requests).await;
    assert_eq!((&first["generation"], &first["streams"][0]["path"]), (&json!(1), &json!("e/a/b")));
    // The clock stands; the wait before the repeat is on it. Moving it and another message make the task look again.
    let again = async {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            woken.world.clock.advance(400);
            woken.ask("POST", "e/a/b", None, json!({"n": 2})).await;
        }
    };
    let second = tokio::select! { second = next(&mut requests) => second, () = again => unreachable!() };
    assert!(
        second["generation"].as_u64() > first["generation"].as_u64(),
        "a redirect is a failure, and a new generation follows"
    );
    let tail = second["streams"][0]["tail_offset"].clone();
    let acks = reply(&second, &json!([{"stream": "e/a/b", "offset": tail}]), true);
    let stale =
        woken.sub("POST", "h/callback", first["callback_token"].as_str(), reply(&first, &json!([]), true)).await;
    assert_eq!(code(&stale), (409, "FENCED"));
    let (status, answer) = woken.sub("POST", "h/callback", second["callback_token"].as_str(), acks).await;
    assert_eq!((status, &answer["ok"]), (200, &json!(true)));
    woken.ask("POST", "e/a/b", None, json!({"n": 3})).await;
    loop {
        // `done` in the answer acks what was told.
        let told = next(&mut requests).await;
        let tail = told["streams"][0]["tail_offset"].clone();
        for _ in 0..200 {
            let (_, found) = woken.sub("GET", "h", None, json!({})).await;
            if found["streams"][0]["acked_offset"] == tail {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn a_stream_that_comes_with_a_pattern_is_missed_by_neither() {
    let woken = Arc::new(Woken::new().await);
    woken.ask("PUT", "w", None, json!([])).await;
    for round in 0..20 {
        let (name, stream) = (format!("s{round}"), format!("r{round}/x"));
        let wish = json!({"type": "pull-wake", "pattern": format!("r{round}/*"), "wake_stream": "w"});
        let (made, created) =
            tokio::join!(woken.sub("PUT", &name, None, wish), woken.ask("PUT", &stream, None, json!({"n": 1})));
        assert_eq!((made.0, created.0), (201, 201), "{round}");
        let (_, found) = woken.sub("GET", &name, None, json!({})).await;
        assert_eq!(found["streams"][0]["path"], stream, "{round}");
    }
}
