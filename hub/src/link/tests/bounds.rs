//! How much a node is given at once, and how many of them there may be.

use std::collections::HashSet;

use protocol::command::CommandRequest;
use protocol::limits::{MAX_QUEUED_COMMANDS, MAX_SOCKETS_PER_SOURCE};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_node_gets_a_few_commands_ahead_and_the_next_when_it_has_begun_some() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let mut node = yard.linked(&machine).await;
    let mut sent = Vec::new();
    for _ in 0..MAX_QUEUED_COMMANDS {
        let request = CommandRequest { host: machine.device, ..yard.world.start_session(yard.world.session()) };
        yard.world.hub.submit(&yard.world.owner, request.clone()).await.expect("it is taken in");
        sent.push(request.id);
    }
    let mut got = Vec::new();
    loop {
        let frames = node.renewed().await;
        if frames.is_empty() {
            break;
        }
        for frame in frames {
            let HubFrame::Hand { commands } = frame else { panic!("{frame:?}") };
            node.take(&commands, CommandState::Queued).await;
            got.extend(commands.iter().map(|handed| handed.command));
        }
    }
    assert_eq!(got, sent[..32], "the rest waits here");
    assert_eq!(yard.state(sent[32]).await, CommandState::Queued);
    // Each that begins makes room for one.
    let command = yard.command(sent[0]).await;
    node.store(&[machine.told(&command, sent[0], CommandState::Running)], Vec::new()).await;
    let next = node.hear_hand().await;
    assert_eq!(next.iter().map(|handed| handed.command).collect::<Vec<_>>(), [sent[32]]);
    node.take(&next, CommandState::Queued).await;
    assert!(node.renewed().await.is_empty());
    // All of them come, however many there are, each once.
    let (mut got, mut left) = (HashSet::from([sent[0]]), sent[1..=32].to_vec());
    while let Some(id) = left.pop() {
        assert!(got.insert(id));
        let command = yard.command(id).await;
        node.store(&[machine.told(&command, id, CommandState::Succeeded)], Vec::new()).await;
        for frame in node.renewed().await {
            let HubFrame::Hand { commands } = frame else { panic!("{frame:?}") };
            node.take(&commands, CommandState::Queued).await;
            left.extend(commands.iter().map(|handed| handed.command));
        }
    }
    assert_eq!(got.len(), MAX_QUEUED_COMMANDS);
}

#[tokio::test(start_paused = true)]
async fn the_machines_of_an_office_link_from_one_address_and_leave_room_for_its_people() {
    let yard = Yard::new().await;
    let mut nodes = Vec::new();
    for _ in 0..MAX_SOCKETS_PER_SOURCE + 6 {
        let machine = yard.machine().await;
        nodes.push((yard.linked(&machine).await, machine));
    }
    for (_, machine) in &nodes {
        assert_eq!(yard.presence(machine).await, (Presence::Online, None));
    }
    let pass = yard.world.hub.admit_socket(&yard.world.owner);
    assert!(pass.is_ok(), "{pass:?}");
}
