//! What Claude's tools do, for their cards, and what came of them.

use protocol::item::{Diff, Location, PlanEntry, PlanStatus, TaskUsage, ToolCall, ToolKind};
use serde_json::Value;

use crate::agent::words::{clip, list, output, short_path, text, title};

/// Longest old text of a file that is kept in a diff, in bytes: more is not read on a phone.
const OLD_TEXT_BYTES: usize = 256 * 1024;

/// A tool call whose input is complete, or still streams (then `input` is `Null`).
pub(super) fn describe(name: &str, input: &Value, cwd: &str) -> ToolCall {
    let path = [text(input, "file_path"), text(input, "notebook_path"), text(input, "path")]
        .into_iter()
        .find(|path| !path.is_empty())
        .unwrap_or_default();
    let short = short_path(path, cwd);
    let named =
        |verb: &str, what: &str| title(&if what.is_empty() { verb.to_owned() } else { format!("{verb} {what}") });
    let (tool, line) = match name {
        "Bash" | "PowerShell" => (ToolKind::Execute, named("", text(input, "command"))),
        "BashOutput" | "TaskOutput" => (ToolKind::Execute, "Look at a command in the background".to_owned()),
        "KillShell" | "KillBash" | "TaskStop" => (ToolKind::Execute, "Stop a command in the background".to_owned()),
        "Write" => (ToolKind::Edit, named("Write", short)),
        "Edit" | "MultiEdit" | "NotebookEdit" => (ToolKind::Edit, named("Edit", short)),
        "Read" | "NotebookRead" => (ToolKind::Read, named("Read", short)),
        "LS" => (ToolKind::Read, named("List", short)),
        "Grep" | "Glob" | "ToolSearch" => {
            (ToolKind::Search, named("Search", [text(input, "pattern"), text(input, "query")].concat().as_str()))
        }
        "WebFetch" => (ToolKind::Fetch, named("Fetch", text(input, "url"))),
        "WebSearch" => (ToolKind::Fetch, named("Search the web for", text(input, "query"))),
        "Task" | "Agent" => (ToolKind::Task, named("", text(input, "description"))),
        "AskUserQuestion" => (
            ToolKind::Ask,
            named("", list(input, "questions").first().map_or("", |question| text(question, "question"))),
        ),
        "EnterPlanMode" | "ExitPlanMode" | "TodoWrite" | "TaskCreate" | "TaskUpdate" | "TaskList" | "TaskGet" => {
            (ToolKind::Think, "Plan".to_owned())
        }
        _ => (ToolKind::Other, named("", &name.trim_start_matches("mcp__").replace("__", ": "))),
    };
    let line = line.trim();
    ToolCall {
        tool,
        name: clip(name, 120),
        title: if line.is_empty() { name.to_owned() } else { line.to_owned() },
        input: if input.is_null() { String::new() } else { input.to_string() },
        locations: if path.is_empty() {
            Vec::new()
        } else {
            vec![Location { path: path.to_owned(), line: line_of(input) }]
        },
        diffs: diffs(name, input),
        ..ToolCall::default()
    }
}

fn line_of(input: &Value) -> Option<u32> {
    input.get("offset").and_then(Value::as_u64).and_then(|line| u32::try_from(line).ok()).filter(|line| *line > 0)
}

fn diffs(name: &str, input: &Value) -> Vec<Diff> {
    let path = text(input, "file_path");
    let edit = |edit: &Value| Diff {
        path: path.to_owned(),
        old_text: Some(text(edit, "old_string").to_owned()),
        new_text: text(edit, "new_string").to_owned(),
    };
    match name {
        "Write" if input.get("content").is_some() => {
            vec![Diff { path: path.to_owned(), old_text: None, new_text: text(input, "content").to_owned() }]
        }
        "Edit" if input.get("new_string").is_some() => vec![edit(input)],
        "MultiEdit" => list(input, "edits").iter().map(edit).collect(),
        _ => Vec::new(),
    }
}

/// The steps of a `TodoWrite`.
pub(super) fn plan(input: &Value) -> Vec<PlanEntry> {
    list(input, "todos").iter().map(|todo| entry(text(todo, "content"), text(todo, "status"))).collect()
}

fn entry(words: &str, status: &str) -> PlanEntry {
    PlanEntry { text: words.to_owned(), status: plan_status(status) }
}

fn plan_status(status: &str) -> PlanStatus {
    match status {
        "completed" => PlanStatus::Completed,
        "in_progress" => PlanStatus::InProgress,
        _ => PlanStatus::Pending,
    }
}

/// The steps that Claude keeps with `TaskCreate` and `TaskUpdate` (2.1.329, by model), in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Tasks(Vec<(String, PlanEntry)>);

impl Tasks {
    /// Takes what came of a call, and returns the plan as it is now, when the call was about it. `input` is what the call said.
    pub(super) fn take(&mut self, name: &str, input: &Value, structured: &Value) -> Option<Vec<PlanEntry>> {
        match name {
            "TaskCreate" => {
                let task = structured.get("task")?;
                self.0.push((text(task, "id").to_owned(), entry(text(task, "subject"), "pending")));
            }
            "TaskUpdate" => {
                let (id, status) = (text(input, "taskId"), text(input, "status"));
                self.0.retain(|(known, _)| known != id || status != "deleted");
                for (_, task) in self.0.iter_mut().filter(|(known, _)| known == id) {
                    let subject = Some(text(input, "subject")).filter(|subject| !subject.is_empty());
                    let status = Some(status).filter(|status| !status.is_empty());
                    task.text = subject.unwrap_or(&task.text).to_owned();
                    task.status = status.map_or(task.status, plan_status);
                }
            }
            // A process that resumes a session hears of its tasks here.
            "TaskList" => {
                let tasks = list(structured, "tasks").iter();
                let known =
                    |task: &Value| (text(task, "id").to_owned(), entry(text(task, "subject"), text(task, "status")));
                self.0 = tasks.map(known).collect();
            }
            _ => return None,
        }
        (!self.0.is_empty()).then(|| self.0.iter().map(|(_, task)| task.clone()).collect())
    }
}

