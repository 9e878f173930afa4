//! The words: ids, offsets, facts, commands, API bodies, error codes, limits, the hub port, and the pure state machines over
//! them. No I/O, no clock.

pub mod account;
pub mod agent_health;
pub mod agent_limits;
pub mod api;
pub mod approval;
pub mod blob;
pub mod command;
pub mod device;
pub mod error;
pub mod export;
pub mod fact;
pub mod fold;
pub mod health;
pub mod host;
pub mod id;
pub mod item;
pub mod limits;
pub mod link;
pub mod offset;
pub mod participant;
pub mod path;
pub mod polled;
pub mod port;
pub mod rule;
pub mod session;
pub mod socket;
pub mod time;
pub mod turn;
