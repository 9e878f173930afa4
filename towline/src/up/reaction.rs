//! What an owner asked to be done on their machine when a prompt comes from another device: a notification, the chat in a browser, a
//! command of their own. Programs are looked for when they are needed, run without a shell, and never wait for ever.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use host::process::{Child, Environment, Line, SpawnSpec, fresh_tag};
use tokio_util::sync::CancellationToken;

use super::browser;
use crate::config::Settings;
use crate::env::Env;

/// Longest that a notification may take.
const NOTICE: Duration = Duration::from_secs(10);
/// What is given to a child between being asked to end and being killed.
const GRACE: Duration = Duration::from_secs(2);
/// Most bytes of one line of what a command prints that are logged.
const LINE_BYTES: usize = 1_000;
/// Most lines of what a command prints that are logged.
const LINES: usize = 100;
/// Most characters of a prompt in a notification.
const SHOWN: usize = 140;
/// Most bytes of a prompt in a variable: systems refuse to start a program that is given more than about 128 KiB in one.
const VARIABLE_BYTES: usize = 32 * 1024;
/// Variables of the owner's desktop, without which nothing reaches a screen.
const DESKTOP: [&str; 4] = ["DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "XAUTHORITY"];

/// A prompt that came from another device.
#[derive(Debug, Default)]
pub(super) struct Prompt {
    pub(super) command: String,
    pub(super) session: String,
    pub(super) title: String,
    pub(super) project: String,
    pub(super) agent: String,
    pub(super) device: String,
    pub(super) device_name: String,
    pub(super) text: String,
}

/// What is to be done.
#[derive(Debug, Clone)]
pub(super) struct Reaction {
    notify: bool,
    /// The address of this node, to open the chat at.
    open: Option<String>,
    command: Vec<String>,
    limit: Duration,
    environment: Environment,
    cwd: PathBuf,
    /// The node stops: what runs is ended.
    stop: CancellationToken,
}

impl Reaction {
    /// What the settings of this machine ask for; `None` where they ask for nothing, which is how it comes.
    pub(super) fn wanted(settings: &Settings, env: &Env, local_url: &str, stop: CancellationToken) -> Option<Self> {
        let wish = &settings.remote_prompts;
        let open = (wish.open_browser && env.has_screen).then(|| local_url.trim_end_matches('/').to_owned());
        if !wish.notify && open.is_none() && wish.command.is_empty() {
            return None;
        }
        let mut environment = Environment::cleaned(env.all.iter().cloned());
        for name in DESKTOP {
            if let Some(value) = env.get(name) {
                environment = environment.with(name, value);
            }
        }
        let cwd = env.home.clone().or_else(|| env.current_dir.clone()).unwrap_or_else(std::env::temp_dir);
        let (command, limit) = (wish.command.clone(), wish.command_limit);
        Some(Self { notify: wish.notify, open, command, limit, environment, cwd, stop })
    }

    /// Does it; what goes wrong is logged, and the prompt goes on whatever happens here.
    pub(super) async fn to(self, prompt: &Prompt) {
        let Self { notify, open, command, limit, .. } = &self;
        let notice = async {
            if *notify {
                self.notice(prompt).await;
            }
        };
        let page = async {
            if let Some(url) = open {
                browser::open(format!("{url}/s/{}", prompt.session)).await;
            }
        };
        let own = async {
            if let [program, args @ ..] = command.as_slice() {
                let environment = self.environment.clone();
                let environment =
                    variables(prompt).into_iter().fold(environment, |all, (name, value)| all.with(name, value));
                self.run(program, args.iter().map(Into::into).collect(), environment, *limit, true).await;
            }
        };
        tokio::join!(notice, page, own);
    }

    /// Shows a notification, where there is a program for that.
    async fn notice(&self, prompt: &Prompt) {
        let from = if prompt.device_name.is_empty() { &prompt.device } else { &prompt.device_name };
        let head = format!("Prompt from {from}");
        let words: String = prompt.text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SHOWN).collect();
        let body = if prompt.title.is_empty() { words } else { format!("{}: {words}", prompt.title) };
        let (program, args): (_, Vec<OsString>) = if cfg!(target_os = "macos") {
            let script =
                ["on run argv", "display notification (item 2 of argv) with title (item 1 of argv)", "end run"];
            let lines = script.into_iter().flat_map(|line| ["-e".into(), line.into()]);
            ("osascript", lines.chain([head.into(), body.into()]).collect())
        } else {
            ("notify-send", vec!["--app-name=Towline".into(), "--".into(), head.into(), body.into()])
        };
        self.run(program, args, self.environment.clone(), NOTICE, false).await;
    }

    /// Runs a program to its end, or to its limit; then nothing of it is left.
    async fn run(&self, program: &str, args: Vec<OsString>, environment: Environment, limit: Duration, told: bool) {
        let Some(found) = environment.find(program.as_ref()) else {
            tracing::warn!(program, "it is not there, so a remote prompt is not told of by it");
            return;
        };
        let spec = SpawnSpec { program: found, args, cwd: self.cwd.clone(), environment, tag: fresh_tag("reaction") };
        let mut child = match Child::spawn(&spec) {
            Ok(child) => child,
            Err(error) => {
                tracing::warn!(program, %error, "it could not be started for a remote prompt");
                return;
            }
        };
        drop(child.take_stdin());
        let lines = child.take_lines(LINE_BYTES);
        let tail = child.tail();
        let ended = tokio::time::timeout(limit, async {
            let mut said = 0_usize;
            if let Some(mut lines) = lines {
                // Read to its end, so that it never waits for us.
                while let Ok(Some(line)) = lines.next().await {
                    said = said.saturating_add(1);
                    if let Line::Text(text) = line
                        && told
                        && said <= LINES
                    {
                        tracing::info!(program, "{text}");
                    }
                }
            }
            child.exited().await
        });
        let over = tokio::select! {
            over = ended => Some(over),
            () = self.stop.cancelled() => None,
        };
        match over.unwrap_or(Ok(Ok(ExitStatus::default()))) {
            Ok(Ok(status)) if status.success() => {}
            Ok(Ok(status)) => tracing::warn!(program, %status, said = tail.text(), "it failed after a remote prompt"),
            Ok(Err(error)) => tracing::warn!(program, %error, "how it ended is not known"),
            Err(_) => tracing::warn!(program, limit = ?limit, "it took too long after a remote prompt and is ended"),
        }
        if let Err(error) = child.end(Duration::ZERO, GRACE).await {
            tracing::warn!(program, %error, "something that it started is still there");
        }
    }
}

/// What a command of the owner is told, as variables.
fn variables(prompt: &Prompt) -> [(&'static str, String); 8] {
    // A variable holds no NUL, whatever somebody typed.
    let plain = |text: &str| text.replace('\0', "\u{fffd}");
    let mut text = plain(&prompt.text);
    text.truncate(text.floor_char_boundary(VARIABLE_BYTES));
    [
        ("TOWLINE_COMMAND", prompt.command.clone()),
        ("TOWLINE_SESSION", prompt.session.clone()),
        ("TOWLINE_TITLE", plain(&prompt.title)),
        ("TOWLINE_PROJECT", plain(&prompt.project)),
        ("TOWLINE_AGENT_NAME", plain(&prompt.agent)),
        ("TOWLINE_DEVICE", prompt.device.clone()),
        ("TOWLINE_DEVICE_NAME", plain(&prompt.device_name)),
        ("TOWLINE_PROMPT", text),
    ]
}
