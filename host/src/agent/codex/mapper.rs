//! Makes events of what Codex says of one session's thread and of its sub-agents' threads. Pure: no process, no clock, so that recorded
//! transcripts run through it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use protocol::agent_limits::LimitStanding;
use protocol::item::{DeltaPart, ItemContent, ItemStatus, NoticeLevel, PlanEntry, PlanStatus};
use protocol::limits::MAX_TOOL_OUTPUT_BYTES;
use protocol::turn::TurnErrorCode;
use serde_json::{Value, json};

use super::asks::{self, Asked};
use super::codec;
use super::items::{self, Shape};
use super::presets;
use super::turns::Spent;
use crate::agent::ledger::Ledger;
use crate::agent::limits;
use crate::agent::link::Step;
use crate::agent::words::{Unknown, list, maybe, notice, text};
use crate::agent::{AgentEvent, Answer, DriveError};

/// Notices between turns that are kept for the next one.
const HELD: usize = 64;

/// What is said of things that are shown in another way, or not at all.
const PASSED_OVER: [&str; 40] = [
    "account/login/completed",
    "account/updated",
    "app/list/updated",
    "autoApprovalReview/strictReviewRequired",
    "configWarning",
    "deprecationNotice",
    "hook/completed",
    "hook/started",
    "item/autoApprovalReview/completed",
    "item/autoApprovalReview/started",
    "item/commandExecution/terminalInteraction",
    "item/fileChange/outputDelta",
    "mcpServer/oauthLogin/completed",
    "model/safetyBuffering/updated",
    "model/verification",
    "modelProvider/authRecoveryCompleted",
    "modelProvider/authRecoveryStarted",
    "project/changed",
    "rawResponse/completed",
    "rawResponseItem/completed",
    "remoteControl/status/changed",
    "skills/changed",
    "thread/archived",
    "thread/attachment/updated",
    "thread/closed",
    "thread/compacted",
    "thread/environment/connected",
    "thread/environment/disconnected",
    "thread/goal/cleared",
    "thread/goal/updated",
    "thread/name/updated",
    "thread/prediction/updated",
    "thread/project/updated",
    "thread/queue/changed",
    "thread/readState/changed",
    "thread/section/changed",
    "thread/started",
    "thread/status/changed",
    "turn/diff/updated",
    "turn/moderationMetadata",
];

/// The turn that Codex works on.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Turn {
    #[default]
    Idle,
    /// A prompt of ours went out under this id.
    Asked(Value),
    /// It runs under Codex's id.
    Running(String),
}

/// What the next turn is to use.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Wanted {
    pub(super) model: Option<String>,
    pub(super) mode: Option<&'static str>,
    pub(super) effort: Option<String>,
}

/// Everything that is known of one session's thread.
#[derive(Debug, Default)]
pub(super) struct CodexMapper {
    pub(super) cwd: String,
    seat: u64,
    pub(super) thread: String,
    pub(super) ledger: Ledger,
    pub(super) turn: Turn,
    /// Whether Codex began it by itself.
    pub(super) own: bool,
    /// Its own turn in which a prompt of ours was sent: Codex takes that into it, and has one end for both.
    pub(super) overlaid: Option<String>,
    pub(super) interrupting: bool,
    /// Why the turn fails, known before its end.
    pub(super) failure: Option<(TurnErrorCode, String)>,
    pub(super) asks: BTreeMap<String, Asked>,
    /// Commands that run, and their threads.
    pub(super) commands: BTreeMap<String, String>,
    /// Commands that a turn which was cut off has left running, and their threads.
    pub(super) left: BTreeMap<String, String>,
    /// Commands that go on behind a turn that is whole, and what each is.
    pub(super) background: BTreeMap<String, String>,
    /// The call by which each sub-agent was started, by its thread.
    children: BTreeMap<String, String>,
    pub(super) plan: Option<String>,
    plans: u64,
    pub(super) spent: Spent,
    pub(super) model: Option<String>,
    pub(super) mode: Option<&'static str>,
    /// What was last asked for: what Codex reports comes later.
    pub(super) wanted: Wanted,
    /// Codex waits for the network, which it does for ever.
    pub(super) waits: bool,
    limits: Option<String>,
    said: BTreeSet<String>,
    unknown: Unknown,
    held: VecDeque<AgentEvent>,
    requests: u64,
}

