//! Makes events of what an ACP agent writes. Pure: no process, no clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use protocol::agent_health::Login;
use protocol::host::SlashCommand;
use protocol::item::{DeltaPart, ItemContent, ItemStatus, PlanEntry, PlanStatus, ToolCall};
use protocol::limits::MAX_SLASH_COMMANDS;
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use super::asks::{self, Asked};
use super::choices::Offer;
use super::codec::{self, Call};
use super::desk::{self, Job};
use super::shown::Screens;
use super::{forms, health, tools};
use crate::agent::ledger::Ledger;
use crate::agent::limits;
use crate::agent::link::{self, Refusal, Step};
use crate::agent::words::{Garbage, Unknown, list, maybe, slash_command, text};
use crate::agent::{AgentEvent, Answer, DriveError};

/// Events between turns that are kept for the next one.
pub(super) const HELD: usize = 1024;

/// A request that could be asked again (JSON-RPC 2.0 §5.1, internal error).
const BUSY: i64 = -32603;

/// The text or thought that streams.
#[derive(Debug, Clone, PartialEq)]
struct Chunk {
    item: String,
    thought: bool,
    message: Option<String>,
}

/// Everything that is known of one ACP process.
#[derive(Debug, Default)]
pub(super) struct AcpMapper {
    pub(super) cwd: String,
    pub(super) session: Option<String>,
    /// The agent tells an old conversation again while it loads a session; ours is in the journal.
    pub(super) loading: bool,
    pub(super) offer: Offer,
    pub(super) ledger: Ledger,
    /// The request whose answer ends the turn.
    pub(super) prompt: Option<String>,
    pub(super) cancelling: bool,
    chunk: Option<Chunk>,
    plan: Option<String>,
    counted: u64,
    /// Whether each call of this turn has begun to run.
    pub(super) calls: BTreeMap<String, bool>,
    pub(super) asks: BTreeMap<String, Asked>,
    denied: BTreeSet<String>,
    /// What the session has cost so far, and before this turn, in US dollars.
    pub(super) cost: Option<f64>,
    pub(super) cost_before: f64,
    /// How the agent says that it is logged in.
    pub(super) login: Option<Login>,
    /// What the agent takes after a slash, once it has said so.
    pub(super) commands: Option<Vec<SlashCommand>>,
    unknown: Unknown,
    pub(super) garbage: Garbage,
    pub(super) held: VecDeque<AgentEvent>,
    pub(super) screens: Screens,
    /// Terminals whose command runs, and which; at most as many as there may be terminals. And those that the session was told of.
    pub(super) running: BTreeMap<String, String>,
    pub(super) running_told: BTreeMap<String, String>,
    /// Where requests for files and terminals go; `None` refuses them.
    pub(super) desk: Option<mpsc::Sender<Job>>,
    /// How often a turn was stopped: commands end, and what was asked for before does not begin any more.
    pub(super) stops: watch::Sender<u64>,
    /// Answers of the desk that are not written yet; bounded by the requests that it works off at once.
    replies: Vec<String>,
    requests: u64,
}

impl AcpMapper {
    pub(super) fn new(cwd: &str) -> Self {
        Self { cwd: cwd.to_owned(), ..Self::default() }
    }

    /// A request of ours, with a fresh id: its key and its line.
    pub(super) fn request(&mut self, call: &Call) -> (String, String) {
        self.requests += 1;
        (self.requests.to_string(), codec::request(self.requests, call))
    }

    /// A prompt goes out under this id.
    pub(super) fn prompted(&mut self, id: &str) {
        self.prompt = Some(id.to_owned());
        self.cancelling = false;
        self.cost_before = self.cost.unwrap_or(0.0);
    }

    /// The lines that stop the turn; open permission requests must be answered, too.
    pub(super) fn cancel(&mut self) -> Vec<String> {
        let Some(session) = self.session.clone() else { return Vec::new() };
        self.cancelling = self.prompt.is_some();
        self.stops.send_modify(|stops| *stops += 1);
        let mut lines = vec![codec::cancel(&session)];
        for (request, asked) in std::mem::take(&mut self.asks) {
            lines.push(asked.cancelled());
            self.held.push_back(AgentEvent::AskWithdrawn { request });
        }
        lines
    }

    /// Takes an ask off, and makes the line that answers it.
    pub(super) fn answer(&mut self, request: &str, answer: &Answer) -> Result<String, DriveError> {
        let asked = self.asks.get(request).ok_or_else(|| DriveError::NotAsked { request: request.to_owned() })?;
        let (line, refuses) = asked.answer(answer)?;
        if let Some(asked) = self.asks.remove(request)
            && refuses
        {
            self.denied.insert(asked.tool);
        }
        Ok(line)
    }

