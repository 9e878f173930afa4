//! What can be typed about sessions.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use protocol::id::{ApprovalId, InvitationId, TurnId};

#[derive(Debug, Args)]
pub(crate) struct Send {
    /// The prompt; `-` reads it from standard input
    pub(crate) text: String,
    /// The session to send it to: its title, its id, or `last` for the newest
    #[arg(long, conflicts_with_all = ["project", "agent", "model", "mode", "effort"])]
    pub(crate) session: Option<String>,
    /// The machine of a new session, by name, id, or the beginning of one [default: this one]
    #[arg(long, value_name = "MACHINE", conflicts_with_all = ["session", "fork"])]
    pub(crate) host: Option<String>,
    /// How long it may wait for a machine that is away, up to 7 days, such as `24h` [default: 5m]
    #[arg(long, value_name = "TIME", value_parser = super::node::keep)]
    pub(crate) keep: Option<Duration>,
    /// The project of a new session, by name, path or id [default: the current directory's]
    #[arg(long)]
    pub(crate) project: Option<String>,
    /// Begin in a new project, in a directory that the machine makes and names, or that has this name
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true, default_missing_value = "", conflicts_with_all = ["project", "session", "fork"])]
    pub(crate) new_project: Option<String>,
    /// The agent of a new session [default: the first that is ready]
    #[arg(long)]
    pub(crate) agent: Option<String>,
    /// The model of a new session [default: the agent's own]
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// The permission mode of a new session [default: the agent's own]
    #[arg(long)]
    pub(crate) mode: Option<String>,
    /// Go on from this session in a new one: its title, its id, or `last` for the newest
    #[arg(long, value_name = "SESSION", conflicts_with_all = ["session", "project", "agent", "model", "mode", "effort"])]
    pub(crate) fork: Option<String>,
    /// The turn after which the new one goes on [default: the last]
    #[arg(long, value_name = "TURN", requires = "fork")]
    pub(crate) after: Option<TurnId>,
    /// How hard the agent of a new session thinks [default: the agent's own]
    #[arg(long)]
    pub(crate) effort: Option<String>,
    /// Hand it to the agent in the middle of the turn that runs, where the agent can; else it waits for its turn
    #[arg(long, requires = "session")]
    pub(crate) steer: bool,
    /// Show the answer as it comes, and end with it
    #[arg(long)]
    pub(crate) follow: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Sessions {
    /// Those that were put away too
    #[arg(long, alias = "archived")]
    pub(crate) all: bool,
    #[command(subcommand)]
    pub(crate) verb: Option<SessionVerb>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SessionVerb {
    /// Make a link by which somebody who has an account on this hub takes part in a session
    Share {
        /// Which session: its title, its id, or `last` for the newest
        session: String,
        /// They may send messages, which wait for your word, stop turns, and refuse what the agent asks [default: they read]
        #[arg(long)]
        editor: bool,
        /// What they send runs at once, and they may allow what the agent asks, once each
        #[arg(long, requires = "editor")]
        trusted: bool,
    },
    /// List who takes part in a session, and the invitations that nobody has used yet
    Participants {
        /// Which session: its title, its id, or `last` for the newest
        session: String,
    },
    /// Take somebody out of a session, leave one of somebody else, or take an invitation back
    #[command(group = clap::ArgGroup::new("whom").required(true))]
    Unshare {
        /// Which session: its title, its id, or `last` for the newest
        session: String,
        /// Who: a name or an account, as `towline sessions participants` lists them
        #[arg(long, value_name = "NAME|ACCOUNT", group = "whom")]
        participant: Option<String>,
        /// Which invitation
        #[arg(long, value_name = "INVITATION", group = "whom")]
        invitation: Option<InvitationId>,
    },
    /// Take part in a session to which somebody has invited you
    Join {
        /// The link, or what stands behind its `#`
        #[arg(value_name = "LINK|SECRET", allow_hyphen_values = true)]
        invitation: String,
    },
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Commands {
    /// Only those for this machine
    #[arg(long, value_name = "MACHINE")]
    pub(crate) host: Option<String>,
    /// How many, the newest first
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) limit: u32,
    #[command(subcommand)]
    pub(crate) verb: Option<CommandVerb>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CommandVerb {
    /// Take back a command that has not started
    Cancel {
        /// Which: its id, or the end of it
        command: String,
    },
    /// Send a message again that came to nothing, as a command of its own that is linked to the old one
    Retry {
        /// Which: its id, or the end of it
        command: String,
        /// How long it may wait, such as `24h` [default: 5m]
        #[arg(long, value_name = "TIME", value_parser = super::node::keep)]
        keep: Option<Duration>,
    },
    /// Let a participant's message run that waits for your word
    Release {
        /// Which: its id, or the end of it
        command: String,
        /// Do not ask; a message that was changed after it was sent is not let through so
        #[arg(long)]
        yes: bool,
    },
    /// Change the words of one that waits, or how long it may wait
    Edit {
        /// Which: its id, or the end of it
        command: String,
        /// Other words
        #[arg(required_unless_present = "keep")]
        text: Option<String>,
        /// How long it may wait from now on, such as `24h`
        #[arg(long, value_name = "TIME", value_parser = super::node::keep)]
        keep: Option<Duration>,
    },
    /// Move one that waits to another place in the line of its machine
    Move {
        /// Which: its id, or the end of it
        command: String,
        /// The one before which it is to go [default: the end of the line]
        #[arg(long, value_name = "COMMAND")]
        before: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// Which session: its title, its id, or `last` for the newest
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

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Which session: its title, its id, or `last` for the newest
    pub(crate) session: String,
    /// Markdown to read, JSON to keep
    #[arg(long, value_enum, default_value_t = ExportFormat::Markdown)]
    pub(crate) format: ExportFormat,
    /// The file to write, or `-` for standard output [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
}

/// How a session is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// To read.
    Markdown,
    /// To keep.
    Json,
}
