//! Streams that come and go: lives that end, forks, other streams in the place of deleted ones, compaction, and a subscription that two
//! workers serve by what its wake stream says, on a server that dies and over a network that loses what it said.

mod flipper;
mod judge;
mod ledger;
mod maker;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use sim::{Dice, Disk, History, Pace, Places, SimClock, Weather};
use store::Odds;
use streams::http::{HttpOptions, open_access, router};
use streams::{Keeper, Keeping, Reach, Streams, Subscriptions};
use tokio_util::sync::CancellationToken;

use crate::seeds::{World, try_each};
use ledger::Ledger;

const SERVER: &str = "server";
const MAKERS: usize = 2;
const WORKERS: usize = 2;
/// Until when something goes wrong.
const ROUGH: Duration = Duration::from_secs(25);

#[test]
fn what_comes_and_goes_is_told_once_it_is_there() {
    const WORLD: World = world;
    try_each("lives::what_comes_and_goes_is_told_once_it_is_there", WORLD);
}

fn world(seed: u64, history: &History) {
    let mut dice = Dice::new(seed, "world");
    let clock = Arc::new(SimClock::new(seed, SERVER));
    let odds =
        Odds { full: *dice.one(&[0, 100]), before: *dice.one(&[0, 20]), after: *dice.one(&[0, 20]), stall: 0, read: 0 };
    let most = dice.within(0..20);
    let pace = Pace { before_ms: most, after_ms: most, read_ms: dice.within(0..3) };
    let disk = Disk::new(seed, SERVER, clock.clone(), pace, odds);
    let ledger = Ledger::new(disk.clone(), history.clone());
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .simulation_duration(Duration::from_mins(10))
        // A world of minutes, in which nothing depends on a single millisecond.
        .tick_duration(Duration::from_millis(5))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(dice.millis(2..150))
        .fail_rate(*dice.one(&[0.0, 0.0005, 0.002]))
        .repair_rate(0.05)
        .tcp_capacity(256)
        .build();

    let (on_disk, served_clock) = (disk.clone(), clock);
    sim.host(SERVER, move || serve(on_disk.clone(), served_clock.clone()));
    let mut others = Vec::new();
    for number in 0..MAKERS {
        let who = format!("maker{number}");
        sim.client(who.as_str(), maker::run(who.clone(), seed, ledger.clone()));
        others.push(who);
    }
    sim.client("flipper", flipper::flip(seed, ledger.clone()));
    sim.client("stranger", flipper::append(seed, ledger.clone()));
    for number in 0..WORKERS {
        let who = format!("worker{number}");
        sim.client(who.as_str(), worker::run(who.clone(), seed, ledger.clone(), number == 0));
        others.push(who);
    }
    others.extend(["flipper", "stranger"].map(str::to_owned));

    let places = Places { server: SERVER, others };
    let mut weather = Weather::new(seed, places, disk, history.clone(), 5, dice.within(2..12), ROUGH);
    let mut looked = Duration::ZERO;
    loop {
        let ended = sim.step().unwrap_or_else(|error| panic!("{error}\n{}", judge::unsettled(&ledger)));
        if weather.pass(&mut sim) || sim.elapsed() >= looked {
            looked = sim.elapsed() + Duration::from_millis(250);
            judge::look(&ledger);
        }
        if ended {
            break;
        }
    }
    judge::judge(&ledger, sim.elapsed());
}

async fn serve(disk: Disk, clock: Arc<SimClock>) -> turmoil::Result {
    let streams = Streams::new(Arc::new(disk));
    let subscriptions = Subscriptions::open(streams.clone(), clock.clone(), &[5; 32], Reach::default()).await?;
    let (runs, stop) = (subscriptions.clone(), CancellationToken::new());
    let stopped = stop.clone();
    tokio::spawn(async move { runs.run(stopped).await });
    let keeping = Keeping { compact: vec!["e/*/k".into()], ..Keeping::default() };
    let keeper = Keeper::new(streams.clone(), clock.clone(), keeping).every(Duration::from_millis(700));
    let stopped = stop.clone();
    tokio::spawn(async move { keeper.run(stopped).await });
    let mut options = HttpOptions::new(open_access(), clock, stop);
    options.long_poll = Duration::from_secs(2);
    options.page_bytes = 2_000;
    options.subscriptions = Some(subscriptions);
    sim::serve(router(streams, options).into_service()).await
}
