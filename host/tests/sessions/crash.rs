//! The power goes at every report of a busy life, written or not; the next life must make sense of what is there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;
use std::time::Duration;

use protocol::approval::{Approval, ApprovalState};
use protocol::command::CommandState;
use protocol::id::{CommandId, SessionId};
use protocol::item::ItemContent;
use protocol::turn::TurnState;

use crate::world::World;

const SCRIPTS: [&str; 7] = ["say 6 7", "burst 9", "ask", "drop", "plain words", "die", "own"];

type Sent = Mutex<Vec<(SessionId, CommandId)>>;

/// What people do: they open several sessions, send prompts into them while agents speak, and answer every question.
#[derive(Default)]
struct People {
    sent: Sent,
    answered: Mutex<BTreeSet<protocol::id::ApprovalId>>,
}

impl People {
    const PROMPTS: usize = 14;

    fn sent(&self) -> Vec<(SessionId, CommandId)> {
        self.sent.lock().unwrap().clone()
    }

    fn send(&self, world: &World) {
        let mut sent = self.sent.lock().unwrap();
        let n = sent.len();
        let text = format!("{} {n}", SCRIPTS[n % SCRIPTS.len()]);
        if n < 3 {
            sent.push(world.open(Some(&text)));
        } else if n < Self::PROMPTS {
            let session = sent[n % 3].0;
            sent.push((session, world.prompt(session, &text)));
        }
    }

    async fn act(&self, world: &World) {
        loop {
            self.send(world);
            let pending: Vec<_> = {
                let hub = world.hub.state();
                let pending = |asked: &Approval| asked.state == ApprovalState::Pending;
                hub.approvals
                    .iter()
                    .filter(|(_, asked)| pending(asked))
                    .map(|(id, asked)| (asked.session, *id))
                    .collect()
            };
            for (session, id) in pending {
                if self.answered.lock().unwrap().insert(id) {
                    world.answer(session, id, "yes");
                }
            }
            tokio::time::sleep(Duration::from_millis(9)).await;
        }
    }
}

/// Every text that a reader has seen settled, by item.
fn settled(world: &World, sent: &[(SessionId, CommandId)]) -> HashMap<protocol::id::ItemId, ItemContent> {
    let sessions: BTreeSet<_> = sent.iter().map(|(session, _)| *session).collect();
    let mut found = HashMap::new();
    for session in sessions {
        for (id, item) in world.transcript(session).items() {
            if item.settled_at_ms.is_some() {
                found.insert(id, item.content.clone());
            }
        }
    }
    found
}

