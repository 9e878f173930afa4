//! Clients that follow sessions through a hub while it dies under them, and what they have seen in the end.

use std::time::Duration;

use client::{Api, SessionFollow, Socket};
use protocol::fact::SessionFact;
use protocol::fold::Transcript;
use protocol::id::SessionId;
use protocol::offset::Offset;
use protocol::path::StreamPath;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::yard::{Hub, whole};

/// How a client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// It stays, and finds its way back by itself.
    Stays,
    /// It is loaded anew after every so many updates, as a page is.
    Reloads(usize),
}

/// A client that follows one session.
pub(crate) struct Reader {
    pub(crate) session: SessionId,
    end: watch::Sender<Option<Offset>>,
    task: JoinHandle<Seen>,
}

/// What a client had in the end.
pub(crate) struct Seen {
    pub(crate) transcript: Vec<String>,
    /// How often it began anew.
    pub(crate) loads: usize,
}

impl Reader {
    pub(crate) fn start(hub: &Hub, session: SessionId, habit: Habit) -> Self {
        let (end, ending) = watch::channel(None);
        let task = tokio::spawn(read(hub.api.clone(), hub.socket(), session, habit, ending));
        Self { session, end, task }
    }

    /// Waits until it has read up to an offset, and gives what it has then.
    pub(crate) async fn at(self, end: Offset, limit: Duration) -> Seen {
        self.end.send_replace(Some(end));
        tokio::time::timeout(limit, self.task).await.expect("the client reads to the end").unwrap()
    }
}

async fn read(
    api: Api,
    socket: Socket,
    session: SessionId,
    habit: Habit,
    mut ending: watch::Receiver<Option<Offset>>,
) -> Seen {
    let mut loads = 0;
    loop {
        // The hub may be dead just now.
        let Ok(mut follow) = SessionFollow::open(api.clone(), &socket, session, true).await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        loads += 1;
        let mut updates = 0;
        loop {
            if ending.borrow().is_some_and(|end| follow.tail() >= end) && follow.is_idle() {
                return Seen { transcript: follow.transcript().canonical(), loads };
            }
            tokio::select! {
                update = follow.next() => {
                    updates += 1;
                    if update.is_err() || matches!(habit, Habit::Reloads(most) if updates >= most) {
                        break;
                    }
                }
                _ = ending.changed() => {}
            }
        }
    }
}

/// What a journal says, folded by whoever reads it for the first time; and where it ends.
pub(crate) async fn folded(socket: &Socket, session: SessionId) -> (Vec<String>, Offset) {
    let (end, messages) = whole(socket, StreamPath::journal(session)).await.unwrap();
    let mut transcript = Transcript::new();
    for message in &messages {
        transcript.journal(SessionFact::parse(message.as_bytes()).unwrap());
    }
    (transcript.canonical(), end.parse().unwrap())
}
