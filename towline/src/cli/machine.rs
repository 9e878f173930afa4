//! What can be typed about this machine: its configuration, its health.

use clap::{Subcommand, ValueEnum};

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
