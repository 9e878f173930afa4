//! A node with a certificate: it answers by TLS, gives the cookie that only it can set, and lets no source take all handshakes (F-54).
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    dead_code,
    reason = "a test starts the program, and fails when a step of it fails; it uses a part of the world"
)]

mod world;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;
use world::{PATIENCE, Running, World};

/// As many handshakes as one source may have under way.
const HANDSHAKES_PER_SOURCE: usize = 32;

struct Tls {
    node: Running,
    address: String,
    config: Arc<ClientConfig>,
}

fn up(world: &World) -> Tls {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let file = |name: &str, text: String| {
        let path = world.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (certificate, key) = (file("cert.pem", made.cert.pem()), file("key.pem", made.signing_key.serialize_pem()));
    let node = world.up(&["--listen", "127.0.0.1:0", "--tls-cert", &certificate, "--tls-key", &key, "--pair-once"]);
    let address = node.ready["url"].as_str().unwrap().strip_prefix("https://").unwrap().to_owned();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    Tls { node, address, config }
}

impl Tls {
    fn port(&self) -> u16 {
        self.address.rsplit_once(':').unwrap().1.parse().unwrap()
    }

    fn dial(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// One request by TLS; the whole answer.
    fn ask(&self, head: &str, body: &str) -> String {
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(self.config.clone(), name).unwrap();
        let mut stream = StreamOwned::new(connection, self.dial());
        let (address, length) = (format!("localhost:{}", self.port()), body.len());
        // Whoever is refused is cut while it writes.
        let _written = write!(
            stream,
            "{head} HTTP/1.1\r\nHost: {address}\r\nOrigin: https://{address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let mut answer = Vec::new();
        // A server that closes without TLS's own goodbye has said everything all the same.
        let _end = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }
}

fn body(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[test]
fn a_browser_comes_in_by_tls_and_its_cookie_is_for_this_host_alone() {
    let world = World::new();
    let tls = up(&world);
    assert!(tls.ask("GET /healthz", "").starts_with("HTTP/1.1 204 "));
    let code = tls.node.ready["code"].as_str().unwrap();
    let claim = format!(r#"{{"code":"{code}","name":"Phone","platform":"test","kind":"browser","publicKey":null}}"#);
    let claimed = body(&tls.ask("POST /v1/pairings/claim", &claim));
    let ask = format!(r#"{{"pairing":{},"claimToken":{},"waitMs":0}}"#, claimed["pairing"], claimed["claimToken"]);
    let told = tls.ask("POST /v1/pairings/status", &ask);
    let cookie = told.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap_or_else(|| panic!("{told}"));
    assert!(cookie.starts_with("__Host-towline_device=") && cookie.contains("; Secure"), "the cookie's name and flags");
    let pair = cookie.split(';').next().unwrap();
    let me = tls.ask(&format!("GET /v1/me HTTP/1.1\r\nCookie: {pair}\r\nX:"), "");
    assert!(me.starts_with("HTTP/1.1 200 "), "{me}");
    // The same credential under the name that a neighbour could set is nobody's.
    let planted = pair.replace("__Host-", "");
    let me = tls.ask(&format!("GET /v1/me HTTP/1.1\r\nCookie: {planted}\r\nX:"), "");
    assert!(me.starts_with("HTTP/1.1 401 "), "{me}");
    assert_eq!(tls.node.stop().0, Some(0));
}

#[test]
fn what_is_no_tls_is_cut_and_who_says_nothing_takes_no_more_than_a_share() {
    let world = World::new();
    let tls = up(&world);
    let mut plain = tls.dial();
    write!(plain, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _cut = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "nothing is said in the clear");
    let silent: Vec<TcpStream> = (0..HANDSHAKES_PER_SOURCE).map(|_| tls.dial()).collect();
    // One more is closed at once, and those that were there before it are not.
    let (mut more, began) = (tls.dial(), Instant::now());
    let closed = match more.read(&mut [0; 8]) {
        Ok(0) => true,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
        Ok(_) => false,
    };
    assert!(closed && began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    for mut stream in silent {
        stream.set_nonblocking(true).unwrap();
        assert_eq!(stream.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
    }
    // They have left: there is room again.
    let until = Instant::now() + PATIENCE;
    while !tls.ask("GET /healthz", "").starts_with("HTTP/1.1 204 ") {
        assert!(Instant::now() < until, "there is never room again");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(tls.node.stop().0, Some(0));
}