/// Runs lives one after the other, each until so many reports or, below zero, so many milliseconds; then a last one to the end.
async fn life(fuel: &[i64], written: bool) -> usize {
    let world = World::new(2);
    drop(world.start().await);
    // Twice an agent cannot be started: that is tried again, in whichever life.
    world.stage.not_now.store(2, std::sync::atomic::Ordering::SeqCst);
    let people = People::default();
    let mut before = HashMap::new();
    let mut words: HashMap<protocol::id::ItemId, String> = HashMap::new();
    for fuel in fuel {
        let (reports, time) = if *fuel < 0 { (i64::MAX, fuel.unsigned_abs()) } else { (*fuel, 120_000) };
        let port = world.port_on(reports, written, true);
        let host = tokio::select! {
            host = world.start_on(port.clone()) => Some(host),
            () = port.cut.notified() => None,
        };
        if let Some(host) = host {
            tokio::select! {
                () = port.cut.notified() => {}
                () = people.act(&world) => {}
                () = tokio::time::sleep(Duration::from_millis(time)) => {}
            }
            // The last report gets its moment to be written.
            tokio::time::sleep(Duration::from_millis(if *fuel < 0 { 0 } else { 3 })).await;
            drop(host);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for (id, content) in settled(&world, &people.sent()) {
            if let Some(known) = before.insert(id, content.clone()) {
                assert_eq!(known, content, "a settled item changed");
            }
        }
        for (session, _) in &people.sent() {
            for (id, item) in world.transcript(*session).items() {
                if let ItemContent::Text { text } = &item.content {
                    words.insert(id, text.clone());
                }
            }
        }
    }
    let host = world.start_on(world.port_on(i64::MAX, false, true)).await;
    let end = async {
        world.until("every prompt is sent", |_| people.sent().len() == People::PROMPTS).await;
        for (_, command) in &people.sent() {
            world.end(*command).await;
            world
                .until("the end of a turn", |hub| hub.turn_of(*command).is_none_or(|(_, state)| state.is_final()))
                .await;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    };
    tokio::select! {
        () = end => {}
        () = people.act(&world) => {}
    }
    let sent = people.sent();
    let reports = world.hub.state().reports;
    host.stop().await.unwrap();
    world.sound();
    let after = settled(&world, &people.sent());
    for (id, content) in &before {
        assert_eq!(after.get(id), Some(content), "a settled item was lost");
    }
    for (session, command) in &sent {
        let hub = world.hub.state();
        let stored = hub.command(*command);
        assert!(matches!(stored.state, CommandState::Succeeded | CommandState::Failed), "{stored:?}");
        let (turn, state) = hub.turn_of(*command).expect("every prompt was accepted");
        assert!(state.is_final());
        assert_eq!(hub.turns[&turn].session, *session);
        assert!(hub.streams.get(&protocol::path::StreamPath::turn(turn)).is_none_or(|stream| stream.closed));
    }
    // What was readable, half-written or not, is still there, unless the agent took it back.
    for (id, text) in words {
        let found = sent.iter().find_map(|(session, _)| {
            let transcript = world.transcript(*session);
            transcript.items().into_iter().find(|(of, _)| *of == id).map(|(_, item)| item.content.clone())
        });
        match found {
            Some(ItemContent::Text { text: after }) => assert!(after.starts_with(&text), "{after} lost {text}"),
            Some(other) => panic!("{other:?}"),
            None => assert_eq!(text, "gone"),
        }
    }
    let mut given: BTreeMap<String, usize> = BTreeMap::new();
    for prompt in world.stage.prompts.lock().unwrap().iter() {
        *given.entry(prompt.clone()).or_default() += 1;
    }
    assert!(given.values().all(|times| *times == 1), "a prompt was handed over twice: {given:?}");
    let ords: Vec<_> = sent.iter().map(|(session, _)| world.transcript(*session)).collect();
    for transcript in ords {
        let mut places: Vec<_> = transcript.items().iter().map(|(_, item)| item.ord).collect();
        let all = places.len();
        places.dedup();
        assert_eq!(places.len(), all, "two items have one place");
    }
    let notes: Vec<_> = world.hub.state().notes.keys().cloned().collect();
    let lasting = ["project/", "session/", "place/"];
    assert!(notes.iter().all(|key| lasting.iter().any(|kind| key.starts_with(kind))), "{notes:?}");
    reports
}

#[tokio::test(start_paused = true)]
async fn a_life_without_a_crash_ends_every_prompt() {
    let reports = life(&[], false).await;
    assert!(reports > 30, "{reports} reports");
}

#[tokio::test(start_paused = true)]
async fn the_power_may_go_at_any_report() {
    let reports = i64::try_from(life(&[], false).await).unwrap();
    for fuel in 0..reports {
        for written in [false, true] {
            life(&[fuel], written).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_power_may_go_again_and_again() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..25 {
        let mut fuel = Vec::new();
        for _ in 0..6 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            fuel.push(i64::try_from(seed % 120).unwrap() - 60);
        }
        life(&fuel, round % 2 == 0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_acked_prompt_runs_after_any_number_of_crashes() {
    let world = World::new(1);
    drop(world.start().await);
    let (_, command) = world.open(Some("hello"));
    for _ in 0..5 {
        let port = world.port(0, false);
        tokio::select! {
            host = world.start_on(port.clone()) => {
                port.cut.notified().await;
                drop(host);
            }
            () = port.cut.notified() => {}
        }
    }
    let host = world.start().await;
    world.turn(command, TurnState::Completed).await;
    assert_eq!(*world.stage.prompts.lock().unwrap(), ["hello"]);
    world.sound();
    host.stop().await.unwrap();
}
