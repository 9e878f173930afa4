//! Every setting, defined once: the file, the environment, the flags, `towline config show`, the reference page, the schema and the
//! example are all made from this table.

/// What a value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `true` or `false`.
    Switch,
    /// A whole number from the first to the last.
    Count(u64, u64),
    /// A time like `10m`, from the first to the last in milliseconds.
    Time(u64, u64),
    /// `ADDRESS:PORT`.
    Address,
    /// A name of at most so many characters.
    Name(usize),
    /// One of these words.
    Word(&'static [&'static str]),
    /// What is logged, as tracing's filters.
    Filter,
    /// A file or directory; `~/` is the home directory, and what is relative is so to the configuration file.
    Path,
    /// Several paths.
    Paths,
    /// Names of hosts, as browsers write them.
    HostNames,
    /// A scheme and an authority.
    Origin,
    /// Addresses, alone or as networks.
    Networks,
    /// Addresses of hubs.
    Hubs,
    /// Names of environment variables.
    Variables,
    /// A program and its arguments.
    Command,
    /// Programs by the name that commands call them.
    Commands,
}

/// A setting.
#[derive(Debug)]
pub(crate) struct Key {
    /// The table of the file that it stands in.
    pub(crate) section: &'static str,
    /// What it is called there.
    pub(crate) name: &'static str,
    /// What it may be.
    pub(crate) shape: Shape,
    /// The environment variable that says it.
    pub(crate) variable: Option<&'static str>,
    /// The flag that says it.
    pub(crate) flag: Option<&'static str>,
    /// What it is when nobody says; TOML, or words in brackets.
    pub(crate) default: &'static str,
    /// A value to show in the example; TOML.
    pub(crate) example: &'static str,
    /// What it does, in one sentence or two, as Markdown.
    pub(crate) about: &'static str,
}

impl Key {
    /// The key with its table, as it is shown: `listen.address`.
    pub(crate) fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }
}

/// The tables of the file, and what they are for.
pub(crate) const SECTIONS: &[(&str, &str)] = &[
    ("data", "Where Towline keeps what it remembers."),
    ("listen", "Who can reach this machine, and how."),
    ("host", "What runs here."),
    (
        "remote_prompts",
        "What happens on this machine when a prompt comes from another device. Nothing, unless it is said here; it cannot be said from afar.",
    ),
    ("link", "Through which other hubs this machine can be reached."),
    ("agents", "Which agents there are, and what they are given."),
    ("log", "What is written about what happens; never what people or agents say."),
    ("terminal", "How `towline up` behaves in a terminal."),
];

