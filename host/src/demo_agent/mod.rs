//! A real ACP agent without an account and without a model: it answers in words of its own, looks around in the project, and writes
//! files when it may. People see with it what Towline does before they log in anywhere; tests drive it with directives.

mod desk;
mod history;
mod player;
mod script;
mod service;
mod words;

use std::path::PathBuf;

use tokio::io::{AsyncRead, AsyncWrite};

/// What the demo agent is run with.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// Where it keeps its conversations, so that they can be gone on with; `None` keeps them in memory.
    pub state: Option<PathBuf>,
    /// The version that it tells.
    pub version: String,
}

/// The demo agent ended otherwise than by the end of its stdin.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A pipe broke.
    #[error("a pipe of the demo agent broke")]
    Pipe(#[from] std::io::Error),
    /// It was told to die in the middle (`[[die]]`).
    #[error("the demo agent was told to die")]
    Died,
}

/// Serves one client until its stdin ends.
///
/// # Errors
/// [`DemoError`]. Cancelling it leaves no task behind.
pub async fn run(
    stdin: impl AsyncRead + Unpin + Send,
    stdout: impl AsyncWrite + Unpin + Send + 'static,
    options: DemoOptions,
) -> Result<(), DemoError> {
    service::serve(stdin, stdout, options).await
}
