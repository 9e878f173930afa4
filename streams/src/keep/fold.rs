//! Which facts of a State Protocol stream still say something.

use std::borrow::Cow;
use std::collections::HashMap;

use protocol::offset::Offset;
use serde::Deserialize;
use store::{Cut, Message};

/// Most keys that are followed in one look, about 50 bytes each.
const MOST_KEYS: usize = 500_000;
/// Most facts dropped by one cut, which is one transaction.
const MOST_DROPPED: usize = 5_000;

/// As much of a fact as compaction has to know (rule 5: what is in it is nobody's business here).
#[derive(Debug, Deserialize)]
struct Fact<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    key: Cow<'a, str>,
    #[serde(borrow)]
    headers: Headers<'a>,
}

#[derive(Debug, Deserialize)]
struct Headers<'a> {
    #[serde(borrow, default)]
    operation: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    control: Option<Cow<'a, str>>,
}

/// The stream is not what compaction understands, or too much for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum FoldError {
    #[error("a message is no fact of the State Protocol")]
    NoFact,
    #[error("there are more than 500 000 keys")]
    TooMany,
}

/// A look at a stream from its beginning on.
#[derive(Debug, Default)]
pub(super) struct Fold {
    /// The newest fact of each key: where it begins, and where it ends when it is a deletion.
    newest: HashMap<u128, (u64, Option<u64>)>,
    superseded: Vec<u64>,
    /// Whether there was more to drop than one cut takes.
    overfull: bool,
}

impl Fold {
    /// Takes the next fact in.
    pub(super) fn take(&mut self, message: &Message) -> Result<(), FoldError> {
        let fact: Fact<'_> = serde_json::from_slice(&message.body).map_err(|_| FoldError::NoFact)?;
        if let Some(control) = &fact.headers.control {
            if control == "reset" {
                // Whoever reads on from before it is told to forget everything.
                let all: Vec<u64> = self.newest.drain().map(|(_, (start, _))| start).collect();
                for start in all {
                    self.drop_one(start);
                }
            }
            return Ok(());
        }
        let operation = fact.headers.operation.as_deref().ok_or(FoldError::NoFact)?;
        if fact.kind.is_empty() || fact.key.is_empty() {
            return Err(FoldError::NoFact);
        }
        let end = match operation {
            "delete" => Some(message.end.byte),
            "insert" | "update" | "upsert" => None,
            _ => return Err(FoldError::NoFact),
        };
        if self.newest.len() >= MOST_KEYS {
            return Err(FoldError::TooMany);
        }
        if let Some((start, _)) = self.newest.insert(name(&fact.kind, &fact.key), (message.start.byte, end)) {
            self.drop_one(start);
        }
        Ok(())
    }

    fn drop_one(&mut self, start: u64) {
        if self.superseded.len() < MOST_DROPPED { self.superseded.push(start) } else { self.overfull = true }
    }

    /// Whether there is more to drop than one cut takes.
    pub(super) fn is_overfull(&self) -> bool {
        self.overfull
    }

    /// What to drop: facts that a later one supersedes, and deletions that end at or before `forgotten`. `None` when that is nothing.
    ///
    /// A deletion goes only together with, or after, everything that it deletes: else what it deleted would be there again.
    pub(super) fn cut(self, epoch: u64, forgotten: Offset) -> Option<Cut> {
        let mut starts = self.superseded;
        let mut resume = 0;
        if !self.overfull && forgotten.epoch == epoch {
            let old = self.newest.into_values().filter_map(|(start, end)| Some((start, end?)));
            for (start, end) in old.filter(|(_, end)| *end <= forgotten.byte).take(MOST_DROPPED) {
                starts.push(start);
                resume = resume.max(end);
            }
        }
        (!starts.is_empty()).then_some(Cut::Holes { epoch, starts, resume })
    }
}

