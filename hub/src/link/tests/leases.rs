//! Who is let in, and what is shown of a host (W-051…W-055, W-060, W-062, W-065).

use protocol::host::AwayReason;
use protocol::limits::{LINK_ANSWER_MS, LINK_RENEW_MS, LINK_STALE_MS, LINK_TTL_MS};
use tokio::time::{Instant, sleep};

use super::*;

const RENEW: Duration = Duration::from_millis(LINK_RENEW_MS);

async fn wait(ms: u64) {
    sleep(Duration::from_millis(ms)).await;
}

fn online() -> (Presence, Option<AwayReason>) {
    (Presence::Online, None)
}

fn away(reason: AwayReason) -> (Presence, Option<AwayReason>) {
    (Presence::Offline, Some(reason))
}

#[tokio::test(start_paused = true)]
async fn a_host_is_there_for_as_long_as_it_renews_and_what_changes_is_told() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    assert_eq!(yard.presence(&machine).await, away(AwayReason::NeverConnected));
    let mut node = yard.linked(&machine).await;
    assert_eq!(yard.presence(&machine).await, online());
    let told = yard.feed_end(&machine).await;
    for n in 0..240 {
        sleep(RENEW).await;
        // Of ten renewals one is lost.
        if n % 10 != 7 {
            assert!(node.renewed().await.is_empty());
        }
        assert_eq!(yard.presence(&machine).await, online());
    }
    assert_eq!(yard.feed_end(&machine).await, told, "an hour of renewals is no news");
    let seen = yard.world.clock.now();
    wait(LINK_STALE_MS + 1).await;
    assert_eq!(yard.presence(&machine).await, (Presence::Stale, None));
    wait(LINK_TTL_MS - LINK_STALE_MS).await;
    assert_eq!(yard.presence(&machine).await, away(AwayReason::LeaseExpired));
    assert_eq!(yard.host(&machine).await.seen_at_ms, seen);
    assert_eq!(node.hear_end().await, None, "and its silent connection is closed");
    let node = yard.linked(&machine).await;
    assert_eq!(yard.presence(&machine).await, online());
    drop(node);
}

#[tokio::test(start_paused = true)]
async fn a_stop_shows_at_once_and_the_end_of_a_connection_shows_nothing() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let node = yard.linked(&machine).await;
    drop(node);
    wait(1_000).await;
    assert_eq!(yard.presence(&machine).await, online(), "it has its time to come back");
    let mut node = yard.linked(&machine).await;
    node.say(&NodeFrame::Bye).await;
    assert_eq!(node.hear_end().await, None);
    assert_eq!(yard.presence(&machine).await, away(AwayReason::Stopped));
    wait(LINK_TTL_MS * 2).await;
    assert_eq!(yard.presence(&machine).await, away(AwayReason::Stopped));
}

#[tokio::test(start_paused = true)]
async fn the_newest_connection_has_the_host_and_the_end_of_an_older_one_changes_nothing() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let mut older = yard.linked(&machine).await;
    let mut newer = yard.linked(&machine.started("b")).await;
    assert_eq!(older.hear_end().await, Some(ErrorCode::LinkReplaced));
    assert!(newer.renewed().await.is_empty());
    assert_eq!(yard.presence(&machine).await, online());
    assert_eq!(yard.host(&machine).await.generation, 2);
    // Who comes with an older generation is an older disk; with the same one and another start, a copy. Neither disturbs the one that is there.
    assert_eq!(yard.refused(&machine).await, ErrorCode::LinkRestored);
    let copy = Machine { boot: "c".to_owned(), ..machine.started("b") };
    assert_eq!(yard.refused(&copy).await, ErrorCode::LinkCloned);
    assert_eq!(yard.presence(&machine).await, online());
    assert!(newer.renewed().await.is_empty());
    // When it is not there, what keeps the other out is shown.
    newer.say(&NodeFrame::Bye).await;
    assert_eq!(newer.hear_end().await, None);
    assert_eq!(yard.refused(&copy).await, ErrorCode::LinkCloned);
    assert_eq!(yard.presence(&machine).await, away(AwayReason::Fenced));
}

#[tokio::test(start_paused = true)]
async fn ten_links_of_one_machine_leave_one_lease_and_one_who_takes_commands() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let mut nodes = Vec::new();
    for _ in 0..10 {
        nodes.push(yard.linked(&machine).await);
    }
    let mut last = nodes.pop().expect("ten");
    for node in &mut nodes {
        assert_eq!(node.hear_end().await, Some(ErrorCode::LinkReplaced));
    }
    let session = yard.world.session();
    let mut request = yard.world.start_session(session);
    request.host = machine.device;
    yard.world.hub.submit(&yard.world.owner, request.clone()).await.expect("it is taken in");
    let handed = last.hear_hand().await;
    assert_eq!(handed.iter().map(|handed| handed.command).collect::<Vec<_>>(), [request.id]);
}

