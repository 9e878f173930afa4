//! Content: blocks that stream, the finished blocks that replace them, and the results of tools.

use std::collections::{BTreeMap, BTreeSet};

use protocol::item::{DeltaPart, ItemContent, ItemStatus, NoticeLevel, ToolKind};
use protocol::turn::TurnErrorCode;
use serde_json::Value;

use super::mapper::ClaudeMapper;
use super::tools;
use crate::agent::AgentEvent;
use crate::agent::link::Step;
use crate::agent::words::{list, maybe, notice, text};

/// The message that streams.
#[derive(Debug, Default)]
pub(super) struct Streaming {
    /// The items of its blocks, by index.
    blocks: BTreeMap<u64, Block>,
}

#[derive(Debug, Clone)]
struct Block {
    item: String,
    kind: Kind,
    /// The finished block came; for a tool call its result does not stand out any longer for this reason.
    confirmed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Reasoning,
    Tool,
}

impl ClaudeMapper {
    pub(super) fn stream(&mut self, message: &Value, out: &mut Vec<Step>) {
        let parent = maybe(message, "parent_tool_use_id");
        let event = message.get("event").unwrap_or(&Value::Null);
        let index = event.get("index").and_then(Value::as_u64).unwrap_or(0);
        match text(event, "type") {
            "message_start" => {
                if parent.is_none() {
                    self.wake(out);
                    self.answering = event.get("message").and_then(|message| maybe(message, "model"));
                }
                // A message that never ended: what it left open will not be finished.
                self.drop_blocks(parent.as_ref(), 0, out);
                self.streams.insert(parent, Streaming::default());
            }
            "content_block_start" => {
                self.begin_block(parent, index, event.get("content_block").unwrap_or(&Value::Null), out);
            }
            "content_block_delta" => {
                self.grow_block(parent.as_ref(), index, event.get("delta").unwrap_or(&Value::Null), out);
            }
            "message_stop" => {
                if let Some(from) = message.get("abandoned_blocks").and_then(|dropped| dropped.get("from_block_index"))
                {
                    self.drop_blocks(parent.as_ref(), from.as_u64().unwrap_or(0), out);
                }
            }
            "content_block_stop" | "message_delta" | "ping" | "error" => {}
            other => {
                let event = self.unknown.meet(&format!("stream_event/{other}"));
                self.tell(out, event);
            }
        }
    }

    fn begin_block(&mut self, parent: Option<String>, index: u64, block: &Value, out: &mut Vec<Step>) {
        let (kind, item, content) = match text(block, "type") {
            "text" => (Kind::Text, self.fresh_text(), ItemContent::Text { text: text(block, "text").to_owned() }),
            "thinking" => (
                Kind::Reasoning,
                self.fresh_text(),
                ItemContent::Reasoning { text: text(block, "thinking").to_owned() },
            ),
            kind if kind.ends_with("tool_use") => {
                let call = tools::describe(text(block, "name"), &Value::Null, &self.cwd);
                (Kind::Tool, text(block, "id").to_owned(), ItemContent::ToolCall(call))
            }
            // Blocks that come whole are taken when they are finished.
            _ => return,
        };
        let event = self.ledger.put(&item, parent.as_deref(), content);
        let works = AgentEvent::ModelWorks { item: item.clone(), works: true };
        self.streams.entry(parent).or_default().blocks.insert(index, Block { item, kind, confirmed: false });
        self.tell(out, event);
        if kind == Kind::Tool {
            self.tell(out, Some(works));
        }
    }

    fn grow_block(&mut self, parent: Option<&String>, index: u64, delta: &Value, out: &mut Vec<Step>) {
        let Some(block) = self.streams.get(&parent.cloned()).and_then(|stream| stream.blocks.get(&index)) else {
            return;
        };
        let (part, words) = match text(delta, "type") {
            "text_delta" => (DeltaPart::Text, text(delta, "text")),
            "thinking_delta" => (DeltaPart::Text, text(delta, "thinking")),
            "input_json_delta" => (DeltaPart::Input, text(delta, "partial_json")),
            _ => return,
        };
        let event = self.ledger.grow(&block.item, part, words);
        self.tell(out, event);
    }

