//! Commands that wait for the disk, so that a slow disk does not keep the socket from being read.

use std::collections::VecDeque;
use std::pin::Pin;

use protocol::api::CommandAck;
use protocol::command::CommandRequest;
use protocol::error::Problem;
use protocol::id::CommandId;

use crate::hub::Hub;
use crate::identity::Identity;

/// Most commands of one socket that wait for the disk; the next frame is read once there is room.
pub(super) const MAX_WAITING: usize = 64;

/// What is to be done about a command.
#[derive(Debug)]
pub(super) enum Ask {
    Submit(Box<CommandRequest>),
    Cancel(CommandId),
}

type Running = Pin<Box<dyn Future<Output = (u32, Result<CommandAck, Problem>)> + Send>>;

/// The commands of one socket. One is done at a time: prompts keep the order in which they were sent, and a command is there before
/// it is taken back.
pub(super) struct Answers {
    hub: Hub,
    who: Identity,
    waiting: VecDeque<(u32, Ask)>,
    running: Option<Running>,
}

impl Answers {
    pub(super) fn new(hub: Hub, who: Identity) -> Self {
        Self { hub, who, waiting: VecDeque::new(), running: None }
    }

    /// Whether one more is taken.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < MAX_WAITING
    }

    /// Takes one more.
    pub(super) fn push(&mut self, req: u32, ask: Ask) {
        self.waiting.push_back((req, ask));
    }

    /// Waits for the next answer; for ever when nothing was asked. Cancellation safe.
    pub(super) async fn next(&mut self) -> (u32, Result<CommandAck, Problem>) {
        if self.running.is_none() {
            let Some((req, ask)) = self.waiting.pop_front() else { return std::future::pending().await };
            let (hub, who) = (self.hub.clone(), self.who.clone());
            self.running = Some(Box::pin(async move {
                let answer = match ask {
                    Ask::Submit(request) => hub.submit(&who, *request).await,
                    Ask::Cancel(command) => hub.cancel(&who, command).await,
                };
                (req, answer)
            }));
        }
        let Some(running) = &mut self.running else { return std::future::pending().await };
        let answer = running.await;
        self.running = None;
        answer
    }
}