impl CodexMapper {
    pub(super) fn new(seat: u64, cwd: &str) -> Self {
        Self { seat, cwd: cwd.to_owned(), ..Self::default() }
    }

    /// Takes the answer to `thread/start` or `thread/resume`.
    pub(super) fn opened(&mut self, result: &Value) {
        let thread = result.pointer("/thread/id").and_then(Value::as_str).unwrap_or_default();
        thread.clone_into(&mut self.thread);
        self.settings(result);
        self.wanted = Wanted { model: self.model.clone(), mode: self.mode, effort: maybe(result, "reasoningEffort") };
    }

    /// Takes settings as Codex reports them; says whether anything has changed.
    fn settings(&mut self, settings: &Value) -> bool {
        let before = (self.model.clone(), self.mode);
        if let Some(model) = maybe(settings, "model") {
            self.model = Some(model);
        }
        self.mode = presets::reported(settings).map(|preset| preset.id);
        before != (self.model.clone(), self.mode)
    }

    /// What the session uses now.
    pub(super) fn options(&self) -> AgentEvent {
        AgentEvent::Options { model: self.model.clone(), mode: self.mode.map(str::to_owned) }
    }

    /// The line of a request about the session's thread whose answer comes to this mapper; and its id.
    fn request(&mut self, method: &'static str, params: Value) -> (Value, String) {
        let thread = self.thread.clone();
        self.request_of(method, &thread, params)
    }

    /// The same about any thread.
    pub(super) fn request_of(&mut self, method: &'static str, thread: &str, params: Value) -> (Value, String) {
        self.requests += 1;
        let id = codec::seat_id(self.seat, self.requests);
        let line = codec::request(&id, &codec::of_thread(method, thread, params));
        (id, line)
    }

    /// A prompt goes out: its line.
    pub(super) fn prompted(&mut self, input: &Value) -> String {
        let (id, line) = self.request("turn/start", json!({ "input": input }));
        self.begin(Turn::Asked(id));
        line
    }

    fn begin(&mut self, turn: Turn) {
        self.overlaid = match std::mem::replace(&mut self.turn, turn) {
            Turn::Running(own) => Some(own),
            Turn::Idle | Turn::Asked(_) => None,
        };
        self.own = false;
        (self.interrupting, self.waits, self.failure) = (false, false, None);
        self.spent.turn_begins();
    }

    /// The line that stops the turn; `None` while Codex has not said that it runs, then it is stopped as soon as it has.
    pub(super) fn interrupt(&mut self) -> Option<String> {
        self.interrupting = self.turn != Turn::Idle;
        let Turn::Running(turn) = &self.turn else { return None };
        let params = json!({ "turnId": turn });
        Some(self.request("turn/interrupt", params).1)
    }

    /// Stops a turn that waits for the network for too long.
    pub(super) fn give_up(&mut self, waited: &str) -> Option<String> {
        self.waits = false;
        let words = format!("Codex had no network for {waited} and was stopped. Look whether this machine is online.");
        self.failure = Some((TurnErrorCode::AgentError, words));
        self.interrupt()
    }

    /// Takes an ask off, and makes the lines that answer it.
    pub(super) fn answer(&mut self, request: &str, answer: &Answer) -> Result<Vec<String>, DriveError> {
        let asked = self.asks.get(request).ok_or_else(|| DriveError::NotAsked { request: request.to_owned() })?;
        let (line, refuses) = asked.answer(answer)?;
        self.asks.remove(request);
        let mut lines = vec![line];
        // Codex takes no words with a refusal; they are said to the model in the running turn.
        if let (true, Some(why), Turn::Running(turn)) =
            (refuses && answer.option == "decline", &answer.message, &self.turn)
        {
            let params = json!({ "expectedTurnId": turn, "input": codec::input(why, &[]) });
            lines.push(self.request("turn/steer", params).1);
        }
        Ok(lines)
    }

