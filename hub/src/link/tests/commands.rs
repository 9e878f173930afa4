//! A command reaches its host once, and whatever happens on the way is said as it is (W-001…W-020e).

use protocol::command::{CommandBody, CommandRequest};
use protocol::error::ErrorCode;
use protocol::limits::{COMMAND_TTL_MS, LINK_TTL_MS};
use protocol::link::{COMPARES, NEW_PROJECTS};

use super::*;

/// A session of the machine and a prompt to it.
async fn session(yard: &Yard, machine: &Machine, node: &mut Node) -> SessionId {
    let session = yard.world.session();
    let mut journal = Owned::journal(session);
    journal.messages.push("[1]".to_owned());
    node.store(&[machine.session(&yard.world, session, "one")], vec![journal.from(0)]).await;
    session
}

async fn prompt(yard: &Yard, machine: &Machine, session: SessionId, text: &str) -> CommandRequest {
    let request = CommandRequest { host: machine.device, ..yard.world.prompt(session, text) };
    yard.world.hub.submit(&yard.world.owner, request.clone()).await.expect("it is taken in");
    request
}

fn ids(handed: &[Handed]) -> Vec<CommandId> {
    handed.iter().map(|handed| handed.command).collect()
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_handed_over_in_order_once_and_followed_to_its_end() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let mut node = yard.linked(&machine).await;
    let session = session(&yard, &machine, &mut node).await;
    node.hang_up().await;
    // While it is away; over a restart.
    let mut sent = Vec::new();
    for text in ["a", "b", "c"] {
        sent.push(prompt(&yard, &machine, session, text).await);
    }
    let yard = yard.again().await;
    let (mut node, _) = yard.link(&machine, &[]).await;
    let handed = node.hear_hand().await;
    let all: Vec<CommandId> = sent.iter().map(|request| request.id).collect();
    assert_eq!(ids(&handed), all);
    assert!(handed.iter().zip(&sent).all(|(handed, request)| handed.body == request.body && handed.token == 1));
    assert!(
        handed.iter().all(|handed| handed.sender == yard.world.owner.device && handed.expires_in_ms <= COMMAND_TTL_MS)
    );
    assert_eq!(yard.state(all[0]).await, CommandState::Leased);
    node.take(&handed, CommandState::Queued).await;
    assert!(node.renewed().await.is_empty());
    // The node alone advances them now.
    let command = yard.command(all[0]).await;
    node.store(&[machine.told(&command, all[0], CommandState::Running)], Vec::new()).await;
    assert_eq!(yard.state(all[0]).await, CommandState::Running);
    node.store(
        &[
            machine.told(&command, all[0], CommandState::Succeeded),
            machine.told(&command, all[0], CommandState::Running),
            machine.told(&command, all[1], CommandState::Failed),
        ],
        Vec::new(),
    )
    .await;
    assert_eq!(yard.state(all[0]).await, CommandState::Succeeded);
    assert_eq!(yard.state(all[1]).await, CommandState::Failed);
    drop(node);
    // What it holds is not handed over again, and neither is what has ended.
    let (mut node, _) = yard.link(&machine, &all[2..]).await;
    assert!(node.renewed().await.is_empty());
    assert_eq!(yard.state(all[2]).await, CommandState::Leased);
    // A stale token changes nothing, nor does what is not this host's.
    let foreign = yard.world.start_session(yard.world.session());
    yard.world.hub.submit(&yard.world.owner, foreign.clone()).await.expect("it is taken in");
    let commands = vec![
        Taken { command: all[2], token: 7, state: CommandState::Failed },
        Taken { command: foreign.id, token: 0, state: CommandState::Failed },
    ];
    node.say(&NodeFrame::Taken { commands }).await;
    node.store(&[machine.told(&command, foreign.id, CommandState::Failed)], Vec::new()).await;
    assert_eq!(yard.state(all[2]).await, CommandState::Leased);
    assert_eq!(yard.state(foreign.id).await, CommandState::Queued);
}

