//! The canonical text of a transcript: two readers agree exactly when their texts are the same bytes.

use serde::Serialize;

use super::Transcript;
use crate::item::{ItemContent, PlanEntry};

impl Transcript {
    /// One line for each turn, item and approval, by place: what it is, where it stands and its words as JSON.
    pub fn canonical(&self) -> Vec<String> {
        let mut lines: Vec<(u64, u8, String)> = Vec::new();
        for (id, turn) in self.turns() {
            lines.push((turn.ord, 0, format!("turn {} {id} {}", turn.ord, word(&turn.state))));
        }
        for (id, item) in self.items() {
            let (kind, words) = words(&item.content);
            let head = format!("item {} {id} {} {}", item.ord, word(&item.role), word(&item.status));
            lines.push((item.ord, 1, format!("{head} {kind} {words}")));
        }
        for (id, approval) in self.approvals() {
            let option = approval.decision.as_ref().map_or("-", |decision| decision.option.as_str());
            lines.push((approval.ord, 2, format!("approval {} {id} {} {option}", approval.ord, word(&approval.state))));
        }
        lines.sort();
        lines.into_iter().map(|(_, _, line)| line).collect()
    }
}

fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("strings are JSON")
}

fn words(content: &ItemContent) -> (&'static str, String) {
    match content {
        ItemContent::Text { text } => ("text", json(text)),
        ItemContent::Reasoning { text } => ("reasoning", json(text)),
        ItemContent::ToolCall(call) => ("tool_call", json(&[&call.title, &call.input, &call.output])),
        ItemContent::Plan { entries } => ("plan", json(&entries.iter().map(line).collect::<Vec<_>>())),
        ItemContent::Notice { text, .. } => ("notice", json(text)),
        ItemContent::Unknown => ("unknown", json(&"")),
    }
}

fn line(entry: &PlanEntry) -> String {
    format!("{} {}", word(&entry.status), entry.text)
}
