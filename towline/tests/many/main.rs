//! Several machines: a hub, nodes that are linked to it, and what goes wrong between them. Real processes over real sockets; the network
//! between a node and the hub is a proxy of the test, which can fall silent.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    dead_code,
    reason = "a test starts the program, and fails when a step of it fails; it uses a part of the world"
)]

mod agent;
mod blocked;
mod clock;
mod disks;
mod enrolment;
mod herd;
mod lost;
mod path;
mod presence;
mod prompts;
mod readers;
mod takers;
mod tries;
mod weather;
#[path = "../world/mod.rs"]
mod world;
mod yard;