/// Puts into a call what came of it. `block` is the `tool_result` block, `structured` the message's `tool_use_result`.
pub(super) fn finish(call: &mut ToolCall, block: &Value, structured: &Value, failed: bool) {
    let mut said = result_text(block.get("content").unwrap_or(&Value::Null));
    if call.tool == ToolKind::Task {
        call.used = used(structured);
        // What the model reads is framed by words about it; the report itself stands here.
        if let Some(report) = structured.get("content").filter(|content| content.is_array()) {
            said = result_text(report);
        }
    }
    if call.tool == ToolKind::Execute {
        call.exit_code = exit_code(&said, structured, failed);
    }
    // The file that a Write replaced is only told of with its result.
    if let (Some(old), [diff]) = (structured.get("originalFile").and_then(Value::as_str), call.diffs.as_mut_slice())
        && call.name == "Write"
        && old.len() <= OLD_TEXT_BYTES
    {
        diff.old_text = Some(old.to_owned());
    }
    (call.output, call.output_omitted_bytes) = output(&said);
}

/// What a sub-agent has used, of one that is done.
fn used(structured: &Value) -> Option<TaskUsage> {
    let number = |key: &str| structured.get(key).and_then(Value::as_u64);
    Some(TaskUsage {
        tokens: number("totalTokens")?,
        tool_calls: number("totalToolUseCount").unwrap_or(0),
        duration_ms: number("totalDurationMs").unwrap_or(0),
    })
}

fn exit_code(said: &str, structured: &Value, failed: bool) -> Option<i32> {
    if let Some(told) = said.strip_prefix("Exit code ") {
        return told.split(|digit: char| !digit.is_ascii_digit() && digit != '-').next()?.parse().ok();
    }
    // A command that went on in the background has no exit code yet; neither has one that was refused or interrupted.
    let ended = structured.get("stdout").is_some() && structured.get("backgroundTaskId").is_none_or(Value::is_null);
    (ended && !failed && structured.get("interrupted") != Some(&Value::Bool(true))).then_some(0)
}

fn result_text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let words: Vec<&str> = blocks
                .iter()
                .map(|block| match text(block, "type") {
                    "text" => text(block, "text"),
                    "image" => "[image]",
                    _ => "[content that is no text]",
                })
                .collect();
            words.join("\n")
        }
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tools_are_told_apart() {
        let check = |name: &str, input: Value, kind: ToolKind, line: &str| {
            let call = describe(name, &input, "/p");
            assert_eq!((call.tool, call.title.as_str()), (kind, line), "{name}");
        };
        check("Bash", json!({"command": "ls -l\nrm x", "description": "d"}), ToolKind::Execute, "ls -l");
        check("Write", json!({"file_path": "/p/a/b.txt", "content": "x"}), ToolKind::Edit, "Write a/b.txt");
        check("Read", json!({"file_path": "/elsewhere/b.txt"}), ToolKind::Read, "Read /elsewhere/b.txt");
        check("Grep", json!({"pattern": "fn main"}), ToolKind::Search, "Search fn main");
        check("WebFetch", json!({"url": "https://example.com"}), ToolKind::Fetch, "Fetch https://example.com");
        check("Agent", json!({"description": "look"}), ToolKind::Task, "look");
        check("AskUserQuestion", json!({"questions": [{"question": "Which?"}]}), ToolKind::Ask, "Which?");
        check("mcp__files__open", json!({}), ToolKind::Other, "files: open");
        check("Bash", Value::Null, ToolKind::Execute, "Bash");
    }

    #[test]
    fn edits_become_diffs() {
        let call = describe("Edit", &json!({"file_path": "/p/a", "old_string": "1", "new_string": "2"}), "/p");
        assert_eq!(call.diffs, [Diff { path: "/p/a".into(), old_text: Some("1".into()), new_text: "2".into() }]);
        let mut call = describe("Write", &json!({"file_path": "/p/a", "content": "2"}), "/p");
        assert_eq!(call.diffs[0].old_text, None);
        finish(&mut call, &json!({"content": "ok"}), &json!({"type": "update", "originalFile": "1"}), false);
        assert_eq!(call.diffs[0].old_text.as_deref(), Some("1"));
    }

    #[test]
    fn exit_codes_are_found() {
        let code = |said: &str, structured: Value, failed: bool| {
            let mut call = describe("Bash", &json!({"command": "x"}), "/");
            finish(&mut call, &json!({"content": said}), &structured, failed);
            call.exit_code
        };
        assert_eq!(code("Exit code 137", json!("Error: Exit code 137"), true), Some(137));
        assert_eq!(code("out", json!({"stdout": "out", "interrupted": false}), false), Some(0));
        assert_eq!(code("user says no", json!("Error: user says no"), true), None);
        assert_eq!(code("runs", json!({"stdout": "", "backgroundTaskId": "b1"}), false), None);
    }
}
