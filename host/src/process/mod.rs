//! Child processes: started with a cleaned environment in a session of their own, read within bounds, and reaped with everything
//! that they started, also what leaves their process group (Claude's shell commands do) and also after our own `kill -9`.
//!
//! How a process is recognised on Linux: by descent, by a random tag in its environment, and by the session that it is in. All that lives is
//! looked at every three seconds, and what was seen once is not lost, whatever it leaves. We make ourselves the subreaper, so that
//! what an agent abandons becomes our child and not that of the system. What is missed is a process that within those three seconds
//! does all of this: cleans its environment, begins a session of its own, and loses its parent. Elsewhere the process group (the job
//! object on Windows) is ended, which misses what has left it.
//!
//! `/proc` is never read by a task: looking at a process that is stuck in the kernel can take for ever.

mod child;
mod environment;
mod lines;
mod reap;
mod tail;
#[cfg(target_os = "linux")]
mod tree_linux;
#[cfg(not(target_os = "linux"))]
mod tree_other;

#[cfg(test)]
mod tests;

pub use child::{Child, SpawnSpec};
pub use environment::{Environment, TAG_VARIABLE, fresh_tag, tag_below};
pub use lines::{Line, Lines};
pub use reap::{OrphanReaper, Unreaped, adopt_orphans, reap_marked};
pub use tail::Tail;

#[cfg(target_os = "linux")]
use tree_linux as tree;
#[cfg(not(target_os = "linux"))]
use tree_other as tree;
