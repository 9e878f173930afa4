//! Makes events of what Claude Code writes. Pure: no process, no clock, so that recorded transcripts run through it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use protocol::item::{ItemContent, ItemStatus, NoticeLevel};
use protocol::turn::TurnErrorCode;
use serde_json::{Value, json};

use super::asks::{self, Asked};
use super::blocks::Streaming;
use super::tools::Tasks;
use crate::agent::ledger::Ledger;
use crate::agent::limits;
use crate::agent::link::{self, Refusal, Step};
use crate::agent::words::{Garbage, Unknown, list, maybe, notice, text, title};
use crate::agent::{AgentEvent, Answer, DriveError, TurnEnd, TurnOutcome};

/// Events of sub-agents that are kept while no turn runs; they are told when the next one begins.
const HELD: usize = 1024;

/// Tasks in the background that are told of.
const MOST_TASKS: usize = 64;

/// The turn that Claude works on.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Turn {
    #[default]
    Idle,
    /// It began by itself.
    Own,
    /// It answers a prompt of ours.
    Prompt {
        uuid: String,
        /// The CLI said that it has begun; older ones never say.
        begun: bool,
    },
}

/// Everything that is known of one Claude process.
#[derive(Debug, Default)]
pub(super) struct ClaudeMapper {
    pub(super) cwd: String,
    pub(super) bypass: bool,
    pub(super) ledger: Ledger,
    /// By the tool call of the sub-agent; `None` for the main conversation.
    pub(super) streams: BTreeMap<Option<String>, Streaming>,
    pub(super) turn: Turn,
    /// Prompts that were sent while another turn ran.
    pub(super) queued: VecDeque<String>,
    /// Those of them that were handed over in mid-turn, with the key that the session knows each by.
    steers: BTreeMap<String, String>,
    /// Whether the CLI tells what becomes of each prompt (2.1.329 does, 2.1.197 does not).
    pub(super) tells_of_prompts: bool,
    pub(super) interrupting: bool,
    /// Why the turn fails, as far as it is known before its end.
    pub(super) failure: Option<TurnErrorCode>,
    pub(super) asks: BTreeMap<String, Asked>,
    /// Tool calls that a person refused.
    pub(super) denied: BTreeSet<String>,
    pub(super) session: Option<String>,
    pub(super) model: Option<String>,
    pub(super) mode: Option<String>,
    /// The steps that Claude keeps.
    pub(super) tasks: Tasks,
    /// Tasks that are waited for: their end is that of their tool call, and no news.
    awaited: BTreeSet<String>,
    /// The id of the last message that Claude has written: a fork can begin behind it.
    pub(super) place: Option<String>,
    /// The model that answers in this turn.
    pub(super) answering: Option<String>,
    /// What the process has cost so far, in US dollars.
    pub(super) cost: f64,
    /// What the CLI said before any turn: why it does not start.
    pub(super) refused_start: Option<String>,
    pub(super) texts: u64,
    held: VecDeque<AgentEvent>,
    held_lost: u64,
    pub(super) unknown: Unknown,
    pub(super) garbage: Garbage,
    limits: Option<String>,
    controls: u64,
}

impl ClaudeMapper {
    pub(super) fn new(cwd: &str, bypass: bool) -> Self {
        Self { cwd: cwd.to_owned(), bypass, ..Self::default() }
    }

    /// A prompt goes out.
    pub(super) fn prompted(&mut self, uuid: &str) {
        if self.turn == Turn::Idle {
            self.turn = Turn::Prompt { uuid: uuid.to_owned(), begun: false };
        } else {
            self.queued.push_back(uuid.to_owned());
        }
    }

    /// A prompt goes out in mid-turn.
    pub(super) fn steered(&mut self, uuid: &str, key: &str) {
        self.prompted(uuid);
        self.steers.insert(uuid.to_owned(), key.to_owned());
    }

    /// The id of a prompt that was handed over in mid-turn and still waits.
    pub(super) fn steered_as(&self, key: &str) -> Option<String> {
        let waits = |uuid: &&String| self.queued.contains(*uuid);
        self.steers.iter().filter(|(_, known)| *known == key).map(|(uuid, _)| uuid).find(waits).cloned()
    }

    /// What waits will never run: its session may hand it over anew.
    pub(super) fn drop_steers(&mut self, out: &mut Vec<Step>) {
        for uuid in std::mem::take(&mut self.queued) {
            match self.steers.remove(&uuid) {
                Some(key) => out.push(Step::Event(AgentEvent::SteerDropped { key })),
                None => self.queued.push_back(uuid),
            }
        }
    }

