//! The short way over real connections: it answers as the router does, and tells crowds without loss or repetition.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::http::Lane;

/// A lane over a memory store, with the router behind it for what is unusual.
pub(super) struct Served {
    pub(super) streams: Streams,
    pub(super) address: SocketAddr,
    pub(super) stop: CancellationToken,
    router: Router,
}

impl Served {
    async fn new(change: impl FnOnce(&mut HttpOptions)) -> Self {
        Self::over(Arc::new(MemoryStore::new(ManualClock::at(1_790_000_000_000))), change).await
    }

    pub(super) async fn over(store: Arc<dyn store::Store>, change: impl FnOnce(&mut HttpOptions)) -> Self {
        let clock = ManualClock::at(1_790_000_000_000);
        let streams = Streams::new(store);
        let stop = CancellationToken::new();
        let mut options = HttpOptions::new(open_access(), clock, stop.clone());
        change(&mut options);
        let lane = Lane::new(streams.clone(), options);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let router = lane.router();
        let whole = router.clone();
        tokio::spawn(async move {
            while let Ok((io, _)) = listener.accept().await {
                let (lane, router) = (lane.clone(), whole.clone());
                tokio::spawn(async move {
                    let Some(io) = lane.serve(io).await else { return };
                    let service = hyper::service::service_fn(move |request| router.clone().oneshot(request));
                    drop(http1::Builder::new().serve_connection(TokioIo::new(io), service).await);
                });
            }
        });
        Self { streams, address, stop, router }
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }

    /// What the router makes of it, for comparison.
    pub(super) async fn by_router(&self, method: &str, target: &str, fields: &[&str], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("/v1/stream/{target}")).header("host", "h");
        for field in fields {
            let (name, value) = field.split_once(": ").expect("name: value");
            request = request.header(name, value);
        }
        let request = request.body(Body::from(body.to_owned())).expect("a request");
        let (parts, body) = self.router.clone().oneshot(request).await.expect("infallible").into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        Answer { status: parts.status, headers: parts.headers, body: String::from_utf8(body.to_vec()).expect("text") }
    }

    async fn append(&self, stream: &str, body: &str) {
        let answer = self.by_router("POST", stream, &["content-type: text/plain"], body).await;
        assert_eq!(answer.status, 204, "{answer:?}");
    }
}

pub(super) fn request(method: &str, target: &str, fields: &[&str], body: &str) -> String {
    let fields = [&["host: h"], fields].concat().join("\r\n");
    format!("{method} /v1/stream/{target} HTTP/1.1\r\n{fields}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Reads a whole answer off a connection.
pub(super) async fn answer(io: &mut TcpStream, asked_head: bool) -> Answer {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(io.read_u8().await.expect("a head"));
    }
    let text = String::from_utf8(text).expect("text");
    let mut lines = text.trim_end().lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status").parse().expect("a status");
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").expect("a header");
        let name: http::HeaderName = name.parse().expect("a name");
        headers.append(name, value.parse().expect("a value"));
    }
    assert!(headers.remove("date").is_some());
    headers.remove("transfer-encoding");
    let length =
        headers.remove("content-length").map(|length| length.to_str().expect("digits").parse().expect("digits"));
    let mut body = vec![0; if asked_head { 0 } else { length.unwrap_or(0) }];
    io.read_exact(&mut body).await.expect("a body");
    Answer { status, headers, body: String::from_utf8(body).expect("text") }
}

/// Reads events until a text has come; gives everything that was heard.
async fn hear(io: &mut TcpStream, heard: &mut String, until: &str) {
    let mut piece = vec![0; 64 * 1024];
    let mut looked = 0;
    while !heard[looked..].contains(until) {
        looked = heard.len().saturating_sub(until.len());
        let count = io.read(&mut piece).await.expect("a connection");
        assert!(count > 0, "hung up on before {until:?}");
        heard.push_str(std::str::from_utf8(&piece[..count]).expect("plain text"));
    }
}

/// The data that events carried, in order.
fn told(heard: &str) -> Vec<&str> {
    heard.lines().filter_map(|line| line.strip_prefix("data:")).filter(|data| !data.starts_with('{')).collect()
}

