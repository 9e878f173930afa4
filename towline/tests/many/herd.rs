//! A thousand clients of one hub that dies: all are back within half a minute, not all at once, and none hears anything twice or misses it (W-049).

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use client::socket::{Connection, Mailbox, Options, Update};
use client::{Dialer, Io, Remote, Socket};
use protocol::limits::MAX_SOCKETS_PER_SOURCE;
use protocol::path::StreamPath;
use protocol::socket::From;
use tokio::net::TcpSocket;
use tokio::sync::watch;

use crate::world::PATIENCE;
use crate::yard::*;

const CLIENTS: usize = 1_000;
/// All clients of a hub that restarts are back within this time (W-049).
const ALL_BACK: Duration = Duration::from_secs(30);

/// Dials from an address of its own on this machine: a hub lets one address have so many sockets and no more.
fn from(place: usize) -> Dialer {
    let number = u8::try_from(place / (MAX_SOCKETS_PER_SOURCE / 2)).unwrap();
    let own = SocketAddrV4::new(Ipv4Addr::new(127, 0, 1, number + 1), 0);
    Dialer::new(move |_, port| {
        Box::pin(async move {
            let socket = TcpSocket::new_v4()?;
            socket.bind(own.into())?;
            let stream = socket.connect(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port).into()).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Io>)
        })
    })
}

/// Reads a journal until it has as many messages as there are in the end.
async fn read(mut mailbox: Mailbox, mut all: watch::Receiver<Option<usize>>) -> Vec<String> {
    let mut messages = Vec::new();
    loop {
        if all.borrow().is_some_and(|all| messages.len() >= all) {
            return messages;
        }
        tokio::select! {
            update = mailbox.next() => if let Update::Batch { messages: more, .. } = update.unwrap().1 {
                messages.extend(more.iter().map(|message| message.get().to_owned()));
            },
            changed = all.changed() => changed.unwrap(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_clients_of_a_hub_that_dies_are_back_soon_but_not_at_once() {
    let mut hub = Hub::start();
    let desk = Node::link(&hub, "desk").await;
    let session = desk.session(&hub, "[[say Before.]]").await;
    turns_ended(&hub, session, 1).await;
    let (_, before) = whole(&hub.socket(), StreamPath::journal(session)).await.unwrap();

    let token = std::fs::read_to_string(hub.world.data().join("local.token")).unwrap();
    let url = hub.running.as_ref().unwrap().url().to_owned();
    let sockets: Vec<Socket> = (0..CLIENTS)
        .map(|place| {
            let remote = Remote::new(&url, Some(token.trim().to_owned()), from(place)).unwrap();
            let seed = u64::try_from(place).unwrap();
            // The first pause of the program's own client.
            let first_pause = Duration::from_millis(250);
            Socket::open(remote, Options { client: "herd/0".to_owned(), first_pause, seed })
        })
        .collect();
    let (all, _) = watch::channel(None);
    let mut readers = Vec::new();
    for socket in &sockets {
        tokio::time::timeout(PATIENCE, socket.live()).await.expect("it is let in").unwrap();
        let mailbox = socket.mailbox(16);
        mailbox.subscribe(StreamPath::journal(session), From::Start).await.unwrap();
        readers.push(tokio::spawn(read(mailbox, all.subscribe())));
    }

    hub.kill9();
    for socket in &sockets {
        let mut state = socket.state();
        state.wait_for(|state| !matches!(state, Connection::Live(_))).await.unwrap();
    }
    let watched: Vec<_> = sockets
        .iter()
        .map(|socket| {
            let mut state = socket.state();
            tokio::spawn(async move {
                state.wait_for(|state| matches!(state, Connection::Live(_))).await.unwrap();
                Instant::now()
            })
        })
        .collect();
    hub.again();
    let up = Instant::now();
    let mut back = Vec::new();
    for each in watched {
        back.push(each.await.unwrap().saturating_duration_since(up));
    }
    back.sort();
    println!("{CLIENTS} clients back: half after {:?}, all after {:?}", back[CLIENTS / 2], back[CLIENTS - 1]);
    assert!(back[CLIENTS - 1] <= ALL_BACK, "the last was back after {:?}", back[CLIENTS - 1]);
    // Jitter over the whole pause: they spread over more than the time that the hub needs for them.
    let tenths: BTreeSet<u128> = back.iter().map(|after| after.as_millis() / 100).collect();
    assert!(tenths.len() >= 5, "they came in {} tenths of a second", tenths.len());

    desk.is_online(&hub).await;
    desk.send(&hub, Node::prompt(session, "[[say After.]]"), None).await;
    turns_ended(&hub, session, 2).await;
    let (_, after) = whole(&hub.socket(), StreamPath::journal(session)).await.unwrap();
    assert!(after.len() > before.len());
    all.send_replace(Some(after.len()));
    for reader in readers {
        assert_eq!(tokio::time::timeout(PATIENCE, reader).await.expect("it reads to the end").unwrap(), after);
    }
}
