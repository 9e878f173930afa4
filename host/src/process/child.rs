//! One child, from its start to the end of everything that it started.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use process_wrap::tokio::{ChildWrapper, CommandWrap};
use tokio::io::BufReader;
use tokio::process::{ChildStdin, ChildStdout};
use tokio_util::task::AbortOnDropHandle;

use super::environment::{Environment, TAG_VARIABLE};
use super::lines::Lines;
use super::reap;
use super::tail::Tail;
use super::tree::{self, Tree};
use crate::agent::ProcessMark;

/// How long stderr is read after the end of a child; what is not of its tree may hold the pipe for ever.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Longest that the end of a child is waited for after SIGKILL.
const KILLED: Duration = Duration::from_secs(2);

/// How a child is to be started.
#[derive(Debug, Clone)]
pub struct SpawnSpec {
    /// The program, found.
    pub program: PathBuf,
    /// What follows its name.
    pub args: Vec<OsString>,
    /// Where it runs.
    pub cwd: PathBuf,
    /// All that it knows of our environment.
    pub environment: Environment,
    /// A word of its own by which it and its descendants are recognised: everything that carries it ends with the child.
    pub tag: String,
}

/// A running child in a session of its own. Dropping it kills the child itself at once; [`Child::end`] also ends its descendants.
#[derive(Debug)]
pub struct Child {
    inner: Box<dyn ChildWrapper>,
    mark: ProcessMark,
    tree: Arc<Mutex<Tree>>,
    tail: Tail,
    // Ends with the child's stderr, at the latest with this.
    tail_reader: Option<AbortOnDropHandle<()>>,
    ended: Option<ExitStatus>,
}

impl Child {
    /// Starts a child. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Those of the system; nothing is left behind.
    pub fn spawn(spec: &SpawnSpec) -> std::io::Result<Self> {
        let mut command = CommandWrap::with_new(&spec.program, |command| {
            command
                .args(&spec.args)
                .current_dir(&spec.cwd)
                .env_clear()
                .envs(spec.environment.iter())
                .env(TAG_VARIABLE, &spec.tag)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .kill_on_drop(true);
        });
        #[cfg(unix)]
        command.wrap(process_wrap::tokio::ProcessSession);
        #[cfg(windows)]
        command.wrap(process_wrap::tokio::JobObject);

        // The set is locked from before the fork until the child is in it, so that no sweep can take it for an orphan.
        let mut own = reap::own();
        let mut inner = command.spawn()?;
        let pid = inner.id().ok_or_else(|| std::io::Error::other("a child without an id"))?;
        own.insert(pid);
        drop(own);

        let started = tree::started(pid).unwrap_or(0);
        let mark = ProcessMark { pid, started, tag: spec.tag.clone(), shared: false };
        let tail = Tail::default();
        let tail_reader =
            inner.stderr().take().map(|stderr| AbortOnDropHandle::new(tokio::spawn(tail.clone().fill(stderr))));
        let tree = reap::watched(Tree::of_child((pid, started), spec.tag.clone()));
        Ok(Self { inner, mark, tree, tail, tail_reader, ended: None })
    }

    /// What to record, so that the child is found after our own death.
    pub const fn mark(&self) -> &ProcessMark {
        &self.mark
    }

    /// Its stdin; `None` the second time.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.inner.stdin().take()
    }

    /// Its stdout in lines of at most `max_bytes` bytes; `None` the second time.
    pub fn take_lines(&mut self, max_bytes: usize) -> Option<Lines<BufReader<ChildStdout>>> {
        let stdout = self.inner.stdout().take()?;
        Some(Lines::new(BufReader::with_capacity(64 * 1024, stdout), max_bytes))
    }

    /// Its stdout as it comes; `None` the second time, and after [`Child::take_lines`].
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.inner.stdout().take()
    }

    /// The last words of its stderr.
    pub fn tail(&self) -> Tail {
        self.tail.clone()
    }

    /// Waits until its stderr is read to the end, for at most half a second: the kernel tells of a death before anybody has read what
    /// was said last. For a child that has ended.
    ///
    /// Cancellation safe.
    pub async fn hear_out(&mut self) {
        let Some(reader) = &mut self.tail_reader else { return };
        if tokio::time::timeout(LAST_WORDS, reader).await.is_ok() {
            self.tail_reader = None;
        }
    }

    /// Waits for the end of the child itself; its descendants may live on.
    ///
    /// Cancellation safe.
    ///
    /// # Errors
    /// Those of the system.
    pub async fn exited(&mut self) -> std::io::Result<ExitStatus> {
        if let Some(status) = self.ended {
            return Ok(status);
        }
        // The wrapper would wait for its whole group, which background jobs keep alive; only the child itself is asked.
        let status = self.inner.inner_mut().wait().await?;
        self.ended = Some(status);
        reap::own().remove(&self.mark.pid);
        Ok(status)
    }

    /// Ends the child and everything that it started: waits `patience` for it to end by itself, then SIGTERM, SIGKILL after `grace`,
    /// and the same for what is left of its descendants. Afterwards its [`Tail`] holds its last words.
    ///
    /// Not cancellation safe: a dropped call may leave descendants, which [`super::reap_marked`] finds.
    ///
    /// # Errors
    /// [`reap::Unreaped`] when something cannot be ended.
    pub async fn end(mut self, patience: Duration, grace: Duration) -> Result<Option<ExitStatus>, reap::Unreaped> {
        // Seen now, a descendant is not lost when its parents go.
        reap::survey(&self.tree).await;
        let mut gone = tokio::time::timeout(patience, self.exited()).await.is_ok();
        if !gone {
            reap::survey(&self.tree).await;
            reap::ask(self.mark.pid, self.mark.started);
            gone = tokio::time::timeout(grace, self.exited()).await.is_ok();
        }
        if !gone {
            reap::survey(&self.tree).await;
            self.kill(grace.max(KILLED)).await;
        }
        reap::end(&self.tree).await?;
        self.hear_out().await;
        Ok(self.ended)
    }

    /// Ends the child and everything that it started at once: SIGTERM to all of it, and SIGKILL 0.3 s later to what is left. Afterwards
    /// its [`Tail`] holds its last words.
    ///
    /// Not cancellation safe, as [`Child::end`].
    ///
    /// # Errors
    /// [`reap::Unreaped`] when something cannot be ended.
    pub async fn end_now(mut self) -> Result<Option<ExitStatus>, reap::Unreaped> {
        let tree = Arc::clone(&self.tree);
        // Together: where only the group is known, it is there until its leader was waited for.
        let (result, gone) = tokio::join!(reap::end(&tree), tokio::time::timeout(KILLED, self.exited()));
        if gone.is_err() {
            self.kill(KILLED).await;
        }
        result?;
        self.hear_out().await;
        Ok(self.ended)
    }

    async fn kill(&mut self, wait: Duration) {
        // Gone already is what was wanted.
        let _: std::io::Result<()> = self.inner.start_kill();
        let _: Result<_, _> = tokio::time::timeout(wait, self.exited()).await;
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.ended.is_none() {
            // tokio kills and waits for it from here on, in its own time; the pid stays ours until it may be anybody's.
            let _: std::io::Result<()> = self.inner.start_kill();
        }
    }
}
