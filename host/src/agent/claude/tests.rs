//! Recorded transcripts through the mapper.

use serde_json::{Value, json};

use super::mapper::{ClaudeMapper, Turn};
use crate::agent::link::Mapper as _;
use crate::agent::tests::{Trace, messages, names};
use crate::agent::words::text;
use crate::agent::{AgentEvent, Answer, TurnOutcome};
use protocol::item::{ItemContent, ItemStatus, ToolKind};
use protocol::turn::TurnErrorCode;

fn replay(name: &str) -> Trace {
    let mut mapper = ClaudeMapper::new("/home/dev/project", false);
    let mut trace = Trace::default();
    let mut prompts = 0;
    for (direction, message) in messages(name) {
        match direction {
            '<' => trace.take(mapper.line(&message.to_string())),
            '>' => sent(&mut mapper, &message, &mut prompts, name.ends_with("-steer")),
            _ => {}
        }
    }
    for event in mapper.ended() {
        trace.event(event);
    }
    trace
}

/// What the recording's host wrote, told to the mapper as the driver would.
fn sent(mapper: &mut ClaudeMapper, message: &Value, prompts: &mut u32, steers: bool) {
    match text(message, "type") {
        "user" => {
            *prompts += 1;
            let uuid = message["uuid"].as_str().map_or_else(|| format!("prompt-{prompts}"), str::to_owned);
            if steers && mapper.turn != Turn::Idle {
                mapper.steered(&uuid, &format!("key of {}", &uuid[..4]));
            } else {
                mapper.prompted(&uuid);
            }
        }
        "control_request" if text(&message["request"], "subtype") == "interrupt" => {
            mapper.interrupt();
        }
        "control_response" => {
            let response = &message["response"];
            let denied = text(&response["response"], "behavior") == "deny";
            let question = response["response"]["updatedInput"].get("questions").is_some();
            let option = if denied {
                "deny"
            } else if question {
                "answer"
            } else {
                "allow"
            };
            let answer = Answer { option: option.to_owned(), message: None, answers: Vec::new() };
            mapper.answer(text(response, "request_id"), &answer).unwrap();
        }
        _ => {}
    }
}

#[test]
fn every_transcript_is_as_it_was_and_keeps_the_laws() {
    for name in names("claude-") {
        let trace = replay(&name);
        let replaced = trace.laws(&name);
        // The old CLI falls back to a plain request after a cut stream, whose answer goes on where the deltas had ended.
        assert_eq!(!replaced.is_empty(), name == "claude-14a-old-drift", "{name}: {replaced:?}");
        trace.compare(&name);
    }
}

fn ends(trace: &Trace) -> Vec<&TurnOutcome> {
    trace
        .events
        .iter()
        .filter_map(|event| if let AgentEvent::TurnEnded(end) = event { Some(&end.how) } else { None })
        .collect()
}

fn notices(trace: &Trace) -> Vec<&str> {
    trace
        .events
        .iter()
        .filter_map(|event| if let AgentEvent::Notice { code, .. } = event { Some(code.as_str()) } else { None })
        .collect()
}

#[test]
fn a_prompt_in_mid_turn_is_taken_in_comes_next_or_is_dropped_and_each_is_told() {
    let trace = replay("claude-04g-steer");
    let told: Vec<String> = trace
        .events
        .iter()
        .filter_map(|event| match event {
            AgentEvent::SteerTaken { key } => Some(format!("taken: {key}")),
            AgentEvent::SteerDropped { key } => Some(format!("dropped: {key}")),
            AgentEvent::TurnEnded(end) => Some(format!("{:?}", end.how)),
            _ => None,
        })
        .collect();
    let expected = [
        "taken: key of 2222",
        "Completed",
        "dropped: key of 5555",
        "Completed",
        // 4444 was not taken in: the CLI went on with it.
        "Completed",
        "dropped: key of 7777",
        "Interrupted",
    ];
    assert_eq!(told, expected);
}

