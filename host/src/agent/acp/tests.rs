//! Recorded transcripts through the mapper.

use protocol::approval::ApprovalKind;
use protocol::host::SlashCommand;
use protocol::item::{ItemContent, ItemStatus};
use protocol::limits::MAX_SLASH_CHARS;
use protocol::turn::TurnErrorCode;
use serde_json::Value;

use super::mapper::AcpMapper;
use crate::agent::link::Mapper as _;
use crate::agent::tests::{Trace, messages, names};
use crate::agent::words::text;
use crate::agent::{AgentEvent, Answer, TurnOutcome};

fn replay(name: &str) -> Trace {
    let mut mapper = AcpMapper::new("/home/dev/project");
    let mut trace = Trace::default();
    let mut opening = None;
    for (direction, message) in messages(name) {
        match direction {
            '<' => {
                if message.get("id").is_some()
                    && message.get("id") == opening.as_ref()
                    && message.get("method").is_none()
                {
                    if let Some(session) = message["result"]["sessionId"].as_str() {
                        mapper.session = Some(session.to_owned());
                    }
                    mapper.loading = false;
                    mapper.offer.opened(&message["result"]);
                }
                trace.take(mapper.line(&message.to_string()));
            }
            '>' => sent(&mut mapper, &message, &mut opening),
            _ => {}
        }
    }
    for event in mapper.ended() {
        trace.event(event);
    }
    trace
}

/// What the recording's host wrote, told to the mapper as the driver would.
fn sent(mapper: &mut AcpMapper, message: &Value, opening: &mut Option<Value>) {
    match text(message, "method") {
        "session/new" => *opening = message.get("id").cloned(),
        "session/load" => {
            *opening = message.get("id").cloned();
            mapper.loading = true;
            mapper.session = message["params"]["sessionId"].as_str().map(str::to_owned);
        }
        "session/prompt" => mapper.prompted(&message["id"].to_string()),
        "session/cancel" => {
            mapper.cancel();
        }
        "" => {
            if message["result"]["action"] == "accept" {
                let said = message["result"]["content"].as_object().unwrap().values().next().unwrap().as_str().unwrap();
                let answers = vec![("Which color?".to_owned(), said.to_owned())];
                let answer = Answer { option: "answer".to_owned(), message: None, answers };
                mapper.answer(&message["id"].to_string(), &answer).unwrap();
            }
            let outcome = &message["result"]["outcome"];
            if let Some(option) = outcome["optionId"].as_str() {
                let answer = Answer { option: option.to_owned(), message: None, answers: Vec::new() };
                mapper.answer(&message["id"].to_string(), &answer).unwrap();
            }
        }
        _ => {}
    }
}

