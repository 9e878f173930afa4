//! What can be typed about sessions.

use clap::Args;
use protocol::id::ApprovalId;

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