/// Every setting, by table.
pub(crate) const KEYS: &[Key] = &[
    Key {
        section: "data",
        name: "directory",
        shape: Shape::Path,
        variable: Some("TOWLINE_DATA_DIR"),
        flag: Some("--data-dir"),
        default: "(`towline` in the user's data directory)",
        example: "\"~/towline-data\"",
        about: "The data directory: sessions, devices, keys. Only its user can read it.",
    },
    Key {
        section: "listen",
        name: "address",
        shape: Shape::Address,
        variable: Some("TOWLINE_LISTEN"),
        flag: Some("--listen"),
        default: "(127.0.0.1:4437, or the next free port)",
        example: "\"127.0.0.1:4437\"",
        about: "The address to listen on. Without a certificate only an address of this machine itself is allowed.",
    },
    Key {
        section: "listen",
        name: "lan",
        shape: Shape::Switch,
        variable: Some("TOWLINE_LAN"),
        flag: Some("--lan"),
        default: "false",
        example: "true",
        about: "Also listen on this machine's private network, in plain HTTP that others on that network can read.",
    },
    Key {
        section: "listen",
        name: "host_names",
        shape: Shape::HostNames,
        variable: Some("TOWLINE_HOST_NAMES"),
        flag: Some("--host-name"),
        default: "[]",
        example: "[\"desk.example.ts.net\"]",
        about: "Names that browsers open Towline by, besides its addresses: a tailnet name, the certificate's. Requests for any other \
                name are refused.",
    },
    Key {
        section: "listen",
        name: "tls_cert_file",
        shape: Shape::Path,
        variable: Some("TOWLINE_TLS_CERT_FILE"),
        flag: Some("--tls-cert"),
        default: "(none: plain HTTP)",
        example: "\"/etc/towline/cert.pem\"",
        about: "The certificate chain to listen with, in PEM. Needs `tls_key_file` and `address`.",
    },
    Key {
        section: "listen",
        name: "tls_key_file",
        shape: Shape::Path,
        variable: Some("TOWLINE_TLS_KEY_FILE"),
        flag: Some("--tls-key"),
        default: "(none)",
        example: "\"/etc/towline/key.pem\"",
        about: "The file with the certificate's key, in PEM. The key itself is never written into the configuration.",
    },
    Key {
        section: "listen",
        name: "public_url",
        shape: Shape::Origin,
        variable: Some("TOWLINE_PUBLIC_URL"),
        flag: Some("--public-url"),
        default: "(made of the address)",
        example: "\"https://hub.example.net\"",
        about: "The address that people open, where a proxy or a name of its own leads here. Links are made with it, and its name is \
                answered to.",
    },
    Key {
        section: "listen",
        name: "trusted_proxies",
        shape: Shape::Networks,
        variable: Some("TOWLINE_TRUSTED_PROXIES"),
        flag: Some("--trusted-proxy"),
        default: "[]",
        example: "[\"127.0.0.1\"]",
        about: "Proxies whose word is taken for where a request comes from and whether it came by TLS (`X-Forwarded-For` or `Forwarded`, \
                `X-Forwarded-Proto`). From anybody else these headers count for nothing. With `towline hub`, an address in plain HTTP beyond \
                this machine is listened on for these alone.",
    },
    Key {
        section: "host",
        name: "name",
        shape: Shape::Name(60),
        variable: Some("TOWLINE_NAME"),
        flag: Some("--name"),
        default: "(the name of this machine)",
        example: "\"desk\"",
        about: "What people call this machine.",
    },
    Key {
        section: "host",
        name: "projects",
        shape: Shape::Paths,
        variable: Some("TOWLINE_PROJECTS"),
        flag: Some("--project"),
        default: "(the directory that `towline up` was started in)",
        example: "[\"~/code/gauge\"]",
        about: "Directories that agents may work in, besides those added with `towline projects add`.",
    },
    Key {
        section: "host",
        name: "projects_root",
        shape: Shape::Path,
        variable: Some("TOWLINE_PROJECTS_ROOT"),
        flag: Some("--projects-root"),
        default: "(`towline` in the home directory)",
        example: "\"~/code\"",
        about: "The directory below which a session that begins in a new project gets one, empty and readable by you only; it is made when \
                it is first needed. Whoever may send prompts here may begin one. `off` makes none.",
    },
    Key {
        section: "host",
        name: "turns_at_once",
        shape: Shape::Count(1, 64),
        variable: Some("TOWLINE_TURNS_AT_ONCE"),
        flag: Some("--turns-at-once"),
        default: "5",
        example: "3",
        about: "How many turns run at once; more wait in order. One session runs one turn at a time.",
    },
    Key {
        section: "host",
        name: "agent_idle",
        shape: Shape::Time(1_000, 86_400_000),
        variable: Some("TOWLINE_AGENT_IDLE"),
        flag: Some("--agent-idle"),
        default: "\"10m\"",
        example: "\"30m\"",
        about: "How long an agent that has nothing to do stays loaded, 12 h at least while it works in the background; the next prompt loads it again.",
    },
    Key {
        section: "host",
        name: "bypass_modes_allowed",
        shape: Shape::Switch,
        variable: Some("TOWLINE_BYPASS_MODES_ALLOWED"),
        flag: Some("--allow-bypass-modes"),
        default: "false",
        example: "true",
        about: "Whether a permission mode that never asks may be chosen from afar. With it, whoever holds one of your devices can run \
                anything here.",
    },
    Key {
        section: "host",
        name: "participants",
        shape: Shape::Word(&["ask", "read_only"]),
        variable: Some("TOWLINE_PARTICIPANTS"),
        flag: None,
        default: "\"ask\"",
        example: "\"read_only\"",
        about: "What is done on this machine for people to whom one of its sessions is shared. `ask`: a prompt of an editor runs once you \
                have released it, and one of an editor whom you trust runs at once; nobody but you allows anything for longer. \
                `read_only`: nothing, whatever the hub says; they read.",
    },
    Key {
        section: "host",
        name: "policy_file",
        shape: Shape::Path,
        variable: Some("TOWLINE_POLICY_FILE"),
        flag: None,
        default: "(`policy.toml` beside the configuration)",
        example: "\"~/.config/towline/policy.toml\"",
        about: "What agents may do without asking, must ask for, and may not do at all: the policy of this machine. It is read anew for \
                each decision; without the file, people and their standing rules decide.",
    },
    Key {
        section: "host",
        name: "approval_expiry",
        shape: Shape::Time(60_000, 2_592_000_000),
        variable: Some("TOWLINE_APPROVAL_EXPIRY"),
        flag: None,
        default: "\"24h\"",
        example: "\"2h\"",
        about: "How long an agent waits for an answer; then what it asked for is refused, and it goes on.",
    },
    Key {
        section: "host",
        name: "quiet_after",
        shape: Shape::Time(1_000, 86_400_000),
        variable: Some("TOWLINE_QUIET_AFTER"),
        flag: None,
        default: "\"2m\"",
        example: "\"5m\"",
        about: "After how long it is shown that an agent says nothing, while it is the one that is waited for.",
    },
    Key {
        section: "host",
        name: "silence_limit",
        shape: Shape::Time(60_000, 86_400_000),
        variable: Some("TOWLINE_SILENCE_LIMIT"),
        flag: None,
        default: "\"1h\"",
        example: "\"20m\"",
        about: "How long an agent may say nothing while it is the one that is waited for, no tool of it running and nobody being asked; then its \
                turn fails with `silent`. Before that it is shown (`host.quiet_after`). A tool that runs is waited for 24 times as long.",
    },
    Key {
        section: "remote_prompts",
        name: "notify",
        shape: Shape::Switch,
        variable: None,
        flag: None,
        default: "false",
        example: "true",
        about: "Whether to show a notification: by `notify-send`, or `osascript` on a Mac, where they are there.",
    },
    Key {
        section: "remote_prompts",
        name: "open_browser",
        shape: Shape::Switch,
        variable: None,
        flag: None,
        default: "false",
        example: "true",
        about: "Whether to open the chat in a browser of this machine, where it has a screen.",
    },
    Key {
        section: "remote_prompts",
        name: "command",
        shape: Shape::Command,
        variable: None,
        flag: None,
        default: "[]",
        example: "[\"/usr/local/bin/lamp\", \"--blink\"]",
        about: "A program to run, with its arguments; no shell reads them. It is told `TOWLINE_SESSION`, `TOWLINE_COMMAND`, `TOWLINE_TITLE`, \
                `TOWLINE_PROJECT`, `TOWLINE_AGENT_NAME`, `TOWLINE_DEVICE`, `TOWLINE_DEVICE_NAME` and `TOWLINE_PROMPT` as variables of its \
                environment, of a participant's prompt the name of the participant as that of the device; what it prints goes to the log.",
    },
    Key {
        section: "remote_prompts",
        name: "command_limit",
        shape: Shape::Time(1_000, 3_600_000),
        variable: None,
        flag: None,
        default: "\"30s\"",
        example: "\"5m\"",
        about: "How long the program may run; then it is ended, with everything that it started.",
    },
    Key {
        section: "link",
        name: "hubs",
        shape: Shape::Hubs,
        variable: Some("TOWLINE_LINK"),
        flag: Some("--link"),
        default: "[]",
        example: "[\"https://hub.example.com\"]",
        about: "Hubs to link this machine to at every start. Where it is not enrolled yet, it shows a code to type there. What \
                `towline link add` has linked need not stand here.",
    },
    Key {
        section: "agents",
        name: "environment",
        shape: Shape::Variables,
        variable: Some("TOWLINE_AGENT_ENV"),
        flag: Some("--agent-env"),
        default: "[]",
        example: "[\"HTTPS_PROXY\"]",
        about: "Names of environment variables that agents get beside the few that every program needs; `claude:NAME` for one agent alone. A \
                key for one agent is best named so: another one might prefer it to the plan that it is logged in with.",
    },
    Key {
        section: "agents",
        name: "acp",
        shape: Shape::Commands,
        variable: None,
        flag: Some("--acp-agent"),
        default: "{}",
        example: "{ gemini = [\"gemini\", \"--acp\"] }",
        about: "More agents, which speak ACP on their standard streams: what to call each, and its program with its arguments.",
    },
    Key {
        section: "agents",
        name: "keep_lines",
        shape: Shape::Switch,
        variable: Some("TOWLINE_KEEP_AGENT_LINES"),
        flag: None,
        default: "true",
        example: "false",
        about: "Whether the lines between Towline and each session's agent are kept on this machine, for `towline logs --agent`: at most 8 MB of \
                each of the newest 100 sessions, readable by you only, and never sent anywhere.",
    },
    Key {
        section: "log",
        name: "filter",
        shape: Shape::Filter,
        variable: Some("TOWLINE_LOG"),
        flag: None,
        default: "\"warn\"",
        example: "\"hub=debug,warn\"",
        about: "What is logged to standard error, as a level (`error`, `warn`, `info`, `debug`, `trace`) or by part of the program.",
    },
    Key {
        section: "log",
        name: "file_filter",
        shape: Shape::Filter,
        variable: Some("TOWLINE_LOG_FILE_FILTER"),
        flag: None,
        default: "\"info\"",
        example: "\"off\"",
        about: "What `towline up` logs to its file, which `towline logs` shows; the file is bounded, and `off` writes nothing.",
    },
    Key {
        section: "terminal",
        name: "open_browser",
        shape: Shape::Switch,
        variable: Some("TOWLINE_OPEN_BROWSER"),
        flag: Some("--no-open"),
        default: "true",
        example: "false",
        about: "Whether `towline up` opens a browser when it is started in a terminal of a machine with a screen.",
    },
];

/// The setting with that table and name.
pub(crate) fn find(section: &str, name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.section == section && key.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_has_a_name_of_its_own_and_a_table_that_is_described() {
        for (at, key) in KEYS.iter().enumerate() {
            assert!(SECTIONS.iter().any(|(name, _)| *name == key.section), "{}", key.path());
            let rest = &KEYS[at + 1..];
            assert!(rest.iter().all(|other| other.path() != key.path()), "{}", key.path());
            assert!(
                key.variable.is_none() || rest.iter().all(|other| other.variable != key.variable),
                "{}",
                key.path()
            );
        }
    }
}
