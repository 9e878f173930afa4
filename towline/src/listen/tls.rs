//! A listener with TLS.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Plain;
use crate::error::{CommandError, Kind};

/// Longest time for a handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Most handshakes at once; more wait to be accepted.
const HANDSHAKES: usize = 256;
/// Most handshakes of one source at once; one more is closed at once, so that nobody takes the places of all others.
const HANDSHAKES_PER_SOURCE: usize = 32;

/// Reads a certificate chain and its key, both in PEM.
pub(crate) fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, CommandError> {
    let bad = |path: &Path, what: &str, error: anyhow::Error| {
        CommandError::new(Kind::Config, error)
            .during(format!("cannot use {} as {what}", path.display()))
            .hint("See that the file is there and that you may read it.")
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| bad(certificate, "a certificate", error.into()))?;
    if chain.is_empty() {
        return Err(bad(certificate, "a certificate", anyhow::anyhow!("there is none in it"))
            .hint("It must be PEM: -----BEGIN CERTIFICATE-----, the server's own first, then those that sign it."));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| {
        bad(key, "the key of the certificate", error.into()).hint("It must be PEM: -----BEGIN PRIVATE KEY-----.")
    })?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| CommandError::new(Kind::Bug, error))?;
    let mut config = config.with_no_client_auth().with_single_cert(chain, secret).map_err(|error| {
        bad(certificate, "a certificate", error.into())
            .hint("The key must be the one that the certificate was made for.")
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Listens with TLS. One slow handshake holds up nobody.
pub(crate) struct Tls {
    tcp: Plain,
    acceptor: TlsAcceptor,
    handshakes: JoinSet<Option<(TlsStream<TcpStream>, SocketAddr)>>,
    crowd: hub::Crowd,
}

impl Tls {
    pub(crate) fn new(tcp: Plain, acceptor: TlsAcceptor) -> Self {
        Self { tcp, acceptor, handshakes: JoinSet::new(), crowd: hub::Crowd::new(HANDSHAKES_PER_SOURCE) }
    }
}

impl hub::Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            tokio::select! {
                (stream, peer) = self.tcp.connection(), if self.handshakes.len() < HANDSHAKES => {
                    let Some(place) = self.crowd.enter(hub::Source(peer.ip())) else {
                        tracing::debug!(source = %peer.ip(), "a connection is closed: its source has too many handshakes");
                        continue;
                    };
                    let acceptor = self.acceptor.clone();
                    self.handshakes.spawn(async move {
                        let _place = place;
                        match timeout(HANDSHAKE, acceptor.accept(stream)).await {
                            Ok(Ok(stream)) => Some((stream, peer)),
                            Ok(Err(error)) => {
                                tracing::debug!(%error, %peer, "a handshake failed");
                                None
                            }
                            Err(_) => None,
                        }
                    });
                }
                Some(done) = self.handshakes.join_next() => {
                    if let Ok(Some(connection)) = done {
                        return connection;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        hub::Listener::local_addr(&self.tcp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_said_so() {
        let world = tempfile::tempdir().unwrap();
        let (missing, text) = (world.path().join("none.pem"), world.path().join("text.pem"));
        std::fs::write(&text, "not PEM").unwrap();
        for path in [&missing, &text] {
            let error = acceptor(path, path).err().unwrap();
            assert_eq!(error.kind, Kind::Config);
            assert!(format!("{:#}", error.source).contains(&path.display().to_string()));
        }
    }
}
