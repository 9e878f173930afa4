//! The table of every route and what it takes to use it. A route that is not here is refused (W-073).

use http::Method;
use protocol::device::Right;

/// What a route needs of whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: anybody who can reach the server.
    Nobody,
    /// Any enrolled device; the operation itself decides what it may do.
    Device,
    /// An enrolled device with this right.
    Right(Right),
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The method; `HEAD` goes with `GET`.
    pub method: Method,
    /// The path, with its parameters in braces.
    pub path: &'static str,
    /// What it needs.
    pub need: Need,
}

const fn route(method: Method, path: &'static str, need: Need) -> Route {
    Route { method, path, need }
}

/// Every route.
pub static ROUTES: &[Route] = &[
    route(Method::GET, "/healthz", Need::Nobody),
    route(Method::GET, "/readyz", Need::Nobody),
    route(Method::POST, "/v1/pairings/claim", Need::Nobody),
    route(Method::POST, "/v1/pairings/node", Need::Nobody),
    // Needs the claim's token, which is in the body.
    route(Method::POST, "/v1/pairings/status", Need::Nobody),
    route(Method::GET, "/v1/pairings", Need::Right(Right::Manage)),
    route(Method::POST, "/v1/pairings", Need::Right(Right::Manage)),
    route(Method::POST, "/v1/pairings/accept", Need::Right(Right::Manage)),
    route(Method::POST, "/v1/pairings/{pairing}/answer", Need::Right(Right::Manage)),
    route(Method::GET, "/v1/me", Need::Right(Right::Read)),
    route(Method::GET, "/v1/lists", Need::Right(Right::Read)),
    route(Method::GET, "/v1/sessions/{session}/transcript", Need::Right(Right::Read)),
    route(Method::PATCH, "/v1/sessions/{session}", Need::Right(Right::Prompt)),
    route(Method::DELETE, "/v1/sessions/{session}", Need::Right(Right::Prompt)),
    // Who may read may say how far.
    route(Method::PUT, "/v1/sessions/{session}/read", Need::Right(Right::Read)),
    // Who shares a session is its owner, which the operation itself decides.
    route(Method::POST, "/v1/sessions/{session}/invitations", Need::Right(Right::Manage)),
    route(Method::DELETE, "/v1/sessions/{session}/invitations/{invitation}", Need::Right(Right::Manage)),
    route(Method::GET, "/v1/sessions/{session}/participants", Need::Right(Right::Read)),
    route(Method::PATCH, "/v1/sessions/{session}/participants/{account}", Need::Right(Right::Manage)),
    // Whoever takes part may leave; to take others out needs the right to manage.
    route(Method::DELETE, "/v1/sessions/{session}/participants/{account}", Need::Right(Right::Read)),
    route(Method::POST, "/v1/participants/join", Need::Right(Right::Read)),
    // Who may prompt may attach; who may read sees what was attached.
    route(Method::POST, "/v1/uploads", Need::Right(Right::Prompt)),
    route(Method::PATCH, "/v1/uploads/{upload}", Need::Right(Right::Prompt)),
    route(Method::GET, "/v1/uploads/{upload}", Need::Right(Right::Prompt)),
    route(Method::GET, "/v1/blobs/{sha256}", Need::Right(Right::Read)),
    route(Method::GET, "/v1/audit", Need::Right(Right::Manage)),
    route(Method::GET, "/v1/health", Need::Right(Right::Manage)),
    route(Method::GET, "/v1/access", Need::Right(Right::Read)),
    // And only on the machine itself.
    route(Method::PUT, "/v1/access", Need::Right(Right::Manage)),
    // And only from the node itself; what follows is the business of the hub's owner alone.
    route(Method::POST, "/v1/setup-link", Need::Right(Right::Manage)),
    route(Method::POST, "/v1/invitations", Need::Right(Right::Manage)),
    route(Method::GET, "/v1/invitations", Need::Right(Right::Manage)),
    route(Method::DELETE, "/v1/invitations/{invitation}", Need::Right(Right::Manage)),
    route(Method::GET, "/v1/accounts", Need::Right(Right::Manage)),
    route(Method::DELETE, "/v1/accounts/{account}", Need::Right(Right::Manage)),
    // Each kind of command has a right of its own.
    route(Method::POST, "/v1/commands", Need::Device),
    route(Method::GET, "/v1/commands/{command}", Need::Right(Right::Read)),
    route(Method::DELETE, "/v1/commands/{command}", Need::Right(Right::Prompt)),
    // And the right that its kind needs.
    route(Method::PATCH, "/v1/commands/{command}", Need::Right(Right::Prompt)),
    route(Method::POST, "/v1/commands/{command}/move", Need::Right(Right::Prompt)),
    // What is held is a prompt; and only its session's owner.
    route(Method::POST, "/v1/commands/{command}/release", Need::Right(Right::Prompt)),
    // Who may allow may take back what is allowed.
    route(Method::DELETE, "/v1/rules/{rule}", Need::Right(Right::Approve)),
    route(Method::GET, "/v1/devices", Need::Right(Right::Read)),
    // A device may revoke itself; for others it needs the right to manage.
    route(Method::DELETE, "/v1/devices/{device}", Need::Device),
    route(Method::POST, "/v1/logout", Need::Device),
    route(Method::GET, "/v1/connect", Need::Right(Right::Read)),
    // Only a node, which the operation itself decides.
    route(Method::GET, "/v1/link", Need::Device),
    route(Method::POST, "/v1/link/polled", Need::Device),
    route(Method::POST, "/v1/link/polled/{connection}/say", Need::Device),
    route(Method::POST, "/v1/link/polled/{connection}/hear", Need::Device),
    route(Method::GET, "/v1/stream/{*path}", Need::Right(Right::Read)),
];

/// What a path needs for a method: `Err(false)` when nothing is known of the path, `Err(true)` when another method is.
pub(super) fn need(method: &Method, path: &str) -> Result<Need, bool> {
    let asked = if *method == Method::HEAD { &Method::GET } else { method };
    let mut here = ROUTES.iter().filter(|route| route.path == path).peekable();
    let known = here.peek().is_some();
    here.find(|route| route.method == *asked).map(|route| route.need).ok_or(known)
}
