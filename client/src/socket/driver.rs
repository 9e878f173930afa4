//! The one task of a socket: connects, serves the connection, waits, connects again.

use std::future::pending;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use protocol::limits::{HEARTBEAT_MS, SILENCE_MS};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::book::{Ask, Book, Letters};
use super::web_socket::WebSocket;
use super::wire::{Cut, Wire};
use super::{Closed, Connection, Options, SubscriptionKey};
use crate::backoff::Backoff;
use crate::remote::Remote;

/// Longest pause before connecting again: somebody waits for what a client shows, and it is back within 10 s of its network (W-048).
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// After how many tries in a row a WebSocket that is not to be had counts as barred: once may be a hub that just starts.
const BARRED: u32 = 3;
/// How often a WebSocket is tried for while the way around is taken.
const WEB_SOCKET_AGAIN: Duration = Duration::from_mins(1);

pub(super) struct Driver {
    pub(super) remote: Remote,
    pub(super) options: Options,
    pub(super) asks: mpsc::Receiver<Ask>,
    pub(super) state: watch::Sender<Connection>,
    pub(super) stop: CancellationToken,
}

/// Subscriptions that wait for room in their mailboxes.
type Held = FuturesUnordered<BoxFuture<'static, SubscriptionKey>>;

/// Waits until half of a mailbox is free, so that a slow reader costs few subscriptions.
fn room(key: SubscriptionKey, mailbox: Letters) -> BoxFuture<'static, SubscriptionKey> {
    Box::pin(async move {
        // An error says that the reader is gone, which the book sees for itself.
        let _free = mailbox.reserve_many((mailbox.max_capacity() / 2).max(1)).await;
        key
    })
}

impl Driver {
    pub(super) async fn run(mut self) {
        let mut book = Book::default();
        let mut held = Held::new();
        let mut backoff = Backoff::new(self.options.first_pause, self.options.seed).at_most(LONGEST_PAUSE);
        // How often in a row somebody answered while a WebSocket was not to be had.
        let mut barred = 0_u32;
        let why = loop {
            self.state.send_replace(Connection::Connecting);
            let slow = barred >= BARRED;
            let attempt = {
                let opening = pin!(Wire::open(&self.remote, &self.options.client, slow));
                while_waiting(opening, &mut self.asks, &self.stop, &mut book, &mut held).await
            };
            let cut = match attempt {
                None => break Closed::Here,
                Some(Ok((wire, welcome))) => {
                    if !slow {
                        barred = 0;
                    }
                    self.state.send_replace(Connection::Live(welcome));
                    match self.live(wire, &mut book, &mut held, &mut backoff).await {
                        None => break Closed::Here,
                        Some(cut) => cut,
                    }
                }
                Some(Err(cut)) => {
                    barred = match cut {
                        Cut::Barred(_) => barred + 1,
                        // On the way around this is a hub or a network that went, not one that takes a WebSocket now.
                        _ if slow => barred,
                        _ => 0,
                    };
                    cut
                }
            };
            match cut {
                Cut::Over(why) => break why,
                Cut::Better => barred = 0,
                Cut::Again(why) | Cut::Barred(why) => {
                    let pause = backoff.pause();
                    tracing::debug!(%why, pause_ms = pause.as_millis(), "the connection is lost");
                    self.state.send_replace(Connection::Waiting { pause, why });
                    let pausing = pin!(sleep(pause));
                    if while_waiting(pausing, &mut self.asks, &self.stop, &mut book, &mut held).await.is_none() {
                        break Closed::Here;
                    }
                }
            }
        };
        self.asks.close();
        book.close(&why);
        // What was asked in the last moment.
        while let Some(ask) = self.asks.recv().await {
            if let Ask::Request { answer, .. } = ask {
                let _told = answer.send(Err(super::RequestError::Closed(why.clone())));
            }
        }
        self.state.send_replace(Connection::Closed(why));
    }

    /// Serves a connection until it is cut; `None` when the socket itself is to end.
    async fn live(&mut self, mut wire: Wire, book: &mut Book, held: &mut Held, backoff: &mut Backoff) -> Option<Cut> {
        for frame in book.connected() {
            if let Err(cut) = wire.send(&frame).await {
                return Some(cut);
            }
        }
        let silence = Duration::from_millis(SILENCE_MS);
        let mut heard = Instant::now();
        let mut said = Instant::now();
        let slow = matches!(wire, Wire::Polling(_));
        let mut trial: Option<BoxFuture<'_, bool>> = None;
        let mut try_at = Instant::now() + WEB_SOCKET_AGAIN;
        loop {
            let mut frames = Vec::new();
            let deadline = book.deadline();
            tokio::select! {
                () = self.stop.cancelled() => {
                    wire.close().await;
                    return None;
                }
                ask = self.asks.recv() => {
                    let Some(ask) = ask else {
                        wire.close().await;
                        return None;
                    };
                    frames = book.take(ask, true);
                }
                frame = wire.receive() => {
                    heard = Instant::now();
                    match frame {
                        Ok(Some(frame)) => {
                            let reaction = book.hear(frame);
                            frames = reaction.send;
                            held.extend(reaction.held.map(|(key, mailbox)| room(key, mailbox)));
                            if reaction.progress {
                                backoff.worked();
                            }
                        }
                        Ok(None) => {}
                        Err(cut) => return Some(cut),
                    }
                }
                Some(key) = held.next(), if !held.is_empty() => frames.extend(book.resume(key)),
                () = sleep_until(heard + silence) => {
                    return Some(Cut::Again(format!("nothing was heard for {} s", silence.as_secs())));
                }
                () = sleep_until(try_at), if slow && trial.is_none() => {
                    let (remote, client) = (&self.remote, &self.options.client);
                    trial = Some(Box::pin(async move { WebSocket::open(remote, client).await.is_ok() }));
                }
                found = async { if let Some(trial) = &mut trial { trial.await } else { pending().await } } => {
                    if found {
                        return Some(Cut::Better);
                    }
                    trial = None;
                    try_at = Instant::now() + WEB_SOCKET_AGAIN;
                }
                () = sleep_until(said + Duration::from_millis(HEARTBEAT_MS)) => frames.push(book.ping()),
                () = sleep_until(deadline.unwrap_or(heard + silence)), if deadline.is_some() => book.expire(Instant::now()),
            }
            for frame in frames {
                if let Err(cut) = wire.send(&frame).await {
                    return Some(cut);
                }
                said = Instant::now();
            }
        }
    }
}

/// Takes what is asked while there is no connection; `None` when the socket is to end.
async fn while_waiting<F: Future + Unpin>(
    mut until: F,
    asks: &mut mpsc::Receiver<Ask>,
    stop: &CancellationToken,
    book: &mut Book,
    held: &mut Held,
) -> Option<F::Output> {
    loop {
        let deadline = book.deadline();
        tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            done = &mut until => return Some(done),
            ask = asks.recv() => {
                book.take(ask?, false);
            }
            // Without a connection the frame goes nowhere; the next one subscribes everything anyway.
            Some(key) = held.next(), if !held.is_empty() => {
                book.resume(key);
            }
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => book.expire(Instant::now()),
        }
    }
}
