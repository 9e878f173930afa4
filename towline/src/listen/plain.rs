//! A listener in plain HTTP.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

/// Pause after the system could not accept a connection, as when there are no file descriptors left.
const PAUSE: Duration = Duration::from_millis(200);

/// A TCP listener whose connections do not wait for more before they send.
#[derive(Debug)]
pub(crate) struct Plain(pub(crate) TcpListener);

impl Plain {
    /// The next connection. Cancellation safe.
    pub(super) async fn connection(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.0.accept().await {
                Ok((stream, peer)) => {
                    // A connection that cannot be set so is only slower.
                    let _set = stream.set_nodelay(true);
                    return (stream, peer);
                }
                Err(error) => {
                    tracing::debug!(%error, "a connection was not accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

impl hub::Listener for Plain {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        self.connection().await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}
