//! Floods, slow disks and frozen clients: nobody pays for another.

use std::collections::HashSet;

use tokio::net::TcpStream;
use tokio::time::Instant;

use super::*;
use protocol::command::{CommandBody, CommandState};
use protocol::limits::SEND_TIMEOUT_MS;
use store::CommitFault;

#[tokio::test]
async fn ten_thousand_requests_in_one_go_are_answered_once_each() {
    let house = House::new().await;
    let session = house.session().await;
    let stream = StreamPath::journal(session);
    let client = house.connect().await;
    let (mut out, mut back) = client.wire.split();
    let mut expected: HashSet<(char, u32)> = HashSet::new();
    let mut texts = Vec::new();
    for n in 0..10_000_u32 {
        let (frame, answer) = match n % 10 {
            0 => (ClientFrame::Subscribe { sub: n, stream: stream.clone(), from: From::Now }, ('s', n)),
            1 => (ClientFrame::Unsubscribe { sub: n - 1 }, ('u', n - 1)),
            2 => {
                let body = CommandBody::CancelTurn { session, turn: None };
                (ClientFrame::Command { req: n, command: house.world.request(body) }, ('r', n))
            }
            3 => (ClientFrame::CancelCommand { req: n, command: house.world.prompt(session, "x").id }, ('r', n)),
            _ => (ClientFrame::Ping { req: n }, ('r', n)),
        };
        assert!(expected.insert(answer));
        texts.push(serde_json::to_string(&frame).unwrap());
    }
    let sending = async {
        for text in texts {
            out.feed(Message::text(text)).await.unwrap();
        }
        out.flush().await.unwrap();
    };
    let hearing = async {
        while !expected.is_empty() {
            let message = tokio::time::timeout(PATIENCE, back.next()).await.expect("an answer").unwrap().unwrap();
            let Message::Text(text) = message else { continue };
            let answer = match ServerFrame::parse(&text).unwrap() {
                ServerFrame::Subscribed { sub, .. } => ('s', sub),
                ServerFrame::Unsubscribed { sub } => ('u', sub),
                ServerFrame::Pong { req, .. }
                | ServerFrame::Ack { req, .. }
                | ServerFrame::Error { req: Some(req), .. } => ('r', req),
                other => panic!("{other:?}"),
            };
            assert!(expected.remove(&answer), "{answer:?} was answered twice, or never asked");
        }
    };
    tokio::join!(sending, hearing);
}

#[tokio::test]
async fn a_message_too_large_for_a_socket_is_named_and_what_is_behind_it_comes() {
    let house = House::new().await;
    let (stream, other) = (house.journal().await, house.journal().await);
    let long = serde_json::json!({ "type": "item", "key": "x", "junk": "x".repeat(9_000_000) }).to_string();
    house.append(&stream, &[numbers(0..1), vec![long], numbers(1..2)].concat()).await;
    house.append(&other, &numbers(5..6)).await;
    let mut client = house.connect().await;
    client.subscribe(1, &stream, From::Start).await;
    let (messages, ended) = client.read(1, 3).await;
    assert_eq!((&messages[0], &messages[2], ended), (&numbers(0..1)[0], &numbers(1..2)[0], None));
    assert!(messages[1].len() < 200 && messages[1].contains("too_large"), "{}", messages[1]);
    client.alive(1).await;
    client.subscribe(2, &other, From::Start).await;
    assert_eq!(client.read(2, 1).await.0, numbers(5..6), "it is the same socket, and carries the others");
}

