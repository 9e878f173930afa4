//! Codex's items as the cards of a transcript.

use protocol::item::{Diff, ItemContent, ItemStatus, Location, NoticeLevel, ToolCall, ToolKind};
use serde_json::{Value, json};

use crate::agent::words::{clip, list, maybe, output, short_path, text, title};

/// What an item becomes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// A card.
    Content(ItemContent),
    /// A notice, once it is complete: its level, its code and its words.
    Notice(NoticeLevel, &'static str, String),
    /// It is shown in another way.
    Elsewhere,
    /// A kind that is not known.
    Unknown,
}

/// What an item becomes; an incomplete one becomes what is known of it.
pub(super) fn shape(item: &Value, cwd: &str) -> Shape {
    let call = |call: ToolCall| Shape::Content(ItemContent::ToolCall(call));
    match text(item, "type") {
        "agentMessage" | "plan" => Shape::Content(ItemContent::Text { text: text(item, "text").to_owned() }),
        "reasoning" => Shape::Content(ItemContent::Reasoning { text: reasoning(item) }),
        "commandExecution" => call(command(item)),
        "fileChange" => call(file_change(item, cwd)),
        "mcpToolCall" => call(mcp_call(item)),
        "dynamicToolCall" => call(dynamic_call(item)),
        "collabAgentToolCall" => call(sub_agent(item)),
        "webSearch" => call(web_search(item)),
        "imageView" => call(image_view(item, cwd)),
        "contextCompaction" => {
            Shape::Notice(NoticeLevel::Info, "compacted", "The conversation so far was summarised.".to_owned())
        }
        "enteredReviewMode" => Shape::Notice(NoticeLevel::Info, "review", "A review begins.".to_owned()),
        "exitedReviewMode" => Shape::Content(ItemContent::Text { text: text(item, "review").to_owned() }),
        "imageGeneration" => Shape::Notice(NoticeLevel::Info, "image", "Codex has made an image.".to_owned()),
        // What we said ourselves, what hooks said to the model, pauses, and the sub-agents that have a card of their own.
        "userMessage" | "hookPrompt" | "functionCallOutput" | "sleep" | "subAgentActivity" => Shape::Elsewhere,
        _ => Shape::Unknown,
    }
}

/// How a complete item ended.
pub(super) fn ended(item: &Value) -> ItemStatus {
    match text(item, "status") {
        "failed" => ItemStatus::Failed,
        "declined" => ItemStatus::Denied,
        "interrupted" => ItemStatus::Interrupted,
        _ => ItemStatus::Done,
    }
}

fn reasoning(item: &Value) -> String {
    let parts = |key: &str| list(item, key).iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n\n");
    let summary = parts("summary");
    if summary.is_empty() { parts("content") } else { summary }
}

/// A command, of an item or of a request to run it.
pub(super) fn command(item: &Value) -> ToolCall {
    let line = inner(text(item, "command"));
    let (printed, omitted) = output(text(item, "aggregatedOutput"));
    ToolCall {
        tool: ToolKind::Execute,
        name: "exec_command".to_owned(),
        title: title(&line),
        input: json!({ "command": line, "cwd": text(item, "cwd") }).to_string(),
        output: printed,
        output_omitted_bytes: omitted,
        exit_code: item.get("exitCode").and_then(Value::as_i64).and_then(|code| i32::try_from(code).ok()),
        ..ToolCall::default()
    }
}

/// The script that a shell is started with, which is what the model wrote; the whole command line when it is not surely that.
pub(super) fn inner(line: &str) -> String {
    let shell =
        ["/bin/bash -lc ", "bash -lc ", "/bin/sh -lc ", "/bin/zsh -lc ", "/usr/bin/bash -lc ", "/usr/bin/zsh -lc "];
    let script = shell.iter().find_map(|shell| line.strip_prefix(shell)).and_then(unquoted);
    script.unwrap_or_else(|| line.to_owned())
}

