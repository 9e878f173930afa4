//! Talks to a hub: API, socket, resumable follow.
//!
//! [`Api`] asks one thing at a time over HTTP. [`Socket`] keeps one WebSocket alive for as long as it is held: it connects again
//! when the path breaks, goes on with every subscription from its last offset, and sends commands again until they are
//! acknowledged, which the hub takes once. [`SessionFollow`] makes a session's transcript of both.
//!
//! Nothing here knows TCP but [`Dialer::tcp`]: whoever brings another [`Dialer`] brings another network.

mod api;
mod backoff;
mod dial;
mod error;
mod follow;
mod http;
mod line;
mod participants;
mod remote;
pub mod socket;
mod tls;

pub use api::Api;
pub use backoff::Backoff;
pub use dial::{Dialer, Dialing, Io};
pub use error::ApiError;
pub use follow::{FollowError, SessionFollow, Source, Update};
pub use line::{Line, LineError};
pub use remote::{ParseRemoteError, Remote};
pub use socket::{Mailbox, Socket};
pub use tls::{Fingerprint, ParseFingerprintError};
