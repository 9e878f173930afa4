//! Consent: what agents may do without asking, what people are asked, and what they are offered to allow for longer.
//!
//! An ask goes this way: what it is about becomes an [`Act`], the same for every vendor; the policy of the host and the standing
//! rules are looked up (`judge`); what they do not decide is shown to people, bound to its hash (`shown`). In every doubt a person is
//! asked. What other accounts may do in a session is decided before any of that (`participant`).

mod act;
mod judge;
mod options;
mod participant;
pub mod paths;
mod policy;
mod rules;
pub mod shell;
mod shown;

pub use act::Act;
pub use judge::{Why, explain};
pub use participant::Participants;
pub use policy::{Choice, KEYS, Mistake, Policy, PolicyKey, PolicyRule, TOOLS, parse};

pub(crate) use judge::{Judged, Verdict, judge};
pub(crate) use participant::{Forbidden, may};
pub(crate) use rules::{New, Rules};
pub(crate) use shown::{call_key, command_of, digest, hash};
