//! The daemon: agents, processes, sessions, projects, the command executor.

pub mod agent;
mod catalogue;
pub mod consent;
mod context;
pub mod demo_agent;
mod executor;
mod handle;
mod journal;
mod news;
mod notes;
mod options;
pub mod process;
mod project;
pub mod raw_lines;
mod restart;
mod session;

pub use consent::Participants;
pub use handle::{Host, HostHandle, StartError};
pub use options::{Options, Reaper, Tonight};
pub use project::{PlaceError, RegisterError};
