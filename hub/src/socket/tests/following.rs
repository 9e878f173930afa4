//! Subscriptions: exact routing, every message once, and how they end.

use proptest::prelude::*;
use protocol::id::AccountId;
use protocol::limits::{MAX_BATCH_BYTES, MAX_SUBSCRIPTIONS};
use store::Operation;

use super::*;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn start_now_and_an_offset() {
    let house = House::new().await;
    let stream = house.journal().await;
    house.append(&stream, &numbers(0..3)).await;
    let mut client = house.connect().await;
    let (next, tail) = client.subscribe(1, &stream, From::Start).await;
    assert_eq!((next, tail), (Offset::ZERO, Offset::new(0, 21)));
    assert_eq!(client.read(1, 3).await.0, numbers(0..3));
    let (next, tail) = client.subscribe(2, &stream, From::Now).await;
    assert_eq!(next, tail);
    client.unsubscribe(1).await;
    let (next, _) = client.subscribe(3, &stream, From::Offset(Offset::new(0, 7))).await;
    assert_eq!(next, Offset::new(0, 7));
    assert_eq!(client.read(3, 2).await.0, numbers(1..3));
    client.unsubscribe(3).await;
    house.append(&stream, &numbers(3..4)).await;
    assert_eq!(client.read(2, 1).await.0, numbers(3..4));
    client.alive(1).await;
}

