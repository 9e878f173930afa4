//! The fixtures of `protocol/fixtures/export`: `NAME.json` is what goes in, `NAME.md` and `NAME.export.json` are what comes out, for
//! Rust and TypeScript alike.
//!
//! `UPDATE=1 cargo test -p protocol` writes them anew; a change in them is to be read in review.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Head, json as as_json, markdown};
use crate::fact::SessionFact;
use crate::fold::Transcript;
use crate::id::TurnId;

const SESSION: &str = "ses_019ab0000000700080000000000000e5";
const BEGAN: u64 = 1_795_213_800_000;

/// What goes in. Every message is exactly as it stands in its stream.
#[derive(Serialize)]
struct Fixture {
    about: &'static str,
    head: Head,
    journal: Vec<Box<RawValue>>,
    live: Vec<Live>,
}

#[derive(Serialize)]
struct Live {
    turn: String,
    message: Box<RawValue>,
}

fn id(prefix: &str, number: u64) -> String {
    format!("{prefix}_019ab00000007000800000000000{number:04x}")
}

/// A message, through the types: its fields stand in their order there.
fn message(kind: &str, key: &str, value: &Value) -> Box<RawValue> {
    let text = json!({"type": kind, "key": key, "value": value, "headers": {"operation": "insert"}}).to_string();
    let fact = SessionFact::parse(text.as_bytes()).expect("a fact");
    let bytes = fact.encode().expect("a known fact");
    RawValue::from_string(String::from_utf8(bytes.to_vec()).expect("JSON is UTF-8")).expect("JSON")
}

fn turn(number: u64, ord: u64, change: &Value) -> Box<RawValue> {
    let mut value = json!({
        "v": 1, "session": SESSION, "ord": ord, "state": "completed",
        "origin": {"type": "prompt", "command": id("cmd", number)},
        "sender": {"account": id("acc", 1), "device": id("dev", 1)},
        "agent": "claude", "model": "model-large", "lowWater": null,
        "queuedAtMs": BEGAN, "startedAtMs": BEGAN + 1_000, "endedAtMs": BEGAN + 75_500,
        "usage": null, "error": null, "content": {"detail": null},
    });
    merge(&mut value, change);
    message("turn", &id("trn", number), &value)
}

fn item(number: u64, of: u64, change: &Value) -> Box<RawValue> {
    let mut value = json!({
        "v": 1, "session": SESSION, "turn": id("trn", of), "ord": number, "parent": null, "role": "agent", "sender": null,
        "status": "done", "index": 0, "createdAtMs": BEGAN + number * 1_000, "settledAtMs": BEGAN + number * 1_000 + 500,
        "content": {"kind": "text", "text": ""},
    });
    merge(&mut value, change);
    message("item", &id("itm", number), &value)
}

fn approval(number: u64, of: u64, change: &Value) -> Box<RawValue> {
    let mut value = json!({
        "v": 1, "session": SESSION, "turn": id("trn", of), "item": null, "ord": number, "kind": "permission", "state": "answered",
        "options": [{"id": "yes", "kind": "allow_once"}, {"id": "no", "kind": "deny"}],
        "decision": {"option": "yes", "by": {"account": id("acc", 1), "device": id("dev", 1)}, "atMs": BEGAN + 60_000},
        "createdAtMs": BEGAN + 30_000,
        "content": {"title": "Run a command", "detail": "cargo test", "place": "~/code/gauge", "reason": null,
            "labels": ["Allow once", "Deny"], "questions": []},
    });
    merge(&mut value, change);
    message("approval", &id("apr", number), &value)
}

/// Lays changes over a value; the content of an item is replaced whole.
fn merge(value: &mut Value, change: &Value) {
    match (value, change) {
        (Value::Object(value), Value::Object(change)) => {
            for (key, change) in change {
                let place = value.entry(key.clone()).or_insert(Value::Null);
                if key == "content" && change.get("kind").is_some() {
                    *place = change.clone();
                } else {
                    merge(place, change);
                }
            }
        }
        (value, change) => *value = change.clone(),
    }
}

