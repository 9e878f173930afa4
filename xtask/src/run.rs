//! Runs one program as a step: says what it does and how long it took, never waits longer than its limit, and leaves
//! nothing of it behind.

use std::ffi::{OsStr, OsString};
use std::io::{IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::{interrupt, repo};

/// How often a running child is looked at.
const POLL: Duration = Duration::from_millis(20);
/// How long a child may take to end after it was asked to, before it is killed.
const GRACE: Duration = Duration::from_secs(5);
/// How long output may keep coming after the child ended: only a process that it left behind can still hold the pipe.
const DRAIN: Duration = Duration::from_secs(2);
/// How much of the end of the output is kept to count tests in, in bytes.
const KEEP: usize = 1 << 20;

/// One program to run.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    program: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    directory: PathBuf,
    limit: Duration,
    quiet: bool,
    judged: bool,
}

/// What a step left: its output as text without colours, and what was wrong if something was.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The end of standard output and standard error, as they came.
    pub(crate) output: String,
    /// Why the step failed.
    pub(crate) failure: Option<String>,
}

impl Outcome {
    /// The output of a step that succeeded.
    ///
    /// # Errors
    /// If the step failed.
    pub(crate) fn success(self) -> Result<String> {
        match self.failure {
            None => Ok(self.output),
            Some(failure) => Err(anyhow::anyhow!(failure)),
        }
    }
}

impl Step {
    /// A program with a limit on its time, started at the root of the repository unless [`Step::directory`] says otherwise.
    pub(crate) fn new(program: impl AsRef<OsStr>, limit: Duration) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: repo::root().to_owned(),
            limit,
            quiet: false,
            judged: false,
        }
    }

    /// The pinned cargo.
    pub(crate) fn cargo(limit: Duration) -> Self {
        Self::new(repo::cargo(), limit)
    }

    /// Adds arguments.
    pub(crate) fn args<I: IntoIterator<Item: AsRef<OsStr>>>(mut self, arguments: I) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets one environment variable.
    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Starts the program in this directory, relative to the root of the repository.
    pub(crate) fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = repo::root().join(directory.into());
        self
    }

    /// Shows the program's output only if it fails.
    pub(crate) fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// Says only that the program ended: the caller judges what it reported.
    pub(crate) fn judged(mut self) -> Self {
        self.judged = true;
        self
    }

    /// The command line as a person would type it.
    pub(crate) fn line(&self) -> String {
        let program = PathBuf::from(&self.program);
        let name = program.file_name().unwrap_or(&self.program).to_string_lossy().into_owned();
        let words = self.arguments.iter().map(|argument| argument.to_string_lossy().into_owned());
        std::iter::once(name).chain(words).collect::<Vec<_>>().join(" ")
    }

    /// The child's command, in a process group of its own and without what cargo told xtask about xtask itself.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(&self.directory);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            // A build script that watches one of these would run again, and cargo rebuild what hangs from it.
            if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"].iter().any(|p| text.starts_with(p)) {
                command.env_remove(&name);
            }
        }
        if std::io::stdout().is_terminal() {
            command.env("CARGO_TERM_COLOR", "always").env("FORCE_COLOR", "1");
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command
    }

    /// Runs the program to its end.
    ///
    /// # Errors
    /// If it cannot be started, fails, takes longer than its limit, or someone pressed Ctrl-C.
    pub(crate) fn run(&self) -> Result<String> {
        self.outcome()?.success()
    }

    /// Runs the program to its end and keeps its output also when it failed.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(crate) fn outcome(&self) -> Result<Outcome> {
        println!("==> {}", self.line());
        let started = Instant::now();
        let mut child = self
            .command()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.to_string_lossy()))?;
        let kept = Arc::new(Mutex::new(Vec::new()));
        let mut readers = Vec::new();
        if let Some(pipe) = child.stdout.take() {
            readers.push(tee(pipe, std::io::stdout(), !self.quiet, &kept));
        }
        if let Some(pipe) = child.stderr.take() {
            readers.push(tee(pipe, std::io::stderr(), !self.quiet, &kept));
        }
        let mut failure = self.wait(&mut child, started);
        if !drained(&readers) {
            kill_group(&child);
            failure.get_or_insert_with(|| "ended, but left a process behind that held its output".to_owned());
        }
        let output = plain(&kept.lock().expect("a reader never panics while it holds the output"));
        if self.quiet && !self.judged && failure.is_some() {
            println!("{}", output.trim_end());
        }
        let verdict = match failure {
            _ if self.judged => "ended",
            None => "ok",
            Some(_) => "FAILED",
        };
        println!("    {verdict} in {:.1} s", started.elapsed().as_secs_f64());
        Ok(Outcome { output, failure: failure.map(|reason| format!("`{}` {reason}", self.line())) })
    }

    fn wait(&self, child: &mut Child, started: Instant) -> Option<String> {
        loop {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => return None,
                Ok(Some(status)) => return Some(format!("ended with {status}")),
                Ok(None) if interrupt::requested() => {
                    end(child);
                    return Some("was interrupted".to_owned());
                }
                Ok(None) if started.elapsed() > self.limit => {
                    end(child);
                    return Some(format!("took longer than {} s and was ended", self.limit.as_secs()));
                }
                Ok(None) => std::thread::sleep(POLL),
                Err(error) => {
                    end(child);
                    return Some(format!("could not be waited for: {error}"));
                }
            }
        }
    }
}

