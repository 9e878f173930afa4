//! The daemon: agents, processes, sessions, projects, the command executor.

pub mod agent;
pub mod process;