    /// Drops the blocks of the message that streams which were not finished, from an index on.
    fn drop_blocks(&mut self, parent: Option<&String>, from: u64, out: &mut Vec<Step>) {
        let Some(stream) = self.streams.get_mut(&parent.cloned()) else { return };
        let dropped: Vec<Block> =
            stream.blocks.split_off(&from).into_values().filter(|block| !block.confirmed).collect();
        for block in dropped {
            let event = self.ledger.abandon(&block.item);
            self.tell(out, event);
        }
    }

    /// A finished block: it says all, whatever its deltas said.
    pub(super) fn assistant(&mut self, message: &Value, out: &mut Vec<Step>) {
        let parent = maybe(message, "parent_tool_use_id");
        if parent.is_none() {
            self.wake(out);
        }
        let said = message.get("message").unwrap_or(&Value::Null);
        let synthetic = text(said, "model") == "<synthetic>";
        if let Some(error) = maybe(message, "error") {
            self.fail(&error, said, out);
            return;
        }
        if parent.is_none() && !synthetic {
            self.place = maybe(message, "uuid");
        }
        // A version that does not say so hands out what an interrupt cut off as if it were finished.
        let aborted = message.get("aborted").map_or(!self.tells_of_prompts && self.interrupting, |it| *it == true);
        let status = if aborted { ItemStatus::Interrupted } else { ItemStatus::Done };
        for block in list(said, "content") {
            self.finished_block(parent.as_ref(), block, status, synthetic, out);
        }
    }

    fn fail(&mut self, error: &str, said: &Value, out: &mut Vec<Step>) {
        let code = match error {
            "authentication_failed" | "oauth_org_not_allowed" => TurnErrorCode::CredentialsExpired,
            "rate_limit" | "billing_error" => TurnErrorCode::RateLimited,
            "model_not_found" => TurnErrorCode::ModelUnavailable,
            "overloaded" => TurnErrorCode::Overloaded,
            _ => TurnErrorCode::AgentError,
        };
        self.failure.get_or_insert(code);
        let words: Vec<&str> = list(said, "content").iter().map(|block| text(block, "text")).collect();
        self.tell(out, Some(notice(NoticeLevel::Error, error, &words.join("\n"))));
    }

    fn finished_block(
        &mut self,
        parent: Option<&String>,
        block: &Value,
        status: ItemStatus,
        synthetic: bool,
        out: &mut Vec<Step>,
    ) {
        let (kind, content) = match text(block, "type") {
            "text" => (Kind::Text, ItemContent::Text { text: text(block, "text").to_owned() }),
            "thinking" => (Kind::Reasoning, ItemContent::Reasoning { text: text(block, "thinking").to_owned() }),
            "redacted_thinking" => (Kind::Reasoning, ItemContent::Reasoning { text: String::new() }),
            kind if kind.ends_with("tool_use") => return self.finished_call(parent, block, out),
            kind if kind.ends_with("tool_result") => {
                return self.tool_result(parent, block, &Value::Null, &Value::Null, out);
            }
            other => {
                let event = self.unknown.meet(&format!("content/{other}"));
                return self.tell(out, event);
            }
        };
        // The first block of its kind that streams and is not finished; its message may have another id when the CLI fell back to a
        // plain request after a cut stream.
        let streamed = if synthetic { None } else { self.confirm(parent, |block| block.kind == kind) };
        let item = streamed.unwrap_or_else(|| self.fresh_text());
        let event = self.ledger.settle(&item, parent.map(String::as_str), status, content);
        self.tell(out, event);
    }