/// Asks a child's whole process group to end, and kills what has not after five seconds.
pub(crate) fn end(child: &mut Child) {
    #[cfg(unix)]
    {
        signal_group(child, rustix::process::Signal::TERM);
        let asked = Instant::now();
        while asked.elapsed() < GRACE && matches!(child.try_wait(), Ok(None)) {
            std::thread::sleep(POLL);
        }
    }
    kill_group(child);
    // Killed: the wait is for the kernel only.
    let _ = child.wait();
}

#[cfg(unix)]
fn signal_group(child: &Child, signal: rustix::process::Signal) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        // It is an error only if nothing of the group is left, which is what is wanted.
        let _ = rustix::process::kill_process_group(group, signal);
    }
}

fn kill_group(child: &Child) {
    #[cfg(unix)]
    signal_group(child, rustix::process::Signal::KILL);
    #[cfg(windows)]
    let _ = Command::new("taskkill").args(["/T", "/F", "/PID", &child.id().to_string()]).output();
}

/// Copies a pipe to ours and keeps its end. The thread ends when the last process that holds the pipe does.
fn tee(
    mut pipe: impl Read + Send + 'static,
    mut ours: impl Write + Send + 'static,
    show: bool,
    kept: &Arc<Mutex<Vec<u8>>>,
) -> JoinHandle<()> {
    let kept = Arc::clone(kept);
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            if show {
                // A closed terminal must not end the tests.
                let _ = ours.write_all(&buffer[..count]).and_then(|()| ours.flush());
            }
            let mut kept = kept.lock().expect("a reader never panics while it holds the output");
            kept.extend_from_slice(&buffer[..count]);
            if kept.len() > 2 * KEEP {
                let surplus = kept.len() - KEEP;
                kept.drain(..surplus);
            }
        }
    })
}

fn drained(readers: &[JoinHandle<()>]) -> bool {
    let started = Instant::now();
    while readers.iter().any(|reader| !reader.is_finished()) {
        if started.elapsed() > DRAIN {
            return false;
        }
        std::thread::sleep(POLL);
    }
    true
}

/// The text without terminal escapes.
fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c == '\u{1b}' {
            // Only CSI sequences end in a letter; the tools here write no others.
            let _ = rest.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Outcome {
        Step::new("sh", limit).args(["-c", script]).quiet().outcome().unwrap()
    }

    /// Whether the process with that id is gone within five seconds; one that waits to be reaped by init counts as gone.
    #[cfg(target_os = "linux")]
    fn gone(pid: &str) -> bool {
        let path = format!("/proc/{}/stat", pid.trim());
        let started = Instant::now();
        while let Ok(stat) = std::fs::read_to_string(&path) {
            let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
            if state.starts_with('Z') {
                return true;
            }
            if started.elapsed() > Duration::from_secs(5) {
                return false;
            }
            std::thread::sleep(POLL);
        }
        true
    }

    #[test]
    fn a_step_tells_success_from_failure() {
        let good = shell("echo one; echo two >&2", Duration::from_secs(10));
        assert_eq!(good.failure, None);
        assert!(good.output.contains("one") && good.output.contains("two"));
        let bad = shell("echo said; exit 3", Duration::from_secs(10));
        assert!(bad.failure.unwrap().contains("exit status: 3"));
        assert_eq!(bad.output, "said\n");
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        assert!(Step::new("no-such-program-xtask", Duration::from_secs(1)).run().is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_step_over_its_limit_ends_with_its_children() {
        let started = Instant::now();
        let slow = shell("sleep 600 & echo $!; wait", Duration::from_millis(300));
        assert!(slow.failure.unwrap().contains("took longer"));
        assert!(started.elapsed() < Duration::from_secs(30));
        assert!(gone(&slow.output));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_child_left_behind_with_the_output_is_ended_and_reported() {
        let left = shell("sleep 600 & echo $!", Duration::from_mins(1));
        assert!(left.failure.unwrap().contains("left a process behind"));
        assert!(gone(&left.output));
    }

    #[test]
    fn colours_are_not_part_of_the_text() {
        assert_eq!(plain(b"\x1b[1;32mok\x1b[0m done"), "ok done");
    }
}
