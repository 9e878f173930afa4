//! Enrolment: a code made here, used there, confirmed on the host (W-070).
//!
//! `offer → claim → answer → status`: the code is told once, used once, and worth nothing without somebody who says yes.

mod answer;
mod claim;
mod code;
mod node;
#[cfg(test)]
mod node_tests;
mod offer;
mod status;
#[cfg(test)]
mod tests;
mod tries;
mod watch;
mod words;

pub use claim::ClaimError;
pub(crate) use offer::KNOWN_AFTER_MS;
pub use status::ClaimAnswer;
pub(crate) use status::finish;
pub(crate) use tries::Tries;
pub use watch::ClaimWatch;
