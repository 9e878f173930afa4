//! Plays a script for one prompt: streams words, uses its few tools, asks before it writes.

use std::fmt::Write as _;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::desk::Desk;
use super::script::{RATE, Step};
use super::words;

/// Names that are told of a directory.
const NAMES: usize = 12;
/// Most of a file that is quoted: lines, and bytes that are read for them.
const QUOTED_LINES: usize = 20;
const QUOTED_BYTES: u64 = 4096;

/// How a prompt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    EndTurn,
    Cancelled,
}

/// What a session allows.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    pub(super) session: String,
    pub(super) cwd: PathBuf,
    /// Files are written without asking.
    pub(super) accepts_edits: bool,
    /// Thoughts and plans are left out.
    pub(super) quick: bool,
}

/// One prompt that runs.
#[derive(Debug)]
pub(super) struct Player {
    desk: Desk,
    stage: Stage,
    cancel: CancellationToken,
    rate: Duration,
    calls: u64,
    /// Tells calls of one turn from those of another.
    turn: usize,
    /// All that was said.
    pub(super) said: String,
    /// Whether the person allowed writing for the rest of the session.
    pub(super) allowed_always: bool,
}

impl Player {
    pub(super) const fn new(desk: Desk, stage: Stage, cancel: CancellationToken, turn: usize) -> Self {
        Self { desk, stage, cancel, rate: RATE, calls: 0, turn, said: String::new(), allowed_always: false }
    }

    /// Plays all steps; cancellation is noticed between any two words.
    pub(super) async fn play(&mut self, steps: Vec<Step>) -> Stop {
        let cancel = self.cancel.clone();
        for step in steps {
            let goes_on = tokio::select! {
                biased;
                () = cancel.cancelled() => false,
                goes_on = self.step(step) => goes_on,
            };
            if !goes_on {
                return Stop::Cancelled;
            }
        }
        Stop::EndTurn
    }

    async fn step(&mut self, step: Step) -> bool {
        match step {
            Step::Think(text) if !self.stage.quick => self.think(&text).await,
            Step::Plan(done) if !self.stage.quick => self.plan(done).await,
            Step::Think(_) | Step::Plan(_) => {}
            Step::Say(text) => self.say(&text).await,
            Step::Words(count) => {
                let mut text = String::new();
                for word in 1..=count {
                    // Writing to a string cannot fail.
                    let _: std::fmt::Result = write!(text, "w{word} ");
                }
                self.say(&text).await;
            }
            Step::Rate(rate) => self.rate = rate,
            Step::Sleep(pause) => tokio::time::sleep(pause).await,
            Step::Look => self.look().await,
            Step::Read(path) => self.read(&path).await,
            Step::Write { path, text } => return self.write(&path, &text).await,
            Step::Die => {
                // What was said before is heard.
                self.desk.flush().await;
                self.desk.die.cancel();
                std::future::pending::<()>().await;
            }
        }
        true
    }

    /// Word by word; what was said when a stop comes is what is remembered.
    async fn say(&mut self, text: &str) {
        for word in text.split_inclusive(char::is_whitespace) {
            self.said.push_str(word);
            self.chunk("agent_message_chunk", word).await;
        }
    }

    async fn think(&self, text: &str) {
        for word in text.split_inclusive(char::is_whitespace) {
            self.chunk("agent_thought_chunk", word).await;
        }
    }

    async fn chunk(&self, kind: &str, word: &str) {
        self.update(json!({ "sessionUpdate": kind, "content": { "type": "text", "text": word } })).await;
        if !self.rate.is_zero() {
            tokio::time::sleep(self.rate).await;
        }
    }

    async fn update(&self, update: Value) {
        self.desk.update(&self.stage.session, update).await;
    }

    async fn plan(&self, done: usize) {
        let entries: Vec<Value> = words::PLAN
            .iter()
            .enumerate()
            .map(|(step, text)| {
                let status = match step.cmp(&done) {
                    std::cmp::Ordering::Less => "completed",
                    std::cmp::Ordering::Equal => "in_progress",
                    std::cmp::Ordering::Greater => "pending",
                };
                json!({ "content": text, "priority": "medium", "status": status })
            })
            .collect();
        self.update(json!({ "sessionUpdate": "plan", "entries": entries })).await;
    }

    fn call(&mut self) -> String {
        self.calls += 1;
        format!("call-{}-{}", self.turn, self.calls)
    }

    async fn finish(&self, call: &str, status: &str, text: &str) {
        let content = json!([{ "type": "content", "content": { "type": "text", "text": text } }]);
        self.update(
            json!({ "sessionUpdate": "tool_call_update", "toolCallId": call, "status": status, "content": content }),
        )
        .await;
    }

