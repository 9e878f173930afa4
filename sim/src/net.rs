//! Connections over the simulated network.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use client::{Dialer, Io};
use turmoil::net::{TcpListener, TcpStream};

/// A machine's door, for a hub to serve on.
pub struct Listener {
    inner: TcpListener,
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

impl Listener {
    /// Listens on a port of the machine on which this runs.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn bind(port: u16) -> io::Result<Self> {
        Ok(Self { inner: TcpListener::bind(("0.0.0.0", port)).await? })
    }
}

impl hub::Listener for Listener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        self.inner.accept().await.expect("the simulated network always accepts")
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

/// How a client on one of the machines reaches others.
pub fn dialer() -> Dialer {
    Dialer::new(|machine, port| {
        let machine = machine.to_owned();
        Box::pin(async move { Ok(Box::new(connect(&machine, port).await?) as Box<dyn Io>) })
    })
}

/// Connects to a machine by its name. On a network that loses packets the answer may never come: the caller bounds the wait.
///
/// # Errors
/// When the machine is there and nobody listens.
pub async fn connect(machine: &str, port: u16) -> io::Result<TcpStream> {
    TcpStream::connect((machine, port)).await
}
