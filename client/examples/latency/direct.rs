//! The real agents driven directly over their pipes, with no more than it takes to have an answer.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout};

use crate::Failure;
use crate::measure::{now_ms, stamps};

/// Longest wait for a line.
const PATIENCE: Duration = Duration::from_secs(30);

/// What an agent said, and when.
#[derive(Default)]
pub(crate) struct Said {
    /// From the start of the process to its first word.
    pub(crate) first: f64,
    /// From the model's word to the reader of the pipe.
    pub(crate) ages: Vec<f64>,
}

impl Said {
    fn note(&mut self, text: &str, begun: f64) {
        let now = now_ms();
        for stamp in stamps(text) {
            if self.first == 0.0 {
                self.first = now - begun;
            } else {
                self.ages.push(now - stamp);
            }
        }
    }
}

/// How an agent is started.
#[derive(Clone, Copy)]
pub(crate) struct Start<'a> {
    /// Its program and arguments.
    pub(crate) command: &'a [String],
    pub(crate) home: &'a Path,
    pub(crate) cwd: &'a Path,
    pub(crate) variables: &'a [(String, String)],
}

/// A process and its pipes.
struct Pipes {
    // Ends with it.
    _child: tokio::process::Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Pipes {
    fn start(start: &Start<'_>) -> Result<Self, Failure> {
        let Start { command, home, cwd, variables } = *start;
        let (program, args) = command.split_first().ok_or("no program")?;
        let mut child = tokio::process::Command::new(program)
            .args(args)
            .current_dir(cwd)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", home)
            .envs(variables.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let input = child.stdin.take().ok_or("no stdin")?;
        let lines = BufReader::new(child.stdout.take().ok_or("no stdout")?).lines();
        Ok(Self { _child: child, input, lines })
    }

    async fn say(&mut self, message: &Value) -> Result<(), Failure> {
        Ok(self.input.write_all(format!("{message}\n").as_bytes()).await?)
    }

    async fn next(&mut self) -> Result<Value, Failure> {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await??.ok_or("the agent ended")?;
        Ok(serde_json::from_str(&line)?)
    }

    /// The answer to a request of ours.
    async fn answer(&mut self, id: u64) -> Result<Value, Failure> {
        loop {
            let message = self.next().await?;
            if message["id"] == id && message.get("method").is_none() {
                return Ok(message["result"].clone());
            }
        }
    }
}

/// One prompt to a fresh Claude Code.
pub(crate) async fn claude(start: &Start<'_>, text: &str) -> Result<Said, Failure> {
    let begun = now_ms();
    let mut pipes = Pipes::start(start)?;
    let content = [json!({ "type": "text", "text": text })];
    pipes.say(&json!({ "type": "user", "message": { "role": "user", "content": content } })).await?;
    let mut said = Said::default();
    loop {
        let message = pipes.next().await?;
        match message["type"].as_str() {
            Some("stream_event") => {
                said.note(message["event"]["delta"]["text"].as_str().unwrap_or_default(), begun);
            }
            Some("result") => return Ok(said),
            _ => {}
        }
    }
}

/// One prompt to a fresh app-server of Codex.
pub(crate) async fn codex(start: &Start<'_>, text: &str) -> Result<Said, Failure> {
    let begun = now_ms();
    let mut pipes = Pipes::start(start)?;
    let info = json!({ "name": "towline_bench", "title": "Bench", "version": "0.0.0" });
    pipes.say(&json!({ "id": 1, "method": "initialize", "params": { "clientInfo": info } })).await?;
    pipes.answer(1).await?;
    pipes.say(&json!({ "method": "initialized" })).await?;
    pipes.say(&json!({ "id": 2, "method": "thread/start", "params": { "cwd": start.cwd } })).await?;
    let thread = pipes.answer(2).await?["thread"]["id"].clone();
    let input = [json!({ "type": "text", "text": text, "text_elements": [] })];
    pipes.say(&json!({ "id": 3, "method": "turn/start", "params": { "threadId": thread, "input": input } })).await?;
    let mut said = Said::default();
    loop {
        let message = pipes.next().await?;
        match message["method"].as_str() {
            Some("item/agentMessage/delta") => {
                said.note(message["params"]["delta"].as_str().unwrap_or_default(), begun);
            }
            Some("turn/completed") => return Ok(said),
            _ => {}
        }
    }
}

/// One prompt to a fresh ACP agent.
pub(crate) async fn acp(start: &Start<'_>, text: &str) -> Result<Said, Failure> {
    let begun = now_ms();
    let mut pipes = Pipes::start(start)?;
    let request = |id: u64, method: &str, params: Value| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
    pipes.say(&request(1, "initialize", json!({ "protocolVersion": 1, "clientCapabilities": {} }))).await?;
    pipes.answer(1).await?;
    pipes.say(&request(2, "session/new", json!({ "cwd": start.cwd, "mcpServers": [] }))).await?;
    let session = pipes.answer(2).await?["sessionId"].clone();
    let prompt = [json!({ "type": "text", "text": text })];
    pipes.say(&request(3, "session/prompt", json!({ "sessionId": session, "prompt": prompt }))).await?;
    let mut said = Said::default();
    loop {
        let message = pipes.next().await?;
        if message["id"] == 3 && message.get("method").is_none() {
            return Ok(said);
        }
        let update = &message["params"]["update"];
        if update["sessionUpdate"] == "agent_message_chunk" {
            said.note(update["content"]["text"].as_str().unwrap_or_default(), begun);
        }
    }
}
