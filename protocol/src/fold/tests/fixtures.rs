//! The fixtures of `protocol/fixtures/fold`: written from the little host below, run by Rust and TypeScript alike.
//!
//! `UPDATE=1 cargo test -p protocol` writes them anew; a change in them is a change of meaning, to be read in review.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::Transcript;
use super::world::{Step, World};
use crate::fact::SessionFact;
use crate::id::TurnId;

#[derive(Debug, Serialize, Deserialize)]
struct Fixture {
    about: String,
    steps: Vec<FixtureStep>,
    canonical: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "take", rename_all = "snake_case")]
enum FixtureStep {
    Journal { message: Value },
    Live { turn: TurnId, message: Value },
    Older { messages: Vec<Value> },
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/fold")
}

fn fold(steps: &[FixtureStep]) -> Vec<String> {
    let parse = |message: &Value| SessionFact::parse(message.to_string().as_bytes()).expect("a fact");
    let mut transcript = Transcript::new();
    for step in steps {
        match step {
            FixtureStep::Journal { message } => transcript.journal(parse(message)),
            FixtureStep::Live { turn, message } => transcript.live(*turn, parse(message)),
            FixtureStep::Older { messages } => transcript.older(messages.iter().map(parse)),
        }
    }
    transcript.canonical()
}

fn message(fact: &SessionFact) -> Value {
    sorted(serde_json::from_slice(&fact.encode().expect("a known fact")).expect("JSON"))
}

/// The value with its keys in alphabetical order: whether `serde_json` keeps the order of insertion is a feature that any crate of a
/// build may switch on, and the files are the same in every build.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let entries: BTreeMap<String, Value> = map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(sorted).collect()),
        plain => plain,
    }
}

const STORY: &[Step] = &[
    Step::StartTurn,
    Step::StartItem { tool: false },
    Step::Grow { which: 0, size: 3 },
    Step::Grow { which: 0, size: 2 },
    Step::StartItem { tool: true },
    Step::Grow { which: 1, size: 1 },
    Step::Settle { which: 0 },
    Step::Snapshot { which: 0 },
    Step::Ask,
    Step::Answer,
    Step::Grow { which: 1, size: 4 },
    Step::StartItem { tool: false },
    Step::Grow { which: 1, size: 2 },
    Step::Abandon { which: 1 },
    Step::EndTurn,
    Step::StartTurn,
    Step::StartItem { tool: false },
    Step::Grow { which: 0, size: 1 },
];

/// The story, told in several orders. Each must give what its file says; those of the whole story must all agree.
fn stories() -> Vec<(&'static str, Fixture)> {
    let world = World::run(STORY);
    let mut as_it_happens = Vec::new();
    let (mut journal, mut live) = (Vec::new(), Vec::new());
    for commit in &world.commits {
        let facts = commit.journal.iter().map(|fact| FixtureStep::Journal { message: message(fact) });
        let deltas = commit.live.iter().map(|(turn, fact)| FixtureStep::Live { turn: *turn, message: message(fact) });
        as_it_happens.extend(facts.clone().chain(deltas.clone()));
        journal.extend(facts);
        live.extend(deltas);
    }
    let journal_first: Vec<_> = journal.iter().chain(&live).cloned().collect();
    let live_first: Vec<_> = live.iter().chain(&journal).cloned().collect();
    let twice: Vec<_> = as_it_happens.iter().chain(&live).cloned().collect();
    let older = |steps: &[FixtureStep]| FixtureStep::Older {
        messages: steps
            .iter()
            .filter_map(|step| match step {
                FixtureStep::Journal { message } => Some(message.clone()),
                FixtureStep::Live { .. } | FixtureStep::Older { .. } => None,
            })
            .collect(),
    };
    let (early, late) = journal.split_at(journal.len() / 2);
    let backwards: Vec<_> =
        late.iter().cloned().chain(live.iter().cloned()).chain([older(&early[2..]), older(&early[..2])]).collect();
    let mut strange = as_it_happens.clone();
    strange.insert(1, FixtureStep::Journal { message: sorted(serde_json::json!({"type": "moon_phase", "key": "x", "value": {"v": 9}, "headers": {"operation": "insert"}})) });
    let half: Vec<_> = as_it_happens[..as_it_happens.len() / 2].to_vec();
    let tell =
        |about: &str, steps: Vec<FixtureStep>| Fixture { about: about.to_owned(), canonical: fold(&steps), steps };
    vec![
        ("as-it-happens", tell("Facts in the order of their commits", as_it_happens)),
        ("backwards", tell("The newest half first, then older pages", backwards)),
        ("half", tell("Cut in the middle: live items stand", half)),
        ("journal-first", tell("The whole journal, then the turn streams", journal_first)),
        ("live-first", tell("The turn streams, then the whole journal", live_first)),
        ("twice", tell("The turn streams are read again after a reconnect", twice)),
        ("unknown-fact", tell("A fact of a type that nobody knows is skipped", strange)),
    ]
}

#[test]
fn the_story_is_the_same_in_every_order() {
    let stories = stories();
    let find = |name: &str| &stories.iter().find(|(story, _)| *story == name).expect("a story").1.canonical;
    for name in ["backwards", "journal-first", "live-first", "twice", "unknown-fact"] {
        assert_eq!(find("as-it-happens"), find(name), "{name}");
    }
    assert_ne!(find("as-it-happens"), find("half"));
}

#[test]
fn the_fixture_files_are_these_stories() {
    for (name, story) in stories() {
        let path = directory().join(format!("{name}.json"));
        let text = serde_json::to_string_pretty(&story).expect("JSON") + "\n";
        #[expect(
            clippy::disallowed_methods,
            reason = "the switch that rewrites fixtures is a variable of the developer's shell"
        )]
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(directory()).expect("a directory");
            std::fs::write(&path, &text).expect("a file");
        }
        let file = std::fs::read_to_string(&path).expect("a fixture file");
        assert!(file == text, "{name}.json is stale: run `cargo xtask gen`");
        let fixture: Fixture = serde_json::from_str(&file).expect("a fixture");
        assert_eq!(fold(&fixture.steps), fixture.canonical, "{name}");
    }
}