/// A key as a number; that two keys of one stream have the same is out of the question.
fn name(kind: &str, key: &str) -> u128 {
    use sha2::{Digest, Sha256};
    let length = (kind.len() as u64).to_be_bytes();
    let digest = Sha256::new().chain_update(length).chain_update(kind).chain_update(key).finalize();
    u128::from_be_bytes(digest[..16].try_into().expect("a digest has 32 bytes"))
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    pub(in crate::keep) fn fact(operation: &str, key: &str, value: u32) -> String {
        format!(r#"{{"type":"t","key":"{key}","value":{{"n":{value}}},"headers":{{"operation":"{operation}"}}}}"#)
    }

    /// The state that facts make of a state.
    pub(in crate::keep) fn fold<'a>(
        mut state: BTreeMap<String, u64>,
        facts: impl IntoIterator<Item = &'a [u8]>,
    ) -> BTreeMap<String, u64> {
        for fact in facts {
            let fact: serde_json::Value = serde_json::from_slice(fact).expect("json");
            let key = fact["key"].as_str().unwrap_or_default().to_owned();
            match fact["headers"]["operation"].as_str() {
                Some("delete") => drop(state.remove(&key)),
                Some(_) => drop(state.insert(key, fact["value"]["n"].as_u64().expect("a number"))),
                None => state.clear(),
            }
        }
        state
    }

    fn messages(facts: &[String]) -> Vec<Message> {
        let mut at = Offset::ZERO;
        let message = |fact: &String| {
            let start = at;
            at = at.plus(fact.len() as u64);
            Message { start, end: at, body: fact.clone().into() }
        };
        facts.iter().map(message).collect()
    }

    proptest! {
        /// Whoever starts fresh, and whoever goes on from any position that is still one, ends in the same state as without compaction.
        #[test]
        fn every_reader_ends_in_the_right_state(
            steps in proptest::collection::vec((0..8_u8, 0..4_u8, any::<u32>()), 1..60),
            forgotten in 0..60_usize,
        ) {
            let facts: Vec<String> = steps.iter().map(|(what, key, value)| match what {
                0 => r#"{"headers":{"control":"reset"}}"#.to_owned(),
                1 | 2 => fact("delete", &format!("k{key}"), 0),
                _ => fact("upsert", &format!("k{key}"), *value),
            }).collect();
            let all = messages(&facts);
            let mut look = Fold::default();
            for message in &all {
                look.take(message).expect("a fact");
            }
            let forgotten = all.get(forgotten).map_or(Offset::ZERO, |message| message.start);
            let (starts, resume) = match look.cut(0, forgotten) {
                Some(Cut::Holes { starts, resume, .. }) => (starts, resume),
                _ => (Vec::new(), 0),
            };
            prop_assert!(resume <= forgotten.byte);
            let kept: Vec<&Message> = all.iter().filter(|message| !starts.contains(&message.start.byte)).collect();
            let truth = fold(BTreeMap::new(), all.iter().map(|message| message.body.as_ref()));
            prop_assert_eq!(&fold(BTreeMap::new(), kept.iter().map(|message| message.body.as_ref())), &truth);
            for (index, message) in all.iter().enumerate().filter(|(_, message)| message.end.byte >= resume) {
                let before = fold(BTreeMap::new(), all[..=index].iter().map(|message| message.body.as_ref()));
                let rest = kept.iter().filter(|kept| kept.start >= message.end).map(|kept| kept.body.as_ref());
                prop_assert_eq!(&fold(before, rest), &truth, "from {}", message.end);
            }
        }
    }

    #[test]
    fn what_is_no_fact_is_left_alone() {
        for text in [
            "1",
            "{}",
            r#"{"type":"t","key":"","headers":{"operation":"insert"}}"#,
            r#"{"type":"t","key":"k","headers":{}}"#,
        ] {
            let found = Fold::default().take(&messages(&[text.to_owned()])[0]);
            assert_eq!(found, Err(FoldError::NoFact), "{text}");
        }
    }
}
