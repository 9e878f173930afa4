//! What can be typed about a node that is to run.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Subcommand};
use protocol::id::{AccountId, InvitationId};

use crate::config::Value;

#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) settings: SettingFlags,
    /// Let the first device in without asking here
    #[arg(long)]
    pub(crate) pair_once: bool,
}

/// Flags that stand before the environment and the configuration file.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SettingFlags {
    /// The data directory; it is typed before the verb.
    #[arg(skip)]
    pub(crate) data_dir: Option<PathBuf>,
    #[command(flatten)]
    listening: Listening,
    /// Also listen on this machine's private network, in plain HTTP that others there can read
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true, action = ArgAction::Set)]
    lan: Option<bool>,
    /// What people call this machine [default: its own name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// A directory to work in; may be given again [default: the current one]
    #[arg(long = "project", value_name = "DIRECTORY")]
    projects: Vec<PathBuf>,
    /// Where sessions that begin in a new project get one, or `off` [default: ~/towline]
    #[arg(long, value_name = "DIRECTORY")]
    projects_root: Option<PathBuf>,
    /// How many turns run at once [default: 5]
    #[arg(long, value_name = "COUNT")]
    turns_at_once: Option<u64>,
    /// How long an agent that has nothing to do stays loaded [default: 10m]
    #[arg(long, value_name = "TIME")]
    agent_idle: Option<String>,
    /// Let devices choose permission modes that never ask: whoever holds one can then run anything here
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true, action = ArgAction::Set)]
    allow_bypass_modes: Option<bool>,
    /// A variable of this environment that agents get, or one of them alone (`claude:NAME`); may be given again
    #[arg(long = "agent-env", value_name = "NAME")]
    agent_env: Vec<String>,
    /// One more agent, which speaks ACP on its standard streams: what to call it, and its program and arguments, separated by
    /// spaces (`gemini=gemini --acp`); may be given again
    #[arg(long = "acp-agent", value_name = "NAME=COMMAND", value_parser = acp_agent)]
    acp_agents: Vec<AcpCommand>,
    /// A hub to link this machine to; where it is not enrolled yet, a code is shown to type there; may be given again
    #[arg(long = "link", value_name = "URL")]
    links: Vec<String>,
    /// Do not open a browser
    #[arg(long)]
    no_open: bool,
}

/// Where a node listens, and by which names it is reached.
#[derive(Debug, Clone, Default, Args)]
struct Listening {
    /// The address to listen on [default: 127.0.0.1:4437, or the next free port]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// The certificate chain to listen with, in PEM; needs --tls-key and --listen
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// The key of the certificate, in PEM
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// A name that browsers open Towline by, besides its addresses (a tailnet name, the certificate's)
    #[arg(long = "host-name", value_name = "NAME")]
    host_names: Vec<String>,
    /// The address that people open, where a proxy or a name of its own leads here
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// A proxy that is believed about where requests come from; an address or a network, may be given again
    #[arg(long = "trusted-proxy", value_name = "CIDR")]
    trusted_proxies: Vec<String>,
}