#[tokio::test(start_paused = true)]
async fn the_last_batch_says_that_it_is_the_last() {
    let house = House::new().await;
    let stream = house.journal().await;
    let large = format!("\"{}\"", "x".repeat(MAX_BATCH_BYTES));
    let messages = vec![large.clone(), "1".to_owned(), large.clone(), large, "2".to_owned()];
    house.append(&stream, &messages).await;
    let mut client = house.connect().await;
    let (_, tail) = client.subscribe(1, &stream, From::Start).await;
    let mut read = Vec::new();
    loop {
        let ServerFrame::Batch { messages, next, up_to_date, .. } = client.hear().await else { panic!("a batch") };
        let bytes: usize = messages.iter().map(|message| message.get().len()).sum();
        assert!(bytes <= MAX_BATCH_BYTES || messages.len() == 1, "{bytes} bytes in {} messages", messages.len());
        read.extend(messages.iter().map(|message| message.get().to_owned()));
        if up_to_date {
            assert_eq!(next, tail);
            break;
        }
    }
    assert!(read == messages, "{} messages", read.len());
    client.alive(1).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_or_not_ones_own_is_not_found() {
    let house = House::new().await;
    let (_, foreign) = house.world.stranger().await;
    let session = house.session().await;
    let turn = house.turn(session).await;
    let mut stranger = house.dial_as(&foreign).await.unwrap();
    stranger.hello().await;
    let mut client = house.connect().await;
    let own = [StreamPath::journal(session), StreamPath::turn(turn), StreamPath::feed(house.world.hub.account())];
    for (sub, stream) in (10..).zip(&own) {
        assert_eq!(stranger.fail_to_subscribe(sub, stream, From::Now).await, Failed::Error(ErrorCode::NotFound));
        client.subscribe(sub, stream, From::Now).await;
    }
    let nowhere = [
        StreamPath::journal(house.world.session()),
        StreamPath::turn(house.world.turn()),
        StreamPath::feed(AccountId::from_uuid(protocol::time::Clock::fresh(&*house.world.clock))),
        "public/x".parse().unwrap(),
        format!("{}/x", own[0]).parse().unwrap(),
    ];
    for (sub, stream) in (20..).zip(&nowhere) {
        assert_eq!(client.fail_to_subscribe(sub, stream, From::Now).await, Failed::Error(ErrorCode::NotFound));
    }
    // A number that failed is free.
    client.subscribe(20, &own[0], From::Now).await;
    let (_, blind) = house.world.device(&[Right::Prompt]).await;
    assert!(house.dial_as(&blind).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn subscriptions_end_by_close_deletion_bad_offset_and_failure() {
    let (world, disk) = faulty().await;
    let house = House::of(world).await;
    let session = house.session().await;
    let streams = [StreamPath::turn(house.turn(session).await), StreamPath::turn(house.turn(session).await)];
    let [closed, deleted] = &streams;
    for stream in &streams {
        house.append(stream, &numbers(0..2)).await;
    }
    let tail = Offset::new(0, 14);
    let mut client = house.connect().await;
    client.subscribe(1, closed, From::Start).await;
    assert_eq!(client.read(1, 2).await.0, numbers(0..2));
    house.close(closed).await;
    assert_eq!(client.ended(1).await, (EndReason::Closed, Some(tail)));
    // The number is free, and a closed stream is read to its end.
    client.subscribe(1, closed, From::Start).await;
    assert_eq!(client.read(1, 3).await, (numbers(0..2), Some(EndReason::Closed)));
    client.subscribe(1, closed, From::Now).await;
    assert_eq!(client.ended(1).await, (EndReason::Closed, Some(tail)));

    client.subscribe(2, deleted, From::Now).await;
    house.commit(Batch::of(Operation::Delete(deleted.clone()))).await;
    assert_eq!(client.ended(2).await, (EndReason::Deleted, Some(tail)));
    assert_eq!(client.fail_to_subscribe(2, deleted, From::Now).await, Failed::Error(ErrorCode::NotFound));

    let journal = StreamPath::journal(session);
    for offset in [Offset::new(0, 999), Offset::new(5, 0)] {
        let failed = client.fail_to_subscribe(3, &journal, From::Offset(offset)).await;
        assert_eq!(failed, Failed::Ended(EndReason::Reset));
    }
    house.append(&journal, &numbers(0..2)).await;
    client.subscribe(3, &journal, From::Offset(Offset::new(0, 3))).await;
    assert_eq!(client.ended(3).await.0, EndReason::Reset);
    house.world.hub.streams().trim(&journal, store::Cut::Before(Offset::new(0, 7))).await.unwrap();
    let failed = client.fail_to_subscribe(3, &journal, From::Offset(Offset::ZERO)).await;
    assert_eq!(failed, Failed::Ended(EndReason::Reset));

    disk.plan_read(true);
    assert_eq!(client.fail_to_subscribe(4, &journal, From::Start).await, Failed::Ended(EndReason::Failed));
    client.subscribe(4, &journal, From::Start).await;
    assert_eq!(client.read(4, 1).await.0, numbers(1..2));
    client.alive(1).await;
}

#[tokio::test(start_paused = true)]
async fn numbers_are_the_clients_and_each_request_is_answered() {
    let house = House::new().await;
    let (one, other) = (house.journal().await, house.journal().await);
    let mut client = house.connect().await;
    client.subscribe(7, &one, From::Now).await;
    assert_eq!(client.fail_to_subscribe(7, &other, From::Now).await, Failed::Error(ErrorCode::BadRequest));
    house.append(&other, &numbers(0..1)).await;
    house.append(&one, &numbers(1..2)).await;
    assert_eq!(client.read(7, 1).await.0, numbers(1..2), "the first one lives");
    client.unsubscribe(99).await;
    client.unsubscribe(7).await;
    client.unsubscribe(7).await;
    house.append(&one, &numbers(2..3)).await;
    client.alive(1).await;
    // Two subscriptions to one stream are two: ending one leaves the other (W-043).
    client.subscribe(u32::MAX, &one, From::Now).await;
    client.subscribe(0, &one, From::Now).await;
    client.unsubscribe(u32::MAX).await;
    house.append(&one, &numbers(3..4)).await;
    assert_eq!(client.read(0, 1).await.0, numbers(3..4));
    let most = u32::try_from(MAX_SUBSCRIPTIONS).unwrap();
    for sub in 1..most {
        client.subscribe(sub, &one, From::Now).await;
    }
    assert_eq!(client.fail_to_subscribe(most, &one, From::Now).await, Failed::Error(ErrorCode::RateLimited));
    client.unsubscribe(1).await;
    client.subscribe(most, &one, From::Now).await;
    drop(client);
    house.settled().await;
}

#[tokio::test(start_paused = true)]
async fn three_turns_reach_an_early_and_a_late_subscriber() {
    let house = House::new().await;
    let session = house.session().await;
    let journal = StreamPath::journal(session);
    let (mut early, mut late) = (house.connect().await, house.connect().await);
    early.subscribe(1, &journal, From::Now).await;
    for n in 0..3_usize {
        let turn = StreamPath::turn(house.turn(session).await);
        house.append(&journal, &numbers(2 * n..2 * n + 1)).await;
        early.read(1, 1).await;
        early.subscribe(2, &turn, From::Start).await;
        house.append(&turn, &numbers(0..10)).await;
        assert_eq!(early.read(2, 10).await.0, numbers(0..10));
        late.subscribe(2, &turn, From::Start).await;
        assert_eq!(late.read(2, 10).await.0, numbers(0..10));
        house.append(&turn, &numbers(10..20)).await;
        house.close(&turn).await;
        assert_eq!(early.read(2, 11).await, (numbers(10..20), Some(EndReason::Closed)));
        assert_eq!(late.read(2, 11).await, (numbers(10..20), Some(EndReason::Closed)));
        house.append(&journal, &numbers(2 * n + 1..2 * n + 2)).await;
        early.read(1, 1).await;
    }
    late.subscribe(1, &journal, From::Start).await;
    assert_eq!(late.read(1, 6).await.0, numbers(0..6));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Appends run against subscribers that come at any moment and any position: each sees every message once and in order.
    #[test]
    fn every_message_once_whenever_one_subscribes(
        bursts in proptest::collection::vec((1_usize..40, 0_u64..3), 1..30),
        joins in proptest::collection::vec((0_u64..40, 0_usize..3), 1..5),
    ) {
        runtime().block_on(async {
            let house = House::new().await;
            let stream = house.journal().await;
            let total: usize = bursts.iter().map(|(many, _)| many).sum();
            let writer = async {
                let mut n = 0;
                for (many, pause) in &bursts {
                    house.append(&stream, &numbers(n..n + many)).await;
                    n += many;
                    tokio::time::sleep(Duration::from_millis(*pause)).await;
                }
                house.close(&stream).await;
            };
            let readers = joins.iter().map(|&(wait, how)| {
                let (house, stream) = (&house, &stream);
                async move {
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                    let mut client = house.connect().await;
                    let from = match how {
                        0 => From::Start,
                        1 => From::Now,
                        _ => From::Offset(house.world.hub.streams().head(stream).await.unwrap().unwrap().tail),
                    };
                    let (next, _) = client.subscribe(1, stream, from).await;
                    let (read, end) = client.read(1, usize::MAX).await;
                    assert_eq!(end, Some(EndReason::Closed));
                    (next, read)
                }
            });
            let ((), read) = tokio::join!(writer, futures_util::future::join_all(readers));
            for (next, read) in read {
                let expected = numbers(total - read.len()..total);
                assert_eq!(read, expected);
                let left: usize = expected.iter().map(String::len).sum();
                let all: usize = numbers(0..total).iter().map(String::len).sum();
                assert_eq!(next, Offset::new(0, (all - left) as u64), "from where it was promised");
            }
        });
    }

    /// Streams whose ids differ in one bit, numbers that are prefixes of each other: nothing of one is ever seen in another.
    #[test]
    fn nothing_crosses(
        order in proptest::collection::vec((0_usize..12, 1_usize..4), 1..60),
        subs in Just(vec![0_u32, 1, 2, 10, 11, 12, 21, 100, 101, 110, 111, 112, 1110, 1111, 11_111, u32::MAX]).prop_shuffle(),
    ) {
        runtime().block_on(async {
            let house = House::new().await;
            // Ids of the test's clock count up, so each is its neighbour's in all but the last digits.
            let mut streams = Vec::new();
            for _ in 0..6 {
                let session = house.session().await;
                streams.extend([StreamPath::journal(session), StreamPath::turn(house.turn(session).await)]);
            }
            let mut client = house.connect().await;
            for (sub, stream) in subs.iter().zip(&streams) {
                client.subscribe(*sub, stream, From::Start).await;
            }
            let mut expected = vec![Vec::new(); streams.len()];
            for (n, (which, many)) in order.iter().enumerate() {
                let messages: Vec<String> = (0..*many).map(|m| format!("\"{which}-{n}-{m}\"")).collect();
                house.append(&streams[*which], &messages).await;
                expected[*which].extend(messages);
            }
            let mut left: usize = expected.iter().map(Vec::len).sum();
            let mut read = vec![Vec::new(); streams.len()];
            while left > 0 {
                let ServerFrame::Batch { sub, messages, .. } = client.hear().await else { panic!("a batch") };
                let which = subs.iter().position(|s| *s == sub).unwrap();
                left -= messages.len();
                read[which].extend(messages.iter().map(|message| message.get().to_owned()));
            }
            assert_eq!(read, expected);
        });
    }
}

/// What a frame asks of what is the owner's; `None` for one that names nothing. A new frame has to be thought of here.
fn about(frame: &ClientFrame) -> Option<&'static str> {
    match frame {
        ClientFrame::Hello { .. } | ClientFrame::Unsubscribe { .. } | ClientFrame::Ping { .. } => None,
        ClientFrame::Subscribe { .. } => Some("subscribe"),
        ClientFrame::Command { .. } => Some("command"),
        ClientFrame::CancelCommand { .. } => Some("cancel_command"),
    }
}

#[tokio::test(start_paused = true)]
async fn every_frame_that_names_something_of_another_account_finds_nothing() {
    let house = House::new().await;
    let world = &house.world;
    let (_, foreign) = world.stranger().await;
    let (device, revoked) = world.device(&Right::ALL).await;
    world.hub.revoke(&world.owner, device.device).await.unwrap();
    let session = house.session().await;
    let waits = world.prompt(session, "mine");
    world.hub.submit(&world.owner, waits.clone()).await.unwrap();
    let frames = [
        ClientFrame::Subscribe { sub: 1, stream: StreamPath::journal(session), from: From::Start },
        ClientFrame::Command { req: 2, command: world.prompt(session, "theirs") },
        ClientFrame::Command { req: 3, command: waits.clone() },
        ClientFrame::CancelCommand { req: 4, command: waits.id },
    ];
    let named: std::collections::BTreeSet<_> = frames.iter().filter_map(about).collect();
    assert_eq!(named.len(), 3);
    let mut stranger = house.dial_as(&foreign).await.unwrap();
    stranger.hello().await;
    for frame in &frames {
        stranger.say(frame).await;
        match stranger.hear().await {
            ServerFrame::Error { problem, .. } => assert_eq!(problem.code, ErrorCode::NotFound, "{frame:?}"),
            other => panic!("{frame:?}: {other:?}"),
        }
    }
    let still = world.hub.command(world.hub.account(), waits.id).await.unwrap();
    assert_eq!(still.state, protocol::command::CommandState::Queued);
    assert!(house.dial_as(&revoked).await.is_err() && house.dial_as("nothing").await.is_err());
}
