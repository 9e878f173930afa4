//! `access`: whether devices beyond this machine may come in.

use protocol::api::{Access, AccessEdit};
use protocol::host::RemoteAccess;

use crate::cli::AccessVerb;
use crate::error::CommandError;
use crate::node::Node;
use crate::output::{self, Output};

/// Shows the switch, or turns it.
pub(crate) async fn access(node: &Node, verb: Option<AccessVerb>, out: Output) -> Result<(), CommandError> {
    let set = |state| node.ask(node.api.set_access(AccessEdit { state }));
    let access = match verb {
        None | Some(AccessVerb::Status) => node.ask(node.api.access()).await?,
        Some(AccessVerb::On) => set(RemoteAccess::Active).await?,
        Some(AccessVerb::Off) => set(RemoteAccess::Disabled).await?,
    };
    out.either(&access, || shown(&access))?;
    if !out.json {
        output::note(next(&access, &node.file.public_url, &node.file.url));
    }
    Ok(())
}

fn shown(access: &Access) -> String {
    match (access.state, access.clients) {
        (RemoteAccess::Disabled, _) => "remote access: off".to_owned(),
        (RemoteAccess::Active, 0) => "remote access: on, and no device beyond this machine is connected".to_owned(),
        (RemoteAccess::Active, 1) => "remote access: on, and one device beyond this machine is connected".to_owned(),
        (RemoteAccess::Active, many) => {
            format!("remote access: on, and {many} devices beyond this machine are connected")
        }
    }
}

/// What follows from it.
fn next(access: &Access, url: &str, local_url: &str) -> &'static str {
    match access.state {
        RemoteAccess::Disabled => {
            "Devices beyond this machine are refused; what runs goes on. Switch it on again: towline access on"
        }
        RemoteAccess::Active if url == local_url => {
            "Towline listens on this machine only, so none can come. `towline up --help` says how others reach it."
        }
        RemoteAccess::Active => "Let one more in: towline pair. Cut all of them off: towline access off",
    }
}
