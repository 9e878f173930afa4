//! What the layers mean: plain values with their types, for whoever acts by them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::limits::{AGENT_IDLE_MS, APPROVAL_EXPIRY_MS, DEFAULT_TURNS_AT_ONCE, QUIET_AFTER_MS, SILENCE_LIMIT_MS};

use super::layers::{Layers, Origin};
use super::value::{self, Value};
use crate::cli::AcpCommand;
use crate::env::Env;
use crate::error::{CommandError, Kind};

/// Every setting, resolved.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own in the file")]
pub(crate) struct Settings {
    /// The data directory, when somebody named it.
    pub(crate) data_dir: Option<PathBuf>,
    /// The address to listen on.
    pub(crate) listen: Option<SocketAddr>,
    /// Whether to listen on the private network too.
    pub(crate) lan: bool,
    /// The certificate chain and its key.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    /// Names that lead here.
    pub(crate) host_names: Vec<String>,
    /// The address that people open, where it is not the one that is listened on.
    pub(crate) public_url: Option<String>,
    /// Proxies that are believed.
    pub(crate) trusted_proxies: Vec<hub::Network>,
    /// What people call this machine.
    pub(crate) name: String,
    /// Directories to work in.
    pub(crate) projects: Vec<PathBuf>,
    /// Below which new projects are made; none when they are not.
    pub(crate) projects_root: Option<PathBuf>,
    /// Turns that run at once.
    pub(crate) turns_at_once: usize,
    /// How long an idle agent stays loaded.
    pub(crate) agent_idle: Duration,
    /// Whether modes that never ask may be chosen from afar.
    pub(crate) bypass_modes_allowed: bool,
    /// What is done here for participants of sessions.
    pub(crate) participants: host::Participants,
    /// The policy of this machine.
    pub(crate) policy_file: Option<PathBuf>,
    /// How long an agent waits for an answer.
    pub(crate) approval_expiry: Duration,
    /// After how long it is shown that an agent says nothing.
    pub(crate) quiet_after: Duration,
    /// How long an agent may say nothing.
    pub(crate) silence_limit: Duration,
    /// What happens here when a prompt comes from another device.
    pub(crate) remote_prompts: RemotePrompts,
    /// Hubs to link to.
    pub(crate) links: Vec<String>,
    /// Variables that agents get.
    pub(crate) agent_env: Vec<String>,
    /// Whether the lines between us and agents are kept.
    pub(crate) keep_lines: bool,
    /// More agents.
    pub(crate) acp_agents: Vec<AcpCommand>,
    /// What is logged to standard error.
    pub(crate) log: String,
    /// What is logged to the file.
    pub(crate) file_log: String,
    /// Whether the first device is let in without a question; a flag only.
    pub(crate) pair_once: bool,
    /// Whether to open a browser.
    pub(crate) open_browser: bool,
}

/// What an owner wants to happen on the machine itself when a prompt comes from another device.
#[derive(Debug, Clone)]
pub(crate) struct RemotePrompts {
    /// A notification.
    pub(crate) notify: bool,
    /// The chat in a browser.
    pub(crate) open_browser: bool,
    /// A program with its arguments; none when it is empty.
    pub(crate) command: Vec<String>,
    /// How long that program may run.
    pub(crate) command_limit: Duration,
}