/// One word of a shell without its quotes; `None` when it is more than one word or means more than it says.
fn unquoted(word: &str) -> Option<String> {
    let mut plain = String::with_capacity(word.len());
    let mut letters = word.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => loop {
                match letters.next()? {
                    '\'' => break,
                    other => plain.push(other),
                }
            },
            '"' => loop {
                match letters.next()? {
                    '"' => break,
                    '\\' => match letters.next()? {
                        escaped @ ('"' | '\\' | '$' | '`') => plain.push(escaped),
                        other => plain.extend(['\\', other]),
                    },
                    '$' | '`' => return None,
                    other => plain.push(other),
                }
            },
            '\\' => plain.push(letters.next()?),
            other if other.is_ascii_alphanumeric() || "-_./:=@%+,".contains(other) => plain.push(other),
            _ => return None,
        }
    }
    Some(plain)
}

fn file_change(item: &Value, cwd: &str) -> ToolCall {
    let changes = list(item, "changes");
    let kind = |change: &Value| change.pointer("/kind/type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let moved = |change: &Value| change.pointer("/kind/move_path").is_some_and(Value::is_string);
    let line = match changes {
        [] => "Edit files".to_owned(),
        [change] => {
            let verb = match kind(change).as_str() {
                "add" => "Write",
                "delete" => "Delete",
                _ if moved(change) => "Move",
                _ => "Edit",
            };
            format!("{verb} {}", short_path(text(change, "path"), cwd))
        }
        several => format!("Edit {} files", several.len()),
    };
    let all = |what: &str| !changes.is_empty() && changes.iter().all(|change| kind(change) == what);
    ToolCall {
        tool: match changes {
            _ if all("delete") => ToolKind::Delete,
            [change] if moved(change) => ToolKind::Move,
            _ => ToolKind::Edit,
        },
        name: "apply_patch".to_owned(),
        title: title(&line),
        input: json!({ "changes": changes }).to_string(),
        locations: changes
            .iter()
            .map(|change| Location { path: text(change, "path").to_owned(), line: None })
            .collect(),
        diffs: changes.iter().flat_map(diffs).collect(),
        ..ToolCall::default()
    }
}

/// The edits of a change: the whole file when it is new or goes, else one for each hunk.
fn diffs(change: &Value) -> Vec<Diff> {
    let (path, diff) = (text(change, "path").to_owned(), text(change, "diff"));
    match change.pointer("/kind/type").and_then(Value::as_str) {
        Some("add") => vec![Diff { path, old_text: None, new_text: diff.to_owned() }],
        Some("delete") => vec![Diff { path, old_text: Some(diff.to_owned()), new_text: String::new() }],
        _ => hunks(&path, diff),
    }
}

fn hunks(path: &str, diff: &str) -> Vec<Diff> {
    let mut hunks: Vec<(String, String)> = Vec::new();
    for line in diff.lines() {
        if line.starts_with("@@") {
            hunks.push((String::new(), String::new()));
            continue;
        }
        // What stands before the first hunk names the files.
        let Some((old, new)) = hunks.last_mut() else { continue };
        let add = |to: &mut String, words: &str| {
            to.push_str(words);
            to.push('\n');
        };
        match line.split_at_checked(1) {
            Some(("-", words)) => add(old, words),
            Some(("+", words)) => add(new, words),
            Some((" ", words)) => {
                add(old, words);
                add(new, words);
            }
            // `\ No newline at end of file`, and blank lines whose space was lost.
            Some(("\\", _)) => {}
            _ => {
                add(old, line);
                add(new, line);
            }
        }
    }
    hunks.into_iter().map(|(old, new_text)| Diff { path: path.to_owned(), old_text: Some(old), new_text }).collect()
}

fn mcp_call(item: &Value) -> ToolCall {
    let name = format!("{}: {}", text(item, "server"), text(item, "tool"));
    let result = item.get("result").unwrap_or(&Value::Null);
    let mut said: Vec<String> = list(result, "content").iter().map(block).collect();
    said.extend(item.pointer("/error/message").and_then(Value::as_str).map(str::to_owned));
    let (printed, omitted) = output(&said.join("\n"));
    ToolCall {
        tool: ToolKind::Other,
        name: clip(&name, 120),
        title: title(&name),
        input: item.get("arguments").map(Value::to_string).unwrap_or_default(),
        output: printed,
        output_omitted_bytes: omitted,
        ..ToolCall::default()
    }
}

fn dynamic_call(item: &Value) -> ToolCall {
    let said: Vec<String> = list(item, "contentItems").iter().map(block).collect();
    let (printed, omitted) = output(&said.join("\n"));
    ToolCall {
        tool: ToolKind::Other,
        name: clip(text(item, "tool"), 120),
        title: title(text(item, "tool")),
        input: item.get("arguments").map(Value::to_string).unwrap_or_default(),
        output: printed,
        output_omitted_bytes: omitted,
        ..ToolCall::default()
    }
}

fn block(block: &Value) -> String {
    match (text(block, "type"), block.get("text").and_then(Value::as_str)) {
        (_, Some(words)) => words.to_owned(),
        ("image" | "inputImage", _) => "[image]".to_owned(),
        _ => "[content that is no text]".to_owned(),
    }
}

fn sub_agent(item: &Value) -> ToolCall {
    let prompt = text(item, "prompt");
    let line = match text(item, "tool") {
        "spawnAgent" if !prompt.is_empty() => prompt.to_owned(),
        "spawnAgent" => "Start a sub-agent".to_owned(),
        "wait" => "Wait for sub-agents".to_owned(),
        "closeAgent" => "End a sub-agent".to_owned(),
        "interruptAgent" => "Interrupt a sub-agent".to_owned(),
        "listAgents" => "List sub-agents".to_owned(),
        _ if !prompt.is_empty() => prompt.to_owned(),
        other => other.to_owned(),
    };
    ToolCall {
        tool: ToolKind::Task,
        name: clip(text(item, "tool"), 120),
        title: title(&line),
        input: json!({ "prompt": prompt, "model": item.get("model") }).to_string(),
        ..ToolCall::default()
    }
}

fn web_search(item: &Value) -> ToolCall {
    let action = item.get("action").unwrap_or(&Value::Null);
    let query = maybe(item, "query").or_else(|| maybe(action, "query")).unwrap_or_default();
    let line = match (text(action, "type"), maybe(action, "url")) {
        (_, Some(url)) => format!("Fetch {url}"),
        _ if query.is_empty() => "Search the web".to_owned(),
        _ => format!("Search the web for {query}"),
    };
    ToolCall {
        tool: ToolKind::Fetch,
        name: "web_search".to_owned(),
        title: title(&line),
        input: json!({ "query": query, "action": action }).to_string(),
        ..ToolCall::default()
    }
}

fn image_view(item: &Value, cwd: &str) -> ToolCall {
    let path = text(item, "path");
    ToolCall {
        tool: ToolKind::Read,
        name: "view_image".to_owned(),
        title: title(&format!("Look at {}", short_path(path, cwd))),
        input: json!({ "path": path }).to_string(),
        locations: vec![Location { path: path.to_owned(), line: None }],
        ..ToolCall::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_what_the_model_wrote() {
        for (line, script) in [
            ("/bin/bash -lc 'echo hi > f1; ls -la'", "echo hi > f1; ls -la"),
            ("/bin/bash -lc pwd", "pwd"),
            (r#"/bin/bash -lc "echo 'hi' \"x\" \\n""#, r#"echo 'hi' "x" \n"#),
            (r#"bash -lc 'it'"'"'s'"#, "it's"),
            ("/bin/bash -lc 'open", "/bin/bash -lc 'open"),
            ("/bin/bash -lc one two", "/bin/bash -lc one two"),
            (r#"/bin/bash -lc "echo $HOME""#, r#"/bin/bash -lc "echo $HOME""#),
            ("git status", "git status"),
            ("", ""),
        ] {
            assert_eq!(inner(line), script, "{line}");
        }
    }

    #[test]
    fn a_change_becomes_its_diffs() {
        let item = json!({"type": "fileChange", "changes": [{"path": "/p/a", "kind": {"type": "update", "move_path": null},
            "diff": "--- a\n+++ b\n@@ -1,2 +1,2 @@\n same\n-old\n+new\n@@ -9 +9 @@\n-x\n+y\n\\ No newline at end of file\n"}]});
        let call = file_change(&item, "/p");
        assert_eq!((call.tool, call.title.as_str()), (ToolKind::Edit, "Edit a"));
        let pair = |diff: &Diff| (diff.old_text.clone().unwrap(), diff.new_text.clone());
        let pairs: Vec<_> = call.diffs.iter().map(pair).collect();
        assert_eq!(pairs, [("same\nold\n".into(), "same\nnew\n".into()), ("x\n".into(), "y\n".into())]);
        let gone = json!({"changes": [{"path": "/p/a", "kind": {"type": "delete"}, "diff": "all\n"}]});
        let call = file_change(&gone, "/p");
        assert_eq!((call.tool, call.diffs[0].new_text.as_str()), (ToolKind::Delete, ""));
        let new = json!({"changes": [{"path": "b", "kind": {"type": "add"}, "diff": "x"}, {"path": "c", "kind": {"type": "add"}, "diff": "y"}]});
        let call = file_change(&new, "/p");
        assert_eq!((call.title.as_str(), call.diffs[1].old_text.as_ref()), ("Edit 2 files", None));
    }

    #[test]
    fn every_kind_has_a_card_or_a_reason() {
        let shape = |item: Value| shape(&item, "/p");
        let title = |item: Value| match shape(item) {
            Shape::Content(ItemContent::ToolCall(call)) => (call.tool, call.title),
            other => panic!("{other:?}"),
        };
        let search =
            json!({"type": "webSearch", "id": "w", "query": "rust", "action": {"type": "search", "query": "rust"}});
        assert_eq!(title(search), (ToolKind::Fetch, "Search the web for rust".to_owned()));
        let page =
            json!({"type": "webSearch", "query": "", "action": {"type": "openPage", "url": "https://a.example"}});
        assert_eq!(title(page), (ToolKind::Fetch, "Fetch https://a.example".to_owned()));
        let image = json!({"type": "imageView", "path": "/p/x.png"});
        assert_eq!(title(image), (ToolKind::Read, "Look at x.png".to_owned()));
        let agent = json!({"type": "collabAgentToolCall", "tool": "spawnAgent", "prompt": "look around"});
        assert_eq!(title(agent), (ToolKind::Task, "look around".to_owned()));
        let mcp = json!({"type": "mcpToolCall", "server": "s", "tool": "t", "arguments": {"a": 1}, "status": "failed",
            "result": {"content": [{"type": "text", "text": "one"}, {"type": "image"}]}, "error": {"message": "broken"}});
        assert_eq!(ended(&mcp), ItemStatus::Failed);
        let Shape::Content(ItemContent::ToolCall(call)) = shape(mcp) else { panic!() };
        assert_eq!((call.title.as_str(), call.output.as_str()), ("s: t", "one\n[image]\nbroken"));
        assert!(matches!(shape(json!({"type": "contextCompaction"})), Shape::Notice(_, "compacted", _)));
        assert_eq!(shape(json!({"type": "userMessage"})), Shape::Elsewhere);
        assert_eq!(shape(json!({"type": "hologram"})), Shape::Unknown);
        assert_eq!(shape(json!({})), Shape::Unknown);
    }
}
