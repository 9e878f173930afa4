//! What agents say of their vendors' limits, as windows of the meter. What an agent does not say is left open.

use protocol::agent_limits::{LimitStanding, LimitWindow};
use protocol::limits::MAX_NAME_CHARS;
use protocol::time::UnixMs;
use serde_json::Value;

use super::words::{clip, text};

/// From which use on a limit is near, where the agent leaves that to its client. Below this nobody needs to think of it.
const NEAR_PERCENT: u32 = 80;
/// Most windows of one agent.
const MOST: usize = 8;

/// Windows as Claude Code tells them (`rate_limit_info`): by name since 2.1.329, and before that only the one that decides.
pub(super) fn of_claude(info: &Value) -> Vec<LimitWindow> {
    let named = info.get("unifiedWindows").and_then(Value::as_object);
    let mut windows: Vec<LimitWindow> =
        named.into_iter().flatten().map(|(name, state)| claude_window(name, state)).collect();
    if windows.is_empty() && !text(info, "status").is_empty() && !text(info, "rateLimitType").is_empty() {
        windows.push(claude_window(text(info, "rateLimitType"), info));
    }
    in_order(windows)
}

fn claude_window(name: &str, state: &Value) -> LimitWindow {
    let (span_minutes, rest) = match (name.strip_prefix("five_hour"), name.strip_prefix("seven_day")) {
        (Some(rest), _) => (Some(300), rest),
        (_, Some(rest)) => (Some(10_080), rest),
        (None, None) => (None, name),
    };
    let rest = clip(rest.replace('_', " ").trim(), MAX_NAME_CHARS);
    LimitWindow {
        span_minutes,
        about: (!rest.is_empty()).then_some(rest),
        used_percent: state.get("utilization").and_then(Value::as_f64).and_then(|used| percent(used * 100.0)),
        resets_at_ms: seconds(state.get("resetsAt")),
        standing: match text(state, "status") {
            "allowed" => LimitStanding::Open,
            "allowed_warning" => LimitStanding::Near,
            "rejected" => LimitStanding::Reached,
            _ => LimitStanding::Unknown,
        },
    }
}

/// Windows as Codex tells them (`account/rateLimits/updated`); one that it leaves out says nothing.
pub(super) fn of_codex(limits: &Value) -> Vec<LimitWindow> {
    let windows = ["primary", "secondary"].into_iter().filter_map(|key| limits.get(key)).filter_map(|window| {
        let used = window.get("usedPercent").and_then(Value::as_f64).and_then(percent)?;
        let span = window.get("windowDurationMins").and_then(Value::as_u64);
        Some(LimitWindow {
            span_minutes: span.and_then(|minutes| u32::try_from(minutes).ok()),
            about: None,
            used_percent: Some(used),
            resets_at_ms: seconds(window.get("resetsAt")),
            standing: match used {
                100.. => LimitStanding::Reached,
                NEAR_PERCENT.. => LimitStanding::Near,
                _ => LimitStanding::Open,
            },
        })
    });
    in_order(windows.collect())
}

fn in_order(mut windows: Vec<LimitWindow>) -> Vec<LimitWindow> {
    windows.sort_by_key(|window| (window.span_minutes.unwrap_or(u32::MAX), window.about.clone()));
    windows.truncate(MOST);
    windows
}

fn percent(used: f64) -> Option<u32> {
    // An agent may say anything; what is no share is not told.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked before")]
    (0.0..=10_000.0).contains(&used).then(|| used.round() as u32)
}

/// A moment in seconds since 1970.
fn seconds(value: Option<&Value>) -> Option<UnixMs> {
    value.and_then(Value::as_u64).and_then(|seconds| seconds.checked_mul(1000)).map(UnixMs)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    type Told = (Option<u32>, Option<String>, Option<u32>, Option<u64>, LimitStanding);

    fn told(windows: Vec<LimitWindow>) -> Vec<Told> {
        let plain = |window: LimitWindow| {
            let resets = window.resets_at_ms.map(|at| at.0);
            (window.span_minutes, window.about, window.used_percent, resets, window.standing)
        };
        windows.into_iter().map(plain).collect()
    }

    #[test]
    fn claude_names_its_windows_or_only_the_one_that_decides() {
        let info = json!({ "status": "allowed_warning", "unifiedWindows": {
            "seven_day": { "status": "allowed", "utilization": 0.425, "resetsAt": 1_795_281_756_u64 },
            "five_hour": { "status": "allowed_warning", "utilization": 0.85, "resetsAt": 1_795_198_956_u64 },
            "seven_day_opus": { "status": "rejected", "utilization": 1.02 },
            "spring": { "status": "odd", "utilization": -1 },
        } });
        assert_eq!(
            told(of_claude(&info)),
            [
                (Some(300), None, Some(85), Some(1_795_198_956_000), LimitStanding::Near),
                (Some(10_080), None, Some(43), Some(1_795_281_756_000), LimitStanding::Open),
                (Some(10_080), Some("opus".to_owned()), Some(102), None, LimitStanding::Reached),
                (None, Some("spring".to_owned()), None, None, LimitStanding::Unknown),
            ]
        );
        let older = json!({ "status": "allowed", "rateLimitType": "five_hour", "resetsAt": 1_795_198_956_u64 });
        let expected = [(Some(300), None, None, Some(1_795_198_956_000), LimitStanding::Open)];
        assert_eq!(told(of_claude(&older)), expected);
        assert_eq!(told(of_claude(&json!({}))), [], "nothing is made up");
    }

    #[test]
    fn codex_tells_of_two_windows_or_none() {
        let limits = json!({
            "primary": { "usedPercent": 100, "windowDurationMins": 300, "resetsAt": 1_795_197_879_u64 },
            "secondary": { "usedPercent": 79.6, "windowDurationMins": 10_080 },
        });
        assert_eq!(
            told(of_codex(&limits)),
            [
                (Some(300), None, Some(100), Some(1_795_197_879_000), LimitStanding::Reached),
                (Some(10_080), None, Some(80), None, LimitStanding::Near),
            ]
        );
        assert_eq!(told(of_codex(&json!({ "primary": null, "secondary": null }))), []);
    }
}
