//! Everything dies at random.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::path::*;
use crate::world::PATIENCE;
use crate::yard::*;
use protocol::command::{CommandRequest, CommandState};
use protocol::id::{CommandId, SessionId};
use protocol::session::Session;

/// A number that nobody chose.
fn random(below: u64) -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    std::collections::hash_map::RandomState::new().build_hasher().finish() % below
}

/// Commands while the hub, the node and the path between them die at random; `TOWLINE_ROUNDS` says how often (3 if it does not). Every
/// command is sent twice, and again until it was acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_dies_each_command_runs_at_most_once_and_has_an_end_and_both_sides_are_the_same() {
    const EACH: u64 = 6;
    let rounds: u64 = std::env::var("TOWLINE_ROUNDS").map_or(3, |text| text.parse().unwrap());
    let mut hub = Hub::start();
    let mut desk = Node::link(&hub, "desk").await;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        let session = desk.session(&hub, "[[words 2]]").await;
        turns_ended(&hub, session, 1).await;
        sessions.push(session);
    }
    let mut sent: Vec<(CommandId, SessionId, String)> = Vec::new();
    let mut died = BTreeMap::new();
    for round in 0..rounds {
        let mut sending = Vec::new();
        for number in 0..EACH {
            let session = sessions[usize::try_from(number).unwrap() % sessions.len()];
            let mark = format!("mark-{round}-{number}-end");
            let body = Node::prompt(session, &format!("[[rate 2]] [[words 3]] [[say {mark}]]"));
            let command =
                CommandRequest { id: CommandId::from_uuid(fresh()), host: desk.device, ttl_ms: Some(3_600_000), body };
            sent.push((command.id, session, mark));
            let api = hub.api.clone();
            sending.push(tokio::spawn(async move {
                let acknowledged = api.send(&command).await.is_ok() & api.send(&command).await.is_ok();
                (command, acknowledged)
            }));
        }
        tokio::time::sleep(Duration::from_millis(random(400))).await;
        let what = ["nothing", "node", "hub", "both", "path", "silence"][usize::try_from(random(6)).unwrap()];
        *died.entry(what).or_insert(0) += 1;
        if matches!(what, "node" | "both") {
            desk.kill9();
        }
        if matches!(what, "hub" | "both") {
            hub.kill9();
        }
        match what {
            "path" => desk.proxy.set(Way::Cut),
            "silence" => desk.proxy.set(Way::Silent),
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(random(400))).await;
        desk.proxy.set(Way::Cut);
        if hub.running.is_none() {
            hub.again();
        }
        if desk.running.is_none() {
            desk.again();
        }
        desk.proxy.set(Way::Open);
        for sending in sending {
            let (command, acknowledged) = sending.await.unwrap();
            if !acknowledged {
                hub.api.send(&command).await.unwrap();
            }
        }
    }
    let mut ends = BTreeMap::new();
    let mut states = BTreeMap::new();
    for (id, _, _) in &sent {
        let state = until("every command has an end", Duration::from_mins(2), async || {
            let ack = hub.api.command(*id).await.ok()?;
            ack.state.is_final().then_some(ack.state)
        })
        .await;
        *ends.entry(format!("{state:?}")).or_insert(0) += 1;
        states.insert(*id, state);
    }
    until("every turn has ended", PATIENCE, async || {
        let sessions = known(&desk.api()).await.sessions;
        let over =
            |session: &Session| session.queued_turns == 0 && session.last_turn.is_none_or(|turn| turn.state.is_final());
        sessions.values().all(over).then_some(())
    })
    .await;
    let turns = same(&hub, &desk).await;
    for (id, session, mark) in &sent {
        let times = times(&hub, *session, mark).await;
        let most = usize::from(states[id] == CommandState::Succeeded);
        assert_eq!(times, most, "{id} is {:?} and stands there {times} times", states[id]);
    }
    println!(
        "{} commands, each sent at least twice, while these died: {died:?}; ends: {ends:?}; each ran at most once; {} journals and {turns} \
         turn streams the same on both sides",
        sent.len(),
        sessions.len()
    );
}