#[tokio::test(start_paused = true)]
async fn a_restart_of_the_hub_gives_every_host_its_time() {
    let yard = Yard::new().await;
    let (stays, goes) = (yard.machine().await, yard.machine().await);
    let nodes = (yard.linked(&stays).await, yard.linked(&goes).await);
    let yard = yard.again().await;
    drop(nodes);
    assert_eq!(yard.presence(&goes).await, online());
    wait(LINK_STALE_MS - 1_000).await;
    let mut node = yard.linked(&stays).await;
    wait(LINK_TTL_MS - LINK_STALE_MS + 2_000).await;
    assert_eq!(yard.presence(&goes).await, away(AwayReason::LeaseExpired));
    assert_eq!(yard.presence(&stays).await, online());
    assert!(node.renewed().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn remote_access_and_versions_are_reasons() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let mut node = yard.linked(&machine).await;
    node.say(&NodeFrame::Renew { req: 9, remote_access: RemoteAccess::Disabled }).await;
    assert!(matches!(node.hear().await, HubFrame::Renewed { req: 9, .. }));
    let disabled = (Presence::Disabled, Some(AwayReason::RemoteAccessDisabled));
    assert_eq!(yard.presence(&machine).await, disabled);
    assert!(node.renewed().await.is_empty());
    assert_eq!(yard.presence(&machine).await, online());
    node.say(&NodeFrame::Bye).await;
    assert_eq!(node.hear_end().await, None);
    let mut node = yard.dial(&machine).await.expect("a socket");
    let hello = NodeHello { protocol_min: 7, protocol_max: 9, ..machine.hello(&[]) };
    node.say(&NodeFrame::Hello(Box::new(hello))).await;
    assert_eq!(node.hear_end().await, Some(ErrorCode::UpgradeRequired));
    assert_eq!(yard.presence(&machine).await, away(AwayReason::VersionIncompatible));
}

#[tokio::test(start_paused = true)]
async fn who_is_revoked_is_cut_and_does_not_come_back() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let mut node = yard.linked(&machine).await;
    let start = Instant::now();
    yard.world.hub.revoke(&yard.world.owner, machine.device).await.expect("it is revoked");
    assert_eq!(node.hear_end().await, Some(ErrorCode::Unauthenticated));
    assert!(start.elapsed() < Duration::from_secs(2));
    let revoked = (Presence::Revoked, Some(AwayReason::Revoked));
    assert_eq!(yard.presence(&machine).await, revoked);
    wait(LINK_TTL_MS * 2).await;
    assert_eq!(yard.presence(&machine).await, revoked);
    assert!(yard.dial(&machine).await.is_err());
    let yard = yard.again().await;
    assert_eq!(yard.presence(&machine).await, revoked);
}

#[tokio::test(start_paused = true)]
async fn only_the_node_of_another_machine_links() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let (_, program) = yard.world.device(&Right::ALL).await;
    let own = yard.world.hub.node_credential().await.expect("a credential");
    for credential in [program, own, "tow_nobody".to_owned()] {
        assert!(yard.dial(&Machine { credential, ..machine.clone() }).await.is_err());
    }
    // And it speaks first, and properly.
    for text in ["{}", r#"{"type":"bye"}"#, r#"{"type":"hello"}"#] {
        let mut node = yard.dial(&machine).await.expect("a socket");
        node.say_text(text.to_owned()).await;
        assert_eq!(node.hear_end().await, Some(ErrorCode::BadRequest), "{text}");
    }
    assert_eq!(yard.presence(&machine).await, away(AwayReason::NeverConnected));
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_found_in_ten_seconds_when_an_answer_is_due_and_in_its_ttl_when_none_is() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    for (due, most) in [(false, LINK_TTL_MS), (true, LINK_ANSWER_MS)] {
        let mut node = yard.linked(&machine).await;
        let start = Instant::now();
        if due {
            let mut request = yard.world.start_session(yard.world.session());
            request.host = machine.device;
            yard.world.hub.submit(&yard.world.owner, request).await.expect("it is taken in");
            assert_eq!(node.hear_hand().await.len(), 1);
        }
        // From here on it reads nothing, so that it answers no ping either.
        while yard.world.hub.inner.sockets.has(machine.device) {
            wait(100).await;
        }
        let after = u64::try_from(start.elapsed().as_millis()).expect("not long");
        // A second for the goodbye that nobody hears.
        assert!((most..=most + 1_200).contains(&after), "{due}: {after} ms");
        drop(node);
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_slow_to_take_a_command_and_alive_is_not_cut() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let mut node = yard.linked(&machine).await;
    let mut request = yard.world.start_session(yard.world.session());
    request.host = machine.device;
    yard.world.hub.submit(&yard.world.owner, request).await.expect("it is taken in");
    let handed = node.hear_hand().await;
    // It fetches a large file, say; what reads answers pings by itself.
    let nothing = tokio::time::timeout(Duration::from_millis(LINK_ANSWER_MS * 4), node.hear()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    node.take(&handed, CommandState::Queued).await;
    assert!(node.renewed().await.is_empty());
}
