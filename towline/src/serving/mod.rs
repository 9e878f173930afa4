//! What every program that serves stands on: signals, data directory, log, store and sockets, taken up in this order and laid down in
//! the other.

mod bind;
mod ground;
mod signals;

use std::net::SocketAddr;
use std::time::Duration;

use hub::{Hub, Via};

use crate::data_dir::DataDir;
use crate::error::{CommandError, Kind};

pub(crate) use bind::{Bound, Ways, bind};
pub(crate) use ground::{Ground, Role, open_store};
pub(crate) use signals::Signals;

/// Longest that requests under way may take when a node stops.
pub(crate) const REQUESTS: Duration = Duration::from_secs(2);

/// The credential of the command line: the one that is there, so that what follows a session goes on over a restart, or a new one.
pub(crate) async fn credential(hub: &Hub, dir: &DataDir) -> Result<String, CommandError> {
    if let Ok(known) = dir.token()
        && let Ok(who) = hub.authenticate(&known, Via::Bearer, "local").await
        && who.device == hub.node()
    {
        return Ok(known);
    }
    Ok(hub.node_credential().await?)
}

/// Waits for what stops in order: for `longest`, or until it is asked once more; what is left then is what a crash leaves.
pub(crate) async fn stop_in_order(longest: Duration, stopping: impl Future<Output = ()>, signals: &mut Signals) {
    tokio::select! {
        done = tokio::time::timeout(longest, stopping) => if done.is_err() {
            tracing::warn!("stopping took too long; the rest is cut");
        },
        () = signals.next() => {}
    }
}

/// An address could not be listened on.
pub(crate) fn busy(address: SocketAddr, error: std::io::Error) -> CommandError {
    let hint = if error.kind() == std::io::ErrorKind::AddrInUse {
        "Another program listens there; choose another port, or leave out --listen."
    } else {
        "Choose an address of this machine."
    };
    CommandError::new(Kind::Config, error).during(format!("cannot listen on {address}")).hint(hint)
}