    pub(super) fn tell(&mut self, out: &mut Vec<Step>, event: Option<AgentEvent>) {
        let Some(event) = event else { return };
        if self.turn != Turn::Idle {
            out.push(Step::Event(event));
        } else if matches!(event, AgentEvent::Notice { .. }) && self.held.len() < HELD {
            self.held.push_back(event);
        }
    }

    /// Something that was noticed on the way.
    pub(super) fn noticed(&mut self, event: AgentEvent) -> Vec<Step> {
        let mut out = Vec::new();
        self.tell(&mut out, Some(event));
        out
    }

    /// One message about the thread, or about none.
    pub(super) fn message(&mut self, message: &Value) -> Vec<Step> {
        let mut out = Vec::new();
        if self.turn != Turn::Idle {
            out.extend(self.held.drain(..).map(Step::Event));
        }
        let params = message.get("params").unwrap_or(&Value::Null);
        let method = text(message, "method");
        match message.get("id").filter(|id| !id.is_null()) {
            Some(id) if method.is_empty() => self.answered(id, message, &mut out),
            Some(id) => self.asked(id, method, message, &mut out),
            None => self.told(method, params, &mut out),
        }
        out
    }

    fn told(&mut self, method: &str, params: &Value, out: &mut Vec<Step>) {
        let own = params.get("threadId").is_none_or(|thread| *thread == self.thread.as_str());
        match method {
            "turn/started" if own => self.started(params, out),
            "turn/completed" if own => self.completed(params, out),
            "turn/started" | "turn/completed" | "error" if !own => {}
            "error" => self.erred(params, out),
            "thread/tokenUsage/updated" => {
                let running = matches!(&self.turn, Turn::Running(turn) if turn == text(params, "turnId"));
                self.spent.told(
                    text(params, "threadId"),
                    running || !own,
                    params.get("tokenUsage").unwrap_or(&Value::Null),
                );
            }
            "thread/settings/updated" if own => {
                if self.settings(params.get("threadSettings").unwrap_or(&Value::Null)) {
                    out.push(Step::Event(self.options()));
                }
            }
            "serverRequest/resolved" => {
                let request = params.get("requestId").map(Value::to_string).unwrap_or_default();
                if self.asks.remove(&request).is_some() {
                    out.push(Step::Event(AgentEvent::AskWithdrawn { request }));
                }
            }
            "account/rateLimits/updated" => self.limits(params.get("rateLimits").unwrap_or(&Value::Null), out),
            "warning" | "guardianWarning" => self.warned("warning", text(params, "message"), out),
            "model/rerouted" => {
                let words = format!("{} answers instead of {}.", text(params, "toModel"), text(params, "fromModel"));
                self.warned("model_changed", &words, out);
            }
            "mcpServer/startupStatus/updated" => {
                if text(params, "status") == "failed" {
                    let words = format!("The MCP server {} did not start.", text(params, "name"));
                    self.warned("mcp_server", &words, out);
                }
            }
            _ if method.starts_with("item/") || method == "turn/plan/updated" => self.item(method, params, own, out),
            _ if PASSED_OVER.contains(&method) || method.starts_with("thread/settings") => {}
            other => {
                let event = self.unknown.meet(other);
                self.tell(out, event);
            }
        }
    }

    /// A warning, once in the life of the thread: Codex repeats some with every turn.
    fn warned(&mut self, code: &str, words: &str, out: &mut Vec<Step>) {
        if self.said.len() < HELD && self.said.insert(words.to_owned()) {
            self.tell(out, Some(notice(NoticeLevel::Warning, code, words)));
        }
    }

