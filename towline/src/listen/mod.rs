//! Where the node can be reached: which addresses are allowed, and the sockets for them.

pub(crate) mod lan;
mod plain;
pub(crate) mod policy;
mod proxied;
pub(crate) mod tls;

pub(crate) use plain::Plain;
pub(crate) use proxied::Proxied;
