//! The manners of a socket: limits, slow readers, ends.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::scripted::{Hub, Manner, Stream, options, uuid};
use client::socket::{Closed, Connection, RequestError, Update};
use client::{Dialer, Remote, Socket};
use protocol::command::{CommandBody, CommandRequest};
use protocol::id::{CommandId, DeviceId, SessionId};
use protocol::limits::{ACK_TIMEOUT_MS, SILENCE_MS};
use protocol::path::StreamPath;
use protocol::socket::From;
use tokio::time::Instant;

fn command() -> CommandRequest {
    CommandRequest {
        id: CommandId::from_uuid(uuid(1)),
        host: DeviceId::from_uuid(uuid(2)),
        ttl_ms: None,
        retry_of: None,
        body: CommandBody::CancelTurn { session: SessionId::from_uuid(uuid(3)), turn: None },
    }
}

fn long(count: usize) -> (StreamPath, BTreeMap<String, Stream>) {
    let stream = StreamPath::journal(SessionId::from_uuid(uuid(3)));
    let messages = (0..count).map(|n| format!("{{\"n\":{n}}}")).collect();
    (stream.clone(), BTreeMap::from([(stream.to_string(), Stream { messages, closed: true })]))
}

#[tokio::test(start_paused = true)]
async fn a_silent_hub_is_left_and_late_answers_are_errors() {
    let hub = Hub::new(BTreeMap::new(), String::new());
    *hub.manner.lock().unwrap() = Manner::Silent;
    let socket = Socket::open(hub.whole(), options());
    socket.live().await.unwrap();
    let began = Instant::now();
    assert_eq!(socket.command(command()).await, Err(RequestError::Late));
    assert_eq!(began.elapsed().as_millis(), u128::from(ACK_TIMEOUT_MS));
    let mut state = socket.state();
    state.wait_for(|state| !matches!(state, Connection::Live(_))).await.unwrap();
    assert_eq!(began.elapsed().as_millis(), u128::from(SILENCE_MS));
    // And it comes back: what was asked meanwhile is answered by the next connection.
    *hub.manner.lock().unwrap() = Manner::Serves;
    assert_eq!(socket.ping().await.unwrap().0, 5);
}

#[tokio::test(start_paused = true)]
async fn requests_made_without_a_connection_run_out_of_time() {
    let nobody = Dialer::new(|_, _| Box::pin(async { Err(std::io::ErrorKind::ConnectionRefused.into()) }));
    let socket = Socket::open(Remote::new("http://hub.test", None, nobody).unwrap(), options());
    let began = Instant::now();
    assert_eq!(socket.ping().await, Err(RequestError::Late));
    assert_eq!(began.elapsed().as_millis(), u128::from(ACK_TIMEOUT_MS));
    socket.close().await;
    assert_eq!(socket.ping().await, Err(RequestError::Closed(Closed::Here)));
}

#[tokio::test(start_paused = true)]
async fn where_no_web_socket_gets_through_it_goes_by_requests_until_one_does() {
    let bodies = include_str!("../../../protocol/fixtures/wire/http-bodies.json");
    let me = serde_json::from_str::<serde_json::Value>(bodies).unwrap()["me"].to_string();
    let hub = Hub::new(BTreeMap::new(), me);
    *hub.manner.lock().unwrap() = Manner::Refuses(403);
    let socket = Socket::open(hub.whole(), options());
    assert!(socket.live().await.unwrap().slow);
    socket.ping().await.unwrap();
    *hub.manner.lock().unwrap() = Manner::Serves;
    let began = Instant::now();
    let mut state = socket.state();
    state.wait_for(|state| matches!(state, Connection::Live(welcome) if !welcome.slow)).await.unwrap();
    assert!(began.elapsed() <= Duration::from_secs(75), "after {:?}", began.elapsed());
    assert_eq!(socket.command(command()).await.unwrap().command, command().id);
}

