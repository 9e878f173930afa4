//! `fold(replay) == fold(live)`: whatever the interleaving, the place of joining and the reconnects.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::Transcript;
use super::world::{Commit, Step, World};
use crate::fact::SessionFact;
use crate::id::TurnId;

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::StartTurn),
        3 => any::<bool>().prop_map(|tool| Step::StartItem { tool }),
        8 => (any::<usize>(), 0_usize..4).prop_map(|(which, size)| Step::Grow { which, size }),
        2 => any::<usize>().prop_map(|which| Step::Snapshot { which }),
        3 => any::<usize>().prop_map(|which| Step::Settle { which }),
        1 => any::<usize>().prop_map(|which| Step::Abandon { which }),
        1 => Just(Step::Ask),
        1 => Just(Step::Answer),
        1 => Just(Step::EndTurn),
    ]
}

/// The streams as they stand after some commits.
#[derive(Default)]
struct Streams {
    journal: Vec<SessionFact>,
    turns: BTreeMap<TurnId, Vec<SessionFact>>,
}

impl Streams {
    fn of(commits: &[Commit]) -> Self {
        let mut streams = Self::default();
        for commit in commits {
            streams.journal.extend(commit.journal.iter().cloned());
            for (turn, fact) in &commit.live {
                streams.turns.entry(*turn).or_default().push(fact.clone());
            }
        }
        streams
    }
}

/// A reader that takes the streams in any interleaving: `picks` says which stream gives its next message, and when to reconnect.
fn read(joined: &Streams, all: &Streams, picks: &[(usize, bool)]) -> Transcript {
    let mut transcript = Transcript::new();
    joined.journal.iter().cloned().for_each(|fact| transcript.journal(fact));
    let mut journal = joined.journal.len();
    let mut cursors: BTreeMap<TurnId, usize> = BTreeMap::new();
    let mut picks = picks.iter().copied().cycle();
    let mut reconnects = 10;
    loop {
        // A turn stream is joined at the low-water mark of the newest turn fact that the reader has seen.
        let follow: Vec<TurnId> = transcript
            .turns()
            .into_iter()
            .filter(|(_, turn)| !turn.state.is_final())
            .map(|(id, turn)| {
                let low = turn.low_water.map_or(0, |offset| usize::try_from(offset.byte).expect("small"));
                cursors.entry(id).or_insert(low);
                id
            })
            .collect();
        let waiting: Vec<TurnId> =
            follow.into_iter().filter(|id| cursors[id] < all.turns.get(id).map_or(0, Vec::len)).collect();
        let journal_waits = journal < all.journal.len();
        if !journal_waits && waiting.is_empty() {
            return transcript;
        }
        let (pick, reconnect) = picks.next().unwrap_or((0, false));
        let choices = waiting.len() + usize::from(journal_waits);
        let choice = pick % choices;
        if let Some(turn) = waiting.get(choice) {
            let cursor = cursors.get_mut(turn).expect("it was entered above");
            transcript.live(*turn, all.turns[turn][*cursor].clone());
            *cursor += 1;
            if reconnect && reconnects > 0 {
                reconnects -= 1;
                // The offset of the last message was lost with the page: the reader goes back as far as the low-water mark.
                let low = transcript.find_turn(*turn).and_then(|turn| turn.low_water).map_or(0, |offset| offset.byte);
                *cursor = (*cursor).min(usize::try_from(low).expect("small").max(cursor.saturating_sub(3)));
            }
        } else {
            transcript.journal(all.journal[journal].clone());
            journal += 1;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_reader_ends_with_the_same_transcript(
        steps in prop::collection::vec(step(), 1..60),
        join in any::<prop::sample::Index>(),
        picks in prop::collection::vec((any::<usize>(), prop::bool::weighted(0.1)), 1..40),
    ) {
        let world = World::run(&steps);
        let all = Streams::of(&world.commits);
        // Live: the commits as they happen, each stream as it comes.
        let mut live = Transcript::new();
        for commit in &world.commits {
            commit.journal.iter().cloned().for_each(|fact| live.journal(fact));
            commit.live.iter().cloned().for_each(|(turn, fact)| live.live(turn, fact));
        }
        let replay = read(&Streams::default(), &all, &[(0, false)]);
        prop_assert_eq!(live.canonical(), replay.canonical());
        let joined = Streams::of(&world.commits[..join.index(world.commits.len() + 1)]);
        let late = read(&joined, &all, &picks);
        prop_assert_eq!(live.canonical(), late.canonical());
        // From its end backwards: the newest part first, then the older pages.
        let cut = joined.journal.len();
        let mut backwards = Transcript::new();
        all.journal[cut..].iter().cloned().for_each(|fact| backwards.journal(fact));
        backwards.older(all.journal[cut / 2..cut].iter().cloned());
        backwards.older(all.journal[..cut / 2].iter().cloned());
        let settled: Vec<_> = backwards.items().into_iter().map(|(id, item)| (id, item.clone())).collect();
        let expected: Vec<_> = live.items().into_iter().filter(|(_, item)| item.settled_at_ms.is_some())
            .map(|(id, item)| (id, item.clone())).collect();
        prop_assert_eq!(settled, expected);
    }

    #[test]
    fn facts_survive_the_wire(steps in prop::collection::vec(step(), 1..40)) {
        for commit in World::run(&steps).commits {
            for fact in commit.journal.into_iter().chain(commit.live.into_iter().map(|(_, fact)| fact)) {
                let bytes = fact.encode().expect("a known fact");
                prop_assert_eq!(SessionFact::parse(&bytes).expect("our own fact"), fact);
            }
        }
    }
}
