//! A connection to the hub, whichever way it goes, and what its end means.

use protocol::socket::{ClientFrame, ServerFrame};

use super::polling::Polling;
use super::web_socket::WebSocket;
use super::{Closed, Welcome};
use crate::remote::Remote;

/// Why a connection is over, or was not made.
#[derive(Debug)]
pub(super) enum Cut {
    /// The network or the hub; connect again.
    Again(String),
    /// Somebody answers, and a WebSocket is not to be had.
    Barred(String),
    /// A WebSocket is to be had again: nothing is lost, go over to it now.
    Better,
    /// Nothing that connecting again could help.
    Over(Closed),
}

/// A live connection.
pub(super) enum Wire {
    /// The usual one.
    WebSocket(WebSocket),
    /// Requests of their own, for a network that lets no WebSocket through.
    Polling(Polling),
}

impl Wire {
    /// Connects and waits for the welcome; bounded in time.
    pub(super) async fn open(remote: &Remote, client: &str, slow: bool) -> Result<(Self, Welcome), Cut> {
        if slow {
            let (wire, welcome) = Polling::open(remote).await?;
            return Ok((Self::Polling(wire), welcome));
        }
        let (wire, welcome) = WebSocket::open(remote, client).await?;
        Ok((Self::WebSocket(wire), welcome))
    }

    /// Sends a frame; bounded in time. Not cancellation safe: a dropped write leaves the connection unusable.
    pub(super) async fn send(&mut self, frame: &ClientFrame) -> Result<(), Cut> {
        match self {
            Self::WebSocket(wire) => wire.send(frame).await,
            Self::Polling(wire) => wire.send(frame),
        }
    }

    /// Reads a frame; `None` for a sign of life that is not one. Cancellation safe.
    pub(super) async fn receive(&mut self) -> Result<Option<ServerFrame>, Cut> {
        match self {
            Self::WebSocket(wire) => wire.receive().await,
            Self::Polling(wire) => wire.receive().await.map(Some),
        }
    }

    /// Says goodbye, without waiting long for an answer.
    pub(super) async fn close(self) {
        match self {
            Self::WebSocket(wire) => wire.close().await,
            // What is asked ends with it.
            Self::Polling(_) => {}
        }
    }
}