#[tokio::test]
async fn it_answers_as_the_router_does() {
    let served = Served::new(|options| options.cors = true).await;
    let text = "content-type: text/plain";
    let producer = ["producer-id: p", "producer-epoch: 0", "producer-seq: 0", text];
    let mut io = served.connect().await;
    // Each to two streams, by either way.
    for (method, target, fields, body) in [
        ("POST", "X", &[text][..], "nowhere"),
        ("PUT", "X", &[text], "first"),
        ("PUT", "X", &[text], "first"),
        ("POST", "X", &[text], "more"),
        ("POST", "X", &[text], ""),
        ("POST", "X", &["content-type: image/png"], "x"),
        ("POST", "X", &producer, "once"),
        ("POST", "X", &producer, "once"),
        ("POST", "X", &["producer-id: p", "producer-epoch: 0", "producer-seq: 7", text], "too far"),
        ("POST", "X", &["producer-id: p", "producer-epoch: 0", "producer-seq: x", text], "no number"),
        ("POST", "X", &["producer-id: p", text], "alone"),
        ("POST", "X", &["origin: https://elsewhere", text], "by a page"),
        ("POST", "X", &["content-type: TEXT/plain; charset=utf-8"], "capitals"),
        ("POST", "X", &["stream-seq: b", text], "b"),
        ("POST", "X", &["stream-seq: a", text], "a"),
        ("POST", "X", &["stream-closed: no", text], "open"),
        ("POST", "X//y", &[text], "no path"),
        ("POST", "X", &["if-match: \"0000000000000000_0000000000000001\"", text], "x"),
        ("GET", "X?offset=-1", &[], ""),
        ("GET", "X?offset=now", &[], ""),
        ("GET", "X?offset=nonsense", &[], ""),
        ("GET", "X?offset=-1&live=long-poll", &[], ""),
        ("HEAD", "X", &[], ""),
        ("POST", "X", &["stream-closed: true"], ""),
        ("POST", "X", &[text], "late"),
        ("GET", "X?offset=now&live=long-poll", &[], ""),
        ("DELETE", "X", &[], ""),
        ("GET", "X", &[], ""),
        ("PATCH", "X", &[], ""),
        ("GET", "%zz", &[], ""),
    ] {
        let wire = request(method, &target.replace('X', "lane"), fields, body);
        io.write_all(wire.as_bytes()).await.expect("written");
        let mut by_lane = answer(&mut io, method == "HEAD").await;
        let mut by_router = served.by_router(method, &target.replace('X', "whole"), fields, body).await;
        for answer in [&mut by_lane, &mut by_router] {
            answer.body = answer.body.replace("whole", "lane");
            if let Some(place) = answer.headers.remove("location") {
                let place = place.to_str().expect("text").replace("whole", "lane");
                answer.headers.insert("location", place.parse().expect("a value"));
            }
            answer.headers.remove("content-length");
        }
        assert_eq!((by_lane.status, &by_lane.body), (by_router.status, &by_router.body), "{method} {target}");
        assert_eq!(by_lane.headers, by_router.headers, "{method} {target}");
        if method == "PATCH" {
            // It went on with the router for good; the next one begins anew.
            io = served.connect().await;
        }
    }
}

#[tokio::test]
async fn requests_may_come_in_any_pieces_and_unusual_ones_are_handed_on() {
    let served = Served::new(|_| {}).await;
    let mut io = served.connect().await;
    let two = request("PUT", "s", &["content-type: text/plain"], "ab")
        + &request("POST", "s", &["content-type: text/plain"], "cde")
        + "POST /v1/stream/s HTTP/1.1\r\nhost: h\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n2\r\nfg\r\n0\r\n\r\n"
        + &request("GET", "s?offset=-1", &[], "");
    for byte in two.as_bytes().chunks(3) {
        io.write_all(byte).await.expect("written");
        tokio::task::yield_now().await;
    }
    assert_eq!(answer(&mut io, false).await.status, 201);
    assert_eq!(answer(&mut io, false).await.status, 204);
    assert_eq!(answer(&mut io, false).await.status, 204);
    assert_eq!(answer(&mut io, false).await.body, "abcdefg");
}

