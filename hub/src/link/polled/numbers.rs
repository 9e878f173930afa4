//! The numbers of a polled link: which frames are new, and which are kept until they are named. No time passes here.

use std::collections::VecDeque;

use protocol::limits::{MAX_LINK_FRAME_BYTES, MAX_POLLED_BYTES, MAX_POLLED_FRAMES};
use serde_json::value::RawValue;
use tokio::time::Instant;

/// What the node says: each number is taken once, in order.
#[derive(Debug, Default)]
pub(super) struct Inward {
    taken: u64,
}

impl Inward {
    /// The number of the last frame that was taken.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// How many frames of a request that begins with this number came before; `None` when one before it is missing.
    pub(super) fn known(&self, first: u64) -> Option<usize> {
        let next = self.taken + 1;
        (1..=next).contains(&first).then(|| usize::try_from(next - first).unwrap_or(usize::MAX))
    }

    /// The next frame was taken.
    pub(super) fn take(&mut self) {
        self.taken += 1;
    }
}

/// What the hub says: kept until it is named.
#[derive(Debug, Default)]
pub(super) struct Outward {
    /// Those behind `named`, with the moment in which each was said.
    kept: VecDeque<(Instant, Box<RawValue>)>,
    bytes: usize,
    named: u64,
    /// The last number that went into an answer.
    fetched: u64,
}

/// What one answer holds.
#[derive(Debug)]
pub(super) struct Page {
    /// The number of the first frame.
    pub(super) first: u64,
    pub(super) frames: Vec<Box<RawValue>>,
    /// Whether there is nothing behind them.
    pub(super) all: bool,
}

/// A number that was never said.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NeverSaid;

