//! Where the node can be reached: which addresses are allowed, and the sockets for them.

pub(crate) mod lan;
mod plain;
pub(crate) mod policy;
pub(crate) mod tls;

pub(crate) use plain::Plain;
