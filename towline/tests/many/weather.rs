//! Everything dies at random, and comes back with another time of day.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::clock::{self, Clock};
use crate::path::*;
use crate::readers::{Habit, Reader, folded};
use crate::world::PATIENCE;
use crate::yard::*;
use protocol::command::{CommandRequest, CommandState};
use protocol::fact::SessionFact;
use protocol::id::{CommandId, SessionId, TurnId};
use protocol::item::{ItemContent, Role};
use protocol::path::StreamPath;
use protocol::session::Session;

/// Commands of a round: 834 rounds are 10,008 of them.
const EACH: usize = 12;
const SESSIONS: usize = 6;
/// How long a command may wait: shorter than a clock may jump, as long as that, and far longer.
const KEPT: [u64; 3] = [5 * 60_000, 60 * 60_000, 7 * 24 * 60 * 60_000];
/// What a clock may show when a process starts.
const CLOCKS: [Clock; 3] = [Clock::Right, Clock::HourAhead, Clock::HourBehind];
/// So many may be open when a round begins: a host's queue at the hub takes 100.
const OPEN: usize = 60;

/// A number that nobody chose.
fn random(below: u64) -> usize {
    use std::hash::{BuildHasher as _, Hasher as _};
    let number = std::collections::hash_map::RandomState::new().build_hasher().finish() % below;
    usize::try_from(number).unwrap()
}

/// A command, where it goes, and the words by which its turn is found.
struct Sent {
    id: CommandId,
    session: SessionId,
    mark: String,
}

/// Commands while the hub, the node and the path between them die at random, and the hub and the node start with a clock that is right,
/// an hour ahead or an hour behind; `TOWLINE_ROUNDS` says how often (3 if it does not). Every command is sent twice, and again until it was
/// acknowledged. Two clients follow each session all the time.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_dies_each_command_runs_at_most_once_and_has_an_end_and_both_sides_are_the_same() {
    let rounds: usize = std::env::var("TOWLINE_ROUNDS").map_or(3, |text| text.parse().unwrap());
    let mut hub = Hub::start();
    let mut desk = Node::link(&hub, "desk").await;
    let mut sessions = Vec::new();
    let mut readers = Vec::new();
    for number in 0..SESSIONS {
        let session = desk.session(&hub, "[[words 2]]").await;
        turns_ended(&hub, session, 1).await;
        sessions.push(session);
        readers.push(Reader::start(&hub, session, Habit::Stays));
        readers.push(Reader::start(&hub, session, Habit::Reloads(40 + 10 * number)));
    }
    let mut sent: Vec<Sent> = Vec::new();
    let (mut died, mut clocks) = (BTreeMap::new(), BTreeMap::new());
    for round in 0..rounds {
        has_room(&hub).await;
        let mut sending = Vec::new();
        for number in 0..EACH {
            let (id, session, mark) =
                (CommandId::from_uuid(fresh()), sessions[number % SESSIONS], format!("mark-{round}-{number}-end"));
            let body = Node::prompt(session, &format!("[[rate 2]] [[words 3]] [[say {mark}]]"));
            let ttl_ms = Some(KEPT[random(3)]);
            let command = CommandRequest { id, host: desk.device, ttl_ms, retry_of: None, body };
            sent.push(Sent { id, session, mark });
            let api = hub.api.clone();
            sending.push(tokio::spawn(async move {
                let acknowledged = api.send(&command).await.is_ok() & api.send(&command).await.is_ok();
                (command, acknowledged)
            }));
        }
        tokio::time::sleep(Duration::from_millis(random(400) as u64)).await;
        // The first rounds of a small run are those in which both die, so that each clock is wrong at least once.
        let what = if round == 0 { "both" } else { ["nothing", "node", "hub", "both", "path", "silence"][random(6)] };
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
        tokio::time::sleep(Duration::from_millis(random(400) as u64)).await;
        desk.proxy.set(Way::Cut);
        let mut skew = |who: &str| {
            let clock = if round == 0 {
                [Clock::HourAhead, Clock::HourBehind][usize::from(who == "hub")]
            } else {
                CLOCKS[random(3)]
            };
            *clocks.entry(format!("{who} {clock:?}")).or_insert(0) += 1;
            clock
        };
        if hub.running.is_none() {
            hub.world.more = skew("hub").environment();
            hub.again();
        }
        if desk.running.is_none() {
            desk.world.more = skew("node").environment();
            desk.again();
        }
        desk.proxy.set(Way::Open);
        for sending in sending {
            let (command, acknowledged) = sending.await.unwrap();
            if !acknowledged {
                hub.api.send(&command).await.unwrap();
            }
        }
        if round % 50 == 49 {
            println!("{} of {} commands were sent", sent.len(), rounds * EACH);
        }
    }
    let (mut ends, mut states) = (BTreeMap::new(), BTreeMap::new());
    for each in &sent {
        let state = until("every command has an end", Duration::from_mins(2), async || {
            let ack = hub.api.command(each.id).await.ok()?;
            ack.state.is_final().then_some(ack.state)
        })
        .await;
        *ends.entry(format!("{state:?}")).or_insert(0) += 1;
        states.insert(each.id, state);
    }
    until("every turn has ended", PATIENCE, async || {
        let sessions = known(&desk.api()).await.sessions;
        let over =
            |session: &Session| session.queued_turns == 0 && session.last_turn.is_none_or(|turn| turn.state.is_final());
        sessions.values().all(over).then_some(())
    })
    .await;
    let turns = same(&hub, &desk).await;
    let mut asked = BTreeMap::new();
    for session in &sessions {
        asked.insert(*session, prompts(&hub, *session).await);
    }
    for each in &sent {
        let times = asked[&each.session].get(&each.mark).map_or(0, BTreeSet::len);
        let most = usize::from(states[&each.id] == CommandState::Succeeded);
        assert_eq!(times, most, "{} is {:?} and stands there {times} times", each.id, states[&each.id]);
    }
    let (clients, mut loads) = (readers.len(), 0);
    let here = desk.socket();
    for reader in readers {
        let (own, end) = folded(&here, reader.session).await;
        let session = reader.session;
        let seen = reader.at(end, Duration::from_mins(1)).await;
        assert_eq!(seen.transcript, own, "a client and the host of {session}");
        loads += seen.loads;
    }
    println!(
        "{} commands, each sent at least twice, while these died: {died:?}; clocks at a start: {clocks:?}; ends: {ends:?}; each ran at most \
         once; {} journals and {turns} turn streams the same on both sides; {clients} clients, loaded {loads} times, have what the host wrote",
        sent.len(),
        sessions.len()
    );
    if let Some(why) = clock::why_not() {
        println!("{why}");
    }
}

