//! What goes wrong in a world and when: crashes, partitions, held packets, drawn from the seed.

use std::collections::BTreeMap;
use std::time::Duration;

use turmoil::Sim;

use crate::dice::Dice;
use crate::disk::Disk;
use crate::history::History;

/// Who is where.
#[derive(Debug, Clone)]
pub struct Places {
    /// The machine that is crashed and restarted.
    pub server: &'static str,
    /// Machines that talk to it.
    pub others: Vec<String>,
}

/// The plan of one world. Ask it after every step of the simulation.
#[derive(Debug)]
pub struct Weather {
    places: Places,
    history: History,
    dice: Dice,
    disk: Disk,
    plan: BTreeMap<Duration, Vec<Event>>,
    down: bool,
}

#[derive(Debug, Clone)]
enum Event {
    Crash,
    Restart,
    Partition(String),
    OneWay { from: String, to: String },
    Repair(String),
    Hold(String),
    Release(String),
    Calm,
}

impl Weather {
    /// Plans `crashes` of the server and `cuts` of paths within the first `length` of the world; after that the sky is clear.
    pub fn new(
        seed: u64,
        places: Places,
        disk: Disk,
        history: History,
        crashes: u64,
        cuts: u64,
        length: Duration,
    ) -> Self {
        let mut weather =
            Self { places, history, dice: Dice::new(seed, "weather"), disk, plan: BTreeMap::new(), down: false };
        let ms = u64::try_from(length.as_millis()).expect("a world does not last so long");
        for _ in 0..crashes {
            let at = weather.dice.millis(ms / 20..ms);
            weather.at(at, Event::Crash);
        }
        for _ in 0..cuts {
            weather.cut(ms);
        }
        weather.at(length, Event::Calm);
        weather
    }

    fn cut(&mut self, ms: u64) {
        let other = self.dice.one(&self.places.others).clone();
        let server = self.places.server.to_owned();
        let begins = self.dice.millis(ms / 20..ms);
        let ends = begins + self.dice.millis(50..6_000);
        let (event, end) = match self.dice.within(0..4) {
            0 => (Event::OneWay { from: server, to: other.clone() }, Event::Repair(other)),
            1 => (Event::OneWay { from: other.clone(), to: server }, Event::Repair(other)),
            2 => (Event::Hold(other.clone()), Event::Release(other)),
            _ => (Event::Partition(other.clone()), Event::Repair(other)),
        };
        self.at(begins, event);
        self.at(ends, end);
    }

    fn at(&mut self, when: Duration, event: Event) {
        self.plan.entry(when).or_default().push(event);
    }

    /// Lets happen what is due. True when the server was just killed: what was on its disk then is worth a look.
    pub fn pass(&mut self, sim: &mut Sim<'_>) -> bool {
        let mut killed = false;
        while let Some(entry) = self.plan.first_entry().filter(|entry| *entry.key() <= sim.elapsed()) {
            for event in entry.remove() {
                killed |= self.happen(event, sim);
            }
        }
        if self.disk.is_broken() && !self.down {
            // A server whose disk failed is of no more use; whoever runs it starts it again.
            self.history.note_at(sim.elapsed(), "weather", "the disk broke");
            killed |= self.happen(Event::Crash, sim);
        }
        killed
    }

    fn happen(&mut self, event: Event, sim: &mut Sim<'_>) -> bool {
        let server = self.places.server;
        self.history.note_at(sim.elapsed(), "weather", format_args!("{event:?}"));
        match event {
            Event::Crash if self.down => return false,
            Event::Crash => {
                sim.crash(server);
                self.down = true;
                let again = sim.elapsed() + self.dice.millis(1..3_000);
                self.at(again, Event::Restart);
                return true;
            }
            Event::Restart => {
                self.disk.mend();
                sim.bounce(server);
                self.down = false;
            }
            Event::Partition(other) => sim.partition(server, other.as_str()),
            Event::OneWay { from, to } => sim.partition_oneway(from.as_str(), to.as_str()),
            Event::Repair(other) => {
                sim.repair_oneway(server, other.as_str());
                sim.repair_oneway(other.as_str(), server);
            }
            Event::Hold(other) => sim.hold(server, other.as_str()),
            Event::Release(other) => sim.release(server, other.as_str()),
            Event::Calm => {
                sim.set_fail_rate(0.0);
                self.disk.calm();
                for other in &self.places.others {
                    sim.release(server, other.as_str());
                    sim.repair(server, other.as_str());
                }
            }
        }
        false
    }
}
