//! Connections over the simulated network.

use std::io;

use turmoil::net::TcpStream;

/// Connects to a machine by its name. On a network that loses packets the answer may never come: the caller bounds the wait.
///
/// # Errors
/// When the machine is there and nobody listens.
pub async fn connect(machine: &str, port: u16) -> io::Result<TcpStream> {
    TcpStream::connect((machine, port)).await
}