#[tokio::test]
async fn each_close_code_has_its_reaction() {
    for (manner, expected) in [
        (Manner::Closes(4400), Closed::BadFrame),
        (Manner::Closes(4401), Closed::AuthExpired),
        (Manner::Closes(4403), Closed::Forbidden),
        (Manner::Closes(4413), Closed::TooLarge),
        (Manner::Closes(4426), Closed::UpgradeRequired),
        (Manner::Refuses(401), Closed::AuthExpired),
        (Manner::Refuses(426), Closed::UpgradeRequired),
    ] {
        let hub = Hub::new(BTreeMap::new(), String::new());
        *hub.manner.lock().unwrap() = manner;
        let socket = Socket::open(hub.whole(), options());
        let mut mailbox = socket.mailbox(1);
        assert_eq!(socket.command(command()).await, Err(RequestError::Closed(expected.clone())), "{manner:?}");
        assert_eq!(mailbox.next().await.unwrap_err(), expected, "{manner:?}");
        assert_eq!(*socket.state().borrow(), Connection::Closed(expected), "{manner:?}");
    }
}

#[tokio::test]
async fn a_hub_that_drains_or_asks_for_a_resync_is_come_back_to() {
    for code in [4408, 4503, 1001] {
        let hub = Hub::new(BTreeMap::new(), String::new());
        *hub.manner.lock().unwrap() = Manner::Closes(code);
        let socket = Socket::open(hub.whole(), options());
        let again = async {
            while hub.welcomed.load(Ordering::SeqCst) < 3 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            *hub.manner.lock().unwrap() = Manner::Serves;
        };
        let (answer, ()) = tokio::join!(socket.command(command()), again);
        assert_eq!(answer.unwrap().command, command().id, "{code}");
    }
}

#[tokio::test]
async fn a_slow_reader_gets_everything_and_holds_up_nobody() {
    let (stream, streams) = long(150);
    let hub = Hub::new(streams, String::new());
    let socket = Socket::open(hub.whole(), options());
    let mut slow = socket.mailbox(4);
    slow.subscribe(stream.clone(), From::Start).await.unwrap();
    let mut quick = socket.mailbox(4);
    quick.subscribe(stream, From::Start).await.unwrap();
    let numbers = |update: Update| match update {
        Update::Batch { messages, .. } => messages.iter().map(|m| m.get().to_owned()).collect(),
        _ => Vec::new(),
    };
    let mut all = Vec::new();
    while all.len() < 150 {
        all.extend(numbers(quick.next().await.unwrap().1));
    }
    assert_eq!(all[149], r#"{"n":149}"#);
    // Nobody has read from the slow mailbox yet: only what fits into it was taken.
    let mut late = Vec::new();
    while late.len() < 150 {
        late.extend(numbers(slow.next().await.unwrap().1));
        tokio::task::yield_now().await;
    }
    assert_eq!(late, all);
}

#[tokio::test]
async fn it_ends_when_its_last_handle_goes_and_works_over_tcp() {
    let (stream, streams) = long(3);
    let hub = Hub::new(streams, String::new());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn({
        let hub = hub.clone();
        async move {
            let (connection, _) = listener.accept().await.unwrap();
            hub.serve(connection).await;
        }
    });
    let remote = Remote::new(&url, Some("twl_dev_x".to_owned()), Dialer::tcp()).unwrap();
    let socket = Socket::open(remote, options());
    assert_eq!(socket.live().await.unwrap().version, "0");
    let mut mailbox = socket.mailbox(16);
    mailbox.subscribe(stream, From::Start).await.unwrap();
    drop(socket);
    let mut seen = 0;
    while seen < 3 {
        if let (_, Update::Batch { messages, .. }) = mailbox.next().await.unwrap() {
            seen += messages.len();
        }
    }
    drop(mailbox);
    tokio::time::timeout(Duration::from_secs(5), server)
        .await
        .expect("the connection ends with the last handle")
        .unwrap();
}

#[tokio::test]
async fn a_mailbox_that_is_dropped_releases_its_subscriptions() {
    let (stream, mut streams) = long(3);
    streams.get_mut(stream.as_str()).unwrap().closed = false;
    let hub = Hub::new(streams, String::new());
    let socket = Socket::open(hub.whole(), options());
    let (mut left, mut kept) = (socket.mailbox(8), socket.mailbox(8));
    for mailbox in [&mut left, &mut kept] {
        mailbox.subscribe(stream.clone(), From::Now).await.unwrap();
        assert!(matches!(mailbox.next().await.unwrap().1, Update::Started { .. }));
    }
    drop(left);
    // What is asked after it is answered after it.
    socket.ping().await.unwrap();
    assert_eq!(hub.released.load(Ordering::SeqCst), 1);
}
