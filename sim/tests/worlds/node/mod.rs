//! A node, which is a hub and a host, with an agent that follows a script; and people who use it from other machines over a bad
//! network.

mod actor;
mod desk;
mod judge;
mod node_machine;
mod person;
mod watcher;

use std::sync::Arc;
use std::time::Duration;

use sim::{Dice, Disk, History, Pace, Places, SimClock, Weather};
use store::Odds;

use crate::seeds::{World, try_each};
use desk::Desk;
use node_machine::Machine;

const NODE: &str = "node";
const PEOPLE: usize = 3;
/// Turns that the host runs at once: fewer than there are sessions.
const TURNS: usize = 2;
/// How long things go wrong.
const STORM: Duration = Duration::from_mins(1);

#[test]
fn commands_run_once_and_everybody_sees_the_same() {
    const WORLD: World = world;
    try_each("node::commands_run_once_and_everybody_sees_the_same", WORLD);
}

fn world(seed: u64, history: &History) {
    let mut dice = Dice::new(seed, "world");
    let clock = Arc::new(SimClock::new(seed, NODE));
    let odds =
        Odds { full: *dice.one(&[0, 60]), before: *dice.one(&[0, 10]), after: *dice.one(&[0, 10]), stall: 0, read: 0 };
    let most = *dice.one(&[0, 2, 20]);
    let pace = Pace { before_ms: most, after_ms: most, read_ms: dice.within(0..2) };
    let drive = Disk::new(seed, NODE, clock.clone(), pace, odds);
    let desk = Desk::new(drive.clone(), history.clone());
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .tick_duration(Duration::from_millis(5))
        .simulation_duration(Duration::from_mins(15))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(dice.millis(5..200))
        .fail_rate(*dice.one(&[0.0, 0.0003, 0.002]))
        .repair_rate(0.05)
        .tcp_capacity(1024)
        .build();

    let machine = Machine::new(seed, drive.clone(), clock, desk.clone());
    sim.host(NODE, move || machine.clone().run());
    let mut others = Vec::new();
    for number in 0..PEOPLE {
        let who = format!("person{number}");
        sim.client(who.as_str(), person::run(number, who.clone(), seed, desk.clone()));
        others.push(who);
    }
    sim.client("watcher", watcher::run(seed, desk.clone()));
    others.push("watcher".to_owned());

    let places = Places { server: NODE, others };
    let cuts = dice.within(2..10);
    let mut weather = Weather::new(seed, places, drive, history.clone(), 3, cuts, STORM);
    let mut look_at = STORM;
    loop {
        let ended = sim.step().unwrap_or_else(|error| {
            panic!("the world did not come to its end: {error}\n{}", judge::unfinished(&desk).join("\n"))
        });
        weather.pass(&mut sim);
        if sim.elapsed() > look_at && desk.everybody_spoke() {
            look_at = sim.elapsed() + Duration::from_secs(1);
            if judge::unfinished(&desk).is_empty() && !desk.is_over() {
                history.note_at(sim.elapsed(), "world", "everything is settled");
                desk.end();
            }
        }
        if ended {
            break;
        }
    }
    judge::judge(&desk);
}
