//! What must hold at every look, and when the world has come to its end.

use super::ledger::{Content, Ledger, State, content};
use super::{NODE, paths};

/// What the hub holds only ever grows, and nothing follows on a close.
pub(crate) fn look(ledger: &Ledger) {
    for path in paths() {
        let now = content(&ledger.there, &path);
        let mut pages = ledger.pages();
        let before = pages.seen.insert(path.clone(), now.clone()).unwrap_or_default();
        assert!(now.messages.starts_with(&before.messages), "{path} changed at the hub: {before:?}, then {now:?}");
        assert!(!before.closed || now == before, "{path} went on behind its end: {now:?}");
    }
}

/// `kept`: the node had one disk all along.
pub(crate) fn judge(ledger: &Ledger, kept: bool) {
    look(ledger);
    let pages = ledger.pages();
    let mut whole = 0;
    for path in paths() {
        let there = content(&ledger.there, &path);
        let histories: Vec<Content> = pages.disks.values().flatten().map(|disk| content(disk, &path)).collect();
        let fits =
            |history: &Content| history.messages.starts_with(&there.messages) && (!there.closed || *history == there);
        assert!(histories.iter().any(fits), "{path} is of no one history:\n{there:#?}\n{histories:#?}");
        let read = pages.read.get(&path).cloned().unwrap_or_default();
        assert_eq!(read, there, "who reads {path} has read all of it once, in order");
        let bytes: u64 = there.messages.iter().map(|message| message.len() as u64).sum();
        let acked = pages.acked.get(&path).copied().unwrap_or_default();
        assert!(acked <= bytes, "{path}: stored up to {acked} was said, and it ends at {bytes}");
        whole += usize::from(there.closed);
    }
    for (who, _) in pages.states.iter().filter(|(_, state)| **state == State::Done) {
        assert_eq!(whole, paths().len(), "what is done is whole");
        let mine = pages.disks[who].last().expect("one at least");
        for path in paths() {
            assert_eq!(
                content(mine, &path),
                content(&ledger.there, &path),
                "{who} was told that all of {path} is there"
            );
        }
    }
    if kept {
        assert_eq!(pages.states[NODE], State::Done, "one disk, one history: nothing is refused");
    }
    if pages.parted {
        let state = pages.states[NODE];
        assert!(matches!(state, State::Fenced | State::Mismatched), "an older disk is noticed: {state:?}");
    }
}