#[tokio::test(start_paused = true)]
async fn what_was_handed_over_and_not_taken_stays_leased_until_the_node_says_that_it_has_it_not() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let mut node = yard.linked(&machine).await;
    let session = session(&yard, &machine, &mut node).await;
    let first = prompt(&yard, &machine, session, "a").await;
    assert_eq!(ids(&node.hear_hand().await), [first.id]);
    drop(node);
    let second = prompt(&yard, &machine, session, "b").await;
    let yard = yard.again().await;
    assert_eq!(yard.state(first.id).await, CommandState::Leased);
    // It never reached it: handed over again, before what came later, with the token that it had.
    let (mut node, _) = yard.link(&machine, &[]).await;
    let handed = node.hear_hand().await;
    assert_eq!((ids(&handed), handed[0].token), (vec![first.id], 1));
    drop(node);
    // It did, and its word was lost.
    let (mut node, _) = yard.link(&machine, &[first.id]).await;
    assert_eq!(ids(&node.hear_hand().await), [second.id]);
    assert_eq!(yard.state(first.id).await, CommandState::Leased);
}

#[tokio::test(start_paused = true)]
async fn what_waits_too_long_expires_and_what_nobody_knows_of_is_said_to_be_so() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let mut node = yard.linked(&machine).await;
    let session = session(&yard, &machine, &mut node).await;
    let [reached, lost, cancelled] = [
        prompt(&yard, &machine, session, "a").await.id,
        prompt(&yard, &machine, session, "b").await.id,
        prompt(&yard, &machine, session, "c").await.id,
    ];
    let mut handed = node.hear_hand().await;
    while handed.len() < 3 {
        node.take(&handed, CommandState::Queued).await;
        handed.extend(node.hear_hand().await);
    }
    drop(node);
    let waits = prompt(&yard, &machine, session, "d").await.id;
    let ack = yard.world.hub.cancel(&yard.world.owner, cancelled).await.expect("it is asked for");
    assert_eq!(ack.state, CommandState::Leased, "who won is the node's to say");
    tokio::time::sleep(Duration::from_millis(COMMAND_TTL_MS + 2_000)).await;
    assert_eq!(yard.state(waits).await, CommandState::Expired);
    for id in [reached, lost, cancelled] {
        let command = yard.command(id).await;
        assert_eq!(command.state, CommandState::Indeterminate);
        assert_eq!(command.error.map(|error| error.code), Some(ErrorCode::HostLost));
    }
    // It comes back and says what it has.
    let yard = yard.again().await;
    let (mut node, _) = yard.link(&machine, &[reached]).await;
    assert!(matches!(&node.hear_news().await[..], [(_, LinkNews::Cancelled { command, .. })] if *command == cancelled));
    let command = yard.command(reached).await;
    node.store(&[machine.told(&Command { error: None, ..command }, reached, CommandState::Succeeded)], Vec::new())
        .await;
    let command = yard.command(reached).await;
    assert_eq!((command.state, command.error), (CommandState::Succeeded, None));
    assert_eq!(yard.state(waits).await, CommandState::Expired);
}

