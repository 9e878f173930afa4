//! Recorded transcripts through the switchboard, a lane and the mapper.

use std::sync::Arc;

use protocol::item::{ItemContent, ItemStatus, ToolCall};
use protocol::turn::TurnErrorCode;
use serde_json::{Value, json};

use super::lane::{Lane, Next, Parcel};
use super::mapper::{CodexMapper, Turn};
use super::switchboard::Switchboard;
use crate::agent::link::{Mapper as _, Step};
use crate::agent::tests::{Trace, messages, names};
use crate::agent::words::text;
use crate::agent::{AgentEvent, Answer, TurnOutcome};

/// One session of a recording.
struct Session {
    board: Switchboard,
    seat: u64,
    lane: Arc<Lane>,
    mapper: CodexMapper,
    opening: Option<Value>,
}

impl Session {
    fn new() -> Self {
        let mut board = Switchboard::default();
        let (seat, lane) = board.sit_down();
        Self { board, seat, lane, mapper: CodexMapper::new(seat, "/home/dev/project"), opening: None }
    }

    /// What the recording's host wrote, told as the driver would.
    fn sent(&mut self, message: &Value) -> Vec<Step> {
        let params = &message["params"];
        match text(message, "method") {
            "thread/start" | "thread/resume" => {
                self.mapper = CodexMapper::new(self.seat, params["cwd"].as_str().unwrap_or("/home/dev/project"));
                self.opening = Some(message["id"].clone());
            }
            "turn/start" if self.mapper.turn == Turn::Idle => {
                self.mapper.prompted(&params["input"]);
            }
            "turn/interrupt" => {
                self.mapper.interrupt();
            }
            "" => return self.answered(message),
            _ => {}
        }
        Vec::new()
    }

    fn answered(&mut self, message: &Value) -> Vec<Step> {
        let option = match message["result"]["decision"].as_str() {
            Some("acceptForSession") => "accept_session",
            Some(decision) => decision,
            None if message["result"].get("answers").is_some() => "answer",
            None => "rule_2",
        };
        let answers = vec![("Which color?".to_owned(), "Red".to_owned())];
        let answer = Answer { option: option.to_owned(), message: None, answers };
        let lines = self.mapper.answer(&message["id"].to_string(), &answer).unwrap();
        // Exactly what the recording's host said.
        assert_eq!(serde_json::from_str::<Value>(&lines[0]).unwrap(), *message);
        Vec::new()
    }

    fn line(&mut self, message: &Value) -> Vec<Step> {
        if message.get("method").is_none() && message.get("id") == self.opening.as_ref() && self.opening.is_some() {
            // Under the id that the switchboard would have given.
            let (id, _) = self.board.open_thread(self.seat, &super::codec::initialize("0"));
            let mut answer = message.clone();
            answer["id"] = json!(id.parse::<u64>().unwrap());
            let steps = self.board.line(&answer.to_string());
            if let Some(Step::Response { result: Ok(result), .. }) = steps.first() {
                self.mapper.opened(result);
            }
            return Vec::new();
        }
        let mut steps = self.board.line(&message.to_string());
        while let Some(Next::Parcel(parcel)) = self.lane.poll() {
            steps.extend(match parcel {
                Parcel::Message(message) => self.mapper.message(&message),
                Parcel::Event(event) => self.mapper.noticed(*event),
            });
        }
        steps
    }
}

fn replay(name: &str) -> Trace {
    let mut session = Session::new();
    let mut trace = Trace::default();
    for (direction, message) in messages(name) {
        let steps = if direction == '<' { session.line(&message) } else { session.sent(&message) };
        trace.take(steps);
    }
    for event in session.mapper.ended() {
        trace.event(event);
    }
    trace
}

