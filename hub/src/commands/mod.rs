//! Commands: stored before they are acknowledged, started at most once, expired by the hub's own clock (rule 3).

mod answer;
mod cancel;
mod early;
#[cfg(test)]
mod early_tests;
mod edit;
mod expire;
mod order;
mod release;
#[cfg(test)]
mod retry_tests;
mod step;
mod submit;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tries_tests;
#[cfg(test)]
mod waiting_tests;

pub(crate) use early::unmark;
pub(crate) use expire::{expire, forget};
pub(crate) use step::{Step, list, release, take};
pub(crate) use submit::{kind_word, words};
