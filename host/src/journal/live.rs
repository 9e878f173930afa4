//! The items of a running turn that have not settled, and what readers have been told of them.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use protocol::fact::{FACT_VERSION, Operation, SessionFact};
use protocol::fold::extend;
use protocol::id::{ItemId, SessionId, TurnId};
use protocol::item::{Delta, DeltaContent, DeltaPart, Item, ItemContent, ItemStatus, Role};
use protocol::limits::DELTA_FRAME_MS;
use protocol::offset::Offset;
use protocol::time::UnixMs;
use tokio::time::Instant;

use super::limit::{self, Cut};

/// The items of one running turn.
#[derive(Debug)]
pub(crate) struct Live {
    session: SessionId,
    turn: TurnId,
    /// What each key of the agent stands for, settled ones too: a late word about one finds its item.
    known: HashMap<String, Known>,
    /// Unsettled items by their place.
    open: BTreeMap<u64, LiveItem>,
}

/// What a key of the agent stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    pub(crate) id: ItemId,
    pub(crate) ord: u64,
    pub(crate) created_at_ms: UnixMs,
    /// Messages that the turn stream carries for it.
    pub(crate) messages: u64,
    pub(crate) parent: Option<ItemId>,
}

/// An item that has not settled.
#[derive(Debug)]
pub(crate) struct LiveItem {
    pub(crate) known: Known,
    pub(crate) role: Role,
    pub(crate) content: ItemContent,
    /// What was left out of it.
    pub(crate) cut: Cut,
    /// A model is waited for in it, and no tool runs.
    model_works: bool,
    /// A position of the turn stream at or before its first message; `None` until there is one.
    start: Option<Offset>,
    last_frame: Option<Instant>,
    untold: Untold,
}

/// What readers have not been told of an item.
#[derive(Debug)]
enum Untold {
    Nothing,
    /// All of it.
    Snapshot,
    /// What it grew by, in order.
    Growth(Vec<(DeltaPart, String)>),
}

impl LiveItem {
    /// When it may be told; `None` when there is nothing to tell.
    fn due(&self, now: Instant) -> Option<Instant> {
        match self.untold {
            Untold::Nothing => None,
            Untold::Snapshot | Untold::Growth(_) => {
                Some(self.last_frame.map_or(now, |last| last + Duration::from_millis(DELTA_FRAME_MS)))
            }
        }
    }

    /// Readers are to be told of what it has grown by.
    fn grow(&mut self, part: DeltaPart, more: &str) {
        if more.is_empty() {
            return;
        }
        match &mut self.untold {
            Untold::Snapshot => {}
            Untold::Nothing => self.untold = Untold::Growth(vec![(part, more.to_owned())]),
            Untold::Growth(parts) => match parts.last_mut() {
                Some((last, words)) if *last == part => words.push_str(more),
                _ => parts.push((part, more.to_owned())),
            },
        }
    }

    /// Whether readers know of it.
    pub(crate) fn told(&self) -> bool {
        self.start.is_some()
    }
}

impl Live {
    /// Nothing yet of a turn.
    pub(crate) fn new(session: SessionId, turn: TurnId) -> Self {
        Self { session, turn, known: HashMap::new(), open: BTreeMap::new() }
    }

    /// What a key stands for.
    pub(crate) fn known(&self, key: &str) -> Option<Known> {
        self.known.get(key).copied()
    }

    /// What is known of an unsettled item, and what was left out of it.
    pub(crate) fn content(&self, key: &str) -> Option<(&ItemContent, &Cut)> {
        self.known.get(key).and_then(|known| self.open.get(&known.ord)).map(|item| (&item.content, &item.cut))
    }

    /// Whether a tool runs.
    pub(crate) fn tool_runs(&self) -> bool {
        self.open.values().any(|item| !item.model_works && matches!(item.content, ItemContent::ToolCall(_)))
    }

    /// Says whether a model is waited for in a tool call.
    pub(crate) fn model_works(&mut self, key: &str, works: bool) {
        if let Some(item) = self.open_mut(key) {
            item.model_works = works;
        }
    }

    /// Remembers what a key stands for.
    pub(crate) fn remember(&mut self, key: String, known: Known) {
        self.known.insert(key, known);
    }

