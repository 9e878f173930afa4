//! The door HTTP, over raw sockets, so that what no client would send can be sent.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::canary::Canary;
use crate::row::Outcome;
use crate::world::{PATIENCE, World};

pub(crate) const ID: &str = "019b76daa80073038303030303030303";

/// A request, as bytes will say it.
#[derive(Clone)]
pub(crate) struct Ask {
    line: String,
    headers: Vec<Vec<u8>>,
    body: Vec<u8>,
    named: bool,
    known: bool,
}

/// What comes back.
#[derive(Clone, Copy)]
pub(crate) enum Want {
    /// A problem with this status and code.
    Problem(u16, &'static str),
    /// A refusal below us, by the HTTP library: a status, or a cut.
    Below(&'static str),
}
use Want::{Below, Problem};

pub(crate) fn ask(line: &str) -> Ask {
    Ask { line: line.to_owned(), headers: Vec::new(), body: Vec::new(), named: false, known: true }
}

pub(crate) fn stranger(line: &str) -> Ask {
    Ask { known: false, ..ask(line) }
}

pub(crate) fn get(path: impl AsRef<str>) -> Ask {
    ask(&format!("GET {}", path.as_ref()))
}

pub(crate) fn command(body: impl Into<Vec<u8>>) -> Ask {
    ask("POST /v1/commands").body(body)
}

fn claim(body: impl Into<Vec<u8>>) -> Ask {
    stranger("POST /v1/pairings/claim").body(body)
}

impl Ask {
    pub(crate) fn header(mut self, header: impl AsRef<[u8]>) -> Self {
        self.named |= header.as_ref().to_ascii_lowercase().starts_with(b"host:");
        self.headers.push(header.as_ref().to_vec());
        self
    }

    fn nameless(mut self) -> Self {
        self.named = true;
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn bytes(&self, canary: &Canary) -> Vec<u8> {
        let mut out = format!("{} HTTP/1.1\r\n", self.line).into_bytes();
        let mut header = |text: &[u8]| out.extend_from_slice(&[text, b"\r\n"].concat());
        if !self.named {
            header(format!("Host: {}", canary.address()).as_bytes());
        }
        if self.known {
            header(format!("Authorization: Bearer {}", canary.token).as_bytes());
        }
        self.headers.iter().for_each(|text| header(text));
        header(b"Connection: close");
        let measured = self.headers.iter().any(|header| {
            let header = header.to_ascii_lowercase();
            header.starts_with(b"content-length") || header.starts_with(b"transfer-encoding")
        });
        if !measured {
            header(format!("Content-Length: {}", self.body.len()).as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
        out
    }
}

/// Sends bytes and reads all that comes until the other side closes.
pub(crate) fn exchange(address: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // Whoever refuses early closes early; what it said is still there to be read.
    let _written = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _cut = stream.read_to_end(&mut answer);
    answer
}

pub(crate) fn judge(input: &str, want: Want, answer: &[u8], canary: &Canary) -> Outcome {
    let text = String::from_utf8_lossy(answer);
    let status = text.split(' ').nth(1).and_then(|word| word.parse::<u16>().ok());
    let problem = text.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str::<Value>(body).ok());
    let code = problem.as_ref().and_then(|problem| problem["code"].as_str()).unwrap_or("-");
    let hint = problem.as_ref().and_then(|problem| problem["hint"].as_str()).unwrap_or_default();
    let (wanted, got, next_step) = match want {
        Problem(wanted, word) => {
            (format!("{wanted} {word}"), format!("{} {code}", status.unwrap_or(0)), !hint.is_empty())
        }
        Below(wanted) => {
            (wanted.to_owned(), status.map_or_else(|| "cut".to_owned(), |status| status.to_string()), true)
        }
    };
    Outcome { input: input.to_owned(), wanted, got, next_step, unharmed: canary.unharmed() }
}

pub(crate) fn rows() -> Vec<Outcome> {
    let world = World::new();
    let node = world.up(&["--listen", "127.0.0.1:0"]);
    let canary = Canary::sing(&world, &node);
    let host = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let host = host.block_on(canary.api().me()).unwrap().host.unwrap().to_string();
    let port = node.port().to_owned();
    let mut table: Vec<(&str, Ask, Want)> = Vec::new();
    table.extend(who());
    table.extend(pages(&port));
    table.extend(names(&port));
    table.extend(paths());
    table.extend(streams(&canary));
    table.extend(bodies(&canary, &host));
    table.extend(wire());
    table.extend(codes());
    let mut outcomes: Vec<Outcome> = table
        .into_iter()
        .map(|(input, ask, want)| judge(input, want, &exchange(&canary.address(), &ask.bytes(&canary)), &canary))
        .collect();
    for (input, bytes, want) in raw() {
        outcomes.push(judge(input, want, &exchange(&canary.address(), &bytes), &canary));
    }
    assert_eq!(node.stop().0, Some(0));
    outcomes
}

type Row = (&'static str, Ask, Want);

/// Who asks.
fn who() -> Vec<Row> {
    let me = || stranger("GET /v1/me");
    let no = Problem(401, "unauthenticated");
    vec![
        ("no credential", me(), no),
        ("a bearer that nobody has", me().header(format!("Authorization: Bearer twl_dev_{}", "A".repeat(43))), no),
        ("a bearer of 60 000 letters", me().header(format!("Authorization: Bearer {}", "A".repeat(60_000))), no),
        ("a bearer that is not text", me().header(b"Authorization: Bearer \xff\xfe"), no),
        ("another scheme", me().header("Authorization: Basic dG93bGluZTp0b3dsaW5l"), no),
        ("a scheme without a credential", me().header("Authorization: Bearer"), no),
        ("a cookie that nobody has", me().header("Cookie: towline_device=twl_dev_x"), no),
        ("an empty cookie", me().header("Cookie: towline_device="), no),
        ("a stream without a credential", stranger("GET /v1/stream/x?offset=-1"), no),
        ("commands without a credential", stranger("POST /v1/commands").body("{}"), no),
        ("the lists without a credential", stranger("GET /v1/lists"), no),
    ]
}

/// Which page asks.
fn pages(port: &str) -> Vec<Row> {
    let refused = Problem(403, "origin_not_allowed");
    let from_page = |origin: String| command("{}").header(format!("Origin: {origin}"));
    vec![
        ("a foreign page", from_page("https://evil.example".to_owned()), refused),
        ("a page of no origin", from_page("null".to_owned()), refused),
        ("a page of another port here", from_page("http://127.0.0.1:1".to_owned()), refused),
        ("a page whose name begins like ours", from_page(format!("http://127.0.0.1:{port}.evil.example")), refused),
        ("a page with a user's name", from_page(format!("http://127.0.0.1:{port}@evil.example")), refused),
        ("two pages", from_page(format!("http://127.0.0.1:{port}")).header("Origin: https://evil.example"), refused),
        ("a page that is not text", command("{}").header(b"Origin: \xff"), refused),
        ("a foreign page that claims", claim("{}").header("Origin: https://evil.example"), refused),
        (
            "a foreign page that opens a socket",
            get("/v1/connect").header("Origin: https://evil.example").header("Upgrade: websocket"),
            refused,
        ),
    ]
}

/// By which name: a page that rebinds its own name to this address gets nothing, on any path.
fn names(port: &str) -> Vec<Row> {
    let no = Problem(421, "host_not_allowed");
    vec![
        ("another name, the page", stranger("GET /").header("Host: evil.example"), no),
        ("another name, the API", get("/v1/me").header("Host: evil.example"), no),
        ("another name, the health check", stranger("GET /healthz").header("Host: evil.example"), no),
        ("another name, a path that is not there", stranger("GET /nothing").header("Host: evil.example"), no),
        ("a name that is rebound to this machine", get("/v1/me").header("Host: 127.0.0.1.nip.io"), no),
        ("our port behind another name", get("/v1/me").header(format!("Host: evil.example:{port}")), no),
        ("our name before another", get("/v1/me").header("Host: localhost.evil.example"), no),
        ("our name as a user's", get("/v1/me").header("Host: localhost:80@evil.example"), no),
        ("our name with a dot", get("/v1/me").header(format!("Host: localhost.:{port}")), no),
        ("every address", get("/v1/me").header(format!("Host: 0.0.0.0:{port}")), no),
        ("an empty name", get("/v1/me").header("Host:"), no),
        ("a name that is not text", get("/v1/me").header(b"Host: \xff\xfe"), no),
        ("no name", get("/v1/me").nameless(), no),
        ("two names", get("/v1/me").header("Host: localhost").header("Host: evil.example"), no),
        ("another name in the target", get("http://evil.example/v1/me").header("Host: localhost"), no),
        ("another name, a socket", get("/v1/connect").header("Host: evil.example").header("Upgrade: websocket"), no),
    ]
}

/// Where: nothing outside of the table of files and routes.
fn paths() -> Vec<Row> {
    let no = Problem(404, "not_found");
    let plain = |path: &str| stranger(&format!("GET {path}"));
    vec![
        ("a walk up from the page", plain("/../../etc/passwd"), no),
        ("a hidden walk up from the page", plain("/%2e%2e/%2e%2e/etc/passwd"), no),
        ("a hidden walk up from the files", plain("/assets/..%2f..%2f..%2fetc%2fpasswd"), no),
        ("a walk with backslashes", plain("/assets/..%5c..%5cwindows%5cwin.ini"), no),
        ("a zero byte", plain("/assets/%00"), no),
        ("a file of the data directory", plain("/local.token"), no),
        ("a path of the API that is not there", get("/v1/nothing"), no),
        ("a path of an older API", get("/v0/me"), no),
        ("a session id that is none", get("/v1/sessions/nothing/transcript"), no),
        ("a session that is not there", get(format!("/v1/sessions/ses_{ID}/transcript")), no),
        ("an id of another kind", get(format!("/v1/sessions/trn_{ID}/transcript")), no),
        ("a command that is not there", get(format!("/v1/commands/cmd_{ID}")), no),
        ("a device that is not there", ask(&format!("DELETE /v1/devices/dev_{ID}")), no),
        ("a claim that is not there", ask(&format!("POST /v1/pairings/pai_{ID}/answer")).body(r#"{"allow":true}"#), no),
        ("a method that is not there", ask("DELETE /v1/me"), Problem(405, "bad_request")),
        ("an unknown method", ask("DANCE /v1/me"), Problem(405, "bad_request")),
        (
            "a place before nothing",
            get(format!("/v1/sessions/ses_{ID}/transcript?before=moon")),
            Problem(400, "bad_request"),
        ),
        ("less than no items", get(format!("/v1/sessions/ses_{ID}/transcript?limit=-1")), Problem(400, "bad_request")),
        ("audit before nothing", get("/v1/audit?before=moon"), Problem(400, "bad_request")),
    ]
}

fn streams(canary: &Canary) -> Vec<Row> {
    let journal = format!("/v1/stream/sessions/{}/journal", canary.session);
    let bad = |code| Problem(400, code);
    vec![
        ("an offset that is none", get(format!("{journal}?offset=moon")), bad("offset_invalid")),
        (
            "an offset behind the end",
            get(format!("{journal}?offset=0000000000000000_9999999999999999")),
            bad("offset_invalid"),
        ),
        (
            "an offset of another epoch",
            get(format!("{journal}?offset=0000000000000009_0000000000000000")),
            bad("offset_invalid"),
        ),
        ("an offset of 10 000 digits", get(format!("{journal}?offset={}", "9".repeat(10_000))), bad("offset_invalid")),
        ("two offsets", get(format!("{journal}?offset=-1&offset=now")), bad("query_invalid")),
        ("a query that is not UTF-8", get(format!("{journal}?offset=%ff")), bad("query_invalid")),
        ("a live read from nowhere", get(format!("{journal}?live=sse")), bad("offset_missing")),
        ("a walk up from a stream", get("/v1/stream/a/%2e%2e/b?offset=-1"), Problem(404, "not_found")),
        ("a path that is not UTF-8", get("/v1/stream/%ff?offset=-1"), bad("bad_request")),
        ("a path of 600 letters", get(format!("/v1/stream/{}?offset=-1", "a".repeat(600))), Problem(404, "not_found")),
        ("a path with a line break", get("/v1/stream/a%0ab?offset=-1"), Problem(404, "not_found")),
        (
            "the feed of another account",
            get(format!("/v1/stream/accounts/acc_{ID}/feed?offset=-1")),
            Problem(404, "not_found"),
        ),
        (
            "the journal of no session",
            get(format!("/v1/stream/sessions/ses_{ID}/journal?offset=-1")),
            Problem(404, "not_found"),
        ),
        ("a stream of nobody", get("/v1/stream/mine?offset=-1"), Problem(404, "not_found")),
        (
            "a client that writes a journal",
            ask(&format!("POST {journal}")).header("Content-Type: application/json").body("[1]"),
            Problem(405, "bad_request"),
        ),
        (
            "a client that makes a stream",
            ask("PUT /v1/stream/mine").header("Content-Type: text/plain").body("x"),
            Problem(405, "bad_request"),
        ),
        ("a client that deletes a journal", ask(&format!("DELETE {journal}")), Problem(405, "bad_request")),
    ]
}

fn bodies(canary: &Canary, host: &str) -> Vec<Row> {
    let session = canary.session;
    let with = |id: u32, body: &str| {
        let id = crate::row::command_id(0xa000, id.into());
        command(format!(r#"{{"id":"{id}","host":"{host}","ttlMs":null,"body":{body}}}"#))
    };
    let prompt = |text: &str| {
        format!(r#"{{"kind":"send_prompt","session":"{session}","content":{{"text":"{text}","attachments":[]}}}}"#)
    };
    let bad = Problem(400, "bad_request");
    vec![
        ("an empty command", command(""), bad),
        ("a command that is no JSON", command("dance"), bad),
        ("a command that is cut off", command(r#"{"id":"cmd_"#), bad),
        ("a command that is a list", command("[]"), bad),
        ("a command that is not UTF-8", command(b"{\"id\":\"\xff\xfe\"}".to_vec()), bad),
        ("a command of 100 000 brackets", command("[".repeat(100_000)), bad),
        (
            "a command 10 000 deep",
            with(1, &format!(r#"{{"a":{}1{}}}"#, r#"{"a":"#.repeat(10_000), "}".repeat(10_000))),
            bad,
        ),
        ("a command of 2 MiB", command(vec![b' '; 2 << 20]), Problem(413, "body_too_large")),
        ("two commands in one", command("{} {}"), bad),
        ("a kind that nobody knows", with(2, r#"{"kind":"format_disk"}"#), Problem(422, "unsupported")),
        ("a kind that is a number", with(3, r#"{"kind":7}"#), bad),
        (
            "a sender in the body",
            with(4, &format!(r#"{{"kind":"cancel_turn","session":"{session}","turn":null,"sender":"me"}}"#)),
            bad,
        ),
        (
            "a session id of another kind",
            with(5, &format!(r#"{{"kind":"cancel_turn","session":"trn_{ID}","turn":null}}"#)),
            bad,
        ),
        (
            "a life that is less than nothing",
            command(format!(r#"{{"id":"cmd_{ID}","host":"{host}","ttlMs":-1,"body":{}}}"#, prompt("x"))),
            bad,
        ),
        (
            "a life that is a word",
            command(format!(r#"{{"id":"cmd_{ID}","host":"{host}","ttlMs":"long","body":{}}}"#, prompt("x"))),
            bad,
        ),
        (
            "a host that is not there",
            command(format!(
                r#"{{"id":"{}","host":"dev_{ID}","ttlMs":null,"body":{}}}"#,
                crate::row::command_id(0xa001, 1),
                prompt("x")
            )),
            Problem(404, "not_found"),
        ),
        (
            "a session that is not there",
            with(6, &format!(r#"{{"kind":"cancel_turn","session":"ses_{ID}","turn":null}}"#)),
            Problem(404, "not_found"),
        ),
        ("an empty prompt", with(7, &prompt("")), Problem(422, "invalid")),
        ("a prompt of 300 KiB", with(8, &prompt(&"a".repeat(300 << 10))), Problem(422, "invalid")),
        (
            "a session that is there already",
            with(
                9,
                &format!(
                    r#"{{"kind":"start_session","session":"{session}","project":"prj_{ID}","agent":"demo","model":null,"mode":null,"content":{{"title":null,"text":null,"attachments":[]}}}}"#
                ),
            ),
            Problem(409, "session_exists"),
        ),
        (
            "a name of 10 000 letters",
            claim(format!(
                r#"{{"code":"ABCD-EFGH","name":"{}","platform":"x","kind":"browser","publicKey":null}}"#,
                "a".repeat(10_000)
            )),
            bad,
        ),
        (
            "a device that calls itself a node",
            claim(r#"{"code":"ABCD-EFGH","name":"x","platform":"x","kind":"node","publicKey":null}"#),
            bad,
        ),
        (
            "a key that is none",
            claim(r#"{"code":"ABCD-EFGH","name":"x","platform":"x","kind":"browser","publicKey":"x"}"#),
            bad,
        ),
        ("a claim of 100 KiB", claim(vec![b' '; 100 << 10]), Problem(413, "body_too_large")),
        ("a claim 5 000 deep", claim("{\"code\":".repeat(5_000)), bad),
        ("a status of nothing", stranger("POST /v1/pairings/status").body("{}"), bad),
        (
            "a status by another token",
            stranger("POST /v1/pairings/status")
                .body(format!(r#"{{"pairing":"pai_{ID}","claimToken":"x","waitMs":0}}"#)),
            Problem(403, "pairing_invalid"),
        ),
        ("the node revokes itself", ask(&format!("DELETE /v1/devices/{host}")), Problem(403, "forbidden")),
    ]
}

/// What HTTP itself refuses, before anybody is asked.
fn wire() -> Vec<Row> {
    vec![
        ("a length that is a word", command("{}").header("Content-Length: long"), Below("400")),
        ("two lengths", command("{}").header("Content-Length: 2").header("Content-Length: 3"), Below("400")),
        (
            "chunks that are none",
            command("zz\r\n{}\r\n").header("Transfer-Encoding: chunked"),
            Problem(400, "bad_request"),
        ),
        ("a body that is cut off", command("{").header("Transfer-Encoding: chunked").body("5\r\n{"), Below("400")),
        ("a head of 400 KiB", get("/v1/me").header(format!("X-Long: {}", "a".repeat(400_000))), Below("431")),
        ("a thousand headers", (0..1_000).fold(get("/v1/me"), |ask, n| ask.header(format!("X-{n}: 1"))), Below("431")),
        ("a header with a zero byte", get("/v1/me").header(b"X-Odd: a\0b"), Below("400")),
    ]
}

fn raw() -> Vec<(&'static str, Vec<u8>, Want)> {
    vec![
        ("no HTTP at all", b"\x00\x01\x02\xff\xfe\r\n\r\n".to_vec(), Below("400")),
        ("TLS on a plain port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), Below("400")),
        ("HTTP/2 without an upgrade", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), Below("cut")),
        ("a line without an end", [b"GET /".as_slice(), &vec![b'a'; 200_000]].concat(), Below("431")),
    ]
}

/// Guessed codes; the last rows, because an address that guesses has to wait.
fn codes() -> Vec<Row> {
    let guess = |code: &str| {
        claim(format!(r#"{{"code":"{code}","name":"x","platform":"x","kind":"browser","publicKey":null}}"#))
    };
    let no = Problem(403, "pairing_invalid");
    let mut rows = vec![
        ("a wrong code", guess("ABCD-EFGH"), no),
        ("an empty code", guess(""), no),
        ("a code of 10 000 letters", guess(&"A".repeat(10_000)), no),
        ("a code of other letters", guess("ÄÖÜ-漢字"), no),
    ];
    rows.extend((0..6).map(|n| ("a wrong code again", guess(&format!("0000-000{n}")), no)));
    rows.push(("the eleventh wrong code of an address", guess("0000-0009"), Problem(429, "rate_limited")));
    rows
}
