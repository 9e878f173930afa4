//! A network that lets no WebSocket through, and one that holds no request either: the command line finds its way all the same (F-59).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use client::{Dialer, Remote, socket::Options};
use client::{SessionFollow, Socket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::world::{PATIENCE, World};
use crate::yard::*;

/// Passes requests on, each by a connection of its own, for so long; answers an upgrade as proxies do that know none. Gives its address.
async fn proxy(port: &str, longest: Duration, refusal: &'static str) -> String {
    proxy_while(Arc::new(AtomicBool::new(true)), port, longest, refusal).await
}

/// The same, for so long as something holds; then it lets everything through.
async fn proxy_while(barred: Arc<AtomicBool>, port: &str, longest: Duration, refusal: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap();
    let port = port.parse::<u16>().unwrap();
    tokio::spawn(async move {
        loop {
            let (near, _) = listener.accept().await.unwrap();
            // Who is cut off in the middle is what this is about.
            let refusal = barred.load(Ordering::SeqCst).then_some(refusal);
            tokio::spawn(async move { timeout(longest, pass(near, port, refusal)).await });
        }
    });
    format!("http://{own}")
}

async fn pass(mut near: TcpStream, port: u16, refusal: Option<&str>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(near.read_u8().await?);
    }
    let upgrade = head.starts_with(b"GET /v1/connect ") || head.starts_with(b"GET /v1/link ");
    if let Some(refusal) = refusal.filter(|_| upgrade) {
        let page = "<html>Blocked by your administrator</html>";
        let answer = format!("HTTP/1.1 {refusal}\r\nVia: 1.1 lodge\r\nContent-Length: {}\r\n\r\n{page}", page.len());
        near.write_all(answer.as_bytes()).await?;
        return near.shutdown().await;
    }
    let mut far = TcpStream::connect(("127.0.0.1", port)).await?;
    far.write_all(&head).await?;
    tokio::io::copy_bidirectional(&mut near, &mut far).await.map(drop)
}

async fn canonical(hub: &Hub, socket: &Socket, session: protocol::id::SessionId) -> Vec<String> {
    let mut follow = SessionFollow::open(hub.api.clone(), socket, session, true).await.unwrap();
    let reading = async {
        loop {
            follow.next().await.unwrap();
            if follow.is_idle() && follow.transcript().turns().len() == 2 {
                return follow.transcript().canonical();
            }
        }
    };
    timeout(PATIENCE, reading).await.expect("it is read to the end")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_gets_no_socket_reads_and_sends_by_requests_and_has_the_same_in_the_end() {
    let hub = Hub::start();
    let desk = Node::link(&hub, "desk").await;
    let token = std::fs::read_to_string(hub.world.data().join("local.token")).unwrap();
    // The second one cuts off whatever is held for longer than a moment.
    for (longest, refusal) in
        [(Duration::from_mins(5), "401 Unauthorized"), (Duration::from_millis(1_500), "502 Bad Gateway")]
    {
        let url = proxy(&hub.port, longest, refusal).await;
        let remote = Remote::new(&url, Some(token.trim().to_owned()), Dialer::tcp()).unwrap();
        let first_pause = Duration::from_millis(20);
        let socket = Socket::open(remote, Options { client: "blocked/0".to_owned(), first_pause, seed: 3 });
        let welcome = timeout(PATIENCE, socket.live()).await.expect("it finds another way").unwrap();
        assert!(welcome.slow);
        assert!(socket.ping().await.unwrap().0 > 1_700_000_000_000, "the hub's clock is known");

        let session = desk.session(&hub, "[[rate 30]] [[words 100]]").await;
        turns_ended(&hub, session, 0).await;
        let id = protocol::id::CommandId::from_uuid(fresh());
        let body = Node::prompt(session, "[[rate 30]] [[words 100]] and more");
        let request = protocol::command::CommandRequest { id, host: desk.device, ttl_ms: None, retry_of: None, body };
        let reading = canonical(&hub, &socket, session);
        let (told, sent) = tokio::join!(reading, socket.command(request));
        assert_eq!(sent.unwrap().command, id);
        turns_ended(&hub, session, 2).await;
        assert_eq!(told, canonical(&hub, &hub.socket(), session).await);
        socket.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_gets_no_socket_says_so_and_by_whom_and_links_once_it_gets_one() {
    let hub = Hub::start();
    let barred = Arc::new(AtomicBool::new(true));
    let url = proxy_while(barred.clone(), &hub.port, Duration::from_mins(5), "403 Forbidden").await;
    let world = World::new();
    let desk = Node::up(&world, "desk");
    // Who is let in hears of it by plain requests.
    Node::enrol(&hub, &world, "desk", &url);
    let state = || json(&world.run(&["link", "ls", "--json"]).out)["state"].clone();
    let trouble = until("it says what is in its way", PATIENCE, async || {
        let words = state()["trouble"]["words"].as_str()?.to_owned();
        words.contains("no WebSocket does").then_some(words)
    });
    let words = trouble.await;
    assert!(words.contains("`1.1 lodge`") && words.contains("403"), "{words}");
    let shown = world.run(&["link", "ls"]);
    assert!(shown.out.contains("not linked; tries again") && shown.out.contains("let the proxy pass"), "{shown:?}");
    let doctor = world.run(&["doctor"]);
    assert!(doctor.out.contains("no WebSocket does") && doctor.out.contains("let the proxy pass"), "{doctor:?}");
    barred.store(false, Ordering::SeqCst);
    until("it is linked", PATIENCE, async || (state()["phase"] == "live").then_some(())).await;
    assert!(state()["trouble"].is_null());
    assert_eq!(desk.stop().0, Some(0));
}
