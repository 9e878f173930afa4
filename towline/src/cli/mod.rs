//! What can be typed.

mod machine;
mod node;
mod session;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use protocol::id::{DeviceId, PairingId};

pub(crate) use machine::{Config, Form};
pub(crate) use node::{AcpCommand, SettingFlags, Streams, Up};
pub(crate) use session::{Answer, Send, Tail};

/// What `--help` says after everything else.
const EXIT_CODES: &str = "\
Exit codes: 0 done · 1 it did not work out · 2 wrong arguments · 3 configuration · 4 Towline does not run · 5 denied · 70 a bug
Environment: TOWLINE_CONFIG (the configuration file), TOWLINE_DATA_DIR, TOWLINE_LOG, NO_COLOR; `towline config show` lists the others";

/// Drive the coding agents on this machine from a phone, a browser or a terminal.
#[derive(Debug, Parser)]
#[command(name = "towline", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// Where Towline keeps its data
    #[arg(long, global = true, value_name = "DIRECTORY")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print results as JSON, one object per line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Start Towline on this machine
    Up(Box<Up>),
    /// Make a code for one more device, or answer one that asks
    Pair(Pair),
    /// Send a prompt to a session, or start one
    Send(Send),
    /// Show a session as it goes on
    Tail(Tail),
    /// Answer what an agent asks
    Answer(Answer),
    /// Stop the running turn of a session
    Cancel {
        /// Which session; `last` for the newest
        session: String,
    },
    /// List the sessions
    Sessions,
    /// List the projects, or add one
    Projects {
        #[command(subcommand)]
        verb: Option<Projects>,
    },
    /// List the devices, or revoke one
    Devices {
        #[command(subcommand)]
        verb: Option<Devices>,
    },
    /// Show or change the configuration
    Config {
        #[command(subcommand)]
        verb: Config,
    },
    /// Be the demo agent (ACP on standard input and output)
    #[command(hide = true)]
    DemoAgent {
        /// Where it keeps what it remembers
        #[arg(long, value_name = "DIRECTORY")]
        state_dir: Option<PathBuf>,
    },
    /// Serve Durable Streams and nothing else
    #[command(hide = true)]
    Streams(Streams),
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Pair {
    /// Let that device in without asking, if it is the first one
    #[arg(long)]
    pub(crate) once: bool,
    #[command(subcommand)]
    pub(crate) verb: Option<PairVerb>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PairVerb {
    /// List the devices that ask
    List,
    /// Let a device in
    Allow {
        /// What `towline pair list` calls it
        pairing: PairingId,
    },
    /// Refuse a device
    Deny {
        /// What `towline pair list` calls it
        pairing: PairingId,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Projects {
    /// Add a directory
    Add {
        /// Which
        path: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Devices {
    /// Revoke a device: what it has open ends at once
    Revoke {
        /// Which
        device: DeviceId,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_make_sense() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
