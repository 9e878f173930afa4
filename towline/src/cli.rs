//! What can be typed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use protocol::id::{ApprovalId, DeviceId, PairingId};

/// What `--help` says after everything else.
const EXIT_CODES: &str = "\
Exit codes: 0 done · 1 it did not work out · 2 wrong arguments · 3 configuration · 4 Towline does not run · 5 denied · 70 a bug
Environment: TOWLINE_DATA_DIR (the data directory), TOWLINE_LOG (what is logged to standard error; `warn`)";

/// Drive the coding agents on this machine from a phone, a browser or a terminal.
#[derive(Debug, Parser)]
#[command(name = "towline", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// Where Towline keeps its data
    #[arg(long, global = true, value_name = "DIRECTORY")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Print results as JSON, one object per line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Start Towline on this machine
    Up(Up),
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
pub(crate) struct Up {
    /// The address to listen on [default: 127.0.0.1:4437, or the next free port]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Also listen on this machine's private network, in plain HTTP that others there can read
    #[arg(long)]
    pub(crate) lan: bool,
    /// The certificate chain to listen with, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// A name that browsers open Towline by, besides its addresses (a tailnet name, the certificate's)
    #[arg(long = "host-name", value_name = "NAME")]
    pub(crate) host_names: Vec<String>,
    /// A directory to work in; may be given again [default: the current one]
    #[arg(long = "project", value_name = "DIRECTORY")]
    pub(crate) projects: Vec<PathBuf>,
    /// A variable of this environment that agents get; may be given again
    #[arg(long = "agent-env", value_name = "NAME")]
    pub(crate) agent_env: Vec<String>,
    /// One more agent, which speaks ACP on its standard streams: what to call it, and its program and arguments, separated by
    /// spaces (`gemini=gemini --acp`); may be given again
    #[arg(long = "acp-agent", value_name = "NAME=COMMAND", value_parser = acp_agent)]
    pub(crate) acp_agents: Vec<AcpCommand>,
    /// Let the first device in without asking here
    #[arg(long)]
    pub(crate) pair_once: bool,
    /// Do not open a browser
    #[arg(long)]
    pub(crate) no_open: bool,
}

/// An agent that speaks ACP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AcpCommand {
    /// What commands and people call it.
    pub(crate) name: String,
    /// The program and its arguments.
    pub(crate) command: Vec<String>,
}

/// Names that agents of our own have.
const TAKEN: [&str; 2] = ["claude", "demo"];

fn acp_agent(text: &str) -> Result<AcpCommand, String> {
    let (name, command) = text.split_once('=').ok_or("expected NAME=COMMAND, such as `gemini=gemini --acp`")?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > 32 || !name.chars().all(plain) {
        return Err("a name has 1 to 32 of a-z, 0-9 and `-`".to_owned());
    }
    if TAKEN.contains(&name) {
        return Err(format!("`{name}` is the name of another agent"));
    }
    let command: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
    if command.is_empty() {
        return Err("the command is empty".to_owned());
    }
    Ok(AcpCommand { name: name.to_owned(), command })
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

#[derive(Debug, Args)]
pub(crate) struct Send {
    /// The prompt; `-` reads it from standard input
    pub(crate) text: String,
    /// The session to send it to; `last` for the newest
    #[arg(long, conflicts_with_all = ["project", "agent", "model", "mode"])]
    pub(crate) session: Option<String>,
    /// The project of a new session, by name, path or id [default: the current directory's]
    #[arg(long)]
    pub(crate) project: Option<String>,
    /// The agent of a new session [default: the first that is ready]
    #[arg(long)]
    pub(crate) agent: Option<String>,
    /// The model of a new session [default: the agent's own]
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// The permission mode of a new session [default: the agent's own]
    #[arg(long)]
    pub(crate) mode: Option<String>,
    /// Show the answer as it comes, and end with it
    #[arg(long)]
    pub(crate) follow: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// Which session; `last` for the newest
    pub(crate) session: String,
    /// End when nothing runs and nothing waits
    #[arg(long)]
    pub(crate) until_idle: bool,
    /// Print only the transcript's canonical lines, at the end: two readers agree exactly when these are the same
    #[arg(long, conflicts_with = "json")]
    pub(crate) canonical: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Answer {
    /// Which approval
    pub(crate) approval: ApprovalId,
    /// `allow`, `deny`, or one of its options
    pub(crate) option: String,
    /// What to tell the agent
    #[arg(long)]
    pub(crate) message: Option<String>,
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

#[derive(Debug, Args)]
pub(crate) struct Streams {
    /// Let everybody do everything; on loopback only
    #[arg(long, required_unless_present = "tokens")]
    pub(crate) open: bool,
    /// A bearer credential that may do everything; may be given again
    #[arg(long = "token", value_name = "SECRET", conflicts_with = "open")]
    pub(crate) tokens: Vec<String>,
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:4437")]
    pub(crate) listen: SocketAddr,
    /// How long a long-poll waits, such as `20s` or `500ms`
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = duration)]
    pub(crate) long_poll_timeout: Duration,
}

fn duration(text: &str) -> Result<Duration, String> {
    let time: jiff::SignedDuration =
        text.parse().map_err(|_| format!("`{text}` is not a time like `20s` or `500ms`"))?;
    Duration::try_from(time).map_err(|_| format!("`{text}` is less than nothing"))
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
    fn times_are_read() {
        assert_eq!(duration("20s"), Ok(Duration::from_secs(20)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert!(duration("-1s").is_err() && duration("soon").is_err());
    }

    #[test]
    fn an_acp_agent_is_a_name_and_a_command() {
        let agent = acp_agent("gemini=gemini --acp").unwrap();
        assert_eq!((agent.name.as_str(), agent.command), ("gemini", vec!["gemini".to_owned(), "--acp".to_owned()]));
        for bad in ["gemini", "=x", "Gemini=x", "demo=x", "x= "] {
            assert!(acp_agent(bad).is_err(), "{bad}");
        }
    }
}
