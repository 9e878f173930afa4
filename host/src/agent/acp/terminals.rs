//! Commands that an agent asks its client to run: each is a child of ours, with bounded output, and ends with the agent.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::agent::words::{list, maybe, text};
use crate::process::{Child, Environment, SpawnSpec, tag_below};

/// Terminals of one agent that are not released.
const MOST: usize = 32;
/// Most output of one terminal that is kept for the agent, in bytes; it may ask for less.
const MAX_OUTPUT_BYTES: usize = 1024 * 1024;
/// How long a command may take to end after SIGTERM.
const GRACE: Duration = Duration::from_millis(400);
/// How long the pipe is read after the end of a command: what it left running may hold the pipe for ever.
const DRAIN: Duration = Duration::from_millis(250);

/// A terminal was not made, or is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TerminalError {
    #[error("there is no terminal `{id}`")]
    Unknown { id: String },
    #[error("there are {MOST} terminals already; release some")]
    TooMany,
    #[error("the turn was stopped")]
    Stopped,
    #[error("a terminal needs a command")]
    NoCommand,
    #[error("`{path}` is no directory of the project")]
    Outside { path: String },
    #[error("`{program}` was not found")]
    NotFound { program: String },
    #[error("`{program}` did not start: {said}")]
    NotStarted { program: String, said: String },
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exit {
    pub(super) code: Option<i32>,
    signal: Option<String>,
}

impl Exit {
    /// As the protocol says it.
    pub(super) fn json(&self) -> Value {
        json!({ "exitCode": self.code, "signal": self.signal })
    }

    fn of(status: Option<ExitStatus>) -> Self {
        #[cfg(unix)]
        let signal = status.and_then(|status| std::os::unix::process::ExitStatusExt::signal(&status));
        #[cfg(not(unix))]
        let signal: Option<i32> = None;
        let signal = signal.map(|signal| match signal {
            2 => "SIGINT".to_owned(),
            9 => "SIGKILL".to_owned(),
            15 => "SIGTERM".to_owned(),
            other => other.to_string(),
        });
        Self { code: status.and_then(|status| status.code()), signal }
    }
}

/// What a terminal tells while it runs.
pub(super) trait Watcher: Clone + Send + 'static {
    /// It runs this.
    fn began(&self, terminal: &str, command: &str);
    /// It wrote this.
    fn said(&self, terminal: &str, text: &str);
    /// It ended.
    fn ended(&self, terminal: &str, exit: &Exit);
}

/// The end of a terminal's output, within its limit.
#[derive(Debug, Default)]
struct Kept {
    text: String,
    limit: usize,
    truncated: bool,
}

impl Kept {
    fn push(&mut self, more: &str) {
        self.text.push_str(more);
        if self.text.len() > self.limit {
            let cut = self.text.ceil_char_boundary(self.text.len() - self.limit);
            self.text.drain(..cut);
            self.truncated = true;
        }
    }
}

#[derive(Debug)]
struct Terminal {
    kept: Arc<Mutex<Kept>>,
    exit: watch::Receiver<Option<Exit>>,
    kill: CancellationToken,
    // Ends what is left of the command.
    _release: DropGuard,
}