/// Waits until the host's queue at the hub is not near its end.
async fn has_room(hub: &Hub) {
    until("the queue gets shorter", Duration::from_mins(2), async || {
        let commands = known(&hub.api).await.commands;
        let open = commands.values().filter(|command| !command.state.is_final()).count();
        (open <= OPEN).then_some(())
    })
    .await;
}

/// The prompts of a session by their marks, each with the turns that have it.
async fn prompts(hub: &Hub, session: SessionId) -> BTreeMap<String, BTreeSet<TurnId>> {
    let (_, messages) = whole(&hub.socket(), StreamPath::journal(session)).await.unwrap();
    let mut found: BTreeMap<String, BTreeSet<TurnId>> = BTreeMap::new();
    for message in &messages {
        if let Ok(SessionFact::Item { value: Some(item), .. }) = SessionFact::parse(message.as_bytes())
            && item.role == Role::User
            && let ItemContent::Text { text } = &item.content
            && let Some((_, rest)) = text.split_once("[[say ")
            && let Some((mark, _)) = rest.split_once("]]")
        {
            found.entry(mark.to_owned()).or_default().insert(item.turn);
        }
    }
    found
}

/// What the tests with clocks rest on: a process sees the clock that it was given.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_sees_the_time_of_day_that_it_was_given() {
    for clock in Clock::ALL {
        let hub = Hub::start_at(clock);
        let made = hub.api.devices().await.unwrap().devices[0].about.created_at_ms.0;
        let off = clock.shows().abs_diff(made);
        assert!(off < 60_000, "{clock:?}: {off} ms off");
    }
}
