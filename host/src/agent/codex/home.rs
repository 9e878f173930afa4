//! The one process of a Codex home, and who uses it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::codec::Call;
use super::lane::Lane;
use super::switchboard::Switchboard;
use crate::agent::link::{Link, Refusal};
use crate::agent::{AgentEvent, DriveError, ProcessMark};
use crate::raw_lines::{RawLines, Way};

/// How long a process without a session is kept: people come back, and starting one costs half a second (measured). Not longer, because
/// Codex keeps a thread for itself while its process lives, and a person may want to go on in a terminal.
const LINGER: Duration = Duration::from_secs(10);

/// A running Codex process.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) link: Link<Switchboard>,
    pub(super) mark: ProcessMark,
    pub(super) version: Option<String>,
    /// Where the program is.
    pub(super) program: String,
    users: watch::Sender<usize>,
    /// It does not answer: whoever has no turn in it leaves, and nobody comes.
    pub(super) retired: CancellationToken,
}

/// Where the running process of a home is found.
pub(super) type Place = Arc<Mutex<Option<Arc<Shared>>>>;

/// What a place holds; never across an await.
pub(super) fn look(place: &Place) -> MutexGuard<'_, Option<Arc<Shared>>> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One user of a process. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) shared: Arc<Shared>,
    pub(super) number: u64,
    pub(super) lane: Arc<Lane>,
    /// Where the lines about this seat are kept.
    pub(super) record: Option<RawLines>,
}

impl Shared {
    /// Takes over a process that has answered `initialize`, and looks after it until its end.
    pub(super) fn begin(
        place: &Place,
        link: Link<Switchboard>,
        mark: ProcessMark,
        version: Option<String>,
        program: String,
        events: mpsc::Receiver<AgentEvent>,
    ) -> Seat {
        let shared = Arc::new(Self {
            link,
            mark,
            version,
            program,
            users: watch::Sender::new(0),
            retired: CancellationToken::new(),
        });
        let seat = shared.sit_down();
        *look(place) = Some(Arc::clone(&shared));
        tokio::spawn(keep(shared, Arc::clone(place), events));
        seat
    }

    /// Takes it out of its place: the next one who comes gets a fresh process. It ends when the turns in it have.
    pub(super) fn retire(self: &Arc<Self>, place: &Place) {
        forget(&mut look(place), self);
        self.retired.cancel();
    }

    fn sit_down(self: &Arc<Self>) -> Seat {
        self.users.send_modify(|users| *users += 1);
        let (number, lane) = self.link.with(Switchboard::sit_down);
        Seat { shared: Arc::clone(self), number, lane, record: None }
    }
}

/// A seat in the process that runs, if one does.
pub(super) fn join(place: &Place) -> Option<Seat> {
    let place = look(place);
    place.as_ref().filter(|shared| shared.link.is_alive()).map(Shared::sit_down)
}

/// Looks after a process: tells its sessions what was noticed, closes it when nobody has used it for a while, and forgets it when it
/// is gone.
async fn keep(shared: Arc<Shared>, place: Place, mut events: mpsc::Receiver<AgentEvent>) {
    let mut users = shared.users.subscribe();
    loop {
        tokio::select! {
            event = events.recv() => match event {
                None | Some(AgentEvent::Exited { .. }) => break,
                Some(event) => shared.link.with(|board| board.tell_all(&event)),
            },
            () = unused(&mut users) => {
                {
                    // Nobody sits down while this is decided.
                    let mut here = look(&place);
                    if *shared.users.borrow() > 0 {
                        continue;
                    }
                    forget(&mut here, &shared);
                }
                shared.link.shut().await;
                return;
            }
        }
    }
    forget(&mut look(&place), &shared);
}

fn forget(place: &mut Option<Arc<Shared>>, shared: &Arc<Shared>) {
    place.take_if(|here| Arc::ptr_eq(here, shared));
}

/// Waits until nobody has used the process for a while.
async fn unused(users: &mut watch::Receiver<usize>) {
    loop {
        let nobody = users.wait_for(|users| *users == 0).await.is_ok();
        if !nobody {
            return;
        }
        tokio::select! {
            () = sleep(LINGER) => return,
            _ = users.wait_for(|users| *users > 0) => {}
        }
    }
}

impl Seat {
    /// Keeps a line in the seat's record.
    pub(super) fn keep(&self, way: Way, line: &str) {
        if let Some(record) = &self.record {
            record.keep(way, line);
        }
    }

    /// Writes one line about this seat.
    pub(super) async fn write(&self, line: String) -> Result<(), DriveError> {
        self.keep(Way::Told, &line);
        self.shared.link.write(line).await
    }

    /// Asks Codex and waits for its answer.
    pub(super) async fn request(&self, call: &Call, limit: Duration) -> Result<Result<Value, Refusal>, DriveError> {
        let (id, line) = self.shared.link.with(|board| board.request(call));
        self.answered(id, line, limit).await
    }

    /// The same for a request that lets go of the seat's thread; `None` when another seat has it by now.
    pub(super) async fn let_go(&self, thread: &str, call: &Call, limit: Duration) -> Option<Result<(), DriveError>> {
        let asked = self.shared.link.with(|board| board.request_leaving(self.number, thread, call));
        let (id, line) = asked?;
        Some(self.answered(id, line, limit).await.map(|_| ()))
    }

    /// The same for the request that opens the seat's thread.
    pub(super) async fn open_thread(&self, call: &Call, limit: Duration) -> Result<Result<Value, Refusal>, DriveError> {
        let (id, line) = self.shared.link.with(|board| board.open_thread(self.number, call));
        self.answered(id, line, limit).await
    }

    async fn answered(&self, id: String, line: String, limit: Duration) -> Result<Result<Value, Refusal>, DriveError> {
        self.keep(Way::Told, &line);
        let answer = self.shared.link.request(id, line, limit).await;
        match &answer {
            Ok(Ok(result)) => self.keep(Way::Said, &result.to_string()),
            Ok(Err(refusal)) => self.keep(Way::Said, &refusal.message),
            Err(_) => {}
        }
        answer
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.shared.link.with(|board| board.stand_up(self.number));
        self.shared.users.send_modify(|users| *users = users.saturating_sub(1));
    }
}
