//! What a hub is told when it opens.

use crate::network::Network;

/// How a hub behaves. There is no `Default`: whoever opens a hub says what it wants.
#[derive(Debug, Clone)]
pub struct Options {
    /// What this node is called, for its own device; at most 120 characters.
    pub node_name: String,
    /// Its system, such as `linux x86_64`.
    pub node_platform: String,
    /// The node's Ed25519 public key, base64url without padding, where it has one.
    pub node_public_key: Option<String>,
    /// Whether a host runs in this node; commands can then be addressed to the node's device. A hub without one is a server that
    /// several people may share: its owner may invite others.
    pub host: bool,
    /// The version of Towline, for `Me` and `welcome`.
    pub version: String,
    /// Names in the `Host` header that this server answers to, without a port: `localhost`, `127.0.0.1`, `[::1]`, a tailnet name.
    /// Compared without regard to case.
    pub allowed_hosts: Vec<String>,
    /// Origins that may send requests besides the server's own, such as a development server's `http://127.0.0.1:5173`.
    pub allowed_origins: Vec<String>,
    /// Whether browsers reach this server by TLS: the cookie is then marked `Secure`.
    pub secure: bool,
    /// Proxies whose word is taken for where a request comes from and by which scheme; empty for none.
    pub trusted_proxies: Vec<Network>,
}