#[tokio::test]
async fn many_appends_at_once_leave_the_others_their_turn() {
    const APPENDS: u64 = 400;
    let served = Served::new(|_| {}).await;
    served.by_router("PUT", "s", &["content-type: text/plain"], "").await;
    let mut io = served.connect().await;
    // The store answers at once, so nothing else makes the connection wait.
    let all = request("POST", "s", &["content-type: text/plain"], "x").repeat(usize::try_from(APPENDS).expect("few"));
    assert!(all.len() < 64 * 1024, "it fits between the two");
    io.write_all(all.as_bytes()).await.expect("written");
    let stream = "s".parse().expect("a path");
    let (mut seen, mut most) = (0, 0);
    while seen < APPENDS {
        tokio::task::yield_now().await;
        let tail = served.streams.head(&stream).await.expect("a store").expect("a stream").tail.byte;
        most = most.max(tail - seen);
        seen = tail;
    }
    assert!(most <= 16, "{most} appends of one connection between two turns of somebody else");
    for _ in 0..APPENDS {
        assert_eq!(answer(&mut io, false).await.status, 204);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_is_told_everything_once_and_in_order() {
    let served = Served::new(|_| {}).await;
    served.by_router("PUT", "s", &["content-type: text/plain"], "").await;
    let all: Vec<String> = (0..200).map(|number| format!("m{number}")).collect();
    let mut readers = tokio::task::JoinSet::new();
    for reader in 0..40_u64 {
        let mut io = served.connect().await;
        io.write_all(request("GET", "s?offset=-1&live=sse", &[], "").as_bytes()).await.expect("written");
        readers.spawn(async move {
            let mut heard = String::new();
            if reader % 8 == 0 {
                // Behind from the beginning, and for a while.
                tokio::time::sleep(Duration::from_millis(reader)).await;
            }
            hear(&mut io, &mut heard, "\"streamClosed\":true").await;
            hear(&mut io, &mut heard, "\r\n0\r\n\r\n").await;
            heard
        });
    }
    for text in &all {
        served.append("s", &format!("{text}\n")).await;
        tokio::task::yield_now().await;
    }
    served.by_router("POST", "s", &["stream-closed: true"], "").await;
    while let Some(heard) = readers.join_next().await {
        let heard = heard.expect("no panic");
        let lines: Vec<&str> = told(&heard).into_iter().filter(|line| !line.is_empty()).collect();
        assert_eq!(lines, all);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_holds_up_nobody_and_misses_nothing() {
    let served = Served::new(|options| options.sse_lifetime = Duration::from_mins(30)).await;
    served.by_router("PUT", "s", &["content-type: text/plain"], "").await;
    let mut crowd = Vec::new();
    for _ in 0..5 {
        let mut io = served.connect().await;
        io.write_all(request("GET", "s?offset=now&live=sse", &[], "").as_bytes()).await.expect("written");
        let mut heard = String::new();
        hear(&mut io, &mut heard, "\"upToDate\":true").await;
        crowd.push((io, heard));
    }
    let (mut slow, mut slow_heard) = crowd.pop().expect("five");
    // More than all buffers between hold.
    let big = "x".repeat(512 * 1024);
    let mut tail = 0;
    for number in 0..24 {
        let text = format!("{number}{big}\n");
        tail += text.len();
        served.append("s", &text).await;
        for (io, heard) in &mut crowd {
            heard.clear();
            hear(io, heard, &format!("_{tail:016}\"")).await;
        }
    }
    served.append("s", "the end\n").await;
    hear(&mut slow, &mut slow_heard, "data:the end").await;
    let numbers: Vec<&str> = told(&slow_heard).into_iter().map(|line| line.trim_end_matches('x')).collect();
    let expected: Vec<String> = (0..24).map(|number| number.to_string()).collect();
    assert_eq!(
        numbers.into_iter().filter(|number| !number.is_empty() && *number != "the end").collect::<Vec<_>>(),
        expected
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_ends_with_the_stream_its_time_and_the_server() {
    let served = Served::new(|options| {
        options.sse_lifetime = Duration::from_millis(1500);
        options.keep_alive = Duration::from_millis(500);
    })
    .await;
    for ending in ["deleted", "its time", "stopped"] {
        served.by_router("PUT", "s", &["content-type: text/plain"], "").await;
        let mut crowd = Vec::new();
        for _ in 0..12 {
            let mut io = served.connect().await;
            io.write_all(request("GET", "s?offset=now&live=sse", &[], "").as_bytes()).await.expect("written");
            let mut heard = String::new();
            hear(&mut io, &mut heard, "\"upToDate\":true").await;
            crowd.push((io, heard));
        }
        served.append("s", "hello").await;
        for (io, heard) in &mut crowd {
            hear(io, heard, "data:hello").await;
        }
        match ending {
            "deleted" => drop(served.by_router("DELETE", "s", &[], "").await),
            "stopped" => served.stop.cancel(),
            _ => {}
        }
        for (io, heard) in &mut crowd {
            hear(io, heard, "\r\n0\r\n\r\n").await;
            if ending == "its time" {
                assert!(heard.contains("\r\n:\n\n\r\n"), "a sign of life: {heard}");
                // The connection is good for more.
                io.write_all(request("HEAD", "s", &[], "").as_bytes()).await.expect("written");
                assert_eq!(answer(io, true).await.status, 200);
            }
        }
        drop(crowd);
    }
    // Nothing is left of any of it.
    for _ in 0..100 {
        if served.streams.followed() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{} streams are still followed", served.streams.followed());
}

#[tokio::test(start_paused = true)]
async fn who_announces_a_body_and_does_not_send_it_is_let_go() {
    let served = Served::new(|_| {}).await;
    let mut io = served.connect().await;
    let head = "PUT /v1/stream/a HTTP/1.1\r\nhost: h\r\ncontent-type: text/plain\r\ncontent-length: 9\r\n\r\n1234";
    io.write_all(head.as_bytes()).await.expect("written");
    let begun = tokio::time::Instant::now();
    let mut rest = Vec::new();
    // Hung up on without an answer: there is nothing to answer to.
    io.read_to_end(&mut rest).await.expect("an end");
    assert_eq!(rest, b"");
    assert!((30..60).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    assert_eq!(served.by_router("GET", "a?offset=-1", &[], "").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_much_and_takes_nothing_is_let_go() {
    let served = Served::new(|_| {}).await;
    served.by_router("PUT", "a", &["content-type: text/plain"], "").await;
    for _ in 0..30 {
        served.append("a", &"x".repeat(1024 * 1024)).await;
    }
    let mut io = served.connect().await;
    let ask = request("GET", "a?offset=-1", &[], "").repeat(30);
    io.write_all(ask.as_bytes()).await.expect("written");
    // Far longer than it takes to notice.
    tokio::time::sleep(Duration::from_mins(5)).await;
    let mut taken = 0;
    let mut piece = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = io.read(&mut piece).await {
        taken += count;
    }
    assert!(taken < 20 * 1024 * 1024, "{taken} bytes of 30 pages were kept for somebody who takes nothing");
}

#[tokio::test(start_paused = true)]
async fn who_may_not_write_is_told_before_the_body() {
    let served = Served::new(|options| {
        options.access = Arc::new(|parts, _, _| {
            let known = parts.headers.contains_key("authorization");
            if known {
                Ok(())
            } else {
                Err(Box::new(axum::response::IntoResponse::into_response(StatusCode::UNAUTHORIZED)))
            }
        });
    })
    .await;
    for (method, target) in [("POST", "a"), ("PUT", "a"), ("PUT", "a?x=1")] {
        for fields in ["content-type: text/plain", "content-type: text/plain\r\naccept-language: de"] {
            let mut io = served.connect().await;
            let head = format!(
                "{method} /v1/stream/{target} HTTP/1.1\r\nhost: h\r\n{fields}\r\ncontent-length: 900000\r\n\r\nx"
            );
            io.write_all(head.as_bytes()).await.expect("written");
            let begun = tokio::time::Instant::now();
            let said = answer(&mut io, false).await;
            assert_eq!((said.status.as_u16(), said.header("connection")), (401, Some("close")), "{method} {fields}");
            let mut rest = Vec::new();
            io.read_to_end(&mut rest).await.expect("an end");
            assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
            // With the body in hand nothing is lost by going on.
            let mut io = served.connect().await;
            for _ in 0..2 {
                io.write_all(request(method, target, &[fields], "x").as_bytes()).await.expect("written");
                let said = answer(&mut io, false).await;
                assert_eq!((said.status.as_u16(), said.header("connection")), (401, None));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_trickles_is_not_waited_for() {
    let served = Served::new(|_| {}).await;
    let mut io = served.connect().await;
    let head = "POST /v1/stream/a HTTP/1.1\r\nhost: h\r\ncontent-type: text/plain\r\ncontent-length: 900000\r\n\r\n";
    io.write_all(head.as_bytes()).await.expect("written");
    let begun = tokio::time::Instant::now();
    while begun.elapsed() < Duration::from_hours(1) && io.write_all(b"x").await.is_ok() {
        tokio::time::sleep(Duration::from_secs(20)).await;
    }
    assert!(begun.elapsed() < Duration::from_mins(5), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_body_of_chunks_that_trickles_or_stops_is_not_waited_for() {
    let served = Served::new(|_| {}).await;
    served.by_router("PUT", "a", &["content-type: text/plain"], "").await;
    for pause in [20, 3_600] {
        let mut io = served.connect().await;
        let head =
            "POST /v1/stream/a HTTP/1.1\r\nhost: h\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n";
        io.write_all(head.as_bytes()).await.expect("written");
        let begun = tokio::time::Instant::now();
        let (mut read, mut write) = io.split();
        let trickle = async {
            while write.write_all(b"1\r\nx\r\n").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(pause)).await;
            }
            std::future::pending::<()>().await;
        };
        let mut said = [0; 12];
        tokio::select! {
            read = read.read_exact(&mut said) => drop(read.expect("an answer")),
            () = trickle => {}
        }
        assert_eq!(&said, b"HTTP/1.1 408");
        assert!(begun.elapsed() < Duration::from_mins(2), "{:?}", begun.elapsed());
    }
    assert_eq!(served.by_router("GET", "a?offset=-1", &[], "").await.body, "");
}
