//! `open`: the web UI of the running node, in a browser here.

use serde::Serialize;

use crate::env::Env;
use crate::error::CommandError;
use crate::node::Node;
use crate::output::{self, Output};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Opened {
    url: String,
    opened: bool,
}

/// Opens the address in a browser where there is a screen, and prints it.
pub(crate) async fn open(node: &Node, session: Option<&str>, env: &Env, out: Output) -> Result<(), CommandError> {
    let page = match session {
        None => String::new(),
        Some(session) => format!("s/{}", node.known().await?.session(session)?),
    };
    // Also without a session: an address that nobody answers at is not worth opening.
    node.ask(node.api.me()).await?;
    let url = format!("{}/{page}", node.file.url.trim_end_matches('/'));
    let opened = env.has_screen && out.waiting("Opening a browser", crate::up::open_browser(url.clone())).await;
    out.either(&Opened { url: url.clone(), opened }, || url.clone())?;
    if !opened && !out.json {
        output::note("There is no browser to open it with here. From another device: towline pair");
    }
    Ok(())
}