    fn limits(&mut self, limits: &Value, out: &mut Vec<Step>) {
        let windows = limits::of_codex(limits);
        let near = windows.iter().filter(|window| window.standing != LimitStanding::Open);
        let mut words: Vec<String> = near
            .map(|window| format!("{}: {} % used", window.name(), window.used_percent.unwrap_or_default()))
            .collect();
        if !windows.is_empty() {
            out.push(Step::Event(AgentEvent::Limits { windows }));
        }
        if let Some(reached) = maybe(limits, "rateLimitReachedType") {
            words.push(format!("a limit is reached: {}", reached.replace('_', " ")));
        }
        let words = words.join(", ");
        if !words.is_empty() && self.limits.as_ref() != Some(&words) {
            self.limits = Some(words.clone());
            self.tell(out, Some(notice(NoticeLevel::Warning, "rate_limit", &words)));
        }
    }

    /// Whether something said of an item belongs to the turn that runs: what Codex still says of an earlier one is too late.
    fn in_turn(&self, params: &Value, own: bool) -> bool {
        match &self.turn {
            Turn::Running(turn) => !own || text(params, "turnId") == turn,
            Turn::Idle | Turn::Asked(_) => false,
        }
    }

    fn item(&mut self, method: &str, params: &Value, own: bool, out: &mut Vec<Step>) {
        if method == "item/completed" {
            let id = params.pointer("/item/id").and_then(Value::as_str).unwrap_or_default();
            if self.background.remove(id).is_some() {
                out.push(Step::Event(self.goes_on()));
            }
        }
        if !self.in_turn(params, own) {
            return;
        }
        self.waits = false;
        let (item, delta) = (text(params, "itemId"), text(params, "delta"));
        let event = match method {
            "item/started" | "item/completed" => return self.shaped(method == "item/completed", params, out),
            "item/agentMessage/delta"
            | "item/plan/delta"
            | "item/reasoning/summaryTextDelta"
            | "item/reasoning/textDelta" => self.ledger.grow(item, DeltaPart::Text, delta),
            "item/reasoning/summaryPartAdded" => {
                let first =
                    matches!(self.ledger.content(item), Some(ItemContent::Reasoning { text }) if text.is_empty());
                if first { None } else { self.ledger.grow(item, DeltaPart::Text, "\n\n") }
            }
            "item/commandExecution/outputDelta" => self.printed(item, delta),
            "item/mcpToolCall/progress" => self.printed(item, &format!("{}\n", text(params, "message"))),
            "item/fileChange/patchUpdated" => {
                let change = json!({ "type": "fileChange", "changes": params.get("changes") });
                match items::shape(&change, &self.cwd) {
                    Shape::Content(content) if self.ledger.is_open(item) => self.ledger.put(item, None, content),
                    _ => None,
                }
            }
            "turn/plan/updated" => self.planned(params),
            other if PASSED_OVER.contains(&other) => None,
            other => self.unknown.meet(other),
        };
        self.tell(out, event);
    }

    /// Lets the live output of a call grow, to its limit; the rest is counted when it is complete.
    fn printed(&mut self, item: &str, more: &str) -> Option<AgentEvent> {
        let known = match self.ledger.content(item)? {
            ItemContent::ToolCall(call) => call.output.len(),
            _ => return None,
        };
        let room = MAX_TOOL_OUTPUT_BYTES.saturating_sub(known);
        self.ledger.grow(item, DeltaPart::Output, &more[..more.floor_char_boundary(room)])
    }

    fn planned(&mut self, params: &Value) -> Option<AgentEvent> {
        let entry = |step: &Value| PlanEntry {
            text: text(step, "step").to_owned(),
            status: match text(step, "status") {
                "completed" => PlanStatus::Completed,
                "inProgress" => PlanStatus::InProgress,
                _ => PlanStatus::Pending,
            },
        };
        let entries = list(params, "plan").iter().map(entry).collect();
        if self.plan.is_none() {
            self.plans += 1;
            self.plan = Some(format!("plan-{}", self.plans));
        }
        self.ledger.put(self.plan.as_deref()?, None, ItemContent::Plan { entries })
    }

