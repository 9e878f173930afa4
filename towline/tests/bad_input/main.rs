//! Bad input at every door of the real program: HTTP, uploads, the socket, the command line, the configuration, agents' standard output,
//! links that were swapped, the data directory, a disk that fills while the node runs. Each
//! row of each table says what comes in and which stable code comes out; every refusal says what to do next, and after every row the node is
//! up and a session that was there before is word for word what it was.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    dead_code,
    reason = "a test starts the program, and fails when a step of it fails; it uses a part of the world"
)]

mod agent;
mod canary;
mod command_line;
mod configuration;
mod data;
mod filling;
mod http;
mod links;
mod row;
mod socket;
mod uploads;
#[path = "../world/mod.rs"]
mod world;

use row::Outcome;

type Door = (&'static str, fn() -> Vec<Outcome>);

const DOORS: [Door; 9] = [
    ("http", http::rows),
    ("socket", socket::rows),
    ("command line", command_line::rows),
    ("configuration", configuration::rows),
    ("agent", agent::rows),
    ("data directory", data::rows),
    ("uploads", uploads::rows),
    ("links", links::rows),
    ("a filling disk", filling::rows),
];
/// Fewer rows than this means that some were lost.
const FLOOR: usize = 310;

#[test]
fn every_door_refuses_what_is_bad_with_a_code_and_a_next_step_and_nothing_is_lost() {
    let told: Vec<(&str, Vec<Outcome>)> = std::thread::scope(|scope| {
        let doors = DOORS.map(|(name, rows)| (name, scope.spawn(rows)));
        doors.into_iter().map(|(name, rows)| (name, rows.join().expect("the door's table is gone through"))).collect()
    });
    let mut wrong = Vec::new();
    for (door, outcomes) in &told {
        for outcome in outcomes {
            println!("{door:<16}{outcome}");
            if !outcome.is_right() {
                wrong.push(format!("{door}: {outcome}"));
            }
        }
    }
    let counts: Vec<String> = told.iter().map(|(door, outcomes)| format!("{door} {}", outcomes.len())).collect();
    let all: usize = told.iter().map(|(_, outcomes)| outcomes.len()).sum();
    println!("bad input: {all} rows ({}), {} wrong", counts.join(", "), wrong.len());
    assert!(wrong.is_empty(), "{} of {all}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(all >= FLOOR, "{all} rows");
}
