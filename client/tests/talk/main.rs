//! Clients and a scripted hub, over paths that break.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod by_requests;
mod manners;
mod resume;
mod scripted;
