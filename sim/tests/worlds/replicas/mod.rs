//! Replicas over a bad network: a node that owns streams, a hub that takes them over, both of which die, and disks that are restored or
//! copied. What the hub holds is a prefix of what one of the disks holds, and only ever grows.

mod hub;
mod judge;
mod ledger;
mod node;
mod reader;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use protocol::path::StreamPath;
use sim::{Dice, Disk, History, Pace, Places, SimClock, Weather};
use store::Odds;

use crate::seeds::{World, try_each};
use ledger::{Ledger, State};

const HUB: &str = "hub";
const NODE: &str = "node";
const TWIN: &str = "twin";
/// Until when something goes wrong.
const ROUGH: Duration = Duration::from_secs(25);

#[test]
fn a_replica_is_a_prefix_of_one_history() {
    const WORLD: World = world;
    try_each("replicas::a_replica_is_a_prefix_of_one_history", WORLD);
}

/// The streams of the node.
pub(crate) fn paths() -> [StreamPath; 2] {
    ["sessions/a/journal", "sessions/b/journal"].map(|text| text.parse().expect("a path"))
}

/// What becomes of the node's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It stays what it is.
    Kept,
    /// The process dies and is started on the disk as it was a while ago.
    Restored,
    /// A second machine starts with a copy of it.
    Copied,
}

/// What happens to the node.
#[derive(Debug, Clone, Copy)]
enum Event {
    Crash { replaced: bool },
    Start,
    Remember,
    Copy,
}

fn world(seed: u64, history: &History) {
    let mut dice = Dice::new(seed, "world");
    let fate = *dice.one(&[Fate::Kept, Fate::Restored, Fate::Copied]);
    let clock = Arc::new(SimClock::new(seed, HUB));
    let odds =
        Odds { full: *dice.one(&[0, 100]), before: *dice.one(&[0, 50]), after: *dice.one(&[0, 50]), stall: 0, read: 0 };
    let most = dice.within(0..20);
    let pace = Pace { before_ms: most, after_ms: most, read_ms: dice.within(0..3) };
    let there = Disk::new(seed, HUB, clock, pace, odds);
    let blank = |machine: &str| Disk::new(seed, machine, Arc::new(SimClock::new(seed, machine)), pace, Odds::default());
    let here = Arc::new(Mutex::new(blank(NODE)));
    let twin = blank(TWIN);
    let ledger = Ledger::new(there.clone(), history.clone());
    ledger.own(NODE, here.lock().expect("nobody panics with it").clone());

    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .simulation_duration(Duration::from_mins(4))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(dice.millis(2..120))
        .fail_rate(*dice.one(&[0.0, 0.0005, 0.003]))
        .repair_rate(0.05)
        .tcp_capacity(256)
        .build();
    let on_disk = there.clone();
    sim.host(HUB, move || hub::serve(&on_disk));
    let (disk, book) = (Arc::clone(&here), ledger.clone());
    sim.host(NODE, move || {
        let disk = disk.lock().expect("nobody panics with it").clone();
        node::run(NODE, disk, seed, book.clone())
    });
    let (disk, book) = (twin.clone(), ledger.clone());
    sim.host(TWIN, move || node::run(TWIN, disk.clone(), seed, book.clone()));
    // Until the disk is copied there is no second machine.
    sim.crash(TWIN);
    sim.client("reader", reader::run(seed, ledger.clone()));

    let others = [NODE, TWIN, "reader"].map(str::to_owned).to_vec();
    let places = Places { server: HUB, others };
    let mut weather = Weather::new(seed, places, there, history.clone(), 3, dice.within(2..10), ROUGH);
    let mut plan = plan(&mut dice, fate);
    let (mut remembered, mut looked) = (None, Duration::ZERO);
    loop {
        let ended = sim.step().unwrap_or_else(|error| panic!("the world did not come to its end: {error}"));
        if weather.pass(&mut sim) || sim.elapsed() >= looked {
            looked = sim.elapsed() + Duration::from_millis(250);
            judge::look(&ledger);
        }
        while plan.last().is_some_and(|(when, _)| *when <= sim.elapsed()) {
            let Some((_, event)) = plan.pop() else { break };
            history.note_at(sim.elapsed(), "fate", format_args!("{event:?}"));
            match event {
                Event::Remember => {
                    let copy = blank(NODE);
                    ledger::copy(&here.lock().expect("nobody panics with it"), &copy);
                    remembered = Some(copy);
                }
                Event::Crash { replaced } => {
                    sim.crash(NODE);
                    ledger.set(NODE, State::Down);
                    if replaced && let Some(older) = remembered.take() {
                        ledger.parts(NODE, &older);
                        *here.lock().expect("nobody panics with it") = older;
                    }
                }
                Event::Start => sim.bounce(NODE),
                Event::Copy => {
                    ledger::copy(&here.lock().expect("nobody panics with it"), &twin);
                    ledger.own(TWIN, twin.clone());
                    sim.bounce(TWIN);
                }
            }
        }
        if ended {
            break;
        }
    }
    judge::judge(&ledger, fate == Fate::Kept);
}

/// What happens to the node and when, the last first.
fn plan(dice: &mut Dice, fate: Fate) -> Vec<(Duration, Event)> {
    let mut plan = Vec::new();
    let mut at = Duration::ZERO;
    let crashes = dice.within(1..5);
    let replaced = dice.within(0..crashes);
    for number in 0..crashes {
        at += dice.millis(300..5_000);
        let now = number == replaced;
        if now && fate == Fate::Restored {
            plan.push((at, Event::Remember));
            at += dice.millis(0..3_000);
        }
        if now && fate == Fate::Copied {
            plan.push((at, Event::Copy));
            at += dice.millis(0..3_000);
        }
        plan.push((at, Event::Crash { replaced: now && fate == Fate::Restored }));
        at += dice.millis(1..1_000);
        plan.push((at, Event::Start));
    }
    plan.reverse();
    plan
}