/// The terminals of one agent. Dropping them ends every command.
#[derive(Debug)]
pub(super) struct Terminals<W> {
    root: PathBuf,
    environment: Environment,
    tag: String,
    watcher: W,
    open: Mutex<BTreeMap<String, Terminal>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<W: Watcher> Terminals<W> {
    pub(super) const fn new(root: PathBuf, environment: Environment, tag: String, watcher: W) -> Self {
        Self { root, environment, tag, watcher, open: Mutex::new(BTreeMap::new()) }
    }

    /// Starts a command (`terminal/create`) and names it, unless it is not `valid` any more. Whatever makes it so is followed by
    /// [`Terminals::kill_all`].
    ///
    /// # Errors
    /// [`TerminalError`].
    pub(super) fn create(&self, params: &Value, valid: impl Fn() -> bool) -> Result<String, TerminalError> {
        let program = maybe(params, "command").ok_or(TerminalError::NoCommand)?;
        let args: Vec<OsString> = list_of_words(params);
        let cwd = self.directory(maybe(params, "cwd"))?;
        let mut environment = self.environment.clone();
        for variable in list(params, "env") {
            if let Some(name) = maybe(variable, "name") {
                environment = environment.with(name, text(variable, "value"));
            }
        }
        let (found, args) = self.command(&program, args)?;
        let limit = params.get("outputByteLimit").and_then(Value::as_u64);
        let limit = limit.map_or(MAX_OUTPUT_BYTES, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let mut open = locked(&self.open);
        if !valid() {
            return Err(TerminalError::Stopped);
        }
        if open.len() >= MOST {
            return Err(TerminalError::TooMany);
        }
        let spec = SpawnSpec { program: found, args, cwd, environment, tag: tag_below(&self.tag) };
        let failed = |said: String| TerminalError::NotStarted { program: program.clone(), said };
        let child = Child::spawn(&spec).map_err(|error| failed(error.to_string()))?;
        let id = format!("terminal-{}", child.mark().pid);
        let words = std::iter::once(program.as_str()).chain(list(params, "args").iter().filter_map(Value::as_str));
        self.watcher.began(&id, &words.collect::<Vec<_>>().join(" "));
        let kept = Arc::new(Mutex::new(Kept { limit: limit.min(MAX_OUTPUT_BYTES), ..Kept::default() }));
        let (ended, exit) = watch::channel(None);
        let (kill, release) = (CancellationToken::new(), CancellationToken::new());
        let running = Running {
            id: id.clone(),
            kept: Arc::clone(&kept),
            ended,
            kill: kill.clone(),
            release: release.clone(),
            watcher: self.watcher.clone(),
        };
        tokio::spawn(running.run(child));
        // An id that is used again belongs to a command that has ended: what is left of that one goes.
        drop(open.insert(id.clone(), Terminal { kept, exit, kill, _release: release.drop_guard() }));
        Ok(id)
    }

    fn directory(&self, asked: Option<String>) -> Result<PathBuf, TerminalError> {
        let Some(asked) = asked else { return Ok(self.root.clone()) };
        let found = self.root.join(&asked).canonicalize().ok();
        let inside = found.filter(|found| found.starts_with(&self.root) && found.is_dir());
        inside.ok_or(TerminalError::Outside { path: asked })
    }

    /// What to start: both of its outputs go into one pipe, so that they stay in their order.
    fn command(&self, program: &str, args: Vec<OsString>) -> Result<(PathBuf, Vec<OsString>), TerminalError> {
        let missing = |program: &str| TerminalError::NotFound { program: program.to_owned() };
        // Agents also hand over a whole line for the shell.
        let is_line = args.is_empty() && program.contains(|sign: char| !is_plain(sign));
        if cfg!(windows) {
            let shell = if is_line { "cmd" } else { program };
            let found = self.environment.find(shell.as_ref()).ok_or_else(|| missing(shell))?;
            let args = if is_line { vec!["/C".into(), program.into()] } else { args };
            return Ok((found, args));
        }
        let shell = self.environment.find("sh".as_ref()).ok_or_else(|| missing("sh"))?;
        if is_line {
            return Ok((shell, vec!["-c".into(), format!("exec 2>&1\n{program}").into()]));
        }
        let found = self.environment.find(program.as_ref()).ok_or_else(|| missing(program))?;
        let mut all: Vec<OsString> = vec!["-c".into(), "exec \"$0\" \"$@\" 2>&1".into(), found.into()];
        all.extend(args);
        Ok((shell, all))
    }

    fn find<T>(&self, params: &Value, look: impl FnOnce(&Terminal) -> T) -> Result<T, TerminalError> {
        let id = text(params, "terminalId");
        locked(&self.open).get(id).map(look).ok_or_else(|| TerminalError::Unknown { id: id.to_owned() })
    }

    /// What a command has written, and how it ended when it has (`terminal/output`).
    ///
    /// # Errors
    /// [`TerminalError::Unknown`].
    pub(super) fn output(&self, params: &Value) -> Result<Value, TerminalError> {
        self.find(params, |terminal| {
            let exit = terminal.exit.borrow().as_ref().map(Exit::json);
            let kept = locked(&terminal.kept);
            json!({ "output": kept.text, "truncated": kept.truncated, "exitStatus": exit })
        })
    }

    /// Waits for the end of a command (`terminal/wait_for_exit`). Bounded by the life of the agent.
    ///
    /// # Errors
    /// [`TerminalError::Unknown`], also when it is released meanwhile.
    pub(super) async fn wait(&self, params: &Value) -> Result<Value, TerminalError> {
        let mut exit = self.find(params, |terminal| terminal.exit.clone())?;
        let ended = exit.wait_for(Option::is_some).await.ok().and_then(|exit| exit.as_ref().map(Exit::json));
        ended.ok_or_else(|| TerminalError::Unknown { id: text(params, "terminalId").to_owned() })
    }

    /// Ends a command, which stays to be asked (`terminal/kill`).
    ///
    /// # Errors
    /// [`TerminalError::Unknown`].
    pub(super) fn kill(&self, params: &Value) -> Result<Value, TerminalError> {
        self.find(params, |terminal| {
            terminal.kill.cancel();
            json!({})
        })
    }

    /// Ends a command and forgets it (`terminal/release`).
    ///
    /// # Errors
    /// [`TerminalError::Unknown`].
    pub(super) fn release(&self, params: &Value) -> Result<Value, TerminalError> {
        let id = text(params, "terminalId");
        let gone = locked(&self.open).remove(id);
        gone.map(|_| json!({})).ok_or_else(|| TerminalError::Unknown { id: id.to_owned() })
    }

    /// Ends every command: the turn was stopped.
    pub(super) fn kill_all(&self) {
        locked(&self.open).values().for_each(|terminal| terminal.kill.cancel());
    }
}

fn is_plain(sign: char) -> bool {
    sign.is_ascii_alphanumeric() || "/\\:._-+".contains(sign)
}

fn list_of_words(params: &Value) -> Vec<OsString> {
    params
        .get("args")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice)
        .iter()
        .filter_map(Value::as_str)
        .map(OsString::from)
        .collect()
}

struct Running<W> {
    id: String,
    kept: Arc<Mutex<Kept>>,
    ended: watch::Sender<Option<Exit>>,
    kill: CancellationToken,
    release: CancellationToken,
    watcher: W,
}

impl<W: Watcher> Running<W> {
    async fn run(self, mut child: Child) {
        drop(child.take_stdin());
        let Some(mut stdout) = child.take_stdout() else { return };
        let (mut bytes, mut half) = ([0_u8; 8192], Vec::new());
        let mut deadline = Instant::now() + Duration::from_hours(24 * 365);
        let mut status = None;
        loop {
            tokio::select! {
                biased;
                () = self.release.cancelled() => break,
                () = self.kill.cancelled() => break,
                () = sleep_until(deadline) => break,
                ended = child.exited(), if status.is_none() => {
                    status = Some(ended.ok());
                    deadline = Instant::now() + DRAIN;
                }
                read = stdout.read(&mut bytes) => match read {
                    Ok(0) | Err(_) => {
                        if status.is_none() {
                            tokio::select! {
                                () = self.release.cancelled() => {}
                                () = self.kill.cancelled() => {}
                                ended = child.exited() => status = Some(ended.ok()),
                            }
                        }
                        break;
                    }
                    Ok(read) => {
                        let said = decoded(&mut half, &bytes[..read]);
                        locked(&self.kept).push(&said);
                        self.watcher.said(&self.id, &said);
                    }
                },
            }
        }
        drop(stdout);
        let left = if let Some(status) = status {
            // What it left running, such as a server, goes on until the terminal is released.
            self.tell(Exit::of(status));
            tokio::select! {
                () = self.release.cancelled() => {}
                () = self.kill.cancelled() => {}
            }
            child.end(Duration::ZERO, GRACE).await
        } else {
            let ended = child.end(Duration::ZERO, GRACE).await;
            self.tell(Exit::of(ended.as_ref().ok().copied().flatten()));
            ended
        };
        if let Err(unreaped) = left {
            tracing::error!(error = %unreaped, "a command of an agent could not be ended");
        }
    }