    fn shaped(&mut self, complete: bool, params: &Value, out: &mut Vec<Step>) {
        let item = params.get("item").unwrap_or(&Value::Null);
        let (id, thread) = (text(item, "id"), text(params, "threadId"));
        if text(item, "type") == "collabAgentToolCall" {
            for child in list(item, "receiverThreadIds").iter().filter_map(Value::as_str) {
                self.children.entry(child.to_owned()).or_insert_with(|| id.to_owned());
            }
        }
        if complete {
            self.commands.remove(id);
        } else if text(item, "type") == "commandExecution" {
            self.commands.insert(id.to_owned(), thread.to_owned());
        }
        if text(item, "type") == "userMessage" && thread == self.thread {
            self.cut_short(out);
        }
        let parent = self.children.get(thread).cloned();
        let event = match items::shape(item, &self.cwd) {
            Shape::Content(content) if complete => {
                self.ledger.settle(id, parent.as_deref(), items::ended(item), content)
            }
            Shape::Content(content) => self.ledger.put(id, parent.as_deref(), content),
            Shape::Notice(level, code, words) => complete.then(|| notice(level, code, &words)),
            Shape::Elsewhere => None,
            Shape::Unknown => self.unknown.meet(&format!("item/{}", text(item, "type"))),
        };
        let begins = matches!(event, Some(AgentEvent::ItemStarted { .. }));
        self.tell(out, event);
        if begins && text(item, "type") == "collabAgentToolCall" {
            self.tell(out, Some(AgentEvent::ModelWorks { item: id.to_owned(), works: true }));
        }
    }

    /// A word in mid-turn ends what is being said: Codex asks its model anew at once, and the cut words never complete.
    fn cut_short(&mut self, out: &mut Vec<Step>) {
        for item in
            self.ledger.open(|content| matches!(content, ItemContent::Text { .. } | ItemContent::Reasoning { .. }))
        {
            let event = self.ledger.settle_as_is(&item, ItemStatus::Interrupted);
            self.tell(out, event);
        }
    }

    /// Codex asks for something.
    fn asked(&mut self, id: &Value, method: &str, message: &Value, out: &mut Vec<Step>) {
        let params = message.get("params").unwrap_or(&Value::Null);
        let tool = text(params, "itemId");
        // A command that asks may not have been announced.
        if method == "item/commandExecution/requestApproval" && !tool.is_empty() && !self.ledger.is_open(tool) {
            let event = self.ledger.put(tool, None, ItemContent::ToolCall(items::command(params)));
            self.tell(out, event);
        }
        let made = asks::ask(message, self.ledger.content(tool), &self.cwd);
        if made.is_none() {
            let event = self.unknown.meet(method);
            self.tell(out, event);
        }
        match made {
            Some((mut asked, event)) if matches!(self.turn, Turn::Running(_)) && !self.interrupting => {
                // What is not shown as an item cannot be pointed at.
                let shown = asked.item.take_if(|item| !self.ledger.is_open(item)).is_none();
                let event = match event {
                    AgentEvent::Ask { request, kind, options, content, .. } if !shown => {
                        AgentEvent::Ask { request, item: None, kind, options, content }
                    }
                    other => other,
                };
                self.asks.insert(id.to_string(), asked);
                out.push(Step::Event(event));
            }
            // There is no turn for which a person could be asked.
            _ => out.push(Step::Write(codec::refuse(id, method))),
        }
    }

    /// The process is gone, or the session leaves it: closes what is open.
    pub(super) fn ended(&mut self) -> Vec<AgentEvent> {
        let mut out = Vec::new();
        if self.turn != Turn::Idle {
            out.extend(self.held.drain(..).map(Step::Event));
        }
        self.close(ItemStatus::Interrupted, &mut out);
        self.turn = Turn::Idle;
        out.into_iter().filter_map(|step| if let Step::Event(event) = step { Some(event) } else { None }).collect()
    }
}