    /// The line that answers a request for a file or a terminal.
    pub(super) fn reply(&mut self, line: String) {
        self.replies.push(line);
    }

    pub(super) fn options(&self) -> AgentEvent {
        AgentEvent::Options { model: self.offer.models.current.clone(), mode: self.offer.modes.current.clone() }
    }

    fn tell(&mut self, out: &mut Vec<Step>, event: Option<AgentEvent>) {
        let Some(event) = event else { return };
        if self.prompt.is_some() {
            out.push(Step::Event(event));
        } else if self.held.len() < HELD {
            self.held.push_back(event);
        }
    }

    fn update(&mut self, update: &Value, out: &mut Vec<Step>) {
        match text(update, "sessionUpdate") {
            "agent_message_chunk" => self.grow(update, false, out),
            "agent_thought_chunk" => self.grow(update, true, out),
            "tool_call" | "tool_call_update" => self.call(update, out),
            "plan" => self.planned(update, out),
            "usage_update" => {
                if let Some(cost) = update.pointer("/cost/amount").and_then(Value::as_f64) {
                    self.cost = Some(cost);
                }
                // The adapter for Claude passes on what its CLI says of limits.
                let windows = limits::of_claude(update.pointer("/_meta/_claude~1rateLimit").unwrap_or(&Value::Null));
                if !windows.is_empty() {
                    self.tell(out, Some(AgentEvent::Limits { windows }));
                }
            }
            "current_mode_update" => {
                let mode = text(update, "currentModeId");
                if self.offer.modes.current.as_deref() != Some(mode) {
                    self.offer.modes.current = Some(mode.to_owned());
                    out.push(Step::Event(self.options()));
                }
            }
            "config_option_update" => {
                if self.offer.configured(update) {
                    out.push(Step::Event(self.options()));
                }
            }
            "available_commands_update" => self.offered(update, out),
            // Our own words again, and what is shown in other ways.
            "user_message_chunk" | "session_info_update" => {}
            other => {
                let event = self.unknown.meet(&format!("session/update/{other}"));
                self.tell(out, event);
            }
        }
    }

    /// The agent tells what it takes after a slash: right after it was opened, and again when that has changed or not.
    fn offered(&mut self, update: &Value, out: &mut Vec<Step>) {
        let command = |command: &Value| {
            let hint = command.get("input").and_then(|input| maybe(input, "hint"));
            slash_command(text(command, "name"), text(command, "description"), hint)
        };
        let commands: Vec<SlashCommand> =
            list(update, "availableCommands").iter().filter_map(command).take(MAX_SLASH_COMMANDS).collect();
        if self.commands.as_ref() != Some(&commands) {
            self.commands = Some(commands.clone());
            out.push(Step::Event(AgentEvent::Commands { commands }));
        }
    }

    fn grow(&mut self, update: &Value, thought: bool, out: &mut Vec<Step>) {
        let block = update.get("content").unwrap_or(&Value::Null);
        let words = match text(block, "type") {
            "text" => text(block, "text").to_owned(),
            "resource_link" => format!("[{}]({})", text(block, "name"), text(block, "uri")),
            "image" | "audio" => format!("[{}]", text(block, "type")),
            other => {
                let event = self.unknown.meet(&format!("content/{other}"));
                return self.tell(out, event);
            }
        };
        let message = update.get("messageId").and_then(Value::as_str).map(str::to_owned);
        let goes_on = self.chunk.as_ref().is_some_and(|chunk| chunk.thought == thought && chunk.message == message);
        if !goes_on {
            self.end_chunk(out);
            let item = self.count("text");
            let content = if thought {
                ItemContent::Reasoning { text: String::new() }
            } else {
                ItemContent::Text { text: String::new() }
            };
            let event = self.ledger.put(&item, None, content);
            self.tell(out, event);
            self.chunk = Some(Chunk { item, thought, message });
        }
        if let Some(chunk) = &self.chunk {
            let event = self.ledger.grow(&chunk.item, DeltaPart::Text, &words);
            self.tell(out, event);
        }
    }

    pub(super) fn end_chunk(&mut self, out: &mut Vec<Step>) {
        if let Some(chunk) = self.chunk.take() {
            let status = if self.cancelling { ItemStatus::Interrupted } else { ItemStatus::Done };
            let event = self.ledger.settle_as_is(&chunk.item, status);
            self.tell(out, event);
        }
    }

    pub(super) fn count(&mut self, kind: &str) -> String {
        self.counted += 1;
        format!("{kind}-{}", self.counted)
    }