#[test]
fn tasks_are_a_plan_and_a_sub_agent_says_what_it_used() {
    let trace = replay("claude-05e-tasks");
    let settled = |event: &AgentEvent| match event {
        AgentEvent::ItemSettled { content, .. } => Some(content.clone()),
        _ => None,
    };
    let items: Vec<ItemContent> = trace.events.iter().filter_map(settled).collect();
    let plans = items.iter().filter_map(|item| match item {
        ItemContent::Plan { entries } => {
            let steps = entries.iter().map(|entry| format!("{} {:?}", entry.text, entry.status));
            Some(steps.collect::<Vec<_>>().join(", "))
        }
        _ => None,
    });
    assert_eq!(
        plans.collect::<Vec<_>>(),
        [
            "look around Pending",
            "look around Pending, build it Pending",
            "look around InProgress, build it Pending",
            "look around Completed, build it Pending",
            "look around Completed, build it Pending",
        ]
    );
    let sub = items.iter().find_map(|item| match item {
        ItemContent::ToolCall(call) if call.tool == ToolKind::Task => Some(call),
        _ => None,
    });
    let sub = sub.unwrap();
    assert_eq!(sub.output, "echo: say hi", "its report, without the frame that is for the model");
    let used = sub.used.unwrap();
    assert!(used.tokens > 3000 && used.duration_ms > 0, "{used:?}");
    assert!(!notices(&trace).contains(&"background_task"), "what is waited for is no news");
    let background = replay("claude-05d-todo-subagent");
    assert!(notices(&background).contains(&"background_task"));
}

#[test]
fn the_cost_of_a_turn_is_its_own_although_the_cli_counts_on() {
    let costs: Vec<u64> = replay("claude-04g-steer")
        .events
        .iter()
        .filter_map(|event| if let AgentEvent::TurnEnded(end) = event { end.usage?.cost_micro_usd } else { None })
        .collect();
    assert!(costs.len() >= 3 && costs[1] < costs[0] && costs[2] < costs[0], "{costs:?}");
    // A process that resumes a session begins with what that session has cost (2.1.329).
    let mut mapper = ClaudeMapper::new("/home/dev/project", false);
    mapper.prompted("prompt");
    let resumed = serde_json::json!({
        "type": "result", "subtype": "success", "is_error": false, "total_cost_usd": 9.0, "usage": {"output_tokens": 2},
        "model_usage_since_last_result": {"one": {"costUSD": 0.01}, "another": {"costUSD": 0.002}},
    });
    let steps = mapper.line(&resumed.to_string());
    let mut trace = Trace::default();
    trace.take(steps);
    let Some(AgentEvent::TurnEnded(end)) = trace.events.last() else { panic!() };
    assert_eq!(end.usage.unwrap().cost_micro_usd, Some(12_000));
}

#[test]
fn turns_end_as_the_cli_means_it() {
    let failed = |name: &str| match ends(&replay(name)).last() {
        Some(TurnOutcome::Failed { code, .. }) => Some(*code),
        _ => None,
    };
    assert_eq!(failed("claude-06a-401"), Some(TurnErrorCode::CredentialsExpired));
    assert_eq!(failed("claude-10c-no-credential"), Some(TurnErrorCode::CredentialsExpired));
    assert_eq!(failed("claude-06f-404"), Some(TurnErrorCode::ModelUnavailable));
    assert_eq!(failed("claude-06g-disconnect-midstream"), Some(TurnErrorCode::AgentError));
    assert_eq!(ends(&replay("claude-04a-interrupt-midstream")), [&TurnOutcome::Interrupted, &TurnOutcome::Completed]);
    assert_eq!(ends(&replay("claude-04d-queue")), [&TurnOutcome::Completed, &TurnOutcome::Completed]);
    assert_eq!(ends(&replay("claude-07d-missing")), [] as [&TurnOutcome; 0]);
}

#[test]
fn a_turn_that_starts_by_itself_is_told_of() {
    for name in ["claude-05d-todo-subagent", "claude-11f-bg"] {
        let trace = replay(name);
        let started = trace.events.iter().filter(|event| matches!(event, AgentEvent::TurnStarted)).count();
        assert_eq!((started, ends(&trace).len()), (1, 2), "{name}");
    }
}

