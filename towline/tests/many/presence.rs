//! Whether a machine is there is the hub's to say, by its own clock; and what was sent to one of several acts on that one only.

use std::time::{Duration, Instant};

use crate::clock::{self, Clock};
use crate::yard::*;
use protocol::command::CommandState;
use protocol::host::{AwayReason, Presence};
use protocol::limits::{LINK_RENEW_MS, LINK_TTL_MS};

#[tokio::test(flavor = "multi_thread")]
async fn of_three_machines_one_is_meant_whatever_their_clocks_say_and_one_that_was_killed_is_away_when_its_lease_ends()
{
    let hub = Hub::start();
    let mut ahead = Node::link_at(&hub, "ahead", Clock::DayAhead).await;
    let behind = Node::link_at(&hub, "behind", Clock::HourBehind).await;
    let right = Node::link(&hub, "right").await;

    // Each has a project of the same name, and each prompt runs on the machine that it was sent to, with the five minutes that it has
    // by the hub's clock.
    let mut sessions = Vec::new();
    for node in [&ahead, &behind, &right] {
        let session = node.session(&hub, "[[words 2]]").await;
        turns_ended(&hub, session, 1).await;
        let prompt = node.send(&hub, Node::prompt(session, "[[words 2]] for-one"), None).await;
        ended(&hub, prompt, CommandState::Succeeded).await;
        turns_ended(&hub, session, 2).await;
        sessions.push(session);
    }
    for (node, session) in [&ahead, &behind, &right].into_iter().zip(&sessions) {
        let own: Vec<_> = known(&node.api()).await.sessions.into_keys().collect();
        assert_eq!(own, [*session], "{} has acted for itself only", node.name);
        same(&hub, node).await;
    }

    // It dies without a word: a lost renewal is not seen, two are, and when its lease ends it is away, whatever its own clock said.
    let seen = known(&hub.api).await.hosts[&ahead.device].seen_at_ms.0;
    assert!(seen.abs_diff(Clock::Right.shows()) < 60_000, "seen at {seen}, by the hub's clock");
    ahead.kill9();
    let died = Instant::now();
    let host = async || known(&hub.api).await.hosts.remove(&ahead.device).map(|host| (host.presence, host.reason));
    let lease = Duration::from_millis(LINK_TTL_MS);
    let mut states = vec![host().await.unwrap()];
    until("the host is offline", lease + Duration::from_secs(5), async || {
        let now = host().await?;
        if states.last() != Some(&now) {
            states.push(now);
        }
        (now.0 == Presence::Offline).then_some(())
    })
    .await;
    let took = died.elapsed();
    let away = (Presence::Offline, Some(AwayReason::LeaseExpired));
    assert_eq!(states, [(Presence::Online, None), (Presence::Stale, None), away]);
    assert!(took + Duration::from_millis(LINK_RENEW_MS) >= lease, "after {took:?}");
    for node in [&behind, &right] {
        assert_eq!(known(&hub.api).await.hosts[&node.device].presence, Presence::Online, "{}", node.name);
    }
    println!("a host that was killed was away after {took:?}");
    if let Some(why) = clock::why_not() {
        println!("{why}");
    }
}
