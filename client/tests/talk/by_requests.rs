//! A line that goes by requests, to a hub that keeps to `protocol::polled`, over a way on which anything may happen to each of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::{Dialer, Io, Line, LineError, Remote};
use protocol::limits::SEND_TIMEOUT_MS;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::scripted::uuid;

/// What becomes of one request.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Arrives,
    /// It does not reach the hub.
    Lost,
    /// It is done, and the answer is lost.
    Unanswered,
    /// It is done twice.
    Doubled,
    /// Something on the way answers with a page.
    Page,
    /// A request that waits is never answered; others are.
    Swallowed,
}

/// The hub's side of one connection: it says everything again that it was told.
#[derive(Debug)]
struct Echo {
    taken: Mutex<Vec<String>>,
    said: Mutex<(u64, VecDeque<String>)>,
    news: watch::Sender<()>,
    /// How long each `hear` was to wait, in milliseconds.
    waits: Mutex<Vec<u64>>,
    /// Whether it is gone: a hub that was started anew.
    gone: Mutex<bool>,
}

impl Echo {
    fn new() -> Arc<Self> {
        let (taken, said, news) = (Mutex::default(), Mutex::default(), watch::Sender::new(()));
        Arc::new(Self { taken, said, news, waits: Mutex::default(), gone: Mutex::new(false) })
    }

