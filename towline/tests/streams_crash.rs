//! Exactly once through a crash: the streams server is killed right after it acknowledged, started again, and asked again.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    dead_code,
    reason = "a test starts the program, and fails when a step of it fails; it uses a part of the world"
)]

mod world;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use world::{Running, World};

const TYPE: &str = "content-type: text/plain";

fn start(world: &World) -> Running {
    world.start(&["streams", "--open", "--listen", "127.0.0.1:0", "--json"])
}

/// Asks once on a connection of its own: status, headers in lower case, body.
fn ask(server: &Running, method: &str, path: &str, headers: &[&str], body: &str) -> (u16, String, String) {
    let address = server.url().trim_start_matches("http://").trim_end_matches('/').to_owned();
    let mut io = TcpStream::connect(&address).unwrap();
    io.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let fields = headers.iter().map(|header| format!("{header}\r\n")).collect::<Vec<_>>().concat();
    let length = body.len();
    let head = format!("{method} /v1/stream/{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    io.write_all(format!("{head}{fields}content-length: {length}\r\n\r\n{body}").as_bytes()).unwrap();
    let mut text = String::new();
    io.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_ascii_lowercase(), body.to_owned())
}

fn produce(server: &Running, seq: usize, body: &str, close: bool) -> u16 {
    let seq = format!("producer-seq: {seq}");
    let mut headers = vec![TYPE, "producer-id: p", "producer-epoch: 0", &seq];
    headers.extend(close.then_some("stream-closed: true"));
    ask(server, "POST", "s", &headers, body).0
}

fn contents(server: &Running) -> String {
    ask(server, "GET", "s?offset=-1", &[], "").2
}

#[test]
fn one_append_is_one_message_however_often_it_dies() {
    let world = World::new();
    let mut server = start(&world);
    assert_eq!(ask(&server, "PUT", "s", &[TYPE], "").0, 201);
    let mut expected = String::new();
    for seq in 0..10 {
        let body = format!("<{seq}>");
        assert_eq!(produce(&server, seq, &body, false), 200, "{seq}");
        server.kill9();
        server = start(&world);
        assert_eq!(produce(&server, seq, &body, false), 204, "{seq}: the retry is a duplicate");
        expected.push_str(&body);
        assert_eq!(contents(&server), expected);
    }
}

#[test]
fn fifty_appends_are_fifty_messages_and_the_next_one_follows() {
    let world = World::new();
    let server = start(&world);
    ask(&server, "PUT", "s", &[TYPE], "");
    let bodies: Vec<String> = (0..50).map(|seq| format!("<{seq}>")).collect();
    for (seq, body) in bodies.iter().enumerate() {
        assert_eq!(produce(&server, seq, body, false), 200);
    }
    server.kill9();
    let server = start(&world);
    for (seq, body) in bodies.iter().enumerate() {
        assert_eq!(produce(&server, seq, body, false), 204, "{seq}");
    }
    assert_eq!(contents(&server), bodies.concat());
    assert_eq!(produce(&server, 51, "gap", false), 409);
    assert_eq!(produce(&server, 50, "next", false), 200);
    assert_eq!(contents(&server), format!("{}next", bodies.concat()));
}

#[test]
fn a_close_with_a_last_message_is_final_and_can_be_asked_for_again() {
    let world = World::new();
    let server = start(&world);
    ask(&server, "PUT", "s", &[TYPE], "");
    assert_eq!(produce(&server, 0, "first", false), 200);
    assert_eq!(produce(&server, 1, "last", true), 200);
    server.kill9();
    let server = start(&world);
    assert_eq!(produce(&server, 1, "last", true), 204);
    assert_eq!(produce(&server, 2, "more", false), 409);
    assert_eq!(ask(&server, "POST", "s", &[TYPE], "more").0, 409);
    let (status, head, body) = ask(&server, "GET", "s?offset=-1", &[], "");
    assert_eq!((status, body.as_str()), (200, "firstlast"));
    assert!(head.contains("stream-closed: true"), "{head}");
}

#[test]
fn forks_and_what_was_deleted_under_them_outlive_a_crash() {
    let world = World::new();
    let server = start(&world);
    ask(&server, "PUT", "s", &[TYPE], "kept");
    assert_eq!(ask(&server, "PUT", "f", &["stream-forked-from: s"], "+").0, 201);
    assert_eq!(ask(&server, "DELETE", "s", &[], "").0, 204);
    server.kill9();
    let server = start(&world);
    assert_eq!(ask(&server, "GET", "s", &[], "").0, 410);
    assert_eq!(ask(&server, "GET", "f", &[], "").2, "kept+");
    assert_eq!(ask(&server, "DELETE", "f", &[], "").0, 204);
    server.kill9();
    let server = start(&world);
    assert_eq!(ask(&server, "GET", "s", &[], "").0, 404);
}

#[test]
fn the_numbers_are_on_a_listener_of_their_own() {
    let world = World::new();
    let args = ["streams", "--open", "--listen", "127.0.0.1:0", "--json", "--metrics-listen", "127.0.0.1:0"];
    let server = world.start(&args);
    ask(&server, "PUT", "s", &[TYPE], "");
    assert_eq!(ask(&server, "POST", "s", &[TYPE], "12345").0, 204);
    let url = server.ready["metricsUrl"].as_str().unwrap();
    let address = url.trim_start_matches("http://").trim_end_matches("/metrics");
    let mut io = TcpStream::connect(address).unwrap();
    write!(io, "GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    io.read_to_string(&mut text).unwrap();
    assert!(text.contains("\ntowline_streams_appended_bytes_total 5\n"), "{text}");
    assert!(text.contains("towline_streams_requests_total{method=\"PUT\",status=\"2xx\"} 1\n"), "{text}");
}