    fn finished_call(&mut self, parent: Option<&String>, block: &Value, out: &mut Vec<Step>) {
        let (id, name) = (text(block, "id").to_owned(), text(block, "name"));
        let input = block.get("input").unwrap_or(&Value::Null);
        let streamed = self.confirm(parent, |block| block.item == id).is_some();
        let call = tools::describe(name, input, &self.cwd);
        // A sub-agent is a model again; its own calls stand for themselves.
        let works = call.tool == ToolKind::Task;
        let event = self.ledger.put(&id, parent.map(String::as_str), ItemContent::ToolCall(call));
        self.tell(out, event);
        if streamed != works {
            self.tell(out, Some(AgentEvent::ModelWorks { item: id.clone(), works }));
        }
        if name == "TodoWrite" {
            let content = ItemContent::Plan { entries: tools::plan(input) };
            let event =
                self.ledger.settle(&format!("plan-{id}"), parent.map(String::as_str), ItemStatus::Done, content);
            self.tell(out, event);
        }
    }

    fn confirm(&mut self, parent: Option<&String>, is_it: impl Fn(&Block) -> bool) -> Option<String> {
        let stream = self.streams.get_mut(&parent.cloned())?;
        let block = stream.blocks.values_mut().find(|block| !block.confirmed && is_it(block))?;
        block.confirmed = true;
        Some(block.item.clone())
    }

    pub(super) fn user(&mut self, message: &Value, out: &mut Vec<Step>) {
        let parent = maybe(message, "parent_tool_use_id");
        let structured = message.get("tool_use_result").unwrap_or(&Value::Null);
        let said = message.get("message").unwrap_or(&Value::Null);
        for block in list(said, "content").iter().filter(|block| text(block, "type") == "tool_result") {
            let meta =
                list(message, "tool_result_meta").iter().find(|meta| text(meta, "id") == text(block, "tool_use_id"));
            self.tool_result(parent.as_ref(), block, structured, meta.unwrap_or(&Value::Null), out);
        }
        // What else comes from the user's side was typed by the CLI itself: summaries, remarks about interrupts.
    }

    fn tool_result(
        &mut self,
        parent: Option<&String>,
        block: &Value,
        structured: &Value,
        meta: &Value,
        out: &mut Vec<Step>,
    ) {
        let id = text(block, "tool_use_id");
        let failed = block.get("is_error") == Some(&Value::Bool(true));
        let rejected = meta.get("permission_decision").is_some_and(|decision| text(decision, "decision") == "reject");
        let status = if self.denied.remove(id) {
            ItemStatus::Denied
        } else if failed && self.interrupting {
            ItemStatus::Interrupted
        } else if rejected {
            ItemStatus::Denied
        } else if failed {
            ItemStatus::Failed
        } else {
            ItemStatus::Done
        };
        let mut call = match self.ledger.content(id) {
            Some(ItemContent::ToolCall(call)) => call.clone(),
            // A call of a sub-agent whose turn ended before it did.
            _ if self.ledger.is_settled(id) => return,
            _ => tools::describe("Tool", &Value::Null, &self.cwd),
        };
        tools::finish(&mut call, block, structured, failed);
        let input = serde_json::from_str(&call.input).unwrap_or(Value::Null);
        let plan = if failed { None } else { self.tasks.take(&call.name, &input, structured) };
        if let Some(entries) = plan {
            let content = ItemContent::Plan { entries };
            let event =
                self.ledger.settle(&format!("plan-{id}"), parent.map(String::as_str), ItemStatus::Done, content);
            self.tell(out, event);
        }
        let event = self.ledger.settle(id, parent.map(String::as_str), status, ItemContent::ToolCall(call));
        self.tell(out, event);
    }

    fn fresh_text(&mut self) -> String {
        self.texts += 1;
        format!("text-{}", self.texts)
    }

    /// The turn is over: nothing streams any longer.
    pub(super) fn end_streams(&mut self) {
        self.streams.clear();
        self.denied = BTreeSet::new();
    }
}
