//! Tool calls: what is known of one grows with each update.

use protocol::item::{Diff, ItemStatus, Location, ToolCall, ToolKind};
use protocol::limits::MAX_TOOL_OUTPUT_BYTES;
use serde_json::Value;

use crate::agent::words::{clip, list, maybe, output, text, title};

/// Puts an update (or the call itself) into what is known. `begun` is false while the agent only prepares the call: what it shows then
/// describes the call and is not its output.
pub(super) fn merge(call: &mut ToolCall, update: &Value, begun: bool) {
    if let Some(line) = maybe(update, "title") {
        call.title = title(&line);
    }
    if let Some(kind) = maybe(update, "kind") {
        call.tool = kind_of(&kind);
    }
    let vendor = update.pointer("/_meta/claudeCode").map(|meta| text(meta, "toolName")).filter(|name| !name.is_empty());
    if let Some(name) = maybe(update, "name").or_else(|| vendor.map(str::to_owned)) {
        call.name = clip(&name, 120);
    }
    if call.name.is_empty() {
        call.name.clone_from(&call.title);
    }
    if let Some(input) = update.get("rawInput").filter(|input| !is_empty(input)) {
        call.input = input.to_string();
    }
    if !list(update, "locations").is_empty() {
        call.locations = list(update, "locations").iter().map(location).collect();
    }
    if update.get("content").is_some_and(Value::is_array) {
        content(call, list(update, "content"), begun);
    }
    if call.output.is_empty()
        && let Some(raw) = update.get("rawOutput").filter(|raw| !is_empty(raw))
    {
        set_output(call, &raw_text(raw));
    }
    if let Some(more) = update.pointer("/_meta/terminal_output_delta/data").and_then(Value::as_str) {
        // After a hole nothing more is kept.
        let room = MAX_TOOL_OUTPUT_BYTES.saturating_sub(call.output.len());
        let kept = more.floor_char_boundary(if call.output_omitted_bytes > 0 { 0 } else { room });
        call.output.push_str(&more[..kept]);
        call.output_omitted_bytes += (more.len() - kept) as u64;
    }
    let exit =
        ["/_meta/terminal_exit/exit_code", "/rawOutput/metadata/exit", "/rawOutput/exit_code", "/rawOutput/exitCode"];
    if let Some(code) = exit.iter().find_map(|path| update.pointer(path)).and_then(Value::as_i64) {
        call.exit_code = i32::try_from(code).ok();
    }
}

fn set_output(call: &mut ToolCall, said: &str) {
    (call.output, call.output_omitted_bytes) = output(said);
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn location(at: &Value) -> Location {
    let line = at.get("line").and_then(Value::as_u64).and_then(|line| u32::try_from(line).ok());
    Location { path: text(at, "path").to_owned(), line }
}

fn content(call: &mut ToolCall, blocks: &[Value], begun: bool) {
    let mut words: Vec<&str> = Vec::new();
    let mut diffs = Vec::new();
    for block in blocks {
        match text(block, "type") {
            "content" => match block.get("content").map_or("", |inner| text(inner, "type")) {
                "text" => words.push(text(&block["content"], "text")),
                "image" => words.push("[image]"),
                _ => words.push("[content that is no text]"),
            },
            "diff" => diffs.push(Diff {
                path: text(block, "path").to_owned(),
                old_text: block.get("oldText").and_then(Value::as_str).map(str::to_owned),
                new_text: text(block, "newText").to_owned(),
            }),
            // A terminal's output comes by other ways, if at all.
            _ => {}
        }
    }
    if !diffs.is_empty() {
        call.diffs = diffs;
    }
    if begun && !words.is_empty() {
        set_output(call, &words.join("\n"));
    }
}

fn raw_text(raw: &Value) -> String {
    match raw {
        Value::String(said) => said.clone(),
        Value::Object(_) => {
            ["output", "stdout", "error"].iter().find_map(|key| maybe(raw, key)).unwrap_or_else(|| raw.to_string())
        }
        other => other.to_string(),
    }
}

pub(super) fn kind_of(kind: &str) -> ToolKind {
    match kind {
        "read" => ToolKind::Read,
        "edit" => ToolKind::Edit,
        "delete" => ToolKind::Delete,
        "move" => ToolKind::Move,
        "search" => ToolKind::Search,
        "execute" => ToolKind::Execute,
        "think" | "switch_mode" => ToolKind::Think,
        "fetch" => ToolKind::Fetch,
        _ => ToolKind::Other,
    }
}

/// How a call ended; `None` while it has not.
pub(super) fn ended(status: &str) -> Option<ItemStatus> {
    match status {
        "completed" => Some(ItemStatus::Done),
        "failed" => Some(ItemStatus::Failed),
        "cancelled" => Some(ItemStatus::Interrupted),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_grows_with_its_updates() {
        let mut call = ToolCall::default();
        merge(&mut call, &json!({"title": "bash", "kind": "execute", "rawInput": {}}), false);
        merge(
            &mut call,
            &json!({"rawInput": {"command": "ls"}, "title": "ls",
            "content": [{"type": "content", "content": {"type": "text", "text": "lists files"}}]}),
            false,
        );
        assert_eq!((call.title.as_str(), call.input.as_str(), call.output.as_str()), ("ls", r#"{"command":"ls"}"#, ""));
        merge(
            &mut call,
            &json!({"content": [{"type": "content", "content": {"type": "text", "text": "a\n"}}],
            "rawOutput": {"output": "ignored", "metadata": {"exit": 3}}}),
            true,
        );
        assert_eq!((call.output.as_str(), call.exit_code, call.tool), ("a\n", Some(3), ToolKind::Execute));
        merge(
            &mut call,
            &json!({"_meta": {"terminal_output_delta": {"data": "b\n"}, "terminal_exit": {"exit_code": 0}}}),
            true,
        );
        assert_eq!((call.output.as_str(), call.exit_code), ("a\nb\n", Some(0)));
    }

    #[test]
    fn what_is_left_out_of_growing_output_is_counted_once() {
        let mut call = ToolCall::default();
        let more = json!({"_meta": {"terminal_output_delta": {"data": "x".repeat(1000)}}});
        for _ in 0..600 {
            merge(&mut call, &more, true);
        }
        assert_eq!(
            (call.output.len(), call.output_omitted_bytes),
            (MAX_TOOL_OUTPUT_BYTES, 600_000 - MAX_TOOL_OUTPUT_BYTES as u64)
        );
    }

    #[test]
    fn diffs_and_raw_output_are_taken() {
        let mut call = ToolCall::default();
        merge(
            &mut call,
            &json!({"content": [{"type": "diff", "path": "/a", "oldText": null, "newText": "x"}], "rawOutput": "done"}),
            true,
        );
        assert_eq!(call.diffs, [Diff { path: "/a".into(), old_text: None, new_text: "x".into() }]);
        assert_eq!(call.output, "done");
    }
}