    fn remote(self: &Arc<Self>, fate: impl Fn(usize) -> Fate + Send + Sync + 'static) -> Remote {
        let (hub, asked) = (Arc::clone(self), std::sync::atomic::AtomicUsize::new(0));
        let dialer = Dialer::new(move |_, _| {
            let fate = fate(asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst));
            let (near, far) = tokio::io::duplex(64 * 1024);
            tokio::spawn(Arc::clone(&hub).serve(far, fate));
            Box::pin(async move { Ok(Box::new(near) as Box<dyn Io>) })
        });
        Remote::new("http://hub.test:80", Some("twl_dev_x".to_owned()), dialer).unwrap()
    }

    async fn serve(self: Arc<Self>, mut stream: DuplexStream, fate: Fate) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = stream.read_u8().await else { return };
            head.push(byte);
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        assert!(head.contains("authorization: bearer twl_dev_x"), "{head}");
        let length =
            head.split("content-length: ").nth(1).map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
        let mut body = vec![0; length];
        if stream.read_exact(&mut body).await.is_err() {
            return;
        }
        let page = "<html>Bad gateway</html>".to_owned();
        let answer = match fate {
            Fate::Lost => return,
            Fate::Page => (502, page),
            Fate::Doubled => {
                let _first = self.answer(&head, &body).await;
                self.answer(&head, &body).await
            }
            Fate::Swallowed => {
                if let Ok(answer) = timeout(Duration::from_millis(100), self.answer(&head, &body)).await {
                    answer
                } else {
                    let _gone = stream.read_u8().await;
                    return;
                }
            }
            Fate::Arrives | Fate::Unanswered => self.answer(&head, &body).await,
        };
        if matches!(fate, Fate::Unanswered) {
            return;
        }
        let (status, body) = answer;
        let text = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        // Who has left hears nothing.
        let _gone = stream.write_all(text.as_bytes()).await;
    }

    async fn answer(&self, head: &str, body: &[u8]) -> (u16, String) {
        let path = head.split(' ').nth(1).unwrap();
        if path == "/v1/link/polled" {
            let connection = format!("con_{}", uuid(1).simple());
            return (200, format!(r#"{{"connection":"{connection}","longestWaitMs":20000,"maxBytes":1000}}"#));
        }
        if *self.gone.lock().unwrap() {
            return (404, r#"{"code":"not_found"}"#.to_owned());
        }
        let asked: serde_json::Value = serde_json::from_slice(body).unwrap();
        if path.ends_with("/say") {
            let (first, frames) = (asked["first"].as_u64().unwrap(), asked["frames"].as_array().unwrap());
            let mut taken = self.taken.lock().unwrap();
            for (number, frame) in (first..).zip(frames) {
                if number == taken.len() as u64 + 1 {
                    taken.push(frame.to_string());
                    self.said.lock().unwrap().1.push_back(frame.to_string());
                }
            }
            self.news.send_replace(());
            return (200, format!(r#"{{"taken":{}}}"#, taken.len()));
        }
        let (after, wait_ms) = (asked["after"].as_u64().unwrap(), asked["waitMs"].as_u64().unwrap());
        self.waits.lock().unwrap().push(wait_ms);
        let mut news = self.news.subscribe();
        let until = Instant::now() + Duration::from_millis(wait_ms);
        loop {
            {
                let mut said = self.said.lock().unwrap();
                while said.0 < after {
                    said.0 += 1;
                    said.1.pop_front().expect("it was said");
                }
                let frames: Vec<&str> = said.1.iter().map(String::as_str).collect();
                if !frames.is_empty() || Instant::now() >= until || *self.gone.lock().unwrap() {
                    return (200, format!(r#"{{"first":{},"frames":[{}],"end":null}}"#, said.0 + 1, frames.join(",")));
                }
            }
            let _rung = tokio::time::timeout_at(until, news.changed()).await;
        }
    }
}

async fn open(hub: &Arc<Echo>, fate: impl Fn(usize) -> Fate + Send + Sync + 'static) -> Line {
    // The first request opens it.
    let remote = hub.remote(move |asked| if asked == 0 { Fate::Arrives } else { fate(asked) });
    Line::poll(&remote, "/v1/link").await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn whatever_happens_to_requests_every_frame_comes_once_and_in_order_both_ways() {
    for seed in 0..30_u64 {
        let hub = Echo::new();
        let mut line = open(&hub, move |asked| {
            let mixed =
                (asked as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15 ^ seed.wrapping_mul(0xbf58_476d_1ce4_e5b9));
            match (mixed >> 40) % 12 {
                0 => Fate::Lost,
                1 => Fate::Unanswered,
                2 => Fate::Doubled,
                3 => Fate::Page,
                _ => Fate::Arrives,
            }
        })
        .await;
        let mut heard = Vec::new();
        for n in 0..40 {
            let text = format!(r#"{{"n":{n}}}"#);
            if n % 7 == 3 {
                // Somebody has no time to wait until it is taken; the next one brings it.
                let _early = timeout(Duration::from_millis(5), line.send(text)).await;
            } else {
                line.send(text).await.unwrap();
            }
            if n % 3 == 0 {
                heard.extend(
                    timeout(Duration::from_millis(200), line.receive()).await.map(|text| text.unwrap().unwrap()),
                );
            }
        }
        line.send(r#"{"n":40}"#.to_owned()).await.unwrap();
        while heard.len() < 41 {
            heard.push(timeout(Duration::from_mins(1), line.receive()).await.expect("it comes").unwrap().unwrap());
        }
        let all: Vec<String> = (0..41).map(|n| format!(r#"{{"n":{n}}}"#)).collect();
        assert_eq!(*hub.taken.lock().unwrap(), all, "seed {seed}");
        assert_eq!(heard, all, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_way_that_holds_is_asked_to_hold_longer_and_one_that_does_not_is_looked_along() {
    let hub = Echo::new();
    let line = open(&hub, |_| Fate::Arrives).await;
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert!(line.is_pushed());
    assert_eq!(hub.waits.lock().unwrap()[..5], [2_000, 4_000, 8_000, 16_000, 20_000]);

    let hub = Echo::new();
    let mut line = open(&hub, |_| Fate::Swallowed).await;
    let begun = Instant::now();
    line.send(r#"{"n":0}"#.to_owned()).await.unwrap();
    line.receive().await.unwrap();
    // The hub says something of itself while a request waits whose answer never comes: it is missed for some seconds, and then had.
    tokio::time::sleep(Duration::from_secs(1)).await;
    hub.said.lock().unwrap().1.push_back("{}".to_owned());
    hub.news.send_replace(());
    assert_eq!(line.receive().await.unwrap().unwrap(), "{}");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert!(!line.is_pushed());
    // Twice a second while something moves, and every five seconds then.
    let looks = || hub.waits.lock().unwrap().len();
    let before = looks();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!((15..=25).contains(&(looks() - before)), "{}", looks() - before);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let before = looks();
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!((10..=13).contains(&(looks() - before)), "{}", looks() - before);
    assert!(hub.waits.lock().unwrap().iter().skip(2).all(|wait| *wait == 0));
}

#[tokio::test(start_paused = true)]
async fn a_way_that_is_gone_is_known_in_time_and_a_hub_that_forgot_at_once() {
    for (fate, limit_ms) in [(Fate::Lost, SEND_TIMEOUT_MS + 3_000), (Fate::Page, SEND_TIMEOUT_MS + 3_000)] {
        let hub = Echo::new();
        let mut line = open(&hub, move |_| fate).await;
        let begun = Instant::now();
        assert!(matches!(line.receive().await, Err(LineError::Broken(_))));
        let took = u64::try_from(begun.elapsed().as_millis()).unwrap();
        assert!((SEND_TIMEOUT_MS..=limit_ms).contains(&took), "{fate:?}: {took} ms");
        let begun = Instant::now();
        assert!(matches!(line.send("{}".to_owned()).await, Err(LineError::Broken(_))));
        assert!(begun.elapsed() <= Duration::from_millis(SEND_TIMEOUT_MS));
    }
    let hub = Echo::new();
    let mut line = open(&hub, |_| Fate::Arrives).await;
    *hub.gone.lock().unwrap() = true;
    hub.news.send_replace(());
    let begun = Instant::now();
    assert!(matches!(line.send("{}".to_owned()).await, Err(LineError::Broken(_))));
    assert!(matches!(line.receive().await, Err(LineError::Broken(_))));
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}
