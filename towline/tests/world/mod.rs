//! The program in a world of its own: its own home, its own data, nothing of the tester's environment.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use client::{Api, Dialer, Remote};
use serde_json::Value;

/// Longest that any step of a test may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A home directory with a project in it.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    /// What a process that stays gets in its environment besides.
    pub(crate) more: Vec<(&'static str, String)>,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A node that runs.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    pub(crate) ready: Value,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("towline-test-").tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("home/project")).unwrap();
        Self { folder, more: Vec::new() }
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.home().join("project")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.home().join(".local/share/towline")
    }

    fn command(&self, args: &[&str]) -> Command {
        self.hermetic(Command::new(program()), args)
    }

    /// The program started by another one, which takes the program and its arguments as its last ones.
    pub(crate) fn command_by(&self, starter: &[&str], args: &[&str]) -> Command {
        let mut command = Command::new(starter[0]);
        command.args(&starter[1..]).arg(program());
        self.hermetic(command, args)
    }

    fn hermetic(&self, mut command: Command, args: &[&str]) -> Command {
        command.args(args).env_clear().env("HOME", self.home()).env("PATH", "/usr/bin:/bin").env("LANG", "C.UTF-8");
        command.current_dir(self.project()).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, &[])
    }

    /// Runs a command to its end with more in its environment.
    pub(crate) fn run_with(&self, args: &[&str], environment: &[(&str, &str)]) -> Ran {
        let mut command = self.command(args);
        command.envs(environment.iter().copied());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let read = |mut from: Box<dyn Read + Send>| {
            std::thread::spawn(move || {
                let mut text = String::new();
                from.read_to_string(&mut text).unwrap();
                text
            })
        };
        let (out, err) = (read(Box::new(out)), read(Box::new(err)));
        let code = ended(&mut child, &format!("towline {args:?}"));
        Ran { code, out: out.join().unwrap(), err: err.join().unwrap() }
    }

    /// Starts a node and waits until it is ready.
    pub(crate) fn up(&self, args: &[&str]) -> Running {
        let args: Vec<&str> = ["up", "--json", "--no-open"].iter().chain(args).copied().collect();
        self.start(&args)
    }

    /// Starts something that prints one line of JSON when it is ready.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        let mut command = self.command(args);
        command.envs(self.more.iter().map(|(name, value)| (name, value)));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = child.stdout.take().unwrap();
        let (send, receive) = std::sync::mpsc::sync_channel(1);
        std::thread::spawn(move || {
            let mut lines = BufReader::new(out).lines().map_while(Result::ok);
            let _ = send.send(lines.next());
            assert_eq!(lines.next(), None, "one line and no more");
        });
        let line =
            receive.recv_timeout(PATIENCE).expect("the node is ready in time").expect("the node says that it is ready");
        Running { child, ready: serde_json::from_str(&line).unwrap() }
    }

    /// The way that the command line takes.
    pub(crate) fn remote(&self, running: &Running) -> Remote {
        let token = std::fs::read_to_string(self.data().join("local.token")).unwrap();
        Remote::new(running.url(), Some(token.trim().to_owned()), Dialer::tcp()).unwrap()
    }

    pub(crate) fn api(&self, running: &Running) -> Api {
        Api::new(self.remote(running))
    }

    /// Waits until no process is left that names this world in its environment or arguments.
    pub(crate) fn expect_nothing_left(&self) {
        let until = Instant::now() + Duration::from_secs(5);
        loop {
            let left = naming(self.folder.path());
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < until, "left behind: {left:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The program; the soak brings a release build.
fn program() -> std::ffi::OsString {
    std::env::var_os("TOWLINE_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_towline").into())
}

/// Processes whose environment or command line names a folder.
fn naming(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let text = |path: PathBuf| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).replace('\0', " ");
    let all = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let processes = all.filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok());
    processes
        .filter(|entry| ["environ", "cmdline"].iter().any(|file| text(entry.path().join(file)).contains(folder)))
        .map(|entry| format!("{}: {}", entry.file_name().to_string_lossy(), text(entry.path().join("cmdline"))))
        .collect()
}

fn ended(child: &mut Child, what: &str) -> Option<i32> {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if Instant::now() > until {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{what} did not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Running {
    pub(crate) fn url(&self) -> &str {
        self.ready.get("localUrl").unwrap_or(&self.ready["url"]).as_str().unwrap()
    }

    pub(crate) fn port(&self) -> &str {
        self.url().rsplit_once(':').unwrap().1
    }

    /// Tells it something that no program can refuse, such as to stand still.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn kill9(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it as a person would; the exit code, and how long it took.
    pub(crate) fn stop(mut self) -> (Option<i32>, Duration) {
        let began = Instant::now();
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        (ended(&mut self.child, "the node"), began.elapsed())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that failed leaves nothing behind; after `stop` and `kill9` there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // What libfaketime leaves behind when its process is killed.
        for name in ["faketime_shm", "sem.faketime_sem"] {
            let _ = std::fs::remove_file(format!("/dev/shm/{name}_{}", self.child.id()));
        }
    }
}
