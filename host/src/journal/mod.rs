//! The journal writer: what an agent says becomes facts, in few reports, each one durable before the next.

pub(crate) mod batch;
pub(crate) mod bound;
pub(crate) mod limit;
pub(crate) mod live;
pub(crate) mod pipeline;
pub(crate) mod salvage;
