//! A network that lets no WebSocket through, and one that holds no request either: the command line finds its way all the same (F-59).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use client::{Dialer, Remote, socket::Options};
use client::{SessionFollow, Socket};
use protocol::host::Presence;
use protocol::path::StreamPath;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::clock::Clock;
use crate::prompts::prompts_go_once;
use crate::world::PATIENCE;
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
    let head = head_of(&mut near).await?;
    let upgrade = head.starts_with("GET /v1/connect ") || head.starts_with("GET /v1/link ");
    if let Some(refusal) = refusal.filter(|_| upgrade) {
        let page = "<html>Blocked by your administrator</html>";
        let answer = format!("HTTP/1.1 {refusal}\r\nVia: 1.1 lodge\r\nContent-Length: {}\r\n\r\n{page}", page.len());
        near.write_all(answer.as_bytes()).await?;
        return near.shutdown().await;
    }
    let mut far = TcpStream::connect(("127.0.0.1", port)).await?;
    far.write_all(head.as_bytes()).await?;
    tokio::io::copy_bidirectional(&mut near, &mut far).await.map(drop)
}

/// Collects each answer before it passes it on, and passes none on that takes longer than that; takes every upgrade, and carries nothing over
/// it. Gives its port.
async fn collector(hub: &str, longest: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port().to_string();
    let hub = hub.parse::<u16>().unwrap();
    tokio::spawn(async move {
        loop {
            let (near, _) = listener.accept().await.unwrap();
            tokio::spawn(collect(near, hub, longest));
        }
    });
    own
}

async fn collect(mut near: TcpStream, hub: u16, longest: Duration) -> std::io::Result<()> {
    let head = head_of(&mut near).await?;
    let lower = head.to_ascii_lowercase();
    let mut far = TcpStream::connect(("127.0.0.1", hub)).await?;
    if lower.contains("upgrade: websocket") {
        far.write_all(head.as_bytes()).await?;
        let answer = head_of(&mut far).await?;
        near.write_all(answer.as_bytes()).await?;
        return tokio::io::copy(&mut near, &mut tokio::io::sink()).await.map(drop);
    }
    let length =
        lower.split("content-length: ").nth(1).map_or(0, |rest| rest.split("\r\n").next().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    near.read_exact(&mut body).await?;
    far.write_all(head.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes()).await?;
    far.write_all(&body).await?;
    let mut answer = Vec::new();
    match timeout(longest, far.read_to_end(&mut answer)).await {
        Ok(read) => {
            read?;
            near.write_all(&answer).await?;
            near.shutdown().await
        }
        // Whoever asked is left to wait.
        Err(_) => tokio::io::copy(&mut near, &mut tokio::io::sink()).await.map(drop),
    }
}

async fn head_of(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
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

fn port(url: &str) -> String {
    url.rsplit(':').next().unwrap().to_owned()
}

/// How a machine's link goes, as the machine says.
fn slow(node: &Node) -> Value {
    node.link_state()["state"]["slow"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_gets_no_socket_is_linked_by_requests_and_by_a_socket_once_it_gets_one() {
    let hub = Hub::start();
    let barred = Arc::new(AtomicBool::new(true));
    let url = proxy_while(barred.clone(), &hub.port, Duration::from_mins(5), "403 Forbidden").await;
    let desk = Node::link_through(&hub, "desk", Clock::Right, &port(&url)).await;
    let way =
        until("it says which way it goes", PATIENCE, async || Some(slow(&desk)).filter(|way| !way.is_null())).await;
    let words = way["words"].as_str().unwrap();
    assert!(words.contains("`1.1 lodge`") && words.contains("403"), "{words}");
    assert_eq!(way["pushed"], true);
    let shown = desk.world.run(&["link", "ls"]);
    assert!(shown.out.contains("linked") && shown.out.contains("a slow way, by requests"), "{shown:?}");
    let doctor = desk.world.run(&["doctor"]);
    assert!(doctor.out.contains("by a slow way") && doctor.out.contains("Let the proxy pass"), "{doctor:?}");

    let session = desk.session(&hub, "[[words 3]]").await;
    turns_ended(&hub, session, 1).await;
    barred.store(false, Ordering::SeqCst);
    let mut away = 0;
    until("it goes by a socket", Duration::from_secs(70), async || {
        let presence = known(&hub.api).await.hosts[&desk.device].presence;
        away += usize::from(presence != Presence::Online);
        slow(&desk).is_null().then_some(())
    })
    .await;
    assert_eq!(away, 0, "nobody saw it change its way");
    desk.send(&hub, Node::prompt(session, "[[words 3]] by a socket"), None).await;
    turns_ended(&hub, session, 2).await;
    same(&hub, &desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_socket_gets_through_prompts_go_once_and_what_is_said_is_the_same_there_and_here() {
    prompts_go_once(async |hub| port(&proxy(&hub.port, Duration::from_mins(5), "502 Bad Gateway").await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_answers_are_collected_and_sockets_are_mute_prompts_go_once_and_what_is_said_is_the_same() {
    prompts_go_once(async |hub| collector(&hub.port, Duration::from_secs(1)).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_whose_requests_may_not_wait_looks_every_few_seconds_and_says_so() {
    let hub = Hub::start();
    // The first cuts off whatever is held for longer than a moment, the second swallows the answer.
    let cuts = port(&proxy(&hub.port, Duration::from_millis(1_500), "502 Bad Gateway").await);
    let swallows = collector(&hub.port, Duration::from_secs(1)).await;
    for (name, port) in [("desk", cuts), ("laptop", swallows)] {
        let node = Node::link_through(&hub, name, Clock::Right, &port).await;
        let looks = async || (slow(&node)["pushed"] == false).then_some(());
        until("it looks by itself", PATIENCE, looks).await;
        assert!(node.world.run(&["link", "ls"]).out.contains("looking every few seconds"));
        // It is quiet, and looks rarely; what is said to it comes all the same.
        tokio::time::sleep(Duration::from_secs(17)).await;
        let asked = Instant::now();
        let session = node.session(&hub, "[[words 3]]").await;
        turns_ended(&hub, session, 1).await;
        assert!(asked.elapsed() < Duration::from_secs(12), "{:?}", asked.elapsed());
        same(&hub, &node).await;
        assert_eq!(slow(&node)["pushed"], false, "it is the same connection");
        assert_eq!(known(&hub.api).await.hosts[&node.device].presence, Presence::Online);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_goes_by_requests_is_out_within_two_seconds_of_being_revoked() {
    let hub = Hub::start();
    let url = proxy(&hub.port, Duration::from_mins(5), "403 Forbidden").await;
    let desk = Node::link_through(&hub, "desk", Clock::Right, &port(&url)).await;
    // It speaks, so that there is always something on its way.
    let session = desk.session(&hub, "[[rate 20]] [[words 2000]]").await;
    let journal = StreamPath::journal(session);
    until("it speaks", PATIENCE, async || known(&hub.api).await.sessions.contains_key(&session).then_some(())).await;
    hub.api.revoke(desk.device).await.unwrap();
    let revoked = Instant::now();
    let end = whole(&hub.socket(), journal.clone()).await;
    let stopped = async || (desk.link_state()["state"]["phase"] == "stopped").then_some(());
    // The state is shown twice a second, and looked at by a program that has to start.
    until("it has stopped", Duration::from_secs(3), stopped).await;
    println!("a machine that goes by requests has stopped {:?} after it was revoked", revoked.elapsed());
    assert_eq!(desk.link_state()["state"]["trouble"]["code"], "unauthenticated");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(whole(&hub.socket(), journal).await, end, "nothing more was stored");
}