    fn tell(&self, exit: Exit) {
        self.watcher.ended(&self.id, &exit);
        self.ended.send_replace(Some(exit));
    }
}

/// Text of bytes that come in pieces; the beginning of a letter that is cut waits in `half`. What is no UTF-8 is replaced.
fn decoded(half: &mut Vec<u8>, bytes: &[u8]) -> String {
    half.extend_from_slice(bytes);
    let whole = match std::str::from_utf8(half) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => half.len(),
    };
    // A wrong byte further in front hides the one that is cut: the last three are looked at again.
    let whole = if whole == half.len() { half.len() - cut_letter(half) } else { whole };
    let rest = half.split_off(whole);
    String::from_utf8_lossy(&std::mem::replace(half, rest)).into_owned()
}

/// How many bytes at the end are the beginning of a letter.
fn cut_letter(bytes: &[u8]) -> usize {
    let from = bytes.len().saturating_sub(3);
    (from..bytes.len())
        .find(|at| {
            std::str::from_utf8(&bytes[*at..])
                .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
        })
        .map_or(0, |at| bytes.len() - at)
}

#[cfg(all(test, target_os = "linux"))]
#[expect(clippy::unwrap_used, reason = "helpers of tests")]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::process::fresh_tag;

    #[derive(Clone, Debug, Default)]
    struct Heard(Arc<Mutex<(String, Vec<Exit>)>>);

    impl Watcher for Heard {
        fn began(&self, _: &str, _: &str) {}
        fn said(&self, _: &str, text: &str) {
            locked(&self.0).0.push_str(text);
        }
        fn ended(&self, _: &str, exit: &Exit) {
            locked(&self.0).1.push(exit.clone());
        }
    }

    fn world(root: &Path) -> (Terminals<Heard>, Heard) {
        let heard = Heard::default();
        let environment = Environment::cleaned([("PATH".into(), "/usr/bin:/bin".into())]);
        (Terminals::new(root.canonicalize().unwrap(), environment, fresh_tag("terminals"), heard.clone()), heard)
    }

    fn of(id: &str) -> Value {
        json!({ "terminalId": id })
    }

    async fn gone(words: &str) {
        let begun = Instant::now();
        while std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
            std::fs::read(entry.path().join("cmdline")).is_ok_and(|line| line == words.replace(' ', "\0").as_bytes())
        }) {
            assert!(begun.elapsed() < Duration::from_secs(20), "{words} still runs");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn a_command_runs_in_the_project_and_tells_all_of_its_output_in_order() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        let (terminals, heard) = world(folder.path());
        let id = terminals
            .create(
                &json!({"command": "sh", "args": ["-c", "pwd; echo $GREETING; echo err >&2; exit 3"],
                "env": [{"name": "GREETING", "value": "hi"}], "cwd": folder.path().join("sub")}),
                || true,
            )
            .unwrap();
        assert_eq!(terminals.wait(&of(&id)).await.unwrap(), json!({"exitCode": 3, "signal": null}));
        let output = terminals.output(&of(&id)).unwrap();
        let sub = folder.path().canonicalize().unwrap().join("sub");
        assert_eq!(output["output"], format!("{}\nhi\nerr\n", sub.display()));
        assert_eq!((&output["truncated"], &output["exitStatus"]["exitCode"]), (&json!(false), &json!(3)));
        assert_eq!(locked(&heard.0).0, output["output"].as_str().unwrap());
        assert_eq!(locked(&heard.0).1.len(), 1);
        terminals.release(&of(&id)).unwrap();
        assert!(matches!(terminals.output(&of(&id)), Err(TerminalError::Unknown { .. })));
        // A whole line for the shell.
        let id = terminals.create(&json!({"command": "echo a && echo b"}), || true).unwrap();
        terminals.wait(&of(&id)).await.unwrap();
        assert_eq!(terminals.output(&of(&id)).unwrap()["output"], "a\nb\n");
    }

    #[tokio::test]
    async fn the_end_of_the_output_is_kept_within_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let (terminals, _) = world(folder.path());
        let id = terminals.create(&json!({"command": "seq 1 100000", "outputByteLimit": 20}), || true).unwrap();
        terminals.wait(&of(&id)).await.unwrap();
        let output = terminals.output(&of(&id)).unwrap();
        assert_eq!((output["output"].as_str(), &output["truncated"]), (Some("\n99998\n99999\n100000\n"), &json!(true)));
    }

    #[tokio::test]
    async fn a_command_that_is_killed_stays_to_be_asked_and_takes_along_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let (terminals, _) = world(folder.path());
        let id = terminals.create(&json!({"command": "setsid sleep 631 & echo up; sleep 632"}), || true).unwrap();
        while terminals.output(&of(&id)).unwrap()["output"] != "up\n" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        terminals.kill(&of(&id)).unwrap();
        let exit = terminals.wait(&of(&id)).await.unwrap();
        assert_eq!(exit["exitCode"], json!(null), "{exit}");
        assert_eq!(terminals.output(&of(&id)).unwrap()["output"], "up\n");
        gone("sleep 631 ").await;
        gone("sleep 632 ").await;
    }

    #[tokio::test]
    async fn what_a_command_leaves_running_ends_with_its_release_or_with_all_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let (terminals, _) = world(folder.path());
        let id = terminals.create(&json!({"command": "sleep 633 & echo started"}), || true).unwrap();
        assert_eq!(terminals.wait(&of(&id)).await.unwrap()["exitCode"], 0);
        terminals.release(&of(&id)).unwrap();
        gone("sleep 633 ").await;
        terminals.create(&json!({"command": "sleep 634 & sleep 634"}), || true).unwrap();
        drop(terminals);
        gone("sleep 634 ").await;
    }

    #[tokio::test]
    async fn what_cannot_be_run_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (terminals, _) = world(folder.path());
        let refused = |params: Value| terminals.create(&params, || true).unwrap_err();
        assert_eq!(refused(json!({})), TerminalError::NoCommand);
        assert!(matches!(refused(json!({"command": "no-such-program"})), TerminalError::NotFound { .. }));
        assert!(matches!(refused(json!({"command": "ls", "cwd": "/"})), TerminalError::Outside { .. }));
        assert!(matches!(refused(json!({"command": "ls", "cwd": "../"})), TerminalError::Outside { .. }));
        for _ in 0..MOST {
            terminals.create(&json!({"command": "true"}), || true).unwrap();
        }
        assert_eq!(refused(json!({"command": "true"})), TerminalError::TooMany);
        assert_eq!(terminals.create(&json!({"command": "true"}), || false), Err(TerminalError::Stopped));
        assert!(terminals.wait(&of("terminal-0")).await.is_err());
        assert!(terminals.kill(&of("terminal-0")).is_err() && terminals.release(&of("terminal-0")).is_err());
    }

    #[test]
    fn letters_that_are_cut_wait_for_their_rest() {
        let mut half = Vec::new();
        let text = "aé😀z";
        let mut all = String::new();
        for byte in text.as_bytes() {
            all.push_str(&decoded(&mut half, &[*byte]));
        }
        assert_eq!((all.as_str(), half.len()), (text, 0));
        assert_eq!(decoded(&mut half, b"\xffa\xc3"), "\u{fffd}a");
        assert_eq!(decoded(&mut half, b"\xa9"), "é");
    }
}