impl SettingFlags {
    /// The settings that were typed, by their keys.
    pub(crate) fn said(&self) -> Vec<(&'static str, Value)> {
        let text = |path: &PathBuf| path.to_string_lossy().into_owned();
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| Value::Text(text(path)));
        let list = |list: &[String]| (!list.is_empty()).then(|| Value::List(list.to_vec()));
        let commands = || {
            let all: BTreeMap<_, _> =
                self.acp_agents.iter().map(|agent| (agent.name.clone(), agent.command.clone())).collect();
            (!all.is_empty()).then_some(Value::Commands(all))
        };
        let projects: Vec<String> = self.projects.iter().map(text).collect();
        let said = [
            ("data.directory", path(&self.data_dir)),
            ("listen.address", self.listening.listen.map(|address| Value::Text(address.to_string()))),
            ("listen.lan", self.lan.map(Value::Switch)),
            ("listen.host_names", list(&self.listening.host_names)),
            ("listen.tls_cert_file", path(&self.listening.tls_cert)),
            ("listen.tls_key_file", path(&self.listening.tls_key)),
            ("listen.public_url", self.listening.public_url.clone().map(Value::Text)),
            ("listen.trusted_proxies", list(&self.listening.trusted_proxies)),
            ("host.name", self.name.clone().map(Value::Text)),
            ("host.projects", list(&projects)),
            ("host.projects_root", path(&self.projects_root)),
            ("host.turns_at_once", self.turns_at_once.map(Value::Count)),
            ("host.agent_idle", self.agent_idle.clone().map(Value::Text)),
            ("host.bypass_modes_allowed", self.allow_bypass_modes.map(Value::Switch)),
            ("link.hubs", list(&self.links)),
            ("agents.environment", list(&self.agent_env)),
            ("agents.acp", commands()),
            ("terminal.open_browser", self.no_open.then_some(Value::Switch(false))),
        ];
        said.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Hub {
    #[command(flatten)]
    flags: HubFlags,
    #[command(subcommand)]
    pub(crate) verb: Option<HubVerb>,
}

/// Of the settings, those that a hub without a host has.
#[derive(Debug, Args)]
struct HubFlags {
    #[command(flatten)]
    listening: Listening,
    /// What people call this hub [default: the name of the machine]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

impl Hub {
    /// The settings that were typed.
    pub(crate) fn settings(&self) -> SettingFlags {
        let flags = &self.flags;
        SettingFlags { listening: flags.listening.clone(), name: flags.name.clone(), ..SettingFlags::default() }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum HubVerb {
    /// Make the link that lets the owner in; on the machine of the hub, while the owner has no device
    SetupLink,
    /// Invite somebody to have an account of their own
    Invite {
        /// What the account will be called [default: the name of its first device]
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
    /// List the invitations that nobody has used yet, or take one back
    Invitations {
        /// Take this one back
        #[arg(long, value_name = "INVITATION")]
        revoke: Option<InvitationId>,
    },
    /// List the accounts, or close one
    Accounts {
        /// Close this one for good: its devices are out at once, and all that it keeps here is deleted
        #[arg(long, value_name = "ACCOUNT")]
        close: Option<AccountId>,
        /// Do not ask
        #[arg(long, requires = "close")]
        yes: bool,
    },
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
const TAKEN: [&str; 3] = ["claude", "codex", "demo"];

impl AcpCommand {
    /// Whether an agent may be called that and started so.
    pub(crate) fn check(name: &str, command: &[String]) -> Result<(), String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > 32 || !name.chars().all(plain) {
            return Err("a name has 1 to 32 of a-z, 0-9 and `-`".to_owned());
        }
        if TAKEN.contains(&name) {
            return Err(format!("`{name}` is the name of another agent"));
        }
        if command.first().is_none_or(|program| program.trim().is_empty()) {
            return Err("the command is empty".to_owned());
        }
        Ok(())
    }
}

fn acp_agent(text: &str) -> Result<AcpCommand, String> {
    let (name, command) = text.split_once('=').ok_or("expected NAME=COMMAND, such as `gemini=gemini --acp`")?;
    let command: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
    AcpCommand::check(name, &command)?;
    Ok(AcpCommand { name: name.to_owned(), command })
}

#[derive(Debug, Args)]
pub(crate) struct Streams {
    /// Let everybody do everything; on loopback only
    #[arg(long, required_unless_present = "token_file")]
    pub(crate) open: bool,
    /// A file of bearer credentials, one in a line, each alone (it may do everything) or followed by what it may do, such as
    /// `read,append rooms/**`; a secret among the arguments could be read by every user of the machine
    #[arg(long, value_name = "FILE", conflicts_with = "open")]
    pub(crate) token_file: Option<PathBuf>,
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:4437")]
    pub(crate) listen: SocketAddr,
    /// Where to answer `GET /metrics` for Prometheus, without a credential
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// Most writes a second, of all clients together
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_writes_per_second: Option<u32>,
    /// Most bytes that one stream holds
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_stream_bytes: Option<u64>,
    /// Drop messages older than this, such as `168h`
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) retain_age: Option<Duration>,
    /// Drop the oldest messages of a stream that holds more than this
    #[arg(long, value_name = "BYTES")]
    pub(crate) retain_bytes: Option<u64>,
    /// Keep only the newest fact of each key in State Protocol streams that fit, such as `state/**`; may be given again
    #[arg(long = "compact", value_name = "PATTERN")]
    pub(crate) compact: Vec<String>,
    /// How often streams are looked at for what `--compact`, `--retain-age` and `--retain-bytes` drop
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration)]
    pub(crate) keep_every: Duration,
    /// Let webhooks reach addresses near this machine; may be given again
    #[arg(long, value_name = "WHERE")]
    pub(crate) webhooks_to: Vec<Near>,
    /// How long a long-poll waits, such as `20s` or `500ms`
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = duration)]
    pub(crate) long_poll_timeout: Duration,
}

/// Where webhooks may go besides the public internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Near {
    /// This machine, also by plain HTTP
    Loopback,
    /// Private networks, by HTTPS
    Private,
}

fn duration(text: &str) -> Result<Duration, String> {
    let time: jiff::SignedDuration =
        text.parse().map_err(|_| format!("`{text}` is not a time like `20s` or `500ms`"))?;
    Duration::try_from(time).map_err(|_| format!("`{text}` is less than nothing"))
}

/// How long a command may wait: at least a second, at most as long as the hub keeps any.
pub(super) fn keep(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    let most = Duration::from_millis(protocol::limits::MAX_COMMAND_TTL_MS);
    if time < Duration::from_secs(1) || time > most {
        return Err(format!("from one second to {} hours", most.as_secs() / 3_600));
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;

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
