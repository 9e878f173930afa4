//! What everybody in the world knows or believes; the judge compares it with the disk.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::FutureExt;
use protocol::command::CommandBody;
use protocol::error::ErrorCode;
use protocol::id::{AccountId, CommandId, DeviceId, ProjectId, SessionId};
use protocol::offset::Offset;
use protocol::path::StreamPath;
use sim::{Disk, History};
use store::{Direction, Message, Read, ReadError, Store};

use super::PEOPLE;

#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) disk: Disk,
    pub(crate) history: History,
    pages: Arc<Mutex<Pages>>,
}

/// What people need to begin with.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) account: AccountId,
    pub(crate) host: DeviceId,
    pub(crate) project: ProjectId,
    /// One for each person, one for the watcher.
    pub(crate) credentials: Vec<String>,
}

#[derive(Default)]
pub(crate) struct Pages {
    pub(crate) setup: Option<Setup>,
    /// Commands that were sent.
    pub(crate) sent: BTreeMap<CommandId, Sent>,
    /// Sessions whose making was acknowledged.
    pub(crate) sessions: Vec<SessionId>,
    /// Prompts that an agent got, in order; the agents' world outlives the node.
    pub(crate) handed: Vec<String>,
    /// Answers that an agent got: which life of which agent, and its request.
    pub(crate) answered: Vec<String>,
    /// Turns that agents work on now, and the most at once.
    pub(crate) working: usize,
    pub(crate) most: usize,
    /// People who have nothing more to say.
    pub(crate) spoke: usize,
    pub(crate) over: bool,
    /// What each person sees of each session at the end.
    pub(crate) copies: BTreeMap<(String, SessionId), Vec<String>>,
    /// What the watcher got of each stream.
    pub(crate) watched: BTreeMap<StreamPath, Watched>,
}

#[derive(Default)]
pub(crate) struct Watched {
    pub(crate) messages: Vec<String>,
    /// After how many messages which offset was told.
    pub(crate) marks: Vec<(usize, Offset)>,
}

pub(crate) struct Sent {
    pub(crate) body: CommandBody,
    pub(crate) outcome: Option<Result<(), ErrorCode>>,
}

impl Desk {
    pub(crate) fn new(disk: Disk, history: History) -> Self {
        Self { disk, history, pages: Arc::default() }
    }

    pub(crate) fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().expect("nobody panics with it")
    }

    pub(crate) fn everybody_spoke(&self) -> bool {
        self.pages().spoke == PEOPLE
    }

    pub(crate) fn is_over(&self) -> bool {
        self.pages().over
    }

    pub(crate) fn end(&self) {
        self.pages().over = true;
    }

    /// A stream as it is on the disk now.
    pub(crate) fn stream(&self, path: &StreamPath) -> Vec<Message> {
        let (mut messages, mut from) = (Vec::new(), None);
        loop {
            let read = Read {
                stream: path.clone(),
                from,
                walk: None,
                direction: Direction::Forwards,
                max_bytes: usize::MAX,
                max_messages: 10_000,
            };
            match self.disk.truth().read(read).now_or_never().expect("memory") {
                Ok(page) if page.messages.is_empty() => return messages,
                Ok(page) => {
                    from = Some(page.next);
                    messages.extend(page.messages);
                }
                Err(ReadError::NoStream { .. }) => return messages,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Where a stream ends on the disk now, and whether it is closed.
    pub(crate) fn tail(&self, path: &StreamPath) -> Option<(Offset, bool)> {
        let head = self.disk.truth().head(path).now_or_never().expect("memory").expect("memory");
        head.map(|head| (head.tail, head.closed))
    }
}
