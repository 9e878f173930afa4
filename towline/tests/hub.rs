//! A hub without a host: the program itself, a proxy before it, people who come in by links.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    dead_code,
    reason = "a test starts the program, and fails when a step of it fails; it uses a part of the world"
)]

mod world;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use serde_json::{Value, json};
use world::{PATIENCE, Running, World};

/// The address that the proxy says people come from (RFC 5737).
const SOMEBODY: &str = "203.0.113.7";
const NAME: &str = "hub.example.net";

fn hub(world: &World, args: &[&str]) -> Running {
    let args: Vec<&str> = ["hub", "--json", "--listen", "127.0.0.1:0"].iter().chain(args).copied().collect();
    world.start(&args)
}

/// One request in plain HTTP; the whole answer.
fn ask(port: &str, host: &str, head: &str, more: &[&str], body: &str) -> String {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let more = more.iter().fold(String::new(), |text, line| text + line + "\r\n");
    let length = body.len();
    write!(
        stream,
        "{head} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n{more}\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn body(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

fn secret(url: &Value) -> &str {
    url.as_str().unwrap().split_once('#').unwrap().1
}

/// Uses a link; the answer with the cookie in it.
fn enter(port: &str, host: &str, more: &[&str], secret: &str) -> String {
    let claim = json!({"code": secret, "name": "Phone", "platform": "test", "kind": "browser", "publicKey": null});
    let claimed = body(&ask(port, host, "POST /v1/pairings/claim", more, &claim.to_string()));
    let status = json!({"pairing": claimed["pairing"], "claimToken": claimed["claimToken"], "waitMs": 0});
    ask(port, host, "POST /v1/pairings/status", more, &status.to_string())
}

fn set_cookie(answer: &str) -> &str {
    answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap_or_else(|| panic!("{answer}"))
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_owner_comes_in_by_the_setup_link_and_others_by_invitation() {
    let world = World::new();
    let running = hub(&world, &[]);
    let port = running.port().to_owned();
    let local = format!("127.0.0.1:{port}");
    let first = secret(&running.ready["setupUrl"]).to_owned();
    // A new link voids the one before it.
    let link = world.run(&["hub", "setup-link", "--json"]);
    let setup = lines(&link.out)[0]["url"].clone();
    let claim = json!({"code": first, "name": "x", "platform": "x", "kind": "browser", "publicKey": null}).to_string();
    assert!(ask(&port, &local, "POST /v1/pairings/claim", &[], &claim).contains("pairing_invalid"));
    let told = enter(&port, &local, &[], secret(&setup));
    let owner = format!("Cookie: {}", set_cookie(&told).split(';').next().unwrap());
    assert_eq!(body(&ask(&port, &local, "GET /v1/me", &[&owner], ""))["invites"], true);
    let again = world.run(&["hub", "setup-link"]);
    assert_eq!(again.code, Some(5), "{}", again.err);

    let invited = lines(&world.run(&["hub", "invite", "--name", "Ada", "--json"]).out)[0].clone();
    assert_eq!(lines(&world.run(&["hub", "invitations", "--json"]).out)[0]["name"], "Ada");
    let told = enter(&port, &local, &[], secret(&invited["url"]));
    let ada = format!("Cookie: {}", set_cookie(&told).split(';').next().unwrap());
    let me = body(&ask(&port, &local, "GET /v1/me", &[&ada], ""));
    assert_eq!((me["invites"].as_bool(), me["host"].is_null()), (Some(false), true));
    let accounts = lines(&world.run(&["hub", "accounts", "--json"]).out);
    assert_eq!(accounts.iter().map(|each| each["owner"].as_bool().unwrap()).collect::<Vec<_>>(), [true, false]);
    assert_eq!((&accounts[1]["name"], &accounts[1]["devices"]), (&json!("Ada"), &json!(1)));
    let shown = world.run(&["hub", "accounts"]);
    assert!(shown.out.contains("Ada") && shown.out.contains("(owns this hub)"), "{}", shown.out);

    // A restart keeps everybody, and offers the hub to nobody.
    assert_eq!(running.stop().0, Some(0));
    let running = hub(&world, &[]);
    let port = running.port().to_owned();
    let local = format!("127.0.0.1:{port}");
    assert!(running.ready["setupUrl"].is_null());
    assert!(ask(&port, &local, "GET /v1/me", &[&ada], "").starts_with("HTTP/1.1 200"));

    let account = accounts[1]["account"].as_str().unwrap();
    assert_eq!(world.run(&["hub", "accounts", "--close", account]).code, Some(2), "nobody can be asked");
    assert_eq!(world.run(&["hub", "accounts", "--close", account, "--yes"]).code, Some(0));
    assert!(ask(&port, &local, "GET /v1/me", &[&ada], "").starts_with("HTTP/1.1 401"));
    assert!(ask(&port, &local, "GET /v1/me", &[&owner], "").starts_with("HTTP/1.1 200"));
    assert_eq!(lines(&world.run(&["hub", "accounts", "--json"]).out).len(), 1);
    // The machine's look at itself asks for no agent here.
    let looked = world.run(&["doctor", "--json"]);
    let ids: Vec<String> =
        lines(&looked.out).iter().map(|finding| finding["id"].as_str().unwrap().to_owned()).collect();
    assert!(ids.contains(&"hub.public".to_owned()) && !ids.iter().any(|id| id.starts_with("agent.")), "{ids:?}");
    assert_eq!(running.stop().0, Some(0));
}

/// A proxy as people put one before a hub: it adds the address that it says it was asked from, and the scheme, and hands `Host` on.
fn proxy(to: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let to = format!("127.0.0.1:{to}");
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let to = to.clone();
            std::thread::spawn(move || hand_on(client, &to));
        }
    });
    port
}

