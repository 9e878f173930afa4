//! The way between a node and the hub: a proxy of the test, which can end connections or fall silent.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the path between a node and the hub does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// It carries.
    Open,
    /// Connections end, and none is made.
    Cut,
    /// Connections stay, and nothing comes through.
    Silent,
}

/// A path that can break.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    pub(crate) path: watch::Sender<Way>,
}

impl Proxy {
    pub(crate) async fn before(port: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let (path, _) = watch::channel(Way::Open);
        let (port, sender) = (port.parse::<u16>().unwrap(), path.clone());
        tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                tokio::spawn(carry(near, port, sender.subscribe()));
            }
        });
        Self { port: own, path }
    }

    pub(crate) fn set(&self, path: Way) {
        self.path.send_replace(path);
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

pub(crate) async fn carry(near: TcpStream, port: u16, path: watch::Receiver<Way>) {
    if *path.borrow() != Way::Open {
        return;
    }
    let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
    let mut cut = path.clone();
    tokio::select! {
        () = pipe(near_read, far_write, path.clone()) => {}
        () = pipe(far_read, near_write, path) => {}
        _ = cut.wait_for(|path| *path == Way::Cut) => {}
    }
}

pub(crate) async fn pipe(
    mut from: impl tokio::io::AsyncRead + Unpin,
    mut to: impl tokio::io::AsyncWrite + Unpin,
    mut path: watch::Receiver<Way>,
) {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let Ok(count) = from.read(&mut bytes).await else { return };
        if path.wait_for(|path| *path == Way::Open).await.is_err() || count == 0 {
            return;
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
