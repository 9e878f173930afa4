//! Turns: how they begin, go wrong and end, and what they used.

use std::collections::{BTreeMap, BTreeSet};

use protocol::item::{ItemContent, ItemStatus, NoticeLevel};
use protocol::turn::{TurnErrorCode, Usage};
use serde_json::{Value, json};

use super::mapper::{CodexMapper, Turn};
use crate::agent::link::Step;
use crate::agent::words::{clip, maybe, notice, text};
use crate::agent::{AgentEvent, TurnEnd, TurnOutcome};

/// Longest detail of a failure, in characters.
const DETAIL_CHARS: usize = 2000;
/// Commands in the background that are told of.
const MOST_TASKS: usize = 64;
/// How to log in.
pub(super) const LOG_IN: &str = "Log in on this machine: run `codex login`.";

impl CodexMapper {
    pub(super) fn started(&mut self, params: &Value, out: &mut Vec<Step>) {
        let turn = params.pointer("/turn/id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let own = self.turn == Turn::Idle;
        let stop = self.interrupting && !own;
        if own {
            self.own = true;
            self.spent.turn_begins();
            out.push(Step::Event(AgentEvent::TurnStarted));
        }
        self.turn = Turn::Running(turn);
        if stop {
            out.extend(self.interrupt().map(Step::Write));
        }
    }

    /// The answer to a request of this mapper's own.
    pub(super) fn answered(&mut self, id: &Value, message: &Value, out: &mut Vec<Step>) {
        let error = message.get("error");
        if let (Turn::Asked(asked), Some(error)) = (&self.turn, error)
            && asked == id
        {
            let how = TurnOutcome::Failed {
                code: TurnErrorCode::AgentError,
                detail: clip(text(error, "message"), DETAIL_CHARS),
            };
            self.end(how, out);
        }
        // The answer names the turn that runs already, when the prompt was taken into that.
        if let (Turn::Asked(asked), Some(running)) = (&self.turn, &self.overlaid)
            && asked == id
            && message.pointer("/result/turn/id").is_some_and(|turn| *turn == running.as_str())
        {
            self.turn = Turn::Running(running.clone());
        }
        // Which processes the commands are that a turn has left.
        for terminal in message.pointer("/result/data").and_then(Value::as_array).into_iter().flatten() {
            if let Some(thread) = self.left.remove(text(terminal, "itemId")) {
                let params = json!({ "processId": text(terminal, "processId") });
                let (_, line) = self.request_of("thread/backgroundTerminals/terminate", &thread, params);
                out.push(Step::Write(line));
            }
        }
        // Else an interrupt of a turn that has just ended, or a word that came too late to be said.
    }

    pub(super) fn completed(&mut self, params: &Value, out: &mut Vec<Step>) {
        let turn = params.get("turn").unwrap_or(&Value::Null);
        let error = turn.get("error").unwrap_or(&Value::Null);
        if !matches!(&self.turn, Turn::Running(running) if running == text(turn, "id")) {
            return;
        }
        let failure = self.failure.take();
        let how = match (text(turn, "status"), failure) {
            ("completed", _) => TurnOutcome::Completed,
            ("interrupted" | "failed", Some((code, detail))) => TurnOutcome::Failed { code, detail },
            ("failed", None) if !self.interrupting => failed(error),
            _ => TurnOutcome::Interrupted,
        };
        self.end(how, out);
    }

    fn end(&mut self, how: TurnOutcome, out: &mut Vec<Step>) {
        let status = match how {
            TurnOutcome::Completed => ItemStatus::Done,
            TurnOutcome::Interrupted => ItemStatus::Interrupted,
            TurnOutcome::Failed { .. } => ItemStatus::Failed,
        };
        // What Codex leaves running when a turn is cut off; a command that goes on after a whole turn is meant to. It names their
        // processes only when it is asked for them.
        let commands = std::mem::take(&mut self.commands);
        if status == ItemStatus::Done && !commands.is_empty() {
            for item in commands.keys() {
                if self.background.len() < MOST_TASKS
                    && let Some(ItemContent::ToolCall(call)) = self.ledger.content(item)
                {
                    self.background.insert(item.clone(), call.title.clone());
                }
            }
            out.push(Step::Event(self.goes_on()));
        }
        if status != ItemStatus::Done {
            let threads: BTreeSet<String> = commands.values().cloned().collect();
            self.left = commands;
            for thread in threads {
                let (_, line) = self.request_of("thread/backgroundTerminals/list", &thread, json!({}));
                out.push(Step::Write(line));
            }
        }
        self.close(status, out);
        if let (Turn::Running(turn), TurnOutcome::Completed) = (&self.turn, &how) {
            out.push(Step::Event(AgentEvent::Place { place: turn.clone() }));
        }
        out.push(Step::Event(AgentEvent::TurnEnded(TurnEnd {
            how,
            usage: self.spent.in_turn(),
            model: self.model.clone(),
            own: std::mem::take(&mut self.own),
        })));
        self.turn = Turn::Idle;
        (self.interrupting, self.waits) = (false, false);
    }

    /// What goes on in the background.
    pub(super) fn goes_on(&self) -> AgentEvent {
        AgentEvent::Background { tasks: self.background.values().cloned().collect() }
    }

    /// Nothing stays open, and nothing is asked any longer.
    pub(super) fn close(&mut self, status: ItemStatus, out: &mut Vec<Step>) {
        for request in std::mem::take(&mut self.asks).into_keys() {
            out.push(Step::Event(AgentEvent::AskWithdrawn { request }));
        }
        if let Some(plan) = self.plan.take() {
            out.extend(self.ledger.settle_as_is(&plan, ItemStatus::Done).map(Step::Event));
        }
        out.extend(self.ledger.close(status, false).into_iter().map(Step::Event));
    }

    /// Something went wrong, and Codex tries again or gives up; the end of the turn says the latter once more.
    pub(super) fn erred(&mut self, params: &Value, out: &mut Vec<Step>) {
        if params.get("willRetry") != Some(&Value::Bool(true)) || self.turn == Turn::Idle {
            return;
        }
        let error = params.get("error").unwrap_or(&Value::Null);
        // What streamed never completes: it comes again as another item.
        let cut =
            self.ledger.open(|content| matches!(content, ItemContent::Text { .. } | ItemContent::Reasoning { .. }));
        for item in cut {
            out.extend(self.ledger.abandon(&item).map(Step::Event));
        }
        let said = text(error, "message");
        let why = maybe(error, "additionalDetails").unwrap_or_default();
        if code(error) == TurnErrorCode::CredentialsExpired {
            // A wrong login does not become right by trying again.
            if self.failure.is_none() {
                self.failure = Some((TurnErrorCode::CredentialsExpired, login(&why)));
                out.extend(self.interrupt().map(Step::Write));
            }
            return;
        }
        let waits = said.contains("waiting for network");
        if waits && self.waits {
            return;
        }
        self.waits = waits;
        let words = if why.is_empty() { said.to_owned() } else { format!("{said} ({why})") };
        self.tell(out, Some(notice(NoticeLevel::Warning, "retrying", &words)));
    }
}

fn login(said: &str) -> String {
    let said = if said.is_empty() { "Codex's login does not work." } else { said };
    clip(&format!("{}. {LOG_IN}", said.trim_end_matches('.')), DETAIL_CHARS)
}

fn failed(error: &Value) -> TurnOutcome {
    let code = code(error);
    let said = maybe(error, "message").unwrap_or_else(|| "Codex does not say why.".to_owned());
    let detail = if code == TurnErrorCode::CredentialsExpired { login(&said) } else { clip(&said, DETAIL_CHARS) };
    TurnOutcome::Failed { code, detail }
}

/// Why it failed: a word, or a word with the status of HTTP.
fn code(error: &Value) -> TurnErrorCode {
    let info = error.get("codexErrorInfo").unwrap_or(&Value::Null);
    let status = info.as_object().and_then(|info| info.values().next()?.get("httpStatusCode")?.as_u64());
    // Older versions (0.150) say some of them in their words only.
    let said = || text(error, "message").strip_prefix("unexpected status ")?.get(..3)?.parse().ok();
    let status = status.or_else(said);
    match (info.as_str().unwrap_or_default(), status) {
        ("unauthorized", _) | (_, Some(401 | 403)) => TurnErrorCode::CredentialsExpired,
        ("usageLimitExceeded" | "rateLimitExceeded" | "sessionBudgetExceeded", _) | (_, Some(429)) => {
            TurnErrorCode::RateLimited
        }
        ("modelNotFound", _) | (_, Some(404)) => TurnErrorCode::ModelUnavailable,
        ("serverOverloaded", _) | (_, Some(503 | 529)) => TurnErrorCode::Overloaded,
        // It has no word of its own for this.
        _ if text(error, "message").contains("content_filter") => TurnErrorCode::Refused,
        _ => TurnErrorCode::AgentError,
    }
}

/// Tokens of one thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tokens {
    input: u64,
    cached: u64,
    output: u64,
}