#[tokio::test(start_paused = true)]
async fn commands_are_acked_in_order_and_a_slow_disk_stops_nothing_else() {
    let (world, disk) = faulty().await;
    let house = House::of(world).await;
    let session = house.session().await;
    let stream = house.journal().await;
    house.append(&stream, &numbers(0..1)).await;
    let mut client = house.connect().await;
    client.subscribe(1, &stream, From::Now).await;
    disk.plan_commit(Some(CommitFault::Stall));
    let requests: Vec<_> = (0..5).map(|n| house.world.prompt(session, &format!("prompt {n}"))).collect();
    for (req, request) in (0..).zip(&requests) {
        client.command(req, request.clone()).await;
    }
    client.alive(100).await;
    house.append(&stream, &numbers(1..2)).await;
    assert_eq!(client.read(1, 1).await.0, numbers(1..2));
    disk.release();
    for (expected, request) in (0..).zip(&requests) {
        match client.hear().await {
            ServerFrame::Ack { req, command, state: CommandState::Queued, .. } => {
                assert_eq!((req, command), (expected, request.id));
            }
            other => panic!("{other:?}"),
        }
    }
    // Sent again, as after a lost ack: the same answer, and no second command.
    client.command(50, requests[0].clone()).await;
    assert!(matches!(client.hear().await, ServerFrame::Ack { req: 50, .. }));
    let other = CommandRequest { ttl_ms: Some(1), ..requests[0].clone() };
    client.command(51, other).await;
    match client.hear().await {
        ServerFrame::Error { req: Some(51), problem, .. } => assert_eq!(problem.code, ErrorCode::CommandConflict),
        other => panic!("{other:?}"),
    }
    client.say(&ClientFrame::CancelCommand { req: 52, command: requests[4].id }).await;
    assert!(matches!(client.hear().await, ServerFrame::Ack { req: 52, state: CommandState::Cancelled, .. }));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_vanishes_leaves_its_commands_behind() {
    let (world, disk) = faulty().await;
    let house = House::of(world).await;
    let session = house.session().await;
    let mut client = house.connect().await;
    disk.plan_commit(Some(CommitFault::Stall));
    let request = house.world.prompt(session, "x");
    client.command(1, request.clone()).await;
    while disk.stalled() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(client);
    tokio::time::sleep(Duration::from_secs(2)).await;
    disk.release();
    house.settled().await;
    let ack = house.world.hub.command(house.world.hub.account(), request.id).await.expect("it was taken in");
    assert_eq!(ack.state, CommandState::Queued);
}

#[tokio::test]
async fn nothing_grows_with_the_number_of_subscriptions_that_were() {
    let house = House::new().await;
    let stream = house.journal().await;
    for round in 0..100_u32 {
        let mut client = house.connect().await;
        for sub in 0..100 {
            client.subscribe(sub, &stream, From::Now).await;
            if (round + sub) % 3 > 0 {
                client.unsubscribe(sub).await;
            }
        }
        if round % 2 == 0 {
            client.wire.close(None).await.unwrap();
        }
    }
    house.settled().await;
    assert_eq!(house.world.hub.streams().followed(), 0);
    let list = house.world.hub.device_list(house.world.hub.account()).await.unwrap();
    assert!(list.devices.iter().all(|device| !device.connected));
    // What was left of the others does not touch a new one.
    let mut client = house.connect().await;
    client.subscribe(1, &stream, From::Now).await;
    house.append(&stream, &numbers(0..1)).await;
    assert_eq!(client.read(1, 1).await.0, numbers(0..1));
}

/// When each message came, until the stream was closed.
async fn arrivals<S: AsyncRead + AsyncWrite + Unpin>(mut client: Client<S>) -> Vec<Instant> {
    let mut times = Vec::new();
    loop {
        match client.hear().await {
            ServerFrame::Batch { messages, .. } => times.extend(messages.iter().map(|_| Instant::now())),
            ServerFrame::Ended { .. } => return times,
            other => panic!("{other:?}"),
        }
    }
}

/// Time stands still but for waiting, so what is measured is waiting for others and not this machine's load.
#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_frozen_client_and_it_is_let_go() {
    let house = House::new().await;
    let stream = house.journal().await;
    let connect = async || {
        let mut client = house.connect().await;
        client.subscribe(1, &stream, From::Now).await;
        client
    };
    let mut frozen = connect().await;
    let mut readers = Vec::new();
    for _ in 0..3 {
        readers.push(tokio::spawn(arrivals(connect().await)));
    }
    let mut sent = Vec::new();
    for n in 0..SEND_TIMEOUT_MS / 20 + 100 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        sent.push(Instant::now());
        house.append(&stream, &[format!("\"{n}{}\"", "x".repeat(8 * 1024))]).await;
        assert_eq!(house.world.hub.streams().followed(), 1);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(house.world.hub.tasks().len(), 1 + 3, "the timer and three sockets: the frozen one is gone");
    house.close(&stream).await;
    for reader in readers {
        let times = reader.await.unwrap();
        let late: Vec<Duration> = times.iter().zip(&sent).map(|(heard, sent)| heard.duration_since(*sent)).collect();
        assert_eq!(late.len(), sent.len());
        let most = late.iter().max().unwrap();
        assert!(*most < Duration::from_millis(50), "somebody waited {most:?} (W-036)");
    }
    // What stood in the pipe is whole; then it is over, and the client goes on from its offset.
    let ServerFrame::Batch { next, .. } = frozen.hear().await else { panic!("a batch") };
    while frozen.hear_any().await.is_ok() {}
    let mut back = house.connect().await;
    back.subscribe(1, &stream, From::Offset(next)).await;
    let (read, end) = back.read(1, usize::MAX).await;
    assert_eq!((read.len(), end), (sent.len() - 1, Some(EndReason::Closed)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_client_is_let_go_by_a_real_socket_too() {
    let mut house = House::new().await;
    let address = house.listen().await;
    let stream = house.journal().await;
    let connect = async || {
        let wire = TcpStream::connect(address).await.unwrap();
        let mut client = Client::over(wire, &house.credential).await.unwrap();
        client.hello().await;
        client.subscribe(1, &stream, From::Now).await;
        client
    };
    let frozen = connect().await;
    let reader = tokio::spawn(arrivals(connect().await));
    // More than the kernel holds for a socket.
    let large = format!("\"{}\"", "x".repeat(256 * 1024));
    for _ in 0..64 {
        append(&house.world.hub, &stream, std::slice::from_ref(&large)).await;
    }
    let gone = async {
        while house.world.hub.tasks().len() > 1 + 1 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("the frozen socket is kept");
    house.close(&stream).await;
    assert_eq!(reader.await.unwrap().len(), 64);
    drop(frozen);
}

#[tokio::test(start_paused = true)]
async fn one_page_each_in_turn() {
    let house = House::new().await;
    let (busy, quiet) = (house.journal().await, house.journal().await);
    let large = format!("\"{}\"", "x".repeat(200 * 1024));
    house.append(&busy, &vec![large; 40]).await;
    let mut client = house.connect().await;
    client.subscribe(1, &busy, From::Start).await;
    client.subscribe_later(2, &quiet).await;
    house.append(&quiet, &numbers(0..1)).await;
    client.say(&ClientFrame::Ping { req: 1 }).await;
    let (mut pages, mut seen) = (0, HashSet::new());
    while seen.len() < 3 {
        match client.hear().await {
            ServerFrame::Batch { sub: 1, .. } => pages += 1,
            ServerFrame::Batch { sub: 2, .. } => drop(seen.insert('b')),
            ServerFrame::Subscribed { sub: 2, .. } => drop(seen.insert('s')),
            ServerFrame::Pong { .. } => drop(seen.insert('p')),
            other => panic!("{other:?}"),
        }
    }
    assert!(pages < 40, "the quiet stream and the ping waited for {pages} pages of the busy one");
}

impl Client {
    /// Subscribes while other frames are on their way.
    async fn subscribe_later(&mut self, sub: u32, stream: &StreamPath) {
        self.say(&ClientFrame::Subscribe { sub, stream: stream.clone(), from: From::Start }).await;
    }
}
