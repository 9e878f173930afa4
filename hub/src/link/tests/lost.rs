//! Hosts that are lost, come back, or are revoked: what is said of their commands is true.

use protocol::command::CommandRequest;
use protocol::limits::LINK_TTL_MS;
use protocol::link::Declined;

use super::*;

/// A command to a machine that makes a session there.
async fn sent(yard: &Yard, machine: &Machine) -> CommandId {
    let request = CommandRequest { host: machine.device, ..yard.world.start_session(yard.world.session()) };
    yard.world.hub.submit(&yard.world.owner, request.clone()).await.expect("it is taken in");
    request.id
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_ends_ends_its_connection_so_that_the_node_says_again_what_it_holds() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let mut node = yard.linked(&machine).await;
    let runs = sent(&yard, &machine).await;
    let handed = node.hear_hand().await;
    node.take(&handed, CommandState::Running).await;
    assert!(node.renewed().await.is_empty());
    // One that it does not answer, so that the hub asks for signs of life, and gets them.
    sent(&yard, &machine).await;
    assert_eq!(node.hear_hand().await.len(), 1);
    let begun = tokio::time::Instant::now();
    assert_eq!(node.hear_end().await, None);
    let took = begun.elapsed();
    assert!(took <= Duration::from_millis(LINK_TTL_MS + 100), "{took:?}");
    assert_eq!(yard.presence(&machine).await, (Presence::Offline, Some(AwayReason::LeaseExpired)));
    assert_eq!(yard.state(runs).await, CommandState::Indeterminate);
    let (mut node, _) = yard.link(&machine, &[runs]).await;
    let told = Command { error: None, ..yard.command(runs).await };
    node.store(&[machine.told(&told, runs, CommandState::Running)], Vec::new()).await;
    assert_eq!((yard.state(runs).await, yard.command(runs).await.error), (CommandState::Running, None));
}

#[tokio::test(start_paused = true)]
async fn whatever_a_revoked_host_had_to_do_ends_and_says_why() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let mut node = yard.linked(&machine).await;
    let mut sessions = Vec::new();
    let mut all = Vec::new();
    for state in [Some(CommandState::Running), Some(CommandState::Queued), None] {
        let session = yard.world.session();
        let request = CommandRequest { host: machine.device, ..yard.world.start_session(session) };
        yard.world.hub.submit(&yard.world.owner, request.clone()).await.expect("it is taken in");
        let handed = node.hear_hand().await;
        if let Some(state) = state {
            node.take(&handed, state).await;
            assert!(node.renewed().await.is_empty());
        }
        sessions.push(session);
        all.push(request.id);
    }
    // Behind the one that was not taken.
    all.push(sent(&yard, &machine).await);
    let states = [CommandState::Running, CommandState::Leased, CommandState::Leased, CommandState::Queued];
    for (id, state) in all.iter().zip(states) {
        assert_eq!(yard.state(*id).await, state);
    }
    yard.world.hub.revoke(&yard.world.owner, machine.device).await.expect("it is revoked");
    tokio::time::sleep(Duration::from_secs(2)).await;
    for id in &all {
        let command = yard.command(*id).await;
        assert_eq!(command.state, CommandState::Failed, "{command:?}");
        let error = command.error.expect("a reason");
        assert_eq!((error.code, error.retryable), (ErrorCode::HostRevoked, false));
        assert!(command.content.detail.is_some());
    }
    let never = yard.command(all[3]).await.content.detail.unwrap_or_default();
    assert!(never.contains("never ran"), "{never}");
    // What was to be made is not, so its id is free; and nothing more is taken for a host that will not come.
    let request = CommandRequest { host: machine.device, ..yard.world.start_session(sessions[0]) };
    let refused = yard.world.hub.submit(&yard.world.owner, request).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::HostRevoked);
    let own = yard.world.start_session(sessions[0]);
    yard.world.hub.submit(&yard.world.owner, own).await.expect("its id is free");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_the_node_does_not_know_ends_and_holds_up_nothing() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let mut node = yard.linked(&machine).await;
    let odd = sent(&yard, &machine).await;
    let handed = node.hear_hand().await;
    let next = sent(&yard, &machine).await;
    let decline = |token| {
        let detail = "x".repeat(10_000);
        let commands = vec![Declined { command: odd, token, code: ErrorCode::Unsupported, detail }];
        NodeFrame::Declined { commands }
    };
    // A stale token changes nothing.
    node.say(&decline(handed[0].token + 1)).await;
    assert_eq!(node.hear_hand().await.len(), 1);
    assert_eq!(yard.state(odd).await, CommandState::Leased);
    node.say(&decline(handed[0].token)).await;
    assert!(node.renewed().await.is_empty());
    let command = yard.command(odd).await;
    assert_eq!(
        (command.state, command.error.map(|error| error.code)),
        (CommandState::Failed, Some(ErrorCode::Unsupported))
    );
    assert!(command.content.detail.is_some_and(|detail| detail.len() == 500));
    assert_eq!(yard.state(next).await, CommandState::Leased);
}