    /// Takes an ask off, and makes the line that answers it.
    pub(super) fn answer(&mut self, request: &str, answer: &Answer) -> Result<String, DriveError> {
        let asked = self.asks.get(request).ok_or_else(|| DriveError::NotAsked { request: request.to_owned() })?;
        let body = asks::answer(asked, answer)?;
        if let Some(asked) = self.asks.remove(request)
            && asks::refuses(answer)
        {
            self.denied.extend(asked.tool_use);
        }
        let response = json!({ "subtype": "success", "request_id": request, "response": body });
        Ok(json!({ "type": "control_response", "response": response }).to_string())
    }

    /// A control request of ours, with a fresh id.
    pub(super) fn control(&mut self, request: &Value) -> (String, String) {
        self.controls += 1;
        let id = format!("towline-{}", self.controls);
        let line = json!({ "type": "control_request", "request_id": id, "request": request }).to_string();
        (id, line)
    }

    pub(super) fn interrupt(&mut self) -> String {
        self.interrupting = self.turn != Turn::Idle;
        // Nothing waits in Claude's own queue as a rule, and what does must not run after a stop. Older versions do not know the field
        // and ignore it.
        self.control(&json!({ "subtype": "interrupt", "cancel_queued": true })).1
    }

    /// Begins a turn by itself when none runs.
    pub(super) fn wake(&mut self, out: &mut Vec<Step>) {
        if self.turn == Turn::Idle {
            self.turn = Turn::Own;
            out.push(Step::Event(AgentEvent::TurnStarted));
        }
        self.release(out);
    }

    fn release(&mut self, out: &mut Vec<Step>) {
        out.extend(self.held.drain(..).map(Step::Event));
        if self.held_lost > 0 {
            let text = format!("{} messages from the background were lost.", self.held_lost);
            out.push(Step::Event(notice(NoticeLevel::Warning, "messages_lost", &text)));
            self.held_lost = 0;
        }
    }

    /// Tells something that belongs to a turn, now or when the next one begins.
    pub(super) fn tell(&mut self, out: &mut Vec<Step>, event: Option<AgentEvent>) {
        let Some(event) = event else { return };
        if self.turn != Turn::Idle {
            out.push(Step::Event(event));
        } else if self.held.len() < HELD {
            self.held.push_back(event);
        } else {
            self.held_lost += 1;
        }
    }

    fn system(&mut self, message: &Value, out: &mut Vec<Step>) {
        match text(message, "subtype") {
            "init" => self.init(message, out),
            "status" => {
                if let Some(mode) = maybe(message, "permissionMode")
                    && self.mode.as_ref() != Some(&mode)
                {
                    self.mode = Some(mode);
                    out.push(Step::Event(self.options()));
                }
            }
            "api_retry" => self.retry(message, out),
            "compact_boundary" => {
                let words =
                    "The conversation was summarised to make room; what came before is no longer known word by word.";
                self.tell(out, Some(notice(NoticeLevel::Info, "compacted", words)));
            }
            "informational" => {
                let event = notice(NoticeLevel::Info, "informational", text(message, "content"));
                self.tell(out, Some(event));
            }
            "task_started" => {
                if message.get("is_backgrounded") == Some(&Value::Bool(false)) {
                    self.awaited.insert(text(message, "task_id").to_owned());
                }
            }
            "task_notification" if self.awaited.remove(text(message, "task_id")) => {}
            "task_notification" => {
                let event = notice(NoticeLevel::Info, "background_task", &background(message));
                self.tell(out, Some(event));
            }
            "background_tasks_changed" => {
                let tasks = list(message, "tasks").iter().take(MOST_TASKS).map(|task| title(text(task, "description")));
                out.push(Step::Event(AgentEvent::Background { tasks: tasks.collect() }));
            }
            // Progress that is shown in other ways, or by nobody.
            "thinking_tokens"
            | "task_updated"
            | "task_progress"
            | "session_title_changed"
            | "session_state_changed"
            | "permission_denied"
            | "hook_started"
            | "hook_response"
            | "files_persisted" => {}
            other => {
                let event = self.unknown.meet(&format!("system/{other}"));
                self.tell(out, event);
            }
        }
    }

    fn init(&mut self, message: &Value, out: &mut Vec<Step>) {
        self.tells_of_prompts = list(message, "capabilities").iter().any(|known| known == "msg_lifecycle_v1");
        self.wake(out);
        if let Some(session) = maybe(message, "session_id")
            && self.session.as_ref() != Some(&session)
        {
            self.session = Some(session.clone());
            out.push(Step::Event(AgentEvent::Session { agent_session: session }));
        }
        let (model, mode) = (maybe(message, "model"), maybe(message, "permissionMode"));
        if (model.is_some() && model != self.model) || (mode.is_some() && mode != self.mode) {
            self.model = model.or_else(|| self.model.take());
            self.mode = mode.or_else(|| self.mode.take());
            out.push(Step::Event(self.options()));
        }
    }

