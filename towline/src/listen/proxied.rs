//! A listener in plain HTTP for proxies that are named.

use std::io;
use std::net::SocketAddr;

use hub::Network;
use tokio::net::TcpStream;

use super::Plain;

/// Takes connections of the named proxies; everybody else is closed at once, before a word is read.
#[derive(Debug)]
pub(crate) struct Proxied {
    pub(crate) tcp: Plain,
    pub(crate) proxies: Vec<Network>,
}

impl hub::Listener for Proxied {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            let (stream, peer) = self.tcp.connection().await;
            if self.proxies.iter().any(|network| network.contains(peer.ip())) {
                return (stream, peer);
            }
            tracing::debug!(source = %peer.ip(), "a connection is closed: it is of no proxy that is named");
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use hub::Listener as _;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    #[tokio::test]
    async fn only_named_proxies_are_heard() {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let mut listener = Proxied { tcp: Plain(tcp), proxies: vec!["127.0.0.2".parse().unwrap()] };
        let from = async |source: &str| {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(format!("{source}:0").parse().unwrap()).unwrap();
            socket.connect(address).await.unwrap()
        };
        let mut stranger = from("127.0.0.1").await;
        let mut proxy = from("127.0.0.2").await;
        let (mut heard, peer) = listener.accept().await;
        assert_eq!(peer.ip().to_string(), "127.0.0.2");
        proxy.write_all(b"x").await.unwrap();
        assert_eq!(heard.read_u8().await.unwrap(), b'x');
        assert_eq!(stranger.read(&mut [0; 1]).await.unwrap_or(0), 0, "closed");
    }
}
