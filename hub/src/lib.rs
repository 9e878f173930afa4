//! The server: accounts, devices, rights, commands, API, WebSocket, web UI.
//!
//! [`Hub`] knows who may do what and keeps it on disk; [`http::router`] is its face; [`Hub::host_port`] is what a host in the
//! same process talks to. The hub never runs an agent and never reads what people or agents wrote (rule 5).

mod access;
mod accounts;
mod audit;
mod commands;
mod credentials;
mod crowd;
mod devices;
mod failure;
mod feed;
mod health;
pub mod http;
mod hub;
mod identity;
mod keys;
mod link;
mod network;
mod open;
mod options;
mod pairing;
mod participants;
mod port;
mod random;
mod rate;
mod rows;
mod rules;
mod serve;
mod sessions;
mod socket;
mod sockets;
mod stall;
#[cfg(test)]
mod testing;
mod timer;
mod uplink;
mod uploads;
mod views;
mod web_ui;

pub use axum::serve::Listener;
pub use crowd::{Crowd, CrowdPlace};
pub use devices::NewDevice;
pub use health::Health;
pub use http::Source;
pub use hub::Hub;
pub use identity::{Identity, Via};
pub use network::{Network, ParseNetworkError};
pub use open::OpenError;
pub use options::Options;
pub use pairing::{ClaimAnswer, ClaimError, ClaimWatch};
pub use random::{Random, SystemRandom};
pub use serve::serve;
pub use sockets::SocketPass;
pub use stall::Patient;
pub use uplink::{FeedPage, OwnPage, OwnStream, Resume, RowPage, Unread, Uplink};