fn tool(change: &Value) -> Value {
    let mut value = json!({
        "tool": "other", "name": "", "title": "", "input": "", "locations": [], "diffs": [], "output": "",
        "outputOmittedBytes": 0, "exitCode": null,
    });
    merge(&mut value, change);
    value["kind"] = json!("tool_call");
    json!({"content": value})
}

fn text(words: &str) -> Value {
    json!({"content": {"kind": "text", "text": words}})
}

fn user(words: &str) -> Value {
    let mut value = text(words);
    merge(&mut value, &json!({"role": "user", "sender": {"account": id("acc", 1), "device": id("dev", 1)}}));
    value
}

fn head(title: &str) -> Head {
    serde_json::from_value(json!({
        "session": SESSION, "title": title, "project": "gauge", "path": "~/code/gauge", "host": "desk", "agent": "claude",
        "createdAtMs": BEGAN, "exportedAtMs": BEGAN + 3_600_000,
    }))
    .expect("a head")
}

fn all_kinds() -> Fixture {
    let usage = json!({"usage": {"inputTokens": 12_345, "outputTokens": 678, "cachedTokens": 9_000, "costMicroUsd": 1_023_456}});
    Fixture {
        about: "Every kind of item, an answered approval, a turn that the agent began, one that failed",
        head: head("Fix the gauge"),
        journal: vec![
            turn(1, 1, &usage),
            item(2, 1, &user("The gauge is **off by one**.\n\nPlease fix it.")),
            item(3, 1, &json!({"content": {"kind": "reasoning", "text": "The loop begins at 1."}})),
            item(4, 1, &json!({"content": {"kind": "reasoning", "text": ""}})),
            item(
                5,
                1,
                &json!({"content": {"kind": "plan", "entries": [
                {"text": "Find it", "status": "completed"}, {"text": "Fix it", "status": "in_progress"},
                {"text": "Test it", "status": "pending"}]}}),
            ),
            item(
                6,
                1,
                &tool(
                    &json!({"tool": "edit", "name": "Edit", "title": "src/gauge.rs", "input": "{\"path\":\"src/gauge.rs\"}",
                "locations": [{"path": "src/gauge.rs", "line": 12}],
                "diffs": [{"path": "src/gauge.rs", "oldText": "for i in 1..n {\n", "newText": "for i in 0..n {\n    // from 0\n"}]}),
                ),
            ),
            approval(7, 1, &json!({})),
            item(
                8,
                1,
                &tool(&json!({"tool": "execute", "name": "Bash", "title": "cargo test",
                "input": "{\"command\":\"cargo test\"}", "output": "1 passed\n", "outputOmittedBytes": 1_048_576, "exitCode": 0})),
            ),
            item(9, 1, &text("Fixed. The loop began at `1`.")),
            turn(
                2,
                10,
                &json!({"origin": {"type": "agent"}, "state": "failed", "usage": null,
                "error": {"code": "agent_error", "by": null}, "content": {"detail": "the build broke"}}),
            ),
            item(
                11,
                2,
                &tool(
                    &json!({"tool": "execute", "name": "Bash", "title": "make", "input": "{}", "output": "no rule", "exitCode": 2}),
                ),
            ),
            item(
                12,
                2,
                &json!({"role": "system", "content": {"kind": "notice", "level": "warning", "code": "retrying",
                "text": "The vendor was asked again."}}),
            ),
        ],
        live: Vec::new(),
    }
}

