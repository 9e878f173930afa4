//! What can be typed.

mod at;
mod machine;
mod node;
mod session;
mod slip;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use protocol::id::{DeviceId, PairingId, RuleId};

pub(crate) use at::{command, named as named_hub};
pub(crate) use machine::{Config, Form, Logs, Policy, PolicyTest, Service};
pub(crate) use node::{AcpCommand, Hub, HubVerb, Near, SettingFlags, Streams, Up};
pub(crate) use session::{Answer, CommandVerb, Commands, Export, ExportFormat, Send, SessionVerb, Sessions, Tail};
pub(crate) use slip::slip;

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
    /// Which hub to talk to, where it is not the one on this machine
    #[arg(skip)]
    pub(crate) hub: Option<String>,
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Start Towline on this machine
    Up(Box<Up>),
    /// Start a hub without a host, for a server that several people share, or look after one
    Hub(Box<Hub>),
    /// Open Towline, or a session, in a browser here
    Open {
        /// Which session: its title, its id, or `last` for the newest
        session: Option<String>,
    },
    /// Make a code for one more device, or answer one that asks
    Pair(Pair),
    /// Link this machine to another hub, through which it can then be reached
    Link {
        #[command(subcommand)]
        verb: LinkVerb,
    },
    /// Send a prompt to a session, or start one
    Send(Send),
    /// Show a session as it goes on
    Tail(Tail),
    /// Answer what an agent asks
    Answer(Answer),
    /// Stop the running turn of a session
    Cancel {
        /// Which session: its title, its id, or `last` for the newest
        session: String,
    },
    /// List the sessions, or share one with others
    Sessions(Sessions),
    /// Give a session another title
    Rename {
        /// Which session: its title, its id, or `last` for the newest
        session: String,
        /// What to call it
        title: String,
    },
    /// Put a session away, or take it out again
    Archive {
        /// Which session: its title, its id, or `last` for the newest
        session: String,
        /// Take it out again
        #[arg(long)]
        undo: bool,
    },
    /// Delete a session for good
    Delete {
        /// Which session: its title, its id, or `last` for the newest
        session: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Write a session as Markdown or JSON
    Export(Export),
    /// List the projects, or add one
    Projects {
        #[command(subcommand)]
        verb: Option<Projects>,
    },
    /// List the machines that run agents: how each stands, and why one is not there
    Hosts,
    /// List what was sent to the machines lately, or do something about what still waits
    Commands(Commands),
    /// List the devices, or revoke one
    Devices {
        #[command(subcommand)]
        verb: Option<Devices>,
    },
    /// List the standing rules, or revoke one
    Rules {
        #[command(subcommand)]
        verb: Option<Rules>,
    },
    /// Show the policy of this machine, or try it out
    Policy {
        #[command(subcommand)]
        verb: Policy,
    },
    /// Show or switch whether devices beyond this machine may come in
    Access {
        #[command(subcommand)]
        verb: Option<AccessVerb>,
    },
    /// List who did what from where
    Audit {
        /// How many entries, the newest first
        #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// Show what `towline up` logged
    Logs(Logs),
    /// Look at this machine, and say the next step for what is not as it should be
    Doctor,
    /// Show or change the configuration
    Config {
        #[command(subcommand)]
        verb: Config,
    },
    /// Start Towline with this machine, as a service of its user
    Service {
        #[command(subcommand)]
        verb: Service,
    },
    /// Print what a shell needs to complete what is typed
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the manual page, or write those of all verbs
    Man {
        /// Where to write a page for each verb
        #[arg(long, value_name = "DIRECTORY")]
        dir: Option<PathBuf>,
        /// As one page of Markdown
        #[arg(long, hide = true, conflicts_with = "dir")]
        markdown: bool,
    },
    /// Be the demo agent (ACP on standard input and output)
    #[command(hide = true)]
    DemoAgent {
        /// Where it keeps what it remembers
        #[arg(long, value_name = "DIRECTORY")]
        state_dir: Option<PathBuf>,
    },
    /// Serve Durable Streams and nothing else, to programs of your own
    Streams(Box<Streams>),
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
pub(crate) enum LinkVerb {
    /// Link this machine to a hub
    Add {
        /// The address of the hub, or the one that it prints for pairing
        url: String,
        /// A code that was made there; without one this terminal shows a code, which somebody there types
        #[arg(long, value_name = "XXXX-XXXX", allow_hyphen_values = true)]
        code: Option<String>,
        /// The SHA-256 of the hub's certificate, for one that it has signed itself
        #[arg(long, value_name = "HEX")]
        fingerprint: Option<client::Fingerprint>,
        /// Take plain HTTP on a private network that you trust
        #[arg(long)]
        lan: bool,
    },
    /// List the hubs that this machine is linked to, and how each link is
    #[command(visible_alias = "list")]
    Ls,
    /// Remove a link: the hub forgets this machine
    Remove {
        /// Which: its name or its address, as `towline link ls` shows them
        link: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum PairVerb {
    /// List the devices that ask
    List,
    /// Pair this command line with another hub, so that `--hub` can name it
    With {
        /// The address of the hub, or the one that it prints for pairing
        url: String,
        /// A code that was made there [default: the one in the address]
        #[arg(long, value_name = "XXXX-XXXX", allow_hyphen_values = true)]
        code: Option<String>,
        /// What this command line is called there [default: the name of this machine]
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// The SHA-256 of the hub's certificate, for one that it has signed itself
        #[arg(long, value_name = "HEX")]
        fingerprint: Option<client::Fingerprint>,
        /// Take plain HTTP on a private network that you trust
        #[arg(long)]
        lan: bool,
    },
    /// List the hubs that `--hub` can name
    Hubs {
        /// Print their names alone, for a shell that completes `--hub`
        #[arg(long, hide = true)]
        names: bool,
    },
    /// Forget a hub that this command line is paired with, and be forgotten there
    Leave {
        /// Which, as `towline pair hubs` shows it
        which: String,
    },
    /// Let a machine in that shows a code, and is to be linked to this hub
    Accept {
        /// The code that it shows
        code: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
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
pub(crate) enum Rules {
    /// List them
    #[command(visible_alias = "list")]
    Ls,
    /// Revoke a rule: from now on a person is asked again
    Revoke {
        /// Which
        rule: RuleId,
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

#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum AccessVerb {
    /// Let them in, as far as Towline listens to them at all
    On,
    /// Cut them off at once and refuse them; what runs goes on, and this machine is served as ever
    Off,
    /// Say which it is, and how many of them are connected
    Status,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_make_sense() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn a_secret_may_begin_like_a_flag() {
        for words in [
            "towline pair with http://hub.test --code -Iabc --name Bo",
            "towline link add http://hub.test --code -Iabc --lan",
            "towline sessions join -Iabc --json",
        ] {
            assert!(Cli::try_parse_from(words.split(' ')).is_ok(), "{words}");
        }
    }
}
