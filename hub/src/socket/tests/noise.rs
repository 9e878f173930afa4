//! Frames that no client of ours sends (W-041).

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::*;
use proptest::strategy::{Strategy as _, ValueTree as _};
use protocol::limits::MAX_SOCKET_FRAME_BYTES;

#[tokio::test(start_paused = true)]
async fn noise_ends_its_own_socket_only() {
    let house = House::new().await;
    let mut other = house.connect().await;
    let noise = [
        Message::text("{"),
        Message::text("[1]"),
        Message::text(""),
        Message::text(r#"{"kind":"ping"}"#),
        Message::binary(vec![0, 1, 2]),
        Message::binary(br#"{"type":"ping","req":1}"#.to_vec()),
    ];
    for message in noise {
        let mut client = house.connect().await;
        client.wire.send(message.clone()).await.unwrap();
        assert_eq!(client.hear_close().await, (Some(4400), Some(ErrorCode::BadRequest)), "{message:?}");
    }
    other.alive(1).await;
}

#[tokio::test(start_paused = true)]
async fn requests_that_cannot_be_followed_are_refused_and_the_socket_lives() {
    let house = House::new().await;
    let mut client = house.connect().await;
    let deep = format!(r#"{{"type":"command","req":6,"command":{}{}}}"#, "[".repeat(9_000), "]".repeat(9_000));
    let node = house.world.hub.node();
    let session = house.session().await;
    let command = house.world.prompt(session, "x").id;
    let of = |body: &str| {
        format!(
            r#"{{"type":"command","req":6,"command":{{"id":"{command}","host":"{node}","ttlMs":null,"body":{body}}}}}"#
        )
    };
    let empty = of(&format!(r#"{{"kind":"send_prompt","session":"{session}","content":{{"text":" "}}}}"#));
    let forged =
        of(r#"{"kind":"send_prompt"}"#).replace(r#""ttlMs":null"#, r#""ttlMs":null,"sender":{"account":"me"}"#);
    let cases = [
        (forged, Some(6), ErrorCode::BadRequest),
        (r#"{"type":"dance","req":6}"#.to_owned(), Some(6), ErrorCode::Unsupported),
        (r#"{"type":"ping"}"#.to_owned(), None, ErrorCode::BadRequest),
        (of(r#"{"kind":"format_disk"}"#), Some(6), ErrorCode::Unsupported),
        (of(r#"{"kind":"send_prompt"}"#), Some(6), ErrorCode::BadRequest),
        (empty, Some(6), ErrorCode::Invalid),
        (deep, Some(6), ErrorCode::BadRequest),
    ];
    for (text, number, code) in cases {
        client.say_text(text.clone()).await;
        match client.hear().await {
            ServerFrame::Error { req, sub: None, problem } => assert_eq!((req, problem.code), (number, code), "{text}"),
            other => panic!("{other:?}"),
        }
    }
    client.alive(1).await;
    // What was to be a command leaves a trace.
    let entries = house.world.audited().await;
    let unknown: Vec<_> = entries.iter().filter(|entry| entry.action == "command.unknown").collect();
    assert_eq!(unknown.len(), 4);
    assert!(unknown.iter().all(|entry| entry.device.is_some() && entry.outcome != "ok"), "{unknown:?}");
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_is_too_large_is_refused() {
    let house = House::new().await;
    let mut client = house.connect().await;
    let most = r#"{"type":"x","pad":""}"#.len();
    client.say_text(format!(r#"{{"type":"x","pad":"{}"}}"#, "y".repeat(MAX_SOCKET_FRAME_BYTES - most))).await;
    assert!(matches!(client.hear().await, ServerFrame::Error { .. }), "the largest frame is read");
    let (mut out, back) = client.wire.split();
    let sending = async { out.send(Message::text("y".repeat(MAX_SOCKET_FRAME_BYTES + 1))).await };
    let hearing = async {
        let mut back = back;
        let mut told = None;
        while let Some(Ok(message)) = back.next().await {
            match message {
                Message::Close(frame) => return (frame.map(|frame| u16::from(frame.code)), told),
                Message::Text(text) => match serde_json::from_str(&text).unwrap() {
                    ServerFrame::Error { problem, .. } => told = Some(problem.code),
                    other => panic!("{other:?}"),
                },
                _ => {}
            }
        }
        (None, told)
    };
    let heard = tokio::select! {
        heard = hearing => heard,
        () = async { let _ = sending.await; std::future::pending().await } => unreachable!(),
    };
    assert_eq!(heard, (Some(4413), Some(ErrorCode::BodyTooLarge)));
}

#[tokio::test(start_paused = true)]
async fn text_that_is_not_utf_8_is_refused() {
    let house = House::new().await;
    let mut client = house.connect().await;
    // A masked text frame of three bytes, written past the client's own checks.
    client.wire.get_mut().write_all(&[0x81, 0x83, 0, 0, 0, 0, b'"', 0xff, b'"']).await.unwrap();
    assert_eq!(client.hear_close().await, (Some(4400), Some(ErrorCode::BadRequest)));
    // Bytes that are no WebSocket at all.
    let mut client = house.connect().await;
    client.wire.get_mut().write_all(&[0xff; 64]).await.unwrap();
    assert_eq!(client.hear_close().await.1, None);
    house.settled().await;
}

#[tokio::test]
async fn a_thousand_damaged_frames_over_the_wire() {
    let mut house = House::new().await;
    let address = house.listen().await;
    let stream = house.journal().await;
    let mut other = house.connect().await;
    other.subscribe(1, &stream, From::Now).await;
    let examples = [
        serde_json::to_string(&ClientFrame::Subscribe { sub: 1, stream, from: From::Start }).unwrap(),
        serde_json::to_string(&ClientFrame::Unsubscribe { sub: 1 }).unwrap(),
        serde_json::to_string(&ClientFrame::Ping { req: 1 }).unwrap(),
        serde_json::to_string(&ClientFrame::Command {
            req: 1,
            command: house.world.prompt(house.world.session(), "x"),
        })
        .unwrap(),
    ];
    let damage = (0..4_usize, proptest::collection::vec((proptest::num::usize::ANY, 0_u8..128), 0..4), 0..2_usize);
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let connect = async || {
        let wire = TcpStream::connect(address).await.unwrap();
        let mut client = Client::over(wire, &house.credential).await.unwrap();
        client.hello().await;
        client
    };
    let mut client = connect().await;
    let (mut closed, mut refused) = (0, 0);
    for _ in 0..1_000 {
        let (which, cuts, cut) = damage.new_tree(&mut runner).unwrap().current();
        let mut bytes = examples[which].clone().into_bytes();
        for (place, byte) in cuts {
            let place = place % bytes.len();
            bytes[place] = byte;
        }
        bytes.truncate(bytes.len() - cut);
        client.say_text(String::from_utf8(bytes).unwrap()).await;
        // Whatever it was, there is exactly one answer (and messages of nothing, for the stream is empty).
        match client.hear_any().await {
            Ok(ServerFrame::Error { req: None, sub: None, .. }) => {
                // Perhaps the last word before a close.
                client.wire.send(Message::text(r#"{"type":"ping","req":77}"#)).await.ok();
                match client.hear_any().await {
                    Ok(ServerFrame::Pong { req: 77, .. }) => refused += 1,
                    Err(_) => {
                        closed += 1;
                        client = connect().await;
                    }
                    other => panic!("{other:?}"),
                }
            }
            Ok(_) => refused += 1,
            Err(code) => panic!("closed without a word: {code:?}"),
        }
    }
    assert!(closed > 100 && refused > 100, "{closed} closed, {refused} refused");
    other.alive(1).await;
    drop(client);
}
