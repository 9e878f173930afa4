//! The durable log and map behind one narrow port.
//!
//! A store is one log and one map that commit together. Whatever is not durable has not happened: `commit` answers after the
//! data is on disk, and readers see only what is on disk (rule 2). Everything above is written against [`Store`] and runs
//! unchanged on the memory store in a simulated world.

#[cfg(feature = "contract")]
pub mod contract;
mod draft;
#[cfg(feature = "doubles")]
mod faulty;
#[cfg(feature = "fjall")]
mod fjall;
mod keys;
#[cfg(feature = "doubles")]
mod memory;
mod paging;
mod parts;
mod port;
mod rules;
mod sqlite;

#[cfg(feature = "doubles")]
pub use faulty::{CommitFault, Faulty, Odds};
#[cfg(feature = "fjall")]
pub use fjall::{FjallError, FjallStore};
#[cfg(feature = "doubles")]
pub use memory::MemoryStore;
pub use port::*;
pub use sqlite::{CheckError, Checkup, OpenError, Pages, SqliteStore, check};