fn hostile() -> Fixture {
    let mut sub = text("# Inside\n\nof a sub-agent");
    merge(&mut sub, &json!({"parent": id("itm", 3)}));
    let mut deeper = tool(&json!({"tool": "read", "name": "Read", "title": "a\nb <script>", "output": "x"}));
    merge(&mut deeper, &json!({"parent": id("itm", 4)}));
    Fixture {
        about: "Words that look like Markdown of ours: open fences, backticks, headings, sub-agents inside each other",
        head: head("# Not a `heading`\n*really* <b>"),
        journal: vec![
            turn(1, 1, &json!({})),
            item(2, 1, &user("Look:\n\n```rust\nfn open() {")),
            item(3, 1, &tool(&json!({"tool": "task", "name": "Task", "title": "Look around"}))),
            item(4, 1, &sub),
            item(5, 1, &deeper),
            item(
                6,
                1,
                &tool(&json!({"tool": "execute", "name": "Bash", "input": "{\"command\":\"cat README.md\"}",
                "output": "````md\n```\ncode\n```\n````\n"})),
            ),
            approval(
                7,
                1,
                &json!({"state": "expired", "decision": null, "content": {"detail": "echo \"```\"", "title": "> quote"}}),
            ),
            item(
                8,
                1,
                &tool(&json!({"tool": "edit", "name": "Write", "diffs": [
                {"path": "a_b*.md", "oldText": null, "newText": "```\n- x\n\n```"}, {"path": "empty", "oldText": "gone", "newText": ""}]})),
            ),
            item(9, 1, &text("~~~~\nstill open ```")),
        ],
        live: Vec::new(),
    }
}

fn half() -> Fixture {
    let mut running = text("Half a sen");
    merge(&mut running, &json!({"status": "running", "settledAtMs": null}));
    let mut stopped = text("Cut o");
    merge(&mut stopped, &json!({"status": "interrupted"}));
    let mut denied = tool(&json!({"tool": "execute", "name": "Bash", "title": "rm -rf /"}));
    merge(&mut denied, &json!({"status": "denied"}));
    Fixture {
        about: "A turn that a person stopped, one that still runs and waits for a person, and one that waits",
        head: Head { project: None, path: None, host: None, ..head("  ") },
        journal: vec![
            turn(
                1,
                1,
                &json!({"state": "interrupted", "model": null, "error": {"code": "cancelled",
                "by": {"account": id("acc", 1), "device": id("dev", 1)}}}),
            ),
            item(2, 1, &user("Go")),
            item(3, 1, &denied),
            item(4, 1, &stopped),
            turn(
                2,
                5,
                &json!({"state": "awaiting_approval", "endedAtMs": null, "lowWater": "0000000000000000_0000000000000000"}),
            ),
            item(6, 2, &user("Go on")),
            approval(
                8,
                2,
                &json!({"kind": "question", "state": "pending", "decision": null, "content": {"title": "Which one?",
                "detail": "", "questions": [{"question": "Red or blue?", "header": "Colour", "multiple": false, "options": []}]}}),
            ),
            turn(3, 9, &json!({"state": "queued", "startedAtMs": null, "endedAtMs": null})),
            item(10, 3, &user("And then this")),
        ],
        live: vec![
            Live { turn: id("trn", 2), message: item(7, 2, &running) },
            Live {
                turn: id("trn", 2),
                message: message(
                    "delta",
                    &id("itm", 7),
                    &json!({"v": 1, "index": 1, "part": "text", "content": {"text": "tence"}}),
                ),
            },
        ],
    }
}

fn empty() -> Fixture {
    Fixture { about: "A session without a turn", head: head("Nothing yet"), journal: Vec::new(), live: Vec::new() }
}

fn check(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/export").join(name);
    #[expect(
        clippy::disallowed_methods,
        reason = "the switch that rewrites files is a variable of the developer's shell"
    )]
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, text).expect("a file");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(committed, text, "{name} is not what the export is now: read the difference, then UPDATE=1");
}

#[test]
fn the_fixtures_are_what_is_exported() {
    for (name, fixture) in [("all-kinds", all_kinds()), ("hostile", hostile()), ("half", half()), ("empty", empty())] {
        let mut text = serde_json::to_string_pretty(&fixture).expect("JSON");
        text.push('\n');
        check(&format!("{name}.json"), &text);
        let parse = |message: &RawValue| SessionFact::parse(message.get().as_bytes()).expect("a fact");
        let mut transcript = Transcript::new();
        fixture.journal.iter().for_each(|message| transcript.journal(parse(message)));
        for live in &fixture.live {
            transcript.live(live.turn.parse::<TurnId>().expect("a turn"), parse(&live.message));
        }
        check(&format!("{name}.md"), &markdown(&fixture.head, &transcript));
        check(&format!("{name}.export.json"), &as_json(&fixture.head, &transcript));
    }
}
