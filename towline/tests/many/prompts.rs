//! Prompts to the machine that was chosen, and to one that is off; and how soon the first words come.

use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::path::*;
use crate::world::PATIENCE;
use crate::yard::*;
use client::socket::Options;
use client::{Api, Socket};
use protocol::api::{CommandEdit, CommandMove};
use protocol::command::{CommandRequest, CommandState};
use protocol::host::{AwayReason, Presence};
use protocol::id::{CommandId, SessionId};
use protocol::path::StreamPath;

#[tokio::test(flavor = "multi_thread")]
async fn prompts_go_to_the_machine_that_was_chosen_once_and_what_it_says_is_the_same_there_and_here() {
    prompts_go_once(async |hub| hub.port.clone()).await;
}

/// The same on every way: `way` gives the port of what stands before the hub.
pub(crate) async fn prompts_go_once(way: impl AsyncFnOnce(&Hub) -> String) {
    let mut hub = Hub::start();
    let port = way(&hub).await;
    let mut desk = Node::link_through(&hub, "desk", Clock::Right, &port).await;
    let laptop = Node::link_through(&hub, "laptop", Clock::Right, &port).await;
    let long = "[[rate 5]] [[words 60]]";
    let (one, two) = (desk.session(&hub, long).await, laptop.session(&hub, long).await);
    turns_ended(&hub, one, 1).await;
    turns_ended(&hub, two, 1).await;
    let turns = same(&hub, &desk).await + same(&hub, &laptop).await;
    assert!(turns >= 2, "live streams were carried: {turns}");
    let sessions = known(&hub.api).await.sessions;
    assert_eq!((sessions[&one].host, sessions[&two].host), (desk.device, laptop.device));

    // The node dies in the middle, and comes back; the same command is sent again and again.
    let id = CommandId::from_uuid(fresh());
    let again = CommandRequest {
        id,
        host: desk.device,
        ttl_ms: None,
        retry_of: None,
        body: Node::prompt(one, "[[words 5]] unique-one"),
    };
    hub.api.send(&again).await.unwrap();
    desk.kill9();
    for _ in 0..3 {
        hub.api.send(&again).await.unwrap();
    }
    desk.again();
    desk.is_online(&hub).await;
    hub.api.send(&again).await.unwrap();
    let done = until("the command has ended", PATIENCE, async || {
        let ack = hub.api.command(id).await.ok()?;
        ack.state.is_final().then_some(ack.state)
    })
    .await;
    assert!(matches!(done, CommandState::Succeeded | CommandState::Failed), "{done:?}");
    assert!(times(&hub, one, "unique-one").await <= 1);

    // The hub dies in the middle, and comes back.
    let before = desk.send(&hub, Node::prompt(one, "[[rate 20]] [[words 100]] unique-two"), None).await;
    ended(&hub, before, CommandState::Succeeded).await;
    hub.kill9();
    tokio::time::sleep(Duration::from_millis(500)).await;
    hub.again();
    desk.is_online(&hub).await;
    // The path falls silent, and comes back: the node finds out by itself.
    let spoken = desk.send(&hub, Node::prompt(one, "[[words 3]] unique-three"), None).await;
    desk.proxy.set(Way::Silent);
    tokio::time::sleep(Duration::from_secs(2)).await;
    desk.proxy.set(Way::Cut);
    tokio::time::sleep(Duration::from_secs(1)).await;
    desk.proxy.set(Way::Open);
    ended(&hub, spoken, CommandState::Succeeded).await;
    assert_eq!((times(&hub, one, "unique-two").await, times(&hub, one, "unique-three").await), (1, 1));
    until("all turns have ended", PATIENCE, async || {
        let sessions = known(&desk.api()).await.sessions;
        sessions
            .values()
            .all(|session| session.queued_turns == 0 && session.last_turn.is_none_or(|turn| turn.state.is_final()))
            .then_some(())
    })
    .await;
    same(&hub, &desk).await;

    // A clean stop shows at once, with its reason.
    desk.stop();
    until("the host is offline", Duration::from_secs(3), async || {
        let host = known(&hub.api).await.hosts.remove(&desk.device)?;
        ((host.presence, host.reason) == (Presence::Offline, Some(AwayReason::Stopped))).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_devices_left_for_a_machine_that_is_off_runs_in_order_when_it_comes_and_what_was_deleted_stays_deleted()
 {
    const DAY: Option<u64> = Some(24 * 60 * 60 * 1000);
    let hub = Hub::start();
    let mut desk = Node::link(&hub, "desk").await;
    let session = desk.session(&hub, "[[words 3]]").await;
    let doomed = desk.session(&hub, "[[words 3]]").await;
    turns_ended(&hub, session, 1).await;
    turns_ended(&hub, doomed, 1).await;
    desk.stop();

    // Queued from two devices; each changes, moves and takes back what the other has sent.
    let (tablet, own) = device(&hub, "tablet").await;
    let say = |words: &str| Node::prompt(session, &format!("[[words 2]] {words}"));
    let first = desk.send(&hub, say("first-one"), DAY).await;
    let dropped = desk.send_by(&tablet, say("dropped-one"), DAY).await;
    let late = desk.send(&hub, say("late-one"), Some(500)).await;
    let third = desk.send(&hub, say("third-one"), DAY).await;
    let changed = desk.send_by(&tablet, say("as-it-was"), DAY).await;
    let moved = desk.send_by(&tablet, say("moved-one"), DAY).await;
    let orphan = desk.send_by(&tablet, Node::prompt(doomed, "[[words 2]] orphan-one"), DAY).await;
    hub.api.take_back(dropped).await.unwrap();
    let edit = CommandEdit { text: Some("[[words 2]] changed-one".to_owned()), ttl_ms: None };
    hub.api.edit_command(changed, &edit).await.unwrap();
    tablet.move_command(moved, CommandMove { before: Some(third) }).await.unwrap();
    hub.api.delete_session(doomed).await.unwrap();
    ended(&hub, late, CommandState::Expired).await;
    let waiting = known(&tablet).await.commands;
    assert!(!waiting.contains_key(&orphan) && tablet.command(orphan).await.is_err(), "it went with its session");
    for (command, device) in [(first, None), (changed, Some(own)), (moved, Some(own)), (dropped, Some(own))] {
        let sender = waiting[&command].sender.device;
        assert!(device.is_none_or(|device| sender == device) && (device.is_some() || sender != own), "{sender}");
    }

    desk.again();
    desk.is_online(&hub).await;
    for command in [first, moved, third, changed] {
        ended(&hub, command, CommandState::Succeeded).await;
    }
    ended(&hub, dropped, CommandState::Cancelled).await;
    turns_ended(&hub, session, 5).await;
    let (_, messages) = whole(&hub.socket(), StreamPath::journal(session)).await.unwrap();
    let text = messages.concat();
    let places = ["first-one", "moved-one", "third-one", "changed-one"].map(|words| text.find(words).expect(words));
    assert!(places.is_sorted(), "{places:?}");
    for words in ["dropped-one", "late-one", "as-it-was", "orphan-one"] {
        assert_eq!(text.find(words), None, "{words}");
    }
    // It was deleted while its host slept, and is gone on both sides, also after both were started anew.
    until("the session is gone here", PATIENCE, async || {
        (!known(&desk.api()).await.sessions.contains_key(&doomed)).then_some(())
    })
    .await;
    desk.kill9();
    desk.again();
    desk.is_online(&hub).await;
    assert!(!known(&desk.api()).await.sessions.contains_key(&doomed));
    assert!(!known(&hub.api).await.sessions.contains_key(&doomed));
    same(&hub, &desk).await;
}

/// The time from sending a prompt to its first words on a screen, in one run: at the machine itself, and through the hub.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_words_come_through_the_hub_nearly_as_soon() {
    let hub = Hub::start();
    let desk = Node::link(&hub, "desk").await;
    let session = desk.session(&hub, "[[words 2]]").await;
    turns_ended(&hub, session, 1).await;
    let options = Options { client: "many/2".to_owned(), first_pause: Duration::from_millis(20), seed: 3 };
    let here = Socket::open(desk.world.remote(desk.running.as_ref().unwrap()), options);
    let (mut direct, mut through) = (Vec::new(), Vec::new());
    for _ in 0..15 {
        direct.push(first_words(&desk.api(), &here, &desk, session).await);
        through.push(first_words(&hub.api, &hub.socket(), &desk, session).await);
    }
    direct.sort();
    through.sort();
    let (direct, through) = (direct[direct.len() / 2], through[through.len() / 2]);
    println!(
        "first words: {direct:?} at the machine, {through:?} through the hub: {:.2} times",
        through.as_secs_f64() / direct.as_secs_f64()
    );
    // W-050, on a busy machine with a build for debugging.
    assert!(through < direct + Duration::from_millis(500), "{direct:?} {through:?}");
}

async fn first_words(api: &Api, socket: &Socket, node: &Node, session: SessionId) -> Duration {
    let mut follow = client::SessionFollow::open(api.clone(), socket, session, false).await.unwrap();
    let command = CommandRequest {
        id: CommandId::from_uuid(fresh()),
        host: node.device,
        ttl_ms: None,
        retry_of: None,
        body: Node::prompt(session, "[[rate 30]] [[words 15]]"),
    };
    let began = Instant::now();
    api.send(&command).await.unwrap();
    let mut took = None;
    let read = async {
        loop {
            // A turn that has ended before it could be followed has said its words in the journal.
            if let client::Update::Facts { facts, .. } = follow.next().await.unwrap()
                && facts
                    .iter()
                    .any(|fact| fact.get().contains("\"type\":\"delta\"") || fact.get().contains("\"role\":\"agent\""))
            {
                took.get_or_insert_with(|| began.elapsed());
            }
            if took.is_some() && follow.is_idle() {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("the turn ends");
    took.unwrap()
}