    /// Begins an item.
    pub(crate) fn begin(&mut self, key: String, known: Known, role: Role, mut content: ItemContent) {
        let cut = limit::clamp(&mut content);
        self.known.insert(key, known);
        let item = LiveItem {
            known,
            role,
            content,
            cut,
            model_works: false,
            start: None,
            last_frame: None,
            untold: Untold::Snapshot,
        };
        self.open.insert(known.ord, item);
    }

    fn open_mut(&mut self, key: &str) -> Option<&mut LiveItem> {
        let ord = self.known.get(key)?.ord;
        self.open.get_mut(&ord)
    }

    /// Adds to an item; returns whether it is unsettled.
    pub(crate) fn grow(&mut self, key: &str, part: DeltaPart, text: &str) -> bool {
        let Some(item) = self.open_mut(key) else { return false };
        let kept = limit::admit(&mut item.content, &mut item.cut, part, text);
        if kept.is_empty() {
            return true;
        }
        extend(&mut item.content, part, kept);
        item.grow(part, kept);
        true
    }

    /// Replaces what is known of an item; returns whether it is unsettled.
    pub(crate) fn update(&mut self, key: &str, mut content: ItemContent) -> bool {
        let Some(item) = self.open_mut(key) else { return false };
        item.cut = limit::clamp(&mut content);
        // Agents that tell all of it each time: readers are told what is new of it.
        if let Some((part, more)) = grown(&mut item.content, &mut content) {
            item.content = content;
            item.grow(part, &more);
        } else if item.content != content {
            item.content = content;
            item.untold = Untold::Snapshot;
        }
        true
    }

    /// Takes an item out because it settles or is abandoned; what was not told is part of its content.
    pub(crate) fn close(&mut self, key: &str) -> Option<LiveItem> {
        let ord = self.known.get(key)?.ord;
        let item = self.open.remove(&ord)?;
        self.known.insert(key.to_owned(), item.known);
        Some(item)
    }

    /// Takes every item out, by place, because the turn ends.
    pub(crate) fn close_all(&mut self) -> Vec<LiveItem> {
        std::mem::take(&mut self.open).into_values().collect()
    }

    /// When the next frame may go; `None` when everything was told.
    pub(crate) fn next_frame(&self, now: Instant) -> Option<Instant> {
        self.open.values().filter_map(|item| item.due(now)).min()
    }

    /// Bytes that were said and not told, at most.
    pub(crate) fn backlog(&self) -> usize {
        let untold = |item: &LiveItem| match &item.untold {
            Untold::Nothing => 0,
            Untold::Snapshot => limit::weight(&item.content),
            Untold::Growth(parts) => parts.iter().map(|(_, words)| words.len()).sum(),
        };
        self.open.values().map(untold).sum()
    }

    /// The items that readers know of and that have not settled.
    pub(crate) fn unsettled(&self) -> Vec<ItemId> {
        self.open.values().filter(|item| item.told()).map(|item| item.known.id).collect()
    }

    /// From where the turn stream, which ends at `end`, must be read so that nothing unsettled is missed.
    pub(crate) fn low_water(&self, end: Offset) -> Offset {
        self.open.values().filter_map(|item| item.start).min().unwrap_or(end).min(end)
    }

    /// The messages that may go now; `end` is where the turn stream ends before them. They count as told: a report that fails is
    /// tried again as it is, or the session ends.
    pub(crate) fn frames(&mut self, now: Instant, end: Offset) -> Vec<SessionFact> {
        let mut facts = Vec::new();
        for item in self.open.values_mut() {
            if item.due(now).is_none_or(|due| due > now) {
                continue;
            }
            item.last_frame = Some(now);
            match std::mem::replace(&mut item.untold, Untold::Nothing) {
                Untold::Nothing => {}
                Untold::Snapshot => {
                    let operation = if item.told() { Operation::Update } else { Operation::Insert };
                    item.start.get_or_insert(end);
                    let fact = fact(self.session, self.turn, item);
                    item.known.messages += 1;
                    facts.push((item.known.id, operation, fact).into());
                }
                Untold::Growth(parts) => {
                    for (part, text) in parts {
                        let index = item.known.messages;
                        item.known.messages += 1;
                        let delta = Delta { v: FACT_VERSION, index, part, content: DeltaContent { text } };
                        facts.push((item.known.id, Operation::Insert, delta).into());
                    }
                }
            }
        }
        facts
    }
}