impl Settings {
    /// Reads them out of the layers.
    ///
    /// # Errors
    /// For a certificate without its key, and the other way round.
    pub(crate) fn resolve(layers: &Layers, env: &Env) -> Result<Self, CommandError> {
        let read = Reading { layers, env };
        let tls = match (read.path("listen.tls_cert_file"), read.path("listen.tls_key_file")) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (certificate, _) => {
                let (there, missing) = match certificate {
                    Some(_) => ("listen.tls_cert_file", "--tls-key FILE, or `listen.tls_key_file`"),
                    None => ("listen.tls_key_file", "--tls-cert FILE, or `listen.tls_cert_file`"),
                };
                let by_flag = matches!(layers.get(there), Some((_, Origin::Flag(_))));
                let kind = if by_flag { Kind::Usage } else { Kind::Config };
                return Err(CommandError::say(
                    kind,
                    "a certificate and its key belong together, and one of them is missing",
                )
                .hint(format!("Give {missing} in the configuration.")));
            }
        };
        Ok(Self {
            data_dir: read.path("data.directory"),
            listen: read.text("listen.address").and_then(|text| text.parse().ok()),
            lan: read.switch("listen.lan", false),
            tls,
            host_names: read.list("listen.host_names"),
            public_url: read.text("listen.public_url").map(str::to_owned),
            trusted_proxies: read.list("listen.trusted_proxies").iter().filter_map(|text| text.parse().ok()).collect(),
            name: read.text("host.name").map_or_else(|| env.machine.clone(), |name| name.trim().to_owned()),
            projects: read.paths("host.projects"),
            projects_root: match read.text("host.projects_root") {
                Some("off") => None,
                Some(_) => read.path("host.projects_root"),
                // Empty directories that only the owner's own devices can ask for, where the agents may work anyway: a phone on its own
                // can begin something new, without a visit to the machine first.
                None => env.home.as_deref().map(standard_root),
            },
            turns_at_once: read.count("host.turns_at_once").unwrap_or(DEFAULT_TURNS_AT_ONCE),
            agent_idle: read
                .text("host.agent_idle")
                .and_then(value::time)
                .unwrap_or(Duration::from_millis(AGENT_IDLE_MS)),
            bypass_modes_allowed: read.switch("host.bypass_modes_allowed", false),
            participants: match read.text("host.participants") {
                Some("read_only") => host::Participants::ReadOnly,
                _ => host::Participants::Ask,
            },
            policy_file: read.path("host.policy_file").or_else(|| {
                let folder = layers.place.as_ref().and_then(|place| place.path.parent());
                folder.map(|folder| folder.join("policy.toml"))
            }),
            approval_expiry: read
                .text("host.approval_expiry")
                .and_then(value::time)
                .unwrap_or(Duration::from_millis(APPROVAL_EXPIRY_MS)),
            quiet_after: read
                .text("host.quiet_after")
                .and_then(value::time)
                .unwrap_or(Duration::from_millis(QUIET_AFTER_MS)),
            silence_limit: read
                .text("host.silence_limit")
                .and_then(value::time)
                .unwrap_or(Duration::from_millis(SILENCE_LIMIT_MS)),
            remote_prompts: RemotePrompts {
                notify: read.switch("remote_prompts.notify", false),
                open_browser: read.switch("remote_prompts.open_browser", false),
                command: read.list("remote_prompts.command"),
                command_limit: read
                    .text("remote_prompts.command_limit")
                    .and_then(value::time)
                    .unwrap_or(Duration::from_secs(30)),
            },
            links: read.list("link.hubs"),
            agent_env: read.list("agents.environment"),
            keep_lines: read.switch("agents.keep_lines", true),
            acp_agents: read.commands("agents.acp"),
            log: read.text("log.filter").unwrap_or("warn").to_owned(),
            file_log: read.text("log.file_filter").unwrap_or("info").to_owned(),
            pair_once: false,
            open_browser: read.switch("terminal.open_browser", true),
        })
    }
}

struct Reading<'a> {
    layers: &'a Layers,
    env: &'a Env,
}

impl Reading<'_> {
    fn value(&self, key: &str) -> Option<&Value> {
        self.layers.get(key).map(|(value, _)| value)
    }

    fn text(&self, key: &str) -> Option<&str> {
        match self.value(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    fn switch(&self, key: &str, usual: bool) -> bool {
        match self.value(key) {
            Some(Value::Switch(is)) => *is,
            _ => usual,
        }
    }

    fn count(&self, key: &str) -> Option<usize> {
        match self.value(key)? {
            Value::Count(count) => usize::try_from(*count).ok(),
            _ => None,
        }
    }

    fn list(&self, key: &str) -> Vec<String> {
        match self.value(key) {
            Some(Value::List(list)) => list.clone(),
            _ => Vec::new(),
        }
    }

    fn commands(&self, key: &str) -> Vec<AcpCommand> {
        match self.value(key) {
            Some(Value::Commands(all)) => {
                all.iter().map(|(name, command)| AcpCommand { name: name.clone(), command: command.clone() }).collect()
            }
            _ => Vec::new(),
        }
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        self.text(key).map(|text| self.real(key, text))
    }

    fn paths(&self, key: &str) -> Vec<PathBuf> {
        self.list(key).iter().map(|text| self.real(key, text)).collect()
    }

    /// A path as it is meant where it was written.
    fn real(&self, key: &str, text: &str) -> PathBuf {
        let home = self.env.home.as_deref();
        let path = match (text.strip_prefix('~').map(|rest| rest.trim_start_matches(['/', '\\'])), home) {
            (Some(rest), Some(home)) if text == "~" || text.starts_with("~/") || text.starts_with("~\\") => {
                home.join(rest)
            }
            _ => PathBuf::from(text),
        };
        let base: Option<&Path> = match self.layers.get(key) {
            Some((_, Origin::File(_))) => self.layers.place.as_ref().and_then(|place| place.path.parent()),
            // What is typed is read where it was typed.
            _ => None,
        };
        match base {
            Some(base) if path.is_relative() => base.join(path),
            _ => path,
        }
    }
}

/// Where new projects are made unless somebody says otherwise.
pub(crate) fn standard_root(home: &Path) -> PathBuf {
    home.join("towline")
}
