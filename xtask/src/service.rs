//! A program that runs beside a step: started, asked for its one ready line, ended with its whole process group.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::interrupt;
use crate::run::{self, Step};

/// A running program; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Service {
    child: Child,
}

impl Service {
    /// Starts a program whose output goes to the terminal.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(crate) fn start(step: &Step) -> Result<Self> {
        println!("==> {} (runs beside)", step.line());
        let child = step.command().stdin(Stdio::null()).spawn();
        Ok(Self { child: child.with_context(|| format!("cannot start `{}`", step.line()))? })
    }

    /// Starts a program that says on its first line of output, in JSON, that it is ready.
    ///
    /// # Errors
    /// If it cannot be started, ends before it is ready, says something else, or says nothing for `patience`.
    pub(crate) fn ready(step: &Step, patience: Duration) -> Result<(Self, serde_json::Value)> {
        println!("==> {} (runs beside)", step.line());
        let child = step.command().stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut service = Self { child: child.with_context(|| format!("cannot start `{}`", step.line()))? };
        let pipe = service.child.stdout.take().context("the child's output is piped")?;
        let (send, receive) = mpsc::sync_channel(1);
        std::thread::spawn(move || {
            let mut lines = BufReader::new(pipe).lines().map_while(Result::ok);
            // Nobody waits for the answer any more if the service was given up.
            let _ = send.send(lines.next());
            // The rest is read and dropped, so that the program never blocks on a full pipe.
            lines.for_each(drop);
        });
        match receive.recv_timeout(patience) {
            Ok(Some(line)) => {
                let json = serde_json::from_str(&line);
                let json = json.with_context(|| format!("`{}` printed this as its ready line: {line}", step.line()))?;
                Ok((service, json))
            }
            Ok(None) => bail!("`{}` ended before it was ready", step.line()),
            Err(_) => bail!("`{}` said nothing for {} s", step.line(), patience.as_secs()),
        }
    }

    /// Whether it still runs.
    pub(crate) fn running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        run::end(&mut self.child);
    }
}

/// Waits until Ctrl-C, or until one of the services ends by itself, which is an error.
///
/// # Errors
/// If a service ended.
pub(crate) fn until_interrupted(services: &mut [(&str, Service)]) -> Result<()> {
    while !interrupt::requested() {
        if let Some(name) = services.iter_mut().find_map(|(name, service)| (!service.running()).then_some(name)) {
            bail!("{name} ended by itself");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Waits until something accepts connections at that address.
///
/// # Errors
/// If nothing does for `patience`.
pub(crate) fn until_listening(address: std::net::SocketAddr, patience: Duration) -> Result<()> {
    let started = Instant::now();
    while std::net::TcpStream::connect_timeout(&address, Duration::from_millis(250)).is_err() {
        if started.elapsed() > patience || interrupt::requested() {
            bail!("nothing listens on {address}");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Step {
        Step::new("sh", Duration::from_secs(10)).args(["-c", script])
    }

    #[test]
    fn a_service_is_ready_when_it_says_so_and_ends_when_dropped() {
        let (mut service, line) =
            Service::ready(&shell(r#"echo '{"url":"u"}'; sleep 600"#), Duration::from_secs(10)).unwrap();
        assert_eq!(line["url"], "u");
        assert!(service.running());
        let pid = service.child.id();
        drop(service);
        assert!(!std::path::Path::new(&format!("/proc/{pid}/stat")).exists());
    }

    #[test]
    fn a_service_that_is_not_ready_is_an_error() {
        let error = |script, patience| Service::ready(&shell(script), patience).unwrap_err().to_string();
        assert!(error("exit 1", Duration::from_secs(10)).contains("ended before"));
        assert!(error("echo hello; sleep 600", Duration::from_secs(10)).contains("hello"));
        assert!(error("sleep 600", Duration::from_millis(200)).contains("said nothing"));
    }
}
