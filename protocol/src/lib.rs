//! The words: ids, offsets, facts, commands, API bodies, error codes, limits, the hub port, and the pure state machines over
//! them. No I/O, no clock.

pub mod id;
pub mod limits;
pub mod offset;
pub mod path;
pub mod time;
