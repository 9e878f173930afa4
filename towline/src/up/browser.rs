//! Opening a browser, for whoever sits in front of this machine.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// Longest that the helper is waited for; what it started goes on without us.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks the system to open an address; whether it took it. The address holds no secret: other users can see it in the list of processes.
pub(crate) async fn open(url: String) -> bool {
    let mut command = command(&url);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.spawn() {
        Ok(mut child) => match tokio::time::timeout(PATIENCE, child.wait()).await {
            Ok(Ok(status)) if status.success() => true,
            // A helper that became the browser lives as long as that.
            Err(_) => true,
            Ok(ended) => {
                tracing::debug!(?ended, "the browser's helper did not do well");
                false
            }
        },
        Err(error) => {
            tracing::debug!(%error, "no browser was opened");
            false
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "it is no agent: it must live on when Towline ends")]
fn command(url: &str) -> Command {
    if cfg!(target_os = "macos") {
        let mut command = Command::new("open");
        command.arg(url);
        command
    } else if cfg!(windows) {
        let mut command = Command::new("cmd");
        command.args(["/C", "start", "", url]);
        command
    } else {
        let mut command = Command::new("xdg-open");
        command.arg(url);
        command
    }
}
