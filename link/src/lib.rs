//! Joins a node's own hub to another hub. The node dials; the other hub never does.
//!
//! Up goes what the node's host says: its place in the lists, its journals and its turn streams, byte for byte and at the node's own
//! offsets. Down comes what is meant for that host: commands, and what people did at the hub. See `protocol::link` for the frames.
//!
//! [`Link::run`] keeps one connection for as long as it is let run. What it does is to be seen in [`LinkState`]. A connection consists
//! of three things that go on side by side: the line itself with its limits in time ([`line`](self)), what goes up, and what comes down.

mod book;
mod compare;
mod connection;
mod down;
mod run;
mod state;
mod up;

pub use run::{Link, Options, Way};
pub use state::{Behind, LinkState, Phase, Slow, Trouble};