    fn call(&mut self, update: &Value, out: &mut Vec<Step>) {
        self.end_chunk(out);
        let id = text(update, "toolCallId").to_owned();
        if self.ledger.is_settled(&id) {
            return;
        }
        let status = text(update, "status");
        let begun = self.calls.entry(id.clone()).or_default();
        *begun |= !matches!(status, "" | "pending");
        let mut call = self.known(&id);
        tools::merge(&mut call, update, self.calls[&id]);
        self.screens.put_into(&id, &mut call, update);
        let event = match tools::ended(status) {
            None => self.ledger.put(&id, None, ItemContent::ToolCall(call)),
            Some(ended) => {
                let status = match ended {
                    ItemStatus::Failed if self.denied.remove(&id) => ItemStatus::Denied,
                    ItemStatus::Failed if self.cancelling => ItemStatus::Interrupted,
                    other => other,
                };
                self.ledger.settle(&id, None, status, ItemContent::ToolCall(call))
            }
        };
        self.tell(out, event);
    }

    fn known(&self, id: &str) -> ToolCall {
        match self.ledger.content(id) {
            Some(ItemContent::ToolCall(call)) => call.clone(),
            _ => ToolCall::default(),
        }
    }

    fn planned(&mut self, update: &Value, out: &mut Vec<Step>) {
        self.end_chunk(out);
        let entry = |entry: &Value| PlanEntry {
            text: text(entry, "content").to_owned(),
            status: match text(entry, "status") {
                "completed" => PlanStatus::Completed,
                "in_progress" => PlanStatus::InProgress,
                _ => PlanStatus::Pending,
            },
        };
        let entries = list(update, "entries").iter().map(entry).collect();
        let item = self.plan.take().unwrap_or_else(|| self.count("plan"));
        let event = self.ledger.put(&item, None, ItemContent::Plan { entries });
        self.plan = Some(item);
        self.tell(out, event);
    }

    /// The agent asks for something.
    fn asked(&mut self, message: &Value, method: &str, out: &mut Vec<Step>) {
        let (id, params) = (message.get("id").unwrap_or(&Value::Null), message.get("params").unwrap_or(&Value::Null));
        if desk::takes(method) {
            return self.desked(id, method, params, out);
        }
        if method == "elicitation/create" {
            let shown = forms::ask(id, params, &self.cwd).filter(|_| self.prompt.is_some() && !self.cancelling);
            match shown {
                Some((asked, event)) => {
                    self.asks.insert(codec::key(id), asked);
                    out.push(Step::Event(event));
                }
                None => out.push(Step::Write(forms::declined(id))),
            }
            return;
        }
        if method != "session/request_permission" {
            out.push(Step::Write(codec::refuse(id, method)));
            let event = self.unknown.meet(method);
            return self.tell(out, event);
        }
        if self.prompt.is_none() || self.cancelling {
            // There is no turn for which a person could be asked.
            out.push(Step::Write(codec::permit(id, None)));
            return;
        }
        let call = params.get("toolCall").unwrap_or(&Value::Null);
        let tool = text(call, "toolCallId").to_owned();
        if !tool.is_empty() {
            self.call(call, out);
        }
        let (asked, event) = asks::ask(id, params, &self.known(&tool), &self.cwd);
        self.asks.insert(codec::key(id), asked);
        out.push(Step::Event(event));
    }

    /// The agent asks for a file or a terminal.
    fn desked(&mut self, id: &Value, method: &str, params: &Value, out: &mut Vec<Step>) {
        let is_ours = self.session.as_deref().is_some_and(|session| session == text(params, "sessionId"));
        let Some(desk) = self.desk.as_ref().filter(|_| is_ours) else {
            return out.push(Step::Write(codec::refuse(id, method)));
        };
        if desk::begins(method) && (self.prompt.is_none() || self.cancelling) {
            let (code, words) = desk::stopped();
            return out.push(Step::Write(codec::error(id, code, &words)));
        }
        let stops = *self.stops.borrow();
        let job = Job::Request { id: id.clone(), method: method.to_owned(), params: params.clone(), stops };
        if desk.try_send(job).is_err() {
            out.push(Step::Write(codec::error(id, BUSY, "Towline works off as many requests as it can; ask again")));
        }
    }

    /// Ends the turn: nothing stays open, and nothing is asked any longer.
    pub(super) fn close(&mut self, status: ItemStatus, out: &mut Vec<Step>) {
        for request in std::mem::take(&mut self.asks).into_keys() {
            out.push(Step::Event(AgentEvent::AskWithdrawn { request }));
        }
        self.end_chunk(out);
        // Some agents say no more of a call that was refused.
        for id in std::mem::take(&mut self.denied) {
            out.extend(self.ledger.settle_as_is(&id, ItemStatus::Denied).map(Step::Event));
        }
        if let Some(plan) = self.plan.take() {
            out.extend(self.ledger.settle_as_is(&plan, ItemStatus::Done).map(Step::Event));
        }
        out.extend(self.ledger.close(status, false).into_iter().map(Step::Event));
        self.calls.clear();
        self.screens.clear();
    }
}

