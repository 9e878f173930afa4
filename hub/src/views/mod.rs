//! What clients open with: lists at an offset, a transcript from its end.

mod lists;
mod me;
#[cfg(test)]
mod tests;
mod transcript;

pub(crate) use lists::raw;
