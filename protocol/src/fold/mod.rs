//! The fold of a session: its journal and its turn streams in, the transcript out.
//!
//! The TypeScript twin is `web/src/session/fold.ts`; both run the files of `protocol/fixtures/fold`. Whatever the interleaving of
//! the streams, wherever a reader joined and however often it reconnected, the same facts give the same transcript (rule 7):
//! - a settled item replaces its live form by id, whichever came first;
//! - a live message counts only if its `index` is the next one of its item (a delta) or not behind it (a snapshot, which replaces
//!   everything before), so what is read twice counts once;
//! - an abandoned item never comes back;
//! - once a turn is over nothing of it is live: its host settled every item in the same commit or before.

mod canonical;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::approval::Approval;
use crate::fact::{Operation, SessionFact};
use crate::id::{ApprovalId, ItemId, TurnId};
use crate::item::{Delta, DeltaPart, Item, ItemContent};
use crate::turn::Turn;

/// What people see of a session.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Transcript {
    turns: BTreeMap<TurnId, Turn>,
    settled: BTreeMap<ItemId, Item>,
    live: BTreeMap<ItemId, Live>,
    abandoned: BTreeSet<(TurnId, ItemId)>,
    approvals: BTreeMap<ApprovalId, Approval>,
}

#[derive(Debug, Clone, PartialEq)]
struct Live {
    item: Item,
    /// The index of the next message that counts.
    next: u64,
}

impl Transcript {
    /// A transcript of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next fact of the journal. Facts of the journal come in their order, each once.
    pub fn journal(&mut self, fact: SessionFact) {
        match fact {
            SessionFact::Turn { id, value: Some(turn), .. } => self.turn(id, turn),
            SessionFact::Item { id, value: Some(item), .. } => self.settle(id, item),
            SessionFact::Approval { id, value: Some(approval), .. } => {
                self.approvals.insert(id, approval);
            }
            SessionFact::Turn { .. }
            | SessionFact::Item { .. }
            | SessionFact::Approval { .. }
            | SessionFact::Delta { .. }
            | SessionFact::Unknown { .. } => {}
        }
    }

    /// Takes an older page of the journal, in its order. What is known already is newer and stays.
    pub fn older(&mut self, page: impl IntoIterator<Item = SessionFact>) {
        let mut before = Self::new();
        page.into_iter().for_each(|fact| before.journal(fact));
        for (id, item) in before.settled {
            self.live.remove(&id);
            self.settled.entry(id).or_insert(item);
        }
        for (id, approval) in before.approvals {
            self.approvals.entry(id).or_insert(approval);
        }
        for (id, turn) in before.turns {
            if !self.turns.contains_key(&id) {
                self.turn(id, turn);
            }
        }
    }

    /// Takes the next message of a turn stream. A reader may begin at the turn's low-water offset or before, and may read messages
    /// again after a reconnect.
    pub fn live(&mut self, turn: TurnId, fact: SessionFact) {
        if self.turns.get(&turn).is_some_and(|turn| turn.state.is_final()) {
            return;
        }
        match fact {
            SessionFact::Item { id, operation: Operation::Delete, .. } => {
                self.live.remove(&id);
                self.abandoned.insert((turn, id));
            }
            SessionFact::Item { id, value: Some(item), .. } => self.snapshot(turn, id, item),
            SessionFact::Delta { id, value: Some(delta), .. } => self.delta(id, &delta),
            SessionFact::Item { .. }
            | SessionFact::Delta { .. }
            | SessionFact::Turn { .. }
            | SessionFact::Approval { .. }
            | SessionFact::Unknown { .. } => {}
        }
    }

    /// The items to show, by their place.
    pub fn items(&self) -> Vec<(ItemId, &Item)> {
        let live = self.live.iter().map(|(id, live)| (*id, &live.item));
        let mut items: Vec<_> = self.settled.iter().map(|(id, item)| (*id, item)).chain(live).collect();
        items.sort_by_key(|(id, item)| (item.ord, *id));
        items
    }

    /// The turns, by their place.
    pub fn turns(&self) -> Vec<(TurnId, &Turn)> {
        let mut turns: Vec<_> = self.turns.iter().map(|(id, turn)| (*id, turn)).collect();
        turns.sort_by_key(|(id, turn)| (turn.ord, *id));
        turns
    }

    /// The approvals, by their place.
    pub fn approvals(&self) -> Vec<(ApprovalId, &Approval)> {
        let mut approvals: Vec<_> = self.approvals.iter().map(|(id, approval)| (*id, approval)).collect();
        approvals.sort_by_key(|(id, approval)| (approval.ord, *id));
        approvals
    }

    /// A turn.
    pub fn find_turn(&self, id: TurnId) -> Option<&Turn> {
        self.turns.get(&id)
    }

    fn turn(&mut self, id: TurnId, turn: Turn) {
        if turn.state.is_final() {
            self.live.retain(|_, live| live.item.turn != id);
            self.abandoned.retain(|(of, _)| *of != id);
        }
        self.turns.insert(id, turn);
    }

    fn settle(&mut self, id: ItemId, item: Item) {
        self.live.remove(&id);
        self.settled.insert(id, item);
    }

    fn snapshot(&mut self, turn: TurnId, id: ItemId, item: Item) {
        if self.settled.contains_key(&id) || self.abandoned.contains(&(turn, id)) {
            return;
        }
        let next = item.index + 1;
        match self.live.get_mut(&id) {
            Some(live) if item.index < live.next => {}
            Some(live) => *live = Live { item, next },
            None => {
                self.live.insert(id, Live { item, next });
            }
        }
    }

    fn delta(&mut self, id: ItemId, delta: &Delta) {
        if let Some(live) = self.live.get_mut(&id)
            && live.next == delta.index
        {
            extend(&mut live.item.content, delta.part, &delta.content.text);
            live.next += 1;
            live.item.index = delta.index;
        }
    }
}

/// Adds words to a part of an item; a part that the item does not have takes nothing.
pub fn extend(content: &mut ItemContent, part: DeltaPart, words: &str) {
    match (content, part) {
        (ItemContent::Text { text } | ItemContent::Reasoning { text }, DeltaPart::Text) => text.push_str(words),
        (ItemContent::ToolCall(call), DeltaPart::Input) => call.input.push_str(words),
        (ItemContent::ToolCall(call), DeltaPart::Output) => call.output.push_str(words),
        _ => {}
    }
}