impl link::Mapper for AcpMapper {
    fn line(&mut self, line: &str) -> Vec<Step> {
        let mut out = Vec::new();
        let Ok(message) = serde_json::from_str::<Value>(line) else {
            let event = self.garbage.meet(line);
            self.tell(&mut out, event);
            return out;
        };
        out.extend(self.pending());
        let method = text(&message, "method");
        match (method, message.get("id").filter(|id| !id.is_null())) {
            ("", Some(id)) => {
                let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
                let result = match message.get("error") {
                    Some(error) => Err(refusal(error)),
                    None => Ok(message.get("result").cloned().unwrap_or_default()),
                };
                if self.prompt.as_ref() == Some(&id) {
                    self.ended_turn(&result, &mut out);
                } else {
                    out.push(Step::Response { id, result });
                }
            }
            (_, Some(_)) if !method.is_empty() => self.asked(&message, method, &mut out),
            ("session/update", None) => {
                let params = message.get("params").unwrap_or(&Value::Null);
                let other = self.session.as_ref().is_some_and(|session| session != text(params, "sessionId"));
                let update = params.get("update").unwrap_or(&Value::Null);
                // What is offered is no part of the old conversation.
                if !other && (!self.loading || text(update, "sessionUpdate") == "available_commands_update") {
                    self.update(update, &mut out);
                }
            }
            ("_auth/status_update", None) => {
                self.login = health::login(message.get("params").unwrap_or(&Value::Null)).or(self.login.take());
            }
            (method, _) => {
                let event = self.unknown.meet(if method.is_empty() { "a message without a method" } else { method });
                self.tell(&mut out, event);
            }
        }
        out
    }

    fn pending(&mut self) -> Vec<Step> {
        let mut out: Vec<Step> = Vec::new();
        if self.prompt.is_some() {
            out.extend(self.held.drain(..).map(Step::Event));
        }
        out.extend(self.goes_on().map(Step::Event));
        // What was done is told before the agent learns of it and goes on.
        out.extend(self.replies.drain(..).map(Step::Write));
        out
    }

    fn ended(&mut self) -> Vec<AgentEvent> {
        let mut out: Vec<Step> = Vec::new();
        if self.prompt.is_some() {
            out.extend(self.held.drain(..).map(Step::Event));
            // Words that stream are cut off here.
            self.cancelling = true;
        }
        self.close(ItemStatus::Interrupted, &mut out);
        out.into_iter().filter_map(|step| if let Step::Event(event) = step { Some(event) } else { None }).collect()
    }
}

pub(super) fn refusal(error: &Value) -> Refusal {
    let told = text(error, "message");
    // Some agents pass on what their vendor's server said, as it stands.
    let inner: Option<Value> = serde_json::from_str(told).ok();
    let inner = inner.as_ref().and_then(|inner| inner.pointer("/error/message")).and_then(Value::as_str);
    let said = inner.unwrap_or(told);
    let details = error.pointer("/data/details").and_then(Value::as_str).unwrap_or_default();
    let message =
        if details.is_empty() || said.contains(details) { said.to_owned() } else { format!("{said}: {details}") };
    Refusal { code: kind(error).or_else(|| error.get("code").and_then(Value::as_i64)), message }
}

/// What the adapter for Claude says of a failure beside its words, as the status of HTTP that it stands for.
fn kind(error: &Value) -> Option<i64> {
    match error.pointer("/data/errorKind").and_then(Value::as_str)? {
        "authentication_failed" | "oauth_org_not_allowed" => Some(401),
        "model_not_found" => Some(404),
        "rate_limit" | "billing_error" => Some(429),
        "overloaded" => Some(529),
        _ => None,
    }
}

#[cfg(test)]
mod kinds {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_failure_is_what_the_adapter_says_beside_its_words() {
        let code =
            |kind: &str| refusal(&json!({ "code": -32603, "message": "no", "data": { "errorKind": kind } })).code;
        assert_eq!(code("rate_limit"), Some(429));
        assert_eq!(code("overloaded"), Some(529));
        assert_eq!(code("server_error"), Some(-32603), "what is not known is left to the code");
        assert_eq!(refusal(&json!({ "code": 401, "message": "no" })).code, Some(401));
    }
}
