//! A link that goes by requests of its own, where no WebSocket gets through; what goes over it is in [`protocol::polled`].
//!
//! * [`numbers`] knows which frames are new and which are to be kept.
//! * [`desk`] stands between the requests and the task of the connection, which is the same as that of a socket.

mod desk;
mod numbers;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::extract::ws::Utf8Bytes;
use protocol::error::{ErrorCode, Problem};
use protocol::id::ConnectionId;
use protocol::limits::{MAX_LINK_FRAME_BYTES, MAX_POLL_MS};
use protocol::link::HubFrame;
use protocol::polled::Opened;
use serde_json::value::to_raw_value;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::connection;
use super::line::Ending;
use super::wire::Wire;
use crate::hub::{Hub, lock};
use crate::identity::Identity;

pub(crate) use desk::Desk;

/// Largest body that says something, in bytes: one frame of the largest size, and what goes around it.
pub(crate) const MAX_SAID_BYTES: usize = MAX_LINK_FRAME_BYTES + 1_024;

/// The desks of all polled links that are open; as many as links may be.
#[derive(Debug, Default)]
pub(crate) struct Desks(pub(super) Mutex<HashMap<ConnectionId, Arc<Desk>>>);

/// The task's side of a desk. Dropping it ends the connection.
#[derive(Debug)]
pub(super) struct Polled {
    hub: Hub,
    connection: ConnectionId,
    desk: Arc<Desk>,
    frames: mpsc::Receiver<Utf8Bytes>,
    signs: watch::Receiver<()>,
}

impl Hub {
    /// Opens a link that goes by requests of its own.
    ///
    /// # Errors
    /// Those of a link: `forbidden`, `rate_limited`, `shutting_down`.
    pub(crate) fn open_polled(&self, who: Identity) -> Result<Opened, Problem> {
        super::only_machines(self, &who)?;
        let pass = self.admit_link(&who)?;
        let connection = ConnectionId::from_uuid(self.inner.clock.fresh());
        let (desk, frames) = Desk::new(who.device);
        let desk = Arc::new(desk);
        lock(&self.inner.desks.0).insert(connection, Arc::clone(&desk));
        let signs = desk.signs();
        let polled = Polled { hub: self.clone(), connection, desk, frames, signs };
        let hub = self.clone();
        self.tasks().spawn(async move {
            connection::serve(hub, who, Wire::Polled(polled)).await;
            drop(pass);
        });
        Ok(Opened { connection, longest_wait_ms: MAX_POLL_MS, max_bytes: MAX_SAID_BYTES })
    }

    /// The desk of a polled link.
    ///
    /// # Errors
    /// `forbidden` as when it was opened; `not_found` when it is over, was never there, or is another device's.
    pub(crate) fn desk(&self, who: &Identity, connection: ConnectionId) -> Result<Arc<Desk>, Problem> {
        super::only_machines(self, who)?;
        let desk = lock(&self.inner.desks.0).get(&connection).cloned();
        desk.filter(|desk| desk.device == who.device).ok_or_else(|| Problem::new(ErrorCode::NotFound))
    }
}

impl Polled {
    /// The next frame; `None` for a sign of life alone. Cancellation safe.
    pub(super) async fn hear(&mut self) -> Result<Option<Utf8Bytes>, Ending> {
        tokio::select! {
            // The desk, which this side holds, holds the other end of both.
            frame = self.frames.recv() => frame.map(Some).ok_or(Ending::Gone),
            _ = self.signs.changed() => Ok(None),
        }
    }

    /// Keeps a frame for the node; waits while it does not fetch what was said before.
    pub(super) async fn say(&self, frame: &HubFrame) -> Result<(), Ending> {
        let frame = to_raw_value(frame).expect("frames are plain structs with string keys");
        self.desk.put(frame).await.ok_or(Ending::Close(protocol::socket::CloseCode::ResyncRequired))
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.desk.due()
    }

    pub(super) fn probe(&self) {
        self.desk.probe();
    }

    /// Says goodbye, and waits until it was fetched.
    pub(super) async fn part(&self, last: Option<HubFrame>, code: u16) {
        let last = last.map(|frame| to_raw_value(&frame).expect("frames are plain structs with string keys"));
        self.desk.end(last, code).await;
    }
}

impl Drop for Polled {
    fn drop(&mut self) {
        lock(&self.hub.inner.desks.0).remove(&self.connection);
        self.desk.close();
    }
}
