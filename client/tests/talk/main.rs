//! Clients and a scripted hub, over paths that break.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod manners;
mod resume;
mod scripted;
