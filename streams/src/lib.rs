//! Durable Streams over any store: offsets, producers, live tails, and their HTTP face.
//!
//! [`Streams`] is the only door through which anything is appended, so that what is durable is also told to whoever follows.
//! A wake-up is a hint (rule 9): followers are sent to look, and what they see comes from the store or from a copy of its
//! newest messages that all of them share.

pub mod http;
pub mod json;
mod keep;
mod lifetime;
mod live;
pub mod pattern;
mod replica;
mod service;
mod subscription;
mod watch;

pub use keep::{KeepError, Keeper, Keeping};
pub use live::{Chunk, FollowError, Follower, Position, WakeSet};
pub use replica::{ExtendError, Extended, Extension, Replicas};
pub use service::Streams;
pub use subscription::{Reach, SubscriptionError, Subscriptions};
pub use watch::{Grown, Watch};