impl Outward {
    /// Whether one more frame may wait.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.kept.is_empty() || (self.kept.len() < MAX_POLLED_FRAMES && self.bytes + bytes <= MAX_POLLED_BYTES)
    }

    /// Keeps a frame.
    pub(super) fn put(&mut self, frame: Box<RawValue>, now: Instant) {
        self.bytes += frame.get().len();
        self.kept.push_back((now, frame));
    }

    /// Everything up to a number has come, and is forgotten; a number that was named before says nothing new.
    pub(super) fn name(&mut self, number: u64) -> Result<(), NeverSaid> {
        if number > self.named + self.kept.len() as u64 {
            return Err(NeverSaid);
        }
        while self.named < number {
            let frame = self.kept.pop_front();
            self.bytes -= frame.map_or(0, |(_, frame)| frame.get().len());
            self.named += 1;
        }
        self.fetched = self.fetched.max(number);
        Ok(())
    }

    /// The frames that were not named, as many as one answer holds: at least one, if there is one.
    pub(super) fn page(&mut self) -> Page {
        let mut bytes = 0;
        let fits = |frame: &&(Instant, Box<RawValue>)| {
            bytes += frame.1.get().len();
            bytes <= MAX_LINK_FRAME_BYTES
        };
        let count = self.kept.iter().take(MAX_POLLED_FRAMES).take_while(fits).count().max(1).min(self.kept.len());
        let frames = self.kept.iter().take(count).map(|(_, frame)| frame.clone()).collect();
        self.fetched = self.fetched.max(self.named + count as u64);
        Page { first: self.named + 1, frames, all: count == self.kept.len() }
    }

    /// Since when a frame waits that never went into an answer.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        let fetched = usize::try_from(self.fetched - self.named).unwrap_or(usize::MAX);
        self.kept.get(fetched).map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(number: u64) -> Box<RawValue> {
        RawValue::from_string(number.to_string()).expect("JSON")
    }

    /// What becomes of one request.
    #[derive(Debug, Clone, Copy)]
    enum Fate {
        Arrives,
        /// It never reaches the other side.
        Lost,
        /// It was done, and the answer does not come back.
        Unanswered,
        /// It comes once more, much later.
        Late,
    }

    fn fates() -> impl Strategy<Value = Vec<(Fate, usize, bool)>> {
        let fate = prop_oneof![
            3 => Just(Fate::Arrives), 1 => Just(Fate::Lost), 1 => Just(Fate::Unanswered), 1 => Just(Fate::Late)
        ];
        proptest::collection::vec((fate, 1..5_usize, any::<bool>()), 0..80)
    }

    proptest! {
        /// Whatever is lost, doubled, late or out of turn: each side has what the other said, once and in order.
        #[test]
        fn nothing_is_lost_and_nothing_comes_twice(steps in fates()) {
            let (mut inward, mut outward) = (Inward::default(), Outward::default());
            // The node: what it has not been told to be taken; what has come to it.
            let (mut acknowledged, mut said, mut heard, mut spoken) = (0_u64, 0_u64, 0_u64, 0_u64);
            let (mut at_hub, mut at_node) = (Vec::new(), Vec::new());
            let mut late: Vec<(u64, u64)> = Vec::new();
            let now = Instant::now();
            let mut take = |inward: &mut Inward, first: u64, last: u64| {
                let Some(known) = inward.known(first) else { return inward.taken() };
                for number in (first..=last).skip(known) {
                    at_hub.push(number);
                    inward.take();
                }
                inward.taken()
            };
            for (fate, count, up) in steps {
                if up {
                    said += count as u64;
                    let (first, last) = (acknowledged + 1, said);
                    match fate {
                        Fate::Arrives => acknowledged = take(&mut inward, first, last),
                        Fate::Lost => {}
                        Fate::Unanswered => drop(take(&mut inward, first, last)),
                        Fate::Late => late.push((first, last)),
                    }
                    if let Some((first, last)) = late.first().copied().filter(|_| count == 1) {
                        late.remove(0);
                        take(&mut inward, first, last);
                        // Too early is not taken, either.
                        prop_assert_eq!(inward.known(inward.taken() + 2), None);
                    }
                } else {
                    for _ in 0..count {
                        spoken += 1;
                        outward.put(frame(spoken), now);
                    }
                    if matches!(fate, Fate::Lost) {
                        continue;
                    }
                    prop_assert_eq!(outward.name(heard), Ok(()));
                    let page = outward.page();
                    prop_assert!(page.first == heard + 1 && !page.frames.is_empty());
                    if matches!(fate, Fate::Arrives) {
                        for frame in page.frames {
                            heard += 1;
                            at_node.push(frame.get().parse::<u64>().expect("a number"));
                        }
                    } else if matches!(fate, Fate::Late) {
                        // A request of before brings what is to be brought now.
                        prop_assert_eq!(outward.name(heard.saturating_sub(1)), Ok(()));
                        prop_assert_eq!(outward.page().first, heard + 1);
                    }
                    prop_assert_eq!(outward.name(spoken + 1), Err(NeverSaid));
                }
            }
            take(&mut inward, acknowledged + 1, said);
            prop_assert_eq!(at_hub, (1..=said).collect::<Vec<_>>());
            while heard < spoken {
                outward.name(heard).expect("it was said");
                let page = outward.page();
                heard += page.frames.len() as u64;
                at_node.extend(page.frames.iter().map(|frame| frame.get().parse::<u64>().expect("a number")));
            }
            prop_assert_eq!(at_node, (1..=spoken).collect::<Vec<_>>());
            outward.name(spoken).expect("it was said");
            prop_assert_eq!((outward.bytes, outward.waits_since()), (0, None));
        }
    }

    #[test]
    fn what_waits_is_bounded_and_one_frame_always_may() {
        let mut outward = Outward::default();
        assert!(outward.has_room(usize::MAX / 2));
        for number in 1..=MAX_POLLED_FRAMES as u64 {
            assert!(outward.has_room(1));
            outward.put(frame(number), Instant::now());
        }
        assert!(!outward.has_room(1));
        assert!(outward.waits_since().is_some());
        let page = outward.page();
        assert_eq!((page.first, page.frames.len(), page.all), (1, MAX_POLLED_FRAMES, true));
        assert_eq!(outward.waits_since(), None, "all of it went into an answer");
        outward.name(1).expect("it was said");
        assert!(outward.has_room(1) && !outward.has_room(MAX_POLLED_BYTES));
        // A page is no larger than a frame may be, and holds at least one.
        let large = |bytes: usize| RawValue::from_string(format!("\"{}\"", "x".repeat(bytes))).expect("JSON");
        let mut outward = Outward::default();
        for _ in 0..3 {
            outward.put(large(MAX_LINK_FRAME_BYTES / 2), Instant::now());
        }
        let page = outward.page();
        assert_eq!((page.frames.len(), page.all), (1, false));
        assert!(outward.waits_since().is_some());
    }
}
