//! Durable Streams over a bad network: producers that repeat themselves, readers that come back, a server that dies.

mod judge;
mod ledger;
mod producer;
mod reader;

use std::sync::Arc;
use std::time::Duration;

use protocol::path::StreamPath;
use sim::{Dice, Disk, History, Pace, Places, SimClock, Weather};
use store::Odds;
use streams::Streams;
use streams::http::{HttpOptions, open_access, router};
use tokio_util::sync::CancellationToken;

use crate::seeds::{World, try_each};
use ledger::Ledger;

const PRODUCERS: usize = 3;
const READERS: usize = 3;
const SERVER: &str = "server";

#[test]
fn appends_are_neither_lost_nor_repeated() {
    const WORLD: World = world;
    try_each("streams::appends_are_neither_lost_nor_repeated", WORLD);
}

pub(crate) fn path() -> StreamPath {
    "public/log".parse().expect("a path")
}

fn world(seed: u64, history: &History) {
    let mut dice = Dice::new(seed, "world");
    let clock = Arc::new(SimClock::new(seed, SERVER));
    let odds =
        Odds { full: *dice.one(&[0, 100]), before: *dice.one(&[0, 50]), after: *dice.one(&[0, 50]), stall: 0, read: 0 };
    let most = dice.within(0..20);
    let pace = Pace { before_ms: most, after_ms: most, read_ms: dice.within(0..3) };
    let disk = Disk::new(seed, SERVER, clock.clone(), pace, odds);
    let ledger = Ledger::new(disk.clone(), history.clone());
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .simulation_duration(Duration::from_mins(4))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(dice.millis(2..150))
        .fail_rate(*dice.one(&[0.0, 0.0005, 0.004]))
        .repair_rate(0.05)
        .tcp_capacity(256)
        .build();

    let (on_disk, served_clock) = (disk.clone(), clock);
    sim.host(SERVER, move || {
        let streams = Streams::new(Arc::new(on_disk.clone()));
        let mut options = HttpOptions::new(open_access(), served_clock.clone(), CancellationToken::new());
        options.long_poll = Duration::from_secs(2);
        options.keep_alive = Duration::from_secs(1);
        options.sse_lifetime = Duration::from_secs(8);
        options.page_bytes = 2_000;
        sim::serve(router(streams, options).into_service())
    });
    let mut others = Vec::new();
    for number in 0..PRODUCERS {
        let who = format!("producer{number}");
        sim.client(who.as_str(), producer::run(who.clone(), seed, ledger.clone()));
        others.push(who);
    }
    sim.client("closer", producer::close(seed, ledger.clone()));
    for number in 0..READERS {
        let who = format!("reader{number}");
        sim.client(who.as_str(), reader::run(who.clone(), seed, ledger.clone()));
        others.push(who);
    }

    let places = Places { server: SERVER, others };
    let mut weather = Weather::new(seed, places, disk, history.clone(), 3, dice.within(2..10), Duration::from_secs(14));
    loop {
        let ended = sim.step().unwrap_or_else(|error| panic!("the world did not come to its end: {error}"));
        if weather.pass(&mut sim) {
            judge::remember(&ledger);
        }
        if ended {
            break;
        }
    }
    judge::judge(&ledger);
}
