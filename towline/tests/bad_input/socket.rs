//! The door of sockets: frames that no client would send, over a WebSocket made by hand.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::canary::Canary;
use crate::row::Outcome;
use crate::world::{PATIENCE, World};

const ID: &str = "019b76daa80073038303030303030303";
const HELLO: &str = r#"{"type":"hello","protocolMin":1,"protocolMax":1,"capabilities":[],"client":"bad/0"}"#;
const TEXT: u8 = 0x81;

/// What comes back.
#[derive(Clone, Copy)]
enum Want {
    /// An `error` frame with this code; the conversation goes on.
    Refused(&'static str),
    /// An `error` frame with this code, or none (`-`), and a close with this number.
    Closed(&'static str, u16),
    /// The subscription ends for this reason; the conversation goes on.
    Ended(&'static str),
}
use Want::{Closed, Ended, Refused};

/// A frame to send: its first byte and what is in it; `masked` as a client must.
struct Frame {
    head: u8,
    body: Vec<u8>,
    masked: bool,
    /// A length that is said instead of the real one.
    claimed: Option<u64>,
}

fn text(body: impl Into<Vec<u8>>) -> Frame {
    Frame { head: TEXT, body: body.into(), masked: true, claimed: None }
}

impl Frame {
    fn bytes(&self) -> Vec<u8> {
        let bit = if self.masked { 0x80 } else { 0 };
        let length = self.claimed.unwrap_or(self.body.len() as u64);
        let mut out = vec![self.head];
        match length {
            0..=125 => out.push(bit | u8::try_from(length).unwrap()),
            126..=65_535 => {
                out.push(bit | 0x7e);
                out.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                out.push(bit | 0x7f);
                out.extend(length.to_be_bytes());
            }
        }
        if self.masked {
            // A mask of zeroes leaves the body as it is.
            out.extend([0; 4]);
        }
        out.extend(&self.body);
        out
    }
}

struct Line(TcpStream);

/// What the hub says.
#[derive(Debug)]
enum Heard {
    Text(Value),
    Close(u16),
    End,
}

impl Line {
    fn open(canary: &Canary) -> Self {
        let mut stream = TcpStream::connect(canary.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (host, token) = (canary.address(), &canary.token);
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        let head = format!(
            "GET /v1/connect HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
        Self(stream)
    }

    fn send(&mut self, frame: &Frame) {
        // A hub that has had enough closes while this is written.
        let _cut = self.0.write_all(&frame.bytes());
    }

    fn exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).ok().map(|()| bytes)
    }

    fn hear(&mut self) -> Heard {
        let mut next = || {
            let head = self.exactly(2)?;
            let length = match head[1] & 0x7f {
                126 => self.exactly(2)?.into_iter().fold(0, |length, byte| length << 8 | usize::from(byte)),
                127 => self.exactly(8)?.into_iter().fold(0, |length, byte| length << 8 | usize::from(byte)),
                short => usize::from(short),
            };
            Some((head[0] & 0x0f, self.exactly(length)?))
        };
        match next() {
            Some((1, body)) => Heard::Text(serde_json::from_slice(&body).unwrap()),
            Some((8, body)) => Heard::Close(u16::from_be_bytes([body[0], body[1]])),
            Some(_) => self.hear(),
            None => Heard::End,
        }
    }
}

pub(crate) fn rows() -> Vec<Outcome> {
    let world = World::new();
    let node = world.up(&["--listen", "127.0.0.1:0"]);
    let canary = Canary::sing(&world, &node);
    let host = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let host = host.block_on(canary.api().me()).unwrap().host.unwrap().to_string();
    let mut outcomes = Vec::new();
    for (input, frames, want) in first().into_iter().chain(later(&canary, &host)) {
        let mut line = Line::open(&canary);
        for frame in &frames {
            line.send(frame);
        }
        // Whoever is still listened to gets an answer to this.
        line.send(&text(r#"{"type":"ping","req":4000000000}"#));
        let (mut said, mut next_step, mut pongs) = (None, false, 0);
        let (wanted, got) = loop {
            let over = match line.hear() {
                Heard::Text(frame) if frame["type"] == "error" => {
                    said = frame["problem"]["code"].as_str().map(str::to_owned);
                    next_step = frame["problem"]["hint"].as_str().is_some_and(|hint| !hint.is_empty());
                    continue;
                }
                Heard::Text(frame) if frame["type"] == "ended" => {
                    said = Some(format!("ended {}", frame["reason"].as_str().unwrap()));
                    // The reasons of an end are a closed list, each of which says what to do next.
                    next_step = true;
                    continue;
                }
                // Commands are answered when they are on disk; a pong may be before that.
                Heard::Text(frame) if frame["type"] == "pong" => {
                    if said.is_none() && matches!(want, Refused(_)) {
                        line.send(&text(r#"{"type":"ping","req":4000000001}"#));
                        std::thread::sleep(std::time::Duration::from_millis(5));
                        pongs += 1;
                        if pongs < 1_000 {
                            continue;
                        }
                    }
                    "goes on".to_owned()
                }
                Heard::Text(_) => continue,
                Heard::Close(code) => code.to_string(),
                Heard::End => "cut".to_owned(),
            };
            let wanted = match want {
                Refused(code) => format!("{code} goes on"),
                Ended(reason) => format!("ended {reason} goes on"),
                Closed(code, 0) => format!("{code} cut"),
                Closed(code, close) => format!("{code} {close}"),
            };
            break (wanted, format!("{} {over}", said.as_deref().unwrap_or("-")));
        };
        let next_step = next_step || matches!(want, Closed("-", _));
        outcomes.push(Outcome { input: input.to_owned(), wanted, got, next_step, unharmed: canary.unharmed() });
    }
    assert_eq!(node.stop().0, Some(0));
    outcomes
}

type Row = (&'static str, Vec<Frame>, Want);

/// Instead of a greeting.
fn first() -> Vec<Row> {
    let bad = Closed("bad_request", 4400);
    vec![
        ("no greeting but a request", vec![text(r#"{"type":"ping","req":1}"#)], bad),
        ("no greeting but noise", vec![text("dance")], bad),
        ("an empty greeting", vec![text("")], bad),
        ("a greeting without versions", vec![text(r#"{"type":"hello"}"#)], bad),
        (
            "a greeting of the future",
            vec![text(HELLO.replace("Min\":1", "Min\":90").replace("Max\":1", "Max\":99"))],
            Closed("upgrade_required", 4426),
        ),
        (
            "a greeting of the past",
            vec![text(HELLO.replace("Min\":1", "Min\":0").replace("Max\":1", "Max\":0"))],
            Closed("upgrade_required", 4426),
        ),
        ("a greeting in bytes", vec![Frame { head: 0x82, ..text(HELLO) }], bad),
        ("a greeting that is not UTF-8", vec![text(b"{\"type\":\"\xff\"}".to_vec())], bad),
        ("a greeting that is not masked", vec![Frame { masked: false, ..text(HELLO) }], Closed("-", 0)),
        ("a greeting of 2 MiB", vec![text(vec![b' '; 2 << 20])], Closed("body_too_large", 4413)),
    ]
}

/// After one.
fn later(canary: &Canary, host: &str) -> Vec<Row> {
    let session = canary.session;
    let after = |frames: Vec<Frame>| std::iter::once(text(HELLO)).chain(frames).collect::<Vec<_>>();
    let one = |frame: &str| after(vec![text(frame)]);
    let subscribe = |stream: &str, from: &str| {
        one(&format!(r#"{{"type":"subscribe","sub":1,"stream":"{stream}","from":"{from}"}}"#))
    };
    let id = crate::row::command_id(0xe000, 1);
    let command = |body: &str| {
        one(&format!(
            r#"{{"type":"command","req":5,"command":{{"id":"{id}","host":"{host}","ttlMs":null,"body":{body}}}}}"#
        ))
    };
    let journal = format!("sessions/{session}/journal");
    let (bad, noise, gone) = (Refused("bad_request"), Closed("bad_request", 4400), Refused("not_found"));
    vec![
        ("noise", one("dance"), noise),
        ("a list", one("[]"), noise),
        ("a frame without a type", one(r#"{"req":1}"#), noise),
        ("two frames in one", one(r#"{"type":"ping","req":1}{"type":"ping","req":2}"#), noise),
        ("a frame in bytes", after(vec![Frame { head: 0x82, ..text(r#"{"type":"ping","req":1}"#) }]), noise),
        ("a frame that is not UTF-8", after(vec![text(b"\xc3\x28".to_vec())]), noise),
        ("a frame of 2 MiB", after(vec![text(vec![b' '; 2 << 20])]), Closed("body_too_large", 4413)),
        (
            "a frame that says 8 EiB",
            after(vec![Frame { claimed: Some(1 << 63), ..text("x") }]),
            Closed("body_too_large", 4413),
        ),
        (
            "a frame that says 1 GiB",
            after(vec![Frame { claimed: Some(1 << 30), ..text("x") }]),
            Closed("body_too_large", 4413),
        ),
        ("a frame with reserved bits", after(vec![Frame { head: 0xf1, ..text("x") }]), Closed("-", 0)),
        ("a frame of no known sort", after(vec![Frame { head: 0x83, ..text("x") }]), Closed("-", 0)),
        ("a rest without a beginning", after(vec![Frame { head: 0x80, ..text("x") }]), Closed("-", 0)),
        ("a ping of 200 bytes", after(vec![Frame { head: 0x89, ..text(vec![0; 200]) }]), Closed("-", 0)),
        (
            "a frame that is not masked",
            after(vec![Frame { masked: false, ..text(r#"{"type":"ping","req":1}"#) }]),
            Closed("-", 0),
        ),
        ("a type that nobody knows", one(r#"{"type":"dance","req":1}"#), Refused("unsupported")),
        (
            "a type of 10 000 letters",
            one(&format!(r#"{{"type":"{}","req":1}}"#, "é".repeat(10_000))),
            Refused("unsupported"),
        ),
        ("a number that is too large", one(r#"{"type":"ping","req":4294967296}"#), bad),
        ("a number that is less than nothing", one(r#"{"type":"ping","req":-1}"#), bad),
        ("a second greeting", one(HELLO), bad),
        (
            "a frame 100 000 deep",
            one(&format!(r#"{{"type":"command","req":5,"command":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000))),
            bad,
        ),
        ("a command of a kind that nobody knows", command(r#"{"kind":"format_disk"}"#), Refused("unsupported")),
        (
            "a command with a sender",
            command(&format!(r#"{{"kind":"cancel_turn","session":"{session}","turn":null,"sender":"me"}}"#)),
            bad,
        ),
        (
            "a command for no session",
            command(&format!(r#"{{"kind":"cancel_turn","session":"ses_{ID}","turn":null}}"#)),
            Refused("not_found"),
        ),
        (
            "taking back what was never sent",
            one(&format!(r#"{{"type":"cancel_command","req":1,"command":"cmd_{ID}"}}"#)),
            Refused("not_found"),
        ),
        ("a walk up from a stream", subscribe("sessions/../accounts", "now"), bad),
        ("a stream that is not there", subscribe(&format!("sessions/ses_{ID}/journal"), "now"), gone),
        ("the feed of another account", subscribe(&format!("accounts/acc_{ID}/feed"), "now"), gone),
        ("a stream of nobody", subscribe("mine", "now"), gone),
        ("from a place that is none", subscribe(&journal, "moon"), bad),
        ("from behind the end", subscribe(&journal, "0000000000000000_9999999999999999"), Ended("reset")),
        ("from another epoch", subscribe(&journal, "0000000000000009_0000000000000000"), Ended("reset")),
        (
            "a number that is in use",
            after(vec![
                text(format!(r#"{{"type":"subscribe","sub":1,"stream":"{journal}","from":"now"}}"#)),
                text(format!(r#"{{"type":"subscribe","sub":1,"stream":"{journal}","from":"now"}}"#)),
            ]),
            bad,
        ),
        (
            "300 subscriptions",
            after(
                (0..300)
                    .map(|sub| text(format!(r#"{{"type":"subscribe","sub":{sub},"stream":"{journal}","from":"now"}}"#)))
                    .collect(),
            ),
            Refused("rate_limited"),
        ),
    ]
}