    fn options(&self) -> AgentEvent {
        AgentEvent::Options { model: self.model.clone(), mode: self.mode.clone() }
    }

    /// A request to the model failed and is tried again; with a wrong key that would go on for minutes.
    fn retry(&mut self, message: &Value, out: &mut Vec<Step>) {
        let error = text(message, "error");
        let number = |key: &str| message.get(key).and_then(Value::as_u64);
        if error == "authentication_failed" {
            if self.failure.is_none() && self.turn != Turn::Idle {
                self.failure = Some(TurnErrorCode::CredentialsExpired);
                let line = self.control(&json!({ "subtype": "interrupt", "cancel_queued": true })).1;
                out.push(Step::Write(line));
            }
            return;
        }
        let why = match error {
            "overloaded" => "the model is overloaded",
            "rate_limit" => "a limit is reached",
            "" | "unknown" => "the connection to the model broke",
            other => other,
        };
        let seconds = number("retry_delay_ms").unwrap_or(0).div_ceil(1000);
        let attempt = number("attempt").unwrap_or(1);
        let words = match number("max_retries") {
            Some(most) => format!("Trying again in {seconds} s, {attempt} of {most}: {why}."),
            None => format!("Trying again in {seconds} s: {why}."),
        };
        self.tell(out, Some(notice(NoticeLevel::Warning, "retrying", &words)));
    }

    fn limits(&mut self, message: &Value, out: &mut Vec<Step>) {
        let info = message.get("rate_limit_info").unwrap_or(&Value::Null);
        let told = limits::of_claude(info);
        if !told.is_empty() {
            out.push(Step::Event(AgentEvent::Limits { windows: told }));
        }
        let mut words = Vec::new();
        let windows = info.get("unifiedWindows").and_then(Value::as_object).into_iter().flatten();
        for (window, state) in windows.filter(|(_, state)| !matches!(text(state, "status"), "" | "allowed")) {
            let used = state.get("utilization").and_then(Value::as_f64).unwrap_or(0.0) * 100.0;
            words.push(format!("{} limit: {used:.0} % used", window.replace('_', " ")));
        }
        let status = text(info, "status");
        if words.is_empty() && !matches!(status, "" | "allowed") {
            words.push(format!(
                "{} limit: {}",
                text(info, "rateLimitType").replace('_', " "),
                status.replace('_', " ")
            ));
        }
        if words.is_empty() {
            return;
        }
        let words = words.join(", ");
        if self.limits.as_ref() != Some(&words) {
            self.limits = Some(words.clone());
            self.tell(out, Some(notice(NoticeLevel::Warning, "rate_limit", &words)));
        }
    }

    fn asked(&mut self, message: &Value, out: &mut Vec<Step>) {
        let (id, request) = (text(message, "request_id"), message.get("request").unwrap_or(&Value::Null));
        let subtype = text(request, "subtype");
        if subtype != "can_use_tool" {
            let event = self.unknown.meet(&format!("control_request/{subtype}"));
            self.tell(out, event);
            let error = format!("`{subtype}` is not supported");
            let response = json!({ "subtype": "error", "request_id": id, "error": error });
            out.push(Step::Write(json!({ "type": "control_response", "response": response }).to_string()));
            return;
        }
        // A turn that nobody prompted may ask, too; it must be there for the question to belong to.
        self.wake(out);
        let tool_use = text(request, "tool_use_id");
        if !tool_use.is_empty() && !self.ledger.is_open(tool_use) {
            let call = super::tools::describe(text(request, "tool_name"), &request["input"], &self.cwd);
            let event = self.ledger.put(tool_use, None, ItemContent::ToolCall(call));
            self.tell(out, event);
        }
        let (asked, event) = asks::ask(id, request, self.ledger.content(tool_use), &self.cwd, self.bypass);
        self.asks.insert(id.to_owned(), asked);
        out.push(Step::Event(event));
    }

    pub(super) fn withdraw(&mut self, out: &mut Vec<Step>) {
        for request in std::mem::take(&mut self.asks).into_keys() {
            out.push(Step::Event(AgentEvent::AskWithdrawn { request }));
        }
    }