#[test]
fn every_transcript_is_as_it_was_and_keeps_the_laws() {
    for name in names("codex-") {
        let trace = replay(&name);
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

fn calls(trace: &Trace) -> Vec<(ItemStatus, &ToolCall)> {
    let calls = trace.events.iter().filter_map(|event| match event {
        AgentEvent::ItemSettled { status, content: ItemContent::ToolCall(call), .. } => Some((*status, call)),
        _ => None,
    });
    calls.collect()
}

fn notices(trace: &Trace) -> Vec<&str> {
    trace
        .events
        .iter()
        .filter_map(|event| if let AgentEvent::Notice { code, .. } = event { Some(code.as_str()) } else { None })
        .collect()
}

#[test]
fn turns_end_as_codex_means_it() {
    let failed = |name: &str| match ends(&replay(name)).last() {
        Some(TurnOutcome::Failed { code, .. }) => Some(*code),
        _ => None,
    };
    assert_eq!(failed("codex-07a-401"), Some(TurnErrorCode::CredentialsExpired));
    assert_eq!(failed("codex-07c-529"), Some(TurnErrorCode::Overloaded));
    assert_eq!(failed("codex-07d-429"), Some(TurnErrorCode::RateLimited));
    assert_eq!(failed("codex-07f-disconnect"), Some(TurnErrorCode::AgentError));
    assert_eq!(failed("codex-07h-failed-event"), Some(TurnErrorCode::Overloaded));
    assert_eq!(failed("codex-07i-failed-quota"), Some(TurnErrorCode::RateLimited));
    assert_eq!(failed("codex-07b-529x1"), None);
    assert_eq!(ends(&replay("codex-05a-interrupt")), [&TurnOutcome::Interrupted, &TurnOutcome::Completed]);
    assert_eq!(ends(&replay("codex-06d-kill9")), [] as [&TurnOutcome; 0], "its process was killed");
}

#[test]
fn a_declined_command_is_denied_and_the_turn_goes_on_and_a_cancelled_one_ends_it() {
    let trace = replay("codex-03-tools-gpt-5.5");
    let denied = calls(&trace).iter().filter(|(status, _)| *status == ItemStatus::Denied).count();
    assert_eq!(denied, 2);
    let interrupted = ends(&trace).iter().filter(|how| ***how == TurnOutcome::Interrupted).count();
    assert_eq!(interrupted, 1);
}

#[test]
fn what_is_open_at_an_interrupt_is_closed_and_its_command_ended() {
    let trace = replay("codex-05b-interrupt-tool");
    assert!(matches!(calls(&trace)[..], [(ItemStatus::Interrupted, _)]));
    let mut session = Session::new();
    let mut written: Vec<Value> = Vec::new();
    for (direction, message) in messages("codex-05b-interrupt-tool") {
        let steps = if direction == '<' { session.line(&message) } else { session.sent(&message) };
        let lines = steps.into_iter().filter_map(|step| if let Step::Write(line) = step { Some(line) } else { None });
        written.extend(lines.map(|line| serde_json::from_str::<Value>(&line).unwrap()));
    }
    assert_eq!((written.len(), text(&written[0], "method")), (1, "thread/backgroundTerminals/list"));
    let list = json!([{"itemId": "call_00000009", "processId": "93514"}, {"itemId": "a server", "processId": "1"}]);
    let steps = session.line(&json!({"id": written[0]["id"], "result": {"data": list}}));
    assert!(matches!(&steps[..], [Step::Write(line)] if line.contains("/terminate") && line.contains("93514")));
    let withdrawn = replay("codex-05c-interrupt-approval");
    assert!(withdrawn.events.iter().any(|event| matches!(event, AgentEvent::AskWithdrawn { .. })));
}

#[test]
fn a_cut_stream_is_told_of_and_what_it_said_disappears() {
    let trace = replay("codex-07g-disconnect-once");
    assert_eq!(notices(&trace), ["retrying"]);
    assert!(trace.events.iter().any(|event| matches!(event, AgentEvent::ItemAbandoned { .. })));
    assert_eq!(notices(&replay("codex-07k-limit-headers")), ["rate_limit"]);
    // It would go on for ever; it is said once, and the pump gives up.
    assert_eq!(notices(&replay("codex-07l-server-down")), ["retrying"]);
}

#[test]
fn a_turn_that_waits_for_the_network_can_be_given_up() {
    let mut session = Session::new();
    for (direction, message) in messages("codex-07l-server-down") {
        if direction == '<' {
            session.line(&message)
        } else {
            session.sent(&message)
        };
    }
    assert!(session.mapper.waits);
    assert!(session.mapper.give_up("120 s").is_some_and(|line| line.contains("turn/interrupt")));
    let Turn::Running(turn) = session.mapper.turn.clone() else { panic!() };
    let end = json!({"method": "turn/completed", "params": {"threadId": session.mapper.thread, "turn": {"id": turn, "status": "interrupted"}}});
    let mut trace = Trace::default();
    trace.take(session.line(&end));
    assert!(matches!(ends(&trace)[..], [TurnOutcome::Failed { code: TurnErrorCode::AgentError, .. }]));
}

#[test]
fn a_wrong_login_is_not_tried_again_and_a_stop_before_the_start_is_not_lost() {
    let mut session = Session::new();
    session.line(&json!({}));
    session.mapper.thread = "t".to_owned();
    session.mapper.prompted(&json!([]));
    assert_eq!(session.mapper.interrupt(), None);
    let started = json!({"method": "turn/started", "params": {"threadId": "t", "turn": {"id": "u"}}});
    let steps = session.mapper.message(&started);
    assert!(matches!(&steps[..], [Step::Write(line)] if line.contains("turn/interrupt")), "{steps:?}");

    session.mapper.ended();
    session.mapper.prompted(&json!([]));
    session.mapper.message(&started);
    let retry = json!({"method": "error", "params": {"threadId": "t", "turnId": "u", "willRetry": true,
        "error": {"message": "Reconnecting... 1/5", "codexErrorInfo": {"responseStreamDisconnected": {"httpStatusCode": 401}}}}});
    let steps = session.mapper.message(&retry);
    assert!(matches!(&steps[..], [Step::Write(line)] if line.contains("turn/interrupt")), "{steps:?}");
    assert_eq!(session.mapper.message(&retry).len(), 0, "once");
    let end =
        json!({"method": "turn/completed", "params": {"threadId": "t", "turn": {"id": "u", "status": "interrupted"}}});
    let mut trace = Trace::default();
    trace.take(session.mapper.message(&end));
    assert!(matches!(ends(&trace)[..], [TurnOutcome::Failed { code: TurnErrorCode::CredentialsExpired, .. }]));
}

#[test]
fn what_a_sub_agent_does_belongs_to_its_call() {
    let mut mapper = CodexMapper::new(1, "/p");
    mapper.thread = "t".to_owned();
    let mut trace = Trace::default();
    mapper.prompted(&json!([]));
    let lines = [
        json!({"method": "turn/started", "params": {"threadId": "t", "turn": {"id": "u"}}}),
        json!({"method": "item/started", "params": {"threadId": "t", "turnId": "u", "item": {"type": "collabAgentToolCall", "id": "call",
            "tool": "spawnAgent", "prompt": "look", "status": "inProgress", "receiverThreadIds": ["c"]}}}),
        json!({"method": "turn/started", "params": {"threadId": "c", "turn": {"id": "v"}}}),
        json!({"method": "item/completed", "params": {"threadId": "c", "turnId": "v", "item": {"type": "agentMessage", "id": "m", "text": "seen"}}}),
        json!({"method": "turn/completed", "params": {"threadId": "c", "turn": {"id": "v", "status": "completed"}}}),
        json!({"method": "turn/completed", "params": {"threadId": "t", "turn": {"id": "u", "status": "completed"}}}),
    ];
    for line in &lines {
        trace.take(mapper.message(line));
    }
    assert_eq!(trace.laws("sub-agent"), [] as [&str; 0]);
    assert_eq!(ends(&trace).len(), 1);
    let of_call = |event: &AgentEvent| matches!(event, AgentEvent::ItemSettled { item, parent: Some(parent), .. } if item == "m" && parent == "call");
    assert!(trace.events.iter().any(of_call), "{:?}", trace.events);
}

#[test]
fn garbage_and_unknown_things_survive_as_notices() {
    let mut session = Session::new();
    session.mapper.thread = "t".to_owned();
    let (id, _) = session.board.open_thread(session.seat, &super::codec::initialize("0"));
    session.board.line(&json!({"id": id.parse::<u64>().unwrap(), "result": {"thread": {"id": "t"}}}).to_string());
    session.mapper.prompted(&json!([]));
    session.mapper.message(&json!({"method": "turn/started", "params": {"threadId": "t", "turn": {"id": "u"}}}));
    let mut trace = Trace::default();
    let lines = [
        "not json",
        "[]",
        r#"{"method":"telepathy","params":{"threadId":"t","x":"secret"}}"#,
        r#"{"method":"telepathy","params":{"threadId":"t"}}"#,
        r#"{"method":"item/telepathy","params":{"threadId":"t","turnId":"u"}}"#,
        r#"{"method":"item/started","params":{"threadId":"t","turnId":"u","item":{"type":"hologram","id":"h"}}}"#,
        r#"{"method":"item/completed","params":{"threadId":"t","turnId":"u"}}"#,
        r#"{"method":"item/agentMessage/delta","params":{"threadId":"t","turnId":"u","itemId":"nobody","delta":"x"}}"#,
        r#"{"method":"item/tool/call","id":9,"params":{"threadId":"t"}}"#,
        r#"{"method":"account/chatgptAuthTokens/refresh","id":10,"params":{}}"#,
        r#"{"method":"turn/completed","params":{"threadId":"t","turn":{"id":"another"}}}"#,
        r#"{"method":"turn/completed"}"#,
        r#"{"id":77,"result":{}}"#,
        r#"{"method":"turn/completed","params":{"threadId":"t","turn":{"id":"u","status":"completed"}}}"#,
    ];
    for line in lines {
        let mut steps = session.board.line(line);
        while let Some(Next::Parcel(Parcel::Message(message))) = session.lane.poll() {
            steps.extend(session.mapper.message(&message));
        }
        trace.take(steps);
    }
    assert_eq!(trace.laws("garbage"), [] as [&str; 0]);
    assert!(!format!("{:?}", trace.events).contains("secret"));
    assert_eq!(ends(&trace), [&TurnOutcome::Completed]);
    let mut codes = notices(&trace);
    codes.dedup();
    // The second one is counted, and told with the end of a turn.
    assert_eq!(codes, ["unreadable_line", "unknown_message", "unreadable_line"]);
}

#[test]
fn fuzz_codex_lines() {
    let fresh = || {
        let mut session = Session::new();
        session.mapper.thread = "t".to_owned();
        session
    };
    let (mut session, mut lines) = (fresh(), 0_u32);
    crate::agent::tests::fuzz_lines("codex-lines", "codex-", |line| {
        lines += 1;
        // Every message is of this thread, whichever recording it comes from.
        let Ok(mut message) = serde_json::from_str::<Value>(line) else { return session.board.line(line) };
        if let Some(thread) = message.pointer_mut("/params/threadId") {
            *thread = json!("t");
        }
        if lines.is_multiple_of(64) {
            session.mapper.prompted(&json!([]));
        }
        if let (Turn::Asked(_), Some(turn)) = (&session.mapper.turn, message.pointer("/params/turnId")) {
            let turn = turn.as_str().unwrap_or("u").to_owned();
            session.mapper.turn = Turn::Running(turn);
        }
        let mut steps = session.mapper.message(&message);
        steps.extend(session.board.line(line));
        for request in session.mapper.asks.keys().cloned().collect::<Vec<_>>() {
            let answer = Answer { option: "accept".to_owned(), message: None, answers: Vec::new() };
            let _ = session.mapper.answer(&request, &answer);
        }
        if lines.is_multiple_of(256) {
            let _ = session.mapper.interrupt();
        }
        // A session that lasts: what a mapper keeps must not grow with all that it is told.
        if lines.is_multiple_of(16_384) {
            let _ = session.mapper.ended();
            session = fresh();
        }
        steps
    });
}
