//! Participants of a session: other accounts of the same hub that see it, and may steer it as far as its owner lets them (W-082, W-083).
//!
//! * [`role`] is the one place that says what an account may do with a session, to read it and to send it something.
//! * [`fan_out`] tells participants what the owner is told, in the same commit; [`alone`] changes who they are while nothing else is
//!   committed, and [`shared`] is what both know in memory.
//! * [`invite`], [`join`] and [`edit`] are what people do.
//!
//! Only a hub that several people share has participants. A command of a participant is the owner's ([`crate::rows::CommandRow`]), so that
//! queues, leases and links are as they are for all; who sent it stands in it.

mod alone;
mod edit;
mod fan_out;
mod invite;
mod join;
mod role;
mod shared;
#[cfg(test)]
pub(crate) mod tests;

use protocol::error::{ErrorCode, Problem};

use crate::hub::Hub;

pub(crate) use alone::Alone;
pub(crate) use fan_out::commit;
pub(crate) use invite::lapse;
pub(crate) use role::{Sending, may};
pub(crate) use shared::Sharing;

impl Hub {
    /// Refuses whatever has to do with participants where there can be none.
    pub(crate) fn need_shared(&self) -> Result<(), Problem> {
        if self.is_shared() {
            return Ok(());
        }
        Err(Problem::new(ErrorCode::Unsupported)
            .detail("this is one person's machine")
            .hint("Participants need a hub that several people share: `towline hub`."))
    }
}