impl Tokens {
    fn read(counted: &Value) -> Self {
        let number = |key: &str| counted.get(key).and_then(Value::as_u64).unwrap_or(0);
        Self { input: number("inputTokens"), cached: number("cachedInputTokens"), output: number("outputTokens") }
    }

    const fn less(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_sub(other.input),
            cached: self.cached.saturating_sub(other.cached),
            output: self.output.saturating_sub(other.output),
        }
    }
}

/// What the threads of a session have used: Codex counts from the beginning of a thread, also of one that was resumed.
#[derive(Debug, Default)]
pub(super) struct Spent {
    /// By thread: before this turn, and now.
    threads: BTreeMap<String, (Tokens, Tokens)>,
    heard: bool,
}

impl Spent {
    pub(super) fn turn_begins(&mut self) {
        self.heard = false;
        for (before, now) in self.threads.values_mut() {
            *before = *now;
        }
    }

    /// Takes a count; `in_turn` says whether it is about the running turn, or tells again what was before it.
    pub(super) fn told(&mut self, thread: &str, in_turn: bool, usage: &Value) {
        let total = Tokens::read(usage.get("total").unwrap_or(&Value::Null));
        if !in_turn {
            self.threads.insert(thread.to_owned(), (total, total));
            return;
        }
        self.heard = true;
        let before = total.less(Tokens::read(usage.get("last").unwrap_or(&Value::Null)));
        self.threads.entry(thread.to_owned()).or_insert((before, total)).1 = total;
    }