#[test]
fn every_transcript_is_as_it_was_and_keeps_the_laws() {
    for name in names("acp-") {
        let trace = replay(&name);
        // Text has no other settled form than its chunks.
        assert_eq!(trace.laws(&name), [] as [&str; 0], "{name}");
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

fn calls(trace: &Trace) -> Vec<ItemStatus> {
    let calls = trace.events.iter().filter_map(|event| match event {
        AgentEvent::ItemSettled { status, content: ItemContent::ToolCall(_), .. } => Some(*status),
        _ => None,
    });
    calls.collect()
}

#[test]
fn refusals_cancels_and_errors_are_told_apart() {
    let opencode = replay("acp-opencode-03-basic");
    assert_eq!(calls(&opencode), [ItemStatus::Done, ItemStatus::Done, ItemStatus::Denied]);
    assert!(matches!(
        ends(&opencode)[..],
        [
            TurnOutcome::Completed,
            TurnOutcome::Completed,
            TurnOutcome::Completed,
            TurnOutcome::Interrupted,
            TurnOutcome::Failed { code: TurnErrorCode::AgentError, .. }
        ]
    ));
    // Says nothing more of what was refused.
    assert_eq!(calls(&replay("acp-gemini-03-basic")).last(), Some(&ItemStatus::Denied));
    assert_eq!(calls(&replay("acp-claude-02-more"))[0], ItemStatus::Interrupted);
}

#[test]
fn a_plan_to_approve_is_a_plan() {
    let trace = replay("acp-claude-02-more");
    let plan = trace.events.iter().find_map(|event| match event {
        AgentEvent::Ask { kind: ApprovalKind::Plan, content, .. } => Some(content.detail.as_str()),
        _ => None,
    });
    assert_eq!(plan, Some("# My plan\n"));
}

#[test]
fn what_is_taken_after_a_slash_is_told_once_and_while_an_old_conversation_is_told_again() {
    let told = |name: &str| {
        let told = replay(name).events.into_iter().filter_map(|event| match event {
            AgentEvent::Commands { commands } => Some(commands),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    let names =
        |commands: &[SlashCommand]| commands.iter().map(|command| command.name.clone()).collect::<Vec<String>>();
    let [codex] = &told("acp-codex-03-basic")[..] else { panic!("told once") };
    assert_eq!(names(codex), ["plan", "mcp"]);
    assert_eq!((codex[0].hint.as_deref(), codex[1].hint.as_deref()), (None, Some("[reconnect]")));
    assert_eq!(told("acp-gemini-03-basic").len(), 1);
    let [claude] = &told("acp-claude-01-basic")[..] else { panic!("what is told again is no news") };
    assert!(claude.iter().all(|command| command.description.chars().count() <= MAX_SLASH_CHARS + 1));
    let loaded = told("acp-opencode-03-basic-load");
    assert_eq!(names(loaded.last().unwrap()), ["customize-opencode", "init"]);

    let mut mapper = AcpMapper::new("/");
    mapper.loading = true;
    let line = |more: &str| {
        format!(r#"{{"jsonrpc":"2.0","method":"session/update","params":{{"sessionId":"s","update":{more}}}}}"#)
    };
    let here =
        r#"{"sessionUpdate":"available_commands_update","availableCommands":[{"name":"a b"},{"name":"x"},{"no":1}]}"#;
    let steps = mapper.line(&line(here));
    let [crate::agent::link::Step::Event(AgentEvent::Commands { commands })] = &steps[..] else { panic!("{steps:?}") };
    assert_eq!(names(commands), ["x"], "nobody could write the others");
    let none = r#"{"sessionUpdate":"available_commands_update"}"#;
    assert!(!mapper.line(&line(none)).is_empty(), "that there are none any more is news");
    assert_eq!(mapper.line(&line(r#"{"sessionUpdate":"plan","entries":[]}"#)).len(), 0, "the old conversation is not");
}

#[test]
fn garbage_and_unknown_things_survive_as_notices() {
    let mut mapper = AcpMapper::new("/");
    mapper.session = Some("s".to_owned());
    mapper.prompted("1");
    let mut trace = Trace::default();
    let lines = [
        "not json",
        "[]",
        r#"{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s","update":{"sessionUpdate":"telepathy","x":"secret"}}}"#,
        r#"{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"other","update":{"sessionUpdate":"more"}}}"#,
        r#"{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s","update":{"sessionUpdate":"agent_message_chunk","content":{"type":"smell"}}}}"#,
        r#"{"jsonrpc":"2.0","method":"session/update"}"#,
        r#"{"jsonrpc":"2.0","method":"_vendor/thing","params":{}}"#,
        r#"{"jsonrpc":"2.0","id":9,"method":"fs/read_text_file","params":{"path":"/etc/shadow"}}"#,
        r#"{"jsonrpc":"2.0","id":"x","method":"terminal/create","params":{}}"#,
        r#"{"jsonrpc":"2.0","id":77,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
    ];
    for line in lines {
        trace.take(mapper.line(line));
    }
    assert_eq!(trace.laws("garbage"), [] as [&str; 0]);
    let notices = trace.events.iter().filter(|event| matches!(event, AgentEvent::Notice { .. })).count();
    // Files and terminals are refused without a word to people: the agent is told.
    assert_eq!(notices, 5);
    assert!(!format!("{:?}", trace.events).contains("secret"));
    assert_eq!(ends(&trace), [&TurnOutcome::Completed]);
}

#[test]
fn a_question_outside_of_a_turn_is_answered_at_once() {
    let mut mapper = AcpMapper::new("/");
    let line = r#"{"jsonrpc":"2.0","id":3,"method":"session/request_permission","params":{"toolCall":{"toolCallId":"t"},"options":[]}}"#;
    let steps = mapper.line(line);
    assert!(matches!(&steps[..], [crate::agent::link::Step::Write(line)] if line.contains("cancelled")), "{steps:?}");
}

#[test]
fn fuzz_acp_lines() {
    let mut mapper = AcpMapper::new("/home/dev/project");
    let mut lines = 0_u32;
    crate::agent::tests::fuzz_lines("acp-lines", "acp-", |line| {
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
            let _ = mapper.cancel();
        }
        // A session that lasts: what a mapper keeps must not grow with all that it is told.
        if lines.is_multiple_of(16_384) {
            let _ = mapper.ended();
            mapper = AcpMapper::new("/home/dev/project");
        }
        steps
    });
}

/// Found for the other adapter by `fuzz_claude_lines`.
#[test]
fn more_tokens_than_a_number_holds_are_no_end_of_the_session() {
    let mut mapper = AcpMapper::new("/home/dev/project");
    mapper.prompted("3");
    let line = r#"{"jsonrpc":"2.0","id":3,"result":{"stopReason":"end_turn","usage":{"inputTokens":18446744073709551615,"cachedWriteTokens":14}}}"#;
    assert!(!mapper.line(line).is_empty());
}

#[test]
fn who_was_told_to_stop_has_stopped_whatever_it_calls_that() {
    let end = |told: bool| {
        let mut mapper = AcpMapper::new("/home/dev/project");
        mapper.session = Some("s".to_owned());
        mapper.prompted("7");
        if told {
            mapper.cancel();
        }
        let mut trace = Trace::default();
        trace.take(mapper.line(r#"{"jsonrpc":"2.0","id":7,"result":{"stopReason":"end_turn"}}"#));
        ends(&trace)[0].clone()
    };
    assert_eq!(end(true), TurnOutcome::Interrupted);
    assert_eq!(end(false), TurnOutcome::Completed);
}
