//! Being asked to stop.

use crate::error::{CommandError, Kind};

/// The signals that ask a program to stop.
#[derive(Debug)]
pub(crate) struct Signals {
    #[cfg(unix)]
    all: [tokio::signal::unix::Signal; 3],
    #[cfg(not(unix))]
    interrupt: tokio::signal::windows::CtrlC,
}

impl Signals {
    /// Listens from now on.
    pub(crate) fn listen() -> Result<Self, CommandError> {
        Self::new().map_err(|error| CommandError::new(Kind::Bug, error).during("cannot listen for signals"))
    }

    #[cfg(unix)]
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let of = signal;
        Ok(Self { all: [of(SignalKind::interrupt())?, of(SignalKind::terminate())?, of(SignalKind::hangup())?] })
    }

    #[cfg(not(unix))]
    fn new() -> std::io::Result<Self> {
        Ok(Self { interrupt: tokio::signal::windows::ctrl_c()? })
    }

    /// Waits for the next one. Cancellation safe.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.all;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }

    /// Waits for the next one. Cancellation safe.
    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) {
        self.interrupt.recv().await;
    }
}
