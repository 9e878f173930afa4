//! A hub that says what a script tells it to, on pipes that break where a test wants them to.
use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use client::socket::Options;
use client::{Dialer, Io, Remote};
use futures_util::{SinkExt, StreamExt};
use protocol::command::{CommandRequest, CommandState};
use protocol::id::{AccountId, CommandId, DeviceId};
use protocol::offset::Offset;
use protocol::socket::{ClientFrame, EndReason, From, ServerFrame};
use protocol::time::UnixMs;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

pub(crate) fn uuid(n: u64) -> uuid::Uuid {
    uuid::Builder::from_unix_timestamp_millis(1_000 + n, &[9; 10]).into_uuid()
}

/// A stream as the hub holds it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stream {
    pub(crate) messages: Vec<String>,
    pub(crate) closed: bool,
}

impl Stream {
    /// The offset behind the first `count` messages.
    pub(crate) fn offset(&self, count: usize) -> Offset {
        Offset::new(0, self.messages[..count].iter().map(|m| m.len() as u64).sum())
    }

    fn index(&self, offset: Offset) -> usize {
        (0..=self.messages.len())
            .find(|n| self.offset(*n) == offset)
            .expect("a client asks for offsets that it was given")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Serves.
    Serves,
    /// Says welcome and nothing more, for ever.
    Silent,
    /// Closes with this code once it has been asked something.
    Closes(u16),
    /// Refuses the upgrade with this status.
    Refuses(u16),
}

/// The hub.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) streams: BTreeMap<String, Stream>,
    /// The answer to `GET …/transcript`.
    pub(crate) page: String,
    pub(crate) manner: Mutex<Manner>,
    /// Sockets that were welcomed.
    pub(crate) welcomed: AtomicUsize,
    /// Subscriptions that were released.
    pub(crate) released: AtomicUsize,
    /// Commands by id: how often each came, and its body.
    pub(crate) commands: Mutex<BTreeMap<CommandId, (usize, CommandRequest)>>,
}

impl Hub {
    pub(crate) fn new(streams: BTreeMap<String, Stream>, page: String) -> Arc<Self> {
        Arc::new(Self {
            streams,
            page,
            manner: Mutex::new(Manner::Serves),
            welcomed: AtomicUsize::new(0),
            released: AtomicUsize::new(0),
            commands: Mutex::default(),
        })
    }

    /// A way to this hub; `breaks(n)` says where the n-th connection breaks: after how many bytes read, and written.
    pub(crate) fn remote(self: &Arc<Self>, breaks: impl Fn(usize) -> (usize, usize) + Send + Sync + 'static) -> Remote {
        let (hub, dials) = (Arc::clone(self), AtomicUsize::new(0));
        let dialer = Dialer::new(move |_, _| {
            let (read_left, write_left) = breaks(dials.fetch_add(1, Ordering::SeqCst));
            let (near, far) = tokio::io::duplex(64 * 1024);
            tokio::spawn(Arc::clone(&hub).serve(far));
            Box::pin(async move { Ok(Box::new(Breaking { inner: near, read_left, write_left }) as Box<dyn Io>) })
        });
        Remote::new("http://hub.test:80", Some("twl_dev_x".to_owned()), dialer).unwrap()
    }

    /// A way to this hub that never breaks.
    pub(crate) fn whole(self: &Arc<Self>) -> Remote {
        self.remote(|_| (usize::MAX, usize::MAX))
    }

    pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(self: Arc<Self>, mut stream: S) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        if text.starts_with("GET /v1/connect ") {
            assert!(text.to_lowercase().contains("authorization: bearer twl_dev_x"), "{text}");
            let (read, write) = tokio::io::split(stream);
            let rewound = tokio::io::join(io::Cursor::new(head).chain(read), write);
            let manner = *self.manner.lock().unwrap();
            if let Manner::Refuses(status) = manner {
                let mut rewound = rewound;
                // The hub says why; of 403, here, somebody on the way has only a page.
                let code = match status {
                    401 => r#"{"code":"unauthenticated"}"#,
                    426 => r#"{"code":"upgrade_required"}"#,
                    _ => "<html>",
                };
                let answer = format!("HTTP/1.1 {status} No\r\nContent-Length: {}\r\n\r\n{code}", code.len());
                let _ = rewound.write_all(answer.as_bytes()).await;
                return;
            }
            if let Ok(socket) = tokio_tungstenite::accept_async(rewound).await {
                // A cut connection ends it; that is what the tests are about.
                let _ = self.talk(socket).await;
            }
        } else {
            let body = &self.page;
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    }

    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut socket: tokio_tungstenite::WebSocketStream<S>,
    ) -> Result<(), tokio_tungstenite::tungstenite::Error> {
        macro_rules! say {
            ($frame:expr) => {
                socket.send(Message::text(serde_json::to_string(&$frame).unwrap())).await?
            };
        }
        while let Some(message) = socket.next().await {
            let Message::Text(text) = message? else { continue };
            let manner = *self.manner.lock().unwrap();
            match serde_json::from_str::<ClientFrame>(&text).unwrap() {
                ClientFrame::Hello { .. } => {
                    self.welcomed.fetch_add(1, Ordering::SeqCst);
                    say!(ServerFrame::Welcome {
                        protocol: 1,
                        capabilities: Vec::new(),
                        account: AccountId::from_uuid(uuid(1)),
                        device: DeviceId::from_uuid(uuid(2)),
                        host: None,
                        hub_at_ms: UnixMs(1),
                        heartbeat_ms: 15_000,
                        version: "0".to_owned(),
                    });
                }
                _ if manner == Manner::Silent => {}
                _ if matches!(manner, Manner::Closes(_)) => {
                    let Manner::Closes(code) = manner else { unreachable!() };
                    socket.close(Some(CloseFrame { code: code.into(), reason: "x".into() })).await?;
                }
                ClientFrame::Subscribe { sub, stream, from } => {
                    let Some(held) = self.streams.get(stream.as_str()) else {
                        say!(ServerFrame::Ended { sub, reason: EndReason::Deleted, next: None });
                        continue;
                    };
                    let at = match from {
                        From::Start => 0,
                        From::Now => held.messages.len(),
                        From::Offset(offset) => held.index(offset),
                    };
                    let tail = held.offset(held.messages.len());
                    say!(ServerFrame::Subscribed { sub, next: held.offset(at), tail });
                    for n in at..held.messages.len() {
                        let message = RawValue::from_string(held.messages[n].clone()).unwrap();
                        let (next, up_to_date) = (held.offset(n + 1), n + 1 == held.messages.len());
                        say!(ServerFrame::Batch { sub, messages: vec![message], next, up_to_date });
                    }
                    if held.closed {
                        say!(ServerFrame::Ended { sub, reason: EndReason::Closed, next: Some(tail) });
                    }
                }
                ClientFrame::Unsubscribe { sub } => {
                    self.released.fetch_add(1, Ordering::SeqCst);
                    say!(ServerFrame::Unsubscribed { sub });
                }
                ClientFrame::Command { req, command } => {
                    let id = command.id;
                    self.commands.lock().unwrap().entry(id).or_insert((0, command)).0 += 1;
                    let (state, expires_at_ms) = (CommandState::Queued, UnixMs(9));
                    say!(ServerFrame::Ack { req, command: id, state, expires_at_ms });
                }
                ClientFrame::CancelCommand { req, command } => {
                    let (state, expires_at_ms) = (CommandState::Cancelled, UnixMs(9));
                    say!(ServerFrame::Ack { req, command, state, expires_at_ms });
                }
                ClientFrame::Ping { req } => say!(ServerFrame::Pong { req, hub_at_ms: UnixMs(5) }),
            }
        }
        Ok(())
    }
}

/// Reconnects at once, so that thousands of cuts take seconds.
pub(crate) fn options() -> Options {
    Options { client: "test/0".to_owned(), first_pause: Duration::from_micros(10), seed: 1 }
}

/// A pipe that breaks after so many bytes in either direction.
#[derive(Debug)]
struct Breaking {
    inner: tokio::io::DuplexStream,
    read_left: usize,
    write_left: usize,
}

fn broken() -> io::Error {
    io::Error::from(io::ErrorKind::ConnectionReset)
}

impl AsyncRead for Breaking {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read_left == 0 {
            return Poll::Ready(Err(broken()));
        }
        let mut space = [0; 1024];
        let most = buf.remaining().min(self.read_left).min(space.len());
        let mut part = ReadBuf::new(&mut space[..most]);
        let polled = Pin::new(&mut self.inner).poll_read(cx, &mut part);
        let read = part.filled();
        buf.put_slice(read);
        self.read_left -= read.len();
        polled
    }
}

impl AsyncWrite for Breaking {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.write_left == 0 {
            return Poll::Ready(Err(broken()));
        }
        let most = buf.len().min(self.write_left);
        let polled = Pin::new(&mut self.inner).poll_write(cx, &buf[..most]);
        if let Poll::Ready(Ok(written)) = polled {
            self.write_left -= written;
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