#[test]
fn what_a_sub_agent_says_belongs_to_its_call_and_waits_for_a_turn() {
    let trace = replay("claude-05d-todo-subagent");
    let began = trace.events.iter().position(|event| matches!(event, AgentEvent::TurnStarted)).unwrap();
    let said = trace.events.iter().position(
        |event| matches!(event, AgentEvent::ItemSettled { parent: Some(parent), .. } if parent == "toolu_00000021"),
    );
    assert!(said.unwrap() > began);
}

#[test]
fn a_refused_tool_is_denied_and_an_interrupted_one_is_not() {
    let statuses = |name: &str| -> Vec<ItemStatus> {
        let trace = replay(name);
        let calls = trace.events.iter().filter_map(|event| match event {
            AgentEvent::ItemSettled { status, content: ItemContent::ToolCall(_), .. } => Some(*status),
            _ => None,
        });
        calls.collect()
    };
    assert_eq!(statuses("claude-03c-deny"), [ItemStatus::Denied, ItemStatus::Denied]);
    assert_eq!(statuses("claude-04c-interrupt-permission"), [ItemStatus::Interrupted]);
    assert_eq!(statuses("claude-03a-bash-allow"), [ItemStatus::Done]);
}

#[test]
fn retries_and_limits_become_notices() {
    assert_eq!(notices(&replay("claude-06b-529-twice-then-ok")), ["retrying", "retrying"]);
    assert_eq!(notices(&replay("claude-10b-oauth-env-dummy")), ["rate_limit"]);
    assert!(notices(&replay("claude-09e-slash")).contains(&"compacted"));
}

#[test]
fn garbage_and_unknown_things_survive_as_notices() {
    let mut mapper = ClaudeMapper::new("/", false);
    mapper.prompted("u");
    let mut trace = Trace::default();
    let lines = [
        "not json",
        "[]",
        "null",
        "{}",
        r#"{"type":"telepathy","secret":"x"}"#,
        r#"{"type":"telepathy"}"#,
        r#"{"type":"system","subtype":"new_thing"}"#,
        r#"{"type":"stream_event","event":{"type":"content_block_delta","index":7,"delta":{"type":"text_delta","text":"lost"}}}"#,
        r#"{"type":"stream_event","event":{"type":"warp"}}"#,
        r#"{"type":"assistant","message":{"content":[{"type":"hologram"}]}}"#,
        r#"{"type":"user","message":{"content":"words"}}"#,
        r#"{"type":"control_request","request_id":"r","request":{"subtype":"elicitation"}}"#,
        r#"{"type":"control_response"}"#,
        r#"{"type":"result"}"#,
    ];
    for line in lines {
        trace.take(mapper.line(line));
    }
    assert_eq!(trace.laws("garbage"), [] as [&str; 0]);
    let mut codes = notices(&trace);
    codes.dedup();
    assert_eq!(codes, ["unreadable_line", "unknown_message"]);
    assert_eq!(notices(&trace).len(), 7);
    assert!(!format!("{:?}", trace.events).contains("secret"));
    assert_eq!(ends(&trace), [&TurnOutcome::Completed]);
}

