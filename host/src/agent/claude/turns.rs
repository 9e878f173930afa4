//! How a turn ended, judged by what the CLI means, not by what it is called.

use protocol::item::ItemStatus;
use protocol::turn::{TurnErrorCode, Usage};
use serde_json::Value;

use super::mapper::{ClaudeMapper, Turn, errors};
use crate::agent::link::Step;
use crate::agent::words::{clip, maybe, micro_usd, text};
use crate::agent::{AgentEvent, TurnEnd, TurnOutcome};

/// Longest detail of a failure, in characters.
const DETAIL_CHARS: usize = 2000;

impl ClaudeMapper {
    pub(super) fn result(&mut self, message: &Value, out: &mut Vec<Step>) {
        if self.turn == Turn::Idle {
            // Before any turn: the CLI does not start, because it does not know the session for example.
            let said = errors(message);
            if !said.is_empty() {
                self.refused_start = Some(said);
            }
            return;
        }
        let outcome = self.outcome(message);
        let usage = self.usage(message);
        let own = message.get("origin").is_some_and(|origin| text(origin, "kind") == "task-notification");
        let unbegun = matches!(self.turn, Turn::Prompt { begun: false, .. });
        if own && unbegun {
            // A turn of its own had begun when our prompt went out; the prompt comes next.
            self.close_items(&outcome, out);
            return;
        }
        let model = self.answering.clone().or_else(|| self.model.clone());
        self.end(TurnEnd { how: outcome, usage, model, own: self.turn == Turn::Own }, out);
    }

    pub(super) fn end_without_result(&mut self, dropped: bool, out: &mut Vec<Step>) {
        let how = if dropped { TurnOutcome::Interrupted } else { TurnOutcome::Completed };
        let model = self.answering.clone().or_else(|| self.model.clone());
        self.end(TurnEnd { how, usage: None, model, own: false }, out);
    }

    fn end(&mut self, end: TurnEnd, out: &mut Vec<Step>) {
        self.withdraw(out);
        self.close_items(&end.how, out);
        if self.interrupting {
            // The interrupt took them off the CLI's queue, whenever it says so.
            self.drop_steers(out);
        }
        self.interrupting = false;
        self.failure = None;
        self.answering = None;
        if let Some(place) = self.place.take().filter(|_| end.how == TurnOutcome::Completed) {
            out.push(Step::Event(AgentEvent::Place { place }));
        }
        out.extend(self.garbage.over().map(Step::Event));
        out.push(Step::Event(AgentEvent::TurnEnded(end)));
        self.turn = self.queued.pop_front().map_or(Turn::Idle, |uuid| Turn::Prompt { uuid, begun: false });
    }

    fn close_items(&mut self, outcome: &TurnOutcome, out: &mut Vec<Step>) {
        let status = match outcome {
            TurnOutcome::Completed => ItemStatus::Done,
            TurnOutcome::Interrupted => ItemStatus::Interrupted,
            TurnOutcome::Failed { .. } => ItemStatus::Failed,
        };
        out.extend(self.ledger.close(status, true).into_iter().map(Step::Event));
        self.end_streams();
    }

    fn outcome(&self, message: &Value) -> TurnOutcome {
        let aborted = matches!(text(message, "terminal_reason"), "aborted_streaming" | "aborted_tools");
        let failed = message.get("is_error") == Some(&Value::Bool(true));
        if self.failure == Some(TurnErrorCode::CredentialsExpired) && (aborted || failed) {
            let said = maybe(message, "result").filter(|_| !aborted);
            let detail = said.unwrap_or_else(|| {
                "Claude Code's login does not work; log in again with `claude auth login`.".to_owned()
            });
            return TurnOutcome::Failed {
                code: TurnErrorCode::CredentialsExpired,
                detail: clip(&detail, DETAIL_CHARS),
            };
        }
        if aborted || (failed && self.interrupting) {
            return TurnOutcome::Interrupted;
        }
        if !failed && text(message, "stop_reason") != "refusal" {
            return TurnOutcome::Completed;
        }
        let status = message.get("api_error_status").and_then(Value::as_u64);
        let code = self.failure.filter(|code| *code != TurnErrorCode::AgentError).unwrap_or(match status {
            Some(401 | 403) => TurnErrorCode::CredentialsExpired,
            Some(404) => TurnErrorCode::ModelUnavailable,
            Some(429) => TurnErrorCode::RateLimited,
            Some(503 | 529) => TurnErrorCode::Overloaded,
            _ if text(message, "stop_reason") == "refusal" => TurnErrorCode::Refused,
            _ => TurnErrorCode::AgentError,
        });
        let said = [text(message, "result").to_owned(), errors(message), text(message, "terminal_reason").to_owned()];
        let detail =
            said.into_iter().find(|said| !said.is_empty()).unwrap_or_else(|| text(message, "subtype").to_owned());
        TurnOutcome::Failed { code, detail: clip(&detail, DETAIL_CHARS) }
    }

    /// Tokens are told per turn. So is the cost by newer versions; the total is that of the process so far and, of one that resumes a
    /// session, also of that session before.
    fn usage(&mut self, message: &Value) -> Option<Usage> {
        let tokens = message.get("usage")?;
        let number = |key: &str| tokens.get(key).and_then(Value::as_u64).unwrap_or(0);
        let cost = message.get("total_cost_usd").and_then(Value::as_f64).map(|total| {
            let turn = (total - self.cost).max(0.0);
            self.cost = total;
            micro_usd(turn)
        });
        let since = message.get("model_usage_since_last_result").and_then(Value::as_object);
        let told = since.map(|models| {
            let costs = models.values().filter_map(|model| model.get("costUSD").and_then(Value::as_f64));
            micro_usd(costs.sum())
        });
        let cost = told.or(cost);
        Some(Usage {
            // What an agent counts may be anything, also more than a number holds.
            input_tokens: number("input_tokens").saturating_add(number("cache_creation_input_tokens")),
            output_tokens: number("output_tokens"),
            cached_tokens: number("cache_read_input_tokens"),
            cost_micro_usd: cost,
        })
    }
}