fn hand_on(mut client: TcpStream, to: &str) {
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if client.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let (mut kept, mut said) = (String::new(), Vec::new());
    for line in head.trim_end().lines() {
        match line.split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("x-forwarded-for") => said.push(value.to_owned()),
            Some((name, _)) if name.eq_ignore_ascii_case("x-forwarded-proto") => {}
            _ => kept.extend([line, "\r\n"]),
        }
    }
    said.push(SOMEBODY.to_owned());
    let mut hub = TcpStream::connect(to).unwrap();
    write!(hub, "{kept}X-Forwarded-For: {}\r\nX-Forwarded-Proto: https\r\n\r\n", said.join(", ")).unwrap();
    let mut answers = (hub.try_clone().unwrap(), client.try_clone().unwrap());
    let back = std::thread::spawn(move || std::io::copy(&mut answers.0, &mut answers.1).map(|_| answers.1));
    let length = head.to_ascii_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let _sent = std::io::copy(&mut client.take(length.unwrap_or(0)), &mut hub);
    if let Ok(Ok(client)) = back.join() {
        let _shut = client.shutdown(std::net::Shutdown::Both);
    }
}

/// From where the newest use of a code came, as the trail says.
fn source(world: &World) -> String {
    let trail = lines(&world.run(&["audit", "--json"]).out);
    let found = trail.iter().find(|entry| entry["action"] == "pairing.claim").unwrap();
    found["source"].as_str().unwrap().to_owned()
}

#[test]
fn a_proxy_that_is_named_is_believed_from_the_right() {
    let world = World::new();
    let url = format!("https://{NAME}");
    let running = hub(&world, &["--public-url", &url, "--trusted-proxy", "127.0.0.1"]);
    assert_eq!(running.ready["url"], url.as_str());
    let through = proxy(running.port());
    // What the client says of itself stands further left, and is hearsay.
    let told = enter(
        &through,
        NAME,
        &["X-Forwarded-For: 9.9.9.9", "Origin: https://hub.example.net"],
        secret(&running.ready["setupUrl"]),
    );
    let cookie = set_cookie(&told);
    assert!(cookie.starts_with("__Host-towline_device=") && cookie.contains("; Secure"), "by TLS, as the proxy says");
    assert_eq!(source(&world), SOMEBODY);
    let pair = format!("Cookie: {}", cookie.split(';').next().unwrap());
    assert!(ask(&through, NAME, "GET /v1/me", &[&pair], "").starts_with("HTTP/1.1 200"));
    // Whoever comes through it is elsewhere, and whoever is here is here.
    assert_eq!(body(&ask(&through, NAME, "GET /v1/access", &[&pair], ""))["here"], false);
    let token = std::fs::read_to_string(world.data().join("local.token")).unwrap();
    let bearer = format!("Authorization: Bearer {}", token.trim());
    let local = format!("127.0.0.1:{}", running.port());
    assert_eq!(body(&ask(running.port(), &local, "GET /v1/access", &[&bearer], ""))["here"], true);
    // A name that leads elsewhere is refused, whoever hands it on.
    assert!(ask(&through, "evil.example", "GET /v1/me", &[&pair], "").starts_with("HTTP/1.1 421"));
    assert_eq!(running.stop().0, Some(0));
}

#[test]
fn a_proxy_that_is_not_named_is_not_believed() {
    let world = World::new();
    let url = format!("https://{NAME}");
    let running = hub(&world, &["--public-url", &url, "--trusted-proxy", "10.0.0.0/8"]);
    let through = proxy(running.port());
    let told = enter(&through, NAME, &[], secret(&running.ready["setupUrl"]));
    let cookie = set_cookie(&told);
    assert!(cookie.starts_with("towline_device=") && !cookie.contains("Secure"), "{cookie}");
    assert_eq!(source(&world), "127.0.0.1");
    // And nobody is here because a header is missing: what any proxy adds says that somebody stands behind it.
    let token = std::fs::read_to_string(world.data().join("local.token")).unwrap();
    let bearer = format!("Authorization: Bearer {}", token.trim());
    let local = format!("127.0.0.1:{}", running.port());
    let spoofed = ["X-Forwarded-For: 127.0.0.1", bearer.as_str()];
    assert_eq!(body(&ask(running.port(), &local, "GET /v1/access", &spoofed, ""))["here"], false);
    assert_eq!(running.stop().0, Some(0));
}