    /// Where a prompt stands in Claude's own queue.
    fn lifecycle(&mut self, message: &Value, out: &mut Vec<Step>) {
        let (uuid, state) = (text(message, "command_uuid"), text(message, "state"));
        if let Turn::Prompt { uuid: current, begun } = &mut self.turn
            && current == uuid
        {
            match state {
                "started" => *begun = true,
                // It was folded into a turn that has ended, or was dropped with an interrupt: no result follows.
                "completed" | "cancelled" => self.end_without_result(state == "cancelled", out),
                _ => {}
            }
        } else if let Some(place) = self.queued.iter().position(|queued| queued == uuid)
            && matches!(state, "started" | "cancelled")
        {
            // `started` while another turn runs: it was folded into that one at a tool boundary, and has no result of its own.
            self.queued.remove(place);
            if let Some(key) = self.steers.remove(uuid) {
                let taken = state == "started";
                let event = if taken { AgentEvent::SteerTaken { key } } else { AgentEvent::SteerDropped { key } };
                out.push(Step::Event(event));
            } else if self.turn == Turn::Own {
                // It was on its way when Claude began by itself: taken in there, that turn is its own; else it will never run.
                if state == "started" {
                    self.turn = Turn::Prompt { uuid: uuid.to_owned(), begun: true };
                } else {
                    let how = TurnOutcome::Interrupted;
                    out.push(Step::Event(AgentEvent::TurnEnded(TurnEnd { how, usage: None, model: None, own: false })));
                }
            }
        }
    }
}

impl link::Mapper for ClaudeMapper {
    fn line(&mut self, line: &str) -> Vec<Step> {
        let mut out = Vec::new();
        let Ok(message) = serde_json::from_str::<Value>(line) else {
            let event = self.garbage.meet(line);
            self.tell(&mut out, event);
            return out;
        };
        if self.turn != Turn::Idle {
            self.release(&mut out);
        }
        match text(&message, "type") {
            "stream_event" => self.stream(&message, &mut out),
            "assistant" => self.assistant(&message, &mut out),
            "user" => self.user(&message, &mut out),
            "system" => self.system(&message, &mut out),
            "result" => self.result(&message, &mut out),
            "control_request" => self.asked(&message, &mut out),
            "control_cancel_request" => {
                let request = text(&message, "request_id").to_owned();
                if self.asks.remove(&request).is_some() {
                    out.push(Step::Event(AgentEvent::AskWithdrawn { request }));
                }
            }
            "control_response" => out.extend(response(&message)),
            "command_lifecycle" => self.lifecycle(&message, &mut out),
            "rate_limit_event" => self.limits(&message, &mut out),
            "keep_alive" | "streamlined_text" | "streamlined_tool_use_summary" | "tool_progress" => {}
            other => {
                let event = self.unknown.meet(if other.is_empty() { "a message without a type" } else { other });
                self.tell(&mut out, event);
            }
        }
        out
    }

    fn ended(&mut self) -> Vec<AgentEvent> {
        let mut out = Vec::new();
        // What waited for a next turn is said now or never.
        self.release(&mut out);
        out.extend(self.garbage.over().map(Step::Event));
        out.extend(self.ledger.close(ItemStatus::Interrupted, false).into_iter().map(Step::Event));
        self.withdraw(&mut out);
        out.into_iter().filter_map(|step| if let Step::Event(event) = step { Some(event) } else { None }).collect()
    }
}

/// What came of a task in the background, with what its sub-agent has used.
fn background(message: &Value) -> String {
    let summary = text(message, "summary");
    let usage = message.get("usage").unwrap_or(&Value::Null);
    let number = |key: &str| usage.get(key).and_then(Value::as_u64);
    match (number("total_tokens"), number("tool_uses")) {
        (Some(tokens), tools) => {
            let tools = tools.unwrap_or(0);
            let seconds = number("duration_ms").unwrap_or(0).div_ceil(1000);
            format!("{summary}\n({tokens} tokens, {tools} tool calls, {seconds} s)")
        }
        (None, _) => summary.to_owned(),
    }
}

fn response(message: &Value) -> Option<Step> {
    let response = message.get("response")?;
    let id = maybe(response, "request_id")?;
    let result = if text(response, "subtype") == "success" {
        Ok(response.get("response").cloned().unwrap_or_default())
    } else {
        let message = maybe(response, "error").unwrap_or_else(|| text(response, "error_code").to_owned());
        Err(Refusal { code: None, message })
    };
    Some(Step::Response { id, result })
}

/// What the CLI says of errors, without its own diagnostics.
pub(super) fn errors(message: &Value) -> String {
    let said: Vec<&str> = list(message, "errors")
        .iter()
        .filter_map(Value::as_str)
        .filter(|error| !error.starts_with("[ede_diagnostic]"))
        .collect();
    said.join("\n")
}
