//! Scenarios in simulated worlds, one process per seed.
//!
//! `cargo test -p sim` tries a few seeds of each; `SIM_SEEDS=200 cargo test -p sim --release` many. A failure names its seed
//! and how to repeat it.

mod chance;
mod lives;
mod meta;
mod node;
mod replicas;
mod seeds;
mod streams;
