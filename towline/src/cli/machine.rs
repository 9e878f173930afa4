//! What can be typed about this machine: its configuration, its health.

use clap::{Args, Subcommand, ValueEnum};

use super::SettingFlags;

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Print every setting, its value, and where that comes from; takes the flags of `up`
    Show(Box<SettingFlags>),
    /// Open the configuration file in $VISUAL or $EDITOR; it is put in place only if it is right
    Edit,
    /// Print where the configuration file is
    Path,
    /// Print what can be configured, as a page, a schema or an example
    #[command(hide = true)]
    Reference {
        /// In which form
        form: Form,
    },
}

/// A form of the reference.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Form {
    /// Markdown.
    Page,
    /// JSON schema.
    Schema,
    /// A commented file.
    Example,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Print the rules of the policy as they are understood
    Show,
    /// Edit the policy; what is not right is not put in place
    Edit,
    /// Say what would be decided about a command or a file, and by which line; ends with 0 for allow, 6 for ask, 5 for deny
    Test(PolicyTest),
    /// Print what can stand in a policy, as a page
    Reference,
}

#[derive(Debug, Args)]
pub(crate) struct PolicyTest {
    /// The command, as one word of your shell; a file, for the tools that are about files
    pub(crate) command: String,
    /// The project, by name or directory [default: the current directory]
    #[arg(long)]
    pub(crate) project: Option<String>,
    /// The sort of tool: execute, edit, read, delete, move, search, fetch, …
    #[arg(long, default_value = "execute")]
    pub(crate) tool: String,
    /// The agent
    #[arg(long, default_value = "claude")]
    pub(crate) agent: String,
    /// The agent's own name of the tool
    #[arg(long)]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// How many lines, from the end
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 100)]
    pub(crate) lines: usize,
    /// Go on with what is logged, until Ctrl-C
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Show what was said between Towline and a session's agent, as it was written: `last`, an id, or a title
    #[arg(long, value_name = "SESSION")]
    pub(crate) agent: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Service {
    /// Start Towline now and with every login, by systemd, launchd or the Windows task scheduler
    Install {
        /// Print what would be written, and do nothing
        #[arg(long)]
        print: bool,
        /// Start a hub without a host, as `towline hub` does
        #[arg(long)]
        hub: bool,
    },
    /// Say whether it is installed, and what the system says of it
    Status,
    /// Stop it, and remove what was installed
    Uninstall,
}
