//! What comes down is done one after the other, whichever connection it came by: a connection that is over may leave behind a command
//! that is still on its way to the disk, and what its successor says and hears has to wait for that.

use std::collections::VecDeque;

use protocol::id::CommandId;

/// Most commands that are remembered as taken back before they came: thirty times what a hub hands over before it hears.
const MOST: usize = 1_000;

/// What a node remembers of what came down. It is held while a command is taken, taken back, or all of them are named.
///
/// It lives as long as the process: with the next start there is a next connection, whose hub hears first what is here.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    /// Commands that were taken back and are not known here, the oldest first.
    recalled: VecDeque<CommandId>,
}

impl Incoming {
    /// Remembers that a command that is not known here was taken back: should it still come, then it does not run.
    pub(super) fn recall(&mut self, command: CommandId) {
        if self.is_recalled(command) {
            return;
        }
        if self.recalled.len() == MOST {
            self.recalled.pop_front();
        }
        self.recalled.push_back(command);
    }

    /// Whether a command was taken back before it came.
    pub(super) fn is_recalled(&self, command: CommandId) -> bool {
        self.recalled.contains(&command)
    }

    /// How many are remembered.
    #[cfg(test)]
    pub(super) fn recalled(&self) -> usize {
        self.recalled.len()
    }
}