    async fn look(&mut self) {
        let call = self.call();
        self.update(json!({
            "sessionUpdate": "tool_call", "toolCallId": call, "title": "List the directory", "kind": "read", "status": "in_progress",
            "rawInput": { "path": "." }, "locations": [{ "path": self.stage.cwd }],
        }))
        .await;
        let mut names: Vec<String> = match fs::read_dir(&self.stage.cwd) {
            Ok(entries) => entries.flatten().map(|entry| name(&entry)).filter(|name| !name.starts_with('.')).collect(),
            Err(error) => return self.finish(&call, "failed", &error.to_string()).await,
        };
        names.sort();
        self.finish(&call, "completed", &names.join("\n")).await;
        let more = names.len().saturating_sub(NAMES);
        names.truncate(NAMES);
        self.say(&words::found(&names, more)).await;
    }

    async fn read(&mut self, path: &str) {
        let call = self.call();
        let target = self.inside(path);
        self.update(json!({
            "sessionUpdate": "tool_call", "toolCallId": call, "title": format!("Read {path}"), "kind": "read", "status": "in_progress",
            "rawInput": { "path": path }, "locations": target.iter().map(|target| json!({ "path": target })).collect::<Vec<_>>(),
        }))
        .await;
        let text = target
            .ok_or_else(|| OUTSIDE.to_owned())
            .and_then(|target| beginning(&target).map_err(|error| error.to_string()));
        match text {
            Ok(text) => {
                self.finish(&call, "completed", &text).await;
                self.say(&words::quoted(path, &text)).await;
            }
            Err(why) => {
                self.finish(&call, "failed", &why).await;
                self.say(&words::unread(path, &why)).await;
            }
        }
    }

    /// Writes a file when it may; `false` when the turn was cancelled meanwhile.
    async fn write(&mut self, path: &str, text: &str) -> bool {
        let call = self.call();
        let Some(target) = self.inside(path) else {
            self.say(&words::failed(path, OUTSIDE)).await;
            return true;
        };
        let old = fs::read_to_string(&target).ok();
        let tool = json!({
            "toolCallId": call, "title": format!("Write {path}"), "kind": "edit", "status": "pending",
            "rawInput": { "path": path, "text": text }, "locations": [{ "path": target }],
            "content": [{ "type": "diff", "path": target, "oldText": old, "newText": text }],
        });
        let mut update = tool.clone();
        update["sessionUpdate"] = json!("tool_call");
        self.update(update).await;
        if !self.stage.accepts_edits && !self.allowed_always {
            let options = json!([
                { "optionId": "allow", "name": "Allow once", "kind": "allow_once" },
                { "optionId": "allow-always", "name": "Allow all files until this session ends", "kind": "allow_always" },
                { "optionId": "deny", "name": "Deny", "kind": "reject_once" },
            ]);
            let params = json!({ "sessionId": self.stage.session, "toolCall": tool, "options": options });
            let answer = self.desk.ask("session/request_permission", params).await.unwrap_or_default();
            let outcome = answer.get("outcome").unwrap_or(&Value::Null);
            match (outcome["outcome"].as_str(), outcome["optionId"].as_str()) {
                (Some("selected"), Some("allow")) => {}
                (Some("selected"), Some("allow-always")) => self.allowed_always = true,
                (Some("selected"), _) => {
                    self.finish(&call, "failed", "Refused.").await;
                    self.say(&words::refused(path)).await;
                    return true;
                }
                _ => return false,
            }
        }
        match put(&target, text) {
            Ok(()) => {
                self.finish(&call, "completed", &format!("{} bytes written.", text.len())).await;
                self.say(&words::wrote(path)).await;
            }
            Err(error) => {
                self.finish(&call, "failed", &error.to_string()).await;
                self.say(&words::failed(path, &error.to_string())).await;
            }
        }
        true
    }

    /// A path within the project; nothing else is touched. Links that lead out are not followed.
    fn inside(&self, path: &str) -> Option<PathBuf> {
        let relative = Path::new(path).strip_prefix(&self.stage.cwd).unwrap_or(Path::new(path));
        let plain = relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let target = self.stage.cwd.join(relative);
        let existing = target.ancestors().find(|part| part.exists())?;
        let root = self.stage.cwd.canonicalize().ok()?;
        (plain && existing.canonicalize().ok()?.starts_with(root)).then_some(target)
    }
}

const OUTSIDE: &str = "it is outside of this project";

fn name(entry: &fs::DirEntry) -> String {
    let name = entry.file_name().to_string_lossy().into_owned();
    if entry.file_type().is_ok_and(|kind| kind.is_dir()) { format!("{name}/") } else { name }
}

fn beginning(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(QUOTED_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().take(QUOTED_LINES).collect::<Vec<_>>().join("\n"))
}

fn put(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}
