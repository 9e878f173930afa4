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
    },
    /// Say whether it is installed, and what the system says of it
    Status,
    /// Stop it, and remove what was installed
    Uninstall,
}
