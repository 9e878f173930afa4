//! How terminals and writes that an agent leaves to its client look in the chat.

use std::collections::BTreeMap;

use protocol::item::{DeltaPart, Diff, ItemContent, ItemStatus, Location, ToolCall, ToolKind};
use protocol::limits::MAX_TOOL_OUTPUT_BYTES;
use serde_json::Value;

use super::files::MAX_SHOWN_BYTES;
use super::mapper::{AcpMapper, HELD};
use crate::agent::AgentEvent;
use crate::agent::words::{list, short_path, text, title};

/// Terminals of one turn of which anything is remembered.
const SCREENS: usize = 256;

/// What one terminal has shown.
#[derive(Debug, Clone, Default, PartialEq)]
struct Screen {
    text: String,
    omitted: u64,
    exit: Option<i32>,
    /// The call that shows it.
    item: Option<String>,
}

/// The terminals of a turn.
#[derive(Debug, Default)]
pub(super) struct Screens(BTreeMap<String, Screen>);

impl Screens {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    fn of(&mut self, terminal: &str) -> Option<&mut Screen> {
        if self.0.len() >= SCREENS && !self.0.contains_key(terminal) {
            return None;
        }
        Some(self.0.entry(terminal.to_owned()).or_default())
    }

    /// Lets a call show the terminals that an update names, and puts what they show into it.
    pub(super) fn put_into(&mut self, item: &str, call: &mut ToolCall, update: &Value) {
        for block in list(update, "content").iter().filter(|block| text(block, "type") == "terminal") {
            if let Some(screen) = self.of(text(block, "terminalId")) {
                screen.item = Some(item.to_owned());
            }
        }
        let shown: Vec<&Screen> = self.0.values().filter(|screen| screen.item.as_deref() == Some(item)).collect();
        if shown.is_empty() {
            return;
        }
        let all: String = shown.iter().map(|screen| screen.text.as_str()).collect();
        if !all.is_empty() {
            let kept = all.floor_char_boundary(MAX_TOOL_OUTPUT_BYTES);
            call.output_omitted_bytes =
                (all.len() - kept) as u64 + shown.iter().map(|screen| screen.omitted).sum::<u64>();
            call.output = all;
            call.output.truncate(kept);
        }
        if let Some(code) = shown.iter().rev().find_map(|screen| screen.exit) {
            call.exit_code = Some(code);
        }
    }
}

impl AcpMapper {
    /// A terminal runs a command.
    pub(super) fn terminal_began(&mut self, terminal: &str, command: &str) {
        self.running.insert(terminal.to_owned(), title(command));
    }

    /// What runs between turns, when that is news.
    pub(super) fn goes_on(&mut self) -> Option<AgentEvent> {
        if self.prompt.is_some() || self.running_told == self.running {
            return None;
        }
        self.running_told.clone_from(&self.running);
        Some(AgentEvent::Background { tasks: self.running.values().cloned().collect() })
    }

    /// A terminal wrote this.
    pub(super) fn terminal_said(&mut self, terminal: &str, said: &str) {
        let Some(screen) = self.screens.of(terminal) else { return };
        // After a hole nothing more is kept.
        let room = if screen.omitted > 0 { 0 } else { MAX_TOOL_OUTPUT_BYTES.saturating_sub(screen.text.len()) };
        let kept = &said[..said.floor_char_boundary(room)];
        screen.text.push_str(kept);
        screen.omitted += (said.len() - kept.len()) as u64;
        if let Some(item) = &screen.item {
            let event = self.ledger.grow(item, DeltaPart::Output, kept);
            self.hold(event);
        }
    }

    /// A terminal ended.
    pub(super) fn terminal_ended(&mut self, terminal: &str, code: Option<i32>) {
        self.running.remove(terminal);
        let Some(screen) = self.screens.of(terminal) else { return };
        screen.exit = code;
        let Some(item) = screen.item.clone() else { return };
        if let Some(ItemContent::ToolCall(call)) = self.ledger.content(&item) {
            let mut call = call.clone();
            self.screens.put_into(&item, &mut call, &Value::Null);
            let event = self.ledger.put(&item, None, ItemContent::ToolCall(call));
            self.hold(event);
        }
    }

    /// A file was written for the agent: the call that it belongs to shows the change, else an item of its own does.
    pub(super) fn wrote(&mut self, path: &str, old: Option<String>, new: String) {
        if old.as_deref() == Some(new.as_str()) {
            return;
        }
        let is_shown = old.as_ref().is_none_or(|old| old.len() <= MAX_SHOWN_BYTES) && new.len() <= MAX_SHOWN_BYTES;
        let change = is_shown.then(|| Diff { path: path.to_owned(), old_text: old, new_text: new });
        if let Some((item, mut call)) = self.open_call_at(path) {
            // What the agent itself shows is not shown twice.
            if let Some(change) = change.filter(|_| call.diffs.is_empty()) {
                call.diffs.push(change);
                let event = self.ledger.put(&item, None, ItemContent::ToolCall(call));
                self.hold(event);
            }
            return;
        }
        let item = self.count("write");
        let call = ToolCall {
            tool: ToolKind::Edit,
            name: "write_text_file".to_owned(),
            title: title(&format!("Write {}", short_path(path, &self.cwd))),
            locations: vec![Location { path: path.to_owned(), line: None }],
            diffs: change.into_iter().collect(),
            ..ToolCall::default()
        };
        let event = self.ledger.settle(&item, None, ItemStatus::Done, ItemContent::ToolCall(call));
        self.hold(event);
    }

    /// The open call that names a path.
    fn open_call_at(&self, path: &str) -> Option<(String, ToolCall)> {
        self.calls.keys().find_map(|id| match self.ledger.content(id) {
            Some(ItemContent::ToolCall(call))
                if call.locations.iter().any(|at| at.path == path)
                    || call.diffs.iter().any(|diff| diff.path == path)
                    || call.input.contains(path) =>
            {
                Some((id.clone(), call.clone()))
            }
            _ => None,
        })
    }

    /// Keeps an event until the line is free for it. Deltas that follow one another are one.
    pub(super) fn hold(&mut self, event: Option<AgentEvent>) {
        let Some(event) = event else { return };
        if let (
            Some(AgentEvent::Delta { item: last, part: last_part, text: all }),
            AgentEvent::Delta { item, part, text },
        ) = (self.held.back_mut(), &event)
            && last == item
            && last_part == part
        {
            all.push_str(text);
        } else if self.held.len() < HELD || (self.prompt.is_some() && !matches!(event, AgentEvent::Delta { .. })) {
            // What settles has all of it; in a turn the rest is fetched at once, and bounded by the requests that are worked off.
            self.held.push_back(event);
        }
    }
}
