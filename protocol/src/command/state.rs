//! Where a command stands, and what may become of it.

use serde::{Deserialize, Serialize};

/// Where a command stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum CommandState {
    /// Stored; waits for its host.
    Queued,
    /// The host has taken it and has not begun.
    Leased,
    /// The host has accepted it; a prompt waits for its place or for the agent.
    Running,
    /// Done: the host accepted it and the turn exists. The turn has states of its own (C-05).
    Succeeded,
    /// It could not be done.
    Failed,
    /// Its time ran out before it started; it was never run.
    Expired,
    /// Taken back before it started.
    Cancelled,
    /// The host vanished after the start and has not come back to say.
    Indeterminate,
}

impl CommandState {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Leased,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Expired,
        Self::Cancelled,
        Self::Indeterminate,
    ];

    /// Whether the command has ended.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Expired | Self::Cancelled)
    }

    /// Whether a hub that mirrors a node's word may go from this state to that one: the node may have taken several steps since it was
    /// last heard of.
    pub const fn may_be_told(self, next: Self) -> bool {
        match self {
            Self::Leased | Self::Running | Self::Indeterminate => match next {
                Self::Queued | Self::Leased | Self::Indeterminate => false,
                Self::Running => !matches!(self, Self::Running),
                Self::Succeeded | Self::Failed | Self::Expired | Self::Cancelled => true,
            },
            Self::Queued | Self::Succeeded | Self::Failed | Self::Expired | Self::Cancelled => false,
        }
    }

    /// Whether a command may go from this state to that one: exactly the edges of the vocabulary.
    pub const fn may_become(self, next: Self) -> bool {
        match self {
            Self::Queued => matches!(next, Self::Leased | Self::Failed | Self::Expired | Self::Cancelled),
            // A lease that ran out goes back to the queue; a host that stopped gives it back (W-003, W-020e). Nobody knows what became
            // of one that was handed to a node which then vanished for longer than the command lives.
            Self::Leased => matches!(
                next,
                Self::Queued | Self::Running | Self::Failed | Self::Expired | Self::Cancelled | Self::Indeterminate
            ),
            Self::Running => matches!(next, Self::Succeeded | Self::Failed | Self::Cancelled | Self::Indeterminate),
            Self::Indeterminate => matches!(next, Self::Succeeded | Self::Failed | Self::Cancelled | Self::Expired),
            Self::Succeeded | Self::Failed | Self::Expired | Self::Cancelled => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_states_have_no_way_out_and_every_other_state_has_one() {
        for from in CommandState::ALL {
            let exits = CommandState::ALL.into_iter().filter(|to| from.may_become(*to)).count();
            assert_eq!(exits == 0, from.is_final(), "{from:?}");
            assert!(!from.may_become(from), "{from:?}");
        }
    }
}
