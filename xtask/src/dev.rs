//! `dev`: a node in debug and the web UI's development server before it, ended together.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Result;

use crate::run::Step;
use crate::service::{self, Service};
use crate::{npm, prepare, towline};

/// Longest time for a debug build from nothing.
const BUILD: Duration = Duration::from_mins(30);
/// How long the node may take until it listens.
const START: Duration = Duration::from_secs(30);

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The port of the node; the web UI's own server says its address itself
    #[arg(long, default_value_t = 4437)]
    port: u16,
    /// Where the node keeps its data
    #[arg(long, default_value = "target/dev-data")]
    data_dir: String,
    /// Passed on to `towline up`, after `--`
    #[arg(last = true)]
    up: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    prepare::node()?;
    npm::install("web")?;
    Step::cargo(BUILD).args(["build", "--package", "towline"]).run()?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    // Services have no limit of their own: they run until Ctrl-C.
    let node = Step::new(towline::built("debug")?, Duration::MAX)
        .args(["up", "--no-open", "--listen", &address.to_string(), "--data-dir", &options.data_dir])
        .args(&options.up);
    let node = Service::start(&node)?;
    service::until_listening(address, START)?;
    let web = npm::script("web", "dev", Duration::MAX).env("TOWLINE_URL", format!("http://{address}"));
    let web = Service::start(&web)?;
    service::until_interrupted(&mut [("the node", node), ("the web UI's server", web)])
}
