//! The way to a hub: anything that gives a stream of bytes in both directions.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A stream of bytes in both directions.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// A connection that is being made.
pub type Dialing = Pin<Box<dyn Future<Output = io::Result<Box<dyn Io>>> + Send>>;

type Dial = dyn Fn(&str, u16) -> Dialing + Send + Sync;

/// Makes connections to a host name and port; cheap to clone.
#[derive(Clone)]
pub struct Dialer(Arc<Dial>);

impl Dialer {
    /// A dialer that does what the function does. The caller of the dialer bounds the wait.
    pub fn new(dial: impl Fn(&str, u16) -> Dialing + Send + Sync + 'static) -> Self {
        Self(Arc::new(dial))
    }

    /// Dials over TCP.
    pub fn tcp() -> Self {
        Self::new(|host, port| {
            let address = (host.trim_start_matches('[').trim_end_matches(']').to_owned(), port);
            Box::pin(async move {
                let stream = TcpStream::connect(address).await?;
                // Frames are small and each is complete: waiting for more only delays them.
                stream.set_nodelay(true)?;
                Ok(Box::new(stream) as Box<dyn Io>)
            })
        })
    }

    pub(crate) fn dial(&self, host: &str, port: u16) -> Dialing {
        (self.0)(host, port)
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dialer")
    }
}
