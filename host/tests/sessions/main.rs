//! A host on a fake hub with an agent of its own: queues, turns, approvals, crashes. Time is the test's.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

mod approvals;
mod background;
mod catalogue;
mod choices;
mod consent;
mod crash;
mod deletion;
mod edits;
mod files;
mod forks;
mod participants;
mod port;
mod projects;
mod puppet;
mod retries;
mod silence;
mod speech;
mod steering;
mod taken_back;
mod turns;
mod world;
