//! `open`: the web UI of the running node, in a browser here.

use serde::Serialize;

use crate::env::Env;
use crate::error::CommandError;
use crate::node::Node;
use crate::output::{self, Output};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "`opened` is what --json has called it since the first version")]
struct Opened {
    url: String,
    opened: bool,
    /// The machine that the session runs on, where there are several.
    machine: Option<String>,
}

/// Opens the address in a browser where there is a screen, and prints it.
pub(crate) async fn open(node: &Node, session: Option<&str>, env: &Env, out: Output) -> Result<(), CommandError> {
    let (page, machine) = match session {
        None => (String::new(), None),
        Some(session) => {
            let known = node.known().await?;
            let session = known.session(session)?;
            let host = known.sessions.get(&session).filter(|_| known.hosts.len() > 1).map(|session| session.host);
            (format!("s/{session}"), host.map(|host| known.called(host)))
        }
    };
    // Also without a session: an address that nobody answers at is not worth opening.
    node.ask(node.api.me()).await?;
    let url = format!("{}/{page}", node.file.url.trim_end_matches('/'));
    let opened = env.has_screen && out.waiting("Opening a browser", crate::up::open_browser(url.clone())).await;
    out.either(&Opened { url: url.clone(), opened, machine: machine.clone() }, || url.clone())?;
    if let Some(machine) = machine.filter(|_| !out.json) {
        output::note(format!("It runs on {machine}."));
    }
    if !opened && !out.json {
        output::note("There is no browser to open it with here. From another device: towline pair");
    }
    Ok(())
}