/// What the text or the output of a content has grown by, when nothing else of it is new. How much output was left out is no news by
/// itself: the settled content says it.
fn grown(old: &mut ItemContent, new: &mut ItemContent) -> Option<(DeltaPart, String)> {
    match (old, new) {
        (ItemContent::Text { text: old }, ItemContent::Text { text: new })
        | (ItemContent::Reasoning { text: old }, ItemContent::Reasoning { text: new }) => {
            new.strip_prefix(old.as_str()).map(|more| (DeltaPart::Text, more.to_owned()))
        }
        (ItemContent::ToolCall(old), ItemContent::ToolCall(new)) => {
            let more = new.output.strip_prefix(old.output.as_str())?.to_owned();
            // Compared without what may be long.
            let (before, now) = (std::mem::take(&mut old.output), std::mem::take(&mut new.output));
            let omitted = std::mem::replace(&mut old.output_omitted_bytes, new.output_omitted_bytes);
            let same = old == new;
            (old.output, new.output, old.output_omitted_bytes) = (before, now, omitted);
            same.then_some((DeltaPart::Output, more))
        }
        _ => None,
    }
}

fn fact(session: SessionId, turn: TurnId, item: &LiveItem) -> Item {
    Item {
        v: FACT_VERSION,
        session,
        turn,
        ord: item.known.ord,
        parent: item.known.parent,
        role: item.role,
        sender: None,
        status: ItemStatus::Running,
        index: item.known.messages,
        created_at_ms: item.known.created_at_ms,
        settled_at_ms: None,
        left_out_bytes: item.cut.left_out,
        content: item.content.clone(),
    }
}

#[cfg(test)]
mod tests {
    use protocol::item::ToolCall;

    use super::*;

    fn call(output: &str, omitted: u64, title: &str) -> ItemContent {
        let (output, title) = (output.to_owned(), title.to_owned());
        ItemContent::ToolCall(ToolCall { output, title, output_omitted_bytes: omitted, ..ToolCall::default() })
    }

    #[tokio::test(start_paused = true)]
    async fn of_output_that_is_told_anew_each_time_readers_are_told_what_is_new() {
        let id = |n: u128| uuid::Uuid::from_u128((n << 80) | (0x7000_u128 << 64) | (0x8000_u128 << 48));
        let mut live = Live::new(SessionId::from_uuid(id(1)), TurnId::from_uuid(id(2)));
        let known = Known { id: ItemId::from_uuid(id(3)), ord: 1, created_at_ms: UnixMs(0), messages: 0, parent: None };
        live.begin("a".to_owned(), known, Role::Agent, call("", 0, "make"));
        let mut told = 0;
        let mut frames = async |live: &mut Live| {
            tokio::time::advance(Duration::from_millis(DELTA_FRAME_MS)).await;
            let facts = live.frames(Instant::now(), Offset::ZERO);
            told += facts.iter().map(|fact| format!("{fact:?}").len()).sum::<usize>();
            facts
        };
        frames(&mut live).await;
        let mut all = String::new();
        for line in 0..500 {
            all.extend(["line ".to_owned(), line.to_string(), " of the build\n".to_owned()]);
            live.update("a", call(&all, 0, "make"));
            let facts = frames(&mut live).await;
            assert!(matches!(&facts[..], [SessionFact::Delta { .. }]), "{facts:?}");
        }
        live.update("a", call(&all, 37, "make"));
        assert!(frames(&mut live).await.is_empty(), "a count alone is no news");
        assert_eq!(live.content("a").map(|(content, _)| content), Some(&call(&all, 37, "make")));
        live.update("a", call(&all, 37, "make all"));
        assert!(matches!(&frames(&mut live).await[..], [SessionFact::Item { .. }]));
        live.update("a", call("other", 37, "make all"));
        assert!(matches!(&frames(&mut live).await[..], [SessionFact::Item { .. }]));
        assert!(told < 500 * 600, "{told} bytes");
    }
}