#[tokio::test(start_paused = true)]
async fn what_never_reached_the_node_ends_when_it_says_so() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let mut node = yard.linked(&machine).await;
    let session = session(&yard, &machine, &mut node).await;
    let expired = prompt(&yard, &machine, session, "a").await.id;
    assert_eq!(ids(&node.hear_hand().await), [expired]);
    drop(node);
    tokio::time::sleep(Duration::from_millis(COMMAND_TTL_MS + 2_000)).await;
    assert_eq!(yard.state(expired).await, CommandState::Indeterminate);
    let mut node = yard.linked(&machine).await;
    assert_eq!(yard.state(expired).await, CommandState::Expired);
    let cancelled = prompt(&yard, &machine, session, "b").await.id;
    assert_eq!(ids(&node.hear_hand().await), [cancelled]);
    drop(node);
    yard.world.hub.cancel(&yard.world.owner, cancelled).await.expect("it is asked for");
    let (mut node, _) = yard.link(&machine, &[]).await;
    assert_eq!(yard.state(cancelled).await, CommandState::Cancelled);
    assert!(matches!(&node.hear_news().await[..], [(_, LinkNews::Cancelled { .. })]));
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_is_asked_for_and_who_won_is_what_the_node_says() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let mut node = yard.linked(&machine).await;
    let session = session(&yard, &machine, &mut node).await;
    for (end, wins) in [(CommandState::Cancelled, true), (CommandState::Succeeded, false)] {
        let id = prompt(&yard, &machine, session, "a").await.id;
        let handed = node.hear_hand().await;
        node.take(&handed, CommandState::Queued).await;
        assert!(node.renewed().await.is_empty());
        for _ in 0..2 {
            let ack = yard.world.hub.cancel(&yard.world.owner, id).await.expect("it is asked for");
            assert_eq!(ack.state, CommandState::Leased);
        }
        let news = node.hear_news().await;
        let by = yard.world.owner.device;
        assert_eq!(
            news.iter().map(|(_, news)| news.clone()).collect::<Vec<_>>(),
            [LinkNews::Cancelled { command: id, by }]
        );
        node.say(&NodeFrame::Heard { number: news[0].0 }).await;
        let command = yard.command(id).await;
        node.store(&[machine.told(&command, id, end)], Vec::new()).await;
        assert_eq!(yard.state(id).await, end);
        let again = yard.world.hub.cancel(&yard.world.owner, id).await;
        assert_eq!(again.is_ok(), wins);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_back_before_it_is_handed_over_again_ends_there() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    for access in [RemoteAccess::Active, RemoteAccess::Disabled] {
        let mut node = yard.linked(&machine).await;
        let session = session(&yard, &machine, &mut node).await;
        let id = prompt(&yard, &machine, session, "a").await.id;
        assert_eq!(ids(&node.hear_hand().await), [id]);
        drop(node);
        // It is let in again without it, and compares first, or its owner lets nobody in.
        let mut node = yard.dial(&machine).await.expect("a socket");
        let mut hello = machine.hello(&[]);
        hello.remote_access = access;
        if access == RemoteAccess::Active {
            hello.capabilities.push(COMPARES.to_owned());
        }
        node.say(&NodeFrame::Hello(Box::new(hello))).await;
        assert!(matches!(node.hear().await, HubFrame::Welcome { .. }));
        yard.world.hub.cancel(&yard.world.owner, id).await.expect("it is asked for");
        let news = node.hear_news().await;
        assert!(news.iter().any(|(_, news)| matches!(news, LinkNews::Cancelled { command, .. } if *command == id)));
        // The node does not know it.
        node.say(&NodeFrame::Heard { number: news[news.len() - 1].0 }).await;
        node.store(&[], Vec::new()).await;
        assert!(node.renewed().await.iter().all(|frame| !matches!(frame, HubFrame::Hand { .. })));
        assert_eq!(yard.state(id).await, CommandState::Cancelled, "{access:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_runs_when_the_host_is_lost_is_indeterminate_until_it_comes_back_to_say() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let mut node = yard.linked(&machine).await;
    let session = session(&yard, &machine, &mut node).await;
    let id = prompt(&yard, &machine, session, "a").await.id;
    let handed = node.hear_hand().await;
    node.take(&handed, CommandState::Running).await;
    assert!(node.renewed().await.is_empty());
    assert_eq!(yard.state(id).await, CommandState::Running);
    drop(node);
    tokio::time::sleep(Duration::from_millis(LINK_TTL_MS + 1_000)).await;
    assert_eq!(yard.presence(&machine).await.1, Some(AwayReason::LeaseExpired));
    let command = yard.command(id).await;
    assert_eq!(
        (command.state, command.error.map(|e| e.code)),
        (CommandState::Indeterminate, Some(ErrorCode::HostLost))
    );
    let (mut node, _) = yard.link(&machine, &[id]).await;
    assert!(node.renewed().await.is_empty(), "it is never handed over again");
    let told = Command { error: None, ..yard.command(id).await };
    node.store(&[machine.told(&told, id, CommandState::Running)], Vec::new()).await;
    assert_eq!((yard.state(id).await, yard.command(id).await.error), (CommandState::Running, None));
    node.store(&[machine.told(&told, id, CommandState::Succeeded)], Vec::new()).await;
    assert_eq!(yard.state(id).await, CommandState::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn what_a_node_that_is_there_never_takes_is_not_left_open() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let mut node = yard.linked(&machine).await;
    let session = session(&yard, &machine, &mut node).await;
    let never = prompt(&yard, &machine, session, "a").await.id;
    assert_eq!(ids(&node.hear_hand().await), [never]);
    let later = prompt(&yard, &machine, session, "b").await.id;
    let mut frames = Vec::new();
    for _ in 0..COMMAND_TTL_MS / 5_000 + 12 {
        tokio::time::sleep(Duration::from_secs(5)).await;
        frames.extend(node.renewed().await);
    }
    assert_eq!(yard.state(never).await, CommandState::Indeterminate);
    assert_eq!(yard.state(later).await, CommandState::Expired);
    assert!(frames.is_empty(), "{frames:?}");
    let next = prompt(&yard, &machine, session, "c").await.id;
    assert_eq!(ids(&node.hear_hand().await), [next]);
    drop(node);
    drop(yard.link(&machine, &[]).await);
    assert_eq!(yard.state(never).await, CommandState::Expired);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_compares_is_handed_nothing_before_it_has() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let mut node = yard.linked(&machine).await;
    let session = session(&yard, &machine, &mut node).await;
    node.hang_up().await;
    let request = prompt(&yard, &machine, session, "a").await;
    let mut node = yard.dial(&machine).await.expect("a socket");
    let mut hello = machine.hello(&[]);
    hello.capabilities.push(COMPARES.to_owned());
    node.say(&NodeFrame::Hello(Box::new(hello))).await;
    assert!(matches!(node.hear().await, HubFrame::Welcome { .. }));
    assert!(node.renewed().await.iter().all(|frame| !matches!(frame, HubFrame::Hand { .. })));
    assert_eq!(yard.state(request.id).await, CommandState::Queued, "it is not even leased");
    node.store(&[], Vec::new()).await;
    assert_eq!(ids(&node.hear_hand().await), [request.id]);
}

#[tokio::test(start_paused = true)]
async fn what_an_older_node_would_not_understand_fails_at_the_hub_and_what_waits_behind_it_goes_on() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let mut node = yard.linked(&machine).await;
    let session = session(&yard, &machine, &mut node).await;
    drop(node);
    let start = |session| {
        let mut request = CommandRequest { host: machine.device, ..yard.world.start_session(session) };
        let CommandBody::StartSession { new_project, .. } = &mut request.body else { panic!("{request:?}") };
        *new_project = true;
        request
    };
    let (first, second) = (start(yard.world.session()), start(yard.world.session()));
    yard.world.hub.submit(&yard.world.owner, first.clone()).await.expect("it is taken in");
    let (mut node, _) = yard.link(&machine, &[]).await;
    assert!(node.renewed().await.is_empty());
    let failed = yard.command(first.id).await;
    assert_eq!(
        (failed.state, failed.error.map(|error| error.code)),
        (CommandState::Failed, Some(ErrorCode::Unsupported))
    );
    drop(node);
    yard.world.hub.submit(&yard.world.owner, second.clone()).await.expect("it is taken in");
    let behind = prompt(&yard, &machine, session, "a").await;
    let (mut node, _) = yard.link(&machine, &[]).await;
    assert_eq!(ids(&node.hear_hand().await), [behind.id]);
    assert_eq!(yard.state(second.id).await, CommandState::Failed);
    drop(node);
    // The same machine with a newer version; the session's id is free again.
    let third = start(first.body.session());
    yard.world.hub.submit(&yard.world.owner, third.clone()).await.expect("it is taken in");
    let mut node = yard.dial(&machine).await.expect("a socket");
    let mut hello = machine.hello(&[behind.id]);
    hello.capabilities.push(NEW_PROJECTS.to_owned());
    node.say(&NodeFrame::Hello(Box::new(hello))).await;
    assert!(matches!(node.hear().await, HubFrame::Welcome { .. }));
    assert_eq!(ids(&node.hear_hand().await), [third.id]);
}