    /// What the turn has used so far, its sub-agents' threads included; `None` when nothing was told.
    pub(super) fn in_turn(&self) -> Option<Usage> {
        let spent = self.threads.values().map(|(before, now)| now.less(*before));
        let all = spent.fold(Tokens::default(), |sum, it| Tokens {
            input: sum.input.saturating_add(it.input),
            cached: sum.cached.saturating_add(it.cached),
            output: sum.output.saturating_add(it.output),
        });
        self.heard.then_some(Usage {
            // Codex counts what came from the cache among what was read.
            input_tokens: all.input.saturating_sub(all.cached),
            output_tokens: all.output,
            cached_tokens: all.cached,
            cost_micro_usd: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_apart() {
        let of = |info: Value| code(&json!({ "codexErrorInfo": info }));
        assert_eq!(of(json!({"httpConnectionFailed": {"httpStatusCode": 401}})), TurnErrorCode::CredentialsExpired);
        assert_eq!(of(json!("unauthorized")), TurnErrorCode::CredentialsExpired);
        assert_eq!(of(json!({"responseTooManyFailedAttempts": {"httpStatusCode": 429}})), TurnErrorCode::RateLimited);
        assert_eq!(of(json!("usageLimitExceeded")), TurnErrorCode::RateLimited);
        assert_eq!(of(json!({"responseStreamDisconnected": {"httpStatusCode": 404}})), TurnErrorCode::ModelUnavailable);
        assert_eq!(of(json!({"responseStreamDisconnected": {"httpStatusCode": null}})), TurnErrorCode::AgentError);
        assert_eq!(of(json!("serverOverloaded")), TurnErrorCode::Overloaded);
        let said = json!({ "codexErrorInfo": "other", "message": "unexpected status 404 Not Found: no such model" });
        assert_eq!(code(&said), TurnErrorCode::ModelUnavailable);
        let held_back = json!({ "message": "Incomplete response returned, reason: content_filter" });
        assert_eq!(code(&held_back), TurnErrorCode::Refused);
        assert_eq!(of(json!({"newThing": {}})), TurnErrorCode::AgentError);
        assert_eq!(of(Value::Null), TurnErrorCode::AgentError);
    }

    fn count(total: u64, last: u64) -> Value {
        json!({"total": {"inputTokens": total, "outputTokens": 2}, "last": {"inputTokens": last, "outputTokens": 1}})
    }

    #[test]
    fn a_turn_is_charged_for_itself_alone() {
        let mut spent = Spent::default();
        assert_eq!(spent.in_turn(), None);
        spent.told("t", false, &count(500, 500));
        spent.turn_begins();
        assert_eq!(spent.in_turn(), None);
        spent.told("t", true, &count(600, 100));
        spent.told("t", true, &count(750, 150));
        spent.told("child", true, &count(30, 30));
        assert_eq!(spent.in_turn().map(|usage| usage.input_tokens), Some(280));
        spent.turn_begins();
        spent.told("t", true, &count(760, 10));
        assert_eq!(spent.in_turn().map(|usage| usage.input_tokens), Some(10));
    }

    #[test]
    fn more_tokens_than_a_number_holds_are_no_end() {
        let mut spent = Spent::default();
        for thread in ["a", "b"] {
            spent.told(thread, true, &json!({"total": {"inputTokens": u64::MAX, "cachedInputTokens": 1}}));
        }
        assert!(spent.in_turn().is_some());
    }
}
