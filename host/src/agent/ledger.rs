//! The items of one agent process that have begun and not settled, so that nothing settles twice, grows after its end, or stays open
//! when a turn ends.

use std::collections::{BTreeMap, BTreeSet};

use protocol::item::{DeltaPart, ItemContent, ItemStatus, Role};

use super::AgentEvent;

/// An item that has begun.
#[derive(Debug, Clone, PartialEq)]
struct Open {
    began: u64,
    parent: Option<String>,
    content: ItemContent,
}

/// The open items, and the keys that settled in this turn.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    open: BTreeMap<String, Open>,
    settled: BTreeSet<String>,
    began: u64,
}

impl Ledger {
    pub(super) fn is_open(&self, item: &str) -> bool {
        self.open.contains_key(item)
    }

    pub(super) fn is_settled(&self, item: &str) -> bool {
        self.settled.contains(item)
    }

    /// The open items whose content is like that.
    pub(super) fn open(&self, like: impl Fn(&ItemContent) -> bool) -> Vec<String> {
        self.open.iter().filter(|(_, open)| like(&open.content)).map(|(item, _)| item.clone()).collect()
    }

    /// What is known of an open item, deltas included.
    pub(super) fn content(&self, item: &str) -> Option<&ItemContent> {
        self.open.get(item).map(|open| &open.content)
    }

    /// Begins an item of the agent, or replaces what is known of it when it has begun. Nothing for one that settled.
    pub(super) fn put(&mut self, item: &str, parent: Option<&str>, content: ItemContent) -> Option<AgentEvent> {
        if self.settled.contains(item) {
            return None;
        }
        let item = item.to_owned();
        if let Some(open) = self.open.get_mut(&item) {
            if open.content == content {
                return None;
            }
            open.content = content.clone();
            return Some(AgentEvent::ItemUpdated { item, content });
        }
        self.began += 1;
        let parent = parent.map(str::to_owned);
        self.open.insert(item.clone(), Open { began: self.began, parent: parent.clone(), content: content.clone() });
        Some(AgentEvent::ItemStarted { item, parent, role: Role::Agent, content })
    }

    /// Lets an open item grow. Nothing for one that is not open.
    pub(super) fn grow(&mut self, item: &str, part: DeltaPart, text: &str) -> Option<AgentEvent> {
        if text.is_empty() {
            return None;
        }
        match (&mut self.open.get_mut(item)?.content, part) {
            (ItemContent::Text { text: all } | ItemContent::Reasoning { text: all }, DeltaPart::Text) => {
                all.push_str(text);
            }
            (ItemContent::ToolCall(call), DeltaPart::Input) => call.input.push_str(text),
            (ItemContent::ToolCall(call), DeltaPart::Output) => call.output.push_str(text),
            _ => return None,
        }
        Some(AgentEvent::Delta { item: item.to_owned(), part, text: text.to_owned() })
    }

    /// Settles an item, whether it has begun or not. Nothing for one that settled.
    pub(super) fn settle(
        &mut self,
        item: &str,
        parent: Option<&str>,
        status: ItemStatus,
        content: ItemContent,
    ) -> Option<AgentEvent> {
        if !self.settled.insert(item.to_owned()) {
            return None;
        }
        let parent = self.open.remove(item).map_or_else(|| parent.map(str::to_owned), |open| open.parent);
        Some(AgentEvent::ItemSettled { item: item.to_owned(), parent, role: Role::Agent, status, content })
    }

    /// Settles an open item with what is known of it.
    pub(super) fn settle_as_is(&mut self, item: &str, status: ItemStatus) -> Option<AgentEvent> {
        let content = self.open.get(item)?.content.clone();
        self.settle(item, None, status, content)
    }

    /// Drops an open item; it may come back under its key.
    pub(super) fn abandon(&mut self, item: &str) -> Option<AgentEvent> {
        self.open.remove(item)?;
        Some(AgentEvent::ItemAbandoned { item: item.to_owned() })
    }

    /// Ends the turn: what is open settles as it is, the oldest first. Work of sub-agents that goes on in the background is dropped
    /// when `drop_children`, so that it can settle in a later turn.
    pub(super) fn close(&mut self, status: ItemStatus, drop_children: bool) -> Vec<AgentEvent> {
        let mut keys: Vec<(u64, bool, String)> =
            self.open.iter().map(|(item, open)| (open.began, open.parent.is_some(), item.clone())).collect();
        keys.sort();
        let events = keys
            .into_iter()
            .filter_map(
                |(_, child, item)| {
                    if child && drop_children { self.abandon(&item) } else { self.settle_as_is(&item, status) }
                },
            )
            .collect();
        self.settled.clear();
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> ItemContent {
        ItemContent::Text { text: text.to_owned() }
    }

    #[test]
    fn nothing_happens_to_what_has_settled() {
        let mut ledger = Ledger::default();
        assert!(ledger.put("a", None, text("")).is_some());
        assert!(ledger.grow("a", DeltaPart::Text, "x").is_some());
        assert_eq!(ledger.content("a"), Some(&text("x")));
        assert!(ledger.settle("a", None, ItemStatus::Done, text("whole")).is_some());
        assert_eq!(ledger.grow("a", DeltaPart::Text, "y"), None);
        assert_eq!(ledger.put("a", None, text("z")), None);
        assert_eq!(ledger.settle("a", None, ItemStatus::Done, text("again")), None);
        assert_eq!(ledger.close(ItemStatus::Done, false), []);
    }

    #[test]
    fn a_turn_leaves_nothing_open() {
        let mut ledger = Ledger::default();
        ledger.put("b", None, text("first"));
        ledger.put("a", Some("b"), text("second"));
        let closed = ledger.close(ItemStatus::Interrupted, true);
        assert!(
            matches!(&closed[0], AgentEvent::ItemSettled { item, status: ItemStatus::Interrupted, .. } if item == "b")
        );
        assert_eq!(closed[1], AgentEvent::ItemAbandoned { item: "a".to_owned() });
        assert!(!ledger.is_open("a") && !ledger.is_open("b"));
    }
}
