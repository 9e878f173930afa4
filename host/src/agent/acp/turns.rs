//! How a turn ended.

use protocol::item::ItemStatus;
use protocol::turn::{TurnErrorCode, Usage};
use serde_json::Value;

use super::mapper::AcpMapper;
use crate::agent::link::{Refusal, Step};
use crate::agent::words::{clip, maybe, micro_usd, text};
use crate::agent::{AgentEvent, TurnEnd, TurnOutcome};

/// The agent wants a login first (ACP, `authRequired`).
pub(super) const AUTH_REQUIRED: i64 = -32000;
/// Longest detail of a failure, in characters.
const DETAIL_CHARS: usize = 2000;

impl AcpMapper {
    /// The answer to the prompt: the turn is over.
    pub(super) fn ended_turn(&mut self, result: &Result<Value, Refusal>, out: &mut Vec<Step>) {
        let how = match result {
            // Who was told to stop and ends has stopped, whatever it calls that: what it began last is shown as cut off, too.
            Ok(result) => match stopped(text(result, "stopReason")) {
                TurnOutcome::Completed if self.cancelling => TurnOutcome::Interrupted,
                how => how,
            },
            // Agents that are stopped in the middle answer with all sorts of errors.
            Err(_) if self.cancelling => TurnOutcome::Interrupted,
            Err(refusal) => failed(refusal),
        };
        let status = match how {
            TurnOutcome::Completed => ItemStatus::Done,
            TurnOutcome::Interrupted => ItemStatus::Interrupted,
            TurnOutcome::Failed { .. } => ItemStatus::Failed,
        };
        self.cancelling |= how == TurnOutcome::Interrupted;
        self.close(status, out);
        let result = result.as_ref().unwrap_or(&Value::Null);
        let model = result.pointer("/_meta/quota/model_usage/0").and_then(|usage| maybe(usage, "model"));
        let end = TurnEnd {
            how,
            usage: self.usage(result),
            model: model.or_else(|| self.offer.models.current.clone()),
            own: false,
        };
        out.extend(self.garbage.over().map(Step::Event));
        out.push(Step::Event(AgentEvent::TurnEnded(end)));
        self.prompt = None;
        self.cancelling = false;
        out.extend(self.goes_on().map(Step::Event));
    }

    fn usage(&self, result: &Value) -> Option<Usage> {
        let tokens = result.get("usage").filter(|usage| usage.is_object());
        let tokens = tokens.or_else(|| result.pointer("/_meta/quota/token_count").filter(|count| count.is_object()));
        let cost = self.cost.map(|cost| micro_usd((cost - self.cost_before).max(0.0)));
        if tokens.is_none() && cost.is_none() {
            return None;
        }
        let number = |keys: &[&str]| -> u64 {
            keys.iter().find_map(|key| tokens.and_then(|tokens| tokens.get(*key)).and_then(Value::as_u64)).unwrap_or(0)
        };
        Some(Usage {
            // What an agent counts may be anything, also more than a number holds.
            input_tokens: number(&["inputTokens", "input_tokens"]).saturating_add(number(&[
                "cachedWriteTokens",
                "cachedWriteInputTokens",
                "cacheWriteInputTokens",
            ])),
            output_tokens: number(&["outputTokens", "output_tokens"]),
            cached_tokens: number(&["cachedReadTokens", "cachedInputTokens"]),
            cost_micro_usd: cost,
        })
    }
}

fn stopped(reason: &str) -> TurnOutcome {
    let failed = |code, detail: &str| TurnOutcome::Failed { code, detail: detail.to_owned() };
    let stopped = TurnErrorCode::AgentError;
    match reason {
        "cancelled" => TurnOutcome::Interrupted,
        "refusal" => failed(TurnErrorCode::Refused, "The agent refused to go on."),
        "max_tokens" => failed(stopped, "The agent stopped: it may write no more tokens."),
        "max_turn_requests" => failed(stopped, "The agent stopped: it may ask the model no more in this turn."),
        // `end_turn`, and what newer agents may say.
        _ => TurnOutcome::Completed,
    }
}

fn failed(refusal: &Refusal) -> TurnOutcome {
    // Some agents pass on the status of HTTP as their code.
    let code = match refusal.code {
        Some(AUTH_REQUIRED | 401 | 403) => TurnErrorCode::CredentialsExpired,
        Some(404) => TurnErrorCode::ModelUnavailable,
        Some(429) => TurnErrorCode::RateLimited,
        Some(503 | 529) => TurnErrorCode::Overloaded,
        _ => TurnErrorCode::AgentError,
    };
    TurnOutcome::Failed { code, detail: clip(&refusal.message, DETAIL_CHARS) }
}