#[test]
fn a_wrong_key_is_not_tried_ten_times() {
    let mut mapper = ClaudeMapper::new("/", false);
    mapper.prompted("u");
    let retry =
        r#"{"type":"system","subtype":"api_retry","attempt":1,"max_retries":10,"error":"authentication_failed"}"#;
    let steps = mapper.line(retry);
    assert!(matches!(&steps[..], [crate::agent::link::Step::Write(line)] if line.contains("interrupt")), "{steps:?}");
    assert_eq!(mapper.line(retry).len(), 0, "once");
    let mut trace = Trace::default();
    trace.take(mapper.line(r#"{"type":"result","is_error":true,"terminal_reason":"aborted_streaming"}"#));
    assert!(matches!(ends(&trace)[..], [TurnOutcome::Failed { code: TurnErrorCode::CredentialsExpired, .. }]));
}

#[test]
fn fuzz_claude_lines() {
    let mut mapper = ClaudeMapper::new("/home/dev/project", false);
    let mut lines = 0_u32;
    crate::agent::tests::fuzz_lines("claude-lines", "claude-", |line| {
        lines += 1;
        if lines.is_multiple_of(64) {
            mapper.prompted(&lines.to_string());
        }
        let steps = mapper.line(line);
        for request in mapper.asks.keys().cloned().collect::<Vec<_>>() {
            let answer = Answer { option: "allow".to_owned(), message: None, answers: Vec::new() };
            let _ = mapper.answer(&request, &answer);
        }
        if lines.is_multiple_of(256) {
            let _ = mapper.interrupt();
        }
        // A session that lasts: what a mapper keeps must not grow with all that it is told.
        if lines.is_multiple_of(16_384) {
            let _ = mapper.ended();
            mapper = ClaudeMapper::new("/home/dev/project", false);
        }
        steps
    });
}

/// Found by `fuzz_claude_lines`.
#[test]
fn more_tokens_than_a_number_holds_are_no_end_of_the_session() {
    let mut mapper = ClaudeMapper::new("/home/dev/project", false);
    mapper.prompted("p");
    let line = r#"{"type":"result","subtype":"success","is_error":false,"result":"","usage":{"input_tokens":18446744073709551615,"cache_creation_input_tokens":14}}"#;
    assert!(!mapper.line(line).is_empty());
}

/// A prompt that goes out when Claude has begun by itself, and what becomes of it.
fn overlapped(then: &[Value]) -> Vec<String> {
    let mut mapper = ClaudeMapper::new("/p", false);
    let mut trace = Trace::default();
    let init = json!({"type": "system", "subtype": "init", "session_id": "s", "capabilities": ["msg_lifecycle_v1"]});
    trace.take(mapper.line(&init.to_string()));
    mapper.prompted("ours");
    for line in then {
        trace.take(mapper.line(&line.to_string()));
    }
    let end = |event: &AgentEvent| match event {
        AgentEvent::TurnStarted => Some("began".to_owned()),
        AgentEvent::TurnEnded(end) => Some(format!("{}: {:?}", if end.own { "own" } else { "ours" }, end.how)),
        _ => None,
    };
    trace.events.iter().filter_map(end).collect()
}

#[test]
fn a_turn_of_its_own_and_a_prompt_that_comes_meanwhile_are_told_apart() {
    let state = |state: &str| json!({"type": "command_lifecycle", "command_uuid": "ours", "state": state});
    let own = json!({"type": "result", "subtype": "success", "origin": {"kind": "task-notification"}});
    let result = json!({"type": "result", "subtype": "success"});
    let behind = overlapped(&[own.clone(), state("started"), result.clone()]);
    assert_eq!(behind, ["began", "own: Completed", "ours: Completed"]);
    assert_eq!(overlapped(&[state("started"), result]), ["began", "ours: Completed"], "it was taken into that turn");
    assert_eq!(overlapped(&[state("cancelled"), own]), ["began", "ours: Interrupted", "own: Completed"]);
}

#[test]
fn what_goes_on_in_the_background_is_told_and_what_was_held_is_said_at_the_end() {
    let told = |trace: &Trace| -> Vec<Vec<String>> {
        let tasks = |event: &AgentEvent| match event {
            AgentEvent::Background { tasks } => Some(tasks.clone()),
            _ => None,
        };
        trace.events.iter().filter_map(tasks).collect()
    };
    assert_eq!(told(&replay("claude-11f-bg")), [vec!["bg".to_owned()], vec![]]);
    assert_eq!(told(&replay("claude-05d-todo-subagent")), [vec!["sub job".to_owned()], vec![]]);
    let mut mapper = ClaudeMapper::new("/p", false);
    let line = json!({"type": "system", "subtype": "task_notification", "task_id": "t", "status": "failed"});
    assert!(mapper.line(&line.to_string()).is_empty(), "no turn runs");
    assert!(matches!(&mapper.ended()[..], [AgentEvent::Notice { code, .. }] if code == "background_task"));
}
